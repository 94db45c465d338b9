//! AuthZEN 1.0: the standard's own schemas for requests and answers, and what its certification tries at the edges.

use crate::{
    harness::Demo,
    journey::{Journey, payout},
    schema,
};
use serde_json::{Map, Value, json};
use std::path::PathBuf;

const JSON: (&str, &str) = ("content-type", "application/json");

/// The schema of this name; says so where there is none.
fn standards(name: &str) -> Option<Value> {
    let vectors = std::env::var_os("COUNTERFOIL_VECTORS")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/vectors")), PathBuf::from);
    let file = vectors.join("authzen").join("schemas").join(name);
    match std::fs::read_to_string(file) {
        Ok(text) => Some(serde_json::from_str(&text).unwrap()),
        Err(_) => {
            println!("skipped: authzen absent");
            None
        }
    }
}

/// What the schema finds wrong.
fn wrong(schema: &Value, value: &Value) -> Vec<String> {
    schema::wrong(&Value::Null, schema, value)
}

#[test]
fn answers_are_what_the_standards_schema_says() {
    let (Some(request), Some(response)) =
        (standards("evaluation-request.schema.json"), standards("evaluation-response.schema.json"))
    else {
        return;
    };
    let demo = Demo::start();
    let journey = Journey::begin(&demo, 0);
    for (action, transaction, outcome) in [
        ("balance.read", None, "permit"),
        ("payout.change", Some(payout(&demo, 1)), "step_up"),
        ("key.export", None, "deny"),
        ("no.such.action", None, "deny"),
    ] {
        let question = journey.question(action, transaction.as_ref());
        assert_eq!(wrong(&request, &question), Vec::<String>::new());
        let answer = journey.evaluate(action, transaction.as_ref());
        assert_eq!(wrong(&response, &answer), Vec::<String>::new());
        let told = answer["context"]["outcome"].as_str().unwrap();
        assert!(told == outcome || (action == "key.export" && told != "permit"), "{action}: {answer}");
        assert_eq!(answer["decision"], json!(told == "permit"), "{answer}");
    }
}

/// Every way to break one rule of the schema: a required member less, or of another type.
fn broken(schema: &Value, good: &Value) -> Vec<Value> {
    let mut all = Vec::new();
    let Some(rules) = schema["properties"].as_object() else { return all };
    let set = |name: &str, value: Value| {
        let mut other = good.clone();
        other[name] = value;
        other
    };
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        let members: Map<String, Value> = good.as_object().unwrap().clone();
        all.push(Value::Object(members.into_iter().filter(|(member, _)| member != name).collect()));
    }
    for (name, rule) in rules {
        for value in [json!(7), json!("x"), json!([]), json!({}), json!(null), json!(true)] {
            if !wrong(rule, &value).is_empty() {
                all.push(set(name, value));
            }
        }
        if let Some(member) = good.get(name).filter(|member| member.is_object()) {
            all.extend(broken(rule, member).into_iter().map(|member| set(name, member)));
        }
    }
    all
}

#[test]
fn what_breaks_the_schema_is_400() {
    let Some(request) = standards("evaluation-request.schema.json") else { return };
    let demo = Demo::start();
    let good = json!({
        "subject": {"type": "user", "id": demo.ready["users"][0]["sub"], "properties": {}},
        "action": {"name": "balance.read", "properties": {}},
        "resource": {"type": "account", "id": "operations-eur", "properties": {}},
        "context": {},
    });
    assert_eq!(demo.evaluate(&[JSON], &good.to_string()).status, 200);
    let broken = broken(&request, &good);
    assert!(broken.len() > 40, "{} ways", broken.len());
    for body in broken {
        let reply = demo.evaluate(&[JSON], &body.to_string());
        assert_eq!(reply.status, 400, "{body}: {reply:?}");
        assert_eq!(reply.json()["code"], "invalid-request", "{body}");
    }
}

#[test]
fn the_edges_of_json_and_http_are_kept() {
    let demo = Demo::start();
    let good = r#"{"subject":{"type":"user","id":"x"},"action":{"name":"balance.read"},"resource":{"type":"account","id":"x"}}"#;
    let with = |extra: &str| good.replacen('{', &format!("{{{extra},"), 1);
    for (what, body, status) in [
        ("an unknown member", with(r#""later":{"a":[1,2]}"#), 200),
        ("a duplicate inside an unknown member", with(r#""later":{"a":1,"a":2}"#), 400),
        ("a duplicate spelled with an escape", with(r#""later":{"a":1,"\u0061":2}"#), 400),
        ("a lone surrogate as a name", with(r#""\udc00":1"#), 400),
        ("a lone surrogate in an unknown member", with(r#""later":"\ud800\u0041""#), 400),
        ("a surrogate pair", with(r#""later":"\ud83d\ude00""#), 200),
        ("something after the document", format!("{good}{good}"), 400),
        ("a comment", format!("/**/{good}"), 400),
        ("a byte order mark", format!("\u{feff}{good}"), 400),
        ("too deep", with(&format!(r#""later":{}{}"#, "[".repeat(60), "]".repeat(60))), 400),
        ("null", "null".to_owned(), 400),
        ("white space around", format!("\r\n {good}\t"), 200),
    ] {
        let reply = demo.evaluate(&[JSON, ("x-request-id", "bfe9eb29-ab87-4ca3-be83-a1d5d8305716")], &body);
        assert_eq!(reply.status, status, "{what}: {reply:?}");
        assert_eq!(reply.headers["x-request-id"], "bfe9eb29-ab87-4ca3-be83-a1d5d8305716", "{what}");
    }
    let key = demo.api_key();
    for method in ["GET", "PUT", "DELETE", "PATCH"] {
        let reply = demo.call(method, "/access/v1/evaluation", &[("authorization", &key), JSON], good);
        assert_eq!((reply.status, &reply.json()["code"]), (405, &json!("method-not-allowed")), "{method}");
    }
    let long = "x".repeat(10_000);
    let reply = demo.evaluate(&[JSON, ("x-request-id", &long)], good);
    assert!(!reply.headers.contains_key("x-request-id"), "nothing long is sent back");
}
