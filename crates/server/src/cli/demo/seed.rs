//! People, clients and keys of the demo: drawn once, kept in the data directory, and the same after a restart.

use crate::{
    app::App,
    cli::Failure,
    registry::{Api, Client, Group, Person, Registry, Resource},
};
use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use counterfoil_core::{
    assurance::{Acr, Method},
    audit::event::{Actor, EventKind},
    authenticator::{password, totp::TotpSecret},
    digest::Digest,
    enrolled::{Enrolled, EnrolledState, Secret},
    id::{AddressId, ApiKeyId, AuthenticatorId, InvitationId, SubjectId},
    subject::{Address, AddressKind, AddressState, Subject},
    time::Time,
};
use counterfoil_oauth::jose::{Es256Signer, Signer as _};
use counterfoil_store::{ApiKey, ApiKeyState, Invitation, InvitationState, Tx};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::{collections::BTreeMap, net::SocketAddr, path::Path};

/// The treasury's web front.
pub const TREASURY_CLIENT: &str = "treasury";
/// The treasury's API as a client of its own.
const API_CLIENT: &str = "treasury-api";
/// A client for trying the flows by hand: its codes go to a loopback port.
const WORKBENCH_CLIENT: &str = "workbench";
const FILE: &str = "demo.json";
const GROUP: &str = "treasury";
/// How long the demo's key and invitation are good.
const DEMO_SECONDS: i64 = 365 * 24 * 3600;

/// Everything that was drawn. The file holds secrets; only its owner may read it.
#[derive(Serialize, Deserialize)]
pub struct Seed {
    /// The issuer it was made for.
    pub issuer: String,
    /// People.
    pub users: Vec<User>,
    /// The API's audience.
    pub audience: String,
    /// Where the treasury is.
    pub app_url: String,
    /// The API's key.
    pub api_key: String,
    /// Private keys of the clients.
    pub treasury_jwk: String,
    api_jwk: String,
    workbench_jwk: String,
}

/// A person of the demo.
#[derive(Serialize, Deserialize)]
pub struct User {
    /// `sub`.
    pub sub: SubjectId,
    /// What they type.
    pub username: String,
    /// What pages call them.
    pub name: String,
    /// Their password.
    pub password: String,
    /// Their code secret, base32 as an app takes it.
    pub totp_secret: String,
    totp_bytes: String,
    roles: Vec<String>,
    groups: Vec<String>,
    first_passkey: Option<Acr>,
}

impl User {
    /// The code that an app would show now.
    pub fn code(&self, now: Time) -> String {
        self.secret().map(|secret| secret.code(now)).unwrap_or_default()
    }

    fn secret(&self) -> Option<TotpSecret> {
        TotpSecret::new(&URL_SAFE_NO_PAD.decode(&self.totp_bytes).ok()?).ok()
    }
}

impl Seed {
    /// The demo of this directory, or a new one in an empty database.
    pub async fn load_or_make(app: &App, data: &Path, issuer: &str, app_url: &str) -> Result<Self, Failure> {
        let file = data.join(FILE);
        if let Ok(text) = std::fs::read_to_string(&file) {
            let seed: Self = serde_json::from_str(&text).map_err(Failure::new)?;
            if seed.issuer != issuer || seed.app_url != app_url {
                return Err(Failure::new(format!("this demo was made for {} and {}", seed.issuer, seed.app_url))
                    .hint("use the same --listen and --app-listen, or another --data"));
            }
            return Ok(seed);
        }
        if !app.store.subjects(None, 1).await.map_err(Failure::new)?.is_empty() {
            return Err(Failure::new("the database is not empty, and was not made with this --data"));
        }
        let seed = Self::draw(app, issuer, app_url)?;
        for user in &seed.users {
            create(app, user).await?;
        }
        issue_key(app, &seed).await?;
        let text = serde_json::to_string_pretty(&seed).map_err(Failure::new)?;
        crate::keys::write_private(&file, text.as_bytes()).map_err(Failure::new)?;
        Ok(seed)
    }

    fn draw(app: &App, issuer: &str, app_url: &str) -> Result<Self, Failure> {
        let now = app.now();
        let user = |username: &str, name: &str, roles: &[&str], first_passkey| {
            let bytes = app.random.bytes::<{ counterfoil_core::limits::TOTP_SECRET_BYTES }>();
            let secret = TotpSecret::new(&bytes).map_err(Failure::new)?;
            Ok::<_, Failure>(User {
                sub: SubjectId::new(now, app.random.id()),
                username: username.to_owned(),
                name: name.to_owned(),
                password: passphrase(app),
                totp_secret: secret.base32().to_string(),
                totp_bytes: URL_SAFE_NO_PAD.encode(bytes),
                roles: roles.iter().map(|role| (*role).to_owned()).collect(),
                groups: vec![GROUP.to_owned()],
                first_passkey,
            })
        };
        Ok(Self {
            issuer: issuer.to_owned(),
            users: vec![
                user("ada", "Ada Lopez", &[], Some(Acr::Phr))?,
                user("grace", "Grace Okafor", &[], None)?,
                user("noor", "Noor Haddad", &["administrator"], Some(Acr::Phr))?,
            ],
            audience: format!("{app_url}/api"),
            app_url: app_url.to_owned(),
            api_key: format!("cfk_{}", URL_SAFE_NO_PAD.encode(app.random.bytes::<32>())),
            treasury_jwk: private_jwk()?,
            api_jwk: private_jwk()?,
            workbench_jwk: private_jwk()?,
        })
    }

