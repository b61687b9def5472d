//! TLS for clients, and the errors of both ends.

use std::error::Error;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    AlertDescription, CertificateError, ClientConfig, DigitallySignedStruct, ProtocolVersion, RootCertStore,
    SignatureScheme,
};
use tokio::net::TcpStream;

use crate::plain::PlainStream;
use crate::tls_socket::TlsSocket;
use crate::{Address, Endpoint, Stream};

/// A connection over TLS. The kernel counts its bytes.
pub type TlsStream = tokio_rustls::client::TlsStream<TcpStream>;

/// How many names of a certificate a message repeats.
const MAX_SHOWN_NAMES: usize = 5;

/// Which certificates of servers a client accepts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Trust {
    /// Those that an authority has signed which the system trusts.
    #[default]
    System,
    /// Those that one of these authorities has signed. Holds the certificates of the authorities, as PEM.
    Authorities(String),
    /// Any. An attacker who can intercept the connection can then read and change what passes.
    Any,
    /// None: for a client that never uses TLS.
    Nothing,
}

/// How a client uses TLS.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsSettings {
    /// Which certificates of servers it accepts.
    pub trust: Trust,
    /// Whether it resumes the sessions of earlier connections of this process (RFC 8446, section 2.2), which spares both ends the
    /// certificate. Otherwise each connection makes a whole handshake.
    pub resumes_sessions: bool,
}

impl From<Trust> for TlsSettings {
    fn from(trust: Trust) -> Self {
        TlsSettings { trust, ..TlsSettings::default() }
    }
}

impl From<&Trust> for TlsSettings {
    fn from(trust: &Trust) -> Self {
        trust.clone().into()
    }
}

impl From<&TlsSettings> for TlsSettings {
    fn from(settings: &TlsSettings) -> Self {
        settings.clone()
    }
}

/// Why a client or a server cannot use TLS.
#[derive(Clone, Debug, thiserror::Error)]
pub enum TlsError {
    /// The text holds no certificate.
    #[error("there is no certificate in it; expected PEM: -----BEGIN CERTIFICATE-----")]
    NoCertificate,
    /// The text is not PEM, or what it holds is not a certificate.
    #[error("not a certificate in PEM: {0}")]
    Certificate(String),
    /// The text holds no key.
    #[error("there is no private key in it; expected PEM: -----BEGIN PRIVATE KEY-----")]
    NoKey,
    /// The text is not PEM, or what it holds is not a key.
    #[error("not a private key in PEM")]
    Key,
    /// The system has no certificates of authorities.
    #[error(
        "this system has no certificates of authorities ({0}); install them, or name a file with --cacert, or with the variable \
         SSL_CERT_FILE where a command has no such option"
    )]
    NoSystemAuthorities(String),
    /// The library cannot be configured.
    #[error("TLS cannot be configured: {0}")]
    Configuration(rustls::Error),
}

/// The server has closed the connection during the handshake.
#[derive(Debug, thiserror::Error)]
#[error("the server closed the connection during the TLS handshake: it may not speak TLS")]
struct HandshakeEnded;

/// What a handshake has negotiated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsSession {
    /// The version, such as `TLS 1.3`.
    pub version: String,
    /// The cipher suite, by its name at IANA, such as `TLS_AES_256_GCM_SHA384`.
    pub cipher: String,
}

impl TlsSession {
    fn of(stream: &TlsStream) -> Self {
        let (_, session) = stream.get_ref();
        let version = match session.protocol_version() {
            Some(ProtocolVersion::TLSv1_3) => "TLS 1.3".to_owned(),
            Some(ProtocolVersion::TLSv1_2) => "TLS 1.2".to_owned(),
            other => format!("{other:?}"),
        };
        let cipher = session.negotiated_cipher_suite().map(|suite| format!("{:?}", suite.suite()));
        // The library has another prefix for the suites of TLS 1.3.
        let cipher = cipher.unwrap_or_default().replacen("TLS13_", "TLS_", 1);
        TlsSession { version, cipher }
    }
}

/// The server has agreed on none of the protocols that the client has named.
#[derive(Debug, thiserror::Error)]
#[error("the server does not agree on the protocol {0} over TLS (ALPN): it may be a server of another one")]
struct NoProtocol(String);

