//! Reading the log: leaves, tiles, checkpoints, runs. Needs no key and no writer, so that it can be verified offline.

use crate::{
    backend::{Pool, Row, Value},
    error::{Inconsistency, OpenError, ReadError},
    schema,
    store::Store,
};
use counterfoil_core::{
    audit::{
        chain::Link,
        tree::{Plan, Tile, TileId, empty_root},
    },
    digest::Digest,
    id::{EventId, RunId},
    seal::Mac,
    time::Time,
};
use std::collections::BTreeMap;

/// The log of a database, for reading.
#[derive(Clone)]
pub struct LogReader {
    pool: Pool,
}

/// The tree's present size and root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogHead {
    /// How many leaves it has.
    pub size: u64,
    /// The root over them.
    pub root: Digest,
    /// Rises with every change.
    pub(crate) version: i64,
}

/// A checkpoint as it was signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredCheckpoint {
    /// How many leaves it covers.
    pub size: u64,
    /// The epoch in which it was signed.
    pub epoch: u64,
    /// When.
    pub at: Time,
    /// The signed note (C2SP).
    pub note: String,
}

/// An event as it stands in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedEvent {
    /// Which leaf it is, once it is one.
    pub leaf_index: Option<u64>,
    /// Its place in its run's chain.
    pub link: Link,
    /// Which event.
    pub id: EventId,
    /// The leaf's bytes.
    pub leaf: Vec<u8>,
    /// What is personal about it, as JSON, unless it has nothing or it was erased.
    pub personal: Option<String>,
}

/// A run of a node's writer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedRun {
    /// Which.
    pub id: RunId,
    /// The epoch in which it wrote.
    pub epoch: u64,
    /// The node.
    pub node: String,
    /// When it began.
    pub at: Time,
    /// How many events it says it has.
    pub head: u64,
    /// How many of them are leaves.
    pub sequenced: u64,
}

/// A run with events that are not leaves yet.
pub(crate) struct Behind {
    pub(crate) run: RunId,
    pub(crate) epoch: u64,
    /// How many events it has.
    pub(crate) head: u64,
    /// The columns that its MAC is over, and the MAC that stands in the row.
    pub(crate) row: Vec<Value>,
    pub(crate) mac: Mac,
}

const EVENT: &str = "e.run, e.number, e.id, e.leaf, e.personal, e.mac, r.epoch";

fn number(table: &'static str, id: &str, value: i64) -> Result<u64, ReadError> {
    let wrong = |_| Inconsistency { table, id: id.to_owned(), reason: format!("{value} is not a count") };
    Ok(u64::try_from(value).map_err(wrong)?)
}

fn digest(table: &'static str, id: &str, bytes: Vec<u8>) -> Result<Digest, ReadError> {
    let wrong = |_| Inconsistency { table, id: id.to_owned(), reason: "not 32 bytes".to_owned() };
    Ok(Digest::from_bytes(bytes.try_into().map_err(wrong)?))
}

fn signed(value: u64) -> Value {
    Value::Int(i64::try_from(value).unwrap_or(i64::MAX))
}

impl LogReader {
    pub(crate) const fn new(pool: Pool) -> Self {
        Self { pool }
    }

    pub(crate) const fn pool(&self) -> &Pool {
        &self.pool
    }

    /// Opens the log of a database whose server may be running or not.
    pub async fn open(url: &str) -> Result<Self, OpenError> {
        let pool = Pool::open(url, false).await?;
        schema::check(&pool).await?;
        Ok(Self { pool })
    }

    /// The tree's size and root.
    pub async fn head(&self) -> Result<LogHead, ReadError> {
        let rows = self.pool.fetch("SELECT size, root, version FROM log_head WHERE name = 'log'", &[]).await?;
        let missing =
            || Inconsistency { table: "log_head", id: "log".to_owned(), reason: "the row is gone".to_owned() };
        let row = rows.first().ok_or_else(missing)?;
        Ok(LogHead {
            size: number("log_head", "log", row.int(0)?)?,
            root: digest("log_head", "log", row.bytes(1)?)?,
            version: row.int(2)?,
        })
    }

    /// The epoch of the installation.
    pub async fn epoch(&self) -> Result<u64, ReadError> {
        let rows = self.pool.fetch("SELECT number FROM meta WHERE name = 'epoch'", &[]).await?;
        number("meta", "epoch", rows.first().map(|row| row.int(0)).transpose()?.unwrap_or(-1))
    }

