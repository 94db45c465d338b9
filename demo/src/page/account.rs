//! One account: what is in it, where it pays out to, and what can be done.

use crate::Shared;
use crate::call::Reply;
use crate::ledger::account;
use crate::money;
use crate::operation::{Kind, Operation};
use crate::page::{Frame, page};
use crate::steps::{self, Visitor};
use askama::Template;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use serde_json::Value;

#[derive(Template)]
#[template(path = "account.html")]
struct AccountPage {
    frame: Frame,
    id: String,
    name: String,
    balance: String,
    payout: Option<Shown>,
    beneficiaries: Vec<(String, String)>,
}

struct Shown {
    creditor_name: String,
    iban: String,
    amount: String,
}

/// `GET /accounts/{id}`
pub async fn show(State(app): State<Shared>, Path(id): Path<String>, headers: HeaderMap) -> Response {
    if account(&id).is_none() {
        return StatusCode::NOT_FOUND.into_response();
    }
    let here = format!("/accounts/{id}");
    let Some(visitor) = Visitor::signed_in(&app, &headers) else { return crate::page::see_other("/") };
    match steps::ask(&app, &visitor, (Method::GET, format!("/api/accounts/{id}"), None)).await {
        Reply::Done(answer) => {
            let frame = Frame::new(&app, &headers, Some(&visitor.session));
            page(&app, StatusCode::OK, &read(frame, &answer))
        }
        Reply::InvalidToken => steps::sign_in_again(&app, &visitor, &here).await,
        other => steps::tell(&app, &visitor, &headers, None, other),
    }
}

fn read(frame: Frame, answer: &Value) -> AccountPage {
    let text =
        |value: &Value, pointer: &str| value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let payout = answer.get("payout").filter(|payout| payout.is_object()).map(|payout| Shown {
        creditor_name: text(payout, "/creditor_name"),
        iban: money::group_iban(&text(payout, "/iban")),
        amount: money::show(&text(payout, "/amount/currency"), &text(payout, "/amount/value"), frame.lang),
    });
    let list = answer.get("beneficiaries").and_then(Value::as_array).cloned().unwrap_or_default();
    AccountPage {
        id: text(answer, "/id"),
        name: text(answer, "/name"),
        balance: money::show(&text(answer, "/currency"), &text(answer, "/balance"), frame.lang),
        payout,
        beneficiaries: list.iter().map(|one| (text(one, "/name"), money::group_iban(&text(one, "/iban")))).collect(),
        frame,
    }
}

/// `POST /accounts/{id}/key-export`
pub async fn export_key(
    State(app): State<Shared>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let Some((visitor, _)) = steps::checked_form(&app, &headers, &body) else {
        return StatusCode::FORBIDDEN.into_response();
    };
    if account(&id).is_none() {
        return StatusCode::NOT_FOUND.into_response();
    }
    steps::perform(&app, &visitor, &headers, Operation { account: id, kind: Kind::ExportKey }, Default::default()).await
}
