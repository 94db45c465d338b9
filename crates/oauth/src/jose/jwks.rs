//! Key sets (RFC 7517 §5).

use super::{Algorithm, JoseError, Jwk, VerifyingKey};
use counterfoil_core::limits;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The keys of one party, ready to verify.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(try_from = "Value", into = "Value")]
pub struct Jwks {
    keys: Vec<VerifyingKey>,
}

impl Jwks {
    /// A set of these keys.
    ///
    /// # Errors
    /// [`JoseError::Key`] when one of them is no key, two have the same `kid` and algorithm, or there are too many.
    pub fn new(keys: impl IntoIterator<Item = Jwk>) -> Result<Self, JoseError> {
        let mut set = Self::default();
        for jwk in keys {
            let twin = |key: &VerifyingKey| key.jwk().kid() == jwk.kid() && key.algorithm() == jwk.algorithm();
            if set.keys.len() == limits::KEYS_PER_SET || set.keys.iter().any(twin) {
                return Err(JoseError::Key("too many keys in the set, or two that cannot be told apart"));
            }
            set.keys.push(VerifyingKey::new(jwk)?);
        }
        Ok(set)
    }

    /// Reads the set that a client registers: every key must be one that we accept.
    ///
    /// # Errors
    /// [`JoseError::Key`] for the first that is not.
    pub fn parse(value: &Value) -> Result<Self, JoseError> {
        Self::new(list(value)?.iter().map(Jwk::parse).collect::<Result<Vec<_>, _>>()?)
    }

    /// Reads a set that others publish for many purposes: keys that are not for us are left out (RFC 7517 §5).
    ///
    /// # Errors
    /// [`JoseError::Key`] when it is not a set, is too large, or holds a private key.
    pub fn parse_published(value: &Value) -> Result<Self, JoseError> {
        let list = list(value)?;
        if list.len() > limits::KEYS_PER_SET || list.iter().any(|key| key.get("d").is_some() || key.get("k").is_some())
        {
            return Err(JoseError::Key("too many keys in the set, or one that is private"));
        }
        Self::new(list.iter().filter_map(|key| Jwk::parse(key).ok()))
    }

    /// The key of this name and algorithm. Without a name, the only key of the algorithm.
    ///
    /// # Errors
    /// [`JoseError::UnknownKey`]: fetch the set again, or refuse.
    pub fn find(&self, kid: Option<&str>, algorithm: Algorithm) -> Result<&VerifyingKey, JoseError> {
        let mut fitting =
            self.keys.iter().filter(|key| key.algorithm() == algorithm && (kid.is_none() || key.jwk().kid() == kid));
        match (fitting.next(), fitting.next()) {
            (Some(key), None) => Ok(key),
            _ => Err(JoseError::UnknownKey),
        }
    }

    /// Every key.
    pub fn keys(&self) -> &[VerifyingKey] {
        &self.keys
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }
}

fn list(value: &Value) -> Result<&Vec<Value>, JoseError> {
    value.get("keys").and_then(Value::as_array).ok_or(JoseError::Key("a key set has a member keys, an array"))
}

impl TryFrom<Value> for Jwks {
    type Error = JoseError;
    fn try_from(value: Value) -> Result<Self, JoseError> {
        Self::parse(&value)
    }
}

impl From<Jwks> for Value {
    fn from(set: Jwks) -> Value {
        let keys: Vec<Value> = set.keys.into_iter().map(|key| key.jwk().clone().into()).collect();
        json!({ "keys": keys })
    }
}

impl PartialEq for Jwks {
    fn eq(&self, other: &Self) -> bool {
        self.keys.iter().map(VerifyingKey::jwk).eq(other.keys.iter().map(VerifyingKey::jwk))
    }
}
