//! Proof Key for Code Exchange, S256 only (RFC 7636): the code is worth nothing without the verifier.

use crate::error::{ErrorCode, OAuthError};
use counterfoil_core::digest::Digest;
use serde::{Deserialize, Serialize};
use std::fmt;
use subtle::ConstantTimeEq as _;

/// The one `code_challenge_method`.
pub const METHOD: &str = "S256";

/// A code challenge (RFC 7636 §4.2).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CodeChallenge(Digest);

impl CodeChallenge {
    /// Reads challenge and method of an authorization request.
    ///
    /// # Errors
    /// `invalid_request` when either is missing, the method is not S256 (`plain` is what a missing one would mean), or the
    /// challenge is not a SHA-256 value in base64url.
    pub fn parse(challenge: Option<&str>, method: Option<&str>) -> Result<Self, OAuthError> {
        let challenge = challenge.ok_or(OAuthError::invalid_request("PKCE is required: code_challenge is missing."))?;
        if method != Some(METHOD) {
            return Err(OAuthError::invalid_request("code_challenge_method must be S256."));
        }
        challenge
            .parse()
            .map(Self)
            .map_err(|_| OAuthError::invalid_request("code_challenge must be the base64url of a SHA-256 value."))
    }

    /// The challenge of a verifier, for clients of ours.
    pub fn of(verifier: &str) -> Self {
        Self(Digest::of(verifier.as_bytes()))
    }

    /// Checks the verifier of a token request (RFC 7636 §4.6).
    ///
    /// # Errors
    /// `invalid_grant` when it is missing, not 43 to 128 unreserved characters, or not the challenge's.
    pub fn check(&self, verifier: Option<&str>) -> Result<(), OAuthError> {
        let mismatch = OAuthError::new(ErrorCode::InvalidGrant, "code_verifier is not that of this code.");
        let Some(verifier) = verifier else { return Err(mismatch) };
        let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        if !(43..=128).contains(&verifier.len()) || !verifier.bytes().all(unreserved) {
            return Err(mismatch);
        }
        let equal = Digest::of(verifier.as_bytes()).as_bytes().ct_eq(self.0.as_bytes());
        if bool::from(equal) { Ok(()) } else { Err(mismatch) }
    }
}

impl fmt::Display for CodeChallenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for CodeChallenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CodeChallenge({})", self.0)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // a test that cannot go on should stop
mod tests {
    use super::*;

    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    #[test]
    fn rfc_7636_appendix_b() {
        let challenge = CodeChallenge::parse(Some(CHALLENGE), Some("S256")).unwrap();
        assert_eq!(challenge, CodeChallenge::of(VERIFIER));
        assert_eq!(challenge.check(Some(VERIFIER)), Ok(()));
    }

    #[test]
    fn other_verifiers_are_refused() {
        let challenge = CodeChallenge::of(VERIFIER);
        let short = "a".repeat(42);
        let long = "a".repeat(129);
        for verifier in
            [None, Some(""), Some(CHALLENGE), Some(&VERIFIER[1..]), Some(short.as_str()), Some(long.as_str())]
        {
            assert!(challenge.check(verifier).is_err(), "{verifier:?}");
        }
        // The right hash of a verifier that RFC 7636 §4.1 does not allow.
        for verifier in [short, long, "ü".repeat(30), "a b".repeat(20)] {
            assert!(CodeChallenge::of(&verifier).check(Some(&verifier)).is_err(), "{verifier}");
        }
    }

    #[test]
    fn only_s256_is_pkce() {
        for (challenge, method) in [
            (None, Some("S256")),
            (Some(CHALLENGE), None),
            (Some(CHALLENGE), Some("plain")),
            (Some(CHALLENGE), Some("s256")),
            (Some(VERIFIER), Some("plain")),
            (Some("short"), Some("S256")),
            (Some("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM="), Some("S256")),
        ] {
            assert_eq!(
                CodeChallenge::parse(challenge, method).map_err(|error| error.code()),
                Err(ErrorCode::InvalidRequest),
                "{challenge:?} {method:?}"
            );
        }
    }
}
