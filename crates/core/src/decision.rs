//! One question, three answers: may this be done now, by this subject, with what has been shown? (DESIGN §4)
//!
//! [`DecisionInput`] is plain data that holds everything the answer depends on, so that each decision can be recorded
//! and decided again. [`decide`] is the only maker of a [`Permit`].

pub use crate::policy::decide;

use crate::{
    assurance::{Acr, Method, Tier},
    digest::Digest,
    evidence::{Evidence, SessionFacts},
    id::{AuthenticatorId, SubjectId},
    requirement::{Missing, Requirement},
    time::Time,
    transaction::{Amount, Transaction},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Everything a decision depends on, beside the policy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DecisionInput {
    /// The moment of the question.
    pub now: Time,
    /// Who; `None` where nobody of that name is known, which is a deny.
    pub subject: Option<SubjectFacts>,
    /// The action's name in the catalogue, without a tier.
    pub action: String,
    /// On what.
    pub resource: ResourceFacts,
    /// The session behind an active access token of the subject's for the asking API; `None` where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionFacts>,
    /// What has been shown in that session and for the transaction. Empty where there is no session.
    #[serde(default, skip_serializing_if = "crate::json::is_default")]
    pub evidence: Evidence,
    /// The transaction as it will be executed: one `authorization_details` object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transaction: Option<Value>,
    /// What has been moved already within the window of the action's cumulative threshold, in each currency.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub moved: Vec<Amount>,
    /// The key under which the caller will spend a high or critical permit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redemption_id: Option<String>,
    /// The OAuth client that acts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// The protected API that asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audience: Option<String>,
    /// Scopes of the access token.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<String>,
    /// What the asking API says of subject, resource and action; it never overrides what we know.
    #[serde(default, skip_serializing_if = "crate::json::is_default")]
    pub asserted: Asserted,
    /// Where the request comes from. Only ever tightens.
    #[serde(default, skip_serializing_if = "crate::json::is_default")]
    pub network: NetworkFacts,
    /// What risk scoring says.
    #[serde(default, skip_serializing_if = "crate::json::is_default")]
    pub risk: RiskFacts,
    /// What device management says.
    #[serde(default, skip_serializing_if = "crate::json::is_default")]
    pub posture: Posture,
    /// The subject's authenticators that are in use: neither suspended nor lost.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub enrolled: Vec<EnrolledAuthenticator>,
    /// What the subject could enrol now, and what it would then be worth at most.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub enrollable: Vec<Enrollable>,
    /// How many independent persons could be asked to approve.
    #[serde(default, skip_serializing_if = "crate::json::is_default")]
    pub approvers_available: u32,
}

impl DecisionInput {
    /// The bare question, with nothing shown and nothing else known; the caller fills in what it knows.
    pub fn new(now: Time, subject: Option<SubjectFacts>, action: &str, resource: ResourceFacts) -> Self {
        Self {
            now,
            subject,
            action: action.to_owned(),
            resource,
            session: None,
            evidence: Evidence::default(),
            transaction: None,
            moved: Vec::new(),
            redemption_id: None,
            client_id: None,
            audience: None,
            scopes: Vec::new(),
            asserted: Asserted::default(),
            network: NetworkFacts::default(),
            risk: RiskFacts::default(),
            posture: Posture::default(),
            enrolled: Vec::new(),
            enrollable: Vec::new(),
            approvers_available: 0,
        }
    }
}

/// What we know of a subject.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubjectFacts {
    /// `sub`.
    pub id: SubjectId,
    /// The name the person signs in with.
    pub username: String,
    /// May do nothing until reinstated.
    #[serde(default)]
    pub suspended: bool,
    /// Names of groups.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// Names of roles in this product.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
    /// A phishing-resistant authenticator was ever enrolled, whatever its ceiling and whatever became of it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ever_phishing_resistant: bool,
}

