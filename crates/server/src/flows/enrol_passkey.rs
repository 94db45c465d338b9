//! A person adds a passkey. What it will ever prove is bounded by what was shown when it was bound (DESIGN §4, "Ceiling").
//!
//! The registration library draws the challenge and judges the attestation; our own parser looks first at type, origin and
//! frame, which the library takes less strictly.

use super::{
    authorize::actor,
    decide, notify,
    open_challenge::{self, Opening, open_challenge},
    own_account::shown,
    own_action,
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
    assurance::{Acr, Method},
    audit::event::EventKind,
    authenticator::webauthn::{Credential, RegistrationResponse, check_registration, parse_attestation_object},
    challenge::Challenge,
    digest::Digest,
    enrolled::{Enrolled, EnrolledState, Rest},
    evidence::Evidence,
    id::{AuthenticatorId, ChallengeId},
    limits,
    statement::Purpose,
    subject::Subject,
    time::Time,
};
use counterfoil_store::{Invitation, InvitationState, Tx};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::time::Duration;
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
    worth: Worth,
}

/// What a passkey bound now is worth, and what it may rise to by resting.
#[derive(Clone, Copy, Serialize, Deserialize)]
struct Worth {
    ceiling: Acr,
    rest: Option<Rest>,
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

/// The action that this is for who never had, or had, a phishing-resistant authenticator.
fn action(subject: &Subject) -> &'static str {
    if subject.has_had_phishing_resistant() { "authenticator.enrol" } else { "authenticator.enrol_first" }
}

/// On what grounds somebody enrols.
pub(super) struct Grounds<'a> {
    /// What the session has shown; nothing where an invitation alone leads here.
    pub evidence: &'a Evidence,
    /// What policy said; nothing where whoever invited has decided.
    pub decided: Option<&'a decide::Decided>,
    /// Who invites, where it stands on the page.
    pub kind: Option<enrol::InitKind>,
}

/// The policy allows it, and the ceremony is opened: what the browser is asked to make.
pub async fn begin<T>(app: &App, browser: &Browser<T>) -> Result<enrol::Enrol, Problem> {
    let signed_in = browser.signed_in().map_err(|problem| problem.next("/sign-in?to=/me/passkey"))?;
    app.facts.people.invalidate(&signed_in.subject);
    let person = decide::person(app, signed_in.subject).await?.ok_or_else(|| Problem::new(Kind::SESSION_ENDED))?;
    let subject = &person.subject;
    let resource = subject.id.to_string();
    let decided =
        own_action::require(app, browser, action(subject), (own_action::PERSON, &resource), "/me/passkey").await?;
    let grounds = Grounds { evidence: &signed_in.evidence, decided: Some(&decided), kind: None };
    offer(app, browser, &person, grounds).await
}

