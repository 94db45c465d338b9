//! `POST /session`: a browser begins.

use crate::{
    app::App,
    browser::{Newcomer, Renewed},
    flows::begin_session,
    problem::Problem,
};
use axum::{extract::State, response::Response};
use serde_json::json;
use std::sync::Arc;

/// A session bound to the key that came with the proof.
pub async fn begin(State(app): State<Arc<App>>, newcomer: Newcomer) -> Result<Response, Problem> {
    let session = begin_session::begin_session(&app, newcomer).await?;
    Ok(Renewed { body: json!({}), session: Some(session) }.into_response(&app))
}
