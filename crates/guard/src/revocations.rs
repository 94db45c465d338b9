//! What has been revoked, and how long the issuer has been silent about it.
//!
//! Pure: frames and times in, verdicts out. The connection that feeds it is in [`crate::listen`].
//! A token lives minutes, so a revocation needs to be remembered only until every token that it could concern is dead.

use crate::clock::Monotonic;
use crate::sse::Frame;
use counterfoil_core::limits::{ACCESS_TOKEN_SECONDS, CLOCK_LEEWAY_SECONDS};
use counterfoil_core::time::Time;
use serde::Deserialize;
use std::collections::{HashSet, VecDeque};

/// Writes are refused when the stream has been silent this long (DESIGN §6): the reach of a containment.
pub const WRITES_SILENCE_MILLIS: u64 = 2_000;
/// Reads are refused when the stream has been silent this long.
pub const READS_SILENCE_MILLIS: u64 = 60_000;
/// A revocation is remembered this long: the longest life of a token, and both clocks' error.
const MEMORY_MILLIS: u64 = (ACCESS_TOKEN_SECONDS as u64 + 2 * CLOCK_LEEWAY_SECONDS as u64) * 1_000;
/// Revocations remembered at once. More than this, and the oldest becomes a date: see [`Revocations::check`].
const ENTRIES: usize = 200_000;
/// Revoked keys remembered; they do not expire, because a key has no end that we know.
const KEYS: usize = 10_000;
/// The longest identifier in an event.
const ID_BYTES: usize = 256;

/// What a request wants, as far as silence is concerned. Safe methods are reads (RFC 9110 §9.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// A safe method.
    Read,
    /// Every other method.
    Write,
}

impl Effect {
    /// The effect of a method.
    pub fn of(method: &http::Method) -> Self {
        if method.is_safe() { Self::Read } else { Self::Write }
    }

    const fn tolerated_silence_millis(self) -> u64 {
        match self {
            Self::Read => READS_SILENCE_MILLIS,
            Self::Write => WRITES_SILENCE_MILLIS,
        }
    }
}

/// Of a token, what a revocation may name.
#[derive(Clone, Copy, Debug)]
pub struct Traits<'a> {
    /// `jti`.
    pub jti: &'a str,
    /// `lineage`: the login that it comes from, for tokens of people.
    pub lineage: Option<&'a str>,
    /// `cnf.jkt`: the key that it is bound to.
    pub jkt: &'a str,
    /// `iat`.
    pub issued_at: Time,
}

/// Why a token is not accepted although it is sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RevocationFault {
    /// It, its login or its key has been revoked.
    #[error("the token, its sign-in or its key has been revoked")]
    Revoked,
    /// The issuer has said nothing for too long to know.
    #[error("the issuer has been silent for too long to know what is still good")]
    Silent,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Revoked {
    Login(String),
    Token(String),
}

/// An event's `data`.
#[derive(Deserialize)]
struct Event {
    kind: String,
    id: String,
}

/// A heartbeat's `data`: at which moment there was nothing more to tell. One that does not say is taken as it comes.
#[derive(Deserialize)]
struct Heartbeat {
    at: Option<Time>,
}

impl Heartbeat {
    /// Was it held back on its way, by something between the issuer and us? Within both clocks' error nobody can tell.
    fn is_late(&self, wall: Time) -> bool {
        self.at.is_some_and(|at| wall.seconds_since(at) > CLOCK_LEEWAY_SECONDS)
    }
}

/// What a frame was about, as far as its hearer must act on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum News {
    /// A key was revoked. It may be one that tokens are signed with: the key set is old.
    Key,
    /// Anything else.
    Other,
}

/// A frame on the stream means nothing to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the revocation stream holds an event that cannot be read")]
pub struct UnreadableEvent;

/// What the stream has told so far. At first nothing, and everything is refused.
#[derive(Debug, Default)]
pub struct Revocations {
    heard_at: Option<Monotonic>,
    cursor: Option<String>,
    logins_and_tokens: HashSet<Revoked>,
    oldest_first: VecDeque<(Monotonic, Time, Revoked)>,
    keys: HashSet<String>,
    issued_after: Option<Time>,
}

impl Revocations {
    /// Where to go on after a lost connection (`Last-Event-ID`).
    pub fn cursor(&self) -> Option<&str> {
        self.cursor.as_deref()
    }

    /// Whether a heartbeat has ever been heard.
    pub const fn is_ready(&self) -> bool {
        self.heard_at.is_some()
    }

