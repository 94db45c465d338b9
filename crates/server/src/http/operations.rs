//! What operators and load balancers ask, and headers that every reply carries.

use crate::{
    app::App,
    listen::Peer,
    metrics::Gauges,
    problem::{Kind, Problem},
};
use axum::{
    extract::{ConnectInfo, State},
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Response},
};
use counterfoil_core::digest::Digest;
use std::sync::Arc;

/// What says that a proxy stands in between: its loopback address is not that of who asks.
const FORWARDED: [&str; 5] = ["forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-real-ip"];

/// The process runs.
pub async fn healthz() -> &'static str {
    "ok\n"
}

/// The process can answer: the database does, and what it says has been obeyed.
pub async fn readyz(State(app): State<Arc<App>>) -> Response {
    match app.store.feed_position().await {
        Ok(_) if !app.is_current(app.now()) => {
            tracing::error!("not ready: what changed could not be learnt");
            Problem::new(Kind::BUSY).into_response()
        }
        Ok(_) => "ready\n".into_response(),
        Err(error) => {
            tracing::error!(%error, "not ready");
            Problem::new(Kind::BUSY).into_response()
        }
    }
}

/// Replies are what they say they are, and nobody learns our addresses from a Referer.
pub fn security_headers(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.entry(header::X_CONTENT_TYPE_OPTIONS).or_insert(HeaderValue::from_static("nosniff"));
    headers.entry(header::REFERRER_POLICY).or_insert(HeaderValue::from_static("no-referrer"));
    response
}

/// Counters, for who collects them. They name nobody, and still tell how much is going on here.
pub async fn metrics(
    State(app): State<Arc<App>>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    headers: HeaderMap,
) -> Response {
    counted(&app, peer, &headers).await.unwrap_or_else(|problem| {
        let unauthenticated = problem.kind() == Kind::UNAUTHENTICATED;
        let mut refused = problem.into_response();
        if unauthenticated {
            // RFC 9110 §15.5.2.
            refused.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        refused
    })
}

async fn counted(app: &App, peer: Peer, headers: &HeaderMap) -> Result<Response, Problem> {
    may_collect(app, peer, headers)?;
    let load = app.store.load();
    let log = app.store.log();
    let last = log.last_checkpoint().await?;
    let now = Gauges {
        writer_queue: load.queued,
        writer_batches: load.batches,
        writer_units: load.units,
        log_waiting: log.waiting().await?,
        log_size: log.head().await?.size,
        checkpoint_age_seconds: last.map_or(0, |last| app.now().seconds_since(last.at)),
        engine: app.store.engine(),
    };
    let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    let mut response = app.metrics.render(&now).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// With the configured token; without one, whoever is on this machine and did not come through a proxy.
fn may_collect(app: &App, Peer(peer): Peer, headers: &HeaderMap) -> Result<(), Problem> {
    let Some(expected) = app.config.metrics_token_sha256 else {
        let near = peer.ip().is_loopback() && !FORWARDED.iter().any(|name| headers.contains_key(*name));
        return if near { Ok(()) } else { Err(Problem::new(Kind::FORBIDDEN).detail("metrics are for this machine")) };
    };
    let mut fields = headers.get_all(header::AUTHORIZATION).iter();
    let presented = match (fields.next().and_then(|field| field.to_str().ok()), fields.next()) {
        (Some(field), None) => field.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")),
        _ => None,
    };
    // Two hashes: an early exit of the comparison tells nothing that helps to guess a token.
    match presented {
        Some((_, token)) if Digest::of(token.trim().as_bytes()) == expected => Ok(()),
        _ => Err(Problem::new(Kind::UNAUTHENTICATED)),
    }
}

/// Notes how long a route took to answer, and with what.
pub fn measure<E>(
    app: Arc<App>,
    route: usize,
    answer: impl Future<Output = Result<Response, E>>,
) -> impl Future<Output = Result<Response, E>> {
    let begun = app.clock.mark();
    async move {
        let response = answer.await?;
        app.metrics.answered(route, response.status().as_u16(), begun.elapsed());
        Ok(response)
    }
}
