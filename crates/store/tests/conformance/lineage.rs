//! R4: containment closes and does not spill.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A test that cannot go on should stop.

use crate::support::{House, event, people};
use counterfoil_core::{
    audit::event::{ContainmentCause, EventKind},
    enrolled::EnrolledState,
    session::{LoginState, SessionState},
};
use counterfoil_store::{Artefact, CommitError, KnownDevice, Refusal, Store, Tx};

crate::on_both_engines! {
    containment_cuts_what_descends_and_nothing_else,
    nothing_comes_from_a_contained_login,
    a_closure_too_large_for_one_event_is_cut_in_several,
    a_closure_of_thousands_is_cut_from_what_lets_logins_in,
    what_a_contained_login_made_known_is_known_no_longer,
    what_relied_on_a_device_is_cut_with_what_made_it_known,
    a_login_that_relies_on_a_device_and_races_a_containment_is_refused_or_contained,
    a_login_may_rely_on_the_device_that_it_made_known_itself,
    what_a_session_came_from_is_found_when_it_is_over,
    a_login_that_races_a_containment_is_refused_or_contained,
    an_ended_login_gives_no_code_but_its_authenticators_live_on,
}

async fn enrol_in(
    house: &House,
    store: &Store,
    person: &people::SignedInPerson,
) -> counterfoil_core::enrolled::Enrolled {
    let enrolled = people::enrolled(house.now(), person.subject.id, Some(person.login.id));
    let mut tx = Tx::new(house.now());
    tx.enrol_authenticator(&enrolled);
    let _ = tx.commit(store, event(house.now())).await.unwrap();
    store.authenticator(enrolled.id).await.unwrap().unwrap()
}

async fn login_with(
    house: &House,
    store: &Store,
    enrolled: &counterfoil_core::enrolled::Enrolled,
) -> Result<counterfoil_core::session::Login, CommitError> {
    let login = people::login(house.now(), enrolled.subject, &[enrolled.id]);
    let mut tx = Tx::new(house.now());
    tx.begin_login(&login, &[enrolled]);
    tx.commit(store, event(house.now())).await.map(|_| login)
}

async fn contain(house: &House, store: &Store, root: Artefact) -> counterfoil_store::Closure {
    let now = house.now();
    store.contain(&[root], now, |_| event(now)).await.unwrap()
}

async fn containment_cuts_what_descends_and_nothing_else(house: House) {
    let store = house.open("a").await;
    let (thief, owner) =
        (people::signed_in(&house, &store, "alice").await, people::signed_in(&house, &store, "bob").await);
    let planted = enrol_in(&house, &store, &thief).await;
    let second = login_with(&house, &store, &planted).await.unwrap();
    let before = store.feed_position().await.unwrap();

    let closure = contain(&house, &store, Artefact::Login(thief.login.id)).await;
    assert_eq!(closure.logins.len(), 2);
    assert_eq!((closure.sessions, closure.authenticators), (vec![thief.session.id], vec![planted.id]));
    for login in [thief.login.id, second.id] {
        assert!(matches!(store.login(login).await.unwrap().unwrap().state, LoginState::Contained { .. }));
    }
    assert!(matches!(store.session(thief.session.id).await.unwrap().unwrap().state, SessionState::Ended { .. }));
    assert!(matches!(store.authenticator(planted.id).await.unwrap().unwrap().state, EnrolledState::Contained { .. }));
    assert!(store.login(owner.login.id).await.unwrap().unwrap().is_open());
    assert!(store.session(owner.session.id).await.unwrap().unwrap().signed_in().is_some());

    let fed = store.feed(before, 100).await.unwrap();
    let logins: Vec<_> = fed.iter().filter(|entry| entry.kind == "login").map(|entry| entry.value.clone()).collect();
    assert_eq!(logins.len(), 2);
    assert!(logins.contains(&thief.login.id.to_string()) && logins.contains(&second.id.to_string()));
    assert_eq!(
        contain(&house, &store, Artefact::Login(thief.login.id)).await,
        Default::default(),
        "nothing is left to cut"
    );
}

