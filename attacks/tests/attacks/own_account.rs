//! What a person does in their own account, and with an invitation: a further passkey, the evidence of a payout, the first sign-in.

use crate::demo::Demo;
use crate::oversight::Oversight;
use crate::steps::{self, ACME, assert_says, journey};
use crate::tab::Tab;
use serde_json::json;
use std::path::Path;

#[test]
fn the_evidence_of_a_payout_is_downloaded_from_both_pages_and_verifies() {
    journey(async |mut demo, chromium| {
        let (issuer, treasury) = (demo.issuer().to_owned(), demo.treasury().to_owned());
        let kept = tempfile::tempdir().unwrap();
        let ada = Tab::open(&chromium).await;
        ada.add_authenticator().await;
        steps::sign_in_to_treasury(&ada, &treasury, &demo.ada()).await;
        steps::enrol_passkey(&ada, &issuer).await;
        steps::step_up(&ada, &treasury, ACME, None).await;
        let number = steps::confirm(&ada).await;
        steps::go_back(&ada, &treasury).await;
        assert_eq!(steps::ending(&ada).await, "done");

        ada.open_address(&format!("{issuer}/me")).await;
        assert_says(&ada.text_of("#confirmations").await, &[&number, "Download the evidence"]);
        let hers = ada.download("#confirmations button", kept.path(), &format!("counterfoil-{number}.json")).await;

        let noor = Oversight::open(&demo, &chromium).await;
        // The treasury's API was told what is missing, and the page asked for it: only one of the two led to the payout.
        let spent = noor.event("spent", |event| !event["leaf"].is_null()).await;
        let decision = spent["raw"]["kind"]["decision"].as_str().unwrap_or_else(|| panic!("no decision: {spent}"));
        noor.tab.open_address(&format!("{issuer}/admin/decisions/{decision}")).await;
        let file = format!("counterfoil-{decision}.json");
        let administrators = noor.tab.download("#save-evidence", kept.path(), &file).await;

        // Nothing but the file and the log's public key: the server is gone.
        demo.stop();
        for file in [hers, administrators] {
            let (holds, report) = demo.verify_bundle(&file);
            assert!(holds, "{}: {report}", file.display());
            assert_eq!(report["outcome"], "executed", "{report}");
            assert_says(&report["display_text"].to_string(), &["Acme Tools GmbH", "12,400.00"]);
            one_altered_byte_is_refused(&demo, &file);
        }
    });
}

/// A digit of the amount, and a space of the log's signature.
fn one_altered_byte_is_refused(demo: &Demo, file: &Path) {
    let bundle = std::fs::read_to_string(file).unwrap();
    for (part, altered) in [("12400.00", "92400.00"), ("\u{2014} ", "\u{2014}_")] {
        assert!(bundle.contains(part), "{part:?} is not in {bundle}");
        let copy = file.with_extension("altered");
        std::fs::write(&copy, bundle.replacen(part, altered, 1)).unwrap();
        let (holds, report) = demo.verify_bundle(&copy);
        assert!(!holds, "{altered:?}: {report}");
    }
}

#[test]
fn a_second_passkey_is_added_by_the_words_of_the_first_and_confirms_a_payout() {
    journey(async |demo, chromium| {
        let (issuer, treasury) = (demo.issuer().to_owned(), demo.treasury().to_owned());
        let ada = Tab::open(&chromium).await;
        ada.add_authenticator().await;
        steps::sign_in_to_treasury(&ada, &treasury, &demo.ada()).await;
        steps::enrol_passkey(&ada, &issuer).await;
        let first = ada.passkeys().await;
        assert_eq!(first.len(), 1);

        // She names it, and is asked for her present passkey; the page says what for.
        ada.open_address(&format!("{issuer}/me")).await;
        ada.press("#add-passkey").await;
        ada.says("First you confirm with a passkey that you have").await;
        ada.fill("#name", "Key in the safe").await;
        ada.press("form button.primary").await;
        ada.sees("#confirm").await;
        assert_says(&ada.text().await, &["Key in the safe", "Ada Lopez"]);
        assert_eq!(ada.passkeys().await.len(), 1, "none is made before it is confirmed");
        ada.presence(true).await;
        ada.press("#confirm").await;
        ada.arrives(&format!("{issuer}/me/passkey")).await;
        ada.sees("#name").await;
        ada.until("document.querySelector('#name').readOnly").await;

        // It is made in another authenticator: the first one is not at hand.
        ada.put_passkeys(Vec::new()).await;
        ada.press("form button.primary").await;
        ada.says("Key in the safe is in your account").await;
        ada.presence(false).await;
        let second = ada.passkeys().await;
        assert_eq!(second.len(), 1);
        assert_ne!(second[0].credential_id, first[0].credential_id);
        ada.press("#onward").await;
        assert_says(
            &ada.text_of("#authenticators").await,
            &["Key in the safe", "Confirms payments and important changes"],
        );

        // With that one alone she confirms.
        steps::step_up(&ada, &treasury, ACME, None).await;
        steps::confirm(&ada).await;
        steps::go_back(&ada, &treasury).await;
        assert_eq!(steps::ending(&ada).await, "done", "{}", ada.text().await);
    });
}

