//! All clients and both servers over TLS, with certificates that are made for each test.
#![allow(clippy::unwrap_used, reason = "a helper of a test fails it by panicking")]

#[macro_use]
mod common;

use std::net::SocketAddr;
use std::sync::Arc;

use calculator::{CallError, ClientOptions, ErrorKind, Limits};
use common::{BareServer, Reading, TestServer};
use http_layer::axum::Router;
use http_layer::bare::BareClient;
use http_layer::http::StatusCode;
use http_layer::{
    Answer, Bytes, Headers, Http2Client, HttpServer, HyperClient, ReqwestClient, ServedVersion, Transport,
};
use net::{Endpoint, TlsAcceptor, Trust};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ServerConfig, version};
use tokio_util::sync::CancellationToken;

/// An authority that signs certificates of servers.
struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate of a server with its key.
struct Identity {
    certificate: CertificateDer<'static>,
    key: KeyPair,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        // A name that no other authority has.
        params.distinguished_name.push(DnType::CommonName, format!("{:?}", &key.public_key_raw()[..8]));
        let pem = params.self_signed(&key).unwrap().pem();
        Authority { pem, issuer: Issuer::new(params, key) }
    }

    fn sign(&self, params: &CertificateParams) -> Identity {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap().der().clone();
        Identity { certificate, key }
    }

    /// What accepts connections of `version` at 127.0.0.1.
    fn acceptor(&self, version: ServedVersion) -> TlsAcceptor {
        let key = KeyPair::generate().unwrap();
        let certificate = params("127.0.0.1").signed_by(&key, &self.issuer).unwrap();
        TlsAcceptor::new(&certificate.pem(), &key.serialize_pem(), version.alpn()).unwrap()
    }

    fn trust(&self) -> Trust {
        Trust::Authorities(self.pem.clone())
    }
}

fn params(name: &str) -> CertificateParams {
    CertificateParams::new(vec![name.to_owned()]).unwrap()
}

fn config(identity: Identity) -> ServerConfig {
    let key = PrivateKeyDer::try_from(identity.key.serialize_der()).unwrap();
    ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&version::TLS13, &version::TLS12])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![identity.certificate], key)
        .unwrap()
}

/// A server that answers each request on a connection with `ok`, over TLS if it has a configuration for that.
async fn serve(tls: Option<ServerConfig>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let acceptor = tls.map(|config| tokio_rustls::TlsAcceptor::from(Arc::new(config)));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                match acceptor {
                    None => answer(stream).await,
                    Some(acceptor) => {
                        if let Ok(stream) = acceptor.accept(stream).await {
                            answer(stream).await;
                        }
                    }
                }
            });
        }
    });
    address
}

async fn answer(mut stream: impl AsyncRead + AsyncWrite + Unpin) {
    let mut request = Vec::new();
    while stream.read_buf(&mut request).await.is_ok_and(|read| read > 0) {
        let response: &[u8] = if request.starts_with(b"POST ") {
            b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
        } else {
            b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
        };
        if request.ends_with(b"\r\n\r\nbody") || !request.starts_with(b"POST ") {
            request.clear();
            let _ = stream.write_all(response).await;
        }
    }
}

/// The answer to a call at `url` with the certificates that `trust` accepts.
async fn call<T: Transport>(url: &str, trust: &Trust) -> Result<String, CallError> {
    let client =
        T::connect_trusting(url, &Headers::new("text/plain"), trust, &ClientOptions::default()).await?;
    let target = client.target("")?;
    for _ in 0..2 {
        client.post(&target, b"body".to_vec()).await?;
    }
    let reply = client.post(&target, b"body".to_vec()).await?;
    Ok(String::from_utf8(reply.body.to_vec()).unwrap())
}

async fn refusal<T: Transport>(url: &str, trust: &Trust) -> String {
    let error = call::<T>(url, trust).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Undeliverable, "{error}");
    error.message
}

with_all_clients!(
    a_certificate_of_a_trusted_authority_is_accepted,
    a_certificate_that_cannot_be_accepted_is_refused_with_its_fault,
    without_a_check_every_certificate_is_accepted,
    a_url_for_the_other_kind_of_server_is_named_as_the_reason,
    the_servers_of_this_crate_answer_over_tls_whatever_others_send,
    a_first_request_above_the_buffers_of_the_sockets_is_sent_completely,
);

