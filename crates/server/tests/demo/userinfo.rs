//! Who is told about a person: the client that signed them in, and nobody with another kind of token.

use crate::{
    application::Application,
    harness::{Demo, Reply},
    journey::{Journey, payout},
};
use serde_json::json;

fn userinfo(demo: &Demo, application: &mut Application<'_>, token: &str) -> Reply {
    let mut last = None;
    for _ in 0..2 {
        let proof = application.proof("GET", &format!("{}/oauth/userinfo", demo.issuer()), token);
        let headers = [("authorization", format!("DPoP {token}")), ("dpop", proof)];
        let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
        let reply = demo.call("GET", "/oauth/userinfo", &headers, "");
        application.remember(&reply);
        if !reply.body.contains("use_dpop_nonce") {
            return reply;
        }
        last = Some(reply);
    }
    panic!("no nonce is good enough: {last:?}")
}

#[test]
fn a_token_of_a_sign_in_tells_and_every_other_does_not() {
    let demo = Demo::start();
    let mut journey = Journey::begin(&demo, 0);
    let token = journey.token.clone();
    let told = userinfo(&demo, &mut journey.application, &token);
    assert_eq!((told.status, &told.json()["sub"]), (200, &journey.user["sub"]), "{told:?}");
    assert_eq!(told.json().get("email"), None, "{told:?}");
    // A confirmed transaction is good for that transaction.
    let (_, of_transaction) = journey.approved(payout(&demo, 1));
    let refused = userinfo(&demo, &mut journey.application, &of_transaction);
    assert_eq!((refused.status, &refused.json()["code"]), (403, &json!("forbidden")), "{refused:?}");
    // Whoever has the token without its key, as the API to which it was sent has, is told nothing.
    let mut api = Application::of(&demo, 0);
    let refused = userinfo(&demo, &mut api, &token);
    assert_eq!(refused.status, 401, "{refused:?}");
    assert!(journey.browser.post("/sign-out", &json!({})).status < 300);
    let over = userinfo(&demo, &mut journey.application, &token);
    assert_eq!(over.status, 401, "its sign-in has ended: {over:?}");
}
