//! The steps that journeys are made of, as a person takes them in the pages.

use crate::chromium::Chromium;
use crate::demo::{Demo, Person};
use crate::tab::Tab;
use serde_json::json;
use std::sync::Arc;

/// Runs a test with a demo and a browser of its own, or prints why it cannot.
pub fn journey(steps: impl AsyncFnOnce(Demo, Arc<Chromium>)) {
    let surroundings = Chromium::get().and_then(|chromium| Ok((Demo::start()?, chromium)));
    let (demo, chromium) = match surroundings {
        Ok(surroundings) => surroundings,
        Err(missing) => {
            println!("skipped: {missing}");
            return;
        }
    };
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(steps(demo, chromium));
}

/// A payout as somebody types it.
#[derive(Clone, Copy)]
pub struct Payout {
    pub account: &'static str,
    pub name: &'static str,
    pub iban: &'static str,
    pub amount: &'static str,
}

/// The payout of most tests.
pub const ACME: Payout = Payout {
    account: "operations-eur",
    name: "Acme Tools GmbH",
    iban: "DE89 3704 0044 0532 0130 00",
    amount: "12400.00",
};

/// Where an attacker would like the money to go.
pub const THIEF: Payout =
    Payout { account: "operations-eur", name: "M. Thief", iban: "GB82 WEST 1234 5698 7654 32", amount: "250000.00" };

/// User name and password on the sign-in page, up to the page that asks for a code.
pub async fn type_password(tab: &Tab, person: &Person) {
    tab.sees("#identify button:not([disabled])").await;
    tab.fill("#username", &person.username).await;
    tab.fill("#password", &person.password).await;
    tab.press("#identify button.primary").await;
    tab.sees("#code").await;
}

/// A code on the page that asks for one.
pub async fn type_code(tab: &Tab, code: &str) {
    tab.fill("#code", code).await;
    tab.press("form button.primary").await;
}

/// Signs in to the treasury through Counterfoil with password and code.
pub async fn sign_in_to_treasury(tab: &Tab, treasury: &str, person: &Person) {
    tab.open_address(treasury).await;
    tab.press("#sign-in").await;
    type_password(tab, person).await;
    type_code(tab, &person.code()).await;
    tab.sees("#user").await;
}

/// Signs in to one's own account with password and code.
pub async fn sign_in_to_account(tab: &Tab, issuer: &str, person: &Person) {
    tab.open_address(&format!("{issuer}/sign-in?to=/me")).await;
    type_password(tab, person).await;
    type_code(tab, &person.code()).await;
    tab.sees("#authenticators").await;
}

/// Creates a passkey in the signed-in session.
pub async fn enrol_passkey(tab: &Tab, issuer: &str) {
    tab.open_address(&format!("{issuer}/me/passkey")).await;
    tab.sees("#name").await;
    tab.presence(true).await;
    tab.press("form button.primary").await;
    tab.sees("#onward").await;
    tab.presence(false).await;
}

/// Ada with a passkey that confirms payments, in her own browser. Her code of this half minute is still good afterwards.
pub async fn with_passkey(demo: &Demo, chromium: &Arc<Chromium>) -> Tab {
    let ada = Tab::open(chromium).await;
    ada.add_authenticator().await;
    ada.open_address(demo.treasury()).await;
    ada.press("#sign-in").await;
    type_password(&ada, &demo.ada()).await;
    type_code(&ada, &demo.ada().code_before()).await;
    ada.sees("#user").await;
    enrol_passkey(&ada, demo.issuer()).await;
    ada
}

/// Fills in the treasury's form and sends it.
pub async fn ask_for_payout(tab: &Tab, treasury: &str, payout: Payout, cheat: Option<&str>) {
    tab.open_address(&format!("{treasury}/accounts/{}/payout", payout.account)).await;
    tab.fill("#creditor_name", payout.name).await;
    tab.fill("#iban", payout.iban).await;
    tab.fill("#amount", payout.amount).await;
    if let Some(cheat) = cheat {
        tab.until(&format!("(document.querySelector('input[name=cheat][value={cheat}]').checked = true)")).await;
    }
    tab.press("#go-on").await;
}

/// The same, up to the page that asks for a confirmation.
pub async fn step_up(tab: &Tab, treasury: &str, payout: Payout, cheat: Option<&str>) {
    ask_for_payout(tab, treasury, payout, cheat).await;
    tab.sees("#confirm").await;
}

/// Confirms with the passkey; the number on the receipt.
pub async fn confirm(tab: &Tab) -> String {
    tab.presence(true).await;
    tab.press("#confirm").await;
    let number = tab.text_of(".stub .number b").await;
    tab.presence(false).await;
    number
}

/// From the receipt back to the application.
pub async fn go_back(tab: &Tab, treasury: &str) {
    // The page goes on by itself; a person in a hurry presses.
    let pressed = tab.look("document.querySelector('#onward')?.click()").await;
    assert!(pressed.is_ok() || tab.url().await.starts_with(treasury), "{pressed:?}");
    tab.arrives(&format!("{treasury}/")).await;
}

/// How the treasury says that it ended.
pub async fn ending(tab: &Tab) -> String {
    let ending = tab.until("document.querySelector('#result')?.dataset.ending").await;
    ending.as_str().unwrap().to_owned()
}

/// What the treasury's books say of an account's payout, as its own page shows it.
pub async fn payout_of(tab: &Tab, treasury: &str, account: &str) -> String {
    tab.open_address(&format!("{treasury}/accounts/{account}")).await;
    tab.text_of("#payout").await
}

/// The words of a page must all be there.
pub fn assert_says(text: &str, words: &[&str]) {
    // Spaces that do not break are spaces to whoever reads.
    let text = text.replace(['\u{a0}', '\u{202f}'], " ");
    for word in words {
        assert!(text.contains(word), "{}: not in\n{text}", json!(word));
    }
}
