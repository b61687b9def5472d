//! Both clients and the server over TLS, with certificates that are made for each test.
#![allow(clippy::unwrap_used, reason = "a helper of a test fails it by panicking")]

mod common;

use std::sync::Arc;

use calculator::{Calculator, CallError, Client, ClientOptions, ErrorKind, Limits, Value};
use common::{CLIENTS, add, dispatcher};
use grpc::{H2Client, ReflectedClient, Server, TonicClient};
use net::{Endpoint, TlsAcceptor, Trust};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use tokio_util::sync::{CancellationToken, DropGuard};

/// A server whose certificate an authority has signed.
struct TlsServer {
    url: String,
    trust: Trust,
    _stop: DropGuard,
}

impl TlsServer {
    /// A server that speaks `protocol` with the certificate `params`.
    async fn start(params: &CertificateParams, protocol: &str) -> Self {
        let mut of_authority = CertificateParams::new(vec![]).unwrap();
        of_authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority_key = KeyPair::generate().unwrap();
        // A name that no other authority has.
        let name = format!("{:?}", &authority_key.public_key_raw()[..8]);
        of_authority.distinguished_name.push(DnType::CommonName, name);
        let trust = Trust::Authorities(of_authority.self_signed(&authority_key).unwrap().pem());
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &Issuer::new(of_authority, authority_key)).unwrap();
        let tls = TlsAcceptor::new(&certificate.pem(), &key.serialize_pem(), protocol).unwrap();
        let bound = Server::bind(&Endpoint::loopback(), dispatcher(Calculator), Limits::default()).await;
        let server = bound.unwrap().with_tls(Some(tls));
        let (url, stop) = (server.url(), CancellationToken::new());
        tokio::spawn(server.run(stop.clone()));
        TlsServer { url, trust, _stop: stop.drop_guard() }
    }
}

async fn connect(client: &str, url: &str, trust: &Trust) -> Result<Arc<dyn Client>, CallError> {
    let options = ClientOptions::default();
    Ok(match client {
        "tonic" => Arc::new(TonicClient::connect_trusting(url, trust, &options).await?),
        _ => Arc::new(H2Client::connect_trusting(url, trust, &options).await?),
    })
}

async fn refusal(client: &str, url: &str, trust: &Trust) -> String {
    let Err(error) = connect(client, url, trust).await else { panic!("{client} is connected") };
    assert_eq!(error.kind, ErrorKind::Undeliverable, "{client}: {error}");
    error.message
}

fn params(name: &str) -> CertificateParams {
    CertificateParams::new(vec![name.to_owned()]).unwrap()
}

#[tokio::test]
async fn calls_and_reflection_work_over_tls() {
    let server = TlsServer::start(&params("127.0.0.1"), grpc::ALPN).await;
    assert!(server.url.starts_with("grpcs://127.0.0.1:"), "{}", server.url);
    for client in CLIENTS {
        let client = connect(client, &server.url, &server.trust).await.unwrap();
        for _ in 0..3 {
            assert_eq!(add(&*client).await, Ok(Value::Int(5)));
        }
        let insecure = connect("h2", &server.url, &Trust::Any).await.unwrap();
        assert_eq!(add(&*insecure).await, Ok(Value::Int(5)));
    }
    let options = ClientOptions::default();
    let reflected = ReflectedClient::connect_trusting(&server.url, &server.trust, &options).await.unwrap();
    let methods = reflected.methods().await.unwrap();
    assert!(methods.iter().any(|method| method.name == "rpcbench.Calculator/Add"), "{methods:?}");
}

#[tokio::test]
async fn a_certificate_that_cannot_be_accepted_is_refused_with_its_fault() {
    let mut expired = params("127.0.0.1");
    expired.not_after = date_time_ymd(2001, 1, 1);
    for (params, fault) in
        [(expired, "certificate has expired"), (params("other.example"), "certificate is for another name")]
    {
        let server = TlsServer::start(&params, grpc::ALPN).await;
        for client in CLIENTS {
            let message = refusal(client, &server.url, &server.trust).await;
            assert!(message.starts_with("cannot connect") && message.contains(fault), "{client}: {message}");
        }
    }
    let server = TlsServer::start(&params("127.0.0.1"), grpc::ALPN).await;
    let another = TlsServer::start(&params("127.0.0.1"), grpc::ALPN).await;
    for client in CLIENTS {
        let message = refusal(client, &server.url, &another.trust).await;
        assert!(message.contains("authority that is not trusted"), "{client}: {message}");
    }
}

#[tokio::test]
async fn a_server_of_another_protocol_or_without_tls_is_named_as_the_reason() {
    let other = TlsServer::start(&params("127.0.0.1"), "http/1.1").await;
    let plain = common::Running::calculator().await;
    let over_tls = plain.url.replace("grpc://", "grpcs://");
    for client in CLIENTS {
        let message = refusal(client, &other.url, &other.trust).await;
        assert!(message.contains("another protocol over TLS"), "{client}: {message}");
        let message = refusal(client, &over_tls, &Trust::Any).await;
        assert!(message.contains("the server does not speak TLS"), "{client}: {message}");
        // The other way round: what the server answers is not HTTP/2.
        let server = TlsServer::start(&params("127.0.0.1"), grpc::ALPN).await;
        let without_tls = server.url.replace("grpcs://", "grpc://");
        let error = match connect(client, &without_tls, &Trust::System).await {
            Ok(client) => add(&*client).await.unwrap_err(),
            Err(error) => error,
        };
        assert_eq!(error.kind, ErrorKind::Undeliverable, "{client}: {error}");
        assert!(client == "tonic" || error.message.contains("expect TLS (grpcs://)"), "{error}");
    }
    plain.assert_serves().await;
}
