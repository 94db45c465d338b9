//! An issuer for tests, on a real port: metadata, keys, decisions, redemptions and revocations as the test writes them,
//! tokens signed with a key made here.

mod clock;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use counterfoil_core::id::{ChallengeId, LoginId, SubjectId, TokenId};
use counterfoil_guard::client::DpopKey;
use counterfoil_guard::{Config, Credential, Guard};
use counterfoil_oauth::access_token::{self, AccessTokenClaims, Confirmation};
use counterfoil_oauth::jose::{Es256Signer, Signer};
use counterfoil_oauth::uri::Issuer;
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::Full;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;
use tokio::sync::{broadcast, watch};

pub use clock::now;

pub const API_KEY: &str = "the-api-key";
pub const AUDIENCE: &str = "urn:test:api";

/// What the issuer was asked, and what it will answer.
#[derive(Default)]
pub struct Script {
    /// Answers to evaluations, the last one for ever.
    pub evaluations: VecDeque<Value>,
    /// Answers to redemptions; `None` loses the reply after the question was heard.
    pub redemptions: VecDeque<Option<(u16, Value)>>,
    pub asked_evaluations: Vec<Value>,
    pub asked_redemptions: Vec<Value>,
    /// Redemption ids with their outcomes, in the order of reports.
    pub reports: Vec<(String, String)>,
    pub key_fetches: usize,
}

pub struct TestIssuer {
    pub url: String,
    pub script: Mutex<Script>,
    /// How many reports have come: what a test waits on.
    pub reported: watch::Sender<usize>,
    signer: Mutex<Arc<Es256Signer>>,
    frames: broadcast::Sender<String>,
    beating: watch::Sender<bool>,
}

pub fn key() -> Es256Signer {
    let pair = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new()).unwrap();
    Es256Signer::from_pkcs8(pair.as_ref(), None, SystemRandom::new()).unwrap()
}

impl TestIssuer {
    /// An issuer that answers, and whose stream beats from the start when `beating`.
    pub async fn start(beating: bool) -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = Arc::new(Self {
            url: format!("http://localhost:{}", listener.local_addr().unwrap().port()),
            script: Mutex::default(),
            reported: watch::Sender::new(0),
            signer: Mutex::new(Arc::new(key())),
            frames: broadcast::Sender::new(16),
            beating: watch::Sender::new(beating),
        });
        let routes = Router::new()
            .route("/.well-known/oauth-authorization-server", get(oauth_metadata))
            .route("/.well-known/authzen-configuration", get(authzen_metadata))
            .route("/oauth/jwks", get(jwks))
            .route("/access/v1/evaluation", post(evaluate))
            .route("/v1/redeem", post(redeem))
            .route("/v1/redeem/{id}", post(report))
            .route("/v1/revocations", get(revocations))
            .with_state(issuer.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        issuer
    }

    pub fn beat(&self) {
        self.beating.send_replace(true);
    }

    pub fn revoke(&self, kind: &str, id: &str) {
        let data = json!({"kind": kind, "id": id});
        self.frames.send(format!("id: 7\nevent: revoked\ndata: {data}\n\n")).unwrap();
    }

    /// From now on tokens are signed with another key.
    pub fn rotate_key(&self) {
        *self.signer.lock().unwrap() = Arc::new(key());
    }

    pub fn answer_evaluation(&self, answer: Value) {
        self.script.lock().unwrap().evaluations.push_back(answer);
    }

    pub fn answer_redemption(&self, answer: Option<(u16, Value)>) {
        self.script.lock().unwrap().redemptions.push_back(answer);
    }

    /// Claims of a sound token for `dpop`.
    pub fn claims(&self, dpop: &DpopKey) -> AccessTokenClaims {
        let now = now();
        AccessTokenClaims {
            iss: Issuer::parse(&self.url).unwrap(),
            aud: AUDIENCE.into(),
            sub: SubjectId::new(now, [1; 10]).to_string(),
            client_id: "client".into(),
            iat: now.seconds(),
            exp: now.seconds() + 50,
            jti: TokenId::new(now, random()),
            cnf: Confirmation { jkt: dpop.jkt().parse().unwrap() },
            scope: None,
            acr: None,
            amr: Vec::new(),
            auth_time: None,
            lineage: Some(LoginId::new(now, random())),
            txn: None,
            authorization_details: None,
        }
    }

    /// Claims of a token for one transaction.
    pub fn transaction_claims(&self, dpop: &DpopKey, object: &Value) -> AccessTokenClaims {
        AccessTokenClaims {
            txn: Some(ChallengeId::new(now(), random())),
            authorization_details: Some(json!([object]).try_into().unwrap()),
            ..self.claims(dpop)
        }
    }

    pub fn sign(&self, claims: &AccessTokenClaims) -> String {
        let signer = self.signer.lock().unwrap().clone();
        access_token::issue(signer.as_ref(), claims).unwrap().0
    }

    pub fn config(&self, external_url: &str) -> Config {
        Config::new(&self.url, AUDIENCE, external_url, Credential::ApiKey(API_KEY.into())).unwrap()
    }
}

pub fn random() -> [u8; 10] {
    let mut bytes = [0; 10];
    aws_lc_rs::rand::SecureRandom::fill(&SystemRandom::new(), &mut bytes).unwrap();
    bytes
}

/// A guarded API on a real port and a client of it.
pub struct Api {
    pub url: String,
    pub guard: Guard,
    http: counterfoil_guard::http::HttpClient,
}

