//! Relay: a kit between the person and both servers sees everything that she types, and gets nothing above low by it.

use crate::kit::{Kit, Skill};
use crate::oversight::Oversight;
use crate::steps::{self, ACME, THIEF, assert_says, journey};
use crate::tab::Tab;
use crate::thief;
use serde_json::json;

/// Names that somebody hurried reads as right.
const NAMES: [&str; 2] = ["login.evil.localhost", "treasury.evil.localhost"];

/// It must fail because each call proves the address that it was made at, and a kit that only swaps names has its victim's
/// browser prove the kit's own.
#[test]
fn a_kit_that_swaps_names_gets_no_session() {
    journey(async |demo, chromium| {
        let kit = Kit::start(demo.issuer(), demo.treasury(), NAMES, Skill::Names).await;
        let grace = Tab::open(&chromium).await;
        grace.open_address(&kit.treasury).await;
        grace.press("#sign-in").await;
        grace.says("could not prove itself").await;
        let loot = kit.loot();
        assert!(loot.issuer_cookies.is_empty() && loot.sid.is_none(), "{loot:?}");
        let typed = loot.sent.iter().filter(|(path, _)| path.starts_with("/sign-in/"));
        assert_eq!(typed.count(), 0, "nobody was asked for a password");
    });
}

/// It must fail because the session that it gets is one of a new key, born of what can be relayed: above low such a session needs
/// a phishing-resistant proof in the request itself, and the kit's own passkey proves no more than the codes that bound it.
#[test]
fn a_kit_that_knows_the_product_gets_nothing_of_tier_high() {
    journey(async |mut demo, chromium| {
        let (issuer, treasury) = (demo.issuer().to_owned(), demo.treasury().to_owned());
        let kit = Kit::start(&issuer, &treasury, NAMES, Skill::Silence).await;

        // The victim signs in through it, with password and code, and sees nothing unusual but the address.
        let grace = Tab::open(&chromium).await;
        steps::sign_in_to_treasury(&grace, &kit.treasury, &demo.grace()).await;
        assert_says(&grace.text().await, &["Grace Okafor", "1,842,500.75"]);
        let loot = kit.loot();
        let key = loot.key.clone().expect("the kit has the key");
        assert!(key["d"].is_string());
        let typed = loot.sent.iter().find(|(path, _)| path == "/sign-in/password").expect("the kit has the password");
        assert!(typed.1.contains(&demo.grace().password));

        // The thief has her session, at his own device, at the real addresses: that is what a relayed code buys.
        let thief = thief::dressed(&chromium, &issuer, &treasury, &loot).await;
        thief.open_address(&format!("{issuer}/me")).await;
        thief.says("Grace Okafor").await;
        thief.open_address(&treasury).await;
        thief.sees("#user").await;

        // High: nothing that she could show now would do, so he is not even asked for a code.
        steps::ask_for_payout(&thief, &treasury, THIEF, None).await;
        assert_eq!(steps::ending(&thief).await, "denied");
        assert_says(&thief.text().await, &["This needs a stronger proof than you can give now."]);

        // So he enrols one of his own. It may be, once, and signs in; it does not confirm.
        steps::enrol_passkey(&thief, &issuer).await;
        assert_says(&thief.text().await, &["for important changes from"]);
        thief.open_address(&treasury).await;
        thief.sees("#user").await;
        steps::ask_for_payout(&thief, &treasury, THIEF, None).await;
        let refused = steps::ending(&thief).await;
        assert_eq!(refused, "denied", "{}", thief.text().await);

        // Signing in with it is a proof in this very session, and still no more than the codes that bound it.
        let again = Tab::open(&chromium).await;
        again.add_authenticator().await;
        again.put_passkeys(thief.passkeys().await).await;
        again.open_address(&treasury).await;
        again.press("#sign-in").await;
        again.sees("#use-passkey:not([disabled])").await;
        again.presence(true).await;
        again.until("document.querySelector('#use-passkey')?.click() ?? true").await;
        again.sees("#user").await;
        steps::ask_for_payout(&again, &treasury, THIEF, None).await;
        assert_eq!(steps::ending(&again).await, "denied", "{}", again.text().await);

        // Critical.
        again.open_address(&format!("{treasury}/accounts/{}", THIEF.account)).await;
        again.press("#export-key").await;
        assert_eq!(steps::ending(&again).await, "denied", "{}", again.text().await);

        // A second authenticator is high already.
        let second = again_enrols(&again, &issuer).await;
        assert!(second.is_err(), "{second:?}");

        // R3: nothing was changed. The record has it all, and she is told.
        let books = steps::payout_of(&again, &treasury, THIEF.account).await;
        assert_says(&books, &["None yet"]);
        assert_says(&demo.outbox().await, &["grace@northwind.example", "passkey"]);
        let noor = Oversight::open(&demo, &chromium).await;
        let enrolled = noor
            .event("authenticator.enrolled", |event| {
                event.to_string().contains("\"passkey\"") && event.to_string().contains(&demo.grace().sub)
            })
            .await;
        assert!(enrolled.to_string().contains("\"ceiling\":\"aal2\""), "{enrolled}");
        for action in ["payout.change", "key.export"] {
            let decisions = noor.decisions("grace", action).await;
            assert!(!decisions.is_empty() && decisions.iter().all(|one| one["outcome"] != "permit"), "{decisions:?}");
        }
        assert!(
            noor.events("spent").await.is_empty()
                && noor
                    .events("challenge.proven")
                    .await
                    .iter()
                    .all(|event| !event.to_string().contains("\"transaction\""))
        );
        demo.stop();
        demo.verify_log();
    });
}

