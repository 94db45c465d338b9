//! What an operator wrote in the registry file becomes rows: added or changed, never removed, each with its event.

use crate::{app::App, directory::ApiRecord, registry::Registry};
use counterfoil_core::{
    audit::event::{Actor, EventKind},
    digest::Digest,
    id::{AddressId, SubjectId},
    subject::{Address, AddressKind, AddressState, Group, Subject},
    time::Time,
};
use counterfoil_oauth::client::{Client, ClientMetadata};
use counterfoil_store::{Api, CommitError, ReadError, Resource, Tx};
use serde_json::{Value, json};

/// Why a registry was not applied; what came before the entry named is in force.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// An entry breaks a rule.
    #[error("{entry}: {reason}")]
    Entry {
        /// Which.
        entry: String,
        /// The rule.
        reason: String,
    },
    /// The database did not answer.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The database did not take it.
    #[error(transparent)]
    Commit(#[from] CommitError),
}

/// Applies a whole file. The number of entries that were new or changed comes back.
pub async fn apply(app: &App, registry: &Registry, now: Time) -> Result<usize, ApplyError> {
    let mut changed = 0;
    for group in &registry.groups {
        changed += usize::from(group_(app, &group.name, now).await?);
    }
    for api in &registry.apis {
        let record = ApiRecord { names: api.name.clone(), client_id: api.client_id.clone() };
        changed += usize::from(api_(app, &api.audience, &record, now).await?);
    }
    for client in &registry.clients {
        changed += usize::from(client_(app, client, now).await?);
    }
    for resource in &registry.resources {
        changed += usize::from(resource_(app, resource, now).await?);
    }
    for person in &registry.people {
        changed += usize::from(person_(app, person, now).await?);
    }
    Ok(changed)
}

fn registered(noun: &str, id: &str, record: &Value) -> EventKind {
    EventKind::RegistrationChanged {
        noun: noun.to_owned(),
        id: id.to_owned(),
        record: Some(Digest::of(record.to_string().as_bytes())),
    }
}

async fn group_(app: &App, name: &str, now: Time) -> Result<bool, ApplyError> {
    if app.store.group(name).await?.is_some() {
        return Ok(false);
    }
    let mut tx = Tx::new(now);
    tx.put_group(&Group { name: name.to_owned(), description: String::new(), version: 0 });
    tx.commit(&app.store, app.event(now, Actor::Host {}, registered("group", name, &json!(name)))).await?;
    Ok(true)
}

async fn api_(app: &App, audience: &str, record: &ApiRecord, now: Time) -> Result<bool, ApplyError> {
    let body = json!(record);
    let known = app.store.api(audience).await?;
    if known.as_ref().is_some_and(|known| known.body == body) {
        return Ok(false);
    }
    let version = known.map_or(0, |known| known.version);
    let mut tx = Tx::new(now);
    tx.put_api(&Api { audience: audience.to_owned(), body: body.clone(), version });
    tx.commit(&app.store, app.event(now, Actor::Host {}, registered("api", audience, &body))).await?;
    Ok(true)
}

async fn client_(app: &App, client: &crate::registry::Client, now: Time) -> Result<bool, ApplyError> {
    let wrong = |reason: String| ApplyError::Entry { entry: format!("client {}", client.client_id), reason };
    let metadata: ClientMetadata = serde_json::from_value(json!({
        "client_id": client.client_id,
        "token_endpoint_auth_method": "private_key_jwt",
        "jwks": client.jwks,
        "redirect_uris": client.redirect_uris,
        "grant_types": client.grant_types,
        "scopes": client.scopes,
        "audiences": client.audiences,
        "authorization_details_types": client.authorization_details_types,
        "names": client.name,
    }))
    .map_err(|error| wrong(error.to_string()))?;
    let registration = Client::register(metadata).map_err(|error| wrong(error.to_string()))?;
    let body = serde_json::to_value(registration).map_err(|error| wrong(error.to_string()))?;
    let known = app.store.client(&client.client_id).await?;
    if known.as_ref().is_some_and(|known| known.body == body) {
        return Ok(false);
    }
    let version = known.map_or(0, |known| known.version);
    let mut tx = Tx::new(now);
    let row = counterfoil_store::Client { client_id: client.client_id.clone(), body: body.clone(), version };
    tx.put_client(&row);
    tx.commit(&app.store, app.event(now, Actor::Host {}, registered("client", &client.client_id, &body))).await?;
    Ok(true)
}

