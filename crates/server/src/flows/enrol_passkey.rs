//! A person adds a passkey. What it will ever prove is bounded by what was shown when it was bound (DESIGN §4, "Ceiling").
//!
//! The registration library draws the challenge and judges the attestation; our own parser looks first at type, origin and
//! frame, which the library takes less strictly.

use super::{
    authorize::actor,
    decide, notify,
    open_challenge::{self, Opening, open_challenge},
    own_account::shown,
    own_action::{self, Standing},
    sign_in::named,
};
use crate::{
    app::App,
    browser::Browser,
    facts::Person,
    page::{Window, enrol},
    problem::{Kind, Problem},
};
use counterfoil_core::{
    assurance::Method,
    audit::event::{EventKind, ReportedOutcome},
    authenticator::webauthn::{Credential, RegistrationResponse, check_registration, parse_attestation_object},
    challenge::Challenge,
    digest::Digest,
    enrolled::{DisabledWhy, Enrolled, EnrolledState, Rest},
    evidence::Evidence,
    id::{AuthenticatorId, ChallengeId, InvitationId, SubjectId},
    limits,
    policy::Pack,
    statement::Purpose,
    subject::Subject,
    time::Time,
    vouch::Worth,
};
use counterfoil_store::{ChallengeRecord, Invitation, InvitationState, Tx};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};
use webauthn_rs_core::{
    WebauthnCore,
    proto::{
        AttestationConveyancePreference, COSEAlgorithm, RegisterPublicKeyCredential, RegistrationState,
        UserVerificationPolicy,
    },
};

/// What the library must see again, with the challenge that it drew and what the passkey will be worth.
#[derive(Serialize, Deserialize)]
struct Pending {
    state: RegistrationState,
    challenge: String,
    options: Value,
    worth: Worth,
    /// The invitation that this worth rests on: exactly that one is used up.
    invitation: Option<InvitationId>,
    /// The confirmation that it rests on.
    confirmed: Option<ByOlder>,
}

/// An older passkey has vouched, by signing that one of this name is added.
#[derive(Clone, Serialize, Deserialize)]
struct ByOlder {
    txn: ChallengeId,
    voucher: AuthenticatorId,
    name: String,
}

/// What the page is told: what to make, or that the present passkey comes first.
pub enum Begun {
    /// The browser is to make this one.
    Make(Box<enrol::Enrol>),
    /// A name is needed, and then the confirmation by a present passkey.
    NameFirst(enrol::NameFirst),
}

fn library(app: &App) -> Result<WebauthnCore, Problem> {
    let origin = url::Url::parse(app.issuer.origin()).map_err(Problem::internal)?;
    let seconds = Duration::from_secs(limits::CHALLENGE_SECONDS.unsigned_abs());
    let library = WebauthnCore::new_unsafe_experts_only(
        "Counterfoil",
        &app.config.rp_id(),
        vec![origin],
        seconds,
        Some(false),
        Some(false),
    );
    Ok(library)
}

/// The first passkey, or a further one by the present one's word. `name` is what the further one is to be called, `confirmed`
/// the transaction that says so, once it has been signed.
pub async fn begin<T>(
    app: &App,
    browser: &Browser<T>,
    name: Option<&str>,
    confirmed: Option<ChallengeId>,
    back: &str,
) -> Result<Begun, Problem> {
    let signed_in = browser.signed_in().map_err(|problem| problem.next(own_action::leading("/sign-in", back)))?;
    app.facts.forget_person(signed_in.subject);
    let person = decide::person(app, signed_in.subject).await?.ok_or_else(|| Problem::new(Kind::SESSION_ENDED))?;
    let subject = &person.subject;
    let resource = subject.id.to_string();
    if !decide::ever_had_passkey(&person) {
        let decided =
            own_action::require(app, browser, "authenticator.enrol_first", (own_action::PERSON, &resource), back)
                .await?;
        let grounds = Grounds { evidence: &signed_in.evidence, decided: Some(&decided), kind: None };
        return offer(app, browser, &person, grounds).await.map(|made| Begun::Make(Box::new(made)));
    }
    let Some(txn) = confirmed else {
        let Some(name) = name else {
            return Ok(Begun::NameFirst(enrol::NameFirst {
                name_first: true,
                person: named(subject),
                now: browser.visit.now,
            }));
        };
        let transaction = json!({
            "type": "authenticator_enrol",
            "resource": {"type": own_action::PERSON, "id": resource},
            "method": Method::Passkey,
            "name": label(name)?,
        });
        let resource = (own_action::PERSON, resource.as_str());
        return Err(own_action::lodge(app, browser, "authenticator.enrol", resource, transaction, back).await?);
    };
    further(app, browser, &person, txn).await.map(|made| Begun::Make(Box::new(made)))
}

