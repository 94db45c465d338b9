//! Sessions end: by signing out, from another session of the same person, or because "that was not me", which contains
//! everything that came out of it.

use super::{authorize::actor, change_passkey, own_action};
use crate::{
    app::App,
    browser::Browser,
    problem::{Kind, Problem},
};
use counterfoil_core::{
    assurance::{Acr, Method},
    audit::event::{ContainmentCause, EndReason, EventKind},
    id::{AuthenticatorId, SessionId},
    session::{Login, Session},
    vouch,
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
    let roots = [Artefact::Login(theirs.login)];
    may_cut(app, browser, &roots, None).await?;
    cut(app, browser, &roots).await
}

/// May this session cut what came out of these? What confirms things, or shows more than codes, was not made by whoever
/// shows codes alone: cutting that takes more (R4, "does not spill"). The last passkeys that confirm are cut by nobody here, as
/// they are removed by nobody: there is no recovery, so that is the operator's to do. `but` is what is off anyway.
pub async fn may_cut<T>(
    app: &App,
    browser: &Browser<T>,
    roots: &[Artefact],
    but: Option<AuthenticatorId>,
) -> Result<(), Problem> {
    let now = browser.visit.now;
    let signed_in = browser.signed_in()?;
    let (mut strong, mut passkeys) = (false, Vec::new());
    for artefact in app.store.descendants(roots).await? {
        strong |= match artefact {
            Artefact::Authenticator(id) if Some(id) != but => {
                passkeys.push(id);
                app.store.authenticator(id).await?.is_some_and(|one| {
                    one.is_active() && one.method == Method::Passkey && one.ceiling_at(now) >= Acr::Phr
                })
            }
            Artefact::Login(id) if id != signed_in.login => {
                let login = app.store.login(id).await?;
                let session = match login.filter(Login::is_open) {
                    Some(login) => app.store.session_of_login(&login).await?,
                    None => None,
                };
                session.as_ref().and_then(Session::signed_in).is_some_and(|theirs| {
                    theirs.evidence.acr(now) >= Some(Acr::Phr) || theirs.binding > signed_in.binding
                })
            }
            Artefact::Authenticator(_)
            | Artefact::Login(_)
            | Artefact::Session(_)
            | Artefact::Address(_)
            | Artefact::Client(_) => false,
        };
    }
    if strong {
        let subject = signed_in.subject.to_string();
        own_action::require(app, browser, "session.disown", (own_action::PERSON, &subject), "/me").await?;
    }
    let all = app.store.authenticators(signed_in.subject).await?;
    vouch::may_cut(&all, &passkeys, now).map_err(change_passkey::refused)
}

/// Contains these and all that came out of them.
pub async fn cut<T>(app: &App, browser: &Browser<T>, roots: &[Artefact]) -> Result<(), Problem> {
    let subject = browser.signed_in()?.subject;
    let now = browser.visit.now;
    let who = actor(browser);
    let closure = app
        .store
        .contain(roots, now, |closure| {
            let kind = EventKind::Contained {
                logins: closure.logins.clone(),
                authenticators: closure.authenticators.clone(),
                cause: ContainmentCause::Owner,
            };
            app.event(now, who.clone(), kind)
        })
        .await?;
    for login in closure.logins {
        app.facts.forget_login(login);
    }
    app.facts.forget_person(subject);
    Ok(())
}

async fn finish<T>(app: &App, browser: &Browser<T>, session: &Session, why: EndReason) -> Result<(), Problem> {
    let login = match session.signed_in() {
        Some(signed_in) => app.store.login(signed_in.login).await?,
        None => None,
    };
    let mut tx = Tx::new(browser.visit.now);
    if session.id != browser.session.id {
        tx.require_session(&browser.session);
    }
    tx.end_session(session, login.as_ref(), why);
    let kind =
        EventKind::SessionEnded { session: session.id, login: login.as_ref().map(|login| login.id), reason: why };
    tx.commit(&app.store, app.event(browser.visit.now, actor(browser), kind)).await?;
    if let Some(login) = login {
        app.facts.forget_login(login.id);
    }
    Ok(())
}
