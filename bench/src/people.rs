//! People added over the operator's socket: many, to see how what an evaluation costs grows with how many there are, and some
//! who make a passkey of their own.

use crate::http_client::Http;
use crate::load::Scenario;
use crate::ready::Demo;
use crate::scenarios::{in_turn, steps_up};
use bytes::Bytes;
use serde_json::{Value, json};
use std::io::{Error, Result};

/// How many there are.
pub const CROWDS: [usize; 2] = [1_000, 100_000];
/// Connections that add them, as an operator's programs would: enough to fill a commit.
const CONNECTIONS: usize = 64;

/// Adds `count` people over the operator's socket; their identifiers.
pub async fn settle(demo: &Demo, count: usize) -> Result<Vec<String>> {
    let socket = demo.socket();
    let shares = (0..CONNECTIONS).map(|first| {
        let socket = socket.clone();
        tokio::spawn(async move {
            let mut http = Http::connect_socket(&socket).await?;
            let mut people = Vec::new();
            for n in (first..count).step_by(CONNECTIONS) {
                let body = json!({ "person": { "username": format!("person-{n}"), "name": "Somebody", "groups": ["treasury"] } });
                let added = http.post("/subjects", &[("content-type", "application/json")], body.to_string()).await?;
                let added = added.success("/subjects")?;
                people.push(added["sub"].as_str().unwrap_or_default().to_owned());
            }
            Ok::<_, Error>(people)
        })
    });
    let mut people = Vec::with_capacity(count);
    for share in futures_util::future::join_all(shares).await {
        people.extend(share.map_err(Error::other)??);
    }
    Ok(people)
}

/// Adds somebody who has nothing yet but a link to make a passkey with; who that is, and the link's secret.
pub async fn invite(demo: &Demo, username: &str) -> Result<(Value, String)> {
    let mut http = Http::connect_socket(&demo.socket()).await?;
    let body = json!({
        "person": { "username": username, "name": "Somebody", "groups": ["treasury"] }, "invite": true,
    });
    let added = http.post("/subjects", &[("content-type", "application/json")], body.to_string()).await?;
    let added = added.success("/subjects")?;
    let secret = added["link"].as_str().and_then(|link| link.split_once('#')).map(|(_, secret)| secret.to_owned());
    let secret = secret.ok_or_else(|| Error::other(format!("no link: {added}")))?;
    Ok((json!({ "sub": added["sub"], "username": username }), secret))
}

/// Asks about each of them in turn, without a token: whatever is known of a person is read, and more is asked of them.
pub fn anybody(demo: &Demo, people: &[String]) -> Result<(Scenario, Bytes)> {
    let resource = &demo.ready["resources"][0];
    let body = |id: &String| {
        Bytes::from(
            json!({
                "subject": { "type": "user", "id": id },
                "action": { "name": "balance.read" },
                "resource": { "type": resource["type"], "id": resource["id"] },
                "context": { "ip": "192.0.2.7", "user_agent": "bench/1" },
            })
            .to_string(),
        )
    };
    let bodies: Vec<Bytes> = people.iter().map(body).collect();
    let first = bodies.first().cloned().ok_or_else(|| Error::other("there is nobody to ask about"))?;
    Ok((in_turn(demo, bodies, steps_up)?, first))
}
