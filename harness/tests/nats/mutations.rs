//! Mutated messages, 10,000 to each client and to each server: every call ends, and the next one is answered.

use bytes::Bytes;
use calculator::{Client, Limits};
use differential::Mutator;
use nats::bare::BareClient;
use nats::{Broker, NatsClient};
use rpcbench::deploy::broker::{BrokerKind, PrivateBroker};

use super::fake::{Request, broker};
use super::{Running, TIMEOUT, add, dispatcher, five, options, raw_client, subject};

const MUTATIONS: usize = 10_000;

/// Parts of messages, and of the lines around them.
const DICTIONARY: &[&[u8]] = &[
    b"\"method\":",
    b"\"args\":",
    b"\"_msg_id\":",
    b"\"result\":",
    b"\"failure\":",
    b"\"ending\":",
    b"\"error\":",
    b"\"kind\":",
    b"null",
    b"true",
    b"\"",
    b"{",
    b"[",
    b"\\ud800",
    b"\r\n",
    b"MSG ",
    b"1e999",
    b"NaN",
    b"-",
    b"99999999999999999999",
    b"{\"oslo.version\":\"2.0\",\"oslo.message\":\"",
];

fn requests() -> Vec<Vec<u8>> {
    [
        r#"{"method":"add","args":{"x":2,"y":3},"_msg_id":"00000000"}"#,
        r#"{"method":"echo","args":{"value":{"a":[1,2.5,null,"x"]}},"_msg_id":"0000000a","version":"1.0"}"#,
        r#"{"method":"add","args":[2,3]}"#,
        r#"{"oslo.version":"2.0","oslo.message":"{\"method\":\"hello\",\"args\":{\"name\":\"x\"}}"}"#,
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec()
}

fn replies() -> Vec<Vec<u8>> {
    [
        r#"{"result":5,"failure":null,"ending":true,"_msg_id":"00000000"}"#,
        r#"{"result":null,"failure":"{\"class\":\"ZeroDivisionError\",\"module\":\"builtins\",\"message\":\"x\"}","ending":true,"_msg_id":"1"}"#,
        r#"{"result":5}"#,
        r#"{"error":{"kind":"zero-division","message":"x"}}"#,
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec()
}

#[tokio::test]
async fn clients_survive_mutated_replies() {
    for index in 0..2 {
        let mut mutator = Mutator::new(1, replies(), DICTIONARY);
        let mut answered = 0;
        let broker: Broker = broker(move |request: Request| {
            answered += 1;
            Some(if answered <= MUTATIONS {
                request.reply(&mutator.message())
            } else {
                request.right_reply()
            })
        })
        .await;
        let client: Box<dyn Client> = match index {
            0 => Box::new(NatsClient::connect(&broker, &subject("calc"), &options()).await.unwrap()),
            _ => Box::new(BareClient::connect(&broker, &subject("calc"), &options()).await.unwrap()),
        };
        let call = add(2, 3);
        let mut refused = 0;
        for _ in 0..MUTATIONS {
            let result = tokio::time::timeout(TIMEOUT, client.call(&call)).await.unwrap();
            refused += usize::from(result.is_err());
        }
        assert!(refused > MUTATIONS / 4, "{refused}");
        assert_eq!(client.call(&call).await, five());
    }
}

#[tokio::test]
async fn servers_answer_mutated_requests() {
    let private = PrivateBroker::start(BrokerKind::Nats, &[]).unwrap();
    let broker: Broker = private.url().parse().unwrap();
    let raw = raw_client(private.url()).await;
    let usual = Running::usual(&broker, "mutated", dispatcher()).await;
    let bare = Running::bare(&broker, "mutated-bare", Limits::default()).await;
    for name in ["mutated", "mutated-bare"] {
        let mut mutator = Mutator::new(2, requests(), DICTIONARY);
        for _ in 0..MUTATIONS {
            let body = Bytes::from(mutator.message());
            let answer = tokio::time::timeout(TIMEOUT, raw.request(name, body.clone())).await.unwrap();
            // Whatever it is, it is JSON.
            let payload = answer.unwrap().payload;
            serde_json::from_slice::<serde_json::Value>(&payload)
                .unwrap_or_else(|error| panic!("{} → {error}", body.escape_ascii()));
        }
    }
    let client = NatsClient::connect(&broker, &subject("mutated"), &options()).await.unwrap();
    assert_eq!(client.call(&add(2, 3)).await, five());
    let client = BareClient::connect(&broker, &subject("mutated-bare"), &options()).await.unwrap();
    assert_eq!(client.call(&add(2, 3)).await, five());
    usual.stop().await;
    bare.stop().await;
    private.stop().unwrap();
}
