//! The checks of RFC 9449 §4.3, each broken alone.

use crate::support::{NOW, forge, proof_claims, signer, uri};
use counterfoil_core::{digest::Digest, limits};
use counterfoil_oauth::{
    dpop::{self, BoundToken, DpopError, ProofClaims, ProvenRequest},
    error::ErrorCode,
    jose::{JoseError, Signer as _},
    server_nonce::{NonceKey, NonceSpace},
};
use serde_json::{Value, json};

const TARGET: &str = "https://id.example/oauth/token";

fn verify(proof: &str, token: Option<BoundToken>) -> Result<Digest, DpopError> {
    let target = uri(TARGET);
    let request = ProvenRequest { method: "POST", uri: &target, now: NOW };
    dpop::verify(proof, request, None, token).map(|proof| proof.jkt())
}

fn changed(change: impl FnOnce(&mut ProofClaims)) -> Result<Digest, DpopError> {
    let mut claims = proof_claims("POST", TARGET);
    change(&mut claims);
    verify(&dpop::make_proof(&signer(), &claims).unwrap(), None)
}

#[test]
fn a_good_proof_proves_its_key() {
    let signer = signer();
    let proof = dpop::make_proof(&signer, &proof_claims("POST", TARGET)).unwrap();
    assert_eq!(verify(&proof, None), Ok(signer.public_jwk().thumbprint()));
}

#[test]
fn check_1_one_header_field() {
    assert_eq!(dpop::single_header([].into_iter()), Ok(None));
    assert_eq!(dpop::single_header(["a.b.c"].into_iter()), Ok(Some("a.b.c")));
    assert_eq!(dpop::single_header(["a.b.c", "a.b.c"].into_iter()), Err(DpopError::Several));
    assert_eq!(dpop::single_header(["a.b.c, a.b.c"].into_iter()), Err(DpopError::Several));
}

#[test]
fn checks_2_to_7_the_jwt() {
    let signer = signer();
    let jwk = signer.public_jwk().to_embedded();
    let payload = serde_json::to_vec(&proof_claims("POST", TARGET)).unwrap();
    let mut private = jwk.clone();
    private["d"] = "AAAA".into();
    for (header, payload, refused) in [
        (json!({"alg": "ES256", "typ": "JWT", "jwk": jwk}), &payload[..], JoseError::Type),
        (json!({"alg": "ES256", "jwk": jwk}), &payload, JoseError::Type),
        (json!({"alg": "none", "typ": "dpop+jwt", "jwk": jwk}), &payload, JoseError::Algorithm),
        (json!({"alg": "HS256", "typ": "dpop+jwt", "jwk": jwk}), &payload, JoseError::Algorithm),
        (json!({"alg": "PS256", "typ": "dpop+jwt", "jwk": jwk}), &payload, JoseError::Algorithm),
        (json!({"alg": "ES256", "typ": "dpop+jwt"}), &payload, JoseError::Header("jwk is missing")),
        (
            json!({"alg": "ES256", "typ": "dpop+jwt", "jwk": private}),
            &payload,
            JoseError::Key("private or symmetric members are present; this key has leaked"),
        ),
        (
            json!({"alg": "ES256", "typ": "dpop+jwt", "jwk": {"kty": "oct", "k": "AAAA"}}),
            &payload,
            JoseError::Key("private or symmetric members are present; this key has leaked"),
        ),
        (
            json!({"alg": "ES256", "typ": "dpop+jwt", "jwk": jwk}),
            br#"{"htm":"POST","htu":"https://id.example/oauth/token","iat":1700000000}"#,
            JoseError::Claims("missing field `jti`".into()),
        ),
        (
            json!({"alg": "ES256", "typ": "dpop+jwt", "jwk": jwk}),
            br#"{"jti":"a","htm":"POST","htu":"https://id.example/oauth/token","iat":"1700000000"}"#,
            JoseError::Claims("a claim has the wrong type or an impossible value".into()),
        ),
    ] {
        let proof = forge(&signer, &header, payload);
        assert_eq!(verify(&proof, None), Err(DpopError::Jose(refused)), "{header}");
    }
    assert_eq!(verify("", None), Err(DpopError::Jose(JoseError::NotCompact)));
    assert_eq!(verify(&"a".repeat(5_000), None), Err(DpopError::Jose(JoseError::TooLarge)));
}

#[test]
fn check_8_the_method() {
    for method in ["GET", "post", "POST ", ""] {
        assert_eq!(changed(|claims| claims.htm = method.into()), Err(DpopError::Method), "{method}");
    }
}

#[test]
fn check_9_the_target() {
    for (target, result) in [
        ("https://id.example/oauth/token", true),
        ("HTTPS://ID.example:443/oauth/token", true),
        ("https://id.example/oauth/x/../token", true),
        ("https://id.example/oauth/%74oken", true),
        ("https://id.example/oauth/token?a=b#c", true),
        ("https://id.example/oauth/Token", false),
        ("https://id.example/oauth/token/", false),
        ("https://id.example:8443/oauth/token", false),
        ("http://id.example/oauth/token", false),
        ("https://evil.example/oauth/token", false),
        ("https://id.example@evil.example/oauth/token", false),
        ("/oauth/token", false),
        ("", false),
    ] {
        let verified = changed(|claims| claims.htu = target.into());
        assert_eq!(verified.is_ok(), result, "{target}");
        if !result {
            assert_eq!(verified, Err(DpopError::Target), "{target}");
        }
    }
}