async fn a_closure_too_large_for_one_event_is_cut_in_several(house: House) {
    let store = house.open("a").await;
    let person = people::signed_in(&house, &store, "alice").await;
    let planted = enrol_in(&house, &store, &person).await;
    let logins = (0..300).map(|_| login_with(&house, &store, &planted));
    assert!(futures_util::future::join_all(logins).await.iter().all(Result::is_ok));
    let events = std::cell::Cell::new(0);
    let now = house.now();
    let closure = store
        .contain(&[Artefact::Authenticator(planted.id)], now, |cut| {
            assert!(cut.len() <= 257, "{}", cut.len());
            events.set(events.get() + 1);
            event(now)
        })
        .await
        .unwrap();
    assert_eq!((closure.logins.len(), closure.authenticators), (300, vec![planted.id]));
    assert_eq!(events.get(), 2);
    assert!(store.login(person.login.id).await.unwrap().unwrap().is_open(), "what is older is not touched");
}

async fn a_closure_of_thousands_is_cut_from_what_lets_logins_in(house: House) {
    const LOGINS: usize = 2_000;
    let store = house.open("a").await;
    let person = people::signed_in(&house, &store, "alice").await;
    let planted = enrol_in(&house, &store, &person).await;
    let logins = (0..LOGINS).map(|_| login_with(&house, &store, &planted));
    assert!(futures_util::future::join_all(logins).await.iter().all(Result::is_ok));
    let now = house.now();
    let cuts = std::cell::RefCell::new(Vec::new());
    let closure = store
        .contain(&[Artefact::Login(person.login.id)], now, |cut| {
            cuts.borrow_mut().push(cut.clone());
            let mut said = event(now);
            said.kind = EventKind::Contained {
                logins: cut.logins.clone(),
                authenticators: cut.authenticators.clone(),
                cause: ContainmentCause::Owner,
            };
            said
        })
        .await
        .unwrap();
    assert_eq!((closure.logins.len(), closure.authenticators), (LOGINS + 1, vec![planted.id]));
    let first = cuts.borrow().first().cloned().unwrap();
    assert_eq!((first.logins.first(), first.authenticators), (Some(&person.login.id), vec![planted.id]));
    assert_eq!(house.numbers("SELECT COUNT(*) FROM logins WHERE contained = 0").await, [0]);
}

async fn what_a_contained_login_made_known_is_known_no_longer(house: House) {
    let store = house.open("a").await;
    let now = house.now();
    for (username, by_login) in [("alice", true), ("bob", false)] {
        let person = people::signed_in(&house, &store, username).await;
        let planted = enrol_in(&house, &store, &person).await;
        let device = KnownDevice {
            subject: person.subject.id,
            key_thumbprint: person.session.key_thumbprint,
            authenticator: planted.id,
            login: person.login.id,
            at: now,
            expires_at: now.plus_seconds(90 * 24 * 3600),
        };
        let mut tx = Tx::new(now);
        tx.remember_device(&device);
        let _ = tx.commit(&store, event(now)).await.unwrap();
        let trusted = store.trusted_device(device.subject, &device.key_thumbprint, now).await.unwrap();
        assert_eq!(trusted.as_ref(), Some(&device));
        let late = store.trusted_device(device.subject, &device.key_thumbprint, device.expires_at).await.unwrap();
        assert_eq!(late, None);
        let root = if by_login { Artefact::Login(person.login.id) } else { Artefact::Authenticator(planted.id) };
        contain(&house, &store, root).await;
        assert_eq!(store.trusted_device(device.subject, &device.key_thumbprint, now).await.unwrap(), None);
        // Who read it before the containment loses the race.
        let mut tx = Tx::new(now);
        tx.rely_on_device(&device, person.login.id);
        assert!(matches!(
            tx.commit(&store, event(now)).await.unwrap_err(),
            CommitError::Refused(Refusal::Condition { .. })
        ));
    }
}

