//! What somebody else wrote into the database grants nothing, and costs nobody else anything.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A test that cannot go on should stop.

use crate::{
    nouns::{commit, reason},
    support::{House, drawn, people},
};
use counterfoil_core::{digest::Digest, id::TokenId};
use counterfoil_store::{Client, CommitError, PushedRequest, Refusal, TokenRecord, Tx};

crate::on_both_engines! {
    what_somebody_wrote_into_the_way_of_an_authorization_is_refused,
    a_row_that_cannot_be_believed_costs_itself_alone,
    a_revoked_token_spends_nothing,
    a_decision_that_the_log_does_not_say_is_acted_upon_by_nobody,
}

async fn what_somebody_wrote_into_the_way_of_an_authorization_is_refused(house: House) {
    let store = house.open("a").await;
    let person = people::signed_in(&house, &store, "alice").await;
    let challenge = people::proven_challenge(&house, &store, &person).await;
    let code = people::code(house.now(), &person.login);
    let request = PushedRequest {
        id: "request".to_owned(),
        client_id: "treasury".to_owned(),
        expires_at: house.now().plus_seconds(300),
        body: counterfoil_store::Body::of(&serde_json::json!({})).unwrap(),
    };
    people::register_client(&house, &store).await;
    commit(&house, &store, |tx| {
        tx.issue_code(&code).push_request(&request);
    })
    .await
    .unwrap();
    // What we wrote is believed, with the epoch that the writer filled in.
    assert_eq!(store.code(&code.hash).await.unwrap().as_ref(), Some(&code));
    assert_eq!(store.pushed_request("request").await.unwrap().as_ref(), Some(&request));
    // A code of somebody's own, for a client of his and another's login.
    let planted = Digest::of(b"a code that nobody issued");
    let columns = "client_id, login, expires_at, epoch";
    let body = format!("REPLACE(REPLACE(body, '{}', '{planted}'), 'treasury', 'thief')", code.hash);
    let copied = format!(
        "INSERT INTO codes (hash, {columns}, body, mac) SELECT '{planted}', 'thief', login, expires_at, epoch, {body}, mac FROM codes"
    );
    assert_eq!(house.tamper(&copied).await, 1);
    assert!(reason(store.code(&planted).await.unwrap_err()).starts_with("codes: the MAC is not ours"));
    house.tamper("UPDATE pushed_requests SET expires_at = expires_at + 1000000").await;
    assert!(reason(store.pushed_request("request").await.unwrap_err()).starts_with("pushed_requests: the MAC"));
    house.tamper("UPDATE challenges SET expires_at = expires_at + 1000000").await;
    assert!(reason(store.challenge(challenge.id).await.unwrap_err()).starts_with("challenges: the MAC is not ours"));
}

async fn a_row_that_cannot_be_believed_costs_itself_alone(house: House) {
    let store = house.open("a").await;
    let client = |client_id: &str| Client { client_id: client_id.to_owned(), body: serde_json::json!({}), version: 0 };
    commit(&house, &store, |tx| {
        tx.put_client(&client("one")).put_client(&client("two"));
    })
    .await
    .unwrap();
    house.tamper("UPDATE clients SET version = 7 WHERE client_id = 'one'").await;
    let snapshot = store.snapshot().await.unwrap();
    let known: Vec<_> = snapshot.clients.iter().map(|client| client.client_id.as_str()).collect();
    assert_eq!(known, ["two"]);
    let refused: Vec<_> = snapshot.refused.iter().map(|refused| (refused.table, refused.id.as_str())).collect();
    assert_eq!(refused, [("clients", "one")]);
}

async fn a_revoked_token_spends_nothing(house: House) {
    let store = house.open("a").await;
    let person = people::signed_in(&house, &store, "alice").await;
    let token = TokenRecord {
        id: TokenId::new(house.now(), drawn()),
        client_id: "treasury".to_owned(),
        audience: "https://treasury.example".to_owned(),
        subject: Some(person.subject.id),
        login: Some(person.login.id),
        challenge: None,
        code: None,
        issued_at: house.now(),
        expires_at: house.now().plus_seconds(60),
        revoked_at: None,
        body: counterfoil_store::Body::of(&serde_json::json!({})).unwrap(),
    };
    people::register_client(&house, &store).await;
    commit(&house, &store, |tx| {
        tx.issue_token(&token);
    })
    .await
    .unwrap();
    let spend = |tx: &mut Tx| {
        tx.require_token(token.id);
    };
    commit(&house, &store, spend).await.unwrap();
    commit(&house, &store, |tx| {
        tx.revoke_token(&token);
    })
    .await
    .unwrap();
    let refused = commit(&house, &store, spend).await.unwrap_err();
    assert!(matches!(refused, CommitError::Refused(Refusal::Condition { table: "tokens", .. })), "{refused}");
}

async fn a_decision_that_the_log_does_not_say_is_acted_upon_by_nobody(house: House) {
    let store = house.open("a").await;
    let person = people::signed_in(&house, &store, "alice").await;
    let decision = people::decision(house.now(), person.subject.id);
    let mut tx = Tx::new(house.now());
    tx.record_decision(&decision);
    let _ = tx.commit(&store, people::decided(&decision)).await.unwrap();
    assert_eq!(store.decision(decision.id).await.unwrap().unwrap().record, decision);
    let leaf = store.decision(decision.id).await.unwrap().unwrap();
    let place = format!("run = '{}' AND number = {}", leaf.run, leaf.number);
    // Each is mended before the next.
    for (altered, mended) in [
        (
            "UPDATE decisions SET body = REPLACE(body, 'all', 'few')",
            "UPDATE decisions SET body = REPLACE(body, 'few', 'all')",
        ),
        ("UPDATE decisions SET outcome = 'permit'", "UPDATE decisions SET outcome = 'step_up'"),
        (
            "UPDATE decisions SET txn_digest = NULL",
            &format!("UPDATE decisions SET txn_digest = '{}'", decision.txn_digest.unwrap()),
        ),
        ("UPDATE decisions SET epoch = epoch + 1", "UPDATE decisions SET epoch = epoch - 1"),
        ("UPDATE decisions SET number = number - 1", "UPDATE decisions SET number = number + 1"),
        // The log's own row, without our key.
        (
            &format!("UPDATE events SET number = -1 WHERE {place}"),
            "UPDATE events SET number = (SELECT number FROM decisions) WHERE number = -1",
        ),
    ] {
        assert_eq!(house.tamper(altered).await, 1, "{altered}");
        let refused = store.decision(decision.id).await;
        assert!(reason(refused.expect_err(altered)).starts_with("decisions: the log does not say this"), "{altered}");
        assert_eq!(house.tamper(mended).await, 1, "{mended}");
        assert!(store.decision(decision.id).await.unwrap().is_some(), "{mended}");
    }
    // A leaf that says what the row says, but is not under our key.
    let leaf = "UPDATE events SET leaf = (SELECT leaf FROM events x WHERE x.run = events.run AND x.number = events.number - 1)";
    assert_eq!(house.tamper(&format!("{leaf} WHERE {place}")).await, 1);
    assert!(store.decision(decision.id).await.is_err());
}
