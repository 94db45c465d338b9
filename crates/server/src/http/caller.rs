//! How callers that are no browsers authenticate: protected APIs, OAuth clients, holders of a token.

use crate::{
    app::App,
    extract,
    flows::api_keys::USUAL_SCOPES,
    problem::{Kind, Problem},
};
use axum::{
    Json,
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Request},
    http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use counterfoil_core::{digest::Digest, time::Time};
use counterfoil_oauth::{
    access_token::VerifiedAccessToken,
    client_auth::{PresentedClient, VerifiedClient, unknown_client},
    dpop::{self, DpopError, ProvenRequest, VerifiedDpopProof},
    error::{ErrorCode, OAuthError},
    form::{Form, is_form_content_type},
    uri::HttpUri,
};
use counterfoil_store::{SpendKey, Upkeep};
use std::sync::Arc;

/// A protected API that authenticated. Only the extractor makes one.
#[derive(Debug)]
pub struct ApiCaller {
    /// Its audience.
    pub audience: String,
    scopes: Vec<String>,
}

impl ApiCaller {
    /// Is what it authenticated with good for this: one of [`SCOPES`](crate::flows::api_keys::SCOPES)?
    pub fn may(&self, scope: &str) -> bool {
        self.scopes.iter().any(|granted| granted == scope)
    }

    /// A refusal where it is not.
    pub fn require(&self, scope: &'static str) -> Result<(), Problem> {
        if self.may(scope) {
            return Ok(());
        }
        Err(Problem::new(Kind::FORBIDDEN).detail(format!("this needs a key or token with the scope `{scope}`")))
    }
}

impl FromRequestParts<Arc<App>> for ApiCaller {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Response> {
        let now = app.now();
        if !app.is_current(now) {
            return Err(Problem::new(Kind::BUSY).into_response());
        }
        let mut fields = parts.headers.get_all(header::AUTHORIZATION).iter();
        let (Some(field), None) = (fields.next(), fields.next()) else { return Err(challenge()) };
        let Ok(text) = field.to_str() else { return Err(challenge()) };
        match text.split_once(' ') {
            Some((scheme, key)) if scheme.eq_ignore_ascii_case("bearer") => {
                let directory = app.directory.load();
                let found = directory.api_key(&Digest::of(key.trim().as_bytes()), now).ok_or_else(challenge)?;
                Ok(Self { audience: found.audience.clone(), scopes: found.scopes.clone() })
            }
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("dpop") => {
                let token = held_token(app, parts, token.trim(), now).await?;
                let claims = token.claims();
                // For us, from a client that is a registered API, and nobody's session.
                if claims.aud != app.issuer.as_str() || claims.lineage.is_some() {
                    return Err(challenge());
                }
                let directory = app.directory.load();
                let audience = directory.audience_of(&claims.client_id).ok_or_else(challenge)?;
                // Without scopes it is good for what a key without them is.
                let scopes = match &claims.scope {
                    Some(scope) => scope.split(' ').map(str::to_owned).collect(),
                    None => USUAL_SCOPES.map(str::to_owned).into(),
                };
                Ok(Self { audience: audience.to_owned(), scopes })
            }
            _ => Err(challenge()),
        }
    }
}

/// 401 with what would be accepted (RFC 9110 §11.6.1).
fn challenge() -> Response {
    let mut response = Problem::new(Kind::UNAUTHENTICATED).into_response();
    response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer, DPoP algs=\"ES256\""));
    response
}

/// Every DPoP field, also one that is no text: a field that is not looked at still counts (RFC 9449 §4.3 check 1).
fn dpop_fields(parts: &Parts) -> impl Iterator<Item = &str> {
    parts.headers.get_all("dpop").iter().map(|field| field.to_str().unwrap_or_default())
}

/// A token that was presented to us with a proof of its key. Its login is open: containment reaches here too (R4).
async fn held_token(app: &App, parts: &Parts, token: &str, now: Time) -> Result<Arc<VerifiedAccessToken>, Response> {
    let refuse = |error: OAuthError, nonce| TokenRefused { error, nonce }.into_response();
    let invalid = || refuse(OAuthError::new(ErrorCode::InvalidToken, "The access token is not active."), None);
    // A fault of ours says nothing about the token: whoever holds it may try again.
    let ours = |problem: Problem| problem.into_response();
    let verified = crate::flows::evaluate::remembered(app, token, now).await.map_err(ours)?.ok_or_else(invalid)?;
    if let Some(login) = verified.claims().lineage {
        let login = app.store.login(login).await.map_err(|error| ours(error.into()))?;
        if !login.is_some_and(|login| login.is_open()) {
            return Err(invalid());
        }
    }
    let uri = HttpUri::parse(&app.issuer.join(parts.uri.path())).map_err(|_| invalid())?;
    let request = ProvenRequest { method: parts.method.as_str(), uri: &uri, now };
    let proof = dpop::single_header(dpop_fields(parts))
        .and_then(|proof| proof.ok_or(DpopError::Missing))
        .and_then(|proof| dpop::verify(proof, request, Some(&app.keys.dpop_nonces), Some(verified.bound())));
    let proof = match proof {
        Ok(proof) => proof,
        Err(error) => {
            let nonce = app.keys.dpop_nonces.issue(now, app.random.bytes());
            return Err(refuse(error.to_oauth(), Some(nonce)));
        }
    };
    let mut unit = Upkeep::new(now);
    unit.spend(SpendKey::jti("dpop", &proof.replay_key().to_string()), proof.remember_until());
    match unit.commit(&app.store).await {
        Ok(()) => Ok(verified),
        Err(error) if error.spent().is_some() => {
            Err(refuse(OAuthError::new(ErrorCode::InvalidDpopProof, "This DPoP proof was used before."), None))
        }
        Err(error) => Err(ours(error.into())),
    }
}