/// What is acted upon.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ResourceFacts {
    /// The type's name in the catalogue.
    #[serde(rename = "type")]
    pub kind: String,
    /// The identifier, unique within its type.
    pub id: String,
    /// What was registered of it; `None` takes the type's defaults.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registered: Option<RegisteredResource>,
}

/// A resource as registered with us.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RegisteredResource {
    /// How sensitive; `None` takes the type's default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sensitivity: Option<Tier>,
    /// Attributes as the type declares them; absent ones take their defaults.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub attributes: Map<String, Value>,
}

/// AuthZEN `properties`, as far as the pack declares them; others are ignored.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Asserted {
    /// Of the subject.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub subject: Map<String, Value>,
    /// Of the resource.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub resource: Map<String, Value>,
    /// Of the action.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub action: Map<String, Value>,
}

/// Where a request comes from, as the asking API or a trusted proxy says. Absent is unknown, never a match.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NetworkFacts {
    /// IP address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip: Option<String>,
    /// `User-Agent`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
    /// JA4 fingerprint of the TLS client.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ja4: Option<String>,
}

/// What risk scoring says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RiskFacts {
    /// The level.
    pub level: RiskLevel,
}

/// How risky a request looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RiskLevel {
    /// Not scored.
    #[default]
    Unknown,
    /// As always.
    Low,
    /// Unusual.
    Medium,
    /// Alarming.
    High,
}

/// What device management says of the device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Posture {
    /// Nobody has said.
    #[default]
    Unknown,
    /// As it should be.
    Compliant,
    /// Not as it should be.
    NotCompliant,
}

/// An authenticator that the subject could prove with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnrolledAuthenticator {
    /// Which.
    pub id: AuthenticatorId,
    /// Of what kind.
    pub method: Method,
    /// The most it can prove.
    pub ceiling: Acr,
    /// It can verify its user.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub user_verifying: bool,
    /// Its key sits in hardware.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub hardware_bound: bool,
    /// The channel, mailbox or handset that its codes come through.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
}

/// An authenticator that the subject could enrol.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enrollable {
    /// Of what kind.
    pub method: Method,
    /// The most it could prove, given the ceremony that would bind it now.
    pub ceiling: Acr,
    /// Its key would sit in hardware.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub hardware_bound: bool,
}

/// The answer.
#[derive(Debug, PartialEq)]
#[must_use]
pub enum Decision {
    /// It may be done now.
    Permit(Permit),
    /// It may be done once exactly this is shown.
    StepUp(StepUp),
    /// It may not be done, whatever this subject shows now.
    Deny(Denial),
}

/// That something may be done. Only [`decide`] makes one.
#[derive(Debug, PartialEq)]
#[must_use]
pub struct Permit {
    pub(crate) grounds: Grounds,
    pub(crate) transaction: Option<Transaction>,
}

impl Permit {
    /// Why.
    pub fn grounds(&self) -> &Grounds {
        &self.grounds
    }

    /// The transaction that was decided, if the request carried one.
    pub fn transaction(&self) -> Option<&Transaction> {
        self.transaction.as_ref()
    }
}

/// That more must be shown.
#[derive(Clone, Debug, PartialEq)]
pub struct StepUp {
    /// What.
    pub requirement: Requirement,
    /// Why.
    pub grounds: Grounds,
    /// The transaction that was decided, if the request carried one.
    pub transaction: Option<Transaction>,
}

/// That it may not be done.
#[derive(Clone, Debug, PartialEq)]
pub struct Denial {
    /// What stands against it.
    pub cause: DenialCause,
    /// Why, in words.
    pub grounds: Grounds,
    /// What would be accepted, though this subject cannot show it now.
    pub would_take: Vec<Requirement>,
}

