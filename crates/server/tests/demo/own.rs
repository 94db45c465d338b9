//! One's own passkeys: added, confirmed, removed, disowned; each once, and by nobody else.

use crate::{
    browser::{Browser, code_before},
    harness::{Demo, Reply, counterfoil},
    passkey::Passkey,
};
use serde_json::{Value, json};

/// A first passkey of the person who is signed in here, and what the page is told of it.
fn first_passkey(demo: &Demo, browser: &mut Browser<'_>, attest: bool) -> (Passkey, Value) {
    let options = browser.post("/me/passkey/options", &json!({}));
    assert_eq!(options.status, 200, "{options:?}");
    make(demo, browser, &options.json(), attest)
}

fn make(demo: &Demo, browser: &mut Browser<'_>, options: &Value, attest: bool) -> (Passkey, Value) {
    let (passkey, credential) = Passkey::create(&options["creation_options"], demo.issuer(), attest);
    let added = json!({"challenge": options["challenge"], "credential": credential, "name": "First"});
    let added = browser.post("/me/passkey", &added);
    assert_eq!(added.status, 200, "{added:?}");
    (passkey, added.json())
}

/// Where a refusal leads on to.
fn next(reply: &Reply) -> String {
    assert_eq!((reply.status, &reply.json()["code"]), (403, &json!("step-up-required")), "{reply:?}");
    reply.json()["next"].as_str().unwrap().to_owned()
}

/// Confirms what this step-up page shows. The reply, and the page's address.
fn confirm(browser: &mut Browser<'_>, page: &str, passkey: &Passkey) -> Reply {
    let shown = browser.post(page, &json!({}));
    assert_eq!((shown.status, &shown.json()["state"]), (200, &json!("open")), "{shown:?}");
    let credential = passkey.assert(&shown.json()["passkey_options"]);
    browser.post(&format!("{page}/passkey"), &json!({"credential": credential}))
}

/// What a confirmed page leads to says what was confirmed.
fn confirmed(reply: &Reply) -> String {
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.json()["next"].as_str().unwrap().split_once("confirmed=").unwrap().1.to_owned()
}

/// A further passkey, by this one's word.
fn further_passkey(demo: &Demo, browser: &mut Browser<'_>, older: &Passkey) -> (Passkey, Value) {
    let lodged = browser.post("/me/passkey/options", &json!({"name": "Second"}));
    let page = next(&lodged);
    let txn = confirmed(&confirm(browser, &page, older));
    let options = browser.post("/me/passkey/options", &json!({"confirmed": txn}));
    assert_eq!(options.status, 200, "{options:?}");
    make(demo, browser, &options.json(), false)
}

fn sign_in_with(browser: &mut Browser<'_>, passkey: &Passkey) -> Reply {
    let begun = browser.post("/sign-in", &json!({"to": "/me"})).json();
    let credential = passkey.assert(&begun["passkey_options"]);
    browser.post("/sign-in/passkey", &json!({"challenge": begun["challenge"], "credential": credential}))
}

fn passkeys(browser: &mut Browser<'_>) -> Vec<Value> {
    let me = browser.post("/me", &json!({})).json();
    let all = me["authenticators"].as_array().unwrap_or_else(|| panic!("{me}")).iter();
    all.filter(|one| one["method"] == "passkey").cloned().collect()
}

