//! Somebody signs in: a passkey at once, or a password and then a code. The session is bound before the first of them is
//! asked, and gets a new identifier when it becomes theirs.

use super::{
    attempt::{self, Counted, Target},
    authorize::actor,
    complete_sign_in::{Completion, complete},
    decide,
    open_challenge::{self, Opening, open_challenge},
};
use crate::{
    app::App,
    browser::{Browser, Renewed},
    page::{
        Client, Next, Person, Window,
        sign_in::{SignIn, Step},
    },
    problem::{Kind, Problem},
};
use counterfoil_core::{
    assurance::{Acr, Method},
    audit::event::{Event, EventKind, VoidReason},
    authenticator::{password, webauthn},
    challenge::Challenge,
    enrolled::{Enrolled, EnrolledState},
    evidence::Evidence,
    id::{ChallengeId, SubjectId},
    limits,
    proof::Proof,
    session::{Begun, Session, SessionState, SignedIn},
    statement::Purpose,
    subject::Subject,
    time::Time,
};
use counterfoil_oauth::{
    authorize::{AuthorizationRequest, error_location},
    error::{ErrorCode, OAuthError},
};
use counterfoil_store::{ChallengeRecord, SpendKey, Tx};
use serde::Serialize;
use zeroize::Zeroizing;

/// What a step of the sign-in page answers.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Answer {
    /// The next step.
    Step(Box<SignIn>),
    /// Done: where to go.
    Next(Next),
}

/// The reply to a step.
pub type Reply = Renewed<Answer>;

/// A sign-in under way, as the store has it.
pub struct UnderWay {
    /// The challenge.
    pub challenge: Challenge,
    /// Its row.
    pub record: ChallengeRecord,
    /// The client's request that it serves.
    pub request: Option<AuthorizationRequest>,
}

/// Opens a sign-in that no client asked for, or shows the one that is under way.
pub async fn show<T>(
    app: &App,
    browser: &Browser<T>,
    id: Option<ChallengeId>,
    to: Option<&str>,
) -> Result<Reply, Problem> {
    let under_way = match id {
        Some(id) => under_way(app, browser, id).await?,
        None => {
            let to = own_path(to);
            if browser.session.signed_in().is_some() {
                return Ok(plain(Answer::Next(Next { next: to })));
            }
            begin(app, browser, to).await?
        }
    };
    step(app, browser, &browser.session.state, under_way.challenge, under_way.request.as_ref()).await
}

/// A path of our own, for after the sign-in; anything else would make us an open redirector.
pub fn own_path(to: Option<&str>) -> String {
    match to {
        Some(path)
            if path.starts_with('/')
                // Also `/.//host` is another host's to some readers.
                && !path.split(['?', '#']).next().unwrap_or_default().contains("//")
                && path.len() <= limits::URI_BYTES
                && path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\') =>
        {
            path.to_owned()
        }
        _ => "/me".to_owned(),
    }
}

async fn begin<T>(app: &App, browser: &Browser<T>, to: String) -> Result<UnderWay, Problem> {
    open_challenge::room(app, browser).await?;
    let mut tx = Tx::new(browser.visit.now);
    let pack = app.pack.load_full();
    let opening = Opening { return_to: Some(to), ..Opening::new(browser, Purpose::SignIn, &pack) };
    let (id, event) = open_challenge(app, &mut tx, opening, None)?;
    tx.commit(&app.store, event).await?;
    under_way(app, browser, id).await
}

/// The open sign-in of this session.
async fn under_way<T>(app: &App, browser: &Browser<T>, id: ChallengeId) -> Result<UnderWay, Problem> {
    let record = app.store.challenge(id).await?.ok_or_else(|| Problem::new(Kind::EXPIRED))?;
    let challenge: Challenge = record.body.read().map_err(Problem::internal)?;
    if challenge.opening().session != browser.session.id {
        return Err(Problem::new(Kind::OTHER_DEVICE));
    }
    if challenge.statement().purpose != Purpose::SignIn {
        return Err(Problem::new(Kind::NOT_FOUND));
    }
    if !challenge.is_open(browser.visit.now) {
        return Err(Problem::new(Kind::EXPIRED));
    }
    let request = challenge.opening().request.clone();
    let request = request.map(serde_json::from_value).transpose().map_err(Problem::internal)?;
    Ok(UnderWay { challenge, record, request })
}

