//! Use of the program over a broker: errors, what is wrong usage, and what is left behind at the broker.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::time::{Duration, Instant};

use amqp::{RpcServerOptions, Server, Target, TransportUrl};
use common::broker::{queues, rabbitmqctl};
use common::hostile::{assert_harmless_failures, hostile_dispatcher};
use common::{Process, finish, is_ignored, rpcbench};
use nix::sys::signal::Signal;
use rpcbench::deploy::broker::{BrokerKind, PrivateBroker};
use tokio_util::sync::CancellationToken;

/// The timeout of events that must happen. Only a defect reaches it.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Returns `user:password` from the broker's URL.
fn credentials(broker: &PrivateBroker) -> String {
    broker.url().split("//").nth(1).unwrap().split('@').next().unwrap().to_owned()
}

#[test]
fn connection_errors_are_one_line_without_the_password() {
    let broker = PrivateBroker::start(BrokerKind::RabbitMq, &[]).unwrap();
    let address = broker.public_url().replace("amqp://", "").replace("/%2f", "");
    let unused = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let secret = "s3cr3t-and-wrong";
    let user = credentials(&broker);
    for (url, word) in [
        (format!("amqp://rpcbench:{secret}@{address}/"), "ACCESS_REFUSED"),
        (format!("amqp://{user}@{address}/nowhere"), "nowhere"),
        (format!("amqp://rpcbench:{secret}@{unused}/"), "refused"),
    ] {
        let password = url.split(['@', ':']).nth(2).unwrap().to_owned();
        let serve = finish(rpcbench(&["serve", "amqp"]).env("RPCBENCH_BROKER", &url)).with(3, &[word]);
        let call = finish(&mut rpcbench(&["call", "amqp", &url, "add", "x=2", "y=3"])).with(3, &[word]);
        let check = finish(&mut rpcbench(&["check", "amqp", &url])).with(3, &[word]);
        for ended in [serve, call, check] {
            assert_eq!((ended.out.len(), ended.err.len()), (0, 1), "{:?}", ended.err);
            assert!(!ended.err[0].contains(&password), "{}", ended.err[0]);
        }
    }
    broker.stop().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_error_of_a_peer_is_escaped_by_call_and_check() {
    let broker = PrivateBroker::start(BrokerKind::RabbitMq, &[]).unwrap();
    let transport: TransportUrl = broker.url().parse().unwrap();
    let target = Target::topic("hostile").server("s1");
    let server = Server::bind(&transport.into(), target, hostile_dispatcher(), RpcServerOptions::default())
        .await
        .unwrap();
    let stop = CancellationToken::new();
    let running = tokio::spawn(server.run(stop.clone()));
    assert_harmless_failures("amqp", broker.url(), &["--topic", "hostile"]);
    stop.cancel();
    running.await.unwrap();
    broker.stop().unwrap();
}

/// Waits until the broker has the queues `expected` only. It removes those of a connection when it notices its end.
fn await_queues(broker: &PrivateBroker, expected: &[&str]) {
    let start = Instant::now();
    while queues(broker) != expected {
        assert!(start.elapsed() < TIMEOUT, "left behind: {:?}", queues(broker));
    }
}

#[test]
fn calls_checks_and_runs_leave_no_queue_at_a_broker_of_others() {
    let broker = PrivateBroker::start(BrokerKind::RabbitMq, &[]).unwrap();
    let program = |arguments: &[&str]| {
        let mut command = rpcbench(arguments);
        command.env("RPCBENCH_BROKER", broker.url());
        command
    };
    let server =
        Process::start(&mut program(&["serve", "amqp", "--topic", "kept", "--handler-delay", "10ms"]));
    server.url();
    let call = |words: &[&str]| program(&[&["call", "amqp", "env:RPCBENCH_BROKER"], words].concat());
    assert_eq!(finish(&mut call(&["add", "2", "3", "--topic", "kept"])).with(0, &[]).out, ["5"]);
    finish(&mut call(&["nosuch", "--topic", "kept"])).with(1, &["nosuch"]);
    finish(&mut call(&["add", "2", "3", "--topic", "nowhere", "--timeout", "100ms"])).with(3, &["no reply"]);
    finish(&mut program(&["check", "amqp", "env:RPCBENCH_BROKER", "--topic", "kept"])).with(0, &[]);
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGKILL] {
        if is_ignored(signal) {
            continue;
        }
        let mut waiting = call(&["add", "2", "3", "--topic", "nowhere", "--timeout", "1h"]);
        let mut waiting = Process::start(&mut waiting);
        let start = Instant::now();
        while !queues(&broker).iter().any(|name| name.starts_with("reply_")) {
            assert!(start.elapsed() < TIMEOUT, "the call declares no reply queue");
        }
        waiting.signal(signal);
        waiting.ended();
    }
    server.signal(Signal::SIGTERM);
    drop(server);
    await_queues(&broker, &["kept", "kept.server"]);

    let folder = tempfile::tempdir().unwrap();
    let results = folder.path().join("results");
    let run = |further: &[&str]| {
        let stacks = "amqp,amqp-unconfirmed,amqp-unacknowledged,amqp-direct,amqp-bare";
        let arguments = [
            "run",
            "--stack",
            stacks,
            "--load",
            "closed:1",
            "--placement",
            "shared",
            "--no-warm",
            "--format",
            "quiet",
        ];
        program(&[&arguments[..], further].concat())
    };
    let done = finish(run(&["--blocks", "1", "--seconds", "0.1", "--out"]).arg(&results));
    assert!(matches!(done.status.code(), Some(0 | 4)), "{:?}", done.err);
    await_queues(&broker, &["kept", "kept.server"]);
    let mut interrupted =
        Process::start(run(&["--blocks", "100", "--seconds", "0.5", "--out"]).arg(folder.path().join("2")));
    let start = Instant::now();
    while !queues(&broker).iter().any(|name| name == "calc-amqp.server") {
        assert!(start.elapsed() < TIMEOUT, "the run starts no server");
    }
    interrupted.signal(Signal::SIGINT);
    interrupted.ended();
    await_queues(&broker, &["kept", "kept.server"]);
    broker.stop().unwrap();
}

