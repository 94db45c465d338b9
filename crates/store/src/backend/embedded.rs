//! SQLite, in our own process: whoever asks runs the statement.
//!
//! A point read takes some microseconds, less than handing it to a thread and waking up again would. So it runs where it is
//! asked, but not for long: SQLite breaks it off after [`HASTY_STEPS`] steps of its machine, and it is done again, with all the time
//! it takes, on a thread that may block (decision 23).

use super::{Cell, Row, Value, wrong_kind};
use rusqlite::{
    CachedStatement, Connection, OpenFlags, StatementStatus, ToSql,
    config::DbConfig,
    types::{ToSqlOutput, ValueRef},
};
use std::{
    borrow::Cow,
    fmt,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{sync::Semaphore, time::timeout};

/// How long a statement that may wait does so for another process's lock on the file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Steps of SQLite's machine, some fifty nanoseconds each, within which a read is done where it is asked: a row by its key takes
/// below a hundred. Each may wait for a page of the disk.
const HASTY_STEPS: i32 = 1_000;
/// Reads that take longer, at the same time; and how long one waits and runs until nobody waits for it any more.
const PATIENT: usize = 8;
const WAIT: Duration = Duration::from_secs(30);
/// Connections that rest are closed beyond so many.
const RESTING: usize = 8;
/// Statements kept prepared per connection: the verbs of a busy writer times every number of rows.
const STATEMENTS: usize = 1_024;
/// The log of SQLite is folded into the file by [`File::fold`], beside the writer. It begins anew once all of it is folded, which
/// nobody manages beside a busy writer: from so many pages (64 MB) on, the writer folds the little that is left.
const LONG_LOG: i64 = 8_192;
/// Should nobody have asked it to, it does so by itself when the log is that long.
const LONGEST_LOG: i64 = 4 * LONG_LOG;
/// Of a new file. A decision's row fills more than half of SQLite's usual 4 KiB, and the other half stayed empty: a tenth of a
/// writer's time, as measured.
const PAGE_BYTES: i64 = 8_192;
/// What the writer's connection keeps in memory, in KiB as SQLite counts: the pages of indexes that rows fall into at random.
const WRITER_CACHE: i64 = -16_384;

/// Answers with whether somebody else is at it, and how many pages the log has and how many of them are folded.
const FOLD: &str = "PRAGMA wal_checkpoint(PASSIVE)";

/// One connection to a file.
pub(crate) struct Embedded {
    connection: Connection,
    /// Is what runs now to be broken off once it takes long?
    hasty: Arc<AtomicBool>,
}

impl Embedded {
    /// The rows that answer `sql`. `$1` is the first value, and so is the first `?`.
    pub(super) fn fetch(&mut self, sql: &str, values: &[Value]) -> Result<Vec<Row>, rusqlite::Error> {
        let mut statement = self.connection.prepare_cached(sql)?;
        // Steps are counted over the life of a prepared statement otherwise, and those of earlier reads break off this one.
        statement.reset_status(StatementStatus::VmStep);
        bind(&mut statement, values)?;
        let width = statement.column_count();
        let (mut rows, mut answer) = (statement.raw_query(), Vec::new());
        while let Some(row) = rows.next()? {
            let cells = (0..width).map(|column| row.get_ref(column).and_then(cell)).collect::<Result<_, _>>()?;
            answer.push(Row::Sqlite(cells));
        }
        Ok(answer)
    }

    /// Several statements of a migration, unprepared.
    pub(super) fn script(&mut self, sql: &str) -> Result<(), rusqlite::Error> {
        self.connection.execute_batch(sql)
    }

    /// Takes the lock at once, so that it never has to upgrade one.
    pub(super) fn begin(&mut self) -> Result<(), rusqlite::Error> {
        self.fetch("BEGIN IMMEDIATE", &[]).map(drop)
    }

    pub(super) fn commit(&mut self) -> Result<(), rusqlite::Error> {
        self.fetch("COMMIT", &[]).map(drop)
    }

    pub(super) fn rollback(&mut self) -> Result<(), rusqlite::Error> {
        // Some errors have done so already.
        if self.connection.is_autocommit() { Ok(()) } else { self.fetch("ROLLBACK", &[]).map(drop) }
    }

    /// Folds the log into the file, as far as no reader needs it and nobody else folds it.
    pub(super) fn fold(&mut self) -> Result<(), rusqlite::Error> {
        self.fetch(FOLD, &[]).map(drop)
    }

    fn in_haste(&self, hasty: bool) -> Result<(), rusqlite::Error> {
        self.hasty.store(hasty, Ordering::Relaxed);
        self.connection.busy_timeout(if hasty { Duration::ZERO } else { BUSY_TIMEOUT })
    }
}

fn bind(statement: &mut CachedStatement<'_>, values: &[Value]) -> Result<(), rusqlite::Error> {
    for at in 1..=statement.parameter_count() {
        // SQLite takes `$1` for a name, and numbers names as they come.
        let named = statement.parameter_name(at).and_then(|name| name.strip_prefix('$')?.parse::<usize>().ok());
        let value = values.get(named.unwrap_or(at).wrapping_sub(1));
        statement.raw_bind_parameter(at, value.ok_or(rusqlite::Error::InvalidParameterCount(values.len(), at))?)?;
    }
    Ok(())
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Int(int) => ValueRef::Integer(*int),
            Self::Bytes(bytes) => ValueRef::Blob(bytes),
            Self::NoText | Self::NoInt | Self::NoBytes => ValueRef::Null,
            Self::Epoch | Self::Run | Self::Number(_) => {
                return Err(rusqlite::Error::ToSqlConversionFailure(wrong_kind().into()));
            }
        }))
    }
}

