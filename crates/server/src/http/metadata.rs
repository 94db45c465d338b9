//! Discovery: what we are and where everything is.

use crate::{app::App, page::Lang};
use axum::{Json, extract::State, response::IntoResponse};
use counterfoil_oauth::metadata::{AuthZenMetadata, AuthorizationServerMetadata};
use std::sync::Arc;

/// RFC 8414 and OpenID Connect discovery: one document.
pub async fn authorization_server(State(app): State<Arc<App>>) -> impl IntoResponse {
    let types = app.pack.load().transaction_types().map(|kind| kind.name().to_owned()).collect();
    let languages: Vec<&str> = Lang::ALL.iter().map(|lang| lang.tag()).collect();
    Json(AuthorizationServerMetadata::new(&app.issuer, types, &languages))
}

/// AuthZEN 1.0 §9.
pub async fn authzen(State(app): State<Arc<App>>) -> impl IntoResponse {
    Json(AuthZenMetadata::new(&app.issuer, false))
}

/// RFC 7517.
pub async fn jwks(State(app): State<Arc<App>>) -> impl IntoResponse {
    Json(app.keys.jwks.clone())
}
