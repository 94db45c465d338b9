//! One transaction for many units: conditions, then spends of the units still standing, then effects of the winners.
//!
//! The rules that make it the same as one unit after the other (DESIGN §7):
//! 1. Conditions of all units are judged against the state before the batch, and lock what they saw.
//! 2. A unit that overwrites a row which an earlier unit of the batch read or overwrites waits for the next batch.
//! 3. Spends are inserted in one order for all nodes; the earliest unit of a batch has a key first. A unit that loses
//!    one key gives all of its keys back, and those that it beat run in the next batch.
//! 4. Nothing after the spends can fail for a reason that lies in the units.

use crate::{
    backend::{Connection, Failure, Value, failure, nothing_kept},
    error::Refusal,
    statement::{Form, Statements},
    table::{self, Table},
    unit::{Effect, Unit},
};
use counterfoil_core::audit::chain::Chain;
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

/// What became of one unit, once the transaction is committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Kept; its first event has this number.
    Kept(u64),
    /// Refused.
    Refused(Refusal),
    /// It met another unit of this batch: the next batch decides.
    Again,
}

/// What became of a batch.
pub(crate) struct Outcome {
    /// One for each unit, in their order.
    pub(crate) verdicts: Vec<Verdict>,
    /// The feed's last position, if it moved.
    pub(crate) position: Option<i64>,
}

/// Why a batch has no outcome.
pub(crate) enum Broken {
    /// Rolled back; it may run again on this connection.
    Again,
    /// The connection broke before the commit: nothing is kept.
    Lost(sqlx::Error),
    /// A statement failed: one of the units is impossible. Nothing is kept.
    Statement(sqlx::Error),
    /// The epoch rose under us, or somebody removed our run: this writer must begin anew. Nothing is kept.
    Fenced,
    /// The connection broke during the commit. The verdicts are what would hold if it was kept.
    Unknown(Outcome),
    /// A test asked that the process end here.
    Died,
}

/// Faults that a test asks for; see `Store::fail_next`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The connection breaks just before COMMIT is sent: nothing is kept. Where one statement is all, nobody can tell that.
    BeforeCommit,
    /// As [`Self::BeforeCommit`], again and again, until another fault is asked for.
    BeforeEveryCommit,
    /// COMMIT arrives, its answer does not: kept, and nobody knows.
    AfterCommit,
    /// The process ends just before COMMIT.
    DieBeforeCommit,
    /// The process ends just after COMMIT, before anybody was told.
    DieAfterCommit,
}

/// A chain and the text of its run.
pub(crate) struct Run {
    pub(crate) chain: Chain,
    pub(crate) id: Arc<str>,
    pub(crate) epoch: i64,
    /// The chain has moved on for a batch that was not kept: it must not be used again.
    pub(crate) torn: bool,
}

impl Run {
    /// The number of the next event, as the database counts.
    fn next(&self) -> u64 {
        self.chain.length()
    }
}

