//! `POST /me` and what one does there.

use crate::{
    app::App,
    browser::{Browser, Empty},
    extract::Named,
    flows::{
        change_passkey::{self, Wish},
        end_session,
        enrol_passkey::{self, Begun},
        evidence, own_account, own_action, sign_in,
    },
    page::{Next, enrol, me::Me},
    problem::{Kind, Problem},
};
use axum::{
    Json,
    extract::State,
    response::{IntoResponse as _, Response},
};
use counterfoil_core::id::{AuthenticatorId, ChallengeId, SessionId};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

/// One's own account.
pub async fn show(State(app): State<Arc<App>>, browser: Browser<Empty>) -> Result<Json<Me>, Problem> {
    own_account::view(&app, &browser).await.map(Json)
}

/// What a further passkey is to be called, and what was confirmed of it. Where the page leads afterwards.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Adding {
    name: Option<String>,
    confirmed: Option<ChallengeId>,
    to: Option<String>,
}

/// Begin to add a passkey.
pub async fn passkey_options(State(app): State<Arc<App>>, browser: Browser<Adding>) -> Result<Response, Problem> {
    let Adding { name, confirmed, to } = &browser.body;
    // The page keeps where it leads on, through the confirmation and back.
    let back = match to {
        Some(to) => own_action::leading("/me/passkey", &sign_in::own_path(Some(to))),
        None => "/me/passkey".to_owned(),
    };
    Ok(match enrol_passkey::begin(&app, &browser, name.as_deref(), *confirmed, &back).await? {
        Begun::Make(made) => Json(made).into_response(),
        Begun::NameFirst(first) => Json(first).into_response(),
    })
}

fn authenticator(text: &str) -> Result<AuthenticatorId, Problem> {
    text.parse().map_err(|_| Problem::new(Kind::NOT_FOUND))
}

/// Remove a passkey: leads to the page where that is confirmed.
pub async fn remove(
    State(app): State<Arc<App>>,
    Named(id): Named,
    browser: Browser<Empty>,
) -> Result<Json<Value>, Problem> {
    Err(change_passkey::lodge(&app, &browser, authenticator(&id)?, Wish::Remove).await?)
}

/// Vouch for a passkey: leads to the page where that is confirmed.
pub async fn vouch(
    State(app): State<Arc<App>>,
    Named(id): Named,
    browser: Browser<Empty>,
) -> Result<Json<Value>, Problem> {
    Err(change_passkey::lodge(&app, &browser, authenticator(&id)?, Wish::Vouch).await?)
}

/// Say that a passkey is somebody else's.
pub async fn disown(
    State(app): State<Arc<App>>,
    Named(id): Named,
    browser: Browser<Empty>,
) -> Result<Json<Value>, Problem> {
    change_passkey::disown(&app, &browser, authenticator(&id)?).await?;
    Ok(Json(json!({})))
}

/// Do what was confirmed, once.
pub async fn carry_out(
    State(app): State<Arc<App>>,
    Named(id): Named,
    browser: Browser<Empty>,
) -> Result<Json<Value>, Problem> {
    let id: ChallengeId = id.parse().map_err(|_| Problem::new(Kind::NOT_FOUND))?;
    change_passkey::carry_out(&app, &browser, id).await.map(Json)
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
    Named(id): Named,
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
    Named(id): Named,
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
