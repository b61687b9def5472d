//! Messages that are rejected, and the errors for them.

use super::*;

#[test]
fn documents_that_are_not_well_formed_are_rejected_in_the_words_of_expat() {
    const START: &str = "<methodCall><methodName>m</methodName><params><param><value>";
    const END: &str = "</value></param></params></methodCall>";
    let in_value = |text: &str| format!("{START}{text}{END}");
    for (body, message) in [
        (String::new(), "no element found: line 1, column 0"),
        ("\n \n".to_owned(), "no element found: line 3, column 0"),
        ("<methodCall>".to_owned(), "no element found: line 1, column 12"),
        ("<methodCall><".to_owned(), "unclosed token: line 1, column 12"),
        ("<methodCall>\n<methodName".to_owned(), "unclosed token: line 2, column 0"),
        ("garbage".to_owned(), "syntax error: line 1, column 0"),
        ("&amp;<methodCall/>".to_owned(), "syntax error: line 1, column 0"),
        ("<![CDATA[x]]><methodCall/>".to_owned(), "syntax error: line 1, column 0"),
        (format!("{START}{END}x"), "junk after document element"),
        (format!(" {ADD}"), "XML or text declaration not at start of entity: line 1, column 1"),
        (ADD.replace("1.0", "2.0"), "XML declaration not well-formed"),
        (ADD.replace("'?>", "' a='1'?>"), "XML declaration not well-formed"),
        (ADD.replace("'?>", "' version='1.0'?>"), "XML declaration not well-formed"),
        (ADD.replace("'?>", "'encoding='utf-8'?>"), "XML declaration not well-formed"),
        (ADD.replace("'?>", "' standalone='no' encoding='utf-8'?>"), "XML declaration not well-formed"),
        (ADD.replace("version='1.0'", "encoding='utf-8' version='1.0'"), "XML declaration not well-formed"),
        (ADD.replace(" version='1.0'", ""), "XML declaration not well-formed"),
        (ADD.replace("'?>", "' encoding='utf-16'?>"), "encoding specified in XML declaration is incorrect"),
        (ADD.replace("'?>", "' standalone='maybe'?>"), "XML declaration not well-formed"),
        (
            in_value("zü").replace("<methodCall>", "<?xml version='1.0' encoding='ascii'?><methodCall>"),
            INVALID,
        ),
        (in_value("</int>"), "mismatched tag"),
        (in_value("<int>1</i4>"), "mismatched tag"),
        (in_value("a]]>b"), INVALID),
        (in_value("a & b"), INVALID),
        (in_value("a &amp b"), INVALID),
        (in_value("&nbsp;"), "undefined entity"),
        (in_value("&#0;"), "reference to invalid character number"),
        (in_value("&#x1f;"), "reference to invalid character number"),
        (in_value("&#55296;"), "reference to invalid character number"),
        (in_value("&#xFFFF;"), "reference to invalid character number"),
        (in_value("&#99999999999999999999;"), "reference to invalid character number"),
        (in_value("&#+65;"), INVALID),
        (in_value("&#;"), INVALID),
        (in_value("&;"), INVALID),
        (in_value("\u{1}"), INVALID),
        (in_value("\u{0}"), INVALID),
        (in_value("\u{fffe}"), INVALID),
        (in_value("<!-- \u{8} -->"), INVALID),
        (in_value("<!-- a -- b -->"), INVALID),
        (in_value("<!-- a --->"), INVALID),
        (in_value("<!-->"), "unclosed token"),
        (in_value("<![CDATA[x"), "unclosed token"),
        (in_value("<!ELEMENT x>"), "unclosed token"),
        (in_value("<?xml version='1.0'?>"), "XML or text declaration not at start of entity"),
        (in_value("<?XML x?>"), INVALID),
        (in_value("<? x?>"), INVALID),
        (in_value("<int a>1</int>"), INVALID),
        (in_value("<int a=1>1</int>"), INVALID),
        (in_value("<int a='<'>1</int>"), INVALID),
        (in_value("<int a='&x;'>1</int>"), "undefined entity"),
        (in_value("<int a='1' a='2'>1</int>"), "duplicate attribute"),
        (in_value("<int a='1'b='2'>1</int>"), INVALID),
        (in_value("<int a='1' b>1</int>"), INVALID),
        (in_value("<int a='1' 'b'>1</int>"), INVALID),
        (in_value("<int a=>1</int>"), INVALID),
        (in_value("<int =''>1</int>"), INVALID),
        (in_value("<int a b=''>1</int>"), INVALID),
        (in_value("<int a='&amp'>1</int>"), INVALID),
        (in_value("<int 1='1'>1</int>"), INVALID),
        (in_value("<1:int>1</1:int>"), INVALID),
        (
            in_value(&format!("<int {}>1</int>", (0..33).map(|i| format!("a{i}='' ")).collect::<String>())),
            "too many attributes",
        ),
        (format!("<!DOCTYPE x>{ADD}").replace("<?xml version='1.0'?>\n", ""), DOCTYPE),
        (
            "<!DOCTYPE x [<!ENTITY b 'boom'>]><methodCall><methodName>&b;</methodName></methodCall>"
                .to_owned(),
            DOCTYPE,
        ),
    ] {
        let error = call_of(&body).unwrap_err();
        assert!(error.to_string().starts_with(message), "{body:?}: {error}");
        assert_eq!(error.class(), "xml.parsers.expat.ExpatError");
        assert_eq!(error.kind(), ErrorKind::Malformed);
    }
    let latin = [START.as_bytes(), b"z\xfc", END.as_bytes()].concat();
    let error = decode_call(&latin, &Limits::default()).unwrap_err();
    assert_eq!(error.to_string(), format!("{INVALID}: line 1, column {}", START.len() + 1));
}

