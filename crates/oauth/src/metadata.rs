//! Discovery documents: RFC 8414 with OpenID Connect Discovery, and AuthZEN's. What is not built is not announced.

use crate::{jose::Algorithm, pkce, uri::Issuer};
use counterfoil_core::assurance::Acr;
use serde::{Deserialize, Serialize};

/// `/.well-known/oauth-authorization-server` and `/.well-known/openid-configuration`: one document serves both.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthorizationServerMetadata {
    /// Must be the identifier that the document's URL was built from, byte for byte (RFC 8414 §3.3).
    pub issuer: Issuer,
    /// Where the browser goes.
    pub authorization_endpoint: String,
    /// Where codes become tokens.
    pub token_endpoint: String,
    /// Where requests are pushed (RFC 9126 §5).
    pub pushed_authorization_request_endpoint: String,
    /// Our public keys.
    pub jwks_uri: String,
    /// RFC 7662.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub introspection_endpoint: Option<String>,
    /// RFC 7009.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revocation_endpoint: Option<String>,
    /// OpenID Connect Core §5.3.
    pub userinfo_endpoint: String,
    /// PAR or nothing.
    pub require_pushed_authorization_requests: bool,
    /// `code`.
    pub response_types_supported: Vec<String>,
    /// `query`.
    pub response_modes_supported: Vec<String>,
    /// Grants that are built.
    pub grant_types_supported: Vec<String>,
    /// Scopes with a meaning of their own.
    pub scopes_supported: Vec<String>,
    /// Everybody sees the same `sub`.
    pub subject_types_supported: Vec<String>,
    /// How ID tokens are signed.
    pub id_token_signing_alg_values_supported: Vec<String>,
    /// How clients authenticate to the token endpoint.
    pub token_endpoint_auth_methods_supported: Vec<String>,
    /// How client assertions may be signed.
    pub token_endpoint_auth_signing_alg_values_supported: Vec<String>,
    /// How clients authenticate to introspection.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub introspection_endpoint_auth_methods_supported: Vec<String>,
    /// How client assertions to introspection may be signed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub introspection_endpoint_auth_signing_alg_values_supported: Vec<String>,
    /// How clients authenticate to revocation.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub revocation_endpoint_auth_methods_supported: Vec<String>,
    /// How client assertions to revocation may be signed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub revocation_endpoint_auth_signing_alg_values_supported: Vec<String>,
    /// `S256`.
    pub code_challenge_methods_supported: Vec<String>,
    /// How DPoP proofs may be signed (RFC 9449 §5.1).
    pub dpop_signing_alg_values_supported: Vec<String>,
    /// What can be proven here (RFC 9470 §7).
    pub acr_values_supported: Vec<String>,
    /// Transaction types of the active pack (RFC 9396 §10).
    pub authorization_details_types_supported: Vec<String>,
    /// Claims of ID tokens and UserInfo.
    pub claims_supported: Vec<String>,
    /// Languages of our pages.
    pub ui_locales_supported: Vec<String>,
    /// `iss` is in every answer (RFC 9207 §3).
    pub authorization_response_iss_parameter_supported: bool,
    /// The `claims` parameter is ignored.
    pub claims_parameter_supported: bool,
    /// Request objects are refused.
    pub request_parameter_supported: bool,
    /// Only our own, from PAR.
    pub request_uri_parameter_supported: bool,
}

