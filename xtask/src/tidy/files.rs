//! What a source file looks like from outside: its name, its first line, its length.

use super::{Finding, Repo};

/// Lines before the tests after which a file is probably two things.
const LINES: usize = 500;

/// Files that may be longer, with the reason.
const LONGER: &[(&str, &str)] = &[(
    "crates/core/src/audit/kind.rs",
    "the closed list of everything that can happen: one enum, mostly documentation",
)];

/// Names that say nothing, so that anything ends up in them.
const EMPTY_NAMES: &[&str] = &["common", "util", "utils", "types", "helper", "helpers", "misc", "manager"];

/// Every Rust file.
pub fn check(repo: &Repo) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in repo.ending(".rs") {
        if !text.starts_with("//! ") {
            findings.push(Finding::at(path, 1, "the first line says the purpose: `//! …`"));
        }
        let stem = |part: &str| part.strip_suffix(".rs").unwrap_or(part).to_owned();
        if let Some(name) = path.split('/').map(stem).find(|name| EMPTY_NAMES.contains(&name.as_str())) {
            findings.push(Finding::of(path, format!("`{name}` names nothing: say what is in it")));
        }
        let lines = lines_before_tests(text);
        let listed = LONGER.iter().any(|(longer, _)| *longer == path);
        if lines > LINES && !listed {
            findings.push(Finding::of(
                path,
                format!("{lines} lines before the tests: probably two things (at most {LINES})"),
            ));
        }
        if lines <= LINES && listed {
            findings.push(Finding::of(path, "short again: take it off the list in xtask/src/tidy/files.rs"));
        }
    }
    findings
}

fn lines_before_tests(text: &str) -> usize {
    text.lines().take_while(|line| !line.starts_with("#[cfg(test)]") && !line.starts_with("mod tests")).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> usize {
        check(&Repo::of(&[(path, text)])).len()
    }

    #[test]
    fn a_file_says_its_purpose_first() {
        assert_eq!(found("a.rs", "//! Why this is here.\n"), 0);
        assert_eq!(found("a.rs", "use std::fmt;\n"), 1);
    }

    #[test]
    fn tests_do_not_count_towards_the_length() {
        let code = format!("//! Why.\n{}", "x\n".repeat(LINES));
        assert_eq!(found("a.rs", &code), 1);
        let tests = format!("//! Why.\n#[cfg(test)]\n{}", "x\n".repeat(LINES));
        assert_eq!(found("a.rs", &tests), 0);
    }

    #[test]
    fn names_say_something() {
        for path in ["crates/x/src/utils.rs", "crates/x/src/common/mod.rs", "tests/helpers.rs"] {
            assert_eq!(found(path, "//! Why.\n"), 1, "{path}");
        }
        assert_eq!(found("crates/x/src/commonplace.rs", "//! Why.\n"), 0);
    }
}
