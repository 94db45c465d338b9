//! The only file that knows there are two engines: connections, values, rows, and which errors mean what.
//!
//! Every statement is one text for both: `$1` placeholders, TEXT, BIGINT and bytes. What differs (how a transaction
//! begins, how a connection is opened, which error code says "run it again") stands here and nowhere else.

use sqlx::{
    AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _, PgConnection, PgPool, Postgres, Row as _,
    Sqlite, SqliteConnection, SqlitePool,
    postgres::{PgConnectOptions, PgPoolOptions, PgRow},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteRow, SqliteSynchronous},
};
use std::{str::FromStr, sync::Arc, time::Duration};

/// How long a statement waits for another process's lock on the SQLite file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Connections that read. The writer has one of its own.
const READERS: u32 = 8;
/// Statements kept prepared per connection: every verb times every power of two of rows.
const STATEMENTS: usize = 512;

/// Runs the same tokens for the engine at hand; `$db` names its sqlx type.
macro_rules! on_engine {
    ($enum:ident, $it:expr, $db:ident, $inner:pat => $body:expr) => {
        match $it {
            $enum::Sqlite($inner) => {
                #[allow(dead_code, reason = "not every body names the type")]
                type $db = Sqlite;
                $body
            }
            $enum::Postgres($inner) => {
                #[allow(dead_code, reason = "not every body names the type")]
                type $db = Postgres;
                $body
            }
        }
    };
}

/// One bound value. Cheap to clone, because a batch may have to run again.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Value {
    /// TEXT.
    Text(Arc<str>),
    /// BIGINT.
    Int(i64),
    /// BLOB or BYTEA.
    Bytes(Arc<[u8]>),
    /// An absent TEXT: PostgreSQL wants to know of what type nothing is.
    NoText,
    /// An absent BIGINT.
    NoInt,
    /// Absent bytes.
    NoBytes,
    /// The epoch under which the writer commits; it alone knows.
    Epoch,
    /// The run of the unit's event.
    Run,
    /// The number of the unit's first event in that run.
    Number,
}

impl Value {
    pub(crate) fn text(text: impl AsRef<str>) -> Self {
        Self::Text(Arc::from(text.as_ref()))
    }

    pub(crate) fn id(id: impl std::fmt::Display) -> Self {
        Self::Text(Arc::from(id.to_string()))
    }

    pub(crate) fn maybe(id: Option<impl std::fmt::Display>) -> Self {
        id.map_or(Self::NoText, Self::id)
    }

    pub(crate) fn bytes(bytes: impl AsRef<[u8]>) -> Self {
        Self::Bytes(Arc::from(bytes.as_ref()))
    }

    pub(crate) const fn time(time: counterfoil_core::time::Time) -> Self {
        Self::Int(time.millis())
    }
}

/// What a failed statement means for the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    /// Two transactions met (40001, 40P01, SQLITE_BUSY): the same batch may run again.
    Again,
    /// The connection is gone or the server refuses to write: nothing more can be said on it.
    Lost,
    /// The statement itself is wrong for this data.
    Statement,
}

/// Says what `error` means.
pub(crate) fn failure(error: &sqlx::Error) -> Failure {
    match error {
        sqlx::Error::Database(database) => match database.code().as_deref() {
            // PostgreSQL: serialization_failure, deadlock_detected.
            Some("40001" | "40P01") => Failure::Again,
            // SQLite: BUSY and LOCKED with their extended codes.
            Some("5" | "6" | "261" | "262" | "517" | "518" | "773") => Failure::Again,
            // PostgreSQL: read-only after a switchover, shutting down, connection exceptions.
            Some(code) if code == "25006" || code.starts_with("57P") || code.starts_with("08") => Failure::Lost,
            // SQLite: I/O error, disk full, cannot open.
            Some("10" | "13" | "14") => Failure::Lost,
            _ => Failure::Statement,
        },
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) | sqlx::Error::Encode(_) => Failure::Statement,
        _ => Failure::Lost,
    }
}

