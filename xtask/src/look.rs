//! `cargo xtask look`: the pictures of every page, taken again.

use crate::failure::{Failure, Outcome};
use crate::{needs, shell, test, workspace};

/// What `--help` says.
pub const HELP: &str = "\
cargo xtask look: take the pictures of docs/look.md again

Builds the release binary, walks through every page in a real Chromium (attacks/tests/attacks/look.rs) and writes the
pictures to docs/look. Look at them before you commit them.
";

/// Takes them.
pub fn run(arguments: &[String]) -> Outcome {
    if let Some(word) = arguments.first() {
        return Err(Failure::usage(format!("`{word}`: this errand takes no arguments")));
    }
    let needs = needs::find_or_install()?;
    let directory = workspace::root().join("docs/look");
    std::fs::create_dir_all(&directory).map_err(|error| Failure::new(format!("{}: {error}", directory.display())))?;
    let mut command = shell::cargo();
    command.args(["test", "--locked", "--package", "counterfoil-attacks", "--", "look::"]);
    command
        .env("COUNTERFOIL_BIN", test::release_binary()?)
        .env("COUNTERFOIL_CHROMIUM", &needs.chromium)
        .env("COUNTERFOIL_LOOK", &directory);
    shell::run(&mut command)
}
