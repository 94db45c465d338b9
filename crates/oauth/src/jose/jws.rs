//! Compact signatures (RFC 7515 §7.1): read strictly, verify once, and only then look inside.

use super::{Algorithm, JoseError, Jwk, VerifyingKey};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use counterfoil_core::{
    digest::Digest,
    json::{self, parse_strict},
    limits,
};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// What a kind of token looks like. Types of tokens must not be mistaken for each other (RFC 8725 §3.12), so each kind has one.
#[derive(Clone, Copy, Debug)]
pub struct Profile {
    /// Which `typ` it has.
    pub typ: TypRule,
    /// Which algorithms may sign it.
    pub algorithms: &'static [Algorithm],
    /// Whether the key stands in its header.
    pub embedded_key: EmbeddedKey,
    /// How long it may be, all three parts.
    pub bytes_max: usize,
}

/// Which `typ` a kind of token has.
#[derive(Clone, Copy, Debug)]
pub enum TypRule {
    /// This one, written so.
    Exactly(&'static str),
    /// None, or one of these in any case (media types have none, RFC 7515 §4.1.9).
    AbsentOrOneOf(&'static [&'static str]),
}

/// Whether the key stands in the header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EmbeddedKey {
    /// It must not: a token that brings its own key proves nothing.
    Forbidden,
    /// It must: what is proven is possession of it.
    Required,
    /// The first of a series brings it, the others do not.
    Optional,
}

/// The protected header: `alg`, `typ`, `kid`, `jwk` and nothing else, so no `crit`, no `b64`, no URL to fetch keys from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    algorithm: Algorithm,
    kid: Option<String>,
    jwk: Option<Jwk>,
}

impl Header {
    /// The algorithm named.
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The name of the key.
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// The key, where the profile has it in the header.
    pub const fn jwk(&self) -> Option<&Jwk> {
        self.jwk.as_ref()
    }

    fn parse(json: &[u8], profile: &Profile) -> Result<Self, JoseError> {
        let Ok(Value::Object(members)) = parse_strict(json, limits::JSON_DEPTH) else {
            return Err(JoseError::Header("not a JSON object with each name once"));
        };
        let (mut alg, mut typ, mut kid, mut jwk) = (None, None, None, None);
        for (name, value) in &members {
            match (name.as_str(), value) {
                ("alg", Value::String(name)) => alg = Some(Algorithm::from_name(name).ok_or(JoseError::Algorithm)?),
                ("typ", Value::String(text)) => typ = Some(text.as_str()),
                ("kid", Value::String(text)) if text.len() <= limits::NAME_BYTES => kid = Some(text.clone()),
                ("jwk", Value::Object(_)) => jwk = Some(value),
                ("alg" | "typ" | "kid" | "jwk", _) => {
                    return Err(JoseError::Header("a member is of the wrong type or too long"));
                }
                _ => return Err(JoseError::Header("it has a member other than alg, typ, kid and jwk")),
            }
        }
        let algorithm = alg.ok_or(JoseError::Header("alg is missing"))?;
        if !profile.algorithms.contains(&algorithm) {
            return Err(JoseError::Algorithm);
        }
        if !profile.typ.accepts(typ) {
            return Err(JoseError::Type);
        }
        let jwk = match (profile.embedded_key, jwk) {
            (EmbeddedKey::Forbidden, Some(_)) => {
                return Err(JoseError::Header("a key in the header proves nothing here"));
            }
            (EmbeddedKey::Required, None) => return Err(JoseError::Header("jwk is missing")),
            (_, Some(value)) => Some(Jwk::parse_embedded(value)?),
            (_, None) => None,
        };
        Ok(Self { algorithm, kid, jwk })
    }
}

impl TypRule {
    fn accepts(self, typ: Option<&str>) -> bool {
        match (self, typ) {
            (Self::Exactly(wanted), Some(typ)) => wanted == typ,
            (Self::Exactly(_), None) => false,
            (Self::AbsentOrOneOf(_), None) => true,
            (Self::AbsentOrOneOf(wanted), Some(typ)) => wanted.iter().any(|wanted| typ.eq_ignore_ascii_case(wanted)),
        }
    }
}

