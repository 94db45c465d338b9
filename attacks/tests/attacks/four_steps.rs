//! The four steps of the README: see a balance with a code, add a passkey, change a payout with it, and see why.

use crate::oversight::Oversight;
use crate::steps::{self, ACME, assert_says, journey};
use crate::tab::Tab;
use serde_json::json;

#[test]
fn a_payout_gets_exactly_the_proof_it_needs() {
    journey(async |mut demo, chromium| {
        let (issuer, treasury) = (demo.issuer().to_owned(), demo.treasury().to_owned());
        let ada = Tab::open(&chromium).await;
        ada.add_authenticator().await;

        // 1. Password and code are enough to read.
        steps::sign_in_to_treasury(&ada, &treasury, &demo.ada()).await;
        assert_says(&ada.text().await, &["Ada Lopez", "Operations EUR", "1,842,500.75", "Payroll EUR", "Reserve USD"]);

        // 2. A passkey, and everybody who should know is told.
        steps::enrol_passkey(&ada, &issuer).await;
        assert_says(&ada.text().await, &["Passkey created", "We have told your addresses"]);
        assert_says(&demo.outbox().await, &["ada@northwind.example", "passkey"]);

        // 3. The page says what will be done, from the stored challenge; the passkey confirms it; it is done once.
        steps::step_up(&ada, &treasury, ACME, None).await;
        let asked = ada.text().await;
        assert_says(&asked, &["operations-eur", "Acme Tools GmbH", "DE89 3704 0044 0532 0130 00", "12,400.00"]);
        assert_says(&asked, &["Northwind Treasury", "Ada Lopez", "Confirm with passkey", "I did not ask for this"]);
        let number = steps::confirm(&ada).await;
        steps::go_back(&ada, &treasury).await;
        assert_eq!(steps::ending(&ada).await, "done", "{}", ada.text().await);
        assert_eq!(ada.text_of("#counterfoil").await, number);
        let books = steps::payout_of(&ada, &treasury, ACME.account).await;
        assert_says(&books, &["Acme Tools GmbH", "DE89 3704 0044 0532 0130 00", "12,400.00"]);

        // 4. She sees what she confirmed and what was decided; the administrator sees why, and by which version.
        ada.open_address(&format!("{issuer}/me")).await;
        let confirmed = ada.text_of("#confirmations").await;
        assert_says(&confirmed, &["Acme Tools GmbH", "12,400.00", &number, "Done"]);
        assert_says(&ada.text_of("#decisions").await, &["payout.change", "account operations-eur", "More proof asked"]);
        assert_says(&ada.text_of("#authenticators").await, &["Confirms payments and important changes"]);
        assert!(demo.outbox().await.contains(&number), "the notice has the number");

        let noor = Oversight::open(&demo, &chromium).await;
        let decisions = noor.decisions("ada", "payout.change").await;
        let asked = decisions.iter().find(|one| one["outcome"] == "step_up").expect("a step-up");
        noor.tab.open_address(&format!("{issuer}/admin/decisions/{}", asked["id"].as_str().unwrap())).await;
        noor.tab.sees(".story").await;
        let story = noor.tab.text().await;
        let policies = noor.tab.post("/admin/policies", &json!({})).await.unwrap();
        let version = policies["active"]["version"].as_str().unwrap();
        assert_says(
            &story,
            &["payout.change", "operations-eur", "cannot be phished", "to exactly this transaction", &version[..16]],
        );
        for kind in ["challenge.opened", "challenge.proven", "spent", "outcome.reported"] {
            noor.event(kind, |event| !event["leaf"].is_null()).await;
        }

        demo.stop();
        let report = demo.verify_log();
        assert!(report["size"].as_u64().unwrap() > 20, "{report}");
    });
}
