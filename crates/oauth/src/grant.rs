//! What an authorization code stands for, and the checks before it is traded (RFC 6749 §4.1.3, RFC 7636, RFC 9449 §10).

use crate::{
    client_auth::VerifiedClient,
    dpop::VerifiedDpopProof,
    error::{ErrorCode, OAuthError},
    pkce::CodeChallenge,
    rar::AuthorizationDetails,
    token_request::CodeRequest,
};
use counterfoil_core::{
    assurance::Acr,
    digest::Digest,
    id::{ChallengeId, DecisionId, LoginId, SessionId, SubjectId},
    limits,
    time::Time,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// What was granted, as stored under the code's digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodeGrant {
    /// The client that may trade the code.
    pub client_id: String,
    /// Where the code was sent.
    pub redirect_uri: String,
    /// PKCE.
    pub code_challenge: CodeChallenge,
    /// The key that the code is bound to, if it is to one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dpop_jkt: Option<Digest>,
    /// Scopes.
    pub scope: BTreeSet<String>,
    /// The audience of the token.
    pub resource: String,
    /// For the ID token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nonce: Option<String>,
    /// Who granted.
    pub subject: SubjectId,
    /// In which session.
    pub session: SessionId,
    /// From which login.
    pub login: LoginId,
    /// What was proven.
    pub acr: Acr,
    /// By which methods (RFC 8176).
    pub amr: Vec<String>,
    /// When the person last proved who they are.
    pub auth_time: Time,
    /// The transaction, if this is the grant of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transaction: Option<GrantedTransaction>,
    /// When the code was made.
    pub issued_at: Time,
}

/// A transaction that was approved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantedTransaction {
    /// The challenge that approved it: the key of spending.
    pub txn: ChallengeId,
    /// The decision under which it was lodged.
    pub decision_id: DecisionId,
    /// What was approved.
    pub authorization_details: AuthorizationDetails,
}

/// A grant whose code was presented by its client, with verifier and key. That the code is used once, the store says.
/// Only [`CodeGrant::check`] makes one.
#[derive(Debug)]
#[must_use]
pub struct CheckedGrant {
    grant: CodeGrant,
    jkt: Digest,
}

impl CodeGrant {
    /// Checks a token request against what was granted.
    ///
    /// # Errors
    /// `invalid_grant` for an expired code, another client, verifier, redirect URI or key; `invalid_target` for another
    /// resource. All are the end of the code: the caller spends it either way (OAuth 2.1 §4.1.3).
    pub fn check(
        self,
        client: &VerifiedClient,
        request: &CodeRequest,
        dpop: &VerifiedDpopProof,
        now: Time,
    ) -> Result<CheckedGrant, OAuthError> {
        let invalid = |description| Err(OAuthError::new(ErrorCode::InvalidGrant, description));
        if self.client_id != client.id() {
            // The words of an unknown code: whether another client's exists is not this one's business.
            return Err(unknown_code());
        }
        if now >= self.issued_at.plus_seconds(limits::CODE_SECONDS) {
            return invalid("The code has expired.");
        }
        self.code_challenge.check(request.code_verifier.as_ref().map(|verifier| verifier.as_str()))?;
        // OAuth 2.1 §4.1.3 dropped the parameter; a client of RFC 6749 still sends it, and then it counts.
        if request.redirect_uri.as_ref().is_some_and(|uri| *uri != self.redirect_uri) {
            return invalid("redirect_uri is not that of the authorization request.");
        }
        if self.dpop_jkt.is_some_and(|jkt| jkt != dpop.jkt()) {
            return invalid("The code is bound to another DPoP key.");
        }
        if request.resource.as_ref().is_some_and(|resource| *resource != self.resource) {
            return Err(OAuthError::new(ErrorCode::InvalidTarget, "The code was granted for another resource."));
        }
        Ok(CheckedGrant { grant: self, jkt: dpop.jkt() })
    }
}

impl CheckedGrant {
    /// What was granted.
    pub const fn grant(&self) -> &CodeGrant {
        &self.grant
    }

    /// The key that the token is to be bound to.
    pub const fn jkt(&self) -> Digest {
        self.jkt
    }
}

/// The answer to a code that is unknown, used, or another client's.
pub fn unknown_code() -> OAuthError {
    OAuthError::new(ErrorCode::InvalidGrant, "The code is unknown, used, or was issued to another client.")
}
