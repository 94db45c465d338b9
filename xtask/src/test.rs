//! `cargo xtask test`: everything that tests need, then all of them in one run.

use crate::failure::{Failure, Outcome};
use crate::postgres::{Cluster, Durability};
use crate::tally::{Tally, may_be_absent};
use crate::{needs, shell, workspace};
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// What `--help` says.
pub const HELP: &str = "\
cargo xtask test [-p PACKAGE]… [-- FILTER…]: run all tests, or those that match

Needs Chromium, a PostgreSQL server and a font. What is missing is installed from the distribution's packages
when this runs as root and has apt-get; else the exact command is printed and the run fails.

Builds the release binary once, starts one private PostgreSQL cluster in a temporary directory (stopped and
erased at the end) and runs `cargo test --workspace`. Tests find their surroundings in the environment:

  COUNTERFOIL_BIN            the release binary
  COUNTERFOIL_TEST_POSTGRES  URL of a superuser of the private cluster
  COUNTERFOIL_CHROMIUM       the browser
  COUNTERFOIL_VECTORS        test vectors written by others; default ../shared/vectors

  -p, --package PACKAGE      only this package's tests (repeatable)
  -- FILTER…                 handed to the test binaries: part of a test's name

A test that cannot run prints `skipped: <why>`; such lines are counted. With CI=true a skip fails the run,
unless it names shared vectors that are absent.
";

/// Runs the tests.
pub fn run(arguments: &[String]) -> Outcome {
    let selection = Selection::parse(arguments)?;
    let needs = needs::find_or_install()?;
    let binary = release_binary()?;
    let vectors = vectors();
    println!("starting PostgreSQL from {}", needs.postgres.display());
    let cluster = Cluster::start(&needs.postgres, Durability::Processes)?;

    let mut command = shell::cargo();
    command.args(["test", "--locked", "--no-fail-fast"]).args(selection.packages());
    command.args(["--", "--show-output"]).args(&selection.filters);
    command
        .env("COUNTERFOIL_BIN", binary)
        .env("COUNTERFOIL_TEST_POSTGRES", cluster.url())
        .env("COUNTERFOIL_CHROMIUM", &needs.chromium)
        .env("COUNTERFOIL_VECTORS", &vectors);
    let (tally, succeeded) = watch(&mut command)?;
    drop(cluster);

    for reason in &tally.skips {
        println!("skipped: {reason}");
    }
    let verdict = judge(&tally, succeeded, &selection, &vectors);
    println!("\n{}", tally.summary());
    verdict
}

/// Which tests.
struct Selection {
    packages: Vec<String>,
    filters: Vec<String>,
}

impl Selection {
    fn parse(arguments: &[String]) -> Result<Self, Failure> {
        let mut selection = Self { packages: Vec::new(), filters: Vec::new() };
        let mut words = arguments.iter();
        while let Some(word) = words.next() {
            match word.as_str() {
                "-p" | "--package" => {
                    let name = words.next().ok_or_else(|| Failure::usage("`--package` needs a name"))?;
                    selection.packages.push(name.clone());
                }
                "--" => selection.filters.extend(words.by_ref().cloned()),
                _ => {
                    return Err(Failure::usage(format!(
                        "`{word}`: filters stand after `--`; see `cargo xtask help test`"
                    )));
                }
            }
        }
        Ok(selection)
    }

    fn packages(&self) -> Vec<&str> {
        if self.packages.is_empty() {
            return vec!["--workspace"];
        }
        self.packages.iter().flat_map(|name| ["--package", name.as_str()]).collect()
    }
}

/// Builds the binary that tests from outside run, and says where it is.
pub fn release_binary() -> Result<PathBuf, Failure> {
    shell::run(shell::cargo().args(["build", "--locked", "--release", "--package", "counterfoil"]))?;
    Ok(workspace::target_directory()?.join("release").join("counterfoil"))
}

fn vectors() -> PathBuf {
    let named = std::env::var_os("COUNTERFOIL_VECTORS").map(PathBuf::from);
    named.unwrap_or_else(|| workspace::root().join("../shared/vectors"))
}

/// Runs the tests, showing what a person wants to see; the flag is cargo's own verdict.
fn watch(command: &mut Command) -> Result<(Tally, bool), Failure> {
    println!("$ {}", shell::shown(command));
    let lost = |error: std::io::Error| Failure::new(format!("`cargo test`: {error}"));
    let mut child = command.stdout(Stdio::piped()).spawn().map_err(lost)?;
    let mut tally = Tally::default();
    if let Some(stdout) = child.stdout.take() {
        for line in BufReader::new(stdout).split(b'\n') {
            let line = line.map_err(lost)?;
            let line = String::from_utf8_lossy(&line);
            if tally.take(&line) {
                println!("{line}");
            }
        }
    }
    let status = child.wait().map_err(lost)?;
    Ok((tally, status.success()))
}

fn judge(tally: &Tally, succeeded: bool, selection: &Selection, vectors: &std::path::Path) -> Outcome {
    if tally.failed > 0 || !succeeded {
        return Err(Failure::new("not all tests passed"));
    }
    if tally.passed == 0 {
        let why = if selection.filters.is_empty() { "" } else { ": the filter matches none" };
        return Err(Failure::new(format!("no test ran{why}")));
    }
    let strict = std::env::var("CI").is_ok_and(|value| value == "true");
    let wrong: Vec<&String> = tally.skips.iter().filter(|reason| !may_be_absent(reason, vectors)).collect();
    match wrong.first() {
        Some(reason) if strict => {
            Err(Failure::new(format!("{} tests skipped themselves in CI: {reason}", wrong.len())))
        }
        None if strict && tally.ignored > 0 => Err(Failure::new(format!("{} tests are ignored", tally.ignored))),
        _ => Ok(()),
    }
}