/// Opens the ceremony.
pub(super) async fn offer<T>(
    app: &App,
    browser: &Browser<T>,
    person: &Person,
    grounds: Grounds<'_>,
) -> Result<enrol::Enrol, Problem> {
    let (now, subject) = (browser.visit.now, &person.subject);
    let passkeys = person.authenticators.iter().filter(|a| a.is_active()).filter_map(decide::credential);
    let known: Vec<Credential> = passkeys.collect();
    if person.authenticators.len() >= limits::AUTHENTICATORS_PER_SUBJECT {
        return Err(Problem::new(Kind::ENROLMENT_REFUSED).with("reason", "too many authenticators"));
    }
    let invitation = invitation(app, browser, subject).await?;
    let worth = worth(grounds.evidence, invitation.as_ref(), now);
    let (options, state) = ask(app, subject, &known)?;
    let drawn = options.pointer("/challenge").and_then(Value::as_str).unwrap_or_default().to_owned();
    let bytes = decode(&drawn)?;
    let pending = Pending { state, challenge: drawn, worth };
    let opening = Opening {
        purpose: Purpose::Enrolment,
        session: &browser.session,
        subject: Some(subject.id),
        decision: grounds.decided.map(|decided| decided.id),
        input: grounds.decided.map(|decided| &decided.input),
        tier: grounds.decided.and_then(|decided| decided.decision.grounds().tier),
        transaction: None,
        requirement: None,
        asked: vec![Method::Passkey],
        request: None,
        registration: Some(serde_json::to_value(&pending).map_err(Problem::internal)?),
        registration_challenge: Some(Digest::of(&bytes)),
        return_to: None,
        lang: browser.visit.lang,
        now,
    };
    let mut tx = Tx::new(now);
    let (challenge, event) = open_challenge(app, &mut tx, opening, None)?;
    tx.commit(&app.store, event).await?;
    Ok(enrol::Enrol {
        kind: grounds.kind,
        person: named(subject),
        creation_options: options,
        challenge: challenge.to_string(),
        ceiling: worth.ceiling,
        rises_at: worth.rest.map(|rest| rest.until),
        rises_to: worth.rest.map(|rest| rest.acr),
        invitation: invitation.is_some_and(|invitation| matches!(invitation.state, InvitationState::Declared {})),
        window: Window { now, expires_at: now.plus_seconds(limits::CHALLENGE_SECONDS) },
    })
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

/// min(its kind, the evidence of the ceremony that binds it), unless somebody vouches. What codes alone have bound may
/// rise once a notice has been out for the rest period and nobody disowned it.
fn worth(evidence: &Evidence, invitation: Option<&Invitation>, now: Time) -> Worth {
    let shown = evidence.acr(now).unwrap_or(Acr::Aal1).min(Acr::Phr);
    let ceiling = shown.max(invitation.map_or(Acr::Aal1, |invitation| invitation.ceiling.min(Acr::Phr)));
    let rest =
        (ceiling < Acr::Phr).then(|| Rest { acr: Acr::Phr, until: now.plus_seconds(limits::CEILING_REST_SECONDS) });
    Worth { ceiling, rest }
}

/// What the browser is asked for: discoverable, user-verifying, of an algorithm that we verify ourselves.
fn ask(app: &App, subject: &Subject, known: &[Credential]) -> Result<(Value, RegistrationState), Problem> {
    let username = subject.usernames.first().cloned().unwrap_or_default();
    let exclude = known.iter().map(|credential| decode(&credential.id)).collect::<Result<_, _>>()?;
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
    Ok((options, state))
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
    let label = label(name)?;
    let record = app.store.challenge(id).await?.ok_or_else(|| Problem::new(Kind::EXPIRED))?;
    let challenge: Challenge = serde_json::from_value(record.body.clone()).map_err(Problem::internal)?;
    let own = challenge.opening().session == browser.session.id
        && challenge.statement().purpose == Purpose::Enrolment
        && signed_in.is_none_or(|signed_in| challenge.statement().signer == Some(signed_in.subject));
    let Some(whose) = challenge.statement().signer.filter(|_| own) else {
        return Err(Problem::new(Kind::OTHER_DEVICE));
    };
    if !challenge.is_open(now) {
        return Err(Problem::new(Kind::EXPIRED));
    }
    let pending = challenge.opening().registration.clone().unwrap_or_default();
    let pending: Pending = serde_json::from_value(pending).map_err(Problem::internal)?;
    let (ceremony, credential) = judge(app, &pending, response)?;
    let subject = app.store.subject(whose).await?.ok_or_else(|| Problem::new(Kind::EXPIRED))?;
    let invitation = invitation(app, browser, &subject).await?;
    // The first is worth what it is because there was none before: that must still be so.
    match challenge.statement().action.as_deref() {
        Some(allowed) if signed_in.is_some() && allowed == action(&subject) => {}
        None if invitation.is_some() && !subject.has_had_phishing_resistant() => {}
        _ => return Err(Problem::new(Kind::CONFLICT)),
    }
    let enrolled = Enrolled {
        id: AuthenticatorId::new(now, app.random.id()),
        subject: subject.id,
        method: Method::Passkey,
        label,
        state: EnrolledState::Active {},
        ceiling: pending.worth.ceiling,
        rest: pending.worth.rest,
        bound_by: signed_in.map(|signed_in| signed_in.login),
        bound_at: now,
        last_used_at: None,
        series: 0,
        handle: Some(credential.id.clone()),
        public: serde_json::to_value(&credential).map_err(Problem::internal)?,
        secret: None,
        version: 0,
    };
    let registered =
        challenge.register(ceremony, enrolled.id, now).map_err(|_| Problem::new(Kind::ENROLMENT_REFUSED))?;
    let mut tx = Tx::new(now);
    tx.require_session(&browser.session).require_active(subject.id);
    tx.change_challenge(&open_challenge::record(&registered, record.version)?);
    tx.enrol_authenticator(&enrolled);
    tx.change_subject(&subject, &subject.clone().having_had(enrolled.ceiling));
    if let Some(invitation) = invitation {
        tx.accept_invitation(&invitation);
        let (invitation, ceiling) = (invitation.id, invitation.ceiling);
        let kind = EventKind::InvitationChanged { invitation, subject: subject.id, ceiling, used: true };
        tx.also(app.event(now, actor(browser), kind));
    }
    let notices = notify::enrolled(app, &mut tx, &enrolled, now).await?;
    let told = u32::try_from(notices.len()).unwrap_or(u32::MAX);
    for notice in notices {
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
        vouched_by: Vec::new(),
    };
    match tx.commit(&app.store, app.event(now, actor(browser), kind)).await {
        Ok(_) => {}
        Err(error) if error.spent().is_some_and(|key| key.starts_with("handle:")) => {
            return Err(Problem::new(Kind::ALREADY_ENROLLED));
        }
        Err(error) => return Err(Problem::from(error)),
    }
    app.facts.people.invalidate(&subject.id);
    Ok(enrol::Enrolled { authenticator: shown(&enrolled, now), told })
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

/// What the person calls it: shown on pages and in mails, so it keeps the string profile.
fn label(name: &str) -> Result<String, Problem> {
    let trimmed = name.trim();
    if trimmed.is_empty() {
        return Ok("Passkey".to_owned());
    }
    counterfoil_core::text::check(trimmed, 40)
        .map(|_| trimmed.to_owned())
        .map_err(|error| Problem::new(Kind::INVALID_REQUEST).pointer("/name").detail(error.to_string()))
}
