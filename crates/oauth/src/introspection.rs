//! Token introspection (RFC 7662): what an API that does not verify tokens itself asks, and what it may know.

use crate::{access_token::AccessTokenClaims, error::OAuthError, form::Form, token_request::TokenType};
use serde::Serialize;

/// The token that is asked about. `token_type_hint` is allowed and not needed (§2.1): we have one kind.
///
/// # Errors
/// `invalid_request` when there is none.
pub fn parse(form: &Form) -> Result<&str, OAuthError> {
    form.require("token")
}

/// The answer (§2.2). Of a token that is not active, or not meant for who asks, nothing is said but that.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum IntrospectionResponse {
    /// `{"active": false}` and not a word more.
    Inactive {
        /// Always false.
        active: False,
    },
    /// What the token says.
    Active {
        /// Always true.
        active: True,
        /// How the token is to be presented.
        token_type: TokenType,
        /// The claims, `cnf` among them: whoever asks checks possession itself (RFC 9449 §6.2).
        #[serde(flatten)]
        claims: Box<AccessTokenClaims>,
    },
}

impl IntrospectionResponse {
    /// Says nothing.
    pub const fn inactive() -> Self {
        Self::Inactive { active: False }
    }

    /// Says what the token says.
    pub fn active(claims: AccessTokenClaims) -> Self {
        Self::Active { active: True, token_type: TokenType::DPoP, claims: Box::new(claims) }
    }
}

/// `false`, as a type: an inactive answer cannot be made active by a slip.
#[derive(Clone, Copy, Debug)]
pub struct False;

/// `true`, as a type.
#[derive(Clone, Copy, Debug)]
pub struct True;

impl Serialize for False {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bool(false)
    }
}

impl Serialize for True {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bool(true)
    }
}
