//! Facts in Cedar's terms: entities and context of one request.
//!
//! They are made as the evaluator's own values. Through `cedar-policy` each would become an expression, be evaluated, and
//! be held to the schema again: more than half of what a decision costs, for what the types here say already.

use super::{Names, Pack, cedar_schema::Wanted};
use crate::assurance::{Binding, Tier};
use crate::{
    catalogue::{Action, AttributeKind, ResourceType},
    decision::{DecisionInput, NetworkFacts, Posture, ResourceFacts, RiskLevel, SubjectFacts},
    evidence::{SessionFacts, Shown},
    limits::NEVER_SECONDS,
    time::Time,
    transaction::{Amount, FieldKind, Node, Object, Transaction, TransactionType},
};
use cedar_policy::EntityTypeName;
use cedar_policy_core::{
    ast::{Context, Eid, Entity, EntityUID, Literal, Name, PartialValue, RestrictedExpr, Value as Fact},
    evaluator::RestrictedEvaluator,
    extensions::Extensions,
};
use serde_json::{Map, Value};
use std::{
    collections::{BTreeMap, HashSet},
    net::IpAddr,
    sync::Arc,
};

/// A fact that cannot be put to the policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct InvalidFact {
    pub(super) fact: String,
    pub(super) reason: String,
}

fn invalid(fact: impl Into<String>, reason: impl ToString) -> InvalidFact {
    InvalidFact { fact: fact.into(), reason: reason.to_string() }
}

fn literal(literal: impl Into<Literal>) -> Fact {
    Fact::new(literal.into(), None)
}

fn string(text: &str) -> Fact {
    literal(text)
}

fn long(number: i64) -> Fact {
    literal(number)
}

fn yes(fact: bool) -> Fact {
    literal(fact)
}

fn set<'a>(texts: impl IntoIterator<Item = &'a str>) -> Fact {
    Fact::set_of_lits(texts.into_iter().map(Literal::from), None)
}

fn record<'a>(members: impl IntoIterator<Item = (&'a str, Fact)>) -> Fact {
    Fact::record(members, None)
}

/// A value of one of Cedar's extensions, from its text.
fn extension(function: &str, text: &str) -> Option<Fact> {
    let name = Name::parse_unqualified_name(function).ok()?;
    let call = RestrictedExpr::call_extension_fn(name, [RestrictedExpr::val(text)]);
    RestrictedEvaluator::new(Extensions::all_available()).interpret(call.as_borrowed()).ok()
}

/// A JSON value as one of the types that packs can declare; `None` where it is of another.
pub(crate) fn value_of(kind: AttributeKind, value: &Value) -> Option<Fact> {
    match kind {
        AttributeKind::String => value.as_str().map(string),
        AttributeKind::Long => value.as_i64().map(long),
        AttributeKind::Bool => value.as_bool().map(yes),
        AttributeKind::Decimal => {
            value.as_str().filter(|text| is_decimal(text)).and_then(|text| extension("decimal", text))
        }
        AttributeKind::StringSet => value.as_array()?.iter().map(Value::as_str).collect::<Option<Vec<_>>>().map(set),
    }
}

/// What Cedar's `decimal` reads, well within its range.
fn is_decimal(text: &str) -> bool {
    let Some((whole, minor)) = text.strip_prefix('-').unwrap_or(text).split_once('.') else { return false };
    let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    (1..=14).contains(&whole.len()) && (1..=4).contains(&minor.len()) && digits(whole) && digits(minor)
}

pub(super) fn uid(kind: &EntityTypeName, id: &str) -> EntityUID {
    EntityUID::from_components(kind.as_ref().clone(), Eid::new(id), None)
}

/// `above` is everything that the parents are in.
fn entity(
    uid: EntityUID,
    attributes: impl IntoIterator<Item = (String, Fact)>,
    parents: HashSet<EntityUID>,
    above: HashSet<EntityUID>,
) -> Entity {
    let attributes = attributes.into_iter().map(|(name, value)| (name.into(), PartialValue::Value(value)));
    Entity::new_with_attr_partial_value(uid, attributes, above, parents, [])
}

