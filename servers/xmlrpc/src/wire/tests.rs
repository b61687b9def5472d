//! Tests of the messages against those of CPython.

use calculator::{Call, CallError, ErrorKind, Limits, Params, Text, Value};

use http_layer::xml::is_xml_char;

use super::*;

mod properties;
mod rejections;

const NONE: EncodeOptions = EncodeOptions { allow_none: true };

fn written(value: &Value) -> String {
    let bytes = encode_response(value, &NONE).unwrap();
    let text = String::from_utf8(bytes).unwrap();
    let inner = text
        .strip_prefix("<?xml version='1.0'?>\n<methodResponse>\n<params>\n<param>\n")
        .and_then(|rest| rest.strip_suffix("</param>\n</params>\n</methodResponse>\n"));
    inner.unwrap_or_else(|| panic!("{text}")).to_owned()
}

/// Decodes `<value>…</value>` as a result.
fn read(value: &str) -> Result<Value, ErrorKind> {
    let text = format!("<methodResponse><params><param>{value}</param></params></methodResponse>");
    match decode_response(text.as_bytes(), &Limits::default()) {
        Ok(Response::Value(value)) => Ok(value),
        Ok(Response::Fault(fault)) => panic!("{fault:?}"),
        Err(error) => Err(error.kind()),
    }
}

fn read_typed(tag: &str, text: &str) -> Result<Value, ErrorKind> {
    read(&format!("<value><{tag}>{text}</{tag}></value>"))
}

fn call_of(body: &str) -> Result<Call, DecodeError> {
    decode_call(body.as_bytes(), &Limits::default())
}

// Messages as CPython 3.11 writes them, byte for byte.

const ADD: &str = "<?xml version='1.0'?>\n<methodCall>\n<methodName>add</methodName>\n<params>\n\
    <param>\n<value><int>2</int></value>\n</param>\n<param>\n<value><int>3</int></value>\n</param>\n\
    </params>\n</methodCall>\n";

const FIVE: &str = "<?xml version='1.0'?>\n<methodResponse>\n<params>\n<param>\n<value><int>5</int></value>\n\
    </param>\n</params>\n</methodResponse>\n";

const ZERO_DIVISION: &str = "<?xml version='1.0'?>\n<methodResponse>\n<fault>\n<value><struct>\n<member>\n\
    <name>faultCode</name>\n<value><int>1</int></value>\n</member>\n<member>\n<name>faultString</name>\n\
    <value><string>&lt;class 'ZeroDivisionError'&gt;:division by zero</string></value>\n</member>\n\
    </struct></value>\n</fault>\n</methodResponse>\n";

#[test]
fn messages_are_identical_to_those_of_cpython() {
    let add = Call::positional("add", [Value::Int(2), Value::Int(3)]);
    assert_eq!(ADD.len(), 187);
    assert_eq!(String::from_utf8(encode_call(&add, &EncodeOptions::default()).unwrap()).unwrap(), ADD);
    assert_eq!(call_of(ADD), Ok(add));

    assert_eq!(FIVE.len(), 121);
    let five = encode_response(&Value::Int(5), &EncodeOptions::default()).unwrap();
    assert_eq!(String::from_utf8(five).unwrap(), FIVE);
    assert_eq!(decode_response(FIVE.as_bytes(), &Limits::default()), Ok(Response::Value(Value::Int(5))));

    assert_eq!(ZERO_DIVISION.len(), 305);
    let fault = Fault::exception("ZeroDivisionError", "division by zero");
    assert_eq!(String::from_utf8(encode_fault(&fault)).unwrap(), ZERO_DIVISION);
    assert_eq!(decode_response(ZERO_DIVISION.as_bytes(), &Limits::default()), Ok(Response::Fault(fault)));

    let none = encode_call(&Call::positional("system.listMethods", []), &EncodeOptions::default()).unwrap();
    assert_eq!(
        String::from_utf8(none).unwrap(),
        "<?xml version='1.0'?>\n<methodCall>\n<methodName>system.listMethods</methodName>\n<params>\n</params>\n\
         </methodCall>\n"
    );
}

