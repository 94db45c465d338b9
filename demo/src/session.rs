//! The treasury's own sessions with browsers: a cookie, and behind it, in memory, what the browser never sees.

use crate::operation::{Cheat, Operation};
use crate::page::result::Outcome;
use crate::{clock, random};
use counterfoil_guard::client::{ClientError, DpopKey};
use http::{HeaderMap, HeaderValue, header};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Sessions kept at once; the oldest makes room.
const SESSIONS: usize = 1_000;
/// A session of the treasury ends then. The issuer's own rules are shorter: a token lives minutes.
const SESSION_SECONDS: i64 = 8 * 3600;
/// A request to the issuer waits this long for its answer.
const PENDING_SECONDS: i64 = 900;

/// Requests to the issuer that wait at once: one per tab that somebody may have open.
const PENDING: usize = 8;

/// What the browser was sent to the issuer for.
#[derive(Clone, Debug)]
pub enum Intent {
    /// To sign in, and then to see this page.
    SignIn { to: String },
    /// To sign in again because the token had ended, and then to go on with this: nothing that was entered is lost.
    Resume { operation: Operation, cheat: Cheat },
    /// To show more of themselves, and then to have this tried again.
    Fresh(Operation),
    /// To confirm this, which is then executed, honestly or not.
    Confirm { operation: Operation, cheat: Cheat },
}

/// A request to the issuer that has not been answered.
#[derive(Clone, Debug)]
pub struct Pending {
    pub state: String,
    pub nonce: String,
    pub verifier: String,
    pub intent: Intent,
    pub begun: i64,
}

impl Pending {
    /// A new one, with everything that must be random.
    pub fn new(intent: Intent) -> Self {
        Self {
            state: random::token(),
            nonce: random::token(),
            verifier: random::token(),
            intent,
            begun: clock::seconds(),
        }
    }
}

/// An access token of the session and when it ends.
#[derive(Clone)]
pub struct Token {
    pub access_token: String,
    pub ends: i64,
}

/// Who has signed in.
#[derive(Clone, Debug)]
pub struct User {
    pub sub: String,
    pub name: String,
}

/// One browser's session.
#[derive(Clone)]
pub struct Session {
    /// In every form of ours (CSRF).
    pub csrf: String,
    /// The key that this session's tokens are bound to, as the issuer and as our API see it.
    pub dpop_issuer: Arc<DpopKey>,
    pub dpop_api: Arc<DpopKey>,
    pub user: Option<User>,
    pub token: Option<Token>,
    pub pending: Vec<Pending>,
    /// What is shown at `/result`.
    pub result: Option<Outcome>,
    /// A confirmation that was used, to show that it cannot be used again.
    pub used: Option<(Token, Operation)>,
    /// When a sign-in last succeeded: a token that is refused right after it is refused for ever.
    pub signed_in_at: i64,
    begun: i64,
}

impl Session {
    fn new() -> Result<Self, ClientError> {
        let dpop_issuer = DpopKey::generate()?;
        Ok(Self {
            csrf: random::token(),
            dpop_api: Arc::new(dpop_issuer.for_another_server()),
            dpop_issuer: Arc::new(dpop_issuer),
            user: None,
            token: None,
            pending: Vec::new(),
            result: None,
            used: None,
            signed_in_at: 0,
            begun: clock::seconds(),
        })
    }

    /// The token, while it lives.
    pub fn live_token(&self) -> Option<&Token> {
        self.token.as_ref().filter(|token| token.ends > clock::seconds())
    }
}

/// A session's secret name, as the cookie carries it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Handle(String);

/// All sessions.
pub struct Sessions {
    table: Mutex<HashMap<Handle, Session>>,
    secure: bool,
}

impl Sessions {
    /// Cookies are `Secure` and `__Host-` where the treasury has TLS. Without it, on this machine, browsers differ in whether
    /// they take such cookies, so they are plain.
    pub fn new(secure: bool) -> Self {
        Self { table: Mutex::default(), secure }
    }

