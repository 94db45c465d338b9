//! Against whoever writes to the database: secrets are sealed under a key outside it, rows that grant power carry a MAC.
//!
//! One [`MasterKey`] comes from a file or the environment; every use has a key of its own, derived by HKDF-SHA-256
//! (RFC 5869) under a label, so that no value made for one purpose verifies for another.

use aws_lc_rs::{aead, hkdf, hmac};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use std::fmt;
use subtle::ConstantTimeEq as _;
use zeroize::{Zeroize as _, Zeroizing};

/// How many random bytes sealing takes: an AES-GCM nonce (SP 800-38D §8.2.2).
pub const NONCE_BYTES: usize = 12;
/// How long a master key is.
pub const KEY_BYTES: usize = 32;
/// The first byte of everything sealed: which construction made it.
const SEALED_V1: u8 = 1;

/// Why something sealed or authenticated was refused. It never says which bit was wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// Not sealed by us, for another place, under another key, or altered.
    #[error("the sealed value is not for this place, or was altered")]
    Sealed,
    /// The row does not carry the MAC of what it says.
    #[error("the row was not written by us, or was altered")]
    Row,
    /// A plain text too long, or a key that the library refuses: nothing a caller can cause.
    #[error("the value cannot be sealed")]
    Unusable,
}

/// The installation's own secret. Everything below is derived from it.
pub struct MasterKey(Zeroizing<[u8; KEY_BYTES]>);

impl MasterKey {
    /// The key that the edge has read or made. The caller wipes its own copy.
    pub fn from_bytes(bytes: [u8; KEY_BYTES]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The key for one purpose, named by `label`. Two labels never share a key.
    pub fn derive(&self, label: &str) -> Result<Zeroizing<[u8; KEY_BYTES]>, SealError> {
        let salt = hkdf::Salt::new(hkdf::HKDF_SHA256, b"counterfoil/master/v1");
        let mut derived = Zeroizing::new([0; KEY_BYTES]);
        salt.extract(&*self.0)
            .expand(&[label.as_bytes()], hkdf::HKDF_SHA256)
            .and_then(|okm| okm.fill(&mut *derived))
            .map_err(|_| SealError::Unusable)?;
        Ok(derived)
    }

    /// The key that seals secrets at rest.
    pub fn sealing(&self) -> Result<SealingKey, SealError> {
        SealingKey::new(&*self.derive("seal")?)
    }

    /// The key that authenticates rows which grant power.
    pub fn rows(&self) -> Result<RowKey, SealError> {
        Ok(RowKey(hmac::Key::new(hmac::HMAC_SHA256, &*self.derive("row")?)))
    }

    /// The key that chains the events of a run (see [`crate::audit::chain`]).
    pub fn chain(&self) -> Result<crate::audit::chain::ChainKey, SealError> {
        Ok(crate::audit::chain::ChainKey::new(&*self.derive("chain")?))
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey(secret)")
    }
}

/// Where a sealed value stands. All of it is associated data: a value moved to another row, column, person or version
/// of the schema does not open there.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The table.
    pub table: &'a str,
    /// The row's key.
    pub id: &'a str,
    /// Whose it is; empty where a row belongs to nobody.
    pub subject: &'a str,
    /// The column, or the member inside a body.
    pub column: &'a str,
    /// The version of the value's form.
    pub version: u32,
}

impl Place<'_> {
    fn associated_data(&self) -> Vec<u8> {
        framed(&[
            b"counterfoil/seal/v1",
            self.table.as_bytes(),
            self.id.as_bytes(),
            self.subject.as_bytes(),
            self.column.as_bytes(),
            &self.version.to_be_bytes(),
        ])
    }
}

/// Seals secrets (TOTP seeds, private keys) with AES-256-GCM.
pub struct SealingKey(aead::LessSafeKey);

impl SealingKey {
    fn new(bytes: &[u8; KEY_BYTES]) -> Result<Self, SealError> {
        let key = aead::UnboundKey::new(&aead::AES_256_GCM, bytes).map_err(|_| SealError::Unusable)?;
        Ok(Self(aead::LessSafeKey::new(key)))
    }

    /// Seals `plain` for `place`. The nonce must be random and never used twice; at 96 bits, 2³² values per key are
    /// safe (SP 800-38D §8.3), far more than an installation has secrets.
    pub fn seal(&self, place: &Place<'_>, plain: &[u8], nonce: [u8; NONCE_BYTES]) -> Result<Vec<u8>, SealError> {
        let mut body = plain.to_vec();
        let tag = self.0.seal_in_place_separate_tag(
            aead::Nonce::assume_unique_for_key(nonce),
            aead::Aad::from(place.associated_data()),
            &mut body,
        );
        let Ok(tag) = tag else {
            body.zeroize();
            return Err(SealError::Unusable);
        };
        let mut sealed = Vec::with_capacity(1 + NONCE_BYTES + body.len() + tag.as_ref().len());
        sealed.push(SEALED_V1);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(&body);
        sealed.extend_from_slice(tag.as_ref());
        Ok(sealed)
    }

    /// Opens what [`SealingKey::seal`] made for the very same place.
    pub fn open(&self, place: &Place<'_>, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let rest = match sealed.split_first() {
            Some((&SEALED_V1, rest)) => rest,
            _ => return Err(SealError::Sealed),
        };
        let (nonce, body) = rest.split_first_chunk::<NONCE_BYTES>().ok_or(SealError::Sealed)?;
        let mut body = Zeroizing::new(body.to_vec());
        let length = self
            .0
            .open_in_place(
                aead::Nonce::assume_unique_for_key(*nonce),
                aead::Aad::from(place.associated_data()),
                &mut body[..],
            )
            .map_err(|_| SealError::Sealed)?
            .len();
        body.truncate(length);
        Ok(body)
    }
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealingKey(secret)")
    }
}

