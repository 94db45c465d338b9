//! Every way in which the guard refuses, as a value, and how each reads on the wire.

use crate::problem::Problem;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde_json::{Value, json};

/// The algorithms of DPoP proofs that we take, as `algs` names them (RFC 9449 §7.1).
const ALGS: &str = "ES256";

/// What a step-up asks for (CONTRACT §4).
#[derive(Clone, Debug, PartialEq)]
pub struct StepUp {
    /// The decision that asks: the client sends it back with its pushed request.
    pub decision_id: String,
    /// The acr that is asked for.
    pub acr_values: String,
    /// How old the proof may be, in seconds.
    pub max_age: Option<u64>,
    /// The transaction as it was lodged. The client compares it with what it meant and pushes it unchanged.
    pub authorization_details: Option<Value>,
    /// Why, in words for the person.
    pub reason: Option<String>,
    /// A page of the issuer's that says what is asked.
    pub challenge_uri: Option<String>,
}

/// What a final deny says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Denial {
    /// The decision, for questions to an administrator.
    pub decision_id: Option<String>,
    /// Why, in words for the person.
    pub reason: Option<String>,
    /// What it would take, when policy says so.
    pub acr_values: Option<String>,
}

/// Why the issuer did not let a transaction be spent (CONTRACT §6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RedeemFault {
    /// It has been spent before.
    Spent,
    /// What was about to be executed is not what was signed.
    DigestMismatch,
    /// The policy has changed since it was signed; nothing is spent, the client asks again.
    PolicyChanged,
    /// The sign-in that it comes from is contained.
    Contained,
    /// It came too late.
    Expired,
}

impl RedeemFault {
    /// The faults, with their names and status codes on the wire.
    pub const TABLE: &'static [(Self, &'static str, StatusCode)] = &[
        (Self::Spent, "spent", StatusCode::CONFLICT),
        (Self::DigestMismatch, "digest_mismatch", StatusCode::UNPROCESSABLE_ENTITY),
        (Self::PolicyChanged, "policy_changed", StatusCode::CONFLICT),
        (Self::Contained, "contained", StatusCode::FORBIDDEN),
        (Self::Expired, "expired", StatusCode::GONE),
    ];

    /// The fault with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::TABLE.iter().find(|row| row.1 == name).map(|row| row.0)
    }

    const fn detail(self) -> &'static str {
        match self {
            Self::Spent => "this confirmation has been used before",
            Self::DigestMismatch => "this is not what was confirmed",
            Self::PolicyChanged => "the rules have changed since this was confirmed; confirm it again",
            Self::Contained => "the sign-in behind this confirmation has been cut off",
            Self::Expired => "this confirmation is too old",
        }
    }
}

