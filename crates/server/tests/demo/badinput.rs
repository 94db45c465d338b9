//! Bad input at every route that takes a body, in every way of being bad, as a picture in git (`badinput.txt`) that this test
//! draws again. Whoever calls may call, and what a body needs is made of the document's schemas, so that what is bad about a
//! request is the only thing that is.

use crate::{
    application::{Application, identifier},
    browser::Browser,
    harness::{Demo, Reply},
    logbook::Logbook,
    picture, schema,
};
use counterfoil_core::{digest::Digest, limits};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json";

/// One way of being bad: its name, and what becomes of a good body; nothing, where a body of this kind cannot be bad so.
struct Way {
    name: &'static str,
    json: fn(&str) -> Option<String>,
    form: fn(&str) -> Option<String>,
}

const WAYS: &[Way] = &[
    Way { name: "nothing", json: |_| Some(String::new()), form: |_| Some(String::new()) },
    Way {
        name: "malformed",
        json: |good| good.strip_suffix('}').map(str::to_owned),
        form: |good| Some(format!("{good}&x=%")),
    },
    Way { name: "no object", json: |_| Some("[]".to_owned()), form: |_| None },
    Way {
        name: "too deep",
        json: |good| {
            let depth = limits::JSON_DEPTH;
            Some(with(good, &format!("\"x\":{}{}", "[".repeat(depth), "]".repeat(depth))))
        },
        form: |_| None,
    },
    Way {
        name: "over 64 KiB",
        json: |good| Some(with(good, &format!("\"x\":\"{}\"", "x".repeat(limits::BODY_BYTES)))),
        form: |good| Some(format!("{good}&x={}", "x".repeat(limits::BODY_BYTES))),
    },
    Way {
        name: "a member twice",
        json: |good| {
            let first = first(good).map_or("\"x\":1,\"x\":1".to_owned(), |(name, value)| format!("\"{name}\":{value}"));
            Some(with(good, &first))
        },
        form: |good| good.split('&').next().map(|first| format!("{good}&{first}")),
    },
    Way {
        name: "a lone surrogate",
        json: |good| Some(with(good, "\"x\":\"\\ud800\"")),
        form: |good| Some(format!("{good}&x=%ED%A0%80")),
    },
    Way {
        name: "of another type",
        json: |good| {
            let (name, value) = first(good)?;
            let mut changed: Value = serde_json::from_str(good).unwrap();
            changed[name] = if value.is_number() { json!("x") } else { json!(7) };
            Some(changed.to_string())
        },
        form: |_| None,
    },
];

/// What some standards want ignored, and others refused.
const UNKNOWN: Way = Way {
    name: "a member more",
    json: |good| Some(with(good, "\"unknown\":1")),
    form: |good| Some(format!("{good}&unknown=1")),
};

const GOOD: Way = Way { name: "good", json: |good| Some(good.to_owned()), form: |good| Some(good.to_owned()) };

/// An object with these members before its own.
fn with(good: &str, members: &str) -> String {
    let own = good.strip_prefix('{').unwrap();
    format!("{{{members}{}{own}", if own == "}" { "" } else { "," })
}

fn first(good: &str) -> Option<(String, Value)> {
    let good: serde_json::Map<String, Value> = serde_json::from_str(good).unwrap();
    good.into_iter().next()
}

/// One route, with what it takes.
struct Target {
    path: String,
    address: String,
    /// Whom the document says may call it; nothing, where CONTRACT names it and it is not there yet.
    who: Option<String>,
    /// A body that the schema takes; of a form, its fields come from [`Callers::fields`].
    good: String,
}

/// Somebody of each kind who may call.
struct Callers<'a> {
    demo: &'a Demo,
    browser: Browser<'a>,
    application: Application<'a>,
    api: Application<'a>,
}

impl Callers<'_> {
    /// The reply to a body that is bad in this way.
    fn send(&mut self, target: &Target, way: &Way, content: Option<&str>) -> Option<Reply> {
        match target.who.as_deref() {
            Some("client") => self.send_form(target, way, content.unwrap_or(FORM)),
            Some("session") => {
                let body = (way.json)(&target.good)?;
                Some(self.send_from_page(target, &body, content.unwrap_or(JSON)))
            }
            Some(_) => {
                let (body, key) = ((way.json)(&target.good)?, self.demo.api_key());
                let headers = [("authorization", key.as_str()), ("content-type", content.unwrap_or(JSON))];
                Some(self.demo.call("POST", &target.address, &headers, &body))
            }
            None => Some(self.demo.call("POST", &target.address, &[("content-type", JSON)], "{}")),
        }
    }

    /// A page's request with a fresh proof. Whatever a reply makes of the session is forgotten.
    fn send_from_page(&mut self, target: &Target, body: &str, content: &str) -> Reply {
        let (browser, new) = (&mut self.browser, target.path == "/session");
        let (sid, cookie) = (browser.sid.clone(), browser.cookie.clone());
        if new {
            (browser.sid, browser.cookie) = (None, None);
        }
        browser.fetch_nonce();
        let proof = browser.proof(&target.address, body);
        (browser.sid, browser.cookie) = (sid, cookie.clone());
        let mut headers = vec![("content-type", content), ("counterfoil-proof", proof.as_str())];
        headers.extend(cookie.as_deref().filter(|_| !new).map(|cookie| ("cookie", cookie)));
        self.demo.call("POST", &target.address, &headers, body)
    }

    /// A client's request with fresh credentials and a nonce.
    fn send_form(&mut self, target: &Target, way: &Way, content: &str) -> Option<Reply> {
        let fields = self.fields(&target.path);
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let client = if target.path == "/oauth/par" { &mut self.application } else { &mut self.api };
        let signed = client.sign(&target.path, &fields);
        let body = (way.form)(&signed.form)?;
        let headers = [("content-type", content), ("dpop", signed.dpop.as_str())];
        let reply = self.demo.call("POST", &target.address, &headers, &body);
        client.remember(&reply);
        Some(reply)
    }

    fn fields(&self, path: &str) -> Vec<(&'static str, String)> {
        if path == "/oauth/token" {
            return vec![("grant_type", "client_credentials".to_owned())];
        }
        let redirect_uri = self.demo.ready["clients"][0]["redirect_uris"][0].as_str().unwrap().to_owned();
        vec![
            ("response_type", "code".to_owned()),
            ("redirect_uri", redirect_uri),
            ("state", identifier()),
            ("code_challenge", Digest::of(identifier().as_bytes()).to_string()),
            ("code_challenge_method", "S256".to_owned()),
            ("scope", "openid".to_owned()),
        ]
    }
}