    /// The last checkpoint.
    pub async fn last_checkpoint(&self) -> Result<Option<StoredCheckpoint>, ReadError> {
        self.checkpoint("ORDER BY size DESC LIMIT 1", &[]).await
    }

    /// The first checkpoint that covers this leaf.
    pub async fn checkpoint_over(&self, leaf_index: u64) -> Result<Option<StoredCheckpoint>, ReadError> {
        self.checkpoint("WHERE size > $1 ORDER BY size LIMIT 1", &[signed(leaf_index)]).await
    }

    /// Checkpoints over more than `after` leaves, smallest first.
    pub async fn checkpoints(&self, after: u64, limit: u32) -> Result<Vec<StoredCheckpoint>, ReadError> {
        let rest = "WHERE size > $1 ORDER BY size LIMIT $2";
        self.checkpoint_rows(rest, &[signed(after), Value::Int(limit.into())]).await
    }

    async fn checkpoint(&self, rest: &str, values: &[Value]) -> Result<Option<StoredCheckpoint>, ReadError> {
        Ok(self.checkpoint_rows(rest, values).await?.pop())
    }

    async fn checkpoint_rows(&self, rest: &str, values: &[Value]) -> Result<Vec<StoredCheckpoint>, ReadError> {
        let sql = format!("SELECT size, epoch, at, note FROM checkpoints {rest}");
        let rows = self.pool.fetch_built(sql.into(), values).await?;
        rows.iter()
            .map(|row| {
                let size = row.int(0)?;
                Ok(StoredCheckpoint {
                    size: number("checkpoints", &size.to_string(), size)?,
                    epoch: number("checkpoints", &size.to_string(), row.int(1)?)?,
                    at: Time::from_millis(row.int(2)?),
                    note: row.text(3)?,
                })
            })
            .collect()
    }

    /// A stored tile, if the tree has it. It may hold more hashes than an older tree had.
    pub async fn tile(&self, id: TileId) -> Result<Option<Tile>, ReadError> {
        let sql = "SELECT hashes FROM tiles WHERE level = $1 AND tile = $2";
        let rows = self.pool.fetch(sql, &[Value::Int(id.level.into()), signed(id.index)]).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        let wrong = |error| Inconsistency { table: "tiles", id: id.to_string(), reason: format!("{error}") };
        Ok(Some(Tile::parse(id, &row.bytes(0)?).map_err(wrong)?))
    }

    /// The hashes that a plan asks for, put together.
    pub async fn assemble(&self, plan: &Plan) -> Result<Vec<Digest>, ReadError> {
        let mut tiles = BTreeMap::new();
        for id in plan.tiles() {
            if let Some(tile) = self.tile(id).await? {
                tiles.insert(id, tile);
            }
        }
        let wrong = |error: counterfoil_core::audit::tree::TreeError| Inconsistency {
            table: "tiles",
            id: "log".to_owned(),
            reason: error.to_string(),
        };
        Ok(plan.assemble(|id| tiles.get(&id)).map_err(wrong)?)
    }

    /// The root of the tree as it was with `size` leaves.
    pub async fn root_at(&self, size: u64) -> Result<Digest, ReadError> {
        Ok(self.assemble(&Plan::root(size)).await?.first().copied().unwrap_or_else(empty_root))
    }

    /// Leaves from index `from` on, in order, at most `limit`.
    pub async fn leaves(&self, from: u64, limit: u32) -> Result<Vec<LoggedEvent>, ReadError> {
        let spans = "SELECT first_leaf, count, run, first_number FROM spans \
                     WHERE first_leaf + count > $1 AND first_leaf < $2 ORDER BY first_leaf";
        let end = from.saturating_add(limit.into());
        let events = format!(
            "SELECT {EVENT} FROM events e JOIN runs r ON r.id = e.run \
             WHERE e.run = $1 AND e.number >= $2 AND e.number < $3 ORDER BY e.number"
        );
        let mut leaves = Vec::new();
        for span in self.pool.fetch(spans, &[signed(from), signed(end)]).await? {
            let run = span.text(2)?;
            let first = number("spans", &run, span.int(0)?)?;
            let last = first + number("spans", &run, span.int(1)?)?;
            let number = number("spans", &run, span.int(3)?)?;
            let (low, high) = (first.max(from), last.min(end));
            let values = [Value::text(&run), signed(number + (low - first)), signed(number + (high - first))];
            for row in self.pool.fetch_built(events.as_str().into(), &values).await? {
                let mut event = event(&row)?;
                event.leaf_index = Some(first + (event.link.number - number));
                leaves.push(event);
            }
        }
        Ok(leaves)
    }

