//! Calls, checks and runs over TLS, through the real binary: a relay that ends TLS stands before a server of the suite.
#![allow(clippy::unwrap_used, reason = "a helper of a test fails it by panicking")]

mod common;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, mpsc};

use common::{Process, finish, rpcbench};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rpcbench::deploy::broker::{BrokerKind, PrivateBroker};
use rpcbench::record;
use rpcbench::stacks::CertificateCheck;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

/// A relay that accepts TLS and passes on what it receives to a plain server.
struct Relay {
    address: SocketAddr,
    /// Its certificate, as PEM.
    certificate: String,
}

impl Relay {
    /// A relay for the name `localhost` to `server`, HOST:PORT. It runs until the test ends.
    fn start(server: &str) -> Self {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .unwrap();
        let (sender, started) = mpsc::channel();
        let server = server.to_owned();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(relay(server, TlsAcceptor::from(Arc::new(config)), &sender));
        });
        Relay { address: started.recv().unwrap(), certificate: cert.pem() }
    }

    /// `url` with the relay in the place of its host and with `scheme`.
    fn url(&self, scheme: &str, url: &str) -> String {
        let endpoint = format!("localhost:{}", self.address.port()).parse().unwrap();
        let url = net::with_endpoint(url, &endpoint).unwrap();
        format!("{scheme}{}", &url[url.find("://").unwrap()..])
    }

    fn write_certificate(&self, folder: &Path) -> String {
        let path = folder.join("ca.pem");
        std::fs::write(&path, &self.certificate).unwrap();
        path.display().to_string()
    }
}

async fn relay(server: String, acceptor: TlsAcceptor, started: &mpsc::Sender<SocketAddr>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    started.send(listener.local_addr().unwrap()).unwrap();
    while let Ok((stream, _)) = listener.accept().await {
        let (acceptor, server) = (acceptor.clone(), server.clone());
        tokio::spawn(async move {
            if let Ok(mut stream) = acceptor.accept(stream).await {
                let mut plain = TcpStream::connect(&*server).await.unwrap();
                let _ = copy_bidirectional(&mut stream, &mut plain).await;
            }
        });
    }
}

/// HOST:PORT of `url`.
fn authority(url: &str) -> String {
    let rest = &url[url.find("://").unwrap() + 3..];
    let authority = rest.split('/').next().unwrap();
    authority.rsplit('@').next().unwrap().to_owned()
}

#[test]
fn protocols_over_http_are_called_and_checked_over_tls() {
    let folder = tempfile::tempdir().unwrap();
    for protocol in ["rest", "xmlrpc", "jsonrpc"] {
        let server = Process::start(&mut rpcbench(&["serve", protocol]));
        let plain = server.url();
        let relay = Relay::start(&authority(&plain));
        let url = relay.url("https", &plain);
        let cacert = relay.write_certificate(folder.path());
        for stack in [protocol.to_owned(), format!("{protocol}-hyper")] {
            let call =
                |further: &[&str]| finish(rpcbench(&["call", &stack, &url, "add", "2", "3"]).args(further));
            assert_eq!(call(&["--cacert", &cacert]).with(0, &[]).out, ["5"]);
            assert_eq!(call(&["--insecure"]).with(0, &[]).out, ["5"]);
            call(&[]).with(3, &["authority that is not trusted", "--cacert"]);
            call(&["--cacert", &cacert, "--insecure"]).with(2, &["cannot be used with"]);
            finish(&mut rpcbench(&["check", &stack, &url, "--cacert", &cacert])).with(0, &[]);
        }
    }
}

#[test]
fn servers_with_a_certificate_are_called_and_checked_over_tls() {
    let folder = tempfile::tempdir().unwrap();
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let (cert, key) = (write("cert.pem", &cert.pem()), write("key.pem", &signing_key.serialize_pem()));
    for (protocol, scheme, plain, lists_methods) in [
        ("rest", "https", "http", true),
        ("rest-bare", "https", "http", false),
        ("xmlrpc", "https", "http", true),
        ("xmlrpc-bare", "https", "http", false),
        ("jsonrpc", "https", "http", true),
        ("jsonrpc-bare", "https", "http", false),
        ("jsonrpc-ws", "wss", "ws", false),
        ("jsonrpc-lines", "tls", "tcp", false),
        ("grpc", "grpcs", "grpc", true),
        ("thrift", "thrifts", "thrift", false),
        ("thrift-compact", "thrifts", "thrift", false),
    ] {
        let server = Process::start(&mut rpcbench(&["serve", protocol, "--cert", &cert, "--key", &key]));
        let url = server.url().replace("127.0.0.1", "localhost");
        assert!(url.starts_with(&format!("{scheme}://localhost:")), "{url}");
        let call = |url: &str, further: &[&str]| {
            finish(rpcbench(&["call", protocol, url, "add", "2", "3"]).args(further))
        };
        assert_eq!(call(&url, &["--cacert", &cert]).with(0, &[]).out, ["5"]);
        assert_eq!(call(&url, &["--insecure"]).with(0, &[]).out, ["5"]);
        call(&url, &[]).with(3, &["authority that is not trusted", "--cacert"]);
        let other_name = url.replace("localhost", "127.0.0.1");
        call(&other_name, &["--cacert", &cert]).with(3, &["for another name"]);
        let without_tls = call(&url.replace(scheme, plain), &[]);
        assert!(matches!(without_tls.status.code(), Some(1 | 3)), "{:?}", without_tls.err);
        finish(&mut rpcbench(&["check", protocol, &url, "--cacert", &cert])).with(0, &[]);
        if !lists_methods {
            continue;
        }
        let init = |name: &str, further: &[&str]| {
            let file = folder.path().join(format!("{protocol}-{name}.toml")).display().to_string();
            finish(rpcbench(&["init", &url, "--output", &file, "--protocol", protocol]).args(further))
        };
        init("trusted", &["--cacert", &cert]).with(0, &[]);
        init("unchecked", &["--insecure"]).with(0, &[]);
        init("refused", &[]).with(3, &["authority that is not trusted"]);
    }
    let refused = |arguments: &[&str], words: &[&str]| {
        finish(rpcbench(&["serve"]).args(arguments)).with(2, words);
    };
    refused(&["rest", "--cert", &cert], &["--key"]);
    refused(&["zerorpc", "--cert", &cert, "--key", &key], &["the server of zerorpc has no TLS"]);
    refused(&["rest", "--cert", &key, "--key", &key], &["there is no certificate in it"]);
    refused(&["rest", "--cert", &cert, "--key", &cert], &["there is no private key in it"]);
    refused(&["rest", "--cert", "/nowhere.pem", "--key", &key], &["--cert: cannot read /nowhere.pem"]);
    let socket = format!("unix:{}", folder.path().join("socket").display());
    refused(&["rest", "--listen", &socket, "--cert", &cert, "--key", &key], &["HOST:PORT only"]);
}

