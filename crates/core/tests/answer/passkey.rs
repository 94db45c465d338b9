//! Assertions: what is refused, why, and what is only a signal.

use crate::setting::*;
use counterfoil_core::{
    assurance::Method,
    authenticator::webauthn::{
        Assertion, AssertionError, ClientDataError, CounterSignal, Expected, InvalidAssertion, Verified, verify,
    },
    challenge::Challenge,
};
use serde_json::{Value, json};

/// Judges what `passkey` says over `client_data`, where `challenge` is open.
fn judged(passkey: &Passkey, client_data: &[u8], challenge: &Challenge) -> Result<Verified, AssertionError> {
    let mut credential = Passkey { flags: 5, tail: vec![], user_handle: None, ..Passkey::new() }.credential();
    credential.cose_key = passkey.credential().cose_key;
    verify(passkey.sign(client_data), &credential, &holder(), &Expected::by(challenge).unwrap(), NOW)
}

fn word(result: &Result<Verified, AssertionError>) -> &'static str {
    result.as_ref().map_or_else(AssertionError::word, |_| "accepted")
}

#[test]
fn client_data_is_ours_or_nothing() {
    let challenge = challenge();
    let nonce = challenge.ceremony_nonce().unwrap().to_string();
    let other = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let ours = json!({"type": "webauthn.get", "challenge": nonce, "origin": ORIGIN});
    let with = |name: &str, value: Value| {
        let mut data = ours.clone();
        data[name] = value;
        data.to_string()
    };
    let cases = [
        ("ours", ours.to_string(), "accepted"),
        ("with a byte order mark", format!("\u{feff}{ours}"), "accepted"),
        ("with a member of tomorrow", with("extraData", json!("x")), "accepted"),
        ("in no frame", with("crossOrigin", json!(false)), "accepted"),
        ("a registration", with("type", json!("webauthn.create")), "client_data"),
        ("a payment", with("type", json!("payment.get")), "client_data"),
        ("another challenge", with("challenge", json!(other)), "other_challenge"),
        ("the challenge with padding", with("challenge", json!(format!("{nonce}="))), "other_challenge"),
        ("another port", with("origin", json!("https://id.example:8443")), "other_origin"),
        ("without TLS", with("origin", json!("http://id.example")), "other_origin"),
        ("a host below ours", with("origin", json!("https://a.id.example")), "other_origin"),
        ("a slash more", with("origin", json!("https://id.example/")), "other_origin"),
        ("in a frame", with("crossOrigin", json!(true)), "other_origin"),
        ("in a frame, says a string", with("crossOrigin", json!("false")), "other_origin"),
        ("in a frame, perhaps", with("crossOrigin", Value::Null), "other_origin"),
        ("with a top origin", with("topOrigin", json!(ORIGIN)), "other_origin"),
        ("with an empty top origin", with("topOrigin", Value::Null), "other_origin"),
        ("a list", "[]".to_owned(), "client_data"),
        ("something behind it", format!("{ours} {{}}"), "client_data"),
        ("two origins", ours.to_string().replacen('{', "{\"origin\":\"https://evil.example\",", 1), "client_data"),
        ("too long", with("extraData", json!("x".repeat(4096))), "malformed"),
    ];
    let passkey = Passkey::new();
    for (what, client_data, want) in cases {
        assert_eq!(word(&judged(&passkey, client_data.as_bytes(), &challenge)), want, "{what}");
    }
}

#[test]
fn an_answer_from_another_place_is_a_sign_only_under_a_right_signature() {
    let challenge = challenge();
    let relayed = client_data(&challenge.ceremony_nonce().unwrap(), "https://id.example:8443");
    let (victim, stranger) = (Passkey::new(), Passkey::new());
    let expected = Expected::by(&challenge).unwrap();
    for (passkey, signed) in [(&victim, true), (&stranger, false)] {
        let answer = passkey.sign(relayed.as_bytes());
        let result = verify(answer, &victim.credential(), &holder(), &expected, NOW);
        assert_eq!(result.err(), Some(AssertionError::OtherPlace { signed }));
    }
    // Who merely knows the origin cannot forge the sign by an answer to another challenge.
    let stale = victim.sign(client_data(&expected.ceremony_nonce, "https://evil.example").replace('A', "B").as_bytes());
    let other = Expected { ceremony_nonce: statement().policy_version, ..expected };
    let result = verify(stale, &victim.credential(), &holder(), &other, NOW);
    assert_eq!(result.err(), Some(AssertionError::ClientData(ClientDataError::OtherChallenge)));
}

#[test]
fn authenticator_data_is_judged_in_the_order_of_the_standard() {
    let challenge = challenge();
    let client_data = client_data(&challenge.ceremony_nonce().unwrap(), ORIGIN);
    let map = cbor(&ciborium::Value::Map(vec![("hmac".into(), true.into())]));
    type Change = fn(&mut Passkey);
    let cases: [(&str, Change, &str); 11] = [
        ("right", |_| {}, "accepted"),
        ("for another relying party", |p| p.rp_id = "example", "other_rp"),
        ("nobody present", |p| p.flags = 0b0000_0100, "user_not_present"),
        ("nobody verified", |p| p.flags = 0b0000_0001, "user_not_verified"),
        ("backed up, not eligible", |p| p.flags = 0b0001_0101, "backup_flags"),
        ("eligible, and was not", |p| p.flags = 0b0000_1101, "backup_flags"),
        ("with a credential", |p| p.flags = 0b0100_0101, "malformed"),
        ("bytes left over", |p| p.tail = vec![0], "malformed"),
        ("extensions that are none", |p| p.flags = 0b1000_0101, "malformed"),
        ("somebody else's", |p| p.user_handle = Some(bob().as_bytes().to_vec()), "other_user"),
        ("nobody's, but known before", |p| p.user_handle = None, "accepted"),
    ];
    for (what, change, want) in cases {
        let mut passkey = Passkey::new();
        change(&mut passkey);
        assert_eq!(word(&judged(&passkey, client_data.as_bytes(), &challenge)), want, "{what}");
    }
    let extended = Passkey { flags: 0b1000_0101, tail: map, ..Passkey::new() };
    assert_eq!(word(&judged(&extended, client_data.as_bytes(), &challenge)), "accepted", "an unsolicited extension");
}

