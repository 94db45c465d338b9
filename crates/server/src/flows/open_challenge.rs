//! A challenge is opened: its statement is committed and logged before anything of it is shown (DESIGN §5).

use super::decide::{self, Decided};
use crate::{
    app::App,
    browser::Browser,
    page::Lang,
    problem::{Kind, Problem},
};
use counterfoil_core::{
    assurance::{Method, Tier},
    audit::event::{Event, EventKind},
    authenticator::webauthn::Credential,
    challenge::{self, Challenge},
    decision::{DecisionInput, StepUp},
    digest::Digest,
    id::{AuthenticatorId, ChallengeId, DecisionId, SubjectId},
    limits,
    policy::Pack,
    requirement::Requirement,
    session::Session,
    statement::{Displayed, Initiator, Nonce, Purpose, ResourceRef, SignerRole, Statement},
    time::Time,
    transaction::Transaction,
};
use counterfoil_oauth::authorize::AuthorizationRequest;
use counterfoil_store::{Body, ChallengeRecord, Tx};
use serde_json::{Value, json};

/// What a challenge is to be about.
pub struct Opening<'a> {
    /// What the answer is for.
    pub purpose: Purpose,
    /// The pack that asked, which the statement names and which shows the transaction.
    pub pack: &'a Pack,
    /// The session that it belongs to.
    pub session: &'a Session,
    /// Who answers, where that is known.
    pub subject: Option<SubjectId>,
    /// The decision that asked.
    pub decision: Option<DecisionId>,
    /// What that decision depended on.
    pub input: Option<&'a DecisionInput>,
    /// What the action is worth.
    pub tier: Option<Tier>,
    /// The transaction.
    pub transaction: Option<&'a Transaction>,
    /// Exactly what is asked.
    pub requirement: Option<&'a Requirement>,
    /// The methods that may answer.
    pub asked: Vec<Method>,
    /// The client's request that the answer goes back to.
    pub request: Option<&'a AuthorizationRequest>,
    /// At an enrolment: what the registration library must see again, and the challenge that it drew.
    pub registration: Option<serde_json::Value>,
    /// SHA-256 of that challenge.
    pub registration_challenge: Option<Digest>,
    /// The page of ours that the answer goes back to.
    pub return_to: Option<String>,
    /// In which language it is shown.
    pub lang: Lang,
    /// Now.
    pub now: Time,
}

impl<'a> Opening<'a> {
    /// About the person of this session, if it is anybody's, to be answered with a passkey. The rest is nothing.
    pub fn new<T>(browser: &'a Browser<T>, purpose: Purpose, pack: &'a Pack) -> Self {
        Self {
            purpose,
            pack,
            session: &browser.session,
            subject: browser.session.signed_in().map(|signed_in| signed_in.subject),
            decision: None,
            input: None,
            tier: None,
            transaction: None,
            requirement: None,
            asked: vec![Method::Passkey],
            request: None,
            registration: None,
            registration_challenge: None,
            return_to: None,
            lang: browser.visit.lang,
            now: browser.visit.now,
        }
    }

    /// Exactly what a decision asks for; `purpose` says whether of its transaction or of the person alone. `opens` is the
    /// decision that opens it: this one, or the one that it made again.
    pub fn asked<T>(
        browser: &'a Browser<T>,
        purpose: Purpose,
        opens: Option<DecisionId>,
        decided: &'a Decided,
        step_up: &'a StepUp,
    ) -> Self {
        Self {
            decision: opens,
            input: Some(&decided.input),
            tier: step_up.grounds.tier,
            transaction: step_up.transaction.as_ref().filter(|_| purpose == Purpose::Transaction),
            requirement: Some(&step_up.requirement),
            asked: vec![step_up.requirement.method],
            ..Self::new(browser, purpose, &decided.pack)
        }
    }
}

/// Is there room for another challenge of this session? Those that come at once may be a few more than the limit; what was
/// answered or is over does not count.
pub async fn room<T>(app: &App, browser: &Browser<T>) -> Result<(), Problem> {
    let (open, first) = app.store.open_challenges(browser.session.id, browser.visit.now).await?;
    if open < limits::CHALLENGES_PER_SESSION {
        return Ok(());
    }
    let left = first.map_or(limits::CHALLENGE_SECONDS, |ends| ends.seconds_since(browser.visit.now));
    Err(Problem::new(Kind::TOO_MANY_OPEN).with("retry_after_seconds", left.max(1)))
}

/// Adds a challenge to a unit. `pushed` is the request that it consumes. Returns its identifier and the event.
pub fn open_challenge(
    app: &App,
    tx: &mut Tx,
    opening: Opening<'_>,
    pushed: Option<&str>,
) -> Result<(ChallengeId, Event), Problem> {
    let id = ChallengeId::new(opening.now, app.random.id());
    let challenge = build(app, id, &opening)?;
    tx.open_challenge(&record(&challenge, 0)?);
    let kind = opened(&challenge, pushed)?;
    let actor = match opening.session.signed_in() {
        Some(signed_in) => counterfoil_core::audit::event::Actor::Subject {
            subject: signed_in.subject,
            session: Some(opening.session.id),
        },
        None => counterfoil_core::audit::event::Actor::Anonymous { session: Some(opening.session.id) },
    };
    Ok((id, app.event(opening.now, actor, kind)))
}

