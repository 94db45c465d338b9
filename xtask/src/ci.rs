//! `cargo xtask ci`: what a change must pass, in order of how soon it fails.

use crate::clock::Stopwatch;
use crate::failure::{Failure, Outcome};
use crate::{shell, test, tidy};
use std::time::Duration;

/// What `--help` says.
pub const HELP: &str = "\
cargo xtask ci: what every change must pass, in this order

  fmt     cargo fmt --all --check
  tidy    the house rules (`cargo xtask help tidy`)
  clippy  all targets, warnings are errors
  doc     links in documentation comments resolve
  test    all tests (`cargo xtask help test`)

Stops at the first step that fails and prints how long each one took.
";

struct Step {
    name: &'static str,
    run: fn() -> Outcome,
}

const STEPS: &[Step] = &[
    Step { name: "fmt", run: || shell::run(shell::cargo().args(["fmt", "--all", "--check"])) },
    Step { name: "tidy", run: || tidy::run(&[]) },
    Step { name: "clippy", run: clippy },
    Step { name: "doc", run: doc },
    Step { name: "test", run: || test::run(&[]) },
];

/// Runs the steps.
pub fn run(arguments: &[String]) -> Outcome {
    if let Some(word) = arguments.first() {
        return Err(Failure::usage(format!("`{word}`: `cargo xtask ci` takes no arguments")));
    }
    let mut times = Vec::new();
    let mut outcome = Ok(());
    for step in STEPS {
        println!("\n== {}", step.name);
        let watch = Stopwatch::start();
        outcome = (step.run)();
        times.push((step.name, watch.elapsed(), outcome.is_ok()));
        if outcome.is_err() {
            break;
        }
    }
    println!("\n{}", table(&times));
    outcome
}

fn clippy() -> Outcome {
    shell::run(shell::cargo().args(["clippy", "--locked", "--workspace", "--all-targets", "--", "-D", "warnings"]))
}

fn doc() -> Outcome {
    let mut command = shell::cargo();
    command.args(["doc", "--locked", "--workspace", "--no-deps", "--document-private-items", "--quiet"]);
    shell::run(command.env("RUSTDOCFLAGS", "-D rustdoc::broken_intra_doc_links"))
}

fn table(times: &[(&str, Duration, bool)]) -> String {
    let row = |&(name, took, passed): &(&str, Duration, bool)| {
        format!("  {name:<8}{:>8.1} s  {}", took.as_secs_f64(), if passed { "passed" } else { "FAILED" })
    };
    let left = STEPS.iter().skip(times.len()).map(|step| format!("  {:<8}{:>10}  not run", step.name, ""));
    times.iter().map(row).chain(left).collect::<Vec<_>>().join("\n")
}
