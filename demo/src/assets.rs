//! The stylesheet, in the binary, under a name that changes with it.

use axum::response::{IntoResponse as _, Response};
use http::header;

/// Where it is. The number is raised when it changes, so that browsers may keep it for ever.
pub const STYLE_PATH: &str = "/style.1.css";

const STYLE: &str = include_str!("../assets/style.css");

/// `GET` of it.
pub async fn style() -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/css; charset=utf-8"),
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, STYLE).into_response()
}
