//! A passkey that codes have bound rests from the moment at which its owner was really told, and anew when where they are told
//! changes (DESIGN §4 "Ceiling").

use crate::{browser::Browser, clock, harness::Demo, node::Node, relay::Relay};
use counterfoil_core::{limits::CEILING_REST_SECONDS, time::Time};
use serde_json::json;
use std::time::Duration;

/// How often it is looked whether something has happened elsewhere, before that ends a test that would hang.
const LOOKS: usize = 600;
const BETWEEN_LOOKS: Duration = Duration::from_millis(100);

/// When the passkey of this account rises, if that is certain.
fn rises_at(browser: &mut Browser<'_>) -> Option<Time> {
    let me = browser.post("/me", &json!({})).json();
    let passkey = me["authenticators"].as_array().unwrap().iter().find(|one| one["method"] == "passkey").unwrap();
    assert_eq!(passkey["ceiling"], "aal2", "{passkey}");
    passkey.get("rises_at").map(|at| serde_json::from_value(at.clone()).unwrap())
}

/// Asks until it is so.
fn eventually(browser: &mut Browser<'_>, so: impl Fn(Option<Time>) -> bool) -> Time {
    for _ in 0..LOOKS {
        let at = rises_at(browser);
        if so(at) {
            return at.unwrap();
        }
        std::thread::sleep(BETWEEN_LOOKS);
    }
    panic!("{:?}", rises_at(browser));
}

#[test]
fn a_passkey_rests_once_its_owner_was_told_and_anew_when_their_address_changes() {
    let mut demo = Demo::start();
    demo.stop();
    let user = demo.ready["users"][1].clone();
    let files = tempfile::tempdir().unwrap();

    // Nothing delivers: nobody was told, and no time makes it more.
    let node = Node::instead_of(&demo, "");
    let mut browser = Browser::new(&demo);
    browser.sign_in(&user);
    browser.enrol();
    assert_eq!(rises_at(&mut browser), None);
    drop(node);

    let (relay, before) = (Relay::start(&[]), clock::now());
    let node = Node::instead_of(&demo, &relay.section(files.path()));
    assert!(relay.mails(1)[0].text.contains("A passkey was added"));
    let first = eventually(&mut browser, |at| at.is_some());
    assert!(first >= before.plus_seconds(CEILING_REST_SECONDS), "{first:?} {before:?}");
    // That clock shows whole seconds.
    assert!(first <= clock::now().plus_seconds(CEILING_REST_SECONDS + 1), "{first:?}");
    let name = browser.post("/me", &json!({})).json()["person"]["name"].clone();
    drop(node);

    let registry = files.path().join("registry.toml");
    let username = &user["username"];
    let person = format!("[[people]]\nusername = {username}\nname = {name}\nmail = [\"elsewhere@example.org\"]\n");
    std::fs::write(&registry, person).unwrap();
    let changed = clock::now();
    let more = format!("registry = {registry:?}\n{}", relay.section(files.path()));
    let node = Node::instead_of(&demo, &more);
    let anew = eventually(&mut browser, |at| at != Some(first));
    assert!(anew >= changed.plus_seconds(CEILING_REST_SECONDS), "{anew:?} {changed:?}");
    drop(node);
    // The same file again changes nothing.
    let _node = Node::instead_of(&demo, &more);
    assert_eq!(rises_at(&mut browser), Some(anew));
}
