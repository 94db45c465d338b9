//! Evidence is a value: the types that ARCHITECTURE lists can be made in one place only, as far as their form shows it.

use super::{Finding, Repo};

const DOCUMENT: &str = "ARCHITECTURE.md";
const HEADING: &str = "## Evidence values";

/// Each row of the list: the type exists, has no public field, and can be neither copied nor read from input.
pub fn check(repo: &Repo) -> Vec<Finding> {
    let Some(text) = repo.texts.get(DOCUMENT) else { return Vec::new() };
    let Some((_, section)) = text.split_once(HEADING) else {
        return vec![Finding::of(DOCUMENT, format!("has no section `{HEADING}`"))];
    };
    let section = section.split("\n## ").next().unwrap_or_default();
    section.lines().filter_map(listed).filter_map(|(name, path)| problem(repo, name, path)).collect()
}

/// A row `| Name | path | … |`, both in backticks.
fn listed(row: &str) -> Option<(&str, &str)> {
    let mut spans = row.strip_prefix("| `")?.split('`');
    let name = spans.next()?;
    spans.next()?;
    Some((name, spans.next()?))
}

fn problem(repo: &Repo, name: &str, path: &str) -> Option<Finding> {
    let broken = |what: String| Some(Finding::of(path, what));
    let Some(text) = repo.texts.get(path) else { return broken(format!("listed in {DOCUMENT} but not there")) };
    let declared = format!("pub struct {name}");
    let starts = |line: &str| line.strip_prefix(&declared).is_some_and(|rest| rest.starts_with([' ', '<', '(', ';']));
    let lines: Vec<&str> = text.lines().collect();
    let Some(at) = lines.iter().position(|line| starts(line)) else {
        return broken(format!("`{name}` is listed in {DOCUMENT} but not declared here"));
    };
    let attributes = lines[..at].iter().rev().take_while(|line| line.starts_with("#[") || line.starts_with("///"));
    let derives = attributes.filter(|line| line.starts_with("#[derive("));
    if let Some(derive) = derives.into_iter().find(|line| line.contains("Clone") || line.contains("Deserialize")) {
        return broken(format!("`{name}` is evidence and must not be copied or read from input: {derive}"));
    }
    let fields = lines[at + 1..].iter().take_while(|line| !line.starts_with('}'));
    let in_braces = lines[at].ends_with('{');
    let open = in_braces && fields.into_iter().any(|line| line.trim_start().starts_with("pub "));
    if open || lines[at].contains("(pub ") {
        return broken(format!("`{name}` is evidence and must have no public field"));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_listed_cannot_be_made_up() {
        let list = "# A\n## Evidence values\n\n| value | where |\n|---|---|\n| `Proof` | `a.rs` | b |\n\n## Next\n| `X` | `y.rs` |\n";
        for (code, found) in [
            (
                "#[derive(Debug)]\n#[must_use]\npub struct Proof {\n    fact: u8,\n}\npub struct Other {\n    pub a: u8,\n}\n",
                0,
            ),
            ("#[derive(Clone, Debug)]\npub struct Proof {\n    fact: u8,\n}\n", 1),
            ("pub struct Proof {\n    pub fact: u8,\n}\n", 1),
            ("pub struct Proof(u8);\npub struct Other {\n    pub a: u8,\n}\n", 0),
            ("pub struct Proof<T>(pub T);\n", 1),
            ("pub struct Proofs;\n", 1),
        ] {
            let findings = check(&Repo::of(&[(DOCUMENT, list), ("a.rs", code)]));
            assert_eq!(findings.len(), found, "{code}: {findings:?}");
        }
        assert_eq!(check(&Repo::of(&[(DOCUMENT, "# A\n")])).len(), 1);
    }
}
