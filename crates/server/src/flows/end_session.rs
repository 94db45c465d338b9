//! Sessions end: by signing out, from another session of the same person, or because "that was not me", which contains
//! everything that came out of it.

use super::{authorize::actor, own_action};
use crate::{
    app::App,
    browser::Browser,
    problem::{Kind, Problem},
};
use counterfoil_core::{
    audit::event::{ContainmentCause, EndReason, EventKind},
    id::SessionId,
    session::Session,
};
use counterfoil_store::{Artefact, Tx};

/// Ends the session that asks.
pub async fn sign_out<T>(app: &App, browser: &Browser<T>) -> Result<(), Problem> {
    finish(app, browser, &browser.session, EndReason::SignedOut).await
}

/// Ends one of one's own sessions. What is not one's own is not there.
pub async fn end<T>(app: &App, browser: &Browser<T>, id: SessionId, not_me: bool) -> Result<(), Problem> {
    let signed_in = browser.signed_in()?;
    let subject = signed_in.subject.to_string();
    own_action::require(app, browser, "session.end", (own_action::PERSON, &subject), "/me").await?;
    let session = app.store.session(id).await?.ok_or_else(|| Problem::new(Kind::NOT_FOUND))?;
    let theirs = session.signed_in().filter(|other| other.subject == signed_in.subject);
    let Some(theirs) = theirs else { return Err(Problem::new(Kind::NOT_FOUND)) };
    if !not_me {
        return finish(app, browser, &session, EndReason::EndedByOwner).await;
    }
    let now = browser.visit.now;
    let who = actor(browser);
    app.store
        .contain(&[Artefact::Login(theirs.login)], now, |closure| {
            let kind = EventKind::Contained {
                logins: closure.logins.clone(),
                authenticators: closure.authenticators.clone(),
                cause: ContainmentCause::Owner,
            };
            app.event(now, who.clone(), kind)
        })
        .await?;
    app.facts.forget_login(theirs.login);
    app.facts.people.invalidate(&signed_in.subject);
    Ok(())
}

async fn finish<T>(app: &App, browser: &Browser<T>, session: &Session, why: EndReason) -> Result<(), Problem> {
    let login = match session.signed_in() {
        Some(signed_in) => app.store.login(signed_in.login).await?,
        None => None,
    };
    let mut tx = Tx::new(browser.visit.now);
    tx.end_session(session, login.as_ref(), why);
    let kind =
        EventKind::SessionEnded { session: session.id, login: login.as_ref().map(|login| login.id), reason: why };
    tx.commit(&app.store, app.event(browser.visit.now, actor(browser), kind)).await?;
    if let Some(login) = login {
        app.facts.forget_login(login.id);
    }
    Ok(())
}
