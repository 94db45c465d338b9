//! What a log can say against itself, and where.

use crate::id::RunId;

/// A contradiction in what the log says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Contradiction {
    /// R1.
    #[error("an approval was spent a second time")]
    SecondSpend,
    /// Nobody proved what was spent.
    #[error("an approval was spent that nobody had proven")]
    SpentUnproven,
    /// What was spent is not what was signed.
    #[error("what was spent is not the transaction that was signed")]
    SpentOther,
    /// The token that was presented is not one of this approval.
    #[error("an approval was spent by a token that was not issued for it")]
    SpentByOtherToken,
    /// The token that was presented is for another API.
    #[error("an approval was spent by an API that its token was not for")]
    SpentElsewhere,
    /// The token that was presented had ended, or had been revoked.
    #[error("an approval was spent by a token that had ended or been revoked")]
    SpentTooLate,
    /// A code or token without a proven challenge behind it.
    #[error("something was issued for a challenge that nobody had proven")]
    IssuedUnproven,
    /// A token for a code that never was.
    #[error("a token was issued for a code that is not in the log")]
    UnknownCode,
    /// A code that was issued again, gave a second token, or had been refused before (RFC 6749 §4.1.2).
    #[error("a code was issued or used a second time")]
    CodeTwice,
    /// A code that was used too late.
    #[error("a token was issued for a code that had ended")]
    CodeLate,
    /// A token that is not what its code was for.
    #[error("a token has another client, login or approval than its code")]
    IssuedOther,
    /// A code or token out of a login that never was.
    #[error("something was issued from a login that is not in the log")]
    IssuedWithoutLogin,
    /// A code, token or spend out of a login that had been contained.
    #[error("something was issued or spent after its login was contained")]
    AfterContainment,
    /// A login with an authenticator that had proven nothing.
    #[error("a login names an authenticator that had proven nothing")]
    SignedInUnproven,
    /// A proof by an authenticator that nobody had enrolled.
    #[error("an authenticator was used before it was enrolled")]
    UsedBeforeEnrolled,
    /// A proof by an authenticator that was somebody else's.
    #[error("an authenticator was used by somebody else than it was enrolled for")]
    UsedByOther,
    /// A proof by an authenticator that had been removed, disabled or contained.
    #[error("an authenticator was used after it was removed, disabled or contained")]
    UsedAfterEnd,
    /// RFC 6238 §5.2.
    #[error("a code was accepted a second time")]
    StepTwice,
    /// A challenge that was proven without having been opened.
    #[error("a challenge was proven that had not been opened")]
    ProvenUnopened,
    /// A challenge that was proven, refused or void before.
    #[error("a challenge was proven that had ended before")]
    ProvenAfterEnd,
    /// A challenge that was answered too late.
    #[error("a challenge was proven after its time")]
    ProvenLate,
    /// A challenge proven without an accepted answer to it.
    #[error("a challenge was proven without a proof for it")]
    ProvenWithoutProof,
    /// Two challenges under one identifier.
    #[error("a challenge was opened twice")]
    OpenedTwice,
    /// A decision that opened a second challenge, or a request that was consumed a second time.
    #[error("a decision or pushed request opened a second challenge")]
    ConsumedTwice,
    /// A challenge for a decision that never was.
    #[error("a challenge was opened for a decision that is not in the log")]
    UnknownDecision,
    /// A challenge out of a decision that had denied.
    #[error("a challenge was opened for a decision that denied")]
    OpenedDenied,
    /// An outcome without a spend.
    #[error("an outcome was reported of what was never spent")]
    OutcomeUnspent,
    /// An epoch that did not rise.
    #[error("an epoch was raised to a lower number")]
    EpochFell,
}

/// Where an event stands, for findings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Its leaf; none while it waits for the sequencer.
    pub index: Option<u64>,
    /// Its run.
    pub run: RunId,
    /// Its number in the run.
    pub number: u64,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.index {
            Some(index) => write!(f, "leaf {index}"),
            None => write!(f, "event {} of run {}", self.number, self.run),
        }
    }
}
