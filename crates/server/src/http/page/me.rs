//! `POST /me` and what one does there.

use super::step_up::Empty;
use crate::{
    app::App,
    browser::Browser,
    flows::{end_session, enrol_passkey, evidence, own_account},
    page::{Next, enrol, me::Me},
    problem::{Kind, Problem},
};
use axum::{
    Json,
    extract::{Path, State},
};
use counterfoil_core::id::{ChallengeId, SessionId};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

/// One's own account.
pub async fn show(State(app): State<Arc<App>>, browser: Browser<Empty>) -> Result<Json<Me>, Problem> {
    own_account::view(&app, &browser).await.map(Json)
}

/// Begin to add a passkey.
pub async fn passkey_options(
    State(app): State<Arc<App>>,
    browser: Browser<Empty>,
) -> Result<Json<enrol::Enrol>, Problem> {
    enrol_passkey::begin(&app, &browser).await.map(Json)
}

/// A registration.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Registration {
    challenge: ChallengeId,
    credential: Value,
    name: String,
}

/// Add a passkey.
pub async fn passkey_add(
    State(app): State<Arc<App>>,
    mut browser: Browser<Registration>,
) -> Result<Json<enrol::Enrolled>, Problem> {
    let credential = browser.body.credential.take();
    let (id, name) = (browser.body.challenge, browser.body.name.clone());
    enrol_passkey::finish(&app, &browser, id, credential, &name).await.map(Json)
}

/// The evidence of one's own confirmation.
pub async fn evidence(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    browser: Browser<Empty>,
) -> Result<Json<Value>, Problem> {
    let id: ChallengeId = id.parse().map_err(|_| Problem::new(Kind::NOT_FOUND))?;
    evidence::of_own(&app, &browser, id).await.map(Json)
}

/// End a session, perhaps because it was not oneself.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct End {
    not_me: bool,
}

/// End one of one's sessions.
pub async fn end_session(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    browser: Browser<End>,
) -> Result<Json<Value>, Problem> {
    let id: SessionId = id.parse().map_err(|_| Problem::new(Kind::NOT_FOUND))?;
    end_session::end(&app, &browser, id, browser.body.not_me).await?;
    Ok(Json(json!({})))
}

/// Sign out.
pub async fn sign_out(State(app): State<Arc<App>>, browser: Browser<Empty>) -> Result<Json<Next>, Problem> {
    end_session::sign_out(&app, &browser).await?;
    Ok(Json(Next { next: "/sign-in?out".to_owned() }))
}
