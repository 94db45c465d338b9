//! Asking whether something may be done: an AuthZEN evaluation, and its three answers (CONTRACT §4).

use crate::Guard;
use crate::caller::Caller;
use crate::issuer::IssuerError;
use crate::refusal::{Denial, Refusal, StepUp};
use http::StatusCode;
use serde_json::{Map, Value, json};

/// What an action is done to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    kind: String,
    id: String,
    properties: Map<String, Value>,
}

impl Resource {
    /// The resource of this type and id.
    pub fn new(kind: impl Into<String>, id: impl Into<String>) -> Self {
        Self { kind: kind.into(), id: id.into(), properties: Map::new() }
    }

    /// With a property that the policy may read as asserted by this API. It can tighten a decision, never relax one
    /// (unless the policy itself says so).
    #[must_use]
    pub fn with(mut self, property: &str, value: impl Into<Value>) -> Self {
        self.properties.insert(property.into(), value.into());
        self
    }

    fn to_json(&self) -> Value {
        if self.properties.is_empty() {
            json!({"type": self.kind, "id": self.id})
        } else {
            json!({"type": self.kind, "id": self.id, "properties": self.properties})
        }
    }
}

/// The issuer said yes to one action on one resource by one caller. Only the guard makes one.
#[derive(Clone, Debug)]
#[must_use]
pub struct Permitted {
    decision_id: String,
}

impl Permitted {
    /// The decision, for logs.
    pub fn decision_id(&self) -> &str {
        &self.decision_id
    }
}

impl Guard {
    /// Asks whether `caller` may do `action` to `resource`.
    ///
    /// # Errors
    /// [`Refusal::StepUp`] and [`Refusal::Denied`] by policy; [`Refusal::Unavailable`] when nobody could be asked.
    pub async fn evaluate(&self, caller: &Caller, action: &str, resource: &Resource) -> Result<Permitted, Refusal> {
        self.ask(caller, action, resource, None).await
    }

    /// Evaluates, and with a transaction lodges it: the answer's `decision_id` stands for exactly these bytes.
    pub(crate) async fn ask(
        &self,
        caller: &Caller,
        action: &str,
        resource: &Resource,
        transaction: Option<&Value>,
    ) -> Result<Permitted, Refusal> {
        let endpoints = self.inner.link.endpoints().ok_or(Refusal::Unavailable("the service is starting"))?;
        let question = question(caller.subject(), action, resource, &caller.presented.access_token, transaction);
        let reply = self.inner.link.post(&endpoints.evaluation, &question).await.map_err(|error| unanswered(&error))?;
        read(reply.status(), reply.body(), transaction)
    }
}

fn question(subject: &str, action: &str, resource: &Resource, token: &str, transaction: Option<&Value>) -> Value {
    // The guard itself has checked possession, so no proof goes with the token (CONTRACT §4).
    let mut context = json!({"access_token": token});
    if let Some(transaction) = transaction {
        context["authorization_details"] = json!([transaction]);
    }
    json!({
        "subject": {"type": "user", "id": subject},
        "action": {"name": action},
        "resource": resource.to_json(),
        "context": context,
    })
}

/// An error of the way to the issuer, as a refusal: nothing is done that could not be checked.
pub(crate) fn unanswered(error: &IssuerError) -> Refusal {
    match error {
        IssuerError::Http(_) => {
            tracing::warn!(%error, "the issuer could not be asked");
            Refusal::Unavailable("it cannot be checked at the moment whether this is allowed")
        }
        other => Refusal::Misconfigured(other.to_string()),
    }
}

