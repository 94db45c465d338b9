//! ID tokens (OpenID Connect Core §2): who signed in, how and when, for the client.

use crate::{
    jose::{Algorithm, EmbeddedKey, JoseError, Jwks, Jws, Profile, SignError, Signer, TypRule, sign},
    uri::Issuer,
};
use counterfoil_core::{
    assurance::Acr,
    id::{SessionId, SubjectId},
    limits,
    time::Time,
};
use serde::{Deserialize, Serialize};

const TYP: &str = "JWT";
const PROFILE: Profile = Profile {
    // Not `at+jwt`, and an access token is no ID token.
    typ: TypRule::AbsentOrOneOf(&[TYP]),
    algorithms: Algorithm::ES256_ONLY,
    embedded_key: EmbeddedKey::Forbidden,
    bytes_max: limits::JWT_BYTES,
};

/// The claims.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdTokenClaims {
    /// Us.
    pub iss: Issuer,
    /// The person.
    pub sub: SubjectId,
    /// The client.
    pub aud: String,
    /// When it ends, in seconds since the epoch.
    pub exp: i64,
    /// When it was made.
    pub iat: i64,
    /// When the person last proved who they are.
    pub auth_time: i64,
    /// The client's own, given back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nonce: Option<String>,
    /// What the sign-in amounted to.
    pub acr: Acr,
    /// By which methods (RFC 8176).
    pub amr: Vec<String>,
    /// The session at our side (OpenID Connect Front-Channel Logout §3).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sid: Option<SessionId>,
}

/// Why an ID token is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdTokenError {
    /// The JWT itself.
    #[error("the ID token: {0}")]
    Jose(#[from] JoseError),
    /// Another issuer's, another client's, another request's, or over.
    #[error("the ID token is for another issuer, client or request, or has expired")]
    NotOurs,
}

/// Signs an ID token.
///
/// # Errors
/// [`SignError`].
pub fn issue(signer: &dyn Signer, claims: &IdTokenClaims) -> Result<String, SignError> {
    sign(signer, TYP, claims)
}

/// Checks an ID token as its client must (OpenID Connect Core §3.1.3.7).
///
/// # Errors
/// [`IdTokenError`].
pub fn verify(
    token: &str,
    keys: &Jwks,
    issuer: &Issuer,
    client_id: &str,
    nonce: Option<&str>,
    now: Time,
) -> Result<IdTokenClaims, IdTokenError> {
    let jws = Jws::parse(token, &PROFILE)?;
    let key = keys.find(jws.header().kid(), jws.header().algorithm())?;
    let claims = jws.verify::<IdTokenClaims>(key)?.into_claims();
    let ours = claims.iss == *issuer
        && claims.aud == client_id
        && claims.nonce.as_deref() == nonce
        && now < Time::from_seconds(claims.exp)
        && Time::from_seconds(claims.iat) <= now.plus_seconds(limits::CLOCK_LEEWAY_SECONDS);
    if ours { Ok(claims) } else { Err(IdTokenError::NotOurs) }
}