#[test]
fn check_10_the_nonce() {
    let nonces = NonceKey::new(&[1; 32], NonceSpace::AuthorizationServer);
    let others = NonceKey::new(&[1; 32], NonceSpace::ProtectedApi);
    let fresh = nonces.issue(NOW, [2; 12]);
    let stale = nonces.issue(NOW.plus_seconds(-limits::NONCE_SECONDS - 1), [2; 12]);
    let foreign = others.issue(NOW, [2; 12]);
    let target = uri(TARGET);
    for (nonce, accepted) in
        [(Some(fresh), true), (Some(stale), false), (Some(foreign), false), (Some(String::new()), false), (None, false)]
    {
        let claims = ProofClaims { nonce: nonce.clone(), ..proof_claims("POST", TARGET) };
        let proof = dpop::make_proof(&signer(), &claims).unwrap();
        let request = ProvenRequest { method: "POST", uri: &target, now: NOW };
        match dpop::verify(&proof, request, Some(&nonces), None) {
            Ok(_) => assert!(accepted, "{nonce:?}"),
            Err(error) => {
                assert!(!accepted && error == DpopError::Nonce, "{nonce:?}");
                assert_eq!(error.to_oauth().code(), ErrorCode::UseDpopNonce);
            }
        }
    }
}

#[test]
fn check_11_the_age() {
    for (offset, accepted) in [
        (0, true),
        (-limits::DPOP_PROOF_SECONDS, true),
        (-limits::DPOP_PROOF_SECONDS - 1, false),
        (limits::CLOCK_LEEWAY_SECONDS, true),
        (limits::CLOCK_LEEWAY_SECONDS + 1, false),
        (i64::MAX - NOW.seconds(), false),
        (i64::MIN, false),
    ] {
        let verified = changed(|claims| claims.iat = NOW.seconds().saturating_add(offset));
        assert_eq!(verified.is_ok(), accepted, "{offset}");
    }
}

#[test]
fn check_12_the_access_token_and_its_key() {
    let (holder, thief) = (signer(), signer());
    let bound = BoundToken { ath: dpop::ath("token"), jkt: holder.public_jwk().thumbprint() };
    let claims = |ath: Option<Digest>| ProofClaims { ath, ..proof_claims("POST", TARGET) };
    let good = dpop::make_proof(&holder, &claims(Some(bound.ath))).unwrap();
    assert!(verify(&good, Some(bound)).is_ok());
    for (signer, ath, refused) in [
        (&holder, None, DpopError::AccessToken),
        (&holder, Some(dpop::ath("other")), DpopError::AccessToken),
        (&thief, Some(bound.ath), DpopError::Key),
    ] {
        let proof = dpop::make_proof(signer, &claims(ath)).unwrap();
        assert_eq!(verify(&proof, Some(bound)), Err(refused.clone()));
        let target = uri(TARGET);
        let request = ProvenRequest { method: "POST", uri: &target, now: NOW };
        assert_eq!(dpop::verify_for_api(&proof, request, bound).err(), Some(refused));
    }
}

#[test]
fn a_proof_for_an_api_needs_neither_jti_nor_nonce_of_ours() {
    let holder = signer();
    let bound = BoundToken { ath: dpop::ath("token"), jkt: holder.public_jwk().thumbprint() };
    let claims =
        ProofClaims { ath: Some(bound.ath), nonce: Some("the API's own".into()), ..proof_claims("POST", TARGET) };
    let proof = dpop::make_proof(&holder, &claims).unwrap();
    let target = uri(TARGET);
    let request = ProvenRequest { method: "POST", uri: &target, now: NOW };
    let possession = dpop::verify_for_api(&proof, request, bound).unwrap();
    assert_eq!((possession.jkt(), possession.iat()), (bound.jkt, NOW));
}

#[test]
fn replay_keys_differ_by_jti_target_and_key() {
    let target = uri(TARGET);
    let other_target = uri("https://id.example/oauth/par");
    let replay_key =
        |signer: &counterfoil_oauth::jose::Es256Signer, jti: &str, target: &counterfoil_oauth::uri::HttpUri| {
            let claims = ProofClaims { jti: jti.into(), ..proof_claims("POST", target.as_str()) };
            let proof = dpop::make_proof(signer, &claims).unwrap();
            let request = ProvenRequest { method: "POST", uri: target, now: NOW };
            dpop::verify(&proof, request, None, None).unwrap().replay_key()
        };
    let (a, b) = (signer(), signer());
    let first = replay_key(&a, "1", &target);
    assert_eq!(first, replay_key(&a, "1", &target), "another signature over the same jti is a replay");
    for other in [replay_key(&a, "2", &target), replay_key(&a, "1", &other_target), replay_key(&b, "1", &target)] {
        assert_ne!(first, other);
    }
    for jti in [String::new(), "j".repeat(300)] {
        assert_eq!(changed(|claims| claims.jti = jti), Err(DpopError::Jti));
    }
}

#[test]
fn errors_are_those_of_rfc_9449_and_hold_no_input() {
    let secret = "do-not-repeat-me";
    let error = changed(|claims| claims.htu = format!("https://{secret}.example/")).unwrap_err().to_oauth();
    assert_eq!(error.code(), ErrorCode::InvalidDpopProof);
    assert!(!serde_json::to_string(&error).unwrap().contains(secret));
    let body: Value = serde_json::to_value(&error).unwrap();
    assert_eq!(body["error"], "invalid_dpop_proof");
}
