//! An attacker's own web site: some pages under a host name of its choice.

use bytes::Bytes;
use http::{Request, Response, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// A running site; it answers every path with its one page.
pub struct Site {
    port: u16,
    task: JoinHandle<()>,
}

impl Drop for Site {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Site {
    /// Serves this page.
    pub async fn start(page: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let page = Bytes::from(page);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let page = page.clone();
                tokio::spawn(async move {
                    let service = hyper::service::service_fn(move |_: Request<Incoming>| {
                        let page = page.clone();
                        async move {
                            let reply = Response::builder().header(header::CONTENT_TYPE, "text/html; charset=utf-8");
                            Ok::<_, Infallible>(reply.body(Full::new(page)).unwrap())
                        }
                    });
                    // A visitor who leaves in the middle of a reply is no fault.
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Self { port, task }
    }

    /// Its address under this name.
    pub fn at(&self, host: &str) -> String {
        format!("http://{host}:{}/", self.port)
    }
}
