//! `POST /admin/…`: the overview, decisions, one decision as a story, policies, log, people.

use super::{Outcome, Resource};
use counterfoil_core::{
    assurance::{Acr, Tier},
    id::{DecisionId, EventId, SubjectId},
    time::Time,
};
use serde::Serialize;

/// A part of the administration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Nav {
    /// Is anything wrong, what needs me, what did it cost people?
    Overview,
    /// Every answer that was given.
    Decisions,
    /// Who there is.
    People,
    /// What the rules say.
    Policies,
    /// What happened.
    Log,
}

/// Who looks, and what they may open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Viewer {
    /// Display name.
    pub name: String,
    /// Role names in words.
    pub roles: Vec<String>,
    /// The parts that these roles may read, in order.
    pub nav: Vec<Nav>,
}

/// Something that wants attention.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Item {
    /// What it is, in one line.
    pub title: String,
    /// More about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Since when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<Time>,
    /// Where it is dealt with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

/// Decisions by their answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// Yes.
    pub permit: u64,
    /// More proof.
    pub step_up: u64,
    /// No.
    pub deny: u64,
}

/// One hour's decisions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Hour {
    /// When it began.
    pub at: Time,
    /// What was answered in it.
    #[serde(flatten)]
    pub totals: Totals,
}

/// What step-ups cost people.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct StepUpCost {
    /// Pages shown.
    pub asked: u64,
    /// Confirmed.
    pub confirmed: u64,
    /// Refused.
    pub refused: u64,
    /// Refused as "I did not ask for this".
    pub alarms: u64,
    /// Left alone until they expired.
    pub unanswered: u64,
    /// From shown to confirmed, the median.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub median_seconds: Option<i64>,
}

/// The policy in force, in short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PolicyInForce {
    /// Hash of its content.
    pub version: String,
    /// The pack's name.
    pub name: String,
    /// Since when.
    pub activated_at: Time,
    /// By whom.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub activated_by: Option<String>,
}

/// The log, in short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LogState {
    /// Leaves under the last checkpoint.
    pub size: u64,
    /// When that was signed.
    pub checkpoint_at: Time,
    /// Its root.
    pub root: String,
}

/// `/admin`
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Overview {
    /// Who looks.
    pub viewer: Viewer,
    /// The server's clock.
    pub now: Time,
    /// What the numbers count from.
    pub since: Time,
    /// What is wrong.
    pub alarms: Vec<Item>,
    /// What waits for the viewer.
    pub todo: Vec<Item>,
    /// All decisions since then.
    pub totals: Totals,
    /// What step-ups cost since then.
    pub step_ups: StepUpCost,
    /// Hour by hour, the oldest first.
    pub hours: Vec<Hour>,
    /// [`super::chart::decisions`] of these hours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chart: Option<String>,
    /// The policy in force.
    pub policy: PolicyInForce,
    /// The log.
    pub log: LogState,
}

/// Whom a decision is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SubjectName {
    /// `sub`, or whatever the API sent in its place.
    pub id: String,
    /// What is typed at sign-in, if the subject is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
}

/// One line of the decision log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DecisionRow {
    /// Its identifier.
    pub id: DecisionId,
    /// When.
    pub at: Time,
    /// The answer.
    pub outcome: Outcome,
    /// What it was worth; unknown actions are worth nothing that we know.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tier: Option<Tier>,
    /// The action's name.
    pub action: String,
    /// On what.
    pub resource: Resource,
    /// Whose.
    pub subject: SubjectName,
    /// Through which application.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// Asked by which API.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audience: Option<String>,
    /// Why, in words for administrators.
    pub reason: String,
    /// The policies that spoke.
    pub policies: Vec<String>,
}

/// `/admin/decisions`
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Decisions {
    /// Who looks.
    pub viewer: Viewer,
    /// Newest first.
    pub decisions: Vec<DecisionRow>,
    /// The cursor of the next page, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// Action names for the filter.
    pub actions: Vec<String>,
}

/// One thing that was known, in words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fact {
    /// Its name.
    pub label: String,
    /// What it was.
    pub value: String,
    /// What to make of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// What a decision was made from, in the order of the story.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Sections {
    /// Who asked for what.
    pub request: Vec<Fact>,
    /// From which session.
    pub session: Vec<Fact>,
    /// What had been shown.
    pub evidence: Vec<Fact>,
}

