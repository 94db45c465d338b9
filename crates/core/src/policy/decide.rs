//! The decision: checks, the policy, the floor, and on a deny what would be enough.

use super::{
    Pack,
    derive::Trial,
    floor, reasons,
    rule::{Answer, EvaluationFailed},
    scene::{Scene, Unfit},
    slice::Slice,
};
use crate::{
    assurance::{Acr, Method, Tier},
    catalogue::{Action, ResourceType},
    decision::{Decision, DecisionInput, Denial, DenialCause, Grounds, Permit, StepUp, SubjectFacts},
    digest::Digest,
    evidence::{Evidence, RelayVerdict, Shown},
    requirement::{Missing, Requirement},
    transaction::{Transaction, TransactionType},
};

/// Decides `input` under `pack`: the same input under the same version always gets the same answer.
///
/// Evidence comes only from a session (DESIGN §6): without one, whatever the input holds of it counts for nothing.
pub fn decide(input: &DecisionInput, pack: &Pack) -> Decision {
    if input.session.is_none() && input.evidence != Evidence::default() {
        return decide(&DecisionInput { evidence: Evidence::default(), ..input.clone() }, pack);
    }
    let placed = match place(input, pack) {
        Ok(placed) => placed,
        Err(decision) => return *decision,
    };
    let case = Case { input, pack, tier: Some(placed.tier) };
    let scene = match placed.scene(input, pack) {
        Ok(scene) => scene,
        Err(Unfit::Failed(error)) => return case.failed(error),
        Err(Unfit::Fact(fact)) => {
            return case.deny(DenialCause::InvalidFact { fact: fact.fact, reason: fact.reason }, Vec::new());
        }
    };
    case.judge(&scene, &placed, placed.transaction.as_ref().map(|(_, transaction)| transaction.clone()))
}

/// A request with its place in the catalogue: what the policies are then asked about.
pub(super) struct Placed<'a> {
    pub(super) action: &'a Action,
    pub(super) subject: &'a SubjectFacts,
    kind: &'a ResourceType,
    pub(super) tier: Tier,
    pub(super) slice: &'a Slice,
    pub(super) transaction: Option<Typed<'a>>,
}

impl<'a> Placed<'a> {
    /// Everything that trying another proof does not change.
    pub(super) fn scene(&self, input: &DecisionInput, pack: &'a Pack) -> Result<Scene<'a>, Unfit> {
        let transaction = self.transaction.as_ref().map(|(kind, transaction)| (*kind, transaction));
        Scene::new(pack, self.slice, input, self.subject, self.action, self.kind, transaction)
    }
}

/// What stands against a request before any policy is asked, else its place.
pub(super) fn place<'a>(input: &'a DecisionInput, pack: &'a Pack) -> Result<Placed<'a>, Box<Decision>> {
    let unplaced = Case { input, pack, tier: None };
    let deny = |case: Case<'_>, cause| Err(Box::new(case.deny(cause, Vec::new())));
    let Some(subject) = &input.subject else { return deny(unplaced, DenialCause::UnknownSubject) };
    let catalogue = pack.catalogue();
    let Some(action) = catalogue.action(&input.action) else { return deny(unplaced, DenialCause::UnknownAction) };
    let of_action = Case { tier: Some(action.tier), ..unplaced };
    let kind = catalogue.resource_type(&action.resource_type).filter(|kind| kind.name == input.resource.kind);
    let Some(kind) = kind else { return deny(of_action, DenialCause::WrongResourceType) };
    let transaction = match transaction(input, pack, action) {
        Ok(transaction) => transaction,
        Err(cause) => return deny(of_action, cause),
    };
    let exact = transaction.as_ref().map(|(_, transaction)| transaction);
    let tier = match action.effective_tier(&input.resource, kind, &input.asserted, exact, &input.moved) {
        Ok(tier) => tier,
        Err(given) => {
            let reason = format!("{given} names no tier");
            return deny(of_action, DenialCause::InvalidFact { fact: "asserted.resource.sensitivity".into(), reason });
        }
    };
    // What the pack itself says of a resource counts as much as what was registered of it.
    let tier = tier.max(pack.sensitivity_of(&kind.name, &input.resource.id).unwrap_or(Tier::Low));
    let case = Case { tier: Some(tier), ..unplaced };
    if subject.suspended {
        return deny(case, DenialCause::SubjectSuspended);
    }
    if input.session.as_ref().is_some_and(|s| s.contained || s.relay == RelayVerdict::Proven) {
        return deny(case, DenialCause::Contained);
    }
    let Some(slice) = pack.slices.get(&action.name).and_then(|tiers| tiers.get(&tier)) else {
        let error = EvaluationFailed("no policies were prepared for this action at its tier".into());
        return Err(Box::new(case.failed(error)));
    };
    Ok(Placed { action, subject, kind, tier, slice, transaction })
}

type Typed<'a> = (&'a TransactionType, Transaction);

