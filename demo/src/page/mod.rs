//! Pages: what they share, and how they leave. No page of the treasury has a script.

pub mod account;
pub mod form;
pub mod home;
pub mod result;

use crate::session::Session;
use crate::text::{Lang, Texts};
use crate::{App, assets};
use askama::Template;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};

/// What every page knows.
pub struct Frame {
    /// The language.
    pub lang: Lang,
    /// Its texts.
    pub t: &'static Texts,
    /// Who has signed in.
    pub user: Option<String>,
    /// The token of forms (CSRF).
    pub csrf: String,
    /// Where the person looks after their sign-in.
    pub me_url: String,
    /// Where the stylesheet is.
    pub style: &'static str,
    /// Where the icon is.
    pub icon: &'static str,
}

impl Frame {
    /// For this request and session.
    pub fn new(app: &App, headers: &HeaderMap, session: Option<&Session>) -> Self {
        let lang = Lang::of(headers);
        Self {
            lang,
            t: lang.texts(),
            user: session.and_then(|session| session.user.as_ref()).map(|user| user.name.clone()),
            csrf: session.map(|session| session.csrf.clone()).unwrap_or_default(),
            me_url: format!("{}/me", app.config.issuer),
            style: assets::STYLE_PATH,
            icon: assets::ICON_PATH,
        }
    }
}

/// Renders a page with this status.
pub fn page(app: &App, status: StatusCode, template: &impl Template) -> Response {
    let Ok(html) = template.render() else {
        tracing::error!("a page could not be rendered");
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let mut response = (status, html).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::VARY, HeaderValue::from_static("Cookie, Accept-Language"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // Not `no-referrer`: with that, browsers say `Origin: null` on our own forms, and the origin is what we check.
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    headers.insert("cross-origin-opener-policy", HeaderValue::from_static("same-origin"));
    if let Ok(policy) = HeaderValue::from_str(&content_security_policy(&app.config.issuer)) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    response
}

/// Forms may lead to the issuer, because a browser applies `form-action` to where a form's reply redirects to.
fn content_security_policy(issuer: &str) -> String {
    format!(
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self' {issuer}; \
         frame-ancestors 'none'; base-uri 'none'"
    )
}

/// To another page or to the issuer, by GET (FAPI 2.0 §5.3.2.2: 303).
pub fn see_other(url: &str) -> Response {
    match HeaderValue::from_str(url) {
        Ok(location) => (StatusCode::SEE_OTHER, [(header::LOCATION, location)]).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
