//! R4 over the real binary: one command cuts what came out of a login, everywhere, and nothing else.

use super::{browser::Browser, passkey::Passkey, second_application::Stock};
use serde_json::json;
use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::TcpStream,
};

crate::on_both_engines! {
    what_codes_are_worth_on_a_device_ends_with_the_login_that_made_it_known,
}

/// What the stream of revocations says until its next heartbeat: kinds and identifiers, in order.
fn revocations(stock: &Stock) -> Vec<(String, String)> {
    let mut stream = TcpStream::connect(("127.0.0.1", stock.at.port())).unwrap();
    let request =
        format!("GET /v1/revocations HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\n\r\n", stock.key);
    stream.write_all(request.as_bytes()).unwrap();
    let mut said = Vec::new();
    for line in BufReader::new(stream).lines() {
        let line = line.unwrap();
        if line.contains("heartbeat") {
            return said;
        }
        if let Some(data) = line.strip_prefix("data:") {
            let event: serde_json::Value = serde_json::from_str(data.trim()).unwrap();
            said.push((event["kind"].as_str().unwrap().to_owned(), event["id"].as_str().unwrap().to_owned()));
        }
    }
    panic!("the stream ended: {said:?}")
}

/// A text among the claims of a token.
fn claim(token: &str, name: &str) -> String {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
    let claims: serde_json::Value = serde_json::from_slice(&claims).unwrap();
    claims[name].as_str().unwrap().to_owned()
}

fn lineage(token: &str) -> String {
    claim(token, "lineage")
}

#[test]
fn containing_a_login_cuts_what_came_out_of_it_and_nothing_older() {
    let stock = Stock::set_up();
    let mut application = stock.application();
    // Sam's own passkey, and a session of theirs on a device of their own.
    let mut own = Browser::new(&stock.at);
    let (_, old_passkey) = own.accept(&stock.link);
    let own_token = stock.sign_in(&mut application, &mut own, &old_passkey);

    // Another sign-in, and an approval in it.
    let mut thief = Browser::new(&stock.at);
    let stolen = stock.sign_in(&mut application, &mut thief, &old_passkey);
    let confirmed = stock.confirm(&mut application, &mut thief, &old_passkey, &stolen);
    assert_eq!(stock.evaluate(&stolen, "stock.read", None)["decision"], true);

    let cut = stock.at.command(&["contain", "--login", &lineage(&stolen)]);
    assert_eq!(cut["logins"], json!([lineage(&stolen)]));
    assert_eq!(cut["sessions"].as_array().unwrap().len(), 1, "{cut}");
    assert_eq!(cut["authenticators"], json!([]), "the passkey that it was made with is older");

    // Its token, its approval, its session: refused.
    assert_eq!(stock.evaluate(&stolen, "stock.read", None)["decision"], false);
    let redeemed = stock.at.ask("/v1/redeem", &stock.key, &Stock::redemption(&application, &confirmed));
    assert!(redeemed.status >= 400 && !redeemed.body.contains("\"spent\""), "{redeemed:?}");
    assert_eq!(thief.post("/me", &json!({})).status, 401);
    assert_eq!(revocations(&stock), [("login".to_owned(), lineage(&stolen))], "guards hear of it");

    // What is older goes on.
    assert_eq!(stock.evaluate(&own_token, "stock.read", None)["decision"], true);
    assert_eq!(own.post("/me", &json!({})).status, 200);
    Browser::new(&stock.at).sign_in(&old_passkey);
    let again = stock.at.command(&["contain", "--login", &lineage(&stolen)]);
    assert_eq!(again["logins"], json!([]), "all of it was cut before");

    // Two more logins, one contained by its session and one by its token: each is heard of, in the order of commits.
    let mut second = Browser::new(&stock.at);
    let second_token = stock.sign_in(&mut application, &mut second, &old_passkey);
    let own_session = own.session();
    stock.at.command(&["contain", "--session", &own_session]);
    stock.at.command(&["contain", "--token", &claim(&second_token, "jti")]);
    let heard: Vec<String> = revocations(&stock).into_iter().map(|(_, id)| id).collect();
    assert_eq!(heard, [lineage(&stolen), lineage(&own_token), lineage(&second_token)]);

    // Contained itself, a passkey takes every login with it that was made with it.
    let mut third = Browser::new(&stock.at);
    third.sign_in(&old_passkey);
    let me = third.post("/me", &json!({})).json();
    let cut = stock.at.command(&["contain", "--authenticator", me["authenticators"][0]["id"].as_str().unwrap()]);
    assert_eq!(cut["authenticators"].as_array().unwrap().len(), 1, "{cut}");
    assert_eq!(third.post("/me", &json!({})).status, 401);
    third.begin();
    let begun = third.post("/sign-in", &json!({"to": "/me"})).json();
    assert_eq!(third.answer(&begun, &old_passkey).status, 422);
}

