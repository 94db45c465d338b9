//! What can go wrong, each variant a different thing that the caller does.

use std::sync::Arc;

/// A row contradicts itself, its MAC or its key: somebody else wrote it, or we have a bug. Never guessed around.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("inconsistent row in {table}, {id}: {reason}")]
pub struct Inconsistency {
    /// The table.
    pub table: &'static str,
    /// The row's key.
    pub id: String,
    /// What contradicts what.
    pub reason: String,
}

/// A read that gave no answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ReadError {
    /// The row is there and cannot be believed.
    #[error(transparent)]
    Inconsistent(#[from] Inconsistency),
    /// The database did not answer.
    #[error("the database did not answer: {0}")]
    Unavailable(Arc<sqlx::Error>),
}

impl ReadError {
    /// Is it what was read that is wrong, and not the reading?
    pub(crate) fn is_damage(&self) -> bool {
        match self {
            Self::Inconsistent(_) => true,
            Self::Unavailable(error) => matches!(**error, sqlx::Error::Decode(_) | sqlx::Error::ColumnDecode { .. }),
        }
    }
}

impl From<sqlx::Error> for ReadError {
    fn from(error: sqlx::Error) -> Self {
        Self::Unavailable(Arc::new(error))
    }
}

/// Why a unit was not done. Nothing of it is kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A row is not, or no longer, as the caller read it.
    #[error("{table} {id} is no longer as it was read")]
    Condition {
        /// The table.
        table: &'static str,
        /// The row's key.
        id: String,
    },
    /// Somebody did it before.
    #[error("spent: {0}")]
    Spent(String),
}

/// A unit that is not known to be kept.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CommitError {
    /// A condition or a spend failed; nothing is kept.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The queue is full: come again later. Nothing is kept.
    #[error("too much waits for the writer")]
    Busy,
    /// The connection broke while the commit was on its way. Never answer yes; read what is there.
    #[error("the connection broke during the commit: nobody knows whether it is kept")]
    Unknown,
    /// The writer is closed or cannot reach the database. Nothing is kept.
    #[error("the writer cannot reach the database: {0}")]
    Unavailable(String),
    /// A row that the unit needs could not be believed. Nothing is kept.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The database refused the unit's statement: a bug of ours. Nothing is kept.
    #[error("internal: {0}")]
    Internal(String),
}

impl CommitError {
    /// The key that was spent before, if that is why.
    pub fn spent(&self) -> Option<&str> {
        match self {
            Self::Refused(Refusal::Spent(key)) => Some(key),
            _ => None,
        }
    }
}

/// A store that must not be opened.
#[derive(Debug, Clone, thiserror::Error)]
pub enum OpenError {
    /// No connection.
    #[error("cannot open the database: {0}")]
    Unavailable(Arc<sqlx::Error>),
    /// No schema of ours.
    #[error("the database has no schema of ours: run `counterfoil migrate` (this program wants version {wanted})")]
    Empty {
        /// The version that this program wants.
        wanted: i64,
    },
    /// An older schema.
    #[error("the database has schema {found}, this program wants {wanted}: run `counterfoil migrate`")]
    Older {
        /// The version in the database.
        found: i64,
        /// The version that this program wants.
        wanted: i64,
    },
    /// A schema of a later program.
    #[error(
        "the database has schema {found}, this program knows {wanted}: a newer program has migrated it; run that one"
    )]
    Newer {
        /// The version in the database.
        found: i64,
        /// The version that this program wants.
        wanted: i64,
    },
    /// The log has lost leaves that we once signed.
    #[error(
        "the database is behind what was signed: the high-water file {file} says {marked} leaves in epoch {epoch}, the \
         database has {found}: it was rolled back or replaced. Restore the newer one, or remove the file to go on in a \
         new epoch"
    )]
    RolledBack {
        /// The high-water file.
        file: String,
        /// The epoch in that file.
        epoch: i64,
        /// The size in that file.
        marked: i64,
        /// The size in the database.
        found: i64,
    },
    /// The log's past was changed.
    #[error("the log's first {size} leaves are not those that were signed before (high-water file {file})")]
    Forked {
        /// The high-water file.
        file: String,
        /// The size at which they differ.
        size: i64,
    },
    /// The high-water file cannot be read or written.
    #[error("the high-water file {file}: {reason}")]
    HighWater {
        /// The high-water file.
        file: String,
        /// What is wrong.
        reason: String,
    },
    /// Something at the start could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The first commit failed.
    #[error("cannot begin to write: {0}")]
    Write(String),
}

impl From<sqlx::Error> for OpenError {
    fn from(error: sqlx::Error) -> Self {
        Self::Unavailable(Arc::new(error))
    }
}
