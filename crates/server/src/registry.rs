//! The registry file: groups, people, clients, APIs and resources as an operator writes them (TOML).
//!
//! Applying it adds and changes what it names and removes nothing: an installation whose file was lost keeps working.

use counterfoil_core::assurance::Tier;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, path::Path};

/// The whole file.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Registry {
    /// Groups that policies name.
    pub groups: Vec<Group>,
    /// People.
    pub people: Vec<Person>,
    /// Protected APIs.
    pub apis: Vec<Api>,
    /// OAuth clients.
    pub clients: Vec<Client>,
    /// Things that actions are done to.
    pub resources: Vec<Resource>,
}

/// A group of people.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// The name that policies use.
    pub name: String,
}

/// A person. How they sign in is not written here: an invitation lets them enrol.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Person {
    /// What they type at sign-in; an alias, not their identity.
    pub username: String,
    /// What pages call them.
    pub name: String,
    /// `en` or `de`.
    #[serde(default = "english")]
    pub lang: String,
    /// Where notices go.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mail: Vec<String>,
    /// Groups they belong to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// Roles here: administrator, security, help_desk, analyst, auditor.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
}

fn english() -> String {
    "en".to_owned()
}

/// A protected API: a resource server.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Api {
    /// Its `aud`, a URI.
    pub audience: String,
    /// What pages call it, by language.
    pub name: BTreeMap<String, String>,
    /// The client that is this API when it authenticates with a token instead of an API key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
}

/// An OAuth client.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Client {
    /// Its `client_id`.
    pub client_id: String,
    /// What pages call it, by language.
    pub name: BTreeMap<String, String>,
    /// Exact redirect URIs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub redirect_uris: Vec<String>,
    /// Its public keys: a JWK set.
    pub jwks: serde_json::Value,
    /// `authorization_code`, `client_credentials`.
    pub grant_types: Vec<String>,
    /// APIs it may get tokens for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub audiences: Vec<String>,
    /// Scopes it may ask for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<String>,
    /// Transaction types it may carry.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub authorization_details_types: Vec<String>,
}

/// A thing that actions are done to.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resource {
    /// Its type, one of the pack's.
    pub r#type: String,
    /// Its identifier within the type.
    pub id: String,
    /// What it is worth; the type's default without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sensitivity: Option<Tier>,
    /// Attributes that the pack declares for the type.
    #[serde(default, skip_serializing_if = "serde_json::Map::is_empty")]
    pub attributes: serde_json::Map<String, serde_json::Value>,
}

impl Registry {
    /// Reads a file. The error names the line.
    pub fn read(path: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        toml::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))
    }
}
