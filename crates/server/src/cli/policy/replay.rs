//! `counterfoil policy replay`: what another pack would have answered to everything that was ever asked.

use super::load;
use crate::{
    cli::{
        Failure, Format,
        audit::{Place, Progress},
    },
    flows::decide_again::{read, told},
};
use counterfoil_core::{
    decision::{Outcome, decide},
    id::DecisionId,
};
use serde::Serialize;
use serde_json::json;
use std::{collections::BTreeMap, path::Path};

/// Decisions read at once.
const PAGE: u32 = 500;
/// Examples of one kind of change.
const EXAMPLES: usize = 3;

/// One kind of change.
#[derive(Default, Serialize)]
struct Change {
    count: u64,
    /// Some of the decisions, to be explained.
    examples: Vec<DecisionId>,
}

/// Action, what it was, what it would be.
type Kind = (String, String, String);

/// Decides all of them by the pack of this directory.
pub async fn run(place: &Place, directory: &Path, format: Format) -> Result<(), Failure> {
    let pack = load(Some(directory))?;
    let log = place.open().await?;
    let total = log.decision_count().await.map_err(Failure::new)?;
    let mut progress = Progress::new("replaying");
    let mut changes: BTreeMap<Kind, Change> = BTreeMap::new();
    let (mut decided, mut same, mut unread, mut after) = (0_u64, 0_u64, 0_u64, None);
    let (mut tightened, mut relaxed) = (0_u64, 0_u64);
    loop {
        let page = log.decisions(after, PAGE).await.map_err(Failure::new)?;
        let Some(last) = page.last() else { break };
        after = Some(last.record.id);
        for stored in &page {
            let Ok(record) = read(stored) else {
                unread += 1;
                continue;
            };
            decided += 1;
            let answer = decide(&record.input, &pack).record();
            let (then, now) = (told(&record.answer), told(&answer));
            if then == now {
                same += 1;
                continue;
            }
            match rank(answer.outcome).cmp(&rank(record.answer.outcome)) {
                std::cmp::Ordering::Greater => tightened += 1,
                std::cmp::Ordering::Less => relaxed += 1,
                std::cmp::Ordering::Equal => {}
            }
            let change = changes.entry((record.input.action, then, now)).or_default();
            change.count += 1;
            if change.examples.len() < EXAMPLES {
                change.examples.push(stored.record.id);
            }
        }
        progress.tell(decided + unread, total);
    }
    drop(progress);
    let mut changes: Vec<(Kind, Change)> = changes.into_iter().collect();
    changes.sort_by_key(|(_, change)| std::cmp::Reverse(change.count));
    match format {
        Format::Text => {
            println!(
                "{} {}: {decided} decisions replayed, {same} the same, {} different",
                pack.name(),
                pack.version(),
                decided - same
            );
            if decided > same {
                println!("{relaxed} would be easier, {tightened} harder; the others ask for something else\n");
                print(&changes);
            }
            if unread > 0 {
                println!("{unread} records could not be read: `audit verify --decide-again` says why");
            }
        }
        Format::Json => {
            let changes: Vec<_> = changes
                .iter()
                .map(|((action, then, now), change)| {
                    json!({"action": action, "then": then, "now": now, "count": change.count, "examples": change.examples})
                })
                .collect();
            println!(
                "{}",
                json!({
                    "policy_version": pack.version(), "decisions": decided, "same": same, "relaxed": relaxed,
                    "tightened": tightened, "unread": unread, "changes": changes,
                })
            );
        }
    }
    Ok(())
}

/// The order of answers: a permit is easier than a step-up, a deny is hardest.
const fn rank(outcome: Outcome) -> u8 {
    match outcome {
        Outcome::Permit => 0,
        Outcome::StepUp => 1,
        Outcome::Deny => 2,
    }
}

fn print(changes: &[(Kind, Change)]) {
    let width = |of: fn(&Kind) -> &str, head: &str| {
        changes.iter().map(|(kind, _)| of(kind).chars().count()).max().unwrap_or(0).max(head.len())
    };
    let (action, then, now) = (width(|k| &k.0, "action"), width(|k| &k.1, "was"), width(|k| &k.2, "would be"));
    println!("{:>7}  {:action$}  {:then$}  {:now$}  for example", "count", "action", "was", "would be");
    for ((name, was, would_be), change) in changes {
        let example = change.examples.first().map(ToString::to_string).unwrap_or_default();
        println!("{:>7}  {name:action$}  {was:then$}  {would_be:now$}  {example}", change.count);
    }
    println!("\n`counterfoil policy explain --decision ID --policies DIR` says why.");
}
