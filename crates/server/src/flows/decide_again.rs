//! Every stored decision, decided again from its record alone by the pack that decided it (docs/decisions/0001): the same
//! answer must come out, and the record must be the one that the log commits to.

use super::decide::Record;
use counterfoil_core::{
    decision::{DecisionRecord, decide},
    digest::Digest,
    id::DecisionId,
    policy::Pack,
};
use counterfoil_store::{Discord, LogReader, ReadError, RecordedDecision};
use std::collections::{BTreeMap, BTreeSet, btree_map::Entry};

/// Decisions read at once.
const PAGE: u32 = 500;
/// Differences that are listed. A log with more is beyond listing.
const LISTED: usize = 100;

/// What is wrong with a stored decision.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Difference {
    /// The record is none that we can read.
    #[error("its record cannot be read: {0}")]
    Record(String),
    /// The log speaks of it, and there is no record.
    #[error("its record is gone")]
    Gone,
    /// No event of the log speaks of it where its row says.
    #[error("the log has no event of it")]
    NotLogged,
    /// The log commits to another record.
    #[error("its record is not the one that the log commits to")]
    OtherRecord,
    /// The row or the event says something else than the record does.
    #[error("{0} is not what its record says")]
    Contradiction(&'static str),
    /// Another answer comes out.
    #[error("decided again it is {now}, not {then}")]
    OtherAnswer {
        /// What was answered.
        then: String,
        /// What comes out now.
        now: String,
    },
}

/// What came of deciding again.
#[derive(Debug, Default)]
pub struct Again {
    /// Stored decisions.
    pub decisions: u64,
    /// Those that came out the same, by outcome.
    pub same: BTreeMap<&'static str, u64>,
    /// Alarms among them: a policy had failed to evaluate, and fails again.
    pub alarms: u64,
    /// Versions of the pack that were used.
    pub packs: usize,
    /// What is wrong, by decision; at most a hundred.
    pub differences: Vec<(DecisionId, Difference)>,
    /// There is more than is listed.
    pub truncated: bool,
    /// Decisions of packs that this program cannot rebuild, by version: not stored, or of another release of it.
    pub unknown_packs: BTreeMap<Digest, u64>,
}

impl Again {
    /// Nothing is wrong with any of them.
    pub fn holds(&self) -> bool {
        self.differences.is_empty()
    }

    fn find(&mut self, id: DecisionId, difference: Difference) {
        if self.differences.len() < LISTED {
            self.differences.push((id, difference));
        } else {
            self.truncated = true;
        }
    }
}

/// Packs by version, compiled when first asked for. `None` for one that cannot be rebuilt here.
#[derive(Default)]
pub struct Packs(BTreeMap<Digest, Option<Pack>>);

impl Packs {
    /// The pack of this version, out of the database.
    pub async fn of(&mut self, log: &LogReader, version: Digest) -> Result<Option<&Pack>, ReadError> {
        let pack = match self.0.entry(version) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => {
                let files = log.policy(&version).await?.map(|stored| stored.files);
                let files =
                    files.map(|files| files.into_iter().map(|(path, text)| (path, text.into_bytes())).collect());
                let pack = files.and_then(|files| Pack::compile(&files).ok()).filter(|pack| pack.version() == version);
                // There is time: what did not fit the schema then comes out as a difference now.
                place.insert(pack.map(Pack::checking))
            }
        };
        Ok(pack.as_ref())
    }
}