/// The picture's name has `openapi` in it because `cargo xtask openapi` writes what matches that word.
#[test]
fn the_picture_beside_openapi_shows_what_bad_input_gets() {
    let demo = Demo::start();
    let targets = targets(&demo);
    let pep = &demo.ready["pep"];
    let mut api = Application::new(&demo, pep["client_id"].as_str().unwrap(), &pep["private_jwk"], None);
    let mut application = Application::of(&demo, 0);
    let mut browser = Browser::new(&demo);
    assert_eq!(browser.sign_in(&demo.ready["users"][0]).status, 200);
    // Both have a nonce from now on.
    application.push(&[]);
    api.client_token();
    let mut callers = Callers { demo: &demo, browser, application, api };
    let log = Logbook::of(&demo);
    let before = log.events();
    let mut columns = Vec::new();
    for way in WAYS {
        columns.push((way.name, column(&targets, |target| callers.send(target, way, None))));
    }
    columns.push(("as text/plain", column(&targets, |target| callers.send(target, &GOOD, Some("text/plain")))));
    for (name, cells) in &columns {
        assert!(!cells.iter().any(|cell| cell.starts_with('2')), "{name} was taken: {cells:?}");
    }
    assert_eq!(log.events(), before, "bad input left something in the log");
    for way in [UNKNOWN, GOOD] {
        columns.push((way.name, column(&targets, |target| callers.send(target, &way, None))));
    }
    let rows: Vec<(&str, &str)> = targets.iter().map(|target| ("post", target.path.as_str())).collect();
    let mut text = String::from(
        "What bad input gets from each route that takes a body: status and the error's code. Each body is good but for one thing,\n\
         and sent by somebody who may call; identifiers in it and in paths are of nothing that is there. `-`: it cannot be bad\n\
         so, because a form has neither objects nor types, and an empty object has no member. Only a member more may be\n\
         ignored, where the standard says so. Drawn by a test; `cargo xtask openapi` draws it anew.\n",
    );
    picture::block(&mut text, "Bad input", &rows, &columns);
    picture::compare("badinput.txt", &text);
}

/// A cell for each route. No input is a fault of ours.
fn column(targets: &[Target], mut send: impl FnMut(&Target) -> Option<Reply>) -> Vec<String> {
    let cell = |target: &Target| {
        let Some(reply) = send(target) else { return "-".to_owned() };
        assert!(reply.status < 500, "{}: {reply:?}", target.path);
        if target.who.is_some() { picture::word(&reply) } else { picture::not_built("post", &target.path, &reply) }
    };
    targets.iter().map(cell).collect()
}

/// Every route with a body, signing out last: everybody needs their session until then.
fn targets(demo: &Demo) -> Vec<Target> {
    let document = demo.call("GET", "/openapi.json", &[], "").json();
    let posts = picture::CONTRACT.iter().filter(|(method, _)| *method == "post");
    let mut rows: BTreeMap<String, Option<&Value>> = posts.map(|(_, path)| ((*path).to_owned(), None)).collect();
    for (path, item) in document["paths"].as_object().unwrap() {
        for operation in item.as_object().unwrap().values().filter(|operation| operation.get("requestBody").is_some()) {
            rows.insert(path.clone(), Some(operation));
        }
    }
    let id = "01a2010a-51fe-7e1f-9893-d6b45adab2c5";
    let target = |(path, operation): (String, Option<&Value>)| {
        let address = path.replace("{id}", id).replace("{redemption_id}", &id[..20]);
        let who = operation.map(|one| one["security"][0].as_object().unwrap().keys().next().unwrap().clone());
        let body = operation.map(|one| &one["requestBody"]["content"][JSON]["schema"]).filter(|one| one.is_object());
        let good = body.map_or(json!({}), |body| schema::least(&document, body)).to_string();
        Target { path, address, who, good }
    };
    let mut targets: Vec<Target> = rows.into_iter().map(target).collect();
    targets.sort_by_key(|target| target.path == "/sign-out");
    targets
}
