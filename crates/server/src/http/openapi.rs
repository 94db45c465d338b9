//! `GET /openapi.json`: the route table as an OpenAPI 3.1 document, made from the table itself, so that a client can be
//! generated from it. What a route takes, gives and refuses stands in [`operations`]; what follows from who may call it, here.

mod console;
mod operations;
mod pages;
mod programs;
mod schema;

use super::{Caller, Route};
use crate::problem::Kind;
use axum::{Json, http::Method};
use counterfoil_oauth::error::ErrorCode;
use operations::{Gives, OPERATIONS, Operation, Takes};
use schema::named;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// The document.
pub async fn handle() -> Json<Value> {
    Json(document(&super::routes()))
}

/// The document of these routes.
pub fn document(routes: &[Route]) -> Value {
    let (mut paths, mut responses) = (Map::new(), Map::new());
    for route in routes {
        // A test says so when one is missing.
        let Some(operation) = operation(route) else { continue };
        let item = paths.entry(route.path.replace("{*", "{")).or_insert_with(|| json!({}));
        item[route.method.as_str().to_ascii_lowercase()] = described(route, operation, &mut responses);
    }
    let schemas: Map<String, Value> = [programs::schemas(), pages::schemas(), console::schemas()]
        .concat()
        .into_iter()
        .map(|(name, schema)| (name.to_owned(), schema))
        .collect();
    json!({
        "openapi": "3.1.0",
        "info": {"title": "Counterfoil", "version": env!("CARGO_PKG_VERSION"), "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"}},
        "paths": paths,
        "components": {
            "schemas": schemas,
            "responses": responses,
            "headers": headers(),
            "securitySchemes": {
                "client": {"type": "http", "scheme": "private_key_jwt", "description": "RFC 7523 client assertion in the form"},
                "api": {"type": "http", "scheme": "bearer", "description": "API key, or a DPoP-bound token of the API's own client"},
                "session": {"type": "apiKey", "in": "header", "name": "Counterfoil-Proof", "description": "session proof with the session's cookie"},
                "collector": {"type": "http", "scheme": "bearer", "description": "the configured metrics token; without one, callers on the same machine alone"},
                "token": {"type": "http", "scheme": "DPoP", "description": "access token with its DPoP proof"},
            },
        },
    })
}

fn operation(route: &Route) -> Option<&'static Operation> {
    let name = format!("{} {}", route.method, route.path);
    OPERATIONS.iter().find(|operation| operation.route == name)
}

fn described(route: &Route, operation: &Operation, shared: &mut Map<String, Value>) -> Value {
    let mut described = json!({
        "operationId": operation.id,
        "tags": [tag(route, operation)],
        "summary": route.summary,
        "responses": replies(route, operation, shared),
    });
    if let Some(scheme) = scheme(route.who) {
        described["security"] = json!([{ scheme: [] }]);
    }
    let parameters = parameters(route);
    if !parameters.is_empty() {
        described["parameters"] = json!(parameters);
    }
    let body = match operation.takes {
        Takes::Nothing => None,
        Takes::Json(name) => Some(("application/json", name)),
        Takes::Form(name) => Some(("application/x-www-form-urlencoded", name)),
    };
    if let Some((kind, name)) = body {
        described["requestBody"] = json!({"required": true, "content": {kind: {"schema": named(name)}}});
    }
    described
}

/// Parts of a generated client.
fn tag(route: &Route, operation: &Operation) -> &'static str {
    match (route.who, operation.gives) {
        (Caller::Api, _) => "api",
        (Caller::Client | Caller::TokenHolder, _) => "oauth",
        (Caller::Browser | Caller::SignedIn, _) | (_, Gives::Page | Gives::Elsewhere | Gives::Asset) => "pages",
        (_, Gives::Text) => "operations",
        _ => "discovery",
    }
}

fn scheme(who: Caller) -> Option<&'static str> {
    match who {
        // What the operator's socket serves stands in no document for the network.
        Caller::Anyone | Caller::Host => None,
        Caller::Browser | Caller::SignedIn => Some("session"),
        Caller::Client => Some("client"),
        Caller::Api => Some("api"),
        Caller::TokenHolder => Some("token"),
        Caller::Collector => Some("collector"),
    }
}

