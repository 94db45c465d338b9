//! The only file that draws random bytes.

/// The operating system's random source.
#[derive(Clone, Copy, Debug, Default)]
pub struct Random;

impl Random {
    /// `N` random bytes.
    ///
    /// Aborts the process when the operating system has none to give: a guessable secret is worse than no server.
    pub fn bytes<const N: usize>(self) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill(&mut bytes);
        bytes
    }

    /// Fills `bytes`.
    pub fn fill(self, bytes: &mut [u8]) {
        #[allow(clippy::disallowed_methods, reason = "this file is the source of randomness")]
        if getrandom::fill(bytes).is_err() {
            std::process::abort();
        }
    }

    /// The random part of an identifier.
    pub fn id(self) -> [u8; counterfoil_core::id::RANDOM_BYTES] {
        self.bytes()
    }
}
