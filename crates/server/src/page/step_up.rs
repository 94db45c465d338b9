//! `POST /step-up/{id}`: the transaction as the stored challenge has it, and the counterfoil of the answer.

use super::{Back, Client, Person, Window};
use counterfoil_core::{assurance::Method, id::DecisionId, time::Time};
use serde::Serialize;

/// How far the challenge is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Waiting for an answer.
    Open,
    /// Confirmed.
    Proven,
    /// Refused by the person.
    Refused,
    /// Too late.
    Expired,
    /// Withdrawn, because something changed.
    Void,
    /// Only a decision so far: the page says what will be asked and leads back.
    Announced,
}

/// The step-up page.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StepUp {
    /// How far the challenge is.
    pub state: State,
    /// The challenge, or the decision while it is only announced.
    pub id: String,
    /// The language of the statement's text: the page may speak another.
    pub lang: String,
    /// Who asks.
    pub client: Client,
    /// One verb and its object, from the template; absent when only the person is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Who asks for what, in one sentence, from the template.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sentence: Option<String>,
    /// Parts of the sentence to print bold.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub strong: Vec<String>,
    /// The values, each in full, in display order.
    pub rows: Vec<Row>,
    /// Whose session this is.
    pub person: Person,
    /// Where from, if known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// Browser and system in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// What is accepted, the first is offered; empty when nothing enrolled is enough.
    pub methods: Vec<Method>,
    /// `PublicKeyCredentialRequestOptionsJSON` over the statement's ceremony nonce.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub passkey_options: Option<serde_json::Value>,
    /// How often one may still try.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempts_left: Option<u32>,
    /// Where to enrol what is missing and come back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enrol_url: Option<String>,
    /// The policy's reason in words.
    pub reason: String,
    /// Which version of the policy.
    pub policy_version: String,
    /// The decision that asked for this.
    pub decision_id: DecisionId,
    /// How long an answer counts.
    #[serde(flatten)]
    pub window: Window,
    /// What was answered, when it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub receipt: Option<Receipt>,
    /// Where the person came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub back: Option<Back>,
}

/// How a value is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RowKind {
    /// Anything else.
    Text,
    /// Somebody's name.
    Name,
    /// An account number, grouped by the page.
    Iban,
    /// Money, already formatted for the reader's language.
    Amount,
    /// An identifier.
    Id,
    /// A date.
    Date,
}

/// What differs from the last time this person confirmed the like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// Never seen before.
    New,
    /// More.
    Larger,
    /// Less.
    Smaller,
    /// Otherwise different.
    Other,
}

/// One value of the transaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Row {
    /// The field's name in the transaction type.
    pub field: String,
    /// Its name for people.
    pub label: String,
    /// The value, in full.
    pub value: String,
    /// How it is set.
    pub kind: RowKind,
    /// What matters most is the largest.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub main: bool,
    /// Who says so, when the API has not vouched for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub given_by: Option<String>,
    /// Letters of alphabets that do not belong together: the page warns.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub mixed_scripts: bool,
    /// What differs from last time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changed: Option<Change>,
    /// What it was then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changed_from: Option<String>,
}

/// What the person answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// Confirmed with a proof.
    Confirmed,
    /// Refused.
    Refused,
    /// "I did not ask for this".
    Alarm,
}

/// The half that the person keeps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Receipt {
    /// A short code that is also in the notice and the log.
    pub counterfoil: String,
    /// When.
    pub at: Time,
    /// What was answered.
    pub outcome: Answer,
}

/// The reply to an answer: the page shows the receipt, then goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Answered {
    /// The initiating client, with its code or error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// What one keeps.
    pub receipt: Receipt,
}
