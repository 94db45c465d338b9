//! A noun comes back as it went in, and a row that somebody else wrote is refused by name.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A test that cannot go on should stop.

use crate::support::{Engine, House, drawn, event, people};
use counterfoil_core::{
    assurance::{Acr, Tier},
    digest::Digest,
    enrolled::Secret,
    id::{AddressId, ApiKeyId, InvitationId, MessageId, TokenId},
    subject::{Address, AddressKind, AddressState, Group},
};
use counterfoil_store::{
    Api, ApiKey, ApiKeyState, Client, CommitError, Invitation, InvitationState, KnownDevice, Message, OpenError,
    PushedRequest, ReadError, Refusal, Resource, Store, SystemKey, SystemKeyState, TokenRecord, Tx, Upkeep,
};

crate::on_both_engines! {
    every_noun_comes_back_as_it_went_in,
    a_change_of_what_somebody_else_changed_is_refused,
    a_username_is_one_persons,
    a_row_that_grants_power_and_was_edited_is_refused,
    a_secret_moved_to_another_row_does_not_open,
    another_master_key_believes_nothing,
    feed_positions_follow_commits,
    what_is_over_is_swept_and_nothing_else,
}

pub async fn commit(house: &House, store: &Store, fill: impl FnOnce(&mut Tx)) -> Result<(), CommitError> {
    let mut tx = Tx::new(house.now());
    fill(&mut tx);
    tx.commit(store, event(house.now())).await.map(drop)
}

