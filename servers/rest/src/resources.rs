//! The resources of a service: the handlers of requests, whichever server has received them.

use std::hash::{DefaultHasher, Hash, Hasher};

use calculator::{Call, CallError, Dispatcher, ErrorKind, Params};
use http::{HeaderValue, Method, StatusCode, header};
use http_layer::{Answer, BodyError, Bytes, Fields, HttpOptions, Intake};

use crate::negotiation::{Format, FormatWeights, format_of_body};
use crate::openapi;
use crate::wire::{self, JSON, PROBLEM_JSON, PROBLEM_XML, ParameterType, Problem, XML};

/// The path of the description of the service.
pub(crate) const DESCRIPTION_PATH: &str = "/openapi.json";

/// The HTTP methods of the description, as the field `allow` lists them.
pub(crate) const DESCRIPTION_METHODS: &str = "GET,HEAD,OPTIONS";

/// The HTTP methods of the resource of a method.
pub(crate) const RESOURCE_METHODS: &str = "GET,HEAD,POST,OPTIONS";

/// The resources of a service: one for each method, and the description.
pub struct Resources {
    dispatcher: Dispatcher,
    intake: Intake,
    document: Document,
}

/// The formats of a POST whose head has been checked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Formats {
    pub(crate) response: Format,
    body: Format,
}

impl Resources {
    pub(crate) fn new(dispatcher: Dispatcher, http: &HttpOptions) -> Self {
        let service = dispatcher.service();
        let document = Document::new(openapi::document(service.name(), service.methods()).to_string());
        Resources { dispatcher, intake: Intake::new(http), document }
    }

    pub(crate) fn intake(&self) -> &Intake {
        &self.intake
    }

    /// The names of the methods that have a resource.
    pub(crate) fn methods(&self) -> impl Iterator<Item = &'static str> {
        self.dispatcher.service().methods().iter().map(|method| method.name)
    }

    /// Responds to a GET of the description.
    pub(crate) fn describe(&self, fields: &impl Fields) -> Answer {
        self.document.respond(fields)
    }

    /// Checks the head of a POST.
    ///
    /// # Errors
    /// The refusal.
    pub(crate) fn open_post(&self, fields: &impl Fields) -> Result<Formats, Box<Answer>> {
        let Some(response) = FormatWeights::from_fields(fields).format() else {
            return Err(Box::new(Rejection::not_acceptable().into_answer(Format::Json)));
        };
        let Some(body) = format_of_body(fields.first(header::CONTENT_TYPE)) else {
            let unsupported = Rejection::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "Unsupported media type",
                "send the arguments with content-type application/json or application/xml".to_owned(),
            );
            return Err(Box::new(unsupported.into_answer(response)));
        };
        Ok(Formats { response, body })
    }

    /// Responds to a POST with this body.
    pub(crate) async fn post(&self, method: &'static str, formats: Formats, body: Bytes) -> Answer {
        let result = self.call_with_body(method, formats, body).await;
        result.unwrap_or_else(|rejection| rejection.into_answer(formats.response))
    }

    /// Responds to a POST whose body cannot be read.
    pub(crate) fn refuse(format: Format, error: BodyError) -> Answer {
        Rejection::from(error).into_answer(format)
    }

    /// Reads the arguments of a GET from its query. Returns them with the format of the response.
    ///
    /// # Errors
    /// The refusal.
    pub(crate) fn open_get(
        &self,
        method: &'static str,
        query: Option<&str>,
        fields: &impl Fields,
    ) -> Result<(Params, Format), Box<Answer>> {
        let Some(format) = FormatWeights::from_fields(fields).format() else {
            return Err(Box::new(Rejection::not_acceptable().into_answer(Format::Json)));
        };
        match wire::decode_query(query.unwrap_or_default(), ParameterType::of_method(method)) {
            Ok(params) => Ok((params, format)),
            Err(error) => Err(Box::new(not_cached(Rejection::from(error).into_answer(format)))),
        }
    }

    /// Responds to a GET. Its call must have been admitted.
    pub(crate) async fn get(&self, method: &'static str, params: Params, format: Format) -> Answer {
        let result = self.execute(method, params, format).await;
        not_cached(result.unwrap_or_else(|rejection| rejection.into_answer(format)))
    }

    async fn call_with_body(
        &self,
        method: &'static str,
        formats: Formats,
        body: Bytes,
    ) -> Result<Answer, Rejection> {
        let limits = self.intake.limits();
        let params = match formats.body {
            Format::Json => wire::decode_params(&body, limits)?,
            Format::Xml => wire::xml::decode_params(&body, ParameterType::of_method(method), limits)?,
        };
        // The body and the response may both be long, so they are not in memory at the same time.
        drop(body);
        self.execute(method, params, formats.response).await
    }

    async fn execute(
        &self,
        method: &'static str,
        params: Params,
        format: Format,
    ) -> Result<Answer, Rejection> {
        let result = self.dispatcher.call(Call { method: method.into(), params }).await?;
        Ok(match format {
            Format::Json => Answer::new(StatusCode::OK, JSON, wire::encode_result(&result)?),
            Format::Xml => Answer::new(StatusCode::OK, XML, wire::xml::encode_result(&result)?),
        })
    }
}

