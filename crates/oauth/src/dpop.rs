//! Proof of possession of a key, per request (RFC 9449). Which check of §4.3 is which stands at its line.

use crate::{
    error::{ErrorCode, OAuthError},
    jose::{
        Algorithm, EmbeddedKey, JoseError, Jws, Profile, SignError, Signer, TypRule, Verified, VerifyingKey,
        sign_with_embedded_key,
    },
    server_nonce::{NonceError, NonceKey},
    uri::HttpUri,
};
use counterfoil_core::{digest::Digest, limits, time::Time};
use serde::{Deserialize, Serialize};

/// The `typ` of a proof.
pub const TYP: &str = "dpop+jwt";
/// `jti` is hashed before it is remembered; this only bounds the hashing (RFC 9449 §11.1).
const JTI_BYTES: usize = limits::NAME_BYTES;

const PROFILE: Profile = Profile {
    typ: TypRule::Exactly(TYP),
    algorithms: Algorithm::FAPI,
    embedded_key: EmbeddedKey::Required,
    bytes_max: limits::JWT_BYTES,
};

/// The claims of a proof (RFC 9449 §4.2).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ProofClaims {
    /// Unique to this proof: at least 96 random bits.
    pub jti: String,
    /// The request's method.
    pub htm: String,
    /// The request's target, without query and fragment.
    pub htu: String,
    /// When it was made, in seconds since the epoch.
    pub iat: i64,
    /// The hash of the access token it accompanies ([`ath`]).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ath: Option<Digest>,
    /// The nonce that the server asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nonce: Option<String>,
}

/// Why a proof is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DpopError {
    /// There is none, and one is needed.
    #[error("the DPoP header is missing")]
    Missing,
    /// More than one header field (check 1).
    #[error("more than one DPoP header")]
    Several,
    /// The JWT itself (checks 2 to 7).
    #[error("the DPoP proof: {0}")]
    Jose(#[from] JoseError),
    /// Made for another method (check 8).
    #[error("htm is not the method of this request")]
    Method,
    /// Made for another target (check 9).
    #[error("htu is not the URL of this request")]
    Target,
    /// The nonce is absent, not ours, or stale (check 10): answer with a fresh one.
    #[error("a fresh nonce is needed")]
    Nonce,
    /// Made too long ago, or in the future (check 11).
    #[error("iat is outside the accepted window")]
    Age,
    /// Not made for this access token (check 12a).
    #[error("ath is not the hash of the access token")]
    AccessToken,
    /// The token is bound to another key (check 12b).
    #[error("the token is bound to another key")]
    Key,
    /// `jti` is empty or too long.
    #[error("jti is empty or too long")]
    Jti,
}

impl DpopError {
    /// The answer of an endpoint of ours (RFC 9449 §5 and §8).
    pub fn to_oauth(&self) -> OAuthError {
        match self {
            Self::Nonce => OAuthError::new(ErrorCode::UseDpopNonce, "Repeat with the nonce of the DPoP-Nonce header."),
            other => OAuthError::composed(ErrorCode::InvalidDpopProof, &format!("{other}.")),
        }
    }
}

/// The request that a proof must be made for.
#[derive(Clone, Copy, Debug)]
pub struct ProvenRequest<'a> {
    /// Its method.
    pub method: &'a str,
    /// Its target as we publish it, not as a `Host` header says.
    pub uri: &'a HttpUri,
    /// When it came.
    pub now: Time,
}

/// The access token that a proof accompanies.
#[derive(Clone, Copy, Debug)]
pub struct BoundToken {
    /// SHA-256 of the token as sent.
    pub ath: Digest,
    /// `cnf.jkt` of it.
    pub jkt: Digest,
}

/// A proof that satisfied every check but replay, which only memory can: remember [`VerifiedDpopProof::replay_key`] in the
/// unit of work that acts on it. Only [`verify`] makes one.
#[derive(Debug)]
#[must_use]
pub struct VerifiedDpopProof {
    key: VerifyingKey,
    iat: Time,
    replay_key: Digest,
}

impl VerifiedDpopProof {
    /// The thumbprint of the key proven (`jkt`).
    pub const fn jkt(&self) -> Digest {
        self.key.thumbprint()
    }

    /// When the proof was made, by its maker's clock.
    pub const fn iat(&self) -> Time {
        self.iat
    }

    /// What to remember: a hash over key, target and `jti`, so that nobody's `jti` spends another's (check 13 of §11.1).
    pub const fn replay_key(&self) -> Digest {
        self.replay_key
    }

    /// Until when it must be remembered; later it is refused for its age.
    pub const fn remember_until(&self) -> Time {
        self.iat.plus_seconds(limits::DPOP_PROOF_SECONDS + limits::CLOCK_LEEWAY_SECONDS)
    }
}

