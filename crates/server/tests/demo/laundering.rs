//! R3, no laundering and no relaxing, as far as its paths exist: whoever has a person's password and codes, and nothing
//! else, reaches no high action by any sequence of signing in, adding, vouching, removing, disowning, ending sessions,
//! confirming and asking, whatever an API asserts; and nothing that they add ever rises.
//!
//! A random walk over the real server. A failure prints its seed; `COUNTERFOIL_SEED` walks it again.

use crate::{
    application::{Application, parameter},
    browser::{Browser, code_before},
    chance::{Chance, seeds},
    harness::{Demo, Engine, Reply},
    journey::payout,
    logbook::{Logbook, assert_holds},
    passkey::Passkey,
};
use serde_json::{Value, json};

const SEEDS: u64 = 3;
const STEPS: usize = 60;

crate::on_both_engines! { r3_codes_alone_reach_nothing_high_by_any_path }

fn r3_codes_alone_reach_nothing_high_by_any_path(engine: Engine) {
    let mut refusals = 0;
    for seed in seeds(SEEDS) {
        println!("COUNTERFOIL_SEED={seed} on {engine:?}");
        let demo = Demo::start_on(engine);
        refusals += walk(&demo, &mut Chance::new(seed));
        let log = Logbook::of(&demo).all();
        let forbidden = ["spent", "authenticator.ceiling_changed"];
        let done: Vec<&Value> =
            log.iter().filter(|leaf| forbidden.iter().any(|f| leaf["kind"]["type"] == *f)).collect();
        assert!(done.is_empty(), "{done:?}");
        assert_holds(&demo);
    }
    assert!(refusals > 0, "a walk on which nothing high was tried shows nothing");
}

/// The thief, in several browsers.
struct Thief<'a> {
    demo: &'a Demo,
    user: Value,
    browsers: Vec<Browser<'a>>,
    passkeys: Vec<Passkey>,
    /// Pages that ask for a signature over something high.
    pages: Vec<String>,
    /// High things that were tried and refused.
    refusals: usize,
}

fn walk(demo: &Demo, chance: &mut Chance) -> usize {
    // The second person: nobody has invited them, so what they add rests on codes.
    let user = demo.ready["users"][1].clone();
    let mut owner = Browser::new(demo);
    assert_eq!(owner.sign_in(&user).status, 200);
    if chance.one_in(2) {
        owner.enrol();
    }
    let mut browser = Browser::new(demo);
    assert_eq!(browser.sign_in_by(&user, &code_before(&user)).status, 200);
    let mut thief = Thief { demo, user, browsers: vec![browser], passkeys: Vec::new(), pages: Vec::new(), refusals: 0 };
    for _ in 0..STEPS {
        match chance.below(7) {
            0 => thief.add(chance),
            1 => thief.sign_in(chance),
            2 => thief.change(chance),
            3 => thief.confirm(chance),
            4 => thief.execute(chance),
            _ => thief.pay(chance),
        }
        thief.has_reached_nothing();
    }
    thief.refusals
}

