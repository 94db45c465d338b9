//! The only module that knows there are two engines: connections, values, rows, and which errors mean what.
//!
//! Every statement is one text for both: `$1` placeholders, TEXT, BIGINT and bytes. What differs (how a transaction
//! begins, how a connection is opened, how many rows go into one statement and how they are written there, which error
//! code says "run it again") stands here and nowhere else.

use crate::table::{Kind, Table};
use sqlx::{
    AssertSqlSafe, Connection as _, Executor as _, PgConnection, Postgres, Row as _,
    postgres::{PgArguments, PgDatabaseError, PgRow, PgSeverity},
};
use std::{sync::Arc, time::Duration};

/// Rows of one statement of SQLite at most; and values of any, far below SQLite's bound of 32,766.
const ROWS: usize = 64;
const VALUES: usize = 8_192;
/// About as long as a disk takes to keep a commit. What waits is told that much later, and more of it by one commit.
const ASIDE: Duration = Duration::from_micros(200);

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
    /// The number of an event of the unit in that run: so many behind its first.
    Number(u64),
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

    fn as_text(&self) -> Result<Option<&str>, sqlx::Error> {
        match self {
            Self::Text(text) => Ok(Some(text)),
            Self::NoText => Ok(None),
            _ => Err(wrong_kind()),
        }
    }

    fn as_int(&self) -> Result<Option<i64>, sqlx::Error> {
        match self {
            Self::Int(int) => Ok(Some(*int)),
            Self::NoInt => Ok(None),
            _ => Err(wrong_kind()),
        }
    }

    fn as_bytes(&self) -> Result<Option<&[u8]>, sqlx::Error> {
        match self {
            Self::Bytes(bytes) => Ok(Some(bytes)),
            Self::NoBytes => Ok(None),
            _ => Err(wrong_kind()),
        }
    }

    pub(crate) const fn time(time: counterfoil_core::time::Time) -> Self {
        Self::Int(time.millis())
    }
}

fn wrong_kind() -> sqlx::Error {
    sqlx::Error::Encode("a value of another kind than its column's, or that only the writer can fill in".into())
}

/// What a failed statement means for the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    /// Two transactions met (40001, 40P01, SQLITE_BUSY): the same batch may run again.
    Again,
    /// The connection is gone or the server cannot do what it is asked now: nothing more can be said on it.
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
            // SQLite: BUSY and LOCKED.
            Some("5" | "6") => Failure::Again,
            // PostgreSQL: read-only after a switchover, shutting down, connection exceptions.
            Some(code) if code == "25006" || code.starts_with("57P") || code.starts_with("08") => Failure::Lost,
            // Query cancelled, a lock or resources not to be had: it is the server's trouble, whatever it was asked.
            Some(code) if code == "57014" || code == "55P03" || code.starts_with("53") => Failure::Lost,
            // SQLite: I/O error, disk full, cannot open.
            Some("10" | "13" | "14") => Failure::Lost,
            _ => Failure::Statement,
        },
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) | sqlx::Error::Encode(_) => Failure::Statement,
        _ => Failure::Lost,
    }
}

/// Is certainly nothing kept of a statement that is a transaction of its own and failed thus? It is where nothing was sent, and
/// where the server lives on to say so: what ends its process or all of it (FATAL, PANIC) may have come after the commit was written.
pub(crate) fn nothing_kept(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Encode(_) => true,
        sqlx::Error::Database(database) => database
            .try_downcast_ref::<PgDatabaseError>()
            .is_some_and(|error| error.severity() == PgSeverity::Error && speaks_of_the_statement(error.code())),
        _ => false,
    }
}

fn speaks_of_the_statement(code: &str) -> bool {
    // statement_completion_unknown, connection exceptions, operator intervention but for a cancelled query, internal errors.
    let others = ["40003", "08", "57", "XX"];
    code == "57014" || !others.iter().any(|other| code.starts_with(other))
}

/// One connection.
pub(crate) enum Connection {
    Sqlite(Box<embedded::Embedded>),
    Postgres(PgConnection),
}

/// One row of an answer.
pub(crate) enum Row {
    Sqlite(Vec<Cell>),
    Postgres(PgRow),
}

/// One value of a row of SQLite's.
pub(crate) enum Cell {
    Text(Box<str>),
    Int(i64),
    Bytes(Box<[u8]>),
    Null,
}