/// What the page asks now.
async fn step<T>(
    app: &App,
    browser: &Browser<T>,
    state: &SessionState,
    challenge: Challenge,
    request: Option<&AuthorizationRequest>,
) -> Result<Reply, Problem> {
    let subject = challenge.statement().signer;
    let asked = &challenge.opening().asked;
    let passkeys = match subject {
        Some(subject) => open_challenge::passkeys(app, subject, &challenge.opening().allowed).await?,
        None => Vec::new(),
    };
    let code = asked.contains(&Method::AppCode);
    let (step, methods) = match (subject, code) {
        (None, _) => (Step::Identify, vec![Method::Password, Method::Passkey]),
        (Some(_), true) if passkeys.is_empty() => (Step::Code, vec![Method::AppCode]),
        (Some(_), true) => (Step::Code, vec![Method::AppCode, Method::Passkey]),
        (Some(_), false) => (Step::Passkey, vec![Method::Passkey]),
    };
    let options = if subject.is_none() || !passkeys.is_empty() {
        Some(open_challenge::request_options(app, &challenge, &passkeys)?)
    } else {
        None
    };
    // Named only after a proof: before it, a page must not tell who has an account.
    let proven = matches!(state, SessionState::SignedIn(_) | SessionState::Anonymous { begun: Some(_) });
    let person = match subject.filter(|_| proven) {
        Some(subject) => decide::person(app, subject).await?.map(|person| named(&person.subject)),
        None => None,
    };
    let directory = app.directory.load();
    let client = request.and_then(|request| {
        let client = directory.client(&request.client_id)?;
        Some(Client { name: client.name(browser.visit.lang.tag()).to_owned(), host: host(&request.redirect_uri) })
    });
    Ok(plain(Answer::Step(Box::new(SignIn {
        step,
        challenge: challenge.id(),
        client,
        person,
        methods,
        passkey_options: options,
        reason: None,
        attempts_left: None,
        window: Window { now: browser.visit.now, expires_at: challenge.expires_at() },
    }))))
}

/// The host that an application lives at, as people read it.
pub fn host(uri: &str) -> Option<String> {
    url::Url::parse(uri).ok()?.host_str().map(str::to_owned)
}

/// A person as pages name them.
pub fn named(subject: &Subject) -> Person {
    Person { name: subject.name.clone(), username: subject.usernames.first().cloned().unwrap_or_default() }
}

fn plain(answer: Answer) -> Reply {
    Renewed { body: answer, session: None }
}

/// The first step by typing. An unknown name costs the same time, waits as long and gets the same answer as a wrong password;
/// so does one whose password is off.
pub async fn by_password<T>(
    app: &App,
    browser: &Browser<T>,
    id: ChallengeId,
    username: &str,
    typed: Zeroizing<String>,
) -> Result<Reply, Problem> {
    let under_way = under_way(app, browser, id).await?;
    let now = browser.visit.now;
    // What a decision asks for is asked of nobody else, and nothing else answers it.
    if under_way.challenge.statement().decision_id.is_some() {
        return Err(Problem::new(Kind::NOT_ACCEPTED));
    }
    let username = username.trim().to_lowercase();
    // Nobody has such a name, and not every database takes it.
    if username.len() > limits::NAME_BYTES || username.chars().any(char::is_control) {
        return Err(Problem::new(Kind::NOT_ACCEPTED));
    }
    let subject = app.store.subject_by_username(&username).await?;
    let enrolled = match &subject {
        Some(subject) => app.store.authenticators(subject.id).await?,
        None => Vec::new(),
    };
    let known = enrolled.into_iter().find(|one| one.method == Method::Password && one.is_active());
    let target = Target {
        enrolled: known.as_ref(),
        whose: subject.as_ref().map(|subject| subject.id),
        slows: ("name", &username),
    };
    attempt::may_guess(app, browser, &target).await?;
    let place = app.hashing.enter(browser.visit.ip)?;
    let counted = match attempt::count(app, browser, &target).await {
        Err(problem) if problem.kind() == Kind::AUTHENTICATOR_DISABLED => return Err(Problem::new(Kind::NOT_ACCEPTED)),
        other => other?,
    };
    let (Some(subject), Some(password)) = (subject, known) else {
        // The same work as for somebody: the time must not tell who has an account.
        let refusal = place.hash(move || password::refuse(&typed)).await?;
        tracing::debug!(%refusal, "a name that nobody has");
        failed(app, browser, &under_way, None, None, Method::Password, "unknown").await?;
        return Err(Problem::new(Kind::NOT_ACCEPTED));
    };
    let record = password.secret.clone().ok_or_else(|| Problem::internal("a password without its record"))?;
    let held = attempt::holder(&password, now);
    let proof = place
        .hash(move || {
            let phc = String::from_utf8_lossy(record.expose());
            password::verify(&typed, &phc, &held, now)
        })
        .await?;
    let whose = under_way.challenge.statement().signer.or(browser.session.signed_in().map(|theirs| theirs.subject));
    let reason = match &proof {
        Err(_) => Some("wrong"),
        Ok(_) if !subject.is_active() => Some("suspended"),
        // A session never changes hands.
        Ok(_) if whose.is_some_and(|whose| whose != subject.id) => Some("other_person"),
        Ok(_) => None,
    };
    match (proof, reason) {
        (Ok(proof), None) => after_password(app, browser, under_way, &subject, password, proof, counted).await,
        (_, reason) => {
            let reason = reason.unwrap_or("wrong");
            failed(app, browser, &under_way, Some(subject.id), Some(&password), Method::Password, reason).await?;
            Err(Problem::new(Kind::NOT_ACCEPTED))
        }
    }
}