/// Decides all of them again, telling how many of how many are done. `logged`: those that the log speaks of, read before.
pub async fn decide_all_again(
    log: &LogReader,
    logged: Vec<DecisionId>,
    mut tell: impl FnMut(u64, u64),
) -> Result<Again, ReadError> {
    let (mut again, mut packs, mut after) = (Again::default(), Packs::default(), None);
    let mut missing: BTreeSet<DecisionId> = logged.into_iter().collect();
    let total = log.decision_count().await?;
    loop {
        let page = log.decisions(after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.record.id);
        for stored in &page {
            again.decisions += 1;
            missing.remove(&stored.record.id);
            let committed = committed(log, stored).await?;
            let record = committed.and_then(|()| read(stored));
            let version = stored.record.policy_version;
            let result = match (record, packs.of(log, version).await?) {
                (Err(difference), _) => Err(difference),
                (Ok(record), Some(pack)) => compare(&record, pack),
                (Ok(_), None) => {
                    *again.unknown_packs.entry(version).or_default() += 1;
                    continue;
                }
            };
            match result {
                Ok(answer) => {
                    *again.same.entry(answer.outcome.as_str()).or_default() += 1;
                    again.alarms += u64::from(is_alarm(&answer));
                }
                Err(difference) => again.find(stored.record.id, difference),
            }
        }
        tell(again.decisions, total);
    }
    missing.into_iter().for_each(|id| again.find(id, Difference::Gone));
    again.packs = packs.0.values().flatten().count();
    Ok(again)
}

fn is_alarm(answer: &DecisionRecord) -> bool {
    matches!(answer.cause, Some(counterfoil_core::decision::DenialCause::EvaluationError { .. }))
}

/// The record, which must say what its row says.
pub fn read(stored: &RecordedDecision) -> Result<Record, Difference> {
    let row = &stored.record;
    let record: Record = serde_json::from_str(&row.body).map_err(|error| Difference::Record(error.to_string()))?;
    let (input, answer) = (&record.input, &record.answer);
    let known = input.subject.as_ref().map(|subject| subject.id.to_string()).unwrap_or_default();
    let tier = answer.grounds.tier.map(|tier| tier.as_str()).unwrap_or_default();
    for (what, same) in [
        ("the time of its row", row.at == input.now),
        ("the subject of its row", row.subject == known),
        ("the API of its row", row.audience == input.audience.clone().unwrap_or_default()),
        ("the action of its row", row.action == input.action),
        (
            "the resource of its row",
            (&row.resource_type, &row.resource_id) == (&input.resource.kind, &input.resource.id),
        ),
        ("the tier of its row", row.tier == tier),
        ("the outcome of its row", row.outcome == answer.outcome),
        ("the transaction of its row", row.txn_digest == answer.txn_digest),
        ("the policy of its row", row.policy_version == answer.grounds.policy_version),
    ] {
        if !same {
            return Err(Difference::Contradiction(what));
        }
    }
    Ok(record)
}

/// The log commits to this very record, and says the same in its leaf.
async fn committed(log: &LogReader, stored: &RecordedDecision) -> Result<Result<(), Difference>, ReadError> {
    let Some(event) = log.event_at(stored.run, stored.number).await? else { return Ok(Err(Difference::NotLogged)) };
    Ok(stored.is_said_by(&event.leaf).map_err(|discord| match discord {
        Discord::OtherEvent => Difference::NotLogged,
        Discord::OtherRecord => Difference::OtherRecord,
        Discord::Contradiction => Difference::Contradiction("the event in the log"),
    }))
}

/// The answer, which must be the recorded one.
fn compare(record: &Record, pack: &Pack) -> Result<DecisionRecord, Difference> {
    let again = decide(&record.input, pack).record();
    if again == record.answer {
        return Ok(again);
    }
    Err(Difference::OtherAnswer { then: told(&record.answer), now: told(&again) })
}

/// An answer in a few words.
pub fn told(answer: &DecisionRecord) -> String {
    let mut text = answer.outcome.as_str().to_owned();
    if let Some(requirement) = &answer.requirement {
        text.push_str(&format!(" to {} by {}", requirement.acr, requirement.method));
        if requirement.transaction_bound {
            text.push_str(" for the transaction");
        }
    }
    if let Some(cause) = &answer.cause
        && let Ok(value) = serde_json::to_value(cause)
        && let Some(kind) = value.get("kind").and_then(|kind| kind.as_str())
    {
        text.push_str(&format!(" ({kind})"));
    }
    text
}
