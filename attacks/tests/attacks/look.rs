//! How every page looks: nothing overflows, is cut off, too pale or untranslated, wide and narrow, light and dark, in both
//! languages. With `COUNTERFOIL_LOOK=DIR` it also takes the pictures of `docs/look.md`.

use crate::chromium::Chromium;
use crate::demo::Demo;
use crate::kit::{Kit, Skill};
use crate::steps::{self, ACME, Payout, journey};
use crate::tab::Tab;
use serde_json::json;
use std::path::PathBuf;
use std::sync::Arc;

const FAULTS: &str = include_str!("faults.js");
/// Good enough to judge by, and small enough to keep.
const QUALITY: i64 = 45;

/// The pages of one language, each with what is wrong with it.
struct Album {
    directory: Option<PathBuf>,
    lang: &'static str,
    faults: Vec<String>,
}

impl Album {
    fn new(lang: &'static str) -> Self {
        Self { directory: std::env::var_os("COUNTERFOIL_LOOK").map(PathBuf::from), lang, faults: Vec::new() }
    }

    /// Looks at the page as it stands, in each dress.
    async fn look(&mut self, tab: &Tab, name: &str) {
        for (width, size) in [(1200, "wide"), (360, "narrow")] {
            for (dark, light) in [(false, "light"), (true, "dark")] {
                tab.dress(width, dark).await;
                tab.until("document.fonts.ready.then(() => new Promise((painted) => requestAnimationFrame(() => requestAnimationFrame(() => painted(true)))))").await;
                let faults = tab.look(FAULTS).await.unwrap();
                for fault in faults.as_array().unwrap() {
                    self.faults.push(format!("{name} ({}, {size}, {light}): {}", self.lang, fault.as_str().unwrap()));
                }
                // The second language differs in words alone: one picture of each page tells.
                let wanted = self.lang == "en" || (size == "narrow" && !dark);
                if let Some(directory) = self.directory.as_ref().filter(|_| wanted) {
                    let file = directory.join(format!("{name}-{size}-{light}-{}.webp", self.lang));
                    std::fs::write(file, tab.picture(QUALITY).await).unwrap();
                }
            }
        }
        tab.dress(1200, false).await;
    }
}

#[test]
fn every_page_holds_up_in_english() {
    journey(async |demo, chromium| walk(&demo, &chromium, Album::new("en"), "en-GB,en").await);
}

#[test]
fn every_page_holds_up_in_german() {
    journey(async |demo, chromium| walk(&demo, &chromium, Album::new("de"), "de-DE,de").await);
}

async fn walk(demo: &Demo, chromium: &Arc<Chromium>, mut album: Album, languages: &str) {
    let ada = Tab::speaking(chromium, languages).await;
    ada.add_authenticator().await;
    signing_in(demo, &ada, &mut album).await;
    confirming(demo, chromium, &ada, &mut album, languages).await;
    refusing(demo, &ada, &mut album).await;
    being_lured(demo, chromium, &ada, &mut album, languages).await;
    overseeing(demo, chromium, &mut album, languages).await;
    being_invited(demo, chromium, &mut album, languages).await;
    assert!(album.faults.is_empty(), "{}", album.faults.join("\n"));
}

async fn signing_in(demo: &Demo, ada: &Tab, album: &mut Album) {
    let (issuer, treasury) = (demo.issuer(), demo.treasury());
    ada.open_address(treasury).await;
    ada.sees("#sign-in").await;
    album.look(ada, "treasury-welcome").await;
    ada.press("#sign-in").await;
    ada.sees("#identify button:not([disabled])").await;
    album.look(ada, "sign-in").await;
    ada.press("#identify button.primary").await;
    ada.until("document.querySelector('#username-error').textContent").await;
    album.look(ada, "sign-in-missing").await;
    steps::type_password(ada, &demo.ada()).await;
    album.look(ada, "sign-in-code").await;
    steps::type_code(ada, &demo.ada().code()).await;
    ada.sees("#user").await;
    album.look(ada, "treasury-accounts").await;
    ada.open_address(&format!("{treasury}/accounts/{}", ACME.account)).await;
    ada.sees("#payout").await;
    album.look(ada, "treasury-account").await;
    steps::ask_for_payout(ada, treasury, Payout { iban: "DE00 1", ..ACME }, None).await;
    ada.sees("#iban-error").await;
    album.look(ada, "treasury-payout").await;

    ada.open_address(&format!("{issuer}/me/passkey")).await;
    ada.sees("#name").await;
    album.look(ada, "enrol").await;
    steps::enrol_passkey(ada, issuer).await;
    album.look(ada, "enrol-done").await;
}