#[test]
fn values_are_identical_to_those_of_cpython() {
    for (value, golden) in [
        (Value::Null, "<value><nil/></value>"),
        (Value::Bool(true), "<value><boolean>1</boolean></value>\n"),
        (Value::Bool(false), "<value><boolean>0</boolean></value>\n"),
        (Value::Int(i32::MIN.into()), "<value><int>-2147483648</int></value>\n"),
        (Value::from("a\"b'c <&> zü\n"), "<value><string>a\"b'c &lt;&amp;&gt; zü\n</string></value>\n"),
        (Value::from(""), "<value><string></string></value>\n"),
        (Value::from(vec![]), "<value><base64>\n</base64></value>\n"),
        (Value::from(b"ab\0".to_vec()), "<value><base64>\nYWIA\n</base64></value>\n"),
        (Value::list([]), "<value><array><data>\n</data></array></value>\n"),
        (
            Value::list(vec![Value::Int(1), Value::Null, Value::list(vec![Value::Bool(true)])]),
            "<value><array><data>\n<value><int>1</int></value>\n<value><nil/></value><value><array><data>\n\
             <value><boolean>1</boolean></value>\n</data></array></value>\n</data></array></value>\n",
        ),
        (Value::Map(Box::default()), "<value><struct>\n</struct></value>\n"),
        (
            Value::map(vec![
                ("a<".into(), Value::map(vec![("x".into(), Value::Int(1))])),
                ("b".into(), Value::list([])),
            ]),
            "<value><struct>\n<member>\n<name>a&lt;</name>\n<value><struct>\n<member>\n<name>x</name>\n\
             <value><int>1</int></value>\n</member>\n</struct></value>\n</member>\n<member>\n<name>b</name>\n\
             <value><array><data>\n</data></array></value>\n</member>\n</struct></value>\n",
        ),
    ] {
        assert_eq!(written(&value), golden);
        assert_eq!(read(golden), Ok(value));
    }
    let two_lines = written(&Value::from(vec![0; 58]));
    let lines: Vec<_> = two_lines.lines().map(str::len).collect();
    assert_eq!(lines, ["<value><base64>".len(), 76, 4, "</base64></value>".len()]);
}

#[test]
fn floats_are_written_as_in_python() {
    for (float, golden) in [
        (5.0, "5.0"),
        (-0.0, "-0.0"),
        (2.0 / 3.0, "0.6666666666666666"),
        (0.1 + 0.2, "0.30000000000000004"),
        (1e308, "1e+308"),
        (1.7976931348623157e308, "1.7976931348623157e+308"),
        (5e-324, "5e-324"),
        (1e16, "1e+16"),
        (123_456_789_012_345_680.0, "1.2345678901234568e+17"),
        (9_999_999_999_999_998.0, "9999999999999998.0"),
        (1e-4, "0.0001"),
        (0.000_012_34, "1.234e-05"),
        (-1e-5, "-1e-05"),
        (1e100, "1e+100"),
        (f64::INFINITY, "inf"),
        (f64::NEG_INFINITY, "-inf"),
        (f64::NAN, "nan"),
    ] {
        assert_eq!(written(&Value::Float(float)), format!("<value><double>{golden}</double></value>\n"));
    }
}

#[test]
fn rejects_values_that_xml_rpc_cannot_represent() {
    for (value, kind) in [
        (Value::Int(2_147_483_648), ErrorKind::Overflow),
        (Value::Int(-2_147_483_649), ErrorKind::Overflow),
        (Value::BigInt("9223372036854775808".into()), ErrorKind::Overflow),
        (Value::from("\0"), ErrorKind::NotRepresentable),
        (Value::from("a\u{b}"), ErrorKind::NotRepresentable),
        (Value::from("\u{1f}"), ErrorKind::NotRepresentable),
        (Value::from("\u{fffe}"), ErrorKind::NotRepresentable),
        (Value::from("\u{ffff}"), ErrorKind::NotRepresentable),
        (Value::map(vec![("\u{1}".into(), Value::Int(1))]), ErrorKind::NotRepresentable),
    ] {
        let nested = Value::list(vec![value.clone()]);
        for value in [value, nested] {
            let error = CallError::from(encode_response(&value, &NONE).unwrap_err());
            assert_eq!(error.kind, kind, "{value:?}");
            let call = Call::positional("echo", [value]);
            assert_eq!(encode_call(&call, &NONE).unwrap_err().kind(), kind);
        }
    }
    let null = encode_response(&Value::Null, &EncodeOptions::default()).unwrap_err();
    assert_eq!(null.to_string(), "cannot marshal None unless allow_none is enabled");
    let named = Call::named("add", [("x".into(), Value::Int(1))]);
    assert_eq!(encode_call(&named, &NONE).unwrap_err().kind(), ErrorKind::InvalidArguments);
    let huge = encode_response(&Value::Int(1 << 40), &NONE).unwrap_err();
    assert_eq!(Fault::from(huge).text, "<class 'OverflowError'>:int exceeds XML-RPC limits");
}

