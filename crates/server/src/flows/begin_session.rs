//! A browser comes: it gets a session that is nobody's yet, bound to its key before the first code is asked (DESIGN §6).

use crate::{
    app::App,
    browser::{NewSecret, Newcomer},
    network::network,
    problem::{Kind, Problem},
};
use counterfoil_core::{
    assurance::Binding,
    audit::event::{Actor, EventKind},
    evidence::RelayVerdict,
    id::SessionId,
    limits,
    session::{Session, SessionState},
};
use counterfoil_store::Tx;

/// Begins a session; the first key wins, and a lost key means a new session.
pub async fn begin_session(app: &App, newcomer: Newcomer) -> Result<(SessionId, NewSecret), Problem> {
    let now = newcomer.visit.now;
    // Before anything is written: each would be a row and an event that nobody asked for.
    let most = app.config.sessions_per_address.unwrap_or(limits::SESSIONS_PER_NETWORK);
    if app.facts.count_begun(network(newcomer.visit.ip)) > most {
        return Err(Problem::new(Kind::CROWDED).with("retry_after_seconds", limits::SESSIONS_WINDOW_SECONDS));
    }
    let secret = NewSecret::new(app);
    let session = Session {
        id: SessionId::new(now, app.random.id()),
        secret_hash: secret.hash,
        key_thumbprint: newcomer.key.thumbprint(),
        jwk: newcomer.key.to_embedded(),
        born: now,
        seen_at: now,
        expires_at: now.plus_seconds(limits::NEW_KEY_SESSION_SECONDS),
        lang: newcomer.visit.lang.tag().to_owned(),
        user_agent: newcomer.visit.user_agent,
        relay: RelayVerdict::Unknown,
        state: SessionState::Anonymous { begun: None },
        version: 0,
    };
    let event = app.personal_event(
        now,
        Actor::Anonymous { session: Some(session.id) },
        EventKind::SessionBegun { session: session.id, binding: Binding::NewKey, key: Some(session.key_thumbprint) },
        [("ip", newcomer.visit.ip.to_string()), ("user_agent", session.user_agent.clone())],
    );
    let mut tx = Tx::new(now);
    tx.begin_session(&session);
    tx.commit(&app.store, event).await?;
    Ok((session.id, secret))
}
