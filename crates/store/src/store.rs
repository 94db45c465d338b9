//! The store: opened once, cloned freely. Reads go to a pool, units of work to the one writer.

use crate::{
    backend::{Pool, Row, Value},
    batch::Fault,
    error::{Inconsistency, OpenError, ReadError},
    high_water::{self, Mark},
    noun::{self, Keys, Noun},
    schema::{self, Migration},
    tx::Tx,
    writer::{Order, Writer},
};
use counterfoil_core::{
    audit::event::{Actor, Event, EventKind},
    id::EventId,
    limits::WRITER_QUEUE,
    seal::MasterKey,
    time::Time,
};
use futures_util::future::AbortHandle;
use std::{
    fmt,
    path::PathBuf,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::sync::{mpsc, oneshot, watch};

/// Fills with random bytes.
pub type Random = dyn Fn(&mut [u8]) + Send + Sync;

/// The clock and the source of randomness, which belong to the process's edge.
#[derive(Clone)]
pub struct Edges {
    /// What time it is.
    pub now: Arc<dyn Fn() -> Time + Send + Sync>,
    /// Where random bytes come from.
    pub random: Arc<Random>,
}

impl fmt::Debug for Edges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Edges")
    }
}

/// How to open a store.
#[derive(Debug)]
pub struct OpenOptions<'a> {
    /// `sqlite:…` or `postgres://…`.
    pub url: &'a str,
    /// The installation's own secret, from outside the database.
    pub master: &'a MasterKey,
    /// The high-water file, outside the database and on another volume if that is possible.
    pub high_water: PathBuf,
    /// This node's name: its runs follow each other.
    pub node: &'a str,
    /// Clock and randomness.
    pub edges: Edges,
}

/// The database of one installation.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    pool: Pool,
    keys: Arc<Keys>,
    edges: Edges,
    queue: mpsc::Sender<Order>,
    writer: AbortHandle,
    fault: Arc<Mutex<Option<Fault>>>,
    position: watch::Receiver<i64>,
    high_water: PathBuf,
    marked: Mutex<Option<Mark>>,
    signed_size: Arc<AtomicU64>,
    upkeeps: AtomicU64,
    opened: u64,
    committed: Arc<Counted>,
    observer: OnceLock<Box<Observer>>,
}

/// Is told what was committed.
type Observer = dyn Fn(&EventKind) + Send + Sync;

/// What the writer has committed since it began.
#[derive(Debug, Default)]
pub(crate) struct Counted {
    pub(crate) batches: AtomicU64,
    pub(crate) units: AtomicU64,
}

/// What the writer has done and has before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Load {
    /// Units that wait.
    pub queued: usize,
    /// Batches committed since the store was opened.
    pub batches: u64,
    /// Units in those batches.
    pub units: u64,
}

/// SQLite's log is folded once so many commits have gathered, or when the first of them is a fifth of a second old: the sooner, the
/// less the disk has to write at once. Folded by the writer alone, once it is long, it holds up whoever waits for as long as that
/// takes: 22 ms at the 99th percentile, as measured.
const FOLD_BATCHES: u64 = 64;
const FOLD_PAUSE: Duration = Duration::from_millis(25);
const FOLD_PAUSES: u32 = 8;

/// Folds what was committed, for as long as the pool is open.
async fn fold(pool: Pool, committed: Arc<Counted>, writer: mpsc::WeakSender<Order>) {
    let (mut folded, mut pauses) = (0, 0);
    while pool.folds() {
        tokio::time::sleep(FOLD_PAUSE).await;
        let batches = committed.batches.load(Ordering::Relaxed);
        if batches == folded {
            continue;
        }
        pauses += 1;
        if batches - folded < FOLD_BATCHES && pauses < FOLD_PAUSES {
            continue;
        }
        (folded, pauses) = (batches, 0);
        match pool.fold().await {
            Ok(false) => {}
            Ok(true) => {
                // What was committed meanwhile once more, so that the writer has few pages left to copy.
                let _ = pool.fold().await;
                if let Some(writer) = writer.upgrade() {
                    // A queue that is full has better things to do: there is a next time.
                    let _ = writer.try_send(Order::Fold);
                }
            }
            // Nothing is lost: the writer does it when its log has grown.
            Err(error) => tracing::debug!(%error, "the log of SQLite was not folded"),
        }
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Store({})", self.0.pool.engine())
    }
}

