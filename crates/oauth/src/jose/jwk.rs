//! Public keys as JSON (RFC 7517, RFC 7518 §6, RFC 8037 §2) and their thumbprints (RFC 7638).

use super::{Algorithm, JoseError};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256,
    RsaPublicKeyComponents,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use counterfoil_core::{digest::Digest, limits};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::fmt;

/// Members that hold private or symmetric key material (RFC 7518 §6.2.2, §6.3.2, §6.4).
const PRIVATE: &[&str] = &["d", "p", "q", "dp", "dq", "qi", "oth", "k"];
/// Members that a key inside a proof may have; `ext` and `key_ops` are what WebCrypto exports.
const EMBEDDED: &[&str] = &["kty", "crv", "x", "y", "n", "e", "alg", "use", "kid", "key_ops", "ext"];
/// 65537. Another exponent is only a chance to err: small ones are weak, large ones cost the verifier.
const EXPONENT: &[u8] = &[1, 0, 1];

/// The numbers of a public key, in the one length that each has.
#[derive(Clone, PartialEq, Eq)]
enum Material {
    P256 { x: [u8; 32], y: [u8; 32] },
    Ed25519 { x: [u8; 32] },
    Rsa { n: Vec<u8> },
}

/// A public key for signatures, of one algorithm. Serializes with public members only.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Value", into = "Value")]
pub struct Jwk {
    material: Material,
    algorithm: Algorithm,
    kid: Option<String>,
}

impl Jwk {
    /// Reads a key of a key set. Members that are not known are ignored (RFC 7517 §4).
    ///
    /// # Errors
    /// [`JoseError::Key`] when the key holds private members, is not for verifying signatures, is not of the closed list,
    /// or has numbers of another length than their own: two spellings of a key would have two thumbprints.
    pub fn parse(value: &Value) -> Result<Self, JoseError> {
        let Value::Object(members) = value else { return Err(JoseError::Key("a key is a JSON object")) };
        if PRIVATE.iter().any(|name| members.contains_key(*name)) {
            return Err(JoseError::Key("private or symmetric members are present; this key has leaked"));
        }
        check_purpose(members)?;
        let alg = match optional(members, "alg")? {
            Some(name) => Some(Algorithm::from_name(name).ok_or(JoseError::Key("alg is not of the accepted list"))?),
            None => None,
        };
        let (material, algorithm) = match (required(members, "kty")?, optional(members, "crv")?) {
            ("EC", Some("P-256")) => {
                (Material::P256 { x: fixed(members, "x")?, y: fixed(members, "y")? }, Algorithm::Es256)
            }
            ("OKP", Some("Ed25519")) => (Material::Ed25519 { x: fixed(members, "x")? }, Algorithm::EdDsa),
            ("RSA", _) => {
                (rsa(members)?, if alg == Some(Algorithm::Rs256) { Algorithm::Rs256 } else { Algorithm::Ps256 })
            }
            _ => return Err(JoseError::Key("kty and crv are not EC P-256, OKP Ed25519 or RSA")),
        };
        if alg.is_some_and(|alg| alg != algorithm) {
            return Err(JoseError::Key("alg does not fit the kind of key"));
        }
        let kid = optional(members, "kid")?.map(str::to_owned);
        if kid.as_ref().is_some_and(|kid| kid.len() > limits::NAME_BYTES) {
            return Err(JoseError::Key("kid is too long"));
        }
        Ok(Self { material, algorithm, kid })
    }

    /// Reads the key that came inside a proof: public members and nothing else (RFC 9449 §4.3 check 7).
    ///
    /// # Errors
    /// As [`Jwk::parse`], and for any member that such a key does not need.
    pub fn parse_embedded(value: &Value) -> Result<Self, JoseError> {
        if let Value::Object(members) = value
            && members.keys().any(|name| !EMBEDDED.contains(&name.as_str()) && !PRIVATE.contains(&name.as_str()))
        {
            return Err(JoseError::Key("it has members that a public key does not need"));
        }
        Self::parse(value)
    }

