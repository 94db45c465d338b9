//! The page that asks for exactly one proof of exactly one transaction, and what its answers do.

pub use super::step_up_page::{announced, counterfoil, device};
use super::{
    attempt,
    authorize::actor,
    compare, complete_sign_in, decide,
    grant_code::{Grounds, grant_code},
    open_challenge, sign_in,
    step_up_page::{asking, back, reason, receipt, rows, state, with_doubts},
};
use crate::{
    app::App,
    browser::Browser,
    page::{
        Window,
        step_up::{Answered, State, StepUp},
    },
    problem::{Kind, Problem},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use counterfoil_core::{
    assurance::{Acr, Binding, Method},
    audit::event::{Event, EventKind},
    authenticator::webauthn::Assertion,
    challenge::{Challenge, ChallengeState},
    enrolled::Enrolled,
    evidence::{Evidence, ProofFact},
    id::{ChallengeId, SessionId},
    limits,
    proof::Proof,
    session::{Session, SessionState, SignedIn},
    statement::Purpose,
};
use counterfoil_oauth::{
    authorize::{AuthorizationRequest, error_location},
    error::{ErrorCode, OAuthError},
    grant::GrantedTransaction,
};
use counterfoil_store::{ChallengeRecord, SpendKey, Tx};

/// A challenge as the store has it, for the session that it belongs to.
pub struct Stored {
    /// The challenge.
    pub challenge: Challenge,
    /// Its row.
    pub record: ChallengeRecord,
    /// The client's request that it answers.
    pub request: Option<AuthorizationRequest>,
}

/// The proof that a challenge was given, if it was.
pub fn proof_of(record: &ChallengeRecord) -> Option<ProofFact> {
    let challenge: Challenge = record.body.read().ok()?;
    match challenge.state() {
        ChallengeState::Proven { proof, .. } => Some(proof.clone()),
        _ => None,
    }
}

/// The challenge, if it belongs to this session. Any other browser consumes nothing and leaves a signal (DESIGN §5).
pub async fn stored<T>(app: &App, browser: &Browser<T>, id: ChallengeId) -> Result<Stored, Problem> {
    let signed_in = browser.signed_in().map_err(|problem| problem.next(format!("/sign-in?to=/step-up/{id}")))?;
    let record = app.store.challenge(id).await?.ok_or_else(|| Problem::new(Kind::NOT_FOUND))?;
    let challenge: Challenge = record.body.read().map_err(Problem::internal)?;
    if !belongs(app, browser, challenge.opening().session).await? {
        signal(app, browser, &challenge).await?;
        return Err(Problem::new(Kind::OTHER_DEVICE));
    }
    // Sign-ins and enrolments have pages of their own: one signature, one purpose (R2).
    let statement = challenge.statement();
    if statement.signer != Some(signed_in.subject) || statement.purpose != Purpose::Transaction {
        return Err(Problem::new(Kind::NOT_FOUND));
    }
    let request = challenge.opening().request.clone();
    let request = request.map(serde_json::from_value).transpose().map_err(Problem::internal)?;
    Ok(Stored { challenge, record, request })
}

/// Replacements of one session that are followed: it rises a few times at most while something waits for it.
const REPLACED: usize = 4;

/// Is this the session that the challenge was opened in, or the one that took its place when its assurance rose?
async fn belongs<T>(app: &App, browser: &Browser<T>, mut opened_in: SessionId) -> Result<bool, Problem> {
    for _ in 0..=REPLACED {
        if opened_in == browser.session.id {
            return Ok(true);
        }
        match app.store.session(opened_in).await?.map(|session| session.state) {
            Some(SessionState::Replaced { by }) => opened_in = by,
            // What is somebody else's, over, or another login's, is another device.
            _ => return Ok(false),
        }
    }
    Ok(false)
}

/// Somebody else's link was opened here: said once for each challenge and session.
async fn signal<T>(app: &App, browser: &Browser<T>, challenge: &Challenge) -> Result<(), Problem> {
    let (id, now) = (challenge.id(), browser.visit.now);
    let kind = EventKind::RelaySeen {
        subject: challenge.statement().subject,
        session: Some(browser.session.id),
        challenge: Some(id),
        signal: "other_browser".to_owned(),
    };
    let personal = [("ip", browser.visit.ip.to_string()), ("user_agent", browser.visit.user_agent.clone())];
    let event = app.personal_event(now, actor(browser), kind, personal);
    let mut tx = Tx::new(now);
    let until = now.plus_seconds(limits::SESSION_SECONDS);
    tx.spend(SpendKey::new("signal", format_args!("{id}:{}", browser.session.id)), until);
    match tx.commit(&app.store, event).await {
        Ok(_) => Ok(()),
        Err(error) if error.spent().is_some() => Ok(()),
        Err(error) => Err(Problem::from(error)),
    }
}

/// What the page shows, all of it from the stored challenge.
pub async fn view<T>(app: &App, browser: &Browser<T>, stored: &Stored) -> Result<StepUp, Problem> {
    let signed_in = browser.signed_in()?;
    let now = browser.visit.now;
    let (challenge, statement) = (&stored.challenge, stored.challenge.statement());
    let lang = statement.displayed.as_ref().map_or(browser.visit.lang.tag(), |displayed| displayed.lang.as_str());
    let decision = statement.decision_id.ok_or_else(|| Problem::new(Kind::NOT_FOUND))?;
    let record = decide::recorded(app, decision).await?.ok_or_else(|| Problem::new(Kind::NOT_FOUND))?;
    let client = asking(app, stored, browser.visit.lang.tag());
    let pack = app.pack.load();
    let display = challenge.opening().transaction.as_ref().and_then(|value| {
        let kind = pack.transaction_type(value.get("type")?.as_str()?)?;
        kind.render(&kind.validate(value).ok()?, lang)
    });
    // What would be shown now must be what was committed when the challenge was opened.
    let shown = display.as_ref().map(|display| display.digest);
    if shown != statement.displayed.as_ref().map(|displayed| displayed.display_digest) {
        return Err(Problem::new(Kind::POLICY_CHANGED));
    }
    let passkeys = open_challenge::passkeys(app, signed_in.subject, &challenge.opening().allowed).await?;
    let open = challenge.is_open(now);
    let person = decide::person(app, signed_in.subject).await?;
    let person = person.ok_or_else(|| Problem::new(Kind::NOT_FOUND))?;
    // What the person's own account says of itself is given by nobody else, and differs every time.
    let given_by = stored.request.as_ref().map(|_| client.name.as_str());
    let mut values = display.as_ref().map(|display| rows(display, given_by)).unwrap_or_default();
    if given_by.is_some() {
        compare::mark(&mut values, display.as_ref(), &compare::earlier(app, &pack, decision, &record, lang).await?);
    }
    Ok(StepUp {
        state: state(challenge, now),
        id: challenge.id().to_string(),
        lang: lang.to_owned(),
        title: display.as_ref().map(|display| display.title.clone()),
        sentence: display.as_ref().map(|display| display.sentence.clone()),
        strong: display.as_ref().map(|display| display.strong.clone()).unwrap_or_default(),
        rows: values,
        person: sign_in::named(&person.subject),
        place: None,
        device: Some(device(&browser.visit.user_agent)),
        methods: challenge.opening().asked.clone(),
        passkey_options: if open && challenge.opening().asked.contains(&Method::Passkey) {
            Some(open_challenge::request_options(app, challenge, &passkeys)?)
        } else {
            None
        },
        attempts_left: None,
        enrol_url: None,
        reason: reason(&record, browser.visit.lang.tag()),
        policy_version: statement.policy_version.to_string(),
        decision_id: decision,
        window: Window { now, expires_at: challenge.expires_at() },
        receipt: receipt(challenge),
        back: back(app, stored),
        client,
    })
}

/// Confirmed with a passkey. Who uses one in two places at once meets a record that has just changed: it is read again, once,
/// and judged again by what it says now. Who confirms one challenge twice at once is told that it has its answer.
pub async fn by_passkey<T>(
    app: &App,
    browser: &Browser<T>,
    id: ChallengeId,
    response: Assertion,
) -> Result<Answered, Problem> {
    let done = match with_passkey(app, browser, id, response.clone()).await {
        Err(problem) if problem.kind() == Kind::CONFLICT => with_passkey(app, browser, id, response).await,
        done => done,
    };
    or_answered(app, browser, id, done).await
}

/// Whoever lost to another answer of the same challenge learns that, and not that something has changed.
async fn or_answered<T>(
    app: &App,
    browser: &Browser<T>,
    id: ChallengeId,
    done: Result<Answered, Problem>,
) -> Result<Answered, Problem> {
    match done {
        Err(problem) if problem.kind() == Kind::CONFLICT => {
            let now = stored(app, browser, id).await?.challenge;
            let waits = matches!(now.state(), ChallengeState::Open { .. });
            Err(if waits { problem } else { Problem::new(Kind::ANSWERED) })
        }
        done => done,
    }
}

async fn with_passkey<T>(
    app: &App,
    browser: &Browser<T>,
    id: ChallengeId,
    response: Assertion,
) -> Result<Answered, Problem> {
    let stored = open(app, browser, id).await?;
    let verified = super::assert_passkey::verify(app, browser, &stored.challenge, &stored.record, response).await?;
    let mut tx = Tx::new(browser.visit.now);
    tx.change_authenticator(&verified.after);
    confirm(app, browser, tx, stored, verified.enrolled, verified.proof).await
}

/// Confirmed with a code, where the policy finds a code enough.
pub async fn by_code<T>(app: &App, browser: &Browser<T>, id: ChallengeId, code: &str) -> Result<Answered, Problem> {
    let stored = open(app, browser, id).await?;
    let now = browser.visit.now;
    if !stored.challenge.opening().asked.contains(&Method::AppCode) {
        return Err(Problem::new(Kind::CODE_REFUSED));
    }
    let signed_in = browser.signed_in()?;
    let all = app.store.authenticators(signed_in.subject).await?;
    let allowed = &stored.challenge.opening().allowed;
    let app_code = all
        .into_iter()
        .find(|a| a.method == Method::AppCode && a.is_active() && (allowed.is_empty() || allowed.contains(&a.id)))
        .ok_or_else(|| Problem::new(Kind::AUTHENTICATOR_DISABLED))?;
    let counted = attempt::count_code(app, browser, &app_code).await?;
    let Ok(proof) = attempt::code(app, &app_code, code, now).await? else {
        attempt::refused(app, browser, Some(signed_in.subject), Some(&app_code), Method::AppCode, "wrong").await?;
        attempt::count_against(app, browser, &stored.challenge, &stored.record).await?;
        return Err(Problem::new(Kind::CODE_REFUSED));
    };
    let step = proof.totp_step().ok_or_else(|| Problem::internal("a code without a step"))?;
    let mut tx = Tx::new(now);
    counted.right(&mut tx);
    tx.spend(SpendKey::totp_step(app_code.id, step), now.plus_seconds(limits::TOTP_STEP_SECONDS * 4));
    tx.change_authenticator(&app_code.clone().used(now));
    let done = confirm(app, browser, tx, stored, app_code, proof).await;
    match or_answered(app, browser, id, done).await {
        Err(problem) if problem.kind() == Kind::CONFLICT => Err(Problem::new(Kind::CODE_REFUSED)),
        other => other,
    }
}

async fn open<T>(app: &App, browser: &Browser<T>, id: ChallengeId) -> Result<Stored, Problem> {
    let stored = stored(app, browser, id).await?;
    match state(&stored.challenge, browser.visit.now) {
        State::Open => {}
        State::Expired => return Err(Problem::new(Kind::EXPIRED)),
        _ => return Err(Problem::new(Kind::ANSWERED)),
    }
    if stored.challenge.statement().policy_version != app.pack.load().version() {
        return Err(Problem::new(Kind::POLICY_CHANGED));
    }
    Ok(stored)
}

/// The proof answers the challenge; the code for the client, the device and the notice are of the same unit.
async fn confirm<T>(
    app: &App,
    browser: &Browser<T>,
    mut tx: Tx,
    stored: Stored,
    enrolled: Enrolled,
    proof: Proof,
) -> Result<Answered, Problem> {
    let now = browser.visit.now;
    let signed_in = browser.signed_in()?;
    tx.extend_login(signed_in.login, &[&enrolled]);
    tx.also(attempt::accepted(app, browser, &proof, Some(stored.challenge.id())));
    let phishing_resistant = proof.fact().is_phishing_resistant().then(|| proof.fact().clone());
    let challenge = stored.challenge.clone().prove(proof, now).map_err(|error| {
        tracing::info!(%error, "a proof was not accepted");
        Problem::new(Kind::PASSKEY_REFUSED)
    })?;
    tx.change_challenge(&open_challenge::record(&challenge, stored.record.version)?);
    // A proof for a transaction counts for the device too (DESIGN §4), never for the session's acr.
    let bound = match &phishing_resistant {
        Some(proof) if signed_in.binding == Binding::NewKey => {
            let binding =
                complete_sign_in::binding(app, browser, &mut tx, signed_in.subject, signed_in.login, Some(proof))
                    .await?;
            let state = SessionState::SignedIn(SignedIn { binding, ..signed_in.clone() });
            tx.change_session(&Session { state, ..browser.session.clone() });
            binding
        }
        _ => {
            tx.require_session(&browser.session);
            signed_in.binding
        }
    };
    decided_enough(app, browser, &mut tx, &challenge, bound).await?;
    let number = counterfoil(challenge.id());
    if let Some(text) = &challenge.opening().display_text {
        let text = with_doubts(app, &stored, text);
        for event in super::notify::confirmed(app, &mut tx, signed_in.subject, &number, &text, now).await?.events {
            tx.also(event);
        }
    }
    let next = match &stored.request {
        // Where it is done, by what was signed and not by what the page says then.
        None => challenge.opening().return_to.as_ref().map(|page| {
            let joint = if page.contains('?') { '&' } else { '?' };
            format!("{page}{joint}confirmed={}", challenge.id())
        }),
        Some(request) => {
            let (next, event) = grant(app, &mut tx, &challenge, request, browser, signed_in)?;
            tx.also(event);
            Some(next)
        }
    };
    let event = proven(app, browser, &challenge)?;
    tx.commit(&app.store, event).await?;
    app.facts.forget_person(signed_in.subject);
    app.facts.forget_login(signed_in.login);
    let receipt = receipt(&challenge).ok_or_else(|| Problem::internal("a proven challenge has a receipt"))?;
    Ok(Answered { next, receipt })
}

/// What asked for the proof is decided again with it: it is taken only where it is enough for exactly what was signed, by
/// what is known now, and in a session that is `bound` so. The record is of the unit that takes it; a refusal is a record of
/// its own.
async fn decided_enough<T>(
    app: &App,
    browser: &Browser<T>,
    tx: &mut Tx,
    challenge: &Challenge,
    bound: Binding,
) -> Result<(), Problem> {
    let now = browser.visit.now;
    let signed_in = browser.signed_in()?;
    let (statement, transaction) = (challenge.statement(), &challenge.opening().transaction);
    let ChallengeState::Proven { proof, .. } = challenge.state() else {
        return Err(Problem::internal("the challenge is proven"));
    };
    let decision = statement.decision_id.ok_or_else(|| Problem::internal("a transaction without a decision"))?;
    let lodged = decide::recorded(app, decision).await?.ok_or_else(|| Problem::new(Kind::NOT_FOUND))?;
    let mut input = decide::renewed(app, &lodged.input, &browser.session, signed_in.login, now).await?;
    input.transaction.clone_from(transaction);
    input.evidence.proofs.push(proof.clone());
    if let Some(session) = &mut input.session {
        session.binding = bound;
    }
    let decided = decide::judge(app, input, app.pack.load_full());
    if statement.policy_version != decided.pack.version() {
        return Err(Problem::new(Kind::POLICY_CHANGED));
    }
    if decided.decision.is_proven() && decided.decision.record().txn_digest == statement.txn_digest {
        tx.about("decision", decision);
        return decided.also_record(app, tx, actor(browser));
    }
    let mut refusal = Tx::new(now);
    refusal.about("decision", decision);
    let event = decided.record(app, &mut refusal, actor(browser))?;
    refusal.commit(&app.store, event).await?;
    Err(decided.refusal(browser.visit.lang.tag()))
}

/// The code for the transaction's token. Its `acr` is the proof's own.
fn grant<T>(
    app: &App,
    tx: &mut Tx,
    challenge: &Challenge,
    request: &AuthorizationRequest,
    browser: &Browser<T>,
    signed_in: &SignedIn,
) -> Result<(String, Event), Problem> {
    let now = browser.visit.now;
    let ChallengeState::Proven { proof, .. } = challenge.state() else {
        return Err(Problem::internal("the challenge is proven"));
    };
    let (acr, amr) = shown_by(proof, now);
    let transaction = match (&request.authorization_details, challenge.statement().decision_id) {
        (Some(details), Some(decision_id)) if challenge.statement().purpose == Purpose::Transaction => {
            Some(GrantedTransaction { txn: challenge.id(), decision_id, authorization_details: details.clone() })
        }
        _ => None,
    };
    let grounds = Grounds {
        subject: signed_in.subject,
        session: browser.session.id,
        login: signed_in.login,
        challenge: Some(challenge.id()),
        acr,
        amr,
        auth_time: proof.at,
        transaction,
        request,
    };
    grant_code(app, tx, grounds, now).map_err(|error| Problem::new(Kind::INVALID_REQUEST).detail(error.description()))
}

/// What one proof alone amounts to, in the words of tokens.
fn shown_by(proof: &ProofFact, now: counterfoil_core::time::Time) -> (Acr, Vec<String>) {
    let alone = Evidence { proofs: vec![ProofFact { txn_digest: None, ..proof.clone() }], approvers: Vec::new() };
    let amr = alone.amr(now).into_iter().map(str::to_owned).collect();
    (alone.acr(now).unwrap_or(Acr::Aal1), amr)
}

/// The event of a challenge that got its proof.
pub fn proven<T>(app: &App, browser: &Browser<T>, challenge: &Challenge) -> Result<Event, Problem> {
    let ChallengeState::Proven { proof, assertion, .. } = challenge.state() else {
        return Err(Problem::internal("the challenge is proven"));
    };
    let kind = EventKind::ChallengeProven {
        challenge: challenge.id(),
        authenticator: proof.authenticator,
        method: proof.method,
        assertion: assertion.as_ref().and_then(|assertion| assertion.digest().ok()),
    };
    Ok(app.event(browser.visit.now, actor(browser), kind))
}

/// The person says no, and perhaps that they had not asked.
pub async fn refuse<T>(app: &App, browser: &Browser<T>, id: ChallengeId, alarm: bool) -> Result<Answered, Problem> {
    let stored = open(app, browser, id).await?;
    let now = browser.visit.now;
    let challenge = stored.challenge.clone().refuse(alarm, now).map_err(|_| Problem::new(Kind::ANSWERED))?;
    let mut tx = Tx::new(now);
    tx.require_session(&browser.session);
    tx.change_challenge(&open_challenge::record(&challenge, stored.record.version)?);
    let kind = EventKind::ChallengeRefused { challenge: id, alarm };
    let done = tx.commit(&app.store, app.event(now, actor(browser), kind)).await;
    let receipt = receipt(&challenge).ok_or_else(|| Problem::internal("a refused challenge has a receipt"))?;
    let denied = OAuthError::new(ErrorCode::AccessDenied, "The person refused.");
    let next = match &stored.request {
        Some(request) => Some(error_location(request, &denied, &app.issuer)),
        None => challenge.opening().return_to.clone(),
    };
    let done = done.map(|_| Answered { next, receipt }).map_err(Problem::from);
    or_answered(app, browser, id, done).await
}

/// Base64url without padding.
pub fn base64url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
