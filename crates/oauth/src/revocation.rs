//! Token revocation (RFC 7009): the answer is 200 whether the token was known or not (§2.2).

use crate::{
    error::{ErrorCode, OAuthError},
    form::Form,
};

/// The token to revoke.
///
/// # Errors
/// `invalid_request` when there is none, `unsupported_token_type` when the hint names a kind that we do not issue (§2.2.1).
pub fn parse(form: &Form) -> Result<&str, OAuthError> {
    let token = form.require("token")?;
    match form.get("token_type_hint") {
        None | Some("access_token") => Ok(token),
        Some(_) => Err(OAuthError::new(ErrorCode::UnsupportedTokenType, "Only access tokens are issued here.")),
    }
}
