//! A bundle verified for a third party: every check in words, and the transaction as the person saw it.

use super::{
    log::{Place, read_note},
    moment,
};
use crate::{
    cli::{Failure, Format},
    flows::step_up::counterfoil,
};
use counterfoil_core::audit::{
    bundle::{Bundle, Examination, Verdict},
    checkpoint::{Checkpoint, LogKey, Note},
};
use serde_json::{Value, json};
use std::path::Path;

/// The largest file that is read as a bundle.
const BUNDLE_BYTES: u64 = 1024 * 1024;

/// A check that is made here, beside those of the bundle itself.
struct Beside {
    what: &'static str,
    result: Result<(), String>,
}

/// Reads the file, makes every check and says how each came out.
pub async fn verify(
    file: &Path,
    source: &Place,
    log_keys: Vec<LogKey>,
    trusted: Option<&Path>,
    format: Format,
) -> Result<(), Failure> {
    let log = source.named();
    let keys = match &log {
        Some(log) => log.log_keys(log_keys)?,
        None => log_keys,
    };
    if keys.is_empty() {
        return Err(Failure::new("a bundle is verified with the log's public key")
            .hint("give it with --log-key VKEY; it is the line in log.vkey of the installation's data directory"));
    }
    let bundle = read(file)?;
    let examined = bundle.examine(&keys);
    let checkpoint = bundle.checkpoint.parse::<Note>().and_then(|note| Checkpoint::verify(&note, &keys)).ok();
    let mut beside = Vec::new();
    if let (Some(path), Some(checkpoint)) = (trusted, &checkpoint) {
        beside.push(Beside {
            what: "it reaches as far as the checkpoint that you keep",
            result: reaches(checkpoint, path, &keys)?,
        });
    }
    if let (Some(log), Some(checkpoint)) = (&log, &checkpoint) {
        let reader = log.open().await?;
        let head = reader.head().await.map_err(Failure::new)?;
        let held = checkpoint.size <= head.size
            && reader.root_at(checkpoint.size).await.map_err(Failure::new)? == checkpoint.root;
        let result =
            if held { Ok(()) } else { Err("the log has another tree: two histories, or another log".to_owned()) };
        beside.push(Beside { what: "the log at hand contains the tree of its checkpoint", result });
    }
    let holds = examined.holds() && beside.iter().all(|check| check.result.is_ok());
    let residue = residue(&bundle, log.is_some(), trusted.is_some());
    match format {
        Format::Text => print(&bundle, &examined, &beside, &residue),
        Format::Json => println!("{}", told(&bundle, &examined, &beside, &residue, holds)),
    }
    if holds { Ok(()) } else { Err(Failure::new("the bundle does not hold: do not rely on it").said()) }
}

fn read(file: &Path) -> Result<Bundle, Failure> {
    let wrong = |reason: String| Failure::new(format!("{}: {reason}", file.display()));
    let bytes = std::fs::metadata(file).map_err(|error| wrong(error.to_string()))?.len();
    if bytes > BUNDLE_BYTES {
        return Err(wrong("too long for a bundle".to_owned()));
    }
    let text = std::fs::read(file).map_err(|error| wrong(error.to_string()))?;
    Bundle::parse(&text).map_err(|error| {
        wrong(error.to_string()).hint("it was damaged, edited or written by another release: ask for it again")
    })
}

/// A checkpoint that was kept must not be newer, and the same size must be the same tree.
fn reaches(checkpoint: &Checkpoint, path: &Path, keys: &[LogKey]) -> Result<Result<(), String>, Failure> {
    let wrong = |error| Failure::new(format!("{}: {error}", path.display()));
    let note: Note = read_note(path)?.parse().map_err(wrong)?;
    let kept = Checkpoint::verify(&note, keys).map_err(wrong)?;
    Ok(if checkpoint.size < kept.size {
        Err(format!("its checkpoint has {} leaves, yours {}: ask for it again", checkpoint.size, kept.size))
    } else if checkpoint.size == kept.size && checkpoint.root != kept.root {
        Err("two checkpoints of one size with two roots: the log has two histories".to_owned())
    } else {
        Ok(())
    })
}

/// What nobody can see from a bundle.
fn residue(bundle: &Bundle, has_log: bool, has_trusted: bool) -> Vec<String> {
    let mut residue = vec![
        "that the device showed something else than it should, or that the person did not read it".to_owned(),
        "that the passkey was disabled or its ceiling changed after it was enrolled: that is in the log, not here"
            .to_owned(),
    ];
    if bundle.spent.is_none() {
        residue.push("that it was spent: the bundle does not say, and may be from before".to_owned());
    } else if bundle.reported.is_none() {
        residue.push("what became of it: the API had not reported when the bundle was made".to_owned());
    }
    if bundle.credential.attestation.is_some() {
        residue.push(
            "that the attestation is worth anything: it is the one that was kept; judge it with the manufacturer's roots"
                .to_owned(),
        );
    }
    if !has_log && !has_trusted {
        residue.push(
            "that the log's keeper shows another history to others: compare with a checkpoint that was kept elsewhere \
             (--checkpoint), or with the log (--data)"
                .to_owned(),
        );
    }
    residue.push("that the key belongs to whom you think: get it from its owner, not with the bundle".to_owned());
    residue
}

