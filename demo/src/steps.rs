//! The steps of a visit: sign in, ask the API, be asked for more, come back, and be told.

use crate::call::{Reply, call};
use crate::operation::{Cheat, Operation};
use crate::page::result::{Ending, Outcome, render};
use crate::page::see_other;
use crate::session::{Handle, Intent, Pending, Session, Token, User};
use crate::{App, clock};
use axum::response::Response;
use counterfoil_guard::client::ClientError;
use http::{HeaderMap, Method, header};
use serde_json::Value;
use std::collections::BTreeMap;
use url::form_urlencoded;

/// A token that is refused this soon after its sign-in would be refused again: without this, browser, treasury and issuer
/// would send each other in circles.
const LOOP_SECONDS: i64 = 5;
/// The largest form.
const FORM_BYTES: usize = 16 * 1024;

/// The fields of a form, each name once.
pub struct Form(BTreeMap<String, String>);

impl Form {
    /// Reads `application/x-www-form-urlencoded`. A name given twice is refused: two readers could take different ones.
    pub fn parse(text: &[u8]) -> Option<Self> {
        if text.len() > FORM_BYTES {
            return None;
        }
        let mut fields = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(text) {
            if fields.insert(name.into_owned(), value.into_owned()).is_some() {
                return None;
            }
        }
        Some(Self(fields))
    }

    /// The value of a field.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

/// A browser with its session, as it was when the request came.
pub struct Visitor {
    /// The name of the session.
    pub handle: Handle,
    /// What is in it.
    pub session: Session,
}

impl Visitor {
    /// Whoever has signed in.
    pub fn signed_in(app: &App, headers: &HeaderMap) -> Option<Self> {
        let (handle, session) = app.sessions.find(headers)?;
        if session.user.is_some() { Some(Self { handle, session }) } else { None }
    }