/// A token or its proof was not good (RFC 6750 §3.1, RFC 9449 §7.1).
#[derive(Debug)]
pub struct TokenRefused {
    error: OAuthError,
    nonce: Option<String>,
}

impl IntoResponse for TokenRefused {
    fn into_response(self) -> Response {
        let mut response = (StatusCode::UNAUTHORIZED, Json(&self.error)).into_response();
        let text = format!(
            "DPoP error=\"{}\", error_description=\"{}\", algs=\"ES256\"",
            self.error.code(),
            self.error.description()
        );
        let headers = response.headers_mut();
        if let Ok(value) = HeaderValue::from_str(&text) {
            headers.insert(header::WWW_AUTHENTICATE, value);
        }
        nonce_header(headers, self.nonce);
        response
    }
}

/// Whoever holds an access token of a person's and proves its key.
#[derive(Debug)]
pub struct TokenHolder(pub Arc<VerifiedAccessToken>);

impl FromRequestParts<Arc<App>> for TokenHolder {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Response> {
        let now = app.now();
        if !app.is_current(now) {
            return Err(Problem::new(Kind::BUSY).into_response());
        }
        let missing = || {
            let error = OAuthError::new(ErrorCode::InvalidToken, "Present an access token with its DPoP proof.");
            TokenRefused { error, nonce: Some(app.keys.dpop_nonces.issue(now, app.random.bytes())) }.into_response()
        };
        let mut fields = parts.headers.get_all(header::AUTHORIZATION).iter();
        let (Some(field), None) = (fields.next(), fields.next()) else { return Err(missing()) };
        let (scheme, token) = field.to_str().ok().and_then(|field| field.split_once(' ')).ok_or_else(missing)?;
        if !scheme.eq_ignore_ascii_case("dpop") {
            return Err(missing());
        }
        let token = token.trim().to_owned();
        held_token(app, parts, &token, now).await.map(Self)
    }
}

/// An OAuth client that authenticated, with its form and its DPoP proof. Only the extractor makes one.
pub struct ClientCaller {
    /// The client.
    pub client: VerifiedClient,
    /// What it sent.
    pub form: Form,
    /// The proof in its header, if there is one.
    pub dpop: Option<VerifiedDpopProof>,
    /// When.
    pub now: Time,
}

impl FromRequest<Arc<App>> for ClientCaller {
    type Rejection = OAuthRefused;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, OAuthRefused> {
        let (parts, body) = request.into_parts();
        let nonce = || Some(app.keys.dpop_nonces.issue(app.now(), app.random.bytes()));
        let refuse = |error: OAuthError| OAuthRefused { error, nonce: nonce() };
        let declared = parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        if !declared.is_some_and(is_form_content_type) {
            return Err(refuse(OAuthError::invalid_request("Content-Type must be application/x-www-form-urlencoded.")));
        }
        let body: Bytes = extract::read(body)
            .await
            .map_err(|_| refuse(OAuthError::invalid_request("The request is too large, or came too slowly.")))?;
        // What is fresh now was not fresh enough while a slow body came.
        let now = app.now();
        if !app.is_current(now) {
            return Err(refuse(OAuthError::new(ErrorCode::TemporarilyUnavailable, "Try again shortly.")));
        }
        let form = Form::parse(&body).map_err(refuse)?;
        let client = authenticate(app, &form, now).map_err(refuse)?;
        let dpop = proof(app, &parts, now).map_err(|error| refuse(error.to_oauth()))?;
        Ok(Self { client, form, dpop, now })
    }
}

fn authenticate(app: &App, form: &Form, now: Time) -> Result<VerifiedClient, OAuthError> {
    let presented = PresentedClient::read(form)?;
    let directory = app.directory.load();
    let client = directory.client(presented.client_id()).ok_or_else(unknown_client)?;
    presented.verify(Arc::clone(client), &app.issuer, now)
}

fn proof(app: &App, parts: &Parts, now: Time) -> Result<Option<VerifiedDpopProof>, DpopError> {
    let Some(proof) = dpop::single_header(dpop_fields(parts))? else { return Ok(None) };
    let uri = HttpUri::parse(&app.issuer.join(parts.uri.path())).map_err(|_| DpopError::Target)?;
    let request = ProvenRequest { method: parts.method.as_str(), uri: &uri, now };
    dpop::verify(proof, request, Some(&app.keys.dpop_nonces), None).map(Some)
}

/// An OAuth error as a direct answer (RFC 6749 §5.2), with a nonce for the next DPoP proof.
#[derive(Debug)]
pub struct OAuthRefused {
    /// The error.
    pub error: OAuthError,
    /// The nonce.
    pub nonce: Option<String>,
}

impl IntoResponse for OAuthRefused {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.error.status()).unwrap_or(StatusCode::BAD_REQUEST);
        let mut response = (status, Json(&self.error)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        nonce_header(headers, self.nonce);
        response
    }
}

/// `DPoP-Nonce`, exactly one (RFC 9449 §8).
pub fn nonce_header(headers: &mut HeaderMap, nonce: Option<String>) {
    if let Some(Ok(value)) = nonce.map(|nonce| HeaderValue::from_str(&nonce)) {
        headers.insert("dpop-nonce", value);
    }
}
