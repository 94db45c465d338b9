//! What is decided again when somebody answers a decision is a record too, and an answer is the only one.

use crate::{
    application::parameter,
    harness::{Demo, Engine, counterfoil},
    journey::{Journey, payout},
    logbook::{Logbook, assert_holds},
};
use serde_json::{Value, json};
use std::time::Duration;

crate::on_both_engines! {
    a_step_up_is_recorded_with_the_challenge_that_it_opens,
    a_sign_in_for_a_decision_is_recorded_when_it_is_asked_for_and_when_it_is_enough,
    a_denial_is_recorded_and_uses_up_what_it_answered,
    a_signature_is_taken_only_where_it_is_enough_when_it_comes,
}

/// The outcomes that were recorded in units about this decision, which are not its own.
fn made_again(demo: &Demo, decision: &str) -> Vec<Value> {
    let about = Logbook::of(demo).about("decision", decision);
    let made: Vec<Value> =
        about.into_iter().map(|leaf| leaf["kind"].clone()).filter(|kind| kind["type"] == "decision.made").collect();
    assert!(made.iter().all(|kind| kind["decision"] != decision), "{made:?}");
    made.into_iter().map(|kind| kind["outcome"].clone()).collect()
}

/// The log holds, and every decision comes out as it is recorded where the log says that it was made.
fn assert_comes_out_again(demo: &Demo) {
    assert_holds(demo);
    let mut words = vec!["--format", "json", "audit", "verify", "--decide-again"];
    words.extend(demo.database_url().iter().flat_map(|url| ["--database-url", url]));
    let (holds, text) = counterfoil(&words, &demo.data());
    assert!(holds, "{text}");
}

fn a_step_up_is_recorded_with_the_challenge_that_it_opens(engine: Engine) {
    let demo = Demo::start_on(engine);
    let mut journey = Journey::begin(&demo, 0);
    let asked = journey.ask(payout(&demo, 1));
    assert_eq!(made_again(&demo, &asked.decision), [json!("step_up")]);
    let callback = journey.confirm(&asked);
    // With the signature nothing is missing but the name that it will be spent under.
    assert_eq!(made_again(&demo, &asked.decision), [json!("step_up"), json!("step_up")]);
    let token = journey.application.exchange(&callback, &asked.pushed);
    let spent = journey.redeem(&journey.redemption(&token, &asked.transaction, "0123456789abcdef"));
    assert_eq!(spent.status, 200, "{spent:?}");
    assert_comes_out_again(&demo);
}

fn a_sign_in_for_a_decision_is_recorded_when_it_is_asked_for_and_when_it_is_enough(engine: Engine) {
    let demo = Demo::start_on(engine);
    let mut journey = Journey::begin(&demo, 0);
    let answer = journey.evaluate("beneficiary.add", None);
    assert_eq!(answer["context"]["outcome"], "step_up", "{answer}");
    let decision = answer["context"]["decision_id"].as_str().unwrap().to_owned();
    let pushed = journey.application.push(&[("decision_id", &decision)]);
    let next = journey.browser.authorize(&journey.application.client_id, &pushed.request_uri);
    let challenge = parameter(&next, "challenge").unwrap_or_else(|| panic!("not a sign-in: {next}"));
    assert_eq!(made_again(&demo, &decision), [json!("step_up")]);
    let asked = journey.browser.post("/sign-in", &json!({"challenge": challenge})).json();
    let credential = journey.passkey.assert(&asked["passkey_options"]);
    let body = json!({"challenge": challenge, "credential": credential});
    let done = journey.browser.post("/sign-in/passkey", &body);
    assert_eq!(done.status, 200, "{done:?}");
    let next = done.json()["next"].as_str().unwrap().to_owned();
    assert!(parameter(&next, "code").is_some(), "{next}");
    assert_eq!(made_again(&demo, &decision), [json!("step_up"), json!("permit")]);

    // It has its answer; the same again finds nothing to answer.
    let pushed = journey.application.push(&[("decision_id", &decision)]);
    let body = json!({"client_id": journey.application.client_id, "request_uri": pushed.request_uri});
    let again = journey.browser.post("/oauth/authorize", &body);
    assert_eq!((again.status, &again.json()["code"]), (400, &json!("request-unknown")), "{again:?}");
    assert_eq!(made_again(&demo, &decision).len(), 2);
    assert_comes_out_again(&demo);
}