impl<'a> Thief<'a> {
    fn browser(&mut self, chance: &mut Chance) -> &mut Browser<'a> {
        let place = chance.below(self.browsers.len());
        &mut self.browsers[place]
    }

    /// Remembers the page that a refusal leads to.
    fn note(&mut self, reply: &Reply) {
        if reply.status == 403 {
            self.refusals += 1;
            self.pages
                .extend(reply.json()["next"].as_str().filter(|next| next.starts_with("/step-up/")).map(str::to_owned));
        }
    }

    fn add(&mut self, chance: &mut Chance) {
        let (demo, named) = (self.demo, chance.one_in(2));
        let wish = if named { json!({"name": "Key"}) } else { json!({}) };
        let attest = chance.one_in(2);
        let browser = self.browser(chance);
        let asked = browser.post("/me/passkey/options", &wish);
        if asked.status != 200 || asked.json()["creation_options"].is_null() {
            return self.note(&asked);
        }
        let asked = asked.json();
        let (passkey, credential) = Passkey::create(&asked["creation_options"], demo.issuer(), attest);
        let answer = json!({"challenge": asked["challenge"], "credential": credential, "name": "Key"});
        let added = browser.post("/me/passkey", &answer);
        if added.status == 200 {
            assert_eq!(added.json()["authenticator"]["ceiling"], "aal2", "{added:?}");
            self.passkeys.push(passkey);
        }
    }

    fn sign_in(&mut self, chance: &mut Chance) {
        if self.passkeys.is_empty() || self.browsers.len() > 4 {
            return;
        }
        let mut browser = Browser::new(self.demo);
        let begun = browser.post("/sign-in", &json!({"to": "/me"})).json();
        let passkey = &self.passkeys[chance.below(self.passkeys.len())];
        let credential = passkey.assert(&begun["passkey_options"]);
        let done =
            browser.post("/sign-in/passkey", &json!({"challenge": begun["challenge"], "credential": credential}));
        if done.status == 200 {
            self.browsers.push(browser);
        }
    }

    /// Vouches for, removes or disowns something of the person's, or ends a session.
    fn change(&mut self, chance: &mut Chance) {
        let wish = ["vouch", "remove", "disown"][chance.below(3)];
        let ends = chance.one_in(5);
        let place = chance.below(1 << 16);
        let browser = self.browser(chance);
        let me = browser.post("/me", &json!({})).json();
        let list = if ends { "sessions" } else { "authenticators" };
        let Some(all) = me[list].as_array().filter(|all| !all.is_empty()) else { return };
        let id = all[place % all.len()]["id"].as_str().unwrap().to_owned();
        let reply = match ends {
            true => browser.post(&format!("/me/{list}/{id}/end"), &json!({"not_me": place.is_multiple_of(2)})),
            false => browser.post(&format!("/me/{list}/{id}/{wish}"), &json!({})),
        };
        assert!(wish != "vouch" || ends || reply.status != 200, "{reply:?}");
        self.note(&reply);
    }

    /// Answers a page with whatever there is.
    fn confirm(&mut self, chance: &mut Chance) {
        if self.pages.is_empty() || self.passkeys.is_empty() {
            return;
        }
        let page = self.pages[chance.below(self.pages.len())].clone();
        let passkey = chance.below(self.passkeys.len());
        let place = chance.below(self.browsers.len());
        let browser = &mut self.browsers[place];
        let shown = browser.post(&page, &json!({}));
        let options =
            if shown.status == 200 { shown.json()["passkey_options"].clone() } else { json!({"challenge": "AAAA"}) };
        let credential = self.passkeys[passkey].assert(&options);
        let answered = browser.post(&format!("{page}/passkey"), &json!({"credential": credential}));
        assert_ne!(answered.status, 200, "what codes have bound confirmed something high: {answered:?}");
        self.refusals += 1;
    }

    /// Does what was never confirmed.
    fn execute(&mut self, chance: &mut Chance) {
        if self.pages.is_empty() {
            return;
        }
        let page = self.pages[chance.below(self.pages.len())].clone();
        let txn = page.rsplit('/').next().unwrap().to_owned();
        let browser = self.browser(chance);
        let done = browser.post(&format!("/me/confirmed/{txn}"), &json!({}));
        assert_ne!(done.status, 200, "{done:?}");
    }

    /// Asks for a payout through the application, with an API that asserts whatever it likes.
    fn pay(&mut self, chance: &mut Chance) {
        let (demo, sub, number) = (self.demo, self.user["sub"].clone(), chance.below(1000) as u64);
        let asserts = chance.one_in(2);
        let browser = self.browser(chance);
        let mut application = Application::of(demo, 0);
        let pushed = application.push(&[("acr_values", "aal2")]);
        let request = json!({"client_id": application.client_id, "request_uri": pushed.request_uri});
        let reply = browser.post("/oauth/authorize", &request);
        let Some(callback) = (reply.status == 200).then(|| reply.json()["next"].as_str().unwrap().to_owned()) else {
            return;
        };
        if parameter(&callback, "code").is_none() {
            return;
        }
        let token = application.exchange(&callback, &pushed);
        let transaction = payout(demo, number);
        let mut question = json!({
            "subject": {"type": "user", "id": sub},
            "action": {"name": "payout.change"},
            "resource": transaction["resource"],
            "context": {"access_token": token, "authorization_details": [transaction], "redemption_id": "redemption-0123456789"},
        });
        if asserts {
            question["subject"]["properties"] = json!({"roles": ["administrator"], "acr": "phrh", "trusted": true});
            question["resource"]["properties"] = json!({"sensitivity": "low"});
            question["action"]["properties"] = json!({"tier": "low", "approved": true});
        }
        let answer = demo.evaluate(&[("content-type", "application/json")], &question.to_string());
        assert_eq!(answer.status, 200, "{answer:?}");
        let answer = answer.json();
        assert_eq!(answer["decision"], false, "{answer}");
        self.refusals += 1;
        let Some(decision) = answer["context"]["decision_id"].as_str() else { return };
        let details = json!([transaction]).to_string();
        let Ok((reply, verifier)) =
            application.try_push(&[("decision_id", decision), ("authorization_details", &details)])
        else {
            return;
        };
        if reply.status != 201 {
            return;
        }
        let request_uri = reply.json()["request_uri"].clone();
        let request = json!({"client_id": application.client_id, "request_uri": request_uri});
        let place = chance.below(self.browsers.len());
        let led = self.browsers[place].post("/oauth/authorize", &request);
        if led.status == 200 {
            let next = led.json()["next"].as_str().unwrap().to_owned();
            assert!(parameter(&next, "code").is_none(), "a code for something high: {next} ({verifier})");
            self.pages.extend(Some(next).filter(|next| next.starts_with("/step-up/")));
        }
    }

    /// No browser has shown more than codes can, and nothing that they hold is worth more.
    fn has_reached_nothing(&mut self) {
        for browser in &mut self.browsers {
            let me = browser.post("/me", &json!({}));
            if me.status != 200 {
                continue;
            }
            let me = me.json();
            assert!(me["session"]["acr"] == "aal2" || me["session"]["acr"] == "aal1", "{me}");
            for one in me["authenticators"].as_array().unwrap() {
                assert!(one["ceiling"] == "aal2" || one["ceiling"] == "aal1", "{one}");
            }
        }
        // Sessions that were ended are no way in any more; one always stays, or the walk is over.
        if self.browsers.len() > 1 {
            let mut kept = Vec::new();
            for mut browser in self.browsers.drain(..) {
                if browser.post("/me", &json!({})).status == 200 || kept.is_empty() {
                    kept.push(browser);
                }
            }
            self.browsers = kept;
        }
    }
}