fn parameters(route: &Route) -> Vec<Value> {
    let parameter = |place: &str, name: &str, required: bool, what: &str| json!({"name": name, "in": place, "required": required, "schema": {"type": "string"}, "description": what});
    let names = route.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let mut parameters: Vec<Value> =
        names.map(|name| parameter("path", name.trim_start_matches('*'), true, named_in(route.path))).collect();
    match (route.who, &route.method, route.path) {
        (Caller::Client, ..) => parameters.push(parameter(
            "header",
            "DPoP",
            route.path == "/oauth/token",
            "A proof for this request, with the server's nonce (RFC 9449).",
        )),
        (Caller::TokenHolder, ..) => {
            parameters.push(parameter(
                "header",
                "DPoP",
                true,
                "A proof for this request and this token (RFC 9449 §7).",
            ));
        }
        (Caller::Api, ..) => {
            parameters.push(parameter("header", "DPoP", false, "With a token in place of the API key: its proof."));
        }
        (_, &Method::GET, "/oauth/authorize") => {
            parameters.push(parameter("query", "client_id", true, "The client that pushed."));
            parameters.push(parameter("query", "request_uri", true, "What it got for it (RFC 9126 §4)."));
        }
        _ => {}
    }
    match route.path {
        "/access/v1/evaluation" => {
            parameters.push(parameter("header", "X-Request-ID", false, "Comes back as it is (AuthZEN 1.0 §10.1)."));
        }
        "/v1/revocations" => {
            parameters.push(parameter(
                "header",
                "Last-Event-ID",
                false,
                "The `id` of the last event that was received.",
            ));
        }
        _ => {}
    }
    parameters
}

/// What stands in the braces of a path.
fn named_in(path: &str) -> &'static str {
    const NAMES: &[(&str, &str)] = &[
        ("/v1/redeem/", "The name under which it was redeemed."),
        ("/step-up/", "A challenge, or the decision that asks for one."),
        ("/me/authenticators/", "The authenticator."),
        ("/me/sessions/", "The session."),
        ("/me/", "The challenge that was confirmed."),
        ("/admin/", "The decision."),
    ];
    NAMES.iter().find(|(begin, _)| path.starts_with(begin)).map_or("The file.", |(_, what)| what)
}