/// Connects over TLS 1.3 or 1.2. Cheap to clone.
///
/// Unless its settings say otherwise, each connection makes a whole handshake: sessions are not resumed, so that connections cost
/// the same whichever library opens them.
#[derive(Clone, Debug)]
pub struct TlsConnector {
    config: Arc<ClientConfig>,
}

impl TlsConnector {
    /// A connector that works as `settings` say. It is made once for each value and kept, since reading the system's authorities
    /// takes milliseconds, and with it the sessions that it resumes.
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn new(settings: impl Into<TlsSettings>) -> Result<Self, TlsError> {
        static CONNECTORS: Mutex<Vec<(TlsSettings, TlsConnector)>> = Mutex::new(Vec::new());
        let settings = settings.into();
        let mut made = CONNECTORS.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, connector)) = made.iter().find(|(of, _)| *of == settings) {
            return Ok(connector.clone());
        }
        let connector = TlsConnector { config: Arc::new(client_config(&settings)?) };
        made.push((settings, connector.clone()));
        Ok(connector)
    }

    /// A connector for `address` that works as `settings` say; `None` if the address has no TLS.
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn for_address(
        address: &Address,
        settings: impl Into<TlsSettings>,
    ) -> Result<Option<Self>, TlsError> {
        address.has_tls().then(|| Self::new(settings)).transpose()
    }

    /// Lets it connect only to servers that agree on `protocol` during the handshake (ALPN, RFC 7301).
    #[must_use]
    pub fn with_protocol(&self, protocol: &str) -> Self {
        let mut config = self.config();
        config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
        TlsConnector { config: Arc::new(config) }
    }

    /// The configuration, for libraries that open their connections themselves.
    #[must_use]
    pub fn config(&self) -> ClientConfig {
        (*self.config).clone()
    }

    /// Connects to `endpoint` and completes the handshake. The certificate must be for the endpoint's host.
    ///
    /// # Errors
    /// The errors of the operating system and of the handshake, which
    /// [`describe_connect_error`](crate::describe_connect_error) describes; [`io::ErrorKind::Unsupported`] for an endpoint
    /// other than TCP.
    pub async fn connect(&self, endpoint: &Endpoint) -> io::Result<TlsStream> {
        let Endpoint::Tcp { host, port } = endpoint else { return Err(io::ErrorKind::Unsupported.into()) };
        // Certificates do not name the zone of an IPv6 address.
        let name = host.split('%').next().unwrap_or_default().to_owned();
        let name =
            ServerName::try_from(name).map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        let socket = TcpStream::connect((host.as_str(), *port)).await?;
        socket.set_nodelay(true)?;
        let connector = tokio_rustls::TlsConnector::from(Arc::clone(&self.config));
        let stream = connector.connect(name, socket).await.map_err(|error| {
            if is_end_of_connection(error.kind()) {
                io::Error::new(io::ErrorKind::ConnectionAborted, HandshakeEnded)
            } else {
                error
            }
        })?;
        let (_, session) = stream.get_ref();
        if let (Some(protocol), None) = (self.config.alpn_protocols.first(), session.alpn_protocol()) {
            let protocol = String::from_utf8_lossy(protocol).into_owned();
            return Err(io::Error::new(io::ErrorKind::ConnectionAborted, NoProtocol(protocol)));
        }
        let TlsSession { version, cipher } = TlsSession::of(&stream);
        tracing::debug!(version, cipher, "TLS handshake completed");
        Ok(stream)
    }

    /// Opens a connection to `endpoint` like [`Self::connect`], as a [`Stream`] like those without TLS.
    ///
    /// # Errors
    /// As [`Self::connect`].
    pub async fn open(&self, endpoint: &Endpoint) -> io::Result<Stream> {
        let (socket, connection) = self.connect(endpoint).await?.into_inner();
        Ok(TlsSocket::new(PlainStream::tcp(socket)?, connection).into())
    }

    /// Connects to `endpoint` like [`Self::connect`], and closes the connection after the handshake. Returns what was negotiated: the
    /// same as for every connection of a client with this connector, whichever library opens it.
    ///
    /// # Errors
    /// As [`Self::connect`].
    pub async fn negotiate(&self, endpoint: &Endpoint) -> io::Result<TlsSession> {
        self.connect(endpoint).await.map(|stream| TlsSession::of(&stream))
    }
}

