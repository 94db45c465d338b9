//! Our answers, each with every input. A decision is written once and never changed.

use crate::{
    backend::{Row, Value},
    error::{Inconsistency, ReadError},
    store::Store,
    table,
    tx::Tx,
    unit::Effect,
};
use counterfoil_core::{
    audit::{
        chain::Follow,
        event::{Event, EventKind, Leaf, LeafHash, Outcome},
        kind::stored_record_digest,
    },
    digest::Digest,
    id::{DecisionId, LoginId, RunId},
    time::Time,
};

/// What we answered, and all that we answered it from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecisionRecord {
    /// Which.
    pub id: DecisionId,
    /// When.
    pub at: Time,
    /// About whom: `sub`, or whatever the API sent in its place.
    pub subject: String,
    /// The protected API that asked; empty for our own actions.
    pub audience: String,
    /// The action's name.
    pub action: String,
    /// The resource's type.
    pub resource_type: String,
    /// The resource's identifier.
    pub resource_id: String,
    /// Its effective tier; empty where the action is unknown.
    pub tier: String,
    /// What we answered.
    pub outcome: Outcome,
    /// The login behind the access token, if there was one.
    pub login: Option<LoginId>,
    /// The transaction that was lodged with it.
    pub txn_digest: Option<Digest>,
    /// The pack that spoke.
    pub policy_version: Digest,
    /// Every input and the whole answer, as JSON that the caller reads again.
    pub body: String,
}

/// A decision with its place in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedDecision {
    /// The decision.
    pub record: DecisionRecord,
    /// The run whose chain has its event.
    pub run: RunId,
    /// The number of its event in that chain.
    pub number: u64,
    /// The epoch that it was made in.
    pub epoch: u64,
    /// May it still be answered? Not after the epoch rose.
    pub current: bool,
}

/// How a decision's row and a leaf of the log disagree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Discord {
    /// The leaf speaks of something else.
    OtherEvent,
    /// It commits to another record.
    OtherRecord,
    /// It says something else than the row does.
    Contradiction,
}

impl RecordedDecision {
    /// Does this leaf commit to the record, and say what the row says?
    pub fn is_said_by(&self, leaf: &[u8]) -> Result<(), Discord> {
        let row = &self.record;
        let leaf = Leaf::parse(leaf).map_err(|_| Discord::OtherEvent)?;
        let EventKind::DecisionMade { decision, record, outcome, policy_version, txn_digest, .. } = leaf.kind else {
            return Err(Discord::OtherEvent);
        };
        if decision != row.id {
            Err(Discord::OtherEvent)
        } else if stored_record_digest(row.body.as_bytes()) != Some(record) {
            Err(Discord::OtherRecord)
        } else if (outcome, policy_version, txn_digest) != (row.outcome, row.policy_version, row.txn_digest) {
            Err(Discord::Contradiction)
        } else {
            Ok(())
        }
    }
}

/// Which decisions to read, newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DecisionFilter {
    /// About this person only.
    pub subject: Option<String>,
    /// With this outcome only.
    pub outcome: Option<Outcome>,
    /// Of this action only.
    pub action: Option<String>,
    /// Older than this one.
    pub before: Option<DecisionId>,
    /// At most so many; 0 means 50.
    pub limit: u32,
}

const fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Permit => "permit",
        Outcome::StepUp => "step_up",
        Outcome::Deny => "deny",
    }
}

impl Tx {
    /// A decision. The event that says so is the one that this unit is committed with.
    pub fn record_decision(&mut self, record: &DecisionRecord) -> &mut Self {
        self.decided(record, 0)
    }

    /// A decision on the way of something else, with the event that says so beside that one's.
    pub fn also_decision(&mut self, record: &DecisionRecord, event: Event) -> &mut Self {
        let place = self.also(event).events();
        self.decided(record, place)
    }

    /// `place`: how many events of this unit stand before the decision's.
    fn decided(&mut self, record: &DecisionRecord, place: u64) -> &mut Self {
        let row = vec![
            Value::id(record.id),
            Value::time(record.at),
            Value::text(&record.subject),
            Value::text(&record.audience),
            Value::text(&record.action),
            Value::text(&record.resource_type),
            Value::text(&record.resource_id),
            Value::text(&record.tier),
            Value::text(word(record.outcome)),
            Value::maybe(record.login),
            Value::maybe(record.txn_digest),
            Value::id(record.policy_version),
            Value::Epoch,
            Value::Run,
            Value::Number(place),
            Value::text(&record.body),
        ];
        self.effect(Effect::Insert { table: &table::DECISIONS, row })
    }
}