    /// What the log says about `kind:id`, oldest first.
    pub async fn events_about(&self, about: &str) -> Result<Vec<LoggedEvent>, ReadError> {
        self.events_about_at_most(about, i32::MAX.unsigned_abs()).await
    }

    /// The first of what the log says about `kind:id`.
    pub(crate) async fn events_about_at_most(&self, about: &str, limit: u32) -> Result<Vec<LoggedEvent>, ReadError> {
        let sql = format!(
            "SELECT {EVENT} FROM mentions m JOIN events e ON e.run = m.run AND e.number = m.number \
             JOIN runs r ON r.id = e.run WHERE m.about = $1 ORDER BY e.at, e.run, e.number LIMIT $2"
        );
        self.events(&sql, &[Value::text(about), Value::Int(limit.into())]).await
    }

    /// The event in this place.
    pub async fn event_at(&self, run: RunId, number: u64) -> Result<Option<LoggedEvent>, ReadError> {
        let sql =
            format!("SELECT {EVENT} FROM events e JOIN runs r ON r.id = e.run WHERE e.run = $1 AND e.number = $2");
        Ok(self.events(&sql, &[Value::id(run), signed(number)]).await?.pop())
    }

    async fn events(&self, sql: &str, values: &[Value]) -> Result<Vec<LoggedEvent>, ReadError> {
        let mut events = Vec::new();
        for row in self.pool.fetch_built(sql.into(), values).await? {
            let mut event = event(&row)?;
            event.leaf_index = self.leaf_index(event.link.run, event.link.number).await?;
            events.push(event);
        }
        Ok(events)
    }

    /// Which leaf an event is, once it is one.
    pub async fn leaf_index(&self, run: RunId, event: u64) -> Result<Option<u64>, ReadError> {
        let sql = "SELECT first_leaf, first_number FROM spans \
                   WHERE run = $1 AND first_number <= $2 AND first_number + count > $2";
        let rows = self.pool.fetch(sql, &[Value::id(run), signed(event)]).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        let id = run.to_string();
        Ok(Some(number("spans", &id, row.int(0)?)? + event - number("spans", &id, row.int(1)?)?))
    }

    /// All runs, oldest first.
    pub async fn runs(&self) -> Result<Vec<LoggedRun>, ReadError> {
        let sql = "SELECT r.id, r.epoch, r.node, r.at, r.head, COALESCE(s.number, 0) FROM runs r \
                   LEFT JOIN sequenced s ON s.run = r.id ORDER BY r.id";
        let rows = self.pool.fetch(sql, &[]).await?;
        rows.iter()
            .map(|row| {
                let id = row.text(0)?;
                Ok(LoggedRun {
                    id: parsed("runs", &id, &id)?,
                    epoch: number("runs", &id, row.int(1)?)?,
                    node: row.text(2)?,
                    at: Time::from_millis(row.int(3)?),
                    head: number("runs", &id, row.int(4)?)?,
                    sequenced: number("runs", &id, row.int(5)?)?,
                })
            })
            .collect()
    }

    /// Events with their links and without their place in the tree.
    pub(crate) async fn events_where(&self, rest: &str, values: &[Value]) -> Result<Vec<LoggedEvent>, ReadError> {
        let sql = format!("SELECT {EVENT} FROM events e JOIN runs r ON r.id = e.run {rest}");
        self.pool.fetch_built(sql.into(), values).await?.iter().map(event).collect()
    }

    /// How many committed events are no leaves yet.
    pub async fn waiting(&self) -> Result<u64, ReadError> {
        let sql = "SELECT CAST(COALESCE(SUM(r.head - COALESCE(s.number, 0)), 0) AS BIGINT) \
                   FROM runs r LEFT JOIN sequenced s ON s.run = r.id WHERE r.head > COALESCE(s.number, 0)";
        let rows = self.pool.fetch(sql, &[]).await?;
        let waiting = rows.first().map(|row| row.int(0)).transpose()?.unwrap_or(0);
        Ok(u64::try_from(waiting).unwrap_or(0))
    }

