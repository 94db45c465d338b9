//! PostgreSQL: connections that read, handed out one at a time, and new ones for the writer.
//!
//! Not sqlx's pool: that one asks each connection twice whether it lives, before and after every statement. A point read by key
//! is three trips to the server then, instead of one (decision 21).

use super::{Failure, Row, Value, failure};
use sqlx::{ConnectOptions as _, Connection as _, Executor as _, PgConnection, postgres::PgConnectOptions};
use std::{
    str::FromStr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{sleep, timeout},
};

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
/// The server, for reading, and the way to more connections.
pub(crate) struct Server {
    target: PgConnectOptions,
    readers: Arc<Readers>,
}

struct Readers {
    /// A seat for each connection that may be in use.
    room: Arc<Semaphore>,
    idle: Mutex<Vec<PgConnection>>,
}

impl Readers {
    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<PgConnection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection in use, with its seat. It rests again afterwards; if nobody waits for its answer any more, once that has come.
struct Lent {
    connection: Option<PgConnection>,
    seat: Option<OwnedSemaphorePermit>,
    readers: Arc<Readers>,
}

impl Lent {
    async fn fetch(&mut self, sql: Arc<str>, values: Vec<Value>) -> Result<Vec<Row>, sqlx::Error> {
        match &mut self.connection {
            Some(connection) => super::postgres_rows(connection, sql, &values).await,
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

impl Server {
    /// Connects to the database at `url` (`postgres://…`).
    pub(super) async fn open(url: &str) -> Result<Self, sqlx::Error> {
        let target = PgConnectOptions::from_str(url)?
            .application_name("counterfoil")
            .statement_cache_capacity(STATEMENTS)
            .disable_statement_logging();
        let first = connect(&target).await?;
        let readers = Readers { room: Arc::new(Semaphore::new(READERS as usize)), idle: Mutex::new(vec![first]) };
        Ok(Self { target, readers: Arc::new(readers) })
    }

    /// A connection of its own, for the writer.
    pub(super) async fn connect(&self) -> Result<PgConnection, sqlx::Error> {
        let mut connection = connect(&self.target).await?;
        // Whatever the server's or the database's default is: a statement that is a transaction of its own has no BEGIN to say it.
        connection.execute("SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ COMMITTED").await?;
        Ok(connection)
    }

    /// The rows that answer `sql`. A connection that broke while it rested is nobody's fault: the read is done once more on a new
    /// one.
    pub(super) async fn fetch(&self, sql: Arc<str>, values: &[Value]) -> Result<Vec<Row>, sqlx::Error> {
        let seat = timeout(WAIT, Arc::clone(&self.readers.room).acquire_owned()).await;
        let mut seat = Some(seat.map_err(|_| sqlx::Error::PoolTimedOut)?.map_err(|_| sqlx::Error::PoolClosed)?);
        let rested = self.readers.idle().pop();
        if let Some(connection) = rested {
            let mut lent = self.lend(connection, seat.take());
            match timeout(RESTED, lent.fetch(Arc::clone(&sql), values.to_vec())).await {
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
        let mut lent = self.lend(self.connect().await?, seat);
        let answer = timeout(WAIT, lent.fetch(sql, values.to_vec())).await.unwrap_or(Err(sqlx::Error::PoolTimedOut));
        if is_lost(&answer) {
            lent.lost()
        } else {
            lent.rest()
        }
        answer
    }

    fn lend(&self, connection: PgConnection, seat: Option<OwnedSemaphorePermit>) -> Lent {
        Lent { connection: Some(connection), seat, readers: Arc::clone(&self.readers) }
    }

    /// Forgets every connection that rests: where the writer lost its own, theirs may lead to a server that is no longer the one.
    pub(super) fn forget(&self) {
        self.readers.idle().clear();
    }

    /// Closes every connection that reads, once what is being read is.
    pub(super) async fn close(&self) {
        let all = self.readers.room.acquire_many(READERS).await;
        self.readers.room.close();
        drop(all);
        let idle = std::mem::take(&mut *self.readers.idle());
        for connection in idle {
            let _ = connection.close().await;
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

async fn connect(target: &PgConnectOptions) -> Result<PgConnection, sqlx::Error> {
    let connected = timeout(WAIT, async {
        loop {
            match PgConnection::connect_with(target).await {
                Err(error) if comes_soon(&error) => sleep(CONNECT_PAUSE).await,
                done => return done,
            }
        }
    });
    connected.await.map_err(|_| sqlx::Error::PoolTimedOut)?
}
