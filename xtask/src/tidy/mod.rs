//! `cargo xtask tidy`: the house rules that no compiler checks, each a function over the files in git.

mod crates;
mod docs;
mod files;
mod licences;
mod pages;
mod values;
mod words;

use crate::failure::{Failure, Outcome};
use crate::workspace;
use std::collections::BTreeMap;
use std::fmt;

/// What `--help` says.
pub const HELP: &str = "\
cargo xtask tidy: the house rules that no compiler checks

  crates    dependencies between crates point one way; pure crates use nothing impure; lints are inherited
  files     first line `//!` says the purpose; at most 500 lines before the tests; no `common`, `utils`, `types`
  words     no unfinished work, no paths of one machine, clock and randomness at their one place
  docs      links and paths named in documents exist
  pages     no inline script or style, no markup that skips escaping
  values    what ARCHITECTURE lists as evidence has one maker: no public field, no Clone, no Deserialize
  licences  every dependency comes from the registry under an allowed licence

Prints each finding as path:line: rule: what to do. Lists of exceptions stand beside the rules, in xtask/src/tidy.
";

/// The files of the repository, as the rules see them.
pub struct Repo {
    /// Text of every file that is UTF-8, by its path from the root.
    pub texts: BTreeMap<String, String>,
    /// Every path, text or not.
    pub paths: Vec<String>,
}

impl Repo {
    fn read() -> Result<Self, Failure> {
        let paths = workspace::files()?;
        let root = workspace::root();
        let mut texts = BTreeMap::new();
        for path in &paths {
            let bytes = std::fs::read(root.join(path)).map_err(|error| Failure::new(format!("{path}: {error}")))?;
            if let Ok(text) = String::from_utf8(bytes) {
                texts.insert(path.clone(), text);
            }
        }
        Ok(Self { texts, paths })
    }

    /// Files whose path ends so, with their text.
    pub fn ending<'a>(&'a self, end: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.texts
            .iter()
            .filter(move |(path, _)| path.ends_with(end))
            .map(|(path, text)| (path.as_str(), text.as_str()))
    }

    /// A repository of these files, for the rules' own tests.
    #[cfg(test)]
    pub fn of(files: &[(&str, &str)]) -> Self {
        let texts: BTreeMap<String, String> =
            files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
        Self { paths: texts.keys().cloned().collect(), texts }
    }
}

/// A place that breaks a rule.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    path: String,
    line: usize,
    what: String,
}

impl Finding {
    /// At a line, counted from one.
    pub fn at(path: &str, line: usize, what: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, what: what.into() }
    }

    /// About the file as a whole.
    pub fn of(path: &str, what: impl Into<String>) -> Self {
        Self::at(path, 0, what)
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.path, self.what),
            line => write!(f, "{}:{line}: {}", self.path, self.what),
        }
    }
}

/// One set of rules: everything it finds wrong.
type Rule = fn(&Repo) -> Vec<Finding>;

const RULES: &[(&str, Rule)] = &[
    ("crates", crates::check),
    ("files", files::check),
    ("words", words::check),
    ("docs", docs::check),
    ("pages", pages::check),
    ("values", values::check),
];

/// Checks every rule and prints what it finds.
pub fn run(arguments: &[String]) -> Outcome {
    if let Some(word) = arguments.first() {
        return Err(Failure::usage(format!("`{word}`: `cargo xtask tidy` takes no arguments")));
    }
    let repo = Repo::read()?;
    let mut total = 0;
    let mut report = |name: &str, mut findings: Vec<Finding>| {
        findings.sort();
        println!("tidy {name:<9} {}", if findings.is_empty() { "ok".into() } else { findings.len().to_string() });
        for finding in &findings {
            println!("  {finding}");
        }
        total += findings.len();
    };
    for (name, rule) in RULES {
        report(name, rule(&repo));
    }
    report("licences", licences::check(&workspace::metadata()?));
    if total == 0 { Ok(()) } else { Err(Failure::new(format!("tidy found {total} places to mend"))) }
}
