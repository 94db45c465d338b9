//! HTTP/1.1 as an attacker writes it: any header, any body, no browser's scruples.

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A reply.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub body: String,
}

impl Reply {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

/// Where an origin on this machine listens, and what its `Host` header says.
pub fn address(origin: &str) -> (String, &str) {
    let host = origin.split("://").nth(1).unwrap();
    let port = host.rsplit(':').next().unwrap();
    (format!("127.0.0.1:{port}"), host)
}

/// One request.
pub async fn call(origin: &str, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Reply {
    let (address, host) = address(origin);
    let mut stream = TcpStream::connect(address).await.unwrap();
    let mut request = format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n");
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str(&format!("content-length: {}\r\n\r\n{body}", body.len()));
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut reply = Vec::new();
    stream.read_to_end(&mut reply).await.unwrap();
    parse(&String::from_utf8(reply).unwrap())
}

fn parse(text: &str) -> Reply {
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no reply: {text}"));
    let status =
        head.lines().next().and_then(|line| line.split(' ').nth(1)).and_then(|code| code.parse().ok()).unwrap();
    Reply { status, body: body.to_owned() }
}
