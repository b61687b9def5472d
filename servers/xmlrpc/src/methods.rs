//! Executes calls: methods of the service, and the `system.*` methods.

use calculator::{Dispatcher, Limits};
use http_layer::Bytes;
use http_layer::system::{self, Failure};

use crate::wire::{EncodeOptions, Fault, decode_call, encode_fault, encode_response};

/// The methods of a server, from the body of a request to the body of the response.
pub(crate) struct Methods {
    pub(crate) dispatcher: Dispatcher,
    pub(crate) limits: Limits,
    pub(crate) encode: EncodeOptions,
}

impl Methods {
    /// Executes the call in `body` and returns the response, which is a fault if anything went wrong.
    pub(crate) async fn respond(&self, body: Bytes) -> Vec<u8> {
        match self.execute(body).await {
            Ok(response) => response,
            Err(fault) => encode_fault(&fault),
        }
    }

    async fn execute(&self, body: Bytes) -> Result<Vec<u8>, Fault> {
        let call = decode_call(&body, &self.limits)?;
        // The body and the response may both be long, so they are not in memory at the same time.
        drop(body);
        let fault = |error| Fault::from(error).into_value();
        let result = system::call(&self.dispatcher, call, self.limits.max_batch, fault).await;
        Ok(encode_response(&result.map_err(refused)?, &self.encode)?)
    }
}

fn refused(refused: Failure) -> Fault {
    match refused {
        Failure::Call(error) => error.into(),
        Failure::MissingMember(name) => Fault::exception("KeyError", format_args!("'{name}'")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Response, decode_response, encode_call};
    use calculator::{Calculator, Call, Executor, Faults, Limits, Value};

    const LIST_METHODS: &str = "system.listMethods";
    const METHOD_HELP: &str = "system.methodHelp";
    const METHOD_SIGNATURE: &str = "system.methodSignature";
    const MULTICALL: &str = "system.multicall";

    fn methods() -> Methods {
        Methods {
            dispatcher: Dispatcher::new(Calculator, Executor::Async, Faults::default()),
            limits: Limits { max_batch: 3, ..Limits::default() },
            encode: EncodeOptions::default(),
        }
    }

    async fn answer(method: &'static str, values: impl IntoIterator<Item = Value>) -> Result<Value, String> {
        let options = EncodeOptions { allow_none: true };
        let body = encode_call(&Call::positional(method, values), &options).unwrap();
        let response = methods().respond(body.into()).await;
        match decode_response(&response, &Limits::default()).unwrap() {
            Response::Value(value) => Ok(value),
            Response::Fault(fault) => {
                assert_eq!(fault.code, 1);
                Err(fault.text)
            }
        }
    }

    fn entry(method: &str, params: Vec<Value>) -> Value {
        Value::map(vec![("methodName".into(), Value::from(method)), ("params".into(), Value::list(params))])
    }

    #[tokio::test]
    async fn faults_have_the_texts_of_cpython() {
        let int = Value::Int;
        for (method, values, text) in [
            (
                "divide",
                vec![int(1), int(0)],
                "<class 'ZeroDivisionError'>:integer division or modulo by zero",
            ),
            ("nosuch", vec![], "<class 'Exception'>:method \"nosuch\" is not supported"),
            ("_private", vec![], "<class 'Exception'>:method \"_private\" is not supported"),
            ("system.nosuch", vec![], "<class 'Exception'>:method \"system.nosuch\" is not supported"),
            ("add", vec![int(1)], "<class 'TypeError'>:add() takes 2 argument(s) but 1 were given"),
            ("add", vec![int(i32::MAX.into()), int(1)], "<class 'OverflowError'>:int exceeds XML-RPC limits"),
            (
                "echo",
                vec![Value::Null],
                "<class 'TypeError'>:cannot marshal None unless allow_none is enabled",
            ),
        ] {
            assert_eq!(answer(method, values).await, Err(text.to_owned()));
        }
        for (body, text) in [
            ("", "<class 'xml.parsers.expat.ExpatError'>:no element found: line 1, column 0"),
            ("<a>&lt", "<class 'xmlrpc.client.ResponseError'>:ResponseError(\"unknown tag 'a'\")"),
        ] {
            let response = methods().respond(body.into()).await;
            let Response::Fault(fault) = decode_response(&response, &Limits::default()).unwrap() else {
                panic!("a result for {body}");
            };
            assert_eq!((fault.code, fault.text.as_str()), (1, text));
        }
    }

    #[tokio::test]
    async fn introspection_returns_names_and_help() {
        let names = answer(LIST_METHODS, []).await.unwrap();
        let expected = [
            "add",
            "divide",
            "echo",
            "hello",
            "multiply",
            "subtract",
            LIST_METHODS,
            METHOD_HELP,
            METHOD_SIGNATURE,
            MULTICALL,
        ];
        assert_eq!(names, Value::List(expected.into_iter().map(Value::from).collect()));
        assert_eq!(answer(METHOD_HELP, ["add".into()]).await, Ok("Return x + y.".into()));
        assert_eq!(answer(METHOD_HELP, ["nosuch".into()]).await, Ok("".into()));
        assert_eq!(answer(METHOD_SIGNATURE, ["add".into()]).await, Ok("signatures not supported".into()));
        for (method, values) in
            [(LIST_METHODS, vec![Value::Int(1)]), (METHOD_HELP, vec![]), (METHOD_HELP, vec![Value::Int(1)])]
        {
            assert!(answer(method, values).await.unwrap_err().starts_with("<class 'TypeError'>:"));
        }
    }

    #[tokio::test]
    async fn a_multicall_continues_after_a_fault() {
        let calls = Value::list(vec![
            entry("add", vec![Value::Int(1), Value::Int(2)]),
            entry("divide", vec![Value::Int(1), Value::Int(0)]),
            entry("hello", vec!["a".into()]),
        ]);
        let zero = Fault::exception("ZeroDivisionError", "integer division or modulo by zero");
        assert_eq!(
            answer(MULTICALL, [calls]).await,
            Ok(Value::list(vec![
                Value::list(vec![Value::Int(3)]),
                zero.into_value(),
                Value::list(vec!["hello, a".into()]),
            ]))
        );
        assert_eq!(answer(MULTICALL, [Value::list([])]).await, Ok(Value::list([])));
    }

    #[tokio::test]
    async fn a_multicall_is_limited_and_cannot_be_nested() {
        let four = Value::list(vec![entry("add", vec![]); 4]);
        let error = answer(MULTICALL, [four]).await.unwrap_err();
        assert_eq!(error, "<class 'ValueError'>:4 calls in one; the limit is 3");

        let nested = Value::list(vec![entry(MULTICALL, vec![Value::list([])])]);
        let Value::List(results) = answer(MULTICALL, [nested]).await.unwrap() else { panic!("no list") };
        assert_eq!(results[0].get("faultCode"), Some(&Value::Int(1)));

        let without_params = Value::map(vec![("methodName".into(), "add".into())]);
        let error = answer(MULTICALL, [Value::list(vec![without_params])]).await.unwrap_err();
        assert_eq!(error, "<class 'KeyError'>:'params'");
        // A result that cannot be encoded fails the whole multicall.
        let large = entry("add", vec![Value::Int(i32::MAX.into()), Value::Int(1)]);
        let error = answer(MULTICALL, [Value::list(vec![large])]).await.unwrap_err();
        assert_eq!(error, "<class 'OverflowError'>:int exceeds XML-RPC limits");
    }
}