async fn a_certificate_of_a_trusted_authority_is_accepted<T: Transport>() {
    let authority = Authority::new();
    let address = serve(Some(config(authority.sign(&params("127.0.0.1"))))).await;
    assert_eq!(call::<T>(&format!("https://{address}/rpc"), &authority.trust()).await.unwrap(), "ok");
    let localhost = serve(Some(config(authority.sign(&params("localhost"))))).await;
    let url = format!("https://localhost:{}/", localhost.port());
    assert_eq!(call::<T>(&url, &authority.trust()).await.unwrap(), "ok");
}

async fn a_certificate_that_cannot_be_accepted_is_refused_with_its_fault<T: Transport>() {
    let authority = Authority::new();
    let valid = params("127.0.0.1");
    let mut expired = valid.clone();
    expired.not_after = date_time_ymd(2001, 1, 1);
    let mut early = valid.clone();
    early.not_before = date_time_ymd(4000, 1, 1);
    let self_signed = {
        let key = KeyPair::generate().unwrap();
        Identity { certificate: valid.self_signed(&key).unwrap().der().clone(), key }
    };
    let of_authority = {
        let mut params = valid.clone();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.sign(&params)
    };
    for (identity, fault) in [
        (of_authority, "certificate is that of an authority"),
        (authority.sign(&expired), "certificate has expired"),
        (authority.sign(&early), "certificate is not valid yet"),
        (authority.sign(&params("other.example")), "certificate is for another name"),
        (self_signed, "signed by an authority that is not trusted, or by no authority"),
        (Authority::new().sign(&valid), "--cacert"),
    ] {
        let address = serve(Some(config(identity))).await;
        let message = refusal::<T>(&format!("https://{address}/"), &authority.trust()).await;
        assert!(message.starts_with("cannot connect") && message.contains(fault), "{message}");
    }
}

/// The server of this crate over TLS, which answers each request with `ok`.
async fn own_server(authority: &Authority, version: ServedVersion) -> HttpServer {
    let tls = authority.acceptor(version);
    let router = Router::new().fallback(|| async { "ok" });
    let server = HttpServer::bind(&Endpoint::loopback(), router, Limits::default()).await.unwrap();
    server.with_tls(Some(tls)).with_version(version)
}

async fn the_servers_of_this_crate_answer_over_tls_whatever_others_send<T: Transport>() {
    answers_whatever_others_send::<T, HttpServer>().await;
    answers_whatever_others_send::<T, BareServer>().await;
}

async fn answers_whatever_others_send<T: Transport, S: TestServer>() {
    let authority = Authority::new();
    let ok = Reading(|_, _| async { Answer::new(StatusCode::OK, "text/plain", "ok") });
    let tls = Some(authority.acceptor(ServedVersion::Http1));
    let server = S::bind_over(tls, &Endpoint::loopback(), ok, Limits::default().into()).await;
    let url = server.url("/rpc");
    let address = server.endpoint().to_string();
    assert_eq!(url, format!("https://{address}/rpc"));
    let stop = CancellationToken::new();
    let running = tokio::spawn(server.run(stop.clone()));
    assert_eq!(call::<T>(&url, &authority.trust()).await.unwrap(), "ok");
    let error = call::<T>(&format!("http://{address}/"), &Trust::System).await.unwrap_err();
    assert!(error.message.contains("https://"), "{error}");
    let silent = TcpStream::connect(&address).await.unwrap();
    // Nothing, another protocol, a record that never ends, and one that is none.
    for bytes in [&b""[..], b"\0\0\0\x01", &[22, 3, 1, 0x3f, 0xff, 1, 0, 0x3f], &[0x80; 64]] {
        let mut other = TcpStream::connect(&address).await.unwrap();
        other.write_all(bytes).await.unwrap();
        other.shutdown().await.unwrap();
        // The server answers at most with an alert, and closes the connection.
        let mut answer = Vec::new();
        let _ = other.read_to_end(&mut answer).await;
        assert!(answer.is_empty() || answer[0] == 21, "{answer:?}");
    }
    assert_eq!(call::<T>(&url, &authority.trust()).await.unwrap(), "ok");
    // One that is still silent does not keep the server.
    stop.cancel();
    running.await.unwrap();
    drop(silent);
}