/// The device that this login of theirs has made known, by a passkey that was bound before it.
async fn known(house: &House, store: &Store, person: &people::SignedInPerson) -> KnownDevice {
    let older = people::enrolled(house.now(), person.subject.id, None);
    let device = KnownDevice {
        subject: person.subject.id,
        key_thumbprint: person.session.key_thumbprint,
        authenticator: older.id,
        login: person.login.id,
        at: house.now(),
        expires_at: house.now().plus_seconds(90 * 24 * 3600),
    };
    let mut tx = Tx::new(house.now());
    tx.enrol_authenticator(&older).remember_device(&device);
    let _ = tx.commit(store, event(house.now())).await.unwrap();
    device
}

/// A login that showed codes alone, on that device.
async fn login_on(
    house: &House,
    store: &Store,
    device: &KnownDevice,
) -> Result<counterfoil_core::session::Login, CommitError> {
    let login = people::login(house.now(), device.subject, &[]);
    let mut tx = Tx::new(house.now());
    tx.begin_login(&login, &[]).rely_on_device(device, login.id);
    tx.commit(store, event(house.now())).await.map(|_| login)
}

async fn what_relied_on_a_device_is_cut_with_what_made_it_known(house: House) {
    let store = house.open("a").await;
    for (username, by_login) in [("alice", true), ("bob", false)] {
        let person = people::signed_in(&house, &store, username).await;
        let device = known(&house, &store, &person).await;
        let relied = login_on(&house, &store, &device).await.unwrap();
        // Another login of theirs, which relied on nothing.
        let other = people::login(house.now(), person.subject.id, &[]);
        let mut tx = Tx::new(house.now());
        tx.begin_login(&other, &[]);
        let _ = tx.commit(&store, event(house.now())).await.unwrap();

        let root = if by_login { Artefact::Login(device.login) } else { Artefact::Authenticator(device.authenticator) };
        let cut = contain(&house, &store, root).await;
        assert!(cut.logins.contains(&relied.id), "{username}: {cut:?}");
        let after = store.login(relied.id).await.unwrap().unwrap();
        assert!(matches!(after.state, LoginState::Contained { .. }), "{username}: {after:?}");
        assert!(store.login(other.id).await.unwrap().unwrap().is_open(), "{username}: nothing else is cut");
        // An older login does not come from a newer one.
        assert_eq!(store.login(device.login).await.unwrap().unwrap().is_open(), !by_login, "{username}");
    }
}

async fn a_login_that_relies_on_a_device_and_races_a_containment_is_refused_or_contained(house: House) {
    let (a, b) = (house.open("a").await, house.open("b").await);
    for round in 0..6 {
        let person = people::signed_in(&house, &a, &format!("user-{round}")).await;
        let device = known(&house, &a, &person).await;
        let root = match round % 2 {
            0 => Artefact::Login(device.login),
            _ => Artefact::Authenticator(device.authenticator),
        };
        let logins = (0..8).map(|_| login_on(&house, &b, &device));
        let (_, logins) = tokio::join!(contain(&house, &a, root), futures_util::future::join_all(logins));
        for login in logins.into_iter().flatten() {
            let state = a.login(login.id).await.unwrap().unwrap().state;
            assert!(matches!(state, LoginState::Contained { .. }), "slipped by: {state:?}");
        }
    }
}

async fn a_login_may_rely_on_the_device_that_it_made_known_itself(house: House) {
    let store = house.open("a").await;
    let person = people::signed_in(&house, &store, "alice").await;
    let device = known(&house, &store, &person).await;
    let mut tx = Tx::new(house.now());
    tx.rely_on_device(&device, person.login.id);
    let _ = tx.commit(&store, event(house.now())).await.unwrap();
    let parents = store.parents(&Artefact::Login(person.login.id)).await.unwrap();
    assert_eq!(parents, [Artefact::Authenticator(device.authenticator)], "nothing descends from itself");
    // Two logins that rely on each other's devices make a circle, which is cut once.
    let second = login_on(&house, &store, &device).await.unwrap();
    let mut tx = Tx::new(house.now());
    tx.rely_on_device(&KnownDevice { login: second.id, ..device.clone() }, person.login.id);
    let _ = tx.commit(&store, event(house.now())).await.unwrap();
    let cut = contain(&house, &store, Artefact::Login(second.id)).await;
    assert_eq!(cut.logins.len(), 2, "{cut:?}");
}

