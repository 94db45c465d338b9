//! Reads that pages and guards begin with.

use crate::{Invitation, ReadError, Store, backend::Value};
use counterfoil_core::{id::SubjectId, time::Time};

impl Store {
    /// The position before the first entry of the feed that is not older than `since`.
    pub async fn feed_since(&self, since: Time) -> Result<i64, ReadError> {
        let sql = "SELECT position FROM feed WHERE at >= $1 ORDER BY position LIMIT 1";
        let rows = self.pool().fetch(sql, &[Value::time(since)]).await?;
        match rows.first() {
            Some(row) => Ok(row.int(0)? - 1),
            None => self.feed_position().await,
        }
    }

    /// Invitations of this person, used or not, newest first.
    pub async fn invitations_of(&self, subject: SubjectId) -> Result<Vec<Invitation>, ReadError> {
        self.many("WHERE subject = $1 ORDER BY id DESC LIMIT 20", &[Value::id(subject)]).await
    }
}
