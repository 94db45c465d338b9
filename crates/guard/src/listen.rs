//! Keeps the guard in touch with the issuer: metadata and keys first, then the stream of revocations, for ever.

use crate::Inner;
use crate::clock;
use crate::issuer::IssuerError;
use crate::revocations::News;
use crate::sse::Parser;
use http_body_util::BodyExt as _;
use std::sync::{PoisonError, Weak};
use std::time::Duration;

/// Heartbeats come each second; after this much silence the connection is given up. Longer than
/// [`crate::revocations::WRITES_SILENCE_MILLIS`]: writes stop first, a lost second does not cost a connection.
const GIVE_UP: Duration = Duration::from_secs(4);
/// Waits between attempts, growing to the last.
const WAITS_MILLIS: [u64; 4] = [50, 250, 500, 1_000];
/// Keys are read again this often, so that one that the issuer has withdrawn is forgotten.
const KEYS_AGE_MILLIS: u64 = 300_000;

/// Why the stream ended.
#[derive(Debug, thiserror::Error)]
enum StreamEnd {
    #[error(transparent)]
    Issuer(#[from] IssuerError),
    #[error("the stream is silent")]
    Silent,
    #[error("the stream ended")]
    Closed,
    #[error("the stream cannot be read: {0}")]
    Unreadable(String),
}

/// Runs until the last [`crate::Guard`] is gone.
pub(crate) async fn run(guard: Weak<Inner>) {
    let mut failures = 0_usize;
    loop {
        let Some(inner) = guard.upgrade() else { return };
        let mut heard = false;
        let end = follow(&inner, &mut heard).await;
        drop(inner);
        if heard {
            failures = 0;
            tracing::warn!(reason = %end, "the revocation stream was lost; writes stop in two seconds unless it comes back");
        } else {
            // Once is enough: an issuer that is down for an hour is one line, not thousands.
            if failures == 0 {
                tracing::warn!(reason = %end, "the issuer cannot be followed; the guard is not ready");
            }
            failures += 1;
        }
        let wait = WAITS_MILLIS[failures.min(WAITS_MILLIS.len() - 1)];
        tokio::time::sleep(Duration::from_millis(wait)).await;
    }
}

async fn follow(inner: &Inner, heard: &mut bool) -> StreamEnd {
    match read_stream(inner, heard).await {
        Ok(()) => StreamEnd::Closed,
        Err(end) => end,
    }
}

async fn read_stream(inner: &Inner, heard: &mut bool) -> Result<(), StreamEnd> {
    let cursor = lock(inner).cursor().map(str::to_owned);
    // Opening reads the keys anew, so a connection always begins with the issuer's present ones.
    let mut body = inner.link.open_revocations(cursor.as_deref()).await?.into_body();
    let mut parser = Parser::new();
    let mut keys_at = clock::monotonic();
    loop {
        let chunk = tokio::time::timeout(GIVE_UP, body.frame()).await.map_err(|_| StreamEnd::Silent)?;
        let Some(chunk) = chunk else { return Ok(()) };
        let chunk = chunk.map_err(|error| StreamEnd::Unreadable(error.to_string()))?;
        let Ok(bytes) = chunk.into_data() else { continue };
        let frames = parser.feed(&bytes).map_err(|error| StreamEnd::Unreadable(error.to_string()))?;
        let mut keys_revoked = false;
        for frame in frames {
            let news = lock(inner).hear(frame, clock::monotonic(), clock::now());
            let news = news.map_err(|error| StreamEnd::Unreadable(error.to_string()))?;
            keys_revoked |= news == News::Key;
            *heard = true;
        }
        if keys_revoked {
            inner.link.forget_keys();
        }
        if keys_revoked || clock::monotonic().millis_since(keys_at) > KEYS_AGE_MILLIS {
            keys_at = clock::monotonic();
            inner.link.discover().await?;
        }
    }
}

fn lock(inner: &Inner) -> std::sync::MutexGuard<'_, crate::revocations::Revocations> {
    inner.revocations.lock().unwrap_or_else(PoisonError::into_inner)
}