/// Every reply by its status.
fn replies(route: &Route, operation: &Operation, shared: &mut Map<String, Value>) -> Value {
    let mut replies = Map::new();
    if let Some((status, reply)) = success(route, operation) {
        replies.insert(status.to_owned(), reply);
    }
    if operation.gives == Gives::Page {
        replies.insert(
            "304".to_owned(),
            json!({"description": "The shell that `If-None-Match` names is the present one."}),
        );
    }
    let mut refusals: BTreeMap<u16, (Vec<Kind>, Vec<ErrorCode>)> = BTreeMap::new();
    for kind in problems(route, operation) {
        let kinds = &mut refusals.entry(kind.status.as_u16()).or_default().0;
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    for (status, code) in errors(route, operation) {
        let codes = &mut refusals.entry(status).or_default().1;
        if !codes.contains(&code) {
            codes.push(code);
        }
    }
    for (status, (kinds, codes)) in refusals {
        let refusal = refusal(&kinds, &codes, route.who == Caller::Client);
        let name = match scheme(route.who) {
            // What a client may be told differs from endpoint to endpoint.
            Some(_) if route.who == Caller::Client => {
                replies.insert(status.to_string(), refusal);
                continue;
            }
            Some(scheme) if !codes.is_empty() => format!("{scheme}.{status}"),
            _ => kinds.iter().map(|kind| kind.name).collect::<Vec<_>>().join("."),
        };
        replies.insert(status.to_string(), json!({"$ref": format!("#/components/responses/{name}")}));
        shared.insert(name, refusal);
    }
    Value::Object(replies)
}

fn success(route: &Route, operation: &Operation) -> Option<(&'static str, Value)> {
    let json = |name: &str| json!({"application/json": {"schema": named(name)}});
    let text = || json!({"schema": {"type": "string"}});
    let (status, what, content) = match operation.gives {
        Gives::Json(name) | Gives::Session(name) => ("200", "Done.", json(name)),
        Gives::Created(name) => ("201", "Kept.", json(name)),
        Gives::Events => (
            "200",
            "A `heartbeat` each second says that by then everything was sent; `revoked` names what is over.",
            json!({"text/event-stream": {"schema": {"type": "string"}, "x-events": {"heartbeat": named("Heartbeat"), "revoked": named("Revoked")}}}),
        ),
        Gives::Page => ("200", "The shell.", json!({"text/html": text()})),
        Gives::Text => ("200", "It is so.", json!({"text/plain": text()})),
        Gives::Asset => ("200", "The file.", json!({"*/*": {}})),
        Gives::Elsewhere => return Some(("303", json!({"description": "There.", "headers": referred(&["Location"])}))),
        Gives::Confirmation => return None,
    };
    let mut headers: Vec<&str> = Vec::new();
    match route.who {
        Caller::Client => headers.push("DPoP-Nonce"),
        Caller::Browser | Caller::SignedIn => headers.push("Counterfoil-Nonce"),
        _ => {}
    }
    if let Gives::Session(_) = operation.gives {
        headers.extend(["Counterfoil-Session?", "Set-Cookie?"]);
    }
    if route.path == "/access/v1/evaluation" {
        headers.push("X-Request-ID?");
    }
    let mut reply = json!({"description": what, "content": content});
    if !headers.is_empty() {
        reply["headers"] = referred(&headers);
    }
    Some((status, reply))
}

/// The problems of the table, and those that the extractors of this caller and this body give.
fn problems(route: &Route, operation: &Operation) -> Vec<Kind> {
    let mut kinds = Vec::new();
    if let Takes::Json(_) = operation.takes {
        kinds.extend([Kind::INVALID_REQUEST, Kind::TOO_LARGE, Kind::TOO_SLOW]);
    }
    if let Caller::Browser | Caller::SignedIn = route.who {
        kinds.extend([Kind::PROOF_INVALID, Kind::USE_NONCE, Kind::SESSION_ENDED]);
    }
    match route.who {
        Caller::SignedIn => kinds.push(Kind::SIGN_IN_REQUIRED),
        Caller::Api => kinds.push(Kind::UNAUTHENTICATED),
        _ => {}
    }
    kinds.extend(operation.problems);
    // Whatever is written may meet somebody who was faster, or a full queue.
    if let Takes::Json(_) = operation.takes {
        kinds.push(Kind::CONFLICT);
    }
    if matches!(route.who, Caller::Browser | Caller::SignedIn | Caller::Api | Caller::TokenHolder) {
        kinds.extend([Kind::BUSY, Kind::INTERNAL]);
    }
    kinds
}

/// The same of OAuth errors, by status: a resource answers all of them with 401 (RFC 6750 §3.1, RFC 9449 §9).
fn errors(route: &Route, operation: &Operation) -> Vec<(u16, ErrorCode)> {
    use ErrorCode::{InvalidClient, InvalidDpopProof, InvalidToken, ServerError, TemporarilyUnavailable, UseDpopNonce};
    match route.who {
        Caller::Client => {
            let always = [InvalidClient, InvalidDpopProof, UseDpopNonce, ServerError, TemporarilyUnavailable];
            operation.errors.iter().copied().chain(always).map(|code| (code.status(), code)).collect()
        }
        Caller::Api | Caller::TokenHolder => {
            [InvalidToken, InvalidDpopProof, UseDpopNonce].map(|code| (401, code)).into()
        }
        _ => Vec::new(),
    }
}

/// A reply that says no, in one of the two forms or in either.
fn refusal(kinds: &[Kind], codes: &[ErrorCode], client: bool) -> Value {
    let (mut content, mut said, mut headers) = (Map::new(), Vec::new(), Vec::new());
    let only = |schema: &str, member: &str, words: Vec<&str>| json!({"schema": {"allOf": [named(schema), {"properties": {member: {"enum": words}}}]}});
    if !kinds.is_empty() {
        let names = kinds.iter().map(|kind| kind.name).collect();
        content.insert("application/problem+json".to_owned(), only("Problem", "code", names));
        said.extend(kinds.iter().map(|kind| kind.title));
    }
    if !codes.is_empty() {
        let names: Vec<&str> = codes.iter().map(|code| code.as_str()).collect();
        said.extend(&names);
        content.insert("application/json".to_owned(), only("OAuthError", "error", names));
        headers.push(if client { "DPoP-Nonce" } else { "DPoP-Nonce?" });
    }
    if !client && (kinds.contains(&Kind::UNAUTHENTICATED) || !codes.is_empty()) {
        headers.push("WWW-Authenticate");
    }
    if kinds.contains(&Kind::USE_NONCE) {
        headers.push("Counterfoil-Nonce");
    }
    if kinds.iter().any(|kind| matches!(kind.status.as_u16(), 429 | 503)) {
        headers.push("Retry-After");
    }
    let mut refusal = json!({"description": said.join("; "), "content": content});
    if !headers.is_empty() {
        refusal["headers"] = referred(&headers);
    }
    refusal
}

/// Headers of replies. A name that ends in `?`: not always there.
const HEADERS: &[(&str, &str)] = &[
    ("Counterfoil-Nonce", "For the next session proof."),
    ("Counterfoil-Session?", "The session's new handle."),
    ("DPoP-Nonce", "For the next DPoP proof (RFC 9449 §8)."),
    ("DPoP-Nonce?", "For the next DPoP proof (RFC 9449 §8)."),
    ("Location", "Where."),
    ("Retry-After", "Seconds."),
    ("Set-Cookie?", "The session's."),
    ("WWW-Authenticate", "What would be accepted."),
    ("X-Request-ID?", "The caller's own."),
];

fn component(header: &str) -> String {
    header.replace('?', "-if-any")
}

fn referred(names: &[&str]) -> Value {
    let reference = |name: &&str| {
        let header = json!({"$ref": format!("#/components/headers/{}", component(name))});
        (name.trim_end_matches('?').to_owned(), header)
    };
    names.iter().map(reference).collect::<Map<_, _>>().into()
}

fn headers() -> Value {
    let described = |(name, what): &(&str, &str)| {
        let header = json!({"description": what, "required": !name.ends_with('?'), "schema": {"type": "string"}});
        (component(name), header)
    };
    HEADERS.iter().map(described).collect::<Map<_, _>>().into()
}

#[cfg(test)]
// A test that cannot go on should stop.
#[allow(clippy::unwrap_used)]
mod tests {
    /// Kept in git, so that a change of the routes is seen in review; `cargo xtask openapi` writes it again.
    #[test]
    fn the_openapi_document_in_git_is_that_of_the_routes() {
        let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../openapi.json");
        let document = super::document(&super::super::routes());
        let text = format!("{}\n", serde_json::to_string_pretty(&document).unwrap());
        if std::env::var_os("COUNTERFOIL_BLESS").is_some() {
            std::fs::write(&file, &text).unwrap();
        }
        let kept = std::fs::read_to_string(&file).unwrap();
        let parsed = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(
            parsed(&kept),
            parsed(&text),
            "the routes have changed: run `cargo xtask openapi` and look at the diff"
        );
    }

    #[test]
    fn the_two_tables_have_the_same_lines() {
        let routes: Vec<String> =
            super::super::routes().iter().map(|route| format!("{} {}", route.method, route.path)).collect();
        let operations: Vec<&str> = super::OPERATIONS.iter().map(|operation| operation.route).collect();
        assert_eq!(routes, operations);
        let names: std::collections::BTreeSet<&str> = super::OPERATIONS.iter().map(|operation| operation.id).collect();
        assert_eq!(names.len(), operations.len(), "an operation's name is its own");
    }

    #[test]
    fn every_name_in_the_document_is_defined_in_it_and_every_definition_is_used() {
        let document = super::document(&super::super::routes());
        let (mut used, mut open) = (std::collections::BTreeSet::new(), vec![&document]);
        while let Some(value) = open.pop() {
            open.extend(value.as_object().into_iter().flat_map(|members| members.values()));
            open.extend(value.as_array().into_iter().flatten());
            used.extend(value.get("$ref").and_then(serde_json::Value::as_str));
        }
        let mut defined = std::collections::BTreeSet::new();
        for part in ["schemas", "responses", "headers"] {
            let names = document["components"][part].as_object().unwrap().keys();
            defined.extend(names.map(|name| format!("#/components/{part}/{name}")));
        }
        assert_eq!(used, defined.iter().map(String::as_str).collect());
    }

    #[test]
    fn every_route_stands_in_the_document_with_who_may_call_it() {
        let routes = super::super::routes();
        let document = super::document(&routes);
        for route in &routes {
            let operation =
                &document["paths"][route.path.replace("{*", "{")][route.method.as_str().to_ascii_lowercase()];
            assert_eq!(operation["summary"], route.summary, "{} {}", route.method, route.path);
            assert_eq!(operation.get("security").is_some(), route.who != super::Caller::Anyone, "{}", route.path);
        }
    }
}
