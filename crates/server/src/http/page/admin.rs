//! `POST /admin/…`: the console's questions, each decided by the policy like everything else.

use crate::{
    app::App,
    browser::{Browser, Empty},
    extract::Named,
    flows::{evidence, oversee, oversee_log},
    page::admin::{DecisionStory, Decisions, Log, Overview, People, Policies},
    problem::{Kind, Problem},
};
use axum::{Json, extract::State};
use counterfoil_core::id::DecisionId;
use serde_json::Value;
use std::sync::Arc;

/// Is anything wrong?
pub async fn overview(State(app): State<Arc<App>>, browser: Browser<Empty>) -> Result<Json<Overview>, Problem> {
    oversee_log::overview(&app, &browser).await.map(Json)
}

/// Decisions, newest first.
pub async fn decisions(
    State(app): State<Arc<App>>,
    browser: Browser<oversee::Wanted>,
) -> Result<Json<Decisions>, Problem> {
    oversee::decisions(&app, &browser).await.map(Json)
}

/// One decision as a story.
pub async fn decision(
    State(app): State<Arc<App>>,
    Named(id): Named,
    browser: Browser<Empty>,
) -> Result<Json<DecisionStory>, Problem> {
    let id: DecisionId = id.parse().map_err(|_| Problem::new(Kind::NOT_FOUND))?;
    oversee::decision(&app, &browser, id).await.map(Json)
}

/// The evidence of what was confirmed for it.
pub async fn evidence(
    State(app): State<Arc<App>>,
    Named(id): Named,
    browser: Browser<Empty>,
) -> Result<Json<Value>, Problem> {
    let id: DecisionId = id.parse().map_err(|_| Problem::new(Kind::NOT_FOUND))?;
    evidence::of_decision(&app, &browser, id).await.map(Json)
}

/// What the rules say.
pub async fn policies(State(app): State<Arc<App>>, browser: Browser<Empty>) -> Result<Json<Policies>, Problem> {
    oversee::policies(&app, &browser).await.map(Json)
}

/// Who there is.
pub async fn people(State(app): State<Arc<App>>, browser: Browser<oversee::Whom>) -> Result<Json<People>, Problem> {
    oversee::people(&app, &browser).await.map(Json)
}

/// What happened.
pub async fn log(State(app): State<Arc<App>>, browser: Browser<oversee_log::Wanted>) -> Result<Json<Log>, Problem> {
    oversee_log::log(&app, &browser).await.map(Json)
}
