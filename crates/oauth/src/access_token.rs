//! JWT access tokens (RFC 9068), sender-constrained (RFC 9449 §6): made by us, verified by us and by the guard.

use crate::{
    dpop::BoundToken,
    error::{ErrorCode, OAuthError},
    jose::{Algorithm, EmbeddedKey, JoseError, Jwks, Jws, Profile, SignError, Signer, TypRule, sign},
    rar::AuthorizationDetails,
    uri::Issuer,
};
use counterfoil_core::{
    assurance::Acr,
    digest::Digest,
    id::{ChallengeId, LoginId, SubjectId, TokenId},
    limits,
    time::Time,
};
use serde::{Deserialize, Serialize};

/// The `typ` of an access token (RFC 9068 §2.1): what keeps other JWTs of ours from being used as one.
pub const TYP: &str = "at+jwt";
/// A token with its transaction; a request header must carry it.
pub const TOKEN_BYTES: usize = limits::ACCESS_TOKEN_BYTES;

const PROFILE: Profile = Profile {
    typ: TypRule::Exactly(TYP),
    algorithms: Algorithm::ES256_ONLY,
    embedded_key: EmbeddedKey::Forbidden,
    bytes_max: TOKEN_BYTES,
};

/// The claims (RFC 9068 §2.2, RFC 9396 §9.1, and ours of DESIGN §6).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessTokenClaims {
    /// Us.
    pub iss: Issuer,
    /// The one protected API it is for.
    pub aud: String,
    /// The subject, or the client itself with client credentials.
    pub sub: String,
    /// The client it was issued to.
    pub client_id: String,
    /// When, in seconds since the epoch.
    pub iat: i64,
    /// When it ends, in seconds since the epoch.
    pub exp: i64,
    /// Its own identifier.
    pub jti: TokenId,
    /// The key that its holder must prove (RFC 7800 §3).
    pub cnf: Confirmation,
    /// Scopes, space-separated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// What the sign-in, or with a transaction its proof, amounted to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acr: Option<Acr>,
    /// By which methods (RFC 8176).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub amr: Vec<String>,
    /// When the person last proved who they are, in seconds since the epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth_time: Option<i64>,
    /// The login that all this came from; containment names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lineage: Option<LoginId>,
    /// The challenge that approved the transaction: the key of spending.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub txn: Option<ChallengeId>,
    /// The transaction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorization_details: Option<AuthorizationDetails>,
}

/// Which key the holder must prove.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confirmation {
    /// SHA-256 thumbprint of the DPoP key (RFC 9449 §6.1).
    pub jkt: Digest,
}

/// Why a token is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccessTokenError {
    /// The JWT itself.
    #[error("the access token: {0}")]
    Jose(#[from] JoseError),
    /// Somebody else's.
    #[error("the access token is not of this issuer")]
    Issuer,
    /// For another API.
    #[error("the access token is for another audience")]
    Audience,
    /// Over.
    #[error("the access token has expired")]
    Expired,
    /// Not begun, by more than clocks differ, or living longer than any that we make.
    #[error("the access token's times are impossible")]
    Times,
    /// `txn` without a transaction or the reverse.
    #[error("the access token's transaction is incomplete")]
    Transaction,
}

impl AccessTokenError {
    /// `invalid_token` (RFC 6750 §3.1).
    pub fn to_oauth(&self) -> OAuthError {
        OAuthError::composed(ErrorCode::InvalidToken, &format!("{self}."))
    }
}

/// Signs a token. Also gives what verifying it would give: whoever has just signed it need not.
///
/// # Errors
/// [`SignError`], also when it came out larger than any verifier takes.
pub fn issue(signer: &dyn Signer, claims: &AccessTokenClaims) -> Result<(String, VerifiedAccessToken), SignError> {
    let token = sign(signer, TYP, claims)?;
    if token.len() > TOKEN_BYTES {
        return Err(SignError);
    }
    let verified = VerifiedAccessToken { claims: claims.clone(), digest: Digest::of(token.as_bytes()) };
    Ok((token, verified))
}

/// A token that we made, for this audience, and that has not expired. Possession is another matter: see
/// [`VerifiedAccessToken::bound`]. Only [`verify`] and [`issue`] make one.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub struct VerifiedAccessToken {
    claims: AccessTokenClaims,
    digest: Digest,
}

/// Checks a token (RFC 9068 §4). `audience` is the API that asks; none where the caller looks at `aud` itself.
///
/// # Errors
/// [`AccessTokenError`]; [`JoseError::UnknownKey`] inside it means that the key set may be old.
pub fn verify(
    token: &str,
    keys: &Jwks,
    issuer: &Issuer,
    audience: Option<&str>,
    now: Time,
) -> Result<VerifiedAccessToken, AccessTokenError> {
    let jws = Jws::parse(token, &PROFILE)?;
    let key = keys.find(jws.header().kid(), jws.header().algorithm())?;
    let claims = jws.verify::<AccessTokenClaims>(key)?.into_claims();
    if claims.iss != *issuer {
        return Err(AccessTokenError::Issuer);
    }
    if audience.is_some_and(|audience| audience != claims.aud) {
        return Err(AccessTokenError::Audience);
    }
    if now >= Time::from_seconds(claims.exp) {
        return Err(AccessTokenError::Expired);
    }
    let longest = if claims.txn.is_some() { limits::TRANSACTION_TOKEN_SECONDS } else { limits::ACCESS_TOKEN_SECONDS };
    if Time::from_seconds(claims.iat) > now.plus_seconds(limits::CLOCK_LEEWAY_SECONDS)
        || claims.exp > claims.iat.saturating_add(longest)
    {
        return Err(AccessTokenError::Times);
    }
    if claims.txn.is_some() != claims.authorization_details.is_some() {
        return Err(AccessTokenError::Transaction);
    }
    Ok(VerifiedAccessToken { digest: Digest::of(token.as_bytes()), claims })
}

impl VerifiedAccessToken {
    /// What we said.
    pub const fn claims(&self) -> &AccessTokenClaims {
        &self.claims
    }

    /// SHA-256 of the token as sent: `ath`, and the key of a memory of verified tokens.
    pub const fn digest(&self) -> Digest {
        self.digest
    }

    /// What a DPoP proof that comes with it must show.
    pub const fn bound(&self) -> BoundToken {
        BoundToken { ath: self.digest, jkt: self.claims.cnf.jkt }
    }

    /// The person, unless it is a client's own token.
    pub fn subject(&self) -> Option<SubjectId> {
        self.claims.lineage.and_then(|_| self.claims.sub.parse().ok())
    }

    /// Whether a remembered token is over by now.
    pub fn is_expired(&self, now: Time) -> bool {
        now >= Time::from_seconds(self.claims.exp)
    }

    /// Whether it has this scope.
    pub fn has_scope(&self, scope: &str) -> bool {
        self.claims.scope.as_deref().is_some_and(|scopes| scopes.split(' ').any(|candidate| candidate == scope))
    }
}