/// Runs `units` in one transaction. `rested`: nobody has heard of the connection for a while, and it may be gone.
pub(crate) async fn run(
    connection: &mut Connection,
    statements: &mut Statements,
    run: &mut Run,
    units: &[Unit],
    rested: bool,
    fault: Option<Fault>,
) -> Result<Outcome, Broken> {
    // Of a connection that is gone BEGIN tells, and costs nobody anything; a statement that commits would be unknown.
    if !rested && connection.adds_at_once() && units.iter().all(only_adds) {
        return add(Batch { connection, statements, run, units }, fault).await;
    }
    let before = run.next();
    let work = async {
        connection.begin().await?;
        Batch { connection, statements, run, units }.work().await
    };
    match work.await {
        Ok(Some(outcome)) => {
            if outcome.verdicts.iter().any(|verdict| matches!(verdict, Verdict::Kept(_))) {
                match fault {
                    Some(Fault::DieBeforeCommit) => return Err(Broken::Died),
                    Some(Fault::BeforeCommit | Fault::BeforeEveryCommit) => {
                        run.torn = true;
                        return Err(Broken::Lost(sqlx::Error::WorkerCrashed));
                    }
                    _ => {}
                }
                let committed = connection.commit().await;
                match fault {
                    Some(Fault::DieAfterCommit) => return Err(Broken::Died),
                    None if committed.is_ok() => {}
                    _ => {
                        run.torn = true;
                        return Err(Broken::Unknown(outcome));
                    }
                }
            } else {
                // Nothing to keep: the conditions' locks and what was given back go with the transaction.
                connection.rollback().await.map_err(Broken::Lost)?;
            }
            Ok(outcome)
        }
        Ok(None) => {
            let _ = connection.rollback().await;
            run.torn = true;
            Err(Broken::Fenced)
        }
        Err(error) => {
            run.torn = run.next() != before;
            match failure(&error) {
                Failure::Lost => {
                    run.torn = true;
                    Err(Broken::Lost(error))
                }
                Failure::Again => {
                    let _ = connection.rollback().await;
                    Err(Broken::Again)
                }
                Failure::Statement => {
                    let _ = connection.rollback().await;
                    Err(Broken::Statement(error))
                }
            }
        }
    }
}

/// Nothing can refuse such a unit, and nothing that stands can be in its way.
fn only_adds(unit: &Unit) -> bool {
    unit.conditions.is_empty()
        && unit.spends.is_empty()
        && unit.feed.is_empty()
        && unit.effects.iter().all(|effect| matches!(effect, Effect::Insert { .. }))
}

/// Runs units that [only add](only_adds) in one statement, which is a transaction of its own: one trip instead of one for each
/// table and three more. It may have been kept whatever breaks under it; only an error that [speaks of it](nothing_kept) says that
/// it is not.
async fn add(mut batch: Batch<'_>, fault: Option<Fault>) -> Result<Outcome, Broken> {
    let all: Vec<usize> = (0..batch.units.len()).collect();
    let numbers = batch.numbers(&all);
    let mut additions: Vec<(&'static Table, Rows)> =
        batch.effects(&all, &numbers).into_values().map(|(table, _, rows)| (table, rows)).collect();
    additions.extend(batch.events(&all));
    let outcome = || {
        let kept = |n| Verdict::Kept(numbers.get(n).copied().unwrap_or_default());
        Outcome { verdicts: all.iter().map(kept).collect(), position: None }
    };
    match fault {
        Some(Fault::DieBeforeCommit) => return Err(Broken::Died),
        Some(Fault::BeforeCommit | Fault::BeforeEveryCommit) => {
            batch.run.torn = true;
            return Err(Broken::Unknown(outcome()));
        }
        _ => {}
    }
    let fence = batch.fence(batch.run.next());
    let added = batch.statements.add(batch.connection, FENCE, fence, &additions).await;
    match fault {
        Some(Fault::DieAfterCommit) => return Err(Broken::Died),
        None if matches!(added, Ok(true)) => return Ok(outcome()),
        _ => batch.run.torn = true,
    }
    match added {
        Ok(true) => Err(Broken::Unknown(outcome())),
        Ok(false) => Err(Broken::Fenced),
        Err(error) if nothing_kept(&error) => Err(match failure(&error) {
            Failure::Again => Broken::Again,
            Failure::Statement => Broken::Statement(error),
            Failure::Lost => Broken::Lost(error),
        }),
        Err(error) => {
            tracing::warn!(%error, "what became of a batch is not known");
            Err(Broken::Unknown(outcome()))
        }
    }
}

/// This run still writes under the current epoch. Notes its head beside it.
const FENCE: &str = "UPDATE runs SET head = $1 WHERE id = $2 AND epoch = $3 \
                     AND epoch = (SELECT number FROM meta WHERE name = 'epoch') RETURNING head";

struct Batch<'a> {
    connection: &'a mut Connection,
    statements: &'a mut Statements,
    run: &'a mut Run,
    units: &'a [Unit],
}

