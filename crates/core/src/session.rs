//! A browser session with us, and the login that it came from.
//!
//! A session is bound to a key from its first page on. Its identifier and secret change whenever its assurance rises;
//! the login stays, because everything that descends from one act of signing in is cut together (DESIGN §6).

use crate::{
    assurance::Binding,
    audit::event::EndReason,
    digest::Digest,
    evidence::{Evidence, RelayVerdict, SessionFacts},
    id::{AuthenticatorId, LoginId, SessionId, SubjectId},
    time::Time,
};
use serde::{Deserialize, Serialize};

/// A session that belongs to somebody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedIn {
    /// Who.
    pub subject: SubjectId,
    /// The act it came from.
    pub login: LoginId,
    /// What ties it to a device.
    pub binding: Binding,
    /// What has been shown in it.
    pub evidence: Evidence,
    /// When it became theirs.
    pub signed_in_at: Time,
}

/// What a session is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum SessionState {
    /// Nobody's yet. What was shown so far waits for the rest.
    Anonymous {
        /// Proofs that did not suffice alone, and whose they are.
        begun: Option<Begun>,
    },
    /// Somebody's.
    SignedIn(SignedIn),
    /// Its assurance rose: another one took its place.
    Replaced {
        /// Which.
        by: SessionId,
    },
    /// Over.
    Ended {
        /// When.
        at: Time,
        /// Why.
        why: EndReason,
    },
}

/// A sign-in that is not finished.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Begun {
    /// Whose it will be.
    pub subject: SubjectId,
    /// What has been shown.
    pub evidence: Evidence,
}

/// A browser session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Session {
    /// Its public handle, `sid`.
    pub id: SessionId,
    /// SHA-256 of the secret in its cookie.
    pub secret_hash: Digest,
    /// RFC 7638 thumbprint of the key that it is bound to.
    pub key_thumbprint: Digest,
    /// That key.
    pub jwk: serde_json::Value,
    /// When it began.
    pub born: Time,
    /// When it was last used, roughly.
    pub seen_at: Time,
    /// When it ends at the latest.
    pub expires_at: Time,
    /// Its language, `en` or `de`.
    pub lang: String,
    /// What the browser says it is. Personal.
    pub user_agent: String,
    /// What relay signals say.
    pub relay: RelayVerdict,
    /// What it is.
    pub state: SessionState,
    /// Rises with every change; 0 before the first is kept.
    pub version: i64,
}

impl Session {
    /// Whose it is, if it is anybody's and not over.
    pub const fn signed_in(&self) -> Option<&SignedIn> {
        match &self.state {
            SessionState::SignedIn(signed_in) => Some(signed_in),
            _ => None,
        }
    }

    /// May it be used at `now`? Neither over, nor replaced, nor expired, nor idle for longer than `idle_seconds`.
    pub fn is_live(&self, now: Time, idle_seconds: i64) -> bool {
        matches!(self.state, SessionState::Anonymous { .. } | SessionState::SignedIn(_))
            && now < self.expires_at
            && now.seconds_since(self.seen_at) < idle_seconds
    }

    /// The facts that policy reads, if it is somebody's. `login` is the login it came from.
    pub fn facts(&self, login: &Login, recovered_at: Option<Time>) -> Option<SessionFacts> {
        let signed_in = self.signed_in()?;
        Some(SessionFacts {
            id: self.id,
            login: signed_in.login,
            born: self.born,
            binding: signed_in.binding,
            recovered_at,
            relay: self.relay,
            contained: login.id != signed_in.login || matches!(login.state, LoginState::Contained { .. }),
        })
    }

    /// The session that takes this one's place under a new identifier and secret. The key stays: it is what the session
    /// is bound to.
    pub fn successor(&self, id: SessionId, secret_hash: Digest, state: SignedIn, now: Time, expires_at: Time) -> Self {
        Self {
            id,
            secret_hash,
            born: now,
            seen_at: now,
            expires_at,
            state: SessionState::SignedIn(state),
            version: 0,
            ..self.clone()
        }
    }
}

