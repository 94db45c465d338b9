//! Bad input at every door: the standard's own error, and nothing changed.

use crate::{
    browser::Browser,
    harness::{Demo, Reply, read},
};
use counterfoil_core::limits;
use serde_json::{Value, json};
use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    path::PathBuf,
    time::Duration,
};

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
const JSON: (&str, &str) = ("content-type", "application/json");

/// Also in the place of an identifier, and whoever asks.
#[test]
fn a_name_that_is_no_text_is_the_name_of_nothing() {
    let demo = Demo::start();
    let document = demo.call("GET", "/openapi.json", &[], "").json();
    let mut tried = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        let Some((before, after)) = path.split_once('{') else { continue };
        let address = format!("{before}%ff{}", after.split_once('}').unwrap().1);
        for method in item.as_object().unwrap().keys() {
            let reply = demo.call(&method.to_uppercase(), &address, &[("authorization", &demo.api_key()), JSON], "{}");
            // A page is the same shell under any name.
            let page = method == "get" && !address.starts_with("/assets");
            assert_eq!(reply.status, if page { 200 } else { 404 }, "{method} {address}: {reply:?}");
            tried += 1;
        }
    }
    assert!(tried > 10, "{tried}");
}

#[test]
fn a_list_is_no_object_at_any_depth() {
    let demo = Demo::start();
    let mut browser = Browser::new(&demo);
    let id = "01a2010a-51fe-7e1f-9893-d6b45adab2c5";
    let key = demo.api_key();
    let api = |path: &str, body: &Value| demo.call("POST", path, &[("authorization", &key), JSON], &body.to_string());
    let proof = |dpop: Value| json!({"access_token": "x.y.z", "dpop": dpop, "txn_digest": "A".repeat(43), "redemption_id": "0123456789abcdef"});
    let (object, list) = (
        json!({"proof": "x", "method": "PUT", "uri": "https://a.example/"}),
        json!(["x", "PUT", "https://a.example/"]),
    );
    let question = |dpop: &Value, subject: Value| {
        json!({
            "subject": subject, "action": {"name": "balance.read"}, "resource": {"type": "account", "id": "1"},
            "context": {"access_token": "x.y.z", "dpop": dpop},
        })
    };
    let subject = json!({"type": "user", "id": "nobody"});
    let credential =
        |response: Value| json!({"id": "AQID", "rawId": "AQID", "type": "public-key", "response": response});
    let begun = browser.post("/sign-in", &json!({})).json();
    let sign_in = |response: Value| json!({"challenge": begun["challenge"], "credential": credential(response)});
    let response = json!({"clientDataJSON": "AQ", "authenticatorData": "AQ", "signature": "AQ"});
    for (what, read, refused) in [
        ("redeem", api("/v1/redeem", &proof(object.clone())), api("/v1/redeem", &proof(list.clone()))),
        (
            "evaluation's proof",
            api("/access/v1/evaluation", &question(&object, subject.clone())),
            api("/access/v1/evaluation", &question(&list, subject.clone())),
        ),
        (
            "evaluation's subject",
            api("/access/v1/evaluation", &question(&object, subject.clone())),
            api("/access/v1/evaluation", &question(&object, json!(["user", "nobody"]))),
        ),
    ] {
        assert_ne!(read.json()["code"], "invalid-request", "{what}: {read:?}");
        assert_eq!((refused.status, &refused.json()["code"]), (400, &json!("invalid-request")), "{what}: {refused:?}");
    }
    let read = browser.post("/sign-in/passkey", &sign_in(response));
    assert_eq!(read.status, 422, "{read:?}");
    let refused = browser.post("/sign-in/passkey", &sign_in(json!(["AQ", "AQ", "AQ"])));
    assert!(matches!(refused.status, 400 | 422), "{id}: {refused:?}");
}

