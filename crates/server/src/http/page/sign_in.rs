//! `POST /sign-in` and its steps.

use crate::{
    app::App,
    browser::Browser,
    flows::sign_in,
    problem::{Kind, Problem},
};
use axum::{extract::State, response::Response};
use counterfoil_core::{authenticator::webauthn::Assertion, id::ChallengeId};
use serde::Deserialize;
use serde_json::Value;
use std::sync::Arc;
use zeroize::Zeroizing;

/// A sign-in under way, or where to go after a new one.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Show {
    challenge: Option<ChallengeId>,
    to: Option<String>,
}

/// What is asked now.
pub async fn show(State(app): State<Arc<App>>, browser: Browser<Show>) -> Result<Response, Problem> {
    let reply = sign_in::show(&app, &browser, browser.body.challenge, browser.body.to.as_deref()).await?;
    Ok(reply.into_response(&app))
}

/// User name and password.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Password {
    challenge: ChallengeId,
    username: String,
    password: Zeroizing<String>,
}

/// The first step by typing.
pub async fn password(State(app): State<Arc<App>>, mut browser: Browser<Password>) -> Result<Response, Problem> {
    let typed = std::mem::take(&mut browser.body.password);
    let (id, username) = (browser.body.challenge, browser.body.username.clone());
    Ok(sign_in::by_password(&app, &browser, id, &username, typed).await?.into_response(&app))
}

/// A code.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Code {
    challenge: ChallengeId,
    code: String,
}

/// The second step by typing.
pub async fn code(State(app): State<Arc<App>>, browser: Browser<Code>) -> Result<Response, Problem> {
    let reply = sign_in::by_code(&app, &browser, browser.body.challenge, &browser.body.code).await?;
    Ok(reply.into_response(&app))
}

/// An assertion.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Passkey {
    challenge: ChallengeId,
    credential: Value,
}

/// Signing in by a passkey.
pub async fn passkey(State(app): State<Arc<App>>, mut browser: Browser<Passkey>) -> Result<Response, Problem> {
    let assertion = assertion(browser.body.credential.take())?;
    let id = browser.body.challenge;
    Ok(sign_in::by_passkey(&app, &browser, id, assertion).await?.into_response(&app))
}

/// Reads `AuthenticationResponseJSON`.
pub fn assertion(json: Value) -> Result<Assertion, Problem> {
    Assertion::from_json(json)
        .map_err(|error| Problem::new(Kind::INVALID_REQUEST).pointer("/credential").detail(error.to_string()))
}

/// A sign-in under way.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Options {
    challenge: ChallengeId,
}

/// The same options again, after a ceremony that came to nothing.
pub async fn options(State(app): State<Arc<App>>, browser: Browser<Options>) -> Result<Response, Problem> {
    let reply = sign_in::show(&app, &browser, Some(browser.body.challenge), None).await?;
    Ok(reply.into_response(&app))
}
