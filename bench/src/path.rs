//! The whole path of a sensitive action, step by step, many at once: what share of the server's work is cryptography.

use crate::browser::{Browser, next_of};
use crate::costs::{self, Costs};
use crate::http_client::Http;
use crate::jws::hash;
use crate::passkey::Passkey;
use crate::people::invite;
use crate::random;
use crate::ready::Demo;
use crate::scenarios::{Journey, evaluate, evaluation, payout};
use serde::Serialize;
use serde_json::{Value, json};
use std::io::{Error, Result};
use std::time::Duration;

/// Journeys side by side, each a person with a passkey of her own, so that their steps share commits as under load.
const JOURNEYS: usize = 64;
/// Actions of each journey; all steps of one kind are done within the life of a code (60 s).
const ACTIONS: usize = 12;

/// One step of the path.
#[derive(Debug, Clone, Serialize)]
pub struct Share {
    /// Which step, on which engine.
    pub name: String,
    /// How many were done.
    pub count: usize,
    /// Processor time of the server's process for one.
    pub cpu_microseconds: f64,
    /// Signatures and verifications in one, times their cost in this run.
    pub cryptography_microseconds: f64,
    /// The second as part of the first.
    pub share: f64,
}

/// How many signatures and verifications a step takes.
struct Step {
    name: &'static str,
    signs: f64,
    verifies: f64,
}

/// The session's proof and the assertion.
const ASSERT: Step = Step { name: "assertion verification", signs: 0.0, verifies: 2.0 };
/// The client's assertion, its DPoP proof, and the token.
const TOKEN: Step = Step { name: "token issue", signs: 1.0, verifies: 2.0 };
/// The token and its DPoP proof. Who issued the token remembers it: a verification saved by memory counts as done.
const REDEEM: Step = Step { name: "redeem", signs: 0.0, verifies: 2.0 };

/// One action on its way, with what the step before gave.
struct Action {
    transaction: Value,
    step_up: String,
    options: Value,
    pushed: crate::application::Pushed,
    callback: String,
    token: String,
}

/// One person's journey.
struct Walker {
    user: Value,
    passkey: Passkey,
    journey: Journey,
    http: Http,
    actions: Vec<Action>,
}

impl Walker {
    /// Makes a passkey, signs in, and begins every action.
    async fn set_out(demo: &Demo, index: usize) -> Result<Self> {
        let (user, secret) = invite(demo, &format!("walker-{index}")).await?;
        let passkey = Browser::open(demo).await?.accept(&secret).await?;
        let journey = Journey::begin(demo, &user, Some(&passkey)).await?;
        let http = Http::connect(demo.address()?, demo.host()).await?;
        let mut walker = Self { user, passkey, journey, http, actions: Vec::new() };
        for number in 0..ACTIONS {
            let action = open(demo, &mut walker, (index * ACTIONS + number) as u64).await?;
            walker.actions.push(action);
        }
        Ok(walker)
    }
}

/// Walks the path and measures three of its steps.
pub async fn measure(demo: &Demo, engine: &str) -> Result<Vec<Share>> {
    let walkers = (0..JOURNEYS).map(|index| Walker::set_out(demo, index));
    let mut walkers = futures_util::future::try_join_all(walkers).await?;
    let before = costs::measure()?;
    let mut used = Vec::new();
    let mut watch = Watch::start(demo)?;
    each(&mut walkers, async |Walker { passkey, journey, actions, .. }| {
        for action in actions {
            let path = format!("/step-up/{}/passkey", action.step_up);
            let body = json!({ "credential": passkey.assert(&action.options)? });
            action.callback = next_of(&journey.browser.call(&path, &body).await?, &path)?;
        }
        Ok(())
    })
    .await?;
    used.push((&ASSERT, watch.used(demo)?));
    each(&mut walkers, async |Walker { journey, actions, .. }| {
        for action in actions {
            action.token = journey.application.exchange(&action.callback, &action.pushed).await?;
        }
        Ok(())
    })
    .await?;
    used.push((&TOKEN, watch.used(demo)?));
    each(&mut walkers, async |Walker { journey, http, actions, .. }| {
        for action in actions {
            redeem(demo, journey, http, action).await?;
        }
        Ok(())
    })
    .await?;
    used.push((&REDEEM, watch.used(demo)?));
    let costs = before.mean(costs::measure()?);
    Ok(used.into_iter().map(|(step, used)| share(step, used, &costs, engine)).collect())
}