/// The database, for reading, and the way to more connections.
#[derive(Clone)]
pub(crate) enum Pool {
    Sqlite((SqlitePool, SqliteConnectOptions)),
    Postgres((PgPool, PgConnectOptions)),
}

/// One connection, for writing.
pub(crate) enum Connection {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

/// One row of an answer.
pub(crate) enum Row {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

macro_rules! bound {
    ($db:ident, $sql:expr, $values:expr) => {{
        let mut query = sqlx::query::<$db>(AssertSqlSafe($sql));
        for value in $values {
            query = match value {
                Value::Text(text) => query.bind(text.clone()),
                Value::Int(int) => query.bind(*int),
                Value::Bytes(bytes) => query.bind(bytes.clone()),
                Value::NoText => query.bind(None::<String>),
                Value::NoInt => query.bind(None::<i64>),
                Value::NoBytes => query.bind(None::<Vec<u8>>),
                Value::Epoch | Value::Run | Value::Number => {
                    return Err(sqlx::Error::Encode("a value that only the writer can fill in".into()));
                }
            };
        }
        query
    }};
}

impl Pool {
    /// Opens the database at `url` (`sqlite:…` or `postgres://…`); makes an SQLite file that is missing if `create`.
    pub(crate) async fn open(url: &str, create: bool) -> Result<Self, sqlx::Error> {
        if url.starts_with("sqlite:") {
            let options = SqliteConnectOptions::from_str(url)?
                .create_if_missing(create)
                .journal_mode(SqliteJournalMode::Wal)
                // FULL: a commit that was told survives a power cut. WAL with NORMAL may lose the last ones.
                .synchronous(SqliteSynchronous::Full)
                .busy_timeout(BUSY_TIMEOUT)
                .foreign_keys(true)
                .statement_cache_capacity(STATEMENTS)
                .disable_statement_logging();
            let pool = SqlitePoolOptions::new().max_connections(READERS).connect_with(options.clone()).await?;
            Ok(Self::Sqlite((pool, options)))
        } else if url.starts_with("postgres:") || url.starts_with("postgresql:") {
            let options = PgConnectOptions::from_str(url)?
                .application_name("counterfoil")
                .statement_cache_capacity(STATEMENTS)
                .disable_statement_logging();
            let pool = PgPoolOptions::new().max_connections(READERS).connect_with(options.clone()).await?;
            Ok(Self::Postgres((pool, options)))
        } else {
            Err(sqlx::Error::Configuration("a database URL starts with sqlite: or postgres:".into()))
        }
    }

    /// Where this engine's migrations stand.
    pub(crate) const fn engine(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "sqlite",
            Self::Postgres(_) => "postgres",
        }
    }

    /// A connection outside the pool, for the writer.
    pub(crate) async fn connect(&self) -> Result<Connection, sqlx::Error> {
        match self {
            Self::Sqlite((_, options)) => SqliteConnection::connect_with(options).await.map(Connection::Sqlite),
            Self::Postgres((_, options)) => PgConnection::connect_with(options).await.map(Connection::Postgres),
        }
    }

    /// The rows that answer `sql`.
    pub(crate) async fn fetch(&self, sql: &'static str, values: &[Value]) -> Result<Vec<Row>, sqlx::Error> {
        self.fetch_built(Arc::from(sql), values).await
    }

    /// As [`Self::fetch`], for text that was put together from constants.
    pub(crate) async fn fetch_built(&self, sql: Arc<str>, values: &[Value]) -> Result<Vec<Row>, sqlx::Error> {
        match self {
            Self::Sqlite((pool, _)) => {
                Ok(bound!(Sqlite, sql, values).fetch_all(pool).await?.into_iter().map(Row::Sqlite).collect())
            }
            Self::Postgres((pool, _)) => {
                Ok(bound!(Postgres, sql, values).fetch_all(pool).await?.into_iter().map(Row::Postgres).collect())
            }
        }
    }