fn cell(value: ValueRef<'_>) -> Result<Cell, rusqlite::Error> {
    Ok(match value {
        ValueRef::Null => Cell::Null,
        ValueRef::Integer(int) => Cell::Int(int),
        ValueRef::Text(_) => Cell::Text(value.as_str()?.into()),
        ValueRef::Blob(bytes) => Cell::Bytes(bytes.into()),
        ValueRef::Real(_) => {
            return Err(rusqlite::Error::FromSqlConversionFailure(0, value.data_type(), wrong_kind().into()));
        }
    })
}

/// What SQLite says, in the words that the rest of the backend understands.
pub(super) fn said(error: rusqlite::Error) -> sqlx::Error {
    match error {
        rusqlite::Error::SqliteFailure(error, message) => {
            let message = message.unwrap_or_else(|| error.to_string());
            sqlx::Error::Database(Box::new(Said { code: error.extended_code, message }))
        }
        other => sqlx::Error::Decode(other.into()),
    }
}

/// An error of SQLite's with its code, as PostgreSQL's have theirs.
#[derive(Debug)]
struct Said {
    code: i32,
    message: String,
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "(code: {}) {}", self.code, self.message)
    }
}

impl std::error::Error for Said {}

impl sqlx::error::DatabaseError for Said {
    fn message(&self) -> &str {
        &self.message
    }

    /// The primary code: what is more to it stands in the upper bits.
    fn code(&self) -> Option<Cow<'_, str>> {
        Some((self.code & 0xff).to_string().into())
    }

    fn as_error(&self) -> &(dyn std::error::Error + Send + Sync + 'static) {
        self
    }

    fn as_error_mut(&mut self) -> &mut (dyn std::error::Error + Send + Sync + 'static) {
        self
    }

    fn into_error(self: Box<Self>) -> Box<dyn std::error::Error + Send + Sync + 'static> {
        self
    }

    fn kind(&self) -> sqlx::error::ErrorKind {
        sqlx::error::ErrorKind::Other
    }
}

/// A file, for reading, and the way to more connections to it.
pub(crate) struct File {
    path: PathBuf,
    create: bool,
    idle: Mutex<Vec<Embedded>>,
    patient: Arc<Semaphore>,
}

impl File {
    /// The file that `url` names: `sqlite:` and its path, as it is.
    pub(super) async fn open(url: &str, create: bool) -> Result<Arc<Self>, sqlx::Error> {
        let path = url.strip_prefix("sqlite:").unwrap_or(url);
        let path = path.strip_prefix("//").unwrap_or(path);
        if path.is_empty() {
            return Err(sqlx::Error::Configuration("a URL of SQLite is sqlite: and the path of a file".into()));
        }
        // A path that begins with a colon or a scheme means something else to SQLite.
        let path = Path::new(".").join(path);
        let file = Self { path, create, idle: Mutex::default(), patient: Arc::new(Semaphore::new(PATIENT)) };
        let file = Arc::new(file);
        let first = file.connect().map_err(said)?;
        file.rest(first);
        Ok(file)
    }

