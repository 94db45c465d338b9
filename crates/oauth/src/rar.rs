//! Rich authorization requests (RFC 9396), as one transaction: an array of exactly one object of a granted type.

use crate::error::{ErrorCode, OAuthError};
use counterfoil_core::{json::parse_strict, limits};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeSet;

/// `authorization_details`: an array of exactly one object with a string `type`. Whether its fields are those of the type,
/// and its digest the lodged one, `counterfoil-core` says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Value", into = "Value")]
pub struct AuthorizationDetails {
    object: Value,
}

impl AuthorizationDetails {
    /// Reads the parameter.
    ///
    /// # Errors
    /// `invalid_authorization_details` when it is not strict JSON, not an array of one object, or of a type not granted.
    pub fn parse(text: &str, granted_types: &BTreeSet<String>) -> Result<Self, OAuthError> {
        let value = parse_strict(text.as_bytes(), limits::JSON_DEPTH).map_err(|error| {
            OAuthError::composed(ErrorCode::InvalidAuthorizationDetails, &format!("authorization_details: {error}."))
        })?;
        let details = Self::from_value(value)?;
        if granted_types.contains(details.kind()) {
            Ok(details)
        } else {
            Err(invalid("This type of authorization_details is unknown or not granted to the client."))
        }
    }

    /// From a JSON value that was read strictly: what an API lodges.
    ///
    /// # Errors
    /// `invalid_authorization_details` when it is not an array of one object with a string `type`, or is too large.
    pub fn from_value(value: Value) -> Result<Self, OAuthError> {
        let Value::Array(mut list) = value else { return Err(invalid("authorization_details is not an array.")) };
        let (Some(object), true) = (list.pop(), list.is_empty()) else {
            return Err(invalid("authorization_details must hold exactly one object: one approval, one transaction."));
        };
        if !object.get("type").is_some_and(Value::is_string) {
            return Err(invalid("An object of authorization_details has no type."));
        }
        // What can be lodged can be pushed, and what can be approved fits into its token.
        if object.to_string().len() > limits::AUTHORIZATION_DETAILS_BYTES {
            return Err(invalid("authorization_details is too large."));
        }
        Ok(Self { object })
    }

    /// The one object.
    pub const fn object(&self) -> &Value {
        &self.object
    }

    /// Its `type`.
    pub fn kind(&self) -> &str {
        self.object.get("type").and_then(Value::as_str).unwrap_or_default()
    }
}

fn invalid(description: &'static str) -> OAuthError {
    OAuthError::new(ErrorCode::InvalidAuthorizationDetails, description)
}

impl TryFrom<Value> for AuthorizationDetails {
    type Error = OAuthError;
    fn try_from(value: Value) -> Result<Self, OAuthError> {
        Self::from_value(value)
    }
}

impl From<AuthorizationDetails> for Value {
    fn from(details: AuthorizationDetails) -> Value {
        Value::Array(vec![details.object])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<String, ErrorCode> {
        let granted = BTreeSet::from(["payout_change".to_owned()]);
        AuthorizationDetails::parse(text, &granted).map(|details| details.kind().to_owned()).map_err(|e| e.code())
    }

    #[test]
    fn one_object_of_a_granted_type() {
        assert_eq!(read(r#"[{"type":"payout_change","iban":"x"}]"#), Ok("payout_change".to_owned()));
    }

    #[test]
    fn everything_else_is_invalid_authorization_details() {
        let deep = format!(r#"[{{"type":"payout_change","a":{}1{}}}]"#, "[".repeat(40), "]".repeat(40));
        let large =
            format!(r#"[{{"type":"payout_change","a":"{}"}}]"#, "x".repeat(limits::AUTHORIZATION_DETAILS_BYTES));
        for text in [
            "",
            "null",
            "[]",
            "{}",
            r#"{"type":"payout_change"}"#,
            r#"["payout_change"]"#,
            r#"[{}]"#,
            r#"[{"type":1}]"#,
            r#"[{"type":"other"}]"#,
            r#"[{"type":"payout_change"},{"type":"payout_change"}]"#,
            r#"[{"type":"payout_change","type":"payout_change"}]"#,
            r#"[{"type":"payout_change","a":{"b":1,"b":2}}]"#,
            r#"[{"type":"payout_change","a":"\ud800"}]"#,
            r#"[{"type":"payout_change"}] x"#,
            r#"[{"type":"payout_change"},]"#,
            &deep,
            &large,
        ] {
            assert_eq!(read(text), Err(ErrorCode::InvalidAuthorizationDetails), "{}", &text[..text.len().min(60)]);
        }
    }
}
