//! What tests exchange with the issuer is held against the document of the routes (`openapi.json`): status, headers and body of
//! each reply are documented, and so is the body of whatever was done.

use crate::{
    application::{Application, identifier},
    browser::Browser,
    harness::{Demo, Reply},
    journey::{Journey, payout},
    schema,
};
use serde_json::{Map, Value, json};
use std::{
    collections::BTreeSet,
    sync::{LazyLock, Mutex},
};

static DOCUMENT: LazyLock<Value> = LazyLock::new(|| {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../openapi.json");
    serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap()
});

/// Which operation was answered with which status, by any test of this process.
static SEEN: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// Stops the test where an exchange is not as documented.
pub fn check(request: &[u8], reply: &Reply) {
    let found = faults(request, reply);
    assert!(found.is_empty(), "not as documented: {found:#?}\n{}\n{reply:?}", String::from_utf8_lossy(request));
}

/// What is not as documented.
fn faults(request: &[u8], reply: &Reply) -> Vec<String> {
    let text = String::from_utf8_lossy(request);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_default();
    let mut words = head.split([' ', '?', '\r']);
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    // A head that cannot be read has no route; the outbox is the demo's alone.
    if reply.status == 431 || path == "/outbox" {
        return Vec::new();
    }
    let Some(operation) = operation(&method.to_ascii_lowercase(), path) else {
        let told = matches!(reply.status, 404 | 405);
        return if told { Vec::new() } else { vec![format!("{method} {path} answers {}", reply.status)] };
    };
    let status = reply.status.to_string();
    SEEN.lock().unwrap().insert(format!("{} {status}", operation["operationId"].as_str().unwrap()));
    let Some(documented) = operation["responses"].get(&status) else { return vec![format!("status {status}")] };
    let documented = resolved(documented);
    let mut found = headers(documented, reply);
    found.extend(content(documented, reply));
    if (200..300).contains(&reply.status)
        && let Some((_, media)) =
            operation["requestBody"]["content"].as_object().and_then(|content| content.iter().next())
    {
        let form = operation["requestBody"]["content"].get("application/x-www-form-urlencoded").is_some();
        let sent = if form { read_form(body) } else { serde_json::from_str(body).unwrap() };
        let wrong = schema::wrong(&DOCUMENT, &media["schema"], &sent);
        found.extend(wrong.into_iter().map(|fault| format!("the request was taken: {fault}")));
    }
    found
}

/// What is served there.
fn operation(method: &str, path: &str) -> Option<&'static Value> {
    let fits = |template: &str| {
        let (mut parts, mut wanted) = (path.split('/'), template.split('/'));
        loop {
            match (parts.next(), wanted.next()) {
                (Some(_), Some("{path}")) => return true,
                (Some(part), Some(wanted)) if part == wanted || (wanted.starts_with('{') && !part.is_empty()) => {}
                (None, None) => return true,
                _ => return false,
            }
        }
    };
    let paths = DOCUMENT["paths"].as_object().unwrap();
    let exact = paths.get(path).and_then(|item| item.get(method));
    exact.or_else(|| paths.iter().filter(|(template, _)| fits(template)).find_map(|(_, item)| item.get(method)))
}

