//! Calling any service whose server describes it by server reflection.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};

use ::tonic::client::Grpc;
use ::tonic::codec::Streaming;

use ::tonic::{Code, Request, Status};
use bytes::Bytes;
use calculator::{Call, CallError, ClientOptions, ErrorKind, Limits, Params, Value, json};
use http::uri::PathAndQuery;
use net::{TlsSettings, Trust};
use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, MethodDescriptor};
use prost_types::FileDescriptorProto;
use serde_json::{Map, Value as Json};
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
use tonic_reflection::pb::v1::{ServerReflectionRequest, ServerReflectionResponse};

use super::checked::CheckedChannel;
use super::example;
use super::tonic::open;
use super::unusable;
use crate::codec::Encoded;
use crate::status::client_error;

/// The method of server reflection in both versions of its interface, whose messages are the same.
const REFLECTION: [&str; 2] = [
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
];

/// The maximum number of files that describe a service.
const MAX_FILES: usize = 1_000;

/// A method of a service.
#[derive(Clone, Debug, PartialEq)]
pub struct MethodDescription {
    /// `PACKAGE.SERVICE/METHOD`.
    pub name: String,
    /// Whether it has a stream of requests or of replies.
    pub has_streams: bool,
    /// A value for each field of the request, in the JSON form of Protocol Buffers.
    pub fields: Map<String, Json>,
    /// The types of the messages, as a definition has them: `AddRequest returns Value`.
    pub signature: String,
}

impl MethodDescription {
    fn of(method: &MethodDescriptor) -> Self {
        let messages = |message: &MessageDescriptor, is_stream| {
            let stream = if is_stream { "stream " } else { "" };
            format!("{stream}{}", message.name())
        };
        let request = messages(&method.input(), method.is_client_streaming());
        let reply = messages(&method.output(), method.is_server_streaming());
        let name = format!("{}/{}", method.parent_service().full_name(), method.name());
        MethodDescription {
            name,
            has_streams: method.is_client_streaming() || method.is_server_streaming(),
            fields: example::fields(&method.input()),
            signature: format!("{request} returns {reply}"),
        }
    }
}

/// A client of any service whose server has server reflection.
#[derive(Debug)]
pub struct ReflectedClient {
    grpc: Grpc<CheckedChannel>,
    limits: Limits,
    /// The methods that were called, as the server described them.
    methods: Mutex<HashMap<String, MethodDescriptor>>,
}

impl ReflectedClient {
    /// A client over `grpc`, a channel that is open.
    pub(super) fn over(grpc: Grpc<CheckedChannel>, limits: Limits) -> Self {
        ReflectedClient { grpc, limits, methods: Mutex::default() }
    }

    /// Connects to the server at `url`, `grpc://HOST:PORT`, `grpcs://HOST:PORT` or `unix:///SOCKET`. Over TLS it accepts the
    /// certificates that the system's authorities have signed.
    ///
    /// # Errors
    /// As [`TonicClient::connect`](super::TonicClient::connect).
    pub async fn connect(url: &str, options: &ClientOptions) -> Result<Self, CallError> {
        Self::connect_trusting(url, &Trust::System, options).await
    }

    /// Like [`connect`](Self::connect), but with these settings of TLS, or the default ones with this trust.
    ///
    /// # Errors
    /// As [`TonicClient::connect_trusting`](super::TonicClient::connect_trusting).
    pub async fn connect_trusting(
        url: &str,
        tls: impl Into<TlsSettings>,
        options: &ClientOptions,
    ) -> Result<Self, CallError> {
        Ok(ReflectedClient::over(open(url, tls.into(), options).await?, options.limits))
    }

    /// The methods of all services of the server.
    ///
    /// # Errors
    /// When the server has no server reflection, or describes no valid services.
    pub async fn methods(&self) -> Result<Vec<MethodDescription>, CallError> {
        let answer = self.ask(MessageRequest::ListServices(String::new())).await?;
        let MessageResponse::ListServicesResponse(list) = answer else { return Err(undescribed("services")) };
        let mut methods = Vec::new();
        for service in list.service {
            let pool = self.describe(&service.name).await?;
            let described =
                pool.get_service_by_name(&service.name).ok_or_else(|| undescribed(&service.name))?;
            methods.extend(described.methods().map(|method| MethodDescription::of(&method)));
        }
        Ok(methods)
    }