async fn what_a_session_came_from_is_found_when_it_is_over(house: House) {
    let store = house.open("a").await;
    let person = people::signed_in(&house, &store, "alice").await;
    let raised = people::session(house.now(), &person.login);
    let mut tx = Tx::new(house.now());
    tx.raise_session(&person.session, &raised);
    let _ = tx.commit(&store, event(house.now())).await.unwrap();
    let raised = store.session(raised.id).await.unwrap().unwrap();
    let mut tx = Tx::new(house.now());
    tx.end_session(&raised, Some(&person.login), counterfoil_core::audit::event::EndReason::SignedOut);
    let _ = tx.commit(&store, event(house.now())).await.unwrap();
    assert!(store.session(raised.id).await.unwrap().unwrap().signed_in().is_none());
    let parents = store.parents(&Artefact::Session(raised.id)).await.unwrap();
    assert_eq!(parents, [Artefact::Login(person.login.id)]);
}

async fn nothing_comes_from_a_contained_login(house: House) {
    let store = house.open("a").await;
    people::register_client(&house, &store).await;
    let person = people::signed_in(&house, &store, "alice").await;
    let enrolled = enrol_in(&house, &store, &person).await;
    let code = people::code(house.now(), &person.login);
    let mut tx = Tx::new(house.now());
    tx.issue_code(&code);
    let _ = tx.commit(&store, event(house.now())).await.unwrap();
    contain(&house, &store, Artefact::Session(person.session.id)).await;

    let mut redeem = Tx::new(house.now());
    redeem.redeem_code(&code);
    let mut issue = Tx::new(house.now());
    issue.issue_code(&people::code(house.now(), &person.login));
    let mut enrol = Tx::new(house.now());
    enrol.enrol_authenticator(&people::enrolled(house.now(), person.subject.id, Some(person.login.id)));
    for tx in [redeem, issue, enrol] {
        let refused = tx.commit(&store, event(house.now())).await.unwrap_err();
        assert!(matches!(refused, CommitError::Refused(Refusal::Condition { table: "logins", .. })), "{refused}");
    }
    assert!(login_with(&house, &store, &enrolled).await.is_err(), "what it bound makes no new login");
}

async fn a_login_that_races_a_containment_is_refused_or_contained(house: House) {
    let (a, b) = (house.open("a").await, house.open("b").await);
    for round in 0..6 {
        let person = people::signed_in(&house, &a, &format!("user-{round}")).await;
        let enrolled = enrol_in(&house, &a, &person).await;
        let logins = (0..8).map(|_| login_with(&house, &b, &enrolled));
        let (_, logins) =
            tokio::join!(contain(&house, &a, Artefact::Login(person.login.id)), futures_util::future::join_all(logins));
        for login in logins.into_iter().flatten() {
            let state = a.login(login.id).await.unwrap().unwrap().state;
            assert!(matches!(state, LoginState::Contained { .. }), "slipped by: {state:?}");
        }
    }
}

async fn an_ended_login_gives_no_code_but_its_authenticators_live_on(house: House) {
    let store = house.open("a").await;
    people::register_client(&house, &store).await;
    let person = people::signed_in(&house, &store, "alice").await;
    let enrolled = enrol_in(&house, &store, &person).await;
    let mut tx = Tx::new(house.now());
    tx.end_session(&person.session, Some(&person.login), counterfoil_core::audit::event::EndReason::SignedOut);
    let _ = tx.commit(&store, event(house.now())).await.unwrap();
    let mut issue = Tx::new(house.now());
    issue.issue_code(&people::code(house.now(), &person.login));
    let refused = issue.commit(&store, event(house.now())).await.unwrap_err();
    assert!(matches!(refused, CommitError::Refused(Refusal::Condition { table: "logins", .. })), "{refused}");
    assert!(login_with(&house, &store, &enrolled).await.is_ok());
}