type Query<'q> = sqlx::query::Query<'q, Postgres, PgArguments>;

fn bound<'q>(mut query: Query<'q>, values: &[Value]) -> Result<Query<'q>, sqlx::Error> {
    for value in values {
        query = match value {
            Value::Text(text) => query.bind(text.clone()),
            Value::Int(int) => query.bind(*int),
            Value::Bytes(bytes) => query.bind(bytes.clone()),
            Value::NoText => query.bind(None::<String>),
            Value::NoInt => query.bind(None::<i64>),
            Value::NoBytes => query.bind(None::<Vec<u8>>),
            Value::Epoch | Value::Run | Value::Number(_) => return Err(wrong_kind()),
        };
    }
    Ok(query)
}

/// One array for each column.
fn bound_arrays<'q>(
    mut query: Query<'q>,
    kinds: impl Iterator<Item = Kind>,
    rows: &'q [Vec<Value>],
) -> Result<Query<'q>, sqlx::Error> {
    for (at, kind) in kinds.enumerate() {
        let column = rows.iter().map(|row| row.get(at).unwrap_or(&Value::NoText));
        query = match kind {
            Kind::Text => query.bind(column.map(Value::as_text).collect::<Result<Vec<_>, _>>()?),
            Kind::Int => query.bind(column.map(Value::as_int).collect::<Result<Vec<_>, _>>()?),
            Kind::Bytes => query.bind(column.map(Value::as_bytes).collect::<Result<Vec<_>, _>>()?),
        };
    }
    Ok(query)
}

mod embedded;
mod pool;
mod server;

pub(crate) use pool::Pool;

async fn postgres_rows(
    connection: &mut PgConnection,
    sql: Arc<str>,
    values: &[Value],
) -> Result<Vec<Row>, sqlx::Error> {
    Ok(bound(sqlx::query(AssertSqlSafe(sql)), values)?
        .fetch_all(connection)
        .await?
        .into_iter()
        .map(Row::Postgres)
        .collect())
}

/// As many of `left` rows as the bounds allow.
fn sqlite_rows(left: usize, width: usize) -> usize {
    left.clamp(1, ROWS.min(VALUES / width.max(1)).max(1))
}

/// `VALUES (?, ?), (?, ?)`. Without numbers, because SQLite takes `$1` for a name and finds each of them by a walk
/// through all: a tenth of a writer's time, as measured.
fn placeholders(rows: usize, width: usize) -> String {
    let row = format!("({})", vec!["?"; width].join(", "));
    format!("VALUES {}", vec![row; rows].join(", "))
}

/// The n-th parameter of PostgreSQL's as values of one column.
fn array(kind: Kind, n: usize) -> String {
    let kind = match kind {
        Kind::Text => "TEXT",
        Kind::Int => "BIGINT",
        Kind::Bytes => "BYTEA",
    };
    format!("${n}::{kind}[]")
}

/// `SELECT * FROM UNNEST($1::TEXT[], $2::BIGINT[]) AS u (column1, column2)`.
fn arrays(kinds: &[Kind]) -> String {
    let arrays: Vec<String> = kinds.iter().zip(1..).map(|(kind, n)| array(*kind, n)).collect();
    let columns: Vec<String> = (1..=kinds.len()).map(|n| format!("column{n}")).collect();
    format!("SELECT * FROM UNNEST({}) AS u ({})", arrays.join(", "), columns.join(", "))
}