async fn every_noun_comes_back_as_it_went_in(house: House) {
    let store = house.open("a").await;
    let now = house.now();
    people::activate(&house, &store).await;
    let person = people::signed_in(&house, &store, "alice").await;
    assert_eq!(store.subject_by_username("alice").await.unwrap().as_ref(), Some(&person.subject));
    assert_eq!(store.subject_by_username("Alice").await.unwrap(), None);
    assert_eq!(store.sessions(person.subject.id).await.unwrap(), std::slice::from_ref(&person.session));
    assert_eq!(store.session_by_secret(&person.session.secret_hash).await.unwrap(), Some(person.session.clone()));
    assert_eq!(store.login(person.login.id).await.unwrap(), Some(person.login.clone()));

    let enrolled = people::enrolled(now, person.subject.id, Some(person.login.id));
    let handle = enrolled.handle.clone().unwrap();
    let address = Address {
        id: AddressId::new(now, drawn()),
        subject: person.subject.id,
        kind: AddressKind::Mail,
        value: "alice@example.com".to_owned(),
        state: AddressState::Active { since: now },
        bound_by: None,
        version: 0,
    };
    let device = KnownDevice {
        subject: person.subject.id,
        key_thumbprint: Digest::of(b"key"),
        authenticator: enrolled.id,
        login: person.login.id,
        at: now,
        expires_at: now.plus_seconds(90),
    };
    commit(&house, &store, |tx| {
        tx.enrol_authenticator(&enrolled).add_address(&address).remember_device(&device);
    })
    .await
    .unwrap();
    let found = store.authenticator_by_handle(&handle).await.unwrap().unwrap();
    assert_eq!(found, counterfoil_core::enrolled::Enrolled { version: 1, ..enrolled.clone() });
    assert_eq!(found.secret.as_ref().map(Secret::expose), Some(&b"a seed that nobody must see"[..]));
    assert_eq!(store.authenticators(person.subject.id).await.unwrap(), [found]);
    assert_eq!(store.addresses(person.subject.id).await.unwrap(), [Address { version: 1, ..address }]);
    assert_eq!(store.known_device(person.subject.id, &Digest::of(b"key")).await.unwrap(), Some(device));

    let decision = people::decision(now, person.subject.id);
    let challenge = people::challenge(now, person.session.id, person.subject.id, Some(decision.id));
    let request = PushedRequest {
        id: "request".to_owned(),
        client_id: "treasury".to_owned(),
        expires_at: now.plus_seconds(300),
        body: counterfoil_store::Body::of(&serde_json::json!({"scope": "openid"})).unwrap(),
    };
    let code = people::code(now, &person.login);
    let token = TokenRecord {
        id: TokenId::new(now, drawn()),
        client_id: "treasury".to_owned(),
        audience: "https://treasury.example".to_owned(),
        subject: Some(person.subject.id),
        login: Some(person.login.id),
        challenge: None,
        code: Some(code.hash),
        issued_at: now,
        expires_at: now.plus_seconds(300),
        revoked_at: None,
        body: counterfoil_store::Body::of(&serde_json::json!({"acr": "phr"})).unwrap(),
    };
    people::register_client(&house, &store).await;
    let mut tx = Tx::new(now);
    tx.record_decision(&decision).push_request(&request).issue_code(&code).issue_token(&token);
    let _ = tx.commit(&store, people::decided(&decision)).await.unwrap();
    commit(&house, &store, |tx| {
        tx.open_challenge(&challenge).consume_pushed_request(&request);
    })
    .await
    .unwrap();
    let recorded = store.decision(decision.id).await.unwrap().unwrap();
    assert!(recorded.current && recorded.record == decision);
    assert!(store.log().event_at(recorded.run, recorded.number).await.unwrap().is_some());
    assert_eq!(store.decisions(&Default::default()).await.unwrap(), [recorded]);
    // One on the way of something else has its own place, behind the event of that.
    let (first, second) = (people::decision(now, person.subject.id), people::decision(now, person.subject.id));
    let said = [crate::support::event(now), people::decided(&first), people::decided(&second)];
    let [main, one, two] = said.clone();
    let mut tx = Tx::new(now);
    tx.also_decision(&first, one).also_decision(&second, two);
    let _ = tx.commit(&store, main).await.unwrap();
    for (decision, event) in [(first, &said[1]), (second, &said[2])] {
        let recorded = store.decision(decision.id).await.unwrap().unwrap();
        let found = store.log().event_at(recorded.run, recorded.number).await.unwrap().unwrap();
        assert_eq!(found.id, event.id);
    }
    assert_eq!(store.pushed_request("request").await.unwrap(), Some(request.clone()));
    assert_eq!(store.code(&code.hash).await.unwrap(), Some(code.clone()));
    assert_eq!(store.tokens_of_code(&code.hash).await.unwrap(), std::slice::from_ref(&token));
    let kept = store.challenge(challenge.id).await.unwrap().unwrap();
    assert_eq!(kept.version, 1);
    assert_eq!(store.challenge_of_decision(person.session.id, decision.id).await.unwrap(), Some(kept));

    // What can be done once is refused the second time, each by its own key.
    let again = people::challenge(now, person.session.id, person.subject.id, Some(decision.id));
    for (fill, key) in [
        (
            Box::new(|tx: &mut Tx| {
                tx.consume_pushed_request(&request);
            }) as Box<dyn FnOnce(&mut Tx)>,
            "request:".to_owned(),
        ),
        (
            Box::new(|tx: &mut Tx| {
                tx.open_challenge(&again);
            }),
            format!("opened:{}", decision.id),
        ),
    ] {
        let refused = commit(&house, &store, fill).await.unwrap_err();
        assert!(refused.spent().unwrap().starts_with(&key), "{refused}");
    }
    commit(&house, &store, |tx| {
        tx.redeem_code(&code);
    })
    .await
    .unwrap();
    assert!(
        commit(&house, &store, |tx| {
            tx.redeem_code(&code);
        })
        .await
        .unwrap_err()
        .spent()
        .is_some()
    );
    let position = store.feed_position().await.unwrap();
    commit(&house, &store, |tx| {
        tx.revoke_token(&token);
    })
    .await
    .unwrap();
    assert_eq!(store.token(token.id).await.unwrap().unwrap().revoked_at, Some(now));
    assert_eq!(store.feed(position, 10).await.unwrap()[0].value, token.id.to_string());

    registered(&house, &store).await;
    told(&house, &store, &person).await;
}

