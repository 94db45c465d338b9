//! An assertion as it comes from the browser and as it is kept.

use crate::{digest::Digest, limits, statement::NotCanonical};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};

/// The answer is not an `AuthenticationResponseJSON` (WebAuthn L3 §5.1) within our limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an authentication response: {0}")]
pub struct InvalidAssertion(pub &'static str);

/// What an authenticator said: the members of `AuthenticatorAssertionResponse` that are signed or looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Assertion {
    /// The credential id, base64url.
    pub id: String,
    /// The bytes that the browser signed over, base64url.
    #[serde(rename = "clientDataJSON")]
    pub client_data_json: String,
    /// What the authenticator says of itself, base64url.
    pub authenticator_data: String,
    /// The signature, base64url.
    pub signature: String,
    /// Whose credential the authenticator takes it for, base64url: the sixteen bytes of a
    /// [`crate::id::SubjectId`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_handle: Option<String>,
}

/// `AuthenticationResponseJSON`. Client extension results are neither asked for nor looked at.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct AuthenticationResponse {
    id: String,
    raw_id: String,
    #[serde(rename = "type")]
    kind: String,
    response: Response,
    #[serde(default, rename = "authenticatorAttachment")]
    _authenticator_attachment: Option<String>,
    #[serde(default, rename = "clientExtensionResults")]
    _client_extension_results: serde_json::Map<String, serde_json::Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Response {
    #[serde(rename = "clientDataJSON")]
    client_data_json: String,
    authenticator_data: String,
    signature: String,
    #[serde(default)]
    user_handle: Option<String>,
}

impl Assertion {
    /// Reads what `PublicKeyCredential.toJSON()` gave. Unknown members are refused.
    pub fn from_json(json: serde_json::Value) -> Result<Self, InvalidAssertion> {
        let answer: AuthenticationResponse =
            crate::json::read(json).map_err(|_| InvalidAssertion("a member is missing, unknown or of another type"))?;
        if answer.kind != "public-key" {
            return Err(InvalidAssertion("type is not public-key"));
        }
        if answer.id != answer.raw_id {
            return Err(InvalidAssertion("id and rawId differ"));
        }
        let Response { client_data_json, authenticator_data, signature, user_handle } = answer.response;
        let assertion = Self { id: answer.id, client_data_json, authenticator_data, signature, user_handle };
        assertion.parts()?;
        Ok(assertion)
    }

    /// SHA-256 of its canonical JSON: what the log says of it.
    pub fn digest(&self) -> Result<Digest, NotCanonical> {
        serde_json_canonicalizer::to_vec(self).map(|bytes| Digest::of(&bytes)).map_err(|_| NotCanonical)
    }

    pub(super) fn parts(&self) -> Result<Parts, InvalidAssertion> {
        decode(&self.id, limits::CREDENTIAL_ID_BYTES, "id")?;
        Ok(Parts {
            client_data_json: decode(&self.client_data_json, limits::CLIENT_DATA_BYTES, "clientDataJSON")?,
            authenticator_data: decode(&self.authenticator_data, limits::WEBAUTHN_PART_BYTES, "authenticatorData")?,
            signature: decode(&self.signature, limits::COSE_KEY_BYTES, "signature")?,
            user_handle: self.user_handle.as_deref().map(|text| decode(text, 64, "userHandle")).transpose()?,
        })
    }
}

/// What is looked at, as bytes.
pub(super) struct Parts {
    pub client_data_json: Vec<u8>,
    pub authenticator_data: Vec<u8>,
    pub signature: Vec<u8>,
    pub user_handle: Option<Vec<u8>>,
}

/// Base64url without padding, in its one canonical spelling, and not empty.
pub(super) fn decode(text: &str, limit_bytes: usize, name: &'static str) -> Result<Vec<u8>, InvalidAssertion> {
    if text.is_empty() || text.len() > limit_bytes.div_ceil(3) * 4 {
        return Err(InvalidAssertion(name));
    }
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| InvalidAssertion(name))?;
    if bytes.len() > limit_bytes { Err(InvalidAssertion(name)) } else { Ok(bytes) }
}