fn resolved(value: &'static Value) -> &'static Value {
    match value["$ref"].as_str() {
        Some(name) => DOCUMENT.pointer(name.trim_start_matches('#')).unwrap(),
        None => value,
    }
}

/// Headers that must be there, and those that mean something and are not documented.
fn headers(documented: &'static Value, reply: &Reply) -> Vec<String> {
    let none = Map::new();
    let rules = documented["headers"].as_object().unwrap_or(&none);
    let mut found = Vec::new();
    for (name, rule) in documented["headers"].as_object().into_iter().flatten() {
        if resolved(rule)["required"] == true && !reply.headers.contains_key(&name.to_ascii_lowercase()) {
            found.push(format!("header {name} is missing"));
        }
    }
    for name in ["WWW-Authenticate", "DPoP-Nonce", "Retry-After", "Counterfoil-Session", "Set-Cookie", "Location"] {
        if reply.headers.contains_key(&name.to_ascii_lowercase()) && !rules.contains_key(name) {
            found.push(format!("header {name} is not documented"));
        }
    }
    found
}

fn content(documented: &Value, reply: &Reply) -> Vec<String> {
    let Some(content) = documented["content"].as_object() else {
        return if reply.body.is_empty() { Vec::new() } else { vec!["a body".to_owned()] };
    };
    let kind = reply.headers.get("content-type").map_or("", |kind| kind.split(';').next().unwrap());
    let Some(media) = content.get(kind).or_else(|| content.get("*/*")) else {
        return vec![format!("content of {kind:?}")];
    };
    match kind {
        "application/json" | "application/problem+json" => {
            schema::undocumented(&DOCUMENT, &media["schema"], &reply.json())
        }
        "text/event-stream" => events(&media["x-events"], &reply.body),
        _ => Vec::new(),
    }
}

/// Each event that has arrived as a whole.
fn events(documented: &Value, body: &str) -> Vec<String> {
    let mut found = Vec::new();
    for event in body.split("\n\n").filter(|event| event.contains("event:")) {
        let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        let (Some(name), Some(data)) = (field("event:"), field("data:")) else { continue };
        let Ok(data) = serde_json::from_str(data) else { continue };
        match documented.get(name) {
            Some(schema) => found.extend(schema::undocumented(&DOCUMENT, schema, &data)),
            None => found.push(format!("event {name}")),
        }
    }
    found
}

/// The fields of a form. They are all text; what is a number is told by its digits.
fn read_form(body: &str) -> Value {
    let number = |name: &str, value: &str| (name == "max_age").then(|| value.parse::<u64>().ok()).flatten();
    let fields = url::form_urlencoded::parse(body.as_bytes()).filter(|(_, value)| !value.is_empty());
    fields
        .map(|(name, value)| {
            let value = number(&name, &value).map_or_else(|| Value::from(value.as_ref()), Value::from);
            (name.into_owned(), value)
        })
        .collect::<Map<_, _>>()
        .into()
}

/// Each answer that a generated client has a name for, from a server that runs. What is wrong with one stops the request.
#[test]
fn what_programs_are_told_is_in_the_document() {
    let demo = Demo::start();
    let mut ada = Journey::begin(&demo, 0);
    for path in ["oauth-authorization-server", "openid-configuration", "authzen-configuration"] {
        assert_eq!(demo.call("GET", &format!("/.well-known/{path}"), &[], "").status, 200);
    }
    assert_eq!(demo.call("GET", "/oauth/jwks", &[], "").status, 200);
    assert!(demo.call("GET", "/openapi.json", &[], "").json() == *DOCUMENT, "run `cargo xtask openapi`");
    let mut told = Vec::new();
    for (action, transaction) in
        [("balance.read", None), ("payout.change", Some(payout(&demo, 1))), ("key.export", None)]
    {
        told.push(ada.evaluate(action, transaction.as_ref())["context"]["outcome"].clone());
    }
    assert_eq!(told, ["permit", "step_up", "deny"]);
    let (asked, token) = ada.approved(payout(&demo, 2));
    let name = identifier();
    let redemption = ada.redemption(&token, &asked.transaction, &name);
    for (what, change, status) in [
        ("of nothing that was approved", json!({"txn_digest": "A".repeat(43)}), 422),
        ("spent", json!({}), 200),
        ("once more", json!({}), 200),
        ("under another name", json!({"redemption_id": identifier()}), 409),
        ("with a member more", json!({"more": 1}), 400),
        ("with a token that is none", json!({"access_token": "x.y.z", "redemption_id": identifier()}), 410),
    ] {
        let mut body = redemption.clone();
        body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        assert_eq!(ada.redeem(&body).status, status, "{what}");
    }
    let (key, json_type) = (demo.api_key(), ("content-type", "application/json"));
    let report = |name: &str, outcome: &str| {
        let body = json!({"outcome": outcome}).to_string();
        demo.call("POST", &format!("/v1/redeem/{name}"), &[("authorization", &key), json_type], &body).status
    };
    assert_eq!([report(&name, "executed"), report(&name, "failed"), report(&identifier(), "failed")], [200, 409, 404]);
    assert_eq!(demo.head(&demo.request("GET", "/v1/revocations", &[("authorization", &key)], "")).status, 200);
    assert_eq!(demo.call("POST", "/v1/redeem", &[json_type], "{}").status, 401);
    let mut stranger = Application::of(&demo, 0);
    assert_eq!(stranger.send("/oauth/token", &[("grant_type", "password")]).status, 400);
    assert_eq!(stranger.try_push(&[("decision_id", "x")]).unwrap().0.status, 400);
    assert_eq!(Browser::new(&demo).post("/me", &json!({})).status, 401);
    let seen = SEEN.lock().unwrap();
    for name in [
        "authorization_server 200",
        "openid_configuration 200",
        "authzen_configuration 200",
        "jwks 200",
        "push 201",
        "push 400",
        "token 200",
        "token 400",
        "evaluate 200",
        "redeem 200",
        "redeem 400",
        "redeem 401",
        "redeem 409",
        "redeem 410",
        "redeem 422",
        "report 200",
        "report 404",
        "report 409",
        "revocations 200",
        "authorize 200",
        "step_up 200",
        "step_up_passkey 200",
        "me 401",
    ] {
        assert!(seen.contains(name), "{name} was not tried");
    }
}

#[test]
fn what_is_not_documented_is_found() {
    let demo = Demo::start();
    let request = demo.request("POST", "/v1/redeem", &[("content-type", "application/json")], "{}");
    let reply = || demo.exchange(&request).unwrap();
    let found = |change: fn(&mut Reply)| {
        let mut reply = reply();
        change(&mut reply);
        faults(&request, &reply).join(" ")
    };
    assert_eq!(found(|_| {}), "");
    for (change, fault) in [
        ((|reply| reply.status = 418) as fn(&mut Reply), "status 418"),
        (|reply| reply.body = reply.body.replacen('{', "{\"more\":1,", 1), "/more is not documented"),
        (|reply| reply.body = reply.body.replace("unauthenticated", "another"), "/type is none of"),
        (|reply| reply.body = reply.body.replace("\"title\"", "\"name\""), "/title is missing"),
        (|reply| drop(reply.headers.remove("www-authenticate")), "header WWW-Authenticate is missing"),
        (|reply| drop(reply.headers.insert("content-type".to_owned(), "text/html".to_owned())), "content of"),
    ] {
        assert!(found(change).contains(fault), "{fault}: {}", found(change));
    }
    let taken = Reply { status: 200, headers: reply().headers, body: "{}".to_owned() };
    assert!(faults(&request, &taken).iter().any(|fault| fault.starts_with("the request was taken")));
}
