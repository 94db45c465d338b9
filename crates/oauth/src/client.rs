//! A registered client (RFC 7591 §2 names where it has them): who may ask, how it proves who it is, and for what.

use crate::{
    jose::Jwks,
    uri::{RedirectUri, check_resource},
};
use counterfoil_core::limits;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// How a client authenticates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthMethod {
    /// A signed assertion (RFC 7523): a confidential client.
    PrivateKeyJwt,
    /// Not at all: a public client, known by its redirect URI and held to its DPoP key.
    None,
}

/// A grant that a client may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GrantType {
    /// For people.
    AuthorizationCode,
    /// For itself: protected APIs and services.
    ClientCredentials,
}

/// The data of a registration, as stored and as an administrator gives it. [`Client::register`] checks it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientMetadata {
    /// Its name on the wire.
    pub client_id: String,
    /// How it authenticates.
    pub token_endpoint_auth_method: AuthMethod,
    /// Its public keys; only and always with `private_key_jwt`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks: Option<Jwks>,
    /// Where its codes may go.
    #[serde(default)]
    pub redirect_uris: Vec<RedirectUri>,
    /// Which grants it may use.
    pub grant_types: BTreeSet<GrantType>,
    /// Which scopes it may ask for.
    #[serde(default)]
    pub scopes: BTreeSet<String>,
    /// Which resources (RFC 8707) its tokens may be for.
    #[serde(default)]
    pub audiences: BTreeSet<String>,
    /// Which transaction types it may push (RFC 9396 §10).
    #[serde(default)]
    pub authorization_details_types: BTreeSet<String>,
    /// What people read, per language; `en` at least.
    pub names: BTreeMap<String, String>,
}

/// Why a registration is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ClientError(&'static str);

/// A registration whose rules hold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "ClientMetadata", into = "ClientMetadata")]
pub struct Client {
    metadata: ClientMetadata,
}

impl Client {
    /// Checks a registration.
    ///
    /// # Errors
    /// [`ClientError`] naming the rule: names and lists bounded, keys where they are needed and nowhere else, redirect URIs
    /// for codes, and for public clients neither client credentials nor transactions.
    pub fn register(metadata: ClientMetadata) -> Result<Self, ClientError> {
        let m = &metadata;
        let require = |holds: bool, rule: &'static str| if holds { Ok(()) } else { Err(ClientError(rule)) };
        require(
            is_identifier(&m.client_id),
            "client_id is 1 to 256 printable ASCII characters (RFC 6749 appendix A.1)",
        )?;
        require(
            !m.client_id.starts_with("https://"),
            "a client_id that is a URL is a metadata document's; choose a name",
        )?;
        let confidential = m.token_endpoint_auth_method == AuthMethod::PrivateKeyJwt;
        let keys = m.jwks.as_ref().is_some_and(|jwks| !jwks.is_empty());
        require(keys == confidential, "private_key_jwt needs jwks with a key, and none must not have any")?;
        require(!m.grant_types.is_empty(), "a client has at least one grant type")?;
        let codes = m.grant_types.contains(&GrantType::AuthorizationCode);
        require(
            codes != m.redirect_uris.is_empty(),
            "authorization_code needs redirect_uris, and nothing else has any",
        )?;
        require(
            confidential || !m.grant_types.contains(&GrantType::ClientCredentials),
            "client_credentials needs a confidential client (RFC 6749 §4.4)",
        )?;
        require(
            confidential || m.authorization_details_types.is_empty(),
            "transactions are pushed by confidential clients only",
        )?;
        require(m.scopes.iter().all(|scope| is_scope_token(scope)), "a scope is a token of RFC 6749 §3.3")?;
        require(
            m.scopes.iter().map(|scope| scope.len() + 1).sum::<usize>() <= limits::SCOPES_BYTES,
            "all scopes together have at most 1024 bytes",
        )?;
        require(
            m.audiences.iter().all(|audience| check_resource(audience).is_ok()),
            "an audience is an absolute URI of at most 512 bytes",
        )?;
        require(
            m.authorization_details_types.iter().all(|kind| is_identifier(kind)),
            "a transaction type is 1 to 256 printable ASCII characters",
        )?;
        require(m.names.contains_key("en"), "names has at least en")?;
        require(
            m.names.values().all(|name| {
                !name.trim().is_empty() && name.len() <= limits::NAME_BYTES && !name.chars().any(char::is_control)
            }),
            "a name is 1 to 256 bytes of text",
        )?;
        require(
            [m.redirect_uris.len(), m.scopes.len(), m.audiences.len(), m.names.len()]
                .into_iter()
                .chain([m.authorization_details_types.len()])
                .all(|entries| entries <= limits::CLIENT_LIST),
            "a list has at most 50 entries",
        )?;
        Ok(Self { metadata })
    }

    /// Its name on the wire.
    pub fn id(&self) -> &str {
        &self.metadata.client_id
    }

    /// All of it.
    pub const fn metadata(&self) -> &ClientMetadata {
        &self.metadata
    }

    /// Whether it proves who it is.
    pub fn is_confidential(&self) -> bool {
        self.metadata.token_endpoint_auth_method == AuthMethod::PrivateKeyJwt
    }

    /// What people read in this language, else in English.
    pub fn name(&self, lang: &str) -> &str {
        let names = &self.metadata.names;
        names.get(lang).or_else(|| names.get("en")).map_or(self.id(), String::as_str)
    }

    /// Whether it may use this grant.
    pub fn may_use(&self, grant: GrantType) -> bool {
        self.metadata.grant_types.contains(&grant)
    }

    /// Whether codes may go to `asked` (exactly, but for a loopback port).
    pub fn may_redirect_to(&self, asked: &str) -> bool {
        self.metadata.redirect_uris.iter().any(|registered| registered.matches(asked))
    }

    /// The audience of a token whose request named none: the only one granted.
    pub fn only_audience(&self) -> Option<&str> {
        let mut audiences = self.metadata.audiences.iter();
        match (audiences.next(), audiences.next()) {
            (Some(audience), None) => Some(audience),
            _ => None,
        }
    }
}

/// VSCHAR of RFC 6749 appendix A.1, without spaces: names are shown, logged and compared.
fn is_identifier(text: &str) -> bool {
    (1..=limits::NAME_BYTES).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// scope-token of RFC 6749 §3.3.
pub(crate) fn is_scope_token(text: &str) -> bool {
    is_identifier(text) && !text.contains(['"', '\\'])
}

impl TryFrom<ClientMetadata> for Client {
    type Error = ClientError;
    fn try_from(metadata: ClientMetadata) -> Result<Self, ClientError> {
        Self::register(metadata)
    }
}

impl From<Client> for ClientMetadata {
    fn from(client: Client) -> Self {
        client.metadata
    }
}