async fn resource_(app: &App, resource: &crate::registry::Resource, now: Time) -> Result<bool, ApplyError> {
    let body = Value::Object(resource.attributes.clone());
    let known = app.store.resource(&resource.r#type, &resource.id).await?;
    if known.as_ref().is_some_and(|known| known.body == body && known.sensitivity == resource.sensitivity) {
        return Ok(false);
    }
    let version = known.map_or(0, |known| known.version);
    let mut tx = Tx::new(now);
    let name = format!("{}/{}", resource.r#type, resource.id);
    let logged = json!({"sensitivity": resource.sensitivity, "attributes": body});
    let event = app.event(now, Actor::Host {}, registered("resource", &name, &logged));
    tx.put_resource(&Resource {
        kind: resource.r#type.clone(),
        id: resource.id.clone(),
        sensitivity: resource.sensitivity,
        body,
        version,
    });
    tx.commit(&app.store, event).await?;
    Ok(true)
}

async fn person_(app: &App, person: &crate::registry::Person, now: Time) -> Result<bool, ApplyError> {
    let username = person.username.trim().to_lowercase();
    if username.is_empty() || username.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err(ApplyError::Entry {
            entry: format!("person {}", person.username),
            reason: "a user name is one word".to_owned(),
        });
    }
    let Some(known) = app.store.subject_by_username(&username).await? else {
        let mut subject =
            Subject::new(SubjectId::new(now, app.random.id()), &username, &person.name, &person.lang, now);
        subject.groups = person.groups.iter().cloned().collect();
        subject.roles = person.roles.iter().cloned().collect();
        let mut tx = Tx::new(now);
        tx.add_subject(&subject);
        for mail in &person.mail {
            tx.add_address(&Address {
                id: AddressId::new(now, app.random.id()),
                subject: subject.id,
                kind: AddressKind::Mail,
                value: mail.clone(),
                state: AddressState::Active { since: now },
                bound_by: None,
                version: 0,
            });
        }
        grants(app, &mut tx, &subject, None, now);
        let kind = EventKind::SubjectCreated { subject: subject.id };
        tx.commit(&app.store, app.event(now, Actor::Host {}, kind)).await?;
        return Ok(true);
    };
    let mut subject = known.clone();
    subject.name.clone_from(&person.name);
    subject.lang.clone_from(&person.lang);
    subject.groups = person.groups.iter().cloned().collect();
    subject.roles = person.roles.iter().cloned().collect();
    if subject == known {
        return Ok(false);
    }
    let mut tx = Tx::new(now);
    tx.change_subject(&known, &subject);
    grants(app, &mut tx, &subject, Some(&known), now);
    let kind = EventKind::RegistrationChanged { noun: "person".to_owned(), id: subject.id.to_string(), record: None };
    tx.commit(&app.store, app.event(now, Actor::Host {}, kind)).await?;
    app.facts.people.invalidate(&subject.id);
    Ok(true)
}

/// One event for each role and group that came or went.
fn grants(app: &App, tx: &mut Tx, subject: &Subject, before: Option<&Subject>, now: Time) {
    let names = |person: &Subject| {
        let roles = person.roles.iter().map(|role| format!("role:{role}"));
        roles
            .chain(person.groups.iter().map(|group| format!("group:{group}")))
            .collect::<std::collections::BTreeSet<_>>()
    };
    let (after, before) = (names(subject), before.map(names).unwrap_or_default());
    for (grant, granted) in after
        .difference(&before)
        .map(|grant| (grant, true))
        .chain(before.difference(&after).map(|grant| (grant, false)))
    {
        let kind = EventKind::AccessGranted { subject: subject.id, grant: grant.clone(), granted };
        tx.also(app.event(now, Actor::Host {}, kind));
    }
}
