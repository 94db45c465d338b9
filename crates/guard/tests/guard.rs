//! The guard over real connections: which requests it lets through, what it asks the issuer, and what it answers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test that cannot go on should stop

mod issuer;

use axum::Router;
use axum::routing::{get, put};
use counterfoil_guard::client::DpopKey;
use counterfoil_guard::{Guard, Permitted, Refusal, Resource, Spent, View, transaction_digest};
use counterfoil_oauth::access_token::AccessTokenClaims;
use counterfoil_oauth::dpop::{ProofClaims, ath, make_proof};
use http::{Method, StatusCode};
use issuer::{Api, TestIssuer, now, random};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

#[derive(Serialize)]
struct Payout {
    r#type: &'static str,
    resource: Value,
    iban: String,
}

#[derive(Deserialize)]
struct Change {
    iban: String,
}

fn account(view: &View<'_>) -> Result<Resource, Refusal> {
    Ok(Resource::new("account", view.path("id")?))
}

fn payout(view: &View<'_>) -> Result<Payout, Refusal> {
    let Change { iban } = view.json()?;
    Ok(Payout { r#type: "payout", resource: json!({"type": "account", "id": view.path("id")?}), iban })
}

fn routes(guard: &Guard) -> Router {
    let read = async |permitted: Permitted| permitted.decision_id().to_owned();
    let change = async |spent: Spent<Payout>| spent.into_value().iban;
    let fail = async |_spent: Spent<Payout>| StatusCode::CONFLICT;
    let nested = Router::new()
        .route("/accounts/{id}", get(read).layer(guard.action("balance.read", account)))
        .route("/accounts/{id}/payout", put(change).layer(guard.transaction("payout.change", payout)))
        .route("/accounts/{id}/failing", put(fail).layer(guard.transaction("payout.change", payout)));
    Router::new().nest("/v1", nested)
}

const READ: &str = "/v1/accounts/a1";
const CHANGE: &str = "/v1/accounts/a1/payout";

fn transaction() -> Value {
    json!({"type": "payout", "resource": {"type": "account", "id": "a1"}, "iban": "X1"})
}

fn permit() -> Value {
    json!({"decision": true, "context": {"outcome": "permit", "decision_id": "d1"}})
}

fn spent(claims: &AccessTokenClaims, object: &Value) -> Value {
    json!({
        "outcome": "spent", "replayed": false, "txn": claims.txn, "decision_id": "d1", "subject": claims.sub,
        "client_id": claims.client_id, "authorization_details": [object],
    })
}

async fn start() -> (std::sync::Arc<TestIssuer>, Api, DpopKey) {
    let issuer = TestIssuer::start(true).await;
    let api = Api::start(&issuer, routes).await;
    api.guard.ready().await;
    (issuer, api, DpopKey::generate().unwrap())
}

fn problem(reply: &http::Response<bytes::Bytes>) -> String {
    let body: Value = serde_json::from_slice(reply.body()).unwrap_or_default();
    body["type"].as_str().unwrap_or_default().trim_start_matches("urn:counterfoil:problem:").to_owned()
}

#[tokio::test]
async fn nothing_passes_before_the_stream_has_answered() {
    let issuer = TestIssuer::start(false).await;
    issuer.answer_evaluation(permit());
    let api = Api::start(&issuer, routes).await;
    let dpop = DpopKey::generate().unwrap();
    let token = issuer.sign(&issuer.claims(&dpop));
    let reply = api.call(&dpop, &token, &Method::GET, READ, &Value::Null).await;
    assert_eq!((reply.status(), problem(&reply).as_str()), (StatusCode::SERVICE_UNAVAILABLE, "unavailable"));
    issuer.beat();
    api.guard.ready().await;
    let reply = api.call(&dpop, &token, &Method::GET, READ, &Value::Null).await;
    assert_eq!((reply.status(), reply.body().as_ref()), (StatusCode::OK, b"d1".as_slice()));
}

#[tokio::test]
async fn tokens_that_are_not_for_this_caller_api_or_time_are_refused() {
    let (issuer, api, dpop) = start().await;
    issuer.answer_evaluation(permit());
    let stranger = DpopKey::generate().unwrap();
    let good = issuer.claims(&dpop);
    let with = |change: &dyn Fn(&mut AccessTokenClaims)| {
        let mut claims = AccessTokenClaims { jti: counterfoil_core::id::TokenId::new(now(), random()), ..good.clone() };
        change(&mut claims);
        issuer.sign(&claims)
    };
    let forged = counterfoil_oauth::access_token::issue(&issuer::key(), &good).unwrap().0;
    let sound = with(&|_| {});
    let (head, signature) = sound.rsplit_once('.').unwrap();
    let flipped = format!("{head}.{}{}", if signature.starts_with('A') { 'B' } else { 'A' }, &signature[1..]);
    for (name, token, status, kind) in [
        ("sound", sound.clone(), 200, ""),
        ("another audience", with(&|claims| claims.aud = "urn:test:other".into()), 401, "invalid-token"),
        ("over", with(&|claims| claims.exp = now().seconds() - 1), 401, "invalid-token"),
        ("from the future", with(&|claims| claims.iat = now().seconds() + 60), 401, "invalid-token"),
        ("too long a life", with(&|claims| claims.exp = now().seconds() + 3_600), 401, "invalid-token"),
        (
            "another issuer",
            with(&|claims| claims.iss = counterfoil_oauth::uri::Issuer::parse("https://evil.example").unwrap()),
            401,
            "invalid-token",
        ),
        (
            "bound to another key",
            with(&|claims| claims.cnf.jkt = stranger.jkt().parse().unwrap()),
            401,
            "invalid-token",
        ),
        ("signed by somebody else", forged, 401, "invalid-token"),
        ("another signature", flipped, 401, "invalid-token"),
        ("no JWT", "abc".into(), 401, "invalid-token"),
    ] {
        let reply = api.call(&dpop, &token, &Method::GET, READ, &Value::Null).await;
        assert_eq!((reply.status().as_u16(), problem(&reply).as_str()), (status, kind), "{name}");
    }
    assert_eq!(issuer.script.lock().unwrap().asked_evaluations.len(), 1, "only the sound one was asked about");
}

#[tokio::test]
async fn proofs_for_anything_else_are_refused() {
    let (issuer, api, dpop) = start().await;
    issuer.answer_evaluation(permit());
    let key = issuer::key();
    let jkt = counterfoil_oauth::jose::Signer::public_jwk(&key).thumbprint();
    let token = issuer.sign(&AccessTokenClaims {
        cnf: counterfoil_oauth::access_token::Confirmation { jkt },
        ..issuer.claims(&dpop)
    });
    let refused = api.send(&Method::GET, READ, &[], &Value::Null).await;
    assert_eq!(refused.headers()["www-authenticate"], r#"DPoP algs="ES256""#);
    let nonce = refused.headers()["dpop-nonce"].to_str().unwrap().to_owned();
    let authorization = format!("DPoP {token}");
    let url = format!("{}{READ}", api.url);
    let proof = |jti: &str, change: &dyn Fn(&mut ProofClaims)| {
        let mut claims = ProofClaims {
            jti: jti.into(),
            htm: "GET".into(),
            htu: url.clone(),
            iat: now().seconds(),
            ath: Some(ath(&token)),
            nonce: Some(nonce.clone()),
        };
        change(&mut claims);
        make_proof(&key, &claims).unwrap()
    };
    for (name, proof, status, kind) in [
        ("sound", proof("j1", &|_| {}), 200, ""),
        ("sound, the same again", proof("j1", &|_| {}), 401, "invalid-dpop-proof"),
        ("with a query that does not count", proof("j2", &|claims| claims.htu = format!("{url}?x=y")), 200, ""),
        ("no nonce", proof("j3", &|claims| claims.nonce = None), 401, "use-dpop-nonce"),
        ("another's nonce", proof("j4", &|claims| claims.nonce = Some("A".repeat(48))), 401, "use-dpop-nonce"),
        ("another method", proof("j5", &|claims| claims.htm = "PUT".into()), 401, "invalid-dpop-proof"),
        ("another URL", proof("j6", &|claims| claims.htu = format!("{url}/x")), 401, "invalid-dpop-proof"),
        (
            "the inner path",
            proof("j7", &|claims| claims.htu = format!("{}/accounts/a1", api.url)),
            401,
            "invalid-dpop-proof",
        ),
        ("another token", proof("j8", &|claims| claims.ath = Some(ath("other"))), 401, "invalid-dpop-proof"),
        ("no token", proof("j9", &|claims| claims.ath = None), 401, "invalid-dpop-proof"),
        ("old", proof("j10", &|claims| claims.iat -= 120), 401, "invalid-dpop-proof"),
        ("no jti", proof("", &|_| {}), 401, "invalid-dpop-proof"),
    ] {
        let headers = [("authorization", authorization.as_str()), ("dpop", proof.as_str())];
        let reply = api.send(&Method::GET, READ, &headers, &Value::Null).await;
        assert_eq!((reply.status().as_u16(), problem(&reply).as_str()), (status, kind), "{name}");
    }
    let bearer = format!("Bearer {token}");
    let proof = proof("j11", &|_| {});
    let reply = api.send(&Method::GET, READ, &[("authorization", &bearer), ("dpop", &proof)], &Value::Null).await;
    assert_eq!(problem(&reply), "invalid-token", "a bound token that comes as Bearer");
}

#[tokio::test]
async fn a_transaction_without_confirmation_is_lodged_and_challenged() {
    let (issuer, api, dpop) = start().await;
    issuer.answer_evaluation(json!({"decision": false, "context": {
        "outcome": "step_up", "decision_id": "d7", "acr_values": "phr", "max_age": 300, "reason_user": "Because.",
    }}));
    let token = issuer.sign(&issuer.claims(&dpop));
    let reply = api.call(&dpop, &token, &Method::PUT, CHANGE, &json!({"iban": "X1"})).await;
    assert_eq!(reply.status(), StatusCode::UNAUTHORIZED);
    let challenge = reply.headers()["www-authenticate"].to_str().unwrap();
    for part in
        [r#"error="insufficient_user_authentication""#, r#"acr_values="phr""#, "max_age=300", r#"decision_id="d7""#]
    {
        assert!(challenge.contains(part), "{challenge}");
    }
    let body: Value = serde_json::from_slice(reply.body()).unwrap();
    assert_eq!(body["authorization_details"], json!([transaction()]));
    let script = issuer.script.lock().unwrap();
    let asked = script.asked_evaluations.last().unwrap();
    assert_eq!(asked["context"], json!({"access_token": token, "authorization_details": [transaction()]}));
    assert_eq!(
        (&asked["action"]["name"], &asked["resource"]),
        (&json!("payout.change"), &json!({"type": "account", "id": "a1"}))
    );
}

#[tokio::test]
async fn a_confirmed_transaction_is_executed_once_with_its_own_digest() {
    let (issuer, api, dpop) = start().await;
    let claims = issuer.transaction_claims(&dpop, &transaction());
    issuer.answer_redemption(Some((200, spent(&claims, &transaction()))));
    issuer.answer_redemption(Some((409, json!({"type": "urn:counterfoil:problem:spent"}))));
    let token = issuer.sign(&claims);
    let body = json!({"iban": "X1"});
    let reply = api.call(&dpop, &token, &Method::PUT, CHANGE, &body).await;
    assert_eq!((reply.status(), reply.body().as_ref()), (StatusCode::OK, b"X1".as_slice()));
    let reply = api.call(&dpop, &token, &Method::PUT, CHANGE, &body).await;
    assert_eq!((reply.status(), problem(&reply).as_str()), (StatusCode::CONFLICT, "spent"));
    issuer.reported.subscribe().wait_for(|count| *count == 1).await.unwrap();
    let script = issuer.script.lock().unwrap();
    let [first, second] = script.asked_redemptions.as_slice() else { panic!("two questions") };
    assert_eq!(first["txn_digest"], transaction_digest(&transaction()).unwrap().to_string());
    assert_eq!(first["dpop"]["uri"], format!("{}{CHANGE}", api.url));
    assert_ne!(first["redemption_id"], second["redemption_id"]);
    assert_eq!(script.reports, [(first["redemption_id"].as_str().unwrap().to_owned(), "executed".to_owned())]);
}

#[tokio::test]
async fn a_lost_reply_is_asked_for_again_with_the_same_id() {
    let (issuer, api, dpop) = start().await;
    let claims = issuer.transaction_claims(&dpop, &transaction());
    issuer.answer_redemption(None);
    issuer.answer_redemption(Some((503, json!({}))));
    issuer.answer_redemption(Some((200, spent(&claims, &transaction()))));
    let reply = api.call(&dpop, &issuer.sign(&claims), &Method::PUT, CHANGE, &json!({"iban": "X1"})).await;
    assert_eq!(reply.status(), StatusCode::OK);
    let script = issuer.script.lock().unwrap();
    assert_eq!(script.asked_redemptions.len(), 3);
    assert!(script.asked_redemptions.iter().all(|asked| *asked == script.asked_redemptions[0]), "the same question");
}

#[tokio::test]
async fn a_handler_that_fails_is_reported_as_failed() {
    let (issuer, api, dpop) = start().await;
    let claims = issuer.transaction_claims(&dpop, &transaction());
    issuer.answer_redemption(Some((200, spent(&claims, &transaction()))));
    let path = "/v1/accounts/a1/failing";
    let reply = api.call(&dpop, &issuer.sign(&claims), &Method::PUT, path, &json!({"iban": "X1"})).await;
    assert_eq!(reply.status(), StatusCode::CONFLICT);
    issuer.reported.subscribe().wait_for(|count| *count == 1).await.unwrap();
    assert_eq!(issuer.script.lock().unwrap().reports[0].1, "failed");
}

#[tokio::test]
async fn an_answer_about_another_transaction_executes_nothing() {
    let (issuer, api, dpop) = start().await;
    let claims = issuer.transaction_claims(&dpop, &transaction());
    let mut other = transaction();
    other["iban"] = "X2".into();
    issuer.answer_redemption(Some((200, spent(&claims, &other))));
    let reply = api.call(&dpop, &issuer.sign(&claims), &Method::PUT, CHANGE, &json!({"iban": "X1"})).await;
    assert_eq!((reply.status(), problem(&reply).as_str()), (StatusCode::INTERNAL_SERVER_ERROR, "internal"));
    assert!(issuer.script.lock().unwrap().reports.is_empty());
}

#[tokio::test]
async fn a_transactions_token_opens_nothing_else_and_a_permit_spends_nothing() {
    let (issuer, api, dpop) = start().await;
    issuer.answer_evaluation(permit());
    let claims = issuer.transaction_claims(&dpop, &transaction());
    let reply = api.call(&dpop, &issuer.sign(&claims), &Method::GET, READ, &Value::Null).await;
    assert_eq!(problem(&reply), "invalid-token", "a transaction's token on another route");
    let reply =
        api.call(&dpop, &issuer.sign(&issuer.claims(&dpop)), &Method::PUT, CHANGE, &json!({"iban": "X1"})).await;
    assert_eq!(problem(&reply), "internal", "a permit is no confirmation");
}

#[tokio::test]
async fn bodies_that_two_readers_could_read_differently_are_refused() {
    let (issuer, api, dpop) = start().await;
    let token = issuer.sign(&issuer.claims(&dpop));
    for (body, status) in [
        (r#"{"iban":"X1","iban":"X2"}"#.to_owned(), 400),
        (r#"{"iban":1}"#.to_owned(), 400),
        ("".to_owned(), 400),
        (r#"{"iban":"\ud800"}"#.to_owned(), 400),
        (format!(r#"{{"iban":"{}"}}"#, "x".repeat(70_000)), 413),
    ] {
        let reply = call_raw(&api, &dpop, &token, &body).await;
        assert_eq!(reply.status().as_u16(), status, "{:.40}", body);
    }
    assert!(issuer.script.lock().unwrap().asked_evaluations.is_empty());
}

async fn call_raw(api: &Api, dpop: &DpopKey, token: &str, body: &str) -> http::Response<bytes::Bytes> {
    loop {
        let proof = dpop.proof("PUT", &format!("{}{CHANGE}", api.url), Some(token)).unwrap();
        let authorization = format!("DPoP {token}");
        let reply =
            api.send_text(&Method::PUT, CHANGE, &[("authorization", &authorization), ("dpop", &proof)], body).await;
        if !dpop.learn(reply.status(), reply.headers(), reply.body()) {
            return reply;
        }
    }
}

#[tokio::test]
async fn what_the_stream_revokes_is_refused() {
    let (issuer, api, dpop) = start().await;
    issuer.answer_evaluation(permit());
    let (mine, other) = (issuer.claims(&dpop), issuer.claims(&dpop));
    let (token, kept) = (issuer.sign(&mine), issuer.sign(&other));
    assert_eq!(api.call(&dpop, &token, &Method::GET, READ, &Value::Null).await.status(), StatusCode::OK);
    issuer.revoke("login", &mine.lineage.unwrap().to_string());
    // The stream is another connection: what was sent first may be heard after what is asked now, so ask until it is heard.
    let mut reply = api.call(&dpop, &token, &Method::GET, READ, &Value::Null).await;
    while reply.status() == StatusCode::OK {
        reply = api.call(&dpop, &token, &Method::GET, READ, &Value::Null).await;
    }
    assert_eq!(problem(&reply), "invalid-token");
    assert_eq!(api.call(&dpop, &kept, &Method::GET, READ, &Value::Null).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_revoked_key_brings_the_new_ones_and_an_unknown_one_does_not_bring_them_each_time() {
    let (issuer, api, dpop) = start().await;
    issuer.answer_evaluation(permit());
    let old = issuer.sign(&issuer.claims(&dpop));
    assert_eq!(api.call(&dpop, &old, &Method::GET, READ, &Value::Null).await.status(), StatusCode::OK);
    issuer.rotate_key();
    let token = issuer.sign(&issuer.claims(&dpop));
    for _ in 0..3 {
        let reply = api.call(&dpop, &token, &Method::GET, READ, &Value::Null).await;
        assert_eq!(problem(&reply), "invalid-token", "keys were fetched less than ten seconds ago");
    }
    assert_eq!(issuer.script.lock().unwrap().key_fetches, 1);
    issuer.revoke("key", "some-kid");
    let mut reply = api.call(&dpop, &token, &Method::GET, READ, &Value::Null).await;
    while reply.status() != StatusCode::OK {
        reply = api.call(&dpop, &token, &Method::GET, READ, &Value::Null).await;
    }
    assert_eq!(issuer.script.lock().unwrap().key_fetches, 2);
    let reply = api.call(&dpop, &old, &Method::GET, READ, &Value::Null).await;
    assert_eq!(problem(&reply), "invalid-token", "it was remembered, and its key is gone");
    issuer.revoke("key", "another-kid");
    let verified_anew = async {
        while issuer.script.lock().unwrap().key_fetches < 3
            || api.call(&dpop, &token, &Method::GET, READ, &Value::Null).await.status() != StatusCode::OK
        {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), verified_anew).await.expect("its own key still stands");
}

#[tokio::test]
async fn a_request_whose_last_byte_comes_after_its_key_was_revoked_is_refused() {
    let (issuer, api, dpop) = start().await;
    issuer.answer_evaluation(permit());
    let token = issuer.sign(&issuer.claims(&dpop));
    assert_eq!(api.call(&dpop, &token, &Method::GET, READ, &Value::Null).await.status(), StatusCode::OK);
    let (body, proof) = (r#"{"iban":"X1"}"#, dpop.proof("PUT", &format!("{}{CHANGE}", api.url), Some(&token)).unwrap());
    let (host, (early, late)) = (api.url.trim_start_matches("http://"), body.split_at(3));
    let mut slow = TcpStream::connect(("127.0.0.1", host.rsplit(':').next().unwrap().parse().unwrap())).await.unwrap();
    let head = format!(
        "PUT {CHANGE} HTTP/1.1\r\nhost: {host}\r\nauthorization: DPoP {token}\r\ndpop: {proof}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\nexpect: 100-continue\r\n\r\n",
        body.len()
    );
    slow.write_all(head.as_bytes()).await.unwrap();
    // The headers were good: the guard asks for the body.
    let mut answer = vec![0; 25];
    slow.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer, b"HTTP/1.1 100 Continue\r\n\r\n");
    slow.write_all(early.as_bytes()).await.unwrap();
    issuer.rotate_key();
    issuer.revoke("key", "some-kid");
    while api.call(&dpop, &token, &Method::GET, READ, &Value::Null).await.status() == StatusCode::OK {}
    slow.write_all(late.as_bytes()).await.unwrap();
    let mut answer = String::new();
    slow.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 401 ") && answer.contains("since the token was verified"), "{answer}");
    let asked = &issuer.script.lock().unwrap().asked_evaluations;
    assert!(asked.iter().all(|asked| asked["action"]["name"] == "balance.read"), "nothing was lodged for it");
}
