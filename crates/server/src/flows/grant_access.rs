//! A person gets or loses a role here, or a group that policies name.

use super::apply_registry;
use crate::{
    app::App,
    problem::{Kind, Problem},
    registry::ROLES,
};
use counterfoil_core::{
    audit::event::{Actor, EventKind},
    subject::Subject,
    time::Time,
};
use counterfoil_store::Tx;

/// What is given or taken.
pub enum Grant {
    /// A role in Counterfoil itself.
    Role(String),
    /// A group.
    Group(String),
}

/// Demands a group that is registered: one that is only spelled alike would give nothing, and nobody would see it.
pub async fn require_group(app: &App, name: &str) -> Result<(), Problem> {
    match app.store.group(name).await? {
        Some(_) => Ok(()),
        None => Err(Problem::new(Kind::NOT_FOUND).detail(format!("there is no group {name}")).with(
            "hint",
            "counterfoil admin groups add makes one, counterfoil admin groups list shows which there are",
        )),
    }
}

/// Gives or takes. False: they had it, or did not have it, before.
pub async fn change(
    app: &App,
    subject: &Subject,
    grant: &Grant,
    given: bool,
    actor: Actor,
    now: Time,
) -> Result<bool, Problem> {
    let mut after = subject.clone();
    let (held, name) = match grant {
        Grant::Role(role) => {
            if !ROLES.contains(&role.as_str()) {
                return Err(Problem::new(Kind::INVALID_REQUEST)
                    .detail(format!("there is no role {role:?}; the roles are {}", ROLES.join(", "))));
            }
            (&mut after.roles, role)
        }
        Grant::Group(group) => {
            if given {
                require_group(app, group).await?;
            }
            (&mut after.groups, group)
        }
    };
    let changed = if given { held.insert(name.clone()) } else { held.remove(name) };
    if !changed {
        return Ok(false);
    }
    let mut tx = Tx::new(now);
    tx.change_subject(subject, &after);
    apply_registry::grants(app, &mut tx, &after, Some(subject), now);
    let kind = EventKind::RegistrationChanged { noun: "person".to_owned(), id: subject.id.to_string(), record: None };
    tx.commit(&app.store, app.event(now, actor, kind)).await?;
    app.facts.forget_person(subject.id);
    Ok(true)
}
