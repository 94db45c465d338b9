//! Who gets what: every route tried by everybody, as a picture in git (`unauthorized.txt`) that this test draws again.
//!
//! The routes come from the OpenAPI document, so none can be left out; what CONTRACT names and is not there yet says
//! `not built`. `cargo xtask openapi` writes the picture anew.

use crate::{
    application::{Application, identifier},
    browser::Browser,
    harness::{Demo, Reply},
    journey::{Asked, Journey, payout},
    picture,
    staff::{ROLES, hire},
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
const JSON: (&str, &str) = ("content-type", "application/json");

/// One route, with what a request for it looks like.
struct Target {
    method: String,
    path: String,
    /// With identifiers of things that are Ada's.
    address: String,
    /// Whether the document has it.
    built: bool,
    form: bool,
    body: String,
}

impl Target {
    fn headers(&self) -> Vec<(&str, &str)> {
        if self.method == "get" { Vec::new() } else { vec![if self.form { FORM } else { JSON }] }
    }
}

/// Whoever calls.
type Call<'a> = Box<dyn FnMut(&Target) -> Reply + 'a>;

/// The picture's name has `openapi` in it because `cargo xtask openapi` writes what matches that word.
#[test]
fn the_picture_beside_openapi_shows_who_gets_what() {
    let mut demo = Demo::start();
    let (staff, other) = hire(&mut demo);
    let demo = &demo;
    let mut ada = Journey::begin(demo, 0);
    let (approved, token) = ada.approved(payout(demo, 1));
    let waiting = ada.ask(payout(demo, 2));
    let redemption = ada.redemption(&token, &approved.transaction, &identifier());
    let mut second = Browser::new(demo);
    second.sign_in_with(&ada.passkey);
    let question = ada.question("balance.read", None);
    let targets = targets(demo, &question, &waiting, &redemption, second.sid.as_deref().unwrap());
    let Journey { browser, application, token, .. } = ada;
    let mut text = String::from(
        "Who gets what from each route: status and the error's code. Identifiers in paths are those of things that belong\n\
         to Ada. Drawn by a test; `cargo xtask openapi` draws it anew.\n",
    );

    let (application, token) = (std::cell::RefCell::new(application), token.as_str());
    let mut other_client = Application::new(demo, other.client_id, &other.jwk, None);
    let other_token = other_client.client_token();
    let strangers: Vec<(&str, Call<'_>)> = vec![
        ("nothing", Box::new(|target| send(demo, target, &[]))),
        ("wrong scheme", Box::new(|target| send(demo, target, &[("authorization", "Basic eDp5")]))),
        ("malformed", Box::new(|target| malformed(demo, target))),
        ("another API's key", Box::new(|target| send(demo, target, &[("authorization", &other.authorization)]))),
        ("an expired key", Box::new(|target| send(demo, target, &[("authorization", &other.expired)]))),
        ("a revoked key", Box::new(|target| send(demo, target, &[("authorization", &other.revoked)]))),
        // Ada's is for the treasury, not for us; at userinfo it is the API's own that is nobody's.
        (
            "a token for another",
            Box::new(|target| match target.path.as_str() {
                "/oauth/userinfo" => held(demo, target, &mut other_client, &other_token),
                _ => held(demo, target, &mut application.borrow_mut(), token),
            }),
        ),
    ];
    draw(&mut text, "With nothing, or with the wrong thing", &targets, strangers);

    let mut treasury = Application::of(demo, 0);
    let programs: Vec<(&str, Call<'_>)> = vec![
        ("API, by its key", Box::new(|target| send(demo, target, &[("authorization", &demo.api_key())]))),
        ("client", Box::new(|target| client(demo, target, &mut treasury))),
        ("token holder", Box::new(|target| held(demo, target, &mut application.borrow_mut(), token))),
    ];
    draw(&mut text, "Programs", &targets, programs);

    let mut grace = Browser::new(demo);
    grace.sign_in(&demo.ready["users"][1]);
    let mut people = vec![("not signed in", by(demo, Browser::new(demo))), ("no role", by(demo, grace))];
    people.extend(ROLES.into_iter().zip(&staff).map(|(role, user)| (role, by(demo, on_duty(demo, user)))));
    people.push(("Ada herself", by(demo, browser)));
    draw(&mut text, "People, by their sessions", &targets, people);
    picture::compare("unauthorized.txt", &text);
}

/// Every route of the document, in its order, but signing out comes last: everybody needs their session until then.
fn targets(demo: &Demo, question: &Value, waiting: &Asked, redemption: &Value, session: &str) -> Vec<Target> {
    let document = demo.call("GET", "/openapi.json", &[], "").json();
    let mut rows: BTreeMap<(String, String), (bool, bool)> = BTreeMap::new();
    for (method, path) in picture::CONTRACT {
        rows.insert(((*path).to_owned(), (*method).to_owned()), (false, false));
    }
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let form = operation["security"][0].get("client").is_some();
            rows.insert((path.clone(), method.clone()), (true, form));
        }
    }
    let mut targets: Vec<Target> = rows
        .into_iter()
        .map(|((path, method), (built, form))| {
            let id = match path.split('/').nth(1) {
                Some("step-up") => &waiting.challenge,
                Some("admin") => &waiting.decision,
                _ => session,
            };
            let name = redemption["redemption_id"].as_str().unwrap();
            let address = path.replace("{id}", id).replace("{redemption_id}", name).replace("{path}", "x");
            let body = match (method.as_str(), path.as_str()) {
                ("get", _) => String::new(),
                (_, "/access/v1/evaluation") => question.to_string(),
                (_, "/v1/redeem") => redemption.to_string(),
                (_, "/v1/redeem/{redemption_id}") => json!({"outcome": "executed"}).to_string(),
                (_, "/me/sessions/{id}/end") => json!({"not_me": false}).to_string(),
                (_, "/step-up/{id}/code") => json!({"code": "000000"}).to_string(),
                (_, "/step-up/{id}/refuse") => json!({"alarm": false}).to_string(),
                _ if form => String::new(),
                _ => "{}".to_owned(),
            };
            Target { method, path, address, built, form, body }
        })
        .collect();
    targets.sort_by_key(|target| target.path == "/sign-out");
    targets
}