    /// The key of an uncompressed P-256 point (SEC 1 §2.3.3: 0x04, x, y), as key pairs give it.
    ///
    /// # Errors
    /// [`JoseError::Key`] when the bytes have another form. Whether the point is on the curve is checked when it becomes a
    /// [`VerifyingKey`].
    pub fn from_p256_point(point: &[u8], kid: Option<String>) -> Result<Self, JoseError> {
        let malformed = JoseError::Key("not an uncompressed P-256 point");
        let Some((4, numbers)) = point.split_first().map(|(form, numbers)| (*form, numbers)) else {
            return Err(malformed);
        };
        let (x, y) = numbers.split_at_checked(32).ok_or(malformed.clone())?;
        let (Ok(x), Ok(y)) = (x.try_into(), y.try_into()) else { return Err(malformed) };
        Ok(Self { material: Material::P256 { x, y }, algorithm: Algorithm::Es256, kid })
    }

    /// The uncompressed point of a P-256 key (SEC 1 §2.3.3).
    pub(super) fn p256_point(&self) -> Option<[u8; 65]> {
        let Material::P256 { x, y } = &self.material else { return None };
        let mut point = [4; 65];
        point[1..33].copy_from_slice(x);
        point[33..].copy_from_slice(y);
        Some(point)
    }

    /// The name of the key in its set.
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// This key under a name.
    #[must_use]
    pub fn with_kid(mut self, kid: impl Into<String>) -> Self {
        self.kid = Some(kid.into());
        self
    }

    /// The one algorithm of this key.
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// SHA-256 of the required members in lexical order (RFC 7638 §3): `jkt` on the wire.
    pub fn thumbprint(&self) -> Digest {
        let b64 = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        // base64url needs no escaping in JSON.
        Digest::of(
            match &self.material {
                Material::P256 { x, y } => {
                    format!(r#"{{"crv":"P-256","kty":"EC","x":"{}","y":"{}"}}"#, b64(x), b64(y))
                }
                Material::Ed25519 { x } => format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, b64(x)),
                Material::Rsa { n } => format!(r#"{{"e":"{}","kty":"RSA","n":"{}"}}"#, b64(EXPONENT), b64(n)),
            }
            .as_bytes(),
        )
    }

    /// The key as it stands in the header of a proof: the required members alone.
    pub fn to_embedded(&self) -> Value {
        let b64 = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        match &self.material {
            Material::P256 { x, y } => json!({"kty": "EC", "crv": "P-256", "x": b64(x), "y": b64(y)}),
            Material::Ed25519 { x } => json!({"kty": "OKP", "crv": "Ed25519", "x": b64(x)}),
            Material::Rsa { n } => json!({"kty": "RSA", "n": b64(n), "e": b64(EXPONENT)}),
        }
    }
}

impl fmt::Debug for Jwk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Jwk({} {} kid {:?})", self.algorithm, self.thumbprint(), self.kid)
    }
}

impl TryFrom<Value> for Jwk {
    type Error = JoseError;
    fn try_from(value: Value) -> Result<Self, JoseError> {
        Self::parse(&value)
    }
}

impl From<Jwk> for Value {
    fn from(jwk: Jwk) -> Value {
        let mut value = jwk.to_embedded();
        value["alg"] = jwk.algorithm.as_str().into();
        value["use"] = "sig".into();
        if let Some(kid) = jwk.kid {
            value["kid"] = kid.into();
        }
        value
    }
}

/// RFC 7517 §4.2 and §4.3: where a key says what it is for, verifying signatures must be it.
fn check_purpose(members: &Map<String, Value>) -> Result<(), JoseError> {
    if optional(members, "use")?.is_some_and(|purpose| purpose != "sig") {
        return Err(JoseError::Key("use is not sig"));
    }
    match members.get("key_ops") {
        None => Ok(()),
        Some(Value::Array(operations)) if operations.iter().any(|operation| operation == "verify") => Ok(()),
        Some(_) => Err(JoseError::Key("key_ops does not name verify")),
    }
}

