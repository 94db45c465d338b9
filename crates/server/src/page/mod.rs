//! Pages for people: shells that are the same for everybody, their assets and texts, and what the scripts are told.
//!
//! A GET answers a shell with nothing personal in it. Its script fetches what is personal by POST, with a fresh proof of the
//! session's key (DESIGN §6), and builds the page by the DOM alone. The structs here are those replies, one file per page;
//! nothing in this module decides anything.

pub mod admin;
pub mod asset;
pub mod chart;
pub mod enrol;
pub mod event;
pub mod me;
pub mod shell;
pub mod sign_in;
pub mod step_up;
pub mod story;
pub mod text;

pub use shell::{Pages, Shell};
pub use text::Lang;

pub use counterfoil_core::decision::Outcome;
use counterfoil_core::time::Time;
use serde::Serialize;

/// What a page may load and do: our own files, and nothing else. `trusted-types 'none'` because the scripts never turn text
/// into markup or code; `form-action 'none'` because nothing is sent but by `fetch`.
pub const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
     connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'; \
     require-trusted-types-for 'script'; trusted-types 'none'";

/// The headers of every shell, by name and value.
pub const HEADERS: &[(&str, &str)] = &[
    ("content-security-policy", CONTENT_SECURITY_POLICY),
    ("content-type", "text/html; charset=utf-8"),
    // Public and revalidated: the shell holds nothing personal, and a new version must show at once.
    ("cache-control", "no-cache"),
    ("vary", "cookie, accept-language"),
    ("x-content-type-options", "nosniff"),
    // The address of a page may hold identifiers; nobody else learns them.
    ("referrer-policy", "no-referrer"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    (
        "permissions-policy",
        "publickey-credentials-get=(self), publickey-credentials-create=(self), camera=(), geolocation=(), microphone=(), payment=()",
    ),
];

/// Nothing but where to go: `{"next": …}`. The page opens it by `location.assign`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Next {
    /// A path of ours, or the URL of a client that we checked.
    pub next: String,
}

/// An application, as people know it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Client {
    /// Its display name.
    pub name: String,
    /// The host that it will be returned to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
}

/// Somebody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Person {
    /// Display name.
    pub name: String,
    /// What is typed at sign-in.
    pub username: String,
}

/// Where one came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Back {
    /// A path of ours or a registered URL of the client.
    pub url: String,
    /// What it is called.
    pub name: String,
}

/// A resource as policies name it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Resource {
    /// The type in the catalogue.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its identifier with the protected API.
    pub id: String,
}

/// The server's clock, so that a page counts down by the difference and never by the reader's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Window {
    /// Now.
    pub now: Time,
    /// The last moment at which an answer counts.
    pub expires_at: Time,
}
