//! What is refused, each with a page that says so and a record that keeps it.

use crate::oversight::Oversight;
use crate::steps::{self, ACME, Payout, assert_says, journey};
use crate::tab::Tab;
use serde_json::json;

const PAYROLL: Payout = Payout { account: "payroll-eur", name: "Bolt & Nut AG", amount: "99.50", ..ACME };

/// They must fail because redeeming compares what is about to be done with what was signed, and spends it once.
#[test]
fn a_confirmation_serves_one_change_of_exactly_these_values() {
    journey(async |mut demo, chromium| {
        let treasury = demo.treasury().to_owned();
        let ada = Tab::open(&chromium).await;
        ada.add_authenticator().await;
        steps::sign_in_to_treasury(&ada, &treasury, &demo.ada()).await;
        steps::enrol_passkey(&ada, demo.issuer()).await;

        for (cheat, touched) in [("amount", ACME.account), ("account", "payroll-eur")] {
            steps::step_up(&ada, &treasury, ACME, Some(cheat)).await;
            steps::confirm(&ada).await;
            steps::go_back(&ada, &treasury).await;
            assert_eq!(steps::ending(&ada).await, "altered", "{cheat}");
            assert_says(&ada.text().await, &["This is not what you confirmed", "nothing was changed"]);
            for account in [ACME.account, touched] {
                assert_says(&steps::payout_of(&ada, &treasury, account).await, &["None yet"]);
            }
        }

        // Done once; the second time it is refused, and the books stay as they are.
        steps::step_up(&ada, &treasury, PAYROLL, None).await;
        steps::confirm(&ada).await;
        steps::go_back(&ada, &treasury).await;
        assert_eq!(steps::ending(&ada).await, "done");
        ada.press("#again").await;
        ada.until("document.querySelector('#result')?.dataset.ending === 'spent'").await;
        assert_says(&ada.text().await, &["This confirmation has been used"]);
        assert_says(&steps::payout_of(&ada, &treasury, PAYROLL.account).await, &[PAYROLL.name, "99.50"]);

        let noor = Oversight::open(&demo, &chromium).await;
        let refused = noor.events("spend.refused").await;
        let because = |word: &str| refused.iter().filter(|event| event.to_string().contains(word)).count();
        assert_eq!((because("digest_mismatch"), because("\"spent\"")), (2, 1), "{refused:?}");
        assert_eq!(noor.events("spent").await.len(), 1);
        demo.stop();
        demo.verify_log();
    });
}

/// It must fail because the requirement is derived from the policy, and the challenge takes only what it asks for.
#[test]
fn a_code_does_not_stand_in_for_a_passkey() {
    journey(async |demo, chromium| {
        let treasury = demo.treasury().to_owned();
        let ada = Tab::open(&chromium).await;
        ada.add_authenticator().await;
        ada.open_address(&treasury).await;
        ada.press("#sign-in").await;
        steps::type_password(&ada, &demo.ada()).await;
        steps::type_code(&ada, &demo.ada().code_before()).await;
        ada.sees("#user").await;
        steps::enrol_passkey(&ada, demo.issuer()).await;
        steps::step_up(&ada, &treasury, ACME, None).await;
        assert!(!ada.text().await.contains("Use a code instead"));
        let path = ada.until("location.pathname").await;
        let code = json!({ "code": demo.ada().code() });
        let refused = ada.post(&format!("{}/code", path.as_str().unwrap()), &code).await;
        assert!(refused.is_err(), "{refused:?}");

        // Not even a try was used up: the passkey still confirms.
        steps::confirm(&ada).await;
        steps::go_back(&ada, &treasury).await;
        assert_eq!(steps::ending(&ada).await, "done", "after {refused:?}");
    });
}