/// Records an answer that was not right, and counts it against the sign-in that is under way.
async fn failed<T>(
    app: &App,
    browser: &Browser<T>,
    under_way: &UnderWay,
    subject: Option<SubjectId>,
    enrolled: Option<&Enrolled>,
    method: Method,
    reason: &'static str,
) -> Result<(), Problem> {
    attempt::refused(app, browser, subject, enrolled, method, reason).await?;
    attempt::count_against(app, browser, &under_way.challenge, &under_way.record).await
}

/// A password is right: the rest is asked of this person, or the sign-in is complete if there is nothing more to ask.
async fn after_password<T>(
    app: &App,
    browser: &Browser<T>,
    under_way: UnderWay,
    subject: &Subject,
    password: Enrolled,
    proof: Proof,
    counted: Counted,
) -> Result<Reply, Problem> {
    let now = browser.visit.now;
    let accepted = attempt::accepted(app, browser, &proof, None);
    let fact = proof.into_session_fact().ok_or_else(|| Problem::internal("a password is no assertion"))?;
    let evidence = Evidence { proofs: vec![fact], approvers: Vec::new() };
    app.facts.forget_person(subject.id);
    let authenticators = app.store.authenticators(subject.id).await?;
    let has = |method| authenticators.iter().any(|a: &Enrolled| a.method == method && a.is_active());
    // A second one that is off does not make the first one enough: whoever guesses it off would need less.
    let second = |a: &Enrolled| a.method != Method::Password && !matches!(a.state, EnrolledState::Removed { .. });
    let has_second = authenticators.iter().any(second);
    let wanted = under_way.request.as_ref().and_then(|request| request.acr_values.iter().min().copied());
    let mut asked = Vec::new();
    if has(Method::AppCode) && wanted.is_none_or(|acr| acr <= Acr::Aal2) {
        asked.push(Method::AppCode);
    }
    if has(Method::Passkey) {
        asked.push(Method::Passkey);
    }
    let mut tx = Tx::new(now);
    tx.change_authenticator(&password.clone().used(now));
    tx.also(accepted);
    counted.right(&mut tx);
    if asked.is_empty() {
        if has_second || wanted.is_some_and(|acr| acr > Acr::Aal1) {
            return unmet(app, browser, under_way).await;
        }
        let void = voided(app, browser, &mut tx, &under_way)?;
        tx.also(void);
        return complete(
            app,
            browser,
            tx,
            Completion { subject, evidence, used: vec![password], under_way, challenge: None },
        )
        .await;
    }
    // The challenge that asked who it is has its answer; another one asks this person for the rest.
    let void = voided(app, browser, &mut tx, &under_way)?;
    tx.also(void);
    let return_to = under_way.challenge.opening().return_to.clone();
    let begun = with_password(&browser.session.state, subject.id, evidence)?;
    if let Some(signed_in) = browser.session.signed_in() {
        tx.extend_login(signed_in.login, &[&password]);
    }
    tx.change_session(&Session { state: begun.clone(), ..browser.session.clone() });
    let pack = app.pack.load_full();
    let next = Opening {
        subject: Some(subject.id),
        request: under_way.request.as_ref(),
        return_to,
        asked,
        ..Opening::new(browser, Purpose::SignIn, &pack)
    };
    let (id, event) = open_challenge(app, &mut tx, next, None)?;
    tx.commit(&app.store, event).await?;
    let record = app.store.challenge(id).await?.ok_or_else(|| Problem::new(Kind::EXPIRED))?;
    let challenge = record.body.read().map_err(Problem::internal)?;
    step(app, browser, &begun, challenge, under_way.request.as_ref()).await
}

