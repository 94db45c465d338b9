//! The public record of a passkey (WebAuthn L3 §4 "credential record"): what is kept with the authenticator.

use super::{
    authenticator_data::AuthenticatorData,
    cose::{Algorithm, CoseError, CoseKey},
};
use crate::{digest::Digest, statement::NotCanonical};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// What an attestation said, if one was kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attestation {
    /// Its format: `packed`, `tpm`, …
    pub format: String,
    /// SHA-256 of the attestation object.
    pub digest: Digest,
    /// The attestation object itself, base64url: what a third party judges. Not in [`FixedCredential`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
}

/// A passkey, without anything secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Credential {
    /// The credential id, base64url.
    pub id: String,
    /// The public key in COSE form, base64url.
    pub cose_key: String,
    /// Its algorithm.
    pub algorithm: Algorithm,
    /// The last signature counter that was seen.
    pub sign_count: u32,
    /// The key may leave the device. Fixed for ever.
    pub backup_eligible: bool,
    /// The key had left the device when last seen.
    pub backup_state: bool,
    /// It verified its user when it was registered.
    pub user_verifying: bool,
    /// A trusted attestation says that the key cannot leave the device's hardware.
    pub hardware_bound: bool,
    /// How a browser reaches it, in the browser's words.
    pub transports: Vec<String>,
    /// Its model; all zero where it does not say.
    pub aaguid: Uuid,
    /// What its attestation said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attestation: Option<Attestation>,
}

impl Credential {
    /// The digest of what never changes about it: see [`FixedCredential::digest`].
    pub fn digest(&self) -> Result<Digest, NotCanonical> {
        self.fixed().digest()
    }

    /// What never changes about it.
    pub fn fixed(&self) -> FixedCredential {
        let bare = |attestation: &Attestation| Attestation { object: None, ..attestation.clone() };
        FixedCredential {
            id: self.id.clone(),
            cose_key: self.cose_key.clone(),
            algorithm: self.algorithm,
            backup_eligible: self.backup_eligible,
            hardware_bound: self.hardware_bound,
            aaguid: self.aaguid,
            attestation: self.attestation.as_ref().map(bare),
        }
    }

    /// The public key, judged again.
    pub fn key(&self) -> Result<CoseKey, CoseError> {
        let bytes = URL_SAFE_NO_PAD.decode(&self.cose_key).map_err(|_| CoseError::NotCanonical)?;
        let key = CoseKey::parse(&bytes)?;
        if key.algorithm() == self.algorithm { Ok(key) } else { Err(CoseError::Unsupported) }
    }

    /// As it is after an assertion: the counter never goes back, and whether it is backed up is as just said.
    #[must_use]
    pub(super) fn seen(mut self, data: &AuthenticatorData<'_>) -> Self {
        self.sign_count = self.sign_count.max(data.sign_count);
        self.backup_state = data.backup_state();
        self
    }
}

/// What never changes about a passkey: id, key, algorithm, backup eligibility, model, hardware and attestation. The
/// enrolment's leaf carries its digest, so that an assertion can be judged offline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FixedCredential {
    /// The credential id, base64url.
    pub id: String,
    /// The public key in COSE form, base64url.
    pub cose_key: String,
    /// Its algorithm.
    pub algorithm: Algorithm,
    /// The key may leave the device.
    pub backup_eligible: bool,
    /// A trusted attestation says that the key cannot leave the device's hardware.
    pub hardware_bound: bool,
    /// Its model; all zero where it does not say.
    pub aaguid: Uuid,
    /// What its attestation said, without the object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attestation: Option<Attestation>,
}

impl FixedCredential {
    /// SHA-256 of its canonical JSON.
    pub fn digest(&self) -> Result<Digest, NotCanonical> {
        serde_json_canonicalizer::to_vec(self).map(|bytes| Digest::of(&bytes)).map_err(|_| NotCanonical)
    }

    /// As a verifier of one assertion wants it: of what changes with use, nothing is known.
    pub(crate) fn unused(&self) -> Credential {
        Credential {
            id: self.id.clone(),
            cose_key: self.cose_key.clone(),
            algorithm: self.algorithm,
            sign_count: 0,
            backup_eligible: self.backup_eligible,
            backup_state: false,
            user_verifying: false,
            hardware_bound: self.hardware_bound,
            transports: Vec::new(),
            aaguid: self.aaguid,
            attestation: self.attestation.clone(),
        }
    }
}
