//! `kill -9` under load, then again on the same data: every yes that was told is in the log, nothing is half-done, and
//! nothing can be spent a second time.
//!
//! The moment of the kill is the n-th reply that a client got, and n comes from a seed that the test prints;
//! `COUNTERFOIL_SEED` runs one again.

use crate::{
    application::{Pushed, identifier},
    harness::{Demo, Engine, Reply},
    journey::{Journey, payout},
    logbook::{Logbook, assert_holds},
};
use counterfoil_core::digest::Digest;
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    io::Result,
    sync::mpsc::{Sender, channel},
};

crate::on_both_engines! { every_yes_that_was_told_before_a_crash_is_kept_and_kept_once }

const ROUNDS: u64 = 3;
/// Replies after which the server dies: from this many on, up to as many more.
const REPLIES: u64 = 40;
/// Threads that ask for what needs no proof.
const READERS: usize = 3;

/// What one client was told before the connection broke.
#[derive(Default)]
struct Told {
    opened: Vec<String>,
    codes: Vec<(Confirmed, String)>,
    tokens: Vec<(Confirmed, String)>,
    /// Asked to spend, told or not: under which name, and whether it was told.
    spends: Vec<(Confirmed, String, String, bool)>,
}

#[derive(Clone)]
struct Confirmed {
    transaction: Value,
    challenge: String,
    pushed: Pushed,
}

fn every_yes_that_was_told_before_a_crash_is_kept_and_kept_once(engine: Engine) {
    let seed = std::env::var("COUNTERFOIL_SEED")
        .map_or_else(|_| u64::from_be_bytes(crate::application::random()), |seed| seed.parse().unwrap());
    println!("COUNTERFOIL_SEED={seed}");
    let demo = Demo::start_on(engine);
    let (mut ada, mut noor) = (Journey::begin(&demo, 0), Journey::begin(&demo, 2));
    for round in 0..ROUNDS {
        let drawn = Digest::of(format!("{seed}/{round}").as_bytes());
        let after = REPLIES + u64::from(drawn.as_bytes()[0]) * REPLIES / 255;
        let (told_ada, told_noor, permits) = under_load(&demo, &mut ada, &mut noor, after, round);
        println!(
            "round {round}: killed after {after} replies; {} permits, {} and {} confirmed",
            permits.len(),
            told_ada.codes.len(),
            told_noor.codes.len()
        );
        demo.start_again();
        let log = Logbook::of(&demo);
        let kept: BTreeSet<String> = log
            .all()
            .iter()
            .filter(|leaf| leaf["kind"]["type"] == "decision.made" && leaf["kind"]["outcome"] == "permit")
            .filter_map(|leaf| leaf["kind"]["decision"].as_str().map(str::to_owned))
            .collect();
        let lost: Vec<&String> = permits.iter().filter(|decision| !kept.contains(*decision)).collect();
        assert!(lost.is_empty(), "{lost:?} were told and are not kept");
        nothing_is_lost_or_done_twice(&log, &mut ada, told_ada);
        nothing_is_lost_or_done_twice(&log, &mut noor, told_noor);
        assert_holds(&demo);
    }
}

/// Two people confirm transactions and others read, until the server is killed.
fn under_load<'a>(
    demo: &Demo,
    ada: &mut Journey<'a>,
    noor: &mut Journey<'a>,
    after: u64,
    round: u64,
) -> (Told, Told, Vec<String>) {
    let (replied, replies) = channel();
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..READERS)
            .map(|_| {
                let (question, replied) = (ada.question("balance.read", None).to_string(), replied.clone());
                scope.spawn(move || read(demo, &question, &replied))
            })
            .collect();
        let confirming: Vec<_> = [&mut *ada, &mut *noor]
            .into_iter()
            .map(|journey| {
                let replied = replied.clone();
                scope.spawn(move || confirm(demo, journey, round, &replied))
            })
            .collect();
        drop(replied);
        for _ in 0..after {
            replies.recv().expect("the clients go on until the server is gone");
        }
        demo.kill();
        let permits = readers.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
        let mut told = confirming.into_iter().map(|thread| thread.join().unwrap());
        (told.next().unwrap(), told.next().unwrap(), permits)
    })
}

fn read(demo: &Demo, question: &str, replied: &Sender<()>) -> Vec<String> {
    let key = demo.api_key();
    let headers = [("content-type", "application/json"), ("authorization", key.as_str())];
    let request = demo.request("POST", "/access/v1/evaluation", &headers, question);
    let mut permits = Vec::new();
    while let Ok(reply) = demo.exchange(&request) {
        let answer = ok(&reply);
        assert_eq!(answer["decision"], true, "{answer}");
        permits.push(answer["context"]["decision_id"].as_str().unwrap().to_owned());
        // Whoever counts stops when it has enough.
        let _ = replied.send(());
    }
    permits
}

fn confirm(demo: &Demo, journey: &mut Journey<'_>, round: u64, replied: &Sender<()>) -> Told {
    let mut told = Told::default();
    for number in 0.. {
        if one(demo, journey, payout(demo, round * 1_000 + number), &mut told, replied).is_err() {
            break;
        }
    }
    told
}

