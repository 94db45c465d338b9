//! The yardstick: an axum server that parses the same body, answers the same size and does nothing else.

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use axum::{Router, serve};
use std::io::Result;
use tokio::net::TcpListener;

/// The path that it answers.
pub const PATH: &str = "/evaluation";

/// Serves on a free port of loopback, printing the address first; ends with the process.
pub async fn run(answer_bytes: usize) -> Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    println!("{}", listener.local_addr()?);
    serve(listener, router(answer_bytes)).await
}

fn router(answer_bytes: usize) -> Router {
    Router::new().route(PATH, post(answer)).with_state(body(answer_bytes))
}

/// A JSON object of exactly that many bytes, or the shortest one.
fn body(bytes: usize) -> Bytes {
    let frame = r#"{"decision":true,"fill":""}"#;
    let fill = "x".repeat(bytes.saturating_sub(frame.len()));
    Bytes::from(format!(r#"{{"decision":true,"fill":"{fill}"}}"#))
}

async fn answer(State(answer): State<Bytes>, request: Bytes) -> Response {
    match serde_json::from_slice::<serde_json::Value>(&request) {
        Ok(_) => ([(header::CONTENT_TYPE, "application/json")], answer).into_response(),
        Err(_) => StatusCode::BAD_REQUEST.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_has_the_wanted_size_and_is_json() {
        for bytes in [27, 28, 400, 4096] {
            let body = body(bytes);
            assert_eq!(body.len(), bytes);
            assert!(serde_json::from_slice::<serde_json::Value>(&body).is_ok());
        }
    }
}
