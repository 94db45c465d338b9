//! People: who there is, who may come, who may not for now, and what they are given.

use super::{named_by_file, who};
use crate::{
    app::App,
    extract::StrictJson,
    flows::{apply_registry, grant_access, invite, suspend},
    problem::{Kind, Problem},
    registry::{Person, Registry},
};
use axum::{
    Json,
    extract::{Query, State},
};
use counterfoil_core::{
    audit::event::{Actor, EventKind},
    id::SubjectId,
    limits,
    subject::{Subject, SubjectState},
};
use counterfoil_store::Tx;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

/// Where a list goes on.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct After {
    after: Option<SubjectId>,
}

/// Everybody, page by page.
pub async fn list(State(app): State<Arc<App>>, Query(page): Query<After>) -> Result<Json<Value>, Problem> {
    let limit = u32::try_from(limits::LISTED).unwrap_or(u32::MAX);
    let people = app.store.subjects(page.after, limit).await?;
    let next = if people.len() >= limits::LISTED { people.last().map(|person| person.id) } else { None };
    let mut subjects = Vec::with_capacity(people.len());
    for person in &people {
        let enrolled = app.store.authenticators(person.id).await?;
        let active: Vec<&str> = enrolled.iter().filter(|one| one.is_active()).map(|one| one.method.as_str()).collect();
        subjects.push(shown(person, &active));
    }
    Ok(Json(json!({"subjects": subjects, "next": next})))
}

fn shown(person: &Subject, authenticators: &[&str]) -> Value {
    let state = match person.state {
        SubjectState::Active {} => "active",
        SubjectState::Suspended { .. } => "suspended",
    };
    json!({
        "sub": person.id,
        "username": person.usernames.first(),
        "name": person.name,
        "state": state,
        "roles": person.roles,
        "groups": person.groups,
        "authenticators": authenticators,
    })
}

/// A new person, perhaps with a link.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Add {
    person: Person,
    #[serde(default)]
    invite: bool,
}

/// Adds a person.
pub async fn add(State(app): State<Arc<App>>, StrictJson(body): StrictJson<Add>) -> Result<Json<Value>, Problem> {
    let now = app.now();
    let registry = Registry { people: vec![body.person], ..Registry::default() };
    registry.check().map_err(apply_registry::ApplyError::from)?;
    let Some(person) = registry.people.first() else { return Err(Problem::internal("one person is one")) };
    for group in &person.groups {
        grant_access::require_group(&app, group).await?;
    }
    if app.store.subject_by_username(&person.username()).await?.is_some() {
        return Err(Problem::new(Kind::CONFLICT)
            .detail(format!("somebody is called {} already", person.username()))
            .with("hint", "choose another user name; counterfoil admin roles and groups change what somebody has"));
    }
    let mut tx = Tx::new(now);
    let subject = apply_registry::add(&app, &mut tx, person, now);
    let link = body.invite.then(|| invite::prepare(&app, &mut tx, &subject, Actor::Host {}, now));
    let link = link.map(|(link, event)| {
        tx.also(event);
        link
    });
    let kind = EventKind::SubjectCreated { subject: subject.id };
    tx.commit(&app.store, app.event(now, Actor::Host {}, kind)).await?;
    Ok(Json(json!({
        "sub": subject.id,
        "username": subject.usernames.first(),
        "link": link.as_ref().map(|link| &link.url),
        "expires_at": link.as_ref().map(|link| link.expires_at),
    })))
}

/// Somebody.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Who {
    who: String,
}

/// Makes a link for somebody.
pub async fn invite(State(app): State<Arc<App>>, StrictJson(body): StrictJson<Who>) -> Result<Json<Value>, Problem> {
    let subject = who(&app, &body.who).await?;
    let link = invite::invite(&app, &subject, Actor::Host {}, app.now()).await?;
    Ok(Json(json!({
        "username": subject.usernames.first(),
        "link": link.url,
        "expires_at": link.expires_at,
        "disowned": link.disowned,
    })))
}

/// Suspends somebody.
pub async fn suspend(State(app): State<Arc<App>>, StrictJson(body): StrictJson<Who>) -> Result<Json<Value>, Problem> {
    let subject = who(&app, &body.who).await?;
    let changed = suspend::suspend(&app, &subject, Actor::Host {}, app.now()).await?;
    Ok(Json(json!({"username": subject.usernames.first(), "changed": changed})))
}

/// Lets somebody act again.
pub async fn resume(State(app): State<Arc<App>>, StrictJson(body): StrictJson<Who>) -> Result<Json<Value>, Problem> {
    let subject = who(&app, &body.who).await?;
    let changed = suspend::resume(&app, &subject, Actor::Host {}, app.now()).await?;
    Ok(Json(json!({"username": subject.usernames.first(), "changed": changed})))
}

/// A role or a group, given or taken.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Access {
    who: String,
    role: Option<String>,
    group: Option<String>,
}

/// Gives a role or a group.
pub async fn grant(State(app): State<Arc<App>>, StrictJson(body): StrictJson<Access>) -> Result<Json<Value>, Problem> {
    access(&app, body, true).await
}

/// Takes a role or a group away.
pub async fn revoke(State(app): State<Arc<App>>, StrictJson(body): StrictJson<Access>) -> Result<Json<Value>, Problem> {
    access(&app, body, false).await
}

async fn access(app: &App, body: Access, given: bool) -> Result<Json<Value>, Problem> {
    let subject = who(app, &body.who).await?;
    let grant = match (body.role, body.group) {
        (Some(role), None) => grant_access::Grant::Role(role),
        (None, Some(group)) => grant_access::Grant::Group(group),
        _ => return Err(Problem::new(Kind::INVALID_REQUEST).detail("one role or one group")),
    };
    let changed = grant_access::change(app, &subject, &grant, given, Actor::Host {}, app.now()).await?;
    let note =
        named_by_file(app, |file| file.people.iter().any(|person| subject.usernames.contains(&person.username())));
    Ok(Json(json!({"username": subject.usernames.first(), "changed": changed, "note": note})))
}
