//! `GET /openapi.json`: the route table as an OpenAPI 3.1 document, made from the table itself.

use super::{Caller, Route};
use axum::Json;
use serde_json::{Map, Value, json};

/// The document.
pub async fn handle() -> Json<Value> {
    Json(document(&super::routes()))
}

/// The document of these routes.
pub fn document(routes: &[Route]) -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for route in routes {
        let item = paths.entry(route.path.replace("{*", "{")).or_insert_with(|| json!({}));
        let mut operation = json!({
            "summary": route.summary,
            "responses": {"default": {"description": "RFC 9457 problem details, or an OAuth error where that is the standard's form"}},
        });
        if let Some(scheme) = scheme(route.who) {
            operation["security"] = json!([{ scheme: [] }]);
        }
        let parameters: Vec<Value> = parameters(route.path);
        if !parameters.is_empty() {
            operation["parameters"] = json!(parameters);
        }
        item[route.method.as_str().to_ascii_lowercase()] = operation;
    }
    json!({
        "openapi": "3.1.0",
        "info": {"title": "Counterfoil", "version": env!("CARGO_PKG_VERSION"), "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"}},
        "paths": paths,
        "components": {"securitySchemes": {
            "client": {"type": "http", "scheme": "private_key_jwt", "description": "RFC 7523 client assertion in the form"},
            "api": {"type": "http", "scheme": "bearer", "description": "API key, or a DPoP-bound token of the API's own client"},
            "session": {"type": "apiKey", "in": "header", "name": "Counterfoil-Proof", "description": "session proof with the session's cookie"},
            "collector": {"type": "http", "scheme": "bearer", "description": "the configured metrics token; without one, callers on the same machine alone"},
            "token": {"type": "http", "scheme": "DPoP", "description": "access token with its DPoP proof"},
        }},
    })
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

fn parameters(path: &str) -> Vec<Value> {
    path.split('/')
        .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
        .map(|name| json!({"name": name.trim_start_matches('*'), "in": "path", "required": true, "schema": {"type": "string"}}))
        .collect()
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
