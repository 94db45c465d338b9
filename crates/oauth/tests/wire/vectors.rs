//! Wycheproof's JWS and ECDSA vectors, the examples of RFC 9449 and RFC 7638, with our own verifier.

use crate::support::{uri, vectors};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use counterfoil_core::{digest::Digest, time::Time};
use counterfoil_oauth::{
    dpop::{self, BoundToken, DpopError, ProvenRequest},
    jose::{Algorithm, EmbeddedKey, Jwk, Jws, Profile, TypRule, VerifyingKey},
};
use serde_json::{Value, json};

/// Everything that we can verify at all, RS256 included.
const WIDEST: Profile = Profile {
    typ: TypRule::AbsentOrOneOf(&[]),
    algorithms: &[Algorithm::Es256, Algorithm::EdDsa, Algorithm::Ps256, Algorithm::Rs256],
    embedded_key: EmbeddedKey::Forbidden,
    bytes_max: 16 * 1024,
};

/// The payload, if key and token are good.
fn verify(key: &Value, token: &str) -> Option<Vec<u8>> {
    let key = VerifyingKey::new(Jwk::parse(key).ok()?).ok()?;
    Some(Jws::parse(token, &WIDEST).ok()?.verify_bytes(&key).ok()?.into_claims())
}

/// Algorithms that are no value of our closed list. A key of one of them is refused before any signature is looked at.
const OUT_OF_THE_CLOSED_LIST: &[&str] = &["HS256", "RS384", "RS512", "PS384", "PS512", "ES512"];

#[test]
fn wycheproof_json_web_signature() {
    let Some(file) = vectors("wycheproof/json_web_signature_test.json") else { return };
    let (mut accepted, mut refused, mut outside) = (0, 0, 0);
    for group in file["testGroups"].as_array().unwrap() {
        // A group without public key is symmetric: what there is of a key is private, and refused for it.
        let key = group.get("public").unwrap_or(&group["private"]);
        for test in group["tests"].as_array().unwrap() {
            let name = format!("{} {} {}", group["comment"], test["tcId"], test["comment"]);
            let token = test["jws"].as_str().map_or_else(|| test["jws"].to_string(), str::to_owned);
            let verified = verify(key, &token);
            match test["result"].as_str() {
                Some("valid") => {
                    // RFC 7520's figures are signed with PS384 and ES512 under keys labelled PS256 and ES521, and two
                    // HS256 tests are called valid for decoders that skip stray characters.
                    let header = token.split('.').next().and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
                    let header: Option<Value> = header.and_then(|bytes| serde_json::from_slice(&bytes).ok());
                    let alg = header.as_ref().map_or("HS256", |header| header["alg"].as_str().unwrap());
                    if OUT_OF_THE_CLOSED_LIST.contains(&alg) {
                        assert_eq!(verified, None, "{name}: outside of the closed list");
                        outside += 1;
                    } else {
                        assert!(verified.is_some(), "{name}");
                        accepted += 1;
                    }
                }
                Some("invalid") => {
                    assert_eq!(verified, None, "{name}");
                    refused += 1;
                }
                other => panic!("{name}: result {other:?}"),
            }
        }
    }
    println!(
        "{accepted} valid verified, {refused} invalid refused, {outside} valid of algorithms outside of the closed list"
    );
    assert_eq!((accepted, refused, outside), (16, 355, 30));
}

#[test]
fn wycheproof_ecdsa_p256_sha256_as_jws_signs() {
    let Some(file) = vectors("wycheproof/ecdsa_secp256r1_sha256_p1363_test.json") else { return };
    let (mut valid, mut invalid) = (0, 0);
    for group in file["testGroups"].as_array().unwrap() {
        let Ok(jwk) = Jwk::from_p256_point(&unhex(group["publicKey"]["uncompressed"].as_str().unwrap()), None) else {
            panic!("{}: not a point", group["publicKey"])
        };
        let key = VerifyingKey::new(jwk);
        for test in group["tests"].as_array().unwrap() {
            // JWS signs text of its own, so the raw check is asked here.
            let accepted = key.as_ref().is_ok_and(|key| {
                key.verifies(&unhex(test["msg"].as_str().unwrap()), &unhex(test["sig"].as_str().unwrap()))
            });
            assert_eq!(accepted, test["result"] == "valid", "{} {}", test["tcId"], test["comment"]);
            if accepted { valid += 1 } else { invalid += 1 }
        }
    }
    println!("{valid} valid verified, {invalid} invalid refused");
    assert_eq!(valid + invalid, file["numberOfTests"].as_i64().unwrap());
}

fn unhex(text: &str) -> Vec<u8> {
    text.as_bytes().chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

#[test]
fn rfc_9449_examples() {
    let Some(file) = vectors("dpop/examples.json") else { return };
    let jkt: Digest = file["expected_jkt"].as_str().unwrap().parse().unwrap();
    let token = file["access_token"].as_str().unwrap();
    assert_eq!(dpop::ath(token).to_string(), file["expected_ath"].as_str().unwrap());

    let mut proofs = 0;
    for example in file["jwts"].as_array().unwrap() {
        let proof = example["jwt"].as_str().unwrap();
        let claims = &example["payload"];
        if example["header"]["typ"] != "dpop+jwt" {
            // The access token of the examples is no proof.
            let target = uri("https://server.example.com/token");
            let request = ProvenRequest { method: "POST", uri: &target, now: Time::from_seconds(1_562_262_616) };
            assert!(matches!(dpop::verify(proof, request, None, None), Err(DpopError::Jose(_))));
            continue;
        }
        let method = claims["htm"].as_str().unwrap();
        let target = uri(claims["htu"].as_str().unwrap());
        let now = Time::from_seconds(claims["iat"].as_i64().unwrap());
        let bound = claims.get("ath").map(|_| BoundToken { ath: dpop::ath(token), jkt });
        let request = ProvenRequest { method, uri: &target, now };
        assert_eq!(dpop::verify(proof, request, None, bound).unwrap().jkt(), jkt);
        if let Some(bound) = bound {
            assert_eq!(dpop::verify_for_api(proof, request, bound).unwrap().jkt(), jkt);
        }
        proofs += 1;
    }
    assert_eq!(proofs, 3);
}

#[test]
fn rfc_7638_section_3_1() {
    let key = json!({
        "kty": "RSA",
        "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMs\
              tn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n9\
              1CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw",
        "e": "AQAB",
        "alg": "RS256",
        "kid": "2011-04-29",
    });
    let jwk = Jwk::parse(&key).unwrap();
    assert_eq!(jwk.thumbprint().to_string(), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
    assert_eq!(jwk.algorithm(), Algorithm::Rs256);
}

#[test]
fn rfc_8037_appendix_a_thumbprint_and_signature() {
    let key = json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"});
    assert_eq!(Jwk::parse(&key).unwrap().thumbprint().to_string(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    let token = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.\
                 hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
    assert_eq!(verify(&key, token).as_deref(), Some(&b"Example of Ed25519 signing"[..]));
}