    fn connect(&self) -> Result<Embedded, rusqlite::Error> {
        let mut flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        flags.set(OpenFlags::SQLITE_OPEN_CREATE, self.create);
        let mut connection = Connection::open_with_flags(&self.path, flags)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        // The size counts only for a file that is new, and must be said before anything is written to it.
        connection.pragma_update(None, "page_size", PAGE_BYTES)?;
        connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
        // FULL: a commit that was told survives a power cut. WAL with NORMAL may lose the last ones.
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "foreign_keys", true)?;
        // What a statement would undo is kept in memory, and not in a file that is made and removed for each.
        connection.pragma_update(None, "temp_store", "MEMORY")?;
        connection.pragma_update_and_check(None, "wal_autocheckpoint", LONGEST_LOG, |_| Ok(()))?;
        // A plan that looked at bound values is made anew for other ones: each read by a verb was prepared again, as measured.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        let hasty = Arc::new(AtomicBool::new(false));
        let asked = Arc::clone(&hasty);
        connection.progress_handler(HASTY_STEPS, Some(move || asked.load(Ordering::Relaxed)))?;
        Ok(Embedded { connection, hasty })
    }

    /// A connection of its own, for the writer. It has all the time it needs.
    pub(super) fn writer(&self) -> Result<Embedded, sqlx::Error> {
        let embedded = self.connect().map_err(said)?;
        embedded.connection.pragma_update(None, "cache_size", WRITER_CACHE).map_err(said)?;
        Ok(embedded)
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Embedded>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn rest(&self, embedded: Embedded) {
        let mut idle = self.idle();
        if idle.len() < RESTING && !self.patient.is_closed() {
            idle.push(embedded);
        }
    }

    /// The rows that answer `sql`.
    pub(super) async fn fetch(self: &Arc<Self>, sql: &str, values: &[Value]) -> Result<Vec<Row>, sqlx::Error> {
        if self.patient.is_closed() {
            return Err(sqlx::Error::PoolClosed);
        }
        // Whoever reads again and again lets others go on between.
        tokio::task::coop::consume_budget().await;
        let rested = self.idle().pop();
        let rested = match rested {
            None => None,
            Some(mut embedded) => {
                embedded.in_haste(true).map_err(said)?;
                match embedded.fetch(sql, values) {
                    // Taken too long, or met another process's lock.
                    Err(rusqlite::Error::SqliteFailure(error, _)) if wants_time(error.code) => Some(embedded),
                    done => {
                        self.rest(embedded);
                        return done.map_err(said);
                    }
                }
            }
        };
        self.fetch_patiently(rested, Arc::from(sql), values.to_vec()).await
    }

    async fn fetch_patiently(
        self: &Arc<Self>,
        rested: Option<Embedded>,
        sql: Arc<str>,
        values: Vec<Value>,
    ) -> Result<Vec<Row>, sqlx::Error> {
        let done = timeout(WAIT, async {
            let seat = Arc::clone(&self.patient).acquire_owned().await.map_err(|_| sqlx::Error::PoolClosed)?;
            let file = Arc::clone(self);
            let read = tokio::task::spawn_blocking(move || {
                let mut embedded = rested.map_or_else(|| file.connect(), Ok).map_err(said)?;
                embedded.in_haste(false).map_err(said)?;
                let answer = embedded.fetch(&sql, &values).map_err(said);
                file.rest(embedded);
                drop(seat);
                answer
            });
            read.await.map_err(|_| sqlx::Error::WorkerCrashed)?
        });
        done.await.unwrap_or(Err(sqlx::Error::PoolTimedOut))
    }

    /// Folds what was committed into the file, without holding up who writes. Is the log so long that the writer should fold
    /// the rest?
    pub(super) async fn fold(self: &Arc<Self>) -> Result<bool, sqlx::Error> {
        let rested = self.idle().pop();
        let answer = self.fetch_patiently(rested, Arc::from(FOLD), Vec::new()).await?;
        Ok(answer.first().ok_or(sqlx::Error::RowNotFound)?.int(1)? >= LONG_LOG)
    }

    pub(super) fn is_open(&self) -> bool {
        !self.patient.is_closed()
    }

    /// Closes every connection that reads, once what is being read is.
    pub(super) async fn close(&self) {
        let all = self.patient.acquire_many(PATIENT as u32).await;
        self.patient.close();
        drop(all);
        self.idle().clear();
    }
}

