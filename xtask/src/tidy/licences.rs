//! Every dependency comes from the registry, under a licence that our own allows us to link with.

use super::Finding;
use serde_json::Value;

/// SPDX identifiers that ask for no more than attribution, or (MPL) for changes to their own files.
/// `docs/decisions/0004-dependencies.md` says why each is here.
const ALLOWED: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "MPL-2.0",
    "Unicode-3.0",
    "Zlib",
];

/// Exceptions that only allow more.
const EXCEPTIONS: &[&str] = &["LLVM-exception"];

/// Packages that must not come in, by whatever road, with the reason.
const BANNED: &[(&str, &str)] = &[
    ("openssl-sys", "a cold clone builds without OpenSSL"),
    ("native-tls", "TLS is rustls"),
    ("libsodium-sys", "cryptography is aws-lc-rs"),
];

/// All packages of `cargo metadata`'s resolved graph.
pub fn check(metadata: &Value) -> Vec<Finding> {
    let nodes = metadata["resolve"]["nodes"].as_array().into_iter().flatten();
    let used: std::collections::BTreeSet<&str> = nodes.filter_map(|node| node["id"].as_str()).collect();
    let packages = metadata["packages"].as_array().into_iter().flatten();
    packages.filter(|package| used.contains(package["id"].as_str().unwrap_or_default())).filter_map(problem).collect()
}

fn problem(package: &Value) -> Option<Finding> {
    let name = package["name"].as_str().unwrap_or_default();
    let version = package["version"].as_str().unwrap_or_default();
    let about = |what: String| Some(Finding::of("Cargo.lock", format!("{name} {version}: {what}")));
    match package["source"].as_str() {
        // Ours.
        None => return None,
        Some(source) if source.starts_with("registry+") => {}
        Some(source) => return about(format!("comes from {source}, not from the registry")),
    }
    if let Some((_, why)) = BANNED.iter().find(|(banned, _)| *banned == name) {
        return about(format!("may not be used: {why}"));
    }
    match package["license"].as_str() {
        Some(expression) if allowed(expression) => None,
        Some(expression) => about(format!("licence {expression} is not in the list of xtask/src/tidy/licences.rs")),
        None => about("names no licence".into()),
    }
}

/// Whether an SPDX expression leaves us a choice that is allowed. `/` is the old way to write OR.
fn allowed(expression: &str) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let mut words = spaced.split_whitespace().peekable();
    any(&mut words) && words.next().is_none()
}

type Words<'a> = std::iter::Peekable<std::str::SplitWhitespace<'a>>;

fn any(words: &mut Words<'_>) -> bool {
    let mut good = all(words);
    while words.next_if_eq(&"OR").is_some() {
        good |= all(words);
    }
    good
}

fn all(words: &mut Words<'_>) -> bool {
    let mut good = one(words);
    while words.next_if_eq(&"AND").is_some() {
        good &= one(words);
    }
    good
}

fn one(words: &mut Words<'_>) -> bool {
    match words.next() {
        Some("(") => {
            let good = any(words);
            words.next() == Some(")") && good
        }
        Some(licence) => {
            let excepted = words.next_if_eq(&"WITH").is_none() || words.next().is_some_and(|e| EXCEPTIONS.contains(&e));
            ALLOWED.contains(&licence) && excepted
        }
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_expression_is_allowed_when_one_choice_is() {
        for (expression, good) in [
            ("MIT", true),
            ("GPL-3.0-only", false),
            ("GPL-3.0-only OR MIT", true),
            ("MIT AND GPL-3.0-only", false),
            ("MIT/Apache-2.0", true),
            ("(MIT OR Apache-2.0) AND Unicode-3.0", true),
            ("Apache-2.0 WITH LLVM-exception OR Apache-2.0", true),
            ("Apache-2.0 WITH Commons-Clause", false),
            ("", false),
            ("MIT MIT", false),
            ("(MIT", false),
        ] {
            assert_eq!(allowed(expression), good, "{expression}");
        }
    }

    #[test]
    fn what_is_used_comes_from_the_registry() {
        let metadata = |source: &str, name: &str, license: &str| {
            json!({ "resolve": {"nodes": [{"id": "a"}]},
                    "packages": [{"id": "a", "name": name, "version": "1.0.0", "source": source, "license": license},
                                 {"id": "unused", "name": "x", "version": "1.0.0", "source": "git+x", "license": "no"}] })
        };
        assert_eq!(check(&metadata("registry+index", "a", "MIT")), []);
        assert_eq!(check(&metadata("git+elsewhere", "a", "MIT")).len(), 1);
        assert_eq!(check(&metadata("registry+index", "a", "SSPL-1.0")).len(), 1);
        assert_eq!(check(&metadata("registry+index", "openssl-sys", "MIT")).len(), 1);
    }
}
