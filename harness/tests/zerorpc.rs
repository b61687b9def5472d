//! Interoperation with zerorpc-python and its command line, beyond the calculator: streams, heartbeats, restarts, calls
//! without replies, the article's second example.
#![allow(clippy::unwrap_used, reason = "a helper of a test fails it by panicking")]

mod common;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use calculator::{
    Call, CallError, Client, ClientOptions, Dispatcher, ErrorKind, Executor, Faults, Limits, MethodInfo,
    Params, Remote, Service, Time, Value,
};
use common::{Ended, Process, TEST_TIMEOUT, finish, python, rpcbench};
use futures_util::{StreamExt, stream};
use net::Endpoint;
use nix::sys::signal::Signal;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use zerorpc::pipeline::{Publisher, Puller, Pusher, Subscriber};
use zerorpc::zmtp::wire::{SocketType, greeting, write_ready};
use zerorpc::{
    DEFAULT_PERIOD, DEFAULT_SLOTS, Reply, Server, ServerOptions, Streams, ValueStream, ZerorpcClient,
    parse_url, url_of,
};

/// A heartbeat period that calls outlast. Streams use the default period, because Python sends no heartbeat while it is
/// busy, which on a loaded machine may take long.
const SHORT_PERIOD: Duration = Duration::from_millis(200);

fn peer(role: &str, url: &str) -> Command {
    let mut command = python("zerorpc_peer.py");
    command.args([role, url]);
    command
}

/// `count(n)` streams 0 … n−1, `fails(n)` then fails, and `texts(n)` streams n strings of 1 KiB.
#[derive(Clone, Default)]
struct Counting {
    /// How many items were produced.
    produced: Arc<AtomicUsize>,
}

/// The length of a string of `texts`.
const TEXT_LEN: usize = 1 << 10;

impl Streams for Counting {
    fn methods(&self) -> &[MethodInfo] {
        &[
            MethodInfo { name: "count", params: &["n"], doc: "Count." },
            MethodInfo { name: "fails", params: &["n"], doc: "Count, then fail." },
            MethodInfo { name: "texts", params: &["n"], doc: "Stream n strings of 1 KiB." },
        ]
    }

    fn open(&self, method: &str, params: Params) -> Result<ValueStream, CallError> {
        let [Value::Int(n)] = params.bind(method, ["n"])? else { panic!("n is an integer in all tests") };
        let class = Remote { class: Some("LookupError".to_owned()), ..Remote::default() };
        let failure = Err(CallError::remote(ErrorKind::Internal, "no more", class));
        let end = (method == "fails").then_some(failure);
        let (produced, texts) = (Arc::clone(&self.produced), method == "texts");
        let item = move |i: i64| {
            produced.fetch_add(1, Ordering::SeqCst);
            Ok(if texts { Value::from(format!("{i:>TEXT_LEN$}")) } else { Value::Int(i) })
        };
        Ok(stream::iter((0..n).map(item).chain(end)).boxed())
    }
}