/// One transaction, every step of it; an error when the server is gone.
fn one(
    demo: &Demo,
    journey: &mut Journey<'_>,
    transaction: Value,
    told: &mut Told,
    replied: &Sender<()>,
) -> Result<()> {
    let count = |reply: Reply| {
        let _ = replied.send(());
        ok(&reply)
    };
    let key = demo.api_key();
    let headers = [("content-type", "application/json"), ("authorization", key.as_str())];
    let question = journey.question("payout.change", Some(&transaction)).to_string();
    let lodged = count(demo.exchange(&demo.request("POST", "/access/v1/evaluation", &headers, &question))?);
    let decision = lodged["context"]["decision_id"].as_str().unwrap().to_owned();
    let details = json!([transaction]).to_string();
    let (reply, verifier) =
        journey.application.try_push(&[("decision_id", &decision), ("authorization_details", &details)])?;
    let pushed = Pushed { request_uri: count(reply)["request_uri"].as_str().unwrap().to_owned(), verifier };
    let body = json!({"client_id": journey.application.client_id, "request_uri": pushed.request_uri});
    let next = count(journey.browser.try_post("/oauth/authorize", &body)?);
    let challenge = next["next"].as_str().unwrap().strip_prefix("/step-up/").unwrap().to_owned();
    told.opened.push(challenge.clone());
    let page = count(journey.browser.try_post(&format!("/step-up/{challenge}"), &json!({}))?);
    let body = json!({"credential": journey.passkey.assert(&page["passkey_options"])});
    let done = count(journey.browser.try_post(&format!("/step-up/{challenge}/passkey"), &body)?);
    let callback = done["next"].as_str().unwrap().to_owned();
    let confirmed = Confirmed { transaction, challenge, pushed };
    told.codes.push((confirmed.clone(), callback.clone()));
    let issued = count(journey.application.try_exchange(&callback, &confirmed.pushed)?);
    let token = issued["access_token"].as_str().unwrap().to_owned();
    told.tokens.push((confirmed.clone(), token.clone()));
    let name = identifier();
    told.spends.push((confirmed.clone(), token.clone(), name.clone(), false));
    let body = journey.redemption(&token, &confirmed.transaction, &name).to_string();
    count(demo.exchange(&demo.request("POST", "/v1/redeem", &headers, &body))?);
    if let Some(last) = told.spends.last_mut() {
        last.3 = true;
    }
    Ok(())
}

fn ok(reply: &Reply) -> Value {
    assert!(matches!(reply.status, 200 | 201), "{reply:?}");
    reply.json()
}

fn nothing_is_lost_or_done_twice(log: &Logbook, journey: &mut Journey<'_>, told: Told) {
    for challenge in &told.opened {
        assert_eq!(log.count("challenge", challenge, "challenge.opened"), 1, "{challenge}");
        // A proof, its challenge, the code and the notice are one unit: all of it or nothing.
        let proven = log.count("challenge", challenge, "challenge.proven");
        for event in ["proof.accepted", "code.issued", "notice.sent"] {
            assert_eq!(log.count("challenge", challenge, event), proven, "{challenge}: {event}");
        }
    }
    for (confirmed, callback) in &told.codes {
        let challenge = &confirmed.challenge;
        assert_eq!(log.count("challenge", challenge, "challenge.proven"), 1, "{challenge}");
        if told.tokens.iter().any(|(other, _)| other.challenge == *challenge) {
            continue;
        }
        // Its code was told, its token was not. It may have been issued all the same: then it is lost, never issued twice.
        let before = log.count("challenge", challenge, "token.issued");
        let reply = journey.application.try_exchange(callback, &confirmed.pushed).unwrap();
        assert_eq!(reply.status, if before == 0 { 200 } else { 400 }, "{reply:?}");
        assert_eq!(log.count("challenge", challenge, "token.issued"), 1, "{challenge}");
    }
    for (confirmed, token) in &told.tokens {
        assert_eq!(log.count("challenge", &confirmed.challenge, "token.issued"), 1, "{}", confirmed.challenge);
        assert!(token.split('.').count() == 3);
    }
    for (confirmed, token, name, was_told) in &told.spends {
        let spent = log.count("challenge", &confirmed.challenge, "spent");
        assert!(spent == 1 || !was_told, "{}: told and not kept", confirmed.challenge);
        // The API asks again under the same name, as it does when a reply is lost.
        let again = journey.redeem(&journey.redemption(token, &confirmed.transaction, name));
        assert_eq!(again.status, 200, "{again:?}");
        assert_eq!(again.json()["replayed"], spent == 1, "{again:?}");
        let other = journey.redeem(&journey.redemption(token, &confirmed.transaction, &identifier()));
        assert_eq!((other.status, &other.json()["code"]), (409, &json!("spent")), "{other:?}");
        assert_eq!(log.count("challenge", &confirmed.challenge, "spent"), 1, "{}", confirmed.challenge);
    }
}
