//! The issuer as the guard sees it: its metadata, its keys, and questions asked with the guard's credential.

use crate::client::{ClientError, DpopKey, OAuthClient};
use crate::clock::{self, Monotonic};
use crate::config::{Config, Credential};
use crate::http::{HttpClient, HttpError};
use bytes::Bytes;
use counterfoil_core::limits::JSON_DEPTH;
use counterfoil_core::time::Time;
use counterfoil_oauth::access_token::{self, AccessTokenError, VerifiedAccessToken};
use counterfoil_oauth::jose::{JoseError, Jwks};
use counterfoil_oauth::uri::Issuer;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use serde_json::Value;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;

/// Keys are fetched again on an unknown `kid` at most this often (CONTRACT §6): anybody can send an unknown `kid`.
const REFETCH_MILLIS: u64 = 10_000;
/// The documents of RFC 8414 and AuthZEN §9.
const OAUTH: &str = "oauth-authorization-server";
const AUTHZEN: &str = "authzen-configuration";
/// Our own token is renewed this long before it ends.
const RENEW_SECONDS: i64 = 30;

/// Why the issuer could not be asked, or did not answer usefully.
#[derive(Debug, thiserror::Error)]
pub enum IssuerError {
    /// No reply.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// Our own token could not be had.
    #[error("the API's own token: {0}")]
    Credential(#[from] ClientError),
    /// A document of the issuer's is not what it must be.
    #[error("{document}: {reason}")]
    Document {
        /// Which one.
        document: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The issuer does not accept our credential.
    #[error("the issuer refuses this API's credential (status {0})")]
    Refused(StatusCode),
    /// A request that cannot be written; a fault of ours.
    #[error("request: {0}")]
    Request(String),
}

/// Endpoints, read from metadata once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoints {
    /// Where keys are.
    pub jwks: String,
    /// Where tokens are issued.
    pub token: String,
    /// Where decisions are made.
    pub evaluation: String,
    /// Where transactions are spent.
    pub redeem: String,
    /// Where revocations are told.
    pub revocations: String,
}

impl Endpoints {
    /// From RFC 8414 metadata and AuthZEN metadata. Both must name the issuer byte for byte (RFC 8414 §3.3, AuthZEN §9),
    /// and every endpoint must be of its origin: they get our credential.
    ///
    /// # Errors
    /// [`IssuerError::Document`], naming the member.
    pub fn read(issuer: &Issuer, oauth: &Value, authzen: &Value) -> Result<Self, IssuerError> {
        let member =
            |document: &'static str, metadata: &Value, name: &str| match metadata.get(name).and_then(Value::as_str) {
                Some(text) => Ok(text.to_owned()),
                None => Err(IssuerError::Document { document, reason: format!("{name} is missing") }),
            };
        let endpoint = |document: &'static str, metadata: &Value, name: &str| {
            let url = member(document, metadata, name)?;
            let path = url.strip_prefix(issuer.origin()).filter(|path| path.starts_with('/'));
            match path {
                Some(_) => Ok(url),
                None => {
                    Err(IssuerError::Document { document, reason: format!("{name} is not of the issuer's origin") })
                }
            }
        };
        for (document, metadata, name) in [(OAUTH, oauth, "issuer"), (AUTHZEN, authzen, "policy_decision_point")] {
            if member(document, metadata, name)? != issuer.as_str() {
                return Err(IssuerError::Document { document, reason: format!("{name} is not {issuer}") });
            }
        }
        Ok(Self {
            jwks: endpoint(OAUTH, oauth, "jwks_uri")?,
            token: endpoint(OAUTH, oauth, "token_endpoint")?,
            evaluation: endpoint(AUTHZEN, authzen, "access_evaluation_endpoint")?,
            redeem: issuer.join("/v1/redeem"),
            revocations: issuer.join("/v1/revocations"),
        })
    }
}

/// Our own credential, ready for use.
enum Identity {
    ApiKey(String),
    Client(Box<OwnClient>),
}

/// A client of our own: its name and key, the key that its token is bound to, and the token with the time to renew it.
struct OwnClient {
    client: OAuthClient,
    dpop: DpopKey,
    token: Mutex<Option<(String, Time)>>,
}

/// The issuer's keys, and how often they were forgotten because one of them was revoked.
#[derive(Clone, Default)]
struct Known {
    keys: Arc<Jwks>,
    forgotten: u64,
}

