//! The log of a demo, verified offline by the same binary.

use crate::{
    browser::Browser,
    harness::{Demo, counterfoil},
};
use serde_json::{Value, json};

#[test]
fn the_log_of_a_demo_holds_and_any_edit_of_it_is_found() {
    let mut demo = Demo::start();
    let user = demo.ready["users"][0].clone();
    let mut browser = Browser::new(&demo);
    browser.sign_in(&user);
    assert_eq!(browser.post("/sign-out", &json!({})).status, 200);
    demo.stop();

    let (holds, text) = counterfoil(&["--format", "json", "audit", "verify"], &demo.data());
    let report: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    assert!(holds, "{text}");
    assert_eq!((&report["holds"], &report["findings"]), (&json!(true), &json!([])));
    assert!(report["size"].as_u64().unwrap() + report["waiting"].as_u64().unwrap() > 15, "{report}");

    // One letter in one leaf, as somebody who can write to the file would change it.
    let file = demo.data().join("counterfoil.db");
    let bytes = std::fs::read(&file).unwrap();
    let needle = b"\"type\":\"session.signed_in\"";
    let at = bytes.windows(needle.len()).position(|window| window == needle);
    if let Some(at) = at {
        let mut edited = bytes.clone();
        edited[at + 8] = b'S';
        std::fs::write(&file, edited).unwrap();
        let (holds, text) = counterfoil(&["--format", "json", "audit", "verify"], &demo.data());
        assert!(!holds, "{text}");
    } else {
        panic!("the sign-in is not in the database file: was the WAL not written back?");
    }
}
