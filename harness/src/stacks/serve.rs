//! The settings with which a server is started, in this process or in a child.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use calculator::{
    Calculator, Dispatcher, Executor, Faults, Limits, OneIn, Service, Stall, Time, Work, Working,
};
use futures_util::future::BoxFuture;
use net::{Endpoint, TlsAcceptor};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use super::certificate::Identity;
use super::facts::UrlForm;
use super::options::{GroupArguments, OptionGroup, Options, OptionsError};
use super::suggestion::parse_or_suggest;
use super::text;
use super::transport::Transport;
use crate::observe::control::ControlPort;
use crate::sys::Secret;

/// The environment variable that holds a broker's URL: arguments show in the list of processes, credentials and all.
pub const BROKER_VARIABLE: &str = "RPCBENCH_BROKER";

/// The options that all servers of this program have.
#[derive(Clone, Debug, PartialEq, clap::Args, Serialize, Deserialize)]
#[group(skip)]
pub struct CommonOptions {
    /// The service to serve
    #[arg(long, value_enum, default_value_t)]
    pub service: ServiceName,
    /// How to run handlers: blocking (one at a time), threads:N or async
    #[arg(long, default_value_t = Executor::Async, value_parser = parse_or_suggest::<Executor>)]
    #[serde(with = "text")]
    pub executor: Executor,
    /// What each handler does before it answers: wait without using the CPU (sleep:5ms), or use CPU time (compute:100us); up
    /// to 10s
    #[arg(long, value_name = "sleep:TIME|compute:TIME", value_parser = parse_or_suggest::<Work>)]
    #[serde(default, with = "text::option")]
    pub work: Option<Work>,
    /// The number of threads of the server's Tokio runtime
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub workers: u16,
    /// The maximum size of a message
    #[arg(long, value_name = "BYTES", default_value = "16MiB", value_parser = parse_message_size)]
    pub max_body: usize,
    /// The maximum nesting depth of lists and maps
    #[arg(long, value_name = "LEVELS", default_value_t = Limits::default().max_depth, value_parser = depth)]
    pub max_depth: usize,
    /// The maximum number of calls in a batch or multicall
    #[arg(long, value_name = "CALLS", default_value_t = Limits::default().max_batch)]
    pub max_batch: usize,
    /// Delay each call by this time
    #[arg(long, value_name = "TIME", value_parser = calculator::parse_duration, help_heading = "Faults")]
    pub handler_delay: Option<Duration>,
    /// Spend this much CPU time on each call
    #[arg(long, value_name = "TIME", value_parser = calculator::parse_duration, help_heading = "Faults")]
    pub handler_cpu: Option<Duration>,
    /// Stop the whole server for LENGTH once every PERIOD, for example 100ms/1s
    #[arg(long, value_name = "LENGTH/PERIOD", help_heading = "Faults")]
    #[serde(with = "text::option")]
    pub stall: Option<Stall>,
    /// Answer every N-th call with an error
    #[arg(long, value_name = "1/N", help_heading = "Faults")]
    #[serde(with = "text::option")]
    pub fail: Option<OneIn>,
    /// Answer every N-th call with a wrong result
    #[arg(long, value_name = "1/N", help_heading = "Faults")]
    #[serde(with = "text::option")]
    pub wrong: Option<OneIn>,
}

/// The group of [`CommonOptions`].
pub(super) const COMMON: OptionGroup = OptionGroup::of::<CommonOptions>("server");

impl Default for CommonOptions {
    fn default() -> Self {
        let Limits { max_body, max_depth, max_batch, .. } = Limits::default();
        CommonOptions {
            service: ServiceName::default(),
            executor: Executor::default(),
            work: None,
            workers: 1,
            max_body,
            max_depth,
            max_batch,
            handler_delay: None,
            handler_cpu: None,
            stall: None,
            fail: None,
            wrong: None,
        }
    }
}

/// The services that can be served.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ServiceName {
    /// The calculator, with which protocols are compared.
    #[default]
    Calculator,
    /// A few functions of Python's module `time`.
    Time,
}

