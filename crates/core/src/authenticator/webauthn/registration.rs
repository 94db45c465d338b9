//! What we check of a registration ourselves, before and after the registration library.

use crate::digest::Digest;

/// The client data of a registration was ours: right type, challenge and origin, in no frame.
///
/// INVARIANT: made by `check_registration` alone.
#[derive(Debug)]
#[must_use = "a registration that answers no challenge enrols nothing"]
pub struct RegistrationCeremony {
    challenge: Digest,
}

impl RegistrationCeremony {
    /// SHA-256 of the challenge that was answered: `registration_challenge` in the enrolment's statement.
    pub const fn challenge_digest(&self) -> Digest {
        self.challenge
    }
}
