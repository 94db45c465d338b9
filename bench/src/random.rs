//! The only dice of the benchmark: keys, nonces and identifiers of requests.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

/// Fresh random bytes. The system's generator failing leaves zeros, which servers refuse as repeated.
#[expect(clippy::disallowed_methods, reason = "the one place of the benchmark that draws randomness")]
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes).ok();
    bytes
}

/// A fresh identifier: 16 random bytes in base64url.
pub fn identifier() -> String {
    URL_SAFE_NO_PAD.encode(bytes::<16>())
}
