//! RabbitMQ, and Erlang's port mapper, which it needs.

use std::env;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use amqp::TransportUrl;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use net::Trust;
use tokio::process::Command;

use super::error::BrokerError;
use super::folder::Folder;
use super::installation::{Installation, USER, base_command, find_in};
use super::line::{NodeInfo, NodeTls};
use crate::deploy::ports::free_ports;
use crate::stacks::{BrokerKind, RunCertificate};
use crate::sys::{self, Secret};

/// Environment variable with the path of the broker's start script; overrides the usual places.
const SERVER_VARIABLE: &str = "RPCBENCH_RABBITMQ_SERVER";

/// The usual places of the start script. Debian's `/usr/sbin/rabbitmq-server` is not among them: that one switches to the
/// user `rabbitmq` and drops the environment, and with it the private folder and ports.
const SERVERS: [&str; 6] = [
    "/usr/lib/rabbitmq/bin/rabbitmq-server",
    "/opt/homebrew/opt/rabbitmq/libexec/sbin/rabbitmq-server",
    "/usr/local/opt/rabbitmq/libexec/sbin/rabbitmq-server",
    "/opt/homebrew/opt/rabbitmq/sbin/rabbitmq-server",
    "/opt/homebrew/sbin/rabbitmq-server",
    "/usr/local/sbin/rabbitmq-server",
];

/// Folders to search for Erlang, in addition to the search path.
const ERLANG: [&str; 3] = ["/usr/bin", "/opt/homebrew/bin", "/usr/local/bin"];

/// The node name of all private brokers. They don't conflict, because each has its own port mapper.
const NODE_NAME: &str = "rpcbench@localhost";
/// How long opening and closing a connection may take.
const HANDSHAKE_DEADLINE: Duration = Duration::from_secs(10);

/// The programs that a private broker consists of.
pub(super) struct RabbitMq {
    /// RabbitMQ's start script.
    server: PathBuf,
    /// Erlang's port mapper.
    epmd: PathBuf,
    /// The search path for the start script, with Erlang on it.
    path: OsString,
    /// Its certificate, if it accepts TLS.
    certificate: Option<&'static RunCertificate>,
}

impl RabbitMq {
    /// Searches where `RPCBENCH_RABBITMQ_SERVER` points, and else the usual places.
    ///
    /// # Errors
    /// [`BrokerError::NotInstalled`] with what to install.
    pub(super) fn find() -> Result<Self, BrokerError> {
        let server = match sys::variable(SERVER_VARIABLE).map(PathBuf::from) {
            Some(server) if server.is_file() => server,
            Some(server) => {
                let message = format!(
                    "{SERVER_VARIABLE} points to {}, which is not a file: install RabbitMQ (apt install rabbitmq-server, \
                     brew install rabbitmq) and name its start script, or unset it",
                    server.display()
                );
                return Err(BrokerError::NotInstalled(message));
            }
            None => SERVERS.iter().map(PathBuf::from).find(|server| server.is_file()).ok_or_else(|| {
                BrokerError::NotInstalled(format!(
                    "no RabbitMQ found: install it (apt install rabbitmq-server, brew install rabbitmq), \
                     set {SERVER_VARIABLE} to its rabbitmq-server, or give --broker URL"
                ))
            })?,
        };
        let mut folders: Vec<PathBuf> = env::split_paths(&env::var_os("PATH").unwrap_or_default()).collect();
        folders.extend(ERLANG.iter().map(PathBuf::from));
        let epmd = find_in(&folders, "epmd").ok_or_else(|| {
            BrokerError::NotInstalled(
                "found RabbitMQ but not Erlang's epmd: put Erlang's bin folder on the PATH".to_owned(),
            )
        })?;
        let path = env::join_paths(folders).map_err(|error| BrokerError::NotInstalled(error.to_string()))?;
        Ok(RabbitMq { server, epmd, path, certificate: None })
    }

