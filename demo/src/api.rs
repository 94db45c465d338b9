//! The treasury's protected API: what an API looks like behind the guard.
//!
//! | route | action | rule |
//! |---|---|---|
//! | `GET /api/accounts` | `balance.read` on each | signed in, then asked per account |
//! | `GET /api/accounts/{id}` | `balance.read` | action |
//! | `POST /api/accounts/{id}/beneficiaries` | `beneficiary.add` | action |
//! | `PUT /api/accounts/{id}/payout` | `payout.change` | transaction |
//! | `POST /api/accounts/{id}/key-export` | `key.export` | transaction |

use crate::ledger::{Account, Amount, Beneficiary, Ledger, Payout, RESOURCE_TYPE, account};
use axum::Router;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use bytes::Bytes;
use counterfoil_guard::{Caller, Guard, Permitted, Problem, Refusal, Resource, Spent, View};
use http::{StatusCode, header};
use serde::Serialize;
use serde_json::{Value, json};
use std::sync::Arc;

/// The transaction of `payout.change`, member for member as the policy pack's `payout_change` has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PayoutChange {
    r#type: &'static str,
    resource: AccountRef,
    creditor_name: String,
    iban: String,
    amount: Amount,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct AccountRef {
    r#type: &'static str,
    id: String,
}

impl PayoutChange {
    /// The transaction that changes `account_id`'s payout.
    pub fn new(account_id: &str, payout: Payout) -> Self {
        Self {
            r#type: "payout_change",
            resource: AccountRef { r#type: RESOURCE_TYPE, id: account_id.to_owned() },
            creditor_name: payout.creditor_name,
            iban: payout.iban,
            amount: payout.amount,
        }
    }
}

/// The transaction of `key.export`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KeyExport {
    r#type: &'static str,
    resource: AccountRef,
}

impl KeyExport {
    /// The transaction that exports `account_id`'s key.
    pub fn new(account_id: &str) -> Self {
        Self { r#type: "key_export", resource: AccountRef { r#type: RESOURCE_TYPE, id: account_id.to_owned() } }
    }
}

#[derive(Clone)]
struct Api {
    guard: Guard,
    ledger: Arc<Ledger>,
}

/// The routes, each with its rule.
pub fn routes(guard: &Guard, ledger: Arc<Ledger>) -> Router {
    let read = guard.action("balance.read", one_account);
    let add = guard.action("beneficiary.add", one_account);
    let change = guard.transaction("payout.change", payout_change);
    let export = guard.transaction("key.export", key_export);
    Router::new()
        .route("/api/accounts", get(list).layer(guard.signed_in()))
        .route("/api/accounts/{id}", get(show).layer(read))
        .route("/api/accounts/{id}/beneficiaries", post(add_beneficiary).layer(add))
        .route("/api/accounts/{id}/payout", put(change_payout).layer(change))
        .route("/api/accounts/{id}/key-export", post(export_key).layer(export))
        .with_state(Api { guard: guard.clone(), ledger })
}

/// The account that the path names. It must exist: policy is not asked about accounts that are not ours.
fn known(view: &View<'_>) -> Result<&'static Account, Refusal> {
    account(view.path("id")?).ok_or_else(|| Refusal::BadRequest("there is no such account".into()))
}

fn one_account(view: &View<'_>) -> Result<Resource, Refusal> {
    Ok(Resource::new(RESOURCE_TYPE, known(view)?.id))
}

fn payout_change(view: &View<'_>) -> Result<PayoutChange, Refusal> {
    let account = known(view)?;
    let payout: Payout = view.json()?;
    if payout.amount.currency != account.currency {
        return Err(Refusal::BadRequest(format!("this account is kept in {}", account.currency)));
    }
    Ok(PayoutChange::new(account.id, payout))
}

fn key_export(view: &View<'_>) -> Result<KeyExport, Refusal> {
    Ok(KeyExport::new(known(view)?.id))
}

async fn list(State(api): State<Api>, caller: Caller) -> Result<Response, Refusal> {
    let mut accounts = Vec::new();
    for account in crate::ledger::ACCOUNTS {
        match api.guard.evaluate(&caller, "balance.read", &Resource::new(RESOURCE_TYPE, account.id)).await {
            Ok(_permitted) => accounts.push(api.ledger.show(account)),
            // What may not be seen is left out; everything else is the answer to the whole question.
            Err(Refusal::Denied(_)) => {}
            Err(refusal) => return Err(refusal),
        }
    }
    Ok(answer(&json!({"accounts": accounts})))
}

async fn show(State(api): State<Api>, Path(id): Path<String>, _permitted: Permitted) -> Response {
    match account(&id) {
        Some(account) => answer(&api.ledger.show(account)),
        None => nothing_here(),
    }
}

async fn add_beneficiary(
    State(api): State<Api>,
    Path(id): Path<String>,
    _permitted: Permitted,
    body: Bytes,
) -> Response {
    let Ok(beneficiary) = serde_json::from_slice::<Beneficiary>(&body) else {
        return Problem::new(StatusCode::BAD_REQUEST, "invalid-request", "name and iban are expected").into_response();
    };
    match account(&id) {
        Some(account) if api.ledger.add_beneficiary(account, beneficiary) => answer(&json!({"added": true})),
        Some(_) => Problem::new(StatusCode::CONFLICT, "full", "there are too many beneficiaries").into_response(),
        None => nothing_here(),
    }
}

async fn change_payout(State(api): State<Api>, spent: Spent<PayoutChange>) -> Response {
    let receipt = spent.receipt().clone();
    // From here on only what was confirmed counts, not what the request said.
    let PayoutChange { resource, creditor_name, iban, amount, .. } = spent.into_value();
    let Some(account) = account(&resource.id) else { return nothing_here() };
    api.ledger.change_payout(account, Payout { creditor_name, iban, amount });
    answer(
        &json!({"changed": true, "txn": receipt.txn, "counterfoil": receipt.counterfoil, "decision_id": receipt.decision_id}),
    )
}

async fn export_key(spent: Spent<KeyExport>) -> Response {
    // There is no key in a demonstration; what it takes to get here is what it shows.
    let KeyExport { resource, .. } = spent.into_value();
    tracing::info!(account = %resource.id, "a key would have been exported");
    Problem::new(StatusCode::NOT_IMPLEMENTED, "not-built", "this treasury has no key to export").into_response()
}

fn nothing_here() -> Response {
    Problem::new(StatusCode::NOT_FOUND, "not-found", "there is no such account").into_response()
}

fn answer(value: &Value) -> Response {
    ([(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")], value.to_string())
        .into_response()
}
