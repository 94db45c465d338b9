//! Problem details (RFC 9457): how a refusal reads on the wire, ours and the issuer's.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde_json::{Map, Value, json};

/// Types of problems are names under this one.
pub const TYPE_PREFIX: &str = "urn:counterfoil:problem:";

/// A problem document that is being written.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    status: StatusCode,
    members: Map<String, Value>,
}

impl Problem {
    /// A problem with this status, short name (the last part of its type) and sentence for people.
    pub fn new(status: StatusCode, name: &str, detail: impl Into<String>) -> Self {
        let title = status.canonical_reason().unwrap_or("Refused");
        let mut members = Map::new();
        members.insert("type".into(), format!("{TYPE_PREFIX}{name}").into());
        members.insert("title".into(), title.into());
        members.insert("status".into(), status.as_u16().into());
        members.insert("detail".into(), detail.into().into());
        Self { status, members }
    }

    /// With one more member.
    #[must_use]
    pub fn with(mut self, member: &str, value: impl Into<Value>) -> Self {
        self.members.insert(member.into(), value.into());
        self
    }

    /// With one more member, when there is a value.
    #[must_use]
    pub fn with_some(self, member: &str, value: Option<impl Into<Value>>) -> Self {
        match value {
            Some(value) => self.with(member, value),
            None => self,
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.status, Value::Object(self.members).to_string()).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}

/// The short name of a problem that the issuer answered: the last part of its `type`. Whatever cannot be read has the
/// name `unknown`, which no caller knows and everybody refuses.
pub fn name_of(body: &[u8]) -> String {
    let body: Value = serde_json::from_slice(body).unwrap_or_else(|_| json!({}));
    let kind = body.get("type").and_then(Value::as_str).unwrap_or_default();
    match kind.rsplit(['/', ':', '#']).next() {
        Some(name) if !name.is_empty() => name.to_owned(),
        _ => "unknown".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_is_the_last_part_of_the_type() {
        for (body, name) in [
            (r#"{"type":"urn:counterfoil:problem:spent"}"#, "spent"),
            (r#"{"type":"https://id.example/problems/digest_mismatch"}"#, "digest_mismatch"),
            (r#"{"type":"spent"}"#, "spent"),
            (r#"{"type":"about:blank"}"#, "blank"),
            (r#"{"type":7}"#, "unknown"),
            ("", "unknown"),
        ] {
            assert_eq!(name_of(body.as_bytes()), name, "{body}");
        }
    }
}
