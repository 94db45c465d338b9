//! The schema: which version the database has, which this program wants, and the way from one to the other.
//!
//! Migrations of both engines stand side by side and are part of the program. Each runs in a transaction of its own.

use crate::{
    backend::{Failure, Pool, Value, failure},
    error::OpenError,
};
use std::sync::Arc;

/// One step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Migration {
    /// The schema that it leads to.
    pub version: i64,
    /// Its name.
    pub name: &'static str,
    /// What it does on the engine at hand.
    pub sql: &'static str,
}

macro_rules! migrations {
    ($engine:literal: $($version:literal $name:literal),*) => {
        &[$(Migration { version: $version, name: $name, sql: include_str!(concat!("../migrations/", $engine, "/", $name, ".sql")) }),*]
    };
}

const SQLITE: &[Migration] = migrations!("sqlite": 1 "0001_first");
const POSTGRES: &[Migration] = migrations!("postgres": 1 "0001_first");

const _: () = assert!(SQLITE.len() == POSTGRES.len(), "migrations stand side by side");

fn all(pool: &Pool) -> &'static [Migration] {
    match pool.engine() {
        "sqlite" => SQLITE,
        _ => POSTGRES,
    }
}

/// The version that this program wants.
pub(crate) fn wanted() -> i64 {
    SQLITE.last().map_or(0, |migration| migration.version)
}

/// The version in the database, 0 if it has none of ours.
async fn found(pool: &Pool) -> Result<i64, OpenError> {
    match pool.fetch("SELECT number FROM meta WHERE name = $1", &[Value::text("schema")]).await {
        Ok(rows) => Ok(rows.first().map(|row| row.int(0)).transpose()?.unwrap_or(0)),
        // No such table: an empty database, or somebody else's.
        Err(error) if failure(&error) == Failure::Statement => Ok(0),
        Err(error) => Err(error.into()),
    }
}

/// Refuses a schema that this program does not know.
pub(crate) async fn check(pool: &Pool) -> Result<(), OpenError> {
    let (found, wanted) = (found(pool).await?, wanted());
    match found.cmp(&wanted) {
        std::cmp::Ordering::Equal => Ok(()),
        std::cmp::Ordering::Less if found == 0 => Err(OpenError::Empty { wanted }),
        std::cmp::Ordering::Less => Err(OpenError::Older { found, wanted }),
        std::cmp::Ordering::Greater => Err(OpenError::Newer { found, wanted }),
    }
}

/// Applies what is missing, or with `dry_run` only says it.
pub(crate) async fn migrate(pool: &Pool, dry_run: bool) -> Result<Vec<Migration>, OpenError> {
    let (found, wanted) = (found(pool).await?, wanted());
    if found > wanted {
        return Err(OpenError::Newer { found, wanted });
    }
    let missing: Vec<Migration> = all(pool).iter().filter(|migration| migration.version > found).copied().collect();
    if dry_run || missing.is_empty() {
        return Ok(missing);
    }
    let mut connection = pool.connect().await?;
    for migration in &missing {
        connection.begin().await?;
        let done = async {
            connection.script(migration.sql).await?;
            let note = Arc::from("UPDATE meta SET number = $1 WHERE name = 'schema'");
            connection.execute(note, vec![Value::Int(migration.version)]).await
        };
        match done.await {
            Ok(_) => connection.commit().await?,
            Err(error) => {
                let _ = connection.rollback().await;
                return Err(error.into());
            }
        }
    }
    connection.close().await;
    Ok(missing)
}
