//! An authenticator that a person has enrolled: what it is, the most it can prove, and who bound it.

use crate::{
    assurance::{Acr, Method},
    id::{AuthenticatorId, LoginId, SubjectId},
    time::Time,
};
use serde::{Deserialize, Serialize};
use std::fmt;
use zeroize::Zeroizing;

/// Bytes that must not be shown: a TOTP seed, a password's hash, a private key. Wiped when dropped.
#[derive(Clone)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes the bytes over.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The bytes, for the one place that uses them.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        use subtle::ConstantTimeEq as _;
        self.0.as_slice().ct_eq(other.0.as_slice()).into()
    }
}

impl Eq for Secret {}

/// Why an authenticator was disabled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DisabledWhy {
    /// Too many consecutive failures (SP 800-63B-4 §3.2.2).
    Failures,
    /// Its signature counter went back: it may have been copied (WebAuthn L3 §6.1.1).
    Counter,
    /// An administrator or the host's operator.
    Administrator,
    /// Its owner says that somebody else has added it.
    Disowned,
}

/// What an authenticator can do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case", deny_unknown_fields)]
pub enum EnrolledState {
    /// Prove.
    Active {},
    /// Nothing, until somebody re-enables it.
    Disabled {
        /// Since when.
        at: Time,
        /// Why.
        why: DisabledWhy,
    },
    /// Nothing: the login that bound it was contained.
    Contained {
        /// Since when.
        at: Time,
    },
    /// Nothing any more. Its secret is gone.
    Removed {
        /// Since when.
        at: Time,
    },
}

/// A passkey that codes alone have bound may count for more once a notice has been out for long enough (DESIGN §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rest {
    /// The ceiling that it rises to,
    pub acr: Acr,
    /// from this moment on, if it has not been disowned.
    pub until: Time,
}

/// An authenticator of a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Enrolled {
    /// Which.
    pub id: AuthenticatorId,
    /// Whose.
    pub subject: SubjectId,
    /// What it is.
    pub method: Method,
    /// What the person calls it.
    pub label: String,
    /// What it can do now.
    pub state: EnrolledState,
    /// The most it can prove, before any rest is over. Ask [`Enrolled::ceiling_at`].
    pub ceiling: Acr,
    /// What it may rise to by waiting.
    pub rest: Option<Rest>,
    /// The login in which it was bound; none for what an invitation, administrator or file bound.
    pub bound_by: Option<LoginId>,
    /// When it was bound.
    pub bound_at: Time,
    /// When it last proved something.
    pub last_used_at: Option<Time>,
    /// Guesses are counted within a series; every success begins a new one.
    pub series: i64,
    /// How it is found without knowing whose it is: a passkey's credential id, base64url. Unique.
    pub handle: Option<String>,
    /// What is public about it: for a passkey its COSE key, counter, flags, transports.
    pub public: serde_json::Value,
    /// What is secret about it. Stored sealed, beside the rest.
    #[serde(skip)]
    pub secret: Option<Secret>,
    /// Rises with every change; 0 before the first is kept.
    pub version: i64,
}

impl Enrolled {
    /// May it prove anything?
    pub const fn is_active(&self) -> bool {
        matches!(self.state, EnrolledState::Active {})
    }

    /// The most that it can prove at `now`.
    pub fn ceiling_at(&self, now: Time) -> Acr {
        match self.rest {
            Some(Rest { acr, until }) if now >= until => self.ceiling.max(acr),
            _ => self.ceiling,
        }
    }

    /// After it has proven something at `now`: a new series of guesses begins.
    #[must_use]
    pub fn used(mut self, now: Time) -> Self {
        self.last_used_at = Some(now);
        self.series += 1;
        self
    }

    /// Removed at `now`, without its secret.
    #[must_use]
    pub fn removed(mut self, now: Time) -> Self {
        self.state = EnrolledState::Removed { at: now };
        self.secret = None;
        self.handle = None;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passkey(ceiling: Acr, rest: Option<Rest>) -> Enrolled {
        let now = Time::from_seconds(1_800_000_000);
        Enrolled {
            id: AuthenticatorId::new(now, [1; 10]),
            subject: SubjectId::new(now, [2; 10]),
            method: Method::Passkey,
            label: "Laptop".to_owned(),
            state: EnrolledState::Active {},
            ceiling,
            rest,
            bound_by: None,
            bound_at: now,
            last_used_at: None,
            series: 0,
            handle: Some("AQID".to_owned()),
            public: serde_json::json!({}),
            secret: Some(Secret::new(b"seed".to_vec())),
            version: 0,
        }
    }

    #[test]
    fn a_ceiling_rises_by_rest_at_its_moment_and_not_before() {
        let until = Time::from_seconds(1_800_259_200);
        let resting = passkey(Acr::Aal2, Some(Rest { acr: Acr::Phr, until }));
        assert_eq!(resting.ceiling_at(Time::from_millis(until.millis() - 1)), Acr::Aal2);
        assert_eq!(resting.ceiling_at(until), Acr::Phr);
        assert_eq!(passkey(Acr::Aal2, None).ceiling_at(until), Acr::Aal2);
    }

    #[test]
    fn what_is_removed_keeps_no_secret_and_shows_none_before() {
        let passkey = passkey(Acr::Phr, None);
        assert!(
            !format!("{passkey:?}").contains("seed")
                && !serde_json::to_string(&passkey).unwrap_or_default().contains("seed")
        );
        let removed = passkey.removed(Time::from_seconds(1_800_000_001));
        assert!(!removed.is_active() && removed.secret.is_none() && removed.handle.is_none());
    }
}
