//! An OAuth client's words to the issuer: forms, `private_key_jwt`, DPoP with the issuer's nonces.
//!
//! The guard uses it for client credentials; an application that signs people in can use it too (the demo does).

use crate::http::{HttpClient, HttpError};
use crate::{clock, random};
use aws_lc_rs::rand::SystemRandom;
use bytes::Bytes;
pub use counterfoil_core::time::Time;
use counterfoil_oauth::client_auth::{ASSERTION_TYPE, make_assertion};
use counterfoil_oauth::dpop::{ProofClaims, ath, make_proof};
use counterfoil_oauth::jose::{Es256Signer, Signer};
use counterfoil_oauth::uri::{HttpUri, Issuer};
use http::{HeaderMap, Request, Response, StatusCode, header};
use http_body_util::Full;
use serde_json::Value;
use std::sync::{Arc, Mutex, PoisonError};
use url::form_urlencoded;

/// Nonces are short; a longer one is not stored (RFC 9449 §8 leaves the length open).
const NONCE_BYTES: usize = 256;

/// Why a question to the issuer was not answered with what was asked for.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No reply.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// A URL, key or value that cannot be sent.
    #[error("cannot be sent: {0}")]
    Unsendable(String),
    /// The issuer refused, with an OAuth error code (RFC 6749 §5.2).
    #[error("{error}: {description}")]
    Refused {
        /// The code.
        error: String,
        /// The issuer's words, for logs.
        description: String,
    },
    /// A reply that the standard does not know.
    #[error("the issuer answered with status {0} and no OAuth error")]
    Unexpected(StatusCode),
}

/// A DPoP key and the last nonce that the server on the other side gave for it (RFC 9449 §8.2). One per server: the
/// issuer's nonces and an API's are not the same.
pub struct DpopKey {
    signer: Arc<Es256Signer>,
    nonce: Mutex<Option<String>>,
}

impl std::fmt::Debug for DpopKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "DpopKey({})", self.jkt())
    }
}

impl DpopKey {
    /// A key that lives in memory alone.
    ///
    /// # Errors
    /// [`ClientError::Unsendable`] when no key could be made.
    pub fn generate() -> Result<Self, ClientError> {
        let unsendable = |error: &dyn std::fmt::Display| ClientError::Unsendable(error.to_string());
        let pair = aws_lc_rs::signature::EcdsaKeyPair::generate_pkcs8(
            &aws_lc_rs::signature::ECDSA_P256_SHA256_FIXED_SIGNING,
            &SystemRandom::new(),
        )
        .map_err(|error| unsendable(&error))?;
        let signer =
            Es256Signer::from_pkcs8(pair.as_ref(), None, SystemRandom::new()).map_err(|error| unsendable(&error))?;
        Ok(Self { signer: Arc::new(signer), nonce: Mutex::new(None) })
    }

    /// The same key for another server: what a token is bound to at the issuer is proven at the API.
    #[must_use]
    pub fn for_another_server(&self) -> Self {
        Self { signer: self.signer.clone(), nonce: Mutex::new(None) }
    }

    /// Its thumbprint: `dpop_jkt` of a request, `cnf.jkt` of the token.
    pub fn jkt(&self) -> String {
        self.signer.public_jwk().thumbprint().to_string()
    }

    /// A proof for one request, with the token that it accompanies, if any.
    ///
    /// # Errors
    /// [`ClientError::Unsendable`] when the URL is not one or signing failed.
    pub fn proof(&self, method: &str, url: &str, access_token: Option<&str>) -> Result<String, ClientError> {
        let htu = HttpUri::parse(url).map_err(|error| ClientError::Unsendable(error.to_string()))?;
        let claims = ProofClaims {
            jti: random::token(),
            htm: method.to_owned(),
            htu: htu.as_str().to_owned(),
            iat: clock::now().seconds(),
            ath: access_token.map(ath),
            nonce: self.nonce.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        };
        make_proof(self.signer.as_ref(), &claims).map_err(|error| ClientError::Unsendable(error.to_string()))
    }

    /// Keeps the nonce of a reply, success or not (RFC 9449 §8.2), and says whether the reply asks to repeat with it.
    pub fn learn(&self, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> bool {
        let nonce = headers.get("dpop-nonce").and_then(|value| value.to_str().ok());
        let Some(nonce) = nonce.filter(|nonce| !nonce.is_empty() && nonce.len() <= NONCE_BYTES) else { return false };
        *self.nonce.lock().unwrap_or_else(PoisonError::into_inner) = Some(nonce.to_owned());
        match status {
            // The token endpoint says it in the body (§8), a protected resource in the header (§9).
            StatusCode::BAD_REQUEST => error_code(body).is_some_and(|(code, _)| code == "use_dpop_nonce"),
            StatusCode::UNAUTHORIZED => headers
                .get(header::WWW_AUTHENTICATE)
                .and_then(|value| value.to_str().ok())
                .is_some_and(|value| value.contains(r#"error="use_dpop_nonce""#)),
            _ => false,
        }
    }
}

/// A confidential client at one issuer.
pub struct OAuthClient {
    http: HttpClient,
    issuer: Issuer,
    client_id: String,
    signer: Es256Signer,
}

impl std::fmt::Debug for OAuthClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "OAuthClient({} at {})", self.client_id, self.issuer)
    }
}

