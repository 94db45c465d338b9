//! What became of it: done, or refused, and then by whom, why, and what can be done now.

use crate::ledger::account;
use crate::money;
use crate::operation::{Kind, Operation};
use crate::page::{Frame, page, see_other};
use crate::steps::{self, Visitor};
use crate::text::{Lang, Texts, Told};
use crate::{App, Shared};
use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use http::{HeaderMap, StatusCode};

/// How it ended. The name stands in the page too, for tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    Done,
    Refused,
    Expired,
    Spent,
    Altered,
    PolicyChanged,
    Contained,
    Denied,
    Unmet,
    Elsewhere,
    Disagrees,
    SignedOut,
    Invalid,
    Unavailable,
    Broken,
}

impl Ending {
    /// The ending of a confirmation that the issuer refused to spend, by the problem's name.
    pub fn of_problem(name: &str) -> Self {
        match name {
            "spent" => Self::Spent,
            "digest_mismatch" => Self::Altered,
            "policy_changed" => Self::PolicyChanged,
            "contained" => Self::Contained,
            "expired" => Self::Expired,
            _ => Self::Broken,
        }
    }

    /// The ending of a request that the issuer answered with an OAuth error.
    pub fn of_error(code: &str) -> Self {
        match code {
            "access_denied" => Self::Refused,
            "unmet_authentication_requirements" => Self::Unmet,
            "login_required" | "interaction_required" => Self::Elsewhere,
            "temporarily_unavailable" => Self::Unavailable,
            // The code, or the request behind it, has run out (RFC 6749 §5.2).
            "invalid_grant" | "invalid_request_uri" => Self::Expired,
            _ => Self::Broken,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Refused => "refused",
            Self::Expired => "expired",
            Self::Spent => "spent",
            Self::Altered => "altered",
            Self::PolicyChanged => "policy_changed",
            Self::Contained => "contained",
            Self::Denied => "denied",
            Self::Unmet => "unmet",
            Self::Elsewhere => "elsewhere",
            Self::Disagrees => "disagrees",
            Self::SignedOut => "signed_out",
            Self::Invalid => "invalid",
            Self::Unavailable => "unavailable",
            Self::Broken => "broken",
        }
    }

    const fn status(self) -> StatusCode {
        match self {
            Self::Done => StatusCode::OK,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::Broken | Self::Disagrees => StatusCode::BAD_GATEWAY,
            _ => StatusCode::FORBIDDEN,
        }
    }
}

/// What is shown at `/result`.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// How it ended.
    pub ending: Ending,
    /// What it was about.
    pub operation: Option<Operation>,
    /// Why, in the rules' or the API's words.
    pub reason: Option<String>,
    /// What it would take.
    pub acr_values: Option<String>,
    /// The number to ask with.
    pub decision_id: Option<String>,
    /// The number to keep.
    pub counterfoil: Option<String>,
}

impl Outcome {
    /// Of an ending alone.
    pub const fn of(ending: Ending, operation: Option<Operation>) -> Self {
        Self { ending, operation, reason: None, acr_values: None, decision_id: None, counterfoil: None }
    }

    fn is_confirmed_payout(&self) -> bool {
        let kind = self.operation.as_ref().map(|operation| &operation.kind);
        self.ending == Ending::Done && matches!(kind, Some(Kind::ChangePayout(_)))
    }

