//! People, a moment, a statement, and a software authenticator that can be made to misbehave.

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ciborium::Value as Cbor;
use counterfoil_core::{
    assurance::{Acr, Method, Tier},
    authenticator::{
        Holder,
        password::{self, SALT_BYTES},
        webauthn::{Algorithm, Assertion, Credential, Expected, Verified, verify},
    },
    challenge::{Challenge, Opening},
    digest::Digest,
    id::{AuthenticatorId, ChallengeId, DecisionId, SessionId, SubjectId},
    proof::Proof,
    statement::{Displayed, Initiator, Nonce, Purpose, ResourceRef, SignerRole, Statement},
    time::Time,
};
use serde_json::{Value, json};
use std::{path::PathBuf, sync::LazyLock};

pub const ORIGIN: &str = "https://id.example";
pub const RP_ID: &str = "id.example";
pub const NOW: Time = Time::from_seconds(1_800_000_000);
pub const TEXT: &str = "Pay 12,400.00 EUR to Nord Pumpen GmbH";

pub fn ada() -> SubjectId {
    SubjectId::new(NOW, [1; 10])
}

pub fn bob() -> SubjectId {
    SubjectId::new(NOW, [2; 10])
}

pub fn authenticator(number: u8) -> AuthenticatorId {
    AuthenticatorId::new(NOW, [number; 10])
}

pub fn holder() -> Holder {
    Holder { subject: ada(), authenticator: authenticator(1), ceiling: Acr::Phr }
}

pub fn transaction() -> Value {
    json!({"type": "payout_change", "resource": {"type": "account", "id": "7"}, "iban": "DE02120300000000202051"})
}

fn canonical(value: &Value) -> Digest {
    Digest::of(&serde_json_canonicalizer::to_vec(value).unwrap())
}

/// A statement that says everything a transaction's can say.
pub fn statement() -> Statement {
    Statement {
        purpose: Purpose::Transaction,
        issuer: ORIGIN.to_owned(),
        rp_id: RP_ID.to_owned(),
        origin: ORIGIN.to_owned(),
        challenge_id: ChallengeId::new(NOW, [3; 10]),
        decision_id: Some(DecisionId::new(NOW, [4; 10])),
        subject: Some(ada()),
        signer: Some(ada()),
        role: SignerRole::Owner,
        initiator: Initiator::Client { client_id: "treasury".to_owned() },
        client_id: Some("treasury".to_owned()),
        dpop_jkt: Some(Digest::of(b"key")),
        aud: Some("https://treasury.example".to_owned()),
        resource: Some(ResourceRef { kind: "account".to_owned(), id: "7".to_owned() }),
        action: Some("payout.change".to_owned()),
        tier: Some(Tier::High),
        txn_digest: Some(canonical(&transaction())),
        displayed: Some(Displayed {
            template: "payout_change".to_owned(),
            template_version: Digest::of(b"template"),
            lang: "en".to_owned(),
            display_digest: Digest::of(TEXT.as_bytes()),
        }),
        registration_challenge: None,
        policy_version: Digest::of(b"pack"),
        iat: NOW,
        exp: NOW.plus_seconds(300),
    }
}

pub fn opening() -> Opening {
    Opening {
        statement: statement(),
        nonce: Nonce::new([9; 32]),
        session: SessionId::new(NOW, [5; 10]),
        asked: vec![Method::Passkey, Method::AppCode],
        allowed: vec![authenticator(1), authenticator(2)],
        user_verification: true,
        display_text: Some(TEXT.to_owned()),
        transaction: Some(transaction()),
        request: None,
        registration: None,
        return_to: None,
    }
}

pub fn challenge() -> Challenge {
    Challenge::open(opening()).unwrap()
}

/// A sign-in: nothing of a transaction, and with `signer` unknown the passkey says who it is.
pub fn sign_in(signer: Option<SubjectId>) -> Opening {
    let asked = if signer.is_some() { vec![Method::Passkey, Method::Password] } else { vec![Method::Passkey] };
    Opening {
        statement: Statement {
            purpose: Purpose::SignIn,
            subject: signer,
            signer,
            resource: None,
            action: None,
            tier: None,
            txn_digest: None,
            displayed: None,
            ..statement()
        },
        asked,
        allowed: Vec::new(),
        display_text: None,
        transaction: None,
        ..opening()
    }
}

