//! `counterfoil audit`: the log, checked and read offline. Nothing here writes to the database or needs the server.

mod again;
mod bundle;
mod evidence;
mod export;
mod log;

use super::{Failure, Format};
use clap::{ArgGroup, Args as ClapArgs, Subcommand};
use counterfoil_core::{
    audit::checkpoint::LogKey,
    id::{ChallengeId, DecisionId},
};
use log::Log;
pub use log::Place;
use serde_json::json;
use std::{io::IsTerminal as _, path::PathBuf};

/// What is asked of the log.
#[derive(ClapArgs)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Verifies a whole log, or with --bundle the evidence of one approval.
    ///
    /// Of a log it reads everything and says whether it is complete, unaltered and free of contradictions: nothing was
    /// spent twice, nothing issued without proof, nothing used before it was enrolled. Of a bundle it makes every check
    /// with public keys alone and shows the transaction as the person saw it.
    ///
    /// Exit code 0: nothing is wrong. 1: something is. What could not be excluded for want of a key or of a checkpoint
    /// from outside is said either way.
    #[command(group(ArgGroup::new("what").args(["data", "database_url", "bundle"]).required(true).multiple(true)))]
    #[command(after_help = "\
Examples:
  counterfoil audit verify --data /var/lib/counterfoil --checkpoint kept.checkpoint
  counterfoil audit verify --data /var/lib/counterfoil --decide-again
  counterfoil audit verify --bundle payout.json --log-key 'id.example.org+1a2b3c4d+Ab…'")]
    Verify {
        #[command(flatten)]
        source: Place,
        /// The evidence of one approval, as a page or `audit evidence` saved it.
        #[arg(long, value_name = "FILE")]
        bundle: Option<PathBuf>,
        /// The master key's file, so that the MACs of the chains are checked; with --data, the one that lies there.
        #[arg(long, value_name = "FILE", conflicts_with = "bundle")]
        key: Option<PathBuf>,
        /// A public key of the log (a vkey line); with --data, the one that lies there.
        #[arg(long = "log-key", value_name = "VKEY")]
        log_keys: Vec<LogKey>,
        /// A checkpoint that was kept outside the database: whatever does not reach as far is refused.
        #[arg(long, value_name = "FILE")]
        checkpoint: Option<PathBuf>,
        /// Decide every stored decision again, by the stored policies, and compare the answers.
        #[arg(long, conflicts_with = "bundle")]
        decide_again: bool,
    },
    /// Writes the log as JSON lines, one leaf a line, for an archive or another tool.
    ///
    /// Each line has the leaf, its index in the tree and its hash (RFC 6962). What is personal is not in a leaf, only a
    /// commitment to it; --with-personal adds the values to those who hold the installation's key.
    Export {
        #[command(flatten)]
        log: Log,
        /// The first leaf to write.
        #[arg(long, value_name = "INDEX", default_value_t = 0)]
        from: u64,
        /// Add what is personal: addresses, user agents, names. Needs the master key.
        #[arg(long)]
        with_personal: bool,
        /// The master key's file; with --data, the one that lies there.
        #[arg(long, value_name = "FILE", requires = "with_personal")]
        key: Option<PathBuf>,
        /// Write here instead of to standard output.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Puts the evidence of one approval into a file that a third party can verify with the log's public key alone.
    ///
    /// It holds the transaction, the text that was shown, the signed statement, the passkey and its signature, and the
    /// log's entries about enrolment, decision, confirmation, spend and outcome with their proofs and a checkpoint.
    #[command(after_help = "\
Examples:
  counterfoil audit evidence --data /var/lib/counterfoil --counterfoil 7K2M-Q0XR --out payout.json
  counterfoil audit verify --bundle payout.json --log-key \"$(cat log.vkey)\"")]
    Evidence {
        #[command(flatten)]
        log: Log,
        #[command(flatten)]
        of: Of,
        /// Add the decision's record: every input of the decision, also what is personal.
        #[arg(long)]
        with_record: bool,
        /// How long to wait for a checkpoint that covers all of it.
        #[arg(long, value_name = "SECONDS", default_value_t = 5)]
        wait: u64,
        /// Write here instead of to standard output.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Prints the last signed checkpoint: keep it outside, and give it to `verify` later.
    Checkpoint {
        #[command(flatten)]
        log: Log,
    },
}

/// Which approval.
#[derive(ClapArgs)]
#[group(required = true, multiple = false)]
struct Of {
    /// The decision that asked for it.
    #[arg(long, value_name = "ID")]
    decision: Option<DecisionId>,
    /// The challenge that was confirmed (`txn` in tokens).
    #[arg(long, value_name = "ID")]
    challenge: Option<ChallengeId>,
    /// The number on the person's receipt, for example 7K2M-Q0XR.
    #[arg(long, value_name = "NUMBER")]
    counterfoil: Option<String>,
}

/// Runs the command.
pub fn run(args: Args, format: Format) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::new)?;
    runtime.block_on(async {
        match args.command {
            Command::Verify { source, bundle: Some(file), log_keys, checkpoint, .. } => {
                bundle::verify(&file, &source, log_keys, checkpoint.as_deref(), format).await
            }
            Command::Verify { source, key, log_keys, checkpoint, decide_again, bundle: None } => {
                let log = source.log()?;
                let given = log::given(&log, key, log_keys, checkpoint.as_deref())?;
                log::verify(&log, given, format, decide_again).await
            }
            Command::Export { log, from, with_personal, key, out } => {
                export::run(&log, from, with_personal, key, out.as_deref()).await
            }
            Command::Evidence { log, of, with_record, wait, out } => {
                evidence::run(&log, &of, with_record, wait, out.as_deref()).await
            }
            Command::Checkpoint { log } => print_checkpoint(&log, format).await,
        }
    })
}

async fn print_checkpoint(log: &Log, format: Format) -> Result<(), Failure> {
    let last = log.open().await?.last_checkpoint().await.map_err(Failure::new)?;
    let last = last.ok_or_else(|| {
        Failure::new("the log has no checkpoint yet")
            .hint("a running server signs one within a second of its first event")
    })?;
    match format {
        Format::Text => print!("{}", last.note),
        Format::Json => println!("{}", json!({"size": last.size, "epoch": last.epoch, "note": last.note})),
    }
    Ok(())
}

/// Tells on a terminal how far a long errand is, in steps of a hundredth.
pub struct Progress {
    what: &'static str,
    shown: Option<u64>,
}

impl Progress {
    /// Of short errands nobody wants to be told.
    const LONG: u64 = 5_000;

    /// Of an errand of this name.
    pub fn new(what: &'static str) -> Self {
        Self { what, shown: None }
    }

    /// So many of so many are done.
    pub fn tell(&mut self, done: u64, total: u64) {
        let percent = done.saturating_mul(100) / total.max(1);
        if total >= Self::LONG && self.shown != Some(percent) && std::io::stderr().is_terminal() {
            eprint!("\r{}: {done} of {total} ({percent} %)  ", self.what);
            self.shown = Some(percent);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.shown.is_some() {
            eprint!("\r\u{1b}[K");
        }
    }
}

/// Milliseconds since 1970 as RFC 3339 writes them.
fn moment(at: counterfoil_core::time::Time) -> String {
    jiff::Timestamp::from_millisecond(at.millis()).map_or_else(|_| at.millis().to_string(), |at| at.to_string())
}