/// A proof that a protected API received and passed on: the key was held when the API was called. Its nonce and `jti` are
/// that API's duty, so a retry of the API's call to us is safe (DESIGN §6). Only [`verify_for_api`] makes one.
#[derive(Debug)]
#[must_use]
pub struct ApiPossession {
    jkt: Digest,
    iat: Time,
}

impl ApiPossession {
    /// The thumbprint of the key proven.
    pub const fn jkt(&self) -> Digest {
        self.jkt
    }

    /// When the proof was made, by its maker's clock.
    pub const fn iat(&self) -> Time {
        self.iat
    }
}

/// The one `DPoP` header field of a request, if there is any (RFC 9449 §4.3 check 1).
///
/// # Errors
/// [`DpopError::Several`]; also when the one field holds several values.
pub fn single_header<'a>(mut fields: impl Iterator<Item = &'a str>) -> Result<Option<&'a str>, DpopError> {
    match (fields.next(), fields.next()) {
        (None, _) => Ok(None),
        (Some(proof), None) if !proof.contains(',') => Ok(Some(proof)),
        _ => Err(DpopError::Several),
    }
}

/// Checks a proof made for us: everything of RFC 9449 §4.3, and a nonce of ours where `nonces` is given.
///
/// # Errors
/// [`DpopError`]; the nonce is looked at after the signature, so that only a key's holder learns that it is stale.
pub fn verify(
    proof: &str,
    request: ProvenRequest<'_>,
    nonces: Option<&NonceKey>,
    token: Option<BoundToken>,
) -> Result<VerifiedDpopProof, DpopError> {
    let (proof, key) = verify_signature_and_target(proof, request, token)?;
    let claims = proof.claims();
    if claims.jti.is_empty() || claims.jti.len() > JTI_BYTES {
        return Err(DpopError::Jti);
    }
    // Check 10.
    if let Some(nonces) = nonces {
        let nonce = claims.nonce.as_deref().ok_or(DpopError::Nonce)?;
        let _fresh = nonces.verify(nonce, request.now).map_err(|_: NonceError| DpopError::Nonce)?;
    }
    let replay_key = Digest::of_parts(&[
        b"counterfoil/dpop\0",
        key.thumbprint().as_bytes(),
        Digest::of(request.uri.as_str().as_bytes()).as_bytes(),
        claims.jti.as_bytes(),
    ]);
    Ok(VerifiedDpopProof { iat: Time::from_seconds(claims.iat), key, replay_key })
}

/// Checks a proof that was made for a protected API and that the API shows us: signature, `htm`, `htu`, `iat`, `ath`, `cnf`.
///
/// # Errors
/// [`DpopError`], never for nonce or `jti`.
pub fn verify_for_api(proof: &str, request: ProvenRequest<'_>, token: BoundToken) -> Result<ApiPossession, DpopError> {
    let (proof, key) = verify_signature_and_target(proof, request, Some(token))?;
    Ok(ApiPossession { jkt: key.thumbprint(), iat: Time::from_seconds(proof.claims().iat) })
}

fn verify_signature_and_target(
    proof: &str,
    request: ProvenRequest<'_>,
    token: Option<BoundToken>,
) -> Result<(Verified<ProofClaims>, VerifyingKey), DpopError> {
    // Checks 2 to 7: form, claims, typ, alg, signature, no private key.
    let (proof, key) = Jws::parse(proof, &PROFILE)?.verify_with_embedded_key::<ProofClaims>()?;
    let claims = proof.claims();
    // Check 8. Methods are case-sensitive (RFC 9110 §9.1).
    if claims.htm != request.method {
        return Err(DpopError::Method);
    }
    // Check 9.
    if HttpUri::parse(&claims.htu).as_ref() != Ok(request.uri) {
        return Err(DpopError::Target);
    }
    // Check 11.
    check_age(claims.iat, request.now)?;
    // Check 12.
    if let Some(BoundToken { ath, jkt }) = token {
        if claims.ath != Some(ath) {
            return Err(DpopError::AccessToken);
        }
        if key.thumbprint() != jkt {
            return Err(DpopError::Key);
        }
    }
    Ok((proof, key))
}

fn check_age(iat: i64, now: Time) -> Result<(), DpopError> {
    let made = Time::from_seconds(iat);
    let latest = now.plus_seconds(limits::CLOCK_LEEWAY_SECONDS);
    if made > latest || now > made.plus_seconds(limits::DPOP_PROOF_SECONDS) { Err(DpopError::Age) } else { Ok(()) }
}

/// SHA-256 over the token's ASCII (RFC 9449 §4.2).
pub fn ath(access_token: &str) -> Digest {
    Digest::of(access_token.as_bytes())
}

/// Makes a proof, for clients of ours.
///
/// # Errors
/// [`SignError`].
pub fn make_proof(signer: &dyn Signer, claims: &ProofClaims) -> Result<String, SignError> {
    sign_with_embedded_key(signer, TYP, claims)
}
