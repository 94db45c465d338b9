//! What can be done once is done once, however many try at the same moment: 64 whole requests of which the last byte is
//! sent together, so that they meet in one batch of the writer; on PostgreSQL half of them at a second node.

use crate::{
    application::identifier,
    browser::{Browser, code},
    harness::{Demo, Engine, Reply},
    journey::{Journey, payout},
    logbook::{Logbook, assert_holds},
    node::Node,
    volley::{SHOTS, Shot, tally, volley},
};
use counterfoil_core::limits;
use serde_json::json;
use std::collections::BTreeMap;

crate::on_both_engines! {
    one_code_of_an_app_signs_in_once,
    sixty_four_uses_of_one_code_are_one_sign_in,
    one_challenge_is_answered_once,
    one_pushed_request_is_used_once,
    one_authorization_code_is_traded_once,
    one_approval_is_spent_once_for_one_name,
    one_approval_is_told_again_under_the_same_name,
    one_approval_is_spent_once_whether_redeemed_or_evaluated,
}

/// A demo, and on PostgreSQL a second node beside it.
struct House {
    /// Ends before the demo does, whose directory it uses.
    node: Option<Node>,
    demo: Demo,
}

impl House {
    fn new(engine: Engine) -> Self {
        let demo = Demo::start_on(engine);
        let node = (engine == Engine::Postgres).then(|| Node::beside(&demo));
        Self { node, demo }
    }

    /// Sends all at once, to the nodes in turn.
    fn fire(&self, requests: Vec<Vec<u8>>) -> Vec<Reply> {
        let ports = [self.demo.port(), self.node.as_ref().map_or(self.demo.port(), |node| node.port)];
        let shots: Vec<Shot> =
            requests.into_iter().zip(ports.into_iter().cycle()).map(|(bytes, port)| Shot { port, bytes }).collect();
        volley(&shots)
    }
}

fn counts<const N: usize>(entries: [(&str, usize); N]) -> BTreeMap<String, usize> {
    entries.into_iter().map(|(name, count)| (name.to_owned(), count)).collect()
}

/// As many at once as nobody waits for.
fn one_code_of_an_app_signs_in_once(engine: Engine) {
    let house = House::new(engine);
    let user = house.demo.ready["users"][0].clone();
    let (replies, mut browsers) = with_one_code(&house, &user, limits::FREE_GUESSES as usize, 1);
    let counted = tally(&replies);
    assert_eq!(counted.get("200"), Some(&1), "{counted:?}");
    assert!(counted.keys().all(|told| told.starts_with('4') || told == "200"), "{counted:?}");
    // The authenticator is as good as before: nobody has guessed.
    let won = replies.iter().find(|reply| reply.status == 200).unwrap();
    let me = signed_in(&house.demo, &mut browsers, won);
    let app_code = me["authenticators"].as_array().unwrap().iter().find(|a| a["method"] == "app_code").unwrap();
    assert_eq!(app_code["state"], "active");
    let log = Logbook::of(&house.demo);
    assert_eq!(log.count("authenticator", app_code["id"].as_str().unwrap(), "proof.accepted"), 1);
    assert_holds(&house.demo);
}

/// So many at once look like guessing, whatever is typed. The first few are compared, also when all fall into one batch; the
/// others wait for those. One gets in, never two, and the app is as good as before.
fn sixty_four_uses_of_one_code_are_one_sign_in(engine: Engine) {
    let house = House::new(engine);
    let user = house.demo.ready["users"][0].clone();
    let counted = tally(&with_one_code(&house, &user, 8, SHOTS / 8).0);
    assert_eq!(counted.get("200"), Some(&1), "{counted:?}");
    assert_eq!(counted.get("403 authenticator-disabled"), None, "{counted:?}");
    assert!(counted.keys().all(|told| told.starts_with('4') || told == "200"), "{counted:?}");
    let log = Logbook::of(&house.demo);
    let accepted = log.count("subject", user["sub"].as_str().unwrap(), "session.signed_in");
    assert_eq!(accepted, 1, "{accepted} sign-ins");
    assert_holds(&house.demo);
}

