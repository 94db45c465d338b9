//! Client authentication: `private_key_jwt` (RFC 7523 §3, OpenID Connect Core §9) as FAPI 2.0 narrows it, or none.

use crate::{
    client::Client,
    error::{ErrorCode, OAuthError},
    form::Form,
    jose::{Algorithm, EmbeddedKey, JoseError, Jws, Profile, SignError, Signer, TypRule, sign},
    uri::Issuer,
};
use counterfoil_core::{digest::Digest, limits, time::Time};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{ops::Deref, sync::Arc};

/// The one `client_assertion_type`.
pub const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

const PROFILE: Profile = Profile {
    typ: TypRule::AbsentOrOneOf(&["JWT", "client-authentication+jwt"]),
    algorithms: Algorithm::FAPI,
    embedded_key: EmbeddedKey::Forbidden,
    bytes_max: limits::JWT_BYTES,
};

/// The claims of a client assertion.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AssertionClaims {
    /// The client.
    pub iss: String,
    /// The client.
    pub sub: String,
    /// Us. Read as it came, because an array is refused (FAPI 2.0 §5.3.2.1).
    pub aud: Value,
    /// Unique to this assertion.
    pub jti: String,
    /// When it ends, in seconds since the epoch.
    pub exp: i64,
    /// When it was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iat: Option<i64>,
    /// From when it counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nbf: Option<i64>,
}

/// What a request says of its client, to be verified.
#[derive(Debug)]
#[must_use = "a client that was named is not yet verified"]
pub struct PresentedClient<'a> {
    client_id: String,
    assertion: Option<Jws<'a>>,
}

/// A client that proved who it is, or a public one, which cannot. Only [`PresentedClient::verify`] makes one.
#[derive(Debug)]
#[must_use]
pub struct VerifiedClient {
    client: Arc<Client>,
    assertion: Option<AssertionUse>,
}

/// What to remember of an assertion, in the unit of work that acts on it: each is used once (RFC 7523 §3 point 7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AssertionUse {
    /// A hash over client and `jti`.
    pub replay_key: Digest,
    /// Later than this it is refused anyway.
    pub remember_until: Time,
}

impl<'a> PresentedClient<'a> {
    /// Reads the client of a form.
    ///
    /// # Errors
    /// `invalid_client` when nothing names a client, a shared secret is sent, or the assertion is malformed;
    /// `invalid_request` when the parts contradict each other.
    pub fn read(form: &'a Form) -> Result<Self, OAuthError> {
        if form.get("client_secret").is_some() {
            return Err(invalid("Shared secrets are not supported; use private_key_jwt."));
        }
        let named = form.bounded("client_id", limits::NAME_BYTES)?;
        match (form.get("client_assertion"), form.get("client_assertion_type")) {
            (None, None) => {
                let client_id = named.ok_or(invalid("The request names no client."))?.to_owned();
                Ok(Self { client_id, assertion: None })
            }
            (Some(assertion), Some(ASSERTION_TYPE)) => {
                let assertion = Jws::parse(assertion, &PROFILE).map_err(|error| refused(&error))?;
                let client_id = assertion
                    .unverified_text_claim("sub")
                    .filter(|sub| sub.len() <= limits::NAME_BYTES)
                    .ok_or(invalid("The client assertion has no sub."))?;
                if named.is_some_and(|named| named != client_id) {
                    return Err(OAuthError::invalid_request("client_id is not the sub of the client assertion."));
                }
                Ok(Self { client_id, assertion: Some(assertion) })
            }
            _ => Err(OAuthError::invalid_request(
                "client_assertion goes with client_assertion_type urn:ietf:params:oauth:client-assertion-type:jwt-bearer.",
            )),
        }
    }

    /// Which registration to look up.
    pub fn client_id(&self) -> &str {
        &self.client_id
    }

