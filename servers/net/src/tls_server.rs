//! TLS for servers.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::ring;
use rustls::pki_types::pem::{Error as PemError, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{CipherSuite, ServerConfig, ServerConnection, version};
use tokio::time::timeout;

use crate::plain::PlainStream;
use crate::tls_socket::TlsSocket;
use crate::{Stream, TlsError};

/// The server's end of a connection over TLS.
pub type TlsServerStream = tokio_rustls::server::TlsStream<Stream>;

/// The version of TLS of every [`TlsAcceptor`] and its cipher, in words. It has only these, so that every client gets the same;
/// no implementation of TLS 1.3 may lack the cipher (RFC 8446, section 9.1).
pub const TLS_TERMS: &str = "TLS 1.3 with AES-128-GCM";
const CIPHER_SUITE: CipherSuite = CipherSuite::TLS13_AES_128_GCM_SHA256;

/// How long a client may take for its handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(30);

/// Accepts connections over TLS. Cheap to clone.
#[derive(Clone, Debug)]
pub struct TlsAcceptor {
    config: Arc<ServerConfig>,
}

impl TlsAcceptor {
    /// An acceptor for a server with the certificate `certificate`, which may be followed by those of the authorities that have
    /// signed it, and the key `key` (both PEM). Clients that name the protocols that they speak (ALPN, RFC 7301) must name
    /// `protocol`; without one, whatever they name does not matter.
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn new<'a>(
        certificate: &str,
        key: &str,
        protocol: impl Into<Option<&'a str>>,
    ) -> Result<Self, TlsError> {
        let mut chain = Vec::new();
        for certificate in CertificateDer::pem_slice_iter(certificate.as_bytes()) {
            chain.push(certificate.map_err(|error| TlsError::Certificate(error.to_string()))?);
        }
        if chain.is_empty() {
            return Err(TlsError::NoCertificate);
        }
        // Messages about a key do not repeat any of it.
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(|error| match error {
            PemError::NoItemsFound => TlsError::NoKey,
            _ => TlsError::Key,
        })?;
        let mut provider = ring::default_provider();
        provider.cipher_suites.retain(|suite| suite.suite() == CIPHER_SUITE);
        let mut config = ServerConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(&[&version::TLS13])
            .map_err(TlsError::Configuration)?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(TlsError::Configuration)?;
        config.alpn_protocols = protocol.into().iter().map(|name| name.as_bytes().to_vec()).collect();
        Ok(TlsAcceptor { config: Arc::new(config) })
    }

    /// TLS over `stream`. The handshake is completed by reading from it.
    ///
    /// # Errors
    /// Never with a configuration of this type.
    pub(crate) fn over(&self, stream: PlainStream) -> io::Result<Stream> {
        let connection = ServerConnection::new(Arc::clone(&self.config)).map_err(io::Error::other)?;
        Ok(TlsSocket::new(stream, connection).into())
    }

    /// Completes the handshake on `stream`. Cancel-safe: the connection is closed.
    ///
    /// # Errors
    /// Those of the connection and of the handshake; [`io::ErrorKind::TimedOut`] if the client takes more than 30 s.
    pub async fn accept(&self, stream: Stream) -> io::Result<TlsServerStream> {
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::clone(&self.config));
        let accepted = timeout(HANDSHAKE_TIMEOUT, acceptor.accept(stream)).await;
        accepted.unwrap_or_else(|_| {
            Err(io::Error::new(io::ErrorKind::TimedOut, "the client does not complete its TLS handshake"))
        })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use rcgen::{CertifiedKey, generate_simple_self_signed};
    use rustls::{HandshakeKind, ProtocolVersion};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::{Endpoint, Listener, TlsConnector, TlsSettings, Trust, describe_connect_error};

    /// A certificate for 127.0.0.1 and its key.
    fn identity() -> (String, String) {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        (cert.pem(), signing_key.serialize_pem())
    }

    /// What accepts connections to 127.0.0.1, with a certificate that it has signed itself.
    pub(crate) fn acceptor<'a>(protocol: impl Into<Option<&'a str>>) -> TlsAcceptor {
        let (certificate, key) = identity();
        TlsAcceptor::new(&certificate, &key, protocol).unwrap()
    }

    #[test]
    fn a_certificate_and_its_key_are_needed() {
        let ((certificate, key), (other, _)) = (identity(), identity());
        let refused = |certificate: &str, key: &str| TlsAcceptor::new(certificate, key, "p").unwrap_err();
        assert!(matches!(refused("", &key), TlsError::NoCertificate));
        assert!(matches!(refused(&key, &key), TlsError::NoCertificate));
        assert!(matches!(refused(&certificate, ""), TlsError::NoKey));
        assert!(matches!(refused(&certificate, &certificate), TlsError::NoKey));
        assert!(matches!(refused(&certificate, &key.replace("END", "ENE")), TlsError::Key));
        // That of another certificate.
        assert!(matches!(refused(&other, &key), TlsError::Configuration(_)));
        assert!(TlsAcceptor::new(&certificate, &key, "p").is_ok());
    }

    #[tokio::test]
    async fn every_connection_has_the_version_and_the_cipher_that_reports_name() {
        let listener = Listener::bind(&Endpoint::loopback()).await.unwrap();
        let connector = TlsConnector::new(&Trust::Any).unwrap().with_protocol("p");
        let acceptor = acceptor("p");
        let (client, server) = tokio::join!(connector.connect(listener.endpoint()), async {
            acceptor.accept(listener.accept().await.unwrap()).await
        });
        let (mut client, mut server) = (client.unwrap(), server.unwrap());
        let session = client.get_ref().1;
        assert_eq!(session.protocol_version(), Some(ProtocolVersion::TLSv1_3));
        assert_eq!(session.negotiated_cipher_suite().unwrap().suite(), CIPHER_SUITE);
        assert!(TLS_TERMS.contains("TLS 1.3") && TLS_TERMS.contains("AES-128-GCM"));
        client.write_all(b"ping").await.unwrap();
        let mut received = [0; 4];
        server.read_exact(&mut received).await.unwrap();
        assert_eq!(&received, b"ping");
    }

    #[tokio::test]
    async fn sessions_are_resumed_only_by_clients_that_keep_them() {
        let listener = Listener::bind(&Endpoint::loopback()).await.unwrap();
        let acceptor = acceptor("p");
        for (resumes_sessions, kinds) in [
            (false, [HandshakeKind::Full, HandshakeKind::Full]),
            (true, [HandshakeKind::Full, HandshakeKind::Resumed]),
        ] {
            let connector = TlsConnector::new(TlsSettings { trust: Trust::Any, resumes_sessions }).unwrap();
            for kind in kinds {
                let serve = async {
                    let mut server = acceptor.accept(listener.accept().await.unwrap()).await.unwrap();
                    server.write_all(b"!").await.unwrap();
                    server.flush().await.unwrap();
                    server
                };
                let client = async {
                    let mut client = connector.connect(listener.endpoint()).await.unwrap();
                    // The tickets arrive before what the server sends.
                    client.read_exact(&mut [0]).await.unwrap();
                    client
                };
                let (client, _server) = tokio::join!(client, serve);
                assert_eq!(client.get_ref().1.handshake_kind(), Some(kind), "{resumes_sessions}");
            }
        }
    }

    #[tokio::test]
    async fn a_client_of_another_protocol_is_refused_with_the_reason() {
        let listener = Listener::bind(&Endpoint::loopback()).await.unwrap();
        let connector = TlsConnector::new(&Trust::Any).unwrap().with_protocol("h2");
        let acceptor = acceptor("http/1.1");
        let (client, server) = tokio::join!(connector.connect(listener.endpoint()), async {
            acceptor.accept(listener.accept().await.unwrap()).await
        });
        assert!(server.is_err());
        let reason = describe_connect_error(&client.unwrap_err());
        assert!(reason.contains("another protocol over TLS"), "{reason}");
    }

    #[tokio::test]
    async fn a_server_that_agrees_on_no_protocol_is_refused_where_one_is_needed() {
        let listener = Listener::bind(&Endpoint::loopback()).await.unwrap();
        let mut acceptor = acceptor("p");
        Arc::make_mut(&mut acceptor.config).alpn_protocols.clear();
        let serve = async { acceptor.accept(listener.accept().await.unwrap()).await };
        let connector = TlsConnector::new(&Trust::Any).unwrap().with_protocol("h2");
        let (client, _server) = tokio::join!(connector.connect(listener.endpoint()), serve);
        let reason = describe_connect_error(&client.unwrap_err());
        assert!(reason.contains("does not agree on the protocol h2"), "{reason}");
    }

    #[tokio::test]
    async fn a_client_without_tls_is_refused() {
        let listener = Listener::bind(&Endpoint::loopback()).await.unwrap();
        let acceptor = acceptor("http/1.1");
        let client = async {
            let mut client = crate::connect(listener.endpoint()).await.unwrap();
            client.write_all(b"GET / HTTP/1.1\r\nhost: h\r\n\r\n").await.unwrap();
            client
        };
        let serve = async { acceptor.accept(listener.accept().await.unwrap()).await };
        let (_client, server) = tokio::join!(client, serve);
        assert_eq!(server.unwrap_err().kind(), io::ErrorKind::InvalidData);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_says_nothing_is_disconnected() {
        let listener = Listener::bind(&Endpoint::loopback()).await.unwrap();
        let (client, stream) = tokio::join!(crate::connect(listener.endpoint()), listener.accept());
        let refused = acceptor("p").accept(stream.unwrap()).await.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::TimedOut);
        drop(client);
    }
}