/// Parses a limit of messages.
fn parse_message_size(text: &str) -> Result<usize, String> {
    super::size::parse_size(text)
        .and_then(|bytes| usize::try_from(bytes).ok())
        .filter(|bytes| (64..=1 << 30).contains(bytes))
        .ok_or_else(|| "expected a size from 64B to 1024MiB, for example 16MiB".to_owned())
}

/// Bounded, because decoders recurse where a library's do.
fn depth(text: &str) -> Result<usize, String> {
    text.parse()
        .ok()
        .filter(|levels| (1..=100).contains(levels))
        .ok_or_else(|| "expected 1 to 100".to_owned())
}

impl CommonOptions {
    /// What the server accepts.
    #[must_use]
    pub fn limits(&self) -> Limits {
        Limits {
            max_body: self.max_body,
            max_depth: self.max_depth,
            max_batch: self.max_batch,
            ..Limits::default()
        }
    }

    /// The dispatcher of the chosen service.
    #[must_use]
    pub fn dispatcher(&self) -> Dispatcher {
        let faults = Faults {
            delay: self.handler_delay,
            cpu: self.handler_cpu,
            stall: self.stall,
            fail: self.fail,
            wrong: self.wrong,
        };
        match self.service {
            ServiceName::Calculator => self.dispatcher_of(Calculator, faults),
            ServiceName::Time => self.dispatcher_of(Time, faults),
        }
    }

    fn dispatcher_of(&self, service: impl Service, faults: Faults) -> Dispatcher {
        match self.work {
            Some(work) => Dispatcher::new(Working::new(service, work), self.executor, faults),
            None => Dispatcher::new(service, self.executor, faults),
        }
    }
}

/// The options of a server of any stack: the common ones, and those of its protocol.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ServerOptions {
    /// The options that all servers have.
    pub common: CommonOptions,
    /// The options of the protocols.
    pub protocol: Options,
    /// The options that differ from the defaults because they were given, as `--option`.
    #[serde(default)]
    pub given: Vec<String>,
}

impl ServerOptions {
    /// The options of `arguments`, whichever protocols they belong to.
    ///
    /// # Errors
    /// [`OptionsError`].
    pub fn new(arguments: &GroupArguments) -> Result<Self, OptionsError> {
        let protocol = arguments.options().clone();
        let given = arguments.given().map(str::to_owned).collect();
        Ok(ServerOptions { common: protocol.get(&COMMON)?, protocol, given })
    }

    /// The options of a stack that has no server process: only the work of handlers, since its caller runs them.
    ///
    /// # Errors
    /// [`OptionsError`].
    pub fn in_process(&self) -> Result<Options, OptionsError> {
        let mut options = Options::default();
        options.set(&COMMON, &CommonOptions { work: self.common.work, ..CommonOptions::default() })?;
        Ok(options)
    }
}

/// All settings with which a server is started. Child processes receive it as one value of JSON, in the environment
/// variable [`ServerSettings::VARIABLE`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ServerSettings {
    /// The stack's name.
    pub stack: String,
    /// Where to listen; port 0 picks a free one. Servers behind a broker do not listen.
    #[serde(with = "text")]
    pub listen: Endpoint,
    /// The folder of the socket that it listens on, which is removed when the server ends; absent for one that it was not made
    /// for.
    #[serde(default)]
    pub socket_folder: Option<PathBuf>,
    /// The certificate with which it serves over TLS; absent without TLS.
    #[serde(default)]
    pub tls: Option<Identity>,
    /// The control port; absent for none.
    pub control: Option<ControlPort>,
    /// The broker's URL, with credentials.
    pub broker: Option<Secret>,
    /// The options.
    pub options: ServerOptions,
    /// Whether to stop when standard input ends: for a parent process that must not leave a server behind.
    pub end_with_input: bool,
}

impl ServerSettings {
    /// The environment variable that passes the settings to a child process.
    pub const VARIABLE: &'static str = "RPCBENCH_SERVER";
}