/// Such a client waits for the server, whose session tickets arrive meanwhile.
async fn a_first_request_above_the_buffers_of_the_sockets_is_sent_completely<T: Transport>() {
    sends_a_large_first_request::<T, HttpServer>().await;
    sends_a_large_first_request::<T, BareServer>().await;
}

async fn sends_a_large_first_request<T: Transport, S: TestServer>() {
    const LEN: usize = 12_000_000;
    let authority = Authority::new();
    let len =
        Reading(
            |_, body: Bytes| async move { Answer::new(StatusCode::OK, "text/plain", body.len().to_string()) },
        );
    let tls = Some(authority.acceptor(ServedVersion::Http1));
    let server = S::bind_over(tls, &Endpoint::loopback(), len, Limits::default().into()).await;
    let url = server.url("/");
    tokio::spawn(server.run(CancellationToken::new()));
    let headers = Headers::new("application/octet-stream");
    let client = T::connect_trusting(&url, &headers, &authority.trust(), &ClientOptions::default()).await;
    let client = client.unwrap();
    let reply = client.post(&client.target("").unwrap(), vec![7; LEN]).await.unwrap();
    assert_eq!(reply.body, LEN.to_string());
}

async fn without_a_check_every_certificate_is_accepted<T: Transport>() {
    let mut expired = params("other.example");
    expired.not_after = date_time_ymd(2001, 1, 1);
    let address = serve(Some(config(Authority::new().sign(&expired)))).await;
    assert_eq!(call::<T>(&format!("https://{address}/"), &Trust::Any).await.unwrap(), "ok");
}

async fn a_url_for_the_other_kind_of_server_is_named_as_the_reason<T: Transport>() {
    let plain = serve(None).await;
    let message = refusal::<T>(&format!("https://{plain}/"), &Trust::Any).await;
    assert!(message.contains("the server does not speak TLS") && message.contains("http://"), "{message}");

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let closing = listener.local_addr().unwrap();
    tokio::spawn(async move { while listener.accept().await.is_ok() {} });
    let message = refusal::<T>(&format!("https://{closing}/"), &Trust::Any).await;
    assert!(message.contains("closed the connection during the TLS handshake"), "{message}");

    let encrypted = serve(Some(config(Authority::new().sign(&params("127.0.0.1"))))).await;
    let error = call::<T>(&format!("http://{encrypted}/"), &Trust::System).await.unwrap_err();
    assert!(error.message.contains("https://"), "{error}");
    assert_eq!(error.kind, ErrorKind::Malformed, "{error}");
}

#[tokio::test]
async fn http_2_is_agreed_on_during_the_handshake() {
    let authority = Authority::new();
    let server = own_server(&authority, ServedVersion::Http2).await;
    let url = server.url("/rpc");
    let stop = CancellationToken::new();
    let running = tokio::spawn(server.run(stop.clone()));
    assert_eq!(call::<Http2Client>(&url, &authority.trust()).await.unwrap(), "ok");
    let message = refusal::<Http2Client>(&url, &Authority::new().trust()).await;
    assert!(message.contains("--cacert"), "{message}");
    // Clients of HTTP/1.1 offer that during the handshake (ALPN), or nothing.
    for error in [
        call::<HyperClient>(&url, &authority.trust()).await.unwrap_err(),
        call::<ReqwestClient>(&url, &authority.trust()).await.unwrap_err(),
    ] {
        assert!(error.message.contains("HTTP/2") || error.message.contains("ALPN"), "{error}");
    }
    stop.cancel();
    running.await.unwrap();

    let server = own_server(&authority, ServedVersion::Http1).await;
    let url = server.url("/rpc");
    tokio::spawn(server.run(CancellationToken::new()));
    let message = refusal::<Http2Client>(&url, &authority.trust()).await;
    assert!(message.contains("another protocol over TLS (ALPN)"), "{message}");
    let without_alpn = serve(Some(config(authority.sign(&params("127.0.0.1"))))).await;
    let message = refusal::<Http2Client>(&format!("https://{without_alpn}/"), &authority.trust()).await;
    assert!(message.contains("does not agree on the protocol h2"), "{message}");
}
