//! Vectors that others wrote: RFC 6238, W3C WebAuthn Level 3, Wycheproof.

use crate::setting::*;
use counterfoil_core::{
    authenticator::{
        totp::TotpSecret,
        webauthn::{
            Assertion, AssertionError, ClientDataError, CoseError, CoseKey, Expected, RegistrationError, check,
            check_registration, parse_attestation_object,
        },
    },
    digest::Digest,
    time::Time,
};
use serde_json::Value;

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_else(|| panic!("{pointer} is absent"))
}

#[test]
fn rfc_6238_codes_are_ours() {
    let Some(file) = vector_file("oath/hotp_totp.json") else { return };
    let mut checked = 0;
    for vector in file["totp_rfc6238_appB"]["vectors"].as_array().unwrap() {
        if text(vector, "/algorithm") != "sha1" {
            // Apps read the other two as SHA-1, so that we never offer them.
            continue;
        }
        let secret = TotpSecret::new(text(vector, "/secret_ascii").as_bytes()).unwrap();
        let code = secret.code(Time::from_seconds(vector["time"].as_i64().unwrap()));
        // Eight digits there and six here are the same number, cut.
        assert_eq!(code, text(vector, "/code")[2..], "{vector}");
        checked += 1;
    }
    // A TOTP step is a HOTP counter (RFC 6238 §4.2).
    let hotp = &file["hotp_rfc4226_appD"];
    let secret = TotpSecret::new(text(hotp, "/secret_ascii").as_bytes()).unwrap();
    for (counter, code) in (0..).zip(hotp["codes"].as_array().unwrap()) {
        assert_eq!(secret.code(Time::from_seconds(counter * 30)), code.as_str().unwrap(), "{counter}");
        checked += 1;
    }
    assert_eq!(checked, 6 + 10);
}

/// What our rules say of a pair, where it is not simply accepted.
fn verdict(id: &str) -> &'static str {
    match id.strip_prefix("sctn-test-vectors-").unwrap() {
        // The cryptographic library has no Ed448.
        "packed-ed448" => "unsupported",
        // We stand in no frame.
        "none-es256-crossOrigin" | "none-es256-topOrigin" => "framed",
        // Its challenge has 128 bytes, ours have 32: only the signature is judged.
        "packed-es512" => "other challenge",
        _ => "accepted",
    }
}

#[test]
fn the_pairs_of_webauthn_level_3_get_their_verdicts() {
    let Some(file) = vector_file("webauthn-l3/webauthn-l3-test-vectors.json") else { return };
    let (origin, rp_id) = (text(&file, "/origin"), text(&file, "/rp_id"));
    let mut verdicts = std::collections::BTreeMap::<_, usize>::new();
    for vector in file["vectors"].as_array().unwrap().iter().filter(|v| v["authentication"].is_object()) {
        let (id, bytes) = (text(vector, "/id"), |pointer: &str| hex(text(vector, pointer)));
        let want = verdict(id);
        *verdicts.entry(want).or_default() += 1;

        let ceremony =
            check_registration(&bytes("/registration/clientDataJSON"), &bytes("/registration/challenge"), origin);
        match ceremony {
            Err(ClientDataError::Framed) => assert_eq!(want, "framed", "{id}"),
            other => assert!(other.is_ok(), "{id}: {other:?}"),
        }
        let object = parse_attestation_object(&bytes("/registration/attestationObject")).unwrap();
        let credential = match object.credential(rp_id, false, vec![]) {
            Ok(credential) => credential,
            Err(error) => {
                assert_eq!((error, want), (RegistrationError::Key(CoseError::Unsupported), "unsupported"), "{id}");
                println!("unsupported: {id}");
                continue;
            }
        };
        assert_eq!(credential.id, encoded(&bytes("/registration/credential_id")), "{id}");

        let assertion = Assertion {
            id: credential.id.clone(),
            client_data_json: encoded(&bytes("/authentication/clientDataJSON")),
            authenticator_data: encoded(&bytes("/authentication/authenticatorData")),
            signature: encoded(&bytes("/authentication/signature")),
            user_handle: None,
        };
        let client_data_hash = Digest::of(&bytes("/authentication/clientDataJSON"));
        let signed = [bytes("/authentication/authenticatorData"), client_data_hash.as_bytes().to_vec()].concat();
        assert!(credential.key().unwrap().verifies(&signed, &bytes("/authentication/signature")), "{id}");
        let nonce = bytes("/authentication/challenge").try_into().map_or(Digest::of(b""), Digest::from_bytes);
        let expected = Expected { ceremony_nonce: nonce, origin, rp_id, user_verification: false, identified: true };
        let result = check(&assertion, &credential, ada(), &expected);
        let got = match &result {
            Ok(_) => "accepted",
            Err(AssertionError::OtherPlace { signed: true }) => "framed",
            Err(AssertionError::ClientData(ClientDataError::OtherChallenge)) => "other challenge",
            Err(other) => panic!("{id}: {other:?}"),
        };
        assert_eq!(got, want, "{id}");
        flipped_bytes_are_refused(id, &assertion, |changed| check(changed, &credential, ada(), &expected).is_err());
    }
    let counted: Vec<_> = verdicts.into_iter().collect();
    assert_eq!(counted, [("accepted", 11), ("framed", 2), ("other challenge", 1), ("unsupported", 1)]);
}

fn flipped_bytes_are_refused(id: &str, right: &Assertion, refused: impl Fn(&Assertion) -> bool) {
    let parts: [fn(&mut Assertion) -> &mut String; 3] =
        [|a| &mut a.client_data_json, |a| &mut a.authenticator_data, |a| &mut a.signature];
    for part in parts {
        let bytes = decoded(part(&mut right.clone()));
        for at in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[at] ^= 0xff;
            let mut changed = right.clone();
            *part(&mut changed) = encoded(&flipped);
            assert!(refused(&changed), "{id}: byte {at}");
        }
    }
}

#[test]
fn wycheproof_signatures_by_es256_get_their_verdicts() {
    let Some(file) = vector_file("wycheproof/ecdsa_secp256r1_sha256_test.json") else { return };
    let mut checked = 0;
    for group in file["testGroups"].as_array().unwrap() {
        let point = hex(text(group, "/publicKey/uncompressed"));
        let key = CoseKey::parse(&es256(&point[1..33], &point[33..])).unwrap();
        for test in group["tests"].as_array().unwrap() {
            let (message, signature) = (hex(text(test, "/msg")), hex(text(test, "/sig")));
            let verdict = text(test, "/result");
            assert!(matches!(verdict, "valid" | "invalid"), "{verdict}");
            assert_eq!(key.verifies(&message, &signature), verdict == "valid", "{test}");
            checked += 1;
        }
    }
    assert_eq!(checked, file["numberOfTests"].as_u64().unwrap());
}