/// The settings with which a stack's server is bound.
pub struct ServeContext {
    /// Where to listen; port 0 picks a free one.
    pub listen: Endpoint,
    /// Executes the calls.
    pub dispatcher: Dispatcher,
    /// The limits of accepted messages.
    pub limits: Limits,
    /// The transport of the stack.
    pub transport: Transport,
    /// The certificate with which it serves over TLS; absent without TLS. Only stacks whose transport [has
    /// TLS](Transport::has_tls) are given one.
    pub tls: Option<Identity>,
    /// The broker's URL, with credentials.
    pub broker: Option<Secret>,
    /// The protocol's own options.
    pub options: Options,
    /// Cancelled to stop the server, which then finishes the calls in progress.
    pub stop: CancellationToken,
}

impl ServeContext {
    /// The URL of the broker, for a server of `protocol`, whose URLs have the form `form`.
    ///
    /// # Errors
    /// [`ServeError::NoBroker`].
    pub(super) fn broker(&self, protocol: &'static str, form: Option<UrlForm>) -> Result<&str, ServeError> {
        self.broker.as_ref().map(Secret::reveal).ok_or_else(|| ServeError::no_broker(protocol, form))
    }

    /// What accepts connections over TLS from clients that speak `protocol` (ALPN), or whatever clients name there where the protocol
    /// has no name; `None` without TLS.
    ///
    /// # Errors
    /// [`ServeError::Setting`] for a certificate that cannot be used.
    pub(super) fn acceptor<'a>(
        &self,
        protocol: impl Into<Option<&'a str>>,
    ) -> Result<Option<TlsAcceptor>, ServeError> {
        let acceptor = self.tls.as_ref().map(|identity| identity.acceptor(protocol)).transpose();
        acceptor.map_err(|error| ServeError::Setting(format!("the certificate or its key: {error}")))
    }

    /// Returns a function that turns an I/O error into [`ServeError::Bind`] for [`listen`](Self::listen).
    pub(super) fn bind_error(&self) -> impl FnOnce(std::io::Error) -> ServeError + use<> {
        let address = self.listen.to_string();
        move |source| ServeError::Bind { address, source }
    }
}

/// A server that is bound.
pub struct Serving {
    /// The URL for clients, without credentials.
    pub url: String,
    /// Answers calls until the server is stopped, then finishes the calls in progress.
    pub run: BoxFuture<'static, ()>,
}

/// Why a server cannot serve.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The stack is only a client.
    #[error("{0} has no server in this program")]
    NoServer(&'static str),
    /// The broker that a server of this protocol needs was not given.
    #[error("a server of {protocol} needs a broker: give --broker {example}")]
    NoBroker {
        /// The protocol's name.
        protocol: &'static str,
        /// A URL of its broker.
        example: &'static str,
    },
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Bind {
        /// The address.
        address: String,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The broker cannot be used.
    #[error("{0}")]
    Broker(String),
    /// A setting cannot be used: the broker's URL, or the name of a topic or server.
    #[error("{0}")]
    Setting(String),
    /// The options cannot be read.
    #[error(transparent)]
    Options(#[from] OptionsError),
}

impl ServeError {
    /// The broker that a server of `protocol` needs, whose URLs have the form `form`, was not given.
    #[must_use]
    pub fn no_broker(protocol: &'static str, form: Option<UrlForm>) -> Self {
        ServeError::NoBroker { protocol, example: form.map_or("URL", |form| form.example) }
    }
}

/// The runtime of a server that has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runtime {
    /// Everything on one thread.
    CurrentThread,
    /// A work-stealing scheduler on this many threads.
    MultiThread(usize),
}

impl Runtime {
    /// The runtime of a server with `workers` threads.
    #[must_use]
    pub fn of(workers: usize) -> Self {
        if workers == 1 { Runtime::CurrentThread } else { Runtime::MultiThread(workers) }
    }

    /// A builder for this runtime.
    #[must_use]
    pub fn builder(self) -> tokio::runtime::Builder {
        match self {
            Runtime::CurrentThread => tokio::runtime::Builder::new_current_thread(),
            Runtime::MultiThread(workers) => {
                let mut builder = tokio::runtime::Builder::new_multi_thread();
                builder.worker_threads(workers);
                builder
            }
        }
    }
}

impl fmt::Display for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Runtime::CurrentThread => f.write_str("Tokio, one thread"),
            Runtime::MultiThread(workers) => write!(f, "Tokio, {workers} threads"),
        }
    }
}
