//! The one place where the treasury draws random bytes.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

/// 256 random bits as 43 characters of base64url: session identifiers, `state`, `nonce`, PKCE verifiers.
///
/// # Panics
/// When the operating system gives none: an identifier that can be guessed is worse than a process that stops.
#[allow(clippy::disallowed_methods, clippy::expect_used, reason = "the treasury's only source of randomness")]
pub fn token() -> String {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
    URL_SAFE_NO_PAD.encode(bytes)
}
