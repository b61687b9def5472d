//! XML-RPC, compared with `xmlrpc.client.loads`.

use calculator::{ErrorKind, Limits};
use xmlrpc::wire::{DecodeError, Response, decode_call, decode_response};

use crate::canonical::{canonical, canonical_params, list, map, text};
use crate::codec::{Codec, Known, Outcome, Rejection, View, nested};

const MAX_DEPTH: usize = 64;

pub(crate) const CODEC: Codec = Codec {
    name: "xmlrpc",
    views: &[View { name: "call", decode: call }, View { name: "response", decode: response }],
    known: &[
        Known {
            name: "structure",
            applies: |case| {
                case.reference.has("irregular")
                    && case.reference.value.is_ok()
                    && case
                        .ours
                        .as_ref()
                        .is_err_and(|rejection| rejection.message.starts_with("ResponseError"))
            },
            example: || {
                b"<methodCall><methodName>add</methodName><params><value>1</value></params></methodCall>"
                    .to_vec()
            },
        },
        Known {
            name: "doctype",
            applies: |case| case.stricter(ErrorKind::Malformed) && case.reference.has("doctype"),
            example: || {
                b"<!DOCTYPE a><methodCall><methodName>add</methodName><params></params></methodCall>".to_vec()
            },
        },
        Known {
            name: "version",
            applies: |case| case.stricter(ErrorKind::Malformed) && case.reference.has("version"),
            example: || {
                b"<?xml version='2.0'?><methodCall><methodName>add</methodName></methodCall>".to_vec()
            },
        },
        Known {
            name: "encoding",
            applies: |case| {
                case.reference.notes.iter().any(|note| note.starts_with("encoding="))
                    && case.reference.value.is_ok()
                    && case
                        .ours
                        .as_ref()
                        .is_err_and(|rejection| rejection.message.starts_with("unsupported encoding"))
            },
            example: || {
                b"<?xml version='1.0' encoding='koi8-r'?><methodCall><methodName>add</methodName></methodCall>".to_vec()
            },
        },
        Known {
            name: "names",
            applies: |case| case.laxer("not well-formed (invalid token)") && !case.message.is_ascii(),
            example: || "<methodCall><?\u{a0} ?><methodName>add</methodName></methodCall>".into(),
        },
        Known {
            name: "digits",
            applies: |case| case.stricter(ErrorKind::Malformed) && case.reference.has("digits"),
            example: || {
                "<methodResponse><params><param><value><int>٣</int></value></param></params></methodResponse>"
                    .into()
            },
        },
        Known {
            name: "nesting",
            applies: |case| case.stricter(ErrorKind::TooLarge) && case.reference.depth() > MAX_DEPTH,
            example: || {
                nested(
                    "<methodResponse><params><param>",
                    "<value><array><data>",
                    "</data></array></value>",
                    "</param></params></methodResponse>",
                )
            },
        },
        Known {
            name: "fault",
            applies: |case| {
                case.view == "response"
                    && case.ours.as_ref().is_ok_and(|value| value.starts_with("{\"fault\":"))
                    && (case.laxer("TypeError") || case.reference.has("fault"))
            },
            example: || {
                nested(
                    "<methodResponse><fault><value><struct><member><name>faultString</name><value>no</value></member>",
                    "",
                    "",
                    "</struct></value></fault></methodResponse>",
                )
            },
        },
    ],
    dictionary: &[
        b"<value>",
        b"</value>",
        b"<int>",
        b"</int>",
        b"<i4>1</i4>",
        b"<i8>",
        b"<double>",
        b"</double>",
        b"<string>",
        b"</string>",
        b"<boolean>1</boolean>",
        b"<nil/>",
        b"<ex:nil/>",
        b"<base64>",
        b"</base64>",
        b"<array><data>",
        b"</data></array>",
        b"<struct>",
        b"</struct>",
        b"<member><name>a</name>",
        b"</member>",
        b"<dateTime.iso8601>19980717T14:08:55</dateTime.iso8601>",
        b"<param>",
        b"</param>",
        b"<params>",
        b"</params>",
        b"<fault>",
        b"</fault>",
        b"<![CDATA[",
        b"]]>",
        b"<!--",
        b"-->",
        b"&amp;",
        b"&lt;",
        b"&#65;",
        b"&#x41;",
        b"&#0;",
        b"&#55296;",
        b"&x;",
        b"<?a b?>",
        b"<?xml version='1.0'?>",
        b"<?xml version=\"1.0\" encoding=\"UTF-8\"?>",
        b" encoding='iso-8859-1'",
        b" encoding='us-ascii'",
        b" standalone='yes'",
        b"\xef\xbb\xbf",
        b"\xff\xfe",
        b"\xc3\xbc",
        b"\r\n",
        b"\r",
        b"\t",
        b" a='b'",
        b" a:b='&lt;'",
        b"inf",
        b"nan",
        b"-0.0",
        b"1e5",
        b"1_0",
        b"9223372036854775808",
        b"-2147483649",
        b"+1",
        b"QUJD",
        b"QQ==",
        b"=",
        b"\xe2\x80\xa8",
        b"\xc2\xa0",
        b"\xd9\xa3",
        b"<!DOCTYPE a>",
        b"<bigdecimal>1.5</bigdecimal>",
        b"<float>1</float>",
        b"<biginteger>",
        b"</biginteger>",
    ],
};

impl From<DecodeError> for Rejection {
    fn from(error: DecodeError) -> Self {
        Rejection { kind: error.kind(), message: error.to_string() }
    }
}

fn call(message: &[u8]) -> Outcome {
    let call = decode_call(message, &Limits::default())?;
    Ok(list([text(&call.method), canonical_params(&call.params)]))
}

fn response(message: &[u8]) -> Outcome {
    match decode_response(message, &Limits::default())? {
        Response::Value(value) => Ok(canonical(&value)),
        Response::Fault(fault) => {
            let code = fault.other_code.as_ref().map_or_else(|| fault.code.to_string(), canonical);
            Ok(map([(text("fault"), list([code, text(&fault.text)]))]))
        }
    }
}
