//! Every route, tried by somebody who has nothing to show.

use crate::harness::Demo;

#[test]
fn whoever_shows_nothing_gets_nothing_but_what_is_for_anyone() {
    let demo = Demo::start();
    let document = demo.call("GET", "/openapi.json", &[], "").json();
    let mut tried = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let id = "01a2010a-51fe-7e1f-9893-d6b45adab2c5";
            let target = path.replace("{id}", id).replace("{redemption_id}", id).replace("{path}", "x");
            let types: &[(&str, &str)] = if operation["security"][0].get("client").is_some() {
                &[("content-type", "application/x-www-form-urlencoded")]
            } else {
                &[("content-type", "application/json")]
            };
            if target == "/v1/revocations" && operation.get("security").is_none() {
                panic!("the stream is not for anyone");
            }
            let reply = demo.call(&method.to_uppercase(), &target, types, if method == "post" { "{}" } else { "" });
            tried += 1;
            let near = operation["security"][0].get("collector").is_some();
            if operation.get("security").is_some() && !near {
                assert_eq!(reply.status, 401, "{method} {path}: {reply:?}");
            } else {
                assert!(matches!(reply.status, 200 | 303 | 404), "{method} {path}: {reply:?}");
            }
        }
    }
    assert!(tried > 30, "{tried} routes");
}

#[test]
fn a_method_that_a_path_does_not_serve_is_refused_and_an_unknown_path_is_not_there() {
    let demo = Demo::start();
    assert_eq!(demo.call("GET", "/access/v1/evaluation", &[], "").status, 405);
    assert_eq!(demo.call("PUT", "/oauth/token", &[], "").status, 405);
    assert_eq!(demo.call("GET", "/nothing", &[], "").status, 404);
    assert_eq!(demo.call("GET", "/assets/0000000000000000/js/proof.js", &[], "").status, 404);
}

#[test]
fn a_page_holds_nothing_personal_and_loads_nothing_from_elsewhere() {
    let demo = Demo::start();
    for path in ["/sign-in", "/oauth/authorize", "/step-up/01a2010a-51fe-7e1f-9893-d6b45adab2c5", "/me", "/me/passkey"]
    {
        let (first, second) = (demo.call("GET", path, &[], ""), demo.call("GET", path, &[("cookie", "x=y")], ""));
        assert_eq!((first.status, &first.body), (200, &second.body), "{path}");
        let policy = &first.headers["content-security-policy"];
        for rule in ["default-src 'none'", "frame-ancestors 'none'", "require-trusted-types-for 'script'"] {
            assert!(policy.contains(rule), "{path}: {policy}");
        }
        assert!(!policy.contains("unsafe"), "{path}: {policy}");
    }
}