/// Reads an answer. Only `decision: true` with an outcome that does not contradict it is a yes.
fn read(status: StatusCode, body: &[u8], transaction: Option<&Value>) -> Result<Permitted, Refusal> {
    if status == StatusCode::SERVICE_UNAVAILABLE || status == StatusCode::TOO_MANY_REQUESTS {
        return Err(Refusal::Unavailable("too many requests at once"));
    }
    let unreadable = |what: &str| Refusal::Misconfigured(format!("evaluation: status {status}, {what}"));
    if status != StatusCode::OK {
        return Err(unreadable("no answer"));
    }
    let answer: Value = serde_json::from_slice(body).map_err(|_| unreadable("not JSON"))?;
    let context = answer.get("context").cloned().unwrap_or_default();
    let text = |name: &str| context.get(name).and_then(Value::as_str).map(str::to_owned);
    let decision = answer.get("decision").and_then(Value::as_bool).ok_or_else(|| unreadable("no decision"))?;
    match (decision, text("outcome").as_deref()) {
        (true, None | Some("permit")) => Ok(Permitted { decision_id: text("decision_id").unwrap_or_default() }),
        (false, Some("step_up")) => {
            let missing = |name: &str| {
                context
                    .get("missing")
                    .and_then(Value::as_array)
                    .is_some_and(|list| list.iter().any(|item| item == name))
            };
            if transaction.is_none() && missing("authorization_details") {
                return Err(Refusal::Misconfigured(
                    "the action is confirmed per transaction; protect it with `transaction`".into(),
                ));
            }
            Err(Refusal::StepUp(Box::new(StepUp {
                decision_id: text("decision_id").ok_or_else(|| unreadable("no decision_id"))?,
                acr_values: text("acr_values").ok_or_else(|| unreadable("no acr_values"))?,
                max_age: context.get("max_age").and_then(Value::as_u64),
                authorization_details: transaction.cloned(),
                reason: reason(&context),
                challenge_uri: text("challenge_uri"),
            })))
        }
        (false, None | Some("deny")) => Err(Refusal::Denied(Denial {
            decision_id: text("decision_id"),
            reason: reason(&context),
            acr_values: text("acr_values"),
        })),
        _ => Err(unreadable("decision and outcome contradict each other")),
    }
}

/// `reason_user` is a text, or texts by key (AuthZEN §5.4 shows status codes, others language tags): the first will do.
fn reason(context: &Value) -> Option<String> {
    match context.get("reason_user")? {
        Value::String(text) => Some(text.clone()),
        Value::Object(texts) => texts.values().find_map(Value::as_str).map(str::to_owned),
        _ => None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]
mod tests {
    use super::*;

    #[test]
    fn only_a_clear_yes_is_a_yes() {
        let step_up = r#""outcome":"step_up","decision_id":"d","acr_values":"phr""#;
        for (status, body, verdict) in [
            (200, r#"{"decision":true}"#.to_owned(), "permitted"),
            (200, r#"{"decision":true,"context":{"outcome":"permit","decision_id":"d"}}"#.to_owned(), "permitted"),
            (200, r#"{"decision":false}"#.to_owned(), "denied"),
            (200, r#"{"decision":false,"context":{"outcome":"deny"}}"#.to_owned(), "denied"),
            (200, format!(r#"{{"decision":false,"context":{{{step_up}}}}}"#), "step-up"),
            (200, format!(r#"{{"decision":true,"context":{{{step_up}}}}}"#), "broken"),
            (200, r#"{"decision":false,"context":{"outcome":"permit"}}"#.to_owned(), "broken"),
            (200, r#"{"decision":true,"context":{"outcome":"deny"}}"#.to_owned(), "broken"),
            (200, r#"{"decision":"true"}"#.to_owned(), "broken"),
            (200, r#"{"decision":false,"context":{"outcome":"step_up"}}"#.to_owned(), "broken"),
            (
                200,
                format!(r#"{{"decision":false,"context":{{{step_up},"missing":["authorization_details"]}}}}"#),
                "broken",
            ),
            (200, "[]".to_owned(), "broken"),
            (200, String::new(), "broken"),
            (201, r#"{"decision":true}"#.to_owned(), "broken"),
            (400, "no".to_owned(), "broken"),
            (500, r#"{"decision":true}"#.to_owned(), "broken"),
            (503, r#"{"decision":true}"#.to_owned(), "unavailable"),
        ] {
            let read = read(StatusCode::from_u16(status).unwrap(), body.as_bytes(), None);
            let name = match read {
                Ok(_) => "permitted",
                Err(Refusal::Denied(_)) => "denied",
                Err(Refusal::StepUp(_)) => "step-up",
                Err(Refusal::Unavailable(_)) => "unavailable",
                Err(_) => "broken",
            };
            assert_eq!(name, verdict, "{status} {body}");
        }
    }

    #[test]
    fn a_question_is_an_authzen_evaluation() {
        let account = Resource::new("account", "a1").with("frozen", true);
        let transaction = json!({"type": "t"});
        assert_eq!(
            question("s", "payout.change", &account, "token", Some(&transaction)),
            json!({
                "subject": {"type": "user", "id": "s"},
                "action": {"name": "payout.change"},
                "resource": {"type": "account", "id": "a1", "properties": {"frozen": true}},
                "context": {"access_token": "token", "authorization_details": [{"type": "t"}]},
            })
        );
    }
}
