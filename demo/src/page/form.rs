//! The two forms: another payout account, another beneficiary. What is wrong is said at its field, and nothing typed is lost.

use crate::Shared;
use crate::ledger::{Account, Amount, Beneficiary, Payout, account};
use crate::money;
use crate::operation::{Cheat, Kind, Operation};
use crate::page::{Frame, page, see_other};
use crate::steps::{self, Form, Visitor};
use askama::Template;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use http::{HeaderMap, StatusCode};

/// The longest name (SEPA: 70 characters).
const NAME_CHARACTERS: usize = 70;

/// A field as it stands in the form.
#[derive(Clone, Default)]
struct Field {
    value: String,
    error: Option<&'static str>,
}

impl Field {
    /// What was typed, read by `parse`, or the error beside it.
    fn read<T>(form: &Form, name: &str, error: &'static str, parse: impl Fn(&str) -> Option<T>) -> (Self, Option<T>) {
        let value = form.get(name).unwrap_or_default().to_owned();
        let parsed = parse(&value);
        let error = if parsed.is_none() { Some(error) } else { None };
        (Self { value, error }, parsed)
    }
}

#[derive(Template)]
#[template(path = "payout.html")]
struct PayoutPage {
    frame: Frame,
    account: &'static Account,
    creditor_name: Field,
    iban: Field,
    amount: Field,
}

#[derive(Template)]
#[template(path = "beneficiary.html")]
struct BeneficiaryPage {
    frame: Frame,
    account: &'static Account,
    creditor_name: Field,
    iban: Field,
}

fn name(text: &str) -> Option<String> {
    let name = text.trim();
    let fits = !name.is_empty() && name.chars().count() <= NAME_CHARACTERS && !name.chars().any(char::is_control);
    if fits { Some(name.to_owned()) } else { None }
}

/// `GET /accounts/{id}/payout`
pub async fn payout(State(app): State<Shared>, Path(id): Path<String>, headers: HeaderMap) -> Response {
    let Some(account) = account(&id) else { return StatusCode::NOT_FOUND.into_response() };
    let Some(visitor) = Visitor::signed_in(&app, &headers) else { return see_other("/") };
    let frame = Frame::new(&app, &headers, Some(&visitor.session));
    let (creditor_name, iban, amount) = Default::default();
    page(&app, StatusCode::OK, &PayoutPage { frame, account, creditor_name, iban, amount })
}

/// `POST /accounts/{id}/payout`
pub async fn change_payout(
    State(app): State<Shared>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let Some((visitor, form)) = steps::checked_form(&app, &headers, &body) else {
        return StatusCode::FORBIDDEN.into_response();
    };
    let Some(account) = account(&id) else { return StatusCode::NOT_FOUND.into_response() };
    let frame = Frame::new(&app, &headers, Some(&visitor.session));
    let (creditor_name, read_name) = Field::read(&form, "creditor_name", frame.t.name_wrong, name);
    let (iban, read_iban) = Field::read(&form, "iban", frame.t.iban_wrong, money::parse_iban);
    let (amount, read_amount) = Field::read(&form, "amount", frame.t.amount_wrong, money::parse_amount);
    let (Some(name), Some(number), Some(value)) = (read_name, read_iban, read_amount) else {
        let page_with_errors = PayoutPage { frame, account, creditor_name, iban, amount };
        return page(&app, StatusCode::UNPROCESSABLE_ENTITY, &page_with_errors);
    };
    let amount = Amount { currency: account.currency.to_owned(), value };
    let kind = Kind::ChangePayout(Payout { creditor_name: name, iban: number, amount });
    let cheat = Cheat::named(form.get("cheat").unwrap_or_default());
    steps::perform(&app, &visitor, &headers, Operation { account: id, kind }, cheat).await
}

/// `GET /accounts/{id}/beneficiary`
pub async fn beneficiary(State(app): State<Shared>, Path(id): Path<String>, headers: HeaderMap) -> Response {
    let Some(account) = account(&id) else { return StatusCode::NOT_FOUND.into_response() };
    let Some(visitor) = Visitor::signed_in(&app, &headers) else { return see_other("/") };
    let frame = Frame::new(&app, &headers, Some(&visitor.session));
    let (creditor_name, iban) = Default::default();
    page(&app, StatusCode::OK, &BeneficiaryPage { frame, account, creditor_name, iban })
}

/// `POST /accounts/{id}/beneficiary`
pub async fn add_beneficiary(
    State(app): State<Shared>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let Some((visitor, form)) = steps::checked_form(&app, &headers, &body) else {
        return StatusCode::FORBIDDEN.into_response();
    };
    let Some(account) = account(&id) else { return StatusCode::NOT_FOUND.into_response() };
    let frame = Frame::new(&app, &headers, Some(&visitor.session));
    let (creditor_name, read_name) = Field::read(&form, "creditor_name", frame.t.name_wrong, name);
    let (iban, read_iban) = Field::read(&form, "iban", frame.t.iban_wrong, money::parse_iban);
    let (Some(name), Some(number)) = (read_name, read_iban) else {
        let page_with_errors = BeneficiaryPage { frame, account, creditor_name, iban };
        return page(&app, StatusCode::UNPROCESSABLE_ENTITY, &page_with_errors);
    };
    let kind = Kind::AddBeneficiary(Beneficiary { name, iban: number });
    steps::perform(&app, &visitor, &headers, Operation { account: id, kind }, Cheat::None).await
}
