//! COSE public keys (RFC 9052 §7, RFC 8152 §13), read in their one canonical spelling, and signatures by them.
//!
//! The algorithm is the key's, never the message's. A key is exactly what CTAP2 writes: a map with these members in this
//! order and nothing else, so that one key has one digest.

use crate::limits::COSE_KEY_BYTES;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P384_SHA384_ASN1, ECDSA_P521_SHA512_ASN1, ED25519, ParsedPublicKey,
    RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, VerificationAlgorithm,
};
use ciborium::Value;
use serde::{Deserialize, Serialize};

/// The signature algorithms that we verify (IANA COSE Algorithms). Not Ed448: the cryptographic library has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Algorithm {
    /// ECDSA with P-256 and SHA-256, DER: −7.
    #[serde(rename = "ES256")]
    Es256,
    /// ECDSA with P-384 and SHA-384, DER: −35.
    #[serde(rename = "ES384")]
    Es384,
    /// ECDSA with P-521 and SHA-512, DER: −36.
    #[serde(rename = "ES512")]
    Es512,
    /// Ed25519: −8.
    #[serde(rename = "EdDSA")]
    EdDsa,
    /// RSASSA-PKCS1-v1_5 with SHA-256: −257.
    #[serde(rename = "RS256")]
    Rs256,
}

/// The bytes are not a key that we verify with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CoseError {
    /// Not CBOR, not canonical, or with more or other members than its type has.
    #[error("not a canonical COSE key")]
    NotCanonical,
    /// A key type, curve or algorithm that we do not verify.
    #[error("an unsupported key type, curve or algorithm")]
    Unsupported,
    /// Of the right form, but no key: a point off the curve, a modulus too short or too long.
    #[error("not a valid key of its type")]
    Invalid,
}

/// A public key with its algorithm.
#[derive(Clone, Debug)]
pub struct CoseKey {
    algorithm: Algorithm,
    key: ParsedPublicKey,
}

/// The modulus in bytes: 2048 to 4096 bits. Shorter is weak, longer costs the verifier too much.
const RSA_MODULUS_BYTES: std::ops::RangeInclusive<usize> = 256..=512;

impl CoseKey {
    /// Reads the key.
    pub fn parse(bytes: &[u8]) -> Result<Self, CoseError> {
        let members = members(bytes)?;
        let (kty, alg) = match members.as_slice() {
            [(1, kty), (3, alg), ..] => (integer(kty)?, integer(alg)?),
            _ => return Err(CoseError::NotCanonical),
        };
        match (kty, alg, &members[2..]) {
            (2, -7, point) => elliptic(Algorithm::Es256, &ECDSA_P256_SHA256_ASN1, 1, 32, point),
            (2, -35, point) => elliptic(Algorithm::Es384, &ECDSA_P384_SHA384_ASN1, 2, 48, point),
            (2, -36, point) => elliptic(Algorithm::Es512, &ECDSA_P521_SHA512_ASN1, 3, 66, point),
            (1, -8, [(-1, curve), (-2, x)]) if integer(curve)? == 6 => {
                let x = x.as_bytes().filter(|x| x.len() == 32).ok_or(CoseError::Invalid)?;
                parsed(Algorithm::EdDsa, &ED25519, x)
            }
            (3, -257, [(-1, n), (-2, e)]) => rsa(n, e),
            _ => Err(CoseError::Unsupported),
        }
    }

    /// Its algorithm.
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Is `signature` this key's over `message`?
    #[must_use]
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        self.key.verify_sig(message, signature).is_ok()
    }
}

fn members(bytes: &[u8]) -> Result<Vec<(i128, Value)>, CoseError> {
    if bytes.len() > COSE_KEY_BYTES {
        return Err(CoseError::NotCanonical);
    }
    let value: Value = ciborium::de::from_reader_with_recursion_limit(bytes, 4).map_err(|_| CoseError::NotCanonical)?;
    let mut again = Vec::with_capacity(bytes.len());
    ciborium::into_writer(&value, &mut again).map_err(|_| CoseError::NotCanonical)?;
    // Shortest form, definite lengths, nothing behind it: what is written again is what was read.
    if again != bytes {
        return Err(CoseError::NotCanonical);
    }
    let Value::Map(members) = value else { return Err(CoseError::NotCanonical) };
    members.into_iter().map(|(name, value)| Ok((integer(&name)?, value))).collect()
}

fn integer(value: &Value) -> Result<i128, CoseError> {
    value.as_integer().map(i128::from).ok_or(CoseError::NotCanonical)
}

fn parsed(algorithm: Algorithm, how: &'static dyn VerificationAlgorithm, bytes: &[u8]) -> Result<CoseKey, CoseError> {
    ParsedPublicKey::new(how, bytes).map(|key| CoseKey { algorithm, key }).map_err(|_| CoseError::Invalid)
}

/// WebAuthn L3 §5.8.5: the algorithm fixes the curve, and the point is not compressed.
fn elliptic(
    algorithm: Algorithm,
    how: &'static dyn VerificationAlgorithm,
    curve: i128,
    coordinate_bytes: usize,
    members: &[(i128, Value)],
) -> Result<CoseKey, CoseError> {
    let [(-1, crv), (-2, x), (-3, y)] = members else { return Err(CoseError::NotCanonical) };
    if integer(crv)? != curve {
        return Err(CoseError::Unsupported);
    }
    let (Some(x), Some(y)) = (x.as_bytes(), y.as_bytes()) else { return Err(CoseError::Unsupported) };
    if x.len() != coordinate_bytes || y.len() != coordinate_bytes {
        return Err(CoseError::Invalid);
    }
    parsed(algorithm, how, &[&[4], x.as_slice(), y.as_slice()].concat())
}

fn rsa(n: &Value, e: &Value) -> Result<CoseKey, CoseError> {
    let (Some(n), Some(e)) = (n.as_bytes(), e.as_bytes()) else { return Err(CoseError::NotCanonical) };
    let leading_zero = |number: &[u8]| number.first().is_none_or(|first| *first == 0);
    if leading_zero(n) || leading_zero(e) || !RSA_MODULUS_BYTES.contains(&n.len()) || e.len() > 4 {
        return Err(CoseError::Invalid);
    }
    let key = RsaPublicKeyComponents { n, e }
        .to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256)
        .map_err(|_| CoseError::Invalid)?;
    Ok(CoseKey { algorithm: Algorithm::Rs256, key })
}
