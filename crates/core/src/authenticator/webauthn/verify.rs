//! The verification of an assertion: WebAuthn L3 §7.2, in its order. One path, online and offline.

use super::{
    assertion::{Assertion, InvalidAssertion},
    authenticator_data::{AuthenticatorData, InvalidAuthenticatorData},
    client_data::{self, Ceremony, ClientDataError},
    cose::CoseError,
    credential::Credential,
};
use crate::{
    assurance::Method, authenticator::Holder, challenge::Challenge, digest::Digest, evidence::ProofFact, id::SubjectId,
    proof::Proof, statement::NotCanonical, time::Time,
};

/// What the assertion must be an answer to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expected<'a> {
    /// The challenge of the ceremony.
    pub ceremony_nonce: Digest,
    /// The only origin.
    pub origin: &'a str,
    /// The relying party.
    pub rp_id: &'a str,
    /// The user must have been verified.
    pub user_verification: bool,
    /// Who answers was known before; else the user handle must say it.
    pub identified: bool,
}

impl<'a> Expected<'a> {
    /// What this challenge expects.
    pub fn by(challenge: &'a Challenge) -> Result<Self, NotCanonical> {
        let statement = challenge.statement();
        Ok(Self {
            ceremony_nonce: challenge.ceremony_nonce()?,
            origin: &statement.origin,
            rp_id: &statement.rp_id,
            user_verification: challenge.opening().user_verification,
            identified: statement.signer.is_some(),
        })
    }
}

/// Why an assertion proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AssertionError {
    /// It cannot be read.
    #[error(transparent)]
    Malformed(#[from] InvalidAssertion),
    /// It is by another credential.
    #[error("the assertion is by another credential")]
    OtherCredential,
    /// The authenticator takes the credential for somebody else's, or does not say whose it is where it must.
    #[error("the assertion is for another user")]
    OtherUser,
    /// The client data is not that of our ceremony.
    #[error(transparent)]
    ClientData(ClientDataError),
    /// Everything up to there is right, but it was made at another origin or in a frame. `signed` says that the
    /// signature is the credential's: then somebody stands in between, because nobody else could have made it.
    #[error("the assertion was made at another place")]
    OtherPlace {
        /// The signature is right.
        signed: bool,
    },
    /// The authenticator data cannot be read.
    #[error(transparent)]
    AuthenticatorData(#[from] InvalidAuthenticatorData),
    /// It was made for another relying party.
    #[error("the assertion is for another relying party")]
    OtherRelyingParty,
    /// Nobody touched the authenticator.
    #[error("the user was not present")]
    UserNotPresent,
    /// The user was not verified, and must be.
    #[error("the user was not verified")]
    UserNotVerified,
    /// It is backed up without being eligible, or its eligibility is not what it was.
    #[error("the backup flags contradict each other or the record")]
    BackupFlags,
    /// The record's key is none that we verify with.
    #[error(transparent)]
    Key(#[from] CoseError),
    /// The signature is not the credential's.
    #[error("the signature is wrong")]
    Signature,
}

impl AssertionError {
    /// The fixed word for the log and the counters.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Malformed(_) | Self::AuthenticatorData(_) => "malformed",
            Self::OtherCredential => "other_credential",
            Self::OtherUser => "other_user",
            Self::ClientData(ClientDataError::OtherChallenge) => "other_challenge",
            Self::ClientData(_) => "client_data",
            Self::OtherPlace { .. } => "other_origin",
            Self::OtherRelyingParty => "other_rp",
            Self::UserNotPresent => "user_not_present",
            Self::UserNotVerified => "user_not_verified",
            Self::BackupFlags => "backup_flags",
            Self::Key(_) => "key",
            Self::Signature => "signature",
        }
    }
}

/// What the signature counter says (§6.1.1): a signal, never a proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CounterSignal {
    /// The authenticator has none.
    None,
    /// It rose.
    Rose,
    /// It did not rise: the authenticator may have been copied.
    DidNotRise {
        /// The counter of the record.
        stored: u32,
        /// The counter of the assertion.
        seen: u32,
    },
}

