//! The method `Count`, whose replies are a stream.

use std::future::{Ready, ready};

use bytes::Bytes;
use calculator::stream::{COUNT, count};
use calculator::{CallError, Limits, Value};
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use tonic::Status;
use tonic::server::ServerStreamingService;

use crate::status::to_status;
use crate::wire;

/// The method, as tonic serves it. Items are made only as fast as the client's flow control lets them be sent.
pub(super) struct Count {
    pub(super) limits: Limits,
}

impl Count {
    fn open(&self, message: &[u8]) -> Result<BoxStream<'static, Result<Vec<u8>, Status>>, CallError> {
        let params = wire::decode_arguments(message, COUNT.params, &self.limits)?;
        let item = |number| wire::encode_value(&Value::Int(number)).map_err(|error| to_status(&error));
        Ok(stream::iter(count(params)?.map(item)).boxed())
    }
}

impl ServerStreamingService<Bytes> for Count {
    type Response = Vec<u8>;
    type ResponseStream = BoxStream<'static, Result<Vec<u8>, Status>>;
    type Future = Ready<Result<tonic::Response<Self::ResponseStream>, Status>>;

    fn call(&mut self, request: tonic::Request<Bytes>) -> Self::Future {
        let items = self.open(request.get_ref());
        ready(items.map(tonic::Response::new).map_err(|error| to_status(&error)))
    }
}
