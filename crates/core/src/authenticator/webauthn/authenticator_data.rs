//! Authenticator data (WebAuthn L3 §6.1), read to the last byte.

use ciborium::Value;

/// The bytes are not authenticator data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not authenticator data: {0}")]
pub struct InvalidAuthenticatorData(pub &'static str);

/// What an authenticator says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthenticatorData<'a> {
    /// SHA-256 of the relying party's identifier.
    pub rp_id_hash: [u8; 32],
    flags: u8,
    /// Its signature counter.
    pub sign_count: u32,
    /// The new credential, at a registration.
    pub attested: Option<AttestedCredential<'a>>,
}

/// A new credential (§6.5.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttestedCredential<'a> {
    /// The authenticator's model.
    pub aaguid: [u8; 16],
    /// The credential's identifier.
    pub credential_id: &'a [u8],
    /// Its public key, not yet judged: see [`super::CoseKey`].
    pub cose_key: &'a [u8],
}

const USER_PRESENT: u8 = 1;
const USER_VERIFIED: u8 = 1 << 2;
const BACKUP_ELIGIBLE: u8 = 1 << 3;
const BACKUP_STATE: u8 = 1 << 4;
const ATTESTED: u8 = 1 << 6;
const EXTENSIONS: u8 = 1 << 7;

impl<'a> AuthenticatorData<'a> {
    /// Reads the data. Extensions that nobody asked for are well-formed, or it is refused, and then ignored.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, InvalidAuthenticatorData> {
        let short = InvalidAuthenticatorData("too short");
        let (rp_id_hash, rest) = bytes.split_first_chunk::<32>().ok_or(short)?;
        let (&[flags], rest) = rest.split_first_chunk::<1>().ok_or(short)?;
        let (&sign_count, mut rest) = rest.split_first_chunk::<4>().ok_or(short)?;
        let attested = if flags & ATTESTED == 0 { None } else { Some(attested(&mut rest)?) };
        if flags & EXTENSIONS != 0 && !matches!(item(&mut rest), Some(Value::Map(_))) {
            return Err(InvalidAuthenticatorData("extensions are no CBOR map"));
        }
        if !rest.is_empty() {
            return Err(InvalidAuthenticatorData("bytes are left over"));
        }
        Ok(Self { rp_id_hash: *rp_id_hash, flags, sign_count: u32::from_be_bytes(sign_count), attested })
    }

    /// UP: somebody touched it.
    pub const fn user_present(&self) -> bool {
        self.flags & USER_PRESENT != 0
    }

    /// UV: it knows who.
    pub const fn user_verified(&self) -> bool {
        self.flags & USER_VERIFIED != 0
    }

    /// BE: the key may leave the device. Fixed when it is made.
    pub const fn backup_eligible(&self) -> bool {
        self.flags & BACKUP_ELIGIBLE != 0
    }

    /// BS: the key has left the device.
    pub const fn backup_state(&self) -> bool {
        self.flags & BACKUP_STATE != 0
    }
}

fn attested<'a>(rest: &mut &'a [u8]) -> Result<AttestedCredential<'a>, InvalidAuthenticatorData> {
    let short = InvalidAuthenticatorData("the credential is too short");
    let (aaguid, after) = rest.split_first_chunk::<16>().ok_or(short)?;
    let (&length, after) = after.split_first_chunk::<2>().ok_or(short)?;
    let (credential_id, key) = after.split_at_checked(usize::from(u16::from_be_bytes(length))).ok_or(short)?;
    let mut after = key;
    item(&mut after).ok_or(InvalidAuthenticatorData("the public key is no CBOR"))?;
    let cose_key = &key[..key.len() - after.len()];
    *rest = after;
    Ok(AttestedCredential { aaguid: *aaguid, credential_id, cose_key })
}

/// One CBOR item from the front of `rest`. Four levels are what keys and known extensions need.
fn item(rest: &mut &[u8]) -> Option<Value> {
    ciborium::de::from_reader_with_recursion_limit(rest, 4).ok()
}
