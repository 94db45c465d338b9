//! `POST /access/v1/evaluation` (AuthZEN 1.0 §6, CONTRACT §4). A deny is 200; 4xx is for requests that cannot be read.

use crate::{
    app::App,
    extract,
    flows::{
        decide::Decided,
        evaluate::{self, Possession, Question},
        redeem,
    },
    http::{caller::ApiCaller, v1::redeem::check_name},
    problem::{Kind, Problem},
};
use axum::{
    Json,
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, header},
    response::{IntoResponse, Response},
};
use counterfoil_core::{
    assurance::{Acr, Tier},
    decision::{Asserted, Decision, NetworkFacts},
    digest::Digest,
    id::DecisionId,
    json, limits,
    requirement::{Missing, Requirement},
};
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::sync::Arc;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Decides, and spends where a permit of tier high or critical was asked with a `redemption_id`.
pub async fn handle(State(app): State<Arc<App>>, caller: ApiCaller, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let mut response = match answer(&app, caller, &parts.headers, body).await {
        Ok(Said::Decided(decided, reasons)) => Json(Answer::of(&app, &decided, reasons)).into_response(),
        Ok(Said::NotSpent(refusal)) => Json(refusal).into_response(),
        Err(problem) => problem.into_response(),
    };
    // AuthZEN §10.1: the caller's own identifier comes back.
    if let Some(id) = parts.headers.get(REQUEST_ID).filter(|id| id.len() <= limits::NAME_BYTES) {
        response.headers_mut().insert(REQUEST_ID, id.clone());
    }
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// What is answered.
enum Said {
    /// The decision; with the reason for operators, if the caller may read it.
    Decided(Box<Decided>, bool),
    /// It was a permit, and what it permits could not be spent.
    NotSpent(Value),
}

async fn answer(app: &App, caller: ApiCaller, headers: &HeaderMap, body: axum::body::Body) -> Result<Said, Problem> {
    caller.require("evaluate")?;
    extract::require_json(headers)?;
    let bytes = extract::read(body).await?;
    let document = json::parse_strict(&bytes, limits::JSON_DEPTH)
        .map_err(|error| Problem::new(Kind::INVALID_REQUEST).detail(error.to_string()))?;
    let question = question(document, caller.audience.clone())?;
    if question.redemption_id.is_some() {
        caller.require("redeem")?;
    }
    let now = app.now();
    let decided = evaluate::evaluate(app, &question, now).await?;
    if let Some(refusal) = spend(app, &question, &decided, now).await? {
        return Ok(Said::NotSpent(refusal));
    }
    Ok(Said::Decided(Box::new(decided), caller.may("reasons")))
}

/// A permit of tier high or critical is worth one act: it is spent before it is told.
async fn spend(
    app: &App,
    question: &Question,
    decided: &Decided,
    now: counterfoil_core::time::Time,
) -> Result<Option<Value>, Problem> {
    let Decision::Permit(permit) = &decided.decision else { return Ok(None) };
    if permit.grounds().tier < Some(Tier::High) {
        return Ok(None);
    }
    let (Some(token), Some(transaction), Some(name)) =
        (&question.access_token, permit.transaction(), &question.redemption_id)
    else {
        return Err(Problem::internal("a permit of tier high without token, transaction or redemption_id"));
    };
    let spend = redeem::Spend {
        audience: question.audience.clone(),
        access_token: token.clone(),
        dpop: None,
        txn_digest: transaction.digest(),
        redemption_id: name.clone(),
    };
    match redeem::redeem(app, &spend, now).await {
        Ok(_) => Ok(None),
        Err(problem) if problem.kind().status.is_client_error() => Ok(Some(json!({
            "decision": false,
            "context": {
                "outcome": "deny",
                "decision_id": decided.id,
                "policy_version": decided.decision.grounds().policy_version,
                "reason_user": problem.kind().title,
                "error": problem.kind().name,
            }
        }))),
        Err(problem) => Err(problem),
    }
}

/// The answer (AuthZEN §6.2) with the context of CONTRACT §4.
#[derive(Serialize)]
struct Answer<'a> {
    decision: bool,
    context: Context<'a>,
}

#[derive(Serialize)]
struct Context<'a> {
    outcome: &'static str,
    decision_id: DecisionId,
    policy_version: Digest,
    reason_user: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason_admin: Option<&'a str>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    asked: Option<Asked<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    challenge_uri: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    would_take: Option<Asked<'a>>,
}

/// A requirement, as the wire names its parts.
#[derive(Serialize)]
struct Asked<'a> {
    acr_values: Acr,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_age: Option<i64>,
    transaction_bound: bool,
    approvers: u32,
    #[serde(skip_serializing_if = "is_false")]
    enrolment_needed: bool,
    #[serde(skip_serializing_if = "<[Missing]>::is_empty")]
    missing: &'a [Missing],
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes what it asks about by reference")]
const fn is_false(flag: &bool) -> bool {
    !*flag
}

impl<'a> Answer<'a> {
    fn of(app: &App, decided: &'a Decided, reasons: bool) -> Self {
        let grounds = decided.decision.grounds();
        let (asked, challenge_uri, would_take) = match &decided.decision {
            Decision::Permit(_) => (None, None, None),
            Decision::StepUp(step_up) => {
                (Some(&step_up.requirement), Some(app.issuer.join(&format!("/step-up/{}", decided.id))), None)
            }
            Decision::Deny(denial) => (None, None, denial.would_take.first()),
        };
        let context = Context {
            outcome: decided.decision.outcome().as_str(),
            decision_id: decided.id,
            policy_version: grounds.policy_version,
            reason_user: grounds.reason_user.get("en").map_or("", String::as_str),
            reason_admin: reasons.then_some(&grounds.reason_admin),
            asked: asked.map(Asked::of),
            challenge_uri,
            would_take: would_take.map(Asked::of),
        };
        Self { decision: matches!(decided.decision, Decision::Permit(_)), context }
    }
}

