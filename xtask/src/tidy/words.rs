//! Words that must not stay: unfinished work, one machine's paths, a clock or dice in the wrong place.

use super::{Finding, Repo};

/// Each with why it may not stay. Split so that this file does not contain what it forbids.
const ANYWHERE: &[(&str, &str)] = &[
    (concat!("/wo", "rk/"), "a path of one machine"),
    (concat!("/ro", "ot/"), "a path of one machine"),
    (concat!("/ho", "me/"), "a path of one machine"),
    (concat!("/Us", "ers/"), "a path of one machine"),
    (concat!("arti", "factory"), "the host of one registry"),
    (concat!("TO", "DO"), "unfinished: do it, or write an issue"),
    (concat!("FIX", "ME"), "unfinished: do it, or write an issue"),
];

/// In Rust code, comments included.
const IN_RUST: &[(&str, &str)] = &[
    (concat!("db", "g!("), "left over from debugging"),
    (concat!("to", "do!("), "unfinished"),
    (concat!("unimple", "mented!("), "unfinished"),
    (concat!("#[ign", "ore"), "a test that never runs: make it run, or say `skipped: …` when it cannot"),
    (concat!("assert!(tr", "ue"), "a test that tests nothing"),
    (concat!("allow(dead", "_code)"), "code that nothing uses"),
    (concat!("unsa", "fe {"), "the crates forbid it"),
];

/// Where the real clock and the real dice may be asked. Everything else gets the time and the bytes as arguments.
const EDGES: &[&str] = &["clock.rs", "random.rs"];

/// Every text file.
pub fn check(repo: &Repo) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in &repo.texts {
        let rust = path.ends_with(".rs");
        for (index, line) in text.lines().enumerate() {
            let words = ANYWHERE.iter().chain(if rust { IN_RUST } else { &[] });
            for (word, why) in words.filter(|(word, _)| contains_word(line, word)) {
                findings.push(Finding::at(path, index + 1, format!("`{word}`: {why}")));
            }
            if rust && line.contains("clippy::disallowed") && !is_edge(path) {
                let what = "only clock.rs and random.rs may ask the real clock and the real dice";
                findings.push(Finding::at(path, index + 1, what));
            }
        }
    }
    findings
}

fn is_edge(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    // An example may measure; nothing of the product runs it.
    EDGES.contains(&name) || path.contains("/examples/") || path == "xtask/src/tidy/words.rs"
}

/// Whether the word stands there on its own: `mastodon` holds no unfinished work.
fn contains_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(start, _)| {
        let before = line[..start].chars().next_back();
        let after = line[start + word.len()..].chars().next();
        let joins = |edge: Option<char>, next: Option<char>| {
            edge.is_some_and(char::is_alphanumeric) && next.is_some_and(|c| c.is_alphanumeric() || c == '_')
        };
        !joins(word.chars().next(), before) && !joins(word.chars().next_back(), after)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stand_on_their_own() {
        let word = concat!("TO", "DO");
        for (line, found) in [
            (format!("// {word}: later"), true),
            (word.to_owned(), true),
            (format!("MAS{word}N"), false),
            ("nothing".into(), false),
        ] {
            assert_eq!(!check(&Repo::of(&[("a.md", &line)])).is_empty(), found, "{line}");
        }
    }

    #[test]
    fn code_words_matter_in_code_only() {
        let line = concat!("db", "g!(x)");
        assert_eq!(check(&Repo::of(&[("a.rs", line)])).len(), 1);
        assert_eq!(check(&Repo::of(&[("a.md", line)])).len(), 0);
    }

    #[test]
    fn only_the_edges_ask_the_real_clock() {
        let line = "#[expect(clippy::disallowed_methods, reason = \"the edge\")]";
        assert_eq!(check(&Repo::of(&[("crates/server/src/clock.rs", line)])).len(), 0);
        assert_eq!(check(&Repo::of(&[("crates/server/src/flows/prove.rs", line)])).len(), 1);
    }
}