async fn registered(house: &House, store: &Store) {
    let now = house.now();
    let client = people::client();
    let api = Api { audience: "https://treasury.example".to_owned(), body: serde_json::json!({}), version: 0 };
    let key = ApiKey {
        id: ApiKeyId::new(now, drawn()),
        hash: Digest::of(b"api key"),
        audience: api.audience.clone(),
        scopes: vec!["evaluate".to_owned()],
        issued_at: now,
        expires_at: now.plus_seconds(86_400),
        state: ApiKeyState::Active {},
        version: 0,
    };
    let resource = Resource {
        kind: "account".to_owned(),
        id: "42".to_owned(),
        sensitivity: Some(Tier::High),
        body: serde_json::json!({"currency": "EUR"}),
        version: 0,
    };
    let group = Group { name: "treasurers".to_owned(), description: "Who pays".to_owned(), version: 0 };
    let signing = SystemKey {
        id: "kid-1".to_owned(),
        kind: "token".to_owned(),
        state: SystemKeyState::Active,
        created_at: now,
        public: serde_json::json!({"kty": "EC"}),
        secret: Some(Secret::new(vec![1, 2, 3])),
        version: 0,
    };
    commit(house, store, |tx| {
        tx.put_api(&api).put_api_key(&key).put_resource(&resource).put_group(&group).put_key(&signing);
    })
    .await
    .unwrap();
    let snapshot = store.snapshot().await.unwrap();
    assert_eq!(snapshot.clients, [Client { version: 1, ..client }]);
    assert_eq!(snapshot.apis, [Api { version: 1, ..api }]);
    assert_eq!(snapshot.api_keys, [ApiKey { version: 1, ..key }]);
    assert_eq!(snapshot.resources, [Resource { version: 1, ..resource }]);
    assert_eq!(snapshot.groups, [Group { version: 1, ..group }]);
    assert_eq!(snapshot.policy, Some(people::policy()));
    assert_eq!(store.system_keys("token").await.unwrap(), [SystemKey { version: 1, ..signing }]);
    let changed = store.feed(0, 100).await.unwrap();
    assert!(changed.iter().any(|entry| entry.kind == "changed" && entry.value == "client:treasury"));
}

async fn told(house: &House, store: &Store, person: &people::SignedInPerson) {
    let now = house.now();
    let message = Message {
        id: MessageId::new(now, drawn()),
        subject: person.subject.id,
        address: AddressId::new(now, drawn()),
        to: "alice@example.com".to_owned(),
        at: now,
        title: "A passkey was enrolled".to_owned(),
        text: "If this was not you, …".to_owned(),
        sent_at: None,
        starts_rest_of: None,
    };
    let invitation = Invitation {
        id: InvitationId::new(now, drawn()),
        secret_hash: Digest::of(b"link"),
        subject: person.subject.id,
        ceiling: Acr::Phr,
        expires_at: now.plus_seconds(86_400),
        state: InvitationState::Open {},
    };
    commit(house, store, |tx| {
        tx.queue_message(&message).invite(&invitation);
    })
    .await
    .unwrap();
    let due = store.due_deliveries(now, 10).await.unwrap();
    assert_eq!(due.iter().map(|delivery| &delivery.message).collect::<Vec<_>>(), [&message]);
    assert_eq!(store.last_messages(10).await.unwrap(), [message]);
    assert_eq!(store.invitation_by_secret(&Digest::of(b"link")).await.unwrap(), Some(invitation.clone()));
    let key = person.session.key_thumbprint;
    assert!(!invitation.vouches_for(&key, now), "a link that nobody brought vouches for nothing");
    for brought in [true, false] {
        let done = commit(house, store, |tx| {
            tx.bring_invitation(&invitation, &person.session);
        });
        assert_eq!(done.await.is_ok(), brought, "one browser brings a link, once");
    }
    let invitation = store.invitation(invitation.id).await.unwrap().unwrap();
    assert!(invitation.vouches_for(&key, now));
    assert!(!invitation.vouches_for(&Digest::of(b"another browser"), now));
    assert!(!invitation.vouches_for(&key, invitation.expires_at));
    assert!(!store.is_invitation_used(invitation.id).await.unwrap());
    commit(house, store, |tx| {
        tx.accept_invitation(&invitation);
    })
    .await
    .unwrap();
    assert!(store.is_invitation_used(invitation.id).await.unwrap());
    assert!(
        commit(house, store, |tx| {
            tx.accept_invitation(&invitation);
        })
        .await
        .is_err()
    );
}