/// Accepts connections, and answers each with `greeting` when it has sent something, or closes it if that is empty.
fn foreign_server(greeting: &'static [u8]) -> std::net::SocketAddr {
    use std::io::{Read, Write};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || {
                let mut stream = stream;
                let _ = stream.read(&mut [0; 8]);
                let _ = stream.write_all(greeting);
                // Until the peer closes the connection, unless there was no answer.
                let _ = if greeting.is_empty() { Ok(0) } else { stream.read(&mut [0; 64]) };
            });
        }
    });
    address
}

#[test]
fn a_peer_that_is_no_broker_is_reported_as_what_it_is() {
    for (greeting, word) in [
        (
            &b"HTTP/1.1 400 Bad Request\r\n\r\n"[..],
            "does not speak AMQP 0-9-1: it answers `HTTP/1.1 400 Bad Request`",
        ),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "does not speak AMQP 0-9-1: it answers `SSH-2.0-OpenSSH_9.2`"),
        (b"\x15\x03\x01\x00\x02\x02\x46", "does not speak AMQP 0-9-1: it expects TLS"),
        (b"AMQP\x00\x01\x00\x00", "does not speak AMQP 0-9-1: it offers AMQP 1-0-0"),
        (b"", "closes the connection without an answer"),
    ] {
        let url = format!("amqp://u:s3cr3t@{}/", foreign_server(greeting));
        let serve = finish(rpcbench(&["serve", "amqp"]).env("RPCBENCH_BROKER", &url)).with(3, &[word]);
        let call = finish(&mut rpcbench(&["call", "amqp", &url, "add", "2", "3"])).with(3, &[word]);
        let check = finish(&mut rpcbench(&["check", "amqp", &url])).with(3, &[word]);
        for ended in [serve, call, check] {
            assert_eq!(ended.err.len(), 1, "{:?}", ended.err);
            assert!(!ended.err[0].contains("s3cr3t"), "{}", ended.err[0]);
        }
    }
}