/// PostgreSQL's text that adds rows to all of these tables if `fence`, which has so many parameters, finds its row; it answers
/// with that.
pub(crate) fn adding(fence: &str, mut parameters: usize, tables: &[&'static Table]) -> Arc<str> {
    let mut text = format!("WITH fence AS ({fence})");
    for (n, table) in tables.iter().enumerate() {
        let mut columns = Vec::with_capacity(table.columns.len());
        for (_, kind) in table.columns {
            parameters += 1;
            columns.push(format!("UNNEST({})", array(*kind, parameters)));
        }
        let (name, list, columns) = (table.name, table.list(), columns.join(", "));
        text.push_str(&format!(", added{n} AS (INSERT INTO {name} ({list}) SELECT {columns} FROM fence)"));
    }
    text.push_str(" SELECT * FROM fence");
    text.into()
}

/// Writing a column to itself is the one lock that every PostgreSQL-compatible engine has.
fn locking(table: &str, columns: &[&str], rows: &str) -> String {
    let last = columns.last().copied().unwrap_or_default();
    let (equal, columns) = (equal(table, columns), columns.join(", "));
    format!("UPDATE {table} SET {last} = {table}.{last} FROM ({rows}) AS v WHERE {equal} RETURNING {columns}")
}

/// Who writes to SQLite holds all of it. A CROSS JOIN goes from the values to the rows, by their key.
fn looking(table: &str, columns: &[&str], rows: &str) -> String {
    let equal = equal(table, columns);
    let columns: Vec<String> = columns.iter().map(|column| format!("{table}.{column}")).collect();
    format!("SELECT {} FROM ({rows}) AS v CROSS JOIN {table} WHERE {equal}", columns.join(", "))
}

fn equal(table: &str, columns: &[&str]) -> String {
    let equal: Vec<String> = columns.iter().zip(1..).map(|(c, n)| format!("{table}.{c} = v.column{n}")).collect();
    equal.join(" AND ")
}

impl Connection {
    /// Lets others run before a transaction begins. SQLite's writer has a thread of its own; PostgreSQL's waits for the server anyway.
    pub(crate) fn step_aside(&self) {
        if let Self::Sqlite(_) = self {
            std::thread::sleep(ASIDE);
        }
    }

    /// Begins a transaction that will write. SQLite takes its lock at once, so that it never has to upgrade one.
    pub(crate) async fn begin(&mut self) -> Result<(), sqlx::Error> {
        match self {
            Self::Sqlite(embedded) => embedded.begin().map_err(embedded::said),
            Self::Postgres(connection) => connection.execute("BEGIN ISOLATION LEVEL READ COMMITTED").await.map(drop),
        }
    }

    /// Commits. Any error means: unknown whether.
    pub(crate) async fn commit(&mut self) -> Result<(), sqlx::Error> {
        match self {
            Self::Sqlite(embedded) => embedded.commit().map_err(embedded::said),
            Self::Postgres(connection) => connection.execute("COMMIT").await.map(drop),
        }
    }

    /// Gives up the transaction.
    pub(crate) async fn rollback(&mut self) -> Result<(), sqlx::Error> {
        match self {
            Self::Sqlite(embedded) => embedded.rollback().map_err(embedded::said),
            Self::Postgres(connection) => connection.execute("ROLLBACK").await.map(drop),
        }
    }

    /// Folds what SQLite has committed into its file, here and now, so that its log can begin anew.
    pub(crate) fn fold(&mut self) -> Result<(), sqlx::Error> {
        let Self::Sqlite(embedded) = self else { return Ok(()) };
        embedded.fold().map_err(embedded::said)
    }

    /// Runs several statements of a migration, unprepared.
    pub(crate) async fn script(&mut self, sql: &'static str) -> Result<(), sqlx::Error> {
        match self {
            Self::Sqlite(embedded) => embedded.script(sql).map_err(embedded::said),
            Self::Postgres(connection) => connection.execute(sqlx::raw_sql(sql)).await.map(drop),
        }
    }

    /// Runs `sql`.
    pub(crate) async fn execute(&mut self, sql: Arc<str>, values: Vec<Value>) -> Result<(), sqlx::Error> {
        self.fetch(sql, values).await.map(drop)
    }

    /// The rows that answer `sql`.
    pub(crate) async fn fetch(&mut self, sql: Arc<str>, values: Vec<Value>) -> Result<Vec<Row>, sqlx::Error> {
        match self {
            Self::Sqlite(embedded) => embedded.fetch(&sql, &values).map_err(embedded::said),
            Self::Postgres(connection) => postgres_rows(connection, sql, &values).await,
        }
    }

    /// How many of `left` rows of this width go into the next statement. SQLite takes as many as there are up to a bound, so
    /// that a usual batch is one statement and few texts are prepared; PostgreSQL takes arrays, so that one text is enough.
    pub(crate) fn rows_at_once(&self, left: usize, width: usize) -> usize {
        match self {
            Self::Sqlite(_) => sqlite_rows(left, width),
            Self::Postgres(_) => left.clamp(1, VALUES),
        }
    }

    /// Texts for the same number of rows are the same; on PostgreSQL all are.
    pub(crate) const fn shape(&self, rows: usize) -> usize {
        match self {
            Self::Sqlite(_) => rows,
            Self::Postgres(_) => 0,
        }
    }

    /// The rows as a table of values, its columns named `column1`, `column2` and so on.
    pub(crate) fn rows_of(&self, kinds: &[Kind], rows: usize) -> String {
        match self {
            Self::Sqlite(_) => placeholders(rows, kinds.len()),
            Self::Postgres(_) => arrays(kinds),
        }
    }

    /// How an INSERT begins. A unit that fails takes its whole transaction back, so SQLite need not keep the pages that each
    /// statement changes as they were before it.
    pub(crate) const fn insert(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "INSERT OR FAIL",
            Self::Postgres(_) => "INSERT",
        }
    }

    /// The text that finds which of `rows`, a table of values as from [`Self::rows_of`], stand in these columns of a table, and
    /// keeps them from changing until the transaction ends.
    pub(crate) fn holding(&self, table: &str, columns: &[&str], rows: &str) -> String {
        match self {
            Self::Sqlite(_) => looking(table, columns, rows),
            Self::Postgres(_) => locking(table, columns, rows),
        }
    }

    /// As [`Self::execute`], over `rows` of columns of these kinds.
    pub(crate) async fn execute_rows(
        &mut self,
        sql: Arc<str>,
        kinds: &[Kind],
        rows: &[Vec<Value>],
    ) -> Result<(), sqlx::Error> {
        match self {
            Self::Sqlite(_) => self.execute(sql, rows.concat()).await,
            Self::Postgres(connection) => {
                let query = sqlx::query(AssertSqlSafe(sql));
                bound_arrays(query, kinds.iter().copied(), rows)?.execute(connection).await.map(drop)
            }
        }
    }

    /// As [`Self::execute_rows`], with an answer.
    pub(crate) async fn fetch_rows(
        &mut self,
        sql: Arc<str>,
        kinds: &[Kind],
        rows: &[Vec<Value>],
    ) -> Result<Vec<Row>, sqlx::Error> {
        match self {
            Self::Sqlite(_) => self.fetch(sql, rows.concat()).await,
            Self::Postgres(connection) => {
                let query = sqlx::query(AssertSqlSafe(sql));
                let answer = bound_arrays(query, kinds.iter().copied(), rows)?.fetch_all(connection).await?;
                Ok(answer.into_iter().map(Row::Postgres).collect())
            }
        }
    }

    /// Can one statement add to several tables? PostgreSQL's can, which saves trips to the server; to SQLite there are none.
    pub(crate) const fn adds_at_once(&self) -> bool {
        matches!(self, Self::Postgres(_))
    }

    /// Adds rows to tables by a text that takes `values` first and then one array for each column: whether it answers with a row.
    pub(crate) async fn add_rows(
        &mut self,
        sql: Arc<str>,
        values: &[Value],
        additions: &[(&Table, &[Vec<Value>])],
    ) -> Result<bool, sqlx::Error> {
        let Self::Postgres(connection) = self else { return Err(wrong_kind()) };
        let mut query = bound(sqlx::query(AssertSqlSafe(sql)), values)?;
        for (table, rows) in additions {
            query = bound_arrays(query, table.columns.iter().map(|(_, kind)| *kind), rows)?;
        }
        Ok(query.fetch_optional(connection).await?.is_some())
    }

    /// Ends the connection.
    pub(crate) async fn close(self) {
        if let Self::Postgres(connection) = self {
            let _ = connection.close().await;
        }
    }
}