#[test]
fn a_passkey_that_a_contained_login_planted_is_cut_with_everything_made_by_it() {
    let demo = crate::harness::Demo::start();
    let user = demo.ready["users"][1].clone();
    let mut relayed = crate::browser::Browser::new(&demo);
    assert_eq!(relayed.sign_in(&user).status, 200);
    let offered = relayed.post("/me/passkey/options", &json!({})).json();
    let (planted, credential) = Passkey::create(&offered["creation_options"], demo.issuer());
    let body = json!({"challenge": offered["challenge"], "credential": credential, "name": "Planted"});
    assert_eq!(relayed.post("/me/passkey", &body).status, 200);
    let answer = |browser: &mut crate::browser::Browser<'_>| {
        let begun = browser.post("/sign-in", &json!({"to": "/me"})).json();
        let credential = planted.assert(&begun["passkey_options"]);
        browser.post("/sign-in/passkey", &json!({"challenge": begun["challenge"], "credential": credential}))
    };
    let mut later = crate::browser::Browser::new(&demo);
    assert_eq!(answer(&mut later).status, 200);
    let mut other = crate::browser::Browser::new(&demo);
    assert_eq!(other.sign_in(&demo.ready["users"][0]).status, 200);

    let session = relayed.sid.clone().unwrap();
    let (done, cut) =
        crate::harness::counterfoil(&["--format", "json", "contain", "--session", &session], &demo.data());
    assert!(done, "{cut}");
    let cut: serde_json::Value = serde_json::from_str(&cut).unwrap();
    assert_eq!(
        (cut["logins"].as_array().unwrap().len(), cut["authenticators"].as_array().unwrap().len()),
        (2, 1),
        "{cut}"
    );
    for browser in [&mut relayed, &mut later] {
        assert_eq!(browser.post("/me", &json!({})).status, 401);
    }
    assert_eq!(answer(&mut crate::browser::Browser::new(&demo)).status, 422, "a planted passkey signs nobody in");
    assert_eq!(other.post("/me", &json!({})).status, 200, "nobody else is touched");
}

fn what_codes_are_worth_on_a_device_ends_with_the_login_that_made_it_known(engine: crate::harness::Engine) {
    let demo = crate::harness::Demo::start_on(engine);
    let user = demo.ready["users"][0].clone();
    let mut owner = crate::browser::Browser::new(&demo);
    assert_eq!(owner.sign_in_by(&user, &crate::browser::code_before(&user)).status, 200);
    let passkey = owner.enrol();
    let mut device = crate::browser::Browser::new(&demo);
    device.sign_in_with(&passkey);
    let made_it_known = device.sid.clone().unwrap();
    device.begin_again();
    assert_eq!(device.sign_in(&user).status, 200);
    let me = device.post("/me", &json!({})).json();
    assert_eq!((&me["session"]["binding"], &me["session"]["acr"]), (&json!("known_device"), &json!("aal2")), "{me}");

    let words = ["--format", "json", "contain", "--session", &made_it_known];
    let (done, cut) = crate::harness::counterfoil(&words, &demo.data());
    assert!(done, "{cut}");
    let cut: serde_json::Value = serde_json::from_str(&cut).unwrap();
    assert_eq!((cut["logins"].as_array().unwrap().len(), &cut["authenticators"]), (2, &json!([])), "{cut}");
    assert_eq!(device.post("/me", &json!({})).status, 401, "it relied on that device");
    assert_eq!(owner.post("/me", &json!({})).status, 200, "what is older is not touched");
    crate::browser::Browser::new(&demo).sign_in_with(&passkey);
}

#[test]
fn a_heartbeat_says_of_which_moment_it_speaks() {
    let demo = crate::harness::Demo::start();
    let key = demo.api_key();
    let before = crate::clock::now();
    let mut stream = TcpStream::connect(("127.0.0.1", demo.port())).unwrap();
    let request = demo.request("GET", "/v1/revocations", &[("authorization", &key)], "");
    stream.write_all(&request).unwrap();
    let beats = BufReader::new(stream).lines().map_while(Result::ok).filter_map(|line| {
        let data: serde_json::Value = serde_json::from_str(line.strip_prefix("data:")?.trim()).unwrap();
        data["at"].as_i64()
    });
    let beats: Vec<i64> = beats.take(2).collect();
    assert!(before.millis() <= beats[0] && beats[0] <= beats[1], "{beats:?}");
    assert!(beats[1] < crate::clock::now().plus_seconds(1).millis(), "{beats:?}");
}
