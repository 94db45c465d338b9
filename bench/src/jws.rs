//! An ES256 key and what clients sign with it: compact JWS, its JWK and thumbprint.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use std::io::{Error, Result};

/// Bytes in unpadded base64url.
pub fn base64url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// SHA-256 in unpadded base64url, as `ath`, `bh` and digests are written.
pub fn hash(bytes: &[u8]) -> String {
    base64url(digest(&SHA256, bytes).as_ref())
}

/// A P-256 key.
pub struct Key {
    pair: EcdsaKeyPair,
    random: SystemRandom,
    /// `kid`, where the key came with one.
    kid: Option<String>,
}

impl Key {
    /// A fresh one.
    pub fn generate() -> Result<Self> {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map_err(|_| Error::other("no key"))?;
        Ok(Self { pair, random: SystemRandom::new(), kid: None })
    }

    /// The key of a private JWK (RFC 7518 §6.2.2).
    pub fn from_jwk(jwk: &Value) -> Result<Self> {
        let part = |name: &str| {
            let text = jwk[name].as_str().unwrap_or_default();
            URL_SAFE_NO_PAD.decode(text).map_err(|_| Error::other(format!("`{name}` of the JWK is not base64url")))
        };
        let mut point = vec![4];
        point.extend(part("x")?);
        point.extend(part("y")?);
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let pair = EcdsaKeyPair::from_private_key_and_public_key(algorithm, &part("d")?, &point);
        let pair = pair.map_err(|_| Error::other("the JWK is no P-256 key"))?;
        Ok(Self { pair, random: SystemRandom::new(), kid: jwk["kid"].as_str().map(String::from) })
    }

    /// The 64 bytes of the public point: x, then y.
    pub fn point(&self) -> &[u8] {
        &self.pair.public_key().as_ref()[1..]
    }

    /// The public JWK.
    pub fn jwk(&self) -> Value {
        let (x, y) = self.point().split_at(32);
        json!({ "kty": "EC", "crv": "P-256", "x": base64url(x), "y": base64url(y) })
    }

    /// `jkt` (RFC 7638): the members in lexical order, nothing else.
    pub fn thumbprint(&self) -> String {
        let (x, y) = self.point().split_at(32);
        hash(format!(r#"{{"crv":"P-256","kty":"EC","x":"{}","y":"{}"}}"#, base64url(x), base64url(y)).as_bytes())
    }

    /// A compact JWS of these claims.
    pub fn sign(&self, header: Value, claims: &Value) -> String {
        let mut header = header;
        header["alg"] = json!("ES256");
        if let Some(kid) = &self.kid {
            header["kid"] = json!(kid);
        }
        let mut text =
            format!("{}.{}", base64url(header.to_string().as_bytes()), base64url(claims.to_string().as_bytes()));
        // An empty signature is refused by the server, which a scenario then reports.
        let signature =
            self.pair.sign(&self.random, text.as_bytes()).map(|s| base64url(s.as_ref())).unwrap_or_default();
        text.push('.');
        text.push_str(&signature);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};

    #[test]
    fn what_is_signed_verifies() {
        let key = Key::generate().unwrap();
        let jws = key.sign(json!({"typ": "dpop+jwt", "jwk": key.jwk()}), &json!({"htm": "POST"}));
        let (input, signature) = jws.rsplit_once('.').unwrap();
        let mut point = vec![4];
        point.extend_from_slice(key.point());
        let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point);
        public.verify(input.as_bytes(), &URL_SAFE_NO_PAD.decode(signature).unwrap()).unwrap();
    }

    #[test]
    fn a_private_jwk_gives_the_key_back() {
        // RFC 7515 A.3.1.
        let jwk = json!({"kty": "EC", "crv": "P-256",
            "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
            "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
            "d": "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"});
        let key = Key::from_jwk(&jwk).unwrap();
        assert_eq!(key.jwk()["x"], jwk["x"]);
        assert_eq!(key.jwk()["y"], jwk["y"]);
    }
}