    /// What an operator would have written in the registry file.
    pub fn registry(&self) -> Registry {
        let names =
            |en: &str, de: &str| BTreeMap::from([("en".to_owned(), en.to_owned()), ("de".to_owned(), de.to_owned())]);
        let client = |id: &str, name, jwk: &str, redirects: Vec<String>, grant: &str, audience: &str| Client {
            client_id: id.to_owned(),
            name,
            redirect_uris: redirects,
            jwks: json!({"keys": [public_jwk(jwk)]}),
            grant_types: vec![grant.to_owned()],
            audiences: vec![audience.to_owned()],
            scopes: if grant == "client_credentials" {
                Vec::new()
            } else {
                vec!["openid".to_owned(), "profile".to_owned(), "email".to_owned()]
            },
            authorization_details_types: if grant == "client_credentials" {
                Vec::new()
            } else {
                vec!["payout_change".to_owned(), "key_export".to_owned()]
            },
        };
        let code = "authorization_code";
        Registry {
            groups: vec![Group { name: GROUP.to_owned(), description: String::new() }],
            people: self
                .users
                .iter()
                .map(|user| Person {
                    username: user.username.clone(),
                    name: user.name.clone(),
                    lang: "en".to_owned(),
                    mail: Vec::new(),
                    groups: user.groups.clone(),
                    roles: user.roles.clone(),
                })
                .collect(),
            apis: vec![Api {
                audience: self.audience.clone(),
                name: names("Northwind Treasury", "Northwind Treasury"),
                client_id: Some(API_CLIENT.to_owned()),
            }],
            clients: vec![
                client(
                    TREASURY_CLIENT,
                    names("Northwind Treasury", "Northwind Treasury"),
                    &self.treasury_jwk,
                    vec![format!("{}/callback", self.app_url)],
                    code,
                    &self.audience,
                ),
                client(
                    WORKBENCH_CLIENT,
                    names("Workbench", "Werkbank"),
                    &self.workbench_jwk,
                    vec!["http://127.0.0.1/callback".to_owned()],
                    code,
                    &self.audience,
                ),
                client(
                    API_CLIENT,
                    names("Northwind Treasury API", "Northwind-Treasury-API"),
                    &self.api_jwk,
                    Vec::new(),
                    "client_credentials",
                    &self.issuer,
                ),
            ],
            resources: counterfoil_demo::ACCOUNTS
                .iter()
                .map(|account| Resource {
                    r#type: counterfoil_demo::RESOURCE_TYPE.to_owned(),
                    id: account.id.to_owned(),
                    sensitivity: None,
                    attributes: serde_json::Map::new(),
                })
                .collect(),
        }
    }

    /// What the ready file says (CONTRACT §2).
    pub fn ready(&self, issuer: &str, app_url: &str, app_address: SocketAddr) -> Value {
        let client = |id: &str, jwk: &str, redirects: Vec<String>| json!({"client_id": id, "auth_method": "private_key_jwt", "private_jwk": parse(jwk), "redirect_uris": redirects});
        json!({
            "issuer": issuer,
            "app_url": app_url,
            "app_connect": app_address.to_string(),
            "admin_url": format!("{issuer}/admin"),
            "outbox_url": format!("{issuer}/outbox"),
            "users": self.users.iter().map(|user| json!({
                "sub": user.sub,
                "username": user.username,
                "password": user.password,
                "totp_secret": user.totp_secret,
                "roles": user.roles,
                "first_passkey": user.first_passkey,
            })).collect::<Vec<_>>(),
            "clients": [
                client(TREASURY_CLIENT, &self.treasury_jwk, vec![format!("{app_url}/callback")]),
                client(WORKBENCH_CLIENT, &self.workbench_jwk, vec!["http://127.0.0.1/callback".to_owned()]),
            ],
            "pep": {
                "audience": self.audience,
                "api_key": self.api_key,
                "client_id": API_CLIENT,
                "private_jwk": parse(&self.api_jwk),
            },
            "resources": counterfoil_demo::ACCOUNTS.iter().map(|account| json!({
                "type": counterfoil_demo::RESOURCE_TYPE,
                "id": account.id,
            })).collect::<Vec<_>>(),
        })
    }
}

fn parse(jwk: &str) -> Value {
    serde_json::from_str(jwk).unwrap_or(Value::Null)
}

