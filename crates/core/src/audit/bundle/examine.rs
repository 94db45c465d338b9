//! The checks of a bundle, each by itself, so that a reader sees which were made and how each came out.
//!
//! They rest on the log's public keys and on nothing of ours: SHA-256, Ed25519 and the passkey's own signature.

use super::{BUNDLE_VERSION, Bundle, BundleError, LoggedLeaf};
use crate::{
    assurance::Acr,
    audit::{
        checkpoint::{Checkpoint, LogKey, Note},
        event::{EventKind, Leaf, LeafHash, ReportedOutcome},
        inclusion::InclusionProof,
        kind::{Outcome, stored_record_digest},
    },
    authenticator::webauthn::{Expected, check},
    digest::Digest,
    limits,
    statement::{NotCanonical, Statement},
    time::Time,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use std::fmt;

/// One thing that must be so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// The checkpoint.
    Signed,
    /// The leaf that is this member of the bundle.
    Logged(&'static str),
    /// Transaction and text.
    Shown,
    /// The statement before the signature.
    Committed,
    /// The decision.
    Decided,
    /// The decision's record.
    Recorded,
    /// The passkey.
    Enrolled,
    /// Its signature.
    Approved,
    /// What the API spent.
    Spent,
    /// What it said became of it.
    Reported,
    /// The order of it all.
    InOrder,
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Signed => "the checkpoint is signed by the log's key",
            Self::Logged(which) => return write!(f, "the leaf `{which}` is in the tree that the checkpoint signs"),
            Self::Shown => "transaction and text are those that the statement names",
            Self::Committed => "the log held the statement before it was signed",
            Self::Decided => "a decision asked for it: about this person, this API and this transaction",
            Self::Recorded => "the decision's record is the one that the log commits to",
            Self::Enrolled => "the passkey is the one that was enrolled, by the person who signed",
            Self::Approved => "the passkey signed this statement, at the right place and in time",
            Self::Spent => "the API spent this approval on exactly this transaction",
            Self::Reported => "the report of what became of it belongs to this spend",
            Self::InOrder => "everything happened in its order",
        })
    }
}

/// How a check came out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is so.
    Passed,
    /// It is not so.
    Failed(BundleError),
    /// It could not be looked at, because what it rests on failed.
    NotMade,
}

/// A check and how it came out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// What was checked.
    pub check: Check,
    /// What came out.
    pub verdict: Verdict,
}

/// Every check of a bundle, in their order.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub struct Examination<'a> {
    checks: Vec<Checked>,
    proven: Option<Proven<'a>>,
}

impl<'a> Examination<'a> {
    /// The checks.
    pub fn checks(&self) -> &[Checked] {
        &self.checks
    }

    /// Whether every one of them passed.
    pub fn holds(&self) -> bool {
        self.proven.is_some()
    }

    /// What is proven, if everything holds.
    pub const fn proven(&self) -> Option<&Proven<'a>> {
        self.proven.as_ref()
    }

    /// What is proven, or the first thing that is wrong.
    ///
    /// # Errors
    /// The first check that failed.
    pub fn into_proven(self) -> Result<Proven<'a>, BundleError> {
        let failed = self.checks.into_iter().find_map(|checked| match checked.verdict {
            Verdict::Failed(error) => Some(error),
            Verdict::Passed | Verdict::NotMade => None,
        });
        match (failed, self.proven) {
            (None, Some(proven)) => Ok(proven),
            (Some(error), _) => Err(error),
            (None, None) => Err(BundleError::Form),
        }
    }
}

/// What a bundle has proven. Made by [`Bundle::examine`] alone, once every check has passed.
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

/// A leaf with its place. Whether it is in the tree is a check of its own.
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

/// Notes each check as it is made.
#[derive(Default)]
struct Notes(Vec<Checked>);

impl Notes {
    /// `result` is none where the check rests on something that failed.
    fn take<T>(&mut self, check: Check, result: Option<Result<T, BundleError>>) -> Option<T> {
        let (verdict, value) = match result {
            Some(Ok(value)) => (Verdict::Passed, Some(value)),
            Some(Err(error)) => (Verdict::Failed(error), None),
            None => (Verdict::NotMade, None),
        };
        self.0.push(Checked { check, verdict });
        value
    }

    /// A leaf that can be read, whether or not it is in the tree; the note says which.
    fn logged(&mut self, which: &'static str, logged: &LoggedLeaf, checkpoint: Option<&Checkpoint>) -> Option<Logged> {
        let bytes = logged.leaf.as_bytes();
        match Leaf::parse(bytes) {
            Ok(leaf) => {
                let included = checkpoint.map(|checkpoint| included(which, logged, checkpoint));
                self.take(Check::Logged(which), included);
                Some(Logged { index: logged.index, leaf })
            }
            Err(error) => self.take(Check::Logged(which), Some(Err(BundleError::Leaf { which, error }))),
        }
    }
}

fn included(which: &'static str, logged: &LoggedLeaf, checkpoint: &Checkpoint) -> Result<(), BundleError> {
    InclusionProof { index: logged.index, size: checkpoint.size, path: logged.path.clone() }
        .verify(&LeafHash::of(logged.leaf.as_bytes()), &checkpoint.root)
        .map_err(|error| BundleError::NotLogged { which, error })
}

