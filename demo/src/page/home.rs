//! The first page: the accounts, or the way to sign in.

use crate::call::Reply;
use crate::money;
use crate::page::{Frame, page, see_other};
use crate::steps::{self, Visitor};
use crate::{App, Shared};
use askama::Template;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, Method, StatusCode, header};
use serde_json::Value;

#[derive(Template)]
#[template(path = "welcome.html")]
struct Welcome {
    frame: Frame,
}

#[derive(Template)]
#[template(path = "home.html")]
struct Home {
    frame: Frame,
    accounts: Vec<Line>,
}

/// One account in the list.
struct Line {
    id: String,
    name: String,
    balance: String,
    payout: Option<(String, String)>,
}

/// `GET /`
pub async fn show(State(app): State<Shared>, headers: HeaderMap) -> Response {
    let Some(visitor) = Visitor::signed_in(&app, &headers) else { return welcome(&app, &headers) };
    match steps::ask(&app, &visitor, (Method::GET, "/api/accounts".into(), None)).await {
        Reply::Done(answer) => {
            let frame = Frame::new(&app, &headers, Some(&visitor.session));
            let lang = frame.lang;
            let list = answer.get("accounts").and_then(Value::as_array).cloned().unwrap_or_default();
            let accounts = list.iter().map(|account| line(account, lang)).collect();
            page(&app, StatusCode::OK, &Home { frame, accounts })
        }
        Reply::InvalidToken => steps::sign_in_again(&app, &visitor, "/").await,
        other => steps::tell(&app, &visitor, &headers, None, other),
    }
}

fn welcome(app: &App, headers: &HeaderMap) -> Response {
    let session = app.sessions.find(headers).map(|(_, session)| session);
    page(app, StatusCode::OK, &Welcome { frame: Frame::new(app, headers, session.as_ref()) })
}

fn line(account: &Value, lang: crate::text::Lang) -> Line {
    let text = |pointer: &str| account.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let payout = text("/payout/iban");
    Line {
        id: text("/id"),
        name: text("/name"),
        balance: money::show(&text("/currency"), &text("/balance"), lang),
        payout: if payout.is_empty() {
            None
        } else {
            Some((text("/payout/creditor_name"), money::group_iban(&payout)))
        },
    }
}

/// `POST /sign-in`
pub async fn sign_in(State(app): State<Shared>, headers: HeaderMap) -> Response {
    if !steps::same_origin(&app, &headers) {
        return StatusCode::FORBIDDEN.into_response();
    }
    let visitor = match Visitor::any(&app, &headers) {
        Ok(visitor) => visitor,
        Err(_) => return StatusCode::SERVICE_UNAVAILABLE.into_response(),
    };
    steps::begin_sign_in(&app, &visitor, "/").await
}

/// `POST /sign-out`: of the treasury. The session at Counterfoil is ended there.
pub async fn sign_out(State(app): State<Shared>, headers: HeaderMap, body: bytes::Bytes) -> Response {
    let Some((visitor, _)) = steps::checked_form(&app, &headers, &body) else {
        return StatusCode::FORBIDDEN.into_response();
    };
    app.sessions.end(&visitor.handle);
    let mut response = see_other("/");
    if let Some(cookie) = app.sessions.clear_cookie() {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    response
}

/// `GET /lang/{code}`: back to the page that one came from, in another language.
pub async fn language(State(app): State<Shared>, Path(code): Path<String>, headers: HeaderMap) -> Response {
    let referer = headers.get(header::REFERER).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let from = referer
        .strip_prefix(app.config.external_url.as_str())
        .filter(|path| path.starts_with('/') && !path.starts_with("//"));
    let mut response = see_other(from.unwrap_or("/"));
    let secure = if app.config.external_url.starts_with("https:") { "; Secure" } else { "" };
    if let Some(lang) = crate::text::Lang::named(&code)
        && let Ok(cookie) = format!("lang={}; Path=/; SameSite=Lax; Max-Age=31536000{secure}", lang.code()).parse()
    {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    response
}
