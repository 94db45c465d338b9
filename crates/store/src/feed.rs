//! What other nodes and guards must learn, in the order of commits: ended and contained logins, revoked tokens, and what
//! changed in what servers hold in memory. Positions follow commits, so a cursor misses nothing.

use crate::{backend::Value, error::ReadError, store::Store};
use counterfoil_core::time::Time;

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedEntry {
    /// Its place. The next question is for what comes after it.
    pub position: i64,
    /// When.
    pub at: Time,
    /// `login` (ended or contained), `token`, `key`, or `changed` (`<noun>:<id>`, for nodes only).
    pub kind: String,
    /// The identifier.
    pub value: String,
}

impl Store {
    /// The last position.
    pub async fn feed_position(&self) -> Result<i64, ReadError> {
        let rows = self.pool().fetch("SELECT position FROM feed_head WHERE name = 'feed'", &[]).await?;
        Ok(rows.first().map(|row| row.int(0)).transpose()?.unwrap_or(0))
    }

    /// What came after a position, at most `limit` entries.
    pub async fn feed(&self, after: i64, limit: u32) -> Result<Vec<FeedEntry>, ReadError> {
        let sql = "SELECT position, at, kind, value FROM feed WHERE position > $1 ORDER BY position LIMIT $2";
        let rows = self.pool().fetch(sql, &[Value::Int(after), Value::Int(limit.into())]).await?;
        rows.iter()
            .map(|row| {
                Ok(FeedEntry {
                    position: row.int(0)?,
                    at: Time::from_millis(row.int(1)?),
                    kind: row.text(2)?,
                    value: row.text(3)?,
                })
            })
            .collect()
    }
}
