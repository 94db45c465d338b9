//! What differs from the last time this person had the like done: a new recipient, a larger amount. Said in words, never decided on.

use super::decide::Record;
use crate::{
    app::App,
    page::{
        Outcome,
        step_up::{Change, Row},
    },
    problem::Problem,
};
use counterfoil_core::{
    audit::event::{EventKind, Leaf},
    id::DecisionId,
    policy::Pack,
    transaction::{Display, RowKind},
};
use counterfoil_store::DecisionFilter;

/// Decisions looked through.
const LOOKED_AT: u32 = 20;
/// Transactions compared with.
const COMPARED: usize = 5;

/// Earlier transactions of this person by the same action on the same resource that were spent, newest first.
pub async fn earlier(
    app: &App,
    pack: &Pack,
    id: DecisionId,
    record: &Record,
    lang: &str,
) -> Result<Vec<Display>, Problem> {
    let (Some(subject), Some(_)) = (&record.input.subject, &record.input.transaction) else { return Ok(Vec::new()) };
    let filter = DecisionFilter {
        subject: Some(subject.id.to_string()),
        action: Some(record.input.action.clone()),
        outcome: Some(Outcome::StepUp),
        before: Some(id),
        limit: LOOKED_AT,
    };
    let log = app.store.log();
    let mut earlier = Vec::new();
    for found in app.store.decisions(&filter).await? {
        let lodged = found.record.txn_digest.is_some();
        if !lodged || found.record.resource_id != record.input.resource.id || earlier.len() == COMPARED {
            continue;
        }
        for event in log.events_about(&format!("decision:{}", found.record.id)).await? {
            let leaf = Leaf::parse(&event.leaf).map_err(Problem::internal)?;
            let EventKind::ChallengeOpened { challenge, .. } = leaf.kind else { continue };
            if app.store.redemption(challenge).await?.is_some() {
                let record: Record = serde_json::from_str(&found.record.body).map_err(Problem::internal)?;
                earlier.extend(record.input.transaction.as_ref().and_then(|value| {
                    let kind = pack.transaction_type(value.get("type")?.as_str()?)?;
                    kind.render(&kind.validate(value).ok()?, lang)
                }));
            }
        }
    }
    Ok(earlier)
}

/// Marks the rows that differ. Without an earlier transaction there is nothing to compare with, and nothing is marked.
pub fn mark(rows: &mut [Row], shown: Option<&Display>, earlier: &[Display]) {
    let (Some(shown), Some(last)) = (shown, earlier.first()) else { return };
    for (row, now) in rows.iter_mut().zip(&shown.rows) {
        let same_field = |display: &&Display| display.rows.iter().any(|old| old.field == now.field);
        let Some(before) = last.rows.iter().find(|old| old.field == now.field) else { continue };
        if before.value == now.value {
            continue;
        }
        let known = earlier
            .iter()
            .filter(same_field)
            .any(|display| display.rows.iter().any(|old| old.field == now.field && old.canonical == now.canonical));
        row.changed = Some(match now.kind {
            RowKind::Amount => amounts(&before.canonical, &now.canonical),
            _ if known => Change::Other,
            _ => Change::New,
        });
        row.changed_from = Some(before.value.clone());
    }
}

/// Compares decimals of the same number of digits after the point; of anything else only that they differ.
fn amounts(before: &str, now: &str) -> Change {
    let parts = |text: &str| {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        Some((format!("{whole}{fraction}").parse::<i128>().ok()?, fraction.len()))
    };
    match (parts(before), parts(now)) {
        (Some((before, digits)), Some((now, same))) if digits == same && now > before => Change::Larger,
        (Some((before, digits)), Some((now, same))) if digits == same && now < before => Change::Smaller,
        _ => Change::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_compared_as_numbers() {
        for (before, now, expected) in [
            ("900.00", "12400.00", Change::Larger),
            ("12400.00", "900.00", Change::Smaller),
            ("900.00", "900.00", Change::Other),
            ("900", "900.00", Change::Other),
            ("x", "1.00", Change::Other),
        ] {
            assert_eq!(amounts(before, now), expected, "{before} {now}");
        }
    }
}
