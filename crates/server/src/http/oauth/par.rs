//! `POST /oauth/par` (RFC 9126).

use crate::{
    app::App,
    flows::push,
    http::caller::{ClientCaller, OAuthRefused, nonce_header},
};
use axum::{
    Json,
    extract::State,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use std::sync::Arc;

/// Stores the request, and nothing else.
pub async fn handle(State(app): State<Arc<App>>, caller: ClientCaller) -> Result<Response, OAuthRefused> {
    let nonce = Some(app.keys.dpop_nonces.issue(caller.now, app.random.bytes()));
    let pushed = push::push(&app, &caller.form, &caller.client, caller.dpop.as_ref(), caller.now)
        .await
        .map_err(|error| OAuthRefused { error, nonce: nonce.clone() })?;
    let mut response = (StatusCode::CREATED, Json(pushed)).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    nonce_header(response.headers_mut(), nonce);
    Ok(response)
}
