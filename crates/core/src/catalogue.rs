//! The catalogue: which actions there are, on which resources, and what each is worth (DESIGN §4).
//!
//! It is read from a pack's `actions.toml`. Our own actions stand in it too; a pack may raise their tier, never lower it.

use crate::{
    assurance::Tier,
    decision::{Asserted, ResourceFacts},
    transaction::{Amount, Transaction},
};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// Actions, resource types and what may be said about them.
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    actions: BTreeMap<String, Action>,
    resource_types: BTreeMap<String, ResourceType>,
    subject_asserted: BTreeMap<String, AttributeKind>,
}

/// Something that can be done.
#[derive(Clone, Debug)]
pub struct Action {
    /// Its name: `action.name` in AuthZEN.
    pub name: String,
    /// What it is worth at least.
    pub tier: Tier,
    /// The type of resource that it is done to.
    pub resource_type: String,
    /// The type of the transaction that describes it exactly; always there from tier high.
    pub transaction_type: Option<String>,
    /// Amounts above which it is worth more.
    pub thresholds: Vec<Threshold>,
    /// What an API may say of it.
    pub asserted: BTreeMap<String, AttributeKind>,
    /// What people call it, by language.
    pub title: BTreeMap<String, String>,
    /// One of this product's own.
    pub own: bool,
}

/// An amount above which an action is worth more.
#[derive(Clone, Debug)]
pub struct Threshold {
    /// More than this …
    pub above: Amount,
    /// … in one transaction, or together with what has been moved in this many hours before.
    pub within_hours: Option<u32>,
    /// … makes it worth this.
    pub tier: Tier,
}

/// A type of resource.
#[derive(Clone, Debug)]
pub struct ResourceType {
    /// Its name: `resource.type` in AuthZEN.
    pub name: String,
    /// How sensitive one is that nobody registered.
    pub sensitivity: Tier,
    /// What we know of one.
    pub attributes: BTreeMap<String, Attribute>,
    /// What an API may say of one, beside `sensitivity`.
    pub asserted: BTreeMap<String, AttributeKind>,
    /// Types that one can be a member of.
    pub member_of: Vec<String>,
}

/// An attribute that every resource of a type has.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attribute {
    /// Its type.
    #[serde(rename = "type")]
    pub kind: AttributeKind,
    /// Its value where nothing was registered.
    pub default: Value,
}

/// Types of attributes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttributeKind {
    /// Text.
    String,
    /// A whole number.
    Long,
    /// Yes or no.
    Bool,
    /// Up to four decimals, written as text.
    Decimal,
    /// A set of texts.
    StringSet,
}

impl AttributeKind {
    /// The name in a Cedar schema.
    pub const fn cedar(self) -> &'static str {
        match self {
            Self::String => "String",
            Self::Long => "Long",
            Self::Bool => "Bool",
            Self::Decimal => "decimal",
            Self::StringSet => "Set<String>",
        }
    }
}