#[test]
fn carriage_returns_and_white_space_are_preserved() {
    let text = Value::from(" \r\n\t\r end \u{7f}\u{85}\u{2028} ");
    assert!(written(&text).contains(" &#13;\n\t&#13; end "));
    assert_eq!(read(&written(&text)), Ok(text));
    // A literal one is converted to a line feed, as by every XML parser.
    assert_eq!(read("<value>a\r\nb\rc<![CDATA[\r\n\r]]></value>"), Ok(Value::from("a\nb\nc\n\n")));
}

#[test]
fn integers_of_every_tag_are_decoded_without_bounds() {
    for tag in ["i1", "i2", "i4", "i8", "int", "biginteger", "ex:i8", "a:b:int"] {
        assert_eq!(read_typed(tag, "-42"), Ok(Value::Int(-42)), "{tag}");
    }
    for (text, int) in [
        ("+5", 5),
        (" 7\n", 7),
        ("1_000", 1_000),
        ("-0", 0),
        ("00000000000000000000000012", 12),
        ("-00000000000000000000000", 0),
        ("9223372036854775807", i64::MAX),
        ("-9223372036854775808", i64::MIN),
    ] {
        assert_eq!(read_typed("int", text), Ok(Value::Int(int)), "{text}");
    }
    for (text, digits) in [
        ("9223372036854775808", "9223372036854775808"),
        ("-0_9_223372036854775809", "-9223372036854775809"),
        ("+18446744073709551616", "18446744073709551616"),
    ] {
        assert_eq!(read_typed("i8", text), Ok(Value::BigInt(digits.into())));
    }
    for text in ["", " ", "+", "-", "0x10", "1.0", "1e3", "_1", "1_", "1__0", "--1", "+-1", "1 2", "٣"] {
        assert_eq!(read_typed("int", text), Err(ErrorKind::Malformed), "{text}");
    }
    assert!(
        matches!(read_typed("int", &"9".repeat(4_300)), Ok(Value::BigInt(digits)) if digits.len() == 4_300)
    );
    assert_eq!(read_typed("int", &"9".repeat(4_301)), Err(ErrorKind::TooLarge));
}

#[test]
fn other_scalars_are_decoded_as_in_cpython() {
    for (tag, text, value) in [
        ("boolean", "1", Value::Bool(true)),
        ("boolean", "0", Value::Bool(false)),
        ("double", "5", Value::Float(5.0)),
        ("float", " -1_0.5e1\n", Value::Float(-105.0)),
        ("double", "inf", Value::Float(f64::INFINITY)),
        ("double", "-Infinity", Value::Float(f64::NEG_INFINITY)),
        ("double", ".5", Value::Float(0.5)),
        ("string", " a b ", Value::from(" a b ")),
        ("string", "", Value::from("")),
        ("string", "&lt;&#x41;&#66;&apos;&quot;&amp;lt;", Value::from("<AB'\"&lt;")),
        ("string", "a<!-- no -->b<![CDATA[<c>&amp;]]><?pi x?>d", Value::from("ab<c>&amp;d")),
        ("nil", "", Value::Null),
        ("ex:nil", "", Value::Null),
        ("dateTime.iso8601", "19980717T14:08:55", Value::DateTime("19980717T14:08:55".into())),
        ("base64", "YWIA", Value::from(b"ab\0".to_vec())),
        ("base64", "\n eW91 IGNh\nbg== ", Value::from(b"you can".to_vec())),
        ("base64", "!!", Value::from(vec![])),
        ("base64", "Q=Q=Q==ignored", Value::from(b"A\x04".to_vec())),
        ("base64", "QR==", Value::from(b"A".to_vec())),
    ] {
        assert_eq!(read_typed(tag, text), Ok(value), "{tag}: {text}");
    }
    assert!(matches!(read_typed("double", "NaN"), Ok(Value::Float(nan)) if nan.is_nan()));
    for (tag, text) in [
        ("boolean", "true"),
        ("boolean", "2"),
        ("boolean", " 1"),
        ("boolean", ""),
        ("double", ""),
        ("double", "1_"),
        ("double", "0x1p3"),
        ("double", "1,5"),
        ("base64", "YWIAü"),
        ("base64", "Q"),
        ("base64", "QQ"),
        ("base64", "QQ="),
    ] {
        assert_eq!(read_typed(tag, text), Err(ErrorKind::Malformed), "{tag}: {text}");
    }
}

