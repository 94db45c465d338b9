//! What a person has enrolled, and how each kind is verified: one file per kind. A verifier alone makes a
//! [`crate::proof::Proof`].

pub mod password;
pub mod totp;
pub mod webauthn;

use crate::{
    assurance::Acr,
    id::{AuthenticatorId, SubjectId},
};

/// Whose authenticator it is, which, and the most that it can prove now: read from the store before an answer is
/// verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Whose.
    pub subject: SubjectId,
    /// Which.
    pub authenticator: AuthenticatorId,
    /// The most that it can prove at this moment (DESIGN §4).
    pub ceiling: Acr,
}