const INVALID: &str = "not well-formed (invalid token)";
const DOCTYPE: &str = "document type declarations are not accepted";

#[test]
fn well_formed_documents_that_are_not_the_expected_message_are_rejected() {
    let param = |value: &str| {
        format!("<methodCall><methodName>m</methodName><params><param>{value}</param></params></methodCall>")
    };
    for body in [
        "<a/>".to_owned(),
        "<methodCall/>".to_owned(),
        "<methodcall><methodName>m</methodName></methodcall>".to_owned(),
        "<methodCall><methodName>m</methodName></methodCall><methodCall/>".to_owned(),
        "<methodCall><methodName>m</methodName><methodName>n</methodName></methodCall>".to_owned(),
        "<methodCall><methodName>m</methodName><params/><params/></methodCall>".to_owned(),
        "<methodCall><params/></methodCall>".to_owned(),
        "<methodCall><fault><value/></fault></methodCall>".to_owned(),
        FIVE.to_owned(),
        ZERO_DIVISION.to_owned(),
        param(""),
        param("<value/><value/>"),
        param("<int>1</int>"),
        param("<value><foo/></value>"),
        param("<value><bigdecimal>1</bigdecimal></value>"),
        param("<value><int>1</int><int>2</int></value>"),
        param("<value><int>1<b/></int></value>"),
        param("<value><value/></value>"),
        param("<value><array><data><data/></data></array></value>"),
        param("<value><array><int>1</int></array></value>"),
        param("<value><struct><value/></struct></value>"),
        param("<value><struct><member><name>a</name></member></struct></value>"),
        param("<value><struct><member><value/></member></struct></value>"),
        param("<value><struct><member><name>a</name><name>b</name><value/></member></struct></value>"),
        param("<value><struct><member><name>a</name><value/><value/></member></struct></value>"),
    ] {
        let error = call_of(&body).unwrap_err();
        assert_eq!(error.class(), "xmlrpc.client.ResponseError", "{body}: {error}");
    }
    let foo = call_of(&param("<value><foo/></value>")).unwrap_err();
    assert_eq!(
        Fault::from(foo).text,
        "<class 'xmlrpc.client.ResponseError'>:ResponseError(\"unknown tag 'foo'\")"
    );

    for body in [
        ADD,
        "<methodResponse/>",
        "<methodResponse><fault/></methodResponse>",
        "<methodResponse><fault><value/><value/></fault></methodResponse>",
        "<methodResponse><fault><value/></fault><params/></methodResponse>",
        "<methodResponse><params/><fault><value/></fault></methodResponse>",
    ] {
        let error = decode_response(body.as_bytes(), &Limits::default()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Malformed, "{body}");
    }
}

#[test]
fn nesting_depth_is_limited() {
    let lists = |levels: usize| {
        format!("{}{}", "<value><array><data>".repeat(levels), "</data></array></value>".repeat(levels))
    };
    assert!(read(&lists(64)).is_ok());
    assert_eq!(read(&lists(65)), Err(ErrorKind::TooLarge));
    assert_eq!(read(&lists(100_000)), Err(ErrorKind::TooLarge));
    let maps = "<value><struct><member><name>a</name>".repeat(65);
    assert_eq!(read(&maps), Err(ErrorKind::TooLarge));
    // No other elements can be nested.
    for tag in ["<a>", "<value>", "<methodCall>", "<params>", "<array>", "<struct>"] {
        assert_eq!(read(&tag.repeat(100_000)), Err(ErrorKind::Malformed));
    }
}