#[test]
fn an_unknown_person_must_be_named_by_the_authenticator() {
    let challenge = Challenge::open(sign_in(None)).unwrap();
    let passkey = Passkey { user_handle: None, ..Passkey::new() };
    let expected = Expected::by(&challenge).unwrap();
    let result = verify(passkey.answer(&challenge), &passkey.credential(), &holder(), &expected, NOW);
    assert_eq!(result.err(), Some(AssertionError::OtherUser));
}

#[test]
fn another_key_or_credential_signs_nothing_here() {
    let challenge = challenge();
    let (ours, other) = (Passkey::new(), Passkey::new());
    let expected = Expected::by(&challenge).unwrap();
    let result = verify(other.answer(&challenge), &ours.credential(), &holder(), &expected, NOW);
    assert_eq!(result.err(), Some(AssertionError::Signature));
    let mut credential = ours.credential();
    credential.id = encoded(b"another");
    let result = verify(ours.answer(&challenge), &credential, &holder(), &expected, NOW);
    assert_eq!(result.err(), Some(AssertionError::OtherCredential));
}

#[test]
fn any_flipped_bit_is_refused() {
    let challenge = challenge();
    let passkey = Passkey::new();
    let expected = Expected::by(&challenge).unwrap();
    let right = passkey.answer(&challenge);
    let parts: [fn(&mut Assertion) -> &mut String; 3] =
        [|a| &mut a.client_data_json, |a| &mut a.authenticator_data, |a| &mut a.signature];
    for part in parts {
        let bytes = decoded(part(&mut right.clone()));
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let mut answer = right.clone();
            *part(&mut answer) = encoded(&flipped);
            assert!(verify(answer, &passkey.credential(), &holder(), &expected, NOW).is_err(), "bit {bit}");
        }
    }
    assert!(verify(right, &passkey.credential(), &holder(), &expected, NOW).is_ok());
}

#[test]
fn a_counter_is_a_signal_and_never_goes_back_in_the_record() {
    let challenge = challenge();
    let expected = Expected::by(&challenge).unwrap();
    for (stored, seen, want, kept) in [
        (0, 0, CounterSignal::None, 0),
        (0, 1, CounterSignal::Rose, 1),
        (4, 9, CounterSignal::Rose, 9),
        (4, 4, CounterSignal::DidNotRise { stored: 4, seen: 4 }, 4),
        (4, 3, CounterSignal::DidNotRise { stored: 4, seen: 3 }, 4),
        (4, 0, CounterSignal::DidNotRise { stored: 4, seen: 0 }, 4),
    ] {
        let mut passkey = Passkey { sign_count: stored, ..Passkey::new() };
        let credential = passkey.credential();
        passkey.sign_count = seen;
        let verified = verify(passkey.answer(&challenge), &credential, &holder(), &expected, NOW).unwrap();
        assert_eq!((verified.counter, verified.credential.sign_count), (want, kept), "{stored} {seen}");
        assert_eq!(verified.credential.digest(), credential.digest(), "the public record stays the same");
        assert_eq!(verified.proof.fact().method, Method::Passkey);
    }
}

#[test]
fn a_key_that_may_leave_the_device_is_in_no_hardware() {
    let challenge = challenge();
    let expected = Expected::by(&challenge).unwrap();
    for (eligible, flags, want) in [(false, 0b0000_0101, true), (true, 0b0000_1101, false)] {
        let passkey = Passkey { flags, ..Passkey::new() };
        let mut credential = passkey.credential();
        (credential.hardware_bound, credential.backup_eligible) = (true, eligible);
        let verified = verify(passkey.answer(&challenge), &credential, &holder(), &expected, NOW).unwrap();
        assert_eq!(verified.proof.fact().hardware_bound, want);
    }
}

#[test]
fn an_authentication_response_is_read_strictly() {
    let assertion = Passkey::new().answer(&challenge());
    let whole = json!({
        "id": assertion.id, "rawId": assertion.id, "type": "public-key",
        "authenticatorAttachment": "platform", "clientExtensionResults": {},
        "response": {
            "clientDataJSON": assertion.client_data_json, "authenticatorData": assertion.authenticator_data,
            "signature": assertion.signature, "userHandle": assertion.user_handle,
        },
    });
    assert_eq!(Assertion::from_json(whole.clone()), Ok(assertion.clone()));
    for (pointer, value) in [
        ("/type", json!("password")),
        ("/rawId", json!("AAAA")),
        ("/id", json!(7)),
        ("/response", Value::Null),
        ("/response/signature", json!("")),
        ("/response/signature", json!("AAA=")),
        ("/response/signature", json!("A+A/")),
        ("/response/authenticatorData", json!("AAAAB")),
        ("/response/userHandle", json!(encoded(&[0; 65]))),
        ("/response/clientDataJSON", json!(encoded(&[b' '; 4097]))),
    ] {
        let mut changed = whole.clone();
        *changed.pointer_mut(pointer).unwrap() = value;
        assert!(matches!(Assertion::from_json(changed), Err(InvalidAssertion(_))), "{pointer}");
    }
    let mut more = whole;
    more["response"]["more"] = json!(1);
    assert!(Assertion::from_json(more).is_err());
}