fn voided<T>(app: &App, browser: &Browser<T>, tx: &mut Tx, under_way: &UnderWay) -> Result<Event, Problem> {
    let now = browser.visit.now;
    let void = under_way.challenge.clone().void(VoidReason::Changed, now).map_err(|_| Problem::new(Kind::EXPIRED))?;
    tx.change_challenge(&open_challenge::record(&void, under_way.record.version)?);
    let kind = EventKind::ChallengeVoid { challenge: void.id(), reason: VoidReason::Changed };
    Ok(app.event(now, actor(browser), kind))
}

/// A session that has shown a password: nobody's yet, or already this person's and asked again. It never changes hands.
fn with_password(state: &SessionState, subject: SubjectId, shown: Evidence) -> Result<SessionState, Problem> {
    match state {
        SessionState::SignedIn(signed_in) if signed_in.subject == subject => {
            let mut evidence = signed_in.evidence.clone();
            shown.proofs.into_iter().for_each(|proof| evidence.add(proof));
            Ok(SessionState::SignedIn(SignedIn { evidence, ..signed_in.clone() }))
        }
        SessionState::SignedIn(_) => Err(Problem::new(Kind::NOT_ACCEPTED)),
        _ => Ok(SessionState::Anonymous { begun: Some(Begun { subject, evidence: shown }) }),
    }
}

/// The application asked for more than this person can show: it is told, and not given less.
async fn unmet<T>(app: &App, browser: &Browser<T>, under_way: UnderWay) -> Result<Reply, Problem> {
    let mut tx = Tx::new(browser.visit.now);
    let event = voided(app, browser, &mut tx, &under_way)?;
    tx.commit(&app.store, event).await?;
    match under_way.request {
        Some(request) => {
            let error = OAuthError::new(
                ErrorCode::UnmetAuthenticationRequirements,
                "This person has no authenticator that reaches the assurance asked for.",
            );
            Ok(plain(Answer::Next(Next { next: error_location(&request, &error, &app.issuer) })))
        }
        None => Err(Problem::new(Kind::DENIED)),
    }
}

/// The second step by typing.
pub async fn by_code<T>(app: &App, browser: &Browser<T>, id: ChallengeId, code: &str) -> Result<Reply, Problem> {
    let under_way = under_way(app, browser, id).await?;
    let now = browser.visit.now;
    let (whose, shown) = match &browser.session.state {
        SessionState::Anonymous { begun: Some(begun) } => (begun.subject, &begun.evidence),
        SessionState::SignedIn(signed_in) => (signed_in.subject, &signed_in.evidence),
        _ => return Err(Problem::new(Kind::EXPIRED)),
    };
    let (subject, app_code) = owner(app, whose, Method::AppCode).await?;
    let counted = attempt::count_code(app, browser, &app_code).await?;
    let Ok(proof) = attempt::code(app, &app_code, code, now).await? else {
        failed(app, browser, &under_way, Some(subject.id), Some(&app_code), Method::AppCode, "wrong").await?;
        return Err(Problem::new(Kind::CODE_REFUSED));
    };
    let mut tx = Tx::new(now);
    counted.right(&mut tx);
    let step = proof.totp_step().ok_or_else(|| Problem::internal("a code without a step"))?;
    let remember = now.plus_seconds(limits::TOTP_STEP_SECONDS * 4);
    tx.spend(SpendKey::totp_step(app_code.id, step), remember);
    tx.change_authenticator(&app_code.clone().used(now));
    tx.also(attempt::accepted(app, browser, &proof, Some(id)));
    let mut evidence = shown.clone();
    evidence.add(proof.fact().clone());
    let challenge = prove(&under_way, proof, now)?;
    let used = used(app, &subject, &evidence).await?;
    let completion = Completion { subject: &subject, evidence, used, under_way, challenge: Some(challenge) };
    match complete(app, browser, tx, completion).await {
        Err(problem) if problem.kind() == Kind::CONFLICT => Err(Problem::new(Kind::CODE_REFUSED)),
        other => other,
    }
}

