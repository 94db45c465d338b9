//! What is registered: clients, protected APIs and their keys, resources; policy packs and which one is active.

use crate::{
    backend::Value,
    error::{Inconsistency, ReadError},
    noun::Noun,
    store::Store,
    table::{self, Table},
    tx::{Tx, versioned},
    unit::Effect,
};
use counterfoil_core::{assurance::Tier, digest::Digest, enrolled::Secret, id::ApiKeyId, subject::Group, time::Time};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// An OAuth client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Client {
    /// `client_id`.
    pub client_id: String,
    /// Its metadata, as the caller reads it again.
    pub body: serde_json::Value,
    /// Rises with every change; 0 before the first is kept.
    pub version: i64,
}

/// A protected API.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Api {
    /// Its `audience` URI.
    pub audience: String,
    /// What is known of it, as the caller reads it again.
    pub body: serde_json::Value,
    /// Rises with every change; 0 before the first is kept.
    pub version: i64,
}

/// What an API key can do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case", deny_unknown_fields)]
pub enum ApiKeyState {
    /// Authenticate its API.
    Active {},
    /// Nothing.
    Revoked {
        /// Since when.
        at: Time,
    },
}

/// A key of a protected API, by hash: the key itself is known to the API alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiKey {
    /// Which.
    pub id: ApiKeyId,
    /// SHA-256 of the key.
    pub hash: Digest,
    /// Whose.
    pub audience: String,
    /// What it may ask for.
    pub scopes: Vec<String>,
    /// When it was issued.
    pub issued_at: Time,
    /// When it ends.
    pub expires_at: Time,
    /// What it can do now.
    pub state: ApiKeyState,
    /// Rises with every change; 0 before the first is kept.
    pub version: i64,
}

/// A registered resource. One that nobody registered has its type's defaults.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resource {
    /// Its type, which the pack declares.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its identifier.
    pub id: String,
    /// What it is worth, where that is more than its type says.
    pub sensitivity: Option<Tier>,
    /// Attributes that the pack declares.
    pub body: serde_json::Value,
    /// Rises with every change; 0 before the first is kept.
    pub version: i64,
}

/// A policy pack, as it was loaded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyVersion {
    /// The hash of its content.
    pub version: Digest,
    /// When it was stored.
    pub at: Time,
    /// Its files, by path.
    pub files: BTreeMap<String, String>,
}

/// Which pack is active.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActivePolicy {
    /// The hash of its content.
    pub policy_version: Digest,
    /// Since when.
    pub at: Time,
    /// Rises with every change; 0 before the first is kept.
    pub version: i64,
}

/// What a key of ours can do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SystemKeyState {
    /// Sign.
    Active,
    /// Only be verified with.
    Retired,
}

/// A key of ours, sealed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SystemKey {
    /// Its `kid` or name.
    pub id: String,
    /// What it is for: `token`, `log`, …
    pub kind: String,
    /// What it can do now.
    pub state: SystemKeyState,
    /// When it was made.
    pub created_at: Time,
    /// Its public part, as the caller reads it again.
    pub public: serde_json::Value,
    /// Its private part.
    #[serde(skip)]
    pub secret: Option<Secret>,
    /// Rises with every change; 0 before the first is kept.
    pub version: i64,
}

impl Noun for Client {
    const TABLE: &'static Table = &table::CLIENTS;

    fn columns(&self) -> Vec<Value> {
        vec![Value::text(&self.client_id), Value::Int(self.version)]
    }
}
versioned!(Client, "client_id");

impl Noun for Api {
    const TABLE: &'static Table = &table::APIS;

    fn columns(&self) -> Vec<Value> {
        vec![Value::text(&self.audience), Value::Int(self.version)]
    }
}
versioned!(Api, "audience");

impl Noun for ApiKey {
    const TABLE: &'static Table = &table::API_KEYS;

    fn columns(&self) -> Vec<Value> {
        let state = match self.state {
            ApiKeyState::Active {} => "active",
            ApiKeyState::Revoked { .. } => "revoked",
        };
        vec![
            Value::id(self.id),
            Value::id(self.hash),
            Value::text(&self.audience),
            Value::text(state),
            Value::Int(self.version),
        ]
    }
}
versioned!(ApiKey, "id");

impl Noun for Resource {
    const TABLE: &'static Table = &table::RESOURCES;

