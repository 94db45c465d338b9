//! A session proof that was overheard: good for one request, one address and one body, once.

use crate::demo::Demo;
use crate::steps::{self, journey};
use crate::tab::Tab;
use serde_json::{Value, json};

/// They must fail because a proof names method, address and body hash, and its nonce is spent before anything is looked at.
#[test]
fn a_proof_serves_its_own_request_once() {
    journey(async |demo, chromium| {
        let ada = Tab::open(&chromium).await;
        steps::sign_in_to_account(&ada, demo.issuer(), &demo.ada()).await;
        let cookies = ada.cookies().await;
        let cookie = cookies.iter().find(|cookie| cookie.name.ends_with("counterfoil")).expect("a session's cookie");
        let cookie = format!("{}={}", cookie.name, cookie.value);
        let send = async |path: &str, body: &str, proof: &str| send(&demo, path, body, proof, &cookie).await;

        let proof = withheld(&ada, "/me").await;
        assert_eq!(send("/me", "{\"not_me\":true}", &proof).await, "proof-invalid", "another body");
        let proof = withheld(&ada, "/me").await;
        assert_eq!(send("/sign-out", "{}", &proof).await, "proof-invalid", "another address");
        let proof = withheld(&ada, "/me").await;
        assert_eq!(send("/me", "{}", &proof).await, "200", "its own request");
        assert_eq!(send("/me", "{}", &proof).await, "use-nonce", "once more");

        // Somebody else's cookie does not go with it either.
        let proof = withheld(&ada, "/me").await;
        let stranger = self::send(&demo, "/me", "{}", &proof, "counterfoil=AAAA").await;
        assert_eq!(stranger, "session-ended");
        assert_eq!(ada.post("/me", &json!({})).await.unwrap()["person"]["username"], "ada");
    });
}

async fn send(demo: &Demo, path: &str, body: &str, proof: &str, cookie: &str) -> String {
    let headers = [("content-type", "application/json"), ("counterfoil-proof", proof), ("cookie", cookie)];
    let reply = demo.call("POST", path, &headers, body).await;
    match reply.json()["type"].as_str() {
        Some(kind) => kind.rsplit([':', '/']).next().unwrap().to_owned(),
        None => reply.status.to_string(),
    }
}

/// The proof of a call that the page makes and that never reaches us.
async fn withheld(tab: &Tab, path: &str) -> String {
    // One call that arrives first leaves a fresh nonce for the next.
    tab.post(path, &json!({})).await.unwrap();
    let tap = "(() => { const real = window.fetch; window.fetch = async (path, options) => { \
        window.fetch = real; window.overheard = options.headers['Counterfoil-Proof']; throw new TypeError('withheld'); }; return true; })()";
    assert_eq!(tab.look(tap).await, Ok(Value::Bool(true)));
    assert_eq!(tab.post(path, &json!({})).await, Err("network".to_owned()));
    tab.until("window.overheard").await.as_str().unwrap().to_owned()
}