/// By which authenticators all of this was shown.
async fn used(app: &App, subject: &Subject, evidence: &Evidence) -> Result<Vec<Enrolled>, Problem> {
    let all = app.store.authenticators(subject.id).await?.into_iter();
    Ok(all.filter(|one| evidence.proofs.iter().any(|proof| proof.authenticator == one.id)).collect())
}

async fn owner(app: &App, subject: SubjectId, method: Method) -> Result<(Subject, Enrolled), Problem> {
    let ended = || Problem::new(Kind::EXPIRED);
    let subject = app.store.subject(subject).await?.filter(Subject::is_active).ok_or_else(ended)?;
    let all = app.store.authenticators(subject.id).await?;
    let found = all.into_iter().find(|authenticator| authenticator.method == method && authenticator.is_active());
    Ok((subject, found.ok_or_else(|| Problem::new(Kind::AUTHENTICATOR_DISABLED))?))
}

fn prove(under_way: &UnderWay, proof: Proof, now: Time) -> Result<Challenge, Problem> {
    under_way.challenge.clone().prove(proof, now).map_err(|error| {
        tracing::info!(%error, "a proof was not accepted");
        Problem::new(Kind::CODE_REFUSED)
    })
}

/// Signing in by a passkey, with or without a name typed before. Who uses one passkey in two places at once meets a record
/// that has just changed: it is read again, once, and judged again by what it says now.
pub async fn by_passkey<T>(
    app: &App,
    browser: &Browser<T>,
    id: ChallengeId,
    response: webauthn::Assertion,
) -> Result<Reply, Problem> {
    match with_passkey(app, browser, id, response.clone()).await {
        Err(problem) if problem.kind() == Kind::CONFLICT => with_passkey(app, browser, id, response).await,
        done => done,
    }
}

async fn with_passkey<T>(
    app: &App,
    browser: &Browser<T>,
    id: ChallengeId,
    response: webauthn::Assertion,
) -> Result<Reply, Problem> {
    let under_way = under_way(app, browser, id).await?;
    let now = browser.visit.now;
    let verified =
        super::assert_passkey::verify(app, browser, &under_way.challenge, &under_way.record, response).await?;
    let whose = verified.enrolled.subject;
    let Some(subject) = app.store.subject(whose).await?.filter(Subject::is_active) else {
        let enrolled = Some(&verified.enrolled);
        attempt::refused(app, browser, Some(whose), enrolled, Method::Passkey, "suspended").await?;
        return Err(Problem::new(Kind::PASSKEY_REFUSED));
    };
    let mut tx = Tx::new(now);
    tx.change_authenticator(&verified.after);
    tx.also(attempt::accepted(app, browser, &verified.proof, Some(id)));
    let mut evidence = match &browser.session.state {
        SessionState::Anonymous { begun: Some(begun) } if begun.subject == subject.id => begun.evidence.clone(),
        SessionState::SignedIn(signed_in) if signed_in.subject == subject.id => signed_in.evidence.clone(),
        SessionState::SignedIn(_) => {
            let enrolled = Some(&verified.enrolled);
            attempt::refused(app, browser, Some(whose), enrolled, Method::Passkey, "other_person").await?;
            return Err(Problem::new(Kind::PASSKEY_REFUSED));
        }
        _ => Evidence::default(),
    };
    evidence.add(verified.proof.fact().clone());
    let challenge = prove(&under_way, verified.proof, now)?;
    let used = used(app, &subject, &evidence).await?;
    let completion = Completion { subject: &subject, evidence, used, under_way, challenge: Some(challenge) };
    complete(app, browser, tx, completion).await
}

#[cfg(test)]
mod tests {
    use super::own_path;

    #[test]
    fn only_a_path_of_ours_is_gone_to_after_signing_in() {
        for own in ["/me", "/oauth/authorize?client_id=a&request_uri=urn:b", "/me/passkey?to=/x&y=https://z", "/me#a"] {
            assert_eq!(own_path(Some(own)), own);
        }
        for other in
            ["https://evil.example/", "//evil.example", "/.//evil.example", "/a//b", "/\\evil.example", "me", ""]
        {
            assert_eq!(own_path(Some(other)), "/me", "{other}");
        }
        assert_eq!(own_path(None), "/me");
    }
}
