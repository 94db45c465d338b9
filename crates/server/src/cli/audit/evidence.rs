//! The evidence of one approval, gathered offline and verified before it is handed out.

use super::{Of, export::private, log::Log};
use crate::{
    cli::Failure,
    flows::evidence::{NoEvidence, challenge_of, challenges_numbered, gather},
};
use counterfoil_core::{audit::bundle::Bundle, id::ChallengeId};
use counterfoil_store::LogReader;
use std::{io::Write as _, path::Path, time::Duration};

/// How often a missing checkpoint is looked for.
const PAUSE: Duration = Duration::from_millis(200);

impl From<NoEvidence> for Failure {
    fn from(reason: NoEvidence) -> Self {
        let hint = match &reason {
            NoEvidence::NotYet => {
                "a running server signs a checkpoint within a second of new entries: start it, or wait longer with --wait"
            }
            NoEvidence::Unknown(_) => {
                "identifiers stand in the administration's list of decisions and in `audit export`"
            }
            NoEvidence::Unasked => "`policy explain --decision ID` says what the decision was and why",
            NoEvidence::Unproven(_) | NoEvidence::Unsigned => {
                "what happened is in the log all the same: see `audit export`"
            }
            NoEvidence::Read(_) | NoEvidence::Leaf(_) | NoEvidence::Bundle(_) => "run `audit verify` on this log",
        };
        Self::new(&reason).hint(hint)
    }
}

/// Gathers, verifies and writes it.
pub async fn run(log: &Log, of: &Of, with_record: bool, wait: u64, out: Option<&Path>) -> Result<(), Failure> {
    let reader = log.open().await?;
    let challenge = challenge(&reader, of).await?;
    let bundle = waited(&reader, challenge, with_record, wait).await?;
    let keys = log.log_keys(Vec::new())?;
    if !keys.is_empty() {
        bundle.verify(&keys).map(drop).map_err(|error| {
            Failure::new(format!("what is stored does not prove itself: {error}"))
                .hint("run `audit verify` on this log")
        })?;
    }
    let text = bundle.to_json().map_err(Failure::new)?;
    match out {
        None => std::io::stdout().lock().write_all(text.as_bytes()).map_err(Failure::new)?,
        Some(path) => private(path)?.write_all(text.as_bytes()).map_err(Failure::new)?,
    }
    let file = out.map_or("FILE".to_owned(), |path| path.display().to_string());
    let key = keys.first().map_or("VKEY".to_owned(), ToString::to_string);
    eprintln!("anybody verifies it with: counterfoil audit verify --bundle {file} --log-key '{key}'");
    Ok(())
}

async fn challenge(log: &LogReader, of: &Of) -> Result<ChallengeId, Failure> {
    if let Some(challenge) = of.challenge {
        return Ok(challenge);
    }
    if let Some(decision) = of.decision {
        return Ok(challenge_of(log, decision).await?);
    }
    let number = of.counterfoil.as_deref().unwrap_or_default().trim().to_uppercase();
    match challenges_numbered(log, &number).await?.as_slice() {
        [one] => Ok(*one),
        [] => Err(Failure::new(format!("no confirmation has the number {number}"))
            .hint("a number has eight letters and digits, like 7K2M-Q0XR, and stands on the receipt")),
        several => {
            let ids: Vec<String> = several.iter().map(ToString::to_string).collect();
            Err(Failure::new(format!("several confirmations have the number {number}: {}", ids.join(", ")))
                .hint("name the one that is meant with --challenge"))
        }
    }
}

/// The bundle, once a checkpoint covers all of it.
async fn waited(log: &LogReader, id: ChallengeId, with_record: bool, wait: u64) -> Result<Bundle, Failure> {
    let mut left = Duration::from_secs(wait);
    loop {
        match gather(log, id, with_record).await {
            Err(NoEvidence::NotYet) if !left.is_zero() => {
                tokio::time::sleep(PAUSE).await;
                left = left.saturating_sub(PAUSE);
            }
            other => return Ok(other?),
        }
    }
}
