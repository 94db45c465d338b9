//! A passkey in software, as far as the pages' ceremonies need one: attestation `none`, ES256, user verified.

use crate::browser::Browser;
use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use counterfoil_core::digest::Digest;
use serde_json::{Value, json};

/// A passkey and the origin that it believes to be at.
pub struct Passkey {
    pair: EcdsaKeyPair,
    origin: String,
    id: [u8; 32],
    uses: u32,
}

impl Passkey {
    /// Made and enrolled in this browser's session.
    pub fn enrol(browser: &mut Browser<'_>, origin: &str) -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
        let id = *Digest::of(pair.public_key().as_ref()).as_bytes();
        let passkey = Self { pair, origin: origin.to_owned(), id, uses: 0 };
        let asked = browser.post("/me/passkey/options", &json!({}));
        assert_eq!(asked.status, 200, "{asked:?}");
        let asked = asked.json();
        let credential = passkey.registration(asked["creation_options"]["challenge"].as_str().unwrap());
        let answer = json!({"challenge": asked["challenge"], "credential": credential, "name": "Laptop"});
        let enrolled = browser.post("/me/passkey", &answer);
        assert_eq!(enrolled.status, 200, "{enrolled:?}");
        passkey
    }

    fn client_data(&self, kind: &str, challenge: &str) -> Vec<u8> {
        json!({"type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": false})
            .to_string()
            .into_bytes()
    }

    fn data(&self, flags: u8) -> Vec<u8> {
        let rp_id = Digest::of(b"localhost");
        [rp_id.as_bytes().as_slice(), &[flags], &self.uses.to_be_bytes()].concat()
    }

    fn registration(&self, challenge: &str) -> Value {
        let point = self.pair.public_key().as_ref();
        let key = [
            &[0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 0x20],
            &point[1..33],
            &[0x22, 0x58, 0x20],
            &point[33..],
        ]
        .concat();
        // Present, verified, with a credential of no named model.
        let data = [&self.data(0x45)[..], &[0; 16], &[0, 32], &self.id, &key].concat();
        let length = u8::try_from(data.len()).unwrap();
        let object = [b"\xa3\x63fmt\x64none\x67attStmt\xa0\x68authData\x58".as_slice(), &[length], &data].concat();
        let id = URL_SAFE_NO_PAD.encode(self.id);
        json!({
            "id": id, "rawId": id, "type": "public-key", "clientExtensionResults": {},
            "response": {
                "clientDataJSON": URL_SAFE_NO_PAD.encode(self.client_data("webauthn.create", challenge)),
                "attestationObject": URL_SAFE_NO_PAD.encode(object),
                "transports": ["internal"],
            },
        })
    }

    /// The answer to `PublicKeyCredentialRequestOptions`.
    pub fn assertion(&mut self, options: &Value) -> Value {
        self.uses += 1;
        let client_data = self.client_data("webauthn.get", options["challenge"].as_str().unwrap());
        let data = self.data(0x05);
        let message = [&data[..], Digest::of(&client_data).as_bytes()].concat();
        let signature = self.pair.sign(&SystemRandom::new(), &message).unwrap();
        let id = URL_SAFE_NO_PAD.encode(self.id);
        json!({
            "id": id, "rawId": id, "type": "public-key", "clientExtensionResults": {},
            "response": {
                "clientDataJSON": URL_SAFE_NO_PAD.encode(client_data),
                "authenticatorData": URL_SAFE_NO_PAD.encode(data),
                "signature": URL_SAFE_NO_PAD.encode(signature.as_ref()),
            },
        })
    }
}
