//! People with roles, and a second protected API, written into a demo's rows as an operator's commands would.

use crate::{
    application::{identifier, new_key, random},
    clock::now,
    harness::Demo,
};
use counterfoil_core::{
    assurance::{Acr, Method},
    audit::event::{Actor, Event, EventKind},
    authenticator::{password, totp::TotpSecret},
    digest::Digest,
    enrolled::{Enrolled, EnrolledState, Secret},
    id::{ApiKeyId, AuthenticatorId, EventId, InvitationId, SubjectId},
    seal::MasterKey,
    subject::Subject,
};
use counterfoil_oauth::jose::Signer as _;
use counterfoil_store::{Api, ApiKey, ApiKeyState, Client, Edges, Invitation, InvitationState, OpenOptions, Store, Tx};
use serde_json::{Value, json};
use std::sync::Arc;

/// The roles that the console knows.
pub const ROLES: [&str; 5] = ["administrator", "security", "help_desk", "analyst", "auditor"];

/// Another protected API, with a key and a client of its own.
pub struct OtherApi {
    /// `Bearer` and its key.
    pub authorization: String,
    /// The same with a key whose time is over.
    pub expired: String,
    /// The same with a key that was revoked before its time.
    pub revoked: String,
    /// Its client.
    pub client_id: &'static str,
    /// Its client's private key.
    pub jwk: Value,
}

/// A person for each role, in the order of [`ROLES`], as the ready file has people; and another API. The demo is stopped
/// meanwhile: its database has one writer.
pub fn hire(demo: &mut Demo) -> (Vec<Value>, OtherApi) {
    demo.stop();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let hired = runtime.block_on(async {
        let store = open(demo).await;
        let mut people = Vec::new();
        for role in ROLES {
            people.push(person(&store, role).await);
        }
        let api = other_api(&store, demo.issuer()).await;
        store.close().await;
        (people, api)
    });
    demo.start_again();
    hired
}

/// A client's registration goes, and nothing else of it, as if whoever removed it had been interrupted. The demo is stopped
/// meanwhile.
pub fn half_remove(demo: &mut Demo, client_id: &str) {
    demo.stop();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let store = open(demo).await;
        let client = store.client(client_id).await.unwrap().unwrap();
        let mut tx = Tx::new(now());
        tx.remove_client(&client);
        let removed =
            EventKind::RegistrationChanged { noun: "client".to_owned(), id: client_id.to_owned(), record: None };
        tx.commit(&store, event(removed)).await.map(drop).unwrap();
        store.close().await;
    });
    demo.start_again();
}

async fn open(demo: &Demo) -> Store {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let key = std::fs::read_to_string(demo.data().join("master.key")).unwrap();
    let key: [u8; 32] = STANDARD.decode(key.trim()).unwrap().try_into().unwrap();
    let file = format!("sqlite:{}", demo.data().join("counterfoil.db").display());
    let fill = |bytes: &mut [u8]| {
        for chunk in bytes.chunks_mut(32) {
            chunk.copy_from_slice(&random::<32>()[..chunk.len()]);
        }
    };
    Store::open(OpenOptions {
        url: demo.database_url().unwrap_or(&file),
        master: &MasterKey::from_bytes(key),
        high_water: demo.data().join("high-water.json"),
        node: "operator",
        edges: Edges { now: Arc::new(now), random: Arc::new(fill) },
    })
    .await
    .unwrap()
}

fn event(kind: EventKind) -> Event {
    Event { id: EventId::new(now(), random()), at: now(), actor: Actor::Host {}, kind, personal: None }
}