/// One block: a row for each route, a column for each caller.
fn draw(text: &mut String, title: &str, targets: &[Target], callers: Vec<(&str, Call<'_>)>) {
    let rows: Vec<(&str, &str)> = targets.iter().map(|t| (t.method.as_str(), t.path.as_str())).collect();
    let mut columns = Vec::new();
    for (name, mut call) in callers {
        columns.push((name, targets.iter().map(|target| cell(target, &call(target))).collect()));
    }
    picture::block(text, title, &rows, &columns);
}

fn cell(target: &Target, reply: &Reply) -> String {
    if target.built { picture::word(reply) } else { picture::not_built(&target.method, &target.path, reply) }
}

fn send(demo: &Demo, target: &Target, credentials: &[(&str, &str)]) -> Reply {
    let mut headers = target.headers();
    headers.extend_from_slice(credentials);
    demo.head(&demo.request(&target.method.to_uppercase(), &target.address, &headers, &target.body))
}

/// What a broken caller sends, whatever it wants to be.
fn malformed(demo: &Demo, target: &Target) -> Reply {
    let credentials = [
        ("authorization", "DPoP x.y.z"),
        ("dpop", "x.y.z"),
        ("counterfoil-proof", "x.y.z"),
        ("cookie", "__Host-counterfoil=%"),
    ];
    if !target.form {
        return send(demo, target, &credentials);
    }
    let body = format!(
        "client_id=treasury&client_assertion=x.y.z&client_assertion_type={}",
        "urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer"
    );
    demo.call("POST", &target.address, &[FORM], &body)
}

/// A client; where a form is asked for, with its assertion.
fn client(demo: &Demo, target: &Target, client: &mut Application<'_>) -> Reply {
    match target.path.as_str() {
        "/oauth/par" => client.try_push(&[]).unwrap().0,
        path if target.form => client.send(path, &[("grant_type", "authorization_code"), ("code", "x")]),
        path => {
            let signed = client.sign(path, &[]);
            send(demo, target, &[("dpop", &signed.dpop)])
        }
    }
}

/// Whoever holds this token and the key of this client, with the nonce that the first reply gives.
fn held(demo: &Demo, target: &Target, application: &mut Application<'_>, token: &str) -> Reply {
    let mut again = false;
    loop {
        let uri = format!("{}{}", demo.issuer(), target.address);
        let proof = application.proof(&target.method.to_uppercase(), &uri, token);
        let reply = send(demo, target, &[("authorization", &format!("DPoP {token}")), ("dpop", &proof)]);
        application.remember(&reply);
        if again || !reply.body.contains("use_dpop_nonce") {
            return reply;
        }
        again = true;
    }
}

/// A browser with its session. Whatever a reply makes of the session is forgotten, so that all rows have the same caller.
fn by<'a>(demo: &'a Demo, mut browser: Browser<'a>) -> Call<'a> {
    Box::new(move |target| {
        if target.method == "post" && !target.form {
            let before = (browser.sid.clone(), browser.cookie.clone());
            let reply = browser.try_post_text(&target.address, &target.body).unwrap();
            (browser.sid, browser.cookie) = before;
            return reply;
        }
        let proof = browser.proof(&target.address, &target.body);
        let cookie = browser.cookie.clone().unwrap_or_default();
        send(demo, target, &[("cookie", &cookie), ("counterfoil-proof", &proof)])
    })
}

/// A member of staff at work: enrolled, and signed in by passkey.
fn on_duty<'a>(demo: &'a Demo, user: &Value) -> Browser<'a> {
    let mut first = Browser::new(demo);
    let done = first.sign_in(user);
    assert_eq!(done.status, 200, "{done:?}");
    let passkey = first.enrol();
    let mut browser = Browser::new(demo);
    browser.sign_in_with(&passkey);
    browser
}