fn build(app: &App, id: ChallengeId, opening: &Opening<'_>) -> Result<Challenge, Problem> {
    let pack = opening.pack;
    let display = opening.transaction.and_then(|transaction| pack.render(transaction, opening.lang.tag()));
    let input = opening.input;
    let statement = Statement {
        purpose: opening.purpose,
        issuer: app.issuer.as_str().to_owned(),
        rp_id: app.config.rp_id(),
        origin: app.issuer.origin().to_owned(),
        challenge_id: id,
        decision_id: opening.decision,
        subject: opening.subject,
        signer: opening.subject,
        role: SignerRole::Owner,
        initiator: match (opening.request, opening.subject) {
            (Some(request), _) => Initiator::Client { client_id: request.client_id.clone() },
            (None, Some(subject)) => Initiator::Subject { subject },
            (None, None) => Initiator::Browser {},
        },
        client_id: opening.request.map(|request| request.client_id.clone()),
        dpop_jkt: opening.request.and_then(|request| request.dpop_jkt),
        aud: input.and_then(|input| input.audience.clone()),
        resource: input.map(|input| ResourceRef { kind: input.resource.kind.clone(), id: input.resource.id.clone() }),
        action: input.map(|input| input.action.clone()),
        tier: opening.tier,
        txn_digest: opening.transaction.map(Transaction::digest),
        displayed: display.as_ref().map(|display| Displayed {
            template: display.template.clone(),
            template_version: display.template_version,
            lang: display.lang.clone(),
            display_digest: display.digest,
        }),
        registration_challenge: opening.registration_challenge,
        policy_version: pack.version(),
        iat: opening.now,
        exp: opening.now.plus_seconds(limits::CHALLENGE_SECONDS),
    };
    Challenge::open(challenge::Opening {
        statement,
        nonce: Nonce::new(app.random.bytes()),
        session: opening.session.id,
        asked: opening.asked.clone(),
        allowed: opening.requirement.map(|requirement| requirement.candidates.clone()).unwrap_or_default(),
        // SP 800-63B-4 §3.1.7: without it a passkey is one factor.
        user_verification: true,
        display_text: display.map(|display| display.text),
        transaction: opening.transaction.map(|transaction| transaction.value().clone()),
        request: opening.request.map(serde_json::to_value).transpose().map_err(Problem::internal)?,
        registration: opening.registration.clone(),
        return_to: opening.return_to.clone(),
    })
    .map_err(Problem::internal)
}

/// The row of a challenge, at the version that was read.
pub fn record(challenge: &Challenge, version: i64) -> Result<ChallengeRecord, Problem> {
    Ok(ChallengeRecord {
        id: challenge.id(),
        session: challenge.opening().session,
        subject: challenge.statement().subject,
        decision: challenge.statement().decision_id,
        state: challenge.state().name().to_owned(),
        expires_at: challenge.expires_at(),
        body: Body::of(challenge).map_err(Problem::internal)?,
        version,
    })
}

/// What the log says of an opened challenge.
pub fn opened(challenge: &Challenge, pushed: Option<&str>) -> Result<EventKind, Problem> {
    let statement = challenge.statement();
    Ok(EventKind::ChallengeOpened {
        challenge: statement.challenge_id,
        signer: statement.signer,
        purpose: statement.purpose,
        statement: statement.digest().map_err(Problem::internal)?,
        ceremony_nonce: challenge.ceremony_nonce().map_err(Problem::internal)?,
        session: challenge.opening().session,
        decision: statement.decision_id,
        request: pushed.map(str::parse::<Digest>).transpose().map_err(Problem::internal)?,
        txn_digest: statement.txn_digest,
        expires_at: statement.exp,
    })
}

/// The passkeys of a person that may answer this challenge.
pub async fn passkeys(app: &App, subject: SubjectId, allowed: &[AuthenticatorId]) -> Result<Vec<Credential>, Problem> {
    let Some(person) = decide::person(app, subject).await? else { return Ok(Vec::new()) };
    Ok(person
        .authenticators
        .iter()
        .filter(|authenticator| authenticator.is_active())
        .filter(|authenticator| allowed.is_empty() || allowed.contains(&authenticator.id))
        .filter_map(decide::credential)
        .collect())
}

/// `PublicKeyCredentialRequestOptionsJSON` (WebAuthn L3 §5.5) over a challenge's ceremony nonce.
pub fn request_options(app: &App, challenge: &Challenge, passkeys: &[Credential]) -> Result<Value, Problem> {
    let nonce = challenge.ceremony_nonce().map_err(Problem::internal)?;
    let allowed: Vec<Value> = passkeys
        .iter()
        .map(|passkey| json!({"type": "public-key", "id": passkey.id, "transports": passkey.transports}))
        .collect();
    Ok(json!({
        "challenge": nonce,
        "rpId": app.config.rp_id(),
        "allowCredentials": allowed,
        "userVerification": "required",
        "timeout": limits::CHALLENGE_SECONDS * 1000,
    }))
}