fn wants_time(code: rusqlite::ErrorCode) -> bool {
    use rusqlite::ErrorCode::{DatabaseBusy, DatabaseLocked, OperationInterrupted};
    matches!(code, OperationInterrupted | DatabaseBusy | DatabaseLocked)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // a test that cannot go on should stop
mod tests {
    use super::*;

    fn ints(rows: &[Row]) -> Vec<i64> {
        rows.iter().map(|row| row.int(0).unwrap()).collect()
    }

    #[tokio::test]
    async fn values_are_bound_by_their_number_or_in_their_order() {
        let directory = tempfile::tempdir().unwrap();
        let file = File::open(&format!("sqlite:{}", directory.path().join("a.db").display()), true).await.unwrap();
        let values = [Value::Int(7), Value::Int(5)];
        for (sql, expected) in [("SELECT $2 - $1", -2), ("SELECT ? - ?", 2), ("SELECT $1 - $1", 0)] {
            assert_eq!(ints(&file.fetch(sql, &values).await.unwrap()), [expected], "{sql}");
        }
        assert!(file.fetch("SELECT $3", &values).await.is_err());
    }

    #[tokio::test]
    async fn a_long_read_is_broken_off_and_done_elsewhere() {
        let directory = tempfile::tempdir().unwrap();
        let file = File::open(&format!("sqlite:{}", directory.path().join("a.db").display()), true).await.unwrap();
        let sql =
            "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 100000) SELECT COUNT(*) FROM n";
        let mut embedded = file.idle().pop().unwrap();
        embedded.in_haste(true).unwrap();
        let broken = embedded.fetch(sql, &[]).err().unwrap();
        assert_eq!(broken.sqlite_error_code(), Some(rusqlite::ErrorCode::OperationInterrupted));
        file.rest(embedded);
        assert_eq!(ints(&file.fetch(sql, &[]).await.unwrap()), [100_000]);
        file.close().await;
        assert!(matches!(file.fetch(sql, &[]).await, Err(sqlx::Error::PoolClosed)));
    }

    #[tokio::test]
    async fn short_reads_are_never_broken_off() {
        let directory = tempfile::tempdir().unwrap();
        let file = File::open(&format!("sqlite:{}", directory.path().join("a.db").display()), true).await.unwrap();
        let mut embedded = file.idle().pop().unwrap();
        embedded.script("CREATE TABLE t (a TEXT PRIMARY KEY, b TEXT); INSERT INTO t VALUES ('x', 'y')").unwrap();
        embedded.in_haste(true).unwrap();
        for _ in 0..2_000 {
            assert_eq!(embedded.fetch("SELECT b, b, b FROM t WHERE a = $1", &[Value::text("x")]).unwrap().len(), 1);
        }
    }

    #[tokio::test]
    async fn a_statement_is_prepared_once_whatever_is_bound_to_it() {
        let directory = tempfile::tempdir().unwrap();
        let file = File::open(&format!("sqlite:{}", directory.path().join("a.db").display()), true).await.unwrap();
        let mut embedded = file.idle().pop().unwrap();
        embedded.script("CREATE TABLE t (a TEXT PRIMARY KEY, b BIGINT); CREATE INDEX t_by_b ON t (b, a)").unwrap();
        let sql = "SELECT a FROM t WHERE b = $1 AND a > $2 ORDER BY a LIMIT $3";
        for n in 0..10 {
            embedded.fetch(sql, &[Value::Int(n), Value::text(n.to_string()), Value::Int(n)]).unwrap();
        }
        assert_eq!(embedded.connection.prepare_cached(sql).unwrap().get_status(StatementStatus::RePrepare), 0);
    }

    /// Commits while the log is folded, so that never all of it is. Was it long?
    async fn commit_beside_a_fold(file: &Arc<File>, writer: &mut Embedded) -> bool {
        writer.begin().unwrap();
        writer.fetch("INSERT INTO t VALUES (ZEROBLOB(1))", &[]).unwrap();
        let long = file.fold().await.unwrap();
        writer.commit().unwrap();
        long
    }

    #[tokio::test]
    async fn a_long_log_begins_anew_once_its_busy_writer_folds_it() {
        let directory = tempfile::tempdir().unwrap();
        let file = File::open(&format!("sqlite:{}", directory.path().join("a.db").display()), true).await.unwrap();
        let mut writer = file.writer().unwrap();
        writer.script("CREATE TABLE t (a BLOB)").unwrap();
        let bytes = Value::Int(LONG_LOG * PAGE_BYTES);
        writer.fetch("INSERT INTO t VALUES (ZEROBLOB($1))", &[bytes]).unwrap();
        for _ in 0..3 {
            assert!(commit_beside_a_fold(&file, &mut writer).await);
        }
        writer.fold().unwrap();
        commit_beside_a_fold(&file, &mut writer).await;
        assert!(!file.fold().await.unwrap(), "the log is short again");
    }

    #[tokio::test]
    async fn a_missing_file_is_made_only_where_that_was_asked_for() {
        let directory = tempfile::tempdir().unwrap();
        // Signs that mean something in a URL mean nothing in a path.
        let path = directory.path().join("a%20b?c#d.db");
        let url = format!("sqlite:{}", path.display());
        assert!(File::open(&url, false).await.is_err());
        assert!(File::open(&url, true).await.is_ok());
        assert!(path.exists());
        assert!(File::open("sqlite:", true).await.is_err());
    }
}
