//! The client that applications usually choose.

use calculator::{CallError, ClientOptions, ErrorKind};
use http::{HeaderMap, Method};
use net::{Endpoint, TlsConnector, TlsSettings, Trust};
use reqwest::{Client, Request, Url, redirect, retry};
use tokio::sync::Mutex;

use super::base::Base;
use super::failed::read_failed_body;
use super::{Headers, Reply, ReplyHead, Settings, Transport, body_error, hyper_error};
use crate::VERSION;
use crate::body::Chunks;

/// A client over [reqwest](::reqwest), with a pool of one connection, no proxy, no redirects and no compression.
///
/// It connects on the first call. Concurrent calls take turns, so that there is never a second connection. Over a Unix
/// socket, the connection belongs to reqwest, and its bytes are not in [`net::bytes_counted`].
#[derive(Debug)]
pub struct ReqwestClient {
    base: Base,
    settings: Settings,
    client: Client,
    in_flight: Mutex<()>,
}

impl Transport for ReqwestClient {
    type Target = Url;

    async fn connect_trusting(
        url: &str,
        headers: &Headers,
        tls: impl Into<TlsSettings> + Send,
        options: &ClientOptions,
    ) -> Result<Self, CallError> {
        let base = Base::parse(url)?;
        // reqwest would otherwise read the authorities of the system for every client, also for those without TLS.
        let tls = match base.tls(tls)? {
            Some(tls) => tls,
            None => TlsConnector::new(&Trust::Nothing).map_err(|error| no_tls(&error))?,
        };
        let settings = Settings::new(&base, headers, options)?;
        let mut builder = Client::builder()
            .http1_only()
            .no_proxy()
            .tcp_nodelay(true)
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .pool_max_idle_per_host(1)
            .pool_idle_timeout(None)
            .tls_backend_preconfigured(tls.config())
            .connect_timeout(options.timeout);
        match base.endpoint() {
            Endpoint::Tcp { .. } => {}
            Endpoint::Unix(path) => builder = builder.unix_socket(path.as_path()),
            // Only in builds with simulated networks.
            #[allow(unreachable_patterns)]
            other => {
                let message = format!("reqwest cannot connect to {other}");
                return Err(CallError::new(ErrorKind::Undeliverable, message));
            }
        }
        let client = builder.build().map_err(|error| reqwest_error(&error))?;
        Ok(ReqwestClient { base, settings, client, in_flight: Mutex::new(()) })
    }

    fn target(&self, segment: &str) -> Result<Url, CallError> {
        self.base.join(segment)
    }

    fn path_target(&self, path: &str) -> Result<Url, CallError> {
        self.base.join_path(path)
    }

    async fn request(
        &self,
        verb: Method,
        target: &Url,
        headers: Option<&HeaderMap>,
        body: Option<Vec<u8>>,
    ) -> Result<Reply, CallError> {
        let settings = &self.settings;
        let body = body.map(|body| settings.encoded(body, headers)).transpose()?;
        let headers = settings.headers_with(headers, body.is_some());
        let mut request = Request::new(verb, target.clone());
        *request.version_mut() = VERSION;
        *request.headers_mut() = headers;
        *request.body_mut() = body.map(Into::into);

        let _guard = self.in_flight.lock().await;
        let mut response = self.client.execute(request).await.map_err(|error| reqwest_error(&error))?;
        let status = response.status();
        if !status.is_success() {
            let (mut head, body) = http::Response::from(response).into_parts();
            let body = read_failed_body(body, settings.max_body, settings.failed_body_timeout).await;
            return Reply::new(ReplyHead::take(status, &mut head.headers), body, settings.max_body);
        }
        let length = response.content_length().unwrap_or(0);
        let mut chunks = Chunks::with_length_hint(length, settings.max_body).map_err(body_error)?;
        while let Some(chunk) = response.chunk().await.map_err(|error| reqwest_error(&error))? {
            chunks.push(chunk).map_err(body_error)?;
        }
        let head = ReplyHead::take(status, response.headers_mut());
        Reply::new(head, (chunks.into_body(), true), settings.max_body)
    }
}

/// Converts an error of reqwest. The message of such an error is generic; its sources describe the cause.
fn reqwest_error(error: &reqwest::Error) -> CallError {
    let mut causes = std::iter::successors(std::error::Error::source(error), |cause| cause.source());
    if error.is_timeout() {
        return CallError::new(ErrorKind::Timeout, format!("no connection in time: {error}"));
    }
    if error.is_connect() {
        let cause = causes.next().map_or_else(|| error.to_string(), net::describe_connect_failure);
        let message = format!("cannot connect: {cause}");
        return CallError::new(ErrorKind::Undeliverable, message);
    }
    for cause in causes {
        if let Some(error) = cause.downcast_ref::<hyper::Error>() {
            return hyper_error(error);
        }
    }
    CallError::new(ErrorKind::Undeliverable, error.to_string())
}

fn no_tls(error: &net::TlsError) -> CallError {
    CallError::new(ErrorKind::Undeliverable, error.to_string())
}
