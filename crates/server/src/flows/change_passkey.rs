//! A person removes one of their passkeys, vouches for one with an older one, or says that one is not theirs.
//!
//! The first two are signed as a transaction and done once ([`super::own_action`]); the last only takes away, and needs
//! no more than what such a passkey was bound with.

use super::{
    authorize::actor,
    decide, end_session, notify,
    own_action::{self, Confirmed, PERSON, Standing},
};
use crate::{
    app::App,
    browser::Browser,
    problem::{Kind, Problem},
};
use counterfoil_core::{
    assurance::Acr,
    audit::event::{EndReason, Event, EventKind, NoticeAbout},
    enrolled::Enrolled,
    id::{AuthenticatorId, ChallengeId, SubjectId},
    vouch::{self, Unchanged},
};
use counterfoil_store::{Artefact, Tx, is_stale};
use serde_json::{Value, json};

const REMOVE: &str = "authenticator.remove";
const VOUCH: &str = "authenticator.vouch";
/// Where the person comes back to with what was confirmed.
const BACK: &str = "/me";
/// How often a unit is built anew because a row of its was changed meanwhile, by another of the person's own requests.
const TRIES: usize = 4;

/// What a person wants with one of their passkeys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// It is to go.
    Remove,
    /// It is to count for as much as an older one that vouches for it.
    Vouch,
}

/// Lodges it, if it could be done: an answer is always a problem, mostly the page that asks for the signature.
pub async fn lodge<T>(app: &App, browser: &Browser<T>, id: AuthenticatorId, wish: Wish) -> Result<Problem, Problem> {
    let subject = browser.signed_in()?.subject;
    let now = browser.visit.now;
    let all = app.store.authenticators(subject).await?;
    let target = all.iter().find(|one| one.id == id).ok_or_else(|| Problem::new(Kind::NOT_FOUND))?;
    let (action, kind) = match wish {
        Wish::Remove => {
            vouch::remove(&all, id, now).map_err(refused)?;
            (REMOVE, "authenticator_remove")
        }
        Wish::Vouch => {
            let vouched = all.iter().map(|voucher| vouch::vouch(voucher, target, now));
            let first = vouched.reduce(|best, other| best.or(other)).unwrap_or(Err(Unchanged::NotThere));
            first.map_err(refused)?;
            (VOUCH, "authenticator_vouch")
        }
    };
    let resource = subject.to_string();
    let transaction = json!({
        "type": kind,
        "resource": {"type": PERSON, "id": resource},
        "authenticator": id,
        "name": target.label,
    });
    own_action::lodge(app, browser, action, (PERSON, &resource), transaction, BACK).await
}

/// The refusal, as the page is told it.
pub(super) fn refused(error: Unchanged) -> Problem {
    match error {
        Unchanged::NotThere => Problem::new(Kind::NOT_FOUND),
        other => Problem::new(Kind::NOT_CHANGED).with("why", word(other)).detail(other.to_string()),
    }
}

/// The fixed word for the page.
const fn word(error: Unchanged) -> &'static str {
    match error {
        Unchanged::NotThere => "not_there",
        Unchanged::NothingToVouchFor => "nothing_to_vouch_for",
        Unchanged::Itself | Unchanged::NotOlder => "not_older",
        Unchanged::LastToSignIn => "last_to_sign_in",
        Unchanged::LastToConfirm => "last_to_confirm",
        Unchanged::NotAPasskey => "not_a_passkey",
        Unchanged::NotResting => "not_resting",
    }
}

/// Does what was confirmed, once. Whoever asks again gets the answer of the first time.
pub async fn carry_out<T>(app: &App, browser: &Browser<T>, txn: ChallengeId) -> Result<Value, Problem> {
    let mut last = None;
    for _ in 0..TRIES {
        let confirmed = match own_action::confirmed(app, browser, txn, &[REMOVE, VOUCH]).await? {
            Standing::Done(answer) => return Ok(replayed(answer)),
            Standing::Fresh(confirmed) => confirmed,
        };
        let subject = browser.signed_in()?.subject;
        let answer = json!({"outcome": "spent", "replayed": false, "action": confirmed.action()});
        let mut tx = Tx::new(browser.visit.now);
        let event = match change(app, browser, &mut tx, &confirmed).await {
            Ok(event) => event,
            // What cannot be done any more may have been done just now, by this very confirmation.
            Err(problem) => {
                let done = app.store.redemption(txn).await?;
                return done.map(|done| replayed(done.answer)).ok_or(problem);
            }
        };
        confirmed.spend(app, browser, &mut tx, &answer, true)?;
        match tx.commit(&app.store, event).await {
            Ok(_) => {
                app.facts.forget_person(subject);
                if confirmed.action() == REMOVE {
                    end_late_sessions(app, browser, subject, target(&confirmed)?).await?;
                }
                return Ok(answer);
            }
            Err(error) if is_stale(&error) => last = Some(error),
            Err(error) => return own_action::lost(app, txn, error).await.map(replayed),
        }
    }
    match last {
        Some(error) => own_action::lost(app, txn, error).await.map(replayed),
        None => Err(Problem::new(Kind::CONFLICT)),
    }
}

/// Which passkey was signed for.
fn target(confirmed: &Confirmed) -> Result<AuthenticatorId, Problem> {
    confirmed.signed("authenticator")?.parse().map_err(Problem::internal)
}

fn replayed(mut answer: Value) -> Value {
    if let Some(replayed) = answer.get_mut("replayed") {
        *replayed = Value::Bool(true);
    }
    answer
}