    /// The same with a certificate, for a broker that also accepts TLS.
    ///
    /// # Errors
    /// [`BrokerError::Start`] if the certificate cannot be made.
    pub(super) fn with_tls(self) -> Result<Self, BrokerError> {
        let certificate = RunCertificate::of_this_process();
        let certificate =
            certificate.map_err(|error| BrokerError::Start(BrokerKind::RabbitMq, error.to_string()))?;
        Ok(RabbitMq { certificate: Some(certificate), ..self })
    }

    /// A command that runs `rabbitmqctl` for the broker `info`.
    pub(super) fn control(&self, info: &NodeInfo) -> std::process::Command {
        let mut command = std::process::Command::new(self.server.with_file_name("rabbitmqctl"));
        command
            .env_clear()
            .env("PATH", &self.path)
            .env("HOME", &info.folder)
            .env("LANG", "C.UTF-8")
            .env("ERL_EPMD_PORT", Ports::of(&info.ports).epmd.to_string())
            .env("RABBITMQ_CONF_ENV_FILE", "/dev/null")
            .env("RABBITMQ_NODENAME", NODE_NAME)
            .stdin(std::process::Stdio::null());
        command
    }
}

/// The purposes of the ports.
struct Ports {
    amqp: u16,
    epmd: u16,
    distribution: u16,
    /// Only used by a broker that accepts TLS.
    tls: u16,
}

impl Ports {
    fn of(ports: &[u16]) -> Self {
        let [amqp, epmd, distribution, tls] =
            [0, 1, 2, 3].map(|index| ports.get(index).copied().unwrap_or_default());
        Ports { amqp, epmd, distribution, tls }
    }
}

impl Installation for RabbitMq {
    fn program(&self) -> &Path {
        &self.server
    }

    fn free_ports(&self) -> io::Result<Vec<u16>> {
        if self.certificate.is_some() {
            return Ok(free_ports::<4>()?.to_vec());
        }
        Ok(free_ports::<3>()?.to_vec())
    }

    fn write_files(&self, folder: &Folder, ports: &[u16], password: &str) -> Result<(), BrokerError> {
        // The configured user replaces `guest`.
        let mut configuration = format!("default_user = {USER}\ndefault_pass = {password}\n");
        if let Some(RunCertificate { authority, identity }) = self.certificate {
            folder.write("authority.pem", authority)?;
            folder.write("certificate.pem", &identity.certificate)?;
            folder.write("key.pem", identity.key.reveal())?;
            configuration += &tls_configuration(folder.path(), Ports::of(ports).tls);
        }
        folder.write("rabbitmq.conf", &configuration)?;
        folder.write("advanced.config", "[].\n")?;
        folder.write("enabled_plugins", "[].\n")?;
        folder.write(".erlang.cookie", Secret::random().reveal())
    }

    fn tls(&self, ports: &[u16]) -> Option<NodeTls> {
        let RunCertificate { authority, .. } = self.certificate?;
        Some(NodeTls { port: Ports::of(ports).tls, authority: authority.clone() })
    }

    fn helper(&self, folder: &Path, ports: &[u16]) -> Option<(Command, u16)> {
        let Ports { epmd, .. } = Ports::of(ports);
        let mut command = base_command(&self.epmd, &self.path, folder);
        command.args(["-port", &epmd.to_string(), "-address", "127.0.0.1"]);
        Some((command, epmd))
    }

    fn broker(&self, folder: &Path, ports: &[u16]) -> Command {
        let mut command = base_command(&self.server, &self.path, folder);
        command.envs(environment(folder, &Ports::of(ports)));
        command
    }

    fn handshake<'a>(&'a self, info: &'a NodeInfo) -> BoxFuture<'a, Result<(), String>> {
        async {
            connect(&info.url(), Trust::System).await?;
            // It listens for TLS a little later.
            if let Some(tls) = &info.tls {
                connect(&info.tls_url(tls), Trust::Authorities(tls.authority.clone())).await?;
            }
            Ok(())
        }
        .boxed()
    }

