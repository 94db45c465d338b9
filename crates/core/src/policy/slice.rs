//! Slices: of all policies, those that can match one action at one tier, with what they need prepared.
//!
//! A policy is left out only where its scope cannot match: then Cedar would not evaluate its conditions either, so a
//! slice decides as the full set (a property test holds that).

use super::{Names, PackError, rule::Rule, source::PolicyInfo};
use crate::{assurance::Tier, catalogue::Catalogue, limits::SESSION_SECONDS};
use cedar_policy::{
    ActionConstraint, Entities, Entity, EntityId, EntityTypeName, EntityUid, PrincipalConstraint, ResourceConstraint,
};
use cedar_policy_core::ast::EntityUID;
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    str::FromStr,
};

pub(super) type Slices = HashMap<String, HashMap<Tier, Slice>>;

/// What is asked for one action at one tier.
#[derive(Debug)]
pub(super) struct Slice {
    /// `Action::"<name>/<tier>"`.
    pub(super) action: EntityUid,
    /// Its policies, less what the slice itself answers.
    pub(super) rules: Vec<Rule>,
    /// The action with its parents, and what the policies name of the pack's entities.
    pub(super) base: Entities,
    /// Ages that the policies compare with, the oldest first.
    pub(super) ages: Vec<i64>,
}

impl Slice {
    /// What the policies name of the pack's entities, or the action and its parents.
    pub(super) fn entity(&self, uid: &EntityUID) -> Option<&cedar_policy_core::ast::Entity> {
        super::found(&self.base, uid)
    }

    pub(super) fn holds(&self, id: &str) -> bool {
        self.rules.iter().any(|rule| rule.id == id)
    }
}

pub(super) fn cut(
    catalogue: &Catalogue,
    policies: &BTreeMap<String, PolicyInfo>,
    entities: &Entities,
    names: &Names,
) -> Result<Slices, PackError> {
    let kind = EntityTypeName::from_str("Action").map_err(|error| broken(&error.to_string()))?;
    let uid = |id: &str| EntityUid::from_type_name_and_id(kind.clone(), EntityId::new(id));
    let mut slices = Slices::new();
    for action in catalogue.actions() {
        let resource = names.resources.get(&action.resource_type).ok_or_else(|| broken("a type without a name"))?;
        for tier in Tier::ALL.iter().copied().filter(|tier| *tier >= action.tier) {
            let own = uid(&format!("{}/{tier}", action.name));
            let parents = [uid(&action.name), uid(&format!("tier/{tier}"))];
            let applies = |info: &&PolicyInfo| {
                matches_action(&info.policy.action_constraint(), &own, &parents)
                    && matches_principal(&info.policy.principal_constraint(), &names.user)
                    && matches_resource(&info.policy.resource_constraint(), resource)
            };
            let chosen: Vec<&PolicyInfo> = policies.values().filter(applies).collect();
            let mut ages: Vec<i64> = chosen.iter().flat_map(|info| info.ages.iter().copied()).collect();
            ages.retain(|age| (0..SESSION_SECONDS).contains(age));
            ages.sort_unstable_by(|a, b| b.cmp(a));
            ages.dedup();
            let base = base(&own, &parents, &chosen, entities).map_err(|error| broken(&error))?;
            let rules: Result<_, _> = chosen.iter().map(|info| Rule::within_slice(&info.policy)).collect();
            let rules = rules.map_err(|error: String| broken(&error))?;
            let slice = Slice { action: own, rules, base, ages };
            slices.entry(action.name.clone()).or_default().insert(tier, slice);
        }
    }
    Ok(slices)
}

fn broken(reason: &str) -> PackError {
    PackError::new("actions.toml", 1, format!("cannot be cut into slices: {reason}"))
}

fn matches_action(constraint: &ActionConstraint, own: &EntityUid, parents: &[EntityUid; 2]) -> bool {
    match constraint {
        ActionConstraint::Any => true,
        ActionConstraint::Eq(uid) => uid == own,
        ActionConstraint::In(uids) => uids.iter().any(|uid| uid == own || parents.contains(uid)),
    }
}

fn matches_principal(constraint: &PrincipalConstraint, user: &EntityTypeName) -> bool {
    match constraint {
        PrincipalConstraint::Any | PrincipalConstraint::In(_) => true,
        PrincipalConstraint::Eq(uid) => uid.type_name() == user,
        PrincipalConstraint::Is(kind) | PrincipalConstraint::IsIn(kind, _) => kind == user,
    }
}

fn matches_resource(constraint: &ResourceConstraint, resource: &EntityTypeName) -> bool {
    match constraint {
        ResourceConstraint::Any | ResourceConstraint::In(_) => true,
        ResourceConstraint::Eq(uid) => uid.type_name() == resource,
        ResourceConstraint::Is(kind) | ResourceConstraint::IsIn(kind, _) => kind == resource,
    }
}

/// Made once and without the schema: given a schema, Cedar would add every action of the pack at each call.
fn base(
    own: &EntityUid,
    parents: &[EntityUid; 2],
    chosen: &[&PolicyInfo],
    pack: &Entities,
) -> Result<Entities, String> {
    let mut made = vec![Entity::new_no_attrs(own.clone(), HashSet::from(parents.clone()))];
    made.extend(parents.iter().map(|parent| Entity::new_no_attrs(parent.clone(), HashSet::new())));
    let mut wanted: HashSet<EntityUid> = HashSet::new();
    for literal in chosen.iter().flat_map(|info| info.policy.entity_literals()) {
        if pack.get(&literal).is_some() {
            wanted.extend(pack.ancestors(&literal).into_iter().flatten().cloned());
            wanted.insert(literal);
        }
    }
    wanted.retain(|uid| uid != own && !parents.contains(uid));
    made.extend(wanted.iter().filter_map(|uid| pack.get(uid).cloned()));
    // Action entities that `entities.json` brought in through the schema are not ours to repeat.
    made.retain(|entity| {
        entity.uid().type_name() != own.type_name() || entity.uid() == *own || parents.contains(&entity.uid())
    });
    Entities::from_entities(made, None).map_err(|error| error.to_string())
}
