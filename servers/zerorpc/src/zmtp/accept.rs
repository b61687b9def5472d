//! Accepting connections.

use tokio::task::JoinSet;

/// Accepts connections forever and runs `serve` for each of them as a task of `tasks`.
pub(crate) async fn serve_each<F>(
    listener: &net::Listener,
    tasks: &mut JoinSet<()>,
    serve: impl Fn(net::Stream) -> F,
) where
    F: Future<Output = ()> + Send + 'static,
{
    loop {
        let stream = listener.next().await;
        tasks.spawn(serve(stream));
        while tasks.try_join_next().is_some() {}
    }
}
