//! `POST /v1/redeem` and its report (CONTRACT §6).

use crate::{
    app::App,
    extract::{Named, StrictJson},
    flows::{evaluate::Possession, redeem},
    http::caller::ApiCaller,
    problem::{Kind, Problem},
};
use axum::{Json, extract::State};
use counterfoil_core::{audit::event::ReportedOutcome, digest::Digest, limits};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

/// What the API sends.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Body {
    access_token: String,
    dpop: DpopBody,
    txn_digest: Digest,
    redemption_id: String,
}

/// The proof that the API received, and the request it came with.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DpopBody {
    proof: String,
    method: String,
    uri: String,
}

impl From<DpopBody> for Possession {
    fn from(body: DpopBody) -> Self {
        Self { proof: body.proof, method: body.method, uri: body.uri }
    }
}

/// Spends, once.
pub async fn handle(
    State(app): State<Arc<App>>,
    caller: ApiCaller,
    StrictJson(body): StrictJson<Body>,
) -> Result<Json<Value>, Problem> {
    caller.require("redeem")?;
    check_name(&body.redemption_id)?;
    let spend = redeem::Spend {
        audience: caller.audience,
        access_token: body.access_token,
        dpop: Some(body.dpop.into()),
        txn_digest: body.txn_digest,
        redemption_id: body.redemption_id,
    };
    redeem::redeem(&app, &spend, app.now()).await.map(Json)
}

/// A name that nobody else can guess or run into: the API draws it at random.
pub fn check_name(name: &str) -> Result<(), Problem> {
    if (16..=limits::NAME_BYTES).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_graphic()) {
        Ok(())
    } else {
        Err(Problem::new(Kind::INVALID_REQUEST)
            .pointer("/redemption_id")
            .detail("16 to 256 printable ASCII characters, drawn at random"))
    }
}

/// What the API says became of it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    outcome: ReportedOutcome,
}

/// Executed or failed.
pub async fn report(
    State(app): State<Arc<App>>,
    caller: ApiCaller,
    Named(redemption_id): Named,
    StrictJson(body): StrictJson<Report>,
) -> Result<Json<Value>, Problem> {
    caller.require("redeem")?;
    redeem::report(&app, &caller.audience, &redemption_id, body.outcome, app.now()).await?;
    Ok(Json(json!({"outcome": body.outcome})))
}
