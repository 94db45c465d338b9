//! A client is not registered any more: it gets nothing new, and what it holds is revoked.

use crate::{
    app::App,
    problem::{Kind, Problem},
    start,
};
use counterfoil_core::{
    audit::event::{Actor, EventKind},
    time::Time,
};
use counterfoil_store::Tx;

/// Tokens revoked by one unit.
const STEP: u32 = 256;

/// Removes the registration first, so that nothing new comes into being ([`Tx::require_client`]); then revokes. How many tokens
/// that were. Whoever was interrupted asks again: what is left of it is done then.
pub async fn remove_client(app: &App, client_id: &str, actor: Actor, now: Time) -> Result<usize, Problem> {
    match app.store.client(client_id).await? {
        Some(known) => {
            let mut tx = Tx::new(now);
            tx.remove_client(&known);
            let kind =
                EventKind::RegistrationChanged { noun: "client".to_owned(), id: client_id.to_owned(), record: None };
            tx.commit(&app.store, app.event(now, actor.clone(), kind)).await?;
        }
        None if is_half_removed(app, client_id, now).await? => {}
        None => {
            return Err(Problem::new(Kind::NOT_FOUND)
                .detail(format!("no client is registered as {client_id}"))
                .with("hint", "counterfoil admin clients list shows which there are"));
        }
    }
    // What it holds is revoked in any case; whether this node has forgotten it too, is said after that.
    let forgotten = start::reload(app).await;
    let revoked = revoke_all(app, client_id, &actor).await?;
    forgotten.then_some(revoked).ok_or_else(start::not_reloaded)
}

/// It is not registered, and still there: somebody removed it, and was interrupted before all of it was done.
async fn is_half_removed(app: &App, client_id: &str, now: Time) -> Result<bool, Problem> {
    let remembered = app.directory.load().client(client_id).is_some();
    Ok(remembered || !app.store.live_tokens_of_client(client_id, now, 1).await?.is_empty())
}

async fn revoke_all(app: &App, client_id: &str, actor: &Actor) -> Result<usize, Problem> {
    let mut revoked = 0;
    loop {
        let now = app.now();
        let tokens = app.store.live_tokens_of_client(client_id, now, STEP).await?;
        let Some(first) = tokens.first() else { return Ok(revoked) };
        let mut tx = Tx::new(now);
        for token in &tokens {
            tx.revoke_token(token);
        }
        for token in tokens.iter().skip(1) {
            tx.also(app.event(now, actor.clone(), EventKind::TokenRevoked { token: token.id }));
        }
        tx.commit(&app.store, app.event(now, actor.clone(), EventKind::TokenRevoked { token: first.id })).await?;
        for token in &tokens {
            app.facts.forget_token(token.id);
        }
        revoked += tokens.len();
    }
}