fn a_denial_is_recorded_and_uses_up_what_it_answered(engine: Engine) {
    let demo = Demo::start_on(engine);
    let mut journey = Journey::begin(&demo, 0);
    let transaction = payout(&demo, 1);
    let decision = journey.lodge(&transaction);
    let pushed = journey.push(&decision, &transaction);
    // The one passkey that could answer is gone by now.
    let me = journey.browser.post("/me", &json!({})).json();
    let passkey = me["authenticators"].as_array().unwrap().iter().find(|one| one["method"] == "passkey").unwrap();
    let words = ["--format", "json", "contain", "--authenticator", passkey["id"].as_str().unwrap()];
    let (done, text) = counterfoil(&words, &demo.data());
    assert!(done, "{text}");

    let first = json!({"client_id": journey.application.client_id, "request_uri": pushed.request_uri});
    let denied = journey.browser.post("/oauth/authorize", &first);
    assert_eq!((denied.status, &denied.json()["code"]), (403, &json!("denied")), "{denied:?}");
    assert!(denied.json()["back"]["url"].as_str().unwrap().contains("error=access_denied"), "{denied:?}");
    assert_eq!(made_again(&demo, &decision), [json!("deny")]);
    let pushed = journey.push(&decision, &transaction);
    let anew = json!({"client_id": journey.application.client_id, "request_uri": pushed.request_uri});
    for (what, body) in [("the same request", first), ("a new one for the same decision", anew)] {
        let again = journey.browser.post("/oauth/authorize", &body);
        assert_eq!((again.status, &again.json()["code"]), (400, &json!("request-unknown")), "{what}: {again:?}");
    }
    assert_eq!(made_again(&demo, &decision), [json!("deny")]);
    assert_eq!(Logbook::of(&demo).count("decision", &decision, "request.refused"), 1);
    assert_comes_out_again(&demo);
}

fn a_signature_is_taken_only_where_it_is_enough_when_it_comes(engine: Engine) {
    let demo = Demo::start_on(engine);
    let mut journey = Journey::begin(&demo, 0);
    let asked = journey.ask(payout(&demo, 1));
    let username = journey.user["username"].as_str().unwrap().to_owned();
    let group = |verb: &str| {
        let (done, text) = counterfoil(&["admin", "groups", verb, "treasury", &username], &demo.data());
        assert!(done, "{text}");
    };
    // Who may not pay any more gets no code for what was asked while they might.
    group("leave");
    let body = json!({"credential": journey.passkey.assert(&asked.options)});
    let page = format!("/step-up/{}/passkey", asked.challenge);
    let denied = journey.browser.post(&page, &body);
    assert_eq!((denied.status, &denied.json()["code"]), (403, &json!("denied")), "{denied:?}");
    assert_eq!(made_again(&demo, &asked.decision), [json!("step_up"), json!("deny")]);
    let log = Logbook::of(&demo);
    assert_eq!(log.count("challenge", &asked.challenge, "challenge.proven"), 0);
    // Nothing was used up.
    group("join");
    let callback = journey.confirm(&asked);
    assert!(parameter(&callback, "code").is_some(), "{callback}");
    assert_comes_out_again(&demo);
}

#[test]
fn nobody_is_answered_by_another_policy_than_the_active_one() {
    if !crate::database::is_there() {
        return;
    }
    let demo = Demo::start_on(Engine::Postgres);
    let journey = Journey::begin(&demo, 0);
    let question = journey.question("balance.read", None).to_string();
    let status = || demo.evaluate(&[("content-type", "application/json")], &question).status;
    assert_eq!(status(), 200);
    let url = demo.database_url().unwrap();
    // Somebody who may write says that another pack is active. What is changed next makes the server look.
    crate::database::run(url, "UPDATE active SET policy_version = REVERSE(policy_version)");
    let (code, _) = crate::harness::ran(&["admin", "groups", "add", "x", "--data", demo.data().to_str().unwrap()]);
    assert_ne!(code, 0, "the change could not be read back, and that is said");
    let comes_to = |expected: u16, seconds: u32| {
        (0..seconds * 4).any(|_| {
            std::thread::sleep(Duration::from_millis(250));
            status() == expected
        })
    };
    assert!(comes_to(503, 40), "it still answers");
    crate::database::run(url, "UPDATE active SET policy_version = REVERSE(policy_version)");
    assert!(comes_to(200, 10), "it does not come back");
}

/// The signature makes the session's key a known one, and that is what is decided with.
#[test]
fn a_signature_counts_for_the_device_when_it_is_decided_with_it() {
    let directory = tempfile::tempdir().unwrap();
    let mut files = counterfoil_core::policy::default_pack();
    let known = "@id(\"known\") forbid (principal, action in Action::\"payout.change\", resource)\n\
                 unless { context.session.known_device };";
    files.insert("known.cedar".to_owned(), known.into());
    for (path, bytes) in files {
        let path = directory.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    let demo = Demo::start_with(&["--policies", directory.path().to_str().unwrap()]);
    let mut journey = Journey::begin(&demo, 0);
    let asked = journey.ask(payout(&demo, 1));
    let callback = journey.confirm(&asked);
    let token = journey.application.exchange(&callback, &asked.pushed);
    let spent = journey.redeem(&journey.redemption(&token, &asked.transaction, "0123456789abcdef"));
    assert_eq!(spent.status, 200, "{spent:?}");
}
