//! Registrations: the ceremony is ours, the credential is read to the last byte, keys have one spelling.

use crate::setting::*;
use ciborium::Value as Cbor;
use counterfoil_core::{
    authenticator::webauthn::{
        ClientDataError, CoseError, CoseKey, RegistrationError, RegistrationResponse, check_registration,
        parse_attestation_object,
    },
    digest::Digest,
};
use serde_json::json;

#[test]
fn the_ceremony_is_judged_before_the_library_sees_it() {
    let drawn = [5; 32];
    let ours = json!({"type": "webauthn.create", "challenge": encoded(&drawn), "origin": ORIGIN});
    let ceremony = check_registration(ours.to_string().as_bytes(), &drawn, ORIGIN).unwrap();
    assert_eq!(ceremony.challenge_digest(), Digest::of(&drawn));
    for (name, value, want) in [
        ("type", json!("webauthn.get"), ClientDataError::OtherType),
        ("challenge", json!(encoded(&[6; 32])), ClientDataError::OtherChallenge),
        ("origin", json!("https://id.example:8443"), ClientDataError::OtherOrigin),
        ("origin", json!("https://sub.id.example"), ClientDataError::OtherOrigin),
        ("crossOrigin", json!(true), ClientDataError::Framed),
        ("topOrigin", json!("https://id.example"), ClientDataError::Framed),
    ] {
        let mut data = ours.clone();
        data[name] = value;
        assert_eq!(check_registration(data.to_string().as_bytes(), &drawn, ORIGIN).unwrap_err(), want, "{name}");
    }
}

fn key() -> Vec<u8> {
    decoded(&Passkey::new().credential().cose_key)
}

fn authenticator_data(flags: u8, key: &[u8]) -> Vec<u8> {
    let mut data = Digest::of(RP_ID.as_bytes()).as_bytes().to_vec();
    data.push(flags);
    data.extend([0, 0, 0, 7]);
    data.extend([0xaa; 16]);
    data.extend([0, 4]);
    data.extend(b"cred");
    data.extend(key);
    data
}

fn object(members: &[(&str, Cbor)]) -> Vec<u8> {
    cbor(&Cbor::Map(members.iter().map(|(name, value)| (Cbor::from(*name), value.clone())).collect()))
}

fn attested(data: Vec<u8>) -> Vec<u8> {
    object(&[("fmt", "none".into()), ("attStmt", Cbor::Map(vec![])), ("authData", Cbor::Bytes(data))])
}

#[test]
fn a_credential_is_read_out_of_its_attestation() {
    let key = key();
    let object = parse_attestation_object(&attested(authenticator_data(0b0101_1101, &key))).unwrap();
    let credential = object.credential(RP_ID, true, vec!["internal".to_owned()]).unwrap();
    assert_eq!((credential.id.as_str(), credential.cose_key), (encoded(b"cred").as_str(), encoded(&key)));
    assert_eq!((credential.sign_count, credential.backup_eligible, credential.backup_state), (7, true, true));
    assert_eq!(credential.aaguid.as_bytes(), &[0xaa; 16]);
    assert!(credential.user_verifying && !credential.hardware_bound && credential.attestation.is_none());
}

/// No trust anchors are configured, so nothing that an authenticator says of itself makes its key one in hardware: no
/// attestation by its own key, no model number, no claim that the key cannot be copied.
#[test]
fn nothing_that_an_authenticator_says_of_itself_makes_its_key_hardware() {
    let key = key();
    let own = Cbor::Map(vec![("alg".into(), (-7).into()), ("sig".into(), Cbor::Bytes(vec![0x30; 70]))]);
    let chain = Cbor::Array(vec![Cbor::Bytes(vec![0x30; 400])]);
    let with_chain = Cbor::Map(vec![
        ("alg".into(), (-7).into()),
        ("sig".into(), Cbor::Bytes(vec![0x30; 70])),
        ("x5c".into(), chain),
    ]);
    for (format, statement) in [("none", Cbor::Map(vec![])), ("packed", own), ("packed", with_chain)] {
        for flags in [0b0100_0101, 0b0100_1101, 0b0101_1101] {
            let data = Cbor::Bytes(authenticator_data(flags, &key));
            let members = [("fmt", format.into()), ("attStmt", statement.clone()), ("authData", data)];
            let object = parse_attestation_object(&object(&members)).unwrap();
            let credential = object.credential(RP_ID, true, vec![]).unwrap();
            assert!(!credential.hardware_bound, "{format} {flags:b}");
            assert_eq!(credential.attestation.is_some(), format != "none");
        }
    }
}