/// On what grounds somebody makes a first passkey.
pub(super) struct Grounds<'a> {
    /// What the session has shown; nothing where an invitation alone leads here.
    pub evidence: &'a Evidence,
    /// What policy said; nothing where whoever invited has decided.
    pub decided: Option<&'a decide::Decided>,
    /// Who invites, where it stands on the page.
    pub kind: Option<enrol::InitKind>,
}

/// Opens the ceremony of a first passkey.
pub(super) async fn offer<T>(
    app: &App,
    browser: &Browser<T>,
    person: &Person,
    grounds: Grounds<'_>,
) -> Result<enrol::Enrol, Problem> {
    let (now, subject) = (browser.visit.now, &person.subject);
    open_challenge::room(app, browser).await?;
    let invitation = invitation(app, browser, subject).await?;
    let worth = match &invitation {
        Some(invitation) => Worth::vouched(invitation.ceiling, now),
        None => Worth::of_session(grounds.evidence, now),
    };
    let pending = ask(app, person, worth, invitation.as_ref().map(|invitation| invitation.id), None)?;
    let pack = grounds.decided.map_or_else(|| app.pack.load_full(), |decided| Arc::clone(&decided.pack));
    let opening = Opening {
        subject: Some(subject.id),
        tier: grounds.decided.and_then(|decided| decided.decision.grounds().tier),
        ..opening(browser, &pack, grounds.decided, &pending)?
    };
    let mut tx = Tx::new(now);
    let (challenge, event) = open_challenge(app, &mut tx, opening, None)?;
    tx.commit(&app.store, event).await?;
    let declared = invitation.is_some_and(|invitation| matches!(invitation.state, InvitationState::Declared {}));
    Ok(enrol::Enrol { kind: grounds.kind, invitation: declared, ..shown_to(subject, challenge, pending, now) })
}

/// A further passkey: the confirmation is spent for one ceremony. Whoever asks again gets the same one.
async fn further<T>(
    app: &App,
    browser: &Browser<T>,
    person: &Person,
    txn: ChallengeId,
) -> Result<enrol::Enrol, Problem> {
    let now = browser.visit.now;
    let answer = match own_action::confirmed(app, browser, txn, &["authenticator.enrol"]).await? {
        Standing::Done(answer) => answer,
        Standing::Fresh(confirmed) => {
            let by_older =
                ByOlder { txn, voucher: confirmed.proof().authenticator, name: confirmed.signed("name")?.to_owned() };
            let worth = Worth::vouched(confirmed.proof().ceiling, now);
            let pending = ask(app, person, worth, None, Some(by_older))?;
            let mut tx = Tx::new(now);
            let decided = confirmed.decided();
            let opening = opening(browser, &decided.pack, Some(decided), &pending)?;
            let (ceremony, event) = open_challenge(app, &mut tx, opening, None)?;
            let answer = json!({"outcome": "spent", "ceremony": ceremony});
            tx.require_authenticator(confirmed.proof().authenticator);
            confirmed.spend(app, browser, &mut tx, &answer, false)?;
            match tx.commit(&app.store, event).await {
                Ok(_) => answer,
                Err(error) => own_action::lost(app, txn, error).await?,
            }
        }
    };
    let ceremony = answer.get("ceremony").and_then(Value::as_str).and_then(|id| id.parse().ok());
    let ceremony: ChallengeId = ceremony.ok_or_else(|| Problem::internal("a spent enrolment has no ceremony"))?;
    let (challenge, _, pending) = stored(app, browser, ceremony).await?;
    Ok(shown_to(&person.subject, challenge.id(), pending, now))
}

