//! Passkeys: our own strict reading of WebAuthn Level 3, the same online and offline.
//!
//! [`verify()`] judges an assertion (§7.2). Registration (§7.1) is the library's at the edge; [`check_registration`] looks at
//! its client data first, and [`parse_attestation_object`] reads the credential out of what the library accepted.
//! The user handle of a passkey is the sixteen bytes of its owner's [`crate::id::SubjectId`].

mod assertion;
mod authenticator_data;
mod client_data;
mod cose;
mod credential;
mod registration;
mod verify;

pub use assertion::{Assertion, InvalidAssertion};
pub use authenticator_data::{AttestedCredential, AuthenticatorData, InvalidAuthenticatorData};
pub use client_data::ClientDataError;
pub use cose::{Algorithm, CoseError, CoseKey};
pub use credential::{Attestation, Credential, FixedCredential};
pub use registration::{
    AttestationObject, RegistrationCeremony, RegistrationError, RegistrationResponse, check_registration,
    parse_attestation_object,
};
pub use verify::{AssertionError, Checked, CounterSignal, Expected, Verified, check, verify};