#[test]
fn a_registration_that_is_not_whole_is_refused() {
    let key = key();
    let with = |flags, key: &[u8]| attested(authenticator_data(flags, key));
    let longer = [key.as_slice(), &[0]].concat();
    for (what, object, want) in [
        ("nobody present", with(0b0100_0100, &key), "UserNotPresent"),
        ("nobody verified", with(0b0100_0001, &key), "UserNotVerified"),
        ("backed up, not eligible", with(0b0101_0101, &key), "BackupFlags"),
        ("bytes left over", with(0b0100_0101, &longer), "AuthenticatorData"),
        ("no key", with(0b0100_0101, &[]), "AuthenticatorData"),
        ("a key that is none", with(0b0100_0101, &[0xa0]), "Key"),
    ] {
        let error = parse_attestation_object(&object).unwrap().credential(RP_ID, true, vec![]).unwrap_err();
        assert!(format!("{error:?}").starts_with(want), "{what}: {error:?}");
    }
    let right = parse_attestation_object(&with(0b0100_0101, &key)).unwrap();
    assert_eq!(right.credential("example", true, vec![]), Err(RegistrationError::OtherRelyingParty));
}

#[test]
fn an_attestation_object_has_its_three_members_once_and_nothing_else() {
    let (format, statement) = (("fmt", Cbor::from("none")), ("attStmt", Cbor::Map(vec![])));
    let data = ("authData", Cbor::Bytes(authenticator_data(0b0100_0101, &key())));
    let whole = [format.clone(), statement.clone(), data.clone()];
    assert!(parse_attestation_object(&object(&whole)).is_ok());
    let more = [whole.as_slice(), &[("more", Cbor::Null)]].concat();
    let twice = [whole.as_slice(), std::slice::from_ref(&data)].concat();
    let trailing = [object(&whole), vec![0]].concat();
    let deep = object(&[format.clone(), ("attStmt", nested(64)), data.clone()]);
    let other = object(&[format.clone(), ("attStmt", Cbor::Null), data.clone()]);
    for (what, bytes) in [
        ("no data", object(&[format, statement.clone()])),
        ("no format", object(&[statement, data])),
        ("more", object(&more)),
        ("a member twice", object(&twice)),
        ("bytes behind it", trailing),
        ("too deep", deep),
        ("a statement that is no map", other),
        ("nothing", vec![]),
    ] {
        assert!(matches!(parse_attestation_object(&bytes), Err(RegistrationError::Malformed(_))), "{what}");
    }
}

fn nested(levels: usize) -> Cbor {
    (0..levels).fold(Cbor::Null, |inner, _| Cbor::Map(vec![(0.into(), inner)]))
}

type Members = Vec<(Cbor, Cbor)>;

