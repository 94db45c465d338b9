//! `GET /oauth/userinfo` (OpenID Connect Core §5.3).
//!
//! It takes "an access token obtained through OpenID Connect authentication": of a person, from a sign-in with scope
//! `openid`, and of nothing else. The audience is not looked at. A client has one token, whose `aud` is the API that it
//! is for (CONTRACT §5), and every OpenID Connect client presents that one here; it cannot be used by the API, which does
//! not hold its key (RFC 9449). Decision 18.

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
    // A transaction's token has no scope either; that it never will is not for this file to know.
    let of_sign_in = token.has_scope("openid") && token.claims().txn.is_none();
    let sub = token.subject().filter(|_| of_sign_in).ok_or_else(forbidden)?;
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
