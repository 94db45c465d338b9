//! `POST /init`: the link of an invitation. The passkey that it leads to is added as every other, by `POST /init/passkey`.

use crate::{app::App, browser::Browser, flows::accept_invitation, page::enrol, problem::Problem};
use axum::{Json, extract::State};
use serde::Deserialize;
use std::sync::Arc;
use zeroize::Zeroizing;

/// What stood in the fragment of the link.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Link {
    secret: Zeroizing<String>,
}

/// Bring a link.
pub async fn accept(State(app): State<Arc<App>>, mut browser: Browser<Link>) -> Result<Json<enrol::Enrol>, Problem> {
    let secret = std::mem::take(&mut browser.body.secret);
    accept_invitation::accept(&app, &browser, &secret).await.map(Json)
}