#[test]
fn a_further_passkey_is_confirmed_by_the_present_one_and_made_once() {
    let mut demo = Demo::start();
    {
        let mut browser = Browser::new(&demo);
        browser.sign_in(&demo.ready["users"][0].clone());
        let (first, added) = first_passkey(&demo, &mut browser, false);
        assert_eq!(added["authenticator"]["ceiling"], "phr", "the demo's invitation: {added}");

        let asked = browser.post("/me/passkey/options", &json!({})).json();
        assert_eq!(asked["name_first"], true, "{asked}");
        let linked = browser.post("/me/passkey/options", &json!({"name": "evil.example/x"}));
        assert_eq!((linked.status, &linked.json()["pointer"]), (400, &json!("/name")), "{linked:?}");
        let lodged = browser.post("/me/passkey/options", &json!({"name": "Second", "to": "/me#passkeys"}));
        let page = next(&lodged);
        let shown = browser.post(&page, &json!({})).json();
        assert!(shown["rows"].as_array().unwrap().iter().any(|row| row["value"] == "Second"), "{shown}");
        // Nothing is done before it is confirmed.
        let txn = page.rsplit('/').next().unwrap().to_owned();
        let early = browser.post("/me/passkey/options", &json!({"confirmed": txn}));
        assert_eq!(early.status, 410, "{early:?}");

        assert_eq!(confirmed(&confirm(&mut browser, &page, &first)), txn);
        let options = browser.post("/me/passkey/options", &json!({"confirmed": txn})).json();
        let again = browser.post("/me/passkey/options", &json!({"confirmed": txn})).json();
        assert_eq!(options["challenge"], again["challenge"], "one confirmation, one ceremony");
        assert_eq!(options["name"], "Second");
        let (_, added) = make(&demo, &mut browser, &options, false);
        assert_eq!(
            (&added["authenticator"]["ceiling"], &added["authenticator"]["name"]),
            (&json!("phr"), &json!("Second"))
        );
        let late = browser.post("/me/passkey/options", &json!({"confirmed": txn}));
        assert_eq!(late.status, 410, "{late:?}");
        assert_eq!(passkeys(&mut browser).len(), 2);
        // A ceremony's challenge is none of the step-up page's.
        let ceremony = options["challenge"].as_str().unwrap();
        assert_eq!(browser.post(&format!("/step-up/{ceremony}"), &json!({})).status, 404);
    }
    demo.stop();
    let (holds, text) = counterfoil(&["--format", "json", "audit", "verify", "--decide-again"], &demo.data());
    assert!(holds, "{text}");
}

