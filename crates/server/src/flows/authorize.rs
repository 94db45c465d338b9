//! A browser brings a pushed request: its proof-bearing POST uses the request up and opens the challenge, in one commit.

use super::{
    decide::{self, Decided, Record},
    grant_code::{Grounds, grant_code, met},
    open_challenge::{self, Opening, open_challenge},
};
use crate::{
    app::App,
    browser::Browser,
    page::Back,
    problem::{Kind, Problem},
};
use counterfoil_core::{
    audit::event::{Actor, Event, EventKind},
    decision::Decision,
    session::SignedIn,
    statement::Purpose,
    time::Time,
};
use counterfoil_oauth::{
    authorize::{AuthorizationRequest, Prompt, RequestUri, error_location, still_allowed},
    error::{ErrorCode, OAuthError},
};
use counterfoil_store::{PushedRequest, Tx};
use serde::Deserialize;
use std::sync::Arc;

/// What stands in the address of the page.
#[derive(Debug, Deserialize)]
pub struct FrontChannel {
    /// Which client it says it is.
    pub client_id: String,
    /// The reference to the pushed request.
    pub request_uri: String,
}

/// The pushed request that a browser brought.
struct Brought {
    stored: PushedRequest,
    request: AuthorizationRequest,
}

/// Where the browser goes next: to sign in, to confirm, or back to the client with a code or an error.
pub async fn authorize(app: &App, browser: &Browser<FrontChannel>) -> Result<String, Problem> {
    let brought = brought(app, &browser.body, browser.visit.now).await?;
    match brought.request.decision_id {
        None => sign_in(app, browser, &brought, None).await,
        Some(id) => {
            let lodged = super::push::lodged(app, id, &brought.request.client_id, browser.visit.now)
                .await
                .map_err(|_| Problem::new(Kind::REQUEST_UNKNOWN))?;
            let signed_in = own_session(app, browser, &brought, &lodged).await?;
            match signed_in {
                Ok(signed_in) => answer_decision(app, browser, &brought, lodged, signed_in).await,
                Err(next) => Ok(next),
            }
        }
    }
}

/// Finds the request. One that is unknown, used, over or another client's looks the same to whoever asks.
async fn brought(app: &App, front: &FrontChannel, now: Time) -> Result<Brought, Problem> {
    let unknown = || Problem::new(Kind::REQUEST_UNKNOWN);
    let reference = RequestUri::parse(&front.request_uri).map_err(|_| unknown())?;
    let stored = app.store.pushed_request(&reference.digest().to_string()).await?.ok_or_else(unknown)?;
    let request: AuthorizationRequest = stored.body.read().map_err(Problem::internal)?;
    let directory = app.directory.load();
    let client = directory.client(&stored.client_id).ok_or_else(unknown)?;
    if stored.client_id != front.client_id || now >= stored.expires_at || !still_allowed(&request, client) {
        return Err(unknown());
    }
    Ok(Brought { stored, request })
}

/// A decision is answered in the session behind the access token that lodged it, and in no other (DESIGN §5).
async fn own_session<'a>(
    app: &App,
    browser: &'a Browser<FrontChannel>,
    brought: &Brought,
    lodged: &Record,
) -> Result<Result<&'a SignedIn, String>, Problem> {
    let Some(lodging) = &lodged.input.session else { return Err(Problem::new(Kind::REQUEST_UNKNOWN)) };
    let signed_in = browser.session.signed_in();
    if let Some(signed_in) = signed_in.filter(|signed_in| signed_in.login == lodging.login) {
        return Ok(Ok(signed_in));
    }
    let open = app.store.login(lodging.login).await?.is_some_and(|login| login.is_open());
    if !open {
        let error = OAuthError::new(ErrorCode::LoginRequired, "The session that asked has ended; start over.");
        return refuse(app, browser, brought, None, &error).await.map(Err);
    }
    let kind = EventKind::RelaySeen {
        subject: lodged.input.subject.as_ref().map(|subject| subject.id),
        session: Some(browser.session.id),
        challenge: None,
        signal: "other_browser".to_owned(),
    };
    let event = app.personal_event(
        browser.visit.now,
        actor(browser),
        kind,
        [("ip", browser.visit.ip.to_string()), ("user_agent", browser.visit.user_agent.clone())],
    );
    Tx::new(browser.visit.now).commit(&app.store, event).await?;
    Err(Problem::new(Kind::OTHER_DEVICE))
}

