//! Guessing: counted before it is compared, slowed, and never a way to keep the owner out or to learn who there is.

use crate::{
    browser::{Browser, code},
    harness::{Demo, Reply},
    journey::Journey,
};
use serde_json::{Value, json};

fn guess(browser: &mut Browser<'_>, username: &str, password: &str) -> Reply {
    let begun = browser.post("/sign-in", &json!({})).json();
    let typed = json!({"challenge": begun["challenge"], "username": username, "password": password});
    browser.post("/sign-in/password", &typed)
}

fn told(reply: &Reply) -> (u16, Value, bool) {
    let body = reply.json();
    (reply.status, body["code"].clone(), body["retry_after_seconds"].as_i64().is_some_and(|seconds| seconds > 0))
}

#[test]
fn guesses_wait_longer_for_a_name_that_somebody_has_and_for_one_that_nobody_has() {
    let demo = Demo::start();
    let (user, mut answers) = (demo.ready["users"][0].clone(), Vec::new());
    for username in [user["username"].as_str().unwrap(), "nobody-of-that-name"] {
        let replies: Vec<Reply> = (0..7).map(|_| guess(&mut Browser::new(&demo), username, "not it")).collect();
        answers.push(replies.iter().map(told).collect::<Vec<_>>());
        let last = replies.last().unwrap();
        assert_eq!(last.headers["retry-after"], last.json()["retry_after_seconds"].to_string());
    }
    assert_eq!(answers[0], answers[1]);
    let statuses: Vec<u16> = answers[0].iter().map(|answer| answer.0).collect();
    assert_eq!(statuses, [422, 422, 422, 422, 422, 429, 429]);
    // The right password waits as long, so that waiting tells nothing about it.
    let right = guess(&mut Browser::new(&demo), user["username"].as_str().unwrap(), user["password"].as_str().unwrap());
    assert_eq!(right.status, 429, "{right:?}");
}

#[test]
fn guesses_from_elsewhere_do_not_keep_a_person_out_of_their_own_browser() {
    let demo = Demo::start();
    let user = demo.ready["users"][0].clone();
    let (username, password) = (user["username"].as_str().unwrap(), user["password"].as_str().unwrap());
    let mut own = Browser::new(&demo);
    let asked = guess(&mut own, username, password).json();
    let done = own.post("/sign-in/code", &json!({"challenge": asked["challenge"], "code": code(&user)}));
    assert_eq!(done.status, 200, "{done:?}");
    assert_eq!(own.post("/sign-out", &json!({})).status, 200);
    for _ in 0..6 {
        guess(&mut Browser::new(&demo), username, "not it");
    }
    assert_eq!(guess(&mut Browser::new(&demo), username, password).status, 429);
    own.begin_again();
    let asked = guess(&mut own, username, password);
    assert_eq!((asked.status, &asked.json()["step"]), (200, &json!("code")), "{asked:?}");
}

#[test]
fn of_64_guesses_at_once_no_more_are_compared_than_nobody_waits_for() {
    let demo = Demo::start();
    let username = demo.ready["users"][0]["username"].as_str().unwrap().to_owned();
    let begun: Vec<(Browser<'_>, Value)> = (0..64)
        .map(|_| {
            let mut browser = Browser::new(&demo);
            let begun = browser.post("/sign-in", &json!({})).json();
            (browser, begun["challenge"].clone())
        })
        .collect();
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let threads: Vec<_> = begun
            .into_iter()
            .map(|(mut browser, challenge)| {
                let body = json!({"challenge": challenge, "username": username, "password": "not it"});
                scope.spawn(move || browser.post("/sign-in/password", &body).status)
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let compared = statuses.iter().filter(|status| **status == 422).count();
    assert!(compared <= 5 && statuses.iter().all(|status| matches!(status, 422 | 429)), "{statuses:?}");
    assert_eq!(guess(&mut Browser::new(&demo), &username, "not it").status, 429);
}

#[test]
fn a_sign_in_takes_five_wrong_answers_and_then_has_to_begin_again() {
    let demo = Demo::start();
    let user = demo.ready["users"][0].clone();
    let mut browser = Browser::new(&demo);
    let begun = browser.post("/sign-in", &json!({})).json();
    // Other names, so that no name has to wait.
    for n in 0..5 {
        let typed = json!({"challenge": begun["challenge"], "username": format!("nobody-{n}"), "password": "x"});
        assert_eq!(browser.post("/sign-in/password", &typed).status, 422);
    }
    let typed = json!({"challenge": begun["challenge"], "username": user["username"], "password": user["password"]});
    assert_eq!(browser.post("/sign-in/password", &typed).status, 410);
}

#[test]
fn a_sign_in_takes_five_wrong_signatures_and_a_name_is_no_control_character() {
    let demo = Demo::start();
    let journey = Journey::begin(&demo, 0);
    let (mut browser, mut other) = (Browser::new(&demo), Browser::new(&demo));
    let begun = browser.post("/sign-in", &json!({})).json();
    let elsewhere = other.post("/sign-in", &json!({})).json();
    let mut statuses = Vec::new();
    for _ in 0..6 {
        // The right passkey, over what another browser was asked.
        let credential = journey.passkey.assert(&elsewhere["passkey_options"]);
        let body = json!({"challenge": begun["challenge"], "credential": credential});
        statuses.push(browser.post("/sign-in/passkey", &body).status);
    }
    assert_eq!(statuses, [422, 422, 422, 422, 422, 410]);
    for username in ["a\u{0}b", &"n".repeat(300)] {
        assert_eq!(guess(&mut Browser::new(&demo), username, "not it").json()["code"], "not-accepted", "{username:?}");
    }
}
