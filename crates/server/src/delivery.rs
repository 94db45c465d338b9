//! What people are to be told goes out. Messages were queued in the unit of what they tell; here each is claimed for a while,
//! handed to the mail server and marked.
//!
//! A node that dies in between leaves a claim that ends, so a message may go out twice and never not at all. What is logged
//! names messages, never their text or where they went.

pub mod mail;

use crate::{app::App, problem::Problem};
use counterfoil_core::{
    audit::event::{Actor, Event, EventKind},
    id::AuthenticatorId,
    limits,
    subject::AddressState,
    time::Time,
    vouch,
};
use counterfoil_store::{CommitError, Delivery, ReadError, Tx, Upkeep, is_stale};
use mail::{Mail, NotSent};
use std::{sync::Arc, time::Duration};

/// Between looks at the queue.
const PAUSE: Duration = Duration::from_secs(1);
/// The longest pause while the mail server is not there.
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// Messages looked at in one round.
const ROUND: u32 = 32;
/// Tries to mark what went out, where the rows that change with it have just changed.
const MARKS: u32 = 8;

/// Delivers for ever.
pub async fn run(app: Arc<App>, mail: Mail) {
    let mut pause = PAUSE;
    loop {
        tokio::time::sleep(pause).await;
        pause = match round(&app, &mail).await {
            Ok(true) => PAUSE,
            Ok(false) => (pause * 2).min(PAUSE_MAX),
            Err(error) => {
                tracing::error!(%error, "the queue of messages could not be worked on");
                PAUSE_MAX
            }
        };
    }
}

/// Why a round ended early.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Commit(#[from] CommitError),
}

/// Whether the mail server was there, as far as it was needed.
async fn round(app: &App, mail: &Mail) -> Result<bool, Fault> {
    let due = app.store.due_deliveries(app.now(), ROUND).await?;
    if due.is_empty() {
        return Ok(true);
    }
    // A server that is not there, or not the one it should be, is no message's fault: none uses up a try.
    let there = mail.is_there().await;
    if let Err(why) = &there {
        tracing::error!(%why, waiting = due.len(), "the mail server takes nothing: notices wait");
    }
    for delivery in due {
        let now = app.now();
        if now.seconds_since(delivery.message.at) >= limits::MAIL_GIVE_UP_SECONDS {
            if let Some(claimed) = claim(app, delivery, now).await? {
                give_up(app, &claimed, "too_old").await?;
            }
        } else if there.is_ok()
            && let Some(claimed) = claim(app, delivery, now).await?
        {
            deliver(app, mail, &claimed).await?;
        }
    }
    Ok(there.is_ok())
}