/// Decides again with what is known now, and opens exactly the challenge that is derived. What is decided is a record in the
/// unit of what follows from it.
async fn answer_decision(
    app: &App,
    browser: &Browser<FrontChannel>,
    brought: &Brought,
    lodged: Record,
    signed_in: &SignedIn,
) -> Result<String, Problem> {
    let input = decide::renewed(app, &lodged.input, &browser.session, signed_in.login, browser.visit.now).await?;
    let decided = decide::judge(app, input, app.pack.load_full());
    let for_transaction = brought.request.authorization_details.is_some();
    match &decided.decision {
        Decision::Permit(_) if !for_transaction => sign_in(app, browser, brought, Some(&decided)).await,
        // What is permitted as it is needs no signature, so there is nothing to give a token for.
        Decision::Permit(_) => Err(deny(app, browser, brought, &decided, None).await?),
        Decision::Deny(denial) => {
            let reason = denial.grounds.reason_user.get(browser.visit.lang.tag()).cloned();
            Err(deny(app, browser, brought, &decided, reason).await?)
        }
        Decision::StepUp(step_up) if step_up.requirement.enrolment_needed => {
            // The person comes back with the same request, and is decided about once more.
            let mut tx = Tx::new(browser.visit.now);
            let event = decided.record(app, &mut tx, actor(browser))?;
            tx.commit(&app.store, event).await?;
            Ok(enrol_first(&browser.body))
        }
        Decision::StepUp(step_up) => {
            let purpose = if for_transaction { Purpose::Transaction } else { Purpose::SignIn };
            let opening = Opening {
                request: Some(&brought.request),
                ..Opening::asked(browser, purpose, brought.request.decision_id, &decided, step_up)
            };
            open_challenge::room(app, browser).await?;
            let mut tx = consuming(browser, brought);
            decided.also_record(app, &mut tx, actor(browser))?;
            let (challenge, event) = open_challenge(app, &mut tx, opening, Some(&brought.stored.id))?;
            commit(app, tx, event).await?;
            Ok(if for_transaction {
                format!("/step-up/{challenge}")
            } else {
                format!("/sign-in?challenge={challenge}")
            })
        }
    }
}

/// A unit that uses the request up.
fn consuming(browser: &Browser<FrontChannel>, brought: &Brought) -> Tx {
    let mut tx = Tx::new(browser.visit.now);
    tx.consume_pushed_request(&brought.stored);
    tx
}

/// The same where the decision that it answers, made again, opens no challenge: that is its answer, and its only one.
fn answering(
    app: &App,
    browser: &Browser<FrontChannel>,
    brought: &Brought,
    decided: Option<&Decided>,
) -> Result<Tx, Problem> {
    let mut tx = consuming(browser, brought);
    if let (Some(decided), Some(lodged)) = (decided, brought.request.decision_id) {
        tx.close_decision(lodged);
        decided.also_record(app, &mut tx, actor(browser))?;
    }
    Ok(tx)
}

/// Nothing that this person shows would be enough. The request and the decision are used up: whoever wants to try again asks
/// the API anew.
async fn deny(
    app: &App,
    browser: &Browser<FrontChannel>,
    brought: &Brought,
    decided: &Decided,
    reason: Option<String>,
) -> Result<Problem, Problem> {
    let tx = answering(app, browser, brought, Some(decided))?;
    let event = refused(app, browser, brought, ErrorCode::AccessDenied)?;
    commit(app, tx, event).await?;
    Ok(denied(app, brought, reason))
}

/// The person adds what is missing and comes back with the same request.
fn enrol_first(front: &FrontChannel) -> String {
    let mut here = url::form_urlencoded::Serializer::new(String::new());
    here.append_pair("client_id", &front.client_id).append_pair("request_uri", &front.request_uri);
    let mut there = url::form_urlencoded::Serializer::new(String::new());
    there.append_pair("to", &format!("/oauth/authorize?{}", here.finish()));
    format!("/me/passkey?{}", there.finish())
}

