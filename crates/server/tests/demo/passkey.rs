//! A passkey in software: what an authenticator and a browser send at registration and assertion (WebAuthn L3).

use crate::browser::Browser;
use aws_lc_rs::{
    digest::{SHA256, digest},
    rand::{SecureRandom as _, SystemRandom},
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use std::cell::Cell;

const USER_PRESENT: u8 = 0x01;
const USER_VERIFIED: u8 = 0x04;
const ATTESTED_DATA: u8 = 0x40;

/// One credential, bound to one origin.
pub struct Passkey {
    pair: EcdsaKeyPair,
    id: [u8; 16],
    user_handle: String,
    rp_id: String,
    origin: String,
    /// The signature counter; it rises with each use unless it is 0.
    pub counter: Cell<u32>,
}

fn base64url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

impl Passkey {
    /// Makes a credential for these creation options and the answer that registers it. `attest` signs the registration with
    /// the new key itself, as an authenticator does that wants to be taken for more than it is.
    pub fn create(options: &Value, origin: &str, attest: bool) -> (Self, Value) {
        let mut id = [0; 16];
        SystemRandom::new().fill(&mut id).unwrap();
        let passkey = Self {
            pair: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap(),
            id,
            user_handle: options["user"]["id"].as_str().unwrap().to_owned(),
            rp_id: options["rp"]["id"].as_str().unwrap().to_owned(),
            origin: origin.to_owned(),
            counter: Cell::new(0),
        };
        let client_data = passkey.client_data("webauthn.create", options);
        let response = json!({
            "clientDataJSON": base64url(client_data.as_bytes()),
            "attestationObject": base64url(&passkey.attestation_object(&client_data, attest)),
            "transports": ["internal"],
        });
        let credential = passkey.credential(response);
        (passkey, credential)
    }

    /// Makes a first passkey and enrols it in this browser's session.
    pub fn enrol(browser: &mut Browser<'_>, origin: &str) -> Self {
        let asked = browser.post("/me/passkey/options", &json!({}));
        assert_eq!(asked.status, 200, "{asked:?}");
        let asked = asked.json();
        let (passkey, credential) = Self::create(&asked["creation_options"], origin, false);
        let answer = json!({"challenge": asked["challenge"], "credential": credential, "name": "Laptop"});
        let enrolled = browser.post("/me/passkey", &answer);
        assert_eq!(enrolled.status, 200, "{enrolled:?}");
        passkey
    }

    /// The answer to these request options.
    pub fn assert(&self, options: &Value) -> Value {
        if self.counter.get() > 0 {
            self.counter.set(self.counter.get() + 1);
        }
        let client_data = self.client_data("webauthn.get", options);
        let data = self.authenticator_data(USER_PRESENT | USER_VERIFIED);
        let signature = self.sign(&data, &client_data);
        self.credential(json!({
            "clientDataJSON": base64url(client_data.as_bytes()),
            "authenticatorData": base64url(&data),
            "signature": base64url(&signature),
            "userHandle": self.user_handle,
        }))
    }

    fn sign(&self, data: &[u8], client_data: &str) -> Vec<u8> {
        let signed = [data, digest(&SHA256, client_data.as_bytes()).as_ref()].concat();
        self.pair.sign(&SystemRandom::new(), &signed).unwrap().as_ref().to_vec()
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
        json!({"type": kind, "challenge": options["challenge"], "origin": self.origin, "crossOrigin": false})
            .to_string()
    }

    /// L3 §6.1: hash of the rp id, flags without any for backup, counter.
    fn authenticator_data(&self, flags: u8) -> Vec<u8> {
        let mut data = digest(&SHA256, self.rp_id.as_bytes()).as_ref().to_vec();
        data.push(flags);
        data.extend(self.counter.get().to_be_bytes());
        data
    }

    /// `{"fmt": …, "attStmt": …, "authData": …}` in CBOR.
    fn attestation_object(&self, client_data: &str, attest: bool) -> Vec<u8> {
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
        if attest {
            let signature = self.sign(&data, client_data);
            object.extend(b"\x63fmt\x66packed\x67attStmt\xa2\x63alg\x26\x63sig\x58");
            object.push(u8::try_from(signature.len()).unwrap());
            object.extend(signature);
        } else {
            object.extend(b"\x63fmt\x64none\x67attStmt\xa0");
        }
        object.extend(b"\x68authData\x58");
        object.push(u8::try_from(data.len()).unwrap());
        object.extend(data);
        object
    }
}