/// Attributes of an entity, or members of the context: only those that the pack's policies name.
struct Members<'a> {
    wanted: &'a Wanted,
    made: Vec<(String, Fact)>,
}

impl<'a> Members<'a> {
    fn of(wanted: &'a Wanted) -> Self {
        Self { wanted, made: Vec::new() }
    }

    fn put(&mut self, name: &str, value: impl FnOnce() -> Fact) -> &mut Self {
        if self.wanted.has(name) {
            self.made.push((name.to_owned(), value()));
        }
        self
    }

    fn try_put(
        &mut self,
        name: &str,
        value: impl FnOnce() -> Result<Fact, InvalidFact>,
    ) -> Result<&mut Self, InvalidFact> {
        if self.wanted.has(name) {
            self.made.push((name.to_owned(), value()?));
        }
        Ok(self)
    }
}

/// `above` says what a group or role is in.
pub(super) fn subject(
    facts: &SubjectFacts,
    names: &Names,
    wanted: &Wanted,
    above: impl Fn(&EntityUID) -> HashSet<EntityUID>,
) -> Entity {
    let id = facts.id.to_string();
    let parents = facts.groups.iter().map(|group| uid(&names.group, group));
    let parents: HashSet<EntityUID> = parents.chain(facts.roles.iter().map(|role| uid(&names.role, role))).collect();
    let above = parents.iter().flat_map(above).filter(|uid| !parents.contains(uid)).collect();
    let own = uid(&names.user, &id);
    let mut known = Members::of(wanted);
    known
        .put("id", || string(&id))
        .put("username", || string(&facts.username))
        .put("ever_phishing_resistant", || yes(facts.ever_phishing_resistant));
    entity(own, known.made, parents, above)
}

/// A resource that nobody registered is built from its type's defaults.
pub(super) fn resource(
    facts: &ResourceFacts,
    kind: &ResourceType,
    uid: EntityUID,
    parents: HashSet<EntityUID>,
) -> Result<Entity, InvalidFact> {
    let registered = facts.registered.as_ref();
    let sensitivity = registered.and_then(|r| r.sensitivity).unwrap_or(kind.sensitivity);
    let mut known = vec![
        ("id".to_owned(), string(&facts.id)),
        ("registered".to_owned(), yes(registered.is_some())),
        ("sensitivity".to_owned(), string(sensitivity.as_str())),
    ];
    for (name, declared) in &kind.attributes {
        let given = registered.and_then(|r| r.attributes.get(name)).unwrap_or(&declared.default);
        let value = value_of(declared.kind, given);
        let value = value.ok_or_else(|| invalid(format!("resource.{name}"), "is not of its declared type"))?;
        known.push((name.clone(), value));
    }
    Ok(entity(uid, known, parents, HashSet::new()))
}

pub(super) fn evidence(shown: &Shown, uid: EntityUID, wanted: &Wanted) -> Entity {
    let bound = shown.bound.as_ref();
    let transaction = || {
        record([
            ("proven", yes(bound.is_some())),
            ("phishing_resistant", yes(bound.is_some_and(|b| b.phishing_resistant))),
            ("user_verified", yes(bound.is_some_and(|b| b.user_verified))),
            ("hardware_bound", yes(bound.is_some_and(|b| b.hardware_bound))),
            ("age", long(bound.map_or(NEVER_SECONDS, |b| b.age))),
        ])
    };
    let mut known = Members::of(wanted);
    known
        .put("aal", || long(shown.aal))
        .put("age", || long(shown.age))
        .put("password_age", || long(shown.password_age))
        .put("app_code_age", || long(shown.app_code_age))
        .put("sms_code_age", || long(shown.sms_code_age))
        .put("mail_code_age", || long(shown.mail_code_age))
        .put("recovery_code_age", || long(shown.recovery_code_age))
        .put("passkey_age", || long(shown.passkey_age))
        .put("phishing_resistant", || yes(shown.phishing_resistant()))
        .put("phishing_resistant_age", || long(shown.phishing_resistant_age))
        .put("user_verified", || yes(shown.user_verified))
        .put("hardware_bound", || yes(shown.hardware_bound))
        .put("methods", || set(shown.methods.iter().map(String::as_str)))
        .put("channels", || set(shown.channels.iter().map(String::as_str)))
        .put("approvers", || long(shown.approvers))
        .put("transaction", transaction);
    entity(uid, known.made, HashSet::new(), HashSet::new())
}

