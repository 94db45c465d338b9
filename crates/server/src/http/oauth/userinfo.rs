//! `GET /oauth/userinfo` (OpenID Connect Core §5.3).

use crate::{
    app::App,
    flows::decide,
    http::caller::TokenHolder,
    problem::{Kind, Problem},
};
use axum::{Json, extract::State};
use counterfoil_core::subject::{AddressKind, AddressState};
use counterfoil_oauth::userinfo::UserInfo;
use std::sync::Arc;

/// What the token's scopes allow to be told.
pub async fn handle(State(app): State<Arc<App>>, TokenHolder(token): TokenHolder) -> Result<Json<UserInfo>, Problem> {
    let forbidden = || Problem::new(Kind::FORBIDDEN).detail("the token has no scope openid");
    let sub = token.subject().filter(|_| token.has_scope("openid")).ok_or_else(forbidden)?;
    let person = decide::person(&app, sub).await?.filter(|person| person.subject.is_active());
    let person = person.ok_or_else(|| Problem::new(Kind::NOT_FOUND))?;
    let profile = token.has_scope("profile");
    let email = if token.has_scope("email") {
        app.store
            .addresses(sub)
            .await?
            .into_iter()
            .find(|a| a.kind == AddressKind::Mail && matches!(a.state, AddressState::Active { .. }))
    } else {
        None
    };
    Ok(Json(UserInfo {
        sub,
        name: profile.then(|| person.subject.name.clone()),
        preferred_username: person.subject.usernames.first().filter(|_| profile).cloned(),
        email_verified: email.as_ref().map(|_| true),
        email: email.map(|address| address.value),
    }))
}
