//! The session proof: bound to request, body, session and nonce, each broken alone.

use crate::support::{NOW, forge, signer, uri};
use counterfoil_core::{digest::Digest, id::SessionId, limits};
use counterfoil_oauth::{
    jose::{Es256Signer, JoseError, Signer as _, VerifyingKey, sign, sign_with_embedded_key},
    server_nonce::{NonceKey, NonceSpace},
    session_proof::{SessionProof, SessionProofClaims, SessionProofError, SignedRequest, TYP, VerifiedSessionProof},
};
use serde_json::json;

const TARGET: &str = "https://id.example/step-up/1/passkey";
const BODY: &[u8] = br#"{"credential":{}}"#;

fn nonces() -> NonceKey {
    NonceKey::new(&[3; 32], NonceSpace::Session)
}

fn session() -> SessionId {
    SessionId::new(NOW, [1; 10])
}

fn claims(sid: Option<SessionId>) -> SessionProofClaims {
    SessionProofClaims {
        htm: "POST".into(),
        htu: TARGET.into(),
        bh: Digest::of(BODY),
        sid,
        nonce: Some(nonces().issue(NOW, [4; 12])),
        iat: Some(NOW.seconds()),
    }
}

fn verify(signer: &Es256Signer, proof: &str) -> Result<VerifiedSessionProof, SessionProofError> {
    let key = VerifyingKey::new(signer.public_jwk().clone()).unwrap();
    let target = uri(TARGET);
    let request = SignedRequest { method: "POST", uri: &target, body: BODY, now: NOW };
    SessionProof::parse(proof)?.verify(session(), &key, request, &nonces())
}

fn verify_first(proof: &str) -> Result<Digest, SessionProofError> {
    let target = uri(TARGET);
    let request = SignedRequest { method: "POST", uri: &target, body: BODY, now: NOW };
    SessionProof::parse(proof)?.verify_first(request, &nonces()).map(|(_, key)| key.thumbprint())
}

#[test]
fn the_first_proof_brings_the_key_and_the_others_are_held_to_it() {
    let key = signer();
    let first = sign_with_embedded_key(&key, TYP, &claims(None)).unwrap();
    assert_eq!(verify_first(&first), Ok(key.public_jwk().thumbprint()));

    let proof = sign(&key, TYP, &claims(Some(session()))).unwrap();
    assert_eq!(SessionProof::parse(&proof).unwrap().session(), Some(session()));
    let verified = verify(&key, &proof).unwrap();
    assert_eq!((verified.jkt(), verified.iat()), (key.public_jwk().thumbprint(), Some(NOW)));

    let stolen_cookie = sign(&signer(), TYP, &claims(Some(session()))).unwrap();
    assert_eq!(verify(&key, &stolen_cookie).err(), Some(SessionProofError::Jose(JoseError::Signature)));
}

#[test]
fn a_key_after_the_first_proof_is_refused() {
    let key = signer();
    let both = sign_with_embedded_key(&key, TYP, &claims(Some(session()))).unwrap();
    let neither = sign(&key, TYP, &claims(None)).unwrap();
    for proof in [&both, &neither] {
        assert_eq!(verify(&key, proof).err(), Some(SessionProofError::KeyOrSession));
        assert_eq!(verify_first(proof), Err(SessionProofError::KeyOrSession));
    }
    let later = sign(&key, TYP, &claims(Some(session()))).unwrap();
    assert_eq!(verify_first(&later), Err(SessionProofError::KeyOrSession));
    let first = sign_with_embedded_key(&key, TYP, &claims(None)).unwrap();
    assert_eq!(verify(&key, &first).err(), Some(SessionProofError::Session));
}

#[test]
fn a_proof_is_for_one_request_of_one_session_with_a_fresh_nonce() {
    let key = signer();
    let stale = nonces().issue(NOW.plus_seconds(-limits::NONCE_SECONDS - 1), [4; 12]);
    let foreign = NonceKey::new(&[3; 32], NonceSpace::AuthorizationServer).issue(NOW, [4; 12]);
    type Change = fn(&mut SessionProofClaims);
    let changes: [(&str, Change, SessionProofError); 7] = [
        ("method", |c| c.htm = "GET".into(), SessionProofError::Method),
        ("path", |c| c.htu = "https://id.example/step-up/2/passkey".into(), SessionProofError::Target),
        ("another name for us", |c| c.htu = TARGET.replace("id.example", "relay.example"), SessionProofError::Target),
        ("another port", |c| c.htu = TARGET.replace("id.example", "id.example:8443"), SessionProofError::Target),
        ("body", |c| c.bh = Digest::of(b"{}"), SessionProofError::Body),
        ("session", |c| c.sid = Some(SessionId::new(NOW, [2; 10])), SessionProofError::Session),
        ("no nonce", |c| c.nonce = None, SessionProofError::Nonce),
    ];
    for (name, change, refused) in changes {
        let mut claims = claims(Some(session()));
        change(&mut claims);
        let proof = sign(&key, TYP, &claims).unwrap();
        assert_eq!(verify(&key, &proof).err(), Some(refused), "{name}");
    }
    for nonce in [stale, foreign, "x".into()] {
        let claims = SessionProofClaims { nonce: Some(nonce), ..claims(Some(session())) };
        let proof = sign(&key, TYP, &claims).unwrap();
        assert_eq!(verify(&key, &proof).err(), Some(SessionProofError::Nonce));
    }
}

#[test]
fn other_jwts_are_no_session_proof() {
    let key = signer();
    let payload = serde_json::to_vec(&claims(Some(session()))).unwrap();
    for header in [
        json!({"alg": "ES256", "typ": "dpop+jwt"}),
        json!({"alg": "ES256"}),
        json!({"alg": "EdDSA", "typ": TYP}),
        json!({"alg": "none", "typ": TYP}),
    ] {
        let proof = forge(&key, &header, &payload);
        assert!(matches!(verify(&key, &proof), Err(SessionProofError::Jose(_))), "{header}");
    }
    let header = json!({"alg": "ES256", "typ": TYP});
    for payload in [&b"{}"[..], br#"{"sid":"not-an-id"}"#, br#"{"sid":7}"#, b"null"] {
        let proof = forge(&key, &header, payload);
        assert!(verify(&key, &proof).is_err(), "{}", String::from_utf8_lossy(payload));
    }
}

#[test]
fn one_nonce_is_one_spend_whatever_is_signed_over_it() {
    let key = signer();
    let a = verify(&key, &sign(&key, TYP, &claims(Some(session()))).unwrap()).unwrap();
    let b =
        verify(&key, &sign(&key, TYP, &SessionProofClaims { iat: None, ..claims(Some(session())) }).unwrap()).unwrap();
    assert_eq!(a.spend_key(), b.spend_key());
    assert!(a.remember_until() > NOW.plus_seconds(limits::NONCE_SECONDS));
}
