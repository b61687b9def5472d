//! Servers and clients of the protocols, in the simulated network.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use calculator::{CallError, Client, ClientOptions, Dispatcher, Executor, Faults, Limits};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http_layer::HyperClient;
use http_layer::bare::BareClient;
use http_layer::http::HeaderMap;
use jsonrpc::JsonRpcClient;
use net::Endpoint;
use rest::RestClient;
use tokio_util::sync::CancellationToken;
use xmlrpc::XmlRpcClient;
use zerorpc::ZerorpcClient;

use crate::defect::{Defect, DefectiveClient};
use crate::plan::{MAX_BODY, Plan, Protocol};
use crate::service::{Counting, Executions, RecordingCalculator};

/// The name of the server in the simulated network.
pub(crate) const SERVER: &str = "server";

/// A client of any protocol.
#[derive(Clone)]
pub(crate) struct AnyClient {
    pub(crate) client: Arc<dyn Client>,
    /// The client again, if its protocol has streams.
    pub(crate) zerorpc: Option<Arc<ZerorpcClient>>,
}

fn limits(plan: &Plan) -> Limits {
    Limits { max_body: MAX_BODY, max_in_flight: plan.max_in_flight, ..Limits::default() }
}

/// Binds a server, and returns the future that serves until the token is cancelled.
pub(crate) async fn bind(
    plan: &Plan,
    executions: &Executions,
    defect: Defect,
    stop: CancellationToken,
) -> io::Result<BoxFuture<'static, ()>> {
    let endpoint = Endpoint::Simulated(SERVER.to_owned());
    let service = RecordingCalculator { executions: executions.clone(), defect };
    let dispatcher = Dispatcher::new(service, Executor::Async, Faults::default());
    let limits = limits(plan);
    Ok(match plan.protocol {
        Protocol::Zerorpc => {
            let options = zerorpc::ServerOptions { limits, heartbeat: Some(plan.heartbeat) };
            let server = zerorpc::Server::bind(&endpoint, dispatcher, options).await?;
            server.with_streams(Counting(executions.clone())).run(stop).boxed()
        }
        Protocol::Rest => rest::Server::bind(&endpoint, dispatcher, limits).await?.run(stop).boxed(),
        Protocol::RestBare => rest::BareServer::bind(&endpoint, dispatcher, limits).await?.run(stop).boxed(),
        Protocol::XmlRpc => {
            let options = xmlrpc::ServerOptions { http: limits.into(), ..Default::default() };
            xmlrpc::Server::bind(&endpoint, dispatcher, options).await?.run(stop).boxed()
        }
        Protocol::JsonRpc => {
            let options = jsonrpc::ServerOptions { http: limits.into(), ..Default::default() };
            jsonrpc::Server::bind(&endpoint, dispatcher, options).await?.run(stop).boxed()
        }
    })
}

/// Connects a client.
pub(crate) async fn connect(plan: &Plan, timeout: Duration, defect: Defect) -> Result<AnyClient, CallError> {
    let options = ClientOptions { timeout, limits: limits(plan) };
    let headers = HeaderMap::new();
    let (client, zerorpc): (Arc<dyn Client>, _) = match plan.protocol {
        Protocol::Zerorpc => {
            let url = format!("tcp://{SERVER}.simulated");
            let client = ZerorpcClient::connect_with(&url, &options, Some(plan.heartbeat)).await?;
            let client = Arc::new(client);
            (Arc::clone(&client) as Arc<dyn Client>, Some(client))
        }
        Protocol::Rest => {
            let url = format!("http://{SERVER}.simulated");
            (Arc::new(RestClient::<HyperClient>::connect(&url, &headers, &options).await?), None)
        }
        Protocol::RestBare => {
            let url = format!("http://{SERVER}.simulated");
            (Arc::new(RestClient::<BareClient>::connect(&url, &headers, &options).await?), None)
        }
        Protocol::XmlRpc => {
            let url = format!("http://{SERVER}.simulated/RPC2");
            (Arc::new(XmlRpcClient::<HyperClient>::connect(&url, &headers, &options).await?), None)
        }
        Protocol::JsonRpc => {
            let url = format!("http://{SERVER}.simulated/jsonrpc");
            (Arc::new(JsonRpcClient::<HyperClient>::connect(&url, &headers, &options).await?), None)
        }
    };
    let client = match defect {
        Defect::None => client,
        defect => Arc::new(DefectiveClient::new(client, defect)),
    };
    Ok(AnyClient { client, zerorpc })
}
