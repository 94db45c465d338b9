//! AuthZEN 1.0 at its edges (STANDARDS of the certification scenario: 400 for what cannot be read, 200 for a deny).

use crate::harness::{Demo, counterfoil};
use serde_json::json;

const JSON: (&str, &str) = ("content-type", "application/json");

#[test]
fn what_cannot_be_read_is_400_and_what_is_denied_is_200() {
    let demo = Demo::start();
    let sub = demo.ready["users"][0]["sub"].as_str().unwrap();
    let good = json!({
        "subject": {"type": "user", "id": sub},
        "action": {"name": "balance.read"},
        "resource": {"type": "account", "id": "operations-eur"},
    })
    .to_string();
    let table = [
        ("a good question", JSON, good.clone(), 200),
        ("with a charset", ("content-type", "application/json; charset=utf-8"), good.clone(), 200),
        ("another content type", ("content-type", "text/plain"), good.clone(), 400),
        ("not JSON", JSON, "{".to_owned(), 400),
        ("nothing", JSON, String::new(), 400),
        ("an array", JSON, "[]".to_owned(), 400),
        ("a name twice", JSON, good.replacen('{', "{\"action\":{\"name\":\"x\"},", 1), 400),
        ("a lone surrogate", JSON, good.replace("operations-eur", "\\ud800"), 400),
        ("a number for a name", JSON, good.replace("\"balance.read\"", "7"), 400),
        (
            "no resource",
            JSON,
            json!({"subject": {"type": "user", "id": sub}, "action": {"name": "a"}}).to_string(),
            400,
        ),
        ("an unknown member", JSON, good.replacen('{', "{\"later\":1,", 1), 200),
        ("too large", JSON, good.replace("operations-eur", &"x".repeat(70_000)), 413),
    ];
    for (what, header, body, status) in table {
        let reply = demo.evaluate(&[header], &body);
        assert_eq!(reply.status, status, "{what}: {reply:?}");
    }
    for (subject, action) in [("nobody", "balance.read"), (sub, "no.such.action")] {
        let body = good.replace(sub, subject).replace("balance.read", action);
        let reply = demo.evaluate(&[JSON, ("x-request-id", "abc-123")], &body);
        assert_eq!((reply.status, &reply.json()["decision"]), (200, &json!(false)), "{subject} {action}");
        assert_eq!(reply.headers["x-request-id"], "abc-123");
    }
}

#[test]
fn without_a_token_there_is_no_evidence_and_nothing_is_permitted() {
    let demo = Demo::start();
    for action in ["balance.read", "beneficiary.add", "payout.change", "key.export"] {
        let body = json!({
            "subject": {"type": "user", "id": demo.ready["users"][0]["sub"]},
            "action": {"name": action},
            "resource": {"type": "account", "id": "operations-eur"},
        });
        let reply = demo.evaluate(&[JSON], &body.to_string()).json();
        assert_eq!(reply["decision"], false, "{action}: {reply}");
    }
}

#[test]
fn another_key_is_refused_with_what_would_be_accepted() {
    let demo = Demo::start();
    for authorization in ["Bearer cfk_wrong", "Basic eDp5", "Bearer", "DPoP x.y.z"] {
        let headers = [("authorization", authorization), JSON];
        let reply = demo.call("POST", "/access/v1/evaluation", &headers, "{}");
        assert_eq!(reply.status, 401, "{authorization}: {reply:?}");
        assert!(reply.headers.contains_key("www-authenticate"), "{authorization}");
    }
}

#[test]
fn a_key_is_good_for_what_it_was_issued_for() {
    let demo = Demo::start();
    let audience = demo.ready["pep"]["audience"].as_str().unwrap();
    let key = |scope: &str| {
        let words = ["--format", "json", "admin", "keys", "issue", "--api", audience, "--scope", scope];
        let (done, text) = counterfoil(&words, &demo.data());
        assert!(done, "{text}");
        let issued: serde_json::Value = serde_json::from_str(&text).unwrap();
        format!("Bearer {}", issued["key"].as_str().unwrap())
    };
    let question = json!({
        "subject": {"type": "user", "id": demo.ready["users"][0]["sub"]},
        "action": {"name": "balance.read"},
        "resource": {"type": "account", "id": "operations-eur"},
    });
    let spending = json!({
        "subject": question["subject"], "action": question["action"], "resource": question["resource"],
        "context": {"redemption_id": "0123456789abcdef"},
    });
    let redemption = json!({
        "access_token": "x", "dpop": {"proof": "x", "method": "PUT", "uri": "https://api.example/x"},
        "txn_digest": "A".repeat(43), "redemption_id": "0123456789abcdef",
    });
    let report = json!({"outcome": "executed"});
    let asked = [
        ("/access/v1/evaluation", &question),
        ("/access/v1/evaluation", &spending),
        ("/v1/redeem", &redemption),
        ("/v1/redeem/0123456789abcdef", &report),
    ];
    for (scope, expected) in
        [("evaluate", [200, 403, 403, 403]), ("redeem", [403, 403, 410, 404]), ("reasons", [403, 403, 403, 403])]
    {
        let authorization = key(scope);
        for ((path, body), status) in asked.iter().zip(expected) {
            let reply = demo.call("POST", path, &[("authorization", &authorization), JSON], &body.to_string());
            assert_eq!(reply.status, status, "{scope}: {path} {body} {reply:?}");
            if status == 403 {
                assert_eq!(reply.json()["code"], "forbidden");
                assert!(reply.json()["detail"].as_str().unwrap().contains("scope `"), "{reply:?}");
            }
        }
    }
}
