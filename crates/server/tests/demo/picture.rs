//! Pictures in git that tests draw again: what each route answers, a row for each. `cargo xtask openapi` writes them anew.

use crate::harness::Reply;
use serde_json::Value;
use std::{fmt::Write as _, path::Path};

/// Paths of CONTRACT §3. Each must be a route, or is shown as not built.
pub const CONTRACT: &[(&str, &str)] = &[
    ("get", "/.well-known/openid-configuration"),
    ("get", "/.well-known/oauth-authorization-server"),
    ("get", "/.well-known/authzen-configuration"),
    ("get", "/.well-known/ssf-configuration"),
    ("post", "/oauth/par"),
    ("get", "/oauth/authorize"),
    ("post", "/oauth/authorize"),
    ("post", "/oauth/token"),
    ("post", "/oauth/introspect"),
    ("post", "/oauth/revoke"),
    ("get", "/oauth/userinfo"),
    ("get", "/oauth/jwks"),
    ("post", "/oauth/bc-authorize"),
    ("post", "/access/v1/evaluation"),
    ("post", "/access/v1/evaluations"),
    ("post", "/access/v1/search/subject"),
    ("post", "/access/v1/search/resource"),
    ("post", "/access/v1/search/action"),
    ("post", "/v1/redeem"),
    ("post", "/v1/redeem/{redemption_id}"),
    ("get", "/v1/revocations"),
    ("post", "/v1/challenges"),
    ("post", "/v1/tasks"),
    ("post", "/v1/containments"),
    ("get", "/v1/audit"),
    ("get", "/v1/admin"),
    ("get", "/openapi.json"),
    ("get", "/sign-in"),
    ("get", "/step-up/{id}"),
    ("get", "/approve/{id}"),
    ("get", "/me"),
    ("get", "/recover"),
    ("get", "/admin"),
    ("get", "/gateway/verify"),
    ("get", "/ssf"),
    ("get", "/scim/v2"),
    ("get", "/healthz"),
    ("get", "/readyz"),
    ("get", "/metrics"),
];

/// What a cell says of a route that CONTRACT names and that is not there yet. It must not answer.
pub fn not_built(method: &str, path: &str, reply: &Reply) -> String {
    assert_eq!(reply.status, 404, "{method} {path} answers and is in no document");
    "not built".to_owned()
}

/// What a reply says in a few words: its status and the error's code, or the outcome.
pub fn word(reply: &Reply) -> String {
    let body: Value = serde_json::from_str(&reply.body).unwrap_or_default();
    let word = ["code", "error", "outcome"].iter().find_map(|name| body[*name].as_str());
    let word = word.or_else(|| body["context"]["outcome"].as_str()).unwrap_or_default();
    format!("{} {word}", reply.status).trim_end().to_owned()
}

/// One block under its title: a row for each method and path, and named columns of cells.
pub fn block(text: &mut String, title: &str, rows: &[(&str, &str)], columns: &[(&str, Vec<String>)]) {
    let mut named = vec![title.to_owned()];
    named.extend(rows.iter().map(|(method, path)| format!("{:<4} {path}", method.to_uppercase())));
    let mut all = vec![named];
    for (name, cells) in columns {
        all.push(std::iter::once((*name).to_owned()).chain(cells.iter().cloned()).collect());
    }
    text.push('\n');
    for row in 0..=rows.len() {
        let cells = all.iter().map(|column| {
            let width = column.iter().map(String::len).max().unwrap_or(0);
            format!("{:<width$}", column[row])
        });
        let line = cells.collect::<Vec<_>>().join(" | ");
        let _ = writeln!(text, "{}", line.trim_end());
        if row == 0 {
            let _ = writeln!(text, "{}", "-".repeat(line.len()));
        }
    }
}

/// The picture in git is the one just drawn.
pub fn compare(name: &str, drawn: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/demo").join(name);
    if std::env::var_os("COUNTERFOIL_BLESS").is_some() {
        std::fs::write(&file, drawn).unwrap();
    }
    let kept = std::fs::read_to_string(&file).unwrap_or_default();
    let changed: Vec<(&str, &str)> = kept.lines().zip(drawn.lines()).filter(|(kept, drawn)| kept != drawn).collect();
    assert!(kept == drawn, "{name} has changed: run `cargo xtask openapi` and look at the diff\n{changed:#?}");
}
