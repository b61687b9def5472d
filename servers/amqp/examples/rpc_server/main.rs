//! oslo.messaging's example server: a `test` method, and a control endpoint in a separate namespace that stops the server.
//!
//! ```text
//! cargo run -p rpcbench-amqp --example rpc_server -- rabbit://guest:guest@localhost/
//! ```

mod endpoints;

use amqp::Transport;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::args().nth(1).ok_or("usage: rpc_server rabbit://USER:PASSWORD@HOST:PORT/VHOST")?;
    let transport: Transport = url.parse()?;
    let server = endpoints::serve(&transport, "test", "server1").await?;
    println!("serving the topic test on {}", transport.url());
    tokio::select! {
        // Stopped by its control endpoint.
        () = server.wait() => {}
        interrupted = tokio::signal::ctrl_c() => {
            interrupted?;
            println!("Stopping server");
            server.stop();
            server.wait().await;
        }
    }
    Ok(())
}
