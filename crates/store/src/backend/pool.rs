//! The way to the database: connections that read, handed out one at a time, and new ones for the writer.
//!
//! Not sqlx's pool: that one asks each connection twice whether it lives, before and after every statement. A point read by key
//! is three trips to SQLite's thread or to the server then, instead of one (decision 21).

use super::{Connection, Failure, Row, Value, embedded, failure};
use sqlx::{
    ConnectOptions as _, Connection as _, PgConnection, SqliteConnection,
    postgres::PgConnectOptions,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};
use std::{
    str::FromStr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{sleep, timeout},
};

/// How long a statement waits for another process's lock on the SQLite file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Connections that read. The writer has one of its own.
const READERS: u32 = 8;
/// How long a read waits for one of them, how long to be connected at all, and how long a read may take.
const WAIT: Duration = Duration::from_secs(30);
/// How long a read may take on a connection to a server that rested: nobody says that its other end is gone, if the network
/// forgot both.
const RESTED: Duration = Duration::from_secs(5);
/// How often a server that is just starting, or has no room, is asked again.
const CONNECT_PAUSE: Duration = Duration::from_millis(250);
/// Statements kept prepared per connection: the verbs of a busy writer times every number of rows.
const STATEMENTS: usize = 1_024;
/// The log of SQLite is folded into the file by [`Pool::fold`], beside the writer. The writer itself does it only when so many
/// pages (64 MB) have gathered; little is left to fold by then, and its log begins anew.
const WAL_PAGES: &str = "8192";
/// Of a new file. A decision's row fills more than half of SQLite's usual 4 KiB, and the other half stayed empty: a tenth of a
/// writer's time, as measured.
const PAGE_BYTES: u32 = 8_192;
/// What the writer's connection keeps in memory, in KiB as SQLite counts: the pages of indexes that rows fall into at random.
const WRITER_CACHE: &str = "-16384";

/// The database, for reading, and the way to more connections.
#[derive(Clone)]
pub(crate) struct Pool {
    target: Target,
    readers: Arc<Readers>,
}

#[derive(Clone)]
enum Target {
    Sqlite(SqliteConnectOptions),
    Postgres(PgConnectOptions),
}

struct Readers {
    /// A seat for each connection that may be in use.
    room: Arc<Semaphore>,
    idle: Mutex<Vec<Connection>>,
}

impl Readers {
    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection in use, with its seat. It rests again afterwards; if nobody waits for its answer any more, once that has come.
struct Lent {
    connection: Option<Connection>,
    seat: Option<OwnedSemaphorePermit>,
    readers: Arc<Readers>,
}

impl Lent {
    async fn fetch(&mut self, sql: Arc<str>, values: Vec<Value>) -> Result<Vec<Row>, sqlx::Error> {
        match &mut self.connection {
            Some(connection) => connection.fetch(sql, values).await,
            None => Err(sqlx::Error::PoolClosed),
        }
    }

    /// Nothing is under way in it.
    fn rest(mut self) {
        self.readers.idle().extend(self.connection.take());
    }

    /// It broke.
    fn lost(mut self) {
        drop(self.connection.take());
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let (Some(mut connection), Some(seat)) = (self.connection.take(), self.seat.take()) else { return };
        let readers = Arc::clone(&self.readers);
        // Without a runtime the process is ending.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        runtime.spawn(async move {
            if let Ok(Ok(())) = timeout(RESTED, connection.ping()).await {
                readers.idle().push(connection);
            }
            drop(seat);
        });
    }
}

impl Pool {
    /// Opens the database at `url` (`sqlite:…` or `postgres://…`); makes an SQLite file that is missing if `create`.
    pub(crate) async fn open(url: &str, create: bool) -> Result<Self, sqlx::Error> {
        let target = if url.starts_with("sqlite:") {
            let options = SqliteConnectOptions::from_str(url)?
                .create_if_missing(create)
                .page_size(PAGE_BYTES)
                .journal_mode(SqliteJournalMode::Wal)
                // FULL: a commit that was told survives a power cut. WAL with NORMAL may lose the last ones.
                .synchronous(SqliteSynchronous::Full)
                .busy_timeout(BUSY_TIMEOUT)
                .foreign_keys(true)
                .pragma("wal_autocheckpoint", WAL_PAGES)
                .statement_cache_capacity(STATEMENTS)
                .disable_statement_logging();
            Target::Sqlite(options)
        } else if url.starts_with("postgres:") || url.starts_with("postgresql:") {
            let options = PgConnectOptions::from_str(url)?
                .application_name("counterfoil")
                .statement_cache_capacity(STATEMENTS)
                .disable_statement_logging();
            Target::Postgres(options)
        } else {
            return Err(sqlx::Error::Configuration("a database URL starts with sqlite: or postgres:".into()));
        };
        let first = target.connect().await?;
        let readers = Readers { room: Arc::new(Semaphore::new(READERS as usize)), idle: Mutex::new(vec![first]) };
        Ok(Self { target, readers: Arc::new(readers) })
    }

