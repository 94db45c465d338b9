//! What must hold of every decision (DESIGN §9, the part of R3 that exists).

use super::{arbitrary::*, load};
use crate::{
    assurance::{Acr, Binding, Tier},
    decision::{Decision, DecisionInput, DecisionRecord, Outcome, RegisteredResource, decide},
    evidence::ProofFact,
    policy::{Pack, decide::place, default_pack, rule::Rule},
};
use cedar_policy::PolicySet;
use cedar_policy_core::authorizer::Authorizer;
use proptest::prelude::*;
use std::sync::LazyLock;

static DEFAULT: LazyLock<Pack> = LazyLock::new(|| load(&default_pack()));

/// The default pack with one forbid that errs on every request.
static ERRING: LazyLock<Pack> = LazyLock::new(|| {
    let mut files = default_pack();
    let text = "forbid (principal, action, resource) when { context.session.recovered_age * 9223372036854775807 > 5 };";
    files.insert("erring.cedar".into(), text.into());
    load(&files)
});

/// The same slices, each with every policy of the pack in it.
static UNCUT: LazyLock<Pack> = LazyLock::new(|| {
    let mut pack = load(&default_pack());
    let all: Vec<Rule> = pack.policies.values().map(|info| Rule::whole(&info.policy).unwrap()).collect();
    for slice in pack.slices.values_mut().flat_map(|tiers| tiers.values_mut()) {
        slice.rules = all.clone();
    }
    pack
});

/// The default pack with every fact made for every request, whether a policy names it or not.
static UNPRUNED: LazyLock<Pack> = LazyLock::new(|| {
    let mut pack = load(&default_pack());
    pack.schema = cedar_policy::Schema::from_cedarschema_str(&pack.schema_text).unwrap().0;
    pack.wanted = crate::policy::cedar_schema::Wanted::All;
    pack
});

