//! R4 over the real binary: one command cuts what came out of a login, everywhere, and nothing else.

use super::{browser::Browser, second_application::Stock};
use serde_json::json;
use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::TcpStream,
};

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

/// `lineage` of an access token.
fn lineage(token: &str) -> String {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
    let claims: serde_json::Value = serde_json::from_slice(&claims).unwrap();
    claims["lineage"].as_str().unwrap().to_owned()
}

#[test]
fn containing_a_login_cuts_what_came_out_of_it_and_nothing_older() {
    let stock = Stock::set_up();
    let mut application = stock.application();
    // Sam's own passkey, and a session of theirs on a device of their own.
    let mut own = Browser::new(&stock.at);
    let (_, old_passkey) = own.accept(&stock.link);
    let own_token = stock.sign_in(&mut application, &mut own, &old_passkey);

    // Another sign-in, in which a second passkey is planted, and a later one made with that.
    let mut thief = Browser::new(&stock.at);
    let stolen = stock.sign_in(&mut application, &mut thief, &old_passkey);
    // The enrolment of a further passkey is confirmed by its own step-up where policy asks for one.
    let offered = thief.post("/me/passkey/options", &json!({}));
    let planted = (offered.status == 200).then(|| thief.enrol().1);
    let confirmed = stock.confirm(&mut application, &mut thief, &old_passkey, &stolen);
    let later = planted.as_ref().map(|passkey| {
        let mut browser = Browser::new(&stock.at);
        let token = stock.sign_in(&mut application, &mut browser, passkey);
        (browser, token)
    });
    assert_eq!(stock.evaluate(&stolen, "stock.read", None)["decision"], true);

    let cut = stock.at.command(&["contain", "--login", &lineage(&stolen)]);
    let logins: Vec<String> =
        cut["logins"].as_array().unwrap().iter().map(|id| id.as_str().unwrap().to_owned()).collect();
    assert_eq!(logins[0], lineage(&stolen));

    // Its token, its approval, its session: refused.
    assert_eq!(stock.evaluate(&stolen, "stock.read", None)["decision"], false);
    let redeemed = stock.at.ask("/v1/redeem", &stock.key, &Stock::redemption(&application, &confirmed));
    assert!(redeemed.status >= 400 && !redeemed.body.contains("\"spent\""), "{redeemed:?}");
    assert_eq!(thief.post("/me", &json!({})).status, 401);
    if let (Some(planted), Some((mut browser, token))) = (planted, later) {
        assert!(logins.contains(&lineage(&token)), "{cut}");
        assert_eq!(cut["authenticators"].as_array().unwrap().len(), 1, "{cut}");
        assert_eq!(stock.evaluate(&token, "stock.read", None)["decision"], false);
        assert_eq!(browser.post("/me", &json!({})).status, 401);
        let mut again = Browser::new(&stock.at);
        let begun = again.post("/sign-in", &json!({"to": "/me"})).json();
        assert_eq!(again.answer(&begun, &planted).status, 422, "a planted passkey signs nobody in");
    }

    // Guards hear of each, in the order of commits.
    let heard = revocations(&stock);
    let fed: Vec<&String> = heard.iter().filter(|(kind, _)| kind == "login").map(|(_, id)| id).collect();
    assert_eq!(fed, logins.iter().collect::<Vec<_>>());

    // What is older goes on.
    assert_eq!(stock.evaluate(&own_token, "stock.read", None)["decision"], true);
    assert_eq!(own.post("/me", &json!({})).status, 200);
    Browser::new(&stock.at).sign_in(&old_passkey);
    let again = stock.at.command(&["contain", "--login", &lineage(&stolen)]);
    assert_eq!(again["logins"], json!([]), "all of it was cut before");
}
