//! The transports of a stack: TCP, and those that it has beside TCP. `rest-hyper+unix` is `rest-hyper` over a Unix socket.

use super::brokered::Brokered;
use super::certificate::RunCertificate;
use super::list::UnknownStack;
use super::options::Options;
use super::protocol::Stack;
use super::tls;
use super::transport::Transport;

impl Stack {
    /// Finds the stack with this name for a server or a client at an address, which says its transport.
    ///
    /// # Errors
    /// [`UnknownStack`], also for a name with a transport.
    pub fn named_at_address(name: &str) -> Result<&'static Stack, UnknownStack> {
        let stack = Stack::named(name)?;
        if stack.transport == Transport::Tcp {
            return Ok(stack);
        }
        let base = stack.base_name();
        let message = if stack.transport.has_http2() {
            format!(
                "`{name}`: only servers that a run starts are called over HTTP/2; name the stack `{base}` for HTTP/1.1"
            )
        } else {
            format!("`{name}`: an address says its transport; name the stack `{base}`")
        };
        Err(UnknownStack::Transport(message))
    }

    /// Separates its server from others at the same URL, as [`Brokered::separate`] does
    /// behind a broker. The clients trust the certificate of a server that this process starts.
    pub fn separate(&self, instance: usize, server: &mut Options) -> Options {
        let separate = |broker: &dyn Brokered| broker.separate(self.name, instance, server);
        let mut clients = self.protocol.brokered().map(separate).unwrap_or_default();
        if self.transport.has_tls()
            && !self.needs_broker()
            && let Ok(certificate) = RunCertificate::of_this_process()
        {
            // Without a certificate, the server does not start, and says why.
            self.trust(&certificate.authority, [&mut clients]);
        }
        clients
    }

    /// Makes those with each of `options` accept certificates that the authority with the certificate `authority` has signed.
    pub fn trust<'a>(&self, authority: &str, options: impl IntoIterator<Item = &'a mut Options>) {
        let resume = self.transport == Transport::TlsResumed;
        for options in options {
            // They are plain values, which JSON can always represent.
            let _ = tls::trust_authority(options, authority, resume);
        }
    }

    /// Adds transports that its client and its server have beside TCP.
    #[must_use]
    pub fn with_transports(mut self, transports: &'static [Transport]) -> Self {
        self.transports = transports;
        self
    }

    /// Whether the run can start this stack's server over `transport`. A stack that is over another one already, or whose
    /// server is running elsewhere, has only that.
    #[must_use]
    pub fn has_transport(&self, transport: Transport) -> bool {
        let is_plain = self.base_name() == self.name;
        self.transport == transport || (is_plain && self.transports.contains(&transport))
    }

    /// The transports that it has, TCP first.
    pub fn all_transports(&self) -> impl Iterator<Item = Transport> {
        [Transport::Tcp].into_iter().chain(self.transports.iter().copied())
    }
}

/// The error for a stack `stack` that has no transport of the name `transport`.
pub(super) fn lacks_transport(stack: &Stack, transport: &str) -> UnknownStack {
    let name = stack.name;
    let message = if transport == Transport::Tcp.name() {
        format!("`{name}+tcp` is written `{name}`: a stack is over TCP unless its name says otherwise")
    } else if !stack.has_server() {
        format!("`{name}` is called in this process and has no transport")
    } else {
        let all: Vec<_> = stack.all_transports().map(Transport::name).collect();
        format!("`{name}` has no transport `{transport}`; it has {}", all.join(", "))
    };
    UnknownStack::Transport(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn direct_protocols_have_unix_sockets_and_stacks_without_a_server_of_the_suite_do_not() {
        for (name, expected) in [
            ("tcp", true),
            ("tcp-async", true),
            ("rest", true),
            ("rest-hyper", true),
            ("rest-bare", true),
            ("xmlrpc", true),
            ("jsonrpc-bare", true),
            ("jsonrpc-lines", true),
            ("jsonrpc-ws", true),
            ("zerorpc", true),
            ("zerorpc-zeromq", true),
            ("grpc", true),
            ("grpc-h2", true),
            ("thrift", true),
            ("thrift-compact", true),
            ("inproc", false),
            ("amqp", false),
            ("nats", false),
            ("rest-python", false),
            ("rest-go", false),
            ("jsonrpc-ws-python", false),
            ("grpc-python", false),
            ("thrift-python", false),
        ] {
            assert_eq!(Stack::named(name).unwrap().has_transport(Transport::Unix), expected, "{name}");
        }
    }

    #[test]
    fn json_rpc_in_lines_has_pipes() {
        for (name, expected) in [
            ("jsonrpc-lines", true),
            ("jsonrpc-lines-python", false),
            ("jsonrpc-ws", false),
            ("tcp", false),
            ("rest-bare", false),
        ] {
            assert_eq!(Stack::named(name).unwrap().has_transport(Transport::Stdio), expected, "{name}");
        }
    }

    #[test]
    fn stacks_over_http_in_frames_or_lines_and_of_amqp_have_tls() {
        for (name, expected) in [
            ("rest", true),
            ("rest-hyper", true),
            ("xmlrpc-hyper", true),
            ("jsonrpc", true),
            ("grpc", true),
            ("grpc-h2", true),
            ("rest-bare", true),
            ("jsonrpc-lines", true),
            ("jsonrpc-ws", true),
            ("thrift-compact", true),
            ("jsonrpc-ws-python", false),
            ("tcp", false),
            ("tcp-async", false),
            ("zerorpc", false),
            ("amqp", true),
            ("amqp-bare", true),
            ("nats", false),
            ("amqp-python", false),
            ("rest-python", false),
        ] {
            assert_eq!(Stack::named(name).unwrap().has_transport(Transport::Tls), expected, "{name}");
        }
    }

    #[test]
    fn minimal_stacks_of_rest_and_json_rpc_have_http_2_with_and_without_tls() {
        for (name, expected) in [
            ("rest-hyper", true),
            ("jsonrpc-hyper", true),
            ("rest", false),
            ("rest-bare", false),
            ("zerorpc", false),
        ] {
            for transport in [Transport::H2, Transport::H2Tls] {
                assert_eq!(Stack::named(name).unwrap().has_transport(transport), expected, "{name}");
            }
        }
    }

    #[test]
    fn clients_trust_the_server_of_the_run() {
        let stack = Stack::named("rest-hyper+tls").unwrap();
        let options = stack.separate(0, &mut Options::default());
        let settings = tls::settings(&options).unwrap();
        assert!(matches!(settings.trust, net::Trust::Authorities(_)) && !settings.resumes_sessions);
        let resuming = Stack::named("rest-hyper+tls-resumed").unwrap();
        assert!(tls::settings(&resuming.separate(0, &mut Options::default())).unwrap().resumes_sessions);
        let plain = Stack::named("rest-hyper").unwrap();
        assert_eq!(plain.separate(0, &mut Options::default()), Options::default());
    }
}
