//! From events to leaves: whoever holds the lease appends what is committed to the tree and signs it within a second.
//!
//! The lease saves work; it decides nothing. The tree grows by a unit that demands the head which was read, so two
//! sequencers cannot make two histories, and only a head that is committed is ever signed.

use crate::{
    backend::Value,
    error::{CommitError, ReadError},
    high_water::{self, Mark},
    log::{Behind, LogHead, LoggedEvent},
    store::Store,
    table,
    tx::{Tx, is_stale},
    unit::Effect,
};
use counterfoil_core::{
    audit::{
        chain::{ChainError, Follow, Link},
        checkpoint::{Checkpoint, NoteError, Signer},
        event::LeafHash,
        tree::{Edge, TileId, TreeError},
    },
    digest::Digest,
    id::RunId,
    time::Time,
};
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
    time::Duration,
};
use tokio::runtime::Handle;

/// Leaves of one step.
const STEP: u32 = 16_384;
/// The pause between steps. Two of them, a commit and a signature fit into the second that DESIGN §7 promises.
const PAUSE: Duration = Duration::from_millis(250);
/// A lease is renewed at half of this.
pub(crate) const LEASE_SECONDS: i64 = 5;

/// Why a step ended early.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SequenceError {
    /// The database.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The writer.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// The stored tree contradicts its head: somebody changed tiles.
    #[error("the stored tree is not the one that was signed: {0}")]
    Tree(String),
    /// The database is behind what was signed: it was turned back, or somebody changed its head.
    #[error("the log was turned back: {marked} leaves are signed in epoch {epoch}, the database says {found}")]
    TurnedBack {
        /// What the high-water file says.
        marked: u64,
        /// The epoch in that file.
        epoch: u64,
        /// What the database says.
        found: u64,
    },
    /// The tree does not begin with what was signed: it is never signed.
    #[error("the log's first {size} leaves are not those that were signed before")]
    Forked {
        /// The size that was signed.
        size: u64,
    },
    /// The checkpoint cannot be signed.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// The high-water file cannot be written.
    #[error("the high-water file: {0}")]
    HighWater(String),
}

impl From<TreeError> for SequenceError {
    fn from(error: TreeError) -> Self {
        Self::Tree(error.to_string())
    }
}

/// A run whose events are not what its writer wrote: they become no leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused {
    /// Which run.
    pub run: RunId,
    /// What is wrong with it.
    pub error: ChainError,
}

/// What one step did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sequenced {
    /// The tree's size now, as signed.
    pub size: u64,
    /// Leaves that this step added.
    pub added: u64,
    /// Another node holds the lease.
    pub follows: bool,
    /// Runs that somebody has tampered with: an alarm, and never repaired by itself.
    pub refused: Vec<Refused>,
}

/// A sequencer: the edge of the tree in memory, so that a step reads no tiles.
#[derive(Debug)]
pub struct Sequencer {
    store: Store,
    holder: String,
    lease_until: Time,
    edge: Option<Edge>,
    refused: BTreeSet<RunId>,
}

impl Sequencer {
    /// A sequencer of this store's node.
    pub fn new(store: Store) -> Self {
        let holder = store.upkeep_id();
        Self { store, holder, lease_until: Time::from_millis(0), edge: None, refused: BTreeSet::new() }
    }

