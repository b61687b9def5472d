//! Servers over HTTP that answer as a test wants, without any code of the suite.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

/// What a peer does with a request.
pub(crate) enum Reaction {
    /// Answers with this status and body.
    Reply(u16, String),
    /// Closes the connection.
    Close,
    /// Keeps the connection open and sends nothing.
    Silence,
}

/// Starts a server that passes the body of each request to `react`, and does what that returns. Returns its URL. It runs until the
/// test ends.
pub(crate) fn http(react: impl Fn(&str) -> Reaction + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let react = Arc::new(react);
    std::thread::spawn(move || {
        for connection in listener.incoming().map_while(Result::ok) {
            let react = Arc::clone(&react);
            std::thread::spawn(move || serve(connection, &*react));
        }
    });
    url
}

/// Serves one connection until it is closed.
fn serve(mut connection: TcpStream, react: &dyn Fn(&str) -> Reaction) {
    let _ = connection.set_nodelay(true);
    let mut reader = BufReader::new(connection.try_clone().unwrap());
    while let Some(body) = request(&mut reader) {
        match react(&body) {
            Reaction::Reply(status, body) => {
                let head = format!(
                    "HTTP/1.1 {status} Status\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
                    body.len()
                );
                if connection.write_all((head + &body).as_bytes()).is_err() {
                    return;
                }
            }
            Reaction::Close => return,
            Reaction::Silence => {}
        }
    }
}

/// Reads one request, and returns its body; `None` at the end of the connection.
fn request(reader: &mut BufReader<TcpStream>) -> Option<String> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if line == "\r\n" {
            break;
        }
        let (name, value) = line.split_once(':').unwrap_or_default();
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    String::from_utf8(body).ok()
}

/// The method and the positional parameters of a JSON-RPC request, and its id.
pub(crate) fn call(body: &str) -> (String, Vec<Value>, Value) {
    let request: Value = serde_json::from_str(body).unwrap();
    let params = request["params"].as_array().cloned().unwrap_or_default();
    (request["method"].as_str().unwrap().to_owned(), params, request["id"].clone())
}

/// A JSON-RPC response with a result.
pub(crate) fn result(id: &Value, result: &Value) -> Reaction {
    Reaction::Reply(200, json!({ "jsonrpc": "2.0", "result": result, "id": id }).to_string())
}

/// A JSON-RPC response with an error.
pub(crate) fn error(id: &Value, code: i64, message: &str) -> Reaction {
    let error = json!({ "code": code, "message": message });
    Reaction::Reply(200, json!({ "jsonrpc": "2.0", "error": error, "id": id }).to_string())
}

/// The calculator as a few lines of JavaScript would implement it: numbers have one type, so that 5.0 is written 5, and a
/// missing argument gives NaN, which JSON writes as null.
pub(crate) fn one_type_of_numbers(body: &str) -> Reaction {
    let (method, params, id) = call(body);
    let number = |index: usize| params.get(index).and_then(Value::as_f64).unwrap_or(f64::NAN);
    let (x, y) = (number(0), number(1));
    let value = match method.as_str() {
        "add" => x + y,
        "multiply" => x * y,
        "subtract" => (x - y).abs(),
        "divide" if y == 0.0 => return error(&id, -32603, "division by zero"),
        "divide" if x.fract() == 0.0 && y.fract() == 0.0 => (x / y).floor(),
        "divide" => x / y,
        "hello" => {
            return result(&id, &json!(format!("hello, {}", params[0].as_str().unwrap_or("undefined"))));
        }
        _ => return error(&id, -32601, "Method not found"),
    };
    #[allow(clippy::cast_possible_truncation, reason = "a whole number far below 2⁵³")]
    let value = if value.fract() == 0.0 { json!(value as i64) } else { json!(value) };
    result(&id, &value)
}

/// How long a call of a test may wait for a server that sends nothing.
pub(crate) const SHORT_TIMEOUT: Duration = Duration::from_millis(300);
