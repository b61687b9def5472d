//! Over a real broker.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use calculator::conformance::{self, Outcome, Profile};
use calculator::{Call, Client, Deadline, ErrorKind, Limits, Params, Value};
use futures_util::StreamExt;
use nats::bare::BareClient;
use nats::{Broker, NatsClient, Recipients};
use rpcbench::deploy::broker::{BrokerKind, PrivateBroker};
use rpcbench::stacks::Stack;
use tokio::task::JoinSet;

use super::{Running, TIMEOUT, add, dispatcher, five, options, subject};

/// The largest payload that the private broker accepts, in bytes.
const MAX_PAYLOAD: usize = 8 << 20;

/// One test on one broker.
#[tokio::test]
async fn the_nats_stacks_work_over_a_real_broker() {
    let broker = PrivateBroker::start(BrokerKind::Nats, &[]).unwrap();
    let url: Broker = broker.url().parse().unwrap();
    both_stacks_conform(&url).await;
    concurrent_calls_share_a_client(&url).await;
    a_call_without_a_server_fails_at_once(&url).await;
    a_cast_reaches_one_server_and_a_fanout_cast_all(&url).await;
    what_the_broker_does_not_carry_is_refused(&url).await;
    a_request_beyond_the_server_s_limit_is_answered(&url).await;
    a_server_finishes_its_calls_when_it_is_stopped(&url).await;
    a_wrong_password_is_reported_and_not_repeated(&broker).await;
    let protocol = Stack::named("nats").unwrap().protocol;
    let product = protocol.brokered().unwrap().product(broker.url().to_owned(), TIMEOUT).await;
    assert!(product.as_ref().is_some_and(|product| product.starts_with("nats-server 2.")), "{product:?}");
    broker.stop().unwrap();
}

async fn assert_conforms(client: &dyn Client) {
    let outcomes: Vec<Outcome> =
        conformance::run(client, Profile::default(), &mut Deadline::new(TIMEOUT)).await;
    for outcome in &outcomes {
        assert!(outcome.passed(), "{}: {}", outcome.vector.title(), outcome.answer());
    }
    assert_eq!(outcomes.len(), conformance::vectors(Profile::default()).len());
}

async fn both_stacks_conform(broker: &Broker) {
    let usual = Running::usual(broker, "conforms", dispatcher()).await;
    assert_conforms(&NatsClient::connect(broker, &subject("conforms"), &options()).await.unwrap()).await;
    usual.stop().await;
    let bare = Running::bare(broker, "conforms-bare", Limits::default()).await;
    assert_conforms(&BareClient::connect(broker, &subject("conforms-bare"), &options()).await.unwrap()).await;
    bare.stop().await;
}

async fn concurrent_calls_share_a_client(broker: &Broker) {
    let usual = Running::usual(broker, "several", dispatcher()).await;
    let bare = Running::bare(broker, "several-bare", Limits::default()).await;
    let clients: [Arc<dyn Client>; 2] = [
        Arc::new(NatsClient::connect(broker, &subject("several"), &options()).await.unwrap()),
        Arc::new(BareClient::connect(broker, &subject("several-bare"), &options()).await.unwrap()),
    ];
    for client in clients {
        let mut calls = JoinSet::new();
        for i in 0..500 {
            let client = Arc::clone(&client);
            calls.spawn(async move { (i, client.call(&add(i, 1)).await) });
        }
        while let Some(done) = calls.join_next().await {
            let (i, result) = done.unwrap();
            assert_eq!(result, Ok(Value::Int(i + 1)));
        }
    }
    usual.stop().await;
    bare.stop().await;
}

async fn a_call_without_a_server_fails_at_once(broker: &Broker) {
    let usual = NatsClient::connect(broker, &subject("no-server"), &options()).await.unwrap();
    let bare = BareClient::connect(broker, &subject("no-server"), &options()).await.unwrap();
    for client in [&usual as &dyn Client, &bare] {
        for _ in 0..2 {
            // Without a deadline: the broker reports it.
            let error = client.call(&add(2, 3)).await.unwrap_err();
            assert_eq!(error.kind, ErrorKind::Undeliverable);
            assert!(error.message.contains("no server"), "{error}");
        }
    }
}

