//! JSON signatures, closed: the algorithms of FAPI 2.0, compact form, public keys, and one way to a verified value.
//!
//! A key has exactly one algorithm (RFC 8725 §3.1), taken from the key; the `alg` of the input is compared with it and
//! decides nothing. `none`, symmetric algorithms and everything else are not refused by a list: they have no value here.

mod algorithm;
mod jwk;
mod jwks;
mod jws;
mod sign;

pub use algorithm::Algorithm;
pub use jwk::{Jwk, VerifyingKey};
pub use jwks::Jwks;
pub use jws::{EmbeddedKey, Header, Jws, Profile, TypRule, Verified};
pub use sign::{Es256Signer, KeyError, SignError, Signer, sign, sign_with_embedded_key};

/// A signature, a key or what carries them is not acceptable. Never holds input.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JoseError {
    /// More bytes than the profile allows: hashing and parsing cost the verifier, not the sender.
    #[error("the token is too large")]
    TooLarge,
    /// Not three parts of strict base64url (RFC 7515 §7.1, no padding, no stray bits).
    #[error("not a compact JWS in strict base64url")]
    NotCompact,
    /// The header is not strict JSON, has a member that the profile does not allow, or lacks one that it wants.
    #[error("the JOSE header: {0}")]
    Header(&'static str),
    /// `alg` is not of the closed list, or not the algorithm of the key (RFC 8725 §3.1).
    #[error("the algorithm is not accepted for this key")]
    Algorithm,
    /// `typ` is not what is expected here (RFC 8725 §3.11): the token was made for something else.
    #[error("the type (typ) of the token is not the one expected here")]
    Type,
    /// The key is malformed, private, weak, or not for signatures.
    #[error("the key: {0}")]
    Key(&'static str),
    /// No key of the set fits.
    #[error("no key of the set fits the token")]
    UnknownKey,
    /// The signature does not verify.
    #[error("the signature does not verify")]
    Signature,
    /// The payload is not strict JSON, or a claim is missing or of the wrong type.
    #[error("the claims: {0}")]
    Claims(String),
}
