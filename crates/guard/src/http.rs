//! The HTTP client: bounded in time and size, follows no redirect, and knows by itself where `*.localhost` is.

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::connect::{HttpConnector, dns::Name};
use hyper_util::client::legacy::{Client, Error as ClientError};
use hyper_util::rt::TokioExecutor;
use rustls::pki_types::{CertificateDer, pem::PemObject as _};
use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

/// The largest reply that is read: metadata, key sets and decisions are far smaller.
pub const REPLY_BYTES: usize = 256 * 1024;
/// A whole exchange takes at most this long: a request of ours waits for it, and so does the one that it serves.
pub const EXCHANGE: Duration = Duration::from_secs(5);
/// Connecting alone takes at most this long.
const CONNECT: Duration = Duration::from_secs(3);

/// Whom TLS trusts.
#[derive(Clone, Debug, Default)]
pub enum Trust {
    /// The public roots (Mozilla's list, compiled in).
    #[default]
    PublicRoots,
    /// These certificates (PEM) and no other: an installation with an authority of its own.
    Only(Vec<u8>),
}

/// Why no reply came.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The trust anchors could not be read.
    #[error("trusted certificates: {0}")]
    Trust(String),
    /// No connection, or it broke before the reply was complete.
    #[error("no reply: {0}")]
    Connection(String),
    /// No complete reply within [`EXCHANGE`].
    #[error("no reply within {} s", EXCHANGE.as_secs())]
    TimedOut,
    /// The reply is larger than [`REPLY_BYTES`].
    #[error("the reply is larger than {REPLY_BYTES} bytes")]
    TooLarge,
}

/// The client. Cheap to clone; clones share their connections.
#[derive(Clone, Debug)]
pub struct HttpClient {
    inner: Client<HttpsConnector<HttpConnector<Resolver>>, Full<Bytes>>,
}

impl HttpClient {
    /// A client that trusts `trust`.
    ///
    /// # Errors
    /// [`HttpError::Trust`] when the certificates cannot be read.
    pub fn new(trust: &Trust) -> Result<Self, HttpError> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = hyper_rustls::HttpsConnectorBuilder::new();
        let schemes = match trust {
            Trust::PublicRoots => {
                builder.with_provider_and_webpki_roots(provider).map_err(|error| HttpError::Trust(error.to_string()))?
            }
            Trust::Only(pem) => builder.with_tls_config(
                rustls::ClientConfig::builder_with_provider(provider)
                    .with_safe_default_protocol_versions()
                    .map_err(|error| HttpError::Trust(error.to_string()))?
                    .with_root_certificates(roots(pem)?)
                    .with_no_client_auth(),
            ),
        };
        let mut connector = HttpConnector::new_with_resolver(Resolver);
        connector.set_connect_timeout(Some(CONNECT));
        connector.set_nodelay(true);
        connector.enforce_http(false);
        let connector = schemes.https_or_http().enable_http1().wrap_connector(connector);
        let inner = Client::builder(TokioExecutor::new()).pool_idle_timeout(Duration::from_secs(20)).build(connector);
        Ok(Self { inner })
    }

    /// Sends `request` and reads the whole reply.
    ///
    /// # Errors
    /// [`HttpError`]; after any of them it is unknown whether the other side acted.
    pub async fn send(&self, request: Request<Full<Bytes>>) -> Result<Response<Bytes>, HttpError> {
        let exchange = async {
            let (head, body) = self.inner.request(request).await.map_err(|error| connection(&error))?.into_parts();
            let body = Limited::new(body, REPLY_BYTES).collect().await.map_err(|error| {
                if error.is::<LengthLimitError>() {
                    HttpError::TooLarge
                } else {
                    HttpError::Connection(error.to_string())
                }
            })?;
            Ok(Response::from_parts(head, body.to_bytes()))
        };
        tokio::time::timeout(EXCHANGE, exchange).await.map_err(|_| HttpError::TimedOut)?
    }

    /// Sends `request` and hands out the reply as soon as its head is there. The caller bounds how much it reads
    /// and how long it waits.
    ///
    /// # Errors
    /// [`HttpError`], when no head comes within [`EXCHANGE`].
    pub async fn open(&self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, HttpError> {
        let reply = tokio::time::timeout(EXCHANGE, self.inner.request(request)).await;
        reply.map_err(|_| HttpError::TimedOut)?.map_err(|error| connection(&error))
    }
}

/// The outer error says little ("client error (Connect)"): its causes say what happened.
fn connection(error: &ClientError) -> HttpError {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    HttpError::Connection(text)
}

fn roots(pem: &[u8]) -> Result<rustls::RootCertStore, HttpError> {
    let mut store = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|error| HttpError::Trust(format!("{error:?}")))?;
        store.add(certificate).map_err(|error| HttpError::Trust(error.to_string()))?;
    }
    if store.is_empty() { Err(HttpError::Trust("no certificate in the PEM text".into())) } else { Ok(store) }
}

/// `localhost` and every name under it is this machine (RFC 6761 §6.3). Browsers know that; not every libc does, and
/// none is asked, so that nobody's DNS can say otherwise.
fn is_localhost(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    name == "localhost" || name.ends_with(".localhost")
}

#[derive(Clone, Debug)]
struct Resolver;

impl tower::Service<Name> for Resolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = std::io::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        Box::pin(async move {
            if is_localhost(name.as_str()) {
                // Port 0 is replaced by the URL's own port.
                let loopback = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
                return Ok(loopback.map(|address| SocketAddr::new(address, 0)).to_vec().into_iter());
            }
            let addresses = tokio::net::lookup_host((name.as_str(), 0)).await?;
            Ok(addresses.collect::<Vec<_>>().into_iter())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_under_localhost_are_this_machine() {
        for (name, local) in [
            ("localhost", true),
            ("LOCALHOST", true),
            ("treasury.localhost", true),
            ("treasury.localhost.", true),
            ("localhost.example", false),
            ("notlocalhost", false),
            ("", false),
        ] {
            assert_eq!(is_localhost(name), local, "{name}");
        }
    }

    #[test]
    fn a_pem_text_without_certificates_trusts_nobody() {
        assert!(matches!(HttpClient::new(&Trust::Only(b"nothing".to_vec())), Err(HttpError::Trust(_))));
    }
}