/// The connection to one issuer.
pub(crate) struct IssuerLink {
    http: HttpClient,
    issuer: Issuer,
    identity: Identity,
    endpoints: watch::Sender<Option<Arc<Endpoints>>>,
    keys: watch::Sender<Known>,
    fetched_at: tokio::sync::Mutex<Option<Monotonic>>,
}

impl IssuerLink {
    pub(crate) fn new(config: &Config) -> Result<Self, IssuerError> {
        let http = HttpClient::new(&config.trust)?;
        let identity = match &config.credential {
            Credential::ApiKey(key) => Identity::ApiKey(key.clone()),
            Credential::PrivateKeyJwt { client_id, private_jwk } => Identity::Client(Box::new(OwnClient {
                client: OAuthClient::new(http.clone(), config.issuer.clone(), client_id, private_jwk)?,
                dpop: DpopKey::generate()?,
                token: Mutex::new(None),
            })),
        };
        Ok(Self {
            http,
            issuer: config.issuer.clone(),
            identity,
            endpoints: watch::Sender::new(None),
            keys: watch::Sender::new(Known::default()),
            fetched_at: tokio::sync::Mutex::new(None),
        })
    }

    /// The endpoints, once [`IssuerLink::discover`] has been there.
    pub(crate) fn endpoints(&self) -> Option<Arc<Endpoints>> {
        self.endpoints.borrow().clone()
    }

    /// Whether metadata and keys are there.
    pub(crate) fn is_ready(&self) -> bool {
        self.endpoints.borrow().is_some() && !self.keys.borrow().keys.is_empty()
    }

    /// Reads the metadata, if that has not been done, and the keys.
    pub(crate) async fn discover(&self) -> Result<Arc<Endpoints>, IssuerError> {
        let endpoints = match self.endpoints() {
            Some(endpoints) => endpoints,
            None => {
                let oauth = self.document(OAUTH, &self.issuer.well_known(OAUTH)).await?;
                let authzen = self.document(AUTHZEN, &self.issuer.well_known(AUTHZEN)).await?;
                let endpoints = Arc::new(Endpoints::read(&self.issuer, &oauth, &authzen)?);
                self.endpoints.send_replace(Some(endpoints.clone()));
                endpoints
            }
        };
        let mut fetched_at = self.fetched_at.lock().await;
        self.fetch_keys(&endpoints, &mut fetched_at).await?;
        Ok(endpoints)
    }

    /// Forgets the keys: one of them may be revoked. Until new ones are there no token verifies.
    pub(crate) fn forget_keys(&self) {
        self.keys.send_modify(|known| *known = Known { keys: Arc::default(), forgotten: known.forgotten + 1 });
    }

    /// How often keys were forgotten so far: what was verified before does not count any more.
    pub(crate) fn keys_forgotten(&self) -> u64 {
        self.keys.borrow().forgotten
    }

    async fn fetch_keys(&self, endpoints: &Endpoints, fetched_at: &mut Option<Monotonic>) -> Result<(), IssuerError> {
        *fetched_at = Some(clock::monotonic());
        let forgotten = self.keys_forgotten();
        let document = self.document("jwks", &endpoints.jwks).await?;
        let keys = Jwks::parse_published(&document)
            .map_err(|error| IssuerError::Document { document: "jwks", reason: error.to_string() })?;
        // If keys were forgotten while these were on their way, the revoked one may be among them.
        self.keys.send_if_modified(|known| {
            let fresh = known.forgotten == forgotten;
            if fresh {
                known.keys = Arc::new(keys);
            }
            fresh
        });
        Ok(())
    }

    /// Verifies a token, and asks for the keys again when it was signed with one that we do not know. Says how often keys had been
    /// forgotten when those came that verified it.
    pub(crate) async fn verify(
        &self,
        token: &str,
        audience: &str,
        now: Time,
    ) -> Result<(VerifiedAccessToken, u64), AccessTokenError> {
        let verify = || {
            let Known { keys, forgotten } = self.keys.borrow().clone();
            access_token::verify(token, &keys, &self.issuer, Some(audience), now).map(|token| (token, forgotten))
        };
        let first = verify();
        if !matches!(first, Err(AccessTokenError::Jose(JoseError::UnknownKey))) {
            return first;
        }
        let Some(endpoints) = self.endpoints() else { return first };
        // Held over the fetch, so that those who come meanwhile wait for its result instead of failing.
        let mut fetched_at = self.fetched_at.lock().await;
        if may_refetch(*fetched_at, clock::monotonic())
            && let Err(error) = self.fetch_keys(&endpoints, &mut fetched_at).await
        {
            tracing::warn!(%error, "the issuer's keys could not be fetched again");
        }
        drop(fetched_at);
        verify()
    }

