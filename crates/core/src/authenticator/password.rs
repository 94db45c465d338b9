//! Passwords: argon2id (RFC 9106), kept as a PHC string. Slow on purpose: run it off the async threads.

use super::Holder;
use crate::{
    assurance::Method,
    evidence::ProofFact,
    limits::{PASSWORD_BYTES, PASSWORD_CHARS_MIN},
    proof::Proof,
    time::Time,
};
use argon2::{Algorithm, Argon2, Params, Version};
use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use subtle::ConstantTimeEq as _;
use unicode_normalization::UnicodeNormalization as _;
use zeroize::Zeroizing;

/// Random bytes of a salt (RFC 9106 §3.1).
pub const SALT_BYTES: usize = 16;
const HASH_BYTES: usize = 32;
/// 19 MiB, twice, in one lane: OWASP's first choice where 19 MiB can be spared for each sign-in.
const MEMORY_KIB: u32 = 19_456;
const PASSES: u32 = 2;
const LANES: u32 = 1;
/// What a record may ask for at most: more would let it exhaust the machine.
const MEMORY_KIB_MAX: u32 = 65_536;
const PASSES_MAX: u32 = 10;
const LANES_MAX: u32 = 4;

/// Why a password was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// Too short to be set.
    #[error("a password has at least {PASSWORD_CHARS_MIN} characters")]
    TooShort,
    /// Too long to be set or tried.
    #[error("a password has at most {PASSWORD_BYTES} bytes")]
    TooLong,
    /// It is not the password.
    #[error("the password is wrong")]
    Wrong,
    /// The record is no PHC string of ours: never the caller's fault.
    #[error("the password's record cannot be read")]
    Record,
}

/// The PHC string of a new password. `salt` is random.
pub fn hash(password: &str, salt: &[u8; SALT_BYTES]) -> Result<String, PasswordError> {
    let password = prepared(password)?;
    if password.chars().count() < PASSWORD_CHARS_MIN {
        return Err(PasswordError::TooShort);
    }
    let hash = derive(&password, salt, MEMORY_KIB, PASSES, LANES)?;
    Ok(format!(
        "$argon2id$v=19$m={MEMORY_KIB},t={PASSES},p={LANES}${}${}",
        STANDARD_NO_PAD.encode(salt),
        STANDARD_NO_PAD.encode(hash.as_slice())
    ))
}

/// Is `password` the one of this record? Takes the same time whatever the answer.
pub fn verify(password: &str, phc: &str, holder: &Holder, now: Time) -> Result<Proof, PasswordError> {
    let password = prepared(password)?;
    let record = Record::parse(phc).ok_or(PasswordError::Record)?;
    let derived = derive(&password, &record.salt, record.memory_kib, record.passes, record.lanes)?;
    if !bool::from(derived.as_slice().ct_eq(&record.hash)) {
        return Err(PasswordError::Wrong);
    }
    let fact = ProofFact {
        method: Method::Password,
        at: now,
        authenticator: holder.authenticator,
        ceiling: holder.ceiling,
        user_verified: false,
        hardware_bound: false,
        txn_digest: None,
        channel: None,
    };
    Ok(Proof::typed(holder.subject, fact, None))
}

/// Takes as long as [`verify`] and always says no: for a name that nobody has, so that nobody learns which names exist.
pub fn refuse(password: &str) -> PasswordError {
    let Ok(password) = prepared(password) else { return PasswordError::TooLong };
    // Compared all the same, so that the work cannot be left out.
    match derive(&password, &[0; SALT_BYTES], MEMORY_KIB, PASSES, LANES) {
        Ok(derived) if bool::from(derived.as_slice().ct_eq(&[0; HASH_BYTES])) => PasswordError::Record,
        _ => PasswordError::Wrong,
    }
}

/// NFC (RFC 8265 §4.2.2), so that the same password typed on two keyboards is the same. Nothing is cut off.
fn prepared(password: &str) -> Result<Zeroizing<String>, PasswordError> {
    if password.len() > PASSWORD_BYTES {
        return Err(PasswordError::TooLong);
    }
    Ok(Zeroizing::new(password.nfc().collect()))
}

fn derive(
    password: &str,
    salt: &[u8],
    memory_kib: u32,
    passes: u32,
    lanes: u32,
) -> Result<Zeroizing<[u8; HASH_BYTES]>, PasswordError> {
    let params = Params::new(memory_kib, passes, lanes, Some(HASH_BYTES)).map_err(|_| PasswordError::Record)?;
    let mut hash = Zeroizing::new([0; HASH_BYTES]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(password.as_bytes(), salt, hash.as_mut_slice())
        .map_err(|_| PasswordError::Record)?;
    Ok(hash)
}

/// A PHC string, taken apart.
struct Record {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
    salt: Vec<u8>,
    hash: [u8; HASH_BYTES],
}

impl Record {
    fn parse(phc: &str) -> Option<Self> {
        let mut fields = phc.strip_prefix("$argon2id$v=19$")?.split('$');
        let (params, salt, hash) = (fields.next()?, fields.next()?, fields.next()?);
        let mut params = params.split(',');
        let mut number = |name: &str, max: u32| {
            params.next()?.strip_prefix(name)?.parse().ok().filter(|number| (1..=max).contains(number))
        };
        let (memory_kib, passes, lanes) =
            (number("m=", MEMORY_KIB_MAX)?, number("t=", PASSES_MAX)?, number("p=", LANES_MAX)?);
        if params.next().is_some() || fields.next().is_some() {
            return None;
        }
        let salt = STANDARD_NO_PAD.decode(salt).ok().filter(|salt| (SALT_BYTES..=64).contains(&salt.len()))?;
        let hash = STANDARD_NO_PAD.decode(hash).ok()?.try_into().ok()?;
        Some(Self { memory_kib, passes, lanes, salt, hash })
    }
}
