//! Dependencies between crates are a line, not a graph; what a border forbids is listed here.

use super::{Finding, Repo};

/// One crate: where it is, and which of ours it may use.
struct Border {
    manifest: &'static str,
    name: &'static str,
    may_use: &'static [&'static str],
    /// No I/O, no async, no clock, no randomness.
    pure: bool,
}

const CORE: &str = "counterfoil-core";
const OAUTH: &str = "counterfoil-oauth";
const STORE: &str = "counterfoil-store";
const GUARD: &str = "counterfoil-guard";
const DEMO: &str = "counterfoil-demo";

const BORDERS: &[Border] = &[
    Border { manifest: "crates/core/Cargo.toml", name: CORE, may_use: &[], pure: true },
    Border { manifest: "crates/oauth/Cargo.toml", name: OAUTH, may_use: &[CORE], pure: true },
    Border { manifest: "crates/store/Cargo.toml", name: STORE, may_use: &[CORE, OAUTH], pure: false },
    Border { manifest: "crates/guard/Cargo.toml", name: GUARD, may_use: &[CORE, OAUTH], pure: false },
    // The sample application is an outsider: it sees what a customer's application sees.
    Border { manifest: "demo/Cargo.toml", name: DEMO, may_use: &[OAUTH, GUARD], pure: false },
    Border {
        manifest: "crates/server/Cargo.toml",
        name: "counterfoil",
        may_use: &[CORE, OAUTH, STORE, DEMO],
        pure: false,
    },
    // They run and measure the binary from outside.
    Border { manifest: "attacks/Cargo.toml", name: "counterfoil-attacks", may_use: &[], pure: false },
    Border { manifest: "bench/Cargo.toml", name: "counterfoil-bench", may_use: &[], pure: false },
    Border { manifest: "xtask/Cargo.toml", name: "xtask", may_use: &[], pure: false },
];

/// What would bring I/O, tasks, time or chance into a crate that has none.
const IMPURE: &[&str] = &[
    "async-trait",
    "axum",
    "chrono",
    "futures",
    "futures-util",
    "getrandom",
    "hyper",
    "hyper-util",
    "jiff",
    "rand",
    "reqwest",
    "rusqlite",
    "rustix",
    "sqlx",
    "tokio",
    "tower",
    "tower-http",
    "tracing",
];

const TABLES: &[&str] = &["dependencies", "dev-dependencies", "build-dependencies"];

/// All borders.
pub fn check(repo: &Repo) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in repo.ending("Cargo.toml") {
        let manifest: toml::Table = match text.parse() {
            Ok(table) => table,
            Err(error) => {
                findings.push(Finding::of(path, format!("not TOML: {error}")));
                continue;
            }
        };
        if manifest.contains_key("workspace") {
            root(path, &manifest, &mut findings);
        } else if let Some(border) = BORDERS.iter().find(|border| border.manifest == path) {
            member(border, &manifest, &mut findings);
        } else {
            findings.push(Finding::of(
                path,
                "a crate without a border: list it in xtask/src/tidy/crates.rs, with the reason",
            ));
        }
    }
    layers(repo, &mut findings);
    findings
}

fn root(path: &str, manifest: &toml::Table, findings: &mut Vec<Finding>) {
    let lints = &manifest["workspace"].get("lints").and_then(|lints| lints.get("rust"));
    let forbids = |level: &toml::Value| level.as_str() == Some("forbid");
    if !lints.and_then(|rust| rust.get("unsafe_code")).is_some_and(forbids) {
        findings.push(Finding::of(path, "`unsafe_code = \"forbid\"` is gone from workspace.lints.rust"));
    }
}

fn member(border: &Border, manifest: &toml::Table, findings: &mut Vec<Finding>) {
    let path = border.manifest;
    let inherits = |table: &str| manifest.get(table).and_then(|table| table.get("workspace"));
    if inherits("lints").and_then(toml::Value::as_bool) != Some(true) {
        findings.push(Finding::of(path, "must inherit the lints: [lints] workspace = true"));
    }
    for table in TABLES {
        let Some(entries) = manifest.get(*table).and_then(toml::Value::as_table) else { continue };
        for (name, entry) in entries {
            if entry.get("workspace").and_then(toml::Value::as_bool) != Some(true) {
                findings
                    .push(Finding::of(path, format!("`{name}` must be declared in the root: {name}.workspace = true")));
            }
            if let Some(problem) = forbidden(border, name, table) {
                findings.push(Finding::of(path, problem));
            }
        }
    }
}