impl Bundle {
    /// Makes every check that can be made, with the log's public keys alone.
    pub fn examine(&self, log_keys: &[LogKey]) -> Examination<'_> {
        let mut notes = Notes::default();
        let checkpoint = notes.take(Check::Signed, Some(self.checkpoint(log_keys)));
        let mut logged = |which, leaf| notes.logged(which, leaf, checkpoint.as_ref());
        let enrolled = logged("enrolled", &self.enrolled);
        let decided = logged("decided", &self.decided);
        let opened = logged("opened", &self.opened);
        let proven = logged("proven", &self.proven);
        let spent = self.spent.as_ref().map(|leaf| logged("spent", leaf));
        let reported = self.reported.as_ref().map(|leaf| logged("reported", leaf));

        notes.take(Check::Shown, Some(self.shown()));
        notes.take(Check::Committed, opened.as_ref().map(|opened| self.committed(opened)));
        notes.take(Check::Decided, decided.as_ref().map(|decided| self.decided(decided)));
        if let Some(record) = &self.decision_record {
            notes.take(Check::Recorded, decided.as_ref().map(|decided| recorded(record, decided)));
        }
        let both = enrolled.as_ref().zip(proven.as_ref());
        let ceiling = notes.take(Check::Enrolled, both.map(|(enrolled, proven)| self.enrolled(enrolled, proven)));
        let user_verified = notes.take(Check::Approved, proven.as_ref().map(|proven| self.approved(proven)));
        if let Some(spent) = &spent {
            notes.take(Check::Spent, spent.as_ref().map(|spent| self.spent(spent)));
        }
        let outcome = reported.as_ref().and_then(|reported| {
            let result = match (reported, &spent) {
                (_, None) => Some(Err(BundleError::Mismatch("an outcome without a spend"))),
                (Some(reported), Some(Some(spent))) => Some(self.reported(reported, spent)),
                _ => None,
            };
            notes.take(Check::Reported, result)
        });
        let story = [&enrolled, &decided, &opened, &proven].map(Option::as_ref);
        let order = match story {
            [Some(enrolled), Some(decided), Some(opened), Some(proven)] => {
                let later = |leaf: &Option<Option<Logged>>| leaf.as_ref().is_none_or(Option::is_some);
                let rest = [spent.as_ref().and_then(Option::as_ref), reported.as_ref().and_then(Option::as_ref)];
                (later(&spent) && later(&reported)).then(|| in_order([enrolled, decided, opened, proven], rest))
            }
            _ => None,
        };
        notes.take(Check::InOrder, order);

        let held = notes.0.iter().all(|checked| checked.verdict == Verdict::Passed);
        let proven = checkpoint.zip(ceiling).zip(user_verified).zip(proven).filter(|_| held);
        let proven = proven.map(|(((checkpoint, ceiling), user_verified), proven)| Proven {
            bundle: self,
            checkpoint,
            ceiling,
            approved_at: proven.leaf.at,
            spent_at: spent.flatten().map(|spent| spent.leaf.at),
            outcome,
            user_verified,
        });
        Examination { checks: notes.0, proven }
    }

    fn checkpoint(&self, log_keys: &[LogKey]) -> Result<Checkpoint, BundleError> {
        if self.v != BUNDLE_VERSION {
            return Err(BundleError::Form);
        }
        let note: Note = self.checkpoint.parse()?;
        Ok(Checkpoint::verify(&note, log_keys)?)
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
        let EventKind::DecisionMade {
            decision,
            subject,
            outcome,
            audience,
            action,
            resource_type,
            resource_id,
            txn_digest,
            ..
        } = &decided.leaf.kind
        else {
            return Err(BundleError::OtherKind { which: "decided" });
        };
        let signed = &self.statement;
        same(Some(*decision), signed.decision_id, "decision and statement")?;
        same(*subject, signed.subject, "the decision's subject and the statement's")?;
        same(audience.as_ref(), signed.aud.as_ref(), "the decision's API and the statement's")?;
        same(Some(action), signed.action.as_ref(), "the decision's action and the statement's")?;
        let resource = signed.resource.as_ref().map(|resource| (&resource.kind, &resource.id));
        same(Some((resource_type, resource_id)), resource, "the decision's resource and the statement's")?;
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
    fn approved(&self, proven: &Logged) -> Result<bool, BundleError> {
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
        let checked = check(&self.assertion, &self.credential.unused(), signer, &expected)?;
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

/// The record is the one whose digest the decision's leaf carries.
fn recorded(record: &str, decided: &Logged) -> Result<(), BundleError> {
    let EventKind::DecisionMade { record: committed, .. } = &decided.leaf.kind else {
        return Err(BundleError::OtherKind { which: "decided" });
    };
    same(stored_record_digest(record.as_bytes()), Some(*committed), "the decision's record and the log")
}

fn in_order(
    [enrolled, decided, opened, proven]: [&Logged; 4],
    [spent, reported]: [Option<&Logged>; 2],
) -> Result<(), BundleError> {
    decided.before(opened, "the challenge was opened before the decision")?;
    opened.before(proven, "the proof came before the challenge")?;
    enrolled.before(proven, "the authenticator was used before it was enrolled")?;
    if let Some(spent) = spent {
        proven.before(spent, "it was spent before it was proven")?;
        if let Some(reported) = reported {
            spent.before(reported, "the outcome was reported before the spend")?;
        }
    }
    Ok(())
}
