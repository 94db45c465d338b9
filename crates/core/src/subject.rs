//! A person: `sub` on the wire, stable for ever. User names are aliases, groups and roles are what others gave.

use crate::{
    assurance::Acr,
    id::{AddressId, LoginId, SubjectId},
    time::Time,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Whether a person may do anything at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case", deny_unknown_fields)]
pub enum SubjectState {
    /// May.
    Active {},
    /// May not, for now.
    Suspended {
        /// Since when.
        at: Time,
    },
}

/// A person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subject {
    /// `sub`.
    pub id: SubjectId,
    /// Names to sign in with, in the spelling that is compared; the first is the one to show. Unique over everybody.
    pub usernames: Vec<String>,
    /// What to call them.
    pub name: String,
    /// Their language (BCP 47), `en` or `de`.
    pub lang: String,
    /// Groups, which policies read.
    pub groups: BTreeSet<String>,
    /// Roles in Counterfoil itself.
    pub roles: BTreeSet<String>,
    /// May they do anything?
    pub state: SubjectState,
    /// The strongest authenticator they ever had, also if it is lost by now: only a recovery case lowers it (DESIGN §4).
    pub high_water: Option<Acr>,
    /// Their last recovery.
    pub recovered_at: Option<Time>,
    /// When they came to be.
    pub created_at: Time,
    /// Rises with every change; 0 before the first is kept.
    pub version: i64,
}

impl Subject {
    /// A new person without groups, roles or anything enrolled.
    pub fn new(id: SubjectId, username: &str, name: &str, lang: &str, now: Time) -> Self {
        Self {
            id,
            usernames: vec![username.to_owned()],
            name: name.to_owned(),
            lang: lang.to_owned(),
            groups: BTreeSet::new(),
            roles: BTreeSet::new(),
            state: SubjectState::Active {},
            high_water: None,
            recovered_at: None,
            created_at: now,
            version: 0,
        }
    }

    /// Not suspended.
    pub const fn is_active(&self) -> bool {
        matches!(self.state, SubjectState::Active {})
    }

    /// Has this person ever had a phishing-resistant authenticator? Then codes alone bind no first one any more.
    pub fn has_had_phishing_resistant(&self) -> bool {
        self.high_water >= Some(Acr::Phr)
    }

    /// The same person, having had an authenticator of this ceiling.
    #[must_use]
    pub fn having_had(mut self, ceiling: Acr) -> Self {
        self.high_water = self.high_water.max(Some(ceiling));
        self
    }
}

/// A group of people, which policies name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// What it is for, in one line.
    pub description: String,
    /// Rises with every change; 0 before the first is kept.
    pub version: i64,
}

/// Through what an address is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AddressKind {
    /// A mailbox.
    Mail,
    /// A phone number, by SMS.
    Sms,
}

/// Whether an address can be written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case", deny_unknown_fields)]
pub enum AddressState {
    /// Confirmed, or set by somebody who may.
    Active {
        /// Since when, unchanged.
        since: Time,
    },
    /// Removed: told once more, then never again.
    Removed {
        /// When.
        at: Time,
    },
}

/// Where a person can be told something, independently of the session that they are in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Address {
    /// Which.
    pub id: AddressId,
    /// Whose.
    pub subject: SubjectId,
    /// Mail or SMS.
    pub kind: AddressKind,
    /// The address itself. Personal.
    pub value: String,
    /// Can it be written to?
    pub state: AddressState,
    /// The login in which it was bound; none for one that an administrator or file set.
    pub bound_by: Option<LoginId>,
    /// Rises with every change; 0 before the first is kept.
    pub version: i64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject() -> Subject {
        let now = Time::from_seconds(1_800_000_000);
        Subject::new(SubjectId::new(now, [1; 10]), "alice", "Alice", "en", now)
    }

    #[test]
    fn the_high_water_mark_never_falls() {
        assert!(!subject().has_had_phishing_resistant());
        let marked = subject().having_had(Acr::Phr).having_had(Acr::Aal1);
        assert_eq!(marked.high_water, Some(Acr::Phr));
        assert!(marked.has_had_phishing_resistant());
    }
}
