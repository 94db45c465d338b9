//! `/me`: what one has enrolled and what each is good for, where one is signed in, what was decided lately.

use super::{
    change_passkey,
    decide::Record,
    own_action,
    sign_in::named,
    step_up::{counterfoil, device},
};
use crate::{
    app::App,
    browser::Browser,
    page::{Outcome, Resource, me},
    problem::{Kind, Problem},
};
use counterfoil_core::{
    assurance::{Acr, Method, Tier},
    enrolled::{Enrolled, EnrolledState},
    subject::{AddressKind, AddressState},
    time::Time,
};
use counterfoil_store::DecisionFilter;
use std::collections::BTreeSet;

/// Decisions shown.
const LATELY: usize = 20;
/// Decisions read at once.
const LOOKED_AT: u32 = 50;
/// How often, at most.
const STEPS: usize = 5;

/// The account of who asks.
pub async fn view<T>(app: &App, browser: &Browser<T>) -> Result<me::Me, Problem> {
    let signed_in = browser.signed_in().map_err(|problem| problem.next("/sign-in?to=/me"))?;
    let now = browser.visit.now;
    let subject = signed_in.subject.to_string();
    own_action::require(app, browser, "me.read", (own_action::PERSON, &subject), "/me").await?;
    let person = super::decide::person(app, signed_in.subject).await?;
    let person = person.ok_or_else(|| Problem::new(Kind::SESSION_ENDED))?;
    let mut sessions = Vec::new();
    for session in app.store.sessions(signed_in.subject).await? {
        let Some(theirs) = session.signed_in() else { continue };
        if !session.is_live(now, counterfoil_core::limits::SESSION_IDLE_SECONDS) {
            continue;
        }
        let methods: BTreeSet<Method> = theirs.evidence.proofs.iter().map(|proof| proof.method).collect();
        sessions.push(me::Session {
            id: session.id,
            current: session.id == browser.session.id,
            device: device(&session.user_agent),
            place: None,
            ip: None,
            signed_in_at: theirs.signed_in_at,
            last_seen_at: session.seen_at,
            binding: theirs.binding,
            methods: methods.into_iter().collect(),
        });
    }
    sessions.sort_by_key(|session| (!session.current, std::cmp::Reverse(session.last_seen_at)));
    let (decisions, confirmations) = lately(app, browser, &subject).await?;
    Ok(me::Me {
        person: named(&person.subject),
        now,
        notices: Vec::new(),
        can_admin: !person.subject.roles.is_empty(),
        session: me::Current {
            acr: signed_in.evidence.acr(now).unwrap_or(Acr::Aal1),
            binding: signed_in.binding,
            signed_in_at: signed_in.signed_in_at,
            ends_at: browser.session.expires_at,
        },
        authenticators: person
            .authenticators
            .iter()
            .filter(|authenticator| !matches!(authenticator.state, EnrolledState::Removed { .. }))
            .map(|authenticator| shown(authenticator, &person.authenticators, now))
            .collect(),
        sessions,
        confirmations,
        decisions,
        addresses: app
            .store
            .addresses(signed_in.subject)
            .await?
            .into_iter()
            .filter(|address| matches!(address.state, AddressState::Active { .. }))
            .map(|address| me::Address {
                id: address.id,
                kind: match address.kind {
                    AddressKind::Mail => "mail".to_owned(),
                    AddressKind::Sms => "phone".to_owned(),
                },
                value: address.value,
                verified: true,
            })
            .collect(),
        enrol: me::MayEnrol {
            allowed: !super::decide::ever_had_passkey(&person)
                || person.authenticators.iter().any(|one| one.is_active() && confirms(one, now)),
            reason: None,
            ceiling: None,
            rises_at: None,
        },
    })
}

fn confirms(one: &Enrolled, now: Time) -> bool {
    one.method == Method::Passkey && one.ceiling_at(now) >= Acr::Phr
}

/// What was decided and confirmed lately. Reading one's account is a decision too, and would hide the rest.
async fn lately<T>(
    app: &App,
    browser: &Browser<T>,
    subject: &str,
) -> Result<(Vec<me::DecisionLine>, Vec<me::Confirmation>), Problem> {
    let (mut decisions, mut confirmations) = (Vec::new(), Vec::new());
    let mut filter =
        DecisionFilter { subject: Some(subject.to_owned()), limit: LOOKED_AT, ..DecisionFilter::default() };
    for _ in 0..STEPS {
        let found = app.store.decisions(&filter).await?;
        filter.before = found.last().map(|found| found.record.id);
        for found in &found {
            let record: Record = serde_json::from_str(&found.record.body).map_err(Problem::internal)?;
            // Of our own actions, those that were signed.
            if (record.input.audience.is_none() && record.answer.txn_digest.is_none()) || decisions.len() >= LATELY {
                continue;
            }
            if let Some(confirmation) = confirmation(app, browser, &found.record, &record).await? {
                confirmations.push(confirmation);
            }
            decisions.push(line(app, browser, &found.record, &record));
        }
        if decisions.len() >= LATELY || filter.before.is_none() {
            break;
        }
    }
    Ok((decisions, confirmations))
}

