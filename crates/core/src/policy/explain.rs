//! Why a decision came out as it did: every policy that was asked, which of its conditions held, which facts it read.
//!
//! Nothing here decides. It asks Cedar about each policy and each condition by itself, with the same request and the same
//! entities as the decision; never on the hot path.

use super::{
    Pack,
    decide::{decide, look, place},
    rule::{Rule, judge},
    source::{Effect, PolicyInfo},
};
use crate::{
    decision::{DecisionInput, DecisionRecord},
    evidence::Evidence,
};
use cedar_policy::{Expression, Policy, PolicyId};
use cedar_policy_core::{ast::Request, entities::Entities, evaluator::Evaluator, extensions::Extensions};
use serde::Serialize;
use serde_json::{Value, json};
use std::{
    collections::{BTreeSet, HashMap},
    str::FromStr,
};

/// One policy that was asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Explained {
    /// Its identifier.
    pub id: String,
    /// What it does when it matches.
    pub effect: Effect,
    /// File within the pack.
    pub file: String,
    /// Line where it begins.
    pub line: usize,
    /// It is one of those that decided.
    pub spoke: bool,
    /// Everything it demands was so: a permit lets pass, a forbid stops.
    pub matched: bool,
    /// Its conditions, each by itself.
    pub conditions: Vec<Condition>,
    /// The facts that it read.
    pub facts: Vec<ReadFact>,
}

/// One condition of a policy: parts that `&&` joins stand by themselves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Condition {
    /// As Cedar writes it.
    pub text: String,
    /// Whether the policy wants it false (`unless`).
    pub unless: bool,
    /// What it was; none where it could not be evaluated.
    pub value: Option<bool>,
}

impl Condition {
    /// It is as the policy wants it.
    pub fn holds(&self) -> bool {
        self.value == Some(!self.unless)
    }
}

/// One fact and what it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReadFact {
    /// As policies name it.
    pub name: String,
    /// Its value as Cedar writes it; none where there was no such fact.
    pub value: Option<String>,
}

/// A decision with everything that led to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// The decision: its grounds, what it asks for, what stands against it.
    pub answer: DecisionRecord,
    /// Every policy that was asked, in the order of their identifiers; none where something stood against the request
    /// before any policy.
    pub policies: Vec<Explained>,
}

/// Explains what [`decide`] says to this input.
pub fn explain(input: &DecisionInput, pack: &Pack) -> Explanation {
    // As `decide`: evidence comes only from a session.
    let bare = DecisionInput { evidence: Evidence::default(), ..input.clone() };
    let input = if input.session.is_none() { &bare } else { input };
    let answer = decide(input, pack).record();
    let policies = asked(input, pack, &answer).unwrap_or_default();
    Explanation { answer, policies }
}

fn asked(input: &DecisionInput, pack: &Pack, answer: &DecisionRecord) -> Option<Vec<Explained>> {
    let placed = place(input, pack).ok()?;
    let scene = placed.scene(input, pack).ok()?;
    let shown = look(input, &scene, &placed).ok()?.shown;
    let entities = scene.entities(&shown, input.session.as_ref()).ok()?;
    let of = |info: &&PolicyInfo| explained(info, scene.request(), &entities, answer);
    Some(pack.asked(&input.action, placed.tier).iter().map(of).collect())
}

fn explained(info: &PolicyInfo, request: &Request, entities: &Entities, answer: &DecisionRecord) -> Explained {
    let parsed = info.policy.to_json().unwrap_or(Value::Null);
    let mut conditions = Vec::new();
    let mut facts = BTreeSet::new();
    for condition in parsed.get("conditions").and_then(Value::as_array).into_iter().flatten() {
        let unless = condition.get("kind").and_then(Value::as_str) == Some("unless");
        let Some(body) = condition.get("body") else { continue };
        read_facts(body, &mut facts);
        for part in if unless { vec![body] } else { joined(body) } {
            conditions.push(judged(part, unless, request, entities));
        }
    }
    Explained {
        id: info.id.clone(),
        effect: info.effect,
        file: info.file.clone(),
        line: info.line,
        spoke: answer.grounds.policies.contains(&info.id),
        matched: matches(&info.policy, request, entities) == Some(true),
        conditions,
        facts: facts.into_iter().map(|name| valued(name, request, entities)).collect(),
    }
}

/// Whether a policy by itself would speak; none where it fails.
fn matches(policy: &Policy, request: &Request, entities: &Entities) -> Option<bool> {
    let alone = Rule::whole(policy).ok()?;
    judge(request, &[alone], entities).ok().map(|answer| !answer.policies.is_empty())
}

/// One condition, as a policy of its own that demands nothing else.
fn judged(body: &Value, unless: bool, request: &Request, entities: &Entities) -> Condition {
    let whole = json!({
        "effect": "permit",
        "principal": {"op": "All"},
        "action": {"op": "All"},
        "resource": {"op": "All"},
        "conditions": [{"kind": "when", "body": body}],
    });
    let policy = Policy::from_json(Some(PolicyId::new("condition")), whole).ok();
    let text = policy.as_ref().map(ToString::to_string).unwrap_or_default();
    let text = text.split_once("when {").map_or(text.as_str(), |(_, rest)| rest);
    let text = text.trim().trim_end_matches(';').trim_end().trim_end_matches('}').trim();
    Condition {
        text: text.split_whitespace().collect::<Vec<_>>().join(" "),
        unless,
        value: policy.and_then(|policy| matches(&policy, request, entities)),
    }
}

/// The parts that `&&` joins.
fn joined(body: &Value) -> Vec<&Value> {
    let sides = body.get("&&").and_then(|and| Some((and.get("left")?, and.get("right")?)));
    match sides {
        Some((left, right)) => [joined(left), joined(right)].concat(),
        None => vec![body],
    }
}

/// Collects what a policy reads, as expressions: attributes from `principal`, `resource` and `context` on, what it asks
/// to be there, and groups and roles.
fn read_facts(body: &Value, facts: &mut BTreeSet<String>) {
    if let Some(path) = path(body) {
        if path.contains('.') || path.contains(" has ") {
            facts.insert(path);
        }
        return;
    }
    if let Some(within) = body.get("in")
        && let Some(subject) = within.get("left").and_then(path)
        && let Some(entity) = within.get("right").and_then(|right| right.pointer("/Value/__entity"))
        && let (Some(kind), Some(id)) = (entity.get("type").and_then(Value::as_str), entity.get("id"))
    {
        facts.insert(format!("{subject} in {kind}::{id}"));
        return;
    }
    match body {
        Value::Object(members) => members.values().for_each(|member| read_facts(member, facts)),
        Value::Array(items) => items.iter().for_each(|item| read_facts(item, facts)),
        _ => {}
    }
}

/// `context.evidence.aal` and the like.
fn path(node: &Value) -> Option<String> {
    if let Some(name) = node.get("Var").and_then(Value::as_str) {
        return Some(name.to_owned());
    }
    for (operator, joint) in [(".", "."), ("has", " has ")] {
        if let Some(get) = node.get(operator) {
            let (left, attr) = (path(get.get("left")?)?, get.get("attr")?.as_str()?);
            return Some(format!("{left}{joint}{attr}"));
        }
    }
    None
}

fn valued(name: String, request: &Request, entities: &Entities) -> ReadFact {
    let evaluator = Evaluator::new(request.clone(), entities, Extensions::all_available());
    let value = Expression::from_str(&name)
        .ok()
        .and_then(|expression| evaluator.interpret(expression.as_ref(), &HashMap::new()).ok());
    ReadFact { value: value.map(|value| value.to_string()), name }
}
