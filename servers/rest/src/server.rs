//! The servers: over axum and hyper, and without an HTTP library.

use std::sync::Arc;

use calculator::{Dispatcher, Params};
use http::Method;
use http_layer::axum::Router;
use http_layer::axum::extract::Request;
use http_layer::axum::routing::get;
use http_layer::bare::{self, Opened, RequestHead};
use http_layer::{Answer, Api, BodyError, Bytes, HttpOptions, Intake, Unread};

use crate::negotiation::Format;
use crate::resources::{
    DESCRIPTION_METHODS, DESCRIPTION_PATH, Formats, RESOURCE_METHODS, Resources, not_found, other_method,
};

/// A server with a resource per method of a service.
pub type Server = http_layer::Server<Rest>;

/// The same server without an HTTP library.
pub type BareServer = bare::Server<Rest>;

/// REST, as [`Server`] serves it.
#[derive(Debug)]
pub enum Rest {}

impl Api for Rest {
    type Options = HttpOptions;

    const PATH: &'static str = "";

    fn http_options(options: &HttpOptions) -> HttpOptions {
        options.clone()
    }

    fn router(dispatcher: Dispatcher, options: HttpOptions) -> Router {
        router(Arc::new(Resources::new(dispatcher, &options)))
    }
}

fn router(resources: Arc<Resources>) -> Router {
    let for_description = Arc::clone(&resources);
    let mut router = Router::new().route(
        DESCRIPTION_PATH,
        get(move |request: Request| async move { for_description.describe(request.headers()) }).fallback(
            |request: Request| async move {
                other_method(request.method(), request.headers(), DESCRIPTION_METHODS)
            },
        ),
    );
    for method in resources.methods() {
        let (for_get, for_post) = (Arc::clone(&resources), Arc::clone(&resources));
        let resource =
            get(move |request: Request| async move { handle_get(&for_get, method, request).await })
                .post(move |request: Request| {
                    let opened = for_post
                        .open_post(request.headers())
                        .map(|formats| (formats, for_post.intake().open(request)));
                    async move { handle_post(&for_post, method, opened).await }
                })
                .fallback(|request: Request| async move {
                    other_method(request.method(), request.headers(), RESOURCE_METHODS)
                });
        router = router.route(&format!("/{method}"), resource);
    }
    router.fallback(|request: Request| async move {
        not_found(request.method(), request.uri().path(), request.headers())
    })
}

async fn handle_get(resources: &Resources, method: &'static str, request: Request) -> Answer {
    let opened = resources.open_get(method, request.uri().query(), request.headers());
    match opened {
        Ok((params, format)) => {
            let _admission = resources.intake().admit().await;
            resources.get(method, params, format).await
        }
        Err(refusal) => *refusal,
    }
}

async fn handle_post(
    resources: &Resources,
    method: &'static str,
    opened: Result<(Formats, Unread), Box<Answer>>,
) -> Answer {
    let (formats, unread) = match opened {
        Ok(opened) => opened,
        Err(refusal) => return *refusal,
    };
    match resources.intake().receive(unread).await {
        Ok((body, _admission)) => resources.post(method, formats, body).await,
        Err(error) => Resources::refuse(formats.response, error),
    }
}

impl bare::Api for Rest {
    type Service = Resources;

    fn service(dispatcher: Dispatcher, options: HttpOptions) -> Resources {
        Resources::new(dispatcher, &options)
    }
}

/// A call whose head has been checked.
pub struct RestCall {
    method: &'static str,
    response: Format,
    arguments: Arguments,
}

/// Where the arguments of a call are.
enum Arguments {
    /// In the query of a GET.
    Query(Params),
    /// In the body of a POST, which has these formats.
    Body(Formats),
}

impl bare::Service for Resources {
    type Call = RestCall;

    fn intake(&self) -> &Intake {
        Resources::intake(self)
    }

    fn open(&self, head: &RequestHead<'_>) -> Opened<RestCall> {
        let RequestHead { method, uri, fields } = head;
        let path = uri.path();
        let is_get = matches!(**method, Method::GET | Method::HEAD);
        if path == DESCRIPTION_PATH {
            return Opened::Answered(if is_get {
                self.describe(fields)
            } else {
                other_method(method, fields, DESCRIPTION_METHODS)
            });
        }
        let resource = path.strip_prefix('/').and_then(|name| self.methods().find(|method| *method == name));
        let Some(resource) = resource else { return Opened::Answered(not_found(method, path, fields)) };
        let call = |response, arguments| RestCall { method: resource, response, arguments };
        if **method == Method::POST {
            self.open_post(fields).map_or_else(
                |refusal| Opened::Answered(*refusal),
                |formats| Opened::CallWithBody(call(formats.response, Arguments::Body(formats))),
            )
        } else if is_get {
            self.open_get(resource, uri.query(), fields).map_or_else(
                |refusal| Opened::Answered(*refusal),
                |(params, format)| Opened::Call(call(format, Arguments::Query(params))),
            )
        } else {
            Opened::Answered(other_method(method, fields, RESOURCE_METHODS))
        }
    }

    async fn answer(&self, call: RestCall, body: Bytes) -> Answer {
        match call.arguments {
            Arguments::Query(params) => self.get(call.method, params, call.response).await,
            Arguments::Body(formats) => self.post(call.method, formats, body).await,
        }
    }

    fn refuse(&self, call: RestCall, error: BodyError) -> Answer {
        Resources::refuse(call.response, error)
    }
}
