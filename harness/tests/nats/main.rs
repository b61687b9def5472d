//! The NATS stacks over a real broker, and over brokers that send what no broker sends.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod fake;
mod mutations;
mod real;

use std::time::Duration;

use calculator::{Calculator, Call, ClientOptions, Dispatcher, Executor, Faults, Limits, Value};
use nats::bare::BareServer;
use nats::{Broker, Server, Subject};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const TIMEOUT: Duration = Duration::from_secs(60);

fn options() -> ClientOptions {
    ClientOptions { timeout: TIMEOUT, ..ClientOptions::default() }
}

fn dispatcher() -> Dispatcher {
    Dispatcher::new(Calculator, Executor::Async, Faults::default())
}

fn add(x: i64, y: i64) -> Call {
    Call::positional("add", [x.into(), y.into()])
}

fn subject(text: &str) -> Subject {
    text.parse().unwrap()
}

/// A server that is running.
struct Running {
    stop: CancellationToken,
    ended: JoinHandle<()>,
}

impl Running {
    async fn usual(broker: &Broker, name: &str, dispatcher: Dispatcher) -> Self {
        let server = Server::bind(broker, &subject(name), dispatcher, Limits::default()).await.unwrap();
        assert!(!server.url().contains('@'), "credentials are shown");
        let stop = CancellationToken::new();
        Running { ended: tokio::spawn(server.run(stop.clone())), stop }
    }

    async fn bare(broker: &Broker, name: &str, limits: Limits) -> Self {
        let server = BareServer::bind(broker, &subject(name), dispatcher(), limits).await.unwrap();
        assert!(!server.url().contains('@'), "credentials are shown");
        let stop = CancellationToken::new();
        Running { ended: tokio::spawn(server.run(stop.clone())), stop }
    }

    async fn stop(self) {
        self.stop.cancel();
        self.ended.await.unwrap();
    }
}

/// The result of a call that must be `add(2, 3)`.
fn five() -> Result<Value, calculator::CallError> {
    Ok(Value::Int(5))
}

/// A client of the library, without ours around it, of the private broker at `url`.
async fn raw_client(url: &str) -> async_nats::Client {
    let (login, address) = url.strip_prefix("nats://").unwrap().split_once('@').unwrap();
    let (user, password) = login.split_once(':').unwrap();
    let options = async_nats::ConnectOptions::with_user_and_password(user.into(), password.into());
    options.connect(address).await.unwrap()
}