/// The ceremony, for this person in this session; or for whom an invitation is, in the session that brought it.
async fn stored<T>(
    app: &App,
    browser: &Browser<T>,
    id: ChallengeId,
) -> Result<(Challenge, ChallengeRecord, Pending), Problem> {
    let record = app.store.challenge(id).await?.ok_or_else(|| Problem::new(Kind::EXPIRED))?;
    let challenge: Challenge = record.body.read().map_err(Problem::internal)?;
    let own = challenge.opening().session == browser.session.id
        && challenge.statement().purpose == Purpose::Enrolment
        && match browser.session.signed_in() {
            Some(signed_in) => challenge.statement().signer == Some(signed_in.subject),
            // Nobody has decided but who invited.
            None => challenge.statement().decision_id.is_none(),
        };
    if !own {
        return Err(Problem::new(Kind::OTHER_DEVICE));
    }
    if !challenge.is_open(browser.visit.now) {
        return Err(Problem::new(Kind::EXPIRED));
    }
    let pending = challenge.opening().registration.clone().unwrap_or_default();
    let pending: Pending = serde_json::from_value(pending).map_err(Problem::internal)?;
    if challenge.statement().decision_id.is_none() && pending.invitation.is_none() {
        return Err(Problem::internal("an enrolment that neither policy nor an invitation allows"));
    }
    Ok((challenge, record, pending))
}

fn opening<'a, T>(
    browser: &'a Browser<T>,
    pack: &'a Pack,
    decided: Option<&'a decide::Decided>,
    pending: &Pending,
) -> Result<Opening<'a>, Problem> {
    Ok(Opening {
        decision: decided.map(|decided| decided.id),
        input: decided.map(|decided| &decided.input),
        registration: Some(serde_json::to_value(pending).map_err(Problem::internal)?),
        registration_challenge: Some(Digest::of(&decode(&pending.challenge)?)),
        ..Opening::new(browser, Purpose::Enrolment, pack)
    })
}

fn shown_to(subject: &Subject, challenge: ChallengeId, pending: Pending, now: Time) -> enrol::Enrol {
    let worth = pending.worth;
    enrol::Enrol {
        kind: None,
        person: named(subject),
        creation_options: pending.options,
        challenge: challenge.to_string(),
        ceiling: worth.ceiling,
        rises_at: worth.rest.map(|rest| rest.until),
        rises_to: worth.rest.map(|rest| rest.acr),
        invitation: pending.invitation.is_some(),
        name: pending.confirmed.map(|by_older| by_older.name),
        window: Window { now, expires_at: now.plus_seconds(limits::CHALLENGE_SECONDS) },
    }
}

/// An invitation that vouches for what this browser makes, if it has not been used. A link that somebody else holds, or
/// that another browser brought, vouches for nothing here: else a relayed sign-in would be worth as much as the link.
pub(super) async fn invitation<T>(
    app: &App,
    browser: &Browser<T>,
    subject: &Subject,
) -> Result<Option<Invitation>, Problem> {
    for invitation in app.store.invitations_of(subject.id).await? {
        if invitation.vouches_for(&browser.session.key_thumbprint, browser.visit.now)
            && !app.store.is_invitation_used(invitation.id).await?
        {
            return Ok(Some(invitation));
        }
    }
    Ok(None)
}

/// What the browser is asked for: discoverable, user-verifying, of an algorithm that we verify ourselves.
fn ask(
    app: &App,
    person: &Person,
    worth: Worth,
    invitation: Option<InvitationId>,
    confirmed: Option<ByOlder>,
) -> Result<Pending, Problem> {
    let subject = &person.subject;
    let username = subject.usernames.first().cloned().unwrap_or_default();
    let known = person.authenticators.iter().filter(|one| one.is_active()).filter_map(decide::credential);
    let exclude = known.map(|credential| decode(&credential.id)).collect::<Result<_, _>>()?;
    // What is off for ever takes nobody's place: else whoever may add and disown would fill all of them.
    let in_the_way = |one: &&Enrolled| match one.state {
        EnrolledState::Removed { .. } | EnrolledState::Contained { .. } => false,
        EnrolledState::Disabled { why, .. } => why != DisabledWhy::Disowned,
        EnrolledState::Active {} => true,
    };
    let since = app.now().plus_seconds(-limits::ENROLMENT_WINDOW_SECONDS);
    let by_codes = invitation.is_none() && confirmed.is_none();
    let lately =
        person.authenticators.iter().filter(|one| one.method == Method::Passkey && one.bound_at > since).count();
    if person.authenticators.iter().filter(in_the_way).count() >= limits::AUTHENTICATORS_PER_SUBJECT
        || (by_codes && lately >= limits::ENROLMENTS_PER_WINDOW)
    {
        return Err(Problem::new(Kind::ENROLMENT_REFUSED).with("reason", "too many authenticators"));
    }
    let library = library(app)?;
    let builder = library
        .new_challenge_register_builder(subject.id.as_bytes(), &username, &subject.name)
        .map_err(Problem::internal)?
        .attestation(AttestationConveyancePreference::None)
        .user_verification_policy(UserVerificationPolicy::Required)
        .credential_algorithms(vec![COSEAlgorithm::ES256, COSEAlgorithm::EDDSA, COSEAlgorithm::RS256])
        .require_resident_key(true)
        .exclude_credentials(Some(exclude));
    let (options, state) = library.generate_challenge_register(builder).map_err(Problem::internal)?;
    let options = serde_json::to_value(options.public_key).map_err(Problem::internal)?;
    let challenge = options.pointer("/challenge").and_then(Value::as_str).unwrap_or_default().to_owned();
    Ok(Pending { state, challenge, options, worth, invitation, confirmed })
}