    /// Where this engine's migrations stand.
    pub(crate) const fn engine(&self) -> &'static str {
        match self.target {
            Target::Sqlite(_) => "sqlite",
            Target::Postgres(_) => "postgres",
        }
    }

    /// A connection of its own, for the writer.
    pub(crate) async fn connect(&self) -> Result<Connection, sqlx::Error> {
        match &self.target {
            Target::Sqlite(options) => {
                Target::Sqlite(options.clone().pragma("cache_size", WRITER_CACHE)).connect().await
            }
            target => target.connect().await,
        }
    }

    /// The rows that answer `sql`.
    pub(crate) async fn fetch(&self, sql: &'static str, values: &[Value]) -> Result<Vec<Row>, sqlx::Error> {
        self.fetch_built(Arc::from(sql), values).await
    }

    /// As [`Self::fetch`], for text that was put together from constants. A connection that broke while it rested is nobody's
    /// fault: the read is done once more on a new one.
    pub(crate) async fn fetch_built(&self, sql: Arc<str>, values: &[Value]) -> Result<Vec<Row>, sqlx::Error> {
        let seat = timeout(WAIT, Arc::clone(&self.readers.room).acquire_owned()).await;
        let mut seat = Some(seat.map_err(|_| sqlx::Error::PoolTimedOut)?.map_err(|_| sqlx::Error::PoolClosed)?);
        let rested = self.readers.idle().pop();
        if let Some(connection) = rested {
            let mut lent = self.lend(connection, seat.take());
            match timeout(self.target.patience(), lent.fetch(Arc::clone(&sql), values.to_vec())).await {
                Ok(answer) if !is_lost(&answer) => {
                    lent.rest();
                    return answer;
                }
                _ => {
                    seat = lent.seat.take();
                    lent.lost();
                    self.forget();
                }
            }
        }
        let mut lent = self.lend(self.target.connect().await?, seat);
        let answer = timeout(WAIT, lent.fetch(sql, values.to_vec())).await.unwrap_or(Err(sqlx::Error::PoolTimedOut));
        if is_lost(&answer) {
            lent.lost()
        } else {
            lent.rest()
        }
        answer
    }

    fn lend(&self, connection: Connection, seat: Option<OwnedSemaphorePermit>) -> Lent {
        Lent { connection: Some(connection), seat, readers: Arc::clone(&self.readers) }
    }

    /// Forgets every connection that rests: where the writer lost its own, theirs may lead to a server that is no longer the one.
    pub(crate) fn forget(&self) {
        self.readers.idle().clear();
    }

    /// Folds what SQLite has committed into its file, without holding up who writes; PostgreSQL does so by itself.
    pub(crate) async fn fold(&self) -> Result<(), sqlx::Error> {
        match self.target {
            Target::Sqlite(_) => self.fetch("PRAGMA wal_checkpoint(PASSIVE)", &[]).await.map(drop),
            Target::Postgres(_) => Ok(()),
        }
    }

    /// Is this a pool whose log is ours to fold, and still open?
    pub(crate) fn folds(&self) -> bool {
        matches!(self.target, Target::Sqlite(_)) && !self.readers.room.is_closed()
    }

    /// Closes every connection that reads, once what is being read is.
    pub(crate) async fn close(&self) {
        let all = self.readers.room.acquire_many(READERS).await;
        self.readers.room.close();
        drop(all);
        let idle = std::mem::take(&mut *self.readers.idle());
        for connection in idle {
            connection.close().await;
        }
    }
}

fn is_lost(answer: &Result<Vec<Row>, sqlx::Error>) -> bool {
    answer.as_ref().is_err_and(|error| failure(error) == Failure::Lost)
}

/// A server that will take us in a moment: it is starting, or has no room, or is between two lives.
fn comes_soon(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(error) => error.kind() == std::io::ErrorKind::ConnectionRefused,
        // PostgreSQL: cannot_connect_now, too_many_connections.
        sqlx::Error::Database(error) => matches!(error.code().as_deref(), Some("57P03" | "53300")),
        _ => false,
    }
}

impl Target {
    async fn connect(&self) -> Result<Connection, sqlx::Error> {
        let connected = timeout(WAIT, async {
            loop {
                match self.connect_once().await {
                    Err(error) if comes_soon(&error) => sleep(CONNECT_PAUSE).await,
                    done => return done,
                }
            }
        });
        connected.await.map_err(|_| sqlx::Error::PoolTimedOut)?
    }

    /// How long a read may take on a connection that rested.
    const fn patience(&self) -> Duration {
        match self {
            Self::Sqlite(_) => WAIT,
            Self::Postgres(_) => RESTED,
        }
    }

    async fn connect_once(&self) -> Result<Connection, sqlx::Error> {
        match self {
            Self::Sqlite(options) => {
                let connection = SqliteConnection::connect_with(options).await?;
                Ok(Connection::Sqlite(Box::new(embedded::Embedded::new(connection))))
            }
            Self::Postgres(options) => PgConnection::connect_with(options).await.map(Connection::Postgres),
        }
    }
}