fn forbidden(border: &Border, name: &str, table: &str) -> Option<String> {
    let ours = BORDERS.iter().any(|other| other.name == name);
    if ours && !border.may_use.contains(&name) {
        return Some(format!("{} may not use {name}: dependencies point from the edges to the core", border.name));
    }
    // Tests of a pure crate may do what they like.
    if border.pure && table == "dependencies" && IMPURE.contains(&name) {
        return Some(format!("{} is pure (no I/O, async, clock, randomness) and may not use {name}", border.name));
    }
    if ["rusqlite", "sqlx"].contains(&name) && border.name != STORE {
        return Some("only counterfoil-store speaks SQL".into());
    }
    None
}

/// A border inside a crate: files in `within`, but for `except`, do not use these words.
struct Layer {
    within: &'static str,
    except: &'static str,
    words: &'static [&'static str],
    why: &'static str,
}

impl Layer {
    /// Is this the excepted module, or a part of it?
    fn excepts(&self, path: &str) -> bool {
        let rest = path.strip_prefix(self.except).filter(|_| !self.except.is_empty());
        rest.is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
    }
}

const LAYERS: &[Layer] = &[
    Layer {
        within: "crates/server/src/flows/",
        except: "",
        words: &["axum::", "hyper::", "askama::"],
        why: "a flow knows no HTTP: pages, API and command line all tell it; extract before, render after",
    },
    Layer {
        within: "crates/store/src/",
        except: "crates/store/src/backend",
        words: &["rusqlite::", "sqlx::Postgres", "sqlx::postgres", "PgPool"],
        why: "only backend.rs knows that there are two engines",
    },
];

fn layers(repo: &Repo, findings: &mut Vec<Finding>) {
    for layer in LAYERS {
        for (path, text) in
            repo.ending(".rs").filter(|(path, _)| path.starts_with(layer.within) && !layer.excepts(path))
        {
            for (index, line) in text.lines().enumerate() {
                let code = line.split("//").next().unwrap_or_default();
                if let Some(word) = layer.words.iter().find(|word| code.contains(**word)) {
                    findings.push(Finding::at(path, index + 1, format!("`{word}`: {}", layer.why)));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINTS: &str = "[lints]\nworkspace = true\n";

    #[test]
    fn dependencies_point_one_way() {
        for (path, dependency, allowed) in [
            ("crates/oauth/Cargo.toml", "counterfoil-core", true),
            ("crates/core/Cargo.toml", "counterfoil-oauth", false),
            ("crates/guard/Cargo.toml", "counterfoil-store", false),
            ("demo/Cargo.toml", "counterfoil-core", false),
            ("demo/Cargo.toml", "counterfoil-guard", true),
            ("crates/core/Cargo.toml", "tokio", false),
            ("crates/store/Cargo.toml", "tokio", true),
            ("crates/server/Cargo.toml", "sqlx", false),
            ("crates/server/Cargo.toml", "rusqlite", false),
            ("crates/store/Cargo.toml", "sqlx", true),
        ] {
            let manifest = format!("[dependencies]\n{dependency}.workspace = true\n{LINTS}");
            let found = check(&Repo::of(&[(path, &manifest)]));
            assert_eq!(found.is_empty(), allowed, "{path} uses {dependency}: {found:?}");
        }
    }

    #[test]
    fn a_new_crate_needs_a_border_and_every_crate_the_lints() {
        assert_eq!(check(&Repo::of(&[("crates/extra/Cargo.toml", LINTS)])).len(), 1);
        assert_eq!(check(&Repo::of(&[("bench/Cargo.toml", "")])).len(), 1);
        assert_eq!(check(&Repo::of(&[("Cargo.toml", "[workspace.lints.rust]\nunsafe_code = \"warn\"\n")])).len(), 1);
    }

    #[test]
    fn versions_stand_in_one_place() {
        let manifest = format!("[dependencies]\nserde = \"1\"\n{LINTS}");
        assert_eq!(check(&Repo::of(&[("bench/Cargo.toml", &manifest)])).len(), 1);
    }

    #[test]
    fn a_flow_knows_no_http() {
        let flow = "//! A story.\nuse axum::Json;\n// axum::Json in a comment is fine\n";
        let found = check(&Repo::of(&[("crates/server/src/flows/redeem.rs", flow)]));
        assert_eq!(found.len(), 1, "{found:?}");
    }

    #[test]
    fn only_the_backend_knows_the_engines() {
        let code = "//! Rows.\nuse rusqlite::Connection;\n";
        assert_eq!(check(&Repo::of(&[("crates/store/src/session.rs", code)])).len(), 1);
        assert_eq!(check(&Repo::of(&[("crates/store/src/backend.rs", code)])).len(), 0);
        assert_eq!(check(&Repo::of(&[("crates/store/src/backend/embedded.rs", code)])).len(), 0);
        assert_eq!(check(&Repo::of(&[("crates/store/src/backends.rs", code)])).len(), 1);
    }
}
