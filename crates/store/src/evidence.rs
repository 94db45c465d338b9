//! What evidence is put together from, read without any key: whoever verifies it needs none either, because the log commits
//! to all of it. Rows are handed on as they stand, of whatever epoch; their MACs are for those who act on them.

use crate::{
    PolicyVersion, RecordedDecision,
    backend::{Row, Value},
    decision,
    error::{Inconsistency, ReadError},
    log::{LogReader, LoggedEvent},
    table,
};
use counterfoil_core::{
    challenge::Challenge,
    digest::Digest,
    enrolled::Enrolled,
    id::{AuthenticatorId, ChallengeId, DecisionId},
};
use serde::de::DeserializeOwned;

/// Events of one challenge, decision or enrolment that are looked at; each has a handful.
const STORY_EVENTS: u32 = 256;

/// A row's JSON as the noun it is of.
fn body<T: DeserializeOwned>(table: &'static str, id: &str, text: &str) -> Result<T, ReadError> {
    let wrong = |error: serde_json::Error| Inconsistency { table, id: id.to_owned(), reason: error.to_string() };
    Ok(serde_json::from_str(text).map_err(wrong)?)
}

impl LogReader {
    /// The challenge of this identifier, whatever its epoch.
    pub async fn challenge(&self, id: ChallengeId) -> Result<Option<Challenge>, ReadError> {
        #[derive(serde::Deserialize)]
        struct Kept {
            body: Challenge,
        }
        let rows = self.pool().fetch("SELECT body FROM challenges WHERE id = $1", &[Value::id(id)]).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        let kept: Kept = body("challenges", &id.to_string(), &row.text(0)?)?;
        Ok(Some(kept.body))
    }

    /// Challenges that were proven, by identifier, after `after`.
    pub async fn proven_challenges(
        &self,
        after: Option<ChallengeId>,
        limit: u32,
    ) -> Result<Vec<ChallengeId>, ReadError> {
        let sql = "SELECT id FROM challenges WHERE id > $1 AND state = 'proven' ORDER BY id LIMIT $2";
        let after = after.map(|id| id.to_string()).unwrap_or_default();
        let rows = self.pool().fetch(sql, &[Value::text(&after), Value::Int(limit.into())]).await?;
        rows.iter()
            .map(|row| {
                let id = row.text(0)?;
                let wrong =
                    || Inconsistency { table: "challenges", id: id.clone(), reason: "no identifier".to_owned() };
                Ok(id.parse().map_err(|_| wrong())?)
            })
            .collect()
    }

    /// An authenticator's public record, also of one that was removed.
    pub async fn authenticator(&self, id: AuthenticatorId) -> Result<Option<Enrolled>, ReadError> {
        let rows = self.pool().fetch("SELECT body FROM authenticators WHERE id = $1", &[Value::id(id)]).await?;
        rows.first().map(|row| body("authenticators", &id.to_string(), &row.text(0)?)).transpose()
    }

    /// The decision of this identifier.
    pub async fn decision(&self, id: DecisionId) -> Result<Option<RecordedDecision>, ReadError> {
        let rows = self.decision_rows("WHERE id = $1", &[Value::id(id)]).await?;
        rows.first().map(decision::load).transpose()
    }

    /// Decisions after `after`, oldest first.
    pub async fn decisions(&self, after: Option<DecisionId>, limit: u32) -> Result<Vec<RecordedDecision>, ReadError> {
        let after = after.map(|id| id.to_string()).unwrap_or_default();
        let values = [Value::text(&after), Value::Int(limit.into())];
        self.decision_rows("WHERE id > $1 ORDER BY id LIMIT $2", &values).await?.iter().map(decision::load).collect()
    }

    async fn decision_rows(&self, rest: &str, values: &[Value]) -> Result<Vec<Row>, ReadError> {
        Ok(self.pool().fetch_built(decision::select(rest).into(), values).await?)
    }

    /// How many decisions are stored.
    pub async fn decision_count(&self) -> Result<u64, ReadError> {
        let rows = self.pool().fetch("SELECT COUNT(*) FROM decisions", &[]).await?;
        Ok(rows.first().map(|row| row.int(0)).transpose()?.and_then(|count| count.try_into().ok()).unwrap_or(0))
    }

    /// The stored pack of this content. Its version is the hash of its files, so that a reader can tell.
    pub async fn policy(&self, version: &Digest) -> Result<Option<PolicyVersion>, ReadError> {
        let rows = self.pool().fetch("SELECT body FROM policies WHERE version = $1", &[Value::id(version)]).await?;
        rows.first().map(|row| body(table::POLICIES.name, &version.to_string(), &row.text(0)?)).transpose()
    }

    /// The pack that is active, by its version.
    pub async fn active_policy(&self) -> Result<Option<Digest>, ReadError> {
        let rows = self.pool().fetch("SELECT policy_version FROM active", &[]).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        let text = row.text(0)?;
        let wrong = |_| Inconsistency { table: "active", id: text.clone(), reason: "no digest".to_owned() };
        Ok(Some(text.parse().map_err(wrong)?))
    }

    /// The first events about `kind:id`, oldest first: those of its beginning.
    pub async fn first_events_about(&self, about: &str) -> Result<Vec<LoggedEvent>, ReadError> {
        self.events_about_at_most(about, STORY_EVENTS).await
    }
}
