//! oslo.messaging's example client: calls `test`, or with `--stop` stops the server.
//!
//! ```text
//! cargo run -p rpcbench-amqp --example rpc_client -- rabbit://guest:guest@localhost/ hello
//! cargo run -p rpcbench-amqp --example rpc_client -- rabbit://guest:guest@localhost/ --stop
//! ```

mod test_client;

use amqp::{Context, Transport};
use test_client::TestClient;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(url), Some(arg)) = (arguments.next(), arguments.next()) else {
        return Err("usage: rpc_client rabbit://USER:PASSWORD@HOST:PORT/VHOST ARG|--stop".into());
    };
    let transport: Transport = url.parse()?;
    let client = TestClient::new(&transport, "test");
    let context = Context::new().with("user", "bob");
    if arg == "--stop" {
        client.stop(&context, "server1").await?;
    } else {
        println!("{:?}", client.test(&context, arg.into()).await?);
    }
    Ok(())
}