impl Row {
    /// The text in `column`, or nothing if it is null.
    pub(crate) fn maybe_text(&self, column: usize) -> Result<Option<String>, sqlx::Error> {
        match self {
            Self::Postgres(row) => row.try_get(column),
            Self::Sqlite(row) => match row.get(column) {
                Some(Cell::Text(text)) => Ok(Some((**text).to_owned())),
                Some(Cell::Null) => Ok(None),
                _ => Err(not_there(column)),
            },
        }
    }

    /// The text in `column`.
    pub(crate) fn text(&self, column: usize) -> Result<String, sqlx::Error> {
        self.maybe_text(column)?.ok_or_else(|| not_there(column))
    }

    /// The number in `column`, or nothing if it is null.
    pub(crate) fn maybe_int(&self, column: usize) -> Result<Option<i64>, sqlx::Error> {
        match self {
            Self::Postgres(row) => row.try_get(column),
            Self::Sqlite(row) => match row.get(column) {
                Some(Cell::Int(int)) => Ok(Some(*int)),
                Some(Cell::Null) => Ok(None),
                _ => Err(not_there(column)),
            },
        }
    }

    /// The number in `column`.
    pub(crate) fn int(&self, column: usize) -> Result<i64, sqlx::Error> {
        self.maybe_int(column)?.ok_or_else(|| not_there(column))
    }

