//! Spending a transaction: asked of the issuer right before it is executed, with the digest of what will be (CONTRACT §6).

use crate::Guard;
use crate::caller::Caller;
use crate::evaluate::unanswered;
use crate::issuer::IssuerError;
use crate::problem;
use crate::random;
use crate::refusal::{RedeemFault, Refusal};
use crate::revocations::Effect;
use counterfoil_core::digest::Digest;
use counterfoil_core::json::canonical;
use http::StatusCode;
use serde::Serialize;
use serde_json::{Value, json};
use std::time::Duration;

/// Waits before the second, third and fourth attempt: a reply that was lost is asked for again with the same id, and the
/// issuer answers what it answered.
const RETRIES: [Duration; 3] = [Duration::from_millis(100), Duration::from_millis(400), Duration::from_millis(1_500)];

/// The transaction was spent for the request at hand, once, and `T` is what it said.
///
/// It cannot be made, cloned or guessed outside the guard: a handler that has one has the right to act on its values, once.
/// A handler takes it as an argument on a route protected with [`Guard::transaction`].
#[derive(Debug)]
#[must_use = "a confirmed transaction that nobody executes was confirmed in vain"]
pub struct Spent<T> {
    value: T,
    receipt: Receipt,
}

/// What the issuer wrote down about a spent transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The challenge that the person answered: the key of spending.
    pub txn: String,
    /// The decision that asked for it.
    pub decision_id: Option<String>,
    /// The person.
    pub subject: String,
    /// The short number that the person has been shown, when the issuer tells it.
    pub counterfoil: Option<String>,
}

impl<T> Spent<T> {
    /// What was confirmed. Act on these values, not on the request's.
    pub const fn value(&self) -> &T {
        &self.value
    }

    /// What was confirmed, to keep.
    pub fn into_value(self) -> T {
        self.value
    }

    /// What the issuer wrote down.
    pub const fn receipt(&self) -> &Receipt {
        &self.receipt
    }
}

/// How it went, as the API reports it afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was done.
    Executed,
    /// It was not done; the transaction stays spent.
    Failed,
}

/// A transaction that was spent and whose outcome is not yet reported.
#[derive(Debug)]
#[must_use = "the log wants to know how it went"]
pub(crate) struct Report {
    redemption_id: String,
}

/// Canonical bytes of a transaction are what was signed: their digest (RFC 8785, SHA-256).
///
/// # Errors
/// [`Refusal::BadRequest`] when the value has no canonical form.
pub fn transaction_digest(transaction: &Value) -> Result<Digest, Refusal> {
    let bytes = canonical(transaction).map_err(|error| Refusal::BadRequest(error.to_string()))?;
    Ok(Digest::of(&bytes))
}

impl Guard {
    /// Spends what `caller`'s token carries, if it is exactly `value`.
    pub(crate) async fn redeem<T: Serialize>(&self, caller: &Caller, value: T) -> Result<(Spent<T>, Report), Refusal> {
        let transaction = serde_json::to_value(&value).map_err(|error| Refusal::BadRequest(error.to_string()))?;
        let digest = transaction_digest(&transaction)?;
        let redemption_id = random::token();
        let presented = &caller.presented;
        let question = json!({
            "access_token": presented.access_token,
            "dpop": {"proof": presented.proof, "method": presented.method, "uri": presented.uri},
            "txn_digest": digest.to_string(),
            "redemption_id": redemption_id,
        });
        let (status, body) = self.redeem_with_retries(&question).await?;
        let expected = Expected {
            txn: caller.claims().txn.map(|txn| txn.to_string()).unwrap_or_default(),
            subject: caller.subject(),
            client_id: caller.client_id(),
            digest,
        };
        let receipt = read(status, &body, &expected)?;
        // A revocation that came in meanwhile stops what has not begun. The spend stands; the outcome says `failed`.
        if let Err(refusal) = self.standing(&caller.token, Effect::Write) {
            self.report(Report { redemption_id }, Outcome::Failed);
            return Err(refusal);
        }
        Ok((Spent { value, receipt }, Report { redemption_id }))
    }

    async fn redeem_with_retries(&self, question: &Value) -> Result<(StatusCode, bytes::Bytes), Refusal> {
        let endpoints = self.inner.link.endpoints().ok_or(Refusal::Unavailable("the service is starting"))?;
        let mut waits = RETRIES.into_iter();
        loop {
            let reply = self.inner.link.post(&endpoints.redeem, question).await;
            let lost = match &reply {
                Ok(reply) => reply.status().is_server_error(),
                Err(error) => matches!(error, IssuerError::Http(_)),
            };
            match waits.next() {
                Some(wait) if lost => tokio::time::sleep(wait).await,
                _ => return reply.map(|reply| (reply.status(), reply.into_body())).map_err(|error| unanswered(&error)),
            }
        }
    }