struct Running {
    url: String,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Running {
    async fn start(endpoint: &Endpoint, heartbeat: Duration) -> Self {
        Self::with(Counting::default(), endpoint, heartbeat).await
    }

    async fn with(streams: Counting, endpoint: &Endpoint, heartbeat: Duration) -> Self {
        let dispatcher = Dispatcher::new(Time, Executor::Async, Faults::default());
        let options = ServerOptions { heartbeat: Some(heartbeat), ..ServerOptions::default() };
        let server = Server::bind(endpoint, dispatcher, options).await.unwrap().with_streams(streams);
        let (url, stop) = (server.url(), CancellationToken::new());
        let task = tokio::spawn(server.run(stop.clone()));
        Running { url, stop, task }
    }

    async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_python_client_reads_streams_of_this_server() {
    let server = Running::start(&Endpoint::loopback(), DEFAULT_PERIOD).await;
    let ended = finish(&mut peer("call", &server.url)).with(0, &[]);
    assert_eq!(
        ended.out.iter().filter(|line| line.starts_with("PASS ")).count(),
        17,
        "{}",
        ended.out.join("\n")
    );
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn this_client_reads_streams_of_the_python_server() {
    let server = Process::start(&mut peer("serve", "tcp://127.0.0.1:0"));
    let client = ZerorpcClient::connect(&server.url(), &ClientOptions::default()).await.unwrap();
    for n in [0, 1, 100, 10_000] {
        for slots in [1, 2, 10, 100, 1_000] {
            let Reply::Items(items) =
                client.open(&Call::positional("count", [n.into()]), slots).await.unwrap()
            else {
                panic!("not a stream")
            };
            let items: Vec<_> = items.collect().await;
            let expected: Vec<_> = (0..n).map(|i| Ok(Value::Int(i))).collect();
            assert_eq!(items, expected, "{n} items, {slots} slots");
        }
    }
    let Reply::Items(items) = client.open(&Call::positional("fails", [30.into()]), 10).await.unwrap() else {
        panic!("not a stream")
    };
    let items: Vec<_> = items.collect().await;
    let error = items.last().unwrap().as_ref().unwrap_err();
    assert_eq!((items.len(), error.message.as_str()), (31, "no more"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_outlast_heartbeat_periods_in_both_directions() {
    let server = Running::start(&Endpoint::loopback(), SHORT_PERIOD).await;
    finish(peer("outlast", &server.url).args(["--heartbeat", "0.2"])).with(0, &[]);
    server.stop().await;

    let server = Process::start(peer("serve", "tcp://127.0.0.1:0").args(["--heartbeat", "0.2"]));
    let client = ZerorpcClient::connect_with(&server.url(), &ClientOptions::default(), Some(SHORT_PERIOD))
        .await
        .unwrap();
    let started = Instant::now();
    assert_eq!(client.call(&Call::positional("sleep", [Value::Float(1.0)])).await, Ok(Value::Null));
    assert!(started.elapsed() >= Duration::from_secs(1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_python_client_reconnects_to_a_restarted_server() {
    let server = Running::start(&Endpoint::loopback(), DEFAULT_PERIOD).await;
    let endpoint = parse_url(&server.url).unwrap();
    let watching = Process::start(&mut peer("watch", &server.url));
    assert_eq!(watching.line(), "up");
    server.stop().await;
    assert_eq!(watching.line(), "down");
    let server = Running::start(&endpoint, DEFAULT_PERIOD).await;
    assert_eq!(watching.line(), "up");
    drop(watching);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn this_client_reconnects_to_a_restarted_python_server() {
    let server = Process::start(&mut peer("serve", "tcp://127.0.0.1:0"));
    let url = server.url();
    let client = ZerorpcClient::connect(&url, &ClientOptions::default()).await.unwrap();
    let add = Call::positional("add", [2.into(), 3.into()]);
    assert_eq!(client.call(&add).await, Ok(Value::Int(5)));
    drop(server);
    assert_eq!(client.call(&add).await.unwrap_err().kind, ErrorKind::Undeliverable);
    let server = Process::start(&mut peer("serve", &url));
    assert_eq!(server.url(), url);
    assert_eq!(client.call(&add).await, Ok(Value::Int(5)));
}

/// Reports the calls that it executes.
struct Recorder(mpsc::UnboundedSender<String>);

impl Service for Recorder {
    fn name(&self) -> &'static str {
        "Recorder"
    }
    fn methods(&self) -> &[MethodInfo] {
        &[]
    }
    fn call(&self, method: &str, params: Params) -> Result<Value, CallError> {
        let _ = self.0.send(format!("{method} {:?}", params.values().collect::<Vec<_>>()));
        Ok(Value::Null)
    }
}

fn hello() -> Call {
    Call::positional("hello", ["word".into()])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_of_python_pushers_and_publishers_are_executed() {
    for (role, publishes) in [("push", false), ("publish", true)] {
        let (sender, mut executed) = mpsc::unbounded_channel();
        let dispatcher = Dispatcher::new(Recorder(sender), Executor::Async, Faults::default());
        let stop = CancellationToken::new();
        let sending = Process::start(peer(role, "tcp://127.0.0.1:0").arg("--bind"));
        let endpoint = parse_url(&sending.url()).unwrap();
        let running = if publishes {
            tokio::spawn(Subscriber::connect(&endpoint).run(dispatcher, Limits::default(), stop.clone()))
        } else {
            tokio::spawn(Puller::connect(&endpoint).run(dispatcher, Limits::default(), stop.clone()))
        };
        let call = tokio::time::timeout(TEST_TIMEOUT, executed.recv()).await.unwrap();
        assert_eq!(call.as_deref(), Some(r#"hello ["word"]"#), "{role}");
        stop.cancel();
        running.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn python_pullers_and_subscribers_execute_calls() {
    let endpoint = Endpoint::loopback();
    let pusher = Pusher::bind(&endpoint).await.unwrap();
    let pulling = Process::start(&mut peer("pull", &url_of(pusher.endpoint())));
    pulling.url();
    pusher.push(&hello()).await.unwrap();
    assert_eq!(pulling.line(), "heard word");

    let publisher = Publisher::bind(&endpoint).await.unwrap();
    let subscribed = Process::start(&mut peer("subscribe", &url_of(publisher.endpoint())));
    subscribed.url();
    tokio::time::timeout(TEST_TIMEOUT, publisher.subscribed(1)).await.unwrap();
    assert_eq!(publisher.publish(&hello()), Ok(1));
    assert_eq!(subscribed.line(), "heard word");
}

/// The program and the command line of zerorpc-python, each as client of both servers of `time`.
#[test]
fn the_article_s_second_example_in_all_four_pairings() {
    let own_server = Process::start(&mut rpcbench(&["serve", "zerorpc", "--service", "time"]));
    let port = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    let python_url = format!("tcp://127.0.0.1:{port}");
    let python_server =
        Process::start(python("zerorpc_peer.py").args(["cli", "--server", "--bind", &python_url, "time"]));
    let year = finish(&mut python_year_command()).out.concat();
    for url in [own_server.url(), python_url] {
        // Python prints that it is bound before it is, so a call may be refused at first.
        let deadline = Instant::now() + TEST_TIMEOUT;
        let called = loop {
            let ended = finish(&mut rpcbench(&["call", "zerorpc", &url, "strftime", "%Y"]));
            if ended.status.success() || Instant::now() > deadline {
                break ended;
            }
        };
        assert_eq!(called.with(0, &[]).out, [format!("\"{year}\"")], "{url}");
        let called =
            finish(python("zerorpc_peer.py").args(["cli", "--client", "--connect", &url, "strftime", "%Y"]));
        let ended: Ended = called.with(0, &[]);
        assert!(ended.out.iter().any(|line| line.contains(&year)), "{}", ended.out.join("\n"));

        let listed = finish(&mut rpcbench(&["call", "zerorpc", &url])).with(0, &[]);
        for method in ["gmtime", "sleep", "strftime", "time"] {
            let row = listed.out.iter().find(|row| row.starts_with(method));
            assert!(row.is_some_and(|row| row.contains("  ")), "{}", listed.out.join("\n"));
        }
    }
    drop(python_server);
}

fn python_year_command() -> Command {
    let mut command = Command::new(std::env::var_os("RPCBENCH_PYTHON").unwrap_or_else(|| "python3".into()));
    command.args(["-c", "import time; print(time.strftime('%Y'))"]);
    command
}

#[test]
fn a_stream_is_printed_item_by_item() {
    let server = Process::start(&mut peer("serve", "tcp://127.0.0.1:0"));
    let url = server.url();
    let items = finish(&mut rpcbench(&["call", "zerorpc", &url, "count", "300"])).with(0, &[]).out;
    assert_eq!(items, (0..300).map(|i| i.to_string()).collect::<Vec<_>>());
    let failed = finish(&mut rpcbench(&["call", "zerorpc", &url, "fails", "2"]))
        .with(1, &["no more", "LookupError", "\nTraceback (most"]);
    assert_eq!(failed.out, ["0", "1"]);
    assert!(finish(&mut rpcbench(&["call", "zerorpc", &url, "count", "0"])).with(0, &[]).out.is_empty());
}

/// The program has 32 MiB of memory for a stream of 100 MB, so it would fail if it kept what it has printed, or what it
/// cannot print yet. The server produces no more ahead than the program has given credit for.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_stream_is_printed_in_constant_memory() {
    const ITEMS: usize = 100_000;
    let streams = Counting::default();
    let server = Running::with(streams.clone(), &Endpoint::loopback(), DEFAULT_PERIOD).await;
    let program = rpcbench(&["call", "zerorpc", &server.url, "texts", &ITEMS.to_string()]);
    let mut limited = Command::new("sh");
    limited.args(["-c", "ulimit -d 32768 && exec \"$@\"", "sh"]).arg(program.get_program());
    limited.args(program.get_args()).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = limited.spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let printed = tokio::task::spawn_blocking(move || {
        let mut most_ahead = 0;
        for i in 0..ITEMS {
            let line = lines.next().unwrap().unwrap();
            assert_eq!((line.len(), line.trim_matches('"').trim_start()), (TEXT_LEN + 2, &*i.to_string()));
            most_ahead = most_ahead.max(streams.produced.load(Ordering::SeqCst) - i);
        }
        assert!(lines.next().is_none());
        most_ahead
    });
    let most_ahead = printed.await.unwrap();
    // The default credit, what fits into a pipe and the buffer of this reader, and one that waits on each side.
    assert!(most_ahead <= DEFAULT_SLOTS + 64 + 8 + 4, "{most_ahead} items were produced ahead");
    assert!(child.wait().unwrap().success());
    server.stop().await;
}

/// The calls last five periods, so a side that used another period would lose its peer, or be lost.
#[test]
fn a_server_has_several_endpoints_and_a_configurable_heartbeat() {
    let folder = tempfile::tempdir().unwrap();
    let socket = format!("ipc://{}", folder.path().join("socket").display());
    let options = ["--heartbeat", "200ms", "--handler-delay", "1s", "--bind", &socket];
    let server = Process::start(rpcbench(&["serve", "zerorpc"]).args(options));
    for url in [server.url(), socket] {
        let call = ["call", "zerorpc", &url, "hello", "RPC", "--heartbeat", "200ms", "--timeout", "60s"];
        assert_eq!(finish(&mut rpcbench(&call)).with(0, &[]).out, ["\"hello, RPC\""]);
    }
    for (wrong, word) in [
        (["serve", "rest", "--bind", "tcp://127.0.0.1:0"], "--bind is for zerorpc"),
        (["serve", "zerorpc", "--bind", "127.0.0.1:0"], "tcp://HOST:PORT or ipc://SOCKET"),
        (["serve", "rest", "--heartbeat", "1s"], "--heartbeat is for zerorpc"),
        (["serve", "zerorpc", "--heartbeat", "1ms"], "10ms or more, or none"),
    ] {
        finish(&mut rpcbench(&wrong)).with(2, &[word]);
    }
}

/// Invalid messages are dropped and counted, and the count is logged.
#[test]
fn a_server_logs_how_many_messages_it_dropped() {
    let mut server = Process::start(&mut rpcbench(&["serve", "zerorpc"]));
    let url = server.url();
    let mut bytes = greeting().to_vec();
    write_ready(&mut bytes, SocketType::Dealer);
    // Twelve invalid messages, and a call whose answer shows that they have been handled.
    bytes.extend_from_slice(&b"\x01\x00\x00\x01\xc1".repeat(12));
    let ping = b"\x93\x82\xaamessage_id\xc4\x03abc\xa1v\x03\xad_zerorpc_ping\x90";
    bytes.extend_from_slice(&[1, 0, 0, u8::try_from(ping.len()).unwrap()]);
    bytes.extend_from_slice(ping);
    let mut peer = TcpStream::connect(url.strip_prefix("tcp://").unwrap()).unwrap();
    peer.write_all(&bytes).unwrap();
    let mut answered = Vec::new();
    while !answered.windows(4).any(|window| window == b"pong") {
        let mut part = [0; 512];
        let read = peer.read(&mut part).unwrap();
        assert!(read > 0, "the connection has ended");
        answered.extend_from_slice(&part[..read]);
    }
    // And a peer that does not speak ZMTP.
    let mut stranger = TcpStream::connect(url.strip_prefix("tcp://").unwrap()).unwrap();
    stranger.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    let _ = stranger.read_to_end(&mut Vec::new());
    server.signal(Signal::SIGTERM);
    let log = server.ended().with(0, &[]).err.join("\n");
    for part in [
        "dropped a message: an event is a list of three",
        "10 messages were dropped so far",
        "12 messages were dropped in all",
        "refused a connection: the peer does not speak ZMTP",
    ] {
        assert!(log.contains(part), "`{part}` was not logged:\n{log}");
    }
}

#[test]
fn every_protocol_serves_the_time_and_a_sleep_does_not_block_other_calls() {
    for protocol in ["rest", "xmlrpc", "jsonrpc", "zerorpc"] {
        let server = Process::start(&mut rpcbench(&["serve", protocol, "--service", "time"]));
        let url = server.url();
        // REST has arguments by name only.
        let (seconds, format) = if protocol == "rest" { ("seconds=60", "format=%Y") } else { ("60", "%Y") };
        let call = ["call", protocol, &url, "sleep", seconds, "--timeout", "90s"];
        let sleeping = Process::start(&mut rpcbench(&call));
        let date = finish(&mut rpcbench(&["call", protocol, &url, "strftime", format])).with(0, &[]);
        assert_eq!((date.out.len(), date.out[0].len()), (1, 6), "{protocol}");
        drop(sleeping);
    }
}
