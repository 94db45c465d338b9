//! Tests of packs: what loads, what is refused and where, and how decisions come out of them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on should stop")]

mod arbitrary;
mod properties;

use super::*;
use crate::{
    assurance::{Acr, Tier},
    decision::{Decision, DenialCause, Outcome, RegisteredResource},
    evidence::ProofFact,
};

type Files = BTreeMap<String, Vec<u8>>;

fn load(files: &Files) -> Pack {
    Pack::load(files).unwrap_or_else(|error| panic!("{error}"))
}

fn with(path: &str, text: &str) -> Files {
    let mut files = default_pack();
    files.insert(path.to_owned(), text.as_bytes().to_vec());
    files
}

fn edited(path: &str, from: &str, to: &str) -> Files {
    let mut files = default_pack();
    let text = String::from_utf8(files[path].clone()).unwrap();
    assert!(text.contains(from), "{path} has no {from:?}");
    files.insert(path.to_owned(), text.replacen(from, to, 1).into_bytes());
    files
}

/// A pack from a folder beside these tests.
fn fixture(name: &str) -> Files {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/packs").join(name);
    let mut files = Files::new();
    for folder in ["", "transactions", "tests"] {
        let Ok(entries) = std::fs::read_dir(root.join(folder)) else { continue };
        for entry in entries.map(Result::unwrap).filter(|e| e.path().is_file()) {
            let path = entry.path().strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
            files.insert(path, std::fs::read(entry.path()).unwrap());
        }
    }
    files
}

#[test]
fn packs_that_come_with_the_product_load_without_warnings() {
    for files in [default_pack(), starter_pack()] {
        assert_eq!(load(&files).warnings(), <[String; 0]>::default());
    }
}

#[test]
fn packs_that_come_with_the_product_pass_their_own_tests() {
    for files in [default_pack(), starter_pack()] {
        let pack = load(&files);
        let reports = testing::run(&pack).unwrap_or_else(|error| panic!("{error}"));
        assert!(reports.len() >= 14, "{}: too few tests", pack.name());
        let failed: Vec<_> = reports.iter().filter(|report| !report.passed()).collect();
        assert!(failed.is_empty(), "{failed:#?}");
    }
}

#[test]
fn the_embedded_default_pack_is_the_folder_in_the_repository() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../policies");
    let mut found = Vec::new();
    for folder in ["", "transactions", "tests"] {
        for entry in std::fs::read_dir(root.join(folder)).unwrap().map(Result::unwrap).filter(|e| e.path().is_file()) {
            found.push(entry.path().strip_prefix(&root).unwrap().to_str().unwrap().to_owned());
        }
    }
    found.retain(|path| path != "README.md");
    found.sort();
    assert_eq!(found, default_pack().into_keys().collect::<Vec<_>>());
}

#[test]
fn a_test_of_a_pack_can_fail() {
    let pack =
        load(&edited("tests/own.toml", "outcome = \"permit\", tier = \"low\"", "outcome = \"deny\", tier = \"high\""));
    let reports = testing::run(&pack).unwrap();
    let failed: Vec<_> = reports.iter().filter(|report| !report.passed()).collect();
    assert_eq!(
        (failed.len(), failed[0].file.as_str(), failed[0].line, failed[0].problems.len()),
        (1, "tests/own.toml", 3, 2)
    );
    let broken = with("tests/broken.toml", "[[test]]\nname = \"x\"\nacton = \"me.read\"\n");
    let error = testing::run(&Pack::compile(&broken).unwrap()).expect_err("refused");
    assert_eq!(error.file, "tests/broken.toml");
    // The invariants are held against every test, so a pack with tests that nobody can read is none.
    assert_eq!(Pack::load(&broken).map(|_| ()).unwrap_err().file, "tests/broken.toml");
}