    /// Tells how it went, beside the request: the person does not wait for it, and it is tried again when it fails.
    pub(crate) fn report(&self, report: Report, outcome: Outcome) {
        let inner = self.inner.clone();
        // None while the process stops: then the log keeps "spent" without an outcome, which is the truth.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        runtime.spawn(async move {
            let Some(endpoints) = inner.link.endpoints() else { return };
            let url = format!("{}/{}", endpoints.redeem, report.redemption_id);
            let name = match outcome {
                Outcome::Executed => "executed",
                Outcome::Failed => "failed",
            };
            for wait in RETRIES.into_iter().map(Some).chain([None]) {
                match inner.link.post(&url, &json!({"outcome": name})).await {
                    Ok(reply) if !reply.status().is_server_error() => {
                        if !reply.status().is_success() {
                            tracing::warn!(status = %reply.status(), "the issuer did not take the report of an outcome");
                        }
                        return;
                    }
                    Ok(_) | Err(IssuerError::Http(_)) if wait.is_some() => {}
                    Ok(_) => tracing::warn!("the report of an outcome was not taken"),
                    Err(error) => tracing::warn!(%error, "the report of an outcome was not taken"),
                }
                if let Some(wait) = wait {
                    tokio::time::sleep(wait).await;
                }
            }
        });
    }
}

/// What an answer must say to be about this request.
struct Expected<'a> {
    txn: String,
    subject: &'a str,
    client_id: &'a str,
    digest: Digest,
}

fn read(status: StatusCode, body: &[u8], expected: &Expected<'_>) -> Result<Receipt, Refusal> {
    if status != StatusCode::OK {
        return Err(refused(status, body));
    }
    let unreadable = |what: &str| Refusal::Misconfigured(format!("redeem: the answer's {what} is not ours"));
    let answer: Value = serde_json::from_slice(body).map_err(|_| unreadable("body"))?;
    let text = |name: &str| answer.get(name).and_then(Value::as_str);
    for (name, value) in [
        ("outcome", "spent"),
        ("txn", expected.txn.as_str()),
        ("subject", expected.subject),
        ("client_id", expected.client_id),
    ] {
        if text(name) != Some(value) {
            return Err(unreadable(name));
        }
    }
    // The issuer compared the digest; that it answers the same object costs one hash to know.
    let object = answer.pointer("/authorization_details/0").ok_or_else(|| unreadable("authorization_details"))?;
    if transaction_digest(object).ok() != Some(expected.digest) {
        return Err(unreadable("authorization_details"));
    }
    Ok(Receipt {
        txn: expected.txn.clone(),
        decision_id: text("decision_id").map(str::to_owned),
        subject: expected.subject.to_owned(),
        counterfoil: text("counterfoil").map(str::to_owned),
    })
}

fn refused(status: StatusCode, body: &[u8]) -> Refusal {
    let name = problem::name_of(body);
    match RedeemFault::named(&name) {
        Some(fault) => Refusal::Redeem(fault),
        None if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
            Refusal::Unavailable("it cannot be known at the moment whether this was confirmed")
        }
        None => Refusal::Misconfigured(format!("redeem: status {status}, problem {name}")),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]
mod tests {
    use super::*;

    fn transaction() -> Value {
        json!({"type": "payout_change", "resource": {"type": "account", "id": "a"}, "amount": {"currency": "EUR", "value": "1.00"}})
    }

    fn expected(digest: Digest) -> Expected<'static> {
        Expected { txn: "x".into(), subject: "s", client_id: "c", digest }
    }

    #[test]
    fn the_digest_is_over_canonical_bytes() {
        let other_order: Value = serde_json::from_str(
            r#"{ "amount": {"value":"1.00","currency":"EUR"}, "type":"payout_change", "resource":{"id":"a","type":"account"} }"#,
        )
        .unwrap();
        assert_eq!(transaction_digest(&transaction()).unwrap(), transaction_digest(&other_order).unwrap());
        let canonical = r#"{"amount":{"currency":"EUR","value":"1.00"},"resource":{"id":"a","type":"account"},"type":"payout_change"}"#;
        assert_eq!(transaction_digest(&transaction()).unwrap(), Digest::of(canonical.as_bytes()));
    }

    #[test]
    fn an_answer_about_anything_else_is_not_believed() {
        let digest = transaction_digest(&transaction()).unwrap();
        let answer = json!({
            "outcome": "spent", "replayed": true, "txn": "x", "decision_id": "d", "subject": "s", "client_id": "c",
            "authorization_details": [transaction()],
        });
        let receipt = read(StatusCode::OK, answer.to_string().as_bytes(), &expected(digest)).unwrap();
        assert_eq!((receipt.txn.as_str(), receipt.decision_id.as_deref()), ("x", Some("d")));
        for (pointer, value) in [
            ("/outcome", json!("unspent")),
            ("/txn", json!("y")),
            ("/subject", json!("t")),
            ("/client_id", json!("d")),
            ("/authorization_details/0/amount/value", json!("2.00")),
            ("/authorization_details", json!([])),
            ("/txn", json!(null)),
        ] {
            let mut changed = answer.clone();
            *changed.pointer_mut(pointer).unwrap() = value;
            let read = read(StatusCode::OK, changed.to_string().as_bytes(), &expected(digest));
            assert!(matches!(read, Err(Refusal::Misconfigured(_))), "{pointer}");
        }
    }

    #[test]
    fn each_problem_of_the_issuer_is_told_apart() {
        for (fault, name, status) in RedeemFault::TABLE {
            let body = json!({"type": format!("urn:counterfoil:problem:{name}")}).to_string();
            assert!(matches!(refused(*status, body.as_bytes()), Refusal::Redeem(read) if read == *fault), "{name}");
        }
        assert!(matches!(refused(StatusCode::BAD_GATEWAY, b"<html>"), Refusal::Unavailable(_)));
        assert!(matches!(refused(StatusCode::BAD_REQUEST, b"{}"), Refusal::Misconfigured(_)));
    }
}
