//! What we check of a registration ourselves, before and after the registration library (WebAuthn L3 §7.1).

use super::{
    assertion::decode,
    authenticator_data::{AuthenticatorData, InvalidAuthenticatorData},
    client_data::{self, Ceremony, ClientDataError},
    cose::{CoseError, CoseKey},
    credential::{Attestation, Credential},
};
use crate::{digest::Digest, limits};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ciborium::Value;
use serde::Deserialize;
use uuid::Uuid;

/// A registration that we do not take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RegistrationError {
    /// Not a `RegistrationResponseJSON` (§5.1), or not an attestation object (§6.5).
    #[error("not a registration: {0}")]
    Malformed(&'static str),
    /// Not our ceremony.
    #[error(transparent)]
    ClientData(#[from] ClientDataError),
    /// The authenticator data cannot be read.
    #[error(transparent)]
    AuthenticatorData(#[from] InvalidAuthenticatorData),
    /// The authenticator made it for another relying party.
    #[error("the credential is for another relying party")]
    OtherRelyingParty,
    /// Nobody touched the authenticator.
    #[error("the user was not present")]
    UserNotPresent,
    /// The user was not verified, and must be.
    #[error("the user was not verified")]
    UserNotVerified,
    /// Backed up without being eligible for it (§6.1.3).
    #[error("the backup flags contradict each other")]
    BackupFlags,
    /// The key is none that we verify with.
    #[error(transparent)]
    Key(#[from] CoseError),
}

/// `RegistrationResponseJSON`, as far as we read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistrationResponse {
    /// The credential id.
    pub id: Vec<u8>,
    /// The client data.
    pub client_data_json: Vec<u8>,
    /// The attestation object.
    pub attestation_object: Vec<u8>,
    /// How the browser reaches the authenticator.
    pub transports: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Outer {
    id: String,
    raw_id: String,
    #[serde(rename = "type")]
    kind: String,
    response: Inner,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Inner {
    #[serde(rename = "clientDataJSON")]
    client_data_json: String,
    attestation_object: String,
    #[serde(default)]
    transports: Vec<String>,
}

impl RegistrationResponse {
    /// Reads what `PublicKeyCredential.toJSON()` gave. Members that only repeat the attestation object are ignored.
    pub fn from_json(json: serde_json::Value) -> Result<Self, RegistrationError> {
        let malformed = RegistrationError::Malformed;
        let outer: Outer = crate::json::read(json).map_err(|_| malformed("a member is missing or of another type"))?;
        if outer.kind != "public-key" || outer.id != outer.raw_id {
            return Err(malformed("type or rawId"));
        }
        let Inner { client_data_json, attestation_object, transports } = outer.response;
        if transports.len() > 8 || transports.iter().any(|name| name.len() > 32 || !name.is_ascii()) {
            return Err(malformed("transports"));
        }
        let part = |text: &str, limit, name| decode(text, limit, name).map_err(|error| malformed(error.0));
        Ok(Self {
            id: part(&outer.id, limits::CREDENTIAL_ID_BYTES, "id")?,
            client_data_json: part(&client_data_json, limits::CLIENT_DATA_BYTES, "clientDataJSON")?,
            attestation_object: part(&attestation_object, limits::WEBAUTHN_PART_BYTES, "attestationObject")?,
            transports,
        })
    }
}

/// The client data of a registration was ours: right type, challenge and origin, in no frame.
///
/// INVARIANT: made by [`check_registration`] alone.
#[derive(Debug)]
#[must_use = "a registration that answers no challenge enrols nothing"]
pub struct RegistrationCeremony {
    challenge: Digest,
}

impl RegistrationCeremony {
    /// SHA-256 of the challenge that was answered: `registration_challenge` in the enrolment's statement.
    pub const fn challenge_digest(&self) -> Digest {
        self.challenge
    }
}

/// Runs before the registration library, which is laxer about origins: §7.1 steps 5 to 11. `challenge` is what the
/// library drew.
pub fn check_registration(
    client_data_json: &[u8],
    challenge: &[u8],
    origin: &str,
) -> Result<RegistrationCeremony, ClientDataError> {
    client_data::check(client_data_json, Ceremony::Create, challenge, origin)?;
    Ok(RegistrationCeremony { challenge: Digest::of(challenge) })
}

/// An attestation object, taken apart. Whether its statement can be believed is the registration library's to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttestationObject {
    /// Its format.
    pub format: String,
    /// The whole, as it was given.
    pub bytes: Vec<u8>,
    /// The authenticator data, §6.1.
    pub authenticator_data: Vec<u8>,
}

/// Takes an attestation object apart (§6.5): a map of exactly `fmt`, `attStmt` and `authData`.
pub fn parse_attestation_object(bytes: &[u8]) -> Result<AttestationObject, RegistrationError> {
    let malformed = RegistrationError::Malformed;
    if bytes.len() > limits::WEBAUTHN_PART_BYTES {
        return Err(malformed("the attestation object is too long"));
    }
    let mut rest = bytes;
    let value = ciborium::de::from_reader_with_recursion_limit(&mut rest, 8);
    let (Ok(Value::Map(members)), []) = (value, rest) else {
        return Err(malformed("the attestation object is no CBOR map"));
    };
    let (mut format, mut statement, mut authenticator_data) = (None, None, None);
    for (name, value) in members {
        let taken = match (name.as_text(), value) {
            (Some("fmt"), Value::Text(text)) if text.len() <= 32 => format.replace(text).is_none(),
            (Some("attStmt"), Value::Map(map)) => statement.replace(map).is_none(),
            (Some("authData"), Value::Bytes(data)) => authenticator_data.replace(data).is_none(),
            _ => false,
        };
        if !taken {
            return Err(malformed("a member of the attestation object"));
        }
    }
    let (Some(format), Some(_), Some(authenticator_data)) = (format, statement, authenticator_data) else {
        return Err(malformed("a member of the attestation object is missing"));
    };
    Ok(AttestationObject { format, bytes: bytes.to_vec(), authenticator_data })
}

impl AttestationObject {
    /// The credential in it, for the relying party `rp_id`: §7.1 steps 13 to 20 and 25. Never hardware-bound yet: the
    /// caller may say so once it trusts the attestation.
    pub fn credential(
        &self,
        rp_id: &str,
        user_verification: bool,
        transports: Vec<String>,
    ) -> Result<Credential, RegistrationError> {
        let data = AuthenticatorData::parse(&self.authenticator_data)?;
        if data.rp_id_hash != *Digest::of(rp_id.as_bytes()).as_bytes() {
            return Err(RegistrationError::OtherRelyingParty);
        }
        if !data.user_present() {
            return Err(RegistrationError::UserNotPresent);
        }
        if user_verification && !data.user_verified() {
            return Err(RegistrationError::UserNotVerified);
        }
        if data.backup_state() && !data.backup_eligible() {
            return Err(RegistrationError::BackupFlags);
        }
        let attested = data.attested.as_ref().ok_or(RegistrationError::Malformed("no credential"))?;
        if attested.credential_id.is_empty() || attested.credential_id.len() > limits::CREDENTIAL_ID_BYTES {
            return Err(RegistrationError::Malformed("credential id"));
        }
        let key = CoseKey::parse(attested.cose_key)?;
        Ok(Credential {
            id: URL_SAFE_NO_PAD.encode(attested.credential_id),
            cose_key: URL_SAFE_NO_PAD.encode(attested.cose_key),
            algorithm: key.algorithm(),
            sign_count: data.sign_count,
            backup_eligible: data.backup_eligible(),
            backup_state: data.backup_state(),
            user_verifying: data.user_verified(),
            hardware_bound: false,
            transports,
            aaguid: Uuid::from_bytes(attested.aaguid),
            attestation: (self.format != "none").then(|| Attestation {
                format: self.format.clone(),
                digest: Digest::of(&self.bytes),
                object: Some(URL_SAFE_NO_PAD.encode(&self.bytes)),
            }),
        })
    }
}
