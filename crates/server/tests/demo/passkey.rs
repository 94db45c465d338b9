//! A passkey in software: what an authenticator and a browser send at registration and assertion (WebAuthn L3).

use aws_lc_rs::{
    digest::{SHA256, digest},
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

const USER_PRESENT: u8 = 0x01;
const USER_VERIFIED: u8 = 0x04;
const ATTESTED_DATA: u8 = 0x40;

/// One credential, bound to one origin.
pub struct Passkey {
    pair: EcdsaKeyPair,
    id: [u8; 16],
    /// What a browser would keep beside it.
    user_handle: String,
    rp_id: String,
    /// The origin that the browser says it is at.
    pub origin: String,
}

impl Passkey {
    /// Makes a credential for these creation options and the answer that registers it.
    pub fn create(options: &Value, origin: &str) -> (Self, Value) {
        let passkey = Self {
            pair: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap(),
            id: crate::application::random(),
            user_handle: text(&options["user"]["id"]),
            rp_id: text(&options["rp"]["id"]),
            origin: origin.to_owned(),
        };
        let client_data = passkey.client_data("webauthn.create", options);
        let response = json!({
            "clientDataJSON": base64url(client_data.as_bytes()),
            "attestationObject": base64url(&passkey.attestation_object()),
            "transports": ["internal"],
        });
        let credential = passkey.credential(response);
        (passkey, credential)
    }

    /// The answer to these request options.
    pub fn assert(&self, options: &Value) -> Value {
        let client_data = self.client_data("webauthn.get", options);
        let data = self.authenticator_data(USER_PRESENT | USER_VERIFIED);
        let mut signed = data.clone();
        signed.extend_from_slice(digest(&SHA256, client_data.as_bytes()).as_ref());
        let signature = self.pair.sign(&SystemRandom::new(), &signed).unwrap();
        self.credential(json!({
            "clientDataJSON": base64url(client_data.as_bytes()),
            "authenticatorData": base64url(&data),
            "signature": base64url(signature.as_ref()),
            "userHandle": self.user_handle,
        }))
    }

    fn credential(&self, response: Value) -> Value {
        json!({
            "id": base64url(&self.id),
            "rawId": base64url(&self.id),
            "type": "public-key",
            "authenticatorAttachment": "platform",
            "clientExtensionResults": {},
            "response": response,
        })
    }

    fn client_data(&self, kind: &str, options: &Value) -> String {
        let challenge = text(&options["challenge"]);
        json!({"type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": false}).to_string()
    }

    /// L3 §6.1: hash of the rp id, flags, a counter that stays zero as synced passkeys' do.
    fn authenticator_data(&self, flags: u8) -> Vec<u8> {
        let mut data = digest(&SHA256, self.rp_id.as_bytes()).as_ref().to_vec();
        data.push(flags);
        data.extend([0; 4]);
        data
    }

    /// `{"fmt": "none", "attStmt": {}, "authData": …}` in CBOR.
    fn attestation_object(&self) -> Vec<u8> {
        let mut data = self.authenticator_data(USER_PRESENT | USER_VERIFIED | ATTESTED_DATA);
        data.extend([0; 16]);
        data.extend([0, 16]);
        data.extend(self.id);
        let (x, y) = self.pair.public_key().as_ref()[1..].split_at(32);
        // COSE_Key: kty EC2, alg ES256, crv P-256, x, y.
        data.extend([0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 0x20]);
        data.extend_from_slice(x);
        data.extend([0x22, 0x58, 0x20]);
        data.extend_from_slice(y);
        let mut object = vec![0xa3];
        object.extend(b"\x63fmt\x64none\x67attStmt\xa0\x68authData\x58");
        object.push(u8::try_from(data.len()).unwrap());
        object.extend(data);
        object
    }
}

fn base64url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("a string is missing: {value}")).to_owned()
}