/// The transaction as its type reads it; it must be about the very resource of the request.
fn transaction<'a>(input: &DecisionInput, pack: &'a Pack, action: &Action) -> Result<Option<Typed<'a>>, DenialCause> {
    let Some(value) = &input.transaction else { return Ok(None) };
    let named = value.get("type").and_then(serde_json::Value::as_str);
    let kind =
        action.transaction_type.as_deref().filter(|kind| named == Some(kind)).and_then(|k| pack.transaction_type(k));
    let kind = kind.ok_or(DenialCause::WrongTransactionType)?;
    let transaction = kind.validate(value).map_err(|error| DenialCause::InvalidTransaction {
        pointer: error.pointer,
        reason: error.reason.to_string(),
    })?;
    if transaction.resource_type() != input.resource.kind || transaction.resource_id() != input.resource.id {
        return Err(DenialCause::WrongTransactionResource);
    }
    Ok(Some((kind, transaction)))
}

/// What was shown, and what policy and floor say to it.
pub(super) struct Looked {
    /// What was looked at.
    pub(super) shown: Shown,
    answer: Answer,
    /// Policy and floor permit.
    enough: bool,
}

/// Looks at what was shown. A transaction may have been signed more than once: one of its proofs must be enough by itself,
/// and a strong one that is too old does not hide a fresh one. Where none is, it is the best that was looked at.
pub(super) fn look(input: &DecisionInput, scene: &Scene<'_>, placed: &Placed<'_>) -> Result<Looked, EvaluationFailed> {
    let session = input.session.as_ref();
    let txn = placed.transaction.as_ref().map(|(_, transaction)| transaction.digest());
    let ask = |shown: Shown| -> Result<Looked, EvaluationFailed> {
        let answer = scene.ask(&shown, session)?;
        let enough = answer.permitted && floor::reached(placed.tier, &shown, session);
        Ok(Looked { shown, answer, enough })
    };
    let best = ask(input.evidence.shown(input.now, placed.subject.id, txn.as_ref()))?;
    if best.enough {
        return Ok(best);
    }
    for bound in input.evidence.bound(input.now, txn.as_ref()).into_iter().skip(1) {
        let other = ask(Shown { bound: Some(bound), ..best.shown.clone() })?;
        if other.enough {
            return Ok(other);
        }
    }
    Ok(best)
}

/// One case before the judge.
#[derive(Clone, Copy)]
struct Case<'a> {
    input: &'a DecisionInput,
    pack: &'a Pack,
    tier: Option<Tier>,
}

