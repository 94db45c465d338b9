//! What a guard needs to know: issuer, audience, its own external URL and a credential.

use crate::http::Trust;
use counterfoil_oauth::uri::{HttpUri, Issuer, check_resource};
use std::fmt;

/// How a protected API proves to the issuer that it is itself (CONTRACT §3).
#[derive(Clone)]
pub enum Credential {
    /// An API key, sent as `Authorization: Bearer`. For demos and first steps: whoever reads it can use it.
    ApiKey(String),
    /// A client of its own: a DPoP-bound access token by client credentials, the client proven by `private_key_jwt`.
    /// Nothing that is sent can be used by whoever reads it. The default outside the demo.
    PrivateKeyJwt {
        /// The client's identifier at the issuer.
        client_id: String,
        /// Its private key as a JWK (P-256).
        private_jwk: String,
    },
}

/// Says which kind it is, never the secret.
impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ApiKey(_) => f.write_str("ApiKey(..)"),
            Self::PrivateKeyJwt { client_id, .. } => write!(f, "PrivateKeyJwt {{ client_id: {client_id:?}, .. }}"),
        }
    }
}

/// Why a configuration cannot work.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{setting}: {reason}")]
pub struct ConfigError {
    /// The setting that is wrong.
    pub setting: &'static str,
    /// What is wrong with it.
    pub reason: String,
}

/// The configuration of a [`crate::Guard`], checked.
#[derive(Clone, Debug)]
pub struct Config {
    pub(crate) issuer: Issuer,
    pub(crate) audience: String,
    pub(crate) external_url: String,
    pub(crate) credential: Credential,
    pub(crate) trust: Trust,
}

impl Config {
    /// `issuer` exactly as tokens name it; `audience` the one URI of this API in tokens (`aud`); `external_url` the origin,
    /// and path if it has one, under which clients reach it: DPoP proofs name that, not what a proxy forwards (RFC 9449 §4.3).
    ///
    /// # Errors
    /// [`ConfigError`], naming the setting. Plain HTTP is accepted for loopback hosts only.
    pub fn new(
        issuer: impl Into<String>,
        audience: impl Into<String>,
        external_url: impl Into<String>,
        credential: Credential,
    ) -> Result<Self, ConfigError> {
        let issuer = Issuer::parse(&issuer.into()).map_err(|error| refused("issuer", &error))?;
        let audience = audience.into();
        check_resource(&audience).map_err(|error| refused("audience", &error))?;
        let external_url = external_url.into();
        let external_url = external_url.strip_suffix('/').unwrap_or(&external_url).to_owned();
        HttpUri::parse(&external_url).map_err(|error| refused("external_url", &error))?;
        // Without TLS a token is anybody's who listens; on this machine nobody does.
        if !external_url.starts_with("https:") && Issuer::parse(&external_url).is_err() {
            return Err(ConfigError {
                setting: "external_url",
                reason: "must be https; http is for this machine alone".into(),
            });
        }
        if matches!(&credential, Credential::ApiKey(key) if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_graphic()))
        {
            return Err(ConfigError {
                setting: "credential",
                reason: "the API key is empty or has characters that no header can carry".into(),
            });
        }
        Ok(Self { issuer, audience, external_url, credential, trust: Trust::PublicRoots })
    }

    /// Trusts `trust` instead of the public roots.
    #[must_use]
    pub fn with_trust(mut self, trust: Trust) -> Self {
        self.trust = trust;
        self
    }
}

fn refused(setting: &'static str, error: &dyn std::error::Error) -> ConfigError {
    ConfigError { setting, reason: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_work_is_refused_by_name() {
        let good = "https://id.example";
        for (issuer, audience, external, key, setting) in [
            (good, "https://api.example", "https://api.example/v1", "k", None),
            ("http://localhost:8180", "urn:treasury", "http://treasury.localhost:8181", "k", None),
            ("http://127.0.0.1:1", "urn:treasury", "http://[::1]:2", "k", None),
            ("http://id.example", "urn:a", good, "k", Some("issuer")),
            ("https://id.example/", "urn:a", good, "k", Some("issuer")),
            ("https://id.example/tenant", "urn:a", good, "k", None),
            ("https://id.example?x", "urn:a", good, "k", Some("issuer")),
            ("https://user@id.example", "urn:a", good, "k", Some("issuer")),
            ("id.example", "urn:a", good, "k", Some("issuer")),
            (good, "treasury", good, "k", Some("audience")),
            (good, "urn:a", "http://localhost.example", "k", Some("external_url")),
            (good, "urn:a", "ftp://localhost", "k", Some("external_url")),
            (good, "urn:a", good, "", Some("credential")),
            (good, "urn:a", good, "a b", Some("credential")),
        ] {
            let result = Config::new(issuer, audience, external, Credential::ApiKey(key.into()));
            assert_eq!(result.err().map(|error| error.setting), setting, "{issuer} {audience} {external} {key:?}");
        }
    }

    #[test]
    fn no_secret_is_in_debug() {
        let key = Credential::ApiKey("topsecret".into());
        let client = Credential::PrivateKeyJwt { client_id: "treasury-api".into(), private_jwk: "topsecret".into() };
        assert!(!format!("{key:?}{client:?}").contains("topsecret"));
    }
}