/// No session is an unknown one: nothing binds it, and it counts as just recovered.
pub(super) fn session(facts: Option<&SessionFacts>, now: Time, uid: EntityUID, wanted: &Wanted) -> Entity {
    let binding = facts.map_or(Binding::None, |s| s.binding);
    let age = |since: Time| now.seconds_since(since).max(0);
    let recovered_age = match facts {
        None => 0,
        Some(session) => session.recovered_at.map_or(NEVER_SECONDS, age),
    };
    let mut known = Members::of(wanted);
    known
        .put("known", || yes(facts.is_some()))
        .put("binding", || string(binding.as_str()))
        .put("bound", || yes(binding >= Binding::NewKey))
        .put("known_device", || yes(binding >= Binding::KnownDevice))
        .put("hardware", || yes(binding >= Binding::Hardware))
        .put("age", || long(facts.map_or(NEVER_SECONDS, |s| age(s.born))))
        .put("recovered_age", || long(recovered_age))
        .put("relay", || string(facts.map_or("unknown", |s| s.relay.as_str())))
        .put("contained", || yes(facts.is_some_and(|s| s.contained)));
    entity(uid, known.made, HashSet::new(), HashSet::new())
}

/// Everything of `context` that proofs do not change.
pub(super) fn context(
    input: &DecisionInput,
    action: &Action,
    kind: &ResourceType,
    pack: &Pack,
    transaction: Option<(&TransactionType, &Transaction)>,
    [evidence, session]: [EntityUID; 2],
) -> Result<Context, InvalidFact> {
    let level = match input.risk.level {
        RiskLevel::Unknown => "unknown",
        RiskLevel::Low => "low",
        RiskLevel::Medium => "medium",
        RiskLevel::High => "high",
    };
    let posture = match input.posture {
        Posture::Unknown => "unknown",
        Posture::Compliant => "compliant",
        Posture::NotCompliant => "not_compliant",
    };
    let of_resource = || {
        let mut members = asserted("resource", &input.asserted.resource, &kind.asserted)?;
        if let Some(value) = input.asserted.resource.get("sensitivity") {
            let tier = value.as_str().and_then(|name| name.parse::<Tier>().ok());
            let tier = tier.ok_or_else(|| invalid("asserted.resource.sensitivity", "names no tier"))?;
            members.push(("sensitivity", string(tier.as_str())));
        }
        Ok(record(members))
    };
    let of_subject = || asserted("subject", &input.asserted.subject, pack.catalogue().subject_asserted()).map(record);
    let of_action = || asserted("action", &input.asserted.action, &action.asserted).map(record);
    let mut known = Members::of(&pack.wanted);
    known
        .put("evidence", || literal(evidence))
        .put("session", || literal(session))
        .put("risk", || record([("level", string(level))]))
        .put("posture", || string(posture))
        .try_put("network", || network(&input.network))?
        .put("now", || moment(input.now))
        .put("scopes", || set(input.scopes.iter().map(String::as_str)))
        .put("client", || string(input.client_id.as_deref().unwrap_or_default()))
        .try_put("asserted", || {
            Ok(record([("subject", of_subject()?), ("resource", of_resource()?), ("action", of_action()?)]))
        })?;
    if let Some((kind, transaction)) = transaction {
        known.try_put("transaction", || object(kind.root(), transaction.value()))?;
    }
    Ok(Context::Value(Arc::new(known.made.into_iter().map(|(name, value)| (name.into(), value)).collect())))
}

