//! One request, set up once and asked as often as needed: with what was shown, and with what could be.

use super::{
    Names, Pack,
    facts::{self, InvalidFact},
    slice::Slice,
};
use crate::{
    catalogue::{Action, ResourceType},
    decision::{DecisionInput, SubjectFacts},
    evidence::{SessionFacts, Shown},
    time::Time,
    transaction::{Transaction, TransactionType},
};
use cedar_policy::{Authorizer, Entities, Entity, EntityUid, PolicySet, Request};
use std::collections::HashSet;

/// A request before its evidence: everything that trying another proof does not change.
pub(super) struct Scene<'a> {
    slice: &'a Slice,
    pack: &'a Pack,
    request: Request,
    /// Principal and resource, with what the pack knows of their groups.
    cast: Vec<Entity>,
    evidence: EntityUid,
    session: EntityUid,
    now: Time,
}

/// What Cedar said. Its two-way decision stays in this file.
pub(super) struct Answer {
    pub(super) permitted: bool,
    /// Policies that decided.
    pub(super) policies: Vec<String>,
}

/// Policies that failed, or a request that does not fit the schema: never a permit.
#[derive(Debug)]
pub(super) struct EvaluationFailed(pub(super) String);

impl From<InvalidFact> for EvaluationFailed {
    fn from(fact: InvalidFact) -> Self {
        Self(format!("{}: {}", fact.fact, fact.reason))
    }
}

/// Why a scene cannot be set up.
pub(super) enum Unfit {
    /// The caller's fault.
    Fact(InvalidFact),
    /// Ours.
    Failed(EvaluationFailed),
}

impl From<InvalidFact> for Unfit {
    fn from(fact: InvalidFact) -> Self {
        Self::Fact(fact)
    }
}

impl<'a> Scene<'a> {
    pub(super) fn new(
        pack: &'a Pack,
        slice: &'a Slice,
        input: &DecisionInput,
        subject: &SubjectFacts,
        action: &Action,
        kind: &ResourceType,
        transaction: Option<(&TransactionType, &Transaction)>,
    ) -> Result<Self, Unfit> {
        let Names { evidence, session, resources, .. } = &pack.names;
        let failed = |error: String| Unfit::Failed(EvaluationFailed(error));
        let type_name = resources.get(&kind.name).ok_or_else(|| failed("a type without a name".into()))?;
        let resource_uid = facts::uid(type_name, &input.resource.id);
        let principal = facts::subject(subject, &pack.names, &pack.wanted)?;
        let mut cast = Vec::with_capacity(4);
        let mut parents = HashSet::new();
        if !pack.entities.is_empty() {
            let known = |uid: &EntityUid| pack.entities.ancestors(uid).into_iter().flatten().cloned();
            parents.extend(known(&resource_uid));
            let groups = subject.groups.iter().map(|group| facts::uid(&pack.names.group, group));
            let mut others: HashSet<EntityUid> =
                groups.flat_map(|g| known(&g).chain([g.clone()]).collect::<Vec<_>>()).collect();
            others.extend(parents.iter().cloned());
            others.retain(|uid| slice.base.get(uid).is_none());
            cast.extend(others.iter().filter_map(|uid| pack.entities.get(uid).cloned()));
        }
        let (evidence, session) = (facts::uid(evidence, "now"), facts::uid(session, "now"));
        let context = facts::context(input, action, kind, pack, transaction, [evidence.clone(), session.clone()])?;
        let request =
            Request::new(principal.uid(), slice.action.clone(), resource_uid.clone(), context, Some(&pack.schema))
                .map_err(|error| failed(error.to_string()))?;
        let from_pack = if input.resource.registered.is_none() { pack.entities.get(&resource_uid) } else { None };
        cast.push(principal);
        match from_pack {
            _ if slice.base.get(&resource_uid).is_some() => {}
            Some(resource) => cast.push(resource.clone()),
            None => cast.push(facts::resource(&input.resource, kind, resource_uid, parents)?),
        }
        Ok(Self { slice, pack, request, cast, evidence, session, now: input.now })
    }

    /// Asks with this evidence and this session.
    pub(super) fn ask(&self, shown: &Shown, session: Option<&SessionFacts>) -> Result<Answer, EvaluationFailed> {
        judge(&self.request, &self.slice.policies, &self.entities(shown, session)?)
    }

    /// Everything that the policies see with this evidence and this session.
    pub(super) fn entities(&self, shown: &Shown, session: Option<&SessionFacts>) -> Result<Entities, EvaluationFailed> {
        let mut cast = self.cast.clone();
        cast.push(facts::evidence(shown, self.evidence.clone(), &self.pack.wanted)?);
        cast.push(facts::session(session, self.now, self.session.clone(), &self.pack.wanted)?);
        let entities = self.slice.base.clone().add_entities(cast, Some(&self.pack.schema));
        entities.map_err(|error| EvaluationFailed(error.to_string()))
    }

    /// The request as Cedar has it.
    pub(super) const fn request(&self) -> &Request {
        &self.request
    }
}

/// What these policies say. Cedar's own decision goes no further.
pub(super) fn judge(request: &Request, policies: &PolicySet, entities: &Entities) -> Result<Answer, EvaluationFailed> {
    let response = Authorizer::new().is_authorized(request, policies, entities);
    // Cedar skips a policy that errs, so a `forbid` that errs would let pass.
    if let Some(error) = response.diagnostics().errors().next() {
        return Err(EvaluationFailed(error.to_string()));
    }
    let mut policies: Vec<String> = response.diagnostics().reason().map(ToString::to_string).collect();
    policies.sort_unstable();
    Ok(Answer { permitted: response.decision() == cedar_policy::Decision::Allow, policies })
}
