//! Our pending request for proof: opened once, answered once, refused or void. What was opened never changes.
//!
//! ```text
//! open ── prove ─────► proven          fail, too often ──► void
//!      ── register ──► registered      void            ──► void
//!      ── refuse ────► refused
//! ```
//! Every transition takes the challenge and gives back another; the store keeps it only if nobody else was faster.

use crate::{
    assurance::Method,
    audit::event::VoidReason,
    authenticator::webauthn::{Assertion, RegistrationCeremony},
    digest::Digest,
    evidence::ProofFact,
    id::{AuthenticatorId, ChallengeId, SessionId, SubjectId},
    limits::{AUTHENTICATORS_PER_SUBJECT, CHALLENGE_FAILURES, CLOCK_LEEWAY_SECONDS},
    proof::Proof,
    statement::{Nonce, NotCanonical, Purpose, Statement},
    time::Time,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What a challenge is made of. All of it stays as it was opened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Opening {
    /// What is signed.
    pub statement: Statement,
    /// The random part of the ceremony nonce.
    pub nonce: Nonce,
    /// The session that it belongs to. Any other one consumes nothing.
    pub session: SessionId,
    /// The methods that answer it, the preferred one first.
    pub asked: Vec<Method>,
    /// The authenticators that may answer; empty where any of the signer's may, as at a sign-in with a discoverable
    /// passkey.
    pub allowed: Vec<AuthenticatorId>,
    /// A passkey must have verified its user (WebAuthn L3 §7.2 step 18).
    pub user_verification: bool,
    /// The text that is shown, whose hash the statement carries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_text: Option<String>,
    /// The transaction's object, whose hash the statement carries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transaction: Option<Value>,
    /// The pushed authorization request that the answer serves. Opaque here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<Value>,
    /// What the registration library must see again. Opaque here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registration: Option<Value>,
    /// Where the person goes afterwards, a path of our own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub return_to: Option<String>,
}

/// What became of a challenge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case", deny_unknown_fields)]
pub enum ChallengeState {
    /// It waits for its answer.
    Open {
        /// Wrong answers so far.
        failures: u32,
    },
    /// It was answered.
    Proven {
        /// When.
        at: Time,
        /// By whom.
        by: SubjectId,
        /// What was shown, with the transaction that it was shown for.
        proof: ProofFact,
        /// The WebAuthn assertion, for the evidence bundle.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        assertion: Option<Box<Assertion>>,
    },
    /// A new passkey answered it, at an enrolment.
    Registered {
        /// When.
        at: Time,
        /// As which authenticator.
        authenticator: AuthenticatorId,
    },
    /// The person said no.
    Refused {
        /// When.
        at: Time,
        /// They had not asked for it.
        alarm: bool,
    },
    /// It can no longer be answered.
    Void {
        /// When.
        at: Time,
        /// Why.
        reason: VoidReason,
    },
}

impl ChallengeState {
    /// Its name in the store: `open`, `proven`, `registered`, `refused` or `void`.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Open { .. } => "open",
            Self::Proven { .. } => "proven",
            Self::Registered { .. } => "registered",
            Self::Refused { .. } => "refused",
            Self::Void { .. } => "void",
        }
    }
}