/// A dispatcher whose handlers count in `executed`.
fn counting(executed: &Arc<AtomicU64>) -> calculator::Dispatcher {
    struct Counting(Arc<AtomicU64>);

    impl calculator::Service for Counting {
        fn name(&self) -> &'static str {
            calculator::Calculator.name()
        }

        fn methods(&self) -> &[calculator::MethodInfo] {
            calculator::Calculator.methods()
        }

        fn call(&self, method: &str, params: Params) -> Result<Value, calculator::CallError> {
            self.0.fetch_add(1, Ordering::SeqCst);
            calculator::Calculator.call(method, params)
        }
    }

    let service = Counting(Arc::clone(executed));
    calculator::Dispatcher::new(service, calculator::Executor::Async, calculator::Faults::default())
}

async fn a_cast_reaches_one_server_and_a_fanout_cast_all(broker: &Broker) {
    let executed: [Arc<AtomicU64>; 3] = Default::default();
    let mut servers = Vec::new();
    for counter in &executed {
        servers.push(Running::usual(broker, "casts", counting(counter)).await);
    }
    let client = NatsClient::connect(broker, &subject("casts"), &options()).await.unwrap();
    const CASTS: u64 = 50;
    for _ in 0..CASTS {
        client.cast(&add(2, 3), Recipients::One).await.unwrap();
        client.cast(&add(2, 3), Recipients::All).await.unwrap();
    }
    // A server that is stopped takes what the broker has for it. The broker has handled the casts when it answers a call.
    client.call(&add(2, 3)).await.unwrap();
    for server in servers {
        server.stop().await;
    }
    let counts: Vec<u64> = executed.iter().map(|count| count.load(Ordering::SeqCst)).collect();
    assert_eq!(counts.iter().sum::<u64>(), CASTS + 3 * CASTS + 1, "{counts:?}");
    assert!(counts.iter().all(|count| *count >= CASTS), "{counts:?}");
}

async fn what_the_broker_does_not_carry_is_refused(broker: &Broker) {
    let usual = Running::usual(broker, "large", dispatcher()).await;
    let bare = Running::bare(broker, "large-bare", Limits::default()).await;
    let clients: [Box<dyn Client>; 2] = [
        Box::new(NatsClient::connect(broker, &subject("large"), &options()).await.unwrap()),
        Box::new(BareClient::connect(broker, &subject("large-bare"), &options()).await.unwrap()),
    ];
    for client in clients {
        let text = |bytes: usize| Call::positional("hello", [Value::from("x".repeat(bytes))]);
        let error = client.call(&text(MAX_PAYLOAD)).await.err().unwrap();
        assert_eq!(error.kind, ErrorKind::TooLarge);
        assert!(error.message.contains("max_payload"), "{error}");
        let half = "x".repeat(MAX_PAYLOAD / 2);
        assert_eq!(client.call(&text(MAX_PAYLOAD / 2)).await, Ok(Value::from(format!("hello, {half}"))));
    }
    // Nearly all that the broker carries. The reply is a little longer than the request, and too long.
    let client = NatsClient::connect(broker, &subject("large"), &options()).await.unwrap();
    let nearly_all = Call::positional("hello", [Value::from("x".repeat(MAX_PAYLOAD - 60))]);
    let error = client.call(&nearly_all).await.err().unwrap();
    assert!(error.message.contains("max_payload"), "{error}");
    usual.stop().await;
    bare.stop().await;
}

async fn a_request_beyond_the_server_s_limit_is_answered(broker: &Broker) {
    let limits = Limits { max_body: 1_024, ..Limits::default() };
    let bare = Running::bare(broker, "limited", limits).await;
    let client = BareClient::connect(broker, &subject("limited"), &options()).await.unwrap();
    let long = Call::positional("hello", [Value::from("x".repeat(100_000))]);
    for _ in 0..3 {
        assert_eq!(client.call(&long).await.unwrap_err().kind, ErrorKind::TooLarge);
        assert_eq!(client.call(&add(2, 3)).await, five());
    }
    bare.stop().await;
}

