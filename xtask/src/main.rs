//! The errands of this repository: `cargo xtask help` lists them.

mod bench;
mod ci;
mod clock;
mod failure;
mod look;
mod needs;
mod openapi;
mod postgres;
mod shell;
mod tally;
mod test;
mod tidy;
mod workspace;

use failure::{Failure, Outcome};
use std::process::ExitCode;

/// One errand: its name, what `--help` says of it, and what runs it.
struct Command {
    name: &'static str,
    line: &'static str,
    help: &'static str,
    run: fn(&[String]) -> Outcome,
}

const COMMANDS: &[Command] = &[
    Command { name: "tidy", line: "the house rules that no compiler checks", help: tidy::HELP, run: tidy::run },
    Command { name: "test", line: "install what tests need, then run all of them", help: test::HELP, run: test::run },
    Command { name: "ci", line: "formatting, lints, tidy, documentation, test", help: ci::HELP, run: ci::run },
    Command { name: "bench", line: "measure against a bare server, as ratios", help: bench::HELP, run: bench::run },
    Command { name: "look", line: "take the pictures of every page again", help: look::HELP, run: look::run },
    Command {
        name: "openapi",
        line: "write the OpenAPI document and other pictures again",
        help: openapi::HELP,
        run: openapi::run,
    },
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match dispatch(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::from(failure.exit_code())
        }
    }
}

fn dispatch(arguments: &[String]) -> Outcome {
    let Some((first, rest)) = arguments.split_first() else {
        print!("{}", overview());
        return Err(Failure::usage("name one of the commands above"));
    };
    if matches!(first.as_str(), "help" | "--help" | "-h") {
        match rest.first() {
            None => print!("{}", overview()),
            Some(name) => print!("{}", find(name)?.help),
        }
        return Ok(());
    }
    let command = find(first)?;
    // What stands after `--` belongs to the tests.
    let ours = rest.split(|word| word == "--").next().unwrap_or_default();
    if ours.iter().any(|word| word == "--help" || word == "-h") {
        print!("{}", command.help);
        return Ok(());
    }
    (command.run)(rest)
}

fn find(name: &str) -> Result<&'static Command, Failure> {
    let known = || COMMANDS.iter().map(|command| command.name).collect::<Vec<_>>().join(", ");
    COMMANDS
        .iter()
        .find(|command| command.name == name)
        .ok_or_else(|| Failure::usage(format!("no command `{name}`; there are: {}", known())))
}

fn overview() -> String {
    let mut text = String::from("cargo xtask <command>: the errands of this repository\n\n");
    for command in COMMANDS {
        text.push_str(&format!("  {:<8} {}\n", command.name, command.line));
    }
    text.push_str("\n`cargo xtask help <command>` says more. Exit codes: 0 done, 1 failed, 2 usage.\n");
    text
}