    fn told(&self, t: &'static Texts) -> &'static Told {
        match (self.ending, self.operation.as_ref().map(|operation| &operation.kind)) {
            (Ending::Done, Some(Kind::AddBeneficiary(_))) => &t.added,
            (Ending::Done, Some(Kind::ExportKey)) => &t.exported,
            (Ending::Done, _) => &t.done,
            (Ending::Refused, _) => &t.refused,
            (Ending::Expired, _) => &t.expired,
            (Ending::Spent, _) => &t.spent,
            (Ending::Altered, _) => &t.altered,
            (Ending::PolicyChanged, _) => &t.policy_changed,
            (Ending::Contained, _) => &t.contained,
            (Ending::Denied, _) => &t.denied,
            (Ending::Unmet, _) => &t.unmet,
            (Ending::Elsewhere, _) => &t.elsewhere,
            (Ending::Disagrees, _) => &t.disagrees,
            (Ending::SignedOut, _) => &t.signed_out,
            (Ending::Invalid, _) => &t.invalid,
            (Ending::Unavailable, _) => &t.unavailable,
            (Ending::Broken, _) => &t.broken,
        }
    }

    /// The values, in rows: an account that was not touched must be as plain as one that was.
    fn rows(&self, t: &'static Texts, lang: Lang) -> Vec<(&'static str, String)> {
        let Some(operation) = &self.operation else { return Vec::new() };
        let name = account(&operation.account).map_or(operation.account.as_str(), |account| account.name);
        let mut rows = vec![(t.account, name.to_owned())];
        match &operation.kind {
            Kind::ChangePayout(payout) => {
                rows.push((t.creditor_name, payout.creditor_name.clone()));
                rows.push((t.iban, money::group_iban(&payout.iban)));
                rows.push((t.amount, money::show(&payout.amount.currency, &payout.amount.value, lang)));
            }
            Kind::AddBeneficiary(beneficiary) => {
                rows.push((t.creditor_name, beneficiary.name.clone()));
                rows.push((t.iban, money::group_iban(&beneficiary.iban)));
            }
            Kind::ExportKey => {}
        }
        rows
    }
}

#[derive(Template)]
#[template(path = "result.html")]
struct ResultPage {
    frame: Frame,
    ending: &'static str,
    done: bool,
    told: &'static Told,
    rows: Vec<(&'static str, String)>,
    reason: Option<String>,
    takes: Option<&'static str>,
    decision_id: Option<String>,
    counterfoil: Option<String>,
    can_repeat: bool,
    tried: bool,
    back: String,
}

/// Renders an outcome.
pub fn render(app: &App, headers: &HeaderMap, visitor: Option<&Visitor>, outcome: &Outcome) -> Response {
    let session = visitor.map(|visitor| &visitor.session);
    let frame = Frame::new(app, headers, session);
    let t = frame.t;
    let takes = outcome.acr_values.as_deref().map(|acr| match acr {
        "phr" => t.acr_phr,
        "phrh" => t.acr_phrh,
        _ => t.acr_other,
    });
    let back = outcome
        .operation
        .as_ref()
        .map_or_else(|| "/".to_owned(), |operation| format!("/accounts/{}", operation.account));
    let template = ResultPage {
        ending: outcome.ending.name(),
        done: outcome.ending == Ending::Done,
        told: outcome.told(t),
        rows: outcome.rows(t, frame.lang),
        reason: outcome.reason.clone(),
        takes,
        decision_id: outcome.decision_id.clone(),
        counterfoil: outcome.counterfoil.clone(),
        can_repeat: outcome.is_confirmed_payout() && session.is_some_and(|session| session.used.is_some()),
        tried: outcome.ending == Ending::Altered,
        back,
        frame,
    };
    page(app, outcome.ending.status(), &template)
}

/// `GET /result`
pub async fn show(State(app): State<Shared>, headers: HeaderMap) -> Response {
    let Some((handle, session)) = app.sessions.find(&headers) else { return see_other("/") };
    let Some(outcome) = session.result.clone() else { return see_other("/") };
    render(&app, &headers, Some(&Visitor { handle, session }), &outcome)
}

/// `POST /again`: sends the last confirmation a second time.
pub async fn again(State(app): State<Shared>, headers: HeaderMap, body: Bytes) -> Response {
    let Some((visitor, _)) = steps::checked_form(&app, &headers, &body) else {
        return StatusCode::FORBIDDEN.into_response();
    };
    steps::use_again(&app, &visitor).await
}