fn asserted<'a>(
    of: &str,
    given: &Map<String, Value>,
    declared: &'a BTreeMap<String, AttributeKind>,
) -> Result<Vec<(&'a str, Fact)>, InvalidFact> {
    if given.is_empty() {
        return Ok(Vec::new());
    }
    let known = declared.iter().filter_map(|(name, kind)| Some((name, kind, given.get(name)?)));
    known
        .map(|(name, kind, value)| match value_of(*kind, value) {
            Some(value) => Ok((name.as_str(), value)),
            None => Err(invalid(format!("asserted.{of}.{name}"), "is not of its declared type")),
        })
        .collect()
}

fn network(facts: &NetworkFacts) -> Result<Fact, InvalidFact> {
    let mut members = vec![
        ("known", yes(*facts != NetworkFacts::default())),
        ("user_agent", string(facts.user_agent.as_deref().unwrap_or_default())),
        ("ja4", string(facts.ja4.as_deref().unwrap_or_default())),
    ];
    if let Some(text) = &facts.ip {
        let ip: IpAddr = text.parse().map_err(|_| invalid("network.ip", "is no IP address"))?;
        let ip = extension("ip", &ip.to_string());
        members.push(("ip", ip.ok_or_else(|| invalid("network.ip", "is no IP address"))?));
    }
    Ok(record(members))
}

fn object(shape: &Object, value: &Value) -> Result<Fact, InvalidFact> {
    let missing = || invalid("transaction", "does not have the shape of its type");
    let members = shape.members.iter().map(|(name, node)| {
        let value = value.get(name).ok_or_else(missing)?;
        let fact = match node {
            Node::Object(inner) => object(inner, value)?,
            Node::Leaf(FieldKind::Amount) => amount(&Amount::from_json(value).map_err(|_| missing())?)?,
            Node::Leaf(FieldKind::Integer { .. }) => long(value.as_i64().ok_or_else(missing)?),
            Node::Leaf(_) => string(value.as_str().ok_or_else(missing)?),
        };
        Ok((name.as_str(), fact))
    });
    Ok(record(members.collect::<Result<Vec<_>, InvalidFact>>()?))
}

fn amount(amount: &Amount) -> Result<Fact, InvalidFact> {
    let value = amount.value();
    // Cedar's decimals have at least one decimal place.
    let decimal = if value.contains('.') { value.to_owned() } else { format!("{value}.0") };
    let value = extension("decimal", &decimal).ok_or_else(|| invalid("transaction", "has an amount out of range"))?;
    Ok(record([("currency", string(amount.currency())), ("value", value)]))
}

/// `now` in numbers, UTC. Not as Cedar's `datetime`, which would be parsed from text at every request.
fn moment(now: Time) -> Fact {
    let seconds = now.seconds().max(0);
    // The epoch was a Thursday; Monday is 1 (ISO 8601).
    let weekday = (seconds / 86_400 + 3) % 7 + 1;
    record([("seconds", long(seconds)), ("hour", long(seconds / 3_600 % 24)), ("weekday", long(weekday))])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]
    use super::*;

    #[test]
    fn moments_are_numbers_in_utc() {
        for (seconds, expected) in [
            (0, "{hour: 0, seconds: 0, weekday: 4}"),
            (1_790_000_000, "{hour: 14, seconds: 1790000000, weekday: 1}"),
            (951_782_399, "{hour: 23, seconds: 951782399, weekday: 1}"),
            (-5, "{hour: 0, seconds: 0, weekday: 4}"),
        ] {
            assert_eq!(moment(Time::from_seconds(seconds)).to_string(), expected, "{seconds}");
        }
    }
}