impl Case<'_> {
    fn judge(self, scene: &Scene<'_>, placed: &Placed<'_>, transaction: Option<Transaction>) -> Decision {
        let (input, &Placed { action, subject, tier, slice, .. }) = (self.input, placed);
        let digest = transaction.as_ref().map(Transaction::digest);
        let Looked { shown, answer, enough } = match look(input, scene, placed) {
            Ok(looked) => looked,
            Err(error) => return self.failed(error),
        };
        if enough {
            return self.permitted(answer, &shown, tier, transaction);
        }
        let mut missing = Vec::new();
        if input.session.is_none() {
            missing.push(Missing::AccessToken);
        }
        if tier >= Tier::High && transaction.is_none() {
            missing.push(Missing::AuthorizationDetails);
        }
        // A proof can be bound to a transaction that is still to come: what it says is not known, only that it is exact.
        let to_come =
            || action.transaction_type.as_ref().map(|kind| Digest::of_parts(&[b"to come\0", kind.as_bytes()]));
        let txn = digest.or_else(to_come);
        let trial = Trial { scene, slice, input, subject: subject.id, tier, txn, missing };
        if let Some(derived) = trial.step_up() {
            let grounds = Grounds {
                reason_user: reasons::of_step_up(self.pack, tier, &derived.policies),
                reason_admin: asked_because(&derived.requirement, tier),
                ..self.grounds(derived.policies)
            };
            return Decision::StepUp(StepUp { requirement: derived.requirement, grounds, transaction });
        }
        let forbidden = !answer.permitted && !answer.policies.is_empty();
        let cause = if forbidden { DenialCause::Forbidden } else { DenialCause::NothingSuffices };
        let policies = if forbidden { answer.policies } else { Vec::new() };
        let mut denial = self.denial(cause, policies);
        denial.would_take = trial.would_take();
        if tier >= Tier::High && action.transaction_type.is_none() {
            denial
                .grounds
                .reason_admin
                .push_str("; the action has no transaction type, so nothing can be signed for it");
        }
        Decision::Deny(denial)
    }

    /// Policy and floor agree. High and critical permits are spent, so they need a key to be spent under.
    fn permitted(self, answer: Answer, shown: &Shown, tier: Tier, transaction: Option<Transaction>) -> Decision {
        let grounds = self.grounds(answer.policies);
        if tier < Tier::High || self.input.redemption_id.is_some() {
            let reason_admin = format!("permitted at tier {tier} by what was shown");
            let grounds = Grounds { reason_user: reasons::of_permit(tier), reason_admin, ..grounds };
            return Decision::Permit(Permit { grounds, transaction });
        }
        let requirement = Requirement {
            acr: shown.acr.unwrap_or(Acr::Phr).max(Acr::Phr),
            max_age_seconds: None,
            method: Method::Passkey,
            transaction_bound: true,
            approvers: 0,
            enrolment_needed: false,
            candidates: Vec::new(),
            missing: vec![Missing::RedemptionId],
            hardware_bound: false,
        };
        let reason_user = reasons::of_step_up(self.pack, tier, &grounds.policies);
        let reason_admin = format!("what was shown is enough at tier {tier}; a redemption_id is missing");
        Decision::StepUp(StepUp { requirement, grounds: Grounds { reason_user, reason_admin, ..grounds }, transaction })
    }

    fn grounds(self, policies: Vec<String>) -> Grounds {
        Grounds {
            tier: self.tier,
            policy_version: self.pack.version(),
            policies,
            reason_user: std::collections::BTreeMap::new(),
            reason_admin: String::new(),
        }
    }

    fn deny(self, cause: DenialCause, policies: Vec<String>) -> Decision {
        Decision::Deny(self.denial(cause, policies))
    }

    fn denial(self, cause: DenialCause, policies: Vec<String>) -> Denial {
        let spoken = policies.iter().filter_map(|id| self.pack.policy(id)).find_map(|p| p.reason_admin.clone());
        let grounds = Grounds {
            reason_user: reasons::of_denial(self.pack, &cause, &policies),
            reason_admin: spoken.unwrap_or_else(|| denied_because(&cause, &policies)),
            ..self.grounds(policies)
        };
        Denial { cause, grounds, would_take: Vec::new() }
    }

    /// A policy that errs may have been the one that forbids: a final deny, and an alarm.
    fn failed(self, error: EvaluationFailed) -> Decision {
        self.deny(DenialCause::EvaluationError { message: error.0 }, Vec::new())
    }
}

fn asked_because(requirement: &Requirement, tier: Tier) -> String {
    let mut text = format!("tier {tier}: {} would be permitted", requirement.acr);
    if requirement.transaction_bound {
        text.push_str(" if bound to this transaction");
    }
    if let Some(seconds) = requirement.max_age_seconds {
        text.push_str(&format!(", at most {seconds} s old"));
    }
    if requirement.approvers > 0 {
        text.push_str(&format!(", with {} more person", requirement.approvers));
    }
    if requirement.enrolment_needed {
        text.push_str("; nothing enrolled is enough");
    }
    text
}

fn denied_because(cause: &DenialCause, policies: &[String]) -> String {
    match cause {
        DenialCause::UnknownSubject => "no such subject".into(),
        DenialCause::SubjectSuspended => "the subject is suspended".into(),
        DenialCause::UnknownAction => "no such action in the catalogue".into(),
        DenialCause::WrongResourceType => "the action is for another type of resource".into(),
        DenialCause::WrongTransactionType => "authorization_details has another type than the action's".into(),
        DenialCause::WrongTransactionResource => {
            "authorization_details is about another resource than the request".into()
        }
        DenialCause::InvalidTransaction { pointer, reason } => format!("authorization_details{pointer}: {reason}"),
        DenialCause::InvalidFact { fact, reason } => format!("{fact}: {reason}"),
        DenialCause::Contained => "the session's lineage is contained, or a relay was proven in it".into(),
        DenialCause::Forbidden => format!("forbidden by {}", policies.join(", ")),
        DenialCause::NothingSuffices => "no authenticator that is enrolled, or may be enrolled now, is enough".into(),
        DenialCause::EvaluationError { message } => format!("the policy failed to evaluate: {message}"),
    }
}
