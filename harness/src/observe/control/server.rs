//! The server's end of a control port.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use calculator::Dispatcher;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;
use tokio::time::timeout;

use super::{Clock, ControlPort, MAX_REQUEST_BYTES, Stats, StreamBytes, TIMEOUT, Token, UsageReport};
use crate::sys;

/// The maximum number of open connections. For a further one, the oldest that has not sent the token is closed.
pub(super) const MAX_PEERS: usize = 32;

/// How much of what a peer sends after a wrong token is read.
const MAX_REFUSED_BYTES: u64 = 64 << 10;

const WRONG_TOKEN: &str =
    r#"{"error": "wrong token: begin with the line `token` and the server's RPCBENCH_CONTROL_TOKEN"}"#;
const UNKNOWN: &str = r#"{"error": "expected stats, usage, reset, clock, faults on, or faults off"}"#;

/// Starts a control port, served by a background thread until the process ends. Returns the bound address.
///
/// # Errors
/// When the address cannot be bound.
pub fn serve(port: ControlPort, dispatcher: Dispatcher) -> io::Result<SocketAddr> {
    let listener = std::net::TcpListener::bind(port.address)?;
    listener.set_nonblocking(true)?;
    let bound = listener.local_addr()?;
    // Not the runtime of the server, which a handler may block.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let listener = {
        let _guard = runtime.enter();
        TcpListener::from_std(listener)?
    };
    let context = Arc::new(Context { dispatcher, token: port.token, boot: sys::boot_id() });
    std::thread::Builder::new()
        .name("control".to_owned())
        .spawn(move || runtime.block_on(accept(listener, &context)))?;
    Ok(bound)
}

struct Context {
    dispatcher: Dispatcher,
    token: Token,
    boot: Option<String>,
}

async fn accept(listener: TcpListener, context: &Arc<Context>) {
    let mut peers = Peers::default();
    loop {
        match listener.accept().await {
            Ok((connection, _)) => peers.admit(connection, context),
            Err(error) if net::is_connection_error(&error) => {}
            Err(_) => tokio::time::sleep(net::ACCEPT_PAUSE).await,
        }
    }
}

/// The open connections, oldest first.
#[derive(Default)]
struct Peers(Vec<Peer>);

struct Peer {
    task: AbortHandle,
    has_token: Arc<AtomicBool>,
}

impl Peers {
    /// Serves `connection`, or closes it if too many peers with the token are connected.
    fn admit(&mut self, connection: TcpStream, context: &Arc<Context>) {
        self.0.retain(|peer| !peer.task.is_finished());
        if self.0.len() >= MAX_PEERS {
            let is_stranger = |peer: &Peer| !peer.has_token.load(Ordering::Relaxed);
            let Some(oldest) = self.0.iter().position(is_stranger) else { return };
            self.0.remove(oldest).task.abort();
        }
        let has_token = Arc::default();
        let (noted, context) = (Arc::clone(&has_token), Arc::clone(context));
        let task = tokio::spawn(async move {
            // An error is that of a peer that has gone, or is too slow.
            let _ = serve_connection(connection, &context, &noted).await;
        });
        self.0.push(Peer { task: task.abort_handle(), has_token });
    }
}

async fn serve_connection(
    mut connection: TcpStream,
    context: &Context,
    has_token: &AtomicBool,
) -> io::Result<()> {
    let local = connection.local_addr()?;
    connection.set_nodelay(true)?;
    let (reader, mut writer) = connection.split();
    let mut lines = BufReader::new(reader);
    while let Some(line) = next_line(&mut lines).await? {
        let line = line.trim_ascii();
        if !has_token.load(Ordering::Relaxed) {
            if line.strip_prefix(b"token ").is_some_and(|text| context.token.is(text)) {
                has_token.store(true, Ordering::Relaxed);
                continue;
            }
            timeout(TIMEOUT, writer.write_all(format!("{WRONG_TOKEN}\n").as_bytes())).await??;
            writer.shutdown().await?;
            // Closing a connection with unread bytes resets it, and the peer may lose the reply.
            let mut rest = lines.take(MAX_REFUSED_BYTES);
            timeout(TIMEOUT, tokio::io::copy(&mut rest, &mut tokio::io::sink())).await??;
            return Ok(());
        }
        let mut reply = match line {
            // The peer computes the offset of the clocks from the round trip, so this must take no time.
            b"clock" => serde_json::to_string(&Clock::now())?,
            b"stats" => context.stats(local)?,
            b"usage" => serde_json::to_string(&context.usage())?,
            b"reset" => {
                sys::reset_peak_memory(std::process::id());
                context.stats(local)?
            }
            b"faults on" | b"faults off" => {
                context.dispatcher.set_faults(line.ends_with(b"on"));
                context.stats(local)?
            }
            _ => UNKNOWN.to_owned(),
        };
        reply.push('\n');
        timeout(TIMEOUT, writer.write_all(reply.as_bytes())).await??;
    }
    Ok(())
}

/// Reads a line, which must be complete within [`TIMEOUT`]; `None` at the end.
async fn next_line(lines: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    let mut limited = lines.take(MAX_REQUEST_BYTES);
    let length = timeout(TIMEOUT, limited.read_until(b'\n', &mut line)).await??;
    Ok((length > 0).then_some(line))
}

impl Context {
    /// The resources that this process has used.
    fn usage(&self) -> UsageReport {
        let reading = sys::usage(std::process::id());
        UsageReport {
            usage: reading.map(|reading| reading.usage),
            usage_at_ns: reading.and_then(|reading| sys::to_monotonic_ns(reading.at)),
            boot: self.boot.clone(),
        }
    }

    /// The [`Stats`] of this process as JSON. `control` is the local address of the control connection.
    fn stats(&self, control: SocketAddr) -> io::Result<String> {
        // Before the sockets, which take CPU time.
        let usage = self.usage();
        let sockets = sys::sockets().map(|mut sockets| {
            sockets.retain(|socket| socket.local != control);
            sockets
        });
        Ok(serde_json::to_string(&Stats {
            pid: std::process::id(),
            usage,
            sockets,
            streams: Some(StreamBytes::of_this_process()),
            threads: sys::threads(),
            cores: sys::allowed_cores(),
            calls: self.dispatcher.calls(),
        })?)
    }
}
