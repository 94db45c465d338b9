//! Cutting off what came out of one login.

use crate::{
    app::App,
    extract::StrictJson,
    flows::contain::{self, Found},
    problem::{Kind, Problem},
};
use axum::{Json, extract::State};
use counterfoil_core::{
    audit::event::{Actor, ContainmentCause},
    id::{AuthenticatorId, LoginId, SessionId, TokenId},
};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

/// What was found; exactly one.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contain {
    login: Option<LoginId>,
    session: Option<SessionId>,
    token: Option<TokenId>,
    authenticator: Option<AuthenticatorId>,
}

/// Contains it.
pub async fn add(State(app): State<Arc<App>>, StrictJson(body): StrictJson<Contain>) -> Result<Json<Value>, Problem> {
    let found = match (body.login, body.session, body.token, body.authenticator) {
        (Some(id), None, None, None) => Found::Login(id),
        (None, Some(id), None, None) => Found::Session(id),
        (None, None, Some(id), None) => Found::Token(id),
        (None, None, None, Some(id)) => Found::Authenticator(id),
        _ => {
            let words = "exactly one of login, session, token and authenticator";
            return Err(Problem::new(Kind::INVALID_REQUEST).detail(words));
        }
    };
    let cut = contain::contain(&app, found, ContainmentCause::Operator, Actor::Host {}, app.now()).await?;
    Ok(Json(json!({
        "logins": cut.logins,
        "sessions": cut.sessions,
        "authenticators": cut.authenticators,
        "addresses": cut.addresses,
    })))
}
