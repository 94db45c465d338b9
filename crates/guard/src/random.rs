//! The one place where the guard draws random bytes.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

/// `N` bytes from the operating system.
///
/// # Panics
/// When the operating system gives none: an identifier that can be guessed is worse than a process that stops.
#[allow(clippy::disallowed_methods, clippy::expect_used, reason = "the guard's only source of randomness")]
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
    bytes
}

/// 256 random bits as 43 characters of base64url.
pub fn token() -> String {
    URL_SAFE_NO_PAD.encode(bytes::<32>())
}