    /// Calls the method `PACKAGE.SERVICE/METHOD` with one message, whose fields are the arguments: by name, or as one map.
    ///
    /// # Errors
    /// [`ErrorKind::UnknownMethod`] if the server does not describe the method, [`ErrorKind::InvalidArguments`] for arguments
    /// that are not fields of its message, and the errors of the call.
    pub async fn call(&self, call: &Call) -> Result<Replies, CallError> {
        let method = self.method(&call.method).await?;
        let message = encode(&method, &call.params)?;
        let path = format!("/{}/{}", method.parent_service().full_name(), method.name());
        let path = path.parse().map_err(unusable)?;
        let mut grpc = self.ready().await?;
        // A method with one reply is the same on the wire as one with several.
        let reply = grpc.server_streaming(Request::new(message), path, Encoded).await;
        let messages = reply.map_err(|status| client_error(&status))?.into_inner();
        Ok(Replies { messages, kind: method.output(), limits: self.limits })
    }

    /// Calls a method like [`Self::call`] that has one reply, and waits for that.
    ///
    /// # Errors
    /// As [`Self::call`], and [`ErrorKind::Malformed`] for a method with another number of replies.
    pub async fn only(&self, call: &Call) -> Result<Value, CallError> {
        let malformed = |message: &str| CallError::new(ErrorKind::Malformed, message);
        let mut replies = self.call(call).await?;
        let reply = replies.next().await?.ok_or_else(|| malformed("there is no reply"))?;
        match replies.next().await? {
            None => Ok(reply),
            Some(_) => Err(malformed("the method has more than one reply")),
        }
    }

    /// The method `PACKAGE.SERVICE/METHOD`, about which the server is asked once.
    async fn method(&self, name: &str) -> Result<MethodDescriptor, CallError> {
        let known = self.methods.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned();
        if let Some(method) = known {
            return Ok(method);
        }
        let unknown = || CallError::unknown_method(name);
        let (service, last) = name.rsplit_once('/').ok_or_else(unknown)?;
        let service = self.describe(service).await?.get_service_by_name(service).ok_or_else(unknown)?;
        let method = service.methods().find(|method| method.name() == last).ok_or_else(unknown)?;
        let mut methods = self.methods.lock().unwrap_or_else(PoisonError::into_inner);
        methods.insert(name.to_owned(), method.clone());
        Ok(method)
    }

    /// The description of the service or message `symbol`, with everything that it refers to.
    async fn describe(&self, symbol: &str) -> Result<DescriptorPool, CallError> {
        let mut files = BTreeMap::new();
        let mut asked = BTreeSet::new();
        let mut next = Some(MessageRequest::FileContainingSymbol(symbol.to_owned()));
        while let Some(question) = next {
            let MessageResponse::FileDescriptorResponse(found) = self.ask(question).await? else {
                return Err(undescribed(symbol));
            };
            for encoded in found.file_descriptor_proto {
                let file = FileDescriptorProto::decode(&*encoded).map_err(|_| undescribed(symbol))?;
                files.insert(file.name().to_owned(), file);
            }
            if files.len() > MAX_FILES {
                let message = format!("more than {MAX_FILES} files describe {symbol}");
                return Err(CallError::new(ErrorKind::TooLarge, message));
            }
            let needed = files.values().flat_map(|file: &FileDescriptorProto| &file.dependency);
            let missing =
                needed.into_iter().find(|name| !files.contains_key(*name) && !asked.contains(*name));
            next = missing.cloned().map(|name| {
                asked.insert(name.clone());
                MessageRequest::FileByFilename(name)
            });
        }
        let mut pool = DescriptorPool::new();
        pool.add_file_descriptor_protos(files.into_values()).map_err(|error| {
            let message = format!("the description of {symbol} is not valid: {error}");
            CallError::new(ErrorKind::Malformed, message)
        })?;
        Ok(pool)
    }

