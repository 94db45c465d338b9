//! Somebody with a role asks what happened: the overview of a day, and the log itself.

use super::{
    decide,
    oversee::{PAGE, enter, in_force, texts},
};
use crate::{
    app::App,
    browser::Browser,
    page::{
        Outcome,
        admin::{Checkpoint, EventRow, Hour, Item, Log, LogState, Nav, Overview, StepUpCost, Totals},
        chart, event,
        text::Texts,
    },
    problem::Problem,
};
use counterfoil_core::{
    audit::event::{Actor, EventKind, Leaf},
    id::{ChallengeId, SubjectId},
    time::Time,
};
use counterfoil_store::{DecisionFilter, LoggedEvent};
use serde::Deserialize;
use std::collections::BTreeMap;

const HOUR_SECONDS: i64 = 3_600;
const HOURS: i64 = 24;
/// Decisions and leaves that the overview reads at most; `since` says how far back that reached.
const COUNTED: usize = 5_000;
const STEP: u32 = 1_000;
/// Leaves that a filtered log looks through at most for one page.
const SEARCHED: u64 = 5_000;

/// Is anything wrong, what needs me, what did step-ups cost people?
pub async fn overview<T>(app: &App, browser: &Browser<T>) -> Result<Overview, Problem> {
    let viewer = enter(app, browser, Nav::Overview, "/admin").await?;
    let texts = texts(app, browser)?;
    let now = browser.visit.now;
    let begin = now.plus_seconds(-HOURS * HOUR_SECONDS);
    let mut since = begin;
    let mut totals = Totals::default();
    let mut hours: Vec<Hour> = (0..HOURS)
        .map(|hour| Hour { at: begin.plus_seconds(hour * HOUR_SECONDS), totals: Totals::default() })
        .collect();
    let mut filter = DecisionFilter { limit: STEP, ..DecisionFilter::default() };
    let mut counted = 0;
    'reading: loop {
        let found = app.store.decisions(&filter).await?;
        for found in &found {
            // Our own pages' questions are not what applications asked.
            if found.record.at < begin {
                break 'reading;
            }
            if !found.record.audience.is_empty() {
                let hour = usize::try_from(found.record.at.seconds_since(begin) / HOUR_SECONDS).unwrap_or(0);
                let hour = hours.get_mut(hour.min(23)).map(|hour| &mut hour.totals);
                for totals in std::iter::once(&mut totals).chain(hour) {
                    match found.record.outcome {
                        Outcome::Permit => totals.permit += 1,
                        Outcome::StepUp => totals.step_up += 1,
                        Outcome::Deny => totals.deny += 1,
                    }
                }
            }
        }
        counted += found.len();
        let Some(last) = found.last().filter(|_| found.len() == STEP as usize) else { break };
        if counted >= COUNTED {
            since = last.record.at;
            break;
        }
        filter.before = Some(last.record.id);
    }
    let leaves = last_leaves(app, begin).await?;
    let head = app.store.log().last_checkpoint().await?;
    Ok(Overview {
        viewer,
        now,
        since,
        alarms: alarms(texts, &leaves),
        todo: Vec::new(),
        totals,
        step_ups: cost(&leaves, now),
        chart: chart::decisions(&hours),
        hours,
        policy: in_force(app).await?,
        log: LogState {
            size: head.as_ref().map_or(0, |head| head.size),
            checkpoint_at: head.map_or(begin, |head| head.at),
            root: app.store.log().head().await?.root.to_string(),
        },
    })
}

/// The leaves since then, oldest first, at most [`COUNTED`].
async fn last_leaves(app: &App, begin: Time) -> Result<Vec<Leaf>, Problem> {
    let log = app.store.log();
    let mut end = log.head().await?.size;
    let mut leaves = Vec::new();
    while end > 0 && leaves.len() < COUNTED {
        let from = end.saturating_sub(STEP.into());
        let length = u32::try_from(end - from).unwrap_or(STEP);
        let found = log.leaves(from, length).await?;
        let mut read: Vec<Leaf> =
            found.iter().map(|event| Leaf::parse(&event.leaf)).collect::<Result<_, _>>().map_err(Problem::internal)?;
        let reached = read.first().is_none_or(|leaf| leaf.at < begin);
        read.retain(|leaf| leaf.at >= begin);
        leaves.splice(0..0, read);
        if reached {
            break;
        }
        end = from;
    }
    Ok(leaves)
}

/// What somebody should look at, newest first.
fn alarms(texts: &Texts, leaves: &[Leaf]) -> Vec<Item> {
    let wrong = |kind: &EventKind| {
        matches!(
            kind,
            EventKind::RelaySeen { .. }
                | EventKind::ChallengeRefused { alarm: true, .. }
                | EventKind::SpendRefused { .. }
                | EventKind::AuthenticatorDisabled { .. }
                | EventKind::Contained { .. }
                | EventKind::EpochRaised { .. }
        )
    };
    let item = |leaf: &Leaf| Item {
        title: event::summary(texts, &leaf.kind),
        detail: None,
        at: Some(leaf.at),
        url: Some(format!("/admin/log?kind={}", leaf.kind.name())),
    };
    leaves.iter().rev().filter(|leaf| wrong(&leaf.kind)).take(10).map(item).collect()
}

