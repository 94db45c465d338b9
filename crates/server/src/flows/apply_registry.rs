//! What an operator wrote in the registry file becomes rows: added or changed, never removed, each with its event.

use crate::{
    app::App,
    directory::ApiRecord,
    problem::{Kind, Problem},
    registry::{EntryError, Registry},
};
use counterfoil_core::{
    audit::event::{Actor, Event, EventKind},
    digest::Digest,
    id::{AddressId, SubjectId},
    subject::{Address, AddressKind, AddressState, Group, Subject},
    time::Time,
    vouch,
};
use counterfoil_store::{Api, CommitError, ReadError, Resource, Tx};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Why a registry was not applied.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// An entry breaks a rule; nothing was applied.
    #[error(transparent)]
    Entry(#[from] EntryError),
    /// The database did not answer; what came before is in force.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The database did not take it; what came before is in force.
    #[error(transparent)]
    Commit(#[from] CommitError),
}

impl From<ApplyError> for Problem {
    fn from(error: ApplyError) -> Self {
        match error {
            ApplyError::Entry(error) => Self::new(Kind::INVALID_REQUEST).detail(error.to_string()),
            ApplyError::Read(error) => error.into(),
            ApplyError::Commit(error) => error.into(),
        }
    }
}

/// Applies a whole file, or nothing of one that breaks a rule. The number of entries that were new or changed comes back.
pub async fn apply(app: &App, registry: &Registry, now: Time) -> Result<usize, ApplyError> {
    registry.check()?;
    let mut changed = 0;
    for group in &registry.groups {
        changed += usize::from(group_(app, group, now).await?);
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

async fn group_(app: &App, group: &crate::registry::Group, now: Time) -> Result<bool, ApplyError> {
    let known = app.store.group(&group.name).await?;
    if known.as_ref().is_some_and(|known| known.description == group.description) {
        return Ok(false);
    }
    let version = known.map_or(0, |known| known.version);
    let mut tx = Tx::new(now);
    tx.put_group(&Group { name: group.name.clone(), description: group.description.clone(), version });
    let kind = registered("group", &group.name, &json!(group.description));
    tx.commit(&app.store, app.event(now, Actor::Host {}, kind)).await?;
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
    let wrong = |reason: String| EntryError { entry: format!("client {}", client.client_id), reason };
    let body = serde_json::to_value(client.registration()?).map_err(|error| wrong(error.to_string()))?;
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
    let Some(known) = app.store.subject_by_username(&person.username()).await? else {
        let mut tx = Tx::new(now);
        let subject = add(app, &mut tx, person, now);
        let kind = EventKind::SubjectCreated { subject: subject.id };
        tx.commit(&app.store, app.event(now, Actor::Host {}, kind)).await?;
        return Ok(true);
    };
    let mut subject = known.clone();
    subject.name.clone_from(&person.name);
    subject.lang.clone_from(&person.lang);
    subject.groups = person.groups.iter().cloned().collect();
    subject.roles = person.roles.iter().cloned().collect();
    let told: BTreeSet<String> =
        app.store.addresses(known.id).await?.into_iter().map(|address| address.value).collect();
    let mail: Vec<&String> = person.mail.iter().filter(|mail| !told.contains(*mail)).collect();
    if subject == known && mail.is_empty() {
        return Ok(false);
    }
    let mut tx = Tx::new(now);
    tx.change_subject(&known, &subject);
    grants(app, &mut tx, &subject, Some(&known), now);
    if !mail.is_empty() {
        rest_anew(app, &mut tx, known.id, now).await?;
    }
    for mail in mail {
        let added = address(app, &mut tx, known.id, mail, now);
        tx.also(added);
    }
    let kind = EventKind::RegistrationChanged { noun: "person".to_owned(), id: subject.id.to_string(), record: None };
    tx.commit(&app.store, app.event(now, Actor::Host {}, kind)).await?;
    app.facts.forget_person(subject.id);
    Ok(true)
}

/// Adds a new person to a unit, with addresses, roles and groups. How they sign in, an invitation lets them decide.
pub fn add(app: &App, tx: &mut Tx, person: &crate::registry::Person, now: Time) -> Subject {
    let id = SubjectId::new(now, app.random.id());
    let mut subject = Subject::new(id, &person.username(), &person.name, &person.lang, now);
    subject.groups = person.groups.iter().cloned().collect();
    subject.roles = person.roles.iter().cloned().collect();
    tx.add_subject(&subject);
    for mail in &person.mail {
        let added = address(app, tx, id, mail, now);
        tx.also(added);
    }
    grants(app, tx, &subject, None, now);
    subject
}

/// Where a person is told has changed: what rises by a rest at unchanged addresses rests anew (DESIGN §4 "Ceiling").
async fn rest_anew(app: &App, tx: &mut Tx, subject: SubjectId, now: Time) -> Result<(), ApplyError> {
    for one in app.store.authenticators(subject).await? {
        let Some(changed) = vouch::address_changed(&one, now) else { continue };
        tx.change_authenticator(&changed);
        if let Some(rest) = changed.rest {
            let kind = EventKind::RestBegun { authenticator: one.id, subject, acr: rest.acr, until: rest.until };
            tx.also(app.event(now, Actor::Host {}, kind));
        }
    }
    Ok(())
}

fn address(app: &App, tx: &mut Tx, subject: SubjectId, mail: &str, now: Time) -> Event {
    let id = AddressId::new(now, app.random.id());
    tx.add_address(&Address {
        id,
        subject,
        kind: AddressKind::Mail,
        value: mail.to_owned(),
        state: AddressState::Active { since: now },
        bound_by: None,
        version: 0,
    });
    app.event(now, Actor::Host {}, EventKind::AddressChanged { address: id, subject, change: "added".to_owned() })
}

/// One event for each role and group that came or went.
pub fn grants(app: &App, tx: &mut Tx, subject: &Subject, before: Option<&Subject>, now: Time) {
    let names = |person: &Subject| {
        let roles = person.roles.iter().map(|role| format!("role:{role}"));
        roles.chain(person.groups.iter().map(|group| format!("group:{group}"))).collect::<BTreeSet<_>>()
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
