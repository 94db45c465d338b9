//! A person may do nothing for now, and everything that they have open ends; or they may again, and sign in anew.

use crate::{app::App, problem::Problem};
use counterfoil_core::{
    audit::event::{Actor, EndReason, EventKind},
    subject::{Subject, SubjectState},
    time::Time,
};
use counterfoil_store::{Tx, is_stale};

/// Passes in a row that a change of a session beat, after which ending them gives up.
const PASSES: u32 = 64;

/// Suspends, then ends every session. Whoever signs in meanwhile needs an active person in the same commit, so nothing that
/// begins after the first unit is left. False: they were suspended before, and nothing was open.
pub async fn suspend(app: &App, subject: &Subject, actor: Actor, now: Time) -> Result<bool, Problem> {
    let mut changed = false;
    if subject.is_active() {
        change(app, subject, SubjectState::Suspended { at: now }, actor.clone(), now).await?;
        changed = true;
    }
    let mut beaten = 0;
    while beaten < PASSES {
        let sessions = app.store.sessions(subject.id).await?;
        let Some(session) = sessions.first() else {
            app.facts.forget_person(subject.id);
            return Ok(changed);
        };
        changed = true;
        let login = match session.signed_in() {
            Some(signed_in) => app.store.login(signed_in.login).await?,
            None => None,
        };
        let mut tx = Tx::new(now);
        tx.end_session(session, login.as_ref(), EndReason::EndedByAdministrator);
        let kind = EventKind::SessionEnded {
            session: session.id,
            login: login.as_ref().map(|login| login.id),
            reason: EndReason::EndedByAdministrator,
        };
        match tx.commit(&app.store, app.event(now, actor.clone(), kind)).await {
            Ok(_) => {
                beaten = 0;
                if let Some(login) = login {
                    app.facts.forget_login(login.id);
                }
            }
            Err(error) if is_stale(&error) => beaten += 1,
            Err(error) => return Err(error.into()),
        }
    }
    Err(Problem::new(crate::problem::Kind::BUSY)
        .detail("they are suspended, but not all of their sessions have ended yet"))
}

/// They may act again. False: they could before.
pub async fn resume(app: &App, subject: &Subject, actor: Actor, now: Time) -> Result<bool, Problem> {
    if subject.is_active() {
        return Ok(false);
    }
    change(app, subject, SubjectState::Active {}, actor, now).await?;
    Ok(true)
}

async fn change(app: &App, subject: &Subject, state: SubjectState, actor: Actor, now: Time) -> Result<(), Problem> {
    let after = Subject { state, ..subject.clone() };
    let mut tx = Tx::new(now);
    tx.change_subject(subject, &after);
    let kind = EventKind::SubjectSuspended { subject: subject.id, suspended: !after.is_active() };
    tx.commit(&app.store, app.event(now, actor, kind)).await?;
    app.facts.forget_person(subject.id);
    Ok(())
}
