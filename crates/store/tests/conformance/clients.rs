//! A client that is removed gets nothing more, also while it is being removed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A test that cannot go on should stop.

use crate::{
    nouns::commit,
    support::{House, drawn, people},
};
use counterfoil_core::id::{LoginId, TokenId};
use counterfoil_store::{CommitError, PushedRequest, Refusal, Store, TokenRecord, Tx};

crate::on_both_engines! {
    nothing_is_issued_to_a_client_that_is_not_registered,
    a_token_that_races_a_removal_is_refused_or_found_by_it,
}

/// What a unit is to do.
type Fill<'a> = Box<dyn FnOnce(&mut Tx) + 'a>;

fn token(house: &House, login: Option<LoginId>) -> TokenRecord {
    TokenRecord {
        id: TokenId::new(house.now(), drawn()),
        client_id: people::client().client_id,
        audience: "https://treasury.example".to_owned(),
        subject: None,
        login,
        challenge: None,
        code: None,
        issued_at: house.now(),
        expires_at: house.now().plus_seconds(300),
        revoked_at: None,
        body: counterfoil_store::Body::of(&serde_json::json!({})).unwrap(),
    }
}

async fn removed(house: &House, store: &Store) {
    let client = store.client(&people::client().client_id).await.unwrap().unwrap();
    commit(house, store, |tx| {
        tx.remove_client(&client);
    })
    .await
    .unwrap();
}

async fn nothing_is_issued_to_a_client_that_is_not_registered(house: House) {
    let store = house.open("a").await;
    let person = people::signed_in(&house, &store, "alice").await;
    people::register_client(&house, &store).await;
    let request = |id: &str| PushedRequest {
        id: id.to_owned(),
        client_id: people::client().client_id,
        expires_at: house.now().plus_seconds(300),
        body: counterfoil_store::Body::of(&serde_json::json!({})).unwrap(),
    };
    for registered in [true, false] {
        if !registered {
            removed(&house, &store).await;
        }
        let units: [Fill<'_>; 4] = [
            Box::new(|tx| {
                tx.issue_token(&token(&house, Some(person.login.id)));
            }),
            Box::new(|tx| {
                tx.issue_token(&token(&house, None));
            }),
            Box::new(|tx| {
                tx.issue_code(&people::code(house.now(), &person.login));
            }),
            Box::new(|tx| {
                tx.push_request(&request(&registered.to_string()));
            }),
        ];
        for (n, fill) in units.into_iter().enumerate() {
            match (registered, commit(&house, &store, fill).await) {
                (true, Ok(())) | (false, Err(CommitError::Refused(Refusal::Condition { table: "clients", .. }))) => {}
                (_, other) => panic!("unit {n}, registered {registered}: {other:?}"),
            }
        }
    }
}

async fn a_token_that_races_a_removal_is_refused_or_found_by_it(house: House) {
    let (a, b) = (house.open("a").await, house.open("b").await);
    for round in 0..6 {
        people::register_client(&house, &a).await;
        let removal = async {
            removed(&house, &a).await;
            a.live_tokens_of_client(&people::client().client_id, house.now(), 1_000).await.unwrap()
        };
        let issued = (0..16).map(|_| async {
            let token = token(&house, None);
            let kept = commit(&house, &b, |tx| {
                tx.issue_token(&token);
            });
            kept.await.is_ok().then_some(token.id)
        });
        let (found, issued) = tokio::join!(removal, futures_util::future::join_all(issued));
        for token in issued.into_iter().flatten() {
            assert!(found.iter().any(|found| found.id == token), "round {round}: a token slipped by");
        }
    }
}