    async fn document(&self, document: &'static str, url: &str) -> Result<Value, IssuerError> {
        let request = Request::get(url).header(header::ACCEPT, "application/json").body(Full::default());
        let reply = self.http.send(request.map_err(|error| IssuerError::Request(error.to_string()))?).await?;
        let wrong = |reason: String| IssuerError::Document { document, reason };
        if reply.status() != StatusCode::OK {
            return Err(wrong(format!("status {}", reply.status())));
        }
        counterfoil_core::json::parse_strict(reply.body(), JSON_DEPTH).map_err(|error| wrong(error.to_string()))
    }

    /// Posts JSON with our credential and hands out whatever the issuer answers, save that it does not know us.
    pub(crate) async fn post(&self, url: &str, body: &Value) -> Result<Response<Bytes>, IssuerError> {
        let body = Bytes::from(body.to_string());
        let mut repeated = false;
        loop {
            let builder = Request::post(url)
                .header(header::CONTENT_TYPE, "application/json")
                .header(header::ACCEPT, "application/json, application/problem+json");
            let request = self.authorised(builder, &Method::POST, url).await?.body(Full::new(body.clone()));
            let reply = self.http.send(request.map_err(|error| IssuerError::Request(error.to_string()))?).await?;
            if self.must_repeat(reply.status(), reply.headers()) && !std::mem::replace(&mut repeated, true) {
                continue;
            }
            return match reply.status() {
                StatusCode::UNAUTHORIZED => Err(IssuerError::Refused(reply.status())),
                _ => Ok(reply),
            };
        }
    }

    /// Opens the stream of revocations after `cursor`.
    pub(crate) async fn open_revocations(&self, cursor: Option<&str>) -> Result<Response<Incoming>, IssuerError> {
        let endpoints = self.discover().await?;
        let mut repeated = false;
        loop {
            let mut builder = Request::get(&endpoints.revocations).header(header::ACCEPT, "text/event-stream");
            if let Some(cursor) = cursor.filter(|cursor| !cursor.is_empty()) {
                builder = builder.header("last-event-id", cursor);
            }
            let request = self.authorised(builder, &Method::GET, &endpoints.revocations).await?.body(Full::default());
            let reply = self.http.open(request.map_err(|error| IssuerError::Request(error.to_string()))?).await?;
            if self.must_repeat(reply.status(), reply.headers()) && !std::mem::replace(&mut repeated, true) {
                continue;
            }
            let kind = reply.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
            return match reply.status() {
                StatusCode::OK if kind.is_some_and(|kind| kind.starts_with("text/event-stream")) => Ok(reply),
                StatusCode::OK => {
                    Err(IssuerError::Document { document: "revocations", reason: "no event stream".into() })
                }
                status => Err(IssuerError::Refused(status)),
            };
        }
    }

    async fn authorised(
        &self,
        builder: http::request::Builder,
        method: &Method,
        url: &str,
    ) -> Result<http::request::Builder, IssuerError> {
        match &self.identity {
            Identity::ApiKey(key) => Ok(builder.header(header::AUTHORIZATION, format!("Bearer {key}"))),
            Identity::Client(own) => {
                let token = self.own_token(own).await?;
                let proof = own.dpop.proof(method.as_str(), url, Some(&token))?;
                Ok(builder.header(header::AUTHORIZATION, format!("DPoP {token}")).header("dpop", proof))
            }
        }
    }

    async fn own_token(&self, own: &OwnClient) -> Result<String, IssuerError> {
        let now = clock::now();
        let fresh = own.token.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((token, _)) = fresh.filter(|(_, until)| *until > now) {
            return Ok(token);
        }
        let endpoints = self.endpoints().ok_or_else(|| IssuerError::Request("no metadata yet".into()))?;
        let form = [("grant_type", "client_credentials"), ("resource", self.issuer.as_str())];
        let reply = own.client.post(&endpoints.token, &form, &own.dpop).await?;
        let wrong = |reason: &str| IssuerError::Document { document: "token response", reason: reason.into() };
        let token =
            reply.get("access_token").and_then(Value::as_str).ok_or_else(|| wrong("access_token is missing"))?;
        // RFC 9449 §5: another type means that the token is not bound to our key.
        if !reply.get("token_type").and_then(Value::as_str).is_some_and(|kind| kind.eq_ignore_ascii_case("DPoP")) {
            return Err(wrong("token_type is not DPoP"));
        }
        let seconds = reply.get("expires_in").and_then(Value::as_i64).unwrap_or(0);
        let until = now.plus_seconds(seconds.saturating_sub(RENEW_SECONDS));
        *own.token.lock().unwrap_or_else(PoisonError::into_inner) = Some((token.to_owned(), until));
        Ok(token.to_owned())
    }

