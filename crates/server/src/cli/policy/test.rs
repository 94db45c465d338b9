//! `counterfoil policy test`: the pack's own tests, with what differs.

use super::load;
use crate::cli::{Failure, Format};
use counterfoil_core::policy::testing::{self, TestReport};
use serde_json::json;
use std::path::Path;

/// Runs them and says how each came out.
pub fn run(directory: Option<&Path>, only: Option<&str>, format: Format) -> Result<(), Failure> {
    let pack = load(directory)?;
    let mut reports = testing::run(&pack).map_err(Failure::new)?;
    reports.retain(|report| only.is_none_or(|words| report.name.contains(words)));
    if reports.is_empty() {
        return Err(match only {
            Some(words) => Failure::new(format!("no test's name contains \"{words}\"")),
            None => Failure::new("the pack has no tests")
                .hint("write tests/*.toml: `counterfoil policy test --help` shows one"),
        });
    }
    let failed = reports.iter().filter(|report| !report.passed()).count();
    match format {
        Format::Text => print(pack.name(), &reports, failed),
        Format::Json => {
            println!("{}", json!({"name": pack.name(), "version": pack.version(), "tests": reports, "failed": failed}))
        }
    }
    if failed == 0 { Ok(()) } else { Err(Failure::new(format!("{failed} of {} tests failed", reports.len())).said()) }
}

fn print(name: &str, reports: &[TestReport], failed: usize) {
    let mut file = "";
    for report in reports {
        if report.file != file {
            file = &report.file;
            println!("{file}");
        }
        println!("  {}  {}", if report.passed() { "passed" } else { "FAILED" }, report.name);
        if !report.passed() {
            println!("          at {}:{}", report.file, report.line);
        }
        for problem in &report.problems {
            println!("          {problem}");
        }
    }
    println!("{name}: {} tests, {} passed, {failed} failed", reports.len(), reports.len() - failed);
}