/// What a login is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case", deny_unknown_fields)]
pub enum LoginState {
    /// What descends from it may act.
    Open {},
    /// Signed out or expired: nothing new, nothing more.
    Ended {
        /// When.
        at: Time,
    },
    /// Cut off, with everything that descends from it.
    Contained {
        /// When.
        at: Time,
    },
}

/// The act that a session came from; `lineage` in tokens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Login {
    /// Which.
    pub id: LoginId,
    /// Whose.
    pub subject: SubjectId,
    /// When.
    pub at: Time,
    /// The authenticators that it was made with.
    pub authenticators: Vec<AuthenticatorId>,
    /// What it is.
    pub state: LoginState,
}

impl Login {
    /// May anything new come from it?
    pub const fn is_open(&self) -> bool {
        matches!(self.state, LoginState::Open {})
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::SESSION_IDLE_SECONDS;

    fn session(state: SessionState) -> Session {
        let now = Time::from_seconds(1_800_000_000);
        Session {
            id: SessionId::new(now, [1; 10]),
            secret_hash: Digest::of(b"secret"),
            key_thumbprint: Digest::of(b"key"),
            jwk: serde_json::json!({"kty": "EC"}),
            born: now,
            seen_at: now,
            expires_at: now.plus_seconds(7200),
            lang: "en".to_owned(),
            user_agent: String::new(),
            relay: RelayVerdict::Unknown,
            state,
            version: 1,
        }
    }

    fn signed_in() -> SignedIn {
        let now = Time::from_seconds(1_800_000_000);
        SignedIn {
            subject: SubjectId::new(now, [2; 10]),
            login: LoginId::new(now, [3; 10]),
            binding: Binding::NewKey,
            evidence: Evidence::default(),
            signed_in_at: now,
        }
    }

    #[test]
    fn only_a_session_that_goes_on_is_live() {
        let (begin, idle) = (Time::from_seconds(1_800_000_000), SESSION_IDLE_SECONDS);
        let live = session(SessionState::SignedIn(signed_in()));
        assert!(live.is_live(begin, idle) && live.is_live(begin.plus_seconds(3599), idle));
        assert!(!live.is_live(begin.plus_seconds(3600), idle), "idle");
        assert!(!live.is_live(begin.plus_seconds(7200), i64::MAX), "expired");
        let other = SessionId::new(begin, [9; 10]);
        for over in [SessionState::Replaced { by: other }, SessionState::Ended { at: begin, why: EndReason::SignedOut }]
        {
            assert!(!session(over).is_live(begin, idle));
        }
    }

    #[test]
    fn a_successor_keeps_the_key_and_nothing_that_could_be_stolen() {
        let old = session(SessionState::Anonymous { begun: None });
        let now = old.born.plus_seconds(60);
        let new =
            old.successor(SessionId::new(now, [4; 10]), Digest::of(b"other"), signed_in(), now, now.plus_seconds(1));
        assert_eq!((new.key_thumbprint, new.version), (old.key_thumbprint, 0));
        assert!(new.id != old.id && new.secret_hash != old.secret_hash);
    }

    #[test]
    fn facts_of_a_contained_or_foreign_login_say_contained() {
        let session = session(SessionState::SignedIn(signed_in()));
        let mut login = Login {
            id: signed_in().login,
            subject: signed_in().subject,
            at: session.born,
            authenticators: vec![],
            state: LoginState::Open {},
        };
        assert_eq!(session.facts(&login, None).map(|facts| facts.contained), Some(false));
        login.state = LoginState::Contained { at: session.born };
        assert_eq!(session.facts(&login, None).map(|facts| facts.contained), Some(true));
        let other = Login { id: LoginId::new(session.born, [8; 10]), state: LoginState::Open {}, ..login };
        assert_eq!(session.facts(&other, None).map(|facts| facts.contained), Some(true));
    }
}
