//! One approval's whole story, for somebody who has nothing of ours but the log's public key.
//!
//! It shows that this person's authenticator, enrolled before, signed exactly this transaction as it was displayed, that
//! the statement was committed before it was shown, and what became of it; each step is a leaf of the signed tree. It
//! does not show that the screen was honest, or that the person read it.

mod examine;

pub use examine::{Check, Checked, Examination, Proven, Verdict};

use super::{
    checkpoint::{LogKey, NoteError},
    event::{EventKind, Leaf, LeafError},
    inclusion::WrongProof,
};
use crate::{
    authenticator::webauthn::{Assertion, AssertionError, Credential, FixedCredential},
    challenge::{Challenge, ChallengeState},
    digest::Digest,
    json::{canonical, parse_strict},
    limits,
    statement::{Nonce, NotCanonical, Statement},
};
use serde::{Deserialize, Serialize};
use std::borrow::Borrow;

/// The form of a bundle. A reader refuses forms that it does not know.
const BUNDLE_VERSION: u8 = 1;
/// The longest bundle that we read: a text of some kilobytes, eight leaves at most and their paths.
const BUNDLE_BYTES: usize = 1024 * 1024;

/// A leaf, and the proof that it stands in the tree of the bundle's checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoggedLeaf {
    /// The leaf's bytes, which are canonical JSON.
    pub leaf: String,
    /// Its place.
    pub index: u64,
    /// Hashes from the leaf up.
    pub path: Vec<Digest>,
}

/// The story. Nothing in it is proven before [`Bundle::verify`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bundle {
    /// The form: 1.
    pub v: u8,
    /// What was signed.
    pub statement: Statement,
    /// The random part of the ceremony nonce.
    pub nonce: Nonce,
    /// The transaction.
    pub transaction: serde_json::Value,
    /// The text that was shown.
    pub display_text: String,
    /// The signature.
    pub assertion: Assertion,
    /// The passkey that made it: what never changes about it.
    pub credential: FixedCredential,
    /// The attestation object of its enrolment, base64url, where one was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attestation_object: Option<String>,
    /// `authenticator.enrolled`
    pub enrolled: LoggedLeaf,
    /// `decision.made`
    pub decided: LoggedLeaf,
    /// `challenge.opened`
    pub opened: LoggedLeaf,
    /// `challenge.proven`
    pub proven: LoggedLeaf,
    /// `spent`, once it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spent: Option<LoggedLeaf>,
    /// `outcome.reported`, once it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reported: Option<LoggedLeaf>,
    /// The decision's record with every input, where it was asked for: its stored bytes, which `decided` commits to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision_record: Option<String>,
    /// The signed checkpoint over all these leaves.
    pub checkpoint: String,
}

