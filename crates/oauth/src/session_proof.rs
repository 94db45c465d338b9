//! The session proof (CONTRACT §5): what a page's key signs for each request that changes or reads something personal.
//!
//! A JWS in the header `Counterfoil-Proof` over method, URL, body hash, session and a server nonce. The session's first
//! proof alone carries the key; the first key wins.

use crate::{
    jose::{Algorithm, EmbeddedKey, JoseError, Jwk, Jws, Profile, TypRule, Verified, VerifyingKey},
    server_nonce::{NonceError, NonceKey, VerifiedNonce},
    uri::HttpUri,
};
use counterfoil_core::{digest::Digest, id::SessionId, limits, time::Time};
use serde::{Deserialize, Serialize};

/// The request header that carries the proof.
pub const HEADER: &str = "Counterfoil-Proof";
/// The response header that carries the next nonce.
pub const NONCE_HEADER: &str = "Counterfoil-Nonce";
/// The `typ` of a proof.
pub const TYP: &str = "counterfoil-proof+jwt";

const PROFILE: Profile = Profile {
    typ: TypRule::Exactly(TYP),
    algorithms: Algorithm::ES256_ONLY,
    embedded_key: EmbeddedKey::Optional,
    bytes_max: limits::JWT_BYTES,
};

/// The claims of a proof.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SessionProofClaims {
    /// The request's method.
    pub htm: String,
    /// The request's target, without query and fragment.
    pub htu: String,
    /// base64url SHA-256 of the body, of no bytes where there is none.
    pub bh: Digest,
    /// The session's public handle; absent in the first proof, whose answer names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sid: Option<SessionId>,
    /// A server nonce, spent once. Absent in a page's first try, which asks for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nonce: Option<String>,
    /// When the page made it, by its own clock: for the record only, freshness is the nonce's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iat: Option<i64>,
}

/// Why a proof is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SessionProofError {
    /// The JWS itself.
    #[error("the session proof: {0}")]
    Jose(#[from] JoseError),
    /// A first proof has a key and no session, any other a session and no key.
    #[error("a session proof has either a key (the first) or a session (the others)")]
    KeyOrSession,
    /// Another session's.
    #[error("the proof is for another session")]
    Session,
    /// Made for another method.
    #[error("htm is not the method of this request")]
    Method,
    /// Made for another target: also what a relay under another name gets.
    #[error("htu is not the URL of this request")]
    Target,
    /// Made for another body.
    #[error("bh is not the hash of the body")]
    Body,
    /// The nonce is absent, not ours or stale: answer `use-nonce` with a fresh one.
    #[error("a fresh nonce is needed")]
    Nonce,
}

/// The request that a proof must be made for.
#[derive(Clone, Copy, Debug)]
pub struct SignedRequest<'a> {
    /// Its method.
    pub method: &'a str,
    /// Its target as we publish it.
    pub uri: &'a HttpUri,
    /// Its body, every byte.
    pub body: &'a [u8],
    /// When it came.
    pub now: Time,
}

/// A proof that was read: it says which session's key to verify it with, and is not to be believed.
#[derive(Debug)]
#[must_use = "a proof that was read is not yet verified"]
pub struct SessionProof<'a> {
    jws: Jws<'a>,
    sid: Option<SessionId>,
}

/// A proof that satisfied every check; its nonce is still to be spent, in the unit of work that acts on it. Only
/// [`SessionProof::verify`] and [`SessionProof::verify_first`] make one.
#[derive(Debug)]
#[must_use]
pub struct VerifiedSessionProof {
    jkt: Digest,
    nonce: VerifiedNonce,
    iat: Option<Time>,
}

impl<'a> SessionProof<'a> {
    /// Reads the header.
    ///
    /// # Errors
    /// [`SessionProofError::Jose`] for its form, [`SessionProofError::KeyOrSession`] when it has both a key and a session, or
    /// neither.
    pub fn parse(header: &'a str) -> Result<Self, SessionProofError> {
        let jws = Jws::parse(header, &PROFILE)?;
        let sid = match jws.unverified_text_claim("sid") {
            Some(text) => Some(text.parse().map_err(|_| SessionProofError::Session)?),
            None => None,
        };
        if jws.header().jwk().is_some() == sid.is_some() {
            return Err(SessionProofError::KeyOrSession);
        }
        Ok(Self { jws, sid })
    }

    /// The session it claims to be of; none for a first proof.
    pub const fn session(&self) -> Option<SessionId> {
        self.sid
    }

    /// Whether it brings a key of its own and names no session.
    pub const fn is_first(&self) -> bool {
        self.sid.is_none()
    }

    /// Checks it against the key that the session was born with.
    ///
    /// # Errors
    /// [`SessionProofError`].
    pub fn verify(
        self,
        session: SessionId,
        key: &VerifyingKey,
        request: SignedRequest<'_>,
        nonces: &NonceKey,
    ) -> Result<VerifiedSessionProof, SessionProofError> {
        let proof = self.jws.verify::<SessionProofClaims>(key)?;
        check(&proof, Some(session), request, nonces)
    }

    /// Checks a first proof and gives the key that the session is bound to from now on.
    ///
    /// # Errors
    /// [`SessionProofError`].
    pub fn verify_first(
        self,
        request: SignedRequest<'_>,
        nonces: &NonceKey,
    ) -> Result<(VerifiedSessionProof, Jwk), SessionProofError> {
        if !self.is_first() {
            return Err(SessionProofError::KeyOrSession);
        }
        let (proof, key) = self.jws.verify_with_embedded_key::<SessionProofClaims>()?;
        let verified = check(&proof, None, request, nonces)?;
        Ok((verified, key.jwk().clone()))
    }
}

fn check(
    proof: &Verified<SessionProofClaims>,
    session: Option<SessionId>,
    request: SignedRequest<'_>,
    nonces: &NonceKey,
) -> Result<VerifiedSessionProof, SessionProofError> {
    let claims = proof.claims();
    if claims.sid != session {
        return Err(SessionProofError::Session);
    }
    if claims.htm != request.method {
        return Err(SessionProofError::Method);
    }
    if HttpUri::parse(&claims.htu).as_ref() != Ok(request.uri) {
        return Err(SessionProofError::Target);
    }
    if claims.bh != Digest::of(request.body) {
        return Err(SessionProofError::Body);
    }
    let nonce = claims.nonce.as_deref().ok_or(SessionProofError::Nonce)?;
    let nonce = nonces.verify(nonce, request.now).map_err(|_: NonceError| SessionProofError::Nonce)?;
    Ok(VerifiedSessionProof { jkt: proof.key_thumbprint(), nonce, iat: claims.iat.map(Time::from_seconds) })
}

impl VerifiedSessionProof {
    /// The thumbprint of the session's key: what a known device is known by.
    pub const fn jkt(&self) -> Digest {
        self.jkt
    }

    /// What to spend, once, in the same unit of work.
    pub const fn spend_key(&self) -> Digest {
        self.nonce.spend_key()
    }

    /// Until when the spent nonce must be remembered.
    pub const fn remember_until(&self) -> Time {
        self.nonce.remember_until()
    }

    /// The page's clock, if it said.
    pub const fn iat(&self) -> Option<Time> {
        self.iat
    }
}

const _: () = assert!(limits::REPLAY_MEMORY_SECONDS >= limits::NONCE_SECONDS + limits::CLOCK_LEEWAY_SECONDS);