/// The big list of naughty strings; says so where it is absent.
fn naughty() -> Option<Vec<String>> {
    let vectors = std::env::var_os("COUNTERFOIL_VECTORS")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/vectors")), PathBuf::from);
    match std::fs::read_to_string(vectors.join("blns").join("blns.json")) {
        Ok(text) => Some(serde_json::from_str(&text).unwrap()),
        Err(_) => {
            println!("skipped: blns absent");
            None
        }
    }
}

/// A reply that no browser takes for a page, and no fault of ours.
fn is_sober(what: &str, reply: &Reply) {
    assert!((200..500).contains(&reply.status), "{what}: {reply:?}");
    assert!(reply.headers["content-type"].starts_with("application/"), "{what}: {reply:?}");
    assert_eq!(reply.headers["x-content-type-options"], "nosniff", "{what}");
    let _ = reply.json();
}

#[test]
fn naughty_strings_are_strings_in_every_field() {
    let Some(strings) = naughty() else { return };
    let demo = Demo::start();
    let mut browser = Browser::new(&demo);
    browser.sign_in(&demo.ready["users"][0]);
    let mut stranger = Browser::new(&demo);
    let id = "01a2010a-51fe-7e1f-9893-d6b45adab2c5";
    for (number, text) in strings.iter().enumerate() {
        let question = json!({
            "subject": {"type": text, "id": text, "properties": {"a": text}},
            "action": {"name": text, "properties": {"a": text}},
            "resource": {"type": text, "id": text, "properties": {"a": text}},
            "context": {
                "access_token": text, "ip": text, "user_agent": text, "ja4": text,
                "dpop": {"proof": text, "method": text, "uri": text},
                "authorization_details": [{"type": text, "a": text}],
            },
        });
        is_sober(text, &demo.evaluate(&[JSON], &question.to_string()));
        let form = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(
                ["client_id", "client_assertion", "client_assertion_type", "scope", "state"].map(|n| (n, text)),
            )
            .finish();
        is_sober(text, &demo.call("POST", ["/oauth/par", "/oauth/token"][number % 2], &[FORM], &form));
        // One route of the pages for each string, in turn: every field gets its share of all kinds.
        let redeem = json!({
            "access_token": text, "dpop": {"proof": text, "method": text, "uri": text},
            "txn_digest": text, "redemption_id": text,
        });
        let (path, body) = match number % 12 {
            0 => ("/sign-in", json!({"to": text})),
            1 => ("/sign-in", json!({"challenge": text})),
            2 => ("/sign-in/password", json!({"challenge": id, "username": text, "password": text})),
            3 => ("/sign-in/code", json!({"challenge": id, "code": text})),
            4 => ("/oauth/authorize", json!({"client_id": text, "request_uri": text})),
            5 => ("/me/passkey", json!({"challenge": id, "credential": {"id": text, "type": text}, "name": text})),
            6 => ("/admin/decisions", json!({"action": text, "subject": text, "tier": text})),
            7 => ("/admin/log", json!({"type": text})),
            8 => ("/admin/people", json!({"name": text})),
            9 => ("/v1/redeem", redeem),
            10 => ("/sign-in/passkey", json!({"challenge": id, "credential": {"id": text, "rawId": text}})),
            _ => ("/step-up/01a2010a-51fe-7e1f-9893-d6b45adab2c5/code", json!({"code": text})),
        };
        let reply = match path {
            "/v1/redeem" => demo.call("POST", path, &[("authorization", &demo.api_key()), JSON], &body.to_string()),
            path if path.starts_with("/sign-in") => stranger.post(path, &body),
            path => browser.post(path, &body),
        };
        is_sober(text, &reply);
        if number % 12 == 0 {
            // Where a page is sent after signing in is ours, whatever was asked for.
            assert!(reply.json()["next"].as_str().is_none_or(|next| next.starts_with('/')), "{text}");
        }
    }
    assert!(strings.len() > 400, "{}", strings.len());
}

