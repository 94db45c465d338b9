//! `POST /me/passkey/options`, `POST /init` and what follows them: a new passkey and what it will be good for.

use super::{Person, Window, me::Authenticator};
use counterfoil_core::{assurance::Acr, time::Time};
use serde::Serialize;

/// Who invites.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum InitKind {
    /// The first administrator of a new installation.
    Administrator,
    /// Somebody whom an administrator invited.
    Invitation,
}

/// A passkey about to be made.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Enrol {
    /// By `/init#…`: who invites.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<InitKind>,
    /// Whose it will be.
    pub person: Person,
    /// `PublicKeyCredentialCreationOptionsJSON` (WebAuthn L3 §5.4).
    pub creation_options: serde_json::Value,
    /// The pending enrolment.
    pub challenge: String,
    /// The most that it will prove at first.
    pub ceiling: Acr,
    /// When it will prove more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rises_at: Option<Time>,
    /// What it will prove then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rises_to: Option<Acr>,
    /// A declared invitation of the demo, which would fall to a relay: the page says so.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub invitation: bool,
    /// What it will be called, where an older passkey has vouched for one of this name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// How long this stays open.
    #[serde(flatten)]
    pub window: Window,
}

/// A further passkey: its name is confirmed with a present one before it is made.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NameFirst {
    /// True.
    pub name_first: bool,
    /// Whose it will be.
    pub person: Person,
    /// The server's clock.
    pub now: Time,
}

/// A passkey that was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Enrolled {
    /// As it stands in `/me` now.
    pub authenticator: Authenticator,
    /// How many addresses were told.
    pub told: u32,
}
