//! The authorization endpoint: the request as stored, the reference to it, and the answer that the client gets.

use crate::{client::Client, error::OAuthError, pkce::CodeChallenge, rar::AuthorizationDetails, uri::Issuer};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use counterfoil_core::{assurance::Acr, digest::Digest, id::DecisionId, limits};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeSet, fmt};
use url::form_urlencoded;

/// What RFC 9126 §2.2 suggests before the reference.
const REQUEST_URI_PREFIX: &str = "urn:ietf:params:oauth:request_uri:";
/// Random bytes of a reference and of a code: 256 bit (FAPI 2.0 §5.4.1 wants at least 128).
pub const SECRET_BYTES: usize = 32;

/// A request that was pushed and found in order (see [`crate::par::parse`]). Stored as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthorizationRequest {
    /// Who pushed it, authenticated.
    pub client_id: String,
    /// Where the answer goes: registered.
    pub redirect_uri: String,
    /// PKCE.
    pub code_challenge: CodeChallenge,
    /// Granted to the client. Empty with a transaction.
    pub scope: BTreeSet<String>,
    /// The audience of the token; with a decision, absent means the API that lodged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
    /// The client's, given back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// The client's, for the ID token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nonce: Option<String>,
    /// The transaction, as pushed: to be compared with what was lodged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorization_details: Option<AuthorizationDetails>,
    /// The decision that asked for more proof.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision_id: Option<DecisionId>,
    /// Any of these, or stronger, in the client's order of preference; empty asks for nothing.
    #[serde(default)]
    pub acr_values: Vec<Acr>,
    /// How old the sign-in may be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age_seconds: Option<u32>,
    /// Whether to show a page, or must not.
    #[serde(default)]
    pub prompt: Prompt,
    /// A user name to fill in; never believed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login_hint: Option<String>,
    /// Languages, most wanted first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ui_locales: Option<String>,
    /// The key that the code, and then the token, are bound to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dpop_jkt: Option<Digest>,
}

impl AuthorizationRequest {
    /// Whether an ID token is wanted (OpenID Connect Core §3.1.2.1). Never with a transaction: its scope is empty.
    pub fn wants_id_token(&self) -> bool {
        self.scope.contains("openid")
    }
}

/// What the client wants shown (OpenID Connect Core §3.1.2.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Prompt {
    /// What is needed.
    #[default]
    AsNeeded,
    /// Nothing: fail instead.
    None,
    /// Sign in anew.
    Login,
}

macro_rules! secrets {
    ($($(#[$doc:meta])* $name:ident),*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq)]
        pub struct $name(String);

        impl $name {
            /// A new one from random bytes.
            pub fn new(random: &[u8; SECRET_BYTES]) -> Self {
                Self(URL_SAFE_NO_PAD.encode(random))
            }

            /// What is stored and looked up: whoever reads the database cannot use it.
            pub fn digest(&self) -> Digest {
                Digest::of_parts(&[concat!("counterfoil/", stringify!($name), "\0").as_bytes(), self.0.as_bytes()])
            }

            fn is_well_formed(text: &str) -> bool {
                text.len() == (SECRET_BYTES * 8).div_ceil(6)
                    && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(…)"))
            }
        }
    )*};
}

secrets! {
    /// The reference to a pushed request. Not printed: whoever has it can try to use it up.
    RequestUri,
    /// An authorization code. Not printed.
    Code
}

impl RequestUri {
    /// Reads `request_uri`.
    ///
    /// # Errors
    /// `invalid_request` when it is not one that we make.
    pub fn parse(text: &str) -> Result<Self, OAuthError> {
        match text.strip_prefix(REQUEST_URI_PREFIX) {
            Some(reference) if Self::is_well_formed(reference) => Ok(Self(reference.to_owned())),
            _ => Err(OAuthError::invalid_request("request_uri is not one of ours.")),
        }
    }

    /// The URI on the wire.
    pub fn to_uri(&self) -> String {
        format!("{REQUEST_URI_PREFIX}{}", self.0)
    }
}

impl Code {
    /// Reads `code`; nothing when it cannot be one.
    pub fn parse(text: &str) -> Option<Self> {
        Self::is_well_formed(text).then(|| Self(text.to_owned()))
    }

    /// The code on the wire.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The URL that takes the answer to the client: `code` or `error`, with `state` and `iss` (RFC 9207 §2), as query.
pub fn success_location(request: &AuthorizationRequest, code: &Code, issuer: &Issuer) -> String {
    location(request, issuer, &[("code", code.as_str())])
}

/// See [`success_location`].
pub fn error_location(request: &AuthorizationRequest, error: &OAuthError, issuer: &Issuer) -> String {
    location(request, issuer, &[("error", error.code().as_str()), ("error_description", error.description())])
}

fn location(request: &AuthorizationRequest, issuer: &Issuer, answer: &[(&str, &str)]) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(answer);
    if let Some(state) = &request.state {
        query.append_pair("state", state);
    }
    query.append_pair("iss", issuer.as_str());
    // RFC 6749 §3.1.2: a query that the URI has is kept. The text is not parsed and written again: it is the registered one.
    let joint = if request.redirect_uri.contains('?') { '&' } else { '?' };
    format!("{}{joint}{}", request.redirect_uri, query.finish())
}

/// Whether a request is still its client's to use: the registration may have changed since it was pushed.
pub fn still_allowed(request: &AuthorizationRequest, client: &Client) -> bool {
    let metadata = client.metadata();
    client.id() == request.client_id
        && client.may_redirect_to(&request.redirect_uri)
        && request.scope.is_subset(&metadata.scopes)
        && request.resource.as_ref().is_none_or(|resource| metadata.audiences.contains(resource))
        && request
            .authorization_details
            .as_ref()
            .is_none_or(|details| metadata.authorization_details_types.contains(details.kind()))
}

const _: () = assert!(SECRET_BYTES * 8 >= 128 && limits::CODE_SECONDS <= 60);
