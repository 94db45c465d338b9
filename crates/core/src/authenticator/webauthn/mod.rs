//! Passkeys: our own strict reading of WebAuthn Level 3, the same online and offline.
//!
//! [`verify`] judges an assertion (§7.2). Registration (§7.1) is the library's at the edge; [`check_registration`] looks at
//! its client data first, and [`parse_attestation_object`] reads the credential out of what the library accepted.

mod assertion;
mod registration;

pub use assertion::{Assertion, InvalidAssertion};
pub use registration::RegistrationCeremony;
