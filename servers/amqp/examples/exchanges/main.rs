//! How RabbitMQ's exchanges route messages: prints for each pattern the messages that each queue received.
//!
//! ```text
//! cargo run -p rpcbench-amqp --example exchanges -- rabbit://guest:guest@localhost/
//! ```

mod patterns;

use amqp::TransportUrl;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::args().nth(1).ok_or("usage: exchanges rabbit://USER:PASSWORD@HOST:PORT/VHOST")?;
    let url: TransportUrl = url.parse()?;
    let connection = url.connect("exchanges", std::time::Duration::from_secs(10)).await?;
    let channel = connection.create_channel().await?;
    println!("direct exchange, several bindings: {:?}", patterns::direct(&channel).await?);
    println!("topic exchange, with * and #: {:?}", patterns::topic(&channel).await?);
    println!("fanout exchange, a copy for each queue: {:?}", patterns::fanout(&channel).await?);
    println!("several consumers on one queue: {:?}", patterns::round_robin(&channel).await?);
    connection.close(200, "done".into()).await?;
    Ok(())
}