async fn a_change_of_what_somebody_else_changed_is_refused(house: House) {
    let store = house.open("a").await;
    let person = people::signed_in(&house, &store, "alice").await;
    let mut named = person.subject.clone();
    named.name = "Alice".to_owned();
    commit(&house, &store, |tx| {
        tx.change_subject(&person.subject, &named);
    })
    .await
    .unwrap();
    let refused = commit(&house, &store, |tx| {
        tx.change_subject(&person.subject, &named);
    })
    .await
    .unwrap_err();
    let id = person.subject.id.to_string();
    assert!(
        matches!(refused, CommitError::Refused(Refusal::Condition { table: "subjects", id: found }) if found.starts_with(&id))
    );
    assert_eq!(store.subject(person.subject.id).await.unwrap().unwrap().version, 2);
}

async fn a_username_is_one_persons(house: House) {
    let store = house.open("a").await;
    let person = people::signed_in(&house, &store, "alice").await;
    let other = people::subject(house.now(), "alice");
    let refused = commit(&house, &store, |tx| {
        tx.add_subject(&other);
    })
    .await
    .unwrap_err();
    assert_eq!(refused.spent(), Some("username:alice"));
    let mut renamed = person.subject.clone();
    renamed.usernames = vec!["alice.b".to_owned()];
    commit(&house, &store, |tx| {
        tx.change_subject(&person.subject, &renamed);
    })
    .await
    .unwrap();
    assert_eq!(store.subject_by_username("alice").await.unwrap(), None);
    commit(&house, &store, |tx| {
        tx.add_subject(&other);
    })
    .await
    .unwrap();
    assert_eq!(store.subject_by_username("alice").await.unwrap().unwrap().id, other.id);
    assert_eq!(store.subject_by_username("alice.b").await.unwrap().unwrap().id, person.subject.id);
}

pub fn reason(error: ReadError) -> String {
    match error {
        ReadError::Inconsistent(inconsistency) => format!("{}: {}", inconsistency.table, inconsistency.reason),
        other => panic!("{other}"),
    }
}