fn decode(text: &str) -> Result<Vec<u8>, Problem> {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    URL_SAFE_NO_PAD.decode(text).map_err(Problem::internal)
}

/// The browser has made a passkey: it is judged, bound and told at every address.
pub async fn finish<T>(
    app: &App,
    browser: &Browser<T>,
    id: ChallengeId,
    response: Value,
    name: &str,
) -> Result<enrol::Enrolled, Problem> {
    let now = browser.visit.now;
    let signed_in = browser.session.signed_in();
    let (challenge, record, pending) = stored(app, browser, id).await?;
    let label = match &pending.confirmed {
        Some(by_older) => by_older.name.clone(),
        None => label(name)?,
    };
    let (ceremony, credential) = judge(app, &pending, response)?;
    let whose = challenge.statement().signer.ok_or_else(|| Problem::internal("an enrolment that is nobody's"))?;
    app.facts.forget_person(whose);
    let person = decide::person(app, whose).await?.ok_or_else(|| Problem::new(Kind::SESSION_ENDED))?;
    let subject = &person.subject;
    // The first is worth what it is because there was none before: that must still be so.
    if pending.confirmed.is_none() && decide::ever_had_passkey(&person) {
        return Err(Problem::new(Kind::CONFLICT));
    }
    let mut tx = Tx::new(now);
    let enrolled = Enrolled {
        id: AuthenticatorId::new(now, app.random.id()),
        subject: subject.id,
        method: Method::Passkey,
        label,
        state: EnrolledState::Active {},
        ceiling: pending.worth.ceiling,
        rest: None,
        bound_by: signed_in.map(|signed_in| signed_in.login),
        bound_at: now,
        last_used_at: None,
        series: 0,
        handle: Some(credential.id.clone()),
        public: serde_json::to_value(&credential).map_err(Problem::internal)?,
        secret: None,
        version: 0,
    };
    let told = notify::enrolled(app, &mut tx, &enrolled, pending.worth.rest.is_some(), now).await?;
    // It rests from the moment at which its owner was told, who may then disown it: now, or when the mail is delivered.
    let rest = pending.worth.told(told.delivered).rest;
    let rest = rest.map(|rest| Rest { until: now.plus_seconds(limits::CEILING_REST_SECONDS), ..rest });
    let enrolled = Enrolled { rest, ..enrolled };
    let registered =
        challenge.register(ceremony, enrolled.id, now).map_err(|_| Problem::new(Kind::ENROLMENT_REFUSED))?;
    tx.require_session(&browser.session).require_active(subject.id);
    tx.change_challenge(&open_challenge::record(&registered, record.version)?);
    tx.enrol_authenticator(&enrolled);
    tx.change_subject(subject, &subject.clone().having_had(enrolled.ceiling));
    use_invitation(app, browser, &mut tx, subject.id, &pending).await?;
    let vouched_by = report(app, browser, &mut tx, &pending).await?;
    let addresses = u32::try_from(told.events.len()).unwrap_or(u32::MAX);
    for notice in told.events {
        tx.also(notice);
    }
    let kind = EventKind::AuthenticatorEnrolled {
        authenticator: enrolled.id,
        subject: subject.id,
        method: Method::Passkey,
        ceiling: enrolled.ceiling,
        credential: Some(credential.digest().map_err(Problem::internal)?),
        attestation: credential.attestation.as_ref().map(|attestation| attestation.digest),
        login: signed_in.map(|signed_in| signed_in.login),
        vouched_by,
    };
    match tx.commit(&app.store, app.event(now, actor(browser), kind)).await {
        Ok(_) => {}
        Err(error) if error.spent().is_some_and(|key| key.starts_with("handle:")) => {
            return Err(Problem::new(Kind::ALREADY_ENROLLED));
        }
        Err(error) => return Err(Problem::from(error)),
    }
    app.facts.forget_person(subject.id);
    let authenticator = shown(&enrolled, std::slice::from_ref(&enrolled), now);
    Ok(enrol::Enrolled { authenticator, told: addresses })
}

