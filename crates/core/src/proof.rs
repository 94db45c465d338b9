//! An accepted answer, as a value that nobody can make up: only the verifiers in [`crate::authenticator`] make one.

use crate::{authenticator::webauthn::Assertion, digest::Digest, evidence::ProofFact, id::SubjectId};

/// An answer that was right. It is used once: a [`crate::challenge::Challenge`] or a session's evidence takes it.
///
/// INVARIANT: made by `Proof::typed` and `Proof::signed` alone, which only `authenticator/{password,totp,webauthn}`
/// call, after the comparison or the signature was right. Neither `Clone` nor `Deserialize`.
#[derive(Debug)]
#[must_use = "an answer that nobody takes proves nothing"]
pub struct Proof {
    subject: SubjectId,
    fact: ProofFact,
    bound: Bound,
}

/// What a proof is tied to.
#[derive(Debug)]
enum Bound {
    /// To nothing: something was typed, and whoever relays it owns it. With the TOTP step that it used up.
    Typed { totp_step: Option<u64> },
    /// To one ceremony, by a signature.
    Signed { ceremony_nonce: Digest, assertion: Box<Assertion> },
}

impl Proof {
    pub(crate) fn typed(subject: SubjectId, fact: ProofFact, totp_step: Option<u64>) -> Self {
        Self { subject, fact, bound: Bound::Typed { totp_step } }
    }

    pub(crate) fn signed(subject: SubjectId, fact: ProofFact, ceremony_nonce: Digest, assertion: Assertion) -> Self {
        Self { subject, fact, bound: Bound::Signed { ceremony_nonce, assertion: Box::new(assertion) } }
    }

    /// Who answered.
    pub const fn subject(&self) -> SubjectId {
        self.subject
    }

    /// What it showed. The transaction is named in it only once a challenge has taken the proof.
    pub const fn fact(&self) -> &ProofFact {
        &self.fact
    }

    /// The ceremony that it was made for. `None` for what was typed, which is bound to nothing.
    pub const fn ceremony_nonce(&self) -> Option<&Digest> {
        match &self.bound {
            Bound::Signed { ceremony_nonce, .. } => Some(ceremony_nonce),
            Bound::Typed { .. } => None,
        }
    }

    /// The WebAuthn assertion, for the challenge's record.
    pub fn assertion(&self) -> Option<&Assertion> {
        match &self.bound {
            Bound::Signed { assertion, .. } => Some(assertion),
            Bound::Typed { .. } => None,
        }
    }

    /// The TOTP step that it used up, to be spent in the same commit.
    pub const fn totp_step(&self) -> Option<u64> {
        match self.bound {
            Bound::Typed { totp_step } => totp_step,
            Bound::Signed { .. } => None,
        }
    }

    /// What it adds to a session's evidence without answering a challenge, as a password before the code does. `None`
    /// for an assertion: that answers its own challenge or nothing.
    pub fn into_session_fact(self) -> Option<ProofFact> {
        match self.bound {
            Bound::Typed { .. } => Some(self.fact),
            Bound::Signed { .. } => None,
        }
    }
}