fn client_config(settings: &TlsSettings) -> Result<ClientConfig, TlsError> {
    let provider = ring::default_provider();
    let algorithms = provider.signature_verification_algorithms;
    let builder = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Configuration)?;
    let with_roots =
        |roots: RootCertStore| builder.clone().with_root_certificates(roots).with_no_client_auth();
    let mut config = match &settings.trust {
        Trust::System => with_roots(system_authorities()?),
        Trust::Authorities(pem) => with_roots(authorities(pem)?),
        Trust::Nothing => with_roots(RootCertStore::empty()),
        Trust::Any => builder
            .clone()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AnyCertificate(algorithms)))
            .with_no_client_auth(),
    };
    if !settings.resumes_sessions {
        config.resumption = Resumption::disabled();
    }
    Ok(config)
}

fn system_authorities() -> Result<RootCertStore, TlsError> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    // Some systems have certificates that rustls cannot read; the others suffice.
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let reason = found.errors.first().map_or("none was found".to_owned(), ToString::to_string);
        return Err(TlsError::NoSystemAuthorities(reason));
    }
    Ok(roots)
}

fn authorities(pem: &str) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        let certificate = certificate.map_err(|error| TlsError::Certificate(error.to_string()))?;
        roots.add(certificate).map_err(|error| TlsError::Certificate(error.to_string()))?;
    }
    if roots.is_empty() { Err(TlsError::NoCertificate) } else { Ok(roots) }
}

/// Accepts any certificate. The peer must nevertheless have the key of the certificate that it shows.
#[derive(Debug)]
struct AnyCertificate(WebPkiSupportedAlgorithms);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}

/// `error` and its causes, those inside I/O errors too, which [`Error::source`] passes over.
pub(crate) fn causes<'a>(
    error: &'a (dyn Error + 'static),
) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| {
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        inner.map(|inner| -> &(dyn Error + 'static) { inner }).or_else(move || error.source())
    })
}

