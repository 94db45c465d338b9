//! People, logins and challenges for tests to act on, each made by the store's own verbs.

use super::{House, drawn, event};
use counterfoil_core::{
    assurance::{Acr, Binding, Method},
    audit::{
        event::{Event, EventKind, Outcome},
        kind::decision_record_digest,
    },
    digest::Digest,
    enrolled::{Enrolled, EnrolledState, Secret},
    evidence::{Evidence, RelayVerdict},
    id::{AuthenticatorId, ChallengeId, DecisionId, LoginId, SessionId, SubjectId},
    session::{Login, LoginState, Session, SessionState, SignedIn},
    subject::Subject,
    time::Time,
};
use counterfoil_store::{ChallengeRecord, Client, CodeRecord, DecisionRecord, PolicyVersion, Redemption, Store, Tx};
use std::collections::BTreeMap;

pub fn subject(now: Time, username: &str) -> Subject {
    Subject::new(SubjectId::new(now, drawn()), username, "Somebody", "en", now)
}

pub fn enrolled(now: Time, subject: SubjectId, bound_by: Option<LoginId>) -> Enrolled {
    let id = AuthenticatorId::new(now, drawn());
    Enrolled {
        id,
        subject,
        method: Method::Passkey,
        label: "Laptop".to_owned(),
        state: EnrolledState::Active {},
        ceiling: Acr::Phr,
        rest: None,
        bound_by,
        bound_at: now,
        last_used_at: None,
        series: 0,
        handle: Some(format!("handle-{id}")),
        public: serde_json::json!({"counter": 0}),
        secret: Some(Secret::new(b"a seed that nobody must see".to_vec())),
        version: 0,
    }
}

pub fn login(now: Time, subject: SubjectId, with: &[AuthenticatorId]) -> Login {
    Login {
        id: LoginId::new(now, drawn()),
        subject,
        at: now,
        authenticators: with.to_vec(),
        state: LoginState::Open {},
    }
}

pub fn session(now: Time, login: &Login) -> Session {
    let state = SignedIn {
        subject: login.subject,
        login: login.id,
        binding: Binding::NewKey,
        evidence: Evidence::default(),
        signed_in_at: now,
    };
    let id = SessionId::new(now, drawn());
    Session {
        id,
        secret_hash: Digest::of(id.as_bytes()),
        key_thumbprint: Digest::of(b"key"),
        jwk: serde_json::json!({"kty": "EC"}),
        born: now,
        seen_at: now,
        expires_at: now.plus_seconds(3600),
        lang: "en".to_owned(),
        user_agent: "test".to_owned(),
        relay: RelayVerdict::Unknown,
        state: SessionState::SignedIn(state),
        version: 0,
    }
}