fn denied(app: &App, brought: &Brought, reason: Option<String>) -> Problem {
    let error = OAuthError::new(ErrorCode::AccessDenied, "The policy does not allow this.");
    let directory = app.directory.load();
    let name = directory.client(&brought.request.client_id).map(|client| client.name("en").to_owned());
    let back = Back { url: error_location(&brought.request, &error, &app.issuer), name: name.unwrap_or_default() };
    let mut problem = Problem::new(Kind::DENIED).with("back", serde_json::json!(back));
    if let Some(id) = brought.request.decision_id {
        problem = problem.with("decision_id", id.to_string());
    }
    match reason {
        Some(reason) => problem.with("reason", reason),
        None => problem,
    }
}

/// A sign-in for a client: at once where the session already shows what is asked, else by the sign-in page. `decided` permits
/// it, where the client came with a decision.
async fn sign_in(
    app: &App,
    browser: &Browser<FrontChannel>,
    brought: &Brought,
    decided: Option<&Decided>,
) -> Result<String, Problem> {
    let now = browser.visit.now;
    let request = &brought.request;
    let signed_in = browser.session.signed_in();
    if let Some(signed_in) = signed_in.filter(|_| request.prompt != Prompt::Login)
        && let Some((acr, auth_time)) = met(request, &signed_in.evidence, now)
    {
        let mut tx = answering(app, browser, brought, decided)?;
        tx.require_session(&browser.session);
        let grounds = Grounds {
            subject: signed_in.subject,
            session: browser.session.id,
            login: signed_in.login,
            challenge: None,
            acr,
            amr: signed_in.evidence.amr(now).into_iter().map(str::to_owned).collect(),
            auth_time,
            transaction: None,
            request,
        };
        let (next, event) = match grant_code(app, &mut tx, grounds, now) {
            Ok(granted) => granted,
            Err(error) => return refuse(app, browser, brought, decided, &error).await,
        };
        commit(app, tx, event).await?;
        return Ok(next);
    }
    if request.prompt == Prompt::None {
        let error = OAuthError::new(ErrorCode::LoginRequired, "Nobody is signed in who has shown enough.");
        return refuse(app, browser, brought, decided, &error).await;
    }
    // Nobody has said who it is yet, and only a passkey can: a password opens another challenge for its person.
    open_challenge::room(app, browser).await?;
    let pack = decided.map_or_else(|| app.pack.load_full(), |decided| Arc::clone(&decided.pack));
    let opening = Opening { request: Some(request), ..Opening::new(browser, Purpose::SignIn, &pack) };
    let mut tx = answering(app, browser, brought, decided)?;
    let (challenge, event) = open_challenge(app, &mut tx, opening, Some(&brought.stored.id))?;
    commit(app, tx, event).await?;
    Ok(format!("/sign-in?challenge={challenge}"))
}

/// Uses the request up and sends the browser back with an error.
async fn refuse(
    app: &App,
    browser: &Browser<FrontChannel>,
    brought: &Brought,
    decided: Option<&Decided>,
    error: &OAuthError,
) -> Result<String, Problem> {
    let tx = answering(app, browser, brought, decided)?;
    let event = refused(app, browser, brought, error.code())?;
    commit(app, tx, event).await?;
    Ok(error_location(&brought.request, error, &app.issuer))
}

/// The event of a request that was answered with this error.
fn refused(app: &App, browser: &Browser<FrontChannel>, brought: &Brought, error: ErrorCode) -> Result<Event, Problem> {
    let kind = EventKind::RequestRefused {
        request: brought.stored.id.parse().map_err(Problem::internal)?,
        client_id: brought.request.client_id.clone(),
        error: error.as_str().to_owned(),
    };
    Ok(app.event(browser.visit.now, actor(browser), kind))
}

/// A request that somebody else used meanwhile is an unknown one.
async fn commit(app: &App, tx: Tx, event: Event) -> Result<(), Problem> {
    match tx.commit(&app.store, event).await {
        Ok(_) => Ok(()),
        Err(error) if error.spent().is_some() => Err(Problem::new(Kind::REQUEST_UNKNOWN)),
        Err(error) => Err(Problem::from(error)),
    }
}

/// Who acts, as the log says it.
pub fn actor<T>(browser: &Browser<T>) -> Actor {
    match browser.session.signed_in() {
        Some(signed_in) => Actor::Subject { subject: signed_in.subject, session: Some(browser.session.id) },
        None => Actor::Anonymous { session: Some(browser.session.id) },
    }
}