/// Adds the effect to the unit, by the values that were signed. Gives the event that says it.
async fn change<T>(app: &App, browser: &Browser<T>, tx: &mut Tx, confirmed: &Confirmed) -> Result<Event, Problem> {
    let now = browser.visit.now;
    let subject = browser.signed_in()?.subject;
    let id = target(confirmed)?;
    let all = app.store.authenticators(subject).await?;
    let find = |id| all.iter().find(|one| one.id == id).ok_or_else(|| Problem::new(Kind::NOT_FOUND));
    let before = find(id)?;
    let voucher = find(confirmed.proof().authenticator)?;
    let (after, about, kind) = if confirmed.action() == REMOVE {
        let after = vouch::remove(&all, id, now).map_err(refused)?;
        for ended in end_sessions(app, browser, tx, subject, id).await? {
            tx.also(ended);
        }
        (after, NoticeAbout::AuthenticatorRemoved, EventKind::AuthenticatorRemoved { authenticator: id, subject })
    } else {
        let after = vouch::vouch(voucher, before, now).map_err(refused)?;
        let kind = EventKind::AuthenticatorCeilingChanged {
            authenticator: id,
            from: before.ceiling_at(now),
            to: after.ceiling,
            reason: "vouched".to_owned(),
            vouched_by: vec![voucher.id],
        };
        tx.require_authenticator(voucher.id);
        (after, NoticeAbout::AccountChanged, kind)
    };
    let person = app.store.subject(subject).await?.ok_or_else(|| Problem::new(Kind::SESSION_ENDED))?;
    // Whatever is done to a person's passkeys is done one after the other; the high-water mark only rises.
    tx.change_subject(&person, &person.clone().having_had(after.ceiling));
    tx.change_authenticator(&after);
    for notice in notify::changed(app, tx, &after, about, now).await?.events {
        tx.also(notice);
    }
    Ok(app.event(now, actor(browser), kind))
}

/// What came of it ends, but for the session that says so: it may be in somebody else's hands. By the edges, one step: they
/// say also of a login that only relied on a device which this passkey made known (R4). Gives the events.
async fn end_sessions<T>(
    app: &App,
    browser: &Browser<T>,
    tx: &mut Tx,
    subject: SubjectId,
    id: AuthenticatorId,
) -> Result<Vec<Event>, Problem> {
    let mut events = Vec::new();
    for session in app.store.sessions(subject).await? {
        let Some(signed_in) = session.signed_in().filter(|_| session.id != browser.session.id) else { continue };
        let parents = app.store.parents(&Artefact::Login(signed_in.login)).await?;
        if !parents.contains(&Artefact::Authenticator(id)) {
            continue;
        }
        let login = app.store.login(signed_in.login).await?;
        tx.end_session(&session, login.as_ref(), EndReason::EndedByOwner);
        let kind = EventKind::SessionEnded {
            session: session.id,
            login: Some(signed_in.login),
            reason: EndReason::EndedByOwner,
        };
        events.push(app.event(browser.visit.now, actor(browser), kind));
    }
    Ok(events)
}

/// Ends what began between reading the sessions and removing the passkey. Nothing more begins with it by now.
async fn end_late_sessions<T>(
    app: &App,
    browser: &Browser<T>,
    subject: SubjectId,
    id: AuthenticatorId,
) -> Result<(), Problem> {
    let mut last = None;
    for _ in 0..TRIES {
        let mut tx = Tx::new(browser.visit.now);
        let mut events = end_sessions(app, browser, &mut tx, subject, id).await?.into_iter();
        let Some(event) = events.next() else { return Ok(()) };
        for event in events {
            tx.also(event);
        }
        match tx.commit(&app.store, event).await {
            Ok(_) => return Ok(()),
            Err(error) if is_stale(&error) => last = Some(error),
            Err(error) => return Err(error.into()),
        }
    }
    last.map_or(Ok(()), |error| Err(error.into()))
}

/// "This passkey is not mine": it is off for ever, and everything that came of it, or of the sign-in that added it, is cut.
pub async fn disown<T>(app: &App, browser: &Browser<T>, id: AuthenticatorId) -> Result<(), Problem> {
    let signed_in = browser.signed_in()?;
    let (subject, now) = (signed_in.subject, browser.visit.now);
    let resource = subject.to_string();
    own_action::require(app, browser, "authenticator.disown", (PERSON, &resource), BACK).await?;
    let all = app.store.authenticators(subject).await?;
    let disowned = vouch::disown(&all, id, now).map_err(refused)?;
    let mut roots = vec![Artefact::Authenticator(id)];
    // A person who takes back what they added in this very sign-in stays in it.
    roots.extend(disowned.bound_by.filter(|login| *login != signed_in.login).map(Artefact::Login));
    end_session::may_cut(app, browser, &roots, Some(id)).await?;
    let mut tx = Tx::new(now);
    tx.require_session(&browser.session).change_authenticator(&disowned);
    let told = notify::changed(app, &mut tx, &disowned, NoticeAbout::AccountChanged, now).await?;
    for notice in told.events {
        tx.also(notice);
    }
    let kind = EventKind::AuthenticatorDisowned { authenticator: id, subject };
    tx.commit(&app.store, app.event(now, actor(browser), kind)).await?;
    app.facts.forget_person(subject);
    end_session::cut(app, browser, &roots).await
}

/// What may be offered of one passkey, among all of the person's.
pub fn offered(one: &Enrolled, all: &[Enrolled], now: counterfoil_core::time::Time) -> (bool, bool, bool) {
    let removable = vouch::remove(all, one.id, now).is_ok() && all.iter().any(|other| confirms(other, now));
    let vouchable = all.iter().any(|voucher| vouch::vouch(voucher, one, now).is_ok());
    (removable, vouchable, vouch::may_disown(one, now))
}

fn confirms(one: &Enrolled, now: counterfoil_core::time::Time) -> bool {
    decide::credential(one).is_some() && one.is_active() && one.ceiling_at(now) >= Acr::Phr
}
