//! `/metrics`: what operators count, and who may read it.

use crate::{
    harness::{Demo, Engine},
    journey::{Journey, payout},
    node::Node,
};
use counterfoil_core::digest::Digest;

/// The value of the series that begins so.
fn value(text: &str, series: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix(series)?.trim().parse().ok())
}

#[test]
fn what_happens_is_counted_once_it_is_committed() {
    let demo = Demo::start();
    let mut journey = Journey::begin(&demo, 0);
    let (asked, token) = journey.approved(payout(&demo, 1));
    let redemption = journey.redemption(&token, &asked.transaction, "a-name-of-my-own-0001");
    assert_eq!(journey.redeem(&redemption).status, 200);
    let reply = demo.call("GET", "/metrics", &[], "");
    assert_eq!(
        (reply.status, reply.headers["content-type"].as_str()),
        (200, "text/plain; version=0.0.4; charset=utf-8")
    );
    let text = &reply.body;
    for (series, expected) in [
        // The API's question, the same when the browser brings it, and with the signature.
        ("counterfoil_decisions_total{outcome=\"step_up\",tier=\"high\"}", 3.0),
        ("counterfoil_spends_total{result=\"spent\"}", 1.0),
        ("counterfoil_spends_total{result=\"already_spent\"}", 0.0),
        ("counterfoil_events_total{event=\"sign_in\"}", 1.0),
        ("counterfoil_request_duration_seconds_count{method=\"POST\",route=\"/v1/redeem\",status=\"2xx\"}", 1.0),
        ("counterfoil_build_info{version=\"0.1.0\",engine=\"sqlite\"}", 1.0),
    ] {
        assert_eq!(value(text, series), Some(expected), "{series}\n{text}");
    }
    let at_least = |series: &str, least: f64| {
        assert!(value(text, series).is_some_and(|value| value >= least), "{series}\n{text}");
    };
    at_least("counterfoil_challenges_total{event=\"proven\"}", 2.0);
    at_least("counterfoil_writer_units_total", 20.0);
    at_least("counterfoil_log_leaves", 1.0);
    let units = value(text, "counterfoil_writer_units_total").unwrap();
    assert!(value(text, "counterfoil_writer_batches_total").unwrap() <= units + 1e3, "{text}");
    // Names nobody: no person, session, token or address is a label.
    for personal in [&journey.user["sub"], &journey.user["username"]] {
        assert!(!text.contains(personal.as_str().unwrap()), "{personal}");
    }
}

#[test]
fn without_a_token_only_this_machine_reads_and_no_proxy_of_it() {
    let demo = Demo::start();
    for name in ["x-forwarded-for", "forwarded", "via", "x-real-ip", "x-forwarded-host"] {
        assert_eq!(demo.call("GET", "/metrics", &[(name, "192.0.2.7")], "").status, 403, "{name}");
    }
    assert_eq!(demo.call("GET", "/metrics", &[], "").status, 200);
}

#[test]
fn with_a_token_only_its_holder_reads() {
    if !crate::database::is_there() {
        return;
    }
    let demo = Demo::start_on(Engine::Postgres);
    let more = format!("metrics_token_sha256 = \"{}\"\n", Digest::of(b"a token of the operator's"));
    let node = Node::beside_with(&demo, &more);
    for (authorization, status) in [
        (None, 401),
        (Some("Bearer another"), 401),
        (Some("Basic eDp5"), 401),
        (Some("Bearer a token of the operator's"), 200),
    ] {
        let header: Vec<(&str, &str)> = authorization.iter().map(|text| ("authorization", *text)).collect();
        let request = demo.request("GET", "/metrics", &header, "");
        let reply = crate::volley::volley(&[crate::volley::Shot { port: node.port, bytes: request }]);
        assert_eq!(reply[0].status, status, "{authorization:?}");
        assert_eq!(reply[0].headers.contains_key("www-authenticate"), status == 401, "{authorization:?}");
    }
}
