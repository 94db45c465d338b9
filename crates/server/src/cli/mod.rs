//! The command line (CONTRACT §1). Exit codes: 0 done, 1 refused or failed check, 2 usage.

mod admin;
mod audit;
mod check;
mod contain;
mod demo;
mod init;
mod policy;
mod serve;
mod socket;

use clap::{Parser, Subcommand, ValueEnum};
use counterfoil_core::time::Time;
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
    /// Makes an installation in an empty directory, with a link for its first administrator.
    Init(init::Args),
    /// Starts everything at once: the server, a sample application and an outbox page; seeded and offline.
    Demo(demo::Args),
    /// Runs one node by its configuration file.
    Serve(serve::Args),
    /// Says whether `serve` would start with this configuration.
    CheckConfig(check::Args),
    /// Asks a running server of this host: people, groups, roles, clients, APIs, keys, resources.
    Admin(admin::Args),
    /// Cuts off everything that came out of one sign-in.
    Contain(contain::Args),
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

/// A moment, to the minute, as operators write it.
fn utc(time: Time) -> String {
    match jiff::Timestamp::from_millisecond(time.millis()) {
        Ok(stamp) => stamp.strftime("%Y-%m-%d %H:%M UTC").to_string(),
        Err(_) => time.millis().to_string(),
    }
}

/// Runs what the command line says.
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    let done = match cli.command {
        Command::Init(args) => init::run(args, cli.format),
        Command::Demo(args) => demo::run(args, cli.format),
        Command::Serve(args) => serve::run(args),
        Command::CheckConfig(args) => check::run(&args, cli.format),
        Command::Admin(args) => admin::run(args, cli.format),
        Command::Contain(args) => contain::run(args, cli.format),
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
