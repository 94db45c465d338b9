//! One approval's whole story, for somebody who has nothing of ours but the log's public key.
//!
//! It shows that this person's authenticator, enrolled before, signed exactly this transaction as it was displayed, that
//! the statement was committed before it was shown, and what became of it; each step is a leaf of the signed tree. It
//! does not show that the screen was honest, or that the person read it.

use super::{
    checkpoint::{Checkpoint, LogKey, Note, NoteError},
    event::{EventKind, Leaf, LeafError, LeafHash, ReportedOutcome},
    inclusion::{InclusionProof, WrongProof},
    kind::Outcome,
};
use crate::{
    assurance::Acr,
    authenticator::webauthn::{Assertion, AssertionError, Credential, Expected, check},
    challenge::{Challenge, ChallengeState},
    digest::Digest,
    json::parse_strict,
    limits,
    statement::{Nonce, NotCanonical, Statement},
    time::Time,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
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
    /// The public record of the passkey that made it.
    pub credential: Credential,
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

/// What a bundle has proven. Made by [`Bundle::verify`] alone.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub struct Proven<'a> {
    bundle: &'a Bundle,
    checkpoint: Checkpoint,
    ceiling: Acr,
    approved_at: Time,
    spent_at: Option<Time>,
    outcome: Option<ReportedOutcome>,
    user_verified: bool,
}

impl Proven<'_> {
    /// What was signed.
    pub const fn statement(&self) -> &Statement {
        &self.bundle.statement
    }

    /// The transaction.
    pub const fn transaction(&self) -> &serde_json::Value {
        &self.bundle.transaction
    }

    /// The text that was shown.
    pub fn display_text(&self) -> &str {
        &self.bundle.display_text
    }

    /// The tree that holds it.
    pub const fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// The most that the authenticator could prove when it was enrolled. Later changes are in the log, not here.
    pub const fn ceiling_at_enrolment(&self) -> Acr {
        self.ceiling
    }

    /// When the proof was accepted.
    pub const fn approved_at(&self) -> Time {
        self.approved_at
    }

    /// When the API spent it, if the bundle shows that.
    pub const fn spent_at(&self) -> Option<Time> {
        self.spent_at
    }

    /// What the API said became of it.
    pub const fn outcome(&self) -> Option<ReportedOutcome> {
        self.outcome
    }

    /// The authenticator verified its user.
    pub const fn user_verified(&self) -> bool {
        self.user_verified
    }
}

/// A leaf that is in the tree.
struct Logged {
    index: u64,
    leaf: Leaf,
}

impl Logged {
    /// Leaves of two nodes may lie out of order as far as their clocks differ (see `audit::meaning`).
    fn before(&self, later: &Self, what: &'static str) -> Result<(), BundleError> {
        let skewed = self.leaf.at <= later.leaf.at.plus_seconds(limits::CLOCK_LEEWAY_SECONDS);
        if self.index < later.index || skewed { Ok(()) } else { Err(BundleError::Order(what)) }
    }
}

fn same<T: PartialEq>(a: T, b: T, what: &'static str) -> Result<(), BundleError> {
    if a == b { Ok(()) } else { Err(BundleError::Mismatch(what)) }
}