/// One authenticator among all of its owner's, as they see it.
pub fn shown(authenticator: &Enrolled, all: &[Enrolled], now: Time) -> me::Authenticator {
    let (removable, vouchable, disownable) = change_passkey::offered(authenticator, all, now);
    let rest = authenticator.rest.filter(|rest| now < rest.until && rest.acr > authenticator.ceiling);
    me::Authenticator {
        id: authenticator.id,
        method: authenticator.method,
        name: authenticator.label.clone(),
        added_at: authenticator.bound_at,
        last_used_at: authenticator.last_used_at,
        ceiling: authenticator.ceiling_at(now),
        rises_at: rest.map(|rest| rest.until),
        rises_to: rest.map(|rest| rest.acr),
        state: match authenticator.state {
            EnrolledState::Active {} => me::AuthenticatorState::Active,
            EnrolledState::Removed { .. } => me::AuthenticatorState::Removed,
            EnrolledState::Disabled { .. } => me::AuthenticatorState::Disabled,
            EnrolledState::Contained { .. } => me::AuthenticatorState::Contained,
        },
        why: match authenticator.state {
            EnrolledState::Disabled { why, .. } => Some(why),
            _ => None,
        },
        synced: super::decide::credential(authenticator).map(|credential| credential.backup_state),
        removable,
        vouchable,
        disownable,
        this_device: None,
    }
}

fn line<T>(
    app: &App,
    browser: &Browser<T>,
    row: &counterfoil_store::DecisionRecord,
    record: &Record,
) -> me::DecisionLine {
    let lang = browser.visit.lang.tag();
    let reasons = &record.answer.grounds.reason_user;
    let directory = app.directory.load();
    me::DecisionLine {
        id: row.id,
        at: row.at,
        action: record.input.action.clone(),
        resource: Resource { kind: record.input.resource.kind.clone(), id: record.input.resource.id.clone() },
        client: record
            .input
            .client_id
            .as_deref()
            .map(|id| directory.client(id).map_or(id, |client| client.name(lang)).to_owned()),
        outcome: record.answer.outcome,
        tier: record.answer.grounds.tier.unwrap_or(Tier::Low),
        reason: reasons.get(lang).or_else(|| reasons.get("en")).cloned().unwrap_or_default(),
    }
}

/// What became of a decision that asked for a confirmation.
async fn confirmation<T>(
    app: &App,
    browser: &Browser<T>,
    row: &counterfoil_store::DecisionRecord,
    record: &Record,
) -> Result<Option<me::Confirmation>, Problem> {
    use counterfoil_core::{
        audit::event::ReportedOutcome,
        challenge::{Challenge, ChallengeState},
    };
    if record.answer.outcome != Outcome::StepUp || record.answer.txn_digest.is_none() {
        return Ok(None);
    }
    let Some(found) = app.store.challenge_of_decision(browser.session.id, row.id).await? else { return Ok(None) };
    let challenge: Challenge = found.body.read().map_err(Problem::internal)?;
    let spent = app.store.redemption(challenge.id()).await?;
    let (at, outcome) = match challenge.state() {
        ChallengeState::Proven { at, .. } => {
            let outcome = match spent.map(|redemption| redemption.outcome) {
                Some(Some(ReportedOutcome::Executed)) => me::Followed::Executed,
                Some(Some(ReportedOutcome::Failed)) => me::Followed::Failed,
                Some(None) => me::Followed::Redeemed,
                None => me::Followed::Unused,
            };
            (*at, outcome)
        }
        ChallengeState::Refused { at, alarm: true } => (*at, me::Followed::Alarm),
        ChallengeState::Refused { at, alarm: false } => (*at, me::Followed::Refused),
        _ => return Ok(None),
    };
    let text = challenge.opening().display_text.clone().unwrap_or_default();
    let signed = matches!(challenge.state(), ChallengeState::Proven { assertion: Some(_), .. });
    let client = line(app, browser, row, record).client.unwrap_or_else(|| "Counterfoil".to_owned());
    Ok(Some(me::Confirmation {
        evidence_url: signed.then(|| format!("/me/confirmations/{}/evidence", challenge.id())),
        counterfoil: counterfoil(challenge.id()),
        at,
        title: text.lines().next().unwrap_or_default().to_owned(),
        client,
        text,
        outcome,
    }))
}