impl OAuthClient {
    /// The client `client_id` with its private key (a JWK, P-256).
    ///
    /// # Errors
    /// [`ClientError::Unsendable`] when the key cannot be read; the text never holds any of it.
    pub fn new(http: HttpClient, issuer: Issuer, client_id: &str, private_jwk: &str) -> Result<Self, ClientError> {
        let unreadable = || ClientError::Unsendable("the private key is not a P-256 JWK".into());
        let jwk: Value = serde_json::from_str(private_jwk).map_err(|_| unreadable())?;
        let signer = Es256Signer::from_private_jwk(&jwk, SystemRandom::new()).map_err(|_| unreadable())?;
        Ok(Self { http, issuer, client_id: client_id.to_owned(), signer })
    }

    /// The client's identifier.
    pub fn client_id(&self) -> &str {
        &self.client_id
    }

    /// The issuer.
    pub const fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    /// Posts a form to an endpoint of the issuer's, authenticated, and with a proof by `dpop`. Repeats once when
    /// the issuer asks for a nonce.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn post(&self, endpoint: &str, form: &[(&str, &str)], dpop: &DpopKey) -> Result<Value, ClientError> {
        let mut repeated = false;
        loop {
            let reply = self.http.send(self.request(endpoint, form, dpop)?).await?;
            let asks_to_repeat = dpop.learn(reply.status(), reply.headers(), reply.body());
            if !asks_to_repeat || std::mem::replace(&mut repeated, true) {
                return read(&reply);
            }
        }
    }

    fn request(
        &self,
        endpoint: &str,
        form: &[(&str, &str)],
        dpop: &DpopKey,
    ) -> Result<Request<Full<Bytes>>, ClientError> {
        // The assertion is for one use, so each attempt has its own (RFC 7523 §3, jti).
        let assertion = make_assertion(&self.signer, &self.client_id, &self.issuer, random::token(), clock::now())
            .map_err(|error| ClientError::Unsendable(error.to_string()))?;
        let body = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(form)
            .append_pair("client_id", &self.client_id)
            .append_pair("client_assertion_type", ASSERTION_TYPE)
            .append_pair("client_assertion", &assertion)
            .finish();
        Request::post(endpoint)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(header::ACCEPT, "application/json")
            .header("dpop", dpop.proof("POST", endpoint, None)?)
            .body(Full::from(body))
            .map_err(|error| ClientError::Unsendable(error.to_string()))
    }
}

fn read(reply: &Response<Bytes>) -> Result<Value, ClientError> {
    if reply.status().is_success() {
        return serde_json::from_slice(reply.body()).map_err(|_| ClientError::Unexpected(reply.status()));
    }
    match error_code(reply.body()) {
        Some((error, description)) => Err(ClientError::Refused { error, description }),
        None => Err(ClientError::Unexpected(reply.status())),
    }
}

fn error_code(body: &[u8]) -> Option<(String, String)> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let text = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let code = text("error");
    if code.is_empty() { None } else { Some((code, text("error_description"))) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_is_learnt_from_every_reply_and_repeated_only_when_asked() {
        let asks = br#"{"error":"use_dpop_nonce"}"#.as_slice();
        let resource = r#"DPoP error="use_dpop_nonce", algs="ES256""#;
        for (status, nonce, challenge, body, repeat) in [
            (400, Some("n"), None, asks, true),
            (400, None, None, asks, false),
            (400, Some("n"), None, br#"{"error":"invalid_grant"}"#.as_slice(), false),
            (401, Some("n"), Some(resource), b"".as_slice(), true),
            (401, Some("n"), Some(r#"DPoP error="invalid_token""#), b"".as_slice(), false),
            (401, None, Some(resource), b"".as_slice(), false),
            (200, Some("n"), None, asks, false),
        ] {
            let key = DpopKey::generate().unwrap();
            let mut headers = HeaderMap::new();
            if let Some(nonce) = nonce {
                headers.insert("dpop-nonce", nonce.parse().unwrap());
            }
            if let Some(challenge) = challenge {
                headers.insert(header::WWW_AUTHENTICATE, challenge.parse().unwrap());
            }
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(key.learn(status, &headers, body), repeat, "{status} {nonce:?} {challenge:?}");
            assert_eq!(key.nonce.lock().unwrap().as_deref(), nonce);
        }
    }

    #[test]
    fn no_private_key_is_in_debug_or_errors() {
        let http = HttpClient::new(&crate::http::Trust::PublicRoots).unwrap();
        let issuer = Issuer::parse("https://id.example").unwrap();
        let error = OAuthClient::new(http, issuer, "c", r#"{"kty":"EC","d":"topsecret"}"#).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("topsecret"));
    }
}