impl Store {
    /// The decision of this identifier, to act upon: its record is the one that the log commits to, under our key. A row
    /// that somebody else wrote or changed is an [`Inconsistency`].
    pub async fn decision(&self, id: DecisionId) -> Result<Option<RecordedDecision>, ReadError> {
        let rows = self.decision_rows("WHERE id = $1", &[Value::id(id)]).await?;
        let Some(found) = rows.into_iter().next().map(|row| load(&row)).transpose()? else { return Ok(None) };
        if !self.is_logged(&found).await? {
            let reason = "the log does not say this: the row was written or changed by somebody else".to_owned();
            return Err(Inconsistency { table: "decisions", id: id.to_string(), reason }.into());
        }
        Ok(Some(found))
    }

    async fn is_logged(&self, found: &RecordedDecision) -> Result<bool, ReadError> {
        // Number 0 is the run's beginning.
        let Some(before) = found.number.checked_sub(1) else { return Ok(false) };
        let stretch = self.log().stretch(found.run, before, found.number + 1).await?;
        let [before, event] = stretch.as_slice() else { return Ok(false) };
        let mut follow = Follow::after(Some(self.keys().chain.clone()), &before.link);
        if event.link.epoch != found.epoch || follow.check(&event.link, &LeafHash::of(&event.leaf)).is_err() {
            return Ok(false);
        }
        Ok(found.is_said_by(&event.leaf).is_ok())
    }

    /// Decisions, newest first.
    pub async fn decisions(&self, filter: &DecisionFilter) -> Result<Vec<RecordedDecision>, ReadError> {
        let mut conditions = Vec::new();
        let mut values = Vec::new();
        let mut narrow = |condition: &str, value: Value| {
            values.push(value);
            conditions.push(format!("{condition} ${}", values.len()));
        };
        if let Some(subject) = &filter.subject {
            narrow("subject =", Value::text(subject));
        }
        if let Some(outcome) = filter.outcome {
            narrow("outcome =", Value::text(word(outcome)));
        }
        if let Some(action) = &filter.action {
            narrow("action =", Value::text(action));
        }
        if let Some(before) = filter.before {
            narrow("id <", Value::id(before));
        }
        let condition =
            if conditions.is_empty() { String::new() } else { format!("WHERE {}", conditions.join(" AND ")) };
        let limit = if filter.limit == 0 { 50 } else { filter.limit.min(1_000) };
        values.push(Value::Int(limit.into()));
        let rest = format!("{condition} ORDER BY id DESC LIMIT ${}", values.len());
        self.decision_rows(&rest, &values).await?.iter().map(load).collect()
    }

    async fn decision_rows(&self, rest: &str, values: &[Value]) -> Result<Vec<Row>, ReadError> {
        Ok(self.pool().fetch_built(select(rest).into(), values).await?)
    }
}

/// What [`load`] reads. `rest` begins with WHERE or ORDER.
pub(crate) fn select(rest: &str) -> String {
    let table = &table::DECISIONS;
    format!("SELECT {}, (SELECT number FROM meta WHERE name = 'epoch') FROM {} {rest}", table.list(), table.name)
}

pub(crate) fn load(row: &Row) -> Result<RecordedDecision, ReadError> {
    let id = row.text(0)?;
    let wrong = |column: &str| Inconsistency { table: "decisions", id: id.clone(), reason: format!("column {column}") };
    let outcome = match row.text(8)?.as_str() {
        "permit" => Outcome::Permit,
        "step_up" => Outcome::StepUp,
        "deny" => Outcome::Deny,
        _ => return Err(wrong("outcome").into()),
    };
    let record = DecisionRecord {
        id: id.parse().map_err(|_| wrong("id"))?,
        at: Time::from_millis(row.int(1)?),
        subject: row.text(2)?,
        audience: row.text(3)?,
        action: row.text(4)?,
        resource_type: row.text(5)?,
        resource_id: row.text(6)?,
        tier: row.text(7)?,
        outcome,
        login: row.maybe_text(9)?.map(|text| text.parse()).transpose().map_err(|_| wrong("login"))?,
        txn_digest: row.maybe_text(10)?.map(|text| text.parse()).transpose().map_err(|_| wrong("txn_digest"))?,
        policy_version: row.text(11)?.parse().map_err(|_| wrong("policy_version"))?,
        body: row.text(15)?,
    };
    Ok(RecordedDecision {
        record,
        run: row.text(13)?.parse().map_err(|_| wrong("run"))?,
        number: row.int(14)?.try_into().map_err(|_| wrong("number"))?,
        epoch: row.int(12)?.try_into().map_err(|_| wrong("epoch"))?,
        current: row.int(12)? == row.int(16)?,
    })
}