/// Why a challenge was not opened, or did not become what was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ChallengeError {
    /// It was answered, refused or voided before; the word says which.
    #[error("the challenge is {0}")]
    NotOpen(&'static str),
    /// Its time is over.
    #[error("the challenge is over")]
    Expired,
    /// The answer was made before the challenge was opened, or is dated in the future.
    #[error("the proof is of another time")]
    OtherTime,
    /// The assertion was made for another ceremony.
    #[error("the proof is for another challenge")]
    OtherChallenge,
    /// Somebody else answered, or a code came where only an assertion says who it is.
    #[error("the proof is another person's")]
    OtherSubject,
    /// This method was not asked for.
    #[error("the proof is by a method that was not asked for")]
    OtherMethod,
    /// This authenticator may not answer.
    #[error("the proof is by an authenticator that may not answer")]
    OtherAuthenticator,
    /// The user was not verified, and must be.
    #[error("the authenticator did not verify its user")]
    UserNotVerified,
    /// What was to be opened contradicts itself; the text says where.
    #[error("not a challenge: {0}")]
    Contradiction(&'static str),
    /// A bug, never input.
    #[error(transparent)]
    NotCanonical(#[from] NotCanonical),
}

/// A request for proof.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Challenge {
    opening: Opening,
    state: ChallengeState,
}

impl Challenge {
    /// Opens a challenge. Fails if the parts contradict each other: a transaction without digest, a sign-in with one,
    /// codes where nobody says who answers.
    pub fn open(opening: Opening) -> Result<Self, ChallengeError> {
        contradiction(&opening).map_or(Ok(()), |place| Err(ChallengeError::Contradiction(place)))?;
        opening.statement.digest()?;
        Ok(Self { opening, state: ChallengeState::Open { failures: 0 } })
    }

    /// Which; `txn` in tokens.
    pub const fn id(&self) -> ChallengeId {
        self.opening.statement.challenge_id
    }

    /// What was opened.
    pub const fn opening(&self) -> &Opening {
        &self.opening
    }

    /// What is signed.
    pub const fn statement(&self) -> &Statement {
        &self.opening.statement
    }

    /// What became of it.
    pub const fn state(&self) -> &ChallengeState {
        &self.state
    }

    /// When it can no longer be answered.
    pub const fn expires_at(&self) -> Time {
        self.opening.statement.exp
    }

    /// What a WebAuthn authenticator signs as its challenge; computed anew each time, from the statement as it is.
    pub fn ceremony_nonce(&self) -> Result<Digest, NotCanonical> {
        self.opening.statement.ceremony_nonce(self.opening.nonce.as_bytes())
    }

    /// May it still be answered?
    pub fn is_open(&self, now: Time) -> bool {
        matches!(self.state, ChallengeState::Open { .. }) && now < self.expires_at()
    }

    /// Wrong answers that are left before it is void; 0 when it is not open.
    pub const fn failures_left(&self) -> u32 {
        match self.state {
            ChallengeState::Open { failures } => CHALLENGE_FAILURES.saturating_sub(failures),
            _ => 0,
        }
    }

    /// Answered by `proof` at `now`. A proof for another challenge, person, method or authenticator proves nothing here;
    /// it is gone either way.
    pub fn prove(self, proof: Proof, now: Time) -> Result<Self, ChallengeError> {
        self.require_open(now)?;
        let (opening, statement) = (&self.opening, &self.opening.statement);
        let mut fact = proof.fact().clone();
        let too_early = fact.at.seconds_since(statement.iat) < -CLOCK_LEEWAY_SECONDS;
        if too_early || now.seconds_since(fact.at) < -CLOCK_LEEWAY_SECONDS {
            return Err(ChallengeError::OtherTime);
        }
        if !opening.asked.contains(&fact.method) {
            return Err(ChallengeError::OtherMethod);
        }
        if let Some(nonce) = proof.ceremony_nonce()
            && *nonce != self.ceremony_nonce()?
        {
            return Err(ChallengeError::OtherChallenge);
        }
        // Who answers is either known before or said under a signature.
        let known = statement.signer.or_else(|| proof.ceremony_nonce().map(|_| proof.subject()));
        if known != Some(proof.subject()) {
            return Err(ChallengeError::OtherSubject);
        }
        if !opening.allowed.is_empty() && !opening.allowed.contains(&fact.authenticator) {
            return Err(ChallengeError::OtherAuthenticator);
        }
        if fact.method == Method::Passkey && opening.user_verification && !fact.user_verified {
            return Err(ChallengeError::UserNotVerified);
        }
        // DESIGN §4: a transaction's proof counts for its transaction, never for the session.
        fact.txn_digest = statement.txn_digest;
        let (by, assertion) = (proof.subject(), proof.assertion().cloned().map(Box::new));
        Ok(Self { state: ChallengeState::Proven { at: now, by, proof: fact, assertion }, ..self })
    }

    /// Answered at `now` by a new passkey that is kept as `authenticator`. The ceremony must be the one whose challenge
    /// the statement carries.
    pub fn register(
        self,
        ceremony: RegistrationCeremony,
        authenticator: AuthenticatorId,
        now: Time,
    ) -> Result<Self, ChallengeError> {
        self.require_open(now)?;
        if self.statement().registration_challenge != Some(ceremony.challenge_digest()) {
            return Err(ChallengeError::OtherChallenge);
        }
        Ok(Self { state: ChallengeState::Registered { at: now, authenticator }, ..self })
    }

    /// The person said no; `alarm` if they also said that they had not asked for it.
    pub fn refuse(self, alarm: bool, now: Time) -> Result<Self, ChallengeError> {
        self.require_open(now)?;
        Ok(Self { state: ChallengeState::Refused { at: now, alarm }, ..self })
    }

    /// A wrong answer. The last one that is allowed voids the challenge.
    pub fn fail(self, now: Time) -> Result<Self, ChallengeError> {
        let failures = self.require_open(now)? + 1;
        let state = if failures < CHALLENGE_FAILURES {
            ChallengeState::Open { failures }
        } else {
            ChallengeState::Void { at: now, reason: VoidReason::Attempts }
        };
        Ok(Self { state, ..self })
    }

    /// It can no longer be answered, for `reason`. What is over by time may still be marked so.
    pub fn void(self, reason: VoidReason, now: Time) -> Result<Self, ChallengeError> {
        match self.state {
            ChallengeState::Open { .. } => Ok(Self { state: ChallengeState::Void { at: now, reason }, ..self }),
            _ => Err(ChallengeError::NotOpen(self.state.name())),
        }
    }

    fn require_open(&self, now: Time) -> Result<u32, ChallengeError> {
        match self.state {
            ChallengeState::Open { failures } if now < self.expires_at() => Ok(failures),
            ChallengeState::Open { .. } => Err(ChallengeError::Expired),
            _ => Err(ChallengeError::NotOpen(self.state.name())),
        }
    }
}

fn contradiction(opening: &Opening) -> Option<&'static str> {
    let statement = &opening.statement;
    let of_transaction = matches!(statement.purpose, Purpose::Transaction | Purpose::Approval);
    // A sign-in that carried a transaction would be a second purpose of one signature (R2).
    if of_transaction != statement.txn_digest.is_some() {
        return Some("a digest goes with a transaction or an approval, and only with those");
    }
    let digest_of = |value| serde_json_canonicalizer::to_vec(value).map(|bytes| Digest::of(&bytes)).ok();
    if opening.transaction.as_ref().and_then(digest_of) != statement.txn_digest {
        return Some("the transaction kept is not the transaction in the statement");
    }
    if (statement.purpose == Purpose::Enrolment) != statement.registration_challenge.is_some() {
        return Some("a registration challenge goes with an enrolment, and only with that");
    }
    if statement.subject.is_none() != statement.signer.is_none() {
        return Some("subject and signer are known together");
    }
    if statement.signer.is_none()
        && (statement.purpose != Purpose::SignIn || opening.asked.iter().any(|method| *method != Method::Passkey))
    {
        return Some("only a passkey at a sign-in says who it is");
    }
    if (statement.purpose == Purpose::Approval) != (statement.subject != statement.signer) {
        return Some("an approval is somebody else's, and nothing else is");
    }
    if statement.exp <= statement.iat {
        return Some("it ends before it begins");
    }
    if opening.allowed.len() > AUTHENTICATORS_PER_SUBJECT {
        return Some("too many authenticators");
    }
    match (&opening.display_text, &statement.displayed) {
        (None, None) => None,
        (Some(text), Some(displayed)) if Digest::of(text.as_bytes()) == displayed.display_digest => None,
        _ => Some("the text shown is not the text in the statement"),
    }
}