    /// Anybody; a session begins if there is none.
    ///
    /// # Errors
    /// When no session can begin.
    pub fn any(app: &App, headers: &HeaderMap) -> Result<Self, ClientError> {
        let (handle, session) = match app.sessions.find(headers) {
            Some(found) => found,
            None => app.sessions.begin()?,
        };
        Ok(Self { handle, session })
    }
}

/// Whether a request comes from a page of ours. Browsers say so with every POST.
pub fn same_origin(app: &App, headers: &HeaderMap) -> bool {
    headers.get(header::ORIGIN).is_some_and(|origin| origin.as_bytes() == app.config.external_url.as_bytes())
}

/// The form of a signed-in visitor, if it is from a page of ours and carries the session's token.
pub fn checked_form(app: &App, headers: &HeaderMap, body: &[u8]) -> Option<(Visitor, Form)> {
    if !same_origin(app, headers) {
        return None;
    }
    let visitor = Visitor::signed_in(app, headers)?;
    let form = Form::parse(body)?;
    // 256 random bits that the attacker has no way to try: a plain comparison gives nothing away that matters.
    if form.get("csrf") == Some(visitor.session.csrf.as_str()) { Some((visitor, form)) } else { None }
}

/// Asks the API with the session's token.
pub async fn ask(app: &App, visitor: &Visitor, request: (Method, String, Option<Value>)) -> Reply {
    match visitor.session.live_token() {
        Some(token) => call(&app.http, &app.config.external_url, &visitor.session.dpop_api, token, request).await,
        None => Reply::InvalidToken,
    }
}

/// Sends the browser to sign in, and then to `to`.
pub async fn begin_sign_in(app: &App, visitor: &Visitor, to: &str) -> Response {
    send_to_issuer(app, visitor, Intent::SignIn { to: to.to_owned() }, None).await
}

/// Sends the browser to sign in because its token has ended: silently, while the session at the issuer lives.
pub async fn sign_in_again(app: &App, visitor: &Visitor, to: &str) -> Response {
    sign_in_for(app, visitor, Intent::SignIn { to: to.to_owned() }).await
}

async fn sign_in_for(app: &App, visitor: &Visitor, intent: Intent) -> Response {
    if clock::seconds() - visitor.session.signed_in_at < LOOP_SECONDS {
        return finish(app, &visitor.handle, Outcome::of(Ending::SignedOut, None));
    }
    send_to_issuer(app, visitor, intent, None).await
}

async fn send_to_issuer(
    app: &App,
    visitor: &Visitor,
    intent: Intent,
    decision: Option<(String, Option<Value>)>,
) -> Response {
    let operation = match &intent {
        Intent::SignIn { .. } => None,
        Intent::Fresh(operation) | Intent::Confirm { operation, .. } | Intent::Resume { operation, .. } => {
            Some(operation.clone())
        }
    };
    let pending = Pending::new(intent);
    let decision = decision.as_ref().map(|(id, details)| (id.as_str(), details.as_ref()));
    match app.client.push(&visitor.session, &pending, decision).await {
        Ok(url) => {
            app.sessions.wait_for(&visitor.handle, pending);
            with_cookie(app, &visitor.handle, see_other(&url))
        }
        Err(error) => {
            tracing::warn!(%error, "the issuer did not take the request");
            with_cookie(app, &visitor.handle, finish(app, &visitor.handle, Outcome::of(of_client(&error), operation)))
        }
    }
}

fn of_client(error: &ClientError) -> Ending {
    match error {
        ClientError::Http(_) => Ending::Unavailable,
        ClientError::Refused { error, .. } => Ending::of_error(error),
        ClientError::Unsendable(_) | ClientError::Unexpected(_) => Ending::Broken,
    }
}

fn with_cookie(app: &App, handle: &Handle, mut response: Response) -> Response {
    if let Some(cookie) = app.sessions.set_cookie(handle) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    response
}

/// Does what the person asked for, or finds out what it takes.
pub async fn perform(
    app: &App,
    visitor: &Visitor,
    headers: &HeaderMap,
    operation: Operation,
    cheat: Cheat,
) -> Response {
    let (method, path, body) = operation.request();
    match ask(app, visitor, (method, path, Some(body))).await {
        Reply::StepUp { decision_id, authorization_details: Some(details) } => {
            if !operation.agrees_with(&details) {
                return finish(app, &visitor.handle, Outcome::of(Ending::Disagrees, Some(operation)));
            }
            let intent = Intent::Confirm { operation, cheat };
            send_to_issuer(app, visitor, intent, Some((decision_id, Some(details)))).await
        }
        Reply::StepUp { decision_id, authorization_details: None } => {
            send_to_issuer(app, visitor, Intent::Fresh(operation), Some((decision_id, None))).await
        }
        Reply::InvalidToken => sign_in_for(app, visitor, Intent::Resume { operation, cheat }).await,
        other => tell(app, visitor, headers, Some(operation), other),
    }
}

/// Tells what the API answered, where nothing more can be done about it.
pub fn tell(app: &App, visitor: &Visitor, headers: &HeaderMap, operation: Option<Operation>, reply: Reply) -> Response {
    let outcome = outcome(operation, reply);
    // A page that could not be read is told in its place; what somebody did has a page of its own to go back to.
    if outcome.operation.is_none() {
        render(app, headers, Some(visitor), &outcome)
    } else {
        finish(app, &visitor.handle, outcome)
    }
}

fn outcome(operation: Option<Operation>, reply: Reply) -> Outcome {
    let of = |ending| Outcome::of(ending, operation.clone());
    match reply {
        Reply::Done(answer) => {
            let text = |name: &str| answer.get(name).and_then(Value::as_str).map(str::to_owned);
            Outcome { counterfoil: text("counterfoil"), ..of(Ending::Done) }
        }
        Reply::Denied { reason, acr_values, decision_id } => {
            Outcome { reason, acr_values, decision_id, ..of(Ending::Denied) }
        }
        Reply::NotConfirmed(problem) => of(Ending::of_problem(&problem)),
        Reply::StepUp { decision_id, .. } => Outcome { decision_id: Some(decision_id), ..of(Ending::Unmet) },
        Reply::InvalidToken => of(Ending::Expired),
        Reply::Unavailable => of(Ending::Unavailable),
        Reply::Invalid(detail) => Outcome { reason: Some(detail), ..of(Ending::Invalid) },
        Reply::Broken(what) => {
            tracing::warn!(%what, "the treasury's API answered something that nobody expects");
            of(Ending::Broken)
        }
    }
}

/// Keeps an outcome and shows it at a page of its own, so that reloading does nothing again.
fn finish(app: &App, handle: &Handle, outcome: Outcome) -> Response {
    app.sessions.change(handle, |session| session.result = Some(outcome));
    see_other("/result")
}

/// The browser is back from the issuer with `query`.
pub async fn come_back(app: &App, headers: &HeaderMap, query: &str) -> Response {
    let elsewhere = |visitor: Option<&Visitor>| render(app, headers, visitor, &Outcome::of(Ending::Elsewhere, None));
    let Some((handle, session)) = app.sessions.find(headers) else { return elsewhere(None) };
    let visitor = Visitor { handle, session };
    let Some(query) = Form::parse(query.as_bytes()) else { return elsewhere(Some(&visitor)) };
    // RFC 9207 §2.4: an answer of another issuer's, or one that does not say whose it is, is not looked at.
    if query.get("iss") != Some(app.config.issuer.as_str()) {
        return elsewhere(Some(&visitor));
    }
    let pending = query.get("state").and_then(|state| app.sessions.take_pending(&visitor.handle, state));
    let Some(pending) = pending else { return elsewhere(Some(&visitor)) };
    let operation = match &pending.intent {
        Intent::SignIn { .. } => None,
        Intent::Fresh(operation) | Intent::Confirm { operation, .. } | Intent::Resume { operation, .. } => {
            Some(operation.clone())
        }
    };
    let Some(code) = query.get("code") else {
        return finish(app, &visitor.handle, refused(operation, query.get("error").unwrap_or_default()));
    };
    match app.client.trade(&visitor.session, &pending, code).await {
        Ok(tokens) => arrive(app, visitor, headers, pending.intent, tokens).await,
        Err(error) => {
            tracing::warn!(%error, "the issuer did not take the code");
            finish(app, &visitor.handle, Outcome::of(of_client(&error), operation))
        }
    }
}

fn refused(operation: Option<Operation>, error: &str) -> Outcome {
    let ending = match (&operation, Ending::of_error(error)) {
        // Nothing was asked for but to sign in.
        (None, Ending::Refused | Ending::Elsewhere) => Ending::SignedOut,
        (_, ending) => ending,
    };
    Outcome::of(ending, operation)
}

async fn arrive(
    app: &App,
    visitor: Visitor,
    headers: &HeaderMap,
    intent: Intent,
    tokens: crate::oauth::Tokens,
) -> Response {
    match intent {
        Intent::SignIn { to } => {
            let handle = signed_in(app, &visitor.handle, tokens);
            with_cookie(app, &handle, see_other(&to))
        }
        Intent::Fresh(operation) => {
            let Some(visitor) = same_person(app, visitor, tokens) else { return see_other("/") };
            let (method, path, body) = operation.request();
            // Once more, with what was shown; what is still not enough will not be by asking again.
            let reply = ask(app, &visitor, (method, path, Some(body))).await;
            with_cookie(app, &visitor.handle, tell(app, &visitor, headers, Some(operation), reply))
        }
        Intent::Resume { operation, cheat } => {
            let Some(visitor) = same_person(app, visitor, tokens) else { return see_other("/") };
            let response = perform(app, &visitor, headers, operation, cheat).await;
            with_cookie(app, &visitor.handle, response)
        }
        Intent::Confirm { operation, cheat } => {
            let granted = tokens.authorization_details.as_ref().is_some_and(|details| operation.agrees_with(details));
            if !granted {
                return finish(app, &visitor.handle, Outcome::of(Ending::Disagrees, Some(operation)));
            }
            let sent = operation.altered(cheat);
            let outcome = execute(app, &visitor, &tokens.token, &sent).await;
            app.sessions.change(&visitor.handle, |session| session.used = Some((tokens.token, operation)));
            finish(app, &visitor.handle, outcome)
        }
    }
}

/// The visitor after a sign-in, if it is still the one who asked. Otherwise the session is over: what the first person began
/// is not the second one's.
fn same_person(app: &App, visitor: Visitor, tokens: crate::oauth::Tokens) -> Option<Visitor> {
    if visitor.session.user.as_ref().map(|user| &user.sub) != tokens.subject.as_ref() {
        app.sessions.end(&visitor.handle);
        return None;
    }
    let handle = signed_in(app, &visitor.handle, tokens);
    let session = app.sessions.current(&handle)?;
    Some(Visitor { handle, session })
}

fn signed_in(app: &App, handle: &Handle, tokens: crate::oauth::Tokens) -> Handle {
    let handle = app.sessions.renew(handle);
    app.sessions.change(&handle, |session| {
        if let Some(sub) = tokens.subject {
            let name = app.config.people.get(&sub).cloned().unwrap_or_else(|| sub.clone());
            if session.user.as_ref().is_some_and(|user| user.sub != sub) {
                // Somebody else at the same browser: nothing of the first person's is theirs.
                (session.result, session.used) = (None, None);
                session.pending.clear();
            }
            session.user = Some(User { sub, name });
        }
        session.token = Some(tokens.token);
        session.signed_in_at = clock::seconds();
    });
    handle
}

/// Sends a confirmed operation, with the token of its confirmation.
async fn execute(app: &App, visitor: &Visitor, token: &Token, operation: &Operation) -> Outcome {
    let (method, path, body) = operation.request();
    let request = (method, path, Some(body));
    let reply = call(&app.http, &app.config.external_url, &visitor.session.dpop_api, token, request).await;
    outcome(Some(operation.clone()), reply)
}

/// Sends the last confirmation once more.
pub async fn use_again(app: &App, visitor: &Visitor) -> Response {
    let Some((token, operation)) = visitor.session.used.clone() else { return see_other("/") };
    let outcome = execute(app, visitor, &token, &operation).await;
    finish(app, &visitor.handle, outcome)
}