/// `permit` or `forbid`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// It allows.
    Permit,
    /// It denies, whatever allows.
    Forbid,
}

/// One policy of the slice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PolicyLine {
    /// Its name in the pack.
    pub id: String,
    /// What it does, where its text is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effect: Option<Effect>,
    /// Whether it determined the answer.
    pub spoke: bool,
    /// Cedar.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// What it is for, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// Something that happened because of a decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Consequence {
    /// When.
    pub at: Time,
    /// The event's kind.
    pub kind: String,
    /// What happened, in words.
    pub title: String,
    /// More about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event_id: Option<EventId>,
    /// Its leaf in the tree, once sequenced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leaf: Option<u64>,
}

/// `/admin/decisions/{id}`
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DecisionStory {
    /// Who looks.
    pub viewer: Viewer,
    /// Its identifier.
    pub id: DecisionId,
    /// When.
    pub at: Time,
    /// The answer.
    pub outcome: Outcome,
    /// What it was worth; unknown actions are worth nothing that we know.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tier: Option<Tier>,
    /// What it was made from.
    pub sections: Sections,
    /// The slice, those that spoke first.
    pub policies: Vec<PolicyLine>,
    /// The version of the policy.
    pub policy_version: String,
    /// What a step-up asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requirement: Option<Vec<Fact>>,
    /// What the person was told.
    pub reason_user: String,
    /// Everything.
    pub reason_admin: String,
    /// What followed, oldest first.
    pub followed: Vec<Consequence>,
    /// The record as it is kept.
    pub raw: serde_json::Value,
    /// Where the evidence bundle is fetched (by POST), if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evidence_url: Option<String>,
}

/// One action of the catalogue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ActionRow {
    /// Its name.
    pub name: String,
    /// Its own tier; the resource and the transaction may raise it.
    pub tier: Tier,
    /// What it is done to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource_type: Option<String>,
    /// What says exactly what is done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transaction_type: Option<String>,
}

/// A version that was in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PolicyVersion {
    /// Hash of its content.
    pub version: String,
    /// From when.
    pub activated_at: Time,
    /// By whom.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub activated_by: Option<String>,
}

/// `/admin/policies`
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Policies {
    /// Who looks.
    pub viewer: Viewer,
    /// The policy in force.
    pub active: PolicyInForce,
    /// The catalogue.
    pub actions: Vec<ActionRow>,
    /// Every policy of the pack.
    pub policies: Vec<PolicyLine>,
    /// Newest first.
    pub versions: Vec<PolicyVersion>,
}

/// The last checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Checkpoint {
    /// How many leaves it seals.
    pub size: u64,
    /// Their root.
    pub root: String,
    /// When it was signed.
    pub at: Time,
    /// The signed note (C2SP).
    pub note: String,
}

/// One event.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EventRow {
    /// Its identifier.
    pub id: EventId,
    /// When.
    pub at: Time,
    /// Its kind.
    pub kind: String,
    /// Who did it, in words.
    pub actor: String,
    /// What happened, in words.
    pub summary: String,
    /// Its leaf in the tree, once sequenced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leaf: Option<u64>,
    /// The event as it is kept.
    pub raw: serde_json::Value,
}

/// `/admin/log`
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Log {
    /// Who looks.
    pub viewer: Viewer,
    /// The last checkpoint, once there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<Checkpoint>,
    /// Newest first.
    pub events: Vec<EventRow>,
    /// The cursor of the next page, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// Event kinds for the filter.
    pub kinds: Vec<String>,
}

/// One person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PersonRow {
    /// `sub`.
    pub id: SubjectId,
    /// What is typed at sign-in.
    pub username: String,
    /// Display name.
    pub name: String,
    /// Role names.
    pub roles: Vec<String>,
    /// Group names.
    pub groups: Vec<String>,
    /// How many authenticators are active.
    pub authenticators: u32,
    /// The highest ceiling among them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strongest: Option<Acr>,
    /// The last request of a session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_seen_at: Option<Time>,
}

/// `/admin/people`
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct People {
    /// Who looks.
    pub viewer: Viewer,
    /// By user name.
    pub people: Vec<PersonRow>,
    /// The cursor of the next page, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
}
