//! The client data of a ceremony (WebAuthn L3 §5.8.1): what the browser says it was asked, and where.

use crate::{json, limits::CLIENT_DATA_BYTES};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::Value;

/// The client data is not that of our ceremony.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ClientDataError {
    /// Not an object in strict JSON, or too long.
    #[error("the client data is no JSON object")]
    NotJson,
    /// Another ceremony: `webauthn.create`, `payment.get`, …
    #[error("the client data is of another type")]
    OtherType,
    /// An answer to another challenge.
    #[error("the client data answers another challenge")]
    OtherChallenge,
    /// It was asked for at another origin: the sign of a relay.
    #[error("the client data is of another origin")]
    OtherOrigin,
    /// It was asked for in a frame of another origin.
    #[error("the client data is of a frame")]
    Framed,
}

/// Which ceremony.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ceremony {
    Create,
    Get,
}

/// WebAuthn L3 §7.2 steps 9 to 14 and §7.1 steps 5 to 11, in their order. No template and no comparison of bytes:
/// browsers may add members.
pub(super) fn check(bytes: &[u8], ceremony: Ceremony, challenge: &[u8], origin: &str) -> Result<(), ClientDataError> {
    if bytes.len() > CLIENT_DATA_BYTES {
        return Err(ClientDataError::NotJson);
    }
    // "UTF-8 decode" strips a byte order mark.
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let Ok(Value::Object(members)) = json::parse_strict(text, 8) else { return Err(ClientDataError::NotJson) };
    let member = |name: &str| members.get(name).and_then(Value::as_str);
    let kind = match ceremony {
        Ceremony::Create => "webauthn.create",
        Ceremony::Get => "webauthn.get",
    };
    if member("type") != Some(kind) {
        return Err(ClientDataError::OtherType);
    }
    if member("challenge") != Some(&URL_SAFE_NO_PAD.encode(challenge)) {
        return Err(ClientDataError::OtherChallenge);
    }
    // The issuer's own origin, port included: no related origins, no other port of our host.
    if member("origin") != Some(origin) {
        return Err(ClientDataError::OtherOrigin);
    }
    // We expect to be in no frame at all (steps 13 and 14).
    if !matches!(members.get("crossOrigin"), None | Some(Value::Bool(false))) || members.contains_key("topOrigin") {
        return Err(ClientDataError::Framed);
    }
    Ok(())
}
