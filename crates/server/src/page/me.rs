//! `POST /me`: one's authenticators with what each is good for, sessions, confirmations and decisions.

use super::{Outcome, Person, Resource};
use counterfoil_core::{
    assurance::{Acr, Binding, Method, Tier},
    enrolled::DisabledWhy,
    id::{AddressId, AuthenticatorId, DecisionId, SessionId},
    time::Time,
};
use serde::Serialize;

/// One's own account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Me {
    /// Who.
    pub person: Person,
    /// The server's clock.
    pub now: Time,
    /// What should be read first, in the reader's language.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notices: Vec<String>,
    /// Whether `/admin` is open to this person.
    pub can_admin: bool,
    /// The session that asks.
    pub session: Current,
    /// What has been enrolled.
    pub authenticators: Vec<Authenticator>,
    /// Where one is signed in, this one first.
    pub sessions: Vec<Session>,
    /// What one confirmed lately, newest first.
    pub confirmations: Vec<Confirmation>,
    /// What was decided lately, newest first.
    pub decisions: Vec<DecisionLine>,
    /// Where changes are told.
    pub addresses: Vec<Address>,
    /// Whether and how a passkey can be added now.
    pub enrol: MayEnrol,
}

/// The session that asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Current {
    /// What it has shown.
    pub acr: Acr,
    /// What ties it to this device.
    pub binding: Binding,
    /// Since when.
    pub signed_in_at: Time,
    /// Until when at the latest.
    pub ends_at: Time,
}

/// Whether an authenticator can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthenticatorState {
    /// It can.
    Active,
    /// Switched off; `why` says why.
    Disabled,
    /// Cut off with the sign-in that added it.
    Contained,
    /// Taken away.
    Removed,
}

/// One authenticator and what it is good for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Authenticator {
    /// Its identifier.
    pub id: AuthenticatorId,
    /// Its kind.
    pub method: Method,
    /// What the person calls it.
    pub name: String,
    /// When it was bound.
    pub added_at: Time,
    /// When it last proved something.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_used_at: Option<Time>,
    /// The most that it proves now.
    pub ceiling: Acr,
    /// When it will prove more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rises_at: Option<Time>,
    /// What it will prove then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rises_to: Option<Acr>,
    /// Whether it can be used.
    pub state: AuthenticatorState,
    /// A passkey that its provider copies between devices (WebAuthn BS).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub synced: Option<bool>,
    /// Why it is switched off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<DisabledWhy>,
    /// Whether the page offers to remove it.
    pub removable: bool,
    /// Whether an older one can vouch for it.
    pub vouchable: bool,
    /// Whether the page offers to say that it is somebody else's.
    pub disownable: bool,
    /// Used in this session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub this_device: Option<bool>,
}

/// One session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Session {
    /// Its public handle.
    pub id: SessionId,
    /// The one that asks.
    pub current: bool,
    /// Browser and system in words.
    pub device: String,
    /// Where, if known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// The address last seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip: Option<String>,
    /// Since when.
    pub signed_in_at: Time,
    /// The last request.
    pub last_seen_at: Time,
    /// What ties it to its device.
    pub binding: Binding,
    /// How it was signed in.
    pub methods: Vec<Method>,
}

/// What became of something confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Followed {
    /// The API did it.
    Executed,
    /// The API tried and failed.
    Failed,
    /// Spent; the API has not reported yet.
    Redeemed,
    /// Never spent.
    Unused,
    /// Refused by the person.
    Refused,
    /// Refused and reported.
    Alarm,
}

/// One answer that the person gave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Confirmation {
    /// The number on the receipt.
    pub counterfoil: String,
    /// When.
    pub at: Time,
    /// What, in short.
    pub title: String,
    /// Who asked.
    pub client: String,
    /// The text that was signed, in short.
    pub text: String,
    /// What became of it.
    pub outcome: Followed,
    /// Where its evidence is, if a passkey signed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evidence_url: Option<String>,
}

/// One decision, as its subject sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DecisionLine {
    /// Its identifier.
    pub id: DecisionId,
    /// When.
    pub at: Time,
    /// The action's name.
    pub action: String,
    /// On what.
    pub resource: Resource,
    /// Through which application.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// The answer.
    pub outcome: Outcome,
    /// What it was worth.
    pub tier: Tier,
    /// Why, in words for its subject.
    pub reason: String,
}

/// Where changes are told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Address {
    /// Its identifier.
    pub id: AddressId,
    /// `mail` or `phone`.
    pub kind: String,
    /// The address.
    pub value: String,
    /// Whether its owner has confirmed it.
    pub verified: bool,
}

/// Whether a passkey can be added now, and what it would be good for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MayEnrol {
    /// Whether the page offers it.
    pub allowed: bool,
    /// Why not, or why only so much, in the reader's language.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The most that it would prove at first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ceiling: Option<Acr>,
    /// When it would prove more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rises_at: Option<Time>,
}
