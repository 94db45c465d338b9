//! One request, set up once and asked as often as needed: with what was shown, and with what could be.

use super::{
    Names, Pack,
    facts::{self, InvalidFact},
    rule::{Answer, EvaluationFailed, judge},
    slice::Slice,
};
use crate::{
    catalogue::{Action, ResourceType},
    decision::{DecisionInput, SubjectFacts},
    evidence::{SessionFacts, Shown},
    time::Time,
    transaction::{Transaction, TransactionType},
};
use cedar_policy_core::{
    ast::{Entity, EntityUID, Request},
    entities::{Entities, TCComputation},
    extensions::Extensions,
    validator::CoreSchema,
};
use std::{collections::HashSet, sync::Arc};

/// A request before its evidence: everything that trying another proof does not change.
pub(super) struct Scene<'a> {
    slice: &'a Slice,
    pack: &'a Pack,
    request: Request,
    /// Principal and resource, with what the pack knows of their groups.
    cast: Vec<Arc<Entity>>,
    evidence: EntityUID,
    session: EntityUID,
    now: Time,
}

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
        let known = |uid: &EntityUID| pack.entity(uid).map(|entity| entity.ancestors().cloned().collect());
        let above = |uid: &EntityUID| -> HashSet<EntityUID> { known(uid).unwrap_or_default() };
        let principal = facts::subject(subject, &pack.names, &pack.wanted, above);
        let parents = above(&resource_uid);
        let mut cast = Vec::with_capacity(4);
        if pack.has_entities() {
            let others: HashSet<&EntityUID> = principal.ancestors().chain(&parents).collect();
            let others = others.into_iter().filter(|uid| slice.entity(uid).is_none());
            cast.extend(others.filter_map(|uid| pack.entity(uid).cloned().map(Arc::new)));
        }
        let (evidence, session) = (facts::uid(evidence, "now"), facts::uid(session, "now"));
        let context = facts::context(input, action, kind, pack, transaction, [evidence.clone(), session.clone()])?;
        let schema = pack.checked.then(|| pack.schema.as_ref());
        let entry = |uid: &EntityUID| (uid.clone(), None);
        let request = Request::new(
            entry(principal.uid()),
            entry(slice.action.as_ref()),
            entry(&resource_uid),
            context,
            schema,
            Extensions::all_available(),
        );
        let request = request.map_err(|error| failed(error.to_string()))?;
        let from_pack = if input.resource.registered.is_none() { pack.entity(&resource_uid) } else { None };
        cast.push(Arc::new(principal));
        match from_pack {
            _ if slice.entity(&resource_uid).is_some() => {}
            Some(resource) => cast.push(Arc::new(resource.clone())),
            None => cast.push(Arc::new(facts::resource(&input.resource, kind, resource_uid, parents)?)),
        }
        Ok(Self { slice, pack, request, cast, evidence, session, now: input.now })
    }

    /// Asks with this evidence and this session.
    pub(super) fn ask(&self, shown: &Shown, session: Option<&SessionFacts>) -> Result<Answer, EvaluationFailed> {
        judge(&self.request, &self.slice.rules, &self.entities(shown, session)?)
    }

    /// Everything that the policies see with this evidence and this session.
    pub(super) fn entities(&self, shown: &Shown, session: Option<&SessionFacts>) -> Result<Entities, EvaluationFailed> {
        let mut cast = self.cast.clone();
        cast.push(Arc::new(facts::evidence(shown, self.evidence.clone(), &self.pack.wanted)));
        cast.push(Arc::new(facts::session(session, self.now, self.session.clone(), &self.pack.wanted)));
        let checked = self.pack.checked;
        let schema = checked.then(|| CoreSchema::new(self.pack.schema.as_ref()));
        // Each says all that it is in: nothing has to be found out.
        let closed = if checked { TCComputation::EnforceAlreadyComputed } else { TCComputation::AssumeAlreadyComputed };
        let base = self.slice.base.as_ref().clone();
        let entities = base.add_entities(cast, schema.as_ref(), closed, Extensions::all_available());
        entities.map_err(|error| EvaluationFailed(error.to_string()))
    }

    /// The request as Cedar has it.
    pub(super) const fn request(&self) -> &Request {
        &self.request
    }
}
