//! What is remembered for a moment, so that a question does not cost three reads: verified tokens until they end, people
//! and sessions for a second, decisions that somebody acts upon for as long as they may be. Spending and issuing never rely on it: their conditions are checked in the database.

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
use counterfoil_oauth::access_token::VerifiedAccessToken;
use moka::sync::Cache;
use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering},
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

/// The memory.
pub struct Facts {
    /// By SHA-256 of the token.
    pub tokens: Cache<Digest, Arc<VerifiedAccessToken>>,
    /// By `sub`.
    pub people: Cache<SubjectId, Arc<Person>>,
    /// By the login that they came from, as tokens name it.
    pub sessions: Cache<LoginId, Arc<SessionView>>,
    /// Recorded decisions that somebody acts upon. They never change.
    pub decisions: Cache<DecisionId, Arc<Record>>,
    /// How often tokens were forgotten: who reads one meanwhile must read it again.
    forgotten: AtomicU64,
    /// How many links were wrong, by where they came from. What a restart forgets does no harm: nobody guesses 256 bits.
    wrong_links: Cache<IpAddr, Arc<AtomicU32>>,
    /// How many sessions have begun lately, by where they came from.
    begun: Cache<IpAddr, Arc<AtomicU32>>,
}

impl Facts {
    /// An empty memory.
    pub fn new() -> Self {
        Self {
            tokens: Cache::builder()
                .max_capacity(TOKENS)
                .time_to_live(Duration::from_secs(limits::ACCESS_TOKEN_SECONDS.unsigned_abs()))
                .support_invalidation_closures()
                .build(),
            people: Cache::builder().max_capacity(PEOPLE).time_to_live(STALE).build(),
            sessions: Cache::builder().max_capacity(PEOPLE).time_to_live(STALE).build(),
            decisions: Cache::builder()
                .max_capacity(DECISIONS)
                .time_to_live(Duration::from_secs(limits::DECISION_SECONDS.unsigned_abs()))
                .build(),
            forgotten: AtomicU64::new(0),
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

    /// A login was contained or has ended: nothing that came from it is remembered any more.
    pub fn forget_login(&self, login: LoginId) {
        self.sessions.invalidate(&login);
        self.forgotten.fetch_add(1, Ordering::SeqCst);
        // The cache was built to take such closures, so the call cannot fail.
        let _ = self.tokens.invalidate_entries_if(move |_, token| token.claims().lineage == Some(login));
    }

    /// Remembers a token that was good when tokens had been forgotten so often. If more have been since, this one may be among
    /// them: it is not remembered, and the answer is no.
    pub fn remember_token(&self, token: Arc<VerifiedAccessToken>, forgotten: u64) -> bool {
        let digest = token.digest();
        self.tokens.insert(digest, token);
        // A revocation that was learnt before the insertion found nothing to forget.
        let unchanged = self.forgotten() == forgotten;
        if !unchanged {
            self.tokens.invalidate(&digest);
        }
        unchanged
    }

    /// How often tokens were forgotten so far.
    pub fn forgotten(&self) -> u64 {
        self.forgotten.load(Ordering::SeqCst)
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

    /// A token was revoked.
    pub fn forget_token(&self, token: TokenId) {
        self.forgotten.fetch_add(1, Ordering::SeqCst);
        let _ = self.tokens.invalidate_entries_if(move |_, remembered| remembered.claims().jti == token);
    }
}