impl Store {
    /// Applies the migrations that the database lacks, or with `dry_run` says which those are.
    pub async fn migrate(url: &str, dry_run: bool) -> Result<Vec<Migration>, OpenError> {
        let pool = Pool::open(url, !dry_run).await?;
        let done = schema::migrate(&pool, dry_run).await;
        pool.close().await;
        done
    }

    /// Opens the store, checks that nobody turned it back, and begins a run of the log.
    pub async fn open(options: OpenOptions<'_>) -> Result<Self, OpenError> {
        let pool = Pool::open(options.url, false).await?;
        schema::check(&pool).await?;
        let keys = Arc::new(Keys::new(options.master).map_err(|error| OpenError::Write(error.to_string()))?);
        let checked = high_water::check(&pool, &options.high_water, options.node, (options.edges.now)()).await?;
        let last = pool.fetch("SELECT position FROM feed_head WHERE name = 'feed'", &[]).await?;
        let last = last.first().map(|row| row.int(0)).transpose()?.unwrap_or(0);
        let (moved, position) = watch::channel(last);
        let (queue, orders) = mpsc::channel(WRITER_QUEUE);
        let fault = Arc::new(Mutex::new(None));
        let mut opened = [0; 8];
        (options.edges.random)(&mut opened);
        let signed_size = Arc::new(AtomicU64::new(checked.mark.map_or(0, |mark| mark.size)));
        let mut writer = Writer::new(
            pool.clone(),
            Arc::clone(&keys),
            options.edges.clone(),
            options.node.to_owned(),
            Arc::clone(&fault),
            Arc::clone(&signed_size),
            moved,
        );
        let committed = Arc::clone(&writer.committed);
        writer.start().await?;
        let task = pool.run_writer(writer.serve(orders)).map_err(|error| OpenError::Write(error.to_string()))?;
        tokio::spawn(fold(pool.clone(), Arc::clone(&committed), queue.downgrade()));
        let store = Self(Arc::new(Inner {
            pool,
            keys,
            edges: options.edges,
            queue,
            writer: task,
            fault,
            position,
            high_water: options.high_water,
            marked: Mutex::new(checked.mark),
            signed_size,
            upkeeps: AtomicU64::new(0),
            opened: u64::from_ne_bytes(opened),
            committed,
            observer: OnceLock::new(),
        }));
        if let Some(from) = checked.raised_from {
            store.log_raised_epoch(from).await?;
        }
        Ok(store)
    }

    /// The log says that the epoch rose, before anything else happens in the new one.
    async fn log_raised_epoch(&self, from: u64) -> Result<(), OpenError> {
        let (now, mut random) = ((self.0.edges.now)(), [0; 10]);
        (self.0.edges.random)(&mut random);
        let reason = "no_high_water_file".to_owned();
        let kind = EventKind::EpochRaised { from, to: from + 1, reason };
        let event = Event { id: EventId::new(now, random), at: now, actor: Actor::System {}, kind, personal: None };
        Tx::new(now).commit(self, event).await.map(drop).map_err(|error| OpenError::Write(error.to_string()))
    }

    /// When the epoch last rose, if it ever did: steps of codes up to then are not to be accepted any more, because
    /// nobody remembers which were (DESIGN §7).
    pub async fn epoch_raised_at(&self) -> Result<Option<Time>, ReadError> {
        let rows = self.0.pool.fetch("SELECT number FROM meta WHERE name = 'epoch_raised_at'", &[]).await?;
        let at = rows.first().map(|row| row.int(0)).transpose()?.unwrap_or(0);
        Ok((at > 0).then(|| Time::from_millis(at)))
    }

    /// Commits what is queued, then closes. Units that come later are refused.
    pub async fn close(&self) {
        let (done, closed) = oneshot::channel();
        if self.0.queue.send(Order::Close(done)).await.is_ok() {
            let _ = closed.await;
        }
        self.0.pool.close().await;
    }

    /// Has `observer` told of each event that this process commits, after it is durable. The first one stays.
    pub fn on_commit(&self, observer: impl Fn(&EventKind) + Send + Sync + 'static) {
        if self.0.observer.set(Box::new(observer)).is_err() {
            tracing::warn!("somebody observes this store already");
        }
    }