fn print(bundle: &Bundle, examined: &Examination<'_>, beside: &[Beside], residue: &[String]) {
    println!("Checks, with public keys alone:");
    for checked in examined.checks() {
        match &checked.verdict {
            Verdict::Passed => println!("  passed    {}", checked.check),
            Verdict::Failed(error) => println!("  FAILED    {}: {error}", checked.check),
            Verdict::NotMade => println!("  not made  {}: what it rests on failed", checked.check),
        }
    }
    for Beside { what, result } in beside {
        match result {
            Ok(()) => println!("  passed    {what}"),
            Err(reason) => println!("  FAILED    {what}: {reason}"),
        }
    }
    let statement = &bundle.statement;
    println!(
        "\n{}\n",
        if examined.holds() { "What the person saw:" } else { "What the file says that the person saw:" }
    );
    for line in bundle.display_text.lines() {
        println!("  | {}", line.chars().filter(|c| !c.is_control()).collect::<String>());
    }
    println!();
    for (label, value) in facts(bundle, examined) {
        println!("  {label:<12}{value}");
    }
    if !examined.holds() {
        println!("\nNone of this is proven: a check failed.");
    }
    println!();
    for line in residue {
        println!("not excluded: {line}");
    }
    if examined.holds() && beside.iter().all(|check| check.result.is_ok()) {
        println!(
            "\nThe bundle holds: this person's passkey signed exactly this. (statement {})",
            statement.challenge_id
        );
    }
}

/// What it is about, as the statement says and the leaves prove.
fn facts(bundle: &Bundle, examined: &Examination<'_>) -> Vec<(&'static str, String)> {
    let statement = &bundle.statement;
    let text = |value: Option<String>| value.unwrap_or_else(|| "not said".to_owned());
    let mut facts = vec![
        ("receipt", counterfoil(statement.challenge_id)),
        ("person", text(statement.signer.map(|signer| signer.to_string()))),
        ("asked by", text(statement.client_id.clone())),
        ("for", text(statement.aud.clone())),
        ("action", text(statement.action.clone())),
        ("resource", text(statement.resource.as_ref().map(|resource| format!("{} {}", resource.kind, resource.id)))),
        ("tier", text(statement.tier.map(|tier| tier.to_string()))),
        ("at", statement.origin.clone()),
        ("decision", text(statement.decision_id.map(|decision| decision.to_string()))),
        ("policy", statement.policy_version.to_string()),
    ];
    if let Some(proven) = examined.proven() {
        let verified = if proven.user_verified() { ", which verified its user" } else { "" };
        facts.push(("confirmed", format!("{} with a passkey{verified}", moment(proven.approved_at()))));
        facts.push(("passkey", format!("worth {} when it was enrolled", proven.ceiling_at_enrolment())));
        facts.push(("spent", proven.spent_at().map_or_else(|| "not in this bundle".to_owned(), moment)));
        let outcome =
            proven.outcome().and_then(|outcome| Some(serde_json::to_value(outcome).ok()?.as_str()?.to_owned()));
        facts.push(("outcome", outcome.unwrap_or_else(|| "not reported".to_owned())));
        let checkpoint = proven.checkpoint();
        facts.push(("log", format!("{}, {} leaves, root {}", checkpoint.origin, checkpoint.size, checkpoint.root)));
    }
    if let Some(reason) = bundle.decision_record.as_deref().and_then(reason) {
        facts.push(("because", reason));
    }
    facts
}

/// Why the step-up was asked, from the decision's record.
fn reason(record: &str) -> Option<String> {
    let record: Value = serde_json::from_str(record).ok()?;
    Some(record.pointer("/answer/reason_admin")?.as_str()?.to_owned())
}

fn told(bundle: &Bundle, examined: &Examination<'_>, beside: &[Beside], residue: &[String], holds: bool) -> Value {
    let mut checks: Vec<Value> = examined
        .checks()
        .iter()
        .map(|checked| {
            let (verdict, reason) = match &checked.verdict {
                Verdict::Passed => ("passed", None),
                Verdict::Failed(error) => ("failed", Some(error.to_string())),
                Verdict::NotMade => ("not_made", None),
            };
            json!({"check": checked.check.to_string(), "verdict": verdict, "reason": reason})
        })
        .collect();
    checks.extend(beside.iter().map(|check| {
        let verdict = if check.result.is_ok() { "passed" } else { "failed" };
        json!({"check": check.what, "verdict": verdict, "reason": check.result.as_ref().err()})
    }));
    let proven = examined.proven();
    json!({
        "holds": holds,
        "checks": checks,
        "counterfoil": counterfoil(bundle.statement.challenge_id),
        "statement": bundle.statement,
        "transaction": bundle.transaction,
        "display_text": bundle.display_text,
        "confirmed_at": proven.map(|proven| proven.approved_at()),
        "spent_at": proven.and_then(|proven| proven.spent_at()),
        "outcome": proven.and_then(|proven| proven.outcome()),
        "residue": residue,
    })
}
