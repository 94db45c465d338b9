//! `GET /v1/revocations`: server-sent events with a cursor and a heartbeat each second (CONTRACT §6).
//!
//! A heartbeat is sent only when everything committed before it has been: it means "at this moment you had all there is".

use crate::{app::App, http::caller::ApiCaller, problem::Problem};
use axum::{
    extract::State,
    http::HeaderMap,
    response::{
        IntoResponse, Response,
        sse::{Event, Sse},
    },
};
use counterfoil_core::limits;
use counterfoil_store::FeedEntry;
use futures_util::stream;
use serde_json::json;
use std::{collections::VecDeque, convert::Infallible, sync::Arc, time::Duration};

/// Entries read at once.
const PAGE: u32 = 256;
/// The heartbeat; guards refuse writes after two seconds without one.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// Other nodes' entries are found by asking again.
const POLL: Duration = Duration::from_millis(400);
/// Nothing that a guard may still hold is older than a token's life.
const RELEVANT_SECONDS: i64 = 2 * limits::ACCESS_TOKEN_SECONDS;

struct Reader {
    app: Arc<App>,
    epoch: u64,
    position: i64,
    ready: VecDeque<FeedEntry>,
    beat: tokio::time::Interval,
    due: bool,
}

/// Everything after the cursor, and then whatever comes.
pub async fn handle(State(app): State<Arc<App>>, _caller: ApiCaller, headers: HeaderMap) -> Result<Response, Problem> {
    let (epoch, head) = (app.store.log().epoch().await?, app.store.feed_position().await?);
    let cursor = headers.get("last-event-id").map(|value| value.to_str().unwrap_or_default());
    let position = match begin(cursor, epoch, head) {
        Begin::After(position) => position,
        Begin::Oldest => 0,
        Begin::Recent => app.store.feed_since(app.now().plus_seconds(-RELEVANT_SECONDS)).await?,
    };
    let (ready, beat) = (VecDeque::new(), tokio::time::interval(HEARTBEAT));
    let reader = Reader { app, epoch, position, ready, beat, due: true };
    let events = stream::unfold(reader, |mut reader| async move {
        let event = reader.next().await?;
        Some((Ok::<_, Infallible>(event), reader))
    });
    Ok(Sse::new(events).into_response())
}

/// Where a stream begins.
#[derive(Debug, PartialEq, Eq)]
enum Begin {
    /// After what the caller has.
    After(i64),
    /// With the oldest entry that is kept: what the caller has is of another history of this database.
    Oldest,
    /// With whatever somebody without a cursor may still hold tokens of.
    Recent,
}

/// A cursor is `epoch.position`. After a restore positions are given a second time, so one of another epoch, or beyond the
/// feed's end, says nothing of what its holder has seen.
fn begin(cursor: Option<&str>, epoch: u64, head: i64) -> Begin {
    let Some(cursor) = cursor else { return Begin::Recent };
    let parsed = cursor.split_once('.').and_then(|(e, p)| Some((e.parse::<u64>().ok()?, p.parse::<i64>().ok()?)));
    match parsed {
        Some((of, position)) if of == epoch && (0..=head).contains(&position) => Begin::After(position),
        _ => Begin::Oldest,
    }
}

impl Reader {
    /// The next event; none when the database does not answer: the stream ends, and the guard's silence rule begins.
    async fn next(&mut self) -> Option<Event> {
        let mut signal = self.app.store.feed_signal();
        loop {
            if let Some(entry) = self.ready.pop_front() {
                self.position = entry.position;
                if matches!(entry.kind.as_str(), "login" | "token" | "key") {
                    let data = json!({"kind": entry.kind, "id": entry.value});
                    let cursor = format!("{}.{}", self.epoch, entry.position);
                    return Some(Event::default().id(cursor).event("revoked").data(data.to_string()));
                }
                continue;
            }
            signal.mark_unchanged();
            // Before it is read: what is committed from here on, the next heartbeat speaks of.
            let asked = self.app.now();
            self.ready = self.app.store.feed(self.position, PAGE).await.ok()?.into();
            if !self.ready.is_empty() {
                continue;
            }
            if std::mem::take(&mut self.due) {
                return Some(Event::default().event("heartbeat").data(json!({"at": asked}).to_string()));
            }
            tokio::select! {
                _ = self.beat.tick() => self.due = true,
                // Woken, or the sender is gone with the store: either way the next read tells.
                _ = signal.changed() => {}
                () = tokio::time::sleep(POLL) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_of_another_history_starts_over() {
        assert_eq!(begin(None, 2, 40), Begin::Recent);
        for (cursor, position) in [("2.0", 0), ("2.39", 39), ("2.40", 40)] {
            assert_eq!(begin(Some(cursor), 2, 40), Begin::After(position), "{cursor}");
        }
        for cursor in ["2.41", "1.12", "3.12", "2.-1", "12", "", "2.", "x.1", "2.1.1"] {
            assert_eq!(begin(Some(cursor), 2, 40), Begin::Oldest, "{cursor}");
        }
    }
}