/// A person with a password, a code app and an invitation to a first passkey.
async fn person(store: &Store, role: &str) -> Value {
    let (now, typed, secret) = (now(), identifier(), random::<20>());
    let mut subject = Subject::new(SubjectId::new(now, random()), role, role, "en", now);
    subject.roles = [role.to_owned()].into();
    let mut tx = Tx::new(now);
    tx.add_subject(&subject);
    let hash = password::hash(&typed, &random()).unwrap();
    for (method, ceiling, secret) in
        [(Method::Password, Acr::Aal1, hash.into_bytes()), (Method::AppCode, Acr::Aal2, secret.to_vec())]
    {
        let enrolled = Enrolled {
            id: AuthenticatorId::new(now, random()),
            subject: subject.id,
            method,
            label: String::new(),
            state: EnrolledState::Active {},
            ceiling,
            rest: None,
            bound_by: None,
            bound_at: now,
            last_used_at: None,
            series: 0,
            handle: None,
            public: Value::Null,
            secret: Some(Secret::new(secret)),
            version: 0,
        };
        tx.enrol_authenticator(&enrolled);
        tx.also(event(EventKind::AuthenticatorEnrolled {
            authenticator: enrolled.id,
            subject: subject.id,
            method,
            ceiling,
            credential: None,
            attestation: None,
            login: None,
            vouched_by: Vec::new(),
        }));
    }
    let (invitation, ceiling) = (InvitationId::new(now, random()), Acr::Phr);
    tx.invite(&Invitation {
        id: invitation,
        secret_hash: Digest::of(&random::<32>()),
        subject: subject.id,
        ceiling,
        expires_at: now.plus_seconds(3_600),
        state: InvitationState::Declared {},
    });
    tx.also(event(EventKind::InvitationChanged { invitation, subject: subject.id, ceiling, used: false }));
    let created = event(EventKind::SubjectCreated { subject: subject.id });
    tx.commit(store, created).await.map(drop).unwrap();
    let totp_secret = TotpSecret::new(&secret).unwrap().base32().to_string();
    json!({"sub": subject.id, "username": role, "password": typed, "totp_secret": totp_secret})
}

async fn other_api(store: &Store, issuer: &str) -> OtherApi {
    let (audience, client_id, key) = ("https://other.example/api", "other-api", new_key());
    let jwk: Value = serde_json::from_str(&key.private_jwk().unwrap()).unwrap();
    let metadata = json!({
        "client_id": client_id,
        "token_endpoint_auth_method": "private_key_jwt",
        "jwks": {"keys": [Value::from(key.public_jwk().clone())]},
        "redirect_uris": [],
        "grant_types": ["client_credentials"],
        "scopes": [],
        "audiences": [issuer],
        "authorization_details_types": [],
        "names": {"en": "Other"},
    });
    let client = counterfoil_oauth::client::Client::register(serde_json::from_value(metadata).unwrap()).unwrap();
    let now = now();
    let mut tx = Tx::new(now);
    tx.put_api(&Api {
        audience: audience.to_owned(),
        body: json!({"names": {"en": "Other"}, "client_id": client_id}),
        version: 0,
    });
    let body = serde_json::to_value(client).unwrap();
    tx.put_client(&Client { client_id: client_id.to_owned(), body, version: 0 });
    let (mut keys, mut changes) = (Vec::new(), Vec::new());
    for (expires_at, state) in [
        (now.plus_seconds(3_600), ApiKeyState::Active {}),
        (now.plus_seconds(-1), ApiKeyState::Active {}),
        (now.plus_seconds(3_600), ApiKeyState::Revoked { at: now }),
    ] {
        let secret = identifier();
        let key = ApiKey {
            id: ApiKeyId::new(now, random()),
            hash: Digest::of(secret.as_bytes()),
            audience: audience.to_owned(),
            scopes: vec!["evaluate".to_owned(), "redeem".to_owned()],
            issued_at: now.plus_seconds(-3_600),
            expires_at,
            state,
            version: 0,
        };
        tx.put_api_key(&key);
        let (key, audience, expires_at) = (key.id, audience.to_owned(), Some(expires_at));
        changes.push(event(EventKind::ApiKeyChanged { key, audience, expires_at }));
        keys.push(format!("Bearer {secret}"));
    }
    let last = changes.pop().unwrap();
    for change in changes {
        tx.also(change);
    }
    tx.commit(store, last).await.map(drop).unwrap();
    let [authorization, expired, revoked] = keys.try_into().unwrap();
    OtherApi { authorization, expired, revoked, client_id, jwk }
}
