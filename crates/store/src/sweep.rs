//! What is over goes, in small steps, so that tables do not grow for ever and nobody waits for it.

use crate::{
    backend::Value,
    error::{CommitError, ReadError},
    store::Store,
    table::{self, Table},
    tx::Tx,
    unit::Effect,
};
use counterfoil_core::{
    limits::{
        ACCESS_TOKEN_SECONDS, CEILING_REST_SECONDS, CODE_SECONDS, GUESS_MEMORY_SECONDS, GUESS_WINDOW_SECONDS,
        KNOWN_DEVICE_SECONDS, MAIL_GIVE_UP_SECONDS, MAIL_LEASE_SECONDS, RECOVERY_REST_SECONDS, REPLAY_MEMORY_SECONDS,
        SESSION_RECORD_SECONDS, TRANSACTION_TOKEN_SECONDS,
    },
    time::Time,
};

/// Rows that go in one step, of each table.
const STEP: i64 = 256;
/// Tokens stay this long after they end, for introspection and for the log's readers.
const TOKENS_SECONDS: i64 = 24 * 3600;
/// A challenge that nobody proved stays this long after its end, so that a page and an analyst can say what became of it.
/// What was proven is evidence and stays.
const CHALLENGES_SECONDS: i64 = 24 * 3600;
/// What people were told stays this long: longer than any rest period that counts from it.
const MESSAGES_SECONDS: i64 = 90 * 24 * 3600;
/// The feed's memory. Who was away for longer starts over.
const FEED_SECONDS: i64 = 24 * 3600;

/// Which rows are over, by a condition on `$1`. What is spent is remembered as long as its key can be offered again, which
/// is what `expires_at` of a spend says.
static OVER: &[(&Table, &str, i64)] = &[
    // What was judged in time may wait for its commit, and clocks of nodes differ.
    (&table::SPENDS, "expires_at < $1 ORDER BY expires_at", REPLAY_MEMORY_SECONDS),
    (&table::PUSHED_REQUESTS, "expires_at < $1 ORDER BY expires_at", REPLAY_MEMORY_SECONDS),
    (&table::CODES, "expires_at < $1 ORDER BY expires_at", REPLAY_MEMORY_SECONDS),
    (&table::TOKENS, "expires_at < $1 ORDER BY expires_at", TOKENS_SECONDS),
    (&table::KNOWN_DEVICES, "expires_at < $1 ORDER BY expires_at", 0),
    // What became of a session before it expired stays as long as that: an ended one is found by its handle.
    (&table::SESSIONS, "expires_at < $1 ORDER BY expires_at", SESSION_RECORD_SECONDS),
    // A guess that counts in no series only makes others wait.
    (&table::ATTEMPTS, "at < $1 AND authenticator IS NULL ORDER BY at", 2 * GUESS_WINDOW_SECONDS),
    (&table::ATTEMPTS, "at < $1 AND authenticator IS NOT NULL ORDER BY at", GUESS_MEMORY_SECONDS),
    (&table::BROWSERS, "at < $1 ORDER BY at", KNOWN_DEVICE_SECONDS),
    (&table::CHALLENGES, "expires_at < $1 AND state <> 'proven' ORDER BY expires_at", CHALLENGES_SECONDS),
    (&table::MESSAGES, "at < $1 ORDER BY at", MESSAGES_SECONDS),
    // Where nothing is configured that delivers, nobody gives them up.
    (&table::DELIVERIES, "due_at < $1 ORDER BY due_at", MESSAGES_SECONDS),
    (&table::FEED, "at < $1 ORDER BY position", FEED_SECONDS),
];

const _: () = {
    assert!(MESSAGES_SECONDS > CEILING_REST_SECONDS && MESSAGES_SECONDS > RECOVERY_REST_SECONDS);
    assert!(MESSAGES_SECONDS > MAIL_GIVE_UP_SECONDS + MAIL_LEASE_SECONDS);
    assert!(TOKENS_SECONDS > ACCESS_TOKEN_SECONDS + REPLAY_MEMORY_SECONDS, "a token that is swept is over everywhere");
    assert!(CHALLENGES_SECONDS > CODE_SECONDS + TRANSACTION_TOKEN_SECONDS + REPLAY_MEMORY_SECONDS);
    assert!(FEED_SECONDS > 2 * ACCESS_TOKEN_SECONDS, "a revocation is told for as long as what it revokes lives");
    assert!(SESSION_RECORD_SECONDS > ACCESS_TOKEN_SECONDS);
};

impl Store {
    /// One step; how many rows went. Call it again while it says more than nothing.
    pub async fn sweep(&self, now: Time) -> Result<u64, CommitError> {
        let mut tx = Tx::new(now);
        let mut gone = 0;
        for (table, over, margin_seconds) in OVER {
            let sql = format!("SELECT {} FROM {} WHERE {over} LIMIT $2", table.key_list(), table.name);
            let before = now.plus_seconds(-margin_seconds);
            let rows = self.pool().fetch_built(sql.into(), &[Value::time(before), Value::Int(STEP)]).await;
            for row in rows.map_err(ReadError::from)? {
                let mut key = Vec::with_capacity(table.keys);
                for (at, (_, kind)) in table.columns.iter().take(table.keys).enumerate() {
                    key.push(match kind {
                        table::Kind::Int => Value::Int(row.int(at).map_err(ReadError::from)?),
                        _ => Value::text(row.text(at).map_err(ReadError::from)?),
                    });
                }
                tx.effect(Effect::Delete { table, key });
                gone += 1;
            }
        }
        if gone > 0 {
            tx.keep(self).await?;
        }
        Ok(gone)
    }
}
