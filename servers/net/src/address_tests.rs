use super::*;
use proptest::prelude::*;

const HTTP: &[Scheme] = &[Scheme::HTTP, Scheme::HTTP_UNIX];
const TCP: &[Scheme] = &[Scheme::TCP, Scheme::UNIX];
const ZEROMQ: &[Scheme] = &[Scheme::TCP.wildcards(), Scheme::IPC];
const RABBIT: Scheme =
    Scheme::host("rabbit").default_port(5672).default_host("localhost").several_hosts().login().path();
const BROKER: &[Scheme] = &[
    RABBIT,
    Scheme::host("amqp").default_port(5672).default_host("localhost").several_hosts().login().path(),
];

fn tcp(host: &str, port: u16) -> Endpoint {
    Endpoint::Tcp { host: host.to_owned(), port }
}

fn unix(path: &str) -> Endpoint {
    Endpoint::Unix(path.into())
}

fn parsed(text: &str, schemes: &[Scheme]) -> Address {
    Address::parse(text, schemes).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn refused(text: &str, schemes: &[Scheme]) -> AddressError {
    match Address::parse(text, schemes) {
        Ok(address) => panic!("{text} is {address}"),
        Err(error) => error,
    }
}

#[test]
fn http_urls() {
    for (text, endpoint, path, query, authority, public) in [
        ("http://localhost", tcp("localhost", 80), "", None, "localhost", "http://localhost:80"),
        ("HTTP://LocalHost:80/", tcp("localhost", 80), "/", None, "localhost", "http://localhost:80/"),
        ("http://h:/x", tcp("h", 80), "/x", None, "h", "http://h:80/x"),
        (
            "http://127.0.0.1:8080/a/b?k=1#f",
            tcp("127.0.0.1", 8080),
            "/a/b",
            Some("k=1"),
            "127.0.0.1:8080",
            "http://127.0.0.1:8080/a/b",
        ),
        ("http://[::1]:81?q", tcp("::1", 81), "", Some("q"), "[::1]:81", "http://[::1]:81"),
        ("http://[::1]", tcp("::1", 80), "", None, "[::1]", "http://[::1]:80"),
        (
            "http://[fe80::1%25eth0]:81/",
            tcp("fe80::1%eth0", 81),
            "/",
            None,
            "[fe80::1]:81",
            "http://[fe80::1%eth0]:81/",
        ),
        (
            "http://bücher.example/",
            tcp("xn--bcher-kva.example", 80),
            "/",
            None,
            "xn--bcher-kva.example",
            "http://xn--bcher-kva.example:80/",
        ),
        ("http://h#/x@y", tcp("h", 80), "", None, "h", "http://h:80"),
        ("http://h/~me@here", tcp("h", 80), "/~me@here", None, "h", "http://h:80/~me%40here"),
        (
            "http+unix://%2Ftmp%2Fcalc.sock/RPC2",
            unix("/tmp/calc.sock"),
            "/RPC2",
            None,
            "localhost",
            "http+unix://%2Ftmp%2Fcalc.sock/RPC2",
        ),
        (
            "http+unix://calc%20x.sock?q=%2",
            unix("calc x.sock"),
            "",
            Some("q=%2"),
            "localhost",
            "http+unix://calc%20x.sock",
        ),
    ] {
        let address = parsed(text, HTTP);
        assert_eq!(address.endpoint(), &endpoint, "{text}");
        assert_eq!((address.path(), address.query()), (path, query), "{text}");
        assert_eq!((address.authority().as_str(), address.public().as_str()), (authority, public), "{text}");
    }
    let user = parsed("http://Aladdin:open%20sesame@h/", HTTP);
    assert_eq!(user.credentials().unwrap().user_and_password(), b"Aladdin:open sesame");
    assert!(parsed("http://h/", HTTP).credentials().is_none());
    assert!(parsed("http://@h/", HTTP).credentials().unwrap().is_empty());
}

#[test]
fn parses_urls_of_the_tcp_floor() {
    assert_eq!(parsed("tcp://127.0.0.1:4242", TCP).endpoint(), &tcp("127.0.0.1", 4242));
    assert_eq!(parsed("tcp://[::1]:1", TCP).to_string(), "tcp://[::1]:1");
    assert_eq!(parsed("tcp://Host:80/", TCP).to_string(), "tcp://Host:80");
    assert_eq!(parsed("unix:///tmp/a%20b", TCP).endpoint(), &unix("/tmp/a b"));
    assert_eq!(parsed("unix:///tmp/a%20b", TCP).to_string(), "unix:///tmp/a%20b");
    for (text, error) in [
        ("tcp://h", AddressError::NoPort("tcp://HOST:PORT".to_owned())),
        ("tcp://h:*", AddressError::Port { host: "h".to_owned() }),
        ("tcp://h:1/x", AddressError::Path("tcp://HOST:PORT".to_owned())),
        ("tcp://u:secret@h:1", AddressError::Credentials("tcp://HOST:PORT".to_owned())),
        ("unix://tmp/s", AddressError::SocketPath("unix:///SOCKET".to_owned())),
        ("unix://", AddressError::SocketPath("unix:///SOCKET".to_owned())),
        ("unix:///tmp/%zz", AddressError::Encoding("path of the socket")),
        ("http://h:1/", AddressError::Scheme("tcp or unix".to_owned())),
        ("127.0.0.1:1", AddressError::NotAUrl("tcp://HOST:PORT or unix:///SOCKET".to_owned())),
    ] {
        assert_eq!(refused(text, TCP), error, "{text}");
    }
}

#[test]
fn parses_zeromq_endpoints() {
    for text in [
        "tcp://127.0.0.1:4242",
        "tcp://[::1]:1",
        "tcp://host:65535",
        "tcp://[fe80::1%eth0]:1",
        "ipc:///tmp/s",
        "ipc://s",
        "ipc://a b?%",
    ] {
        assert_eq!(parsed(text, ZEROMQ).to_string(), text);
    }
    assert_eq!(parsed("tcp://*:*", ZEROMQ).endpoint(), &tcp("*", 0));
    assert_eq!(parsed("tcp://*:5", ZEROMQ).endpoint(), &tcp("*", 5));
    assert_eq!(parsed("tcp://[::1]:*", ZEROMQ).endpoint(), &tcp("::1", 0));
    assert_eq!(parsed("ipc:///tmp/s", ZEROMQ).endpoint(), &unix("/tmp/s"));
    for text in [
        "",
        "http://h:1",
        "tcp://",
        "tcp://h",
        "tcp://:1",
        "tcp://h:65536",
        "tcp://h:",
        "ipc://",
        "127.0.0.1:1",
    ] {
        assert!(Address::parse(text, ZEROMQ).is_err(), "{text}");
    }
}

#[test]
fn parses_transport_urls_of_oslo_messaging() {
    let hosts =
        |text: &str| parsed(text, BROKER).endpoints().map(Endpoint::to_string).collect::<Vec<_>>().join(" ");
    for (text, endpoints) in [
        ("rabbit://", "localhost:5672"),
        ("rabbit:///v", "localhost:5672"),
        ("rabbit://:5673", "localhost:5673"),
        ("rabbit://u:p@", "localhost:5672"),
        ("rabbit://h", "h:5672"),
        ("amqp://[::1]/", "[::1]:5672"),
        ("rabbit://[::1]:5673/", "[::1]:5673"),
        ("rabbit://Host:1,b", "Host:1 b:5672"),
        ("rabbit://bob:s%3Acr%40t@a:1,eve:hidden@b/v", "a:1 b:5672"),
        ("rabbit://a:1,eve:hidden@b/v", "a:1 b:5672"),
        ("rabbit://u:p@ss:w#rd@h", "h:5672"),
        ("rabbit://h,,h2", "h:5672 localhost:5672 h2:5672"),
    ] {
        assert_eq!(hosts(text), endpoints, "{text}");
    }
    for (text, path) in [
        ("rabbit://h", ""),
        ("rabbit://h/", "/"),
        ("rabbit://h//", "//"),
        ("rabbit://h/%2f", "/%2f"),
        ("rabbit://h/../a b#c", "/../a b#c"),
    ] {
        assert_eq!(parsed(text, BROKER).path(), path, "{text}");
    }
    let pairs = |text| {
        parsed(text, BROKER).query_pairs().map(|(k, v)| format!("{k}:{v}")).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(
        pairs("rabbit://h?heartbeat=0&frame_max=16384&&x&y=1=2"),
        "heartbeat:0 frame_max:16384 x: y:1=2"
    );
    let url = parsed("rabbit://bob:s%3Acr%40t@a:1,eve:p@ss@b,c/v?x=secret", BROKER);
    let logins: Vec<_> = url
        .hosts()
        .iter()
        .map(|host| host.credentials().map(|c| (c.user().unwrap(), c.password().unwrap())))
        .collect();
    let login = |user: &str, password: &str| Some((user.to_owned(), password.to_owned()));
    assert_eq!(logins, [login("bob", "s:cr@t"), login("eve", "p@ss"), None]);
    assert_eq!(url.to_string(), "rabbit://a:1,b:5672,c:5672/v");
    for (text, host) in [
        ("rabbit://u:secret@h:port/", "h"),
        ("rabbit://u:secret@h:70000/", "h"),
        ("rabbit://h:", "h"),
        ("rabbit://[::1]:x", "::1"),
    ] {
        assert_eq!(refused(text, BROKER), AddressError::Port { host: host.to_owned() }, "{text}");
    }
    let password = parsed("rabbit://u:secret%2@h", BROKER).credentials().unwrap().password();
    assert_eq!(password, Err(AddressError::Encoding("password")));
}

#[test]
fn messages_and_public_forms_never_show_credentials_or_queries() {
    for (text, schemes) in [
        ("https://u:secret@h/", HTTP),
        ("ftp://u:secret@h/", HTTP),
        ("u:secret@h", HTTP),
        ("http://u:secret", HTTP),
        ("http://u:secret@", HTTP),
        ("http://u:se/cret@h/", HTTP),
        ("http://u:12/secret@h/", HTTP),
        ("http://u:12?secret@h/", HTTP),
        ("http://u:12#secret@h/", HTTP),
        ("http://u:12\\secret@h/", HTTP),
        ("http://u:secret@12/3@h/", HTTP),
        ("http://u:secret@h:port/", HTTP),
        ("http://u:secret@a b/", HTTP),
        ("http://u:secret@[::1/", HTTP),
        ("http+unix://u:secret@h/", HTTP),
        ("http+unix://secret%zz/", HTTP),
        ("http://h/?token=secret", HTTP),
        ("http://u:secret@h/?token=secret#secret", HTTP),
        ("amqps://u:secret@h", BROKER),
        ("rabbit://u:secret/w@h", BROKER),
        ("rabbit://u:12/secret@h", BROKER),
        ("rabbit://u:12]/secret@h", BROKER),
        ("rabbit://u:12?secret@h", BROKER),
        ("rabbit://u:secret,w@h", BROKER),
        ("rabbit://u:p@secret/w@h", BROKER),
        ("rabbit://u:secret@h,eve:secret@h2/v?x=secret", BROKER),
        ("tcp://u:secret@h:1", TCP),
    ] {
        let shown = match Address::parse(text, schemes) {
            Ok(address) => format!("{address} {address:?} {address:#?} {}", address.authority()),
            // The message of `Host` contains only the host; `u:secret` without an `@` is a host and a port.
            Err(error) => format!("{error} {error:?}"),
        };
        assert!(!shown.contains("secret"), "{text}: {shown}");
        assert!(!redacted(text).contains("secret"), "{text}: {}", redacted(text));
    }
    for text in ["http://u:se/cret@h", "http://u:12/x@h", "rabbit://u:p,w@h"] {
        let message = Address::parse(text, &[Scheme::HTTP, RABBIT]).unwrap_err().to_string();
        assert!(message.contains("percent-encode the password"), "{message}");
    }
}

#[test]
fn redacted_urls_keep_hosts_and_ports() {
    for (text, shown) in [
        ("http://u:p@h:1/a?q#f", "http://h:1"),
        ("HTTP://h/hooks/secret", "HTTP://h"),
        ("http://h?token=secret", "http://h"),
        ("http://[::1]/x", "http://[::1]"),
        ("http://[::1]:1/x", "http://[::1]:1"),
        ("http://u:secret", "http://…"),
        ("http://h:99999/", "http://…"),
        ("ldap://u:p@h:1/x", "ldap://h:1"),
        ("rabbit://u:p@a,e:q@b:2/v", "rabbit://a,b:2"),
        ("ipc:///tmp/a@b", "ipc:///tmp/a@b"),
        ("unix:///tmp/s", "unix:///tmp/s"),
        ("http+unix://%2Ftmp%2Fs/x?q", "http+unix://%2Ftmp%2Fs"),
        ("ws+unix://%2Ftmp%2Fs/x?q", "ws+unix://%2Ftmp%2Fs"),
        ("ws+unix://secret%zz/", "ws+unix://…"),
        ("ws://h:1#secret", "ws://h:1"),
        ("pipe:///tmp/s", "pipe:///tmp/s"),
        ("u:p@h:1", "…"),
        ("http://u:1/p@h", "http://…"),
        ("rabbit://u:p@ss,word@h", "rabbit://…"),
        ("rabbit://u@a,e:q@b", "rabbit://a,b"),
    ] {
        assert_eq!(redacted(text), shown, "{text}");
    }
}

#[test]
fn an_error_names_the_accepted_form() {
    for (text, schemes, message) in [
        ("127.0.0.1:80", HTTP, "not a URL of the form http://HOST:PORT/PATH or http+unix://%2FSOCKET/PATH"),
        ("http://", HTTP, "not a URL of the form http://HOST:PORT/PATH: empty host"),
        ("https://h/", HTTP, "this protocol has no encryption here, neither TLS nor CURVE; use http://"),
        ("ftp://h/", HTTP, "the URL's scheme must be http or http+unix"),
        ("wss://h/", &[Scheme::TCP, Scheme::TLS], "the URL's scheme must be tcp or tls"),
        ("http://h:99999/", HTTP, "the port after `h` is not a number between 0 and 65535"),
        ("http://[::g]/", HTTP, "not a URL of the form http://HOST:PORT/PATH: invalid IPv6 address"),
        ("tcp://h", TCP, "the URL has no port; give tcp://HOST:PORT"),
    ] {
        assert_eq!(refused(text, schemes).to_string(), message, "{text}");
    }
}

#[test]
fn addresses_are_built_from_endpoints() {
    let shown = |endpoint: &Endpoint, schemes, path| {
        Address::from_endpoint(endpoint, schemes, path).unwrap().to_string()
    };
    assert_eq!(shown(&tcp("::1", 80), HTTP, "/RPC2"), "http://[::1]:80/RPC2");
    assert_eq!(shown(&unix("/tmp/a b"), HTTP, "/RPC2"), "http+unix://%2Ftmp%2Fa%20b/RPC2");
    assert_eq!(shown(&unix("/tmp/s"), TCP, ""), "unix:///tmp/s");
    assert_eq!(shown(&unix("/tmp/s"), ZEROMQ, ""), "ipc:///tmp/s");
    assert!(Address::from_endpoint(&unix("s"), BROKER, "").is_none());
}

fn any_scheme() -> impl Strategy<Value = &'static [Scheme]> {
    prop_oneof![Just(HTTP), Just(TCP), Just(ZEROMQ), Just(BROKER)]
}

#[test]
fn another_endpoint_takes_the_place_of_the_only_host() {
    let endpoint: Endpoint = "127.0.0.1:9".parse().unwrap();
    let with = |url: &str| with_endpoint(url, &endpoint);
    for (url, expected) in [
        ("http://h:1/p?q=1", "http://127.0.0.1:9/p?q=1"),
        ("amqp://user:p%40ss@h/%2f", "amqp://user:p%40ss@127.0.0.1:9/%2f"),
        ("tcp://[::1]:1", "tcp://127.0.0.1:9"),
    ] {
        assert_eq!(with(url).as_deref(), Some(expected));
    }
    for url in ["h:1", "amqp://h:1,i:2/", "amqp://u:a/b@h:1/", "ipc:///tmp/s"] {
        assert_eq!(with(url), None, "{url}");
    }
    assert_eq!(with_endpoint("http://h:1/", &unix("/tmp/s")), None);
}

proptest! {
    #[test]
    fn any_text_parses_or_is_refused(text in "(http|tcp|rabbit|unix|ipc|http\\+unix)://[a-z0-9:@/?#%,*\\[\\]. é\\\\]{0,24}", schemes in any_scheme()) {
        if let Ok(address) = Address::parse(&text, schemes) {
            let again = Address::parse(&address.public(), schemes).unwrap();
            prop_assert_eq!(again.hosts().len(), address.hosts().len());
            prop_assert_eq!(again.public(), address.public());
        }
        let _ = redacted(&text);
    }

    #[test]
    fn encoded_credentials_are_decoded_and_never_shown(user in ".{1,8}", password in "S[^S]{1,8}T", schemes in prop_oneof![Just(HTTP), Just(BROKER)]) {
        let encode = |text: &str| percent_encode(text.as_bytes(), RESERVED).to_string();
        let text = format!("{}://{}:{}@h:1/p", schemes[0].name(), encode(&user), encode(&password));
        let address = Address::parse(&text, schemes).unwrap();
        let credentials = address.credentials().unwrap();
        prop_assert_eq!(credentials.user().unwrap(), user);
        prop_assert_eq!(credentials.password().unwrap(), password);
        prop_assert_eq!(redacted(&text), format!("{}://h:1", schemes[0].name()));
        prop_assert_eq!(address.public(), format!("{}://h:1/p", schemes[0].name()));
    }

    #[test]
    fn unencoded_passwords_never_leak(password in "Q[a-z0-9:@/?#,\\\\]{0,12}Z", schemes in prop_oneof![Just(HTTP), Just(BROKER)]) {
        let text = format!("{}://u:{password}@h/p", schemes[0].name());
        let shown = match Address::parse(&text, schemes) {
            Ok(address) => format!("{address} {address:?}"),
            Err(error) => format!("{error} {error:?}"),
        };
        prop_assert!(!shown.contains('Q') && !shown.contains('Z'), "{}", shown);
        prop_assert!(!redacted(&text).contains(['Q', 'Z']), "{}", redacted(&text));
    }

    #[test]
    fn socket_paths_survive_a_url_round_trip(path in "/[^\0]{1,20}") {
        for schemes in [HTTP, TCP, ZEROMQ] {
            let address = Address::from_endpoint(&unix(&path), schemes, "").unwrap();
            let again = Address::parse(&address.public(), schemes).unwrap();
            prop_assert_eq!(again.endpoint(), &unix(&path));
        }
    }
}