/// What a right assertion shows, without saying for what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// The user was verified.
    pub user_verified: bool,
    /// What the counter says.
    pub counter: CounterSignal,
    /// The credential as it is from now on.
    pub credential: Credential,
}

/// A right assertion: a proof, and what to keep.
#[derive(Debug)]
#[must_use = "the proof is in it"]
pub struct Verified {
    /// The proof.
    pub proof: Proof,
    /// What the counter says.
    pub counter: CounterSignal,
    /// The credential as it is from now on: keep it in the same commit.
    pub credential: Credential,
}

/// Judges an assertion by `credential`, which is `holder`'s, at `now`. The caller has found the credential by
/// [`Assertion::id`] (step 6); whether it was among those asked for is the challenge's to check (step 5).
pub fn verify(
    assertion: Assertion,
    credential: &Credential,
    holder: &Holder,
    expected: &Expected<'_>,
    now: Time,
) -> Result<Verified, AssertionError> {
    let Checked { user_verified, counter, credential } = check(&assertion, credential, holder.subject, expected)?;
    let fact = ProofFact {
        method: Method::Passkey,
        at: now,
        authenticator: holder.authenticator,
        ceiling: holder.ceiling,
        user_verified,
        // A key that may leave the device is in no hardware, whatever was attested once.
        hardware_bound: credential.hardware_bound && !credential.backup_eligible,
        txn_digest: None,
        channel: None,
    };
    let proof = Proof::signed(holder.subject, fact, expected.ceremony_nonce, assertion);
    Ok(Verified { proof, counter, credential })
}

/// The same without a clock and without making a proof, for whoever verifies a record offline.
pub fn check(
    assertion: &Assertion,
    credential: &Credential,
    subject: SubjectId,
    expected: &Expected<'_>,
) -> Result<Checked, AssertionError> {
    let parts = assertion.parts()?;
    if assertion.id != credential.id {
        return Err(AssertionError::OtherCredential);
    }
    // Step 6: the user handle is ours, so it is the subject's sixteen bytes.
    match &parts.user_handle {
        Some(handle) if handle.as_slice() == subject.as_bytes() => {}
        None if expected.identified => {}
        _ => return Err(AssertionError::OtherUser),
    }
    let key = credential.key()?;
    let client_data_hash = Digest::of(&parts.client_data_json);
    let signed = [parts.authenticator_data.as_slice(), client_data_hash.as_bytes()].concat();
    // Steps 9 to 14.
    let nonce = expected.ceremony_nonce.as_bytes();
    match client_data::check(&parts.client_data_json, Ceremony::Get, nonce, expected.origin) {
        Ok(()) => {}
        Err(ClientDataError::OtherOrigin | ClientDataError::Framed) => {
            return Err(AssertionError::OtherPlace { signed: key.verifies(&signed, &parts.signature) });
        }
        Err(other) => return Err(AssertionError::ClientData(other)),
    }
    // Step 15. No extension of ours puts another identifier here.
    let data = AuthenticatorData::parse(&parts.authenticator_data)?;
    if data.rp_id_hash != *Digest::of(expected.rp_id.as_bytes()).as_bytes() {
        return Err(AssertionError::OtherRelyingParty);
    }
    if data.attested.is_some() {
        return Err(AssertionError::AuthenticatorData(InvalidAuthenticatorData("an assertion makes no credential")));
    }
    // Steps 16 to 19.
    if !data.user_present() {
        return Err(AssertionError::UserNotPresent);
    }
    if expected.user_verification && !data.user_verified() {
        return Err(AssertionError::UserNotVerified);
    }
    let contradiction = data.backup_state() && !data.backup_eligible();
    if contradiction || data.backup_eligible() != credential.backup_eligible {
        return Err(AssertionError::BackupFlags);
    }
    // Steps 20 and 21.
    if !key.verifies(&signed, &parts.signature) {
        return Err(AssertionError::Signature);
    }
    // Step 22.
    let counter = match (credential.sign_count, data.sign_count) {
        (0, 0) => CounterSignal::None,
        (stored, seen) if seen > stored => CounterSignal::Rose,
        (stored, seen) => CounterSignal::DidNotRise { stored, seen },
    };
    Ok(Checked { user_verified: data.user_verified(), counter, credential: credential.clone().seen(&data) })
}