#[test]
fn a_file_without_certificates_is_wrong_usage() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("empty.pem").display().to_string();
    std::fs::write(&path, "").unwrap();
    let call = |path: &str| {
        finish(&mut rpcbench(&["call", "rest", "https://localhost:1/", "add", "2", "3", "--cacert", path]))
    };
    call(&path).with(2, &["--cacert", "there is no certificate in it"]);
    call("/nowhere/ca.pem").with(2, &["--cacert: cannot read /nowhere/ca.pem"]);
    finish(&mut rpcbench(&["call", "zerorpc", "tcp://h:1", "add", "--insecure"]))
        .with(2, &["--insecure is for", "zerorpc has no such option"]);
}

#[test]
fn the_report_of_a_run_shows_that_the_certificate_was_not_checked() {
    let folder = tempfile::tempdir().unwrap();
    let server = Process::start(&mut rpcbench(&["serve", "rest"]));
    let plain = server.url();
    let relay = Relay::start(&authority(&plain));
    let target = format!("rest={}", relay.url("https", &plain));
    let out = folder.path().join("out").display().to_string();
    let ended = finish(&mut rpcbench(&[
        "run",
        "--stack",
        "rest",
        "--blocks",
        "1",
        "--seconds",
        "0.05",
        "--load",
        "closed:1",
        "--target",
        &target,
        "--insecure",
        "--verbose",
        "--out",
        &out,
    ]));
    let shown = ended.out.join("\n") + &ended.err.join("\n");
    assert!(shown.contains("the certificate was not checked (`--insecure`)"), "{shown}");
    let record = record::read(Path::new(&out)).unwrap();
    let rest = record.stacks.iter().find(|facts| facts.name == "rest").unwrap();
    assert_eq!(rest.certificate, Some(CertificateCheck::None));
    let fairness = record.fairness.iter().find(|facts| facts.stack == "rest").unwrap();
    let tls = fairness.tls.as_ref().unwrap();
    assert!(fairness.client.libraries.iter().any(|library| library.name == "rustls"), "{fairness:?}");
    assert_eq!(tls.version, "TLS 1.3");
    assert!(tls.cipher.starts_with("TLS_") && !tls.cipher.contains("13"), "{tls:?}");
    assert_eq!(fairness.encryption, format!("TLS 1.3 ({}), certificate not checked", tls.cipher));
    assert!(shown.contains(&fairness.encryption), "{shown}");
}

#[test]
fn amqp_is_called_over_tls() {
    let broker = PrivateBroker::start(BrokerKind::RabbitMq, &[]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let relay = Relay::start(&authority(broker.url()));
    let cacert = relay.write_certificate(folder.path());
    for stack in ["amqp", "amqp-bare"] {
        // Their queues differ, so that each has a topic.
        let mut serve = rpcbench(&["serve", stack, "--topic", stack]);
        let server = Process::start(serve.env("RPCBENCH_BROKER", broker.url()));
        server.url();
        let url = relay.url("amqps", broker.url());
        let call = |further: &[&str]| {
            finish(rpcbench(&["call", stack, &url, "add", "2", "3", "--topic", stack]).args(further))
        };
        assert_eq!(call(&["--cacert", &cacert]).with(0, &[]).out, ["5"]);
        call(&[]).with(3, &["authority that is not trusted"]);
        // A server has no option for this.
        let serve = || {
            let mut serve = rpcbench(&["serve", stack, "--topic", &format!("{stack}-over-tls")]);
            serve.env("RPCBENCH_BROKER", &url);
            serve
        };
        finish(&mut serve()).with(3, &["authority that is not trusted", "SSL_CERT_FILE"]);
        Process::start(serve().env("SSL_CERT_FILE", &cacert)).url();
        // The other kind of server.
        let plain = relay.url("amqp", broker.url());
        finish(&mut rpcbench(&["call", stack, &plain, "add", "2", "3"])).with(3, &["amqps://"]);
        let encrypted = broker.url().replace("amqp://", "amqps://");
        finish(&mut rpcbench(&["call", stack, &encrypted, "add", "2", "3", "--insecure"]))
            .with(3, &["does not speak TLS"]);
    }
}