/// The columns that a condition compares.
type Columns = &'static [&'static str];
/// Values of rows.
type Rows = Vec<Vec<Value>>;
/// Rows by their table's name and the place of what is done among all that is done to it.
type Grouped = BTreeMap<(&'static str, u8), (&'static Table, Form, Rows)>;
/// A row, named by its table's address and its key.
type RowName = (usize, Vec<Value>);

fn row_name(table: &'static Table, key: &[Value]) -> RowName {
    (std::ptr::from_ref(table).addr(), key.to_vec())
}

impl Batch<'_> {
    /// `None`: this run must not write any more.
    async fn work(mut self) -> Result<Option<Outcome>, sqlx::Error> {
        let mut verdicts: Vec<Option<Verdict>> = vec![None; self.units.len()];
        self.judge_conditions(&mut verdicts).await?;
        self.keep_apart(&mut verdicts);
        self.spend(&mut verdicts).await?;
        let kept: Vec<usize> =
            (0..self.units.len()).filter(|n| verdicts.get(*n).is_some_and(Option::is_none)).collect();
        let mut position = None;
        if !kept.is_empty() {
            let numbers = self.numbers(&kept);
            for (table, form, rows) in self.effects(&kept, &numbers).into_values() {
                self.statements.apply(self.connection, form, table, &rows).await?;
            }
            position = self.feed(&kept).await?;
            for (table, rows) in self.events(&kept) {
                self.statements.apply(self.connection, Form::Insert, table, &rows).await?;
            }
            let fence = self.fence(self.run.next());
            if self.connection.fetch(Arc::from(FENCE), fence).await?.len() != 1 {
                return Ok(None);
            }
            for n in kept {
                if let (Some(verdict), Some(number)) = (verdicts.get_mut(n), numbers.get(&n)) {
                    *verdict = Some(Verdict::Kept(*number));
                }
            }
        }
        Ok(Some(Outcome { verdicts: verdicts.into_iter().map(|v| v.unwrap_or(Verdict::Again)).collect(), position }))
    }

    /// The number of each unit's first event.
    fn numbers(&self, kept: &[usize]) -> HashMap<usize, u64> {
        let mut number = self.run.next();
        let mut numbers = HashMap::new();
        for n in kept {
            numbers.insert(*n, number);
            number += self.unit(*n).leaves.len() as u64;
        }
        numbers
    }

    fn unit(&self, n: usize) -> &Unit {
        // INVARIANT: n counts the units themselves.
        &self.units[n]
    }

    /// Rule 1: one statement per kind of condition, each row once.
    async fn judge_conditions(&mut self, verdicts: &mut [Option<Verdict>]) -> Result<(), sqlx::Error> {
        let mut wanted: BTreeMap<(&str, Columns), (&'static Table, Columns, Rows)> = BTreeMap::new();
        let filled: Vec<Vec<Vec<Value>>> =
            self.units.iter().map(|unit| unit.conditions.iter().map(|c| self.fill(&c.values, 0)).collect()).collect();
        for (unit, filled) in self.units.iter().zip(&filled) {
            for (condition, values) in unit.conditions.iter().zip(filled) {
                let entry = wanted.entry((condition.table.name, condition.columns));
                entry.or_insert((condition.table, condition.columns, Vec::new())).2.push(values.clone());
            }
        }
        let mut held: HashSet<(&str, Columns, Vec<Value>)> = HashSet::new();
        for (table, columns, mut rows) in wanted.into_values() {
            rows.sort();
            rows.dedup();
            for row in self.statements.hold(self.connection, table, columns, &rows).await? {
                let mut values = Vec::with_capacity(columns.len());
                for (at, name) in columns.iter().enumerate() {
                    values.push(match table.kind(name) {
                        table::Kind::Int => Value::Int(row.int(at)?),
                        table::Kind::Bytes => Value::bytes(row.bytes(at)?),
                        table::Kind::Text => Value::text(row.text(at)?),
                    });
                }
                held.insert((table.name, columns, values));
            }
        }
        for ((unit, filled), verdict) in self.units.iter().zip(filled).zip(verdicts) {
            for (condition, values) in unit.conditions.iter().zip(filled) {
                if verdict.is_none() && !held.contains(&(condition.table.name, condition.columns, values)) {
                    *verdict = Some(Verdict::Refused(condition.refusal()));
                }
            }
        }
        Ok(())
    }

    /// Rule 2.
    fn keep_apart(&self, verdicts: &mut [Option<Verdict>]) {
        let (mut read, mut written) = (HashSet::new(), HashSet::new());
        for (unit, verdict) in self.units.iter().zip(verdicts) {
            if verdict.is_some() {
                continue;
            }
            let reads: Vec<_> = unit.conditions.iter().map(|c| row_name(c.table, &self.fill(c.key(), 0))).collect();
            let writes: Vec<_> =
                unit.effects.iter().filter_map(Effect::overwrites).map(|(t, k)| row_name(t, k)).collect();
            if reads.iter().any(|r| written.contains(r))
                || writes.iter().any(|w| written.contains(w) || read.contains(w))
            {
                *verdict = Some(Verdict::Again);
            } else {
                read.extend(reads);
                written.extend(writes);
            }
        }
    }

    /// Rule 3.
    async fn spend(&mut self, verdicts: &mut [Option<Verdict>]) -> Result<(), sqlx::Error> {
        let mut rows: Vec<(Arc<str>, usize, i64)> = Vec::new();
        for (n, (unit, verdict)) in self.units.iter().zip(verdicts.iter()).enumerate() {
            if verdict.is_none() {
                rows.extend(unit.spends.iter().map(|spend| (Arc::clone(&spend.key), n, spend.until.millis())));
            }
        }
        if rows.is_empty() {
            return Ok(());
        }
        rows.sort();
        rows.dedup_by(|a, b| a.0 == b.0 && a.1 == b.1);
        let units = self.units;
        let values: Vec<Vec<Value>> = rows
            .iter()
            .map(|(key, n, until)| {
                vec![Value::Text(Arc::clone(key)), Value::Text(Arc::clone(&units[*n].id)), Value::Int(*until)]
            })
            .collect();
        let numbers: HashMap<&str, usize> = rows.iter().map(|(_, n, _)| (&*units[*n].id, *n)).collect();
        let mut winners: HashMap<String, usize> = HashMap::new();
        for row in self.statements.apply(self.connection, Form::Claim, &table::SPENDS, &values).await? {
            if let Some(n) = numbers.get(row.text(1)?.as_str()) {
                winners.insert(row.text(0)?, *n);
            }
        }
        let failed: HashSet<usize> =
            rows.iter().filter(|(key, n, _)| winners.get(&**key) != Some(n)).map(|(_, n, _)| *n).collect();
        for (key, n, _) in rows.iter().filter(|(key, n, _)| winners.get(&**key) != Some(n)) {
            // Beaten by a unit that fails itself: that key is free again, so the next batch decides.
            let free_again = winners.get(&**key).is_some_and(|winner| failed.contains(winner));
            if let Some(verdict) = verdicts.get_mut(*n) {
                match verdict {
                    Some(Verdict::Refused(_)) => {}
                    _ if free_again => *verdict = Some(Verdict::Again),
                    _ => *verdict = Some(Verdict::Refused(Refusal::Spent(key.to_string()))),
                }
            }
        }
        let back: Vec<Vec<Value>> =
            winners.iter().filter(|(_, n)| failed.contains(n)).map(|(key, _)| vec![Value::text(key)]).collect();
        if !back.is_empty() {
            self.statements.apply(self.connection, Form::Delete, &table::SPENDS, &back).await?;
        }
        Ok(())
    }

    /// What [`FENCE`] asks for, with the number of the run's next event.
    fn fence(&self, head: u64) -> Vec<Value> {
        vec![Value::Int(signed(head)), Value::Text(Arc::clone(&self.run.id)), Value::Int(self.run.epoch)]
    }

    /// The rows that effects change, by table and what is done: one order of tables, and of rows in them, for all nodes, so that
    /// they rarely deadlock. (A statement that only adds has an order of its own, and waits for no row but its run's.)
    fn effects(&self, kept: &[usize], numbers: &HashMap<usize, u64>) -> Grouped {
        let mut grouped = Grouped::new();
        for n in kept {
            let number = numbers.get(n).copied().unwrap_or_default();
            for effect in &self.unit(*n).effects {
                let (order, table, form, row) = match effect {
                    Effect::Delete { table, key } => (0, table, Form::Delete, key),
                    Effect::Insert { table, row } => (1, table, Form::Insert, row),
                    Effect::Keep { table, row } => (2, table, Form::Claim, row),
                    Effect::Put { table, row } => (3, table, Form::Put, row),
                };
                let row = self.fill(row, number);
                grouped.entry((table.name, order)).or_insert((*table, form, Vec::new())).2.push(row);
            }
        }
        for (table, form, rows) in grouped.values_mut() {
            rows.sort();
            if *form == Form::Claim {
                rows.dedup_by(|a, b| a.get(..table.keys) == b.get(..table.keys));
            }
        }
        grouped
    }

    /// Positions are taken inside the commit that uses them, so that a reader who has seen one has seen all before it.
    async fn feed(&mut self, kept: &[usize]) -> Result<Option<i64>, sqlx::Error> {
        const TAKE: &str = "UPDATE feed_head SET position = position + $1 WHERE name = 'feed' RETURNING position";
        let mut rows: Vec<Vec<Value>> = Vec::new();
        for unit in kept.iter().map(|n| self.unit(*n)) {
            rows.extend(unit.feed.iter().map(|fed| {
                vec![Value::Int(0), Value::time(unit.at), Value::text(fed.kind), Value::Text(Arc::clone(&fed.value))]
            }));
        }
        if rows.is_empty() {
            return Ok(None);
        }
        let count = i64::try_from(rows.len()).unwrap_or(i64::MAX);
        let answer = self.connection.fetch(Arc::from(TAKE), vec![Value::Int(count)]).await?;
        let last = answer.first().ok_or(sqlx::Error::RowNotFound)?.int(0)?;
        for (row, position) in rows.iter_mut().zip(last - count + 1..) {
            if let Some(first) = row.first_mut() {
                *first = Value::Int(position);
            }
        }
        self.statements.apply(self.connection, Form::Insert, &table::FEED, &rows).await?;
        Ok(Some(last))
    }

    /// Rows of the log: the chain moves on, so what comes of them must be kept, or the run is torn.
    fn events(&mut self, kept: &[usize]) -> [(&'static Table, Rows); 2] {
        let (mut events, mut mentions) = (Vec::new(), Vec::new());
        let units = self.units;
        for unit in kept.iter().map(|n| &units[*n]) {
            for leaf in &unit.leaves {
                let link = self.run.chain.append(&leaf.hash);
                let (run, number) = (Value::Text(Arc::clone(&self.run.id)), Value::Int(signed(link.number)));
                mentions.extend(
                    unit.about.iter().map(|about| vec![Value::Text(Arc::clone(about)), run.clone(), number.clone()]),
                );
                events.push(vec![
                    run,
                    number,
                    Value::id(leaf.id),
                    Value::time(leaf.at),
                    Value::Bytes(Arc::clone(&leaf.bytes)),
                    leaf.personal.clone().map_or(Value::NoText, Value::Text),
                    Value::bytes(link.mac.as_bytes()),
                ]);
            }
        }
        mentions.sort();
        mentions.dedup();
        [(&table::EVENTS, events), (&table::MENTIONS, mentions)]
    }

    /// Puts in what the writer alone knows.
    fn fill(&self, values: &[Value], number: u64) -> Vec<Value> {
        let mut filled = values.to_vec();
        for value in &mut filled {
            match value {
                Value::Epoch => *value = Value::Int(self.run.epoch),
                Value::Run => *value = Value::Text(Arc::clone(&self.run.id)),
                Value::Number(further) => *value = Value::Int(signed(number + *further)),
                _ => {}
            }
        }
        filled
    }
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
