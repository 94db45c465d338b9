//! One writer per node. Units queue; one transaction commits many; each reply waits for its own.
//!
//! A commit whose answer is lost is *unknown*, never yes: its callers are told so, and the writer begins a new run that
//! names the one before. A connection that breaks earlier has kept nothing, so the same units run again.

use crate::{
    backend::{Connection, Pool, Value},
    batch::{self, Broken, Fault, Run, Verdict},
    error::CommitError,
    noun::Keys,
    statement::{Form, Statements},
    store::{Counted, Edges},
    table,
    unit::{Committed, Unit},
};
use counterfoil_core::{
    audit::{
        chain::Chain,
        event::{Actor, Event, EventKind, LeafHash},
        kind::Predecessor,
    },
    id::{EventId, RANDOM_BYTES, RunId},
    limits::BATCH_UNITS,
    seal::Mac,
    time::Time,
};
use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::sync::{mpsc, oneshot, watch};

/// How often, and how long apart, the writer tries to reach the database before those who wait are told.
const RECONNECTS: u32 = 20;
const RECONNECT_PAUSE: Duration = Duration::from_millis(250);

/// A batch of so many says that many ask at once; while fewer than so many wait, the next one waits for more.
const MANY: usize = 12;
const ENOUGH: usize = 16;
/// How often in a row a connection may break under a batch before its callers are told. What breaks it may be in the batch itself: a
/// page of the file that cannot be read.
const LOSSES: u32 = 3;

/// What the writer receives.
pub(crate) enum Order {
    /// Work.
    Unit(Box<Unit>),
    /// Fold what SQLite has committed into its file.
    Fold,
    /// Finish what is queued, then end.
    Close(oneshot::Sender<()>),
}

/// The writer's own state, all of it in its task.
pub(crate) struct Writer {
    pub(crate) pool: Pool,
    pub(crate) keys: Arc<Keys>,
    pub(crate) edges: Edges,
    pub(crate) node: String,
    pub(crate) fault: Arc<Mutex<Option<Fault>>>,
    pub(crate) signed_size: Arc<AtomicU64>,
    pub(crate) position: watch::Sender<i64>,
    pub(crate) committed: Arc<Counted>,
    statements: Statements,
    line: Option<(Connection, Run)>,
    before: Option<RunId>,
    losses: u32,
    /// When the connection was last heard of.
    heard_at: Time,
}

/// A connection that was silent for so long may be gone.
const RESTED_SECONDS: i64 = 1;

impl Writer {
    pub(crate) fn new(
        pool: Pool,
        keys: Arc<Keys>,
        edges: Edges,
        node: String,
        fault: Arc<Mutex<Option<Fault>>>,
        signed_size: Arc<AtomicU64>,
        position: watch::Sender<i64>,
    ) -> Self {
        let statements = Statements::default();
        Self {
            pool,
            keys,
            edges,
            node,
            fault,
            signed_size,
            position,
            committed: Arc::default(),
            statements,
            line: None,
            before: None,
            losses: 0,
            heard_at: Time::from_millis(0),
        }
    }

    /// Begins a run, so that the store opens only if it can write.
    pub(crate) async fn start(&mut self) -> Result<(), sqlx::Error> {
        let mut connection = self.pool.connect().await?;
        let size = connection.fetch(Arc::from("SELECT size FROM log_head WHERE name = 'log'"), vec![]).await?;
        let size = size.first().ok_or(sqlx::Error::RowNotFound)?.int(0)?;
        if u64::try_from(size).unwrap_or(0) < self.signed_size.load(Ordering::Relaxed) {
            // Another database answers, or this one was turned back: what we signed is not in it.
            return Err(sqlx::Error::Configuration("the database is behind what was signed".into()));
        }
        let run = self.begin_run(&mut connection).await?;
        self.heard_at = (self.edges.now)();
        self.line = Some((connection, run));
        Ok(())
    }

