//! OAuth errors: one closed list of codes, and a description that helps whoever wrote the client and tells nobody a secret.

use serde::{Serialize, Serializer, ser::SerializeStruct};
use std::{borrow::Cow, fmt};

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $text:literal $status:literal),* $(,)?) => {
        /// Every error code that Counterfoil answers with.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum ErrorCode { $($(#[$doc])* $variant),* }

        impl ErrorCode {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The code on the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),* }
            }

            /// The HTTP status of a direct answer (not of a redirect).
            pub const fn status(self) -> u16 {
                match self { $(Self::$variant => $status),* }
            }
        }
    };
}

codes! {
    /// A parameter is missing, malformed or given twice (RFC 6749 §5.2).
    InvalidRequest = "invalid_request" 400,
    /// Client authentication failed (RFC 6749 §5.2).
    InvalidClient = "invalid_client" 401,
    /// The code is unknown, used, expired or another client's (RFC 6749 §5.2).
    InvalidGrant = "invalid_grant" 400,
    /// This client may not use this grant (RFC 6749 §5.2).
    UnauthorizedClient = "unauthorized_client" 400,
    /// A grant that Counterfoil does not know (RFC 6749 §5.2).
    UnsupportedGrantType = "unsupported_grant_type" 400,
    /// A response type other than `code` (RFC 6749 §4.1.2.1).
    UnsupportedResponseType = "unsupported_response_type" 400,
    /// A scope that the client was not granted (RFC 6749 §5.2).
    InvalidScope = "invalid_scope" 400,
    /// A resource that is unknown or not granted (RFC 8707 §2).
    InvalidTarget = "invalid_target" 400,
    /// The person or the policy said no (RFC 6749 §4.1.2.1).
    AccessDenied = "access_denied" 400,
    /// `authorization_details` that cannot be accepted (RFC 9396 §5).
    InvalidAuthorizationDetails = "invalid_authorization_details" 400,
    /// Request objects are not supported (OpenID Connect Core §6).
    RequestNotSupported = "request_not_supported" 400,
    /// Nobody is signed in and `prompt=none` (OpenID Connect Core §3.1.2.6).
    LoginRequired = "login_required" 400,
    /// Something must be shown and `prompt=none` (OpenID Connect Core §3.1.2.6).
    InteractionRequired = "interaction_required" 400,
    /// The asked assurance cannot be reached (OpenID unmet authentication requirements; RFC 9470 §5).
    UnmetAuthenticationRequirements = "unmet_authentication_requirements" 400,
    /// The DPoP proof is missing or wrong (RFC 9449 §5).
    InvalidDpopProof = "invalid_dpop_proof" 400,
    /// The DPoP proof needs the nonce of this answer (RFC 9449 §8).
    UseDpopNonce = "use_dpop_nonce" 400,
    /// The access token is malformed, expired, revoked or another's (RFC 6750 §3.1).
    InvalidToken = "invalid_token" 401,
    /// The access token does not carry the scope (RFC 6750 §3.1).
    InsufficientScope = "insufficient_scope" 403,
    /// More or fresher proof is needed (RFC 9470 §3).
    InsufficientUserAuthentication = "insufficient_user_authentication" 401,
    /// Tokens of this type cannot be revoked (RFC 7009 §2.2.1).
    UnsupportedTokenType = "unsupported_token_type" 400,
    /// Our fault; the text says nothing (RFC 6749 §4.1.2.1).
    ServerError = "server_error" 500,
    /// Busy; come back (RFC 6749 §4.1.2.1).
    TemporarilyUnavailable = "temporarily_unavailable" 503,
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What goes back: a code and a sentence. Serializes as the body of RFC 6749 §5.2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OAuthError {
    code: ErrorCode,
    description: Cow<'static, str>,
}

impl OAuthError {
    /// An error with a fixed sentence.
    pub const fn new(code: ErrorCode, description: &'static str) -> Self {
        Self { code, description: Cow::Borrowed(description) }
    }

    /// An error whose sentence was composed; characters that RFC 6749 §5.2 forbids become `'`.
    pub fn composed(code: ErrorCode, description: &str) -> Self {
        Self { code, description: Cow::Owned(description.chars().take(300).map(plain).collect()) }
    }

    /// `invalid_request` with a fixed sentence.
    pub const fn invalid_request(description: &'static str) -> Self {
        Self::new(ErrorCode::InvalidRequest, description)
    }

    /// The code.
    pub const fn code(&self) -> ErrorCode {
        self.code
    }

    /// The sentence for whoever wrote the client.
    pub fn description(&self) -> &str {
        &self.description
    }

    /// The HTTP status of a direct answer.
    pub const fn status(&self) -> u16 {
        self.code.status()
    }
}

/// RFC 6749 §5.2: `%x20-21 / %x23-5B / %x5D-7E`, so no quote, no backslash, nothing outside ASCII.
const fn plain(c: char) -> char {
    match c {
        ' '..='!' | '#'..='[' | ']'..='~' => c,
        _ => '\'',
    }
}

impl fmt::Display for OAuthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.description)
    }
}

impl std::error::Error for OAuthError {}

impl Serialize for OAuthError {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut body = serializer.serialize_struct("OAuthError", 2)?;
        body.serialize_field("error", self.code.as_str())?;
        body.serialize_field("error_description", &self.description)?;
        body.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptions_keep_to_the_characters_of_rfc_6749() {
        let error = OAuthError::composed(ErrorCode::InvalidRequest, "a \"b\" \\ ü\n\u{0}~");
        assert_eq!(error.description(), "a 'b' ' '''~");
    }

    #[test]
    fn body_is_that_of_rfc_6749_section_5_2() {
        let error = OAuthError::new(ErrorCode::InvalidGrant, "The code was used.");
        assert_eq!(
            serde_json::to_string(&error).ok().as_deref(),
            Some(r#"{"error":"invalid_grant","error_description":"The code was used."}"#)
        );
        assert_eq!(error.status(), 400);
    }

    #[test]
    fn every_code_has_a_name_of_its_own() {
        for (i, a) in ErrorCode::ALL.iter().enumerate() {
            for b in &ErrorCode::ALL[i + 1..] {
                assert_ne!(a.as_str(), b.as_str());
            }
        }
    }
}