pub fn decision(now: Time, subject: SubjectId) -> DecisionRecord {
    DecisionRecord {
        id: DecisionId::new(now, drawn()),
        at: now,
        subject: subject.to_string(),
        audience: "https://treasury.example".to_owned(),
        action: "payout.change".to_owned(),
        resource_type: "account".to_owned(),
        resource_id: "42".to_owned(),
        tier: "high".to_owned(),
        outcome: Outcome::StepUp,
        login: None,
        txn_digest: Some(Digest::of(b"transaction")),
        policy_version: policy().version,
        body: format!(r#"{{"salt":"{SALT}","inputs":"all of them"}}"#),
    }
}

/// Sixteen zero bytes, base64url.
const SALT: &str = "AAAAAAAAAAAAAAAAAAAAAA";

/// The event that says so.
pub fn decided(decision: &DecisionRecord) -> Event {
    let kind = EventKind::DecisionMade {
        decision: decision.id,
        record: decision_record_digest(&[0; 16], decision.body.as_bytes()),
        subject: decision.subject.parse().ok(),
        action: decision.action.clone(),
        resource_type: decision.resource_type.clone(),
        resource_id: decision.resource_id.clone(),
        tier: None,
        outcome: decision.outcome,
        policy_version: decision.policy_version,
        audience: None,
        txn_digest: decision.txn_digest,
    };
    Event { kind, ..super::event(decision.at) }
}

pub fn policy() -> PolicyVersion {
    let files = BTreeMap::from([("pack.toml".to_owned(), "name = \"test\"".to_owned())]);
    PolicyVersion { version: Digest::of(b"pack"), at: super::BEGIN, files }
}

pub fn challenge(now: Time, session: SessionId, subject: SubjectId, decision: Option<DecisionId>) -> ChallengeRecord {
    ChallengeRecord {
        id: ChallengeId::new(now, drawn()),
        session,
        subject: Some(subject),
        decision,
        state: "open".to_owned(),
        expires_at: now.plus_seconds(300),
        body: counterfoil_store::Body::of(&serde_json::json!({"statement": "what is signed"})).unwrap(),
        version: 0,
    }
}

/// The client of [`code`], as it is before it is kept.
pub fn client() -> Client {
    Client { client_id: "treasury".to_owned(), body: serde_json::json!({"a": [1, "x"]}), version: 0 }
}

/// It is registered from now on.
pub async fn register_client(house: &House, store: &Store) {
    let mut tx = Tx::new(house.now());
    tx.put_client(&client());
    let _ = tx.commit(store, event(house.now())).await.unwrap();
}

pub fn code(now: Time, login: &Login) -> CodeRecord {
    CodeRecord {
        hash: Digest::of(&drawn()),
        client_id: "treasury".to_owned(),
        subject: login.subject,
        login: login.id,
        challenge: None,
        expires_at: now.plus_seconds(60),
        body: counterfoil_store::Body::of(&serde_json::json!({})).unwrap(),
    }
}

pub fn redemption(now: Time, challenge: ChallengeId, login: &Login, redemption_id: &str) -> Redemption {
    Redemption {
        challenge,
        audience: "https://treasury.example".to_owned(),
        redemption_id: redemption_id.to_owned(),
        digest: Digest::of(b"transaction"),
        at: now,
        login: login.id,
        subject: login.subject,
        policy_version: policy().version,
        answer: serde_json::json!({"outcome": "spent"}),
        outcome: None,
        version: 0,
    }
}

/// A person who is signed in, under an active pack, in a house of their own.
pub struct SignedInPerson {
    pub subject: Subject,
    pub login: Login,
    pub session: Session,
}

/// Makes one, with the user name given.
pub async fn signed_in(house: &House, store: &Store, username: &str) -> SignedInPerson {
    let now = house.now();
    let subject = subject(now, username);
    let login = login(now, subject.id, &[]);
    let session = session(now, &login);
    let mut tx = Tx::new(now);
    tx.add_subject(&subject);
    let _ = tx.commit(store, event(now)).await.unwrap();
    let mut tx = Tx::new(now);
    tx.begin_login(&login, &[]);
    let _ = tx.commit(store, event(now)).await.unwrap();
    let mut tx = Tx::new(now);
    tx.begin_session(&session);
    let _ = tx.commit(store, event(now)).await.unwrap();
    SignedInPerson {
        subject: store.subject(subject.id).await.unwrap().unwrap(),
        login,
        session: store.session(session.id).await.unwrap().unwrap(),
    }
}

/// The test's pack becomes the active one.
pub async fn activate(house: &House, store: &Store) {
    let mut tx = Tx::new(house.now());
    tx.put_policy(&policy());
    tx.activate_policy(None, policy().version);
    let _ = tx.commit(store, event(house.now())).await.unwrap();
}

/// A challenge that was opened and is proven.
pub async fn proven_challenge(house: &House, store: &Store, person: &SignedInPerson) -> ChallengeRecord {
    let now = house.now();
    let opened = challenge(now, person.session.id, person.subject.id, None);
    let mut tx = Tx::new(now);
    tx.open_challenge(&opened);
    let _ = tx.commit(store, event(now)).await.unwrap();
    let opened = store.challenge(opened.id).await.unwrap().unwrap();
    let mut tx = Tx::new(now);
    tx.change_challenge(&ChallengeRecord { state: "proven".to_owned(), ..opened.clone() });
    let _ = tx.commit(store, event(now)).await.unwrap();
    store.challenge(opened.id).await.unwrap().unwrap()
}
