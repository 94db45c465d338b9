//! The UserInfo answer (OpenID Connect Core §5.3): what the scopes of the token allow.

use counterfoil_core::id::SubjectId;
use serde::{Deserialize, Serialize};

/// Claims of a person. Everything but `sub` needs its scope (§5.4).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserInfo {
    /// The person.
    pub sub: SubjectId,
    /// The display name (`profile`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The user name (`profile`). May change; `sub` does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preferred_username: Option<String>,
    /// An address that mail reached (`email`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Whether it was confirmed (`email`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email_verified: Option<bool>,
}

impl UserInfo {
    /// What remains of it under these scopes.
    #[must_use]
    pub fn within(self, has_scope: impl Fn(&str) -> bool) -> Self {
        let (profile, email) = (has_scope("profile"), has_scope("email"));
        Self {
            sub: self.sub,
            name: self.name.filter(|_| profile),
            preferred_username: self.preferred_username.filter(|_| profile),
            email: self.email.filter(|_| email),
            email_verified: self.email_verified.filter(|_| email),
        }
    }
}