#[test]
fn of_64_executions_of_one_confirmed_removal_one_removes() {
    let mut demo = Demo::start();
    {
        let mut browser = Browser::new(&demo);
        browser.sign_in(&demo.ready["users"][0].clone());
        let (first, _) = first_passkey(&demo, &mut browser, false);
        let alone = passkeys(&mut browser);
        assert_eq!(alone[0]["removable"], false, "the last one that confirms: {alone:?}");
        let refused =
            browser.post(&format!("/me/authenticators/{}/remove", alone[0]["id"].as_str().unwrap()), &json!({}));
        assert_eq!((refused.status, &refused.json()["why"]), (409, &json!("last_to_confirm")), "{refused:?}");

        let (second, _) = further_passkey(&demo, &mut browser, &first);
        let mut elsewhere = Browser::new(&demo);
        assert_eq!(sign_in_with(&mut elsewhere, &first).status, 200);
        assert_eq!(elsewhere.post("/me", &json!({})).status, 200);

        let id = alone[0]["id"].as_str().unwrap();
        let page = next(&browser.post(&format!("/me/authenticators/{id}/remove"), &json!({})));
        let txn = confirmed(&confirm(&mut browser, &page, &second));
        let path = format!("/me/confirmed/{txn}");
        // Nobody else's session does it.
        assert_eq!(elsewhere.post(&path, &json!({})).status, 409, "another session");
        let proofs: Vec<String> = (0..64).map(|_| browser.proof_for_later(&path, "{}")).collect();
        let replies: Vec<Reply> = std::thread::scope(|scope| {
            let send = |proof: &String| browser.send_once(&path, "{}", proof);
            let threads: Vec<_> = proofs.iter().map(|proof| scope.spawn(move || send(proof))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(replies.iter().all(|reply| reply.status == 200), "{replies:?}");
        let first_time = replies.iter().filter(|reply| reply.json()["replayed"] == false).count();
        assert_eq!(first_time, 1, "{replies:?}");
        assert_eq!(browser.post(&path, &json!({})).json()["replayed"], true);
        assert_eq!(passkeys(&mut browser).len(), 1, "none of the 63 has left behind what it read before");
        assert_eq!(elsewhere.post("/me", &json!({})).status, 401, "what was signed in with it has ended");
        assert_eq!(sign_in_with(&mut Browser::new(&demo), &first).status, 422, "it proves nothing any more");
    }
    demo.stop();
    let (holds, text) = counterfoil(&["--format", "json", "audit", "verify", "--decide-again"], &demo.data());
    assert!(holds, "{text}");
}

#[test]
fn what_relied_on_a_device_ends_with_the_passkey_that_made_it_known() {
    let demo = Demo::start();
    let user = demo.ready["users"][0].clone();
    let mut owner = Browser::new(&demo);
    assert_eq!(owner.sign_in_by(&user, &code_before(&user)).status, 200);
    let (first, added) = first_passkey(&demo, &mut owner, false);
    let (second, _) = further_passkey(&demo, &mut owner, &first);
    // With the first one on that device, and later with codes alone.
    let mut device = Browser::new(&demo);
    device.sign_in_with(&first);
    device.begin_again();
    assert_eq!(device.sign_in(&user).status, 200);
    assert_eq!(device.post("/me", &json!({})).json()["session"]["binding"], "known_device");
    let mut elsewhere = Browser::new(&demo);
    elsewhere.sign_in_with(&second);

    let id = added["authenticator"]["id"].as_str().unwrap();
    let page = next(&owner.post(&format!("/me/authenticators/{id}/remove"), &json!({})));
    let txn = confirmed(&confirm(&mut owner, &page, &second));
    assert_eq!(owner.post(&format!("/me/confirmed/{txn}"), &json!({})).status, 200);
    assert_eq!(device.post("/me", &json!({})).status, 401, "it relied on the device of the first");
    for (whose, browser) in [("the one that removed it", &mut owner), ("the second's", &mut elsewhere)] {
        assert_eq!(browser.post("/me", &json!({})).status, 200, "{whose}");
    }
}

#[test]
fn codes_bind_one_passkey_that_rests_and_its_owner_can_disown_it() {
    let demo = Demo::start();
    let user = demo.ready["users"][1].clone();
    let mut thief = Browser::new(&demo);
    assert_eq!(thief.sign_in_by(&user, &code_before(&user)).status, 200);
    let (planted, added) = first_passkey(&demo, &mut thief, true);
    let shown = &added["authenticator"];
    assert_eq!((&shown["ceiling"], &shown["rises_to"]), (&json!("aal2"), &json!("phr")), "{added}");
    assert_eq!(added["told"], 1, "{added}");
    // There is no second first one, and what rests vouches for nothing, not for itself either.
    assert_eq!(thief.post("/me/passkey/options", &json!({})).json()["name_first"], true);
    let denied = thief.post("/me/passkey/options", &json!({"name": "Another"}));
    assert_eq!((denied.status, &denied.json()["code"]), (403, &json!("denied")), "{denied:?}");
    let id = shown["id"].as_str().unwrap().to_owned();
    let refused = thief.post(&format!("/me/authenticators/{id}/vouch"), &json!({}));
    assert_eq!((refused.status, &refused.json()["why"]), (409, &json!("not_older")), "{refused:?}");
    assert_eq!(sign_in_with(&mut Browser::new(&demo), &planted).status, 200, "it signs in");

    let mut owner = Browser::new(&demo);
    assert_eq!(owner.sign_in(&user).status, 200);
    assert_eq!(passkeys(&mut owner)[0]["disownable"], true);
    let done = owner.post(&format!("/me/authenticators/{id}/disown"), &json!({}));
    assert_eq!(done.status, 200, "{done:?}");
    let left = passkeys(&mut owner);
    assert_eq!((&left[0]["state"], &left[0]["why"]), (&json!("disabled"), &json!("disowned")), "{left:?}");
    assert!(left[0].get("rises_at").is_none(), "{left:?}");
    assert_eq!(thief.post("/me", &json!({})).status, 401, "the sign-in that added it is cut");
    assert_eq!(sign_in_with(&mut Browser::new(&demo), &planted).status, 422);
    // The thief has not kept her from a first one of her own, which rests anew.
    let (_, own) = first_passkey(&demo, &mut owner, false);
    assert_eq!(own["authenticator"]["ceiling"], "aal2", "{own}");
    // A strong one cannot be disowned, nor one twice.
    let again = owner.post(&format!("/me/authenticators/{id}/disown"), &json!({}));
    assert_eq!(again.status, 404, "{again:?}");
}

#[test]
fn a_session_that_showed_codes_cuts_nothing_that_confirms() {
    let demo = Demo::start();
    let user = demo.ready["users"][0].clone();
    let mut owner = Browser::new(&demo);
    assert_eq!(owner.sign_in_by(&user, &code_before(&user)).status, 200);
    let (passkey, _) = first_passkey(&demo, &mut owner, false);
    let mut thief = Browser::new(&demo);
    assert_eq!(thief.sign_in(&user).status, 200);
    let me = thief.post("/me", &json!({})).json();
    let others = me["sessions"].as_array().unwrap().iter().find(|session| session["current"] == false).unwrap();
    let path = format!("/me/sessions/{}/end", others["id"].as_str().unwrap());
    let refused = thief.post(&path, &json!({"not_me": true}));
    assert_eq!((refused.status, &refused.json()["code"]), (403, &json!("step-up-required")), "{refused:?}");
    let id = passkeys(&mut thief)[0]["id"].as_str().unwrap().to_owned();
    let refused = thief.post(&format!("/me/authenticators/{id}/disown"), &json!({}));
    assert_eq!((refused.status, &refused.json()["why"]), (409, &json!("not_resting")), "{refused:?}");
    assert_eq!(owner.post("/me", &json!({})).status, 200);
    // Whoever holds what confirms may cut the thief.
    let mut strong = Browser::new(&demo);
    assert_eq!(sign_in_with(&mut strong, &passkey).status, 200);
    let path = format!("/me/sessions/{}/end", thief.sid.clone().unwrap());
    assert_eq!(strong.post(&path, &json!({"not_me": true})).status, 200);
    assert_eq!(thief.post("/me", &json!({})).status, 401);
}

#[test]
fn what_a_decision_asks_of_a_signed_in_person_no_password_answers() {
    let demo = Demo::start();
    let (user, other) = (demo.ready["users"][0].clone(), demo.ready["users"][1].clone());
    let mut owner = Browser::new(&demo);
    assert_eq!(owner.sign_in_by(&user, &code_before(&user)).status, 200);
    let (passkey, _) = first_passkey(&demo, &mut owner, false);
    let mut weak = Browser::new(&demo);
    assert_eq!(weak.sign_in(&user).status, 200);
    let path = format!("/me/sessions/{}/end", owner.sid.clone().unwrap());
    let next = next(&weak.post(&path, &json!({"not_me": true})));
    let (_, challenge) = next.split_once("challenge=").unwrap();
    for typed in [&other, &user] {
        let typed = json!({"challenge": challenge, "username": typed["username"], "password": typed["password"]});
        let reply = weak.post("/sign-in/password", &typed);
        assert_eq!((reply.status, &reply.json()["code"]), (422, &json!("not-accepted")), "{reply:?}");
    }
    assert_eq!(weak.post("/me", &json!({})).json()["person"]["username"], user["username"]);
    // Its own answer leads back, and then it may.
    let asked = weak.post("/sign-in", &json!({"challenge": challenge})).json();
    let credential = passkey.assert(&asked["passkey_options"]);
    let done = weak.post("/sign-in/passkey", &json!({"challenge": challenge, "credential": credential}));
    assert_eq!(done.json(), json!({"next": "/me"}), "{done:?}");
    // It may, but for the one passkey that confirms, which would be cut with the sign-in that added it.
    let refused = weak.post(&path, &json!({"not_me": true}));
    assert_eq!((refused.status, &refused.json()["why"]), (409, &json!("last_to_confirm")), "{refused:?}");
    assert_eq!(owner.post("/me", &json!({})).status, 200, "nothing was cut");
    assert_eq!(weak.post("/me", &json!({})).json()["session"]["acr"], "phr");
    assert_eq!(weak.post(&path, &json!({"not_me": false})).status, 200);
    assert_eq!(owner.post("/me", &json!({})).status, 401);
}

#[test]
fn nothing_of_somebody_elses_account_is_there() {
    let demo = Demo::start();
    let (ada, other) = (demo.ready["users"][0].clone(), demo.ready["users"][1].clone());
    let (mut hers, mut theirs) = (Browser::new(&demo), Browser::new(&demo));
    hers.sign_in(&ada);
    theirs.sign_in(&other);
    let (passkey, added) = first_passkey(&demo, &mut hers, false);
    let id = added["authenticator"]["id"].as_str().unwrap().to_owned();
    for wish in ["remove", "vouch", "disown"] {
        let reply = theirs.post(&format!("/me/authenticators/{id}/{wish}"), &json!({}));
        assert_eq!(reply.status, 404, "{wish}: {reply:?}");
    }
    let session = hers.sid.clone().unwrap();
    let reply = theirs.post(&format!("/me/sessions/{session}/end"), &json!({"not_me": true}));
    assert_eq!(reply.status, 404, "{reply:?}");
    let page = next(&hers.post("/me/passkey/options", &json!({"name": "Second"})));
    assert_eq!(theirs.post(&page, &json!({})).status, 409, "another device");
    let txn = confirmed(&confirm(&mut hers, &page, &passkey));
    assert_eq!(theirs.post(&format!("/me/confirmed/{txn}"), &json!({})).status, 409);
    assert_eq!(
        theirs.post("/me/passkey/options", &json!({"name": "Mine", "confirmed": txn})).status,
        200,
        "a first one"
    );
    // What was confirmed as an enrolment is carried out as nothing else.
    assert_eq!(hers.post(&format!("/me/confirmed/{txn}"), &json!({})).status, 404);
    assert_eq!(passkeys(&mut hers).len(), 1);
}

#[test]
fn one_passkey_in_two_places_at_once_signs_in_twice_and_a_copy_that_lags_does_not() {
    let demo = Demo::start();
    let user = demo.ready["users"][0].clone();
    let mut browser = Browser::new(&demo);
    browser.sign_in(&user);
    let (passkey, _) = first_passkey(&demo, &mut browser, false);
    let mut places: Vec<Browser<'_>> = (0..4).map(|_| Browser::new(&demo)).collect();
    let asked: Vec<(Value, Value)> = places
        .iter_mut()
        .map(|place| {
            let begun = place.post("/sign-in", &json!({})).json();
            let credential = passkey.assert(&begun["passkey_options"]);
            (begun["challenge"].clone(), credential)
        })
        .collect();
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let threads: Vec<_> = places
            .iter_mut()
            .zip(&asked)
            .take(2)
            .map(|(place, (challenge, credential))| {
                let body = json!({"challenge": challenge, "credential": credential});
                scope.spawn(move || place.post("/sign-in/passkey", &body).status)
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(statuses, [200, 200]);
    // From now on it counts, and a copy that was made before counts behind it.
    passkey.counter.set(7);
    assert_eq!(sign_in_with(&mut places[2], &passkey).status, 200);
    passkey.counter.set(5);
    assert_eq!(sign_in_with(&mut places[3], &passkey).status, 422);
    passkey.counter.set(20);
    assert_eq!(sign_in_with(&mut places[3], &passkey).status, 200, "the owner's own goes on");
}