async fn again_enrols(tab: &Tab, issuer: &str) -> Result<serde_json::Value, String> {
    tab.open_address(&format!("{issuer}/me")).await;
    tab.sees("#authenticators").await;
    tab.post("/me/passkey/options", &json!({"name": "Mine"})).await
}

/// It must fail because the browser lets no page use a passkey that belongs to another host.
#[test]
fn a_passkey_does_not_answer_on_a_foreign_host() {
    journey(async |demo, chromium| {
        let (issuer, treasury) = (demo.issuer().to_owned(), demo.treasury().to_owned());
        let ada = steps::with_passkey(&demo, &chromium).await;
        let kit = Kit::start(&issuer, &treasury, NAMES, Skill::Product).await;
        let lured = Tab::open(&chromium).await;
        lured.add_authenticator().await;
        lured.put_passkeys(ada.passkeys().await).await;
        lured.open_address(&kit.treasury).await;
        lured.press("#sign-in").await;
        // The page asks for passkeys that the field could offer; the browser's answer tells it where it is.
        lured.says("Someone may be between you and us").await;
        lured.says("Do not enter codes here. Open the address that you know yourself.").await;
        lured.presence(true).await;
        let asked = "navigator.credentials.get({ publicKey: { challenge: new Uint8Array(32), rpId: 'localhost' } }).then(() => 'given', (error) => error.name)";
        assert_eq!(lured.look(asked).await, Ok(json!("SecurityError")));
        // A kit that swaps the passkey's host too asks for one that nobody has.
        let own = asked.replace("rpId: 'localhost'", "rpId: location.hostname, timeout: 500");
        assert_eq!(lured.look(&own).await, Ok(json!("NotAllowedError")));
        let loot = kit.loot();
        assert!(!loot.sent.iter().any(|(path, _)| path == "/sign-in/passkey"), "no assertion left the browser");
    });
}

/// It must fail because we take an assertion for exactly our own origin, port included, though the browser gives it for any.
#[test]
fn an_assertion_made_at_another_port_is_refused_and_seen() {
    journey(async |mut demo, chromium| {
        let (issuer, treasury) = (demo.issuer().to_owned(), demo.treasury().to_owned());
        let ada = steps::with_passkey(&demo, &chromium).await;
        let kit = Kit::start(&issuer, &treasury, ["localhost", "treasury.localhost"], Skill::Product).await;
        let lured = Tab::open(&chromium).await;
        lured.add_authenticator().await;
        lured.put_passkeys(ada.passkeys().await).await;

        // By passkey: it does not even sign in.
        lured.open_address(&kit.treasury).await;
        lured.press("#sign-in").await;
        lured.sees("#use-passkey:not([disabled])").await;
        lured.presence(true).await;
        lured.press("#use-passkey").await;
        lured.says("not accepted").await;
        lured.presence(false).await;
        assert!(kit.loot().sent.iter().any(|(path, _)| path == "/sign-in/passkey"), "the browser gave the assertion");

        // By password and code it does; the payout then needs the passkey, and the assertion is one of the kit's page.
        steps::type_password(&lured, &demo.ada()).await;
        steps::type_code(&lured, &demo.ada().code()).await;
        lured.sees("#user").await;
        steps::step_up(&lured, &kit.treasury, ACME, None).await;
        lured.presence(true).await;
        lured.press("#confirm").await;
        lured.says("not accepted").await;
        lured.presence(false).await;

        let noor = Oversight::open(&demo, &chromium).await;
        let signals = noor.events("relay.seen").await;
        let foreign = signals.iter().filter(|event| event.to_string().contains("foreign_origin"));
        let actors: Vec<&str> = foreign.filter_map(|event| event["raw"]["actor"]["type"].as_str()).collect();
        assert!(
            actors.contains(&"anonymous") && actors.contains(&"subject"),
            "at sign-in and at the payout: {signals:?}"
        );
        assert!(noor.events("spent").await.is_empty());
        let books = steps::payout_of(&ada, &treasury, ACME.account).await;
        assert_says(&books, &["None yet"]);

        // R4, the part that exists: the owner goes on undisturbed.
        steps::step_up(&ada, &treasury, ACME, None).await;
        steps::confirm(&ada).await;
        steps::go_back(&ada, &treasury).await;
        assert_eq!(steps::ending(&ada).await, "done");
        demo.stop();
        demo.verify_log();
    });
}