    /// Serves until the last sender is gone or `Close` comes.
    pub(crate) async fn serve(mut self, mut orders: mpsc::Receiver<Order>) {
        let mut waiting: VecDeque<Box<Unit>> = VecDeque::new();
        let mut closing: Option<oneshot::Sender<()>> = None;
        let mut last = 0;
        loop {
            if waiting.is_empty() {
                if closing.is_some() {
                    break;
                }
                match orders.recv().await {
                    Some(Order::Unit(unit)) => waiting.push_back(unit),
                    Some(Order::Fold) => self.fold(),
                    Some(Order::Close(done)) => closing = Some(done),
                    None => break,
                }
            }
            // What a commit costs is shared by all of its units. Where few ask at a time, nobody waits.
            if let Some((connection, _)) = &self.line
                && last >= MANY
                && waiting.len() + orders.len() < ENOUGH
            {
                connection.step_aside();
            }
            while waiting.len() < BATCH_UNITS {
                match orders.try_recv() {
                    Ok(Order::Unit(unit)) => waiting.push_back(unit),
                    Ok(Order::Fold) => self.fold(),
                    Ok(Order::Close(done)) => closing = Some(done),
                    Err(_) => break,
                }
            }
            if waiting.is_empty() {
                continue;
            }
            let size = waiting.len().min(BATCH_UNITS);
            last = size;
            let units: Vec<Unit> = waiting.drain(..size).map(|unit| *unit).collect();
            match self.commit(units).await {
                Some(again) => again.into_iter().rev().for_each(|unit| waiting.push_front(Box::new(unit))),
                // A fault that a test asked for: end as a killed process does, telling nobody anything.
                None => return,
            }
        }
        if let Some((connection, _)) = self.line.take() {
            connection.close().await;
        }
        if let Some(done) = closing {
            let _ = done.send(());
        }
    }

    /// Between two batches nobody commits, so that nothing but a reader keeps this from folding all.
    fn fold(&mut self) {
        if let Some((connection, _)) = &mut self.line
            && let Err(error) = connection.fold()
        {
            tracing::debug!(%error, "the log of SQLite was not folded by its writer");
        }
    }

    /// Commits what can be; returns what must be tried again. `None`: the process is to end here.
    async fn commit(&mut self, units: Vec<Unit>) -> Option<Vec<Unit>> {
        if let Err(reason) = self.reach().await {
            for unit in units {
                let _ = unit.reply.send(Err(CommitError::Unavailable(reason.clone())));
            }
            return Some(Vec::new());
        }
        let fault = {
            let mut fault = self.fault.lock().unwrap_or_else(PoisonError::into_inner);
            if *fault == Some(Fault::BeforeEveryCommit) { *fault } else { fault.take() }
        };
        let Some((connection, run)) = &mut self.line else { return Some(units) };
        let (id, epoch) = (run.chain.run(), u64::try_from(run.epoch).unwrap_or_default());
        let rested = (self.edges.now)().seconds_since(self.heard_at) >= RESTED_SECONDS;
        let result = batch::run(connection, &mut self.statements, run, &units, rested, fault).await;
        self.heard_at = (self.edges.now)();
        if run.torn || matches!(result, Err(Broken::Lost(_) | Broken::Unknown(_) | Broken::Fenced)) {
            self.before = Some(id);
            if let Some((connection, _)) = self.line.take() {
                drop(connection);
            }
            self.pool.forget();
        }
        self.losses = if matches!(result, Err(Broken::Lost(_))) { self.losses + 1 } else { 0 };
        match result {
            Ok(outcome) => {
                let kept = outcome.verdicts.iter().filter(|verdict| matches!(verdict, Verdict::Kept(_))).count();
                self.committed.batches.fetch_add(1, Ordering::Relaxed);
                self.committed.units.fetch_add(kept as u64, Ordering::Relaxed);
                if let Some(position) = outcome.position {
                    self.position.send_replace(position);
                }
                Some(tell(units, outcome.verdicts, |number| Ok(Committed { run: id, number, epoch })))
            }
            Err(Broken::Unknown(outcome)) => Some(tell(units, outcome.verdicts, |_| Err(CommitError::Unknown))),
            Err(Broken::Again | Broken::Fenced) => Some(units),
            Err(Broken::Lost(error)) if self.losses < LOSSES => {
                tracing::warn!(%error, "the writer lost its connection");
                Some(units)
            }
            Err(Broken::Lost(error)) => {
                tracing::error!(%error, "the writer lost its connection again and again");
                // The next batch may be without what broke it.
                self.losses = 0;
                for unit in units {
                    let _ = unit.reply.send(Err(CommitError::Unavailable(error.to_string())));
                }
                Some(Vec::new())
            }
            Err(Broken::Died) => None,
            Err(Broken::Statement(error)) if units.len() > 1 => {
                // One of them is impossible. Alone, each is judged by itself.
                tracing::error!(%error, "a batch failed; its units run one by one");
                let mut again = Vec::new();
                for unit in units {
                    again.extend(Box::pin(self.commit(vec![unit])).await?);
                }
                Some(again)
            }
            Err(Broken::Statement(error)) => {
                tracing::error!(%error, "a unit failed");
                for unit in units {
                    let _ = unit.reply.send(Err(CommitError::Internal(error.to_string())));
                }
                Some(Vec::new())
            }
        }
    }

    /// Makes sure that there is a connection with a run that may write.
    async fn reach(&mut self) -> Result<(), String> {
        let mut reason = String::new();
        for _ in 0..RECONNECTS {
            if self.line.is_some() {
                return Ok(());
            }
            match self.start().await {
                Ok(()) => return Ok(()),
                Err(error) => {
                    reason = error.to_string();
                    tokio::time::sleep(RECONNECT_PAUSE).await;
                }
            }
        }
        Err(reason)
    }

