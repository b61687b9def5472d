//! Servers that answer with given bytes, for the tests of clients.

use std::net::SocketAddr;

use calculator::ClientOptions;
use http_layer::{Headers, Transport};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A client of `url` without extra headers.
pub async fn connect<T: Transport>(url: &str) -> T {
    T::connect(url, &Headers::new("text/plain"), &ClientOptions::default()).await.unwrap()
}

/// A listener that answers one request per connection, with each of `answers` in turn, and then closes the connection.
pub async fn answering(answers: &'static [&'static str]) -> (SocketAddr, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let task = tokio::spawn(async move {
        let mut requests = Vec::new();
        for answer in answers {
            let (mut stream, _) = listener.accept().await.unwrap();
            requests.push(read_request(&mut stream).await);
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
        requests
    });
    (address, task)
}

/// Reads a request whose body is `body`.
pub async fn read_request(stream: &mut TcpStream) -> String {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\nbody") {
        assert_ne!(stream.read_buf(&mut request).await.unwrap(), 0);
    }
    String::from_utf8(request).unwrap()
}