    fn columns(&self) -> Vec<Value> {
        vec![Value::text(&self.kind), Value::text(&self.id), Value::Int(self.version)]
    }
}
versioned!(Resource, "type", "id");

impl Noun for PolicyVersion {
    const TABLE: &'static Table = &table::POLICIES;

    fn columns(&self) -> Vec<Value> {
        vec![Value::id(self.version), Value::time(self.at)]
    }
}

impl Noun for ActivePolicy {
    const TABLE: &'static Table = &table::ACTIVE;

    fn columns(&self) -> Vec<Value> {
        vec![Value::text(POLICY), Value::id(self.policy_version), Value::time(self.at), Value::Int(self.version)]
    }
}
versioned!(ActivePolicy, "name");

/// The one row of the table of active things.
const POLICY: &str = "policy";

impl Noun for SystemKey {
    const TABLE: &'static Table = &table::SYSTEM_KEYS;

    fn columns(&self) -> Vec<Value> {
        let state = match self.state {
            SystemKeyState::Active => "active",
            SystemKeyState::Retired => "retired",
        };
        vec![Value::text(&self.id), Value::text(&self.kind), Value::text(state), Value::Int(self.version)]
    }

    fn secret(&self) -> Option<&Secret> {
        self.secret.as_ref()
    }

    fn with_secret(mut self, secret: Option<Secret>) -> Self {
        self.secret = secret;
        self
    }
}
versioned!(SystemKey, "id");

/// Everything that a server holds in memory, at one position of the feed. Follow the feed from there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// The feed's position before the first of these was read: what changed since is in the feed.
    pub position: i64,
    /// OAuth clients.
    pub clients: Vec<Client>,
    /// Protected APIs.
    pub apis: Vec<Api>,
    /// Keys of protected APIs, also those that are revoked or over.
    pub api_keys: Vec<ApiKey>,
    /// Registered resources.
    pub resources: Vec<Resource>,
    /// Groups of people.
    pub groups: Vec<Group>,
    /// The active pack, if one was ever activated.
    pub policy: Option<PolicyVersion>,
    /// Rows that somebody else wrote or changed: they are not part of the above.
    pub refused: Vec<Inconsistency>,
}

impl Tx {
    /// A client comes to be, or becomes what `client` says if nobody else changed it since it was read.
    pub fn put_client(&mut self, client: &Client) -> &mut Self {
        self.about("client", &client.client_id).feed("changed", format_args!("client:{}", client.client_id));
        if client.version == 0 { self.add(client) } else { self.change(client) }
    }

    /// Demands that this client is registered, whatever else changed about it.
    pub fn require_client(&mut self, client_id: &str) -> &mut Self {
        self.demand(&table::CLIENTS, &["client_id"], vec![Value::text(client_id)])
    }

    /// A client is not registered any more, if nobody else changed it since it was read: nothing is issued to it from then on.
    /// What it holds is revoked apart.
    pub fn remove_client(&mut self, client: &Client) -> &mut Self {
        self.unchanged(client).about("client", &client.client_id);
        self.feed("changed", format_args!("client:{}", client.client_id));
        self.effect(Effect::Delete { table: &table::CLIENTS, key: vec![Value::text(&client.client_id)] })
    }

    /// An API comes to be, or becomes what `api` says if nobody else changed it since it was read.
    pub fn put_api(&mut self, api: &Api) -> &mut Self {
        self.about("api", &api.audience).feed("changed", format_args!("api:{}", api.audience));
        if api.version == 0 { self.add(api) } else { self.change(api) }
    }

    /// A key is issued, or becomes what `key` says (revoked) if nobody else changed it since it was read.
    pub fn put_api_key(&mut self, key: &ApiKey) -> &mut Self {
        self.about("api", &key.audience).feed("changed", format_args!("api_key:{}", key.id));
        if key.version == 0 { self.add(key) } else { self.change(key) }
    }

    /// A resource comes to be, or becomes what `resource` says if nobody else changed it since it was read.
    pub fn put_resource(&mut self, resource: &Resource) -> &mut Self {
        let name = format!("{}/{}", resource.kind, resource.id);
        self.about("resource", &name).feed("changed", format_args!("resource:{name}"));
        if resource.version == 0 { self.add(resource) } else { self.change(resource) }
    }