impl Bundle {
    /// Puts the story of a proven challenge together out of what the store has. Of `leaves`, those about the challenge,
    /// its decision and its authenticator are taken, whatever else is among them; their paths must be for the checkpoint's
    /// size. Nothing is verified here: verify what comes out before it is handed on.
    pub fn gather(
        challenge: &Challenge,
        credential: Credential,
        attestation_object: Option<String>,
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
            credential,
            attestation_object,
            enrolled: enrolled.ok_or(BundleError::Missing("authenticator.enrolled"))?,
            decided: decided.ok_or(BundleError::Missing("decision.made"))?,
            opened: opened.ok_or(BundleError::Missing("challenge.opened"))?,
            proven: proven.ok_or(BundleError::Missing("challenge.proven"))?,
            spent,
            reported,
            checkpoint,
        })
    }

    /// Reads a bundle. Members that are unknown or stand twice are refused.
    pub fn parse(json: &[u8]) -> Result<Self, BundleError> {
        if json.len() > BUNDLE_BYTES {
            return Err(BundleError::Form);
        }
        let value = parse_strict(json, limits::JSON_DEPTH).map_err(|_| BundleError::Form)?;
        let bundle: Self = serde_json::from_value(value).map_err(|_| BundleError::Form)?;
        if bundle.v == BUNDLE_VERSION { Ok(bundle) } else { Err(BundleError::Form) }
    }

    /// Verifies the whole story with the log's public keys alone.
    pub fn verify(&self, log_keys: &[LogKey]) -> Result<Proven<'_>, BundleError> {
        if self.v != BUNDLE_VERSION {
            return Err(BundleError::Form);
        }
        let note: Note = self.checkpoint.parse()?;
        let checkpoint = Checkpoint::verify(&note, log_keys)?;
        let logged = |which, leaf: &LoggedLeaf| included(which, leaf, &checkpoint);
        let enrolled = logged("enrolled", &self.enrolled)?;
        let decided = logged("decided", &self.decided)?;
        let opened = logged("opened", &self.opened)?;
        let proven = logged("proven", &self.proven)?;
        let spent = self.spent.as_ref().map(|leaf| logged("spent", leaf)).transpose()?;
        let reported = self.reported.as_ref().map(|leaf| logged("reported", leaf)).transpose()?;

        self.shown()?;
        self.committed(&opened)?;
        self.decided(&decided)?;
        let ceiling = self.enrolled(&enrolled, &proven)?;
        let user_verified = self.signed(&proven)?;
        decided.before(&opened, "the challenge was opened before the decision")?;
        opened.before(&proven, "the proof came before the challenge")?;
        enrolled.before(&proven, "the authenticator was used before it was enrolled")?;
        if let Some(spent) = &spent {
            self.spent(spent)?;
            proven.before(spent, "it was spent before it was proven")?;
        }
        let outcome = match (&reported, &spent) {
            (Some(reported), Some(spent)) => {
                spent.before(reported, "the outcome was reported before the spend")?;
                Some(self.reported(reported, spent)?)
            }
            (Some(_), None) => return Err(BundleError::Mismatch("an outcome without a spend")),
            (None, _) => None,
        };
        let (approved_at, spent_at) = (proven.leaf.at, spent.map(|spent| spent.leaf.at));
        Ok(Proven { bundle: self, checkpoint, ceiling, approved_at, spent_at, outcome, user_verified })
    }

    /// The transaction and the text are those of the statement.
    fn shown(&self) -> Result<(), BundleError> {
        let canonical = serde_json_canonicalizer::to_vec(&self.transaction).map_err(|_| NotCanonical)?;
        same(self.statement.txn_digest, Some(Digest::of(&canonical)), "transaction and statement")?;
        let displayed = self.statement.displayed.as_ref().map(|displayed| displayed.display_digest);
        same(displayed, Some(Digest::of(self.display_text.as_bytes())), "text and statement")
    }

    /// The statement is the one that was logged before it was shown.
    fn committed(&self, opened: &Logged) -> Result<(), BundleError> {
        let EventKind::ChallengeOpened {
            challenge,
            signer,
            purpose,
            statement,
            ceremony_nonce,
            decision,
            txn_digest,
            expires_at,
            ..
        } = &opened.leaf.kind
        else {
            return Err(BundleError::OtherKind { which: "opened" });
        };
        same(*statement, self.statement.digest()?, "statement and log")?;
        same(*ceremony_nonce, self.statement.ceremony_nonce(self.nonce.as_bytes())?, "nonce and log")?;
        // The statement's digest covers these too; a leaf that says otherwise is of a faulty log.
        let said = (*challenge, *signer, *purpose, *decision, *txn_digest, *expires_at);
        let signed = &self.statement;
        let meant =
            (signed.challenge_id, signed.signer, signed.purpose, signed.decision_id, signed.txn_digest, signed.exp);
        same(said, meant, "challenge and statement")
    }

    /// The decision asked for this, about this transaction. The pack may have changed between it and the challenge: the
    /// statement names the one that counts.
    fn decided(&self, decided: &Logged) -> Result<(), BundleError> {
        let EventKind::DecisionMade { decision, subject, outcome, audience, txn_digest, .. } = &decided.leaf.kind
        else {
            return Err(BundleError::OtherKind { which: "decided" });
        };
        let signed = &self.statement;
        same(Some(*decision), signed.decision_id, "decision and statement")?;
        same(*subject, signed.subject, "the decision's subject and the statement's")?;
        same(audience.as_ref(), signed.aud.as_ref(), "the decision's API and the statement's")?;
        same(*txn_digest, signed.txn_digest, "the decision's transaction and the statement's")?;
        if *outcome == Outcome::Deny { Err(BundleError::Mismatch("the decision denied")) } else { Ok(()) }
    }

    /// The passkey is the one that was enrolled, by the signer, with this attestation.
    fn enrolled(&self, enrolled: &Logged, proven: &Logged) -> Result<Acr, BundleError> {
        let EventKind::AuthenticatorEnrolled { authenticator, subject, ceiling, credential, attestation, .. } =
            &enrolled.leaf.kind
        else {
            return Err(BundleError::OtherKind { which: "enrolled" });
        };
        let EventKind::ChallengeProven { authenticator: used, .. } = &proven.leaf.kind else {
            return Err(BundleError::OtherKind { which: "proven" });
        };
        same(authenticator, used, "the authenticator enrolled and the one used")?;
        same(Some(*subject), self.statement.signer, "the authenticator's holder and the signer")?;
        same(*credential, Some(self.credential.digest()?), "credential and enrolment")?;
        if let Some(object) = &self.attestation_object {
            let bytes = URL_SAFE_NO_PAD.decode(object).map_err(|_| BundleError::Form)?;
            same(*attestation, Some(Digest::of(&bytes)), "attestation and enrolment")?;
        }
        Ok(*ceiling)
    }

    /// The assertion is right, is the one that was accepted, and came in time.
    fn signed(&self, proven: &Logged) -> Result<bool, BundleError> {
        let EventKind::ChallengeProven { challenge, assertion, .. } = &proven.leaf.kind else {
            return Err(BundleError::OtherKind { which: "proven" });
        };
        same(*challenge, self.statement.challenge_id, "proof and statement")?;
        same(*assertion, Some(self.assertion.digest()?), "assertion and log")?;
        let signer = self.statement.signer.ok_or(BundleError::Mismatch("nobody is named as signer"))?;
        let expected = Expected {
            ceremony_nonce: self.statement.ceremony_nonce(self.nonce.as_bytes())?,
            origin: &self.statement.origin,
            rp_id: &self.statement.rp_id,
            user_verification: false,
            identified: true,
        };
        let checked = check(&self.assertion, &self.credential, signer, &expected)?;
        if proven.leaf.at >= self.statement.exp {
            return Err(BundleError::Order("the proof came after its time"));
        }
        Ok(checked.user_verified)
    }

    fn spent(&self, spent: &Logged) -> Result<(), BundleError> {
        let EventKind::Spent { challenge, audience, txn_digest, decision, policy_version, .. } = &spent.leaf.kind
        else {
            return Err(BundleError::OtherKind { which: "spent" });
        };
        let signed = &self.statement;
        same(*challenge, signed.challenge_id, "spend and statement")?;
        same(Some(audience), signed.aud.as_ref(), "the API that spent and the statement's")?;
        same(Some(*txn_digest), signed.txn_digest, "what was spent and what was signed")?;
        same(Some(*decision), signed.decision_id, "the spend's decision and the statement's")?;
        same(*policy_version, signed.policy_version, "the spend's policy and the statement's")
    }

    fn reported(&self, reported: &Logged, spent: &Logged) -> Result<ReportedOutcome, BundleError> {
        let (
            EventKind::OutcomeReported { challenge, redemption, outcome },
            EventKind::Spent { redemption: spent_by, .. },
        ) = (&reported.leaf.kind, &spent.leaf.kind)
        else {
            return Err(BundleError::OtherKind { which: "reported" });
        };
        same(*challenge, self.statement.challenge_id, "outcome and statement")?;
        same(redemption, spent_by, "outcome and spend")?;
        Ok(*outcome)
    }
}

fn included(which: &'static str, logged: &LoggedLeaf, checkpoint: &Checkpoint) -> Result<Logged, BundleError> {
    let bytes = logged.leaf.as_bytes();
    let leaf = Leaf::parse(bytes).map_err(|error| BundleError::Leaf { which, error })?;
    InclusionProof { index: logged.index, size: checkpoint.size, path: logged.path.clone() }
        .verify(&LeafHash::of(bytes), &checkpoint.root)
        .map_err(|error| BundleError::NotLogged { which, error })?;
    Ok(Logged { index: logged.index, leaf })
}
