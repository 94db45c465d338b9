//! A sign-in has all it needs: the session becomes theirs, under a new identifier and secret, and the login is the root of
//! everything that comes of it.

use super::{
    authorize::actor,
    decide,
    grant_code::{Grounds, grant_code, met},
    open_challenge,
    sign_in::{Answer, Reply, UnderWay},
};
use crate::{
    app::App,
    browser::{Browser, NewSecret, Renewed},
    page::Next,
    problem::Problem,
};
use counterfoil_core::{
    assurance::{Acr, Binding},
    audit::event::EventKind,
    challenge::{Challenge, ChallengeState},
    enrolled::Enrolled,
    evidence::{Evidence, ProofFact},
    id::{LoginId, SessionId, SubjectId},
    limits,
    session::{Login, LoginState, Session, SignedIn},
    subject::Subject,
};
use counterfoil_oauth::{
    authorize::{AuthorizationRequest, error_location},
    error::{ErrorCode, OAuthError},
};
use counterfoil_store::{KnownDevice, Tx};

/// A sign-in that has all it needs.
pub struct Completion<'a> {
    /// Who.
    pub subject: &'a Subject,
    /// What was shown.
    pub evidence: Evidence,
    /// By which authenticators.
    pub used: Vec<Enrolled>,
    /// What was under way.
    pub under_way: UnderWay,
    /// The challenge as it was proven; none where nothing more was asked.
    pub challenge: Option<Challenge>,
}

/// The session becomes theirs under a new identifier and secret; the login is the root of everything that comes of it.
pub async fn complete<T>(app: &App, browser: &Browser<T>, mut tx: Tx, done: Completion<'_>) -> Result<Reply, Problem> {
    let now = browser.visit.now;
    let used: Vec<&Enrolled> = done.used.iter().collect();
    // The proof of this ceremony: an older one has made its device known already, and makes it known no longer.
    let fresh = done.challenge.as_ref().and_then(|challenge| match challenge.state() {
        ChallengeState::Proven { proof, .. } => Some(proof),
        _ => None,
    });
    let phishing_resistant = fresh.filter(|proof| proof.is_phishing_resistant());
    let login = match browser.session.signed_in() {
        Some(signed_in) if signed_in.subject != done.subject.id => {
            return Err(Problem::internal("a session would change hands"));
        }
        Some(signed_in) => {
            tx.extend_login(signed_in.login, &used);
            signed_in.login
        }
        None => {
            let login = Login {
                id: LoginId::new(now, app.random.id()),
                subject: done.subject.id,
                at: now,
                authenticators: used.iter().map(|authenticator| authenticator.id).collect(),
                state: LoginState::Open {},
            };
            tx.begin_login(&login, &used);
            login.id
        }
    };
    // Somebody who is being suspended signs in before that, and is ended by it, or not at all.
    tx.require_active(done.subject.id);
    let binding = binding(app, browser, &mut tx, done.subject.id, login, phishing_resistant).await?;
    // Only now: who has a password alone is not known by its browser, or each new one would guess codes anew.
    tx.remember_browser(done.subject.id, &browser.session.key_thumbprint);
    let acr = done.evidence.acr(now).unwrap_or(Acr::Aal1);
    let secret = NewSecret::new(app);
    // A session with a key that nobody knows, born of what can be relayed, ends soon (DESIGN §4).
    let seconds = if binding == Binding::NewKey { limits::NEW_KEY_SESSION_SECONDS } else { limits::SESSION_SECONDS };
    let session = browser.session.successor(
        SessionId::new(now, app.random.id()),
        secret.hash,
        SignedIn { subject: done.subject.id, login, binding, evidence: done.evidence, signed_in_at: now },
        now,
        now.plus_seconds(seconds),
    );
    tx.raise_session(&browser.session, &session);
    let signed_in = session.signed_in().ok_or_else(|| Problem::internal("the successor is signed in"))?;
    if let Some(challenge) = &done.challenge {
        tx.change_challenge(&open_challenge::record(challenge, done.under_way.record.version)?);
        tx.also(super::step_up::proven(app, browser, challenge)?);
    }
    let next = match &done.under_way.request {
        None => done.under_way.challenge.opening().return_to.clone().unwrap_or_else(|| "/me".to_owned()),
        Some(request) if !decided_enough(app, browser, &mut tx, &session, login, request).await? => {
            let error = OAuthError::new(ErrorCode::AccessDenied, "What was shown is not what the policy asks for.");
            error_location(request, &error, &app.issuer)
        }
        Some(request) => match met(request, &signed_in.evidence, now) {
            Some((acr, auth_time)) => {
                let grounds = Grounds {
                    subject: signed_in.subject,
                    session: session.id,
                    login,
                    challenge: done.challenge.as_ref().map(Challenge::id),
                    acr,
                    amr: signed_in.evidence.amr(now).into_iter().map(str::to_owned).collect(),
                    auth_time,
                    transaction: None,
                    request,
                };
                match grant_code(app, &mut tx, grounds, now) {
                    Ok((next, event)) => {
                        tx.also(event);
                        next
                    }
                    Err(error) => error_location(request, &error, &app.issuer),
                }
            }
            None => {
                let error = OAuthError::new(
                    ErrorCode::UnmetAuthenticationRequirements,
                    "What was shown does not reach the assurance asked for.",
                );
                error_location(request, &error, &app.issuer)
            }
        },
    };
    let kind = EventKind::SessionSignedIn {
        session: session.id,
        login,
        subject: done.subject.id,
        authenticators: used.iter().map(|authenticator| authenticator.id).collect(),
        acr,
        binding,
    };
    let event = app.personal_event(
        now,
        actor(browser),
        kind,
        [("ip", browser.visit.ip.to_string()), ("user_agent", browser.visit.user_agent.clone())],
    );
    tx.commit(&app.store, event).await?;
    app.facts.forget_person(done.subject.id);
    app.facts.forget_login(login);
    Ok(Renewed { body: Answer::Next(Next { next }), session: Some((session.id, secret)) })
}

