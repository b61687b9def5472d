//! The table of all stacks: what to add a row to.

use calculator::Protocol;
use http_layer::{HyperClient as Hyper, ReqwestClient as Reqwest};

use super::reference::reference;
use super::{Anatomise, Connect, Driver, Reference, Role, Server, Stack, anatomy, connect, serve};

/// Every stack, in the order in which tables list them when nothing else decides.
pub static ALL: &[Stack] = &[
    stack(
        "inproc",
        Protocol::Inproc,
        "function call",
        "same process",
        Role::Floor,
        connect::inproc,
        anatomy::inproc,
        Server::None,
    )
    .on_threads(),
    stack(
        "tcp",
        Protocol::Tcp,
        "std::net",
        "std::net",
        Role::Floor,
        connect::tcp,
        anatomy::tcp,
        Server::Own(serve::tcp),
    )
    .on_threads(),
    #[cfg(feature = "libzmq")]
    stack(
        "tcp-libzmq",
        Protocol::Tcp,
        "libzmq",
        "libzmq",
        Role::Floor,
        connect::tcp_libzmq,
        anatomy::tcp,
        Server::Own(serve::tcp_libzmq),
    )
    .on_threads(),
    stack(
        "rest",
        Protocol::Rest,
        "reqwest",
        "axum",
        Role::Default,
        connect::rest::<Reqwest>,
        anatomy::rest,
        Server::Own(serve::rest),
    ),
    stack(
        "rest-hyper",
        Protocol::Rest,
        "hyper",
        "axum",
        Role::Leanest,
        connect::rest::<Hyper>,
        anatomy::rest,
        Server::Own(serve::rest),
    ),
    stack(
        "xmlrpc",
        Protocol::Xmlrpc,
        "reqwest",
        "axum",
        Role::Default,
        connect::xmlrpc::<Reqwest>,
        anatomy::xmlrpc,
        Server::Own(serve::xmlrpc),
    ),
    stack(
        "xmlrpc-hyper",
        Protocol::Xmlrpc,
        "hyper",
        "axum",
        Role::Leanest,
        connect::xmlrpc::<Hyper>,
        anatomy::xmlrpc,
        Server::Own(serve::xmlrpc),
    ),
    stack(
        "jsonrpc",
        Protocol::Jsonrpc,
        "reqwest",
        "axum",
        Role::Default,
        connect::jsonrpc::<Reqwest>,
        anatomy::jsonrpc,
        Server::Own(serve::jsonrpc),
    ),
    stack(
        "jsonrpc-hyper",
        Protocol::Jsonrpc,
        "hyper",
        "axum",
        Role::Leanest,
        connect::jsonrpc::<Hyper>,
        anatomy::jsonrpc,
        Server::Own(serve::jsonrpc),
    ),
    #[cfg(feature = "jsonrpsee")]
    stack(
        "jsonrpc-jsonrpsee",
        Protocol::Jsonrpc,
        "hyper",
        "jsonrpsee",
        Role::Alternative,
        connect::jsonrpc::<Hyper>,
        anatomy::jsonrpc,
        Server::Own(serve::jsonrpc_jsonrpsee),
    ),
    stack(
        "zerorpc",
        Protocol::Zerorpc,
        "own ZMTP",
        "own ZMTP",
        Role::DefaultAndLeanest,
        connect::zerorpc,
        anatomy::zerorpc,
        Server::Own(serve::zerorpc),
    )
    .multiplexing(),
    stack(
        "zerorpc-zeromq",
        Protocol::Zerorpc,
        "zeromq",
        "zeromq",
        Role::Alternative,
        connect::zerorpc_zeromq,
        anatomy::zerorpc,
        Server::Own(serve::zerorpc_zeromq),
    )
    .multiplexing(),
    #[cfg(feature = "libzmq")]
    stack(
        "zerorpc-libzmq",
        Protocol::Zerorpc,
        "libzmq",
        "libzmq",
        Role::Alternative,
        connect::zerorpc_libzmq,
        anatomy::zerorpc,
        Server::Own(serve::zerorpc_libzmq),
    )
    .multiplexing(),
    stack(
        "amqp",
        Protocol::Amqp,
        "lapin",
        "lapin",
        Role::Default,
        connect::amqp,
        anatomy::amqp,
        Server::Own(serve::amqp),
    )
    .multiplexing(),
    stack(
        "amqp-unconfirmed",
        Protocol::Amqp,
        "lapin",
        "lapin",
        Role::Step,
        connect::amqp_unconfirmed,
        anatomy::amqp,
        Server::Own(serve::amqp_unconfirmed),
    )
    .multiplexing(),
    stack(
        "amqp-unacknowledged",
        Protocol::Amqp,
        "lapin",
        "lapin",
        Role::Step,
        connect::amqp_unacknowledged,
        anatomy::amqp,
        Server::Own(serve::amqp_unacknowledged),
    )
    .multiplexing(),
    stack(
        "amqp-enveloped",
        Protocol::Amqp,
        "lapin",
        "lapin",
        Role::Step,
        connect::amqp_enveloped,
        anatomy::amqp_enveloped,
        Server::Own(serve::amqp_enveloped),
    )
    .multiplexing(),
    stack(
        "amqp-direct",
        Protocol::Amqp,
        "lapin",
        "lapin",
        Role::Leanest,
        connect::amqp_direct,
        anatomy::amqp_direct,
        Server::Own(serve::amqp_direct),
    )
    .multiplexing(),
    stack(
        "amqp-bare",
        Protocol::Amqp,
        "lapin",
        "lapin",
        Role::BrokerFloor,
        connect::amqp_bare,
        anatomy::amqp_bare,
        Server::Own(serve::amqp_bare),
    )
    .multiplexing(),
    stack(
        "rest-python",
        Protocol::Rest,
        "hyper",
        "Python http.server",
        Role::Reference,
        connect::rest::<Hyper>,
        anatomy::rest,
        reference!("rest_server.py", &[], "blocking"),
    ),
    stack(
        "xmlrpc-python",
        Protocol::Xmlrpc,
        "hyper",
        "Python SimpleXMLRPCServer",
        Role::Reference,
        connect::xmlrpc::<Hyper>,
        anatomy::xmlrpc,
        reference!("xmlrpc_server.py", &[], "blocking"),
    ),
    stack(
        "xmlrpc-python-threads",
        Protocol::Xmlrpc,
        "hyper",
        "Python SimpleXMLRPCServer, ThreadingMixIn",
        Role::Reference,
        connect::xmlrpc::<Hyper>,
        anatomy::xmlrpc,
        reference!("xmlrpc_server.py", &["--threads"], "threads"),
    ),
    stack(
        "jsonrpc-python",
        Protocol::Jsonrpc,
        "hyper",
        "jsonrpclib-pelix",
        Role::Reference,
        connect::jsonrpc::<Hyper>,
        anatomy::jsonrpc,
        reference!("jsonrpc_server.py", &[], "blocking"),
    ),
    stack(
        "zerorpc-python",
        Protocol::Zerorpc,
        "own ZMTP",
        "zerorpc",
        Role::Reference,
        connect::zerorpc,
        anatomy::zerorpc,
        reference!("zerorpc_server.py", &[], "async"),
    )
    .multiplexing(),
    stack(
        "amqp-python",
        Protocol::Amqp,
        "lapin",
        "oslo.messaging",
        Role::Reference,
        connect::amqp,
        anatomy::amqp,
        reference!("oslo_server.py", &[], "threads"),
    )
    .multiplexing(),
];

#[allow(clippy::too_many_arguments, reason = "a row of a table")]
const fn stack(
    name: &'static str,
    protocol: Protocol,
    client: &'static str,
    server: &'static str,
    role: Role,
    connect: Connect,
    anatomy: Anatomise,
    served_by: Server,
) -> Stack {
    Stack {
        name,
        protocol,
        client,
        server,
        role,
        multiplexes: false,
        driver: Driver::Tokio,
        connect,
        anatomy,
        served_by,
    }
}

impl Stack {
    const fn on_threads(mut self) -> Self {
        self.driver = Driver::Threads;
        self
    }

    const fn multiplexing(mut self) -> Self {
        self.multiplexes = true;
        self
    }
}