async fn confirming(demo: &Demo, chromium: &Arc<Chromium>, ada: &Tab, album: &mut Album, languages: &str) {
    let treasury = demo.treasury();
    steps::step_up(ada, treasury, ACME, None).await;
    album.look(ada, "step-up").await;
    let link = ada.url().await;

    let grace = Tab::speaking(chromium, languages).await;
    grace.open_address(&link).await;
    steps::type_password(&grace, &demo.grace()).await;
    steps::type_code(&grace, &demo.grace().code()).await;
    grace.sees(".refusal").await;
    album.look(&grace, "refusal-other-device").await;
    grace.open_address(&format!("{}/me/passkey", demo.issuer())).await;
    grace.sees("#name").await;
    album.look(&grace, "enrol-rests").await;
    grace.open_address(&format!("{}/admin", demo.issuer())).await;
    grace.sees(".refusal").await;
    album.look(&grace, "refusal-forbidden").await;

    // The receipt would go on by itself while it is being looked at.
    ada.until("((window.setTimeout = () => 0), true)").await;
    steps::confirm(ada).await;
    album.look(ada, "receipt-confirmed").await;
    steps::go_back(ada, treasury).await;
    album.look(ada, "treasury-done").await;
    ada.press("#again").await;
    ada.sees("#result[data-ending=spent]").await;
    album.look(ada, "treasury-spent").await;
}

async fn refusing(demo: &Demo, ada: &Tab, album: &mut Album) {
    let (issuer, treasury) = (demo.issuer(), demo.treasury());
    let larger = Payout {
        name: "Schrauben- und Werkzeughandelsgesellschaft Nordwest mbH & Co. KG",
        iban: "GB82 WEST 1234 5698 7654 32",
        amount: "1250000.00",
        ..ACME
    };
    steps::step_up(ada, treasury, larger, None).await;
    ada.press("summary").await;
    album.look(ada, "step-up-changed").await;
    ada.until("((window.setTimeout = () => 0), true)").await;
    ada.press("#refuse").await;
    ada.sees(".stub").await;
    album.look(ada, "receipt-refused").await;
    steps::go_back(ada, treasury).await;
    ada.sees("#result").await;
    album.look(ada, "treasury-refused").await;

    steps::step_up(ada, treasury, larger, None).await;
    ada.press("#alarm").await;
    ada.sees(".stub").await;
    album.look(ada, "receipt-alarm").await;

    steps::step_up(ada, treasury, ACME, Some("amount")).await;
    steps::confirm(ada).await;
    steps::go_back(ada, treasury).await;
    ada.sees("#result[data-ending=altered]").await;
    album.look(ada, "treasury-altered").await;

    ada.open_address(&format!("{treasury}/accounts/{}", ACME.account)).await;
    ada.press("#export-key").await;
    ada.sees("#result").await;
    album.look(ada, "treasury-denied").await;

    ada.open_address(&format!("{issuer}/me")).await;
    ada.sees("#decisions").await;
    album.look(ada, "me").await;
    ada.open_address(&format!("{issuer}/nothing")).await;
    ada.sees(".refusal").await;
    album.look(ada, "refusal-not-found").await;
    ada.open_address(&format!("{issuer}/outbox")).await;
    ada.sees("article").await;
    album.look(ada, "outbox").await;
}

async fn being_lured(demo: &Demo, chromium: &Arc<Chromium>, ada: &Tab, album: &mut Album, languages: &str) {
    let names = ["login.evil.localhost", "treasury.evil.localhost"];
    let kit = Kit::start(demo.issuer(), demo.treasury(), names, Skill::Product).await;
    let lured = Tab::speaking(chromium, languages).await;
    lured.add_authenticator().await;
    lured.put_passkeys(ada.passkeys().await).await;
    lured.open_address(&format!("{}/sign-in", kit.issuer)).await;
    lured.sees(".warning").await;
    album.look(&lured, "refusal-relay").await;
}

async fn overseeing(demo: &Demo, chromium: &Arc<Chromium>, album: &mut Album, languages: &str) {
    let issuer = demo.issuer();
    let noor = Tab::speaking(chromium, languages).await;
    noor.add_authenticator().await;
    steps::sign_in_to_account(&noor, issuer, &demo.noor()).await;
    steps::enrol_passkey(&noor, issuer).await;
    noor.open_address(&format!("{issuer}/admin")).await;
    noor.sees("button.primary").await;
    album.look(&noor, "sign-in-passkey").await;
    noor.presence(true).await;
    noor.press("button.primary").await;
    noor.sees("#side a").await;
    noor.presence(false).await;
    album.look(&noor, "admin-overview").await;
    for part in ["decisions", "people", "policies", "log"] {
        noor.open_address(&format!("{issuer}/admin/{part}")).await;
        noor.sees("#view .panel").await;
        album.look(&noor, &format!("admin-{part}")).await;
    }
    let asked =
        noor.post("/admin/decisions", &json!({ "outcome": "step_up", "action": "payout.change" })).await.unwrap();
    noor.open_address(&format!("{issuer}/admin/decisions/{}", asked["decisions"][0]["id"].as_str().unwrap())).await;
    noor.sees(".story").await;
    album.look(&noor, "admin-decision").await;
}

async fn being_invited(demo: &Demo, chromium: &Arc<Chromium>, album: &mut Album, languages: &str) {
    let link = demo.invite("grace");
    let grace = Tab::speaking(chromium, languages).await;
    grace.add_authenticator().await;
    grace.open_address(&link).await;
    grace.sees("#name").await;
    album.look(&grace, "init").await;
    grace.presence(true).await;
    grace.press("form button.primary").await;
    grace.sees("#onward").await;
    grace.presence(false).await;
    album.look(&grace, "init-done").await;
    let other = Tab::speaking(chromium, languages).await;
    other.open_address(&link).await;
    other.sees(".refusal").await;
    album.look(&other, "refusal-invitation-spent").await;
}
