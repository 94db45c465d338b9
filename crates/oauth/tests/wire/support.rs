//! What the tests share: a moment, an issuer, keys, clients and a folder of vectors.

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use counterfoil_core::time::Time;
use counterfoil_oauth::{
    client::Client,
    client_auth::{self, PresentedClient, VerifiedClient},
    dpop::{self, ProofClaims},
    form::Form,
    jose::{Es256Signer, Jwks, Signer},
    uri::{HttpUri, Issuer},
};
use serde_json::{Value, json};
use std::{path::PathBuf, sync::Arc};

pub const NOW: Time = Time::from_seconds(1_700_000_000);
pub const API: &str = "https://api.example/payouts";

pub fn issuer() -> Issuer {
    Issuer::parse("https://id.example").unwrap()
}

/// A fresh P-256 key.
pub fn signer() -> Es256Signer {
    let random = SystemRandom::new();
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
    Es256Signer::from_pkcs8(pkcs8.as_ref(), None, random).unwrap()
}

pub fn jwks(signer: &Es256Signer) -> Jwks {
    Jwks::new([signer.public_jwk().clone()]).unwrap()
}

pub fn uri(text: &str) -> HttpUri {
    HttpUri::parse(text).unwrap()
}

/// A token with exactly this header and payload, signed whatever they say.
pub fn forge(signer: &Es256Signer, header: &Value, payload: &[u8]) -> String {
    let mut token = format!("{}.{}", URL_SAFE_NO_PAD.encode(header.to_string()), URL_SAFE_NO_PAD.encode(payload));
    let signature = URL_SAFE_NO_PAD.encode(signer.sign(token.as_bytes()).unwrap());
    token.push('.');
    token.push_str(&signature);
    token
}

/// The registration of a confidential client with this key.
pub fn confidential(signer: &Es256Signer) -> Value {
    json!({
        "client_id": "treasury",
        "token_endpoint_auth_method": "private_key_jwt",
        "jwks": {"keys": [Value::from(signer.public_jwk().clone())]},
        "redirect_uris": ["https://treasury.example/callback"],
        "grant_types": ["authorization_code", "client_credentials"],
        "scopes": ["openid", "profile"],
        "audiences": [API],
        "authorization_details_types": ["payout_change"],
        "names": {"en": "Treasury", "de": "Kasse"},
    })
}

/// The registration of a public client.
pub fn public() -> Value {
    json!({
        "client_id": "phone-app",
        "token_endpoint_auth_method": "none",
        "redirect_uris": ["http://127.0.0.1/callback"],
        "grant_types": ["authorization_code"],
        "scopes": ["openid"],
        "audiences": [API],
        "names": {"en": "Phone app"},
    })
}

pub fn client(registration: Value) -> Arc<Client> {
    Arc::new(serde_json::from_value(registration).unwrap())
}

/// The confidential client, authenticated.
pub fn authenticated() -> VerifiedClient {
    authenticated_as(|_| {})
}

/// The confidential client with a change to its registration, authenticated.
pub fn authenticated_as(change: impl FnOnce(&mut Value)) -> VerifiedClient {
    let key = signer();
    let mut registration = confidential(&key);
    change(&mut registration);
    let client = client(registration);
    let assertion = client_auth::make_assertion(&key, client.id(), &issuer(), "jti-1".into(), NOW).unwrap();
    let form = form(&[("client_assertion_type", client_auth::ASSERTION_TYPE), ("client_assertion", &assertion)]);
    PresentedClient::read(&form).unwrap().verify(client, &issuer(), NOW).unwrap()
}

/// The public client, named.
pub fn named() -> VerifiedClient {
    let form = form(&[("client_id", "phone-app")]);
    PresentedClient::read(&form).unwrap().verify(client(public()), &issuer(), NOW).unwrap()
}

pub fn form(parameters: &[(&str, &str)]) -> Form {
    let mut body = url::form_urlencoded::Serializer::new(String::new());
    body.extend_pairs(parameters);
    Form::parse(body.finish().as_bytes()).unwrap()
}

/// The claims of a good proof for this request, made now.
pub fn proof_claims(method: &str, target: &str) -> ProofClaims {
    ProofClaims {
        jti: "mQgAA1Wo4iT3DQUkB0Zw7A".into(),
        htm: method.into(),
        htu: target.into(),
        iat: NOW.seconds(),
        ath: None,
        nonce: None,
    }
}

/// A verified proof of this key for our pushed-request endpoint.
pub fn proof_of(signer: &Es256Signer) -> dpop::VerifiedDpopProof {
    let target = uri("https://id.example/oauth/par");
    let proof = dpop::make_proof(signer, &proof_claims("POST", target.as_str())).unwrap();
    dpop::verify(&proof, dpop::ProvenRequest { method: "POST", uri: &target, now: NOW }, None, None).unwrap()
}

/// A file of the vectors that others wrote; nothing, and a line that says so, when the folder is absent.
pub fn vectors(path: &str) -> Option<Value> {
    let root = std::env::var_os("COUNTERFOIL_VECTORS")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/vectors")), PathBuf::from);
    let file = root.join(path);
    match std::fs::read(&file) {
        Ok(bytes) => Some(serde_json::from_slice(&bytes).unwrap()),
        Err(_) => {
            println!("skipped: {} absent", path.split('/').next().unwrap_or(path));
            None
        }
    }
}