async fn a_row_that_grants_power_and_was_edited_is_refused(house: House) {
    let store = house.open("a").await;
    let person = people::signed_in(&house, &store, "alice").await;
    let edit = r#"UPDATE subjects SET body = REPLACE(body, '"roles":[]', '"roles":["administrator"]')"#;
    assert_eq!(house.tamper(edit).await, 1);
    assert!(reason(store.subject(person.subject.id).await.unwrap_err()).starts_with("subjects: the MAC is not ours"));
    house.tamper("UPDATE sessions SET expires_at = expires_at + 1000000000").await;
    assert!(reason(store.session(person.session.id).await.unwrap_err()).starts_with("sessions: the MAC is not ours"));
    let invitation = Invitation {
        id: InvitationId::new(house.now(), drawn()),
        secret_hash: Digest::of(b"link"),
        subject: person.subject.id,
        ceiling: Acr::Aal2,
        expires_at: house.now().plus_seconds(60),
        state: InvitationState::Open {},
    };
    commit(&house, &store, |tx| {
        tx.invite(&invitation);
    })
    .await
    .unwrap();
    assert_eq!(house.tamper(r#"UPDATE invitations SET body = REPLACE(body, '"aal2"', '"phr"')"#).await, 1);
    let refused = reason(store.invitation(invitation.id).await.unwrap_err());
    assert!(refused.starts_with("invitations: the MAC is not ours"), "{refused}");
    house.tamper("UPDATE logins SET contained = 0, state = 'open', at = at + 1").await;
    assert!(reason(store.login(person.login.id).await.unwrap_err()).starts_with("logins: the MAC is not ours"));
}

async fn a_secret_moved_to_another_row_does_not_open(house: House) {
    let store = house.open("a").await;
    let person = people::signed_in(&house, &store, "alice").await;
    let (first, second) = (
        people::enrolled(house.now(), person.subject.id, None),
        people::enrolled(house.now(), person.subject.id, None),
    );
    commit(&house, &store, |tx| {
        tx.enrol_authenticator(&first).enrol_authenticator(&second);
    })
    .await
    .unwrap();
    let bytes: Vec<i64> = house.numbers("SELECT CAST(LENGTH(secret) AS BIGINT) FROM authenticators").await;
    assert_eq!(bytes.len(), 2);
    house
        .tamper(&format!(
            "UPDATE authenticators SET secret = (SELECT secret FROM authenticators WHERE id = '{}') WHERE id = '{}'",
            first.id, second.id
        ))
        .await;
    assert!(store.authenticator(first.id).await.unwrap().is_some());
    assert!(reason(store.authenticator(second.id).await.unwrap_err()).starts_with("authenticators: "));
}

async fn another_master_key_believes_nothing(house: House) {
    let store = house.open("a").await;
    let person = people::signed_in(&house, &store, "alice").await;
    store.close().await;
    let store = house.open_with("a", [8; 32]).await.unwrap();
    assert!(reason(store.subject(person.subject.id).await.unwrap_err()).starts_with("subjects: the MAC is not ours"));
}

async fn feed_positions_follow_commits(house: House) {
    let (a, b) = (house.open("a").await, house.open("b").await);
    let groups = (0..60).map(|n| {
        let (store, now) = (if n % 2 == 0 { a.clone() } else { b.clone() }, house.now());
        tokio::spawn(async move {
            let mut tx = Tx::new(now);
            tx.put_group(&Group { name: format!("group-{n}"), description: String::new(), version: 0 });
            let _ = tx.commit(&store, event(now)).await.unwrap();
        })
    });
    let groups: Vec<_> = groups.collect();
    let (mut cursor, mut seen) = (0, Vec::new());
    while seen.len() < 60 {
        for entry in a.feed(cursor, 7).await.unwrap() {
            assert_eq!(entry.position, cursor + 1, "a cursor that jumps would miss what is committed later");
            cursor = entry.position;
            seen.push(entry.value);
        }
        tokio::task::yield_now().await;
    }
    for group in groups {
        group.await.unwrap();
    }
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 60);
    assert!(*a.feed_signal().borrow() > 0 && *b.feed_signal().borrow() > 0);
}

async fn what_is_over_is_swept_and_nothing_else(house: House) {
    let store = house.open("a").await;
    let now = house.now();
    for n in 0..300_i64 {
        let mut upkeep = Upkeep::new(now);
        upkeep.spend(
            counterfoil_store::SpendKey::nonce(&n.to_string()),
            now.plus_seconds(if n < 290 { 60 } else { 600 }),
        );
        upkeep.commit(&store).await.unwrap();
    }
    let over = 60 + counterfoil_core::limits::REPLAY_MEMORY_SECONDS;
    assert_eq!(store.sweep(now.plus_seconds(over)).await.unwrap(), 0, "a commit may still wait for it");
    let mut gone = Vec::new();
    loop {
        match store.sweep(now.plus_seconds(over + 1)).await.unwrap() {
            0 => break,
            n => gone.push(n),
        }
    }
    assert_eq!(gone, [256, 34]);
    assert_eq!(house.numbers("SELECT COUNT(*) FROM spends").await, [10]);
}

#[tokio::test]
async fn a_schema_that_is_not_this_programs_does_not_open() {
    for engine in [Engine::Sqlite, Engine::Postgres] {
        let house = House::empty(engine).await;
        if engine == Engine::Sqlite {
            assert!(
                matches!(house.try_open("a").await.unwrap_err(), OpenError::Unavailable(_)),
                "no file is made by opening"
            );
        } else {
            assert!(matches!(house.try_open("a").await.unwrap_err(), OpenError::Empty { wanted: 1 }));
            assert_eq!(Store::migrate(&house.url, true).await.unwrap().len(), 1, "a dry run says what is missing");
            assert!(matches!(house.try_open("a").await.unwrap_err(), OpenError::Empty { .. }), "and does nothing");
        }
        assert_eq!(Store::migrate(&house.url, false).await.unwrap().len(), 1);
        assert_eq!(Store::migrate(&house.url, false).await.unwrap().len(), 0);
        house.open("a").await.close().await;
        house.tamper("UPDATE meta SET number = 2 WHERE name = 'schema'").await;
        let refused = house.try_open("a").await.unwrap_err();
        assert!(matches!(refused, OpenError::Newer { found: 2, wanted: 1 }), "{refused}");
        assert!(matches!(Store::migrate(&house.url, false).await, Err(OpenError::Newer { .. })));
    }
}
