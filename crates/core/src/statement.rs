//! What an authenticator signs (DESIGN §5): the transaction, with who, for whom, where and under which policy.
//!
//! A statement is committed and logged before it is shown, and recomputed when it is shown, answered and redeemed.
//! Nothing in it can change afterwards, because the nonce that is signed is its hash.

use crate::{
    assurance::Tier,
    digest::Digest,
    id::{ChallengeId, DecisionId, SubjectId},
    time::Time,
};
use serde::{Deserialize, Serialize};

/// Random bytes in every ceremony nonce (WebAuthn L3 §13.4.3 asks for at least 16).
pub const NONCE_BYTES: usize = 32;

/// The random part of a ceremony nonce: 32 bytes, base64url in JSON. No secret: the authenticator's owner sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Nonce(Digest);

impl Nonce {
    /// These random bytes, drawn for one challenge.
    pub const fn new(random: [u8; NONCE_BYTES]) -> Self {
        Self(Digest::from_bytes(random))
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; NONCE_BYTES] {
        self.0.as_bytes()
    }
}

/// What a statement is for. A proof for one purpose is none for another, because the purpose is part of what is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// To become somebody in a session, or to show more in it.
    SignIn,
    /// To do one thing, once.
    Transaction,
    /// To let somebody else do one thing, once.
    Approval,
    /// To bind a new authenticator.
    Enrolment,
    /// To get an account back.
    Recovery,
}

/// In which role the signer signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SignerRole {
    /// For themselves.
    Owner,
    /// As an independent person, for somebody else's transaction.
    Approver,
}

/// Who set it going.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Initiator {
    /// Somebody in a browser who has not said who they are.
    Browser {},
    /// The person, at our own pages.
    Subject {
        /// Who.
        subject: SubjectId,
    },
    /// An application, for the person.
    Client {
        /// Its `client_id`.
        client_id: String,
    },
    /// An agent, for the person.
    Agent {
        /// Its identity.
        agent: String,
    },
}

/// What is acted on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResourceRef {
    /// The resource's type.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its identifier.
    pub id: String,
}

/// The text that was shown: which template, in which language, with which result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Displayed {
    /// The template's name.
    pub template: String,
    /// SHA-256 of the template.
    pub template_version: Digest,
    /// The language, as BCP 47 tag.
    pub lang: String,
    /// SHA-256 of the text that came out.
    pub display_digest: Digest,
}

/// The statement. Every field is signed; a field that does not apply to a purpose is absent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statement {
    /// What the answer is for.
    pub purpose: Purpose,
    /// Our issuer.
    pub issuer: String,
    /// The WebAuthn relying party.
    pub rp_id: String,
    /// The only origin at which it may be answered.
    pub origin: String,
    /// The challenge, which is also the spend key.
    pub challenge_id: ChallengeId,
    /// The decision that asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision_id: Option<DecisionId>,
    /// Whose transaction, session or account it is; absent only at a sign-in in which the passkey says who it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<SubjectId>,
    /// Who signs; absent where `subject` is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signer: Option<SubjectId>,
    /// As what.
    pub role: SignerRole,
    /// Who set it going.
    pub initiator: Initiator,
    /// The OAuth client that gets the result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// Thumbprint of the key that the result is bound to (RFC 9449).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dpop_jkt: Option<Digest>,
    /// The protected API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aud: Option<String>,
    /// What is acted on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<ResourceRef>,
    /// The action.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// Its effective tier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tier: Option<Tier>,
    /// SHA-256 of the transaction's canonical JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub txn_digest: Option<Digest>,
    /// What the person sees.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub displayed: Option<Displayed>,
    /// At an enrolment: SHA-256 of the challenge that the registration library drew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registration_challenge: Option<Digest>,
    /// The pack in force; a spend under another one is refused.
    pub policy_version: Digest,
    /// When it was made, in milliseconds since the epoch.
    pub iat: Time,
    /// When it can no longer be answered, in milliseconds since the epoch.
    pub exp: Time,
}

/// The statement has no canonical JSON: a bug, never input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the statement has no canonical JSON")]
pub struct NotCanonical;

impl Statement {
    /// The canonical JSON (RFC 8785) that is hashed and kept.
    pub fn canonical(&self) -> Result<Vec<u8>, NotCanonical> {
        serde_json_canonicalizer::to_vec(self).map_err(|_| NotCanonical)
    }

    /// SHA-256 of the canonical JSON.
    pub fn digest(&self) -> Result<Digest, NotCanonical> {
        Ok(Digest::of(&self.canonical()?))
    }

    /// What a WebAuthn authenticator gets as its challenge.
    pub fn ceremony_nonce(&self, nonce: &[u8; NONCE_BYTES]) -> Result<Digest, NotCanonical> {
        Ok(ceremony_nonce(nonce, &self.digest()?))
    }
}

/// SHA-256("counterfoil/statement/v1" ‖ 0x00 ‖ nonce ‖ statement's digest): the one construction, online and offline.
pub fn ceremony_nonce(nonce: &[u8; NONCE_BYTES], statement: &Digest) -> Digest {
    Digest::of_parts(&[b"counterfoil/statement/v1\0", nonce, statement.as_bytes()])
}
