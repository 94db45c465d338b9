//! `cargo xtask openapi`: writes again what is generated from the code and kept in git.

use crate::failure::{Failure, Outcome};
use crate::shell;

/// What `--help` says.
pub const HELP: &str = "\
cargo xtask openapi: write the OpenAPI document, and other pictures of the routes, again

They are generated from the list of routes and kept in git; a test fails when they differ. This runs those tests
with COUNTERFOIL_BLESS=1, which makes them write instead of compare. Look at `git diff` afterwards.
";

/// Runs the tests that compare generated files, in writing mode.
pub fn run(arguments: &[String]) -> Outcome {
    if let Some(word) = arguments.first() {
        return Err(Failure::usage(format!("`{word}`: `cargo xtask openapi` takes no arguments")));
    }
    let mut command = shell::cargo();
    command.args(["test", "--package", "counterfoil", "openapi"]).env("COUNTERFOIL_BLESS", "1");
    shell::run(&mut command)
}