#[test]
fn a_head_with_too_much_in_it_is_cut_off() {
    let demo = Demo::start();
    let many: Vec<(String, &str)> = (0..100).map(|number| (format!("x-{number}"), "y")).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    assert_eq!(demo.call("GET", "/healthz", &many, "").status, 431);
    let long = "y".repeat(48 * 1024);
    assert_eq!(demo.call("GET", "/healthz", &[("x-long", &long)], "").status, 431);
}

#[test]
fn a_body_without_an_end_is_cut_off() {
    let demo = Demo::start();
    let mut stream = TcpStream::connect(("127.0.0.1", demo.port())).unwrap();
    let head = format!(
        "POST /access/v1/evaluation HTTP/1.1\r\nhost: localhost\r\nauthorization: {}\r\n\
         content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n",
        demo.api_key()
    );
    stream.write_all(head.as_bytes()).unwrap();
    let chunk = format!("1000\r\n{}\r\n", " ".repeat(4096));
    // Far more than is taken; the server stops reading long before and closes, so that a write fails or is in vain.
    for _ in 0..256 {
        if stream.write_all(chunk.as_bytes()).is_err() {
            return;
        }
    }
    match read(stream) {
        Ok(reply) => assert_eq!((reply.status, &reply.json()["code"]), (413, &json!("too-large"))),
        Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{error}"),
    }
}

/// Takes as long as the limits say: 15 s for a body, then 30 s for a head; meanwhile the 30 s of who takes nothing of what was
/// asked for are over.
#[test]
fn whoever_dawdles_is_cut_off() {
    let demo = Demo::start();
    let start = |text: &str| {
        let mut stream = TcpStream::connect(("127.0.0.1", demo.port())).unwrap();
        stream.write_all(text.as_bytes()).unwrap();
        stream
    };
    // Asks for far more than kernels hold, until nobody listens any more, and reads none of it.
    let ask = "GET /openapi.json HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let mut deaf = TcpStream::connect(("127.0.0.1", demo.port())).unwrap();
    deaf.set_write_timeout(Some(Duration::from_secs(1))).unwrap();
    let mut asked = 0;
    while asked < 2_000 && deaf.write_all(ask.as_bytes()).is_ok() {
        asked += 1;
    }
    let body = start(&format!(
        "POST /access/v1/evaluation HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nauthorization: {}\r\n\
         content-type: application/json\r\ncontent-length: 9\r\n\r\n{{",
        demo.api_key()
    ));
    let reply = read(body).unwrap();
    assert_eq!((reply.status, &reply.json()["code"]), (408, &json!("too-slow")));
    let head = start("GET /healthz HTTP/1.1\r\nhost: local");
    // Closed with or without a last word.
    let told = read(head).map_or(Value::Null, |reply| json!(reply.status));
    assert!(told == Value::Null || told == 408, "{told}");
    // What the kernels held is there, and then it ends.
    let mut replies = Vec::new();
    let _ = deaf.read_to_end(&mut replies);
    let replies = String::from_utf8_lossy(&replies).matches("HTTP/1.1 200").count();
    assert!(0 < replies && replies < asked, "{replies} of {asked}");
}

#[test]
fn a_browser_has_only_so_much_open_and_another_is_none_the_worse() {
    let demo = Demo::start();
    let mut browser = Browser::new(&demo);
    let begin = |browser: &mut Browser<'_>| browser.post("/sign-in", &json!({}));
    for _ in 0..limits::CHALLENGES_PER_SESSION {
        assert_eq!(begin(&mut browser).status, 200);
    }
    let reply = begin(&mut browser);
    assert_eq!((reply.status, &reply.json()["code"]), (429, &json!("too-many-open")));
    let wait: i64 = reply.headers["retry-after"].parse().unwrap();
    assert!(0 < wait && wait <= limits::CHALLENGE_SECONDS, "{wait}");
    assert_eq!(begin(&mut Browser::new(&demo)).status, 200);
}
