//! The closed list of signature algorithms.

use std::fmt;

/// A signature algorithm (RFC 7518 §3.1, RFC 8037).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// Ed25519. No other curve goes by this name here.
    EdDsa,
    /// RSASSA-PSS with SHA-256, 2048 to 4096 bits.
    Ps256,
    /// RSASSA-PKCS1-v1_5 with SHA-256. Verified only, and only where a profile wants it: FAPI 2.0 forbids it, the CAEP
    /// interoperability profile demands it.
    Rs256,
}

impl Algorithm {
    /// What FAPI 2.0 §5.4.1 accepts: everything of ours but [`Algorithm::Rs256`].
    pub const FAPI: &'static [Self] = &[Self::Es256, Self::EdDsa, Self::Ps256];

    /// ES256 alone.
    pub const ES256_ONLY: &'static [Self] = &[Self::Es256];

    /// The name in `alg`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
            Self::Ps256 => "PS256",
            Self::Rs256 => "RS256",
        }
    }

    /// The algorithm of this name. Names are case-sensitive (RFC 7515 §4.1.1).
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Es256, Self::EdDsa, Self::Ps256, Self::Rs256].into_iter().find(|algorithm| algorithm.as_str() == name)
    }

    /// Whether a signature of this many bytes can be one; RSA's length is the key's.
    pub(crate) const fn signature_fits(self, bytes: usize) -> bool {
        match self {
            Self::Es256 | Self::EdDsa => bytes == 64,
            Self::Ps256 | Self::Rs256 => bytes >= 256 && bytes <= 512,
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