impl<'a> Asked<'a> {
    fn of(requirement: &'a Requirement) -> Self {
        Self {
            acr_values: requirement.acr,
            max_age: requirement.max_age_seconds,
            transaction_bound: requirement.transaction_bound,
            approvers: requirement.approvers,
            enrolment_needed: requirement.enrolment_needed,
            missing: &requirement.missing,
        }
    }
}

/// Reads the request. Members that are not known are ignored (AuthZEN §4), wrong types are not.
fn question(document: Value, audience: String) -> Result<Question, Problem> {
    let Value::Object(mut root) = document else { return Err(invalid("", "an object is expected")) };
    let mut subject = entity(&mut root, "subject")?;
    let mut action = entity(&mut root, "action")?;
    let mut resource = entity(&mut root, "resource")?;
    let mut context = match root.remove("context") {
        None => Map::new(),
        Some(Value::Object(context)) => context,
        Some(_) => return Err(invalid("/context", "an object is expected")),
    };
    let redemption_id = text(&mut context, "/context/redemption_id", "redemption_id")?;
    if let Some(name) = &redemption_id {
        check_name(name)?;
    }
    Ok(Question {
        audience,
        subject_type: required(&mut subject, "/subject/type", "type")?,
        subject: required(&mut subject, "/subject/id", "id")?,
        action: required(&mut action, "/action/name", "name")?,
        resource_type: required(&mut resource, "/resource/type", "type")?,
        resource_id: required(&mut resource, "/resource/id", "id")?,
        asserted: Asserted {
            subject: properties(&mut subject, "/subject/properties")?,
            resource: properties(&mut resource, "/resource/properties")?,
            action: properties(&mut action, "/action/properties")?,
        },
        access_token: long_text(&mut context, "/context/access_token", "access_token")?,
        dpop: possession(&mut context)?,
        transaction: transaction(&mut context)?,
        redemption_id,
        network: NetworkFacts {
            ip: text(&mut context, "/context/ip", "ip")?,
            user_agent: long_text(&mut context, "/context/user_agent", "user_agent")?,
            ja4: text(&mut context, "/context/ja4", "ja4")?,
        },
    })
}

fn invalid(pointer: &str, reason: &str) -> Problem {
    Problem::new(Kind::INVALID_REQUEST).pointer(pointer).detail(reason)
}

fn entity(root: &mut Map<String, Value>, name: &str) -> Result<Map<String, Value>, Problem> {
    match root.remove(name) {
        Some(Value::Object(entity)) => Ok(entity),
        Some(_) => Err(invalid(&format!("/{name}"), "an object is expected")),
        None => Err(invalid(&format!("/{name}"), "missing")),
    }
}

fn required(entity: &mut Map<String, Value>, pointer: &str, name: &str) -> Result<String, Problem> {
    match text(entity, pointer, name)? {
        Some(text) if !text.is_empty() => Ok(text),
        _ => Err(invalid(pointer, "missing or empty")),
    }
}

fn text(entity: &mut Map<String, Value>, pointer: &str, name: &str) -> Result<Option<String>, Problem> {
    bounded(entity, pointer, name, limits::NAME_BYTES)
}

fn long_text(entity: &mut Map<String, Value>, pointer: &str, name: &str) -> Result<Option<String>, Problem> {
    bounded(entity, pointer, name, counterfoil_oauth::access_token::TOKEN_BYTES)
}

fn bounded(
    entity: &mut Map<String, Value>,
    pointer: &str,
    name: &str,
    bytes: usize,
) -> Result<Option<String>, Problem> {
    match entity.remove(name) {
        None => Ok(None),
        Some(Value::String(text)) if text.len() > bytes => Err(invalid(pointer, "too long")),
        // No name has any, and PostgreSQL's TEXT holds no NUL.
        Some(Value::String(text)) if text.chars().any(char::is_control) => {
            Err(invalid(pointer, "control characters are not allowed"))
        }
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(invalid(pointer, "a string is expected")),
    }
}

fn properties(entity: &mut Map<String, Value>, pointer: &str) -> Result<Map<String, Value>, Problem> {
    match entity.remove("properties") {
        None => Ok(Map::new()),
        Some(Value::Object(properties)) => Ok(properties),
        Some(_) => Err(invalid(pointer, "an object is expected")),
    }
}

fn possession(context: &mut Map<String, Value>) -> Result<Option<Possession>, Problem> {
    match context.remove("dpop") {
        None => Ok(None),
        Some(Value::Object(mut dpop)) => {
            let missing = |pointer: &'static str| move || invalid(pointer, "missing");
            Ok(Some(Possession {
                proof: long_text(&mut dpop, "/context/dpop/proof", "proof")?
                    .ok_or_else(missing("/context/dpop/proof"))?,
                method: text(&mut dpop, "/context/dpop/method", "method")?
                    .ok_or_else(missing("/context/dpop/method"))?,
                uri: long_text(&mut dpop, "/context/dpop/uri", "uri")?.ok_or_else(missing("/context/dpop/uri"))?,
            }))
        }
        Some(_) => Err(invalid("/context/dpop", "an object is expected")),
    }
}

/// One object, as the API will execute it (DESIGN §5).
fn transaction(context: &mut Map<String, Value>) -> Result<Option<Value>, Problem> {
    match context.remove("authorization_details") {
        None => Ok(None),
        Some(Value::Array(mut list)) if list.len() == 1 => Ok(list.pop()),
        Some(_) => Err(invalid("/context/authorization_details", "an array of exactly one object is expected")),
    }
}
