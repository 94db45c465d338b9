//! A message is queued with what it tells, and of several nodes one at a time tries to deliver it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A test that cannot go on should stop.

use crate::support::{House, drawn, event, people};
use counterfoil_core::{
    id::{AddressId, MessageId},
    time::Time,
};
use counterfoil_store::{CommitError, Delivery, Message, Store, Tx, Upkeep, is_stale};

crate::on_both_engines! {
    of_two_nodes_one_claims_a_message_and_another_goes_on_when_the_claim_ends,
    what_was_told_by_being_written_and_what_was_given_up_is_tried_by_nobody,
}

async fn commit(house: &House, store: &Store, fill: impl FnOnce(&mut Tx)) -> Result<(), CommitError> {
    let mut tx = Tx::new(house.now());
    fill(&mut tx);
    tx.commit(store, event(house.now())).await.map(drop)
}

async fn queued(house: &House, store: &Store, sent_at: Option<Time>) -> Message {
    let person = people::signed_in(house, store, "alice").await;
    let now = house.now();
    let message = Message {
        id: MessageId::new(now, drawn()),
        subject: person.subject.id,
        address: AddressId::new(now, drawn()),
        to: "alice@example.com".to_owned(),
        at: now,
        title: "A passkey was enrolled".to_owned(),
        text: "If this was not you, …".to_owned(),
        sent_at,
        starts_rest_of: None,
    };
    commit(house, store, |tx| {
        tx.queue_message(&message);
    })
    .await
    .unwrap();
    message
}

async fn claim(store: &Store, delivery: &Delivery, now: Time, until: Time) -> Result<Delivery, CommitError> {
    let mut upkeep = Upkeep::new(now);
    let claimed = upkeep.claim_delivery(delivery, until);
    upkeep.commit(store).await.map(|()| claimed)
}

async fn of_two_nodes_one_claims_a_message_and_another_goes_on_when_the_claim_ends(house: House) {
    let (a, b) = (house.open("a").await, house.open("b").await);
    let message = queued(&house, &a, None).await;
    let (now, until) = (house.now(), house.now().plus_seconds(180));
    let due = b.due_deliveries(now, 10).await.unwrap().remove(0);
    assert_eq!((&due.message, due.attempts), (&message, 0));
    let (first, second) = tokio::join!(claim(&a, &due, now, until), claim(&b, &due, now, until));
    let mut outcomes = [first, second].map(|outcome| outcome.map_err(|error| is_stale(&error)));
    outcomes.sort_by_key(Result::is_err);
    let [Ok(first), Err(true)] = outcomes else { panic!("{outcomes:?}") };
    assert_eq!(first.attempts, 1);
    assert_eq!(b.due_deliveries(until.plus_seconds(-1), 10).await.unwrap(), []);

    // Its node is gone: another goes on, and the first one comes too late for everything.
    let again = b.due_deliveries(until, 10).await.unwrap().remove(0);
    assert_eq!(again, first);
    let second = claim(&b, &again, until, until.plus_seconds(180)).await.unwrap();
    let mut upkeep = Upkeep::new(now);
    upkeep.postpone_delivery(&first, now);
    assert!(is_stale(&upkeep.commit(&a).await.unwrap_err()));
    for late in [Tx::deliver, Tx::give_up_delivery] {
        let outcome = commit(&house, &a, |tx| {
            late(tx, &first);
        });
        assert!(is_stale(&outcome.await.unwrap_err()));
    }
    let mut upkeep = Upkeep::new(until);
    let postponed = upkeep.postpone_delivery(&second, until.plus_seconds(30));
    upkeep.commit(&b).await.unwrap();
    assert_eq!(a.due_deliveries(until.plus_seconds(30), 10).await.unwrap(), std::slice::from_ref(&postponed));
    commit(&house, &a, |tx| {
        tx.deliver(&postponed);
    })
    .await
    .unwrap();
    assert_eq!(a.due_deliveries(until.plus_seconds(86_400), 10).await.unwrap(), []);
    assert_eq!(a.last_messages(1).await.unwrap(), [Message { sent_at: Some(house.now()), ..message }]);
}

async fn what_was_told_by_being_written_and_what_was_given_up_is_tried_by_nobody(house: House) {
    let store = house.open("a").await;
    let now = house.now();
    queued(&house, &store, Some(now)).await;
    assert_eq!(store.due_deliveries(now, 10).await.unwrap(), []);
    let given_up =
        Message { id: MessageId::new(now, drawn()), sent_at: None, ..store.last_messages(1).await.unwrap().remove(0) };
    commit(&house, &store, |tx| {
        tx.queue_message(&given_up);
    })
    .await
    .unwrap();
    let due = store.due_deliveries(now, 10).await.unwrap().remove(0);
    commit(&house, &store, |tx| {
        tx.give_up_delivery(&due);
    })
    .await
    .unwrap();
    assert_eq!(store.due_deliveries(now.plus_seconds(86_400), 10).await.unwrap(), []);
    assert!(store.last_messages(2).await.unwrap().iter().any(|message| message.sent_at.is_none()), "not sent");
}
