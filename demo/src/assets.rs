//! Stylesheet and icon, in the binary, under names that change with them.

use axum::response::{IntoResponse as _, Response};
use http::header;

/// Where the stylesheet is. The number is raised when it changes, so that browsers may keep it for ever.
pub const STYLE_PATH: &str = "/style.2.css";
/// Where the icon is.
pub const ICON_PATH: &str = "/icon.1.svg";

/// `GET` of the stylesheet.
pub async fn style() -> Response {
    asset("text/css; charset=utf-8", include_str!("../assets/style.css"))
}

/// `GET` of the icon.
pub async fn icon() -> Response {
    asset("image/svg+xml", include_str!("../assets/icon.svg"))
}

fn asset(kind: &'static str, content: &'static str) -> Response {
    let headers = [
        (header::CONTENT_TYPE, kind),
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, content).into_response()
}
