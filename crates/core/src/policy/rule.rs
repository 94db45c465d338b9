//! Policies as they are asked: each with its condition ready for Cedar's evaluator.
//!
//! Cedar's own authorizer puts every condition together again at each request, asks what a slice has answered already, and
//! carries with every value the place in the source that it came from: half of what asking costs. What it then makes of
//! the answers is one line: something forbids, or something permits, or nothing does. Here an error is a fourth answer.

use super::source::Effect;
use cedar_policy::{Policy, PrincipalConstraint, ResourceConstraint};
use cedar_policy_core::{
    ast::{Expr, Literal, Request, Value, ValueKind},
    entities::Entities,
    evaluator::Evaluator,
    extensions::Extensions,
};
use std::collections::HashMap;

/// What policies say together.
pub(super) struct Answer {
    pub(super) permitted: bool,
    /// Policies that decided, in the order of their identifiers.
    pub(super) policies: Vec<String>,
}

/// Policies that failed, or a request that does not fit the schema: never a permit.
#[derive(Debug)]
pub(super) struct EvaluationFailed(pub(super) String);

/// One policy, ready to be asked.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    pub(super) id: String,
    effect: Effect,
    condition: Expr,
}

impl Rule {
    /// All that the policy demands, its scope too.
    pub(super) fn whole(policy: &Policy) -> Result<Self, String> {
        Self::of(policy, |_| [true; 3])
    }

    /// What is left to ask where action, principal's type and resource's type are known to match.
    pub(super) fn within_slice(policy: &Policy) -> Result<Self, String> {
        Self::of(policy, |policy| {
            let principal =
                !matches!(policy.principal_constraint(), PrincipalConstraint::Any | PrincipalConstraint::Is(_));
            let resource = !matches!(policy.resource_constraint(), ResourceConstraint::Any | ResourceConstraint::Is(_));
            [principal, false, resource]
        })
    }

    fn of(policy: &Policy, asked: impl Fn(&Policy) -> [bool; 3]) -> Result<Self, String> {
        // What was read from JSON knows no place in a source.
        let json = policy.to_json().map_err(|error| error.to_string())?;
        let policy = Policy::from_json(Some(policy.id().clone()), json).map_err(|error| error.to_string())?;
        let known: &cedar_policy_core::ast::Policy = policy.as_ref();
        let scope = [
            known.principal_constraint().as_expr(),
            known.action_constraint().as_expr(),
            known.resource_constraint().as_expr(),
        ];
        let scope = scope.into_iter().zip(asked(&policy)).filter_map(|(part, asked)| asked.then_some(part));
        let parts: Vec<Expr> = scope.chain(known.non_scope_constraints().cloned()).collect();
        // From the right, as Cedar joins them: the scope is asked first, and nothing behind what is false.
        let condition = parts.into_iter().rev().reduce(|rest, part| Expr::and(part, rest));
        let effect = match policy.effect() {
            cedar_policy::Effect::Permit => Effect::Permit,
            cedar_policy::Effect::Forbid => Effect::Forbid,
        };
        Ok(Self { id: policy.id().to_string(), effect, condition: condition.unwrap_or_else(|| Expr::val(true)) })
    }
}

/// What these rules say. Cedar would skip a policy that errs, so a `forbid` that errs would let pass: here nothing does.
pub(super) fn judge(request: &Request, rules: &[Rule], entities: &Entities) -> Result<Answer, EvaluationFailed> {
    let evaluator = Evaluator::new(request.clone(), entities, Extensions::all_available());
    let no_slots = HashMap::new();
    let (mut permits, mut forbids) = (Vec::new(), Vec::new());
    for rule in rules {
        let failed =
            |error: &dyn std::fmt::Display| EvaluationFailed(format!("while evaluating policy `{}`: {error}", rule.id));
        let value = evaluator.interpret(&rule.condition, &no_slots).map_err(|error| failed(&error))?;
        let Value { value: ValueKind::Lit(Literal::Bool(matched)), .. } = value else {
            return Err(failed(&"its condition is neither true nor false"));
        };
        match rule.effect {
            Effect::Permit if matched => permits.push(rule.id.clone()),
            Effect::Forbid if matched => forbids.push(rule.id.clone()),
            _ => {}
        }
    }
    let permitted = forbids.is_empty() && !permits.is_empty();
    let mut policies = if forbids.is_empty() { permits } else { forbids };
    policies.sort_unstable();
    Ok(Answer { permitted, policies })
}
