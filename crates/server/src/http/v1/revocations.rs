//! `GET /v1/revocations`: server-sent events with a cursor and a heartbeat each second (CONTRACT §6).
//!
//! A heartbeat is sent only when everything committed before it has been: it means "you have all there is".

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
    position: i64,
    ready: VecDeque<FeedEntry>,
    beat: tokio::time::Interval,
    due: bool,
}

/// Everything after the cursor, and then whatever comes.
pub async fn handle(State(app): State<Arc<App>>, _caller: ApiCaller, headers: HeaderMap) -> Result<Response, Problem> {
    let cursor = headers.get("last-event-id").and_then(|value| value.to_str().ok()).and_then(|text| text.parse().ok());
    let position = match cursor {
        Some(position) => position,
        None => app.store.feed_since(app.now().plus_seconds(-RELEVANT_SECONDS)).await?,
    };
    let reader = Reader { app, position, ready: VecDeque::new(), beat: tokio::time::interval(HEARTBEAT), due: true };
    let events = stream::unfold(reader, |mut reader| async move {
        let event = reader.next().await?;
        Some((Ok::<_, Infallible>(event), reader))
    });
    Ok(Sse::new(events).into_response())
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
                    return Some(
                        Event::default().id(entry.position.to_string()).event("revoked").data(data.to_string()),
                    );
                }
                continue;
            }
            signal.mark_unchanged();
            self.ready = self.app.store.feed(self.position, PAGE).await.ok()?.into();
            if !self.ready.is_empty() {
                continue;
            }
            if std::mem::take(&mut self.due) {
                return Some(Event::default().event("heartbeat").data("{}"));
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