/// The delivery, if it is this node's now.
async fn claim(app: &App, delivery: Delivery, now: Time) -> Result<Option<Delivery>, Fault> {
    let mut unit = Upkeep::new(now);
    let claimed = unit.claim_delivery(&delivery, now.plus_seconds(limits::MAIL_LEASE_SECONDS));
    match unit.commit(&app.store).await {
        Ok(()) => Ok(Some(claimed)),
        Err(error) if is_stale(&error) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

async fn deliver(app: &App, mail: &Mail, claimed: &Delivery) -> Result<(), Fault> {
    let message = &claimed.message;
    // Where to is what the person's own row says, which nobody but us can write.
    let addresses = app.store.addresses(message.subject).await?;
    let stands = addresses.iter().any(|address| {
        address.id == message.address
            && address.value == message.to
            && matches!(address.state, AddressState::Active { .. })
    });
    if !stands {
        return give_up(app, claimed, "address_changed").await;
    }
    let sent = tokio::time::timeout(Duration::from_secs(limits::MAIL_SEND_SECONDS), mail.send(message)).await;
    match sent.unwrap_or(Err(NotSent::ForNow("timeout".to_owned()))) {
        Ok(()) => delivered(app, claimed).await,
        Err(NotSent::Ever(why)) => give_up(app, claimed, &why).await,
        Err(NotSent::ForNow(why)) => {
            let seconds = wait_seconds(claimed.attempts);
            app.metrics.mail_postponed();
            tracing::warn!(message = %message.id, attempt = claimed.attempts, why, seconds, "a message waits for another try");
            let now = app.now();
            let mut unit = Upkeep::new(now);
            unit.postpone_delivery(claimed, now.plus_seconds(seconds));
            settled(unit.commit(&app.store).await)
        }
    }
}

/// Seconds before the next try, after this many.
fn wait_seconds(attempts: i64) -> i64 {
    // After that many doublings the longest was reached long before.
    let doublings = attempts.saturating_sub(1).clamp(0, 16);
    (limits::MAIL_WAIT_SECONDS << doublings).min(limits::MAIL_WAIT_SECONDS_MAX)
}

/// It went out: marked and logged, and what waited for that begins to rest, in one unit. It must not go out again because
/// somebody used the passkey meanwhile, so that is read again.
async fn delivered(app: &App, claimed: &Delivery) -> Result<(), Fault> {
    let message = &claimed.message;
    for _ in 0..MARKS {
        let now = app.now();
        let mut tx = Tx::new(now);
        tx.deliver(claimed);
        if let Some(event) = begin_rest(app, &mut tx, message.starts_rest_of, now).await? {
            tx.also(event);
        }
        let kind = EventKind::NoticeDelivered { message: message.id, subject: message.subject };
        match tx.commit(&app.store, app.event(now, Actor::System {}, kind)).await {
            Ok(_) => {
                app.facts.forget_person(message.subject);
                return Ok(());
            }
            Err(error) if is_stale(&error) => {}
            Err(error) => return Err(error.into()),
        }
    }
    tracing::error!(message = %message.id, "a message went out and could not be marked: it will go out again");
    Ok(())
}

/// The passkey that this message tells of rests from now on (DESIGN §4 "Ceiling"), unless it does already or is gone.
async fn begin_rest(
    app: &App,
    tx: &mut Tx,
    passkey: Option<AuthenticatorId>,
    now: Time,
) -> Result<Option<Event>, Fault> {
    let Some(id) = passkey else { return Ok(None) };
    let Some(enrolled) = app.store.authenticator(id).await? else { return Ok(None) };
    let Ok(resting) = vouch::told(&enrolled, now) else { return Ok(None) };
    tx.change_authenticator(&resting);
    Ok(resting.rest.map(|rest| {
        let kind =
            EventKind::RestBegun { authenticator: id, subject: resting.subject, acr: rest.acr, until: rest.until };
        app.event(now, Actor::System {}, kind)
    }))
}

async fn give_up(app: &App, claimed: &Delivery, reason: &str) -> Result<(), Fault> {
    let (message, now) = (&claimed.message, app.now());
    tracing::error!(message = %message.id, attempts = claimed.attempts, reason, "a message will not be delivered");
    let mut tx = Tx::new(now);
    tx.give_up_delivery(claimed);
    let reason = reason.to_owned();
    let kind = EventKind::NoticeFailed { message: message.id, subject: message.subject, reason };
    settled(tx.commit(&app.store, app.event(now, Actor::System {}, kind)).await.map(drop))
}

/// A claim that ended is another node's by now, and so is what becomes of the message.
fn settled(done: Result<(), CommitError>) -> Result<(), Fault> {
    match done {
        Err(error) if !is_stale(&error) => Err(error.into()),
        _ => Ok(()),
    }
}

impl From<Fault> for Problem {
    fn from(fault: Fault) -> Self {
        Self::internal(fault)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_from_the_first_to_the_longest() {
        assert_eq!([1, 2, 3].map(wait_seconds), [1, 2, 4].map(|times| times * limits::MAIL_WAIT_SECONDS));
        assert_eq!([0, -1].map(wait_seconds), [limits::MAIL_WAIT_SECONDS; 2]);
        assert_eq!([20, i64::MAX].map(wait_seconds), [limits::MAIL_WAIT_SECONDS_MAX; 2]);
    }
}