/// Where the client came with a decision, it is made again with what the session has shown by now: a code only where
/// that is enough, so that no challenge loops and nothing else than what was asked is enough (CONTRACT §5). The record is of
/// the unit that gives the code, or tells the client that there is none.
async fn decided_enough<T>(
    app: &App,
    browser: &Browser<T>,
    tx: &mut Tx,
    session: &Session,
    login: LoginId,
    request: &AuthorizationRequest,
) -> Result<bool, Problem> {
    let now = browser.visit.now;
    let Some(id) = request.decision_id else { return Ok(true) };
    let Some(lodged) = decide::recorded(app, id).await? else { return Ok(false) };
    let input = decide::renewed(app, &lodged.input, session, login, now).await?;
    let decided = decide::judge(app, input, app.pack.load_full());
    decided.also_record(app, tx, actor(browser))?;
    tx.about("decision", id);
    Ok(decided.decision.is_proven())
}

/// What the session's key is worth. A phishing-resistant proof makes its device known from now on; without one, `login`
/// descends from what made it known.
pub async fn binding<T>(
    app: &App,
    browser: &Browser<T>,
    tx: &mut Tx,
    subject: SubjectId,
    login: LoginId,
    phishing_resistant: Option<&ProofFact>,
) -> Result<Binding, Problem> {
    let now = browser.visit.now;
    let key = browser.session.key_thumbprint;
    if let Some(proof) = phishing_resistant {
        tx.remember_device(&KnownDevice {
            subject,
            key_thumbprint: key,
            authenticator: proof.authenticator,
            login,
            at: now,
            expires_at: now.plus_seconds(limits::KNOWN_DEVICE_SECONDS),
        });
        let kind = EventKind::DeviceKnown { subject, key, authenticator: proof.authenticator };
        tx.also(app.event(now, actor(browser), kind));
        return Ok(Binding::KnownDevice);
    }
    Ok(match app.store.trusted_device(subject, &key, now).await? {
        Some(device) => {
            tx.rely_on_device(&device, login);
            Binding::KnownDevice
        }
        None => Binding::NewKey,
    })
}