    /// A new chain, in a transaction of its own: the run's row and its first event.
    async fn begin_run(&mut self, connection: &mut Connection) -> Result<Run, sqlx::Error> {
        let now = (self.edges.now)();
        let mut random = [0; RANDOM_BYTES];
        (self.edges.random)(&mut random);
        let id = RunId::new(now, random);
        connection.begin().await?;
        let epoch = connection.fetch(Arc::from("SELECT number FROM meta WHERE name = 'epoch'"), vec![]).await?;
        let epoch = epoch.first().ok_or(sqlx::Error::RowNotFound)?.int(0)?;
        let predecessor = self.predecessor(connection).await?;
        let mut run = Run {
            chain: Chain::begin(self.keys.chain.clone(), id, u64::try_from(epoch).unwrap_or_default()),
            id: Arc::from(id.to_string()),
            epoch,
            torn: false,
        };
        (self.edges.random)(&mut random);
        let event = Event {
            id: EventId::new(now, random),
            at: now,
            actor: Actor::System {},
            kind: EventKind::RunBegun { run: id, epoch: u64::try_from(epoch).unwrap_or_default(), predecessor },
            personal: None,
        };
        let leaf = event.leaf_bytes().map_err(|error| sqlx::Error::Encode(error.into()))?;
        let link = run.chain.append(&LeafHash::of(&leaf));
        let mut row = vec![
            Value::Text(Arc::clone(&run.id)),
            Value::Int(epoch),
            Value::text(&self.node),
            Value::maybe(predecessor.map(|p| p.run)),
            Value::time(now),
        ];
        let mac = self.keys.mac(&table::RUNS, &row);
        row.extend([Value::Int(1), Value::bytes(mac.as_bytes())]);
        let event = vec![
            Value::Text(Arc::clone(&run.id)),
            Value::Int(0),
            Value::id(event.id),
            Value::time(now),
            Value::bytes(&leaf),
            Value::NoText,
            Value::bytes(link.mac.as_bytes()),
        ];
        self.statements.apply(connection, Form::Insert, &table::RUNS, &[row]).await?;
        self.statements.apply(connection, Form::Insert, &table::EVENTS, &[event]).await?;
        connection.commit().await?;
        Ok(run)
    }

    /// The run before this one, as far as it is known to be durable.
    async fn predecessor(&mut self, connection: &mut Connection) -> Result<Option<Predecessor>, sqlx::Error> {
        const OF_NODE: &str = "SELECT id FROM runs WHERE node = $1 ORDER BY id DESC LIMIT 1";
        const LAST: &str = "SELECT number, mac FROM events WHERE run = $1 ORDER BY number DESC LIMIT 1";
        let run = match self.before {
            Some(run) => run,
            None => {
                let rows = connection.fetch(Arc::from(OF_NODE), vec![Value::text(&self.node)]).await?;
                let Some(row) = rows.first() else { return Ok(None) };
                row.text(0)?
                    .parse()
                    .map_err(|error: counterfoil_core::id::InvalidId| sqlx::Error::Decode(error.into()))?
            }
        };
        let rows = connection.fetch(Arc::from(LAST), vec![Value::id(run)]).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        let mac: [u8; 32] = row.bytes(1)?.try_into().map_err(|_| sqlx::Error::Decode("a MAC has 32 bytes".into()))?;
        Ok(Some(Predecessor { run, number: u64::try_from(row.int(0)?).unwrap_or_default(), mac: Mac::from_bytes(mac) }))
    }
}

/// Tells each caller its verdict; returns those who must wait for another batch.
fn tell(units: Vec<Unit>, verdicts: Vec<Verdict>, kept: impl Fn(u64) -> Result<Committed, CommitError>) -> Vec<Unit> {
    let (mut again, mut told) = (Vec::new(), Vec::with_capacity(units.len()));
    let unknown = kept(0).is_err();
    for (unit, verdict) in units.into_iter().zip(verdicts) {
        let answer = match verdict {
            Verdict::Again => {
                again.push(unit);
                continue;
            }
            Verdict::Kept(number) => kept(number),
            // It may have lost to a unit of this very batch, of which nobody knows whether it is kept.
            Verdict::Refused(crate::error::Refusal::Spent(_)) if unknown => Err(CommitError::Unknown),
            Verdict::Refused(refusal) => Err(refusal.into()),
        };
        told.push((unit, answer));
    }
    // A worker wakes many for less than another thread does, and the writer goes on meanwhile.
    tokio::spawn(async move {
        for (unit, answer) in told {
            // Who does not wait any more has hung up; the unit is kept all the same.
            let _ = unit.reply.send(answer);
        }
    });
    again
}
