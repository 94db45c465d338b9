//! Guesses are counted before they are compared, so that however many come at once, no more than the limit ever count
//! (SP 800-63B-4 §3.2.2: too many disable the authenticator).

use super::authorize::actor;
use crate::{
    app::App,
    browser::Browser,
    problem::{Kind, Problem},
};
use counterfoil_core::{
    assurance::Method,
    audit::event::{Event, EventKind},
    authenticator::{
        Holder,
        totp::{TotpError, TotpSecret},
    },
    enrolled::{DisabledWhy, Enrolled, EnrolledState},
    id::{ChallengeId, EventId, SubjectId},
    limits,
    proof::Proof,
    time::Time,
};
use counterfoil_store::{Tx, Upkeep};

/// Writes a guess down, then says whether it may still be compared.
pub async fn count<T>(app: &App, browser: &Browser<T>, enrolled: &Enrolled) -> Result<(), Problem> {
    let now = browser.visit.now;
    let mut unit = Upkeep::new(now);
    unit.record_attempt(EventId::new(now, app.random.id()), enrolled);
    unit.commit(&app.store).await?;
    let attempts = app.store.attempts(enrolled).await?;
    if attempts <= i64::from(limits::CONSECUTIVE_FAILURES) {
        return Ok(());
    }
    let state = EnrolledState::Disabled { at: now, why: DisabledWhy::Failures };
    let mut tx = Tx::new(now);
    tx.change_authenticator(&Enrolled { state, ..enrolled.clone() });
    let kind = EventKind::AuthenticatorDisabled {
        authenticator: enrolled.id,
        subject: enrolled.subject,
        failures: limits::CONSECUTIVE_FAILURES,
    };
    let notice = super::notify::disabled(app, &mut tx, enrolled, now).await?;
    for event in notice {
        tx.also(event);
    }
    match tx.commit(&app.store, app.event(now, actor(browser), kind)).await {
        // Somebody else's guess has disabled it already.
        Ok(_) | Err(counterfoil_store::CommitError::Refused(_)) => {}
        Err(error) => return Err(Problem::from(error)),
    }
    app.facts.people.invalidate(&enrolled.subject);
    Err(Problem::new(Kind::AUTHENTICATOR_DISABLED))
}

/// Whose authenticator it is, for its verifier.
pub fn holder(enrolled: &Enrolled, now: Time) -> Holder {
    Holder { subject: enrolled.subject, authenticator: enrolled.id, ceiling: enrolled.ceiling_at(now) }
}

/// Compares a code. The outer error is a fault of ours.
pub fn code(enrolled: &Enrolled, typed: &str, now: Time) -> Result<Result<Proof, TotpError>, Problem> {
    let secret = enrolled.secret.as_ref().ok_or_else(|| Problem::internal("a code app without its secret"))?;
    let secret = TotpSecret::new(secret.expose()).map_err(Problem::internal)?;
    Ok(secret.verify(typed, &holder(enrolled, now), now).map(|matched| matched.proof))
}

/// Records an answer that was not right.
pub async fn refused<T>(
    app: &App,
    browser: &Browser<T>,
    subject: Option<SubjectId>,
    enrolled: Option<&Enrolled>,
    method: Method,
    reason: &'static str,
) -> Result<(), Problem> {
    let kind = EventKind::ProofRefused {
        subject,
        authenticator: enrolled.map(|enrolled| enrolled.id),
        method,
        challenge: None,
        reason: reason.to_owned(),
    };
    let event = app.personal_event(
        browser.visit.now,
        actor(browser),
        kind,
        [("ip", browser.visit.ip.to_string()), ("user_agent", browser.visit.user_agent.clone())],
    );
    Tx::new(browser.visit.now).commit(&app.store, event).await?;
    Ok(())
}

/// The event of an answer that was right.
pub fn accepted<T>(app: &App, browser: &Browser<T>, proof: &Proof, challenge: Option<ChallengeId>) -> Event {
    let kind = EventKind::ProofAccepted {
        subject: proof.subject(),
        authenticator: proof.fact().authenticator,
        method: proof.fact().method,
        challenge,
        session: Some(browser.session.id),
        totp_step: proof.totp_step(),
        assertion: proof.assertion().and_then(|assertion| assertion.digest().ok()),
    };
    app.event(browser.visit.now, actor(browser), kind)
}
