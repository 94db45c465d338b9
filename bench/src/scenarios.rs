//! What is asked of the server: evaluations by a protected API, with the tokens and keys that they need.

use crate::application::Application;
use crate::browser::Browser;
use crate::http_client::{Http, post};
use crate::load::{Good, Scenario};
use crate::passkey::Passkey;
use crate::ready::Demo;
use bytes::Bytes;
use http::{HeaderValue, Request, StatusCode};
use http_body_util::Full;
use serde_json::{Value, json};
use std::io::{Error, Result};

/// The AuthZEN endpoint.
pub const EVALUATION: &str = "/access/v1/evaluation";

/// A person signed in to the application: a browser, the client, and the access token it got.
pub struct Journey {
    /// The session.
    pub browser: Browser,
    /// The client.
    pub application: Application,
    /// An access token without a transaction.
    pub token: String,
}

impl Journey {
    /// Signs `user` in with password and code, or with her passkey once she has one.
    pub async fn begin(demo: &Demo, user: &Value, passkey: Option<&Passkey>) -> Result<Self> {
        let mut browser = Browser::open(demo).await?;
        let mut application = Application::of(demo).await?;
        let pushed = application.push(&[("acr_values", "aal2"), ("resource", demo.text("/pep/audience")?)]).await?;
        let next = browser.authorize(&application.client_id, &pushed.request_uri).await?;
        let callback = match passkey {
            None => browser.sign_in(&next, user).await?,
            Some(passkey) => browser.sign_in_with(&next, passkey).await?,
        };
        let token = application.exchange(&callback, &pushed).await?;
        Ok(Self { browser, application, token })
    }
}

/// The body of an evaluation for `user` with a verified access token.
pub fn evaluation(demo: &Demo, user: &Value, token: &str, action: &str, transaction: Option<&Value>) -> Value {
    let resource = &demo.ready["resources"][0];
    let mut body = json!({
        "subject": { "type": "user", "id": user["sub"] },
        "action": { "name": action },
        "resource": { "type": resource["type"], "id": resource["id"] },
        "context": { "access_token": token, "ip": "192.0.2.7", "user_agent": "bench/1" },
    });
    if let Some(transaction) = transaction {
        body["context"]["authorization_details"] = json!([transaction]);
    }
    body
}

/// A change of payout account, a different one for each number.
pub fn payout(demo: &Demo, number: u64) -> Value {
    let resource = &demo.ready["resources"][0];
    json!({
        "type": "payout_change",
        "resource": { "type": resource["type"], "id": resource["id"] },
        "creditor_name": "Nordwind Logistik GmbH",
        "iban": "DE89370400440532013000",
        "amount": { "currency": "EUR", "value": format!("{}.00", 100 + number % 9_000) },
    })
}

/// Asks the same evaluation again and again, with the API's key.
pub fn repeated(demo: &Demo, body: &Value, good: Good) -> Result<Scenario> {
    in_turn(demo, vec![Bytes::from(body.to_string())], good)
}

/// Asks these evaluations in turn, with the API's key.
pub fn in_turn(demo: &Demo, bodies: Vec<Bytes>, good: Good) -> Result<Scenario> {
    let authorization =
        HeaderValue::from_str(&format!("Bearer {}", demo.text("/pep/api_key")?)).map_err(Error::other)?;
    let host = HeaderValue::from_str(demo.host()).map_err(Error::other)?;
    let build = move |n: u64| {
        let body = usize::try_from(n).ok().and_then(|n| bodies.get(n % bodies.len()));
        let mut request = Request::new(Full::new(body.cloned().unwrap_or_default()));
        *request.method_mut() = http::Method::POST;
        *request.uri_mut() = http::Uri::from_static(EVALUATION);
        let headers = request.headers_mut();
        headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(http::header::AUTHORIZATION, authorization.clone());
        headers.insert(http::header::HOST, host.clone());
        request
    };
    Ok(Scenario { build: Box::new(build), good })
}

/// The answer permits.
pub fn permits(status: StatusCode, body: &[u8]) -> bool {
    status == StatusCode::OK && contains(body, br#""permit""#)
}

/// The answer asks for more proof.
pub fn steps_up(status: StatusCode, body: &[u8]) -> bool {
    status == StatusCode::OK && contains(body, br#""step_up""#)
}

/// A search instead of a parse: the generator shares the processors with what it measures.
fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

/// Asks once and returns the answer's size: the bare server answers as much.
pub async fn answer_bytes(demo: &Demo, scenario: &Scenario) -> Result<usize> {
    let mut http = Http::connect(demo.address()?, demo.host()).await?;
    let reply = http.send((scenario.build)(0)).await?;
    if (scenario.good)(reply.status, &reply.body) {
        return Ok(reply.body.len());
    }
    Err(Error::other(format!("unexpected answer: {} {}", reply.status, String::from_utf8_lossy(&reply.body))))
}

/// One evaluation, answered.
pub async fn evaluate(demo: &Demo, http: &mut Http, body: &Value) -> Result<Value> {
    let authorization = format!("Bearer {}", demo.text("/pep/api_key")?);
    let headers = [("content-type", "application/json"), ("authorization", authorization.as_str())];
    http.send(post(EVALUATION, demo.host(), &headers, body.to_string())?).await?.success(EVALUATION)
}
