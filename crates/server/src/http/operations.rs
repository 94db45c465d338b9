//! What operators and load balancers ask, and headers that every reply carries.

use crate::{
    app::App,
    problem::{Kind, Problem},
};
use axum::{
    extract::State,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use std::sync::Arc;

/// The process runs.
pub async fn healthz() -> &'static str {
    "ok\n"
}

/// The process can answer: the database does, and what it says has been obeyed.
pub async fn readyz(State(app): State<Arc<App>>) -> Response {
    match app.store.feed_position().await {
        Ok(_) if !app.is_current(app.now()) => {
            tracing::error!("not ready: what changed could not be learnt");
            Problem::new(Kind::BUSY).into_response()
        }
        Ok(_) => "ready\n".into_response(),
        Err(error) => {
            tracing::error!(%error, "not ready");
            Problem::new(Kind::BUSY).into_response()
        }
    }
}

/// Replies are what they say they are, and nobody learns our addresses from a Referer.
pub async fn security_headers(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.entry(header::X_CONTENT_TYPE_OPTIONS).or_insert(HeaderValue::from_static("nosniff"));
    headers.entry(header::REFERRER_POLICY).or_insert(HeaderValue::from_static("no-referrer"));
    response
}
