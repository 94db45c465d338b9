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
    /// SHA-256 of the canonical JSON of what never changes about it: id, key, algorithm, backup eligibility, model,
    /// hardware and attestation. The enrolment's leaf carries it, so that an assertion can be judged offline.
    pub fn digest(&self) -> Result<Digest, NotCanonical> {
        #[derive(Serialize)]
        struct Fixed<'a> {
            id: &'a str,
            cose_key: &'a str,
            algorithm: Algorithm,
            backup_eligible: bool,
            hardware_bound: bool,
            aaguid: Uuid,
            #[serde(skip_serializing_if = "Option::is_none")]
            attestation: Option<&'a Attestation>,
        }
        let fixed = Fixed {
            id: &self.id,
            cose_key: &self.cose_key,
            algorithm: self.algorithm,
            backup_eligible: self.backup_eligible,
            hardware_bound: self.hardware_bound,
            aaguid: self.aaguid,
            attestation: self.attestation.as_ref(),
        };
        serde_json_canonicalizer::to_vec(&fixed).map(|bytes| Digest::of(&bytes)).map_err(|_| NotCanonical)
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