/// It must fail because a challenge belongs to the session that asked; any other browser consumes nothing and leaves a signal.
#[test]
fn the_link_to_a_confirmation_is_worth_nothing_elsewhere() {
    journey(async |mut demo, chromium| {
        let treasury = demo.treasury().to_owned();
        let ada = Tab::open(&chromium).await;
        ada.add_authenticator().await;
        steps::sign_in_to_treasury(&ada, &treasury, &demo.ada()).await;
        steps::enrol_passkey(&ada, demo.issuer()).await;
        steps::step_up(&ada, &treasury, ACME, None).await;
        let link = ada.url().await;

        // Nobody: the page asks who it is, and shows nothing of the payout.
        let nobody = Tab::open(&chromium).await;
        nobody.open_address(&link).await;
        nobody.sees("#identify").await;
        assert!(!nobody.text().await.contains("Acme"), "{}", nobody.text().await);

        // Somebody else.
        steps::type_password(&nobody, &demo.grace()).await;
        steps::type_code(&nobody, &demo.grace().code()).await;
        nobody.says("Started on another device").await;
        assert!(!nobody.text().await.contains("Acme"), "{}", nobody.text().await);

        // Herself, at another device, with the very same passkey.
        let elsewhere = Tab::open(&chromium).await;
        elsewhere.add_authenticator().await;
        elsewhere.put_passkeys(ada.passkeys().await).await;
        elsewhere.open_address(&link).await;
        elsewhere.sees("#use-passkey:not([disabled])").await;
        elsewhere.presence(true).await;
        elsewhere.until("document.querySelector('#use-passkey')?.click() ?? true").await;
        elsewhere.says("Started on another device").await;
        elsewhere.presence(false).await;

        // Nothing was consumed. Her provider brings the counter along, without which it would look like a copy.
        ada.put_passkeys(elsewhere.passkeys().await).await;
        steps::confirm(&ada).await;
        steps::go_back(&ada, &treasury).await;
        assert_eq!(steps::ending(&ada).await, "done");

        // The used link says so, to her alone.
        ada.open_address(&link).await;
        ada.says("Confirmed").await;
        let noor = Oversight::open(&demo, &chromium).await;
        let signals = noor.events("relay.seen").await;
        let other = signals.iter().filter(|event| event.to_string().contains("other_browser"));
        assert_eq!(other.count(), 2, "{signals:?}");
        demo.stop();
        demo.verify_log();
    });
}

/// Refusing is as easy as confirming, and the alarm is one press.
#[test]
fn a_person_refuses_and_a_person_raises_the_alarm() {
    journey(async |mut demo, chromium| {
        let (issuer, treasury) = (demo.issuer().to_owned(), demo.treasury().to_owned());
        let ada = Tab::open(&chromium).await;
        ada.add_authenticator().await;
        steps::sign_in_to_treasury(&ada, &treasury, &demo.ada()).await;
        steps::enrol_passkey(&ada, &issuer).await;

        steps::step_up(&ada, &treasury, ACME, None).await;
        ada.press("#refuse").await;
        ada.says("You refused this. Nothing was changed.").await;
        steps::go_back(&ada, &treasury).await;
        assert_eq!(steps::ending(&ada).await, "refused");
        assert_says(&ada.text().await, &["Nothing was changed", "You refused at Counterfoil"]);

        steps::step_up(&ada, &treasury, ACME, None).await;
        let link = ada.url().await;
        ada.press("#alarm").await;
        ada.says("Stopped and reported").await;
        let number = ada.text_of(".stub .number b").await;
        ada.open_address(&link).await;
        ada.says("Stopped and reported").await;
        assert!(ada.look("document.querySelector('#confirm')").await == Ok(serde_json::Value::Null));

        ada.open_address(&format!("{issuer}/me")).await;
        let answered = ada.text_of("#confirmations").await;
        assert_says(&answered, &["Refused", "Reported", &number]);

        let noor = Oversight::open(&demo, &chromium).await;
        let refused = noor.events("challenge.refused").await;
        assert_eq!(refused.len(), 2, "{refused:?}");
        noor.tab.open_address(&format!("{issuer}/admin")).await;
        noor.tab.says("Needs a look now").await;
        assert!(noor.events("spent").await.is_empty());
        demo.stop();
        demo.verify_log();
    });
}