    /// Asks the server to describe something.
    async fn ask(&self, question: MessageRequest) -> Result<MessageResponse, CallError> {
        let request = ServerReflectionRequest { host: String::new(), message_request: Some(question) };
        let request = request.encode_to_vec();
        let mut answer = Err(undescribed("services"));
        for path in REFLECTION {
            match self.exchange(path, request.clone()).await {
                Ok(reply) => {
                    answer = read_answer(&reply);
                    break;
                }
                Err(status) if status.code() == Code::Unimplemented => {
                    let message = "the server has no server reflection, so its methods are not known";
                    answer = Err(CallError::new(ErrorKind::UnknownMethod, message));
                }
                Err(status) if status.code() == Code::NotFound => {
                    return Err(undescribed_symbol(status.message()));
                }
                Err(status) => return Err(client_error(&status)),
            }
        }
        answer
    }

    async fn exchange(&self, path: &'static str, request: Vec<u8>) -> Result<Bytes, Status> {
        let mut grpc = self.grpc.clone();
        grpc.ready().await.map_err(|error| Status::from_error(error.into()))?;
        let requests = futures_util::stream::iter([request]);
        let replies =
            grpc.streaming(Request::new(requests), PathAndQuery::from_static(path), Encoded).await?;
        let reply = replies.into_inner().message().await?;
        reply.ok_or_else(|| Status::internal("server reflection gave no answer"))
    }

    async fn ready(&self) -> Result<Grpc<CheckedChannel>, CallError> {
        let mut grpc = self.grpc.clone();
        grpc.ready().await.map_err(|error| client_error(&Status::from_error(error.into())))?;
        Ok(grpc)
    }
}

fn undescribed(what: &str) -> CallError {
    CallError::new(ErrorKind::Malformed, format!("the server does not describe {what}"))
}

fn undescribed_symbol(message: &str) -> CallError {
    CallError::new(ErrorKind::UnknownMethod, format!("the server describes no such service: {message}"))
}

fn read_answer(reply: &[u8]) -> Result<MessageResponse, CallError> {
    let reply = ServerReflectionResponse::decode(reply);
    let reply = reply.map_err(|error| CallError::new(ErrorKind::Malformed, error.to_string()))?;
    match reply.message_response {
        Some(MessageResponse::ErrorResponse(error)) => Err(match Code::from(error.error_code) {
            Code::NotFound => undescribed_symbol(&error.error_message),
            code => crate::status::to_error(code, &error.error_message, b""),
        }),
        Some(answer) => Ok(answer),
        None => Err(undescribed("anything")),
    }
}

/// Encodes the request message of `method`.
fn encode(method: &MethodDescriptor, params: &Params) -> Result<Vec<u8>, CallError> {
    let invalid = |reason: String| CallError::new(ErrorKind::InvalidArguments, reason);
    let fields = match params {
        Params::Named(members) => Value::map(members.clone()),
        Params::Positional(values) => match values.as_slice() {
            [] => Value::map(vec![]),
            [fields @ Value::Map(_)] => fields.clone(),
            _ => {
                let name = method.input().full_name().to_owned();
                return Err(invalid(format!(
                    "give the fields of {name} as NAME=VALUE, or as one JSON object"
                )));
            }
        },
    };
    let mut text = Vec::new();
    json::write(&mut text, &fields)?;
    let mut reader = serde_json::Deserializer::from_slice(&text);
    let message = DynamicMessage::deserialize(method.input(), &mut reader);
    let name = method.input().full_name().to_owned();
    Ok(message.map_err(|error| invalid(format!("not a message {name}: {error}")))?.encode_to_vec())
}

/// The replies of a call: one, or those of a stream.
#[derive(Debug)]
pub struct Replies {
    messages: Streaming<Bytes>,
    kind: MessageDescriptor,
    limits: Limits,
}

impl Replies {
    /// Waits for the next reply, which is in the JSON form of Protocol Buffers. `None` after the last one.
    ///
    /// # Errors
    /// The error of the call.
    pub async fn next(&mut self) -> Result<Option<Value>, CallError> {
        let Some(message) = self.messages.message().await.map_err(|status| client_error(&status))? else {
            return Ok(None);
        };
        let malformed = |error: String| CallError::new(ErrorKind::Malformed, error);
        let message = DynamicMessage::decode(self.kind.clone(), message);
        let message = message.map_err(|error| malformed(error.to_string()))?;
        let text = serde_json::to_vec(&message).map_err(|error| malformed(error.to_string()))?;
        json::read(&text, &self.limits).map(Some).map_err(|error| malformed(error.to_string()))
    }
}
