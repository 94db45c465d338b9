//! One keep-alive connection for the steps of a ceremony: a request, its whole answer, in order.

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::io::{Error, Result};
use std::net::SocketAddr;
use std::path::Path;
use tokio::net::{TcpStream, UnixStream};

/// A connection to the server under measurement.
pub struct Http {
    sender: SendRequest<Full<Bytes>>,
    host: String,
}

/// A whole answer.
pub struct Reply {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

impl Reply {
    /// A header's value, empty when absent.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The body as JSON; null when it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// The JSON of a success; what went wrong of anything else.
    pub fn success(self, step: &str) -> Result<Value> {
        if self.status.is_success() {
            return Ok(self.json());
        }
        Err(Error::other(format!("{step}: {} {}", self.status, String::from_utf8_lossy(&self.body))))
    }
}

impl Http {
    /// Connects; `host` is what the `Host` header says.
    pub async fn connect(address: SocketAddr, host: &str) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(Error::other)?;
        tokio::spawn(connection);
        Ok(Self { sender, host: host.to_owned() })
    }

    /// Connects to the operator's socket.
    pub async fn connect_socket(socket: &Path) -> Result<Self> {
        let stream = UnixStream::connect(socket).await?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(Error::other)?;
        tokio::spawn(connection);
        Ok(Self { sender, host: "localhost".to_owned() })
    }

    /// Posts `body` with these headers.
    pub async fn post(&mut self, path: &str, headers: &[(&str, &str)], body: String) -> Result<Reply> {
        let request = post(path, &self.host, headers, body)?;
        self.send(request).await
    }

    /// Asks for a page.
    pub async fn get(&mut self, path: &str) -> Result<Reply> {
        let request = Request::builder().uri(path).header(header::HOST, self.host.as_str());
        self.send(request.body(Full::default()).map_err(Error::other)?).await
    }

    /// Sends a request that somebody made.
    pub async fn send(&mut self, request: Request<Full<Bytes>>) -> Result<Reply> {
        self.sender.ready().await.map_err(Error::other)?;
        let answer = self.sender.send_request(request).await.map_err(Error::other)?;
        let (parts, body) = answer.into_parts();
        let body = body.collect().await.map_err(Error::other)?.to_bytes();
        Ok(Reply { status: parts.status, headers: parts.headers, body })
    }
}

/// A POST with these headers.
pub fn post(path: &str, host: &str, headers: &[(&str, &str)], body: String) -> Result<Request<Full<Bytes>>> {
    let mut request = Request::builder().method(Method::POST).uri(path).header(header::HOST, host);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Full::new(Bytes::from(body))).map_err(Error::other)
}
