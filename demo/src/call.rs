//! The web front as a client of the treasury's own API: over HTTP, with the session's token and DPoP key, like any other client.

use crate::session::Token;
use bytes::Bytes;
use counterfoil_guard::client::DpopKey;
use counterfoil_guard::http::HttpClient;
use http::{Method, Request, StatusCode, header};
use http_body_util::Full;
use serde_json::Value;

/// What the API answered.
#[derive(Debug, PartialEq)]
pub enum Reply {
    /// Done.
    Done(Value),
    /// More proof is asked for (RFC 9470).
    StepUp { decision_id: String, authorization_details: Option<Value> },
    /// Policy says no.
    Denied { reason: Option<String>, acr_values: Option<String>, decision_id: Option<String> },
    /// The confirmation does not count, by the name of the problem (`spent`, `digest_mismatch` …).
    NotConfirmed(String),
    /// The token is not good (any more).
    InvalidToken,
    /// The API cannot check at the moment.
    Unavailable,
    /// The input is refused, with the API's words.
    Invalid(String),
    /// Anything else; for the log.
    Broken(String),
}

/// Calls the API at `base`.
pub async fn call(
    http: &HttpClient,
    base: &str,
    dpop: &DpopKey,
    token: &Token,
    (method, path, body): (Method, String, Option<Value>),
) -> Reply {
    let url = format!("{base}{path}");
    let mut repeated = false;
    loop {
        let Ok(proof) = dpop.proof(method.as_str(), &url, Some(&token.access_token)) else {
            return Reply::Broken("no proof could be made".into());
        };
        let request = Request::builder()
            .method(method.clone())
            .uri(&url)
            .header(header::AUTHORIZATION, format!("DPoP {}", token.access_token))
            .header("dpop", proof)
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(body.as_ref().map(|body| Bytes::from(body.to_string())).unwrap_or_default()));
        let Ok(request) = request else { return Reply::Broken("the request cannot be written".into()) };
        let reply = match http.send(request).await {
            Ok(reply) => reply,
            Err(error) => {
                tracing::warn!(%error, "the treasury's API does not answer");
                return Reply::Unavailable;
            }
        };
        if dpop.learn(reply.status(), reply.headers(), reply.body()) && !std::mem::replace(&mut repeated, true) {
            continue;
        }
        return read(reply.status(), reply.body());
    }
}

fn read(status: StatusCode, body: &[u8]) -> Reply {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let text = |name: &str| body.get(name).and_then(Value::as_str).map(str::to_owned);
    let kind = text("type").unwrap_or_default();
    let problem = kind.rsplit([':', '/']).next().unwrap_or_default();
    match (status, problem) {
        (status, _) if status.is_success() => Reply::Done(body),
        (StatusCode::UNAUTHORIZED, "insufficient-user-authentication") => match text("decision_id") {
            Some(decision_id) => {
                Reply::StepUp { decision_id, authorization_details: body.get("authorization_details").cloned() }
            }
            None => Reply::Broken("a step-up without decision".into()),
        },
        (StatusCode::UNAUTHORIZED, "invalid-token" | "no-token") => Reply::InvalidToken,
        (_, "denied") => {
            Reply::Denied { reason: text("reason"), acr_values: text("acr_values"), decision_id: text("decision_id") }
        }
        (_, "spent" | "digest_mismatch" | "policy_changed" | "contained" | "expired") => {
            Reply::NotConfirmed(problem.to_owned())
        }
        (StatusCode::SERVICE_UNAVAILABLE, _) => Reply::Unavailable,
        (StatusCode::BAD_REQUEST, "invalid-request") => Reply::Invalid(text("detail").unwrap_or_default()),
        _ => Reply::Broken(format!("status {status}, problem {problem:?}")),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]
mod tests {
    use super::*;

    #[test]
    fn replies_are_told_apart() {
        let urn = |name: &str| format!(r#"{{"type":"urn:counterfoil:problem:{name}","decision_id":"d"}}"#);
        let denied = Reply::Denied { reason: None, acr_values: None, decision_id: Some("d".into()) };
        let step_up = Reply::StepUp { decision_id: "d".into(), authorization_details: None };
        for (status, body, reply) in [
            (200, "{}".to_owned(), Reply::Done(Value::Object(serde_json::Map::new()))),
            (401, urn("insufficient-user-authentication"), step_up),
            (401, urn("invalid-token"), Reply::InvalidToken),
            (403, urn("denied"), denied),
            (409, urn("spent"), Reply::NotConfirmed("spent".into())),
            (422, urn("digest_mismatch"), Reply::NotConfirmed("digest_mismatch".into())),
            (503, String::new(), Reply::Unavailable),
        ] {
            assert_eq!(read(StatusCode::from_u16(status).unwrap(), body.as_bytes()), reply, "{status} {body}");
        }
        assert!(matches!(read(StatusCode::UNAUTHORIZED, b"{}"), Reply::Broken(_)));
    }
}