impl AuthorizationServerMetadata {
    /// The document of this issuer. `transaction_types` are those of the active pack, `languages` those of our pages.
    pub fn new(issuer: &Issuer, transaction_types: Vec<String>, languages: &[&str]) -> Self {
        Self {
            authorization_endpoint: issuer.join("/oauth/authorize"),
            token_endpoint: issuer.join("/oauth/token"),
            pushed_authorization_request_endpoint: issuer.join("/oauth/par"),
            jwks_uri: issuer.join("/oauth/jwks"),
            introspection_endpoint: None,
            revocation_endpoint: None,
            userinfo_endpoint: issuer.join("/oauth/userinfo"),
            issuer: issuer.clone(),
            require_pushed_authorization_requests: true,
            response_types_supported: names(["code"]),
            response_modes_supported: names(["query"]),
            grant_types_supported: names(["authorization_code", "client_credentials"]),
            scopes_supported: names(["openid", "profile", "email"]),
            subject_types_supported: names(["public"]),
            id_token_signing_alg_values_supported: names(["ES256"]),
            token_endpoint_auth_methods_supported: names(["private_key_jwt", "none"]),
            token_endpoint_auth_signing_alg_values_supported: algorithms(),
            introspection_endpoint_auth_methods_supported: Vec::new(),
            introspection_endpoint_auth_signing_alg_values_supported: Vec::new(),
            revocation_endpoint_auth_methods_supported: Vec::new(),
            revocation_endpoint_auth_signing_alg_values_supported: Vec::new(),
            code_challenge_methods_supported: names([pkce::METHOD]),
            dpop_signing_alg_values_supported: algorithms(),
            acr_values_supported: names(Acr::ALL.iter().map(|acr| acr.as_str())),
            authorization_details_types_supported: transaction_types,
            claims_supported: names([
                "sub",
                "iss",
                "aud",
                "exp",
                "iat",
                "auth_time",
                "nonce",
                "acr",
                "amr",
                "sid",
                "name",
                "preferred_username",
                "email",
                "email_verified",
            ]),
            ui_locales_supported: names(languages.iter().copied()),
            authorization_response_iss_parameter_supported: true,
            claims_parameter_supported: false,
            request_parameter_supported: false,
            request_uri_parameter_supported: false,
        }
    }

    /// Announces introspection (RFC 7662), for confidential clients.
    #[must_use]
    pub fn with_introspection(mut self) -> Self {
        self.introspection_endpoint = Some(self.issuer.join("/oauth/introspect"));
        self.introspection_endpoint_auth_methods_supported = names(["private_key_jwt"]);
        self.introspection_endpoint_auth_signing_alg_values_supported = algorithms();
        self
    }

    /// Announces revocation (RFC 7009).
    #[must_use]
    pub fn with_revocation(mut self) -> Self {
        self.revocation_endpoint = Some(self.issuer.join("/oauth/revoke"));
        self.revocation_endpoint_auth_methods_supported = names(["private_key_jwt", "none"]);
        self.revocation_endpoint_auth_signing_alg_values_supported = algorithms();
        self
    }
}

fn algorithms() -> Vec<String> {
    names(Algorithm::FAPI.iter().map(|algorithm| algorithm.as_str()))
}

/// `/.well-known/authzen-configuration` (AuthZEN 1.0 §9).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthZenMetadata {
    /// Us, byte for byte as the document's URL was built from.
    pub policy_decision_point: Issuer,
    /// One question.
    pub access_evaluation_endpoint: String,
    /// Several questions, once it is built.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_evaluations_endpoint: Option<String>,
}

impl AuthZenMetadata {
    /// The document of this issuer. `batch` says whether several questions at once are answered.
    pub fn new(issuer: &Issuer, batch: bool) -> Self {
        Self {
            policy_decision_point: issuer.clone(),
            access_evaluation_endpoint: issuer.join("/access/v1/evaluation"),
            access_evaluations_endpoint: batch.then(|| issuer.join("/access/v1/evaluations")),
        }
    }
}

fn names<'a>(list: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    list.into_iter().map(str::to_owned).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // a test that cannot go on should stop
mod tests {
    use super::*;

    #[test]
    fn documents_round_trip_and_name_no_weak_algorithm() {
        let issuer = Issuer::parse("http://localhost:8180").unwrap();
        let document = AuthorizationServerMetadata::new(&issuer, vec!["payout_change".into()], &["en", "de"]);
        let text = serde_json::to_string(&document).unwrap();
        assert_eq!(serde_json::from_str::<AuthorizationServerMetadata>(&text).unwrap(), document);
        for absent in ["RS256", "HS256", "\"plain\"", "implicit", "password", "refresh_token", "client_secret"] {
            assert!(!text.contains(absent), "{absent}");
        }
        assert!(text.contains(r#""token_endpoint":"http://localhost:8180/oauth/token""#));
        assert!(!text.contains("introspection") && !text.contains("revocation"), "not announced until it is built");
        let more = serde_json::to_string(&document.with_introspection().with_revocation()).unwrap();
        assert!(more.contains("/oauth/introspect") && more.contains("/oauth/revoke"));
    }

    #[test]
    fn authzen_names_what_is_built() {
        let issuer = Issuer::parse("https://pdp.example").unwrap();
        let text = serde_json::to_string(&AuthZenMetadata::new(&issuer, false)).unwrap();
        assert_eq!(
            text,
            r#"{"policy_decision_point":"https://pdp.example","access_evaluation_endpoint":"https://pdp.example/access/v1/evaluation"}"#
        );
    }
}