    /// Steps for ever. Spawn it; abort it to stop, which is safe anywhere: a step that has begun ends by itself.
    pub async fn run(mut self, signer: impl Signer + Send + Sync + 'static) {
        let (store, holder) = (self.store.clone(), self.holder.clone());
        let (signer, runtime) = (Arc::new(signer), Handle::current());
        loop {
            // To check and hash what a second brings takes milliseconds. While a worker of the runtime did so, nobody might look after
            // the sockets: the others sleep until it has something for them.
            let (signer, runtime) = (Arc::clone(&signer), runtime.clone());
            let step = tokio::task::spawn_blocking(move || {
                let done = runtime.block_on(self.step(&*signer));
                (self, done)
            });
            let done;
            (self, done) = match step.await {
                Ok(stepped) => stepped,
                Err(error) if error.is_cancelled() => return,
                Err(error) => {
                    tracing::error!(%error, "the sequencer begins anew");
                    // The lease is still ours: that step is over.
                    (Self { holder: holder.clone(), ..Self::new(store.clone()) }, Ok(Sequenced::default()))
                }
            };
            let wait = match done {
                Ok(sequenced) => {
                    for refused in &sequenced.refused {
                        tracing::error!(run = %refused.run, error = %refused.error, "events that nobody wrote: not sequenced");
                    }
                    // A full step left more behind.
                    sequenced.added < u64::from(STEP)
                }
                Err(error) => {
                    tracing::error!(%error, "the sequencer cannot go on");
                    true
                }
            };
            if wait {
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    /// One step: leaves, tree, checkpoint, high-water file. A node that does not hold the lease only marks what it sees.
    pub async fn step(&mut self, signer: &(impl Signer + Send + Sync)) -> Result<Sequenced, SequenceError> {
        if !self.hold_lease().await? {
            self.edge = None;
            let mut sequenced = Sequenced { follows: true, ..Sequenced::default() };
            if let Some(last) = self.store.log().last_checkpoint().await? {
                let note = last.note.parse().map_err(SequenceError::Note)?;
                let checkpoint = Checkpoint::verify(&note, std::slice::from_ref(signer.log_key()))?;
                self.follows_mark(checkpoint.size, checkpoint.root).await?;
                self.mark(last.epoch, &checkpoint).await?;
                sequenced.size = checkpoint.size;
            }
            return Ok(sequenced);
        }
        let head = self.store.log().head().await?;
        let (head, added, refused) = self.grow(head).await?;
        self.sign(&head, signer).await?;
        // Not before they are told: a step that fails tells nobody.
        self.refused.extend(refused.iter().map(|refused| refused.run));
        Ok(Sequenced { size: head.size, added, follows: false, refused })
    }

    /// Is the lease ours? Takes it if it is free or over.
    async fn hold_lease(&mut self) -> Result<bool, SequenceError> {
        let now = (self.store.edges().now)();
        if now.plus_seconds(LEASE_SECONDS / 2) < self.lease_until {
            return Ok(true);
        }
        let sql = "SELECT holder, until, version FROM leases WHERE name = 'sequencer'";
        let rows = self.store.pool().fetch(sql, &[]).await.map_err(ReadError::from)?;
        let read = |error| SequenceError::Read(ReadError::from(error));
        let (holder, until, version) = match rows.first() {
            Some(row) => (row.text(0).map_err(read)?, row.int(1).map_err(read)?, row.int(2).map_err(read)?),
            None => return Ok(false),
        };
        if holder != self.holder && Time::from_millis(until) > now {
            return Ok(false);
        }
        let until = now.plus_seconds(LEASE_SECONDS);
        let mut tx = Tx::new(now);
        tx.demand(&table::LEASES, &["name", "version"], vec![Value::text("sequencer"), Value::Int(version)]);
        let row =
            vec![Value::text("sequencer"), Value::text(&self.holder), Value::time(until), Value::Int(version + 1)];
        tx.effect(Effect::Put { table: &table::LEASES, row });
        match tx.keep(&self.store).await {
            Ok(_) => {
                self.lease_until = until;
                Ok(true)
            }
            Err(error) if is_stale(&error) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Appends what is committed. Returns the head that is committed now.
    async fn grow(&mut self, head: LogHead) -> Result<(LogHead, u64, Vec<Refused>), SequenceError> {
        let mut edge = match self.edge.take() {
            Some(edge) if edge.size() == head.size && edge.root() == head.root => edge,
            // Never from a head that is only said to be: what is signed comes from an edge that continues what was signed.
            _ => self.load_edge(&head).await?,
        };
        let (runs, refused) = self.believe().await?;
        let events = merged(runs);
        if events.is_empty() {
            self.edge = Some(edge);
            return Ok((head, 0, refused));
        }
        let hashes: Vec<LeafHash> = events.iter().map(|event| LeafHash::of(&event.leaf)).collect();
        let tiles = edge.append(&hashes);
        let now = (self.store.edges().now)();
        let mut tx = Tx::new(now);
        tx.demand(&table::LOG_HEAD, &["name", "version"], vec![Value::text("log"), Value::Int(head.version)]);
        for tile in tiles {
            let TileId { level, index } = tile.id;
            let row = vec![Value::Int(level.into()), Value::Int(signed(index)), Value::bytes(tile.bytes())];
            tx.effect(Effect::Put { table: &table::TILES, row });
        }
        for (first_leaf, count, link) in spans(head.size, &events) {
            let row = vec![
                Value::Int(signed(first_leaf)),
                Value::Int(signed(count)),
                Value::id(link.run),
                Value::Int(signed(link.number)),
            ];
            tx.effect(Effect::Insert { table: &table::SPANS, row });
        }
        let last: BTreeMap<RunId, Link> = events.iter().map(|event| (event.link.run, event.link)).collect();
        for (run, link) in last {
            let row = vec![Value::id(run), Value::Int(signed(link.number + 1)), Value::bytes(link.mac.as_bytes())];
            tx.effect(Effect::Put { table: &table::SEQUENCED, row });
        }
        let grown = LogHead { size: edge.size(), root: edge.root(), version: head.version + 1 };
        let row = vec![
            Value::text("log"),
            Value::Int(signed(grown.size)),
            Value::bytes(grown.root.as_bytes()),
            Value::time(now),
            Value::Int(grown.version),
        ];
        tx.effect(Effect::Put { table: &table::LOG_HEAD, row });
        tx.keep(&self.store).await?;
        self.edge = Some(edge);
        Ok((grown, events.len() as u64, refused))
    }

    /// The tree's edge from its tiles, which must be those of the head.
    async fn load_edge(&self, head: &LogHead) -> Result<Edge, SequenceError> {
        let mut tiles = BTreeMap::new();
        for id in Edge::tiles(head.size) {
            if let Some(tile) = self.store.log().tile(id).await? {
                tiles.insert(id, tile);
            }
        }
        let edge = Edge::load(head.size, |id| tiles.get(&id).cloned())?;
        if edge.root() != head.root {
            return Err(SequenceError::Tree("its root is another".to_owned()));
        }
        self.follows_mark(head.size, head.root).await?;
        Ok(edge)
    }

    /// Is the tree under this root a continuation of the one that the high-water file names? (R5)
    async fn follows_mark(&self, size: u64, root: Digest) -> Result<(), SequenceError> {
        let Some(mark) = self.store.marked().filter(|mark| mark.size > 0) else { return Ok(()) };
        if size < mark.size {
            return Err(SequenceError::TurnedBack { marked: mark.size, epoch: mark.epoch, found: size });
        }
        let forked = |_| SequenceError::Forked { size: mark.size };
        let proof = self.store.log().consistency(mark.size, size).await?;
        proof.verify(&mark.root, &root).map_err(forked)
    }

    /// The events that are not leaves yet, of each run as far as its chain holds. All that is read was there at one moment,
    /// so whatever led to an event is read too, or a leaf already; and each run has a share of the step, so that none keeps
    /// another waiting. A run that was refused is not read again.
    async fn believe(&self) -> Result<(BTreeMap<RunId, VecDeque<LoggedEvent>>, Vec<Refused>), SequenceError> {
        let log = self.store.log();
        let (mut waiting, mut refused) = (Vec::new(), Vec::new());
        for behind in log.behind().await? {
            if self.refused.contains(&behind.run) {
                continue;
            }
            if behind.mac == self.store.keys().mac(&table::RUNS, &behind.row) {
                waiting.push(behind);
            } else {
                refused.push(Refused { run: behind.run, error: ChainError::Foreign });
            }
        }
        let share = u64::from(STEP) / (waiting.len() as u64).max(1);
        let mut runs = BTreeMap::new();
        for Behind { run, epoch, head, .. } in waiting {
            let key = Some(self.store.keys().chain.clone());
            let last = log.last_sequenced(run, epoch).await?;
            let from = last.as_ref().map_or(0, |last| last.number + 1);
            let mut follow = match last {
                Some(last) => Follow::after(key, &last),
                None => Follow::from_start(key, run, epoch),
            };
            let until = head.min(from.saturating_add(share.max(1)));
            let mut events = VecDeque::new();
            let mut expected = from;
            for event in log.stretch(run, from, until).await? {
                if let Err(error) = follow.check(&event.link, &LeafHash::of(&event.leaf)) {
                    refused.push(Refused { run, error });
                    break;
                }
                expected = event.link.number + 1;
                events.push_back(event);
            }
            // The run's row said that there are more: somebody took the last ones away.
            if expected < until && refused.last().is_none_or(|last| last.run != run) {
                refused.push(Refused { run, error: ChainError::Gap { expected, found: until } });
            }
            runs.insert(run, events);
        }
        Ok((runs, refused))
    }

    /// Signs a committed head, if nobody has, and marks it.
    async fn sign(&self, head: &LogHead, signer: &(impl Signer + Send + Sync)) -> Result<(), SequenceError> {
        if head.size == 0 || self.store.marked().is_some_and(|mark| mark.size == head.size) {
            return Ok(());
        }
        let checkpoint = Checkpoint { origin: signer.log_key().name().to_owned(), size: head.size, root: head.root };
        let epoch = self.store.log().epoch().await?;
        let note = checkpoint.sign(signer)?;
        let now = (self.store.edges().now)();
        let mut tx = Tx::new(now);
        let row = vec![
            Value::Int(signed(head.size)),
            Value::Int(signed(epoch)),
            Value::time(now),
            Value::text(note.to_string()),
        ];
        tx.effect(Effect::Keep { table: &table::CHECKPOINTS, row });
        tx.keep(&self.store).await?;
        self.mark(epoch, &checkpoint).await
    }

    /// Writes what is signed outside the database. The file never says less than it said.
    async fn mark(&self, epoch: u64, checkpoint: &Checkpoint) -> Result<(), SequenceError> {
        let before = self.store.marked();
        let epoch = before.map_or(epoch, |before| before.epoch.max(epoch));
        let mark = Mark { epoch, size: checkpoint.size, root: checkpoint.root };
        match before {
            Some(before) if before == mark => return Ok(()),
            Some(before) if mark.size < before.size => {
                return Err(SequenceError::TurnedBack { marked: before.size, epoch, found: mark.size });
            }
            _ => {}
        }
        let file = self.store.high_water_file().to_owned();
        let written = tokio::task::spawn_blocking(move || high_water::write(&file, &mark)).await;
        written.map_err(|error| error.to_string()).and_then(|result| result).map_err(SequenceError::HighWater)?;
        self.store.mark_signed(mark);
        Ok(())
    }
}

/// One order of all runs that keeps each run's own, by the time of their events.
fn merged(mut runs: BTreeMap<RunId, VecDeque<LoggedEvent>>) -> Vec<LoggedEvent> {
    let mut events = Vec::new();
    runs.retain(|_, queue| !queue.is_empty());
    while let Some(run) =
        runs.iter().filter_map(|(run, queue)| Some((queue.front()?.id, *run))).min().map(|(_, run)| run)
    {
        let Some(queue) = runs.get_mut(&run) else { break };
        events.extend(queue.pop_front());
        if queue.is_empty() {
            runs.remove(&run);
        }
    }
    events
}

/// Stretches of leaves that are stretches of one run: first leaf, how many, the first one's link.
fn spans(size: u64, events: &[LoggedEvent]) -> Vec<(u64, u64, Link)> {
    let mut spans: Vec<(u64, u64, Link)> = Vec::new();
    for (leaf, event) in (size..).zip(events) {
        match spans.last_mut() {
            Some((_, count, first)) if first.run == event.link.run && first.number + *count == event.link.number => {
                *count += 1
            }
            _ => spans.push((leaf, 1, event.link)),
        }
    }
    spans
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