fn permits(input: &DecisionInput) -> bool {
    decide(input, &DEFAULT).outcome() == Outcome::Permit
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_slice_decides_as_the_full_set(input in any_input()) {
        prop_assert_eq!(decide(&input, &DEFAULT).record(), decide(&input, &UNCUT).record());
    }

    #[test]
    fn a_slice_says_what_cedar_says_of_all_policies(input in any_input(), erring in any::<bool>()) {
        let pack: &Pack = if erring { &ERRING } else { &DEFAULT };
        let all = PolicySet::from_policies(pack.policies.values().map(|info| info.policy.clone())).unwrap();
        let Ok(placed) = place(&input, pack) else { return Ok(()) };
        let Ok(scene) = placed.scene(&input, pack) else { return Ok(()) };
        let shown = input.evidence.shown(input.now, placed.subject.id, None);
        let entities = scene.entities(&shown, input.session.as_ref()).unwrap();
        let cedar = Authorizer::new().is_authorized(scene.request().clone(), all.as_ref(), &entities);
        match scene.ask(&shown, input.session.as_ref()) {
            Ok(answer) => {
                let mut reasons: Vec<String> = cedar.diagnostics.reason.iter().map(ToString::to_string).collect();
                reasons.sort_unstable();
                prop_assert!(cedar.diagnostics.errors.is_empty());
                prop_assert_eq!(answer.permitted, cedar.decision == cedar_policy::Decision::Allow);
                prop_assert_eq!(answer.policies, reasons);
            }
            Err(failed) => prop_assert_eq!(failed.0, cedar.diagnostics.errors.first().unwrap().to_string()),
        }
    }

    #[test]
    fn facts_that_no_policy_names_change_nothing(input in any_input()) {
        prop_assert_eq!(decide(&input, &DEFAULT).record(), decide(&input, &UNPRUNED).record());
    }

    #[test]
    fn a_record_decides_again_to_the_same(input in any_input()) {
        let decided = decide(&input, &DEFAULT).record();
        let written = serde_json::to_string(&(&input, &decided)).unwrap();
        let (read, recorded): (DecisionInput, DecisionRecord) = serde_json::from_str(&written).unwrap();
        prop_assert_eq!(&read, &input);
        prop_assert_eq!(&recorded, &decided);
        prop_assert_eq!(decide(&read, &DEFAULT).record(), recorded);
    }

    #[test]
    fn what_an_api_says_never_relaxes_a_decision(input in any_input()) {
        let silent = DecisionInput { asserted: Default::default(), ..input.clone() };
        let (said, unsaid) = (decide(&input, &DEFAULT), decide(&silent, &DEFAULT));
        prop_assert!(said.outcome() >= unsaid.outcome(), "{:?} was relaxed to {:?}", unsaid, said);
    }

    #[test]
    fn an_error_never_permits(input in any_input()) {
        let decision = decide(&input, &ERRING);
        // A session that recovered just now multiplies nothing, so it does not err.
        let errs = input.session.as_ref().is_some_and(|s| s.recovered_at.is_none());
        prop_assert!(!errs || decision.outcome() != Outcome::Permit);
        if errs && permits(&input) {
            prop_assert!(decision.is_alarm(), "{:?}", decision);
        }
    }

    #[test]
    fn what_is_permitted_on_a_sensitive_resource_is_permitted_on_a_less_sensitive_one(input in any_input()) {
        let at = |tier: Tier| {
            let registered = RegisteredResource { sensitivity: Some(tier), ..Default::default() };
            let mut input = input.clone();
            input.resource.registered = Some(registered);
            permits(&input)
        };
        let permitted: Vec<bool> = Tier::ALL.iter().map(|tier| at(*tier)).collect();
        prop_assert!(permitted.windows(2).all(|pair| pair[0] || !pair[1]), "{:?}", permitted);
    }

    #[test]
    fn authenticators_with_ceiling_aal2_never_permit_a_high_action(mut input in any_input()) {
        for proof in &mut input.evidence.proofs {
            proof.ceiling = proof.ceiling.min(Acr::Aal2);
        }
        let decision = decide(&input, &DEFAULT);
        let high = decision.grounds().tier >= Some(Tier::High);
        prop_assert!(!(high && decision.outcome() == Outcome::Permit));
    }

    #[test]
    fn a_code_never_permits_above_low_in_a_session_whose_key_nobody_knows(mut input in any_input()) {
        input.evidence.proofs.retain(|proof| !proof.is_phishing_resistant());
        if let Some(session) = &mut input.session {
            session.binding = session.binding.min(Binding::NewKey);
        }
        let decision = decide(&input, &DEFAULT);
        let above_low = decision.grounds().tier > Some(Tier::Low);
        prop_assert!(!(above_low && decision.outcome() == Outcome::Permit));
    }

    #[test]
    fn a_contained_session_does_nothing(mut input in any_input()) {
        if let Some(session) = &mut input.session {
            session.contained = true;
            prop_assert_eq!(decide(&input, &DEFAULT).outcome(), Outcome::Deny);
        }
    }

    /// Nobody is ever asked in a loop: whoever shows what was asked for is let through.
    #[test]
    fn a_step_up_that_is_answered_is_a_permit(input in any_input(), older in any::<bool>()) {
        let mut input = DecisionInput { redemption_id: Some("redemption-1".into()), ..input };
        let Decision::StepUp(step_up) = decide(&input, &DEFAULT) else { return Ok(()) };
        let asked = step_up.requirement;
        let Some(chosen) = asked.candidates.first() else { return Ok(()) };
        if !asked.missing.is_empty() || asked.approvers > 0 {
            return Ok(());
        }
        let enrolled = input.enrolled.iter().find(|e| e.id == *chosen && e.method == asked.method).cloned().unwrap();
        let age = if older { asked.max_age_seconds.unwrap_or(0) } else { 0 };
        let password = input.enrolled.iter().find(|e| e.method == crate::assurance::Method::Password).map(|e| e.id);
        let shown = |method, authenticator, ceiling, txn_digest| ProofFact {
            method,
            at: NOW.plus_seconds(-age),
            authenticator,
            ceiling,
            user_verified: enrolled.user_verifying && method == enrolled.method,
            hardware_bound: enrolled.hardware_bound && method == enrolled.method,
            txn_digest,
            channel: enrolled.channel.clone(),
        };
        if let (true, Some(password)) = (enrolled.method.is_code(), password) {
            input.evidence.proofs.push(shown(crate::assurance::Method::Password, password, Acr::Aal2, None));
        }
        let txn = if asked.transaction_bound { input.transaction.as_ref().map(digest_of) } else { None };
        let proof = shown(enrolled.method, enrolled.id, enrolled.ceiling, txn);
        let resistant = proof.is_phishing_resistant();
        input.evidence.proofs.push(proof);
        if let Some(session) = input.session.as_mut().filter(|s| resistant && s.binding == Binding::NewKey) {
            session.binding = Binding::KnownDevice;
        }
        let decision = decide(&input, &DEFAULT);
        prop_assert_eq!(decision.outcome(), Outcome::Permit, "asked {:?}, got {:?}", asked, decision);
    }
}

/// Properties over requests that are all denied would hold nothing.
#[test]
fn the_requests_tried_reach_every_answer_at_every_tier() {
    use proptest::{strategy::ValueTree, test_runner::TestRunner};
    let mut runner = TestRunner::deterministic();
    let (mut seen, mut answered) = (std::collections::BTreeMap::new(), 0);
    for _ in 0..3_000 {
        let input = any_input().new_tree(&mut runner).unwrap().current();
        let decision = decide(&input, &DEFAULT);
        if let (Decision::StepUp(step_up), Some(_)) = (&decision, &input.session)
            && !step_up.requirement.candidates.is_empty()
            && step_up.requirement.missing.is_empty()
        {
            answered += 1;
        }
        if let Some(tier) = decision.grounds().tier {
            *seen.entry((tier, decision.outcome())).or_insert(0) += 1;
        }
    }
    let every = Tier::ALL.iter().flat_map(|t| [Outcome::Permit, Outcome::StepUp, Outcome::Deny].map(|o| (*t, o)));
    let rare: Vec<_> = every.filter(|pair| seen.get(pair).is_none_or(|count| *count < 3)).collect();
    assert!(rare.is_empty() && answered > 60, "{rare:?} are rare, {answered} step-ups could be answered: {seen:?}");
}
