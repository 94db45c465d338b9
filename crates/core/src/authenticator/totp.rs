//! Codes from an app: RFC 6238 with HMAC-SHA-1, six digits and steps of thirty seconds, which is what every app knows.

use super::Holder;
use crate::{
    assurance::Method,
    evidence::ProofFact,
    limits::{TOTP_SECRET_BYTES, TOTP_STEP_SECONDS},
    proof::Proof,
    time::Time,
};
use std::fmt;
use subtle::{Choice, ConditionallySelectable as _, ConstantTimeEq as _};
use totp_rs::{Builder, Totp};
use zeroize::Zeroizing;

/// Digits of a code.
pub const CODE_DIGITS: usize = 6;

/// Why a code was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TotpError {
    /// Not as long as RFC 4226 §4 R6 recommends. More would gain nothing: HMAC-SHA-1 puts out no more.
    #[error("a TOTP secret has {TOTP_SECRET_BYTES} bytes")]
    SecretLength,
    /// Not six digits.
    #[error("a code has {CODE_DIGITS} digits")]
    NotACode,
    /// The code of neither this step nor the one before.
    #[error("the code is wrong")]
    Wrong,
}

/// A right code. The step must be spent in the same commit: a step proves once (RFC 6238 §5.2).
#[derive(Debug)]
#[must_use = "the step is to be spent"]
pub struct Matched {
    /// The step whose code it was.
    pub step: u64,
    /// The proof, which names the step too.
    pub proof: Proof,
}

/// What the app and we share.
pub struct TotpSecret(Zeroizing<[u8; TOTP_SECRET_BYTES]>);

impl fmt::Debug for TotpSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TotpSecret")
    }
}

impl TotpSecret {
    /// Takes the secret from the store, or random bytes for a new one.
    pub fn new(bytes: &[u8]) -> Result<Self, TotpError> {
        bytes.try_into().map(|bytes| Self(Zeroizing::new(bytes))).map_err(|_| TotpError::SecretLength)
    }

    /// As a person types it into an app: base32 without padding (RFC 4648 §6).
    pub fn base32(&self) -> Zeroizing<String> {
        Zeroizing::new(base32(self.0.as_slice()))
    }

    /// As an app reads it from a picture: the `otpauth` URI of the key URI format.
    pub fn otpauth_uri(&self, issuer: &str, account: &str) -> Zeroizing<String> {
        let (issuer, account) = (percent_encoded(issuer), percent_encoded(account));
        let secret = self.base32();
        Zeroizing::new(format!(
            "otpauth://totp/{issuer}:{account}?secret={}&issuer={issuer}&algorithm=SHA1&digits={CODE_DIGITS}&period={TOTP_STEP_SECONDS}",
            *secret
        ))
    }

    /// The code of the step in which `now` lies.
    pub fn code(&self, now: Time) -> String {
        self.code_of_step(step_at(now))
    }

    fn code_of_step(&self, step: u64) -> String {
        let totp: Totp = Builder::new().with_secret(*self.0).with_step_duration(1).build_noncompliant();
        totp.generate(step).to_string()
    }

    /// Is `code` the one of this step or of the one before? Both are always compared: one step back covers typing and
    /// the way, a step ahead would only help whoever moved a clock.
    pub fn verify(&self, code: &str, holder: &Holder, now: Time) -> Result<Matched, TotpError> {
        if code.len() != CODE_DIGITS || !code.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(TotpError::NotACode);
        }
        let present = step_at(now);
        let previous = present.saturating_sub(1);
        let is_code_of = |step| -> Choice { Zeroizing::new(self.code_of_step(step)).as_bytes().ct_eq(code.as_bytes()) };
        let (is_present, is_previous) = (is_code_of(present), is_code_of(previous));
        if !bool::from(is_present | is_previous) {
            return Err(TotpError::Wrong);
        }
        let step = u64::conditional_select(&previous, &present, is_present);
        let fact = ProofFact {
            method: Method::AppCode,
            at: now,
            authenticator: holder.authenticator,
            ceiling: holder.ceiling,
            user_verified: false,
            hardware_bound: false,
            txn_digest: None,
            channel: Method::AppCode.unnamed_channel().map(str::to_owned),
        };
        Ok(Matched { step, proof: Proof::typed(holder.subject, fact, Some(step)) })
    }
}

/// The number of the step in which `now` lies (RFC 6238 §4.2).
pub fn step_at(now: Time) -> u64 {
    u64::try_from(now.seconds().div_euclid(TOTP_STEP_SECONDS)).unwrap_or(0)
}

fn base32(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let mut text = String::with_capacity(bytes.len().div_ceil(5) * 8);
    for group in bytes.chunks(5) {
        let mut block = [0; 8];
        block[3..3 + group.len()].copy_from_slice(group);
        let bits = u64::from_be_bytes(block);
        for digit in 0..(group.len() * 8).div_ceil(5) {
            let index = (bits >> (35 - 5 * digit)) & 31;
            text.push(char::from(ALPHABET[usize::try_from(index).unwrap_or(0)]));
        }
    }
    text
}

/// RFC 3986 §2.3: everything but unreserved characters.
fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}