/// Uses up exactly the invitation that the worth was taken from.
async fn use_invitation<T>(
    app: &App,
    browser: &Browser<T>,
    tx: &mut Tx,
    subject: SubjectId,
    pending: &Pending,
) -> Result<(), Problem> {
    let Some(id) = pending.invitation else { return Ok(()) };
    let (key, now) = (&browser.session.key_thumbprint, browser.visit.now);
    let found = app.store.invitations_of(subject).await?.into_iter().find(|invitation| invitation.id == id);
    let invitation = found.filter(|found| found.vouches_for(key, now)).ok_or_else(|| Problem::new(Kind::CONFLICT))?;
    tx.accept_invitation(&invitation);
    let ceiling = invitation.ceiling;
    let kind = EventKind::InvitationChanged { invitation: id, subject, ceiling, used: true };
    tx.also(app.event(browser.visit.now, actor(browser), kind));
    Ok(())
}

/// What was confirmed is done. Gives who vouched, who must still be in use.
async fn report<T>(
    app: &App,
    browser: &Browser<T>,
    tx: &mut Tx,
    pending: &Pending,
) -> Result<Vec<AuthenticatorId>, Problem> {
    let Some(ByOlder { txn, voucher, .. }) = pending.confirmed else { return Ok(Vec::new()) };
    tx.require_authenticator(voucher);
    let redemption = app.store.redemption(txn).await?;
    let redemption = redemption.ok_or_else(|| Problem::internal("a ceremony rests on a confirmation not spent"))?;
    tx.report_outcome(&redemption, ReportedOutcome::Executed);
    let kind = EventKind::OutcomeReported {
        challenge: txn,
        redemption: Digest::of(redemption.redemption_id.as_bytes()),
        outcome: ReportedOutcome::Executed,
    };
    tx.also(app.event(browser.visit.now, actor(browser), kind));
    Ok(vec![voucher])
}

/// Our own look at type, origin and frame; then the library's at the rest; then the credential as our verifier will use it.
fn judge(
    app: &App,
    pending: &Pending,
    response: Value,
) -> Result<(counterfoil_core::authenticator::webauthn::RegistrationCeremony, Credential), Problem> {
    let refused = |error: &dyn std::fmt::Display| {
        tracing::info!(%error, "a registration was refused");
        Problem::new(Kind::ENROLMENT_REFUSED)
    };
    let ours = RegistrationResponse::from_json(response.clone()).map_err(|error| refused(&error))?;
    let ceremony = check_registration(&ours.client_data_json, &decode(&pending.challenge)?, app.issuer.origin())
        .map_err(|error| refused(&error))?;
    let theirs: RegisterPublicKeyCredential = serde_json::from_value(response).map_err(|error| refused(&error))?;
    library(app)?.register_credential(&theirs, &pending.state, None).map_err(|error| refused(&error))?;
    let object = parse_attestation_object(&ours.attestation_object).map_err(|error| refused(&error))?;
    let credential = object.credential(&app.config.rp_id(), true, ours.transports).map_err(|error| refused(&error))?;
    Ok((ceremony, credential))
}

/// What the person calls it: shown on pages and in mails, so it keeps the string profile, and is nothing that a mail program
/// makes a link of.
fn label(name: &str) -> Result<String, Problem> {
    let trimmed = name.trim();
    if trimmed.is_empty() {
        return Ok("Passkey".to_owned());
    }
    let invalid = |why: String| Problem::new(Kind::INVALID_REQUEST).pointer("/name").detail(why);
    let plain = |c: char| c.is_alphanumeric() || " -_'’()+#&,.".contains(c);
    let dotted = trimmed.split('.').skip(1).any(|part| part.starts_with(char::is_alphanumeric));
    if !trimmed.chars().all(plain) || dotted {
        return Err(invalid("a name has letters, digits, spaces and few signs".to_owned()));
    }
    counterfoil_core::text::check(trimmed, 40).map(|_| trimmed.to_owned()).map_err(|error| invalid(error.to_string()))
}
