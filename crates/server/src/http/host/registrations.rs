//! Groups, APIs, clients and resources: what is registered, and what is added to it.

use super::named_by_file;
use crate::{
    app::App,
    extract::StrictJson,
    flows::{apply_registry, remove_client},
    problem::{Kind, Problem},
    registry::{Api, Client, Group, Registry, Resource},
    start,
};
use axum::{Json, extract::State};
use counterfoil_core::{audit::event::Actor, limits};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

/// A list, cut where it would be too long to read.
fn page(name: &str, all: Vec<Value>) -> Json<Value> {
    let more = all.len() > limits::LISTED;
    let mut all = all;
    all.truncate(limits::LISTED);
    Json(json!({name: all, "more": more}))
}

/// Groups.
pub async fn groups(State(app): State<Arc<App>>) -> Result<Json<Value>, Problem> {
    let groups = app.store.snapshot().await?.groups;
    let shown = |group: counterfoil_core::subject::Group| json!({"name": group.name, "description": group.description});
    Ok(page("groups", groups.into_iter().map(shown).collect()))
}

/// APIs.
pub async fn apis(State(app): State<Arc<App>>) -> Result<Json<Value>, Problem> {
    let apis = app.store.snapshot().await?.apis;
    let shown = |api: counterfoil_store::Api| json!({"audience": api.audience, "names": api.body["names"], "client_id": api.body.get("client_id")});
    Ok(page("apis", apis.into_iter().map(shown).collect()))
}

/// Clients, with everything but their keys' material.
pub async fn clients(State(app): State<Arc<App>>) -> Result<Json<Value>, Problem> {
    let clients = app.store.snapshot().await?.clients;
    let shown = |client: counterfoil_store::Client| {
        let mut body = client.body;
        let keys = body.pointer("/jwks/keys").and_then(Value::as_array).map_or(0, Vec::len);
        if let Some(body) = body.as_object_mut() {
            body.remove("jwks");
            body.insert("keys".to_owned(), json!(keys));
        }
        body
    };
    Ok(page("clients", clients.into_iter().map(shown).collect()))
}

/// Resources.
pub async fn resources(State(app): State<Arc<App>>) -> Result<Json<Value>, Problem> {
    let resources = app.store.snapshot().await?.resources;
    let shown = |resource: counterfoil_store::Resource| {
        json!({
            "type": resource.kind,
            "id": resource.id,
            "sensitivity": resource.sensitivity,
            "attributes": resource.body,
        })
    };
    Ok(page("resources", resources.into_iter().map(shown).collect()))
}

/// What is added; with `replace` also if it is there.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Add<T> {
    entry: T,
    #[serde(default)]
    replace: bool,
}

async fn apply(app: &App, registry: Registry, known: bool, replace: bool) -> Result<Json<Value>, Problem> {
    if known && !replace {
        return Err(Problem::new(Kind::CONFLICT)
            .detail("this is registered already")
            .with("hint", "--replace makes it what you say"));
    }
    let strange = registry.strange_to(&app.pack.load());
    let changed = apply_registry::apply(app, &registry, app.now()).await? > 0;
    if !start::reload(app).await {
        return Err(start::not_reloaded());
    }
    let note = strange.first();
    Ok(Json(json!({"changed": changed, "note": note})))
}

/// Adds a group.
pub async fn add_group(
    State(app): State<Arc<App>>,
    StrictJson(body): StrictJson<Add<Group>>,
) -> Result<Json<Value>, Problem> {
    let known = app.store.group(&body.entry.name).await?.is_some();
    apply(&app, Registry { groups: vec![body.entry], ..Registry::default() }, known, body.replace).await
}

/// Adds an API.
pub async fn add_api(
    State(app): State<Arc<App>>,
    StrictJson(body): StrictJson<Add<Api>>,
) -> Result<Json<Value>, Problem> {
    let known = app.store.api(&body.entry.audience).await?.is_some();
    if let Some(client_id) = &body.entry.client_id
        && let Some(other) = speaks_for(&app, client_id).await?.filter(|other| *other != body.entry.audience)
    {
        return Err(Problem::new(Kind::CONFLICT)
            .detail(format!("the client {client_id} speaks for {other} already"))
            .with("hint", "each API has a client of its own"));
    }
    apply(&app, Registry { apis: vec![body.entry], ..Registry::default() }, known, body.replace).await
}

/// The API that names this client as its own.
async fn speaks_for(app: &App, client_id: &str) -> Result<Option<String>, Problem> {
    let mut apis = app.store.snapshot().await?.apis.into_iter();
    let named = apis.find(|api| api.body.get("client_id").and_then(Value::as_str) == Some(client_id));
    Ok(named.map(|api| api.audience))
}

/// Adds a client.
pub async fn add_client(
    State(app): State<Arc<App>>,
    StrictJson(body): StrictJson<Add<Client>>,
) -> Result<Json<Value>, Problem> {
    let known = app.store.client(&body.entry.client_id).await?.is_some();
    apply(&app, Registry { clients: vec![body.entry], ..Registry::default() }, known, body.replace).await
}

/// Adds a resource.
pub async fn add_resource(
    State(app): State<Arc<App>>,
    StrictJson(body): StrictJson<Add<Resource>>,
) -> Result<Json<Value>, Problem> {
    let known = app.store.resource(&body.entry.r#type, &body.entry.id).await?.is_some();
    apply(&app, Registry { resources: vec![body.entry], ..Registry::default() }, known, body.replace).await
}

/// Which client.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Remove {
    client_id: String,
}

/// Removes a client, with what it holds.
pub async fn remove_client(
    State(app): State<Arc<App>>,
    StrictJson(body): StrictJson<Remove>,
) -> Result<Json<Value>, Problem> {
    let revoked = remove_client::remove_client(&app, &body.client_id, Actor::Host {}, app.now()).await?;
    let note = named_by_file(&app, |file| file.clients.iter().any(|client| client.client_id == body.client_id));
    Ok(Json(json!({"tokens_revoked": revoked, "note": note})))
}