/// What stands against a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum DenialCause {
    /// Nobody of that name.
    UnknownSubject,
    /// The subject may do nothing now.
    SubjectSuspended,
    /// No such action in the catalogue.
    UnknownAction,
    /// The action is not for resources of this type.
    WrongResourceType,
    /// The action's transaction has another type, or the action has none.
    WrongTransactionType,
    /// The transaction is for another resource than the request.
    WrongTransactionResource,
    /// The transaction breaks a rule of its type.
    InvalidTransaction {
        /// JSON pointer to the place.
        pointer: String,
        /// What is wrong there.
        reason: String,
    },
    /// What the API asserted, or what was registered, is not of the declared type.
    InvalidFact {
        /// Which fact.
        fact: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The session's lineage was cut off, or a relay stands in it.
    Contained,
    /// A policy forbids it, whatever is shown.
    Forbidden,
    /// Nothing that the subject has enrolled, or may enrol now, is enough.
    NothingSuffices,
    /// The policy failed to evaluate: an alarm, and a final deny (DESIGN §4 "Errors deny").
    EvaluationError {
        /// What the policy engine said.
        message: String,
    },
}

/// Why a decision came out as it did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grounds {
    /// What the action on this resource is worth; `None` for actions that are not in the catalogue.
    pub tier: Option<Tier>,
    /// The policy version that decided.
    pub policy_version: Digest,
    /// Policies that decided: permits of a permit, forbids of a deny, and what would permit after a step-up.
    pub policies: Vec<String>,
    /// For the person, by language.
    pub reason_user: BTreeMap<String, String>,
    /// For administrators.
    pub reason_admin: String,
}

/// A decision as plain data, to record and to compare.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecisionRecord {
    /// `permit`, `step_up` or `deny`.
    pub outcome: Outcome,
    /// Why.
    #[serde(flatten)]
    pub grounds: Grounds,
    /// What a step-up asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requirement: Option<Requirement>,
    /// What stands against it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<DenialCause>,
    /// What would be accepted after a deny.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub would_take: Vec<Requirement>,
    /// SHA-256 of the transaction's canonical bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub txn_digest: Option<Digest>,
}

/// The three answers by name, as on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It may be done.
    Permit,
    /// More must be shown.
    StepUp,
    /// It may not be done.
    Deny,
}

impl Outcome {
    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Permit => "permit",
            Self::StepUp => "step_up",
            Self::Deny => "deny",
        }
    }
}

impl Decision {
    /// Which of the three.
    pub const fn outcome(&self) -> Outcome {
        match self {
            Self::Permit(_) => Outcome::Permit,
            Self::StepUp(_) => Outcome::StepUp,
            Self::Deny(_) => Outcome::Deny,
        }
    }

    /// Why.
    pub const fn grounds(&self) -> &Grounds {
        match self {
            Self::Permit(permit) => &permit.grounds,
            Self::StepUp(step_up) => &step_up.grounds,
            Self::Deny(denial) => &denial.grounds,
        }
    }

    /// What was shown is enough: a permit, or one that only waits for the key to be spent under. This is what a sign-in
    /// or an approval asks before it issues a code; only redeeming and evaluating with a `redemption_id` permit.
    pub fn is_proven(&self) -> bool {
        match self {
            Self::Permit(_) => true,
            Self::StepUp(step_up) => step_up.requirement.missing == [Missing::RedemptionId],
            Self::Deny(_) => false,
        }
    }

    /// The policy engine failed: somebody must look.
    pub const fn is_alarm(&self) -> bool {
        matches!(self, Self::Deny(Denial { cause: DenialCause::EvaluationError { .. }, .. }))
    }

    /// The decision as plain data.
    pub fn record(&self) -> DecisionRecord {
        let (requirement, cause, would_take, transaction) = match self {
            Self::Permit(permit) => (None, None, Vec::new(), permit.transaction.as_ref()),
            Self::StepUp(step_up) => {
                (Some(step_up.requirement.clone()), None, Vec::new(), step_up.transaction.as_ref())
            }
            Self::Deny(denial) => (None, Some(denial.cause.clone()), denial.would_take.clone(), None),
        };
        DecisionRecord {
            outcome: self.outcome(),
            grounds: self.grounds().clone(),
            requirement,
            cause,
            would_take,
            txn_digest: transaction.map(Transaction::digest),
        }
    }
}