/// How often people were asked about something that was decided, and what came of it.
fn cost(leaves: &[Leaf], now: Time) -> StepUpCost {
    let mut open: BTreeMap<ChallengeId, (Time, Time)> = BTreeMap::new();
    let mut cost = StepUpCost::default();
    let mut took = Vec::new();
    for leaf in leaves {
        match &leaf.kind {
            EventKind::ChallengeOpened { challenge, decision: Some(_), expires_at, .. } => {
                cost.asked += 1;
                open.insert(*challenge, (leaf.at, *expires_at));
            }
            EventKind::ChallengeProven { challenge, .. } => {
                if let Some((opened, _)) = open.remove(challenge) {
                    cost.confirmed += 1;
                    took.push(leaf.at.seconds_since(opened));
                }
            }
            EventKind::ChallengeRefused { challenge, alarm } => {
                let asked = open.remove(challenge).is_some();
                match (asked, *alarm) {
                    (true, true) => cost.alarms += 1,
                    (true, false) => cost.refused += 1,
                    (false, _) => {}
                }
            }
            EventKind::ChallengeVoid { challenge, .. } => {
                let asked = open.remove(challenge).is_some();
                cost.unanswered += u64::from(asked);
            }
            _ => {}
        }
    }
    cost.unanswered += open.values().filter(|(_, expires_at)| *expires_at < now).count() as u64;
    took.sort_unstable();
    cost.median_seconds = took.get(took.len() / 2).copied();
    cost
}

/// What of the log to list.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Wanted {
    kind: Option<String>,
    q: Option<String>,
    before: Option<String>,
}

/// Entries of the log, newest first.
pub async fn log(app: &App, browser: &Browser<Wanted>) -> Result<Log, Problem> {
    let viewer = enter(app, browser, Nav::Log, "/admin/log").await?;
    let texts = texts(app, browser)?;
    let log = app.store.log();
    let size = log.head().await?.size;
    let mut end = browser.body.before.as_deref().and_then(|before| before.parse().ok()).unwrap_or(size).min(size);
    let floor = end.saturating_sub(SEARCHED);
    let mut events: Vec<EventRow> = Vec::new();
    let mut names = BTreeMap::new();
    while end > floor && events.len() < PAGE as usize {
        let from = end.saturating_sub(PAGE.into()).max(floor);
        let mut found = log.leaves(from, u32::try_from(end - from).unwrap_or(PAGE)).await?;
        found.reverse();
        end = from;
        for found in found {
            let leaf = Leaf::parse(&found.leaf).map_err(Problem::internal)?;
            if !fits(&browser.body, &leaf, &found) {
                continue;
            }
            name(app, &leaf.actor, &mut names).await?;
            events.push(told(texts, &leaf, &found, &names)?);
            if events.len() == PAGE as usize {
                end = found.leaf_index.unwrap_or(from);
                break;
            }
        }
    }
    let checkpoint = match log.last_checkpoint().await? {
        Some(last) => {
            let root = log.root_at(last.size).await?.to_string();
            Some(Checkpoint { size: last.size, root, at: last.at, note: last.note })
        }
        None => None,
    };
    let kinds = texts.keys().filter_map(|key| key.strip_prefix("event.")).map(str::to_owned).collect();
    Ok(Log { viewer, checkpoint, events, before: (end > 0).then(|| end.to_string()), kinds })
}

fn fits(wanted: &Wanted, leaf: &Leaf, found: &LoggedEvent) -> bool {
    let kind = wanted.kind.as_deref().is_none_or(|kind| kind.is_empty() || kind == leaf.kind.name());
    let q = wanted.q.as_deref().map(str::trim).unwrap_or_default();
    kind && (q.is_empty() || String::from_utf8_lossy(&found.leaf).contains(q))
}

async fn name(app: &App, actor: &Actor, names: &mut BTreeMap<SubjectId, Option<String>>) -> Result<(), Problem> {
    if let Actor::Subject { subject, .. } = actor
        && !names.contains_key(subject)
    {
        let person = decide::person(app, *subject).await?;
        names.insert(*subject, person.and_then(|person| person.subject.usernames.first().cloned()));
    }
    Ok(())
}

fn told(
    texts: &Texts,
    leaf: &Leaf,
    found: &LoggedEvent,
    names: &BTreeMap<SubjectId, Option<String>>,
) -> Result<EventRow, Problem> {
    Ok(EventRow {
        id: found.id,
        at: leaf.at,
        kind: leaf.kind.name().to_owned(),
        actor: event::actor(texts, &leaf.actor, |subject| names.get(&subject).cloned().flatten()),
        summary: event::summary(texts, &leaf.kind),
        leaf: found.leaf_index,
        raw: serde_json::from_slice(&found.leaf).map_err(Problem::internal)?,
    })
}
