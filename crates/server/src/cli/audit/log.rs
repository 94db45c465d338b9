//! Which log is meant, with which keys; and the verification of all of it.

use super::{Progress, again};
use crate::{
    cli::{Failure, Format},
    config::Config,
    flows::decide_again::decide_all_again,
    keys, start,
};
use clap::Args as ClapArgs;
use counterfoil_core::audit::{
    chain::ChainKey,
    checkpoint::LogKey,
    verify::{Given, Report},
};
use counterfoil_store::LogReader;
use serde_json::json;
use std::path::{Path, PathBuf};

/// A checkpoint is some hundred bytes, a list of keys not much more.
const NOTE_BYTES: u64 = 16 * 1024;

/// Which log.
#[derive(ClapArgs)]
pub struct Log {
    /// The data directory of an installation or demo.
    #[arg(long, value_name = "DIR", required_unless_present = "database_url")]
    data: Option<PathBuf>,
    /// The database, where it is not the SQLite file in --data.
    #[arg(long, value_name = "URL")]
    database_url: Option<String>,
}

/// The same where something else may stand in its place, such as a bundle or a file.
#[derive(ClapArgs)]
pub struct Place {
    /// The data directory of an installation or demo.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// The database, where it is not the SQLite file in --data.
    #[arg(long, value_name = "URL")]
    database_url: Option<String>,
}

impl Place {
    /// The log that was named.
    pub fn log(&self) -> Result<Log, Failure> {
        self.named().ok_or_else(|| {
            Failure::new("which log? --data DIR or --database-url URL is needed")
                .hint("DIR is the directory that `serve` or `demo` keeps")
        })
    }

    /// Opens the log that was named.
    pub async fn open(&self) -> Result<LogReader, Failure> {
        self.log()?.open().await
    }

    /// The log, if one was named.
    pub fn named(&self) -> Option<Log> {
        let named = self.data.is_some() || self.database_url.is_some();
        named.then(|| Log { data: self.data.clone(), database_url: self.database_url.clone() })
    }
}

impl Log {
    /// Opens it for reading.
    pub async fn open(&self) -> Result<LogReader, Failure> {
        let url = match (&self.database_url, &self.data) {
            (Some(url), _) => url.clone(),
            (None, Some(data)) => Config::sqlite_url(data),
            (None, None) => return Err(Failure::new("--data or --database-url is needed")),
        };
        LogReader::open(&url).await.map_err(|error| {
            Failure::new(format!("the database cannot be opened: {error}"))
                .hint("--data is the directory that `serve` or `demo` keeps; with PostgreSQL add --database-url")
        })
    }

    fn in_data(&self, name: &str) -> Option<PathBuf> {
        self.data.as_ref().map(|data| data.join(name)).filter(|file| file.exists())
    }

    /// The key of the chains: from the file that was named, else from the data directory.
    pub fn chain_key(&self, named: Option<PathBuf>) -> Result<Option<ChainKey>, Failure> {
        let Some(file) = named.or_else(|| self.in_data(start::MASTER_KEY_FILE)) else { return Ok(None) };
        keys::read_master(&file).map_err(Failure::new)?.chain().map(Some).map_err(Failure::new)
    }

    /// The log's public keys: those that were named, else those in the data directory.
    pub fn log_keys(&self, mut named: Vec<LogKey>) -> Result<Vec<LogKey>, Failure> {
        if named.is_empty()
            && let Some(file) = self.in_data(start::LOG_KEY_FILE)
        {
            for line in read_note(&file)?.lines() {
                named.push(line.parse().map_err(|error| Failure::new(format!("{}: {error}", file.display())))?);
            }
        }
        Ok(named)
    }
}

/// What a verifier is given.
pub fn given(
    log: &Log,
    key: Option<PathBuf>,
    log_keys: Vec<LogKey>,
    checkpoint: Option<&Path>,
) -> Result<Given, Failure> {
    Ok(Given {
        chain_key: log.chain_key(key)?,
        log_keys: log.log_keys(log_keys)?,
        checkpoints: Vec::new(),
        trusted: checkpoint.map(read_note).transpose()?,
        decisions: false,
    })
}

/// A checkpoint or a key file.
pub fn read_note(file: &Path) -> Result<String, Failure> {
    let wrong = |reason: String| Failure::new(format!("{}: {reason}", file.display()));
    let bytes = std::fs::metadata(file).map_err(|error| wrong(error.to_string()))?.len();
    if bytes > NOTE_BYTES {
        return Err(wrong("too long for a checkpoint or key".to_owned()));
    }
    std::fs::read_to_string(file).map_err(|error| wrong(error.to_string()))
}

/// Verifies the whole log, and on demand every decision in it.
pub async fn verify(log: &Log, mut given: Given, format: Format, decide_again: bool) -> Result<(), Failure> {
    let reader = log.open().await?;
    given.decisions = decide_again;
    let mut progress = Progress::new("verifying");
    let report = reader.verify_telling(given, |done, total| progress.tell(done, total)).await;
    let mut report = report.map_err(Failure::new)?;
    drop(progress);
    let again = if decide_again {
        let mut progress = Progress::new("deciding again");
        let logged = std::mem::take(&mut report.decisions);
        let again = decide_all_again(&reader, logged, |done, total| progress.tell(done, total)).await;
        Some(again.map_err(Failure::new)?)
    } else {
        None
    };
    match format {
        Format::Text => {
            print_report(&report);
            again.iter().for_each(again::print);
        }
        Format::Json => {
            let mut told = told(&report);
            if let Some(again) = &again {
                told["decided_again"] = again::told(again);
                told["holds"] = json!(report.holds() && again.holds());
            }
            println!("{told}");
        }
    }
    match (report.holds(), again.is_none_or(|again| again.holds())) {
        (true, true) => Ok(()),
        (false, _) => Err(Failure::new("the log does not hold").said()),
        (true, false) => Err(Failure::new("decisions do not come out as they are recorded").said()),
    }
}

fn told(report: &Report) -> serde_json::Value {
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