async fn a_server_finishes_its_calls_when_it_is_stopped(broker: &Broker) {
    let faults = calculator::Faults { delay: Some(Duration::from_millis(200)), ..Default::default() };
    let slow = calculator::Dispatcher::new(calculator::Calculator, calculator::Executor::Async, faults);
    let server = Running::usual(broker, "stops", slow).await;
    let client = Arc::new(NatsClient::connect(broker, &subject("stops"), &options()).await.unwrap());
    let mut calls = JoinSet::new();
    for _ in 0..20 {
        let client = Arc::clone(&client);
        calls.spawn(async move { client.call(&add(2, 3)).await });
    }
    // With the second answer all of them are at the broker: it handles what comes over a connection in its order.
    let other = client.for_subject(&subject("no-server"));
    for _ in 0..2 {
        assert_eq!(other.call(&add(2, 3)).await.unwrap_err().kind, ErrorKind::Undeliverable);
    }
    server.stop().await;
    while let Some(result) = calls.join_next().await {
        assert_eq!(result.unwrap(), five());
    }
    assert_eq!(client.call(&add(2, 3)).await.unwrap_err().kind, ErrorKind::Undeliverable);
}

async fn a_wrong_password_is_reported_and_not_repeated(broker: &PrivateBroker) {
    let url = broker.public_url().replace("nats://", "nats://rpcbench:secret@");
    let wrong: Broker = url.parse().unwrap();
    let usual = NatsClient::connect(&wrong, &subject("x"), &options()).await.err().unwrap();
    let bare = BareClient::connect(&wrong, &subject("x"), &options()).await.err().unwrap();
    for error in [usual, bare] {
        assert_eq!(error.kind, ErrorKind::Undeliverable);
        assert!(!error.message.contains("secret"), "{error}");
    }
}

#[tokio::test]
async fn calls_fail_while_the_broker_is_away_and_succeed_again() {
    let mut broker = PrivateBroker::start_restartable(BrokerKind::Nats, &[]).unwrap();
    let url: Broker = broker.url().parse().unwrap();
    let server = Running::usual(&url, "outage", dispatcher()).await;
    let usual = NatsClient::connect(&url, &subject("outage"), &options()).await.unwrap();
    let bare = BareClient::connect(&url, &subject("outage"), &options()).await.unwrap();
    assert_eq!(usual.call(&add(2, 3)).await, five());
    let waiting = usual.for_subject(&subject("outage-unanswered"));
    // A subscriber that never answers.
    let mut silent = raw_subscriber(broker.url(), "outage-unanswered").await;
    let in_progress = tokio::spawn(async move { waiting.call(&add(2, 3)).await });
    tokio::time::timeout(TIMEOUT, silent.next()).await.unwrap().unwrap();
    broker.kill().unwrap();
    let error = tokio::time::timeout(TIMEOUT, in_progress).await.unwrap().unwrap().unwrap_err();
    assert_eq!(error.kind, ErrorKind::Undeliverable, "{error}");
    for client in [&usual as &dyn Client, &bare] {
        let error = client.call(&add(2, 3)).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Undeliverable, "{error}");
    }
    broker.start_again().unwrap();
    let begun = Instant::now();
    // Client and server reconnect. A call whose reply arrives before the client has subscribed to replies again gets none.
    let call = add(2, 3);
    let answered = || tokio::time::timeout(Duration::from_millis(500), usual.call(&call));
    while answered().await.ok() != Some(five()) {
        assert!(begun.elapsed() < TIMEOUT, "they do not reconnect");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(
        bare.call(&add(2, 3)).await.unwrap_err().kind,
        ErrorKind::Undeliverable,
        "it does not reconnect"
    );
    server.stop().await;
    broker.stop().unwrap();
}

/// Subscribes to `subject` at the broker with this URL, without answering anything.
async fn raw_subscriber(url: &str, subject: &'static str) -> async_nats::Subscriber {
    let client = super::raw_client(url).await;
    let mut subscriber = client.subscribe(subject).await.unwrap();
    // A flush ends when the subscription is written. The broker reads what is sent on a connection in order, so once this message
    // is back, it has read the subscription.
    client.publish(subject, "subscribed".into()).await.unwrap();
    tokio::time::timeout(TIMEOUT, subscriber.next()).await.unwrap().unwrap();
    subscriber
}
