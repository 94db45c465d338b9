//! Who may call and what is registered, in memory: clients, protected APIs with their keys, and resources.

use counterfoil_core::{assurance::Tier, digest::Digest, time::Time};
use counterfoil_oauth::client::Client;
use counterfoil_store::{ApiKey, ApiKeyState, Snapshot};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

/// A protected API as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiRecord {
    /// What pages call it, by language.
    pub names: BTreeMap<String, String>,
    /// The client that is this API when it authenticates with a token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
}

/// A resource.
#[derive(Debug, Clone)]
pub struct Resource {
    /// What it is worth.
    pub sensitivity: Option<Tier>,
    /// Attributes that the pack declares.
    pub attributes: Map<String, Value>,
}

/// Everything registered, at one position of the feed.
#[derive(Debug)]
pub struct Directory {
    /// Follow the feed from here.
    pub position: i64,
    clients: HashMap<String, Arc<Client>>,
    callers: HashMap<String, String>,
    keys: HashMap<Digest, ApiKey>,
    resources: HashMap<(String, String), Resource>,
}

/// A stored registration does not read: a bug or a newer program, never guessed around.
#[derive(Debug, thiserror::Error)]
#[error("the registration of {noun} {id} cannot be read: {reason}")]
pub struct Unreadable {
    noun: &'static str,
    id: String,
    reason: String,
}

impl Directory {
    /// From what the store holds. What cannot be read does not exist: it costs itself alone, never the rest.
    pub fn new(snapshot: Snapshot) -> (Self, Vec<Unreadable>) {
        let mut unreadable = Vec::new();
        let mut unread = |noun, id: &str, error: serde_json::Error| {
            unreadable.push(Unreadable { noun, id: id.to_owned(), reason: error.to_string() });
        };
        let mut clients = HashMap::new();
        for row in snapshot.clients {
            match serde_json::from_value(row.body) {
                Ok(client) => {
                    clients.insert(row.client_id, Arc::new(client));
                }
                Err(error) => unread("client", &row.client_id, error),
            }
        }
        let mut apis = HashMap::new();
        for row in snapshot.apis {
            match serde_json::from_value(row.body) {
                Ok(api) => {
                    apis.insert(row.audience, api);
                }
                Err(error) => unread("api", &row.audience, error),
            }
        }
        let callers = callers(&apis);
        let keys = snapshot.api_keys.into_iter().map(|key| (key.hash, key)).collect();
        let mut resources = HashMap::new();
        for row in snapshot.resources {
            let sensitivity = row.sensitivity;
            match serde_json::from_value(row.body) {
                Ok(attributes) => {
                    resources.insert((row.kind, row.id), Resource { sensitivity, attributes });
                }
                Err(error) => unread("resource", &row.id, error),
            }
        }
        (Self { position: snapshot.position, clients, callers, keys, resources }, unreadable)
    }

    /// The client of this identifier.
    pub fn client(&self, client_id: &str) -> Option<&Arc<Client>> {
        self.clients.get(client_id)
    }

    /// The audience that this client is, when it speaks for itself.
    pub fn audience_of(&self, client_id: &str) -> Option<&str> {
        self.callers.get(client_id).map(String::as_str)
    }

    /// The good API key of this hash. Looking a hash of 256 random bits up tells nobody anything about a key.
    pub fn api_key(&self, hash: &Digest, now: Time) -> Option<&ApiKey> {
        self.keys.get(hash).filter(|key| matches!(key.state, ApiKeyState::Active {}) && now < key.expires_at)
    }

    /// The resource of this type and identifier, if it was registered.
    pub fn resource(&self, kind: &str, id: &str) -> Option<&Resource> {
        self.resources.get(&(kind.to_owned(), id.to_owned()))
    }
}

/// Which API a client speaks for: one that two APIs name speaks for neither.
fn callers(apis: &HashMap<String, ApiRecord>) -> HashMap<String, String> {
    let mut named: HashMap<&str, Vec<&str>> = HashMap::new();
    for (audience, api) in apis {
        if let Some(client_id) = &api.client_id {
            named.entry(client_id).or_default().push(audience);
        }
    }
    let one = |(client_id, audiences): (&str, Vec<&str>)| match audiences.as_slice() {
        [audience] => Some((client_id.to_owned(), (*audience).to_owned())),
        several => {
            tracing::error!(client_id, ?several, "a client that several APIs name speaks for none of them");
            None
        }
    };
    named.into_iter().filter_map(one).collect()
}