    /// Takes a frame. A heartbeat means "at that moment you had all there is": only it ends a silence, so that a backlog that
    /// is still being read cannot pass for news; and none that says a moment long gone, so that neither can one that was
    /// held back.
    ///
    /// # Errors
    /// [`UnreadableEvent`] for an event that is not ours: the connection is then to be given up, for what it said may
    /// have been a revocation, and silence refuses soon.
    pub fn hear(&mut self, frame: Frame, now: Monotonic, wall: Time) -> Result<News, UnreadableEvent> {
        let news = match frame.event.as_str() {
            "heartbeat" => {
                let heartbeat: Heartbeat = serde_json::from_str(&frame.data).map_err(|_| UnreadableEvent)?;
                if !heartbeat.is_late(wall) {
                    self.heard_at = Some(now);
                }
                News::Other
            }
            "revoked" => self.revoke(&frame.data, now, wall)?,
            _ => return Err(UnreadableEvent),
        };
        if frame.id.as_ref().is_some_and(|id| id.len() <= ID_BYTES) {
            self.cursor = frame.id;
        }
        self.forget(now);
        Ok(news)
    }

    /// Whether a token may be used for something with this effect.
    ///
    /// # Errors
    /// [`RevocationFault`]. Silence is looked at first: what we have not heard about is not good.
    pub fn check(&self, token: &Traits<'_>, effect: Effect, now: Monotonic) -> Result<(), RevocationFault> {
        let heard_at = self.heard_at.ok_or(RevocationFault::Silent)?;
        if now.millis_since(heard_at) > effect.tolerated_silence_millis() {
            return Err(RevocationFault::Silent);
        }
        let revoked = self.logins_and_tokens.contains(&Revoked::Token(token.jti.to_owned()))
            || token.lineage.is_some_and(|id| self.logins_and_tokens.contains(&Revoked::Login(id.to_owned())))
            || self.keys.contains(token.jkt)
            || self.issued_after.is_some_and(|floor| token.issued_at <= floor);
        if revoked { Err(RevocationFault::Revoked) } else { Ok(()) }
    }

    fn revoke(&mut self, data: &str, now: Monotonic, wall: Time) -> Result<News, UnreadableEvent> {
        let event: Event = serde_json::from_str(data).map_err(|_| UnreadableEvent)?;
        if event.id.is_empty() || event.id.len() > ID_BYTES {
            return Err(UnreadableEvent);
        }
        let revoked = match event.kind.as_str() {
            "login" => Revoked::Login(event.id),
            "token" => Revoked::Token(event.id),
            "key" if self.keys.len() < KEYS || self.keys.contains(&event.id) => {
                self.keys.insert(event.id);
                return Ok(News::Key);
            }
            _ => return Err(UnreadableEvent),
        };
        if self.logins_and_tokens.insert(revoked.clone()) {
            self.oldest_first.push_back((now, wall, revoked));
        }
        Ok(News::Other)
    }