/// Slow to make, and always the same.
static PHC: LazyLock<String> = LazyLock::new(|| password::hash("correct horse", &[7; SALT_BYTES]).unwrap());

pub fn password_proof(holder: &Holder, at: Time) -> Proof {
    password::verify("correct horse", &PHC, holder, at).unwrap()
}

pub fn encoded(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

pub fn decoded(text: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text).unwrap()
}

/// A passkey in software, with everything that it says open to change.
pub struct Passkey {
    pub key: EcdsaKeyPair,
    pub flags: u8,
    pub sign_count: u32,
    pub rp_id: &'static str,
    pub tail: Vec<u8>,
    pub user_handle: Option<Vec<u8>>,
}

impl Passkey {
    pub fn new() -> Self {
        Self {
            key: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap(),
            flags: 0b0000_0101,
            sign_count: 0,
            rp_id: RP_ID,
            tail: Vec::new(),
            user_handle: Some(ada().as_bytes().to_vec()),
        }
    }

    pub fn credential(&self) -> Credential {
        let point = self.key.public_key().as_ref();
        Credential {
            id: encoded(b"credential"),
            cose_key: encoded(&es256(&point[1..33], &point[33..])),
            algorithm: Algorithm::Es256,
            sign_count: self.sign_count,
            backup_eligible: false,
            backup_state: false,
            user_verifying: true,
            hardware_bound: false,
            transports: vec!["internal".to_owned()],
            aaguid: "00000000-0000-0000-0000-000000000000".parse().unwrap(),
            attestation: None,
        }
    }

    /// Signs this client data as it stands.
    pub fn sign(&self, client_data: &[u8]) -> Assertion {
        let mut data = Digest::of(self.rp_id.as_bytes()).as_bytes().to_vec();
        data.push(self.flags);
        data.extend(self.sign_count.to_be_bytes());
        data.extend(&self.tail);
        let signed = [data.as_slice(), Digest::of(client_data).as_bytes()].concat();
        let signature = self.key.sign(&aws_lc_rs::rand::SystemRandom::new(), &signed).unwrap();
        Assertion {
            id: encoded(b"credential"),
            client_data_json: encoded(client_data),
            authenticator_data: encoded(&data),
            signature: encoded(signature.as_ref()),
            user_handle: self.user_handle.as_deref().map(encoded),
        }
    }

    /// Answers as a browser at our origin makes it.
    pub fn answer(&self, challenge: &Challenge) -> Assertion {
        self.sign(client_data(&challenge.ceremony_nonce().unwrap(), ORIGIN).as_bytes())
    }

    pub fn prove(&self, challenge: &Challenge, holder: &Holder) -> Verified {
        let expected = Expected::by(challenge).unwrap();
        verify(self.answer(challenge), &self.credential(), holder, &expected, NOW).unwrap()
    }
}

pub fn client_data(nonce: &Digest, origin: &str) -> String {
    json!({"type": "webauthn.get", "challenge": nonce, "origin": origin, "crossOrigin": false}).to_string()
}

/// A COSE key for ES256 with these coordinates.
pub fn es256(x: &[u8], y: &[u8]) -> Vec<u8> {
    let numbers = [(1, 2), (3, -7), (-1, 1)].map(|(name, value)| (Cbor::from(name), Cbor::from(value)));
    let point = [(-2, x), (-3, y)].map(|(name, bytes)| (Cbor::from(name), Cbor::Bytes(bytes.to_vec())));
    cbor(&Cbor::Map(numbers.into_iter().chain(point).collect()))
}

pub fn cbor(value: &Cbor) -> Vec<u8> {
    let mut bytes = Vec::new();
    ciborium::into_writer(value, &mut bytes).unwrap();
    bytes
}

/// A vector file, or a line that says that it was skipped.
pub fn vector_file(path: &str) -> Option<Value> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/vectors");
    let folder = std::env::var_os("COUNTERFOIL_VECTORS").map_or_else(|| PathBuf::from(beside), PathBuf::from);
    let Ok(bytes) = std::fs::read(folder.join(path)) else {
        println!("skipped: {} absent", folder.join(path).display());
        return None;
    };
    Some(serde_json::from_slice(&bytes).unwrap())
}

pub fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}
