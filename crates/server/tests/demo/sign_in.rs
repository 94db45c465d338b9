//! Signing in by password and code, and what a session without its key or cookie is worth.

use crate::{
    browser::{Browser, code},
    harness::Demo,
};
use serde_json::json;

#[test]
fn a_person_signs_in_under_a_new_identifier_and_sees_their_account() {
    let demo = Demo::start();
    let user = demo.ready["users"][0].clone();
    let mut browser = Browser::new(&demo);
    let (sid, cookie) = (browser.sid.clone(), browser.cookie.clone());
    assert_eq!(browser.post("/me", &json!({})).status, 401);
    let done = browser.sign_in(&user);
    assert_eq!(done.json(), json!({"next": "/me"}), "{done:?}");
    assert!(browser.sid != sid && browser.cookie != cookie, "a rise of assurance renews both");
    let me = browser.post("/me", &json!({})).json();
    assert_eq!(me["person"]["username"], user["username"]);
    assert_eq!((&me["session"]["acr"], &me["session"]["binding"]), (&json!("aal2"), &json!("new_key")));

    // The handle of before is worth nothing any more.
    (browser.sid, browser.cookie) = (sid, cookie);
    assert_eq!(browser.post("/me", &json!({})).status, 401);
}

#[test]
fn a_code_signs_in_once() {
    let demo = Demo::start();
    let user = demo.ready["users"][1].clone();
    let (mut first, mut second) = (Browser::new(&demo), Browser::new(&demo));
    // The same code for both, whatever the clock does between them.
    let code = code(&user);
    let enter = |browser: &mut Browser<'_>| {
        let begun = browser.post("/sign-in", &json!({})).json();
        let password =
            json!({"challenge": begun["challenge"], "username": user["username"], "password": user["password"]});
        let asked = browser.post("/sign-in/password", &password).json();
        browser.post("/sign-in/code", &json!({"challenge": asked["challenge"], "code": code}))
    };
    assert_eq!(enter(&mut first).status, 200);
    let again = enter(&mut second);
    assert_eq!((again.status, &again.json()["code"]), (422, &json!("code-refused")), "{again:?}");
}

#[test]
fn an_unknown_name_and_a_wrong_password_get_the_same_answer() {
    let demo = Demo::start();
    let mut answers = Vec::new();
    for (username, password) in [("nobody", "x"), ("ada", "x")] {
        let mut browser = Browser::new(&demo);
        let begun = browser.post("/sign-in", &json!({})).json();
        let typed = json!({"challenge": begun["challenge"], "username": username, "password": password});
        let reply = browser.post("/sign-in/password", &typed);
        answers.push((reply.status, reply.body));
    }
    assert_eq!(answers[0], answers[1]);
    assert_eq!(answers[0].0, 422);
}

#[test]
fn a_proof_serves_one_request_one_body_and_one_session() {
    let demo = Demo::start();
    let mut browser = Browser::new(&demo);
    let body = json!({}).to_string();

    let proof = browser.proof("/sign-in", &body);
    assert_eq!(browser.send("/sign-in", &body, &proof).status, 200);
    assert_eq!(browser.send("/sign-in", &body, &proof).json()["code"], "use-nonce", "a second time");

    let proof = browser.proof("/sign-in", &body);
    assert_eq!(browser.send("/me", &body, &proof).json()["code"], "proof-invalid", "for another path");

    let proof = browser.proof("/sign-in", &body);
    let other = json!({"to": "/admin"}).to_string();
    assert_eq!(browser.send("/sign-in", &other, &proof).json()["code"], "proof-invalid", "for another body");

    let mut stranger = Browser::new(&demo);
    let proof = stranger.proof("/sign-in", &body);
    let own = std::mem::replace(&mut stranger.cookie, browser.cookie.clone());
    assert_eq!(stranger.send("/sign-in", &body, &proof).json()["code"], "session-ended", "with another's cookie");
    stranger.cookie = own;
    stranger.sid.clone_from(&browser.sid);
    let proof = stranger.proof("/sign-in", &body);
    stranger.cookie.clone_from(&browser.cookie);
    assert_eq!(stranger.send("/sign-in", &body, &proof).json()["code"], "proof-invalid", "by another key");
}

#[test]
fn nobody_is_sent_elsewhere_after_signing_in() {
    let demo = Demo::start();
    let user = demo.ready["users"][0].clone();
    let mut browser = Browser::new(&demo);
    let begun = browser.post("/sign-in", &json!({"to": "https://evil.example/"})).json();
    let password = json!({"challenge": begun["challenge"], "username": user["username"], "password": user["password"]});
    let asked = browser.post("/sign-in/password", &password).json();
    let done = browser.post("/sign-in/code", &json!({"challenge": asked["challenge"], "code": code(&user)}));
    assert_eq!(done.json(), json!({"next": "/me"}));
}