/// Why a bundle proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// Not a bundle of a form we know.
    #[error("not an evidence bundle of a form we know")]
    Form,
    /// The checkpoint.
    #[error("checkpoint: {0}")]
    Checkpoint(#[from] NoteError),
    /// A leaf cannot be read.
    #[error("{which}: {error}")]
    Leaf {
        /// Which member of the bundle.
        which: &'static str,
        /// What is wrong with it.
        error: LeafError,
    },
    /// A leaf is not in the signed tree.
    #[error("{which}: {error}")]
    NotLogged {
        /// Which member of the bundle.
        which: &'static str,
        /// The proof does not hold.
        error: WrongProof,
    },
    /// A leaf is of another kind than its place in the bundle says.
    #[error("{which}: another kind of event")]
    OtherKind {
        /// Which member of the bundle.
        which: &'static str,
    },
    /// A leaf of the story was not among those given.
    #[error("no leaf says `{0}` of this approval")]
    Missing(&'static str),
    /// The challenge has no proof that is a signature.
    #[error("nothing was signed for this challenge")]
    Unsigned,
    /// Two parts do not belong together; the text says which.
    #[error("the parts do not belong together: {0}")]
    Mismatch(&'static str),
    /// The parts stand in the wrong order.
    #[error("out of order: {0}")]
    Order(&'static str),
    /// The signature.
    #[error("assertion: {0}")]
    Assertion(#[from] AssertionError),
    /// A part has no canonical JSON.
    #[error(transparent)]
    NotCanonical(#[from] NotCanonical),
}

impl Bundle {
    /// Puts the story of a proven challenge together out of what the store has. Of `leaves`, those about the challenge,
    /// its decision and its authenticator are taken, whatever else is among them; their paths must be for the checkpoint's
    /// size. Nothing is verified here: verify what comes out before it is handed on.
    pub fn gather(
        challenge: &Challenge,
        credential: &Credential,
        leaves: impl IntoIterator<Item = LoggedLeaf>,
        checkpoint: String,
    ) -> Result<Self, BundleError> {
        let ChallengeState::Proven { proof, assertion, .. } = challenge.state() else {
            return Err(BundleError::Unsigned);
        };
        let assertion: &Assertion = assertion.as_ref().map(Borrow::borrow).ok_or(BundleError::Unsigned)?;
        let opening = challenge.opening();
        let (Some(transaction), Some(display_text)) = (&opening.transaction, &opening.display_text) else {
            return Err(BundleError::Unsigned);
        };
        let id = challenge.id();
        let [mut enrolled, mut decided, mut opened, mut proven, mut spent, mut reported] = [const { None }; 6];
        for logged in leaves {
            let leaf =
                Leaf::parse(logged.leaf.as_bytes()).map_err(|error| BundleError::Leaf { which: "given", error })?;
            let place = match leaf.kind {
                EventKind::AuthenticatorEnrolled { authenticator, .. } if authenticator == proof.authenticator => {
                    &mut enrolled
                }
                EventKind::DecisionMade { decision, .. } if Some(decision) == opening.statement.decision_id => {
                    &mut decided
                }
                EventKind::ChallengeOpened { challenge, .. } if challenge == id => &mut opened,
                EventKind::ChallengeProven { challenge, .. } if challenge == id => &mut proven,
                EventKind::Spent { challenge, .. } if challenge == id => &mut spent,
                EventKind::OutcomeReported { challenge, .. } if challenge == id => &mut reported,
                _ => continue,
            };
            *place = Some(logged);
        }
        Ok(Self {
            v: BUNDLE_VERSION,
            statement: opening.statement.clone(),
            nonce: opening.nonce,
            transaction: transaction.clone(),
            display_text: display_text.clone(),
            assertion: assertion.clone(),
            credential: credential.fixed(),
            attestation_object: credential.attestation.as_ref().and_then(|attestation| attestation.object.clone()),
            enrolled: enrolled.ok_or(BundleError::Missing("authenticator.enrolled"))?,
            decided: decided.ok_or(BundleError::Missing("decision.made"))?,
            opened: opened.ok_or(BundleError::Missing("challenge.opened"))?,
            proven: proven.ok_or(BundleError::Missing("challenge.proven"))?,
            spent,
            reported,
            decision_record: None,
            checkpoint,
        })
    }

    /// Reads a bundle. Members that are unknown or stand twice are refused, and so is whatever is spelled in another way
    /// than we would write it: two texts that differ by more than white space are never the same bundle.
    pub fn parse(json: &[u8]) -> Result<Self, BundleError> {
        if json.len() > BUNDLE_BYTES {
            return Err(BundleError::Form);
        }
        let form = |_| BundleError::Form;
        let value = parse_strict(json, limits::JSON_DEPTH).map_err(form)?;
        let bundle: Self = serde_json::from_value(value.clone()).map_err(|_| BundleError::Form)?;
        let written = serde_json::to_value(&bundle).map_err(|_| BundleError::Form)?;
        let canonical = canonical(&value).map_err(form)?;
        let again = parse_strict(&canonical, limits::JSON_DEPTH).map_err(form)?;
        let one_spelling = written == value && again == value;
        if bundle.v == BUNDLE_VERSION && one_spelling { Ok(bundle) } else { Err(BundleError::Form) }
    }

    /// The bundle as a file: JSON that people can read too.
    pub fn to_json(&self) -> Result<String, BundleError> {
        serde_json::to_string_pretty(self).map(|text| text + "\n").map_err(|_| BundleError::Form)
    }

    /// Verifies the whole story with the log's public keys alone.
    ///
    /// # Errors
    /// The first of [`Bundle::examine`]'s checks that failed.
    pub fn verify(&self, log_keys: &[LogKey]) -> Result<Proven<'_>, BundleError> {
        self.examine(log_keys).into_proven()
    }
}