#[test]
fn a_url_that_cannot_be_used_is_wrong_usage_everywhere_and_its_password_is_not_repeated() {
    for (url, word) in [
        ("amqp://u:s3cr3t@h:99999/", "not a number between 0 and 65535"),
        ("amqp://u:s3cr3t/x@h/", "percent-encode the password"),
        ("amqp://u:s3cr3t:1/x@h/", "percent-encode the password"),
        ("amqp://u:100%s3cr3t@h/", "percent-encode the password"),
        ("amqp://u:s3cr3t@h/?heartbeat=often", "the option `heartbeat` takes a number"),
        ("amqp://u:s3cr3t@h/?ssl=maybe", "the option `ssl` takes true or false"),
        ("amqps://u:s3cr3t@h:99999/", "not a number between 0 and 65535"),
        ("http://u:s3cr3t@h/", "scheme"),
    ] {
        let ended = [
            finish(rpcbench(&["serve", "amqp"]).env("RPCBENCH_BROKER", url)),
            finish(&mut rpcbench(&["serve", "amqp", "--broker", url])),
            finish(&mut rpcbench(&["serve", "amqp-bare", "--broker", url])),
            finish(&mut rpcbench(&["call", "amqp", url, "add", "2", "3"])),
            finish(&mut rpcbench(&["check", "amqp", url])),
            finish(&mut rpcbench(&["run", "--broker", url])),
            finish(&mut rpcbench(&["run", "--stack", "amqp", "--target", &format!("amqp={url}")])),
        ];
        for ended in ended {
            let ended = ended.with(2, &[]);
            let text = ended.err.join("\n");
            assert!(text.contains(word) && !text.contains("s3cr3t"), "{url}: {text}");
        }
    }
}

#[test]
fn a_target_that_cannot_be_used_is_wrong_usage() {
    let long = "x".repeat(201);
    for target in [["--topic", ""], ["--topic", &long], ["--server", ""], ["--exchange", &long]] {
        let url = "amqp://127.0.0.1:1/";
        for command in [
            &["call", "amqp", url, "add", "2", "3"][..],
            &["check", "amqp", url],
            &["serve", "amqp", "--broker", url],
        ] {
            finish(&mut rpcbench(&[command, &target].concat()))
                .with(2, &["must have between 1 and 200 bytes"]);
        }
    }
}

#[test]
fn an_empty_broker_variable_counts_as_unset() {
    let ended = finish(rpcbench(&["serve", "amqp"]).env("RPCBENCH_BROKER", ""));
    ended.with(2, &["a server of amqp needs a broker"]);
    // The protocol needs no broker.
    let server = Process::start(rpcbench(&["serve", "tcp"]).env("RPCBENCH_BROKER", ""));
    server.url();
}

#[test]
fn topologies_and_calls_with_new_connections_leave_nothing_at_a_broker_of_others() {
    let broker = PrivateBroker::start(BrokerKind::RabbitMq, &[]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    // More servers than a run has otherwise.
    let scenario = "name = \"many\"\nquestion = \"?\"\nblocks = 1\nwarmup = \"10ms\"\nmeasure = \"300ms\"\n\
                    timeout = \"60s\"\nfloors = false\nstacks = [\"amqp\"]\n\
                    [[measurement]]\nname = \"new\"\noperation = \"add\"\nload = \"closed:2\"\nplacement = \"free\"\n\
                    connection = \"per-call\"\n\
                    [[topology]]\nname = \"3 × 6\"\nclients = 3\nservers = 6\noperation = \"add\"\nplacement = \"free\"\n";
    let file = folder.path().join("many.toml");
    std::fs::write(&file, scenario).unwrap();
    let results = folder.path().join("results");
    let mut run = rpcbench(&["run", "--format", "quiet"]);
    run.env("RPCBENCH_BROKER", broker.url()).arg(&file).arg("--out").arg(&results);
    let done = finish(&mut run);
    assert!(matches!(done.status.code(), Some(0 | 4)), "{:?}", done.err);
    let record = rpcbench::record::read(&results).unwrap();
    let new = &record.trials[0];
    assert!(new.counts.right > 0 && new.counts.right == new.counts.started, "{:?}", new.counts);
    let [topology] = record.topologies.as_slice() else { panic!("one topology") };
    assert_eq!((topology.complaint.as_deref(), topology.broker_memory), (None, None));
    #[cfg(target_os = "linux")]
    assert_eq!(topology.connections, Some(2 * (3 + 6)));
    await_queues(&broker, &[]);
    let start = Instant::now();
    let connections = || rabbitmqctl(&broker, &["-q", "list_connections", "name", "--no-table-headers"]);
    while !connections().trim().is_empty() {
        assert!(start.elapsed() < TIMEOUT, "left behind: {}", connections());
    }
    broker.stop().unwrap();
}