    /// The bytes in `column`, or nothing if it is null.
    pub(crate) fn maybe_bytes(&self, column: usize) -> Result<Option<Vec<u8>>, sqlx::Error> {
        match self {
            Self::Postgres(row) => row.try_get(column),
            Self::Sqlite(row) => match row.get(column) {
                Some(Cell::Bytes(bytes)) => Ok(Some(bytes.to_vec())),
                Some(Cell::Null) => Ok(None),
                _ => Err(not_there(column)),
            },
        }
    }

    /// The bytes in `column`.
    pub(crate) fn bytes(&self, column: usize) -> Result<Vec<u8>, sqlx::Error> {
        self.maybe_bytes(column)?.ok_or_else(|| not_there(column))
    }
}

fn not_there(column: usize) -> sqlx::Error {
    sqlx::Error::Decode(format!("column {column} holds nothing, or something of another kind").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_rows_go_into_a_statement_as_the_bounds_allow() {
        assert_eq!([1, 2, 37, 64, 65, 256].map(|left| sqlite_rows(left, 3)), [1, 2, 37, 64, 64, 64]);
        assert_eq!(sqlite_rows(256, 256), 32);
    }

    #[test]
    fn a_condition_locks_where_others_may_write() {
        assert_eq!(
            locking("logins", &["id", "state"], "VALUES ($1, $2)"),
            "UPDATE logins SET state = logins.state FROM (VALUES ($1, $2)) AS v \
             WHERE logins.id = v.column1 AND logins.state = v.column2 RETURNING id, state"
        );
        assert_eq!(
            looking("logins", &["id", "state"], "VALUES (?, ?)"),
            "SELECT logins.id, logins.state FROM (VALUES (?, ?)) AS v CROSS JOIN logins \
             WHERE logins.id = v.column1 AND logins.state = v.column2"
        );
    }

    #[test]
    fn only_what_speaks_of_the_statement_says_that_nothing_is_kept() {
        for code in ["23505", "22003", "40001", "40P01", "25006", "25P02", "57014", "53100", "55P03"] {
            assert!(speaks_of_the_statement(code), "{code}");
        }
        for code in ["40003", "08006", "57P01", "57P02", "XX000", "XX001"] {
            assert!(!speaks_of_the_statement(code), "{code}");
        }
        assert!(nothing_kept(&wrong_kind()), "nothing was sent");
        for lost in [sqlx::Error::WorkerCrashed, sqlx::Error::Protocol("half an answer".to_owned())] {
            assert!(!nothing_kept(&lost), "{lost}");
        }
    }

    #[test]
    fn adding_is_one_statement_behind_its_fence() {
        let tables = [&crate::table::TILES, &crate::table::USERNAMES];
        assert_eq!(
            &*adding("UPDATE a SET b = $1 RETURNING b", 1, &tables),
            "WITH fence AS (UPDATE a SET b = $1 RETURNING b), \
             added0 AS (INSERT INTO tiles (level, tile, hashes) \
             SELECT UNNEST($2::BIGINT[]), UNNEST($3::BIGINT[]), UNNEST($4::BYTEA[]) FROM fence), \
             added1 AS (INSERT INTO usernames (username, subject) \
             SELECT UNNEST($5::TEXT[]), UNNEST($6::TEXT[]) FROM fence) SELECT * FROM fence"
        );
    }

    #[test]
    fn both_engines_name_the_columns_of_values_alike() {
        assert_eq!(placeholders(2, 2), "VALUES (?, ?), (?, ?)");
        assert_eq!(
            arrays(&[Kind::Text, Kind::Int]),
            "SELECT * FROM UNNEST($1::TEXT[], $2::BIGINT[]) AS u (column1, column2)"
        );
    }
}
