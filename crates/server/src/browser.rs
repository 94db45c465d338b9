//! Who calls from a page: a session bound to a key, proven freshly by every request (DESIGN §6, CONTRACT §5).
//!
//! A cookie alone does nothing: each POST carries a proof over method, URL and body by the key that the session was born
//! with. The nonce in it is spent, in a unit of its own, before anything else happens, so no proof is looked at twice.

use crate::{
    app::App,
    extract,
    listen::Peer,
    page::Lang,
    problem::{Kind, Problem},
};
use axum::{
    Json,
    body::Bytes,
    extract::{ConnectInfo, FromRequest, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use counterfoil_core::{
    digest::Digest,
    id::SessionId,
    limits,
    session::{Session, SignedIn},
    time::Time,
};
use counterfoil_oauth::{
    jose::{Jwk, VerifyingKey},
    session_proof::{self, SessionProof, SessionProofError, SignedRequest, VerifiedSessionProof},
    uri::HttpUri,
};
use counterfoil_store::{SpendKey, Upkeep};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{net::IpAddr, sync::Arc};

/// The reply header that carries the next nonce.
pub const NONCE: HeaderName = HeaderName::from_static("counterfoil-nonce");
/// The reply header that tells a page its session's new handle.
pub const SESSION: HeaderName = HeaderName::from_static("counterfoil-session");
/// Random bytes of a cookie: 256 bit, where SP 800-63B-4 §5.1 wants 64.
const SECRET_BYTES: usize = 32;
/// How exactly it is known when a session was last used.
const SEEN_SECONDS: i64 = 60;
/// What is kept of `User-Agent`.
const USER_AGENT_BYTES: usize = 256;

/// What every request of a browser says about itself.
#[derive(Debug, Clone)]
pub struct Visit {
    /// When it came.
    pub now: Time,
    /// In which language the page speaks.
    pub lang: Lang,
    /// From where.
    pub ip: IpAddr,
    /// What the browser says it is. Personal.
    pub user_agent: String,
}

/// A request from a session that proved its key. Only the extractor makes one.
#[derive(Debug)]
pub struct Browser<T> {
    /// The session.
    pub session: Session,
    /// Its circumstances.
    pub visit: Visit,
    /// What was sent.
    pub body: T,
}

/// The first request of a session: it brings the key. Only the extractor makes one.
#[derive(Debug)]
pub struct Newcomer {
    /// The key that the session will be bound to.
    pub key: Jwk,
    /// Its circumstances.
    pub visit: Visit,
}

/// A body that has nothing to say.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Empty {}

impl<T> Browser<T> {
    /// Whose session it is.
    pub fn signed_in(&self) -> Result<&SignedIn, Problem> {
        self.session.signed_in().ok_or_else(|| Problem::new(Kind::SIGN_IN_REQUIRED).next("/sign-in"))
    }
}

impl<T: DeserializeOwned> FromRequest<Arc<App>> for Browser<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Problem> {
        let arrived = Arrived::read(request, app).await?;
        let proof = arrived.proof()?;
        let id = proof.session().ok_or_else(|| Problem::new(Kind::SESSION_ENDED))?;
        let session = session_of(app, id, &arrived).await?;
        let key = Jwk::parse(&session.jwk).and_then(VerifyingKey::new).map_err(Problem::internal)?;
        let proof =
            proof.verify(session.id, &key, arrived.signed(), &app.keys.session_nonces).map_err(|e| refused(&e))?;
        spend_nonce(app, &proof, arrived.visit.now).await?;
        let session = touched(app, session, arrived.visit.now).await?;
        let body = extract::from_slice(&arrived.body)?;
        Ok(Self { session, visit: arrived.visit, body })
    }
}

impl FromRequest<Arc<App>> for Newcomer {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Problem> {
        let arrived = Arrived::read(request, app).await?;
        let proof = arrived.proof()?;
        let (proof, key) =
            proof.verify_first(arrived.signed(), &app.keys.session_nonces).map_err(|error| refused(&error))?;
        spend_nonce(app, &proof, arrived.visit.now).await?;
        let Empty {} = extract::from_slice(&arrived.body)?;
        Ok(Self { key, visit: arrived.visit })
    }
}

/// A request taken apart, with its body read.
struct Arrived {
    headers: HeaderMap,
    method: Method,
    uri: HttpUri,
    body: Bytes,
    visit: Visit,
}

impl Arrived {
    async fn read(request: Request, app: &App) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        extract::require_json(&parts.headers)?;
        let body = extract::read(body).await?;
        // What is fresh now was not fresh enough while a slow body came.
        let now = app.now();
        if !app.is_current(now) {
            return Err(Problem::new(Kind::BUSY));
        }
        // The URL as we publish it: a Host header says what the sender likes.
        let uri = HttpUri::parse(&app.issuer.join(parts.uri.path()))
            .map_err(|_| Problem::new(Kind::INVALID_REQUEST).detail("the path is not one of ours"))?;
        let peer = parts.extensions.get::<ConnectInfo<Peer>>().map_or(IpAddr::from([0, 0, 0, 0]), |info| info.0.0.ip());
        let visit = Visit {
            now,
            lang: lang(&parts.headers),
            ip: extract::client_ip(peer, &parts.headers, &app.config.trusted_proxies),
            user_agent: user_agent(&parts.headers),
        };
        Ok(Self { method: parts.method, headers: parts.headers, uri, body, visit })
    }

    fn proof(&self) -> Result<SessionProof<'_>, Problem> {
        let mut fields = self.headers.get_all(session_proof::HEADER).iter();
        let (Some(field), None) = (fields.next(), fields.next()) else {
            return Err(Problem::new(Kind::SESSION_ENDED).detail("one Counterfoil-Proof header is needed"));
        };
        let text = field.to_str().map_err(|_| Problem::new(Kind::PROOF_INVALID))?;
        SessionProof::parse(text).map_err(|error| refused(&error))
    }

    fn signed(&self) -> SignedRequest<'_> {
        SignedRequest { method: self.method.as_str(), uri: &self.uri, body: &self.body, now: self.visit.now }
    }
}

