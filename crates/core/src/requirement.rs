//! What exactly has to be shown: derived from the policy by trying what the subject could prove (DESIGN §4).

use crate::assurance::{Acr, Method};
use crate::id::AuthenticatorId;
use serde::{Deserialize, Serialize};

/// Something that a request must bring before it can be permitted, beside the proof itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Missing {
    /// The subject's active access token: without it there is no session and no evidence.
    AccessToken,
    /// The transaction as it will be executed.
    AuthorizationDetails,
    /// The key under which a high or critical permit is spent.
    RedemptionId,
}

/// The proof that would turn the answer into a permit: the first, from the least demanding up, that the policy accepts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requirement {
    /// `acr` of the session once the proof is given; for a transaction, of the proof. `acr_values` on the wire.
    pub acr: Acr,
    /// How old the proof may be, in seconds; `None` where the policy sets no age. `max_age` on the wire.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age_seconds: Option<i64>,
    /// The method that was tried; the person may choose any of `candidates` on our page.
    pub method: Method,
    /// The proof must be for exactly this transaction.
    pub transaction_bound: bool,
    /// Independent persons who must approve besides.
    pub approvers: u32,
    /// Nothing enrolled is enough, but something that the subject may enrol is.
    pub enrolment_needed: bool,
    /// Enrolled authenticators that the policy would accept for this; empty when one must be enrolled or the
    /// subject's authenticators are not known before sign-in.
    pub candidates: Vec<AuthenticatorId>,
    /// What the request itself lacks.
    pub missing: Vec<Missing>,
    /// The proof needs a session that is bound to hardware or an authenticator that is.
    #[serde(default)]
    pub hardware_bound: bool,
}
