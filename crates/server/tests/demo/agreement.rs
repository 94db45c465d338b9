//! R2, injective agreement: if an API is told "spent" about a transaction, this person's passkey signed exactly this
//! transaction, in the challenge that the token is for, and the token's own client asked. No statement serves twice, nor
//! anything else.
//!
//! A random walk over the real server with everything mixed up: answers to one challenge made over another one, by another
//! person's passkey, in another browser, or given again; codes traded for other requests; tokens redeemed for other bytes,
//! with other keys, under used names. A failure prints its seed; `COUNTERFOIL_SEED` walks it again.

use crate::{
    application::Application,
    browser::Browser,
    chance::{Chance, seeds},
    harness::{Demo, Engine},
    journey::{Asked, Journey, digest, payout},
    logbook::assert_holds,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const SEEDS: u64 = 3;
const STEPS: u64 = 90;
const TRANSACTIONS: usize = 5;

crate::on_both_engines! { r2_who_executes_executes_what_was_signed }

/// One transaction on its way, as an observer knows it.
struct Case {
    asked: Asked,
    /// Answers that were taken: the rule allows one.
    answered: usize,
    callback: Option<String>,
    token: Option<String>,
    /// The names under which the API was told "spent for you".
    spent: Vec<String>,
}

fn r2_who_executes_executes_what_was_signed(engine: Engine) {
    let mut spent = 0;
    for seed in seeds(SEEDS) {
        println!("COUNTERFOIL_SEED={seed} on {engine:?}");
        let demo = Demo::start_on(engine);
        spent += walk(&demo, &mut Chance::new(seed));
        assert_holds(&demo);
    }
    assert!(spent > 0, "a walk on which nothing is ever spent shows nothing");
}

fn walk(demo: &Demo, chance: &mut Chance) -> usize {
    let mut owner = Journey::begin(demo, 0);
    let stranger = Journey::begin(demo, 1);
    let other_key = Application::of(demo, 0);
    let mut other_browser = Browser::new(demo);
    let mut cases: Vec<Case> = Vec::new();
    let mut names: BTreeMap<String, usize> = BTreeMap::new();
    for step in 0..STEPS {
        if cases.len() < TRANSACTIONS && (cases.is_empty() || chance.one_in(6)) {
            let asked = owner.ask(payout(demo, 10 + step));
            cases.push(Case { asked, answered: 0, callback: None, token: None, spent: Vec::new() });
        }
        let (this, that) = (chance.below(cases.len()), chance.below(cases.len()));
        // Half of the time nothing is mixed up, so that there is something to mix up.
        let that = if chance.one_in(2) { that } else { this };
        match chance.below(3) {
            0 => {
                let by_stranger = chance.one_in(5);
                let passkey = if by_stranger { &stranger.passkey } else { &owner.passkey };
                let body = json!({"credential": passkey.assert(&cases[that].asked.options)});
                let path = format!("/step-up/{}/passkey", cases[this].asked.challenge);
                let elsewhere = chance.one_in(5);
                let reply = match elsewhere {
                    true => other_browser.post(&path, &body),
                    false => owner.browser.post(&path, &body),
                };
                if reply.status == 200 {
                    assert!(!by_stranger && !elsewhere, "{reply:?}");
                    assert_eq!(this, that, "an answer to another challenge was taken: {reply:?}");
                    cases[this].answered += 1;
                    assert_eq!(cases[this].answered, 1, "one challenge was answered twice: {reply:?}");
                    cases[this].callback = Some(reply.json()["next"].as_str().unwrap().to_owned());
                }
            }
            1 => {
                let Some(callback) = cases[this].callback.clone() else { continue };
                let reply = owner.application.try_exchange(&callback, &cases[that].asked.pushed).unwrap();
                if reply.status == 200 {
                    assert_eq!(this, that, "a code was traded for another request: {reply:?}");
                    assert!(cases[this].token.is_none(), "a code was traded twice: {reply:?}");
                    let told = reply.json();
                    assert_eq!(told["authorization_details"], json!([cases[this].asked.transaction]), "{told}");
                    cases[this].token = told["access_token"].as_str().map(str::to_owned);
                }
            }
            _ => {
                let (token, of) = match chance.below(6) {
                    0 => (owner.token.clone(), None),
                    1 => (stranger.token.clone(), None),
                    _ => match &cases[this].token {
                        Some(token) => (token.clone(), Some(this)),
                        None => continue,
                    },
                };
                let name = format!("redemption-{:016}", chance.below(8));
                let mut body = owner.redemption(&token, &cases[that].asked.transaction, &name);
                let altered = chance.one_in(6);
                if altered {
                    let mut transaction = cases[that].asked.transaction.clone();
                    transaction["amount"]["value"] = json!("9999999.00");
                    body["txn_digest"] = json!(digest(&transaction));
                }
                let stolen = chance.one_in(6);
                if stolen {
                    let uri = body["dpop"]["uri"].as_str().unwrap().to_owned();
                    body["dpop"]["proof"] = json!(other_key.proof("PUT", &uri, &token));
                }
                let reply = owner.redeem(&body);
                if reply.status == 200 {
                    let of = of.unwrap_or_else(|| panic!("a token without transaction was spent: {reply:?}"));
                    told(&mut cases, &mut names, &reply.json(), (of, that), altered || stolen, &name);
                }
            }
        }
    }
    cases.iter().filter(|case| !case.spent.is_empty()).count()
}

/// The API was told "spent": by this case's token, about that case's transaction.
fn told(
    cases: &mut [Case],
    names: &mut BTreeMap<String, usize>,
    reply: &Value,
    (of, about): (usize, usize),
    wrong: bool,
    name: &str,
) {
    assert!(!wrong, "other bytes or another key were taken: {reply}");
    assert_eq!(of, about, "a token was spent for another transaction: {reply}");
    assert_eq!(cases[of].answered, 1, "spent without an answer: {reply}");
    if reply["replayed"] == true {
        assert!(cases[of].spent.contains(&name.to_owned()), "{reply}");
        return;
    }
    cases[of].spent.push(name.to_owned());
    assert_eq!(cases[of].spent.len(), 1, "one approval had two effects: {reply}");
    assert_eq!(names.insert(name.to_owned(), of), None, "one name served two approvals: {reply}");
}