/// A compact JWS that was read and not verified: its header helps to find the key, its claims are not to be believed.
#[derive(Debug)]
#[must_use = "a token that was read is not yet verified"]
pub struct Jws<'a> {
    signing_input: &'a str,
    header: Header,
    payload: Vec<u8>,
    signature: Vec<u8>,
}

impl<'a> Jws<'a> {
    /// Reads a token of this kind.
    ///
    /// # Errors
    /// Everything of [`JoseError`] but a bad signature, in the order size, form, header.
    pub fn parse(token: &'a str, profile: &Profile) -> Result<Self, JoseError> {
        if token.len() > profile.bytes_max {
            return Err(JoseError::TooLarge);
        }
        let mut parts = token.split('.');
        let (Some(header), Some(payload), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(JoseError::NotCompact);
        };
        if header.is_empty() || signature.is_empty() {
            return Err(JoseError::NotCompact);
        }
        if header.len() > limits::JWT_HEADER_BYTES {
            return Err(JoseError::TooLarge);
        }
        // This engine refuses padding and stray trailing bits, so that each token has one spelling.
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| JoseError::NotCompact);
        Ok(Self {
            header: Header::parse(&decode(header)?, profile)?,
            payload: decode(payload)?,
            signature: decode(signature)?,
            signing_input: &token[..header.len() + 1 + payload.len()],
        })
    }

    /// The header.
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// One string claim, not to be believed: for finding the key and nothing else.
    pub fn unverified_text_claim(&self, name: &str) -> Option<String> {
        let claims = parse_strict(&self.payload, limits::JSON_DEPTH).ok()?;
        claims.get(name)?.as_str().map(str::to_owned)
    }

    /// Verifies with this key and reads the claims.
    ///
    /// # Errors
    /// [`JoseError::Algorithm`] when the token names another algorithm than the key's, [`JoseError::Signature`], and
    /// [`JoseError::Claims`] when what was signed is not strict JSON or lacks something.
    pub fn verify<C: DeserializeOwned>(self, key: &VerifyingKey) -> Result<Verified<C>, JoseError> {
        let Verified { content, header, thumbprint } = self.verify_bytes(key)?;
        let value = parse_strict(&content, limits::JSON_DEPTH)
            .map_err(|_| JoseError::Claims("not JSON with each name once".into()))?;
        let content = json::read(value).map_err(|error| JoseError::Claims(without_values(&error)))?;
        Ok(Verified { content, header, thumbprint })
    }

    /// Verifies with the key of its own header and reads the claims: proof of possession of that key, no more.
    ///
    /// # Errors
    /// As [`Jws::verify`], and [`JoseError::Header`] when there is no key.
    pub fn verify_with_embedded_key<C: DeserializeOwned>(self) -> Result<(Verified<C>, VerifyingKey), JoseError> {
        let jwk = self.header.jwk.clone().ok_or(JoseError::Header("jwk is missing"))?;
        let key = VerifyingKey::new(jwk)?;
        Ok((self.verify(&key)?, key))
    }

    /// Verifies with this key, whatever was signed.
    ///
    /// # Errors
    /// [`JoseError::Algorithm`] and [`JoseError::Signature`].
    pub fn verify_bytes(self, key: &VerifyingKey) -> Result<Verified<Vec<u8>>, JoseError> {
        if self.header.algorithm != key.algorithm() {
            return Err(JoseError::Algorithm);
        }
        if !key.verifies(self.signing_input.as_bytes(), &self.signature) {
            return Err(JoseError::Signature);
        }
        Ok(Verified { content: self.payload, header: self.header, thumbprint: key.thumbprint() })
    }
}

/// Serde's message where it only names a claim of ours; what it quotes of the input stays out.
fn without_values(error: &serde_json::Error) -> String {
    let text = error.to_string();
    if text.starts_with("missing field") { text } else { "a claim has the wrong type or an impossible value".into() }
}

/// What a key has signed. Only [`Jws::verify`] and its siblings make one.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub struct Verified<C> {
    content: C,
    header: Header,
    thumbprint: Digest,
}

impl<C> Verified<C> {
    /// What was signed.
    pub const fn claims(&self) -> &C {
        &self.content
    }

    /// What was signed, by value.
    pub fn into_claims(self) -> C {
        self.content
    }

    /// The header.
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// The thumbprint of the key that signed.
    pub const fn key_thumbprint(&self) -> Digest {
        self.thumbprint
    }
}