    fn names_a_taken_port(&self, line: &str) -> bool {
        // Erlang's error, that of the port mapper, and RabbitMQ's for the port of Erlang's distribution.
        ["eaddrinuse", "in use", "port_already_used"].iter().any(|words| line.contains(words))
    }
}

/// Connects to the broker at `url`, whose certificate `trust` accepts, and disconnects.
async fn connect(url: &str, trust: Trust) -> Result<(), String> {
    let url: TransportUrl = url.parse().map_err(|error: amqp::UrlError| error.to_string())?;
    let connected = url.trusting(trust).connect("ready", HANDSHAKE_DEADLINE).await;
    let connection = connected.map_err(|error| error.to_string())?;
    // The handshake is complete, so an error on closing does not matter.
    let _ = connection.close(200, "ready".into()).await;
    Ok(())
}

/// The lines of the configuration that make the broker accept TLS on `port` of 127.0.0.1, with the version and the cipher of
/// [`net::TLS_TERMS`].
fn tls_configuration(folder: &Path, port: u16) -> String {
    let path = |name: &str| folder.join(name).display().to_string();
    format!(
        "listeners.ssl.default = 127.0.0.1:{port}\nssl_options.cacertfile = {}\nssl_options.certfile = {}\n\
         ssl_options.keyfile = {}\nssl_options.verify = verify_none\nssl_options.fail_if_no_peer_cert = false\n\
         ssl_options.versions.1 = tlsv1.3\nssl_options.ciphers.1 = TLS_AES_128_GCM_SHA256\n",
        path("authority.pem"),
        path("certificate.pem"),
        path("key.pem"),
    )
}

fn environment(folder: &Path, ports: &Ports) -> Vec<(&'static str, OsString)> {
    let path = |name: &str| folder.join(name).into_os_string();
    vec![
        ("RABBITMQ_NODENAME", NODE_NAME.into()),
        ("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1".into()),
        ("RABBITMQ_NODE_PORT", ports.amqp.to_string().into()),
        ("RABBITMQ_DIST_PORT", ports.distribution.to_string().into()),
        ("ERL_EPMD_ADDRESS", "127.0.0.1".into()),
        ("ERL_EPMD_PORT", ports.epmd.to_string().into()),
        ("RABBITMQ_MNESIA_BASE", path("mnesia")),
        ("RABBITMQ_LOG_BASE", path("log")),
        ("RABBITMQ_PID_FILE", path("pid")),
        ("RABBITMQ_CONFIG_FILE", path("rabbitmq.conf")),
        ("RABBITMQ_CONFIG_FILES", path("conf.d")),
        ("RABBITMQ_ADVANCED_CONFIG_FILE", path("advanced.config")),
        ("RABBITMQ_ENABLED_PLUGINS_FILE", path("enabled_plugins")),
        ("RABBITMQ_CONF_ENV_FILE", "/dev/null".into()),
        // By default Erlang's distribution port listens on all interfaces.
        ("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", "-kernel inet_dist_use_interface {127,0,0,1}".into()),
        // By default Erlang shows a menu on SIGINT.
        ("RABBITMQ_SERVER_START_ARGS", "+B i".into()),
        // The script then replaces itself with the Erlang virtual machine, so that the child's process id is that of
        // Erlang.
        ("RUNNING_UNDER_SYSTEMD", "true".into()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_recognised_by_what_the_processes_print() {
        let (server, epmd, path) = (PathBuf::new(), PathBuf::new(), OsString::new());
        let rabbitmq = RabbitMq { server, epmd, path, certificate: None };
        for output in [
            "epmd: failed to bind socket: Address already in use",
            "Failed to start Ranch listener {acceptor,{127,0,0,1},5672} in ranch_tcp:listen for reason eaddrinuse",
            "{failed_to_start_child,prelaunch,{dist_port_already_used,40877,not_erlang,\"localhost\"}}",
        ] {
            assert!(rabbitmq.names_a_taken_port(output), "{output}");
        }
        assert!(!rabbitmq.names_a_taken_port("enospc"));
    }
}
