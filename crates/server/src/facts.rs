//! What is remembered for a moment, so that a question does not cost three reads: verified tokens until they end, people
//! and sessions for a second, decisions that somebody acts upon for as long as they may be. Spending and issuing never rely on it: their conditions are checked in the database.
//!
//! Whoever changes something forgets it here once it is committed. From then on nobody is given what was read before, not even
//! what somebody else was still reading meanwhile and remembers later ([`Forgotten`]).

mod forgotten;

use crate::flows::decide::{Record, credential};
use counterfoil_core::{
    authenticator::webauthn::Credential,
    digest::Digest,
    enrolled::Enrolled,
    id::{DecisionId, LoginId, SubjectId, TokenId},
    limits,
    session::{Login, Session},
    subject::Subject,
};
use counterfoil_oauth::access_token::{AccessTokenClaims, VerifiedAccessToken};
use forgotten::{Forgotten, Since};
use moka::sync::Cache;
use std::{
    hash::Hash,
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

/// Tokens remembered at most; each is some hundred bytes.
const TOKENS: u64 = 100_000;
/// People and sessions remembered at most.
const PEOPLE: u64 = 100_000;
/// Decisions remembered at most; each is some kilobytes.
const DECISIONS: u64 = 4_000;
/// DESIGN §6 "Reach": nodes learn within a second.
const STALE: Duration = Duration::from_secs(1);

/// A person with what they can prove with.
pub struct Person {
    /// The person.
    pub subject: Subject,
    /// Their authenticators, in use or not.
    pub authenticators: Vec<Enrolled>,
    /// The passkeys behind them, in the same order: read once, not at every question.
    pub credentials: Vec<Option<Credential>>,
}

impl Person {
    /// A person as they were read.
    pub fn new(subject: Subject, authenticators: Vec<Enrolled>) -> Self {
        let credentials = authenticators.iter().map(credential).collect();
        Self { subject, authenticators, credentials }
    }
}

/// A session with its login.
pub struct SessionView {
    /// The session.
    pub session: Session,
    /// The login that it came from.
    pub login: Login,
}

/// Something that was read, and since when it has been so.
struct Read<T> {
    value: Arc<T>,
    since: Since,
}

impl<T> Clone for Read<T> {
    fn clone(&self) -> Self {
        Self { value: Arc::clone(&self.value), since: self.since }
    }
}

/// The memory.
pub struct Facts {
    /// By SHA-256 of the token.
    tokens: Cache<Digest, Read<VerifiedAccessToken>>,
    /// By `sub`.
    people: Cache<SubjectId, Read<Person>>,
    /// By the login that they came from, as tokens name it.
    sessions: Cache<LoginId, Read<SessionView>>,
    /// What of all these does not count any more.
    forgotten: Forgotten,
    /// Recorded decisions that somebody acts upon. They never change.
    pub decisions: Cache<DecisionId, Arc<Record>>,
    /// How many links were wrong, by where they came from. What a restart forgets does no harm: nobody guesses 256 bits.
    wrong_links: Cache<IpAddr, Arc<AtomicU32>>,
    /// How many sessions have begun lately, by where they came from.
    begun: Cache<IpAddr, Arc<AtomicU32>>,
}

/// When a token was good: taken before asking the database whether it is.
#[derive(Debug, Clone, Copy)]
pub struct TokenSince(Since);

impl Facts {
    /// An empty memory.
    pub fn new() -> Self {
        Self {
            tokens: Cache::builder()
                .max_capacity(TOKENS)
                .time_to_live(Duration::from_secs(limits::ACCESS_TOKEN_SECONDS.unsigned_abs()))
                .build(),
            people: Cache::builder().max_capacity(PEOPLE).time_to_live(STALE).build(),
            sessions: Cache::builder().max_capacity(PEOPLE).time_to_live(STALE).build(),
            forgotten: Forgotten::nothing(),
            decisions: Cache::builder()
                .max_capacity(DECISIONS)
                .time_to_live(Duration::from_secs(limits::DECISION_SECONDS.unsigned_abs()))
                .build(),
            wrong_links: Cache::builder()
                .max_capacity(limits::INVITATION_GUESSERS)
                .time_to_live(Duration::from_secs(limits::INVITATION_GUESS_SECONDS.unsigned_abs()))
                .build(),
            begun: Cache::builder()
                .max_capacity(limits::SESSIONS_NETWORKS)
                .time_to_live(Duration::from_secs(limits::SESSIONS_WINDOW_SECONDS.unsigned_abs()))
                .build(),
        }
    }

    /// This person, remembered or as `read` finds them.
    pub async fn person<E>(
        &self,
        id: SubjectId,
        read: impl Future<Output = Result<Option<Person>, E>>,
    ) -> Result<Option<Arc<Person>>, E> {
        self.read(&self.people, id, read).await
    }

    /// The session of this login, remembered or as `read` finds it.
    pub async fn session<E>(
        &self,
        login: LoginId,
        read: impl Future<Output = Result<Option<SessionView>, E>>,
    ) -> Result<Option<Arc<SessionView>>, E> {
        self.read(&self.sessions, login, read).await
    }

    async fn read<K: Hash + Eq + Copy + Send + Sync + 'static, T: Send + Sync + 'static, E>(
        &self,
        memory: &Cache<K, Read<T>>,
        key: K,
        read: impl Future<Output = Result<Option<T>, E>>,
    ) -> Result<Option<Arc<T>>, E> {
        if let Some(known) = memory.get(&key).filter(|known| self.forgotten.none(known.since)) {
            return Ok(Some(known.value));
        }
        // A future does nothing before it is awaited: what it reads, it reads after this.
        let since = self.forgotten.now(&key, &key);
        let Some(value) = read.await?.map(Arc::new) else { return Ok(None) };
        memory.insert(key, Read { value: Arc::clone(&value), since });
        Ok(Some(value))
    }

    /// A token that was verified, and neither revoked nor cut off since.
    pub fn token(&self, digest: &Digest) -> Option<Arc<VerifiedAccessToken>> {
        self.tokens.get(digest).filter(|known| self.forgotten.none(known.since)).map(|known| known.value)
    }

    /// To be taken before the database is asked about this token, or told of it.
    pub fn token_since(&self, claims: &AccessTokenClaims) -> TokenSince {
        TokenSince(match &claims.lineage {
            Some(login) => self.forgotten.now(&claims.jti, login),
            None => self.forgotten.now(&claims.jti, &claims.jti),
        })
    }

    /// Remembers a token that was good then.
    pub fn remember_token(&self, value: Arc<VerifiedAccessToken>, since: TokenSince) {
        self.tokens.insert(value.digest(), Read { value, since: since.0 });
    }

    /// A person, or what they prove with, was changed.
    pub fn forget_person(&self, id: SubjectId) {
        self.forgotten.forget(&id);
    }

    /// A login was contained or has ended, or its session was changed: nothing that came from it is remembered any more.
    pub fn forget_login(&self, login: LoginId) {
        self.forgotten.forget(&login);
    }

    /// A token was revoked.
    pub fn forget_token(&self, token: TokenId) {
        self.forgotten.forget(&token);
    }

    /// Wrong links from there lately.
    pub fn wrong_links(&self, from: IpAddr) -> u32 {
        self.wrong_links.get(&from).map_or(0, |count| count.load(Ordering::Relaxed))
    }

    /// One more.
    pub fn count_wrong_link(&self, from: IpAddr) {
        self.wrong_links.get_with(from, Arc::default).fetch_add(1, Ordering::Relaxed);
    }

    /// Another session is to begin from there: how many that makes within the present window.
    pub fn count_begun(&self, from: IpAddr) -> u32 {
        self.begun.get_with(from, Arc::default).fetch_add(1, Ordering::Relaxed).saturating_add(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::oneshot;

    #[tokio::test]
    async fn who_read_before_a_change_and_remembers_after_it_leaves_nothing_old_behind() {
        let (facts, memory) = (Facts::new(), Cache::new(10));
        let (changed, told) = oneshot::channel::<()>();
        let slow = facts.read(&memory, 7, async {
            let before = "before";
            told.await.map(|()| Some(before))
        });
        let change = async {
            // The one above has begun to read: a future is polled in the order that they are joined in.
            facts.forgotten.forget(&7);
            changed.send(()).unwrap();
        };
        let (answer, ()) = tokio::join!(slow, change);
        assert_eq!(answer.unwrap().as_deref(), Some(&"before"), "who asked before is answered so");
        let read = async || facts.read(&memory, 7, async { Ok::<_, ()>(Some("after")) }).await.unwrap();
        assert_eq!(read().await.as_deref(), Some(&"after"));
        let again = facts.read(&memory, 7, async { Err("it is remembered") }).await;
        assert_eq!(again.unwrap().as_deref(), Some(&"after"));
        // Whoever else is forgotten, this one stays.
        facts.forgotten.forget(&8);
        assert!(facts.read(&memory, 7, async { Err("it is remembered") }).await.is_ok());
        facts.forgotten.forget(&7);
        assert!(facts.read(&memory, 7, async { Err("it is not") }).await.is_err());
    }
}