    /// Closes every connection that reads.
    pub(crate) async fn close(&self) {
        on_engine!(Pool, self, Db, (pool, _) => pool.close().await);
    }
}

impl Connection {
    /// Begins a transaction that will write. SQLite takes its lock at once, so that it never has to upgrade one.
    pub(crate) async fn begin(&mut self) -> Result<(), sqlx::Error> {
        match self {
            Self::Sqlite(connection) => connection.execute("BEGIN IMMEDIATE").await.map(drop),
            Self::Postgres(connection) => connection.execute("BEGIN ISOLATION LEVEL READ COMMITTED").await.map(drop),
        }
    }

    /// Commits. Any error means: unknown whether.
    pub(crate) async fn commit(&mut self) -> Result<(), sqlx::Error> {
        on_engine!(Connection, self, Db, connection => connection.execute("COMMIT").await.map(drop))
    }

    /// Gives up the transaction.
    pub(crate) async fn rollback(&mut self) -> Result<(), sqlx::Error> {
        on_engine!(Connection, self, Db, connection => connection.execute("ROLLBACK").await.map(drop))
    }

    /// Runs several statements of a migration, unprepared.
    pub(crate) async fn script(&mut self, sql: &'static str) -> Result<(), sqlx::Error> {
        on_engine!(Connection, self, Db, connection => connection.execute(sqlx::raw_sql(sql)).await.map(drop))
    }

    /// How many rows `sql` changed.
    pub(crate) async fn execute(&mut self, sql: Arc<str>, values: &[Value]) -> Result<u64, sqlx::Error> {
        on_engine!(Connection, self, Db, connection => Ok(bound!(Db, sql, values).execute(connection).await?.rows_affected()))
    }

    /// The rows that answer `sql`.
    pub(crate) async fn fetch(&mut self, sql: Arc<str>, values: &[Value]) -> Result<Vec<Row>, sqlx::Error> {
        match self {
            Self::Sqlite(connection) => {
                Ok(bound!(Sqlite, sql, values).fetch_all(connection).await?.into_iter().map(Row::Sqlite).collect())
            }
            Self::Postgres(connection) => {
                Ok(bound!(Postgres, sql, values).fetch_all(connection).await?.into_iter().map(Row::Postgres).collect())
            }
        }
    }

    /// Ends the connection without a word to the server, as a crash would.
    pub(crate) async fn close(self) {
        let _ = match self {
            Self::Sqlite(connection) => connection.close().await,
            Self::Postgres(connection) => connection.close().await,
        };
    }
}

impl Row {
    /// The text in `column`, or nothing if it is null.
    pub(crate) fn maybe_text(&self, column: usize) -> Result<Option<String>, sqlx::Error> {
        on_engine!(Row, self, Db, row => row.try_get(column))
    }

    /// The text in `column`.
    pub(crate) fn text(&self, column: usize) -> Result<String, sqlx::Error> {
        on_engine!(Row, self, Db, row => row.try_get(column))
    }

    /// The number in `column`, or nothing if it is null.
    pub(crate) fn maybe_int(&self, column: usize) -> Result<Option<i64>, sqlx::Error> {
        on_engine!(Row, self, Db, row => row.try_get(column))
    }

    /// The number in `column`.
    pub(crate) fn int(&self, column: usize) -> Result<i64, sqlx::Error> {
        on_engine!(Row, self, Db, row => row.try_get(column))
    }

    /// The bytes in `column`, or nothing if it is null.
    pub(crate) fn maybe_bytes(&self, column: usize) -> Result<Option<Vec<u8>>, sqlx::Error> {
        on_engine!(Row, self, Db, row => row.try_get(column))
    }

    /// The bytes in `column`.
    pub(crate) fn bytes(&self, column: usize) -> Result<Vec<u8>, sqlx::Error> {
        on_engine!(Row, self, Db, row => row.try_get(column))
    }
}
