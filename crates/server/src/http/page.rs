//! Pages: shells that are the same for everybody, and what their scripts ask.

pub mod admin;
pub mod authorize;
pub mod init;
pub mod me;
pub mod session;
pub mod sign_in;
pub mod step_up;

use crate::{
    app::App,
    browser,
    extract::Named,
    page::{HEADERS, Shell, asset::CACHE_CONTROL},
    problem::{Kind, Problem},
};
use axum::{
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
};
use std::{fmt::Write as _, sync::Arc};

macro_rules! shells {
    ($($name:ident $shell:ident),* $(,)?) => {$(
        /// The shell of that page.
        pub async fn $name(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
            shell(&app, &headers, Shell::$shell, StatusCode::OK)
        }
    )*};
}

shells! { sign_in SignIn, authorize Authorize, step_up StepUp, me Me, passkey Passkey, invited Init, console Admin }

/// The front door leads to one's own account.
pub async fn home() -> Redirect {
    Redirect::to("/me")
}

/// Nothing here: a page for people, a problem for programs.
pub async fn not_found(State(app): State<Arc<App>>, request: Request) -> Response {
    let wants_page = request.headers().get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    if request.method() == Method::GET && wants_page.is_some_and(|accept| accept.contains("text/html")) {
        shell(&app, request.headers(), Shell::NotFound, StatusCode::NOT_FOUND)
    } else {
        Problem::new(Kind::NOT_FOUND).into_response()
    }
}

fn shell(app: &App, headers: &HeaderMap, shell: Shell, status: StatusCode) -> Response {
    let Some(page) = app.pages.shell(shell, browser::lang(headers)) else {
        return Problem::internal("a shell was not rendered").into_response();
    };
    let known = headers.get(header::IF_NONE_MATCH).and_then(|tag| tag.to_str().ok());
    let mut response = if known == Some(page.etag.as_str()) && status == StatusCode::OK {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        (status, Body::from(page.html.clone())).into_response()
    };
    for (name, value) in HEADERS {
        response.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    if let Ok(tag) = HeaderValue::from_str(&page.etag) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}

/// A file of the pages, under an address that changes with its content.
pub async fn asset(State(app): State<Arc<App>>, Named(path): Named) -> Response {
    let Some(asset) = app.pages.assets.find(&format!("/assets/{path}")) else {
        return Problem::new(Kind::NOT_FOUND).into_response();
    };
    let mut response = Body::from(asset.bytes.clone()).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(asset.content_type));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static(CACHE_CONTROL));
    response
}

/// Every message of the demo, newest first. There is no such route elsewhere.
pub async fn outbox(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    let mut html = String::from(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>Outbox of the demo</title><link rel=\"stylesheet\" href=\"",
    );
    let _ = write!(
        html,
        "{}/style.css\"><body class=\"outbox\"><main><h1>Outbox of the demo</h1>",
        app.pages.assets.folder()
    );
    html.push_str("<p>What a mailbox or a phone would have got, newest first.</p>");
    for message in app.store.last_messages(50).await? {
        let _ = write!(
            html,
            "<article class=\"card\"><h2>{}</h2><p>To {}</p><pre>{}</pre></article>",
            escape(&message.title),
            escape(&message.to),
            escape(&message.text)
        );
    }
    html.push_str("</main></html>");
    let mut response = Body::from(html).into_response();
    for (name, value) in HEADERS {
        response.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

fn escape(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut out, c| {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
        out
    })
}
