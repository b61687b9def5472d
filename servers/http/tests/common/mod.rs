//! What the tests of clients share.

/// Runs each test with each client.
macro_rules! with_both_clients {
    ($($test:ident),* $(,)?) => {
        mod with_hyper {
            $(#[tokio::test] async fn $test() { super::$test::<super::HyperClient>().await; })*
        }
        mod with_reqwest {
            $(#[tokio::test] async fn $test() { super::$test::<super::ReqwestClient>().await; })*
        }
    };
}