#[test]
fn a_second_passkey_that_its_owner_refuses_is_never_made() {
    journey(async |demo, chromium| {
        let issuer = demo.issuer().to_owned();
        let ada = steps::with_passkey(&demo, &chromium).await;
        ada.open_address(&format!("{issuer}/me")).await;
        ada.press("#add-passkey").await;
        ada.fill("#name", "Key of a stranger").await;
        ada.press("form button.primary").await;
        ada.sees("#confirm").await;
        let asked = ada.url().await;
        let id = asked.rsplit('/').next().unwrap().to_owned();
        ada.press("#refuse").await;
        ada.says("You refused this. Nothing was changed.").await;

        // Neither the page nor a script in it gets further with what was refused.
        ada.open_address(&format!("{issuer}/me/passkey?confirmed={id}")).await;
        ada.sees("main .refusal").await;
        let offered = ada.post("/me/passkey/options", &json!({ "confirmed": id })).await;
        assert_eq!(offered, Err("expired".to_owned()));
        let me = ada.post("/me", &json!({})).await.unwrap();
        let labels: Vec<_> = me["authenticators"].as_array().unwrap().iter().map(|a| a["label"].to_string()).collect();
        assert!(!labels.iter().any(|label| label.contains("stranger")), "{labels:?}");
        assert_eq!(ada.passkeys().await.len(), 1);

        let noor = Oversight::open(&demo, &chromium).await;
        let refused = noor.events("challenge.refused").await;
        assert_eq!(refused.len(), 1, "{refused:?}");
        let enrolled = noor.events("authenticator.enrolled").await;
        let passkeys = enrolled.iter().filter(|event| event["raw"]["kind"]["method"] == "passkey").count();
        assert_eq!(passkeys, 2, "hers, and the administrator's: {enrolled:?}");
    });
}

#[test]
fn an_invitation_is_accepted_once_and_its_passkey_signs_in() {
    journey(async |demo, chromium| {
        let issuer = demo.issuer().to_owned();
        let link = demo.invite("grace");
        let grace = Tab::open(&chromium).await;
        grace.add_authenticator().await;
        grace.open_address(&link).await;
        grace.says("You are invited").await;
        assert_says(&grace.text().await, &["User name grace", "confirm payments and important changes at once"]);
        grace.presence(true).await;
        grace.press("form button.primary").await;
        grace.says("is in your account").await;
        grace.presence(false).await;
        assert_eq!(grace.url().await, format!("{issuer}/init"), "the secret has left the address bar");

        // It has signed nobody in: that is what the passkey is for, without a user name or a password.
        grace.press("#onward").await;
        grace.sees("#use-passkey").await;
        grace.presence(true).await;
        grace.sees("#authenticators").await;
        grace.presence(false).await;
        let me = grace.post("/me", &json!({})).await.unwrap();
        assert_eq!((&me["person"]["username"], &me["session"]["acr"]), (&json!("grace"), &json!("phr")), "{me}");
        assert_says(&grace.text_of("#authenticators").await, &["Confirms payments and important changes"]);

        // The same link again, at another device: it was used.
        let other = Tab::open(&chromium).await;
        other.open_address(&link).await;
        other.says("This invitation cannot be used").await;
    });
}