/// Three groups of letters and digits: sixty bits, and still typed without pain.
fn passphrase(app: &App) -> String {
    const ALPHABET: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyz023456789";
    let bytes = app.random.bytes::<12>();
    let text: String = bytes.iter().map(|byte| char::from(ALPHABET[usize::from(byte & 31)])).collect();
    format!("{}-{}-{}", &text[..4], &text[4..8], &text[8..])
}

fn private_jwk() -> Result<String, Failure> {
    let failed = || Failure::new("cannot make a client key");
    let document =
        EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new()).map_err(|_| failed())?;
    let signer = Es256Signer::from_pkcs8(document.as_ref(), None, SystemRandom::new()).map_err(Failure::new)?;
    Ok(signer.private_jwk().map_err(Failure::new)?.to_string())
}

fn public_jwk(private: &str) -> Value {
    let signer = serde_json::from_str(private)
        .ok()
        .and_then(|jwk| Es256Signer::from_private_jwk(&jwk, SystemRandom::new()).ok());
    signer.map(|signer| signer.public_jwk().clone().into()).unwrap_or(Value::Null)
}

/// A person with a password, a code app and a mailbox.
async fn create(app: &App, user: &User) -> Result<(), Failure> {
    let now = app.now();
    let mut subject = Subject::new(user.sub, &user.username, &user.name, "en", now);
    subject.groups = user.groups.iter().cloned().collect();
    subject.roles = user.roles.iter().cloned().collect();
    let mut tx = Tx::new(now);
    tx.add_subject(&subject);
    tx.add_address(&Address {
        id: AddressId::new(now, app.random.id()),
        subject: user.sub,
        kind: AddressKind::Mail,
        value: format!("{}@northwind.example", user.username),
        state: AddressState::Active { since: now },
        bound_by: None,
        version: 0,
    });
    let (typed, salt) = (user.password.clone(), app.random.bytes());
    let hash = app
        .hashing
        .enter(std::net::Ipv4Addr::LOCALHOST.into())
        .map_err(|_| Failure::new("there is no room to hash a password"))?
        .hash(move || password::hash(&typed, &salt))
        .await
        .map_err(|_| Failure::new("the password could not be hashed"))?
        .map_err(Failure::new)?;
    let secret = URL_SAFE_NO_PAD.decode(&user.totp_bytes).map_err(Failure::new)?;
    for (method, label, ceiling, secret) in [
        (Method::Password, "Password", Acr::Aal1, hash.into_bytes()),
        (Method::AppCode, "Authenticator app", Acr::Aal2, secret),
    ] {
        let enrolled = Enrolled {
            id: AuthenticatorId::new(now, app.random.id()),
            subject: user.sub,
            method,
            label: label.to_owned(),
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
        let kind = EventKind::AuthenticatorEnrolled {
            authenticator: enrolled.id,
            subject: user.sub,
            method,
            ceiling,
            credential: None,
            attestation: None,
            login: None,
            vouched_by: Vec::new(),
        };
        tx.also(app.event(now, Actor::Host {}, kind));
    }
    if let Some(ceiling) = user.first_passkey {
        // Nobody knows its secret: it is not a link, it vouches for whatever passkey comes first.
        let invitation = Invitation {
            id: InvitationId::new(now, app.random.id()),
            secret_hash: Digest::of(&app.random.bytes::<32>()),
            subject: user.sub,
            ceiling,
            expires_at: now.plus_seconds(DEMO_SECONDS),
            state: InvitationState::Declared {},
        };
        tx.invite(&invitation);
        let kind = EventKind::InvitationChanged { invitation: invitation.id, subject: user.sub, ceiling, used: false };
        tx.also(app.event(now, Actor::Host {}, kind));
    }
    for grant in user.roles.iter().map(|r| format!("role:{r}")).chain(user.groups.iter().map(|g| format!("group:{g}")))
    {
        tx.also(app.event(now, Actor::Host {}, EventKind::AccessGranted { subject: user.sub, grant, granted: true }));
    }
    let kind = EventKind::SubjectCreated { subject: user.sub };
    tx.commit(&app.store, app.event(now, Actor::Host {}, kind)).await.map_err(Failure::new)?;
    Ok(())
}

async fn issue_key(app: &App, seed: &Seed) -> Result<(), Failure> {
    let now = app.now();
    let key = ApiKey {
        id: ApiKeyId::new(now, app.random.id()),
        hash: Digest::of(seed.api_key.as_bytes()),
        audience: seed.audience.clone(),
        scopes: vec!["evaluate".to_owned(), "redeem".to_owned(), "reasons".to_owned()],
        issued_at: now,
        expires_at: now.plus_seconds(DEMO_SECONDS),
        state: ApiKeyState::Active {},
        version: 0,
    };
    let mut tx = Tx::new(now);
    tx.put_api_key(&key);
    let kind =
        EventKind::ApiKeyChanged { key: key.id, audience: key.audience.clone(), expires_at: Some(key.expires_at) };
    tx.commit(&app.store, app.event(now, Actor::Host {}, kind)).await.map_err(Failure::new)?;
    Ok(())
}
