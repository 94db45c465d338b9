//! The registry file: groups, people, clients, APIs and resources as an operator writes them (TOML).
//!
//! Applying it adds and changes what it names and removes nothing: an installation whose file was lost keeps working.

use counterfoil_core::{assurance::Tier, limits, policy::Pack};
use counterfoil_oauth::{client::ClientMetadata, uri::check_resource};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

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
    /// What it is for, in one line.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
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

/// An entry that breaks a rule.
#[derive(Debug, thiserror::Error)]
#[error("{entry}: {reason}")]
pub struct EntryError {
    /// Which.
    pub entry: String,
    /// The rule.
    pub reason: String,
}

/// The roles that people can have here (what each may do, the policies say).
pub const ROLES: &[&str] = &["administrator", "security", "help_desk", "analyst", "auditor"];

impl Registry {
    /// Reads a file. The error names the line.
    pub fn read(path: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        let registry: Self = toml::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))?;
        registry.check().map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(registry)
    }

    /// Whether every entry keeps the rules, so that a file is applied whole or not at all.
    pub fn check(&self) -> Result<(), EntryError> {
        for (what, entries) in [
            ("groups", self.groups.len()),
            ("people", self.people.len()),
            ("apis", self.apis.len()),
            ("clients", self.clients.len()),
            ("resources", self.resources.len()),
        ] {
            require(entries <= limits::REGISTRY_ENTRIES, what, "too many entries")?;
        }
        self.groups.iter().try_for_each(Group::check)?;
        self.people.iter().try_for_each(Person::check)?;
        self.apis.iter().try_for_each(Api::check)?;
        self.clients.iter().try_for_each(|client| client.registration().map(drop))?;
        self.resources.iter().try_for_each(Resource::check)?;
        once("group", self.groups.iter().map(|group| group.name.clone()))?;
        once("person", self.people.iter().map(Person::username))?;
        once("api", self.apis.iter().map(|api| api.audience.clone()))?;
        // Whoever speaks for one API must not be taken for another.
        once("client of an api", self.apis.iter().filter_map(|api| api.client_id.clone()))?;
        once("client", self.clients.iter().map(|client| client.client_id.clone()))?;
        once("resource", self.resources.iter().map(|resource| format!("{}/{}", resource.r#type, resource.id)))
    }

    /// What these policies do not know: most likely a typing error, but policies and registry may come one after the other.
    pub fn strange_to(&self, pack: &Pack) -> Vec<String> {
        let mut strange = Vec::new();
        for client in &self.clients {
            for kind in &client.authorization_details_types {
                if pack.transaction_type(kind).is_none() {
                    strange
                        .push(format!("client {}: the policies know no transaction type {kind:?}", client.client_id));
                }
            }
        }
        for resource in &self.resources {
            if pack.catalogue().resource_type(&resource.r#type).is_none() {
                strange.push(format!(
                    "resource {}/{}: the policies know no resource type {:?}",
                    resource.r#type, resource.id, resource.r#type
                ));
            }
        }
        strange
    }
}

fn require(holds: bool, entry: impl std::fmt::Display, rule: &str) -> Result<(), EntryError> {
    if holds { Ok(()) } else { Err(EntryError { entry: entry.to_string(), reason: rule.to_owned() }) }
}

/// One entry for one thing: of two, nobody could say which holds.
fn once(what: &str, names: impl Iterator<Item = String>) -> Result<(), EntryError> {
    let mut seen = BTreeSet::new();
    for name in names {
        let entry = format!("{what} {name}");
        require(seen.insert(name), entry, "stands there twice")?;
    }
    Ok(())
}

/// Names that policies, logs and addresses carry.
fn is_identifier(text: &str) -> bool {
    (1..=limits::NAME_BYTES).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

fn shown(entry: &str, what: &str, text: &str) -> Result<(), EntryError> {
    counterfoil_core::text::check(text, 64)
        .map(drop)
        .map_err(|error| EntryError { entry: entry.to_owned(), reason: format!("{what}: {error}") })
}

impl Group {
    fn check(&self) -> Result<(), EntryError> {
        let entry = format!("group {}", self.name);
        require(is_identifier(&self.name), &entry, "a group's name is one word of printable ASCII")?;
        if self.description.is_empty() { Ok(()) } else { shown(&entry, "description", &self.description) }
    }
}

impl Person {
    /// The user name in the spelling that is compared.
    pub fn username(&self) -> String {
        self.username.trim().to_lowercase()
    }

    fn check(&self) -> Result<(), EntryError> {
        let (entry, username) = (format!("person {}", self.username), self.username());
        let one_word = !username.is_empty() && !username.chars().any(|c| c.is_control() || c.is_whitespace());
        require(one_word && username.len() <= limits::NAME_BYTES, &entry, "a user name is one word")?;
        shown(&entry, "username", &username)?;
        shown(&entry, "name", &self.name)?;
        require(["en", "de"].contains(&self.lang.as_str()), &entry, "lang is \"en\" or \"de\"")?;
        require(self.mail.len() <= limits::MAIL_PER_SUBJECT, &entry, "at most 5 mail addresses")?;
        require(self.mail.iter().all(|mail| is_mail(mail)), &entry, "a mail address reads name@host")?;
        require(self.groups.iter().all(|group| is_identifier(group)), &entry, "a group's name is one word")?;
        require(self.groups.len() <= limits::CLIENT_LIST, &entry, "at most 50 groups")?;
        match self.roles.iter().find(|role| !ROLES.contains(&role.as_str())) {
            Some(role) => {
                require(false, &entry, &format!("there is no role {role:?}; the roles are {}", ROLES.join(", ")))
            }
            None => Ok(()),
        }
    }
}

/// Enough to catch a slip; whether somebody reads it, only a message tells (RFC 5321 §4.5.3.1.3 bounds the length).
pub fn is_mail(text: &str) -> bool {
    let parts = text.split_once('@');
    text.len() <= 254
        && text.bytes().all(|byte| byte.is_ascii_graphic() && !b"<>,;\"()".contains(&byte))
        && parts.is_some_and(|(name, host)| !name.is_empty() && !host.is_empty() && !host.contains('@'))
}

impl Api {
    fn check(&self) -> Result<(), EntryError> {
        let entry = format!("api {}", self.audience);
        check_resource(&self.audience)
            .map_err(|error| EntryError { entry: entry.clone(), reason: format!("audience: {error}") })?;
        require(self.name.contains_key("en"), &entry, "name has at least en")?;
        require(self.name.len() <= limits::CLIENT_LIST, &entry, "at most 50 names")?;
        self.name.values().try_for_each(|name| shown(&entry, "name", name))?;
        require(self.client_id.iter().all(|id| is_identifier(id)), &entry, "client_id is one word of printable ASCII")
    }
}

impl Client {
    /// The registration that this entry describes, if its rules hold.
    pub fn registration(&self) -> Result<counterfoil_oauth::client::Client, EntryError> {
        let wrong = |reason: String| EntryError { entry: format!("client {}", self.client_id), reason };
        let metadata: ClientMetadata = serde_json::from_value(json!({
            "client_id": self.client_id,
            "token_endpoint_auth_method": "private_key_jwt",
            "jwks": self.jwks,
            "redirect_uris": self.redirect_uris,
            "grant_types": self.grant_types,
            "scopes": self.scopes,
            "audiences": self.audiences,
            "authorization_details_types": self.authorization_details_types,
            "names": self.name,
        }))
        .map_err(|error| wrong(error.to_string()))?;
        counterfoil_oauth::client::Client::register(metadata).map_err(|error| wrong(error.to_string()))
    }
}

impl Resource {
    fn check(&self) -> Result<(), EntryError> {
        let entry = format!("resource {}/{}", self.r#type, self.id);
        require(is_identifier(&self.r#type) && is_identifier(&self.id), entry, "type and id are one word each")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on should stop")]
    use super::*;

    #[track_caller]
    fn refused(text: &str, why: &str) {
        let registry: Result<Registry, _> = toml::from_str(text);
        let said = match registry {
            Err(error) => error.to_string(),
            Ok(registry) => registry.check().map_or_else(|error| error.to_string(), |()| panic!("taken: {text}")),
        };
        assert!(said.contains(why), "{text}: {said}");
    }

    #[test]
    fn an_entry_that_breaks_a_rule_is_refused_by_name() {
        refused("[[people]]\nusername = \"two words\"\nname = \"X\"", "person two words: a user name is one word");
        refused("[[people]]\nusername = \"x\"\nname = \"X\"\nroles = [\"root\"]", "there is no role \"root\"");
        refused("[[people]]\nusername = \"x\"\nname = \"X\"\nmail = [\"x\"]", "a mail address reads");
        refused("[[people]]\nusername = \"x\"\nname = \"X\"\nlang = \"fr\"", "lang is");
        refused("[[people]]\nusername = \"x\"\nname = \"a\\u202Eb\"", "person x: name");
        refused("[[people]]\nusername = \"x\"\nname = \"X\"\npassword = \"hunter2\"", "unknown field `password`");
        refused("[[groups]]\nname = \"a b\"", "group a b");
        refused("[[groups]]\nname = \"a\"\n[[groups]]\nname = \"a\"", "group a: stands there twice");
        refused("[[apis]]\naudience = \"x\"\nname = { en = \"X\" }", "api x: audience");
        refused("[[apis]]\naudience = \"https://a\"\nname = { de = \"X\" }", "name has at least en");
        let api = |n: u8| format!("[[apis]]\naudience = \"https://{n}\"\nname = {{ en = \"X\" }}\nclient_id = \"c\"\n");
        refused(&(api(1) + &api(2)), "client of an api c: stands there twice");
        refused(
            "[[clients]]\nclient_id = \"c\"\nname = { en = \"X\" }\njwks = { keys = [] }\ngrant_types = []",
            "client c: ",
        );
        refused("[[resources]]\ntype = \"account\"\nid = \"\"", "resource account/");
    }

    #[test]
    fn people_are_one_whatever_the_case_of_their_name() {
        let person = |name: &str| format!("[[people]]\nusername = \"{name}\"\nname = \"X\"\n");
        refused(&(person("Ada") + &person("ada")), "person ada: stands there twice");
    }
}
