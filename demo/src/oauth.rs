//! The treasury as an OAuth client: a confidential one, with PAR, PKCE, `private_key_jwt`, DPoP, `state`, `nonce` and `iss`.

use crate::session::{Intent, Pending, Session, Token};
use crate::{Config, clock};
use bytes::Bytes;
use counterfoil_guard::client::{ClientError, OAuthClient, Time};
use counterfoil_guard::http::HttpClient;
use counterfoil_oauth::jose::Jwks;
use counterfoil_oauth::uri::Issuer;
use counterfoil_oauth::{id_token, pkce};
use http::{Request, StatusCode};
use http_body_util::Full;
use serde_json::Value;
use std::sync::{Arc, Mutex, PoisonError};
use url::Url;

/// What the treasury needs of the issuer's metadata.
#[derive(Clone, Debug)]
struct Endpoints {
    pushed_authorization_request: String,
    authorization: String,
    token: String,
    jwks: String,
}

/// The client.
pub struct TreasuryClient {
    http: HttpClient,
    client: OAuthClient,
    issuer: Issuer,
    redirect_uri: String,
    audience: String,
    endpoints: Mutex<Option<Arc<Endpoints>>>,
}

/// What a code was traded for.
pub struct Tokens {
    /// The access token.
    pub token: Token,
    /// The person, when it was a sign-in.
    pub subject: Option<String>,
    /// The transaction that was granted, when it was a confirmation.
    pub authorization_details: Option<Value>,
}

impl TreasuryClient {
    /// From the configuration.
    ///
    /// # Errors
    /// When issuer or key cannot be used.
    pub fn new(config: &Config, http: HttpClient) -> Result<Self, ClientError> {
        let issuer = Issuer::parse(&config.issuer).map_err(|error| ClientError::Unsendable(error.to_string()))?;
        let client = OAuthClient::new(http.clone(), issuer.clone(), &config.client_id, &config.client_private_jwk)?;
        Ok(Self {
            http,
            client,
            issuer,
            redirect_uri: format!("{}/callback", config.external_url),
            audience: config.audience.clone(),
            endpoints: Mutex::new(None),
        })
    }

    /// Pushes a request (RFC 9126) and gives the URL to send the browser to. `decision` is what a step-up at the API asked for:
    /// its decision and, for a transaction, the object as lodged.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn push(
        &self,
        session: &Session,
        pending: &Pending,
        decision: Option<(&str, Option<&Value>)>,
    ) -> Result<String, ClientError> {
        let endpoints = self.endpoints().await?;
        let jkt = session.dpop_issuer.jkt();
        let code_challenge = pkce::CodeChallenge::of(&pending.verifier).to_string();
        let mut form = vec![
            ("response_type", "code"),
            ("redirect_uri", self.redirect_uri.as_str()),
            ("resource", self.audience.as_str()),
            ("state", pending.state.as_str()),
            ("code_challenge", code_challenge.as_str()),
            ("code_challenge_method", pkce::METHOD),
            ("dpop_jkt", jkt.as_str()),
        ];
        let details = decision.and_then(|(_, details)| details).map(Value::to_string);
        if let Some((decision_id, _)) = decision {
            form.push(("decision_id", decision_id));
        }
        match &details {
            // A transaction stands alone: no scope, no ID token (CONTRACT §5).
            Some(details) => form.push(("authorization_details", details)),
            None => form.extend([("scope", "openid"), ("nonce", pending.nonce.as_str())]),
        }
        if matches!(pending.intent, Intent::SignIn { .. } | Intent::Resume { .. }) {
            form.push(("acr_values", "aal2"));
        }
        let reply = self.client.post(&endpoints.pushed_authorization_request, &form, &session.dpop_issuer).await?;
        let request_uri = text(&reply, "request_uri")?;
        let url = Url::parse_with_params(
            &endpoints.authorization,
            [("client_id", self.client.client_id()), ("request_uri", request_uri.as_str())],
        );
        url.map(String::from).map_err(|error| ClientError::Unsendable(error.to_string()))
    }

    /// Trades a code for tokens. The ID token of a sign-in is verified; a confirmation has none.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn trade(&self, session: &Session, pending: &Pending, code: &str) -> Result<Tokens, ClientError> {
        let endpoints = self.endpoints().await?;
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", self.redirect_uri.as_str()),
            ("code_verifier", pending.verifier.as_str()),
        ];
        let reply = self.client.post(&endpoints.token, &form, &session.dpop_issuer).await?;
        if !text(&reply, "token_type")?.eq_ignore_ascii_case("DPoP") {
            return Err(ClientError::Unsendable("the token is not bound to our key".into()));
        }
        let seconds = reply.get("expires_in").and_then(Value::as_i64).unwrap_or(0);
        let token =
            Token { access_token: text(&reply, "access_token")?, ends: clock::seconds().saturating_add(seconds) };
        let authorization_details = reply.get("authorization_details").cloned();
        let subject = match pending.intent {
            Intent::Confirm { .. } => None,
            Intent::SignIn { .. } | Intent::Resume { .. } | Intent::Fresh(_) => {
                Some(self.subject(&endpoints, &text(&reply, "id_token")?, &pending.nonce).await?)
            }
        };
        Ok(Tokens { token, subject, authorization_details })
    }

    async fn subject(&self, endpoints: &Endpoints, token: &str, nonce: &str) -> Result<String, ClientError> {
        let unusable = |error: &dyn std::fmt::Display| ClientError::Unsendable(error.to_string());
        let keys = Jwks::parse_published(&self.document(&endpoints.jwks).await?).map_err(|error| unusable(&error))?;
        let now = Time::from_seconds(clock::seconds());
        let claims = id_token::verify(token, &keys, &self.issuer, self.client.client_id(), Some(nonce), now);
        Ok(claims.map_err(|error| unusable(&error))?.sub.to_string())
    }

    async fn endpoints(&self) -> Result<Arc<Endpoints>, ClientError> {
        let known = self.endpoints.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(endpoints) = known {
            return Ok(endpoints);
        }
        let metadata = self.document(&self.issuer.well_known("oauth-authorization-server")).await?;
        // RFC 8414 §3.3: metadata that names another issuer is not this one's.
        if text(&metadata, "issuer")? != self.issuer.as_str() {
            return Err(ClientError::Unsendable("the metadata is of another issuer".into()));
        }
        let endpoints = Arc::new(Endpoints {
            pushed_authorization_request: text(&metadata, "pushed_authorization_request_endpoint")?,
            authorization: text(&metadata, "authorization_endpoint")?,
            token: text(&metadata, "token_endpoint")?,
            jwks: text(&metadata, "jwks_uri")?,
        });
        *self.endpoints.lock().unwrap_or_else(PoisonError::into_inner) = Some(endpoints.clone());
        Ok(endpoints)
    }

    async fn document(&self, url: &str) -> Result<Value, ClientError> {
        let request = Request::get(url).body(Full::<Bytes>::default());
        let reply = self.http.send(request.map_err(|error| ClientError::Unsendable(error.to_string()))?).await?;
        if reply.status() != StatusCode::OK {
            return Err(ClientError::Unexpected(reply.status()));
        }
        serde_json::from_slice(reply.body()).map_err(|_| ClientError::Unexpected(reply.status()))
    }
}

fn text(value: &Value, name: &str) -> Result<String, ClientError> {
    let text = value.get(name).and_then(Value::as_str).map(str::to_owned);
    text.ok_or_else(|| ClientError::Unsendable(format!("the issuer's reply has no {name}")))
}
