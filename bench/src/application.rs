//! The client application: pushes requests, exchanges codes, proves possession of its keys.

use crate::browser::query;
use crate::clock::unix_seconds;
use crate::http_client::{Http, Reply};
use crate::jws::{Key, base64url, hash};
use crate::random;
use crate::ready::Demo;
use serde_json::{Value, json};
use std::io::{Error, Result};

/// A confidential client with `private_key_jwt` and one DPoP key.
pub struct Application {
    http: Http,
    issuer: String,
    /// `client_id`.
    pub client_id: String,
    redirect_uri: String,
    key: Key,
    dpop: Key,
    nonce: Option<String>,
}

/// A pushed request: its reference, and what only this client knows of it.
pub struct Pushed {
    /// The reference.
    pub request_uri: String,
    verifier: String,
}

impl Application {
    /// The client that stands first in the ready file.
    pub async fn of(demo: &Demo) -> Result<Self> {
        Ok(Self {
            http: Http::connect(demo.address()?, demo.host()).await?,
            issuer: demo.issuer().to_owned(),
            client_id: demo.text("/clients/0/client_id")?.to_owned(),
            redirect_uri: demo.text("/clients/0/redirect_uris/0")?.to_owned(),
            key: demo.key("/clients/0/private_jwk")?,
            dpop: Key::generate()?,
            nonce: None,
        })
    }

    /// Pushes an authorization request with these further parameters (RFC 9126).
    pub async fn push(&mut self, parameters: &[(&str, &str)]) -> Result<Pushed> {
        let verifier = base64url(&random::bytes::<32>());
        let challenge = hash(verifier.as_bytes());
        let (state, nonce, jkt) = (random::identifier(), random::identifier(), self.dpop.thumbprint());
        let redirect_uri = self.redirect_uri.clone();
        let mut form = vec![
            ("response_type", "code"),
            ("redirect_uri", &redirect_uri),
            ("state", &state),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
            ("dpop_jkt", &jkt),
        ];
        if !parameters.iter().any(|(name, _)| *name == "authorization_details") {
            form.extend([("scope", "openid"), ("nonce", &nonce)]);
        }
        form.extend(parameters);
        let pushed = self.send("/oauth/par", &form).await?.success("/oauth/par")?;
        let request_uri = pushed["request_uri"].as_str().ok_or_else(|| Error::other("PAR gave no request_uri"))?;
        Ok(Pushed { request_uri: request_uri.to_owned(), verifier })
    }

    /// Exchanges the code of `callback` for an access token.
    pub async fn exchange(&mut self, callback: &str, pushed: &Pushed) -> Result<String> {
        let code = query(callback, "code").ok_or_else(|| Error::other(format!("no code in {callback}")))?;
        let redirect_uri = self.redirect_uri.clone();
        let form = [
            ("grant_type", "authorization_code"),
            ("code", &code),
            ("redirect_uri", &redirect_uri),
            ("code_verifier", &pushed.verifier),
        ];
        let issued = self.send("/oauth/token", &form).await?.success("/oauth/token")?;
        let token = issued["access_token"].as_str();
        token.map(String::from).ok_or_else(|| Error::other(format!("no access token: {issued}")))
    }

    /// A DPoP proof for a call of the API with that token (RFC 9449 §4.2).
    pub fn proof_for(&self, method: &str, uri: &str, token: &str) -> String {
        let claims = json!({
            "jti": random::identifier(), "htm": method, "htu": uri, "iat": unix_seconds(), "ath": hash(token.as_bytes()),
        });
        self.dpop.sign(self.dpop_header(), &claims)
    }

    fn dpop_header(&self) -> Value {
        json!({ "typ": "dpop+jwt", "jwk": self.dpop.jwk() })
    }

    async fn send(&mut self, path: &str, form: &[(&str, &str)]) -> Result<Reply> {
        let reply = self.send_once(path, form).await?;
        if reply.json()["error"] != "use_dpop_nonce" {
            return Ok(reply);
        }
        self.send_once(path, form).await
    }

    async fn send_once(&mut self, path: &str, form: &[(&str, &str)]) -> Result<Reply> {
        let now = unix_seconds();
        let assertion = json!({
            "iss": self.client_id, "sub": self.client_id, "aud": self.issuer,
            "jti": random::identifier(), "iat": now, "exp": now + 60,
        });
        let assertion = self.key.sign(json!({ "typ": "JWT" }), &assertion);
        let mut claims = json!({
            "jti": random::identifier(), "htm": "POST", "htu": format!("{}{path}", self.issuer), "iat": now,
        });
        if let Some(nonce) = &self.nonce {
            claims["nonce"] = json!(nonce);
        }
        let proof = self.dpop.sign(self.dpop_header(), &claims);
        let mut body = encode("client_id", &self.client_id);
        let authentication = [
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            ("client_assertion", &assertion),
        ];
        for (name, value) in form.iter().chain(&authentication) {
            body.push('&');
            body.push_str(&encode(name, value));
        }
        let headers = [("content-type", "application/x-www-form-urlencoded"), ("dpop", &proof)];
        let reply = self.http.post(path, &headers, body).await?;
        if !reply.header("dpop-nonce").is_empty() {
            self.nonce = Some(reply.header("dpop-nonce").to_owned());
        }
        Ok(reply)
    }
}

fn encode(name: &str, value: &str) -> String {
    let mut text = format!("{name}=");
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}
