//! Keys of protected APIs.

use crate::{app::App, extract::StrictJson, flows::api_keys, problem::Problem};
use axum::{Json, extract::State};
use counterfoil_core::{audit::event::Actor, id::ApiKeyId, limits};
use counterfoil_store::ApiKeyState;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

/// Every key, without the key.
pub async fn list(State(app): State<Arc<App>>) -> Result<Json<Value>, Problem> {
    let now = app.now();
    let mut keys = app.store.snapshot().await?.api_keys;
    let more = keys.len() > limits::LISTED;
    keys.truncate(limits::LISTED);
    let shown: Vec<Value> = keys
        .iter()
        .map(|key| {
            let state = match key.state {
                ApiKeyState::Revoked { .. } => "revoked",
                ApiKeyState::Active {} if now >= key.expires_at => "expired",
                ApiKeyState::Active {} => "active",
            };
            json!({
                "id": key.id,
                "api": key.audience,
                "scopes": key.scopes,
                "state": state,
                "issued_at": key.issued_at,
                "expires_at": key.expires_at,
            })
        })
        .collect();
    Ok(Json(json!({"keys": shown, "more": more})))
}

/// For whom, and what it is good for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Issue {
    api: String,
    #[serde(default)]
    scopes: Vec<String>,
    days: Option<i64>,
}

/// Issues a key; the reply is the only place where it ever stands.
pub async fn issue(State(app): State<Arc<App>>, StrictJson(body): StrictJson<Issue>) -> Result<Json<Value>, Problem> {
    let days = body.days.unwrap_or(limits::API_KEY_DAYS);
    let issued = api_keys::issue(&app, &body.api, body.scopes, days, Actor::Host {}, app.now()).await?;
    Ok(Json(json!({
        "id": issued.record.id,
        "key": *issued.key,
        "scopes": issued.record.scopes,
        "expires_at": issued.record.expires_at,
    })))
}

/// Which key.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Revoke {
    id: ApiKeyId,
}

/// Revokes a key.
pub async fn revoke(State(app): State<Arc<App>>, StrictJson(body): StrictJson<Revoke>) -> Result<Json<Value>, Problem> {
    let changed = api_keys::revoke(&app, body.id, Actor::Host {}, app.now()).await?;
    Ok(Json(json!({"changed": changed})))
}
