//! Making signatures. Signing draws randomness, so the source of it is handed in: this crate opens none.

use super::{Algorithm, JoseError, Jwk};
use aws_lc_rs::{
    encoding::AsBigEndian,
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Serialize;
use serde_json::{Value, json};
use std::fmt;
use zeroize::Zeroizing;

/// The key pair could not sign, or the claims could not be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("signing failed")]
pub struct SignError;

/// The private key is malformed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a P-256 private key: {0}")]
pub struct KeyError(&'static str);

/// A private key that signs.
pub trait Signer: Send + Sync {
    /// The public half, with the `kid` under which others find it.
    fn public_jwk(&self) -> &Jwk;

    /// The signature as JWS wants it (RFC 7518 §3.4: r and s, 64 bytes, for ES256).
    ///
    /// # Errors
    /// [`SignError`] when the pair or its randomness failed.
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError>;
}

/// A compact JWS over `claims`, header `alg`, `typ` and, where the key has a name, `kid`.
///
/// # Errors
/// [`SignError`].
pub fn sign(signer: &dyn Signer, typ: &str, claims: &impl Serialize) -> Result<String, SignError> {
    let jwk = signer.public_jwk();
    let mut header = json!({"alg": jwk.algorithm().as_str(), "typ": typ});
    if let Some(kid) = jwk.kid() {
        header["kid"] = kid.into();
    }
    assemble(signer, &header, claims)
}

/// A compact JWS whose header carries the public key (DPoP, the first proof of a session).
///
/// # Errors
/// [`SignError`].
pub fn sign_with_embedded_key(signer: &dyn Signer, typ: &str, claims: &impl Serialize) -> Result<String, SignError> {
    let jwk = signer.public_jwk();
    let header = json!({"alg": jwk.algorithm().as_str(), "typ": typ, "jwk": jwk.to_embedded()});
    assemble(signer, &header, claims)
}

fn assemble(signer: &dyn Signer, header: &Value, claims: &impl Serialize) -> Result<String, SignError> {
    let payload = serde_json::to_vec(claims).map_err(|_| SignError)?;
    let mut token = URL_SAFE_NO_PAD.encode(header.to_string());
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(payload, &mut token);
    let signature = signer.sign(token.as_bytes())?;
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, &mut token);
    Ok(token)
}

/// A P-256 key pair with the randomness that its owner handed in.
pub struct Es256Signer {
    pair: EcdsaKeyPair,
    public: Jwk,
    random: SystemRandom,
}

impl Es256Signer {
    /// From PKCS #8, as key pairs are stored. Without `kid` the key is named by its thumbprint.
    ///
    /// # Errors
    /// [`KeyError`] when the document is not a P-256 key pair.
    pub fn from_pkcs8(pkcs8: &[u8], kid: Option<&str>, random: SystemRandom) -> Result<Self, KeyError> {
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8)
            .map_err(|_| KeyError("not a PKCS #8 document of this curve"))?;
        Self::new(pair, kid, random)
    }

    /// From a private JWK (RFC 7518 §6.2.2), as clients keep theirs.
    ///
    /// # Errors
    /// [`KeyError`] when it is not a P-256 key or its halves do not belong together.
    pub fn from_private_jwk(jwk: &Value, random: SystemRandom) -> Result<Self, KeyError> {
        let mut public = jwk.as_object().cloned().ok_or(KeyError("not a JSON object"))?;
        let secret = Zeroizing::new(match public.remove("d") {
            Some(Value::String(text)) => text,
            _ => return Err(KeyError("d is missing")),
        });
        // A private key is used to sign; what is checked here is its public half.
        public.remove("key_ops");
        let public = Jwk::parse(&Value::Object(public)).map_err(|_| KeyError("its public half is malformed"))?;
        let secret =
            Zeroizing::new(URL_SAFE_NO_PAD.decode(secret.as_bytes()).map_err(|_| KeyError("d is not base64url"))?);
        let point = public.p256_point().ok_or(KeyError("not on P-256"))?;
        let pair = EcdsaKeyPair::from_private_key_and_public_key(&ECDSA_P256_SHA256_FIXED_SIGNING, &secret, &point)
            .map_err(|_| KeyError("its halves do not belong together"))?;
        Self::new(pair, public.kid(), random)
    }

    fn new(pair: EcdsaKeyPair, kid: Option<&str>, random: SystemRandom) -> Result<Self, KeyError> {
        let public = Jwk::from_p256_point(pair.public_key().as_ref(), None).map_err(|_| KeyError("no public half"))?;
        let kid = kid.map_or_else(|| public.thumbprint().to_string(), str::to_owned);
        Ok(Self { pair, public: public.with_kid(kid), random })
    }

    /// The pair as a private JWK, for handing a new key to its owner. The text is wiped when dropped.
    ///
    /// # Errors
    /// [`SignError`] when the pair does not give its number.
    pub fn private_jwk(&self) -> Result<Zeroizing<String>, SignError> {
        let number = self.pair.private_key().as_be_bytes().map_err(|_| SignError)?;
        let mut value: Value = self.public.clone().into();
        value["d"] = URL_SAFE_NO_PAD.encode(number.as_ref()).into();
        Ok(Zeroizing::new(value.to_string()))
    }
}

impl Signer for Es256Signer {
    fn public_jwk(&self) -> &Jwk {
        &self.public
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        debug_assert_eq!(self.public.algorithm(), Algorithm::Es256);
        self.pair.sign(&self.random, message).map(|signature| signature.as_ref().to_vec()).map_err(|_| SignError)
    }
}

/// The private half stays out.
impl fmt::Debug for Es256Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Es256Signer({:?})", self.public)
    }
}

impl From<JoseError> for SignError {
    fn from(_: JoseError) -> Self {
        Self
    }
}