/// Does one kind of step for all of them at once, each in its own order.
async fn each(walkers: &mut [Walker], step: impl AsyncFn(&mut Walker) -> Result<()>) -> Result<()> {
    let all = walkers.iter_mut().map(|walker| step(walker));
    futures_util::future::try_join_all(all).await.map(drop)
}

/// From the evaluation to the page that shows the transaction.
async fn open(demo: &Demo, walker: &mut Walker, number: u64) -> Result<Action> {
    let Walker { user, journey, http, .. } = walker;
    let transaction = payout(demo, number);
    let body = evaluation(demo, user, &journey.token, "payout.change", Some(&transaction));
    let answer = evaluate(demo, http, &body).await?;
    let decision = answer["context"]["decision_id"].as_str();
    let decision = decision.ok_or_else(|| Error::other(format!("no decision_id: {answer}")))?;
    let details = json!([transaction]).to_string();
    let parameters =
        [("decision_id", decision), ("authorization_details", &details), ("resource", demo.text("/pep/audience")?)];
    let pushed = journey.application.push(&parameters).await?;
    let next = journey.browser.authorize(&journey.application.client_id, &pushed.request_uri).await?;
    let step_up = next.rsplit('/').next().unwrap_or_default().to_owned();
    let page = journey.browser.call(&format!("/step-up/{step_up}"), &json!({})).await?;
    let options = page["passkey_options"].clone();
    Ok(Action { transaction, step_up, options, pushed, callback: String::new(), token: String::new() })
}

async fn redeem(demo: &Demo, journey: &Journey, http: &mut Http, action: &Action) -> Result<()> {
    let uri = format!("{}/payout", demo.text("/pep/audience")?);
    let canonical = serde_json::to_string(&ordered(&action.transaction)).map_err(Error::other)?;
    let body = json!({
        "access_token": action.token,
        "dpop": { "proof": journey.application.proof_for("POST", &uri, &action.token), "method": "POST", "uri": uri },
        // Members are in order, the strings are ASCII and there are no numbers: these are the bytes of RFC 8785.
        "txn_digest": hash(canonical.as_bytes()),
        "redemption_id": random::identifier(),
    });
    let authorization = format!("Bearer {}", demo.text("/pep/api_key")?);
    let headers = [("content-type", "application/json"), ("authorization", authorization.as_str())];
    http.post("/v1/redeem", &headers, body.to_string()).await?.success("/v1/redeem").map(drop)
}

/// The same with the members of its objects in lexical order, whatever order `Value` keeps in this build.
fn ordered(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().map(|(name, value)| (name.clone(), ordered(value))).collect();
            members.sort_by(|(a, _), (b, _)| a.cmp(b));
            Value::Object(members.into_iter().collect())
        }
        Value::Array(values) => values.iter().map(ordered).collect(),
        other => other.clone(),
    }
}

/// The server's processor time since the last step.
struct Watch(Duration);

impl Watch {
    fn start(demo: &Demo) -> Result<Self> {
        Ok(Self(demo.server.cpu()?))
    }

    fn used(&mut self, demo: &Demo) -> Result<Duration> {
        let now = demo.server.cpu()?;
        Ok(now.saturating_sub(std::mem::replace(&mut self.0, now)))
    }
}

fn share(step: &Step, used: Duration, costs: &Costs, engine: &str) -> Share {
    let count = JOURNEYS * ACTIONS;
    let cpu = crate::numbers::microseconds(used) / count as f64;
    let cryptography = step.signs * costs.sign_microseconds + step.verifies * costs.verify_microseconds;
    Share {
        name: format!("{}, {engine}", step.name),
        count,
        cpu_microseconds: cpu,
        cryptography_microseconds: cryptography,
        share: cryptography / cpu,
    }
}
