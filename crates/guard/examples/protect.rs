//! Protects an API: reading a balance by policy, changing a payout account by one confirmation each.
//!
//! `COUNTERFOIL_ISSUER=… COUNTERFOIL_AUDIENCE=… COUNTERFOIL_API_KEY=… cargo run -p counterfoil-guard --example protect`

use axum::Router;
use axum::routing::{get, put};
use counterfoil_guard::{Config, Credential, Guard, Refusal, Resource, Spent, View};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The transaction, member for member as its type in the policy pack has it.
#[derive(Serialize)]
struct PayoutChange {
    r#type: &'static str,
    resource: Value,
    creditor_name: String,
    iban: String,
    amount: Value,
}

/// The body that a client sends.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    creditor_name: String,
    iban: String,
    amount: Value,
}

fn account(request: &View<'_>) -> Result<Resource, Refusal> {
    Ok(Resource::new("account", request.path("id")?))
}

fn payout_change(request: &View<'_>) -> Result<PayoutChange, Refusal> {
    let Change { creditor_name, iban, amount } = request.json()?;
    let resource = json!({"type": "account", "id": request.path("id")?});
    Ok(PayoutChange { r#type: "payout_change", resource, creditor_name, iban, amount })
}

async fn balance() -> String {
    json!({"balance": "1200.00"}).to_string()
}

async fn change_payout(change: Spent<PayoutChange>) -> String {
    // Whoever holds a `Spent` may act on its values, once.
    let change = change.into_value();
    json!({"paid_to": change.iban, "name": change.creditor_name, "account": change.resource}).to_string()
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let setting = |name: &str| std::env::var(name).map_err(|_| format!("{name} is not set"));
    let credential = Credential::ApiKey(setting("COUNTERFOIL_API_KEY")?);
    let external_url = "http://localhost:8282";
    let config =
        Config::new(setting("COUNTERFOIL_ISSUER")?, setting("COUNTERFOIL_AUDIENCE")?, external_url, credential)?;
    let guard = Guard::start(&config)?;
    let api = Router::new()
        .route("/accounts/{id}", get(balance).layer(guard.action("balance.read", account)))
        .route("/accounts/{id}/payout", put(change_payout).layer(guard.transaction("payout.change", payout_change)));
    guard.ready().await;
    axum::serve(tokio::net::TcpListener::bind("127.0.0.1:8282").await?, api).await?;
    Ok(())
}