/// Why `actions.toml` cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct CatalogueError {
    /// Line of the file, from 1.
    pub line: usize,
    /// What is wrong.
    pub reason: String,
    /// What to do about it.
    pub hint: Option<&'static str>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    subject: SubjectEntry,
    #[serde(default)]
    resource_types: BTreeMap<String, ResourceEntry>,
    #[serde(default)]
    actions: BTreeMap<String, ActionEntry>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct SubjectEntry {
    #[serde(default)]
    asserted: BTreeMap<String, AttributeKind>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ResourceEntry {
    #[serde(default = "low")]
    sensitivity: Tier,
    #[serde(default)]
    attributes: BTreeMap<String, Attribute>,
    #[serde(default)]
    asserted: BTreeMap<String, AttributeKind>,
    #[serde(default)]
    member_of: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ActionEntry {
    tier: Tier,
    resource_type: String,
    transaction_type: Option<String>,
    #[serde(default)]
    thresholds: Vec<ThresholdEntry>,
    #[serde(default)]
    asserted: BTreeMap<String, AttributeKind>,
    #[serde(default)]
    title: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ThresholdEntry {
    currency: String,
    above: String,
    within_hours: Option<u32>,
    tier: Tier,
}

const fn low() -> Tier {
    Tier::Low
}

/// Actions of one catalogue.
const ACTIONS: usize = 500;

impl Catalogue {
    /// Reads `actions.toml`. `own` marks the product's own part, which is read first.
    pub(crate) fn read(&mut self, source: &str, own: bool) -> Result<(), CatalogueError> {
        let file: File = toml::from_str(source).map_err(|error| CatalogueError {
            line: error.span().map_or(1, |span| line_at(source, span.start)),
            reason: error.message().to_owned(),
            hint: None,
        })?;
        for (name, entry) in file.resource_types {
            let fail = |reason: &str, hint| Err(error_at(source, "resource_types", &name, reason, hint));
            if !is_type_name(&name) {
                return fail("is no name for a resource type", Some("use lower_snake_case that is no word of Cedar"));
            }
            if self.resource_types.contains_key(&name) {
                return fail("is one of the product's own types", Some("choose another name"));
            }
            for (attribute, declared) in &entry.attributes {
                if matches!(attribute.as_str(), "id" | "sensitivity" | "registered") || !is_name(attribute) {
                    return fail(&format!("has an attribute `{attribute}`, which is reserved or no name"), None);
                }
                if crate::policy::value_of(declared.kind, &declared.default).is_none() {
                    return fail(&format!("attribute `{attribute}`: the default is not of its type"), None);
                }
            }
            if let Some(bad) = entry.asserted.keys().find(|k| *k == "sensitivity" || !is_name(k)) {
                return fail(&format!("asserts `{bad}`, which is built in or no name"), None);
            }
            let ResourceEntry { sensitivity, attributes, asserted, member_of } = entry;
            let kind = ResourceType { name: name.clone(), sensitivity, attributes, asserted, member_of };
            self.resource_types.insert(name, kind);
        }
        if let Some(bad) = file.subject.asserted.keys().find(|k| !is_name(k)) {
            return Err(error_at(source, "subject", bad, "is no name for an attribute", None));
        }
        self.subject_asserted.extend(file.subject.asserted);
        for (name, entry) in file.actions {
            self.add_action(source, name, entry, own)?;
        }
        for kind in self.resource_types.values() {
            if let Some(unknown) = kind.member_of.iter().find(|parent| !self.resource_types.contains_key(*parent)) {
                let reason = format!("is member of `{unknown}`, which is no resource type");
                return Err(error_at(source, "resource_types", &kind.name, &reason, None));
            }
        }
        Ok(())
    }

    fn add_action(&mut self, source: &str, name: String, entry: ActionEntry, own: bool) -> Result<(), CatalogueError> {
        let error = |reason: &str, hint| error_at(source, "actions", &name, reason, hint);
        let fail = |reason: &str, hint| Err(error(reason, hint));
        if !is_action_name(&name) {
            return fail("is no name for an action", Some("use lower-case words joined by dots, at most 64 letters"));
        }
        if self.actions.len() >= ACTIONS {
            return fail("is one action too many", None);
        }
        let Some(resource_type) = self.resource_types.get(&entry.resource_type) else {
            return fail("names an unknown resource type", Some("declare it as [resource_types.<name>]"));
        };
        if entry.tier >= Tier::High && entry.transaction_type.is_none() {
            return fail(
                "is worth high and has no transaction type",
                Some("what is signed must say exactly what will be done: add transactions/<type>.json"),
            );
        }
        if let Some(built_in) = self.actions.get(&name) {
            let same_shape = built_in.resource_type == resource_type.name
                && (entry.transaction_type.is_none() || entry.transaction_type == built_in.transaction_type);
            if !built_in.own || !same_shape {
                return fail("is one of the product's own actions", Some("only its tier can be raised"));
            }
            if entry.tier < built_in.tier {
                return fail("is worth more than that", Some("a pack may raise our own actions, never lower them"));
            }
        }
        let thresholds = entry.thresholds.into_iter().map(|t| match Amount::new(&t.currency, &t.above) {
            Ok(above) if t.tier > entry.tier => Ok(Threshold { above, within_hours: t.within_hours, tier: t.tier }),
            Ok(_) => Err(error("has a threshold that raises nothing", None)),
            Err(wrong) => Err(error(&format!("has a threshold that is no amount: {wrong}"), None)),
        });
        let thresholds: Vec<Threshold> = thresholds.collect::<Result<_, _>>()?;
        if !thresholds.is_empty() && entry.transaction_type.is_none() {
            return fail("has thresholds and no transaction type to take amounts from", None);
        }
        if let Some(bad) = entry.asserted.keys().find(|k| !is_name(k)) {
            return fail(&format!("asserts `{bad}`, which is no name"), None);
        }
        let before = self.actions.remove(&name);
        let before_own = before.as_ref().is_some_and(|b| b.own);
        let action = Action {
            tier: entry.tier,
            resource_type: entry.resource_type,
            transaction_type: entry.transaction_type.or_else(|| before.as_ref()?.transaction_type.clone()),
            thresholds,
            asserted: entry.asserted,
            title: if entry.title.is_empty() { before.map(|b| b.title).unwrap_or_default() } else { entry.title },
            own: own || before_own,
            name: name.clone(),
        };
        self.actions.insert(name, action);
        Ok(())
    }

    /// The action of that name.
    pub fn action(&self, name: &str) -> Option<&Action> {
        self.actions.get(name)
    }

    /// Every action, by name.
    pub fn actions(&self) -> impl Iterator<Item = &Action> {
        self.actions.values()
    }

    /// The resource type of that name.
    pub fn resource_type(&self, name: &str) -> Option<&ResourceType> {
        self.resource_types.get(name)
    }

    /// Every resource type, by name.
    pub fn resource_types(&self) -> impl Iterator<Item = &ResourceType> {
        self.resource_types.values()
    }

    /// What an API may say of a subject.
    pub fn subject_asserted(&self) -> &BTreeMap<String, AttributeKind> {
        &self.subject_asserted
    }
}

impl Action {
    /// What the action is worth on this resource, now: the highest of its own tier, the resource's sensitivity and the
    /// transaction's thresholds. What an API says of the resource may raise it, never lower it.
    ///
    /// # Errors
    /// The asserted sensitivity's text, where it names no tier.
    pub fn effective_tier(
        &self,
        resource: &ResourceFacts,
        resource_type: &ResourceType,
        asserted: &Asserted,
        transaction: Option<&Transaction>,
        moved: &[Amount],
    ) -> Result<Tier, String> {
        let registered = resource.registered.as_ref().and_then(|r| r.sensitivity);
        let mut tier = self.tier.max(registered.unwrap_or(resource_type.sensitivity));
        if let Some(value) = asserted.resource.get("sensitivity") {
            let named = value.as_str().and_then(|name| name.parse::<Tier>().ok());
            tier = tier.max(named.ok_or_else(|| value.to_string())?);
        }
        if let Some(amount) = transaction.and_then(Transaction::amount) {
            tier = tier.max(self.tier_of_amount(amount, moved));
        }
        Ok(tier)
    }

    /// An amount in a currency that no threshold speaks of is worth as much as the highest threshold: what is not
    /// known counts as worst.
    fn tier_of_amount(&self, amount: &Amount, moved: &[Amount]) -> Tier {
        let mut same = self.thresholds.iter().filter(|t| t.above.currency() == amount.currency()).peekable();
        if same.peek().is_none() {
            return self.thresholds.iter().map(|t| t.tier).max().unwrap_or(self.tier);
        }
        let before: i64 = moved
            .iter()
            .filter(|m| m.currency() == amount.currency())
            .fold(0, |sum, m| sum.saturating_add(m.minor_units()));
        same.filter(|threshold| {
            let sum = match threshold.within_hours {
                Some(_) => amount.minor_units().saturating_add(before),
                None => amount.minor_units(),
            };
            sum > threshold.above.minor_units()
        })
        .map(|threshold| threshold.tier)
        .max()
        .unwrap_or(self.tier)
    }
}

/// Line of a byte offset, from 1.
pub(crate) fn line_at(source: &str, offset: usize) -> usize {
    source.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}

fn error_at(source: &str, table: &str, name: &str, reason: &str, hint: Option<&'static str>) -> CatalogueError {
    let place = [format!("[{table}.\"{name}\""), format!("[{table}.{name}"), name.to_owned()]
        .iter()
        .find_map(|needle| source.find(needle))
        .unwrap_or(0);
    CatalogueError { line: line_at(source, place), reason: format!("`{name}` {reason}"), hint }
}

fn is_action_name(name: &str) -> bool {
    name.len() <= 64 && name.split('.').all(is_name)
}

fn is_name(name: &str) -> bool {
    (1..=40).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

/// A resource type is an entity type of Cedar, so Cedar's own words are taken.
fn is_type_name(name: &str) -> bool {
    const TAKEN: [&str; 9] = ["true", "false", "if", "then", "else", "in", "is", "like", "has"];
    is_name(name) && !TAKEN.contains(&name)
}
