//! `POST /oauth/token` (RFC 6749 §3.2).

use crate::{
    app::App,
    flows::issue_token,
    http::caller::{ClientCaller, OAuthRefused, nonce_header},
};
use axum::{
    Json,
    extract::State,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use counterfoil_oauth::dpop::DpopError;
use std::sync::Arc;

/// Every token is bound to a key, so every request brings a DPoP proof.
pub async fn handle(State(app): State<Arc<App>>, caller: ClientCaller) -> Result<Response, OAuthRefused> {
    let nonce = Some(app.keys.dpop_nonces.issue(caller.now, app.random.bytes()));
    let refuse = |error| OAuthRefused { error, nonce: nonce.clone() };
    let dpop = caller.dpop.as_ref().ok_or_else(|| refuse(DpopError::Missing.to_oauth()))?;
    let issued =
        issue_token::issue_token(&app, &caller.form, &caller.client, dpop, caller.now).await.map_err(refuse)?;
    let mut response = Json(issued).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    nonce_header(response.headers_mut(), nonce);
    Ok(response)
}
