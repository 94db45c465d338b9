//! `POST /oauth/authorize`: the page's proof-bearing request uses the pushed request up.

use crate::{
    app::App,
    browser::Browser,
    flows::authorize::{self, FrontChannel},
    page::Next,
    problem::Problem,
};
use axum::{Json, extract::State};
use std::sync::Arc;

/// Where to go next.
pub async fn handle(State(app): State<Arc<App>>, browser: Browser<FrontChannel>) -> Result<Json<Next>, Problem> {
    authorize::authorize(&app, &browser).await.map(|next| Json(Next { next }))
}