    /// Learns a nonce of the issuer's; when our own token is refused, it is dropped, so that the second attempt has a new one.
    fn must_repeat(&self, status: StatusCode, headers: &http::HeaderMap) -> bool {
        match &self.identity {
            Identity::ApiKey(_) => false,
            Identity::Client(own) => {
                let asks = own.dpop.learn(status, headers, b"");
                if status == StatusCode::UNAUTHORIZED && !asks {
                    *own.token.lock().unwrap_or_else(PoisonError::into_inner) = None;
                }
                status == StatusCode::UNAUTHORIZED
            }
        }
    }
}

/// Whether keys that were fetched at `last` may be fetched again.
fn may_refetch(last: Option<Monotonic>, now: Monotonic) -> bool {
    last.is_none_or(|last| now.millis_since(last) >= REFETCH_MILLIS)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]
mod tests {
    use super::*;
    use serde_json::json;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    #[test]
    fn keys_are_fetched_again_at_most_every_ten_seconds() {
        let at = Monotonic::from_millis;
        for (last, now, may) in [(None, 0, true), (Some(0), 9_999, false), (Some(0), 10_000, true), (Some(5), 4, false)]
        {
            assert_eq!(may_refetch(last.map(at), at(now)), may, "{last:?} {now}");
        }
    }

    #[tokio::test]
    async fn keys_that_were_on_their_way_when_one_was_revoked_are_not_taken() {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://localhost:{}", server.local_addr().unwrap().port());
        let config = Config::new(&url, "urn:test:api", "http://api.localhost", Credential::ApiKey("k".into())).unwrap();
        let link = IssuerLink::new(&config).unwrap();
        let endpoints = Endpoints {
            jwks: format!("{url}/oauth/jwks"),
            token: String::new(),
            evaluation: String::new(),
            redeem: String::new(),
            revocations: String::new(),
        };
        // RFC 7517 A.1.
        let (x, y) = ("MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4", "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM");
        let key = json!({"kty": "EC", "crv": "P-256", "x": x, "y": y, "use": "sig", "alg": "ES256", "kid": "1"});
        for revoked in [false, true] {
            let answer = async {
                let (mut stream, _) = server.accept().await.unwrap();
                let mut heard = Vec::new();
                while !heard.ends_with(b"\r\n\r\n") {
                    stream.read_buf(&mut heard).await.unwrap();
                }
                if revoked {
                    link.forget_keys();
                }
                let keys = json!({"keys": [key]}).to_string();
                let head = format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", keys.len());
                stream.write_all(format!("{head}{keys}").as_bytes()).await.unwrap();
            };
            let mut fetched_at = None;
            let (fetched, ()) = tokio::join!(link.fetch_keys(&endpoints, &mut fetched_at), answer);
            fetched.unwrap();
            assert_eq!(link.keys.borrow().keys.is_empty(), revoked);
        }
    }

    #[test]
    fn metadata_of_another_issuer_or_origin_is_refused() {
        let issuer = Issuer::parse("https://id.example").unwrap();
        let oauth = json!({
            "issuer": "https://id.example", "jwks_uri": "https://id.example/oauth/jwks",
            "token_endpoint": "https://id.example/oauth/token",
        });
        let authzen = json!({
            "policy_decision_point": "https://id.example",
            "access_evaluation_endpoint": "https://id.example/access/v1/evaluation",
        });
        let good = Endpoints::read(&issuer, &oauth, &authzen).unwrap();
        assert_eq!(good.redeem, "https://id.example/v1/redeem");
        for (pointer, value) in [
            ("/issuer", "https://evil.example"),
            ("/issuer", "https://id.example/"),
            ("/jwks_uri", "https://evil.example/oauth/jwks"),
            ("/jwks_uri", "https://id.example.evil.example/jwks"),
            ("/token_endpoint", "http://id.example/oauth/token"),
            ("/policy_decision_point", "https://evil.example"),
            ("/access_evaluation_endpoint", "https://id.example@evil.example/"),
        ] {
            let (mut oauth, mut authzen) = (oauth.clone(), authzen.clone());
            let place = oauth.pointer_mut(pointer).or_else(|| authzen.pointer_mut(pointer)).unwrap();
            *place = value.into();
            assert!(Endpoints::read(&issuer, &oauth, &authzen).is_err(), "{pointer} {value}");
        }
    }
}