/// The response to a GET. Each request is a call, so its result must not be served from a cache.
fn not_cached(answer: Answer) -> Answer {
    answer.with(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))
}

/// The response to a request for a path that no resource has.
pub(crate) fn not_found(method: &Method, path: &str, fields: &impl Fields) -> Answer {
    if *method == Method::OPTIONS && path == "*" {
        return allow_answer(RESOURCE_METHODS);
    }
    let error = CallError::unknown_method(path.trim_start_matches('/'));
    Rejection::from(error).into_answer(failure_format(fields))
}

/// The response to an HTTP method that a resource has no handler for: OPTIONS, or one that is not allowed.
pub(crate) fn other_method(method: &Method, fields: &impl Fields, allow: &'static str) -> Answer {
    if *method == Method::OPTIONS {
        return allow_answer(allow);
    }
    let detail = format!("this resource allows the HTTP methods {allow}");
    let rejection = Rejection::new(StatusCode::METHOD_NOT_ALLOWED, "Method not allowed", detail);
    rejection.into_answer(failure_format(fields)).with(header::ALLOW, HeaderValue::from_static(allow))
}

fn allow_answer(allow: &'static str) -> Answer {
    Answer::without_body(StatusCode::NO_CONTENT).with(header::ALLOW, HeaderValue::from_static(allow))
}

/// The format of a failure. A client that accepts neither format gets JSON.
fn failure_format(fields: &impl Fields) -> Format {
    FormatWeights::from_fields(fields).format().unwrap_or(Format::Json)
}

/// The OpenAPI document of the service, which does not change while the server runs.
struct Document {
    text: String,
    /// The entity tag (RFC 9110, section 8.8.3): a hash of the text.
    etag: HeaderValue,
}

impl Document {
    fn new(text: String) -> Self {
        let mut hasher = DefaultHasher::new();
        text.hash(&mut hasher);
        let etag = HeaderValue::try_from(format!("\"{:016x}\"", hasher.finish()));
        Document { text, etag: etag.unwrap_or(HeaderValue::from_static("\"0\"")) }
    }

    fn respond(&self, fields: &impl Fields) -> Answer {
        if FormatWeights::from_fields(fields).json <= 0.0 {
            return Rejection::not_acceptable().into_answer(failure_format(fields));
        }
        let is_unchanged = fields.values(header::IF_NONE_MATCH).any(|value| {
            let mut listed = value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
            listed.any(|tag| tag == b"*" || tag.strip_prefix(b"W/").unwrap_or(tag) == self.etag.as_bytes())
        });
        let answer = if is_unchanged {
            Answer::without_body(StatusCode::NOT_MODIFIED)
        } else {
            Answer::new(StatusCode::OK, JSON, self.text.as_str())
        };
        answer
            .with(header::ETAG, self.etag.clone())
            .with(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"))
    }
}

/// Why a request is answered with a problem document. Boxed, since most requests are not.
#[derive(Debug)]
struct Rejection(Box<Problem>);

impl Rejection {
    fn new(status: StatusCode, title: &'static str, detail: String) -> Self {
        Rejection(Box::new(Problem { status: status.as_u16(), kind: ErrorKind::Malformed, title, detail }))
    }

    fn not_acceptable() -> Self {
        let detail = "responses are available as application/json or application/xml".to_owned();
        Rejection::new(StatusCode::NOT_ACCEPTABLE, "Not acceptable", detail)
    }

    fn into_answer(self, format: Format) -> Answer {
        let status = StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        match format {
            Format::Json => Answer::new(status, PROBLEM_JSON, wire::encode_problem(&self.0)),
            Format::Xml => Answer::new(status, PROBLEM_XML, wire::xml::encode_problem(&self.0)),
        }
    }
}

impl From<CallError> for Rejection {
    fn from(error: CallError) -> Self {
        Rejection(Box::new(error.into()))
    }
}

impl From<BodyError> for Rejection {
    fn from(error: BodyError) -> Self {
        let title = match error {
            BodyError::TooLarge { .. } => "Request too large",
            BodyError::LengthRequired => "Length required",
            BodyError::Timeout(_) => "Request timeout",
            BodyError::UnsupportedCoding(_) => "Unsupported media type",
            BodyError::Incomplete(_) | BodyError::Gzip(_) => "Malformed request",
        };
        let status = error.status().as_u16();
        Rejection(Box::new(Problem { status, kind: error.kind(), title, detail: error.to_string() }))
    }
}
