//! The writer's connection to SQLite: what need not be answered waits for what must.

use super::{Row, Value, wrong_kind};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, Sqlite, SqliteConnection};
use std::{collections::HashSet, sync::Arc};

/// How many texts of several statements are remembered before they are all forgotten.
const SCRIPTS: usize = 512;
const BEGIN: &str = "BEGIN IMMEDIATE";

/// SQLite runs in a thread of its own, and every hand-over to it and back costs more than a small statement. So a
/// statement whose answer nobody waits for goes with the next one whose answer somebody does.
pub(crate) struct Embedded {
    connection: SqliteConnection,
    unsent: Vec<(Arc<str>, Vec<Value>)>,
    /// Texts of several statements that came before. Only what comes again is worth preparing as one.
    scripts: HashSet<Arc<str>>,
}

impl Embedded {
    pub(super) fn new(connection: SqliteConnection) -> Self {
        Self { connection, unsent: Vec::new(), scripts: HashSet::new() }
    }

    /// Takes the lock with the first statement that goes.
    pub(super) fn begin(&mut self) {
        self.execute(Arc::from(BEGIN), Vec::new());
    }

    /// Keeps a statement that answers with no rows until something goes.
    pub(super) fn execute(&mut self, sql: Arc<str>, values: Vec<Value>) {
        self.unsent.push((sql, values));
    }

    /// Runs what waits; the rows are those of the last statement, since only that one may answer with any.
    async fn flush(&mut self) -> Result<Vec<Row>, sqlx::Error> {
        let statements = std::mem::take(&mut self.unsent);
        if statements.is_empty() {
            return Ok(Vec::new());
        }
        let texts: Vec<&str> = statements.iter().map(|(text, _)| &**text).collect();
        let script = in_order(&texts.join(";"));
        debug_assert_eq!(script.matches('?').count(), statements.iter().map(|(_, values)| values.len()).sum::<usize>());
        let mut answer = Vec::new();
        if let Some(script) = self.scripts.get(script.as_str()).cloned() {
            let values = statements.iter().flat_map(|(_, values)| values);
            answer = bound!(Sqlite, script, values).fetch_all(&mut self.connection).await?;
        } else {
            if self.scripts.len() == SCRIPTS {
                self.scripts.clear();
            }
            self.scripts.insert(Arc::from(script));
            for (text, values) in &statements {
                answer = bound!(Sqlite, Arc::clone(text), values).fetch_all(&mut self.connection).await?;
            }
        }
        Ok(answer.into_iter().map(Row::Sqlite).collect())
    }

    pub(super) async fn fetch(&mut self, sql: Arc<str>, values: Vec<Value>) -> Result<Vec<Row>, sqlx::Error> {
        if self.unsent.is_empty() {
            let answer = bound!(Sqlite, sql, &values).fetch_all(&mut self.connection).await?;
            return Ok(answer.into_iter().map(Row::Sqlite).collect());
        }
        self.execute(sql, values);
        self.flush().await
    }

    /// Several statements of a migration, unprepared.
    pub(super) async fn script(&mut self, sql: &'static str) -> Result<(), sqlx::Error> {
        self.flush().await?;
        self.connection.execute(sqlx::raw_sql(sql)).await.map(drop)
    }

    pub(super) async fn ping(&mut self) -> Result<(), sqlx::Error> {
        self.connection.ping().await
    }

    pub(super) async fn close(self) -> Result<(), sqlx::Error> {
        self.connection.close().await
    }

    pub(super) async fn commit(&mut self) -> Result<(), sqlx::Error> {
        self.flush().await?;
        self.connection.execute("COMMIT").await.map(drop)
    }

    pub(super) async fn rollback(&mut self) -> Result<(), sqlx::Error> {
        let begun = self.unsent.first().is_none_or(|(text, _)| &**text != BEGIN);
        self.unsent.clear();
        if begun { self.connection.execute("ROLLBACK").await.map(drop) } else { Ok(()) }
    }
}

/// `$1`, `$2` become `?`, `?`: in a script, numbers would count from its first statement.
fn in_order(sql: &str) -> String {
    let mut parts = sql.split('$');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + "?" + part.trim_start_matches(|c: char| c.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_placeholders_are_forgotten_in_a_script() {
        assert_eq!(in_order("BEGIN"), "BEGIN");
        assert_eq!(in_order("UPDATE a SET b = $1 WHERE c = $12;SELECT ?"), "UPDATE a SET b = ? WHERE c = ?;SELECT ?");
    }
}
