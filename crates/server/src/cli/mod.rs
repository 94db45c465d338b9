//! The command line (CONTRACT §1). Exit codes: 0 done, 1 refused or failed check, 2 usage.

mod audit;
mod demo;
mod policy;
mod serve;

use clap::{Parser, Subcommand, ValueEnum};
use std::process::ExitCode;

/// A step-up assurance server: decides how sure one must be, gets exactly that proof, and keeps the record.
#[derive(Parser)]
#[command(name = "counterfoil", version, max_term_width = 100)]
pub struct Cli {
    /// How results are printed.
    #[arg(long, global = true, value_enum, default_value_t = Format::Text)]
    format: Format,
    #[command(subcommand)]
    command: Command,
}

/// For people or for programs.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Words and tables.
    Text,
    /// One JSON document on standard output.
    Json,
}

#[derive(Subcommand)]
enum Command {
    /// Starts everything at once: the server, a sample application and an outbox page; seeded and offline.
    Demo(demo::Args),
    /// Runs one node by its configuration file.
    Serve(serve::Args),
    /// Says whether `serve` would start with this configuration.
    CheckConfig(serve::Args),
    /// Verifies and reads the log, offline.
    Audit(audit::Args),
    /// Checks, tests and explains a policy pack.
    Policy(policy::Args),
}

/// What a command says when it did not do what was asked: the reason, and what would help.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{reason}")]
pub struct Failure {
    reason: String,
    hint: Option<String>,
    /// A report in JSON has said it already.
    said: bool,
}

impl Failure {
    /// A failure with its reason.
    pub fn new(reason: impl std::fmt::Display) -> Self {
        Self { reason: reason.to_string(), hint: None, said: false }
    }

    /// The command has printed its report, which says so: for programs it is not said again.
    #[must_use]
    pub fn said(mut self) -> Self {
        self.said = true;
        self
    }

    /// What the reader can do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// Runs what the command line says.
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    let done = match cli.command {
        Command::Demo(args) => demo::run(args, cli.format),
        Command::Serve(args) => serve::run(args),
        Command::CheckConfig(args) => serve::check(args, cli.format),
        Command::Audit(args) => audit::run(args, cli.format),
        Command::Policy(args) => policy::run(args, cli.format),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            match cli.format {
                Format::Text => {
                    eprintln!("counterfoil: {}", failure.reason);
                    if let Some(hint) = &failure.hint {
                        eprintln!("hint: {hint}");
                    }
                }
                Format::Json if failure.said => {}
                Format::Json => println!("{}", serde_json::json!({"error": failure.reason, "hint": failure.hint})),
            }
            ExitCode::FAILURE
        }
    }
}