    /// Runs that have events which are not leaves yet, as they are at one moment.
    pub(crate) async fn behind(&self) -> Result<Vec<Behind>, ReadError> {
        let sql = "SELECT r.id, r.epoch, r.node, r.predecessor, r.at, r.head, r.mac FROM runs r \
                   LEFT JOIN sequenced s ON s.run = r.id WHERE r.head > COALESCE(s.number, 0) ORDER BY r.id";
        let rows = self.pool.fetch(sql, &[]).await?;
        rows.iter()
            .map(|row| {
                let id = row.text(0)?;
                Ok(Behind {
                    run: parsed("runs", &id, &id)?,
                    epoch: number("runs", &id, row.int(1)?)?,
                    head: number("runs", &id, row.int(5)?)?,
                    mac: Mac::from_bytes(*digest("runs", &id, row.bytes(6)?)?.as_bytes()),
                    row: vec![
                        Value::text(&id),
                        Value::Int(row.int(1)?),
                        Value::text(row.text(2)?),
                        row.maybe_text(3)?.map_or(Value::NoText, Value::text),
                        Value::Int(row.int(4)?),
                    ],
                })
            })
            .collect()
    }

    /// A run's events from one number up to another.
    pub(crate) async fn stretch(&self, run: RunId, from: u64, until: u64) -> Result<Vec<LoggedEvent>, ReadError> {
        self.stretch_at_most(run, from, until, u32::MAX).await
    }

    /// The first of a run's events from one number up to another.
    pub(crate) async fn stretch_at_most(
        &self,
        run: RunId,
        from: u64,
        until: u64,
        limit: u32,
    ) -> Result<Vec<LoggedEvent>, ReadError> {
        let rest = "WHERE e.run = $1 AND e.number >= $2 AND e.number < $3 ORDER BY e.number LIMIT $4";
        let values = [Value::id(run), signed(from), signed(until), Value::Int(limit.into())];
        self.events_where(rest, &values).await
    }

    /// The number after a run's last event's.
    pub(crate) async fn end_of(&self, run: RunId) -> Result<u64, ReadError> {
        let sql = "SELECT number FROM events WHERE run = $1 ORDER BY number DESC LIMIT 1";
        let rows = self.pool.fetch(sql, &[Value::id(run)]).await?;
        let Some(row) = rows.first() else { return Ok(0) };
        Ok(number("events", &run.to_string(), row.int(0)?)?.saturating_add(1))
    }

    /// As far as each run is noted to have become leaves: the number of its next event, and the MAC of its last one.
    pub(crate) async fn sequenced(&self) -> Result<BTreeMap<RunId, (u64, Mac)>, ReadError> {
        let rows = self.pool.fetch("SELECT run, number, mac FROM sequenced", &[]).await?;
        rows.iter()
            .map(|row| {
                let id = row.text(0)?;
                let mac = Mac::from_bytes(*digest("sequenced", &id, row.bytes(2)?)?.as_bytes());
                Ok((parsed("sequenced", &id, &id)?, (number("sequenced", &id, row.int(1)?)?, mac)))
            })
            .collect()
    }

    /// The last link of a run that became a leaf.
    pub(crate) async fn last_sequenced(&self, run: RunId, epoch: u64) -> Result<Option<Link>, ReadError> {
        let rows = self.pool.fetch("SELECT number, mac FROM sequenced WHERE run = $1", &[Value::id(run)]).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        let id = run.to_string();
        let next = number("sequenced", &id, row.int(0)?)?;
        let mac = Mac::from_bytes(*digest("sequenced", &id, row.bytes(1)?)?.as_bytes());
        Ok(next.checked_sub(1).map(|number| Link { run, epoch, number, mac }))
    }
}

fn parsed<T: std::str::FromStr>(table: &'static str, id: &str, text: &str) -> Result<T, ReadError> {
    let wrong = |_| Inconsistency { table, id: id.to_owned(), reason: format!("{text} is no identifier") };
    Ok(text.parse().map_err(wrong)?)
}

fn event(row: &Row) -> Result<LoggedEvent, ReadError> {
    let run = row.text(0)?;
    let id = format!("{run}/{}", row.int(1)?);
    Ok(LoggedEvent {
        leaf_index: None,
        link: Link {
            run: parsed("events", &id, &run)?,
            epoch: number("events", &id, row.int(6)?)?,
            number: number("events", &id, row.int(1)?)?,
            mac: Mac::from_bytes(*digest("events", &id, row.bytes(5)?)?.as_bytes()),
        },
        id: parsed("events", &id, &row.text(2)?)?,
        leaf: row.bytes(3)?,
        personal: row.maybe_text(4)?,
    })
}

impl Store {
    /// The log, for reading.
    pub fn log(&self) -> LogReader {
        LogReader::new(self.pool().clone())
    }
}