/// Describes the failed handshake that `error` is due to; `None` where TLS is not the reason.
pub(crate) fn describe(error: &(dyn Error + 'static)) -> Option<String> {
    causes(error).find_map(|cause| cause.downcast_ref::<rustls::Error>()).map(reason)
}

/// Describes the end of a connection that a library was opening: only the handshake of TLS reads and writes then. `None` if
/// `error` has another reason.
pub(crate) fn ended_during_handshake(error: &(dyn Error + 'static)) -> Option<String> {
    let is_end = |cause: &(dyn Error + 'static)| {
        cause.downcast_ref::<io::Error>().is_some_and(|error| is_end_of_connection(error.kind()))
    };
    causes(error).any(is_end).then(|| HandshakeEnded.to_string())
}

fn is_end_of_connection(kind: io::ErrorKind) -> bool {
    matches!(kind, io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe)
}

fn reason(error: &rustls::Error) -> String {
    use rustls::Error as Tls;
    match error {
        Tls::InvalidCertificate(error) => certificate_reason(error),
        Tls::InvalidMessage(_) => {
            format!(
                "the server does not speak TLS ({error}); the URL of a plain server begins with http://, ws://, tcp://, grpc://, \
                 thrift:// or amqp://"
            )
        }
        Tls::AlertReceived(AlertDescription::NoApplicationProtocol) | Tls::NoApplicationProtocol => {
            "the server speaks another protocol over TLS (ALPN)".to_owned()
        }
        Tls::AlertReceived(alert) => format!("the server refused the TLS handshake: {alert:?}"),
        Tls::PeerIncompatible(_) => {
            format!("the server has no version or cipher of TLS in common with this client: {error}")
        }
        _ => format!("the TLS handshake failed: {error}"),
    }
}

/// The name in the library's text for one, such as `DnsName("localhost")` and `IpAddress(127.0.0.1)`.
fn name_alone(text: &str) -> &str {
    let inner = text.split_once('(').and_then(|(_, inner)| inner.strip_suffix(')'));
    inner.unwrap_or(text).trim_matches('"')
}

fn certificate_reason(error: &CertificateError) -> String {
    match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "the server's certificate has expired".to_owned()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "the server's certificate is not valid yet".to_owned()
        }
        CertificateError::NotValidForNameContext { expected, presented } => {
            let names: Vec<_> =
                presented.iter().take(MAX_SHOWN_NAMES).map(|name| name_alone(name)).collect();
            format!(
                "the server's certificate is for another name than {}: {}",
                expected.to_str(),
                names.join(", ")
            )
        }
        CertificateError::NotValidForName => "the server's certificate is for another name".to_owned(),
        CertificateError::UnknownIssuer => {
            "the server's certificate is signed by an authority that is not trusted, or by no authority; name the \
             authority's certificate with --cacert, or with the variable SSL_CERT_FILE where a command has no such option"
                .to_owned()
        }
        // The verifier's own type for this is not part of rustls.
        CertificateError::Other(other) if format!("{other:?}").contains("CaUsedAsEndEntity") => {
            "the server's certificate is that of an authority, which is not accepted as that of a server; sign one for the \
             server with it"
                .to_owned()
        }
        _ => format!("the server's certificate cannot be accepted: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn self_signed(name: &str) -> String {
        rcgen::generate_simple_self_signed([name.to_owned()]).unwrap().cert.pem()
    }

    #[test]
    fn authorities_are_read_from_pem_and_what_is_none_is_refused() {
        let two = self_signed("a.example") + &self_signed("b.example");
        assert_eq!(authorities(&two).unwrap().len(), 2);
        for text in ["", "hello", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"] {
            assert!(matches!(authorities(text), Err(TlsError::NoCertificate)), "{text}");
        }
        for text in [
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            "-----BEGIN CERTIFICATE-----\n?\n-----END CERTIFICATE-----\n",
            "-----BEGIN CERTIFICATE-----\nAAAA\n",
        ] {
            assert!(matches!(authorities(text), Err(TlsError::Certificate(_))), "{text}");
        }
    }

    #[test]
    fn a_connector_is_made_once_for_each_trust() {
        let (first, again) =
            (TlsConnector::new(&Trust::Any).unwrap(), TlsConnector::new(&Trust::Any).unwrap());
        assert!(Arc::ptr_eq(&first.config, &again.config));
        let other = TlsConnector::new(&Trust::Nothing).unwrap();
        assert!(!Arc::ptr_eq(&first.config, &other.config));
        let resuming = TlsSettings { trust: Trust::Any, resumes_sessions: true };
        assert!(!Arc::ptr_eq(&first.config, &TlsConnector::new(resuming).unwrap().config));
    }

    /// Servers and `run --broker` have no options for TLS.
    #[test]
    fn the_advice_about_a_certificate_holds_in_every_command() {
        assert!(certificate_reason(&CertificateError::UnknownIssuer).contains("SSL_CERT_FILE"));
        assert!(TlsError::NoSystemAuthorities("x".to_owned()).to_string().contains("SSL_CERT_FILE"));
        #[derive(Debug)]
        struct CaUsedAsEndEntity;
        impl std::fmt::Display for CaUsedAsEndEntity {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an authority")
            }
        }
        impl Error for CaUsedAsEndEntity {}
        let authority = CertificateError::Other(rustls::OtherError(Arc::new(CaUsedAsEndEntity)));
        let reason = certificate_reason(&authority);
        assert!(reason.contains("sign one for the server") && !reason.contains("--insecure"), "{reason}");
    }

    #[test]
    fn the_reason_is_found_inside_the_errors_of_libraries() {
        let expired = rustls::Error::InvalidCertificate(CertificateError::Expired);
        let wrapped = io::Error::other(io::Error::new(io::ErrorKind::InvalidData, expired));
        assert_eq!(describe(&wrapped).as_deref(), Some("the server's certificate has expired"));
        let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
        assert_eq!(describe(&refused), None);
        assert_eq!(ended_during_handshake(&refused), None);
        let ended = io::Error::other(io::Error::new(io::ErrorKind::UnexpectedEof, "tls handshake eof"));
        assert!(ended_during_handshake(&ended).unwrap().contains("may not speak TLS"));
    }
}