#[test]
fn a_pack_that_violates_an_invariant_is_refused() {
    for (invariant, told) in [
        // A permit that must not be.
        (r#"@id("x") forbid (principal, action in Action::"balance.read", resource);"#, "is decided `permit`"),
        (
            r#"@id("x") forbid (principal, action in Action::"tier/moderate", resource)
               unless { context.evidence.phishing_resistant };"#,
            "is decided `permit`",
        ),
        // A step-up that asks for what must not be enough: nothing was shown yet, so only the trial finds it.
        (
            r#"@id("x") forbid (principal, action in Action::"tier/moderate", resource)
               when { context.evidence.methods.contains("app_code") && context.session.recovered_age > 1 &&
                      !(context.evidence.age <= 900 && context.evidence.password_age < 900) };"#,
            "is decided `step_up`",
        ),
        // One that fails says nothing, and what says nothing forbids nothing.
        (
            r#"@id("x") forbid (principal, action, resource)
               when { context.session.recovered_age * 9223372036854775807 > 5 };"#,
            "fails to evaluate",
        ),
    ] {
        let files = with("invariants.cedar", &format!("\n{invariant}"));
        let error = Pack::load(&files).map(|_| ()).expect_err(invariant);
        assert_eq!((error.file.as_str(), error.line), ("invariants.cedar", 2), "{error}");
        assert!(error.reason.contains("the invariant `x`") && error.reason.contains(told), "{error}");
        assert!(error.reason.contains("(tests/"), "which test shows it: {error}");
        assert!(Pack::compile(&files).is_ok(), "what it decided before can be decided again");
    }
    let permit = with("invariants.cedar", r#"@id("x") permit (principal, action, resource);"#);
    assert!(Pack::load(&permit).map(|_| ()).expect_err("refused").reason.contains("no forbid"));
}

#[test]
fn an_invariant_decides_nothing_and_one_that_no_test_asks_is_pointed_at() {
    let files = with(
        "invariants.cedar",
        r#"@id("nobody-exports") forbid (principal, action in Action::"key.export/critical", resource)
           when { principal.username == "nobody" };"#,
    );
    let (pack, plain) = (load(&files), load(&default_pack()));
    assert_eq!(pack.invariants().len(), 1);
    assert!(pack.policy("nobody-exports").is_none() && pack.policies().count() == plain.policies().count());
    let mut alone = files;
    alone.retain(|path, _| !path.starts_with("tests/"));
    alone.insert("tests/own.toml".into(), default_pack()["tests/own.toml"].clone());
    let warnings = load(&alone).warnings().to_vec();
    assert!(warnings.iter().any(|warning| warning.contains("nobody-exports")), "{warnings:?}");
}

#[test]
fn an_explanation_says_which_condition_failed_and_what_each_policy_read() {
    let pack = load(&default_pack());
    let cases = testing::cases(&pack).unwrap();
    let case = |name: &str| &cases.iter().find(|case| case.name.starts_with(name)).unwrap().input;
    let asked = case("moderate: codes in a session whose key nobody knows");
    let explained = explain(asked, &pack);
    assert_eq!(explained.answer, decide(asked, &pack).record());
    let policy = |id: &str| explained.policies.iter().find(|policy| policy.id == id).unwrap();
    let code = policy("moderate-app-code-on-known-device");
    let failed: Vec<&str> = code.conditions.iter().filter(|c| !c.holds()).map(|c| c.text.as_str()).collect();
    assert_eq!((code.matched, failed.as_slice()), (false, ["context.session.known_device"].as_slice()), "{code:?}");
    let read = |name: &str| code.facts.iter().find(|fact| fact.name == name).unwrap().value.clone();
    assert_eq!(read("context.session.known_device").as_deref(), Some("false"));
    assert_eq!(read("context.evidence.app_code_age").as_deref(), Some("20"));
    let staff = policy("treasury-staff");
    assert!(!staff.matched && staff.conditions[0].unless && staff.conditions[0].value == Some(true), "{staff:?}");
    assert_eq!(staff.facts[0].name, r#"principal in Group::"treasury""#);
    assert_eq!(staff.facts[0].value.as_deref(), Some("true"));
    // What would permit after the step-up is named, and did not match yet.
    assert!(policy("moderate-phishing-resistant").spoke && !policy("moderate-phishing-resistant").matched);

    let mut unknown = asked.clone();
    unknown.subject = None;
    let explained = explain(&unknown, &pack);
    assert_eq!((explained.answer, explained.policies), (decide(&unknown, &pack).record(), Vec::new()));
}

#[test]
fn every_test_of_the_pack_is_explained_as_it_is_decided() {
    let pack = load(&default_pack());
    for case in testing::cases(&pack).unwrap() {
        let explained = explain(&case.input, &pack);
        assert_eq!(explained.answer, decide(&case.input, &pack).record(), "{}", case.name);
        for policy in &explained.policies {
            // A policy matches if and only if all its conditions are as it wants them; each was asked by itself.
            let all = policy.conditions.iter().all(Condition::holds);
            assert_eq!(policy.matched, all, "{}: {policy:?}", case.name);
        }
    }
}

#[test]
fn the_version_is_the_hash_of_the_content() {
    let version = |files: &Files| load(files).version();
    let base = version(&default_pack());
    assert_eq!(base, version(&default_pack()));
    assert_eq!(base, version(&with("README.md", "notes")), "notes belong to no pack");
    assert_ne!(base, version(&edited("tiers.cedar", "<= 300", "<= 299")));
    assert_ne!(base, version(&edited("transactions/payout_change.de.txt", "Betrag", "Summe")));
}

#[test]
fn what_is_wrong_with_a_pack_is_said_with_file_and_line() {
    let without = |path: &str| {
        let mut files = default_pack();
        files.remove(path);
        files
    };
    for (files, file, line, reason) in [
        (without("pack.toml"), "pack.toml", 1, "missing"),
        (without("actions.toml"), "actions.toml", 1, "missing"),
        (without("transactions/payout_change.de.txt"), "transactions/payout_change.de.txt", 1, "missing"),
        (
            without("transactions/payout_change.json"),
            "transactions/payout_change.de.txt",
            1,
            "belongs to no transaction type",
        ),
        (with("pack.toml", "name = \"x\"\nformat = 2\n"), "pack.toml", 1, "format 2"),
        (with("pack.toml", "name = \"x\"\nfromat = 1\n"), "pack.toml", 2, "fromat"),
        (with("notes.txt", "x"), "notes.txt", 1, "no file of a pack"),
        (with("x/y.cedar", "x"), "x/y.cedar", 1, "no file of a pack"),
        (edited("actions.toml", "tier = \"moderate\"", "tier = \"medium\""), "actions.toml", 12, "medium"),
        (edited("actions.toml", "transaction_type = \"payout_change\"", ""), "actions.toml", 16, "no transaction type"),
        (edited("actions.toml", "= \"payout_change\"", "= \"payout\""), "actions.toml", 16, "unknown transaction type"),
        (
            edited("actions.toml", "= \"key_export\"", "= \"payout_change\""),
            "actions.toml",
            16,
            "share the transaction type",
        ),
        (edited("actions.toml", "[resource_types.account]", "[resource_types.in]"), "actions.toml", 3, "no name"),
        (
            edited("actions.toml", "[resource_types.account]", "[resource_types.person]"),
            "actions.toml",
            3,
            "product's own",
        ),
        (edited("actions.toml", "\"balance.read\"", "\"Balance\""), "actions.toml", 6, "no name"),
        (
            edited("actions.toml", "[actions.\"balance.read\"]", "[actions.\"policy.activate\"]"),
            "actions.toml",
            6,
            "product's own",
        ),
        (
            with("x.cedar", "permit (principal, action, resource)\nwhen { context.evidence.all >= 1 };"),
            "x.cedar",
            1,
            "all",
        ),
        (with("x.cedar", "\npermit (principal, action == Action::\"payout.change\", resource);"), "x.cedar", 2, "x#1"),
        (
            with("x.cedar", "permit (principal, action in Action::\"payout.chnage\", resource);"),
            "x.cedar",
            1,
            "payout.chnage",
        ),
        (
            with("x.cedar", "@id(\"low-any-proof\")\npermit (principal, action, resource);"),
            "x.cedar",
            1,
            "tiers.cedar:3",
        ),
        (
            with("x.cedar", "permit (principal, action, resource)\nwhen { resource.owner == \"x\" };"),
            "x.cedar",
            1,
            "owner",
        ),
        (with("x.cedar", "permit (principal == ?principal, action, resource);"), "x.cedar", 1, ""),
        (with("entities.json", "[{\"uid\":1,\"uid\":2}]"), "entities.json", 1, "duplicate"),
        (
            with("entities.json", "[{\"uid\":{\"type\":\"Group\",\"id\":\"a\"},\"attrs\":{\"x\":1},\"parents\":[]}]"),
            "entities.json",
            1,
            "x",
        ),
    ] {
        let error = Pack::load(&files).map(|_| ()).expect_err(reason);
        assert_eq!((error.file.as_str(), error.line), (file, line), "{error}");
        assert!(error.reason.contains(reason), "{reason:?} is not in {error}");
    }
}

#[test]
fn our_own_actions_can_be_raised_and_never_lowered() {
    let raised = "\n[actions.\"me.read\"]\ntier = \"moderate\"\nresource_type = \"person\"\n";
    let mut files = default_pack();
    files.get_mut("actions.toml").unwrap().extend_from_slice(raised.as_bytes());
    let pack = load(&files);
    let action = pack.catalogue().action("me.read").unwrap();
    assert!(action.tier == Tier::Moderate && action.own && action.title.contains_key("de"));
    assert!(pack.asked("me.read", Tier::Low).is_empty() && !pack.asked("me.read", Tier::Moderate).is_empty());

    let lowered = "\n[actions.\"policy.activate\"]\ntier = \"low\"\nresource_type = \"installation\"\n";
    let mut files = default_pack();
    files.get_mut("actions.toml").unwrap().extend_from_slice(lowered.as_bytes());
    assert!(Pack::load(&files).expect_err("lowered").reason.contains("worth more"));
}

#[test]
fn permits_by_what_an_api_says_are_named() {
    let pack = load(&with(
        "x.cedar",
        "@id(\"trusting\")\npermit (principal, action in Action::\"balance.read\", resource)\n\
         when { context.asserted.resource has sensitivity && context.asserted.resource.sensitivity == \"low\" };",
    ));
    assert_eq!(pack.warnings(), ["x.cedar:1: `trusting` permits by what an API asserts"]);
}

#[test]
fn a_policy_that_errs_denies_and_alarms() {
    // Cedar skips a policy that errs: this forbid would let pass.
    let pack = load(&with(
        "x.cedar",
        "forbid (principal, action in Action::\"balance.read\", resource)\n\
         when { context.evidence.sms_code_age * 9223372036 > 0 };",
    ));
    let input = arbitrary::signed_in("balance.read");
    assert!(matches!(decide(&input, &load(&default_pack())), Decision::Permit(_)));
    let decision = decide(&input, &pack);
    assert!(decision.is_alarm(), "{decision:?}");
    let Decision::Deny(denial) = decision else { panic!("not denied") };
    assert!(matches!(denial.cause, DenialCause::EvaluationError { .. }));
}

#[test]
fn evidence_without_a_session_counts_for_nothing() {
    let pack = load(&default_pack());
    let mut input = arbitrary::signed_in("balance.read");
    assert!(decide(&input, &pack).is_proven());
    input.session = None;
    assert!(!decide(&input, &pack).is_proven());
}

#[test]
fn a_signed_payout_is_proven_before_it_can_be_spent() {
    let pack = load(&default_pack());
    let mut input = arbitrary::payout();
    assert!(matches!(decide(&input, &pack), Decision::Permit(_)));
    input.redemption_id = None;
    let decision = decide(&input, &pack);
    assert!(decision.is_proven() && decision.outcome() == Outcome::StepUp);
}

/// Whoever signed in hardware and, after it grew old, again with another passkey is not asked once more.
#[test]
fn a_strong_signature_that_is_too_old_does_not_hide_a_fresh_one() {
    let pack = load(&default_pack());
    let mut input = arbitrary::payout();
    let fresh = input.evidence.proofs.last().unwrap().clone();
    let old = ProofFact {
        ceiling: Acr::Phrh,
        hardware_bound: true,
        at: arbitrary::NOW.plus_seconds(-301),
        authenticator: arbitrary::authenticator(4),
        ..fresh.clone()
    };
    input.evidence.proofs.insert(0, old.clone());
    assert_eq!(decide(&input, &pack).outcome(), Outcome::Permit);
    let explained = explain(&input, &pack);
    let speaks = explained.policies.iter().find(|policy| policy.id == "high-signed-transaction").unwrap();
    assert!(speaks.spoke && speaks.matched, "{speaks:?}");
    // One of them must be enough by itself: the age of one and the hardware of the other are no proof.
    let registered = RegisteredResource { sensitivity: Some(Tier::Critical), ..Default::default() };
    input.resource.registered = Some(registered);
    assert_ne!(decide(&input, &pack).outcome(), Outcome::Permit);
    input.evidence.proofs.push(ProofFact { at: arbitrary::NOW, ..old });
    assert_eq!(decide(&input, &pack).outcome(), Outcome::Permit);
}

#[test]
fn what_cannot_be_signed_says_so() {
    let pack = load(&default_pack());
    let mut input = arbitrary::signed_in("beneficiary.add");
    input.asserted.resource.insert("sensitivity".into(), "high".into());
    let record = decide(&input, &pack).record();
    assert!(record.grounds.reason_admin.contains("no transaction type"), "{record:?}");
}

#[test]
fn what_the_pack_says_that_a_resource_is_worth_counts() {
    let with_sensitivity = |said: &str| {
        let mut input = arbitrary::signed_in("balance.read");
        let uid = serde_json::json!({"type": input.resource.kind, "id": input.resource.id});
        let attrs = serde_json::json!({"id": input.resource.id, "registered": true, "sensitivity": said});
        let entities = serde_json::json!([{"uid": uid, "attrs": attrs, "parents": []}]);
        let pack = load(&with("entities.json", &entities.to_string()));
        let unregistered = decide(&input, &pack).grounds().tier.unwrap();
        // A lower registration does not undo it.
        input.resource.registered =
            Some(RegisteredResource { sensitivity: Some(Tier::Low), attributes: Default::default() });
        (unregistered, decide(&input, &pack).grounds().tier.unwrap())
    };
    assert_eq!(with_sensitivity("low"), (Tier::Low, Tier::Low));
    assert_eq!(with_sensitivity("moderate"), (Tier::Moderate, Tier::Moderate));
    assert_eq!(with_sensitivity("hgih"), (Tier::Critical, Tier::Critical), "what is no tier counts as worst");
}

#[test]
fn amounts_raise_the_tier() {
    let files = edited(
        "actions.toml",
        "transaction_type = \"payout_change\"\n",
        "transaction_type = \"payout_change\"\nthresholds = [\n\
         { currency = \"EUR\", above = \"50000.00\", tier = \"critical\" },\n\
         { currency = \"EUR\", above = \"80000.00\", within_hours = 24, tier = \"critical\" },\n]\n",
    );
    let refused = Pack::load(&files).expect_err("sums over hours are not kept yet");
    assert!(refused.reason.contains("within_hours"), "{refused}");
    // What a pack that may not be activated would decide.
    let pack = Pack::compile(&files).unwrap_or_else(|error| panic!("{error}"));
    let tier = |currency: &str, value: &str, moved: &[(&str, &str)]| {
        let mut input = arbitrary::payout();
        input.transaction.as_mut().unwrap()["amount"] = serde_json::json!({ "currency": currency, "value": value });
        input.moved = moved.iter().map(|(c, v)| crate::transaction::Amount::new(c, v).unwrap()).collect();
        decide(&input, &pack).grounds().tier.unwrap()
    };
    assert_eq!(tier("EUR", "50000.00", &[]), Tier::High);
    assert_eq!(tier("EUR", "50000.01", &[]), Tier::Critical);
    assert_eq!(tier("EUR", "40000.00", &[("EUR", "40000.00")]), Tier::High);
    assert_eq!(tier("EUR", "40000.00", &[("EUR", "40000.01")]), Tier::Critical);
    assert_eq!(tier("EUR", "40000.00", &[("USD", "90000.00")]), Tier::High);
    assert_eq!(tier("USD", "1.00", &[]), Tier::Critical, "a currency without threshold counts as worst");
}

#[test]
fn policies_read_transactions_groups_and_registered_attributes() {
    let pack = load(&fixture("depot"));
    let reports = testing::run(&pack).unwrap_or_else(|error| panic!("{error}"));
    let failed: Vec<_> = reports.iter().filter(|report| !report.passed()).collect();
    assert!(reports.len() >= 6 && failed.is_empty(), "{failed:#?}");
}

#[test]
fn the_authzen_certification_fixture_is_a_pack() {
    let pack = load(&fixture("authzen"));
    let reports = testing::run(&pack).unwrap_or_else(|error| panic!("{error}"));
    let failed: Vec<_> = reports.iter().filter(|report| !report.passed()).collect();
    assert!(reports.len() >= 8 && failed.is_empty(), "{failed:#?}");
    assert!(pack.warnings().iter().any(|warning| warning.contains("permits by what an API asserts")));
}