/// Why a request was not let through.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// No token was presented: the reply says what is expected and nothing more (RFC 6750 §3.1).
    #[error("no access token was presented")]
    NoToken,
    /// The token cannot be accepted.
    #[error("{0}")]
    InvalidToken(&'static str),
    /// The DPoP proof cannot be accepted.
    #[error("{0}")]
    InvalidProof(&'static str),
    /// The proof has no nonce of ours, or an old one (RFC 9449 §9).
    #[error("the DPoP proof needs a nonce")]
    UseNonce,
    /// More proof is asked for (RFC 9470).
    #[error("more proof is needed")]
    StepUp(Box<StepUp>),
    /// Policy says no, finally.
    #[error("not allowed")]
    Denied(Denial),
    /// The transaction cannot be spent.
    #[error("{}", .0.detail())]
    Redeem(RedeemFault),
    /// The request is not one that this API understands.
    #[error("{0}")]
    BadRequest(String),
    /// The body is longer than a protected route takes.
    #[error("the request is too large")]
    TooLarge,
    /// Too much at once, or the issuer cannot be asked: what cannot be checked is not done.
    #[error("{0}")]
    Unavailable(&'static str),
    /// The API or the issuer is set up wrongly; the text is for the log, never for a caller.
    #[error("{0}")]
    Misconfigured(String),
}

impl Refusal {
    fn status(&self) -> StatusCode {
        match self {
            Self::NoToken | Self::InvalidToken(_) | Self::InvalidProof(_) | Self::UseNonce | Self::StepUp(_) => {
                StatusCode::UNAUTHORIZED
            }
            Self::Denied(_) => StatusCode::FORBIDDEN,
            Self::Redeem(fault) => {
                RedeemFault::TABLE.iter().find(|row| row.0 == *fault).map_or(StatusCode::CONFLICT, |row| row.2)
            }
            Self::BadRequest(_) => StatusCode::BAD_REQUEST,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Misconfigured(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The `WWW-Authenticate` value of a 401.
    pub fn challenge(&self) -> Option<String> {
        let error = |code: &str| format!(r#"DPoP error="{code}", error_description="{self}", algs="{ALGS}""#);
        match self {
            Self::NoToken => Some(format!(r#"DPoP algs="{ALGS}""#)),
            Self::InvalidToken(_) => Some(error("invalid_token")),
            Self::InvalidProof(_) => Some(error("invalid_dpop_proof")),
            Self::UseNonce => Some(error("use_dpop_nonce")),
            Self::StepUp(step_up) => Some(step_up.challenge()),
            _ => None,
        }
    }

    fn problem(&self) -> Problem {
        let problem = |name: &str| Problem::new(self.status(), name, self.to_string());
        match self {
            Self::NoToken => problem("no-token"),
            Self::InvalidToken(_) => problem("invalid-token"),
            Self::InvalidProof(_) => problem("invalid-dpop-proof"),
            Self::UseNonce => problem("use-dpop-nonce"),
            Self::StepUp(step_up) => problem("insufficient-user-authentication")
                .with("decision_id", step_up.decision_id.as_str())
                .with("acr_values", step_up.acr_values.as_str())
                .with_some("max_age", step_up.max_age)
                .with_some(
                    "authorization_details",
                    step_up.authorization_details.as_ref().map(|object| json!([object])),
                )
                .with_some("reason", step_up.reason.as_deref())
                .with_some("challenge_uri", step_up.challenge_uri.as_deref()),
            Self::Denied(denial) => problem("denied")
                .with_some("decision_id", denial.decision_id.as_deref())
                .with_some("reason", denial.reason.as_deref())
                .with_some("acr_values", denial.acr_values.as_deref()),
            Self::Redeem(fault) => {
                let name = RedeemFault::TABLE.iter().find(|row| row.0 == *fault).map_or("spent", |row| row.1);
                problem(name)
            }
            Self::BadRequest(_) => problem("invalid-request"),
            Self::TooLarge => problem("too-large"),
            Self::Unavailable(_) => problem("unavailable"),
            Self::Misconfigured(_) => Problem::new(
                self.status(),
                "internal",
                "this service cannot check the request; its operator has been told",
            ),
        }
    }
}

impl StepUp {
    /// RFC 9470 §3, with `decision_id` as CONTRACT §4 adds it.
    fn challenge(&self) -> String {
        let mut text = format!(
            r#"DPoP error="insufficient_user_authentication", error_description="more proof is needed", acr_values="{}""#,
            quotable(&self.acr_values)
        );
        if let Some(seconds) = self.max_age {
            text.push_str(&format!(", max_age={seconds}"));
        }
        text.push_str(&format!(r#", decision_id="{}""#, quotable(&self.decision_id)));
        text
    }
}

/// Keeps what may stand in a quoted string as it is (RFC 9110 §5.6.4); the rest comes from the issuer and has no place there.
fn quotable(text: &str) -> String {
    text.chars().filter(|c| (' '..='~').contains(c) && !matches!(c, '"' | '\\')).collect()
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        if let Self::Misconfigured(text) = &self {
            tracing::error!(reason = %text, "a request was refused because the guard cannot work");
        }
        let challenge = self.challenge().and_then(|text| HeaderValue::from_str(&text).ok());
        let mut response = self.problem().into_response();
        if let Some(challenge) = challenge {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        if matches!(self, Self::Unavailable(_)) {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_read_as_rfc_9449_and_rfc_9470_say() {
        let step_up = |max_age, decision_id: &str| {
            Refusal::StepUp(Box::new(StepUp {
                decision_id: decision_id.into(),
                acr_values: "phr".into(),
                max_age,
                authorization_details: None,
                reason: None,
                challenge_uri: None,
            }))
        };
        let needed = r#"DPoP error="insufficient_user_authentication", error_description="more proof is needed", acr_values="phr""#;
        for (refusal, challenge) in [
            (Refusal::NoToken, Some(r#"DPoP algs="ES256""#.to_owned())),
            (
                Refusal::InvalidToken("the token has expired"),
                Some(
                    r#"DPoP error="invalid_token", error_description="the token has expired", algs="ES256""#.to_owned(),
                ),
            ),
            (
                Refusal::UseNonce,
                Some(
                    r#"DPoP error="use_dpop_nonce", error_description="the DPoP proof needs a nonce", algs="ES256""#
                        .to_owned(),
                ),
            ),
            (step_up(Some(300), "d1"), Some(format!(r#"{needed}, max_age=300, decision_id="d1""#))),
            (step_up(None, "d\"1\\\n"), Some(format!(r#"{needed}, decision_id="d1""#))),
            (Refusal::Denied(Denial::default()), None),
            (Refusal::Redeem(RedeemFault::Spent), None),
        ] {
            assert_eq!(refusal.challenge(), challenge, "{refusal:?}");
        }
    }

    #[test]
    fn a_caller_never_reads_what_is_for_the_log() {
        let problem = Refusal::Misconfigured("the key file is /etc/secret".into()).problem();
        assert!(!format!("{problem:?}").contains("/etc/secret"));
    }

    #[test]
    fn every_fault_of_redeem_is_known_by_its_name() {
        for (fault, name, _) in RedeemFault::TABLE {
            assert_eq!(RedeemFault::named(name), Some(*fault));
        }
        assert_eq!(RedeemFault::named("unknown"), None);
    }
}