    fn cookie_name(&self) -> &'static str {
        if self.secure { "__Host-treasury" } else { "treasury" }
    }

    fn table(&self) -> std::sync::MutexGuard<'_, HashMap<Handle, Session>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The session that the cookie names, as it is now.
    pub fn find(&self, headers: &HeaderMap) -> Option<(Handle, Session)> {
        let handle = Handle(cookie(headers, self.cookie_name())?);
        let session = self.current(&handle)?;
        Some((handle, session))
    }

    /// The session of this name, as it is now.
    pub fn current(&self, handle: &Handle) -> Option<Session> {
        self.table().get(handle).filter(|session| clock::seconds() - session.begun < SESSION_SECONDS).cloned()
    }

    /// A new session.
    ///
    /// # Errors
    /// When no key could be made for it.
    pub fn begin(&self) -> Result<(Handle, Session), ClientError> {
        let session = Session::new()?;
        let handle = Handle(random::token());
        let mut table = self.table();
        if table.len() >= SESSIONS
            && let Some(oldest) =
                table.iter().min_by_key(|(_, session)| session.begun).map(|(handle, _)| handle.clone())
        {
            table.remove(&oldest);
        }
        table.insert(handle.clone(), session.clone());
        Ok((handle, session))
    }

    /// Changes a session, if it is still there.
    pub fn change(&self, handle: &Handle, change: impl FnOnce(&mut Session)) {
        if let Some(session) = self.table().get_mut(handle) {
            change(session);
        }
    }

    /// Remembers a request to the issuer. The oldest makes room.
    pub fn wait_for(&self, handle: &Handle, pending: Pending) {
        self.change(handle, |session| {
            if session.pending.len() >= PENDING {
                session.pending.remove(0);
            }
            session.pending.push(pending);
        });
    }

    /// Takes the pending request that `state` names: an answer counts once.
    pub fn take_pending(&self, handle: &Handle, state: &str) -> Option<Pending> {
        let mut table = self.table();
        let waiting = &mut table.get_mut(handle)?.pending;
        let pending = waiting.remove(waiting.iter().position(|pending| pending.state == state)?);
        if clock::seconds() - pending.begun < PENDING_SECONDS { Some(pending) } else { None }
    }

    /// The same session under a new name: whoever knew the old one before the person signed in has nothing (fixation).
    pub fn renew(&self, handle: &Handle) -> Handle {
        let mut table = self.table();
        let new = Handle(random::token());
        if let Some(session) = table.remove(handle) {
            table.insert(new.clone(), session);
        }
        new
    }

    /// Ends a session.
    pub fn end(&self, handle: &Handle) {
        self.table().remove(handle);
    }

    /// The cookie that names a session. `Lax`, because the issuer is another site and sends the browser back by navigation.
    pub fn set_cookie(&self, handle: &Handle) -> Option<HeaderValue> {
        let secure = if self.secure { "; Secure" } else { "" };
        HeaderValue::from_str(&format!("{}={}; Path=/; HttpOnly; SameSite=Lax{secure}", self.cookie_name(), handle.0))
            .ok()
    }

    /// The cookie that names none.
    pub fn clear_cookie(&self) -> Option<HeaderValue> {
        let secure = if self.secure { "; Secure" } else { "" };
        HeaderValue::from_str(&format!("{}=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax{secure}", self.cookie_name()))
            .ok()
    }
}

/// The value of a cookie.
pub fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    let values = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = values.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(found, _)| *found == name).map(|(_, value)| value.to_owned())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]
mod tests {
    use super::*;

    fn headers(handle: &Handle) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::COOKIE, format!("lang=de; treasury={}", handle.0).parse().unwrap());
        headers
    }

    #[test]
    fn an_answer_counts_once_and_only_for_its_session() {
        let sessions = Sessions::new(false);
        let (mine, _) = sessions.begin().unwrap();
        let (other, _) = sessions.begin().unwrap();
        let pending = Pending::new(Intent::SignIn { to: "/".into() });
        let state = pending.state.clone();
        sessions.wait_for(&mine, pending);
        assert!(sessions.take_pending(&other, &state).is_none());
        assert!(sessions.take_pending(&mine, "guess").is_none());
        assert!(sessions.take_pending(&mine, &state).is_some());
        assert!(sessions.take_pending(&mine, &state).is_none());
    }

    #[test]
    fn a_renewed_session_is_unknown_under_its_old_name() {
        let sessions = Sessions::new(false);
        let (old, session) = sessions.begin().unwrap();
        let new = sessions.renew(&old);
        assert!(sessions.find(&headers(&old)).is_none());
        assert_eq!(sessions.find(&headers(&new)).unwrap().1.csrf, session.csrf);
        sessions.end(&new);
        assert!(sessions.find(&headers(&new)).is_none());
    }
}