#[test]
fn containers_are_decoded_in_all_notations() {
    let list = Ok(Value::list(vec![Value::Int(1), Value::from("b")]));
    let map = Ok(Value::map(vec![("k".into(), Value::Int(2))]));
    for (value, expected) in [
        ("<value/>", Ok(Value::from(""))),
        ("<value></value>", Ok(Value::from(""))),
        ("<value> text </value>", Ok(Value::from(" text "))),
        ("<value>a<i4>5</i4>b</value>", Ok(Value::Int(5))),
        ("<value>\n\t<nil/>\n</value>", Ok(Value::Null)),
        ("<value><string/></value>", Ok(Value::from(""))),
        ("<value><array/></value>", Ok(Value::list([]))),
        ("<value><array><data/></array></value>", Ok(Value::list([]))),
        (
            "<value><array><data><value><int>1</int></value> <value>b</value></data></array></value>",
            list.clone(),
        ),
        ("<value><array><value><int>1</int></value><value>b</value></array></value>", list.clone()),
        (
            "<value><array><data><value><int>1</int></value></data><data><value>b</value></data></array></value>",
            list,
        ),
        ("<value><struct/></value>", Ok(Value::Map(Box::default()))),
        (
            "<value><struct><member><name>k</name><value><int>1</int></value></member>\
             <member><name>k</name><value><int>2</int></value></member></struct></value>",
            map.clone(),
        ),
        (
            "<ex:value a='1' b\n=\t\"&lt;2'>\" ><struct ><member\n><value><int>2</int></value ><name>&#107;</name></member>\
             </struct></ex:value>",
            map,
        ),
        (
            "<value><struct><member><name/><value/></member></struct></value>",
            Ok(Value::map(vec![(Text::new(), Value::from(""))])),
        ),
    ] {
        assert_eq!(read(value), expected, "{value}");
    }
}

#[test]
fn accepts_prologs_comments_and_namespace_prefixes() {
    let call = |name: &'static str| Ok(Call::positional(name, []));
    for body in [
        "<methodCall><methodName>m</methodName></methodCall>",
        "<methodCall><methodName>m</methodName><params/></methodCall>",
        "<?xml\nversion = \"1.1\"?><methodCall><methodName>m</methodName><params></params></methodCall>\n",
        "<?xml version='1.0' encoding='utf-8' standalone=\"yes\" ?><methodCall><methodName>m</methodName></methodCall>",
        "\u{feff}<?xml version='1.0' encoding='US-ASCII'?><methodCall><methodName>m</methodName></methodCall>",
        "\n <!-- c --><?p q?><methodCall>x<methodName>m</methodName>&#32;</methodCall><!-- c --> \n",
        "<x:methodCall xmlns:x='u'><x:methodName>m</x:methodName></x:methodCall>",
    ] {
        assert_eq!(call_of(body), call("m"), "{body}");
    }
    let several =
        "<methodResponse><params><param><value/></param><param><value/></param></params></methodResponse>";
    assert_eq!(
        decode_response(several.as_bytes(), &Limits::default()),
        Ok(Response::Value(Value::list(vec!["".into(), "".into()])))
    );
    let none = "<methodResponse><params/></methodResponse>";
    assert_eq!(decode_response(none.as_bytes(), &Limits::default()), Ok(Response::Value(Value::list([]))));
}