    /// A pack is stored. Storing it again changes nothing.
    pub fn put_policy(&mut self, policy: &PolicyVersion) -> &mut Self {
        self.about("policy", policy.version).put(policy)
    }

    /// A stored pack becomes the active one. `before` is the active one as it was read.
    pub fn activate_policy(&mut self, before: Option<&ActivePolicy>, version: Digest) -> &mut Self {
        let at = self.now;
        self.about("policy", version).feed("changed", format_args!("policy:{version}"));
        match before {
            None => self.add(&ActivePolicy { policy_version: version, at, version: 0 }),
            Some(before) => self.change(&ActivePolicy { policy_version: version, at, version: before.version }),
        }
    }

    /// Demands that this pack is the active one.
    pub fn require_policy(&mut self, version: Digest) -> &mut Self {
        self.demand(&table::ACTIVE, &["name", "policy_version"], vec![Value::text(POLICY), Value::id(version)])
    }

    /// A key of ours is kept, sealed, or becomes what `key` says if nobody else changed it since it was read.
    pub fn put_key(&mut self, key: &SystemKey) -> &mut Self {
        self.feed("changed", format_args!("key:{}", key.id));
        if key.version == 0 { self.add(key) } else { self.change(key) }
    }
}

impl Store {
    /// Everything that a server holds in memory.
    pub async fn snapshot(&self) -> Result<Snapshot, ReadError> {
        // The position first: what changes while we read is told again, which does no harm.
        let position = self.feed_position().await?;
        let mut refused = Vec::new();
        let policy = match self.active_pack().await {
            Ok(policy) => policy,
            Err(ReadError::Inconsistent(inconsistency)) => {
                refused.push(inconsistency);
                None
            }
            Err(error) => return Err(error),
        };
        Ok(Snapshot {
            position,
            clients: self.believable("ORDER BY client_id", &mut refused).await?,
            apis: self.believable("ORDER BY audience", &mut refused).await?,
            api_keys: self.believable("ORDER BY id", &mut refused).await?,
            resources: self.believable("ORDER BY type, id", &mut refused).await?,
            groups: self.believable("ORDER BY name", &mut refused).await?,
            policy,
            refused,
        })
    }

    /// The active pack's content.
    async fn active_pack(&self) -> Result<Option<PolicyVersion>, ReadError> {
        match self.active_policy().await? {
            Some(active) => self.policy(&active.policy_version).await,
            None => Ok(None),
        }
    }

    /// Which pack is active.
    pub async fn active_policy(&self) -> Result<Option<ActivePolicy>, ReadError> {
        self.one("WHERE name = $1", &[Value::text(POLICY)]).await
    }

    /// The pack of this content.
    pub async fn policy(&self, version: &Digest) -> Result<Option<PolicyVersion>, ReadError> {
        self.one("WHERE version = $1", &[Value::id(version)]).await
    }

    /// All packs that were ever stored, newest first.
    pub async fn policies(&self) -> Result<Vec<PolicyVersion>, ReadError> {
        self.many("ORDER BY at DESC, version", &[]).await
    }

    /// The client of this `client_id`.
    pub async fn client(&self, client_id: &str) -> Result<Option<Client>, ReadError> {
        self.one("WHERE client_id = $1", &[Value::text(client_id)]).await
    }

    /// The API of this audience.
    pub async fn api(&self, audience: &str) -> Result<Option<Api>, ReadError> {
        self.one("WHERE audience = $1", &[Value::text(audience)]).await
    }

    /// The API key of this identifier.
    pub async fn api_key(&self, id: ApiKeyId) -> Result<Option<ApiKey>, ReadError> {
        self.one("WHERE id = $1", &[Value::id(id)]).await
    }

    /// The resource of this type and identifier, if somebody registered it.
    pub async fn resource(&self, kind: &str, id: &str) -> Result<Option<Resource>, ReadError> {
        self.one("WHERE type = $1 AND id = $2", &[Value::text(kind), Value::text(id)]).await
    }

    /// The group of this name.
    pub async fn group(&self, name: &str) -> Result<Option<Group>, ReadError> {
        self.one("WHERE name = $1", &[Value::text(name)]).await
    }

    /// Our keys for this purpose, oldest first.
    pub async fn system_keys(&self, kind: &str) -> Result<Vec<SystemKey>, ReadError> {
        self.many("WHERE kind = $1 ORDER BY id", &[Value::text(kind)]).await
    }
}
