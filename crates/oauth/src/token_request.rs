//! The token endpoint (RFC 6749 §3.2): what is asked and what is answered.

use crate::{
    authorize::Code,
    client::GrantType,
    client_auth::VerifiedClient,
    error::{ErrorCode, OAuthError},
    form::Form,
    grant,
    par::{check_granted, parse_scope},
    rar::AuthorizationDetails,
};
use counterfoil_core::limits;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeSet, fmt};
use zeroize::Zeroizing;

/// A request for a token by a client that authenticated.
#[derive(Debug)]
pub enum TokenRequest {
    /// A code for a token.
    AuthorizationCode(CodeRequest),
    /// A token for the client itself.
    ClientCredentials {
        /// Granted scopes; all of the client's when it named none.
        scope: BTreeSet<String>,
        /// A granted audience.
        resource: String,
    },
}

/// The parameters that come with a code. The verifier is not printed and is wiped.
pub struct CodeRequest {
    /// The code.
    pub code: Code,
    /// PKCE's secret.
    pub code_verifier: Option<Zeroizing<String>>,
    /// As in the authorization request, if sent.
    pub redirect_uri: Option<String>,
    /// As in the authorization request, if sent.
    pub resource: Option<String>,
}

impl TokenRequest {
    /// Reads the form.
    ///
    /// # Errors
    /// `unsupported_grant_type` for grants that are not built, refresh tokens among them; `unauthorized_client` for one that
    /// the client may not use; `invalid_grant`, `invalid_scope`, `invalid_target` as their standards say.
    pub fn parse(form: &Form, client: &VerifiedClient) -> Result<Self, OAuthError> {
        match form.require("grant_type")? {
            "authorization_code" => {
                allowed(client, GrantType::AuthorizationCode)?;
                // A scope sent here is no parameter of this grant and is ignored (RFC 6749 §3.2): the code's stands.
                Ok(Self::AuthorizationCode(CodeRequest {
                    // A code that cannot be one of ours is unknown, not malformed: one answer for all wrong codes.
                    code: Code::parse(form.require("code")?).ok_or_else(grant::unknown_code)?,
                    code_verifier: form.get("code_verifier").map(|text| Zeroizing::new(text.to_owned())),
                    redirect_uri: form.bounded("redirect_uri", limits::URI_BYTES)?.map(str::to_owned),
                    resource: form.bounded("resource", limits::URI_BYTES)?.map(str::to_owned),
                }))
            }
            "client_credentials" => {
                allowed(client, GrantType::ClientCredentials)?;
                let granted = &client.metadata().scopes;
                let scope = match form.get("scope") {
                    Some(text) => parse_scope(Some(text), granted)?,
                    None => granted.clone(),
                };
                let resource = match form.get("resource") {
                    Some(resource) => check_granted(resource, client)?,
                    None => client
                        .only_audience()
                        .ok_or(OAuthError::new(ErrorCode::InvalidTarget, "Name the resource that the token is for."))?
                        .to_owned(),
                };
                Ok(Self::ClientCredentials { scope, resource })
            }
            _ => Err(OAuthError::new(
                ErrorCode::UnsupportedGrantType,
                "Supported are authorization_code and client_credentials.",
            )),
        }
    }
}

fn allowed(client: &VerifiedClient, grant: GrantType) -> Result<(), OAuthError> {
    if client.may_use(grant) {
        Ok(())
    } else {
        Err(OAuthError::new(ErrorCode::UnauthorizedClient, "This client may not use this grant."))
    }
}

impl fmt::Debug for CodeRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CodeRequest").field("redirect_uri", &self.redirect_uri).finish_non_exhaustive()
    }
}

/// The answer (RFC 6749 §5.1, RFC 9396 §7). Never cached: `Cache-Control: no-store`.
#[derive(Clone, Serialize, Deserialize)]
pub struct TokenResponse {
    /// The token.
    pub access_token: String,
    /// `DPoP`, always (RFC 9449 §5).
    pub token_type: TokenType,
    /// How long it lives, in seconds.
    pub expires_in: i64,
    /// What was granted, space-separated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// Who signed in (OpenID Connect Core §3.1.3.3).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id_token: Option<String>,
    /// What was approved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorization_details: Option<AuthorizationDetails>,
}

/// The kinds of tokens that we issue: one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TokenType {
    /// Bound to a key (RFC 9449).
    DPoP,
}

impl fmt::Debug for TokenResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenResponse").field("expires_in", &self.expires_in).finish_non_exhaustive()
    }
}