fn rsa(members: &Map<String, Value>) -> Result<Material, JoseError> {
    if bytes(members, "e")? != EXPONENT {
        return Err(JoseError::Key("the exponent of an RSA key must be 65537"));
    }
    let n = bytes(members, "n")?;
    // FAPI 2.0 §5.4.1: at least 2048 bit. More than 4096 costs the verifier more than it buys.
    if n.first().is_none_or(|first| *first == 0) || !(2048..=4096).contains(&bits(&n)) {
        return Err(JoseError::Key("an RSA key has 2048 to 4096 bit, without leading zeros"));
    }
    Ok(Material::Rsa { n })
}

fn bits(number: &[u8]) -> usize {
    number.len() * 8 - number.first().map_or(0, |first| first.leading_zeros() as usize)
}

fn optional<'a>(members: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>, JoseError> {
    match members.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(JoseError::Key("a member that must be a string is not")),
    }
}

fn required<'a>(members: &'a Map<String, Value>, name: &str) -> Result<&'a str, JoseError> {
    optional(members, name)?.ok_or(JoseError::Key("a required member is missing"))
}

fn bytes(members: &Map<String, Value>, name: &str) -> Result<Vec<u8>, JoseError> {
    let text = required(members, name)?;
    if text.len() > 1024 {
        return Err(JoseError::Key("a number is too long"));
    }
    URL_SAFE_NO_PAD.decode(text).map_err(|_| JoseError::Key("a number is not strict base64url"))
}

fn fixed(members: &Map<String, Value>, name: &str) -> Result<[u8; 32], JoseError> {
    bytes(members, name)?.try_into().map_err(|_| JoseError::Key("a coordinate is not 32 bytes"))
}

/// A key that was parsed once and verifies many times.
#[derive(Clone)]
pub struct VerifyingKey {
    jwk: Jwk,
    thumbprint: Digest,
    parsed: ParsedPublicKey,
}

impl VerifyingKey {
    /// Makes the key ready.
    ///
    /// # Errors
    /// [`JoseError::Key`] when the numbers are no key: a point off the curve, an even modulus.
    pub fn new(jwk: Jwk) -> Result<Self, JoseError> {
        let parsed = match &jwk.material {
            Material::P256 { .. } => {
                jwk.p256_point().and_then(|point| ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).ok())
            }
            Material::Ed25519 { x } => ParsedPublicKey::new(&ED25519, x).ok(),
            Material::Rsa { n } => {
                let parameters = if jwk.algorithm == Algorithm::Rs256 {
                    &RSA_PKCS1_2048_8192_SHA256
                } else {
                    &RSA_PSS_2048_8192_SHA256
                };
                RsaPublicKeyComponents { n: n.as_slice(), e: EXPONENT }.to_parsed_public_key(parameters).ok()
            }
        };
        let parsed = parsed.ok_or(JoseError::Key("its numbers are no key"))?;
        Ok(Self { thumbprint: jwk.thumbprint(), jwk, parsed })
    }

    /// The key as JSON has it.
    pub const fn jwk(&self) -> &Jwk {
        &self.jwk
    }

    /// Its thumbprint (RFC 7638).
    pub const fn thumbprint(&self) -> Digest {
        self.thumbprint
    }

    /// Its one algorithm.
    pub const fn algorithm(&self) -> Algorithm {
        self.jwk.algorithm
    }

    /// Whether this is a signature of the message by this key. For what is signed as text, [`super::Jws`] makes a value of it.
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        self.algorithm().signature_fits(signature.len()) && self.parsed.verify_sig(message, signature).is_ok()
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifyingKey({:?})", self.jwk)
    }
}