#[test]
fn faults_are_classified_by_the_exception_class_they_name() {
    let kind = |text: &str| {
        let error = CallError::from(Fault::new(1, text));
        let remote = error.remote.unwrap();
        (error.kind, error.message, remote.class)
    };
    for (text, expected, message, class) in [
        (
            "<class 'ZeroDivisionError'>:division by zero",
            ErrorKind::ZeroDivision,
            "division by zero",
            "ZeroDivisionError",
        ),
        ("<type 'exceptions.ZeroDivisionError'>:x", ErrorKind::ZeroDivision, "x", "ZeroDivisionError"),
        (
            "<class 'Exception'>:method \"m\" is not supported",
            ErrorKind::UnknownMethod,
            "method \"m\" is not supported",
            "Exception",
        ),
        ("<class 'Exception'>:other", ErrorKind::Internal, "other", "Exception"),
        (
            "<class 'TypeError'>:Calc.add() missing 1",
            ErrorKind::InvalidArguments,
            "Calc.add() missing 1",
            "TypeError",
        ),
        (
            "<class 'TypeError'>:cannot marshal None unless allow_none is enabled",
            ErrorKind::NotRepresentable,
            "cannot marshal None unless allow_none is enabled",
            "TypeError",
        ),
        (
            "<class 'OverflowError'>:int exceeds XML-RPC limits",
            ErrorKind::Overflow,
            "int exceeds XML-RPC limits",
            "OverflowError",
        ),
        (
            "<class 'xml.parsers.expat.ExpatError'>:no element found",
            ErrorKind::Malformed,
            "no element found",
            "xml.parsers.expat.ExpatError",
        ),
        ("<class 'TimeoutError'>:slow", ErrorKind::Internal, "slow", "TimeoutError"),
    ] {
        assert_eq!(kind(text), (expected, message.to_owned(), Some(class.to_owned())));
    }
    assert_eq!(kind("free text"), (ErrorKind::Internal, "free text".to_owned(), None));

    // Extra members of a fault are ignored.
    let body = ZERO_DIVISION.replace("<struct>\n", "<struct><member><name>extra</name><value/></member>");
    assert!(matches!(decode_response(body.as_bytes(), &Limits::default()), Ok(Response::Fault(_))));
}

#[test]
fn a_fault_of_any_shape_keeps_what_the_server_reports() {
    let text_code = |value: &str| Value::from(value);
    for (value, code, data, message) in [
        (
            "<struct><member><name>faultCode</name><value>Client.Auth</value></member>\
             <member><name>faultString</name><value>no such user</value></member></struct>",
            None,
            Some(text_code("Client.Auth")),
            "no such user",
        ),
        (
            "<struct><member><name>faultCode</name><value><string> 4 </string></value></member>\
             <member><name>faultString</name><value>four</value></member></struct>",
            Some(4),
            None,
            "four",
        ),
        (
            "<struct><member><name>faultCode</name><value><i8>99999999999</i8></value></member>\
             <member><name>faultString</name><value><int>5</int></value></member></struct>",
            None,
            Some(Value::Int(99_999_999_999)),
            "5",
        ),
        (
            "<struct><member><name>faultString</name><value>only a text</value></member></struct>",
            None,
            None,
            "only a text",
        ),
        (
            "<struct><member><name>reason</name><value>why</value></member></struct>",
            None,
            None,
            "{\"reason\": \"why\"}",
        ),
        ("<string>just text</string>", None, None, "just text"),
    ] {
        let body = format!("<methodResponse><fault><value>{value}</value></fault></methodResponse>");
        let Ok(Response::Fault(fault)) = decode_response(body.as_bytes(), &Limits::default()) else {
            panic!("not a fault: {body}")
        };
        let error = CallError::from(fault);
        assert_eq!((error.kind, error.message.as_str()), (ErrorKind::Internal, message));
        let remote = error.remote.unwrap();
        assert_eq!((remote.code, remote.data), (code, data));
    }
}

#[test]
fn an_integer_of_64_bits_can_be_sent_as_i8() {
    let call = Call::positional(
        "m",
        [Value::BigInt("5".into()), Value::list(vec![Value::BigInt(i64::MIN.to_string().into())])],
    );
    let body = String::from_utf8(encode_call(&call, &EncodeOptions::default()).unwrap()).unwrap();
    assert!(body.contains("<value><i8>5</i8></value>\n"), "{body}");
    assert!(body.contains("<value><i8>-9223372036854775808</i8></value>\n"), "{body}");
    let read = decode_call(body.as_bytes(), &Limits::default()).unwrap();
    assert_eq!(read.params, Params::Positional(vec![Value::Int(5), Value::list(vec![Value::Int(i64::MIN)])]));
}

#[test]
fn a_fault_with_invalid_characters_can_be_encoded() {
    let body = encode_fault(&Fault::new(7, "bad \u{0}\r<\u{ffff}"));
    assert_eq!(
        decode_response(&body, &Limits::default()),
        Ok(Response::Fault(Fault::new(7, "bad \u{fffd}\r<\u{fffd}")))
    );
}
