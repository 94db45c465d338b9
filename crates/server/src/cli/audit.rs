//! `counterfoil audit`: the log, checked and read offline. Nothing here writes to the database or needs the server.

use super::{Failure, Format};
use crate::{config::Config, keys, start};
use clap::{Args as ClapArgs, Subcommand};
use counterfoil_core::audit::{
    checkpoint::LogKey,
    verify::{Given, Report},
};
use counterfoil_store::LogReader;
use serde_json::json;
use std::path::{Path, PathBuf};

/// A checkpoint is some hundred bytes.
const CHECKPOINT_BYTES: u64 = 16 * 1024;

/// What is asked of the log.
#[derive(ClapArgs)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Reads the whole log and says whether it is complete, unaltered and free of contradictions.
    ///
    /// Exit code 0: nothing is wrong. 1: something is. What could not be excluded for want of a key or of a checkpoint
    /// from outside is said either way.
    Verify {
        #[command(flatten)]
        log: Log,
        /// The master key's file, so that the MACs of the chains are checked; with --data, the one that lies there.
        #[arg(long, value_name = "FILE")]
        key: Option<PathBuf>,
        /// A public key of the log (a vkey line); with --data, the one that lies there.
        #[arg(long = "log-key", value_name = "VKEY")]
        log_keys: Vec<LogKey>,
        /// A checkpoint that was kept outside the database: a log that does not contain its tree is refused.
        #[arg(long, value_name = "FILE")]
        checkpoint: Option<PathBuf>,
    },
    /// Prints the last signed checkpoint: keep it outside, and give it to `verify` later.
    Checkpoint {
        #[command(flatten)]
        log: Log,
    },
}

/// Which log.
#[derive(ClapArgs)]
struct Log {
    /// The data directory of an installation or demo.
    #[arg(long, value_name = "DIR", required_unless_present = "database_url")]
    data: Option<PathBuf>,
    /// The database, where it is not the SQLite file in --data.
    #[arg(long, value_name = "URL")]
    database_url: Option<String>,
}

/// Runs the command.
pub fn run(args: Args, format: Format) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::new)?;
    runtime.block_on(async {
        match args.command {
            Command::Verify { log, key, log_keys, checkpoint } => {
                let given = given(&log, key, log_keys, checkpoint.as_deref())?;
                verify(&log, given, format).await
            }
            Command::Checkpoint { log } => print_checkpoint(&log, format).await,
        }
    })
}

async fn open(log: &Log) -> Result<LogReader, Failure> {
    let url = match (&log.database_url, &log.data) {
        (Some(url), _) => url.clone(),
        (None, Some(data)) => Config::sqlite_url(data),
        (None, None) => return Err(Failure::new("--data or --database-url is needed")),
    };
    LogReader::open(&url).await.map_err(Failure::new)
}

fn given(
    log: &Log,
    key: Option<PathBuf>,
    mut log_keys: Vec<LogKey>,
    checkpoint: Option<&Path>,
) -> Result<Given, Failure> {
    let in_data = |name: &str| log.data.as_ref().map(|data| data.join(name)).filter(|file| file.exists());
    let chain_key = match key.or_else(|| in_data(start::MASTER_KEY_FILE)) {
        Some(file) => Some(keys::read_master(&file).map_err(Failure::new)?.chain().map_err(Failure::new)?),
        None => None,
    };
    if log_keys.is_empty()
        && let Some(file) = in_data(start::LOG_KEY_FILE)
    {
        let text =
            std::fs::read_to_string(&file).map_err(|error| Failure::new(format!("{}: {error}", file.display())))?;
        for line in text.lines() {
            log_keys.push(line.parse().map_err(|error| Failure::new(format!("{}: {error}", file.display())))?);
        }
    }
    let trusted = checkpoint.map(read_checkpoint).transpose()?;
    Ok(Given { chain_key, log_keys, checkpoints: Vec::new(), trusted })
}

fn read_checkpoint(file: &Path) -> Result<String, Failure> {
    let wrong = |reason: String| Failure::new(format!("{}: {reason}", file.display()));
    let bytes = std::fs::metadata(file).map_err(|error| wrong(error.to_string()))?.len();
    if bytes > CHECKPOINT_BYTES {
        return Err(wrong("too long for a checkpoint".to_owned()));
    }
    std::fs::read_to_string(file).map_err(|error| wrong(error.to_string()))
}

async fn verify(log: &Log, given: Given, format: Format) -> Result<(), Failure> {
    let report = open(log).await?.verify(given).await.map_err(Failure::new)?;
    match format {
        Format::Text => print_report(&report),
        Format::Json => println!(
            "{}",
            json!({
                "holds": report.holds(),
                "size": report.size,
                "root": report.root,
                "waiting": report.waiting,
                "runs": report.runs,
                "checkpoints": report.checkpoints,
                "findings": report.findings.iter().map(ToString::to_string).collect::<Vec<_>>(),
                "truncated": report.truncated,
                "residue": report.residue.iter().map(ToString::to_string).collect::<Vec<_>>(),
            })
        ),
    }
    if report.holds() { Ok(()) } else { Err(Failure::new("the log does not hold")) }
}

fn print_report(report: &Report) {
    println!(
        "{} leaves, {} waiting, {} runs, {} checkpoints",
        report.size, report.waiting, report.runs, report.checkpoints
    );
    println!("root {}", report.root);
    for finding in &report.findings {
        println!("wrong: {finding}");
    }
    if report.truncated {
        println!("… and more");
    }
    if report.holds() {
        println!("nothing is wrong");
    }
    for residue in &report.residue {
        println!("not excluded: {residue}");
    }
}

async fn print_checkpoint(log: &Log, format: Format) -> Result<(), Failure> {
    let last = open(log).await?.last_checkpoint().await.map_err(Failure::new)?;
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
