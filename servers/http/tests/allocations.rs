//! What a call over HTTP without a library allocates.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails it by panicking")]

use calculator::ClientOptions;
use http_layer::bare::{self, BareClient, Opened, RequestHead};
use http_layer::http::StatusCode;
use http_layer::{Answer, BodyError, Bytes, Headers, HttpOptions, Intake, Transport};
use net::Endpoint;
use tokio_util::sync::CancellationToken;

const CALLS: u64 = 500;

/// Answers with a short text.
struct Short(Intake);

impl bare::Service for Short {
    type Call = ();

    fn intake(&self) -> &Intake {
        &self.0
    }

    fn open(&self, _: &RequestHead<'_>) -> Opened<()> {
        Opened::CallWithBody(())
    }

    async fn answer(&self, (): (), body: Bytes) -> Answer {
        assert_eq!(body, "request");
        Answer::new(StatusCode::OK, "text/plain", "response")
    }

    fn refuse(&self, (): (), error: BodyError) -> Answer {
        panic!("{error}")
    }
}

#[test]
fn a_call_allocates_its_two_bodies_and_nothing_else() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (client, target) = runtime.block_on(async {
        let service = Short(Intake::new(&HttpOptions::default()));
        let server = bare::HttpServer::bind(&Endpoint::loopback(), service).await.unwrap();
        let url = server.url("/");
        tokio::spawn(server.run(CancellationToken::new()));
        let headers = Headers::new("text/plain");
        let client = BareClient::connect(&url, &headers, &ClientOptions::default()).await.unwrap();
        let target = client.target("add").unwrap();
        (client, target)
    });
    let call = async || {
        let reply = client.post(&target, b"request".to_vec()).await.unwrap();
        assert_eq!(reply.body, "response");
    };
    // The buffers of both ends are allocated first.
    runtime.block_on(async {
        for _ in 0..CALLS {
            call().await;
        }
    });
    let counted = allocation_counter::measure(|| {
        runtime.block_on(async {
            for _ in 0..CALLS {
                call().await;
            }
        });
    });
    // A second may pass in the meantime, so that the date is formatted again; nothing else depends on the time.
    assert!((2 * CALLS..2 * CALLS + 10).contains(&counted.count_total), "{counted:?} for {CALLS} calls");
}