/// Browsers that have shown the password send the same code, each `each` times, at one moment.
fn with_one_code<'a>(
    house: &'a House,
    user: &serde_json::Value,
    browsers: usize,
    each: usize,
) -> (Vec<Reply>, Vec<Browser<'a>>) {
    let mut browsers: Vec<Browser<'_>> = (0..browsers).map(|_| Browser::new(&house.demo)).collect();
    let challenges: Vec<_> = browsers.iter_mut().map(|browser| browser.shows_password(user)).collect();
    let code = code(user);
    let mut requests = Vec::new();
    for _ in 0..each {
        for (browser, challenge) in browsers.iter_mut().zip(&challenges) {
            requests.push(browser.ready_request("/sign-in/code", &json!({"challenge": challenge, "code": code})));
        }
    }
    (house.fire(requests), browsers)
}

/// The account as the browser sees it that got this reply.
fn signed_in(demo: &Demo, browsers: &mut [Browser<'_>], won: &Reply) -> serde_json::Value {
    for browser in browsers {
        browser.sid = won.headers.get("counterfoil-session").cloned();
        browser.cookie = won.headers["set-cookie"].split(';').next().map(str::to_owned);
        let me = browser.post("/me", &json!({}));
        // Only the key that the session was born with works.
        if me.status == 200 {
            return me.json();
        }
    }
    panic!("{}: nobody is signed in", demo.issuer())
}

fn one_challenge_is_answered_once(engine: Engine) {
    let house = House::new(engine);
    let mut journey = Journey::begin(&house.demo, 0);
    let asked = journey.ask(payout(&house.demo, 1));
    let path = format!("/step-up/{}/passkey", asked.challenge);
    let body = json!({"credential": journey.passkey.assert(&asked.options)});
    let requests = (0..SHOTS).map(|_| journey.browser.ready_request(&path, &body)).collect();
    let counted = tally(&house.fire(requests));
    // Whether they read it answered or found it so at the commit.
    assert_eq!(counted, counts([("200", 1), ("409 answered", SHOTS - 1)]));
    let log = Logbook::of(&house.demo);
    for event in ["challenge.proven", "proof.accepted", "code.issued", "notice.sent"] {
        assert_eq!(log.count("challenge", &asked.challenge, event), 1, "{event}");
    }
    assert_holds(&house.demo);
}

fn one_pushed_request_is_used_once(engine: Engine) {
    let house = House::new(engine);
    let mut journey = Journey::begin(&house.demo, 0);
    let transaction = payout(&house.demo, 1);
    let decision = journey.lodge(&transaction);
    let pushed = journey.push(&decision, &transaction);
    let body = json!({"client_id": journey.application.client_id, "request_uri": pushed.request_uri});
    let requests = (0..SHOTS).map(|_| journey.browser.ready_request("/oauth/authorize", &body)).collect();
    let counted = tally(&house.fire(requests));
    assert_eq!(counted, counts([("200", 1), ("400 request-unknown", SHOTS - 1)]));
    assert_eq!(Logbook::of(&house.demo).count("decision", &decision, "challenge.opened"), 1);
    assert_holds(&house.demo);
}

fn one_authorization_code_is_traded_once(engine: Engine) {
    let house = House::new(engine);
    let mut journey = Journey::begin(&house.demo, 0);
    let asked = journey.ask(payout(&house.demo, 1));
    let callback = journey.confirm(&asked);
    let form = journey.application.code_form(&callback, &asked.pushed);
    let form: Vec<(&str, &str)> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let requests = (0..SHOTS).map(|_| {
        let signed = journey.application.sign("/oauth/token", &form);
        let headers = [("content-type", "application/x-www-form-urlencoded"), ("dpop", signed.dpop.as_str())];
        house.demo.request("POST", "/oauth/token", &headers, &signed.form)
    });
    let replies = house.fire(requests.collect());
    assert_eq!(tally(&replies), counts([("200", 1), ("400 invalid_grant", SHOTS - 1)]));
    let log = Logbook::of(&house.demo);
    assert_eq!(log.count("challenge", &asked.challenge, "token.issued"), 1);
    // A code that comes twice has leaked (RFC 9700 §2.1.1): what was issued for it is worth nothing any more.
    let won = replies.iter().find(|reply| reply.status == 200).unwrap().json();
    let token = won["access_token"].as_str().unwrap();
    let spent = journey.redeem(&journey.redemption(token, &asked.transaction, &identifier()));
    assert_eq!((spent.status, &spent.json()["code"]), (410, &json!("expired")), "{spent:?}");
    assert_eq!(log.count("challenge", &asked.challenge, "spent"), 0);
    assert_holds(&house.demo);
}

fn redeemed(house: &House, names: impl Iterator<Item = String>) -> (Vec<Reply>, String) {
    let mut journey = Journey::begin(&house.demo, 0);
    let (asked, token) = journey.approved(payout(&house.demo, 1));
    let key = house.demo.api_key();
    let headers = [("content-type", "application/json"), ("authorization", key.as_str())];
    let requests = names.take(SHOTS).map(|name| {
        let body = journey.redemption(&token, &asked.transaction, &name).to_string();
        house.demo.request("POST", "/v1/redeem", &headers, &body)
    });
    (house.fire(requests.collect()), asked.challenge)
}

fn one_approval_is_spent_once_for_one_name(engine: Engine) {
    let house = House::new(engine);
    let (replies, challenge) = redeemed(&house, std::iter::repeat_with(identifier));
    assert_eq!(tally(&replies), counts([("200", 1), ("409 spent", SHOTS - 1)]));
    let log = Logbook::of(&house.demo);
    assert_eq!(log.count("challenge", &challenge, "spent"), 1);
    assert_eq!(log.count("challenge", &challenge, "spend.refused"), SHOTS - 1);
    assert_holds(&house.demo);
}

fn one_approval_is_told_again_under_the_same_name(engine: Engine) {
    let house = House::new(engine);
    let (replies, challenge) = redeemed(&house, std::iter::repeat(identifier()));
    assert_eq!(tally(&replies), counts([("200", SHOTS)]));
    let first = replies.iter().filter(|reply| reply.json()["replayed"] == false).count();
    assert_eq!(first, 1, "spent once, told {SHOTS} times");
    assert_eq!(Logbook::of(&house.demo).count("challenge", &challenge, "spent"), 1);
    assert_holds(&house.demo);
}

/// Half of them ask by an evaluation that spends, half redeem, each under a name of its own.
fn one_approval_is_spent_once_whether_redeemed_or_evaluated(engine: Engine) {
    let house = House::new(engine);
    let mut journey = Journey::begin(&house.demo, 0);
    let (asked, token) = journey.approved(payout(&house.demo, 1));
    let key = house.demo.api_key();
    let headers = [("content-type", "application/json"), ("authorization", key.as_str())];
    let mut question = journey.question("payout.change", Some(&asked.transaction));
    question["context"]["access_token"] = json!(token);
    let requests = (0..SHOTS).map(|n| {
        // Two in a row, so that both kinds reach both nodes.
        let (path, body) = if n / 2 % 2 == 0 {
            question["context"]["redemption_id"] = json!(identifier());
            ("/access/v1/evaluation", question.to_string())
        } else {
            ("/v1/redeem", journey.redemption(&token, &asked.transaction, &identifier()).to_string())
        };
        house.demo.request("POST", path, &headers, &body)
    });
    let replies = house.fire(requests.collect());
    let bodies: Vec<serde_json::Value> = replies.iter().map(Reply::json).collect();
    let yes = bodies.iter().filter(|body| body["decision"] == true || body["outcome"] == "spent").count();
    let no = bodies.iter().filter(|body| body["context"]["error"] == "spent" || body["code"] == "spent").count();
    assert_eq!((yes, no), (1, SHOTS - 1), "{:?}", tally(&replies));
    let log = Logbook::of(&house.demo);
    assert_eq!(log.count("challenge", &asked.challenge, "spent"), 1);
    assert_eq!(log.count("challenge", &asked.challenge, "spend.refused"), SHOTS - 1);
    assert_holds(&house.demo);
}
