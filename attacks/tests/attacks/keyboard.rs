//! Hands on the keyboard alone: the page that asks for a confirmation can be read, refused and confirmed without a mouse.

use crate::steps::{self, ACME, journey};
use crate::tab::Tab;

/// Presses Tab until something of this selector has the focus.
async fn tab_to(tab: &Tab, selector: &str) {
    for _ in 0..20 {
        tab.key("Tab").await;
        let there = tab.look(&format!("document.activeElement.matches('{selector}')")).await;
        if there == Ok(true.into()) {
            let ring = tab.look("(({ outlineStyle, outlineWidth }) => outlineStyle !== 'none' && parseFloat(outlineWidth) >= 2)(getComputedStyle(document.activeElement))").await;
            assert_eq!(ring, Ok(true.into()), "{selector} shows that it has the focus");
            return;
        }
    }
    panic!("{selector} is not reached by Tab");
}

#[test]
fn a_payout_is_confirmed_and_refused_without_a_mouse() {
    journey(async |demo, chromium| {
        let treasury = demo.treasury().to_owned();
        let ada = Tab::open(&chromium).await;
        ada.add_authenticator().await;
        steps::sign_in_to_treasury(&ada, &treasury, &demo.ada()).await;
        steps::enrol_passkey(&ada, demo.issuer()).await;

        // The reader starts at the heading; the first stop after it is the answer.
        steps::step_up(&ada, &treasury, ACME, None).await;
        ada.until("document.activeElement === document.querySelector('h1')").await;
        tab_to(&ada, "#confirm").await;
        tab_to(&ada, "#refuse").await;
        tab_to(&ada, "#alarm").await;
        tab_to(&ada, "summary").await;
        ada.key("Enter").await;
        ada.until("document.querySelector('details').open").await;

        // Refused with the space bar.
        ada.until("(document.querySelector('h1').focus(), true)").await;
        tab_to(&ada, "#refuse").await;
        ada.key("Space").await;
        ada.says("You refused this").await;
        steps::go_back(&ada, &treasury).await;

        // Confirmed with Enter.
        steps::step_up(&ada, &treasury, ACME, None).await;
        tab_to(&ada, "#confirm").await;
        ada.presence(true).await;
        ada.key("Enter").await;
        ada.sees(".stub .number").await;
        steps::go_back(&ada, &treasury).await;
        assert_eq!(steps::ending(&ada).await, "done");
    });
}
