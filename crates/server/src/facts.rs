//! What is remembered for a moment, so that a question does not cost three reads: verified tokens until they end, people
//! and sessions for a second. Spending and issuing never rely on it: their conditions are checked in the database.

use counterfoil_core::{
    digest::Digest,
    enrolled::Enrolled,
    id::{LoginId, SubjectId, TokenId},
    session::{Login, Session},
    subject::Subject,
};
use counterfoil_oauth::access_token::VerifiedAccessToken;
use moka::sync::Cache;
use std::{sync::Arc, time::Duration};

/// Tokens remembered at most; each is some hundred bytes.
const TOKENS: u64 = 100_000;
/// People and sessions remembered at most.
const PEOPLE: u64 = 100_000;
/// DESIGN §6 "Reach": nodes learn within a second.
const STALE: Duration = Duration::from_secs(1);

/// A person with what they can prove with.
pub struct Person {
    /// The person.
    pub subject: Subject,
    /// Their authenticators, in use or not.
    pub authenticators: Vec<Enrolled>,
}

/// A session with its login.
pub struct SessionView {
    /// The session.
    pub session: Session,
    /// The login that it came from.
    pub login: Login,
}

/// The memory.
pub struct Facts {
    /// By SHA-256 of the token.
    pub tokens: Cache<Digest, Arc<VerifiedAccessToken>>,
    /// By `sub`.
    pub people: Cache<SubjectId, Arc<Person>>,
    /// By the login that they came from, as tokens name it.
    pub sessions: Cache<LoginId, Arc<SessionView>>,
}

impl Facts {
    /// An empty memory.
    pub fn new() -> Self {
        Self {
            tokens: Cache::builder()
                .max_capacity(TOKENS)
                .time_to_live(Duration::from_secs(counterfoil_core::limits::ACCESS_TOKEN_SECONDS.unsigned_abs()))
                .support_invalidation_closures()
                .build(),
            people: Cache::builder().max_capacity(PEOPLE).time_to_live(STALE).build(),
            sessions: Cache::builder().max_capacity(PEOPLE).time_to_live(STALE).build(),
        }
    }

    /// A login was contained or has ended: nothing that came from it is remembered any more.
    pub fn forget_login(&self, login: LoginId) {
        self.sessions.invalidate(&login);
        // The cache was built to take such closures, so the call cannot fail.
        let _ = self.tokens.invalidate_entries_if(move |_, token| token.claims().lineage == Some(login));
    }

    /// A token was revoked.
    pub fn forget_token(&self, token: TokenId) {
        let _ = self.tokens.invalidate_entries_if(move |_, remembered| remembered.claims().jti == token);
    }
}