impl Api {
    pub async fn start(issuer: &TestIssuer, routes: impl FnOnce(&Guard) -> Router) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://api.localhost:{}", listener.local_addr().unwrap().port());
        let guard = Guard::start(&issuer.config(&url)).unwrap();
        let routes = routes(&guard);
        tokio::spawn(async move { axum::serve(listener, routes).await });
        let http = counterfoil_guard::http::HttpClient::new(&counterfoil_guard::http::Trust::PublicRoots).unwrap();
        Self { url, guard, http }
    }

    pub async fn send(
        &self,
        method: &Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &Value,
    ) -> http::Response<Bytes> {
        let text = if body.is_null() { String::new() } else { body.to_string() };
        self.send_text(method, path, headers, &text).await
    }

    pub async fn send_text(
        &self,
        method: &Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> http::Response<Bytes> {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.url));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.http.send(request.body(Full::new(Bytes::from(body.to_owned()))).unwrap()).await.unwrap()
    }

    /// As a well-behaved client: a fresh proof, and once more when a nonce is asked for.
    pub async fn call(
        &self,
        dpop: &DpopKey,
        token: &str,
        method: &Method,
        path: &str,
        body: &Value,
    ) -> http::Response<Bytes> {
        loop {
            let proof = dpop.proof(method.as_str(), &format!("{}{path}", self.url), Some(token)).unwrap();
            let authorization = format!("DPoP {token}");
            let reply = self.send(method, path, &[("authorization", &authorization), ("dpop", &proof)], body).await;
            if !dpop.learn(reply.status(), reply.headers(), reply.body()) {
                return reply;
            }
        }
    }
}

type Shared = State<Arc<TestIssuer>>;

fn answer(status: u16, body: &Value) -> Response {
    (StatusCode::from_u16(status).unwrap(), [(header::CONTENT_TYPE, "application/json")], body.to_string())
        .into_response()
}

fn is_api(headers: &HeaderMap) -> bool {
    headers.get(header::AUTHORIZATION).is_some_and(|value| *value == format!("Bearer {API_KEY}"))
}

async fn oauth_metadata(State(issuer): Shared) -> Response {
    let url = &issuer.url;
    let body =
        json!({"issuer": url, "jwks_uri": format!("{url}/oauth/jwks"), "token_endpoint": format!("{url}/oauth/token")});
    answer(200, &body)
}

async fn authzen_metadata(State(issuer): Shared) -> Response {
    let url = &issuer.url;
    answer(
        200,
        &json!({"policy_decision_point": url, "access_evaluation_endpoint": format!("{url}/access/v1/evaluation")}),
    )
}

async fn jwks(State(issuer): Shared) -> Response {
    issuer.script.lock().unwrap().key_fetches += 1;
    let signer = issuer.signer.lock().unwrap().clone();
    answer(200, &json!({"keys": [Value::from(signer.public_jwk().clone())]}))
}

async fn evaluate(State(issuer): Shared, headers: HeaderMap, body: Bytes) -> Response {
    if !is_api(&headers) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let mut script = issuer.script.lock().unwrap();
    script.asked_evaluations.push(serde_json::from_slice(&body).unwrap());
    let next =
        if script.evaluations.len() > 1 { script.evaluations.pop_front() } else { script.evaluations.front().cloned() };
    answer(200, &next.unwrap_or_else(|| json!({"decision": false})))
}

async fn redeem(State(issuer): Shared, headers: HeaderMap, body: Bytes) -> Response {
    if !is_api(&headers) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let next = {
        let mut script = issuer.script.lock().unwrap();
        script.asked_redemptions.push(serde_json::from_slice(&body).unwrap());
        script.redemptions.pop_front()
    };
    match next.flatten() {
        Some((status, body)) => answer(status, &body),
        // A reply that breaks off: the head promises more than comes.
        None => (
            [(header::CONTENT_LENGTH, "100")],
            Body::from_stream(futures_util::stream::once(async { Err::<Bytes, _>(std::io::Error::other("lost")) })),
        )
            .into_response(),
    }
}

async fn report(State(issuer): Shared, Path(id): Path<String>, body: Bytes) -> Response {
    let body: Value = serde_json::from_slice(&body).unwrap();
    let outcome = body["outcome"].as_str().unwrap().to_owned();
    issuer.script.lock().unwrap().reports.push((id, outcome));
    issuer.reported.send_modify(|count| *count += 1);
    answer(200, &json!({}))
}

/// Heartbeats follow each other at once rather than each second: tests do not wait for time to pass.
async fn revocations(State(issuer): Shared, headers: HeaderMap) -> Response {
    if !is_api(&headers) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let (frames, mut beating) = (issuer.frames.subscribe(), issuer.beating.subscribe());
    let first = async move {
        let _ = beating.wait_for(|beating| *beating).await;
        Ok::<_, std::io::Error>("event: heartbeat\ndata: {}\n\n".to_owned())
    };
    let rest = futures_util::stream::unfold(frames, |mut frames| async move {
        let frame = frames.recv().await.ok()?;
        // Each revocation is followed by a heartbeat: it was all there is.
        Some((Ok(format!("{frame}event: heartbeat\ndata: {{}}\n\n")), frames))
    });
    let stream = futures_util::StreamExt::chain(futures_util::stream::once(first), rest);
    ([(header::CONTENT_TYPE, "text/event-stream")], Body::from_stream(stream)).into_response()
}