    /// Checks it against that registration.
    ///
    /// # Errors
    /// `invalid_client`, with what was wrong: signature, key, audience, times, `jti`. Whoever holds the key may know.
    pub fn verify(self, client: Arc<Client>, issuer: &Issuer, now: Time) -> Result<VerifiedClient, OAuthError> {
        if client.id() != self.client_id {
            return Err(unknown_client());
        }
        let (assertion, keys) = match (self.assertion, client.metadata().jwks.as_ref()) {
            (None, None) => return Ok(VerifiedClient { client, assertion: None }),
            (Some(assertion), Some(keys)) => (assertion, keys),
            (None, Some(_)) => return Err(invalid("This client authenticates with private_key_jwt.")),
            (Some(_), None) => return Err(invalid("This client is public and has no keys.")),
        };
        let header = assertion.header();
        let key = keys.find(header.kid(), header.algorithm()).map_err(|error| refused(&error))?;
        let claims = assertion.verify::<AssertionClaims>(key).map_err(|error| refused(&error))?.into_claims();
        let remember_until = check(&claims, client.id(), issuer, now)?;
        let replay_key = Digest::of_parts(&[
            b"counterfoil/client-assertion\0",
            Digest::of(client.id().as_bytes()).as_bytes(),
            claims.jti.as_bytes(),
        ]);
        Ok(VerifiedClient { client, assertion: Some(AssertionUse { replay_key, remember_until }) })
    }
}

/// RFC 7523 §3, FAPI 2.0 §5.3.2.1. Gives until when the assertion could be used.
fn check(claims: &AssertionClaims, client_id: &str, issuer: &Issuer, now: Time) -> Result<Time, OAuthError> {
    if claims.iss != client_id || claims.sub != client_id {
        return Err(invalid("iss and sub of the client assertion must be the client_id."));
    }
    if claims.aud.as_str() != Some(issuer.as_str()) {
        return Err(invalid("aud of the client assertion must be our issuer, as a single string."));
    }
    if claims.jti.is_empty() || claims.jti.len() > limits::NAME_BYTES {
        return Err(invalid("jti of the client assertion is empty or too long."));
    }
    let latest = now.plus_seconds(limits::CLOCK_LEEWAY_SECONDS);
    if [claims.iat, claims.nbf].into_iter().flatten().any(|from| Time::from_seconds(from) > latest) {
        return Err(invalid("The client assertion is from the future."));
    }
    // Stock libraries write an exp far away; then its age bounds it, so that memory for `jti` has an end.
    let mut end = Time::from_seconds(claims.exp);
    if let Some(iat) = claims.iat {
        end = end.min(Time::from_seconds(iat).plus_seconds(limits::CLIENT_ASSERTION_SECONDS));
    }
    if now.plus_seconds(-limits::CLOCK_LEEWAY_SECONDS) >= end {
        return Err(invalid("The client assertion has expired, or is older than a minute."));
    }
    if end > latest.plus_seconds(limits::CLIENT_ASSERTION_SECONDS) {
        return Err(invalid("The client assertion lives too long: give it an iat, or an exp within a minute."));
    }
    Ok(end.plus_seconds(limits::CLOCK_LEEWAY_SECONDS))
}

impl VerifiedClient {
    /// The registration.
    pub const fn client(&self) -> &Arc<Client> {
        &self.client
    }

    /// What to remember, unless the client is public.
    pub const fn assertion_use(&self) -> Option<AssertionUse> {
        self.assertion
    }
}

impl Deref for VerifiedClient {
    type Target = Client;
    fn deref(&self) -> &Client {
        &self.client
    }
}

/// The answer to a name that nobody registered: the same as to a wrong key of a known one.
pub fn unknown_client() -> OAuthError {
    invalid("The client is unknown, or its assertion does not verify.")
}

fn invalid(description: &'static str) -> OAuthError {
    OAuthError::new(ErrorCode::InvalidClient, description)
}

fn refused(error: &JoseError) -> OAuthError {
    match error {
        JoseError::Signature | JoseError::UnknownKey | JoseError::Algorithm => unknown_client(),
        other => OAuthError::composed(ErrorCode::InvalidClient, &format!("The client assertion: {other}.")),
    }
}

/// Makes an assertion, for clients of ours. `jti` is random text of theirs.
///
/// # Errors
/// [`SignError`].
pub fn make_assertion(
    signer: &dyn Signer,
    client_id: &str,
    issuer: &Issuer,
    jti: String,
    now: Time,
) -> Result<String, SignError> {
    let claims = AssertionClaims {
        iss: client_id.to_owned(),
        sub: client_id.to_owned(),
        aud: issuer.as_str().into(),
        jti,
        exp: now.seconds() + limits::CLIENT_ASSERTION_SECONDS,
        iat: Some(now.seconds()),
        nbf: None,
    };
    sign(signer, "JWT", &claims)
}