    /// Forgets what can concern no living token. When memory is full, the oldest entry becomes a date instead: every token
    /// issued up to then is refused, which costs its holder a new one and lets no revoked one through.
    fn forget(&mut self, now: Monotonic) {
        while let Some((heard, wall, _)) = self.oldest_first.front() {
            let dead = now.millis_since(*heard) > MEMORY_MILLIS;
            if !dead && self.oldest_first.len() <= ENTRIES {
                return;
            }
            if !dead {
                self.issued_after = self.issued_after.max(Some(wall.plus_seconds(CLOCK_LEEWAY_SECONDS)));
            }
            if let Some((_, _, entry)) = self.oldest_first.pop_front() {
                self.logins_and_tokens.remove(&entry);
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]
mod tests {
    use super::*;

    const WALL: Time = Time::from_seconds(1_800_000_000);

    fn at(millis: u64) -> Monotonic {
        Monotonic::from_millis(millis)
    }

    fn frame(event: &str, data: &str) -> Frame {
        Frame { event: event.into(), data: data.into(), id: Some("c1".into()) }
    }

    fn token() -> Traits<'static> {
        Traits { jti: "t1", lineage: Some("l1"), jkt: "j1", issued_at: WALL }
    }

    fn listening() -> Revocations {
        let mut state = Revocations::default();
        state.hear(frame("heartbeat", "{}"), at(0), WALL).map(drop).unwrap();
        state
    }

    #[test]
    fn silence_refuses_writes_after_two_seconds_and_reads_after_sixty() {
        let state = listening();
        for (millis, effect, verdict) in [
            (0, Effect::Write, Ok(())),
            (2_000, Effect::Write, Ok(())),
            (2_001, Effect::Write, Err(RevocationFault::Silent)),
            (2_001, Effect::Read, Ok(())),
            (60_000, Effect::Read, Ok(())),
            (60_001, Effect::Read, Err(RevocationFault::Silent)),
        ] {
            assert_eq!(state.check(&token(), effect, at(millis)), verdict, "{effect:?} at {millis} ms");
        }
    }

    #[test]
    fn before_the_first_heartbeat_everything_is_refused() {
        let mut state = Revocations::default();
        assert_eq!(state.check(&token(), Effect::Read, at(0)), Err(RevocationFault::Silent));
        state.hear(frame("revoked", r#"{"kind":"login","id":"other"}"#), at(0), WALL).map(drop).unwrap();
        assert!(!state.is_ready(), "a backlog is no news");
        assert_eq!(state.check(&token(), Effect::Read, at(0)), Err(RevocationFault::Silent));
    }

    #[test]
    fn a_heartbeat_of_a_moment_long_gone_ends_no_silence() {
        let heartbeat =
            |seconds: i64| frame("heartbeat", &format!(r#"{{"at":{}}}"#, WALL.plus_seconds(seconds).millis()));
        for (seconds, verdict) in [
            (0, Ok(())),
            (-CLOCK_LEEWAY_SECONDS, Ok(())),
            (-CLOCK_LEEWAY_SECONDS - 1, Err(RevocationFault::Silent)),
            // Our clock is behind, or the issuer's is ahead: it is news all the same.
            (3_600, Ok(())),
        ] {
            let mut state = listening();
            state.hear(heartbeat(seconds), at(60_000), WALL).map(drop).unwrap();
            assert_eq!(state.check(&token(), Effect::Write, at(60_000)), verdict, "{seconds} s");
        }
        let mut state = Revocations::default();
        state.hear(heartbeat(-60), at(0), WALL).map(drop).unwrap();
        assert!(!state.is_ready(), "the first one is no other");
    }

    #[test]
    fn what_is_revoked_is_refused_and_nothing_else() {
        for (data, verdict) in [
            (r#"{"kind":"login","id":"l1"}"#, Err(RevocationFault::Revoked)),
            (r#"{"kind":"token","id":"t1"}"#, Err(RevocationFault::Revoked)),
            (r#"{"kind":"key","id":"j1"}"#, Err(RevocationFault::Revoked)),
            (r#"{"kind":"login","id":"l2"}"#, Ok(())),
            (r#"{"kind":"token","id":"l1"}"#, Ok(())),
            (r#"{"kind":"login","id":"t1"}"#, Ok(())),
            (r#"{"kind":"key","id":"l1"}"#, Ok(())),
        ] {
            let mut state = listening();
            state.hear(frame("revoked", data), at(1), WALL).map(drop).unwrap();
            assert_eq!(state.check(&token(), Effect::Read, at(1)), verdict, "{data}");
        }
    }

    #[test]
    fn an_event_that_cannot_be_read_breaks_the_stream_and_is_no_heartbeat() {
        for (event, data) in [
            ("message", "{}"),
            ("heartbeat", "not json"),
            ("heartbeat", r#"{"at":"now"}"#),
            ("revoked", "{}"),
            ("revoked", "not json"),
            ("revoked", r#"{"kind":"planet","id":"x"}"#),
            ("revoked", r#"{"kind":"login","id":""}"#),
        ] {
            let mut state = Revocations::default();
            assert_eq!(state.hear(frame(event, data), at(0), WALL), Err(UnreadableEvent), "{event} {data}");
            assert!(!state.is_ready() && state.cursor().is_none());
        }
    }

    #[test]
    fn a_revocation_outlives_every_token_it_concerns_and_then_goes() {
        let mut state = listening();
        state.hear(frame("revoked", r#"{"kind":"login","id":"l1"}"#), at(0), WALL).map(drop).unwrap();
        state.hear(frame("heartbeat", "{}"), at(MEMORY_MILLIS), WALL).map(drop).unwrap();
        assert_eq!(state.check(&token(), Effect::Write, at(MEMORY_MILLIS)), Err(RevocationFault::Revoked));
        state.hear(frame("heartbeat", "{}"), at(MEMORY_MILLIS + 1), WALL).map(drop).unwrap();
        assert!(state.oldest_first.is_empty() && state.logins_and_tokens.is_empty());
    }

    #[test]
    fn a_full_memory_refuses_too_much_rather_than_too_little() {
        let mut state = listening();
        state.hear(frame("revoked", r#"{"kind":"login","id":"l1"}"#), at(0), WALL).map(drop).unwrap();
        for n in 0..ENTRIES {
            let data = format!(r#"{{"kind":"token","id":"n{n}"}}"#);
            state.hear(frame("revoked", &data), at(1), WALL.plus_seconds(60)).map(drop).unwrap();
        }
        assert_eq!(state.oldest_first.len(), ENTRIES, "the oldest, l1, made room");
        assert_eq!(state.check(&token(), Effect::Write, at(1)), Err(RevocationFault::Revoked));
        let later = Traits { jti: "t2", lineage: Some("l2"), issued_at: WALL.plus_seconds(30), ..token() };
        assert_eq!(state.check(&later, Effect::Write, at(1)), Ok(()));
    }

    #[test]
    fn the_cursor_is_the_last_one_named() {
        let mut state = listening();
        assert_eq!(state.cursor(), Some("c1"));
        let frame = Frame { event: "heartbeat".into(), data: "{}".into(), id: Some("c2".into()) };
        state.hear(frame, at(1), WALL).map(drop).unwrap();
        assert_eq!(state.cursor(), Some("c2"));
    }
}
