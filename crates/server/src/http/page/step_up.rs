//! `POST /step-up/{id}` and its answers.

use super::sign_in::assertion;
use crate::{
    app::App,
    browser::{Browser, Empty},
    extract::Named,
    flows::{open_challenge, step_up},
    page::{
        sign_in::PasskeyOptions,
        step_up::{Answered, StepUp},
    },
    problem::{Kind, Problem},
};
use axum::{Json, extract::State};
use counterfoil_core::id::{ChallengeId, DecisionId};
use serde::Deserialize;
use serde_json::Value;
use std::sync::Arc;

fn id(text: &str) -> Result<ChallengeId, Problem> {
    text.parse().map_err(|_| Problem::new(Kind::NOT_FOUND))
}

/// What is to be confirmed; for a decision's identifier, what will be asked.
pub async fn show(
    State(app): State<Arc<App>>,
    Named(text): Named,
    browser: Browser<Empty>,
) -> Result<Json<StepUp>, Problem> {
    match step_up::stored(&app, &browser, id(&text)?).await {
        Ok(stored) => step_up::view(&app, &browser, &stored).await.map(Json),
        Err(problem) if problem.kind() == Kind::NOT_FOUND => {
            let decision: DecisionId = text.parse().map_err(|_| Problem::new(Kind::NOT_FOUND))?;
            step_up::announced(&app, &browser, decision).await.map(Json)
        }
        Err(problem) => Err(problem),
    }
}

/// An assertion.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Passkey {
    credential: Value,
}

/// Confirmed with a passkey.
pub async fn passkey(
    State(app): State<Arc<App>>,
    Named(text): Named,
    mut browser: Browser<Passkey>,
) -> Result<Json<Answered>, Problem> {
    let assertion = assertion(browser.body.credential.take())?;
    step_up::by_passkey(&app, &browser, id(&text)?, assertion).await.map(Json)
}

/// The same options again, after a ceremony that came to nothing.
pub async fn options(
    State(app): State<Arc<App>>,
    Named(text): Named,
    browser: Browser<Empty>,
) -> Result<Json<PasskeyOptions>, Problem> {
    let stored = step_up::stored(&app, &browser, id(&text)?).await?;
    let subject = browser.signed_in()?.subject;
    let passkeys = open_challenge::passkeys(&app, subject, &stored.challenge.opening().allowed).await?;
    let passkey_options = open_challenge::request_options(&app, &stored.challenge, &passkeys)?;
    Ok(Json(PasskeyOptions { passkey_options }))
}

/// A code.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Code {
    code: String,
}

/// Confirmed with a code.
pub async fn code(
    State(app): State<Arc<App>>,
    Named(text): Named,
    browser: Browser<Code>,
) -> Result<Json<Answered>, Problem> {
    step_up::by_code(&app, &browser, id(&text)?, &browser.body.code).await.map(Json)
}

/// No, and perhaps "I did not ask for this".
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refusal {
    alarm: bool,
}

/// Refused.
pub async fn refuse(
    State(app): State<Arc<App>>,
    Named(text): Named,
    browser: Browser<Refusal>,
) -> Result<Json<Answered>, Problem> {
    step_up::refuse(&app, &browser, id(&text)?, browser.body.alarm).await.map(Json)
}