    pub(crate) fn observe(&self, events: &[Event]) {
        if let Some(observer) = self.0.observer.get() {
            events.iter().for_each(|event| observer(&event.kind));
        }
    }

    /// What the writer has done and has before it.
    pub fn load(&self) -> Load {
        Load {
            queued: self.0.queue.max_capacity() - self.0.queue.capacity(),
            batches: self.0.committed.batches.load(Ordering::Relaxed),
            units: self.0.committed.units.load(Ordering::Relaxed),
        }
    }

    /// `sqlite` or `postgres`.
    pub fn engine(&self) -> &'static str {
        self.0.pool.engine()
    }

    /// Ends the writer as `kill -9` would, wherever it stands. For tests of what a crash leaves.
    #[doc(hidden)]
    pub fn crash(&self) {
        self.0.writer.abort();
    }

    /// The next batch that would be kept meets this fault. For tests of what a fault leaves.
    #[doc(hidden)]
    pub fn fail_next(&self, fault: Fault) {
        *self.0.fault.lock().unwrap_or_else(PoisonError::into_inner) = Some(fault);
    }

    /// Wakes whoever waits when the feed moves in this process. Other nodes' entries are found by asking
    /// [`Store::feed`] again within half a second.
    pub fn feed_signal(&self) -> watch::Receiver<i64> {
        self.0.position.clone()
    }

    pub(crate) fn queue(&self) -> &mpsc::Sender<Order> {
        &self.0.queue
    }

    pub(crate) fn keys(&self) -> &Keys {
        &self.0.keys
    }

    pub(crate) fn edges(&self) -> &Edges {
        &self.0.edges
    }

    pub(crate) fn pool(&self) -> &Pool {
        &self.0.pool
    }

    /// The tree that the high-water file names. It stands outside the database, so whoever writes there cannot change it.
    pub(crate) fn marked(&self) -> Option<Mark> {
        *self.0.marked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// This tree is signed, and the file says so: a database with a smaller one is not ours any more.
    pub(crate) fn mark_signed(&self, mark: Mark) {
        *self.0.marked.lock().unwrap_or_else(PoisonError::into_inner) = Some(mark);
        self.0.signed_size.fetch_max(mark.size, Ordering::Relaxed);
    }

    pub(crate) fn high_water_file(&self) -> &std::path::Path {
        &self.0.high_water
    }

    /// A unit without event has an identifier all the same: its spends name it.
    pub(crate) fn upkeep_id(&self) -> String {
        format!("upkeep:{:016x}:{}", self.0.opened, self.0.upkeeps.fetch_add(1, Ordering::Relaxed))
    }

    /// Rows of a noun's table, all columns in order. `rest` begins with WHERE or ORDER.
    pub(crate) async fn rows<N: Noun>(&self, rest: &str, values: &[Value]) -> Result<Vec<Row>, ReadError> {
        let sql = format!("SELECT {} FROM {} {rest}", N::TABLE.list(), N::TABLE.name);
        Ok(self.0.pool.fetch_built(sql.into(), values).await?)
    }

    /// The nouns that `rest` finds.
    pub(crate) async fn many<N: Noun>(&self, rest: &str, values: &[Value]) -> Result<Vec<N>, ReadError> {
        self.rows::<N>(rest, values).await?.iter().map(|row| noun::load(&self.0.keys, row)).collect()
    }

    /// As [`Self::many`], but a row that cannot be believed costs itself alone: it is not there, and `refused` says so.
    pub(crate) async fn believable<N: Noun>(
        &self,
        rest: &str,
        refused: &mut Vec<Inconsistency>,
    ) -> Result<Vec<N>, ReadError> {
        let mut nouns = Vec::new();
        for row in self.rows::<N>(rest, &[]).await? {
            match noun::load(&self.0.keys, &row) {
                Ok(noun) => nouns.push(noun),
                Err(ReadError::Inconsistent(inconsistency)) => refused.push(inconsistency),
                Err(error) => return Err(error),
            }
        }
        Ok(nouns)
    }

    /// The noun that `rest` finds, if it finds one.
    pub(crate) async fn one<N: Noun>(&self, rest: &str, values: &[Value]) -> Result<Option<N>, ReadError> {
        self.rows::<N>(rest, values).await?.first().map(|row| noun::load(&self.0.keys, row)).transpose()
    }
}
