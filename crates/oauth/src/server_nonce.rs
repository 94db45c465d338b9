//! Nonces that the server need not remember: time and random bytes under a MAC, in separate spaces.
//!
//! A DPoP nonce (RFC 9449 §8) shows that a proof was made recently, by this server's clock. A session proof's nonce is
//! also spent once by the caller; its random bytes make each one different, so that two pages never spend each other's.

use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use counterfoil_core::{digest::Digest, limits, time::Time};
use std::fmt;

/// How many random bytes a nonce takes.
pub const RANDOM_BYTES: usize = 12;
const TIME_BYTES: usize = 8;
/// 128 bit of HMAC-SHA-256: nobody forges one within its minute.
const MAC_BYTES: usize = 16;
const NONCE_BYTES: usize = TIME_BYTES + RANDOM_BYTES + MAC_BYTES;

/// What a nonce is for. One made for one space is no nonce in another (RFC 9449 §9: those of an authorization server and
/// of a resource server are not the same).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NonceSpace {
    /// DPoP at our token and pushed-request endpoints.
    AuthorizationServer,
    /// DPoP at a protected API.
    ProtectedApi,
    /// Session proofs of our pages.
    Session,
}

impl NonceSpace {
    const fn label(self) -> &'static [u8] {
        match self {
            Self::AuthorizationServer => b"counterfoil/nonce/as",
            Self::ProtectedApi => b"counterfoil/nonce/api",
            Self::Session => b"counterfoil/nonce/session",
        }
    }
}

/// The nonce is not one of ours, or no longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NonceError {
    /// Not made by this key for this space: offer a fresh one.
    #[error("the nonce is not one of ours")]
    Unknown,
    /// Too old, or from a clock ahead of ours: offer a fresh one.
    #[error("the nonce is stale")]
    Stale,
}

/// The key of one space.
pub struct NonceKey {
    key: hmac::Key,
    space: NonceSpace,
}

/// A nonce that this key made and that is fresh.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub struct VerifiedNonce {
    digest: Digest,
    issued_at: Time,
}

impl NonceKey {
    /// The key for `space` from a secret that may serve all of them.
    pub fn new(secret: &[u8; 32], space: NonceSpace) -> Self {
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, secret), space }
    }

    /// A nonce made at `now`.
    pub fn issue(&self, now: Time, random: [u8; RANDOM_BYTES]) -> String {
        let mut nonce = [0; NONCE_BYTES];
        nonce[..TIME_BYTES].copy_from_slice(&now.millis().to_be_bytes());
        nonce[TIME_BYTES..TIME_BYTES + RANDOM_BYTES].copy_from_slice(&random);
        let mac = self.mac(&nonce[..TIME_BYTES + RANDOM_BYTES]);
        nonce[TIME_BYTES + RANDOM_BYTES..].copy_from_slice(&mac.as_ref()[..MAC_BYTES]);
        URL_SAFE_NO_PAD.encode(nonce)
    }

    /// Checks a nonce that came back.
    ///
    /// # Errors
    /// [`NonceError`]; either way the answer is a fresh nonce.
    pub fn verify(&self, nonce: &str, now: Time) -> Result<VerifiedNonce, NonceError> {
        // Another length is refused before it is decoded: the text comes from anybody.
        let mut bytes = [0; NONCE_BYTES];
        if nonce.len() != NONCE_BYTES.div_ceil(3) * 4 - (3 - NONCE_BYTES % 3) % 3
            || URL_SAFE_NO_PAD.decode_slice(nonce, &mut bytes) != Ok(NONCE_BYTES)
        {
            return Err(NonceError::Unknown);
        }
        let (content, mac) = bytes.split_at(TIME_BYTES + RANDOM_BYTES);
        let expected = self.mac(content);
        if !bool::from(subtle::ConstantTimeEq::ct_eq(&expected.as_ref()[..MAC_BYTES], mac)) {
            return Err(NonceError::Unknown);
        }
        let mut time = [0; TIME_BYTES];
        time.copy_from_slice(&content[..TIME_BYTES]);
        let issued_at = Time::from_millis(i64::from_be_bytes(time));
        // Several nodes make nonces, so one may come from a clock slightly ahead.
        if issued_at > now.plus_seconds(limits::CLOCK_LEEWAY_SECONDS)
            || now > issued_at.plus_seconds(limits::NONCE_SECONDS)
        {
            return Err(NonceError::Stale);
        }
        Ok(VerifiedNonce { digest: Digest::of(content), issued_at })
    }

    fn mac(&self, content: &[u8]) -> hmac::Tag {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(self.space.label());
        // No label holds a zero, and the content has one length: nothing can be moved across this border.
        context.update(&[0]);
        context.update(content);
        context.sign()
    }
}

impl VerifiedNonce {
    /// What to remember when the nonce is for one use.
    pub const fn spend_key(&self) -> Digest {
        self.digest
    }

    /// Until when it must be remembered: later it is stale anyway.
    pub const fn remember_until(&self) -> Time {
        self.issued_at.plus_seconds(limits::NONCE_SECONDS + limits::CLOCK_LEEWAY_SECONDS)
    }
}

impl fmt::Debug for NonceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NonceKey({:?})", self.space)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // a test that cannot go on should stop
mod tests {
    use super::*;

    const NOW: Time = Time::from_seconds(1_700_000_000);

    fn key(space: NonceSpace) -> NonceKey {
        NonceKey::new(&[7; 32], space)
    }

    #[test]
    fn fresh_nonces_verify_and_each_is_another() {
        let key = key(NonceSpace::Session);
        let (a, b) = (key.issue(NOW, [1; RANDOM_BYTES]), key.issue(NOW, [2; RANDOM_BYTES]));
        let (a, b) = (key.verify(&a, NOW).unwrap(), key.verify(&b, NOW).unwrap());
        assert_ne!(a.spend_key(), b.spend_key());
    }

    #[test]
    fn nonces_end_and_do_not_come_from_the_future() {
        let key = key(NonceSpace::AuthorizationServer);
        let nonce = key.issue(NOW, [1; RANDOM_BYTES]);
        for (offset, result) in [
            (0, Ok(())),
            (limits::NONCE_SECONDS, Ok(())),
            (limits::NONCE_SECONDS + 1, Err(NonceError::Stale)),
            (-limits::CLOCK_LEEWAY_SECONDS, Ok(())),
            (-limits::CLOCK_LEEWAY_SECONDS - 1, Err(NonceError::Stale)),
        ] {
            assert_eq!(key.verify(&nonce, NOW.plus_seconds(offset)).map(drop), result, "{offset}");
        }
    }

    #[test]
    fn spaces_and_keys_are_separate() {
        let nonce = key(NonceSpace::Session).issue(NOW, [1; RANDOM_BYTES]);
        for other in [
            key(NonceSpace::AuthorizationServer),
            key(NonceSpace::ProtectedApi),
            NonceKey::new(&[8; 32], NonceSpace::Session),
        ] {
            assert_eq!(other.verify(&nonce, NOW), Err(NonceError::Unknown));
        }
    }

    #[test]
    fn any_changed_character_is_refused() {
        let key = key(NonceSpace::Session);
        let nonce = key.issue(NOW, [1; RANDOM_BYTES]);
        for at in 0..nonce.len() {
            let mut changed = nonce.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert_eq!(key.verify(&changed, NOW), Err(NonceError::Unknown), "{at}");
        }
        for text in ["", "A", &nonce[1..], &format!("{nonce}A"), &format!("{nonce}="), &"ü".repeat(24)] {
            assert_eq!(key.verify(text, NOW), Err(NonceError::Unknown), "{text}");
        }
    }
}
