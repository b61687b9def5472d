//! What the suite's client adds to tonic's: `add(2, 3)` by `TonicClient` and by a minimal loop around a channel of tonic with
//! messages of prost, against the same server in another process, in slices that take turns.
//!
//! `cargo run --release -p rpcbench-grpc --example client_overhead [CALLS]` prints the median over the slices of both, and of
//! their ratios. Pin it and its server to one core (`taskset -c 1`) for figures that repeat.

use std::error::Error;
use std::io::BufRead;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use calculator::{Calculator, Call, Client, ClientOptions, Dispatcher, Executor, Faults, Limits, Value};
use grpc::{Server, TonicClient};
use http::uri::PathAndQuery;
use net::Endpoint;
use prost::{Message, Oneof};
use tokio_util::sync::CancellationToken;
use tonic::Request;
use tonic::client::Grpc;
use tonic::transport::Channel;
use tonic_prost::ProstCodec;

/// The messages as prost's compiler would generate them, as far as `add` uses them.
#[derive(Clone, PartialEq, Message)]
struct AddRequest {
    #[prost(message, optional, tag = "1")]
    x: Option<Number>,
    #[prost(message, optional, tag = "2")]
    y: Option<Number>,
}

#[derive(Clone, PartialEq, Message)]
struct Number {
    #[prost(oneof = "Kind", tags = "3, 4")]
    kind: Option<Kind>,
}

#[derive(Clone, PartialEq, Oneof)]
enum Kind {
    #[prost(sint64, tag = "3")]
    Int(i64),
    #[prost(double, tag = "4")]
    Float(f64),
}

const SLICES: usize = 101;
const TIMEOUT: Duration = Duration::from_secs(5);

fn main() -> Result<(), Box<dyn Error>> {
    let argument = std::env::args().nth(1);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    if argument.as_deref() == Some("serve") {
        return runtime.block_on(serve());
    }
    let calls = argument.map_or(Ok(500), |calls| calls.parse())?;
    let mut server = Command::new(std::env::current_exe()?).arg("serve").stdout(Stdio::piped()).spawn()?;
    let measured = runtime.block_on(measure(&mut server, calls));
    server.kill()?;
    server.wait()?;
    measured
}

async fn serve() -> Result<(), Box<dyn Error>> {
    let dispatcher = Dispatcher::new(Calculator, Executor::Async, Faults::default());
    let server = Server::bind(&Endpoint::loopback(), dispatcher, Limits::default()).await?;
    println!("{}", server.url());
    server.run(CancellationToken::new()).await;
    Ok(())
}

async fn measure(server: &mut Child, calls: u32) -> Result<(), Box<dyn Error>> {
    let mut line = String::new();
    let output = server.stdout.take().ok_or("the server has no output")?;
    std::io::BufReader::new(output).read_line(&mut line)?;
    let url = line.trim();
    let ours =
        TonicClient::connect(url, &ClientOptions { timeout: TIMEOUT, ..ClientOptions::default() }).await?;
    let channel = Channel::from_shared(url.replacen("grpc", "http", 1))?.connect().await?;
    let (mut both, mut ratios) = ([Vec::new(), Vec::new()], Vec::new());
    // The first slices warm up.
    for slice in 0..SLICES + 10 {
        let times = [by_the_suite(&ours, calls).await?, by_tonic(&channel, calls).await?];
        if slice >= 10 {
            let micros = times.map(|time| time.as_secs_f64() * 1e6 / f64::from(calls));
            both.iter_mut().zip(micros).for_each(|(all, time)| all.push(time));
            ratios.push(micros[0] / micros[1]);
        }
    }
    let [ours, tonic] = both.map(median);
    println!("the suite's client {ours:.2} µs, tonic's {tonic:.2} µs, ratio {:.3}", median(ratios));
    Ok(())
}

async fn by_the_suite(client: &TonicClient, calls: u32) -> Result<Duration, Box<dyn Error>> {
    let call = Call::positional("add", [Value::Int(2), Value::Int(3)]);
    let started = Instant::now();
    for _ in 0..calls {
        if client.call(&call).await? != Value::Int(5) {
            return Err("a wrong answer".into());
        }
    }
    Ok(started.elapsed())
}

async fn by_tonic(channel: &Channel, calls: u32) -> Result<Duration, Box<dyn Error>> {
    let number = |value| Some(Number { kind: Some(Kind::Int(value)) });
    let started = Instant::now();
    for _ in 0..calls {
        let mut grpc = Grpc::new(channel.clone());
        grpc.ready().await?;
        let mut request = Request::new(AddRequest { x: number(2), y: number(3) });
        request.set_timeout(TIMEOUT);
        let path = PathAndQuery::from_static("/rpcbench.Calculator/Add");
        let reply = grpc.unary(request, path, ProstCodec::<AddRequest, Number>::default()).await?;
        if reply.get_ref().kind != Some(Kind::Int(5)) {
            return Err("a wrong answer".into());
        }
    }
    Ok(started.elapsed())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