/// An HMAC-SHA-256 value; base64url in JSON. Comparison is constant-time.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Mac([u8; 32]);

impl Mac {
    /// A MAC as it was stored. It proves nothing until it is compared with one that was computed.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    pub(crate) fn compute(key: &hmac::Key, message: &[u8]) -> Self {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(hmac::sign(key, message).as_ref());
        Self(bytes)
    }
}

impl PartialEq for Mac {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for Mac {}

impl fmt::Debug for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mac({})", URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl TryFrom<String> for Mac {
    type Error = crate::digest::InvalidDigest;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        let digest: crate::digest::Digest = text.parse()?;
        Ok(Self(*digest.as_bytes()))
    }
}

impl From<Mac> for String {
    fn from(mac: Mac) -> String {
        URL_SAFE_NO_PAD.encode(mac.0)
    }
}

/// Authenticates rows that grant power: authenticators, addresses, clients, API keys, roles, policies.
#[derive(Clone)]
pub struct RowKey(hmac::Key);

impl RowKey {
    /// The MAC of a row: its table, its key, and every column that means something, in a fixed order.
    pub fn mac(&self, table: &str, id: &str, columns: &[&[u8]]) -> Mac {
        let mut parts: Vec<&[u8]> = vec![b"counterfoil/row/v1", table.as_bytes(), id.as_bytes()];
        parts.extend_from_slice(columns);
        Mac::compute(&self.0, &framed(&parts))
    }

    /// Refuses a row whose MAC is not ours. To be asked whenever such a row is loaded.
    pub fn verify(&self, table: &str, id: &str, columns: &[&[u8]], mac: &Mac) -> Result<(), SealError> {
        if self.mac(table, id, columns) == *mac { Ok(()) } else { Err(SealError::Row) }
    }
}

impl fmt::Debug for RowKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RowKey(secret)")
    }
}

/// Parts with their lengths before them and their number before all, so that no border can be moved.
fn framed(parts: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::with_capacity(8 + parts.iter().map(|part| part.len() + 8).sum::<usize>());
    out.extend_from_slice(&(parts.len() as u64).to_be_bytes());
    for part in parts {
        out.extend_from_slice(&(part.len() as u64).to_be_bytes());
        out.extend_from_slice(part);
    }
    out
}

#[cfg(test)]
// A test that cannot go on should stop.
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    fn place() -> Place<'static> {
        Place { table: "authenticators", id: "a1", subject: "s1", column: "secret", version: 1 }
    }

    #[test]
    fn what_is_sealed_opens_in_its_place_only() {
        let key = MasterKey::from_bytes([7; 32]).sealing().unwrap();
        let sealed = key.seal(&place(), b"seed", [3; 12]).unwrap();
        assert_eq!(*key.open(&place(), &sealed).unwrap(), b"seed");
        for other in [
            Place { table: "addresses", ..place() },
            Place { id: "a2", ..place() },
            Place { subject: "s2", ..place() },
            Place { column: "pepper", ..place() },
            Place { version: 2, ..place() },
            // The border between two names is part of what is sealed.
            Place { table: "authenticatorsa", id: "1", ..place() },
        ] {
            assert_eq!(key.open(&other, &sealed), Err(SealError::Sealed), "{other:?}");
        }
        let stranger = MasterKey::from_bytes([8; 32]).sealing().unwrap();
        assert_eq!(stranger.open(&place(), &sealed), Err(SealError::Sealed));
    }

    #[test]
    fn any_flipped_or_missing_byte_of_a_sealed_value_refuses() {
        let key = MasterKey::from_bytes([7; 32]).sealing().unwrap();
        let sealed = key.seal(&place(), b"seed", [3; 12]).unwrap();
        for at in 0..sealed.len() {
            let mut flipped = sealed.clone();
            flipped[at] ^= 1;
            assert_eq!(key.open(&place(), &flipped), Err(SealError::Sealed), "byte {at}");
            assert_eq!(key.open(&place(), &sealed[..at]), Err(SealError::Sealed), "length {at}");
        }
    }

    #[test]
    fn a_row_moved_or_altered_is_refused() {
        let key = MasterKey::from_bytes([7; 32]).rows().unwrap();
        let mac = key.mac("roles", "r1", &[b"alice", b"auditor"]);
        assert_eq!(key.verify("roles", "r1", &[b"alice", b"auditor"], &mac), Ok(()));
        let stored: Mac = serde_json::from_str(&serde_json::to_string(&mac).unwrap()).unwrap();
        assert_eq!(stored, mac);
        for (table, id, columns) in [
            ("roles", "r1", vec![&b"alice"[..], b"administrator"]),
            ("roles", "r1", vec![&b"aliceauditor"[..], b""]),
            ("roles", "r1", vec![&b"alice"[..], b"auditor", b""]),
            ("roles", "r2", vec![&b"alice"[..], b"auditor"]),
            ("groups", "r1", vec![&b"alice"[..], b"auditor"]),
        ] {
            assert_eq!(key.verify(table, id, &columns, &mac), Err(SealError::Row));
        }
    }

    #[test]
    fn keys_never_show_themselves() {
        let master = MasterKey::from_bytes([0x41; 32]);
        let shown = format!("{master:?} {:?} {:?}", master.sealing().unwrap(), master.rows().unwrap());
        assert_eq!(shown, "MasterKey(secret) SealingKey(secret) RowKey(secret)");
        assert_ne!(*master.derive("seal").unwrap(), *master.derive("row").unwrap());
    }
}