#[test]
fn a_key_has_one_spelling() {
    let key = key();
    assert!(CoseKey::parse(&key).is_ok());
    let members = || match ciborium::from_reader::<Cbor, _>(key.as_slice()).unwrap() {
        Cbor::Map(members) => members,
        other => panic!("{other:?}"),
    };
    let changed = |change: &dyn Fn(&mut Members)| {
        let mut members = members();
        change(&mut members);
        cbor(&Cbor::Map(members))
    };
    let mut off_curve = key.clone();
    *off_curve.last_mut().unwrap() ^= 1;
    let trailing = [key.as_slice(), &[0]].concat();
    // 0xb8 0x05: the same map with its length in two bytes.
    let long_length = [&[0xb8, 0x05], &key[1..]].concat();
    let indefinite = [&[0xbf], &key[1..], &[0xff]].concat();
    for (what, bytes, want) in [
        ("bytes behind it", trailing, CoseError::NotCanonical),
        ("a long length", long_length, CoseError::NotCanonical),
        ("an indefinite length", indefinite, CoseError::NotCanonical),
        ("another order", changed(&|m| m.swap(0, 1)), CoseError::NotCanonical),
        ("one member more", changed(&|m| m.push(((-70_000).into(), 1.into()))), CoseError::NotCanonical),
        ("one member twice", changed(&|m| m.push(m[4].clone())), CoseError::NotCanonical),
        ("one member less", changed(&|m| drop(m.pop())), CoseError::NotCanonical),
        ("no map", cbor(&Cbor::Array(vec![])), CoseError::NotCanonical),
        ("no algorithm of ours", changed(&|m| m[1].1 = (-8).into()), CoseError::Unsupported),
        ("another curve", changed(&|m| m[2].1 = 8.into()), CoseError::Unsupported),
        ("a compressed point", changed(&|m| m[4].1 = true.into()), CoseError::Unsupported),
        ("a short coordinate", changed(&|m| m[3].1 = Cbor::Bytes(vec![1; 31])), CoseError::Invalid),
        ("a point off the curve", off_curve, CoseError::Invalid),
    ] {
        assert_eq!(CoseKey::parse(&bytes).unwrap_err(), want, "{what}");
    }
}

#[test]
fn weak_and_monstrous_rsa_keys_are_none() {
    let rsa = |n: &[u8], e: &[u8]| {
        let numbers = [(1, 3), (3, -257)].map(|(name, value)| (Cbor::from(name), Cbor::from(value)));
        let parts = [(-1, n), (-2, e)].map(|(name, bytes)| (Cbor::from(name), Cbor::Bytes(bytes.to_vec())));
        cbor(&Cbor::Map(numbers.into_iter().chain(parts).collect()))
    };
    let f4 = [1, 0, 1];
    for (what, bytes) in [
        ("1024 bits", rsa(&[0xff; 128], &f4)),
        ("2040 bits", rsa(&[0xff; 255], &f4)),
        ("8192 bits", rsa(&[0xff; 1024], &f4)),
        ("a zero in front", rsa(&[&[0], [0xff; 256].as_slice()].concat(), &f4)),
        ("no exponent", rsa(&[0xff; 256], &[])),
        ("a long exponent", rsa(&[0xff; 256], &[1; 5])),
    ] {
        assert!(CoseKey::parse(&bytes).is_err(), "{what}");
    }
}

#[test]
fn a_registration_response_is_read_as_browsers_write_it() {
    let object = attested(authenticator_data(0b0100_0101, &key()));
    let whole = json!({
        "id": encoded(b"cred"), "rawId": encoded(b"cred"), "type": "public-key",
        "authenticatorAttachment": "platform", "clientExtensionResults": {"credProps": {"rk": true}},
        "response": {
            "clientDataJSON": encoded(b"{}"), "attestationObject": encoded(&object), "transports": ["internal"],
            "publicKeyAlgorithm": -7, "publicKey": "AAAA", "authenticatorData": "AAAA",
        },
    });
    let response = RegistrationResponse::from_json(whole.clone()).unwrap();
    assert_eq!((response.attestation_object, response.client_data_json), (object, b"{}".to_vec()));
    for (pointer, value) in [
        ("/type", json!("password")),
        ("/rawId", json!("AAAA")),
        ("/response/attestationObject", json!(null)),
        ("/response/transports", json!(["x".repeat(33)])),
        ("/response/transports", json!(["x", "x", "x", "x", "x", "x", "x", "x", "x"])),
    ] {
        let mut changed = whole.clone();
        *changed.pointer_mut(pointer).unwrap() = value;
        assert!(RegistrationResponse::from_json(changed).is_err(), "{pointer}");
    }
}
