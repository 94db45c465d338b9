//! Keys of protected APIs: issued once, shown once, kept as a hash; revoked at once.

use crate::{
    app::App,
    problem::{Kind, Problem},
    start,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use counterfoil_core::{
    audit::event::{Actor, EventKind},
    digest::Digest,
    id::ApiKeyId,
    limits,
    time::Time,
};
use counterfoil_store::{ApiKey, ApiKeyState, Tx};
use zeroize::Zeroizing;

/// What a key can be good for: to ask for decisions, to spend approvals, to see why a policy decided as it did.
pub const SCOPES: &[&str] = &["evaluate", "redeem", "reasons"];
/// What it is good for where nobody says.
pub const USUAL_SCOPES: [&str; 2] = ["evaluate", "redeem"];
/// Random bytes of a key.
const KEY_BYTES: usize = 32;
const DAY_SECONDS: i64 = 24 * 3600;

/// A key as it is shown, once.
pub struct Issued {
    /// What is kept of it.
    pub record: ApiKey,
    /// The key itself.
    pub key: Zeroizing<String>,
}

/// Issues a key to an API.
pub async fn issue(
    app: &App,
    audience: &str,
    scopes: Vec<String>,
    days: i64,
    actor: Actor,
    now: Time,
) -> Result<Issued, Problem> {
    let wrong =
        |pointer: &str, detail: String| Err(Problem::new(Kind::INVALID_REQUEST).pointer(pointer).detail(detail));
    if app.store.api(audience).await?.is_none() {
        return Err(Problem::new(Kind::NOT_FOUND)
            .detail(format!("no API is registered as {audience}"))
            .with("hint", "counterfoil admin apis list shows which there are"));
    }
    if let Some(strange) = scopes.iter().find(|scope| !SCOPES.contains(&scope.as_str())) {
        return wrong("/scopes", format!("there is no scope {strange:?}; the scopes are {}", SCOPES.join(", ")));
    }
    if !(1..=limits::API_KEY_DAYS_MAX).contains(&days) {
        return wrong("/days", format!("a key is good for 1 to {} days", limits::API_KEY_DAYS_MAX));
    }
    let random = Zeroizing::new(app.random.bytes::<KEY_BYTES>());
    // The prefix lets scanners of repositories and logs know what they found.
    let key = Zeroizing::new(format!("cfk_{}", URL_SAFE_NO_PAD.encode(*random)));
    let record = ApiKey {
        id: ApiKeyId::new(now, app.random.id()),
        hash: Digest::of(key.as_bytes()),
        audience: audience.to_owned(),
        scopes: if scopes.is_empty() { USUAL_SCOPES.map(str::to_owned).into() } else { scopes },
        issued_at: now,
        expires_at: now.plus_seconds(days * DAY_SECONDS),
        state: ApiKeyState::Active {},
        version: 0,
    };
    // A key that this node cannot read yet is good a moment later; it is shown only now.
    let _ = keep(app, &record, actor, now).await?;
    Ok(Issued { record, key })
}

/// Revokes a key. False: it was revoked before.
pub async fn revoke(app: &App, id: ApiKeyId, actor: Actor, now: Time) -> Result<bool, Problem> {
    let known =
        app.store.api_key(id).await?.ok_or_else(|| Problem::new(Kind::NOT_FOUND).detail("there is no such key"))?;
    let before = matches!(known.state, ApiKeyState::Revoked { .. });
    let obeyed = match before {
        // Whoever was told that this node does not go by it yet asks again.
        true => start::reload(app).await,
        false => keep(app, &ApiKey { state: ApiKeyState::Revoked { at: now }, ..known }, actor, now).await?,
    };
    obeyed.then_some(!before).ok_or_else(start::not_reloaded)
}

/// Keeps it; this node obeys before it answers, the others within a second. False: this node could not read it back.
async fn keep(app: &App, record: &ApiKey, actor: Actor, now: Time) -> Result<bool, Problem> {
    let expires_at = matches!(record.state, ApiKeyState::Active {}).then_some(record.expires_at);
    let mut tx = Tx::new(now);
    tx.put_api_key(record);
    let kind = EventKind::ApiKeyChanged { key: record.id, audience: record.audience.clone(), expires_at };
    tx.commit(&app.store, app.event(now, actor, kind)).await?;
    Ok(start::reload(app).await)
}
