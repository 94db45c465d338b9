//! `POST /sign-in` and its steps: what is asked next.

use super::{Client, Person, Window};
use counterfoil_core::{assurance::Method, id::ChallengeId};
use serde::Serialize;

/// What the page asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// User name and password, or a passkey.
    Identify,
    /// A code.
    Code,
    /// A passkey, because codes are not enough.
    Passkey,
}

/// The sign-in page between two proofs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SignIn {
    /// What is asked now.
    pub step: Step,
    /// The pending sign-in; every step names it.
    pub challenge: ChallengeId,
    /// Who one signs in for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<Client>,
    /// Who it is, once that is known: never before a proof.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub person: Option<Person>,
    /// What this step accepts, the first is offered first.
    pub methods: Vec<Method>,
    /// `PublicKeyCredentialRequestOptionsJSON` (WebAuthn L3 §5.5).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub passkey_options: Option<serde_json::Value>,
    /// Why this is asked, in the reader's language.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// How often one may still try.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempts_left: Option<u32>,
    /// How long this sign-in stays open.
    #[serde(flatten)]
    pub window: Window,
}

/// Fresh options after a ceremony that came to nothing.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PasskeyOptions {
    /// `PublicKeyCredentialRequestOptionsJSON` (WebAuthn L3 §5.5).
    pub passkey_options: serde_json::Value,
}
