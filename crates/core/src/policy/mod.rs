//! Policy packs: Cedar policies with the catalogue, the transaction types and the tests that belong to them (DESIGN §4).
//!
//! A [`Pack`] is made once from the files of a directory ([`Pack::load`]) and then only read: validated strictly against
//! a schema generated from it, cut into one slice per action and tier, with everything prepared that does not depend on
//! the request. Its version is the hash of its content. `cedar_policy` is used in this module alone.

mod builtin;
mod cedar_schema;
mod decide;
mod derive;
mod explain;
mod facts;
mod files;
mod floor;
mod invariants;
mod reasons;
mod rule;
mod scene;
mod slice;
mod source;
pub mod testing;

pub use builtin::{default_pack, starter_pack};
pub use decide::decide;
pub use explain::{Condition, Explained, Explanation, ReadFact, explain};
pub use files::PackError;
pub use source::{Effect, PolicyInfo};

pub(crate) use facts::value_of;

use crate::{
    assurance::Tier,
    catalogue::Catalogue,
    digest::Digest,
    transaction::{Display, Transaction, TransactionType},
};
use cedar_policy::{Entities, EntityTypeName, Schema};
use cedar_policy_core::{
    ast::{Entity, EntityUID, Literal, PartialValue, Value, ValueKind},
    entities::Dereference,
};
use cedar_schema::Wanted;
use slice::Slice;
use std::collections::{BTreeMap, HashMap};

/// A compiled policy pack.
#[derive(Debug)]
pub struct Pack {
    name: String,
    version: Digest,
    languages: Vec<String>,
    catalogue: Catalogue,
    transaction_types: BTreeMap<String, TransactionType>,
    policies: BTreeMap<String, PolicyInfo>,
    invariants: Vec<PolicyInfo>,
    tests: BTreeMap<String, String>,
    warnings: Vec<String>,
    /// What requests are held to: of the whole schema, what the policies name.
    schema: Schema,
    schema_text: String,
    wanted: Wanted,
    /// Resources, groups and roles that come with the pack; empty for most.
    entities: Entities,
    slices: HashMap<String, HashMap<Tier, Slice>>,
    names: Names,
    /// Whether facts are held to the schema at every request (docs/decisions/0020).
    checked: bool,
}

/// Names of the entity types, parsed once.
#[derive(Debug, Clone)]
pub(crate) struct Names {
    pub(crate) user: EntityTypeName,
    pub(crate) group: EntityTypeName,
    pub(crate) role: EntityTypeName,
    pub(crate) evidence: EntityTypeName,
    pub(crate) session: EntityTypeName,
    pub(crate) resources: HashMap<String, EntityTypeName>,
}

impl Pack {
    /// The pack's name, from `pack.toml`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// SHA-256 over the pack's files and the product's own part: what a decision records.
    pub fn version(&self) -> Digest {
        self.version
    }

    /// Languages that every transaction type can be shown in, the default first.
    pub fn languages(&self) -> &[String] {
        &self.languages
    }

    /// Actions and resource types.
    pub fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    fn has_entities(&self) -> bool {
        !self.entities.is_empty()
    }

    /// What the pack itself says of something.
    fn entity(&self, uid: &EntityUID) -> Option<&Entity> {
        if self.has_entities() { found(&self.entities, uid) } else { None }
    }

    /// What the pack's own entities say that a resource is worth. What is no tier counts as the highest.
    fn sensitivity_of(&self, kind: &str, id: &str) -> Option<Tier> {
        let entity = self.entity(&facts::uid(self.names.resources.get(kind)?, id))?;
        let said = match entity.get("sensitivity") {
            Some(PartialValue::Value(Value { value: ValueKind::Lit(Literal::String(text)), .. })) => text.parse().ok(),
            _ => None,
        };
        Some(said.unwrap_or(Tier::Critical))
    }

    /// The same, which holds the facts of every request to the schema: what does not fit is an evaluation that failed. For who
    /// has time, as when decisions are decided again.
    #[must_use]
    pub fn checking(self) -> Self {
        Self { checked: true, ..self }
    }

    /// The transaction type of that name.
    pub fn transaction_type(&self, name: &str) -> Option<&TransactionType> {
        self.transaction_types.get(name)
    }

    /// Every transaction type, by name: `authorization_details_types_supported`.
    pub fn transaction_types(&self) -> impl Iterator<Item = &TransactionType> {
        self.transaction_types.values()
    }

    /// How `transaction` reads to a person in `lang`, or in the pack's default language.
    pub fn render(&self, transaction: &Transaction, lang: &str) -> Option<Display> {
        let kind = self.transaction_type(transaction.kind())?;
        let known = kind.languages().any(|have| have == lang);
        kind.render(transaction, if known { lang } else { self.languages.first()? })
    }

    /// Every policy, by identifier.
    pub fn policies(&self) -> impl Iterator<Item = &PolicyInfo> {
        self.policies.values()
    }

    /// The policy of that identifier.
    pub fn policy(&self, id: &str) -> Option<&PolicyInfo> {
        self.policies.get(id)
    }

    /// Policies of `invariants.cedar`: what no version may ever permit. Each is a forbid that must never change a decision;
    /// [`Pack::load`] holds them against the pack's tests, and no request is ever decided by them.
    pub fn invariants(&self) -> &[PolicyInfo] {
        &self.invariants
    }

    /// The pack's own tests: file name and source.
    pub fn tests(&self) -> &BTreeMap<String, String> {
        &self.tests
    }

    /// What `policy check` should point at though it is allowed.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// The generated Cedar schema, as people read it.
    pub fn schema_text(&self) -> &str {
        &self.schema_text
    }

    /// Policies that are asked for `action` at `tier`, by identifier; none where there is no such action or tier.
    pub fn asked(&self, action: &str, tier: Tier) -> Vec<&PolicyInfo> {
        let slice = self.slices.get(action).and_then(|tiers| tiers.get(&tier));
        slice.map(|slice| self.policies.values().filter(|info| slice.holds(&info.id)).collect()).unwrap_or_default()
    }
}

fn found<'a>(entities: &'a Entities, uid: &EntityUID) -> Option<&'a Entity> {
    match entities.as_ref().entity(uid) {
        Dereference::Data(entity) => Some(entity),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
