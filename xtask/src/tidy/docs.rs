//! Documents tell the truth about where things are: links lead somewhere, and paths that are named exist.

use super::{Finding, Repo};

/// Every Markdown file.
pub fn check(repo: &Repo) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in repo.ending(".md") {
        for (line, prose) in prose(text) {
            for target in links(prose) {
                if let Some(problem) = broken(repo, path, target) {
                    findings.push(Finding::at(path, line, problem));
                }
            }
            for named in code_spans(prose).filter(|span| names_path(repo, span)) {
                if !exists(repo, named.trim_end_matches('/')) {
                    findings.push(Finding::at(path, line, format!("`{named}` does not exist")));
                }
            }
        }
    }
    findings
}

/// Lines outside fenced blocks, numbered from one.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut fenced = false;
    text.lines().enumerate().filter_map(move |(index, line)| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        (!fence && !fenced).then_some((index + 1, line))
    })
}

/// Targets of `[text](target)`.
fn links(line: &str) -> impl Iterator<Item = &str> {
    line.match_indices("](").filter_map(|(start, _)| line[start + 2..].split([')', ' ']).next())
}

/// What stands between single backticks.
fn code_spans(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

fn broken(repo: &Repo, from: &str, target: &str) -> Option<String> {
    if target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let (path, anchor) = target.split_once('#').map_or((target, None), |(path, anchor)| (path, Some(anchor)));
    let resolved = if path.is_empty() { from.to_owned() } else { resolve(from, path) };
    if !exists(repo, &resolved) {
        return Some(format!("the link to {target} leads nowhere"));
    }
    let text = repo.texts.get(&resolved).filter(|_| resolved.ends_with(".md"))?;
    let anchor = anchor?;
    let found = prose(text).any(|(_, line)| line.starts_with('#') && slug(line.trim_start_matches('#')) == anchor);
    (!found).then(|| format!("{resolved} has no heading #{anchor}"))
}

/// The path from the root of `target` as written in the file `from`.
fn resolve(from: &str, target: &str) -> String {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in target.trim_end_matches('/').split('/') {
        match part {
            "." | "" => {}
            ".." => {
                parts.pop();
            }
            name => parts.push(name),
        }
    }
    parts.join("/")
}

/// A heading's anchor, as forges make it.
fn slug(heading: &str) -> String {
    let kept = heading.trim().chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() }).collect()
}

/// Whether a code span speaks of a file here: it starts with a directory of the root and is no pattern.
fn names_path(repo: &Repo, span: &str) -> bool {
    let plain = span.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '-' | '_'));
    let first = span.split('/').next().unwrap_or_default();
    plain
        && span.contains('/')
        && repo.paths.iter().any(|path| path.split_once('/').is_some_and(|(top, _)| top == first))
}

fn exists(repo: &Repo, path: &str) -> bool {
    path.is_empty()
        || repo
            .paths
            .iter()
            .any(|known| known == path || known.strip_prefix(path).is_some_and(|rest| rest.starts_with('/')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_and_named_paths_lead_somewhere() {
        for (text, found) in [
            ("[a](other.md)", 0),
            ("[a](missing.md)", 1),
            ("[a](../crates/core/src/lib.rs)", 0),
            ("[a](other.md#two-words)", 0),
            ("[a](other.md#three-words)", 1),
            ("[a](https://example.org/x)", 0),
            ("`crates/core/src/lib.rs` and `crates/core/`", 0),
            ("`crates/core/src/gone.rs`", 1),
            ("`crates/*/src`, `/v1/redeem`, `a/b`", 0),
            ("```\n[a](missing.md)\n```", 0),
        ] {
            let repo = Repo::of(&[
                ("docs/a.md", text),
                ("docs/other.md", "# Other\n## Two words\n"),
                ("crates/core/src/lib.rs", "//! Here.\n"),
            ]);
            let findings = check(&repo);
            assert_eq!(findings.len(), found, "{text}: {findings:?}");
        }
    }
}