fn refused(error: &SessionProofError) -> Problem {
    match error {
        SessionProofError::Nonce => Problem::new(Kind::USE_NONCE),
        other => Problem::new(Kind::PROOF_INVALID).detail(other.to_string()),
    }
}

/// The live session of this handle, if the cookie is its own. A handle alone, or a cookie alone, is nothing.
async fn session_of(app: &App, id: SessionId, arrived: &Arrived) -> Result<Session, Problem> {
    let ended = || Problem::new(Kind::SESSION_ENDED);
    let secret = cookie(&arrived.headers, cookie_name(app)).ok_or_else(ended)?;
    let presented = Digest::of(secret.as_bytes());
    let session = app.store.session(id).await.map_err(Problem::internal)?.ok_or_else(ended)?;
    // Both are hashes of 256 random bits, so an early exit of the comparison tells nothing that helps to guess one.
    if session.secret_hash != presented || !session.is_live(arrived.visit.now, limits::SESSION_IDLE_SECONDS) {
        return Err(ended());
    }
    Ok(session)
}

async fn spend_nonce(app: &App, proof: &VerifiedSessionProof, now: Time) -> Result<(), Problem> {
    let mut unit = Upkeep::new(now);
    unit.spend(SpendKey::nonce(&proof.spend_key().to_string()), proof.remember_until());
    match unit.commit(&app.store).await {
        Ok(()) => Ok(()),
        Err(error) if error.spent().is_some() => Err(Problem::new(Kind::USE_NONCE)),
        Err(error) => Err(Problem::from(error)),
    }
}

/// Notes that a session is in use, once a minute at most, and gives it as it is then.
async fn touched(app: &App, session: Session, now: Time) -> Result<Session, Problem> {
    if now.seconds_since(session.seen_at) < SEEN_SECONDS {
        return Ok(session);
    }
    let mut unit = Upkeep::new(now);
    unit.touch_session(&session);
    match unit.commit(&app.store).await {
        // Refused: another request of this session was faster, and may have changed more than the time.
        Ok(()) | Err(counterfoil_store::CommitError::Refused(_)) => {}
        Err(error) => return Err(Problem::from(error)),
    }
    let again = app.store.session(session.id).await?;
    again
        .filter(|again| again.is_live(now, limits::SESSION_IDLE_SECONDS) && again.secret_hash == session.secret_hash)
        .ok_or_else(|| Problem::new(Kind::SESSION_ENDED))
}

/// A new cookie: the secret that goes out and the hash that is kept.
pub struct NewSecret {
    cookie: String,
    /// SHA-256 of it.
    pub hash: Digest,
}

impl NewSecret {
    /// Drawn at random.
    pub fn new(app: &App) -> Self {
        let cookie = URL_SAFE_NO_PAD.encode(app.random.bytes::<SECRET_BYTES>());
        Self { hash: Digest::of(cookie.as_bytes()), cookie }
    }
}

/// A reply that gives the browser a new session, or the same under a new handle.
pub struct Renewed<T> {
    /// What the page is told.
    pub body: T,
    /// The session's handle and secret.
    pub session: Option<(SessionId, NewSecret)>,
}

impl<T: Serialize> Renewed<T> {
    /// The reply, with its cookie if there is a new one.
    pub fn into_response(self, app: &App) -> Response {
        let mut response = Json(self.body).into_response();
        if let Some((id, secret)) = self.session {
            let headers = response.headers_mut();
            let secure = if app.config.secure_cookies() { "; Secure" } else { "" };
            let cookie = format!(
                "{}={}; Path=/; HttpOnly; SameSite=Lax{secure}; Max-Age={}",
                cookie_name(app),
                secret.cookie,
                limits::SESSION_SECONDS
            );
            if let (Ok(cookie), Ok(handle)) = (HeaderValue::from_str(&cookie), HeaderValue::from_str(&id.to_string())) {
                headers.insert(header::SET_COOKIE, cookie);
                headers.insert(SESSION, handle);
            }
        }
        response
    }
}

/// `__Host-` ties a cookie to this host, this scheme and the whole of it (RFC 6265bis §4.1.3.2).
fn cookie_name(app: &App) -> &'static str {
    if app.config.secure_cookies() { "__Host-counterfoil" } else { "counterfoil" }
}

fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|field| field.to_str().ok())
        .flat_map(|field| field.split(';'))
        .find_map(|pair| pair.trim().split_once('=').filter(|(key, _)| *key == name).map(|(_, value)| value))
}

/// The language that a page or its reader asks for.
pub fn lang(headers: &HeaderMap) -> Lang {
    let accept = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
    Lang::choose(cookie(headers, "lang"), accept)
}

fn user_agent(headers: &HeaderMap) -> String {
    let text = headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    text.chars().filter(char::is_ascii).take(USER_AGENT_BYTES).collect()
}

/// Adds a fresh nonce to every reply of a page's endpoint, refusals too, and keeps all of them out of caches.
pub async fn with_nonce(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let nonce = app.keys.session_nonces.issue(app.now(), app.random.bytes());
    if let Ok(value) = HeaderValue::from_str(&nonce) {
        response.headers_mut().insert(NONCE, value);
    }
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
