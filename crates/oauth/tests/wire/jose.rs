//! Keys and signatures: what is refused, and that any changed byte is.

use crate::support::{forge, signer};
use aws_lc_rs::{
    rand::SystemRandom,
    rsa::KeySize,
    signature::{Ed25519KeyPair, KeyPair as _, RSA_PSS_SHA256, RsaKeyPair},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use counterfoil_oauth::jose::{
    Algorithm, EmbeddedKey, Es256Signer, JoseError, Jwk, Jwks, Jws, Profile, SignError, Signer, TypRule, VerifyingKey,
    sign, sign_with_embedded_key,
};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::{collections::BTreeMap, sync::OnceLock};

const PROFILE: Profile = Profile {
    typ: TypRule::Exactly("test+jwt"),
    algorithms: Algorithm::FAPI,
    embedded_key: EmbeddedKey::Forbidden,
    bytes_max: 1_000,
};

type Claims = BTreeMap<String, Value>;

fn key(signer: &Es256Signer) -> VerifyingKey {
    VerifyingKey::new(signer.public_jwk().clone()).unwrap()
}

fn verify(token: &str, signer: &Es256Signer) -> Result<Claims, JoseError> {
    Jws::parse(token, &PROFILE)?.verify::<Claims>(&key(signer)).map(|verified| verified.into_claims())
}

#[test]
fn what_is_signed_verifies_under_its_key_only() {
    let (mine, other) = (signer(), signer());
    let token = sign(&mine, "test+jwt", &json!({"a": 1})).unwrap();
    assert_eq!(verify(&token, &mine).unwrap()["a"], 1);
    assert_eq!(verify(&token, &other), Err(JoseError::Signature));
    let verified = Jws::parse(&token, &PROFILE).unwrap().verify::<Claims>(&key(&mine)).unwrap();
    assert_eq!(verified.key_thumbprint(), mine.public_jwk().thumbprint());
    assert_eq!(verified.header().kid(), mine.public_jwk().kid());
}

#[test]
fn headers_hold_only_what_is_allowed() {
    let signer = signer();
    let jwk = signer.public_jwk().to_embedded();
    for (header, refused) in [
        (json!({"alg": "ES256", "typ": "test+jwt"}), None),
        (json!({"alg": "ES256", "typ": "test+jwt", "kid": "k"}), None),
        (json!({"alg": "none", "typ": "test+jwt"}), Some(JoseError::Algorithm)),
        (json!({"alg": "HS256", "typ": "test+jwt"}), Some(JoseError::Algorithm)),
        (json!({"alg": "es256", "typ": "test+jwt"}), Some(JoseError::Algorithm)),
        (json!({"alg": "RS256", "typ": "test+jwt"}), Some(JoseError::Algorithm)),
        (json!({"alg": "EdDSA", "typ": "test+jwt"}), Some(JoseError::Algorithm)),
        (
            json!({"alg": ["ES256"], "typ": "test+jwt"}),
            Some(JoseError::Header("a member is of the wrong type or too long")),
        ),
        (json!({"typ": "test+jwt"}), Some(JoseError::Header("alg is missing"))),
        (json!({"alg": "ES256"}), Some(JoseError::Type)),
        (json!({"alg": "ES256", "typ": "Test+JWT"}), Some(JoseError::Type)),
        (json!({"alg": "ES256", "typ": "at+jwt"}), Some(JoseError::Type)),
        (
            json!({"alg": "ES256", "typ": "test+jwt", "jwk": jwk}),
            Some(JoseError::Header("a key in the header proves nothing here")),
        ),
        (
            json!({"alg": "ES256", "typ": "test+jwt", "crit": ["exp"]}),
            Some(JoseError::Header("it has a member other than alg, typ, kid and jwk")),
        ),
        (
            json!({"alg": "ES256", "typ": "test+jwt", "b64": false}),
            Some(JoseError::Header("it has a member other than alg, typ, kid and jwk")),
        ),
        (
            json!({"alg": "ES256", "typ": "test+jwt", "jku": "https://evil.example"}),
            Some(JoseError::Header("it has a member other than alg, typ, kid and jwk")),
        ),
        (json!("ES256"), Some(JoseError::Header("not a JSON object with each name once"))),
    ] {
        let token = forge(&signer, &header, b"{}");
        assert_eq!(verify(&token, &signer).err(), refused, "{header}");
    }
}

#[test]
fn names_given_twice_are_refused_in_header_and_claims() {
    let signer = signer();
    let header = json!({"alg": "ES256", "typ": "test+jwt"});
    let twice = forge(&signer, &header, br#"{"a":1,"a":2}"#);
    assert_eq!(verify(&twice, &signer), Err(JoseError::Claims("not JSON with each name once".into())));
    let inside = forge(&signer, &header, br#"{"a":{"b":1,"b":1}}"#);
    assert!(matches!(verify(&inside, &signer), Err(JoseError::Claims(_))));
    // {"alg":"none","alg":"ES256","typ":"test+jwt"}
    let (_, rest) = twice.split_once('.').unwrap();
    let header = "eyJhbGciOiJub25lIiwiYWxnIjoiRVMyNTYiLCJ0eXAiOiJ0ZXN0K2p3dCJ9";
    assert!(matches!(verify(&format!("{header}.{rest}"), &signer), Err(JoseError::Header(_))));
}

#[test]
fn forms_that_are_not_compact_are_refused() {
    let signer = signer();
    let token = sign(&signer, "test+jwt", &json!({})).unwrap();
    let (head, signature) = token.rsplit_once('.').unwrap();
    let long = format!("{head}.{}", "A".repeat(1_000));
    for (text, refused) in [
        (String::new(), JoseError::NotCompact),
        ("..".into(), JoseError::NotCompact),
        (head.into(), JoseError::NotCompact),
        (format!("{head}."), JoseError::NotCompact),
        (format!("{token}.x"), JoseError::NotCompact),
        (format!("{token}="), JoseError::NotCompact),
        (format!("{token}\n"), JoseError::NotCompact),
        (format!(" {token}"), JoseError::NotCompact),
        (format!("{head}.{}", signature.replace(['-', '_'], "+")), JoseError::NotCompact),
        (format!("{head}.AAAA"), JoseError::Signature),
        (long, JoseError::TooLarge),
    ] {
        // A signature without either character stays as it was.
        if text != token {
            assert_eq!(verify(&text, &signer).err(), Some(refused), "{text}");
        }
    }
}

#[test]
fn keys_are_public_of_one_spelling_and_for_signatures() {
    let good = json!({
        "kty": "EC", "crv": "P-256",
        "x": "l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs", "y": "9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA",
    });
    let with = |name: &str, value: Value| {
        let mut key = good.clone();
        key[name] = value;
        key
    };
    assert!(Jwk::parse(&good).is_ok());
    for allowed in [
        with("kid", "k".into()),
        with("use", "sig".into()),
        with("alg", "ES256".into()),
        with("key_ops", json!(["verify"])),
        with("ext", json!(true)),
    ] {
        assert!(Jwk::parse_embedded(&allowed).is_ok(), "{allowed}");
    }
    for refused in [
        json!([]),
        with("d", "AAAA".into()),
        with("k", "AAAA".into()),
        with("kty", "oct".into()),
        with("kty", 1.into()),
        with("crv", "P-384".into()),
        with("crv", "secp256k1".into()),
        with("crv", Value::Null),
        with("use", "enc".into()),
        with("key_ops", json!(["sign"])),
        with("key_ops", "verify".into()),
        with("alg", "ES384".into()),
        with("alg", "EdDSA".into()),
        with("alg", "none".into()),
        with("x", "l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBF".into()),
        with("x", "AJfLRa4cft-LVd4USAkQ2PcwpA5aQYReNlEFH1lQFgRb".into()),
        with("x", "l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs=".into()),
        with("x", "l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFt".into()),
        with("kid", "k".repeat(300).into()),
    ] {
        assert!(Jwk::parse(&refused).is_err(), "{refused}");
    }
    // A key set may say more of a key; a proof may not.
    let certificate = with("x5c", json!(["…"]));
    assert!(Jwk::parse(&certificate).is_ok() && Jwk::parse_embedded(&certificate).is_err());
    // The numbers of a point that is not on the curve.
    let off_curve = with("y", "9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDE".into());
    assert!(matches!(Jwk::parse(&off_curve).and_then(VerifyingKey::new), Err(JoseError::Key(_))));
}

#[test]
fn rsa_keys_are_2048_to_4096_bit_with_the_usual_exponent() {
    let modulus = |bytes: usize, first: u8| {
        let mut number = vec![0xA5; bytes];
        number[0] = first;
        number[bytes - 1] = 1;
        URL_SAFE_NO_PAD.encode(number)
    };
    for (n, e, accepted) in [
        (modulus(256, 0x80), "AQAB", true),
        (modulus(512, 0xFF), "AQAB", true),
        (modulus(256, 0x7F), "AQAB", false),
        (modulus(128, 0x80), "AQAB", false),
        (modulus(513, 0x01), "AQAB", false),
        (modulus(257, 0x00), "AQAB", false),
        (modulus(256, 0x80), "Aw", false),
        (modulus(256, 0x80), "AAEAAQ", false),
        (modulus(256, 0x80), "", false),
    ] {
        let key = json!({"kty": "RSA", "n": n, "e": e});
        assert_eq!(Jwk::parse(&key).is_ok(), accepted, "{} characters, e {e}", n.len());
    }
    let key = json!({"kty": "RSA", "n": modulus(256, 0x80), "e": "AQAB"});
    assert_eq!(Jwk::parse(&key).unwrap().algorithm(), Algorithm::Ps256, "without alg an RSA key is for PSS");
}

#[test]
fn key_sets_find_one_key_or_none() {
    let (a, b) = (signer(), signer());
    let (ja, jb) = (a.public_jwk().clone(), b.public_jwk().clone());
    let both = Jwks::new([ja.clone(), jb.clone()]).unwrap();
    assert_eq!(both.find(ja.kid(), Algorithm::Es256).unwrap().jwk(), &ja);
    assert!(both.find(None, Algorithm::Es256).is_err(), "two fit");
    assert!(both.find(Some("unknown"), Algorithm::Es256).is_err());
    assert!(both.find(ja.kid(), Algorithm::EdDsa).is_err());
    let one = Jwks::new([ja.clone()]).unwrap();
    assert!(one.find(None, Algorithm::Es256).is_ok());
    assert!(Jwks::new([ja.clone(), jb.with_kid(ja.kid().unwrap())]).is_err(), "two of one name");
    let json = Value::from(both.clone());
    assert_eq!(Jwks::parse(&json).unwrap(), both);
    let mut published = json;
    published["keys"].as_array_mut().unwrap().push(json!({"kty": "EC", "crv": "P-521"}));
    assert!(Jwks::parse(&published).is_err(), "a client registers keys that we accept");
    assert_eq!(Jwks::parse_published(&published).unwrap(), both, "others publish what they like");
    published["keys"][0]["d"] = "AAAA".into();
    assert!(Jwks::parse_published(&published).is_err(), "a private key has leaked");
}

#[test]
fn private_keys_round_trip_and_halves_belong_together() {
    let random = aws_lc_rs::rand::SystemRandom::new;
    let (a, b) = (signer(), signer());
    let jwk: Value = serde_json::from_str(&a.private_jwk().unwrap()).unwrap();
    let again = Es256Signer::from_private_jwk(&jwk, random()).unwrap();
    assert_eq!(again.public_jwk(), a.public_jwk());
    let token = sign(&again, "test+jwt", &json!({})).unwrap();
    assert!(verify(&token, &a).is_ok());
    let mut mixed: Value = serde_json::from_str(&b.private_jwk().unwrap()).unwrap();
    mixed["d"] = jwk["d"].clone();
    assert!(Es256Signer::from_private_jwk(&mixed, random()).is_err());
    assert!(Es256Signer::from_private_jwk(&Value::from(a.public_jwk().clone()), random()).is_err());
    let shown = format!("{a:?}");
    assert!(!shown.contains(jwk["d"].as_str().unwrap()), "{shown}");
}

/// A key of another algorithm, for what ES256 does not show.
struct Other<F> {
    public: Jwk,
    sign: F,
}

impl<F: Fn(&[u8]) -> Vec<u8> + Send + Sync> Signer for Other<F> {
    fn public_jwk(&self) -> &Jwk {
        &self.public
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        Ok((self.sign)(message))
    }
}

fn ed25519() -> impl Signer {
    let pair = Ed25519KeyPair::generate().unwrap();
    let x = URL_SAFE_NO_PAD.encode(pair.public_key().as_ref());
    let public = Jwk::parse(&json!({"kty": "OKP", "crv": "Ed25519", "x": x})).unwrap();
    Other { public, sign: move |message: &[u8]| pair.sign(message).as_ref().to_vec() }
}

fn ps256() -> impl Signer {
    let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let number = |number: &[u8]| URL_SAFE_NO_PAD.encode(number);
    let public = pair.public_key();
    let (n, e) = (
        number(public.modulus().big_endian_without_leading_zero()),
        number(public.exponent().big_endian_without_leading_zero()),
    );
    let public = Jwk::parse(&json!({"kty": "RSA", "n": n, "e": e})).unwrap();
    let sign = move |message: &[u8]| {
        let mut signature = vec![0; pair.public_modulus_len()];
        pair.sign(&RSA_PSS_SHA256, &SystemRandom::new(), message, &mut signature).unwrap();
        signature
    };
    Other { public, sign }
}

#[test]
fn every_algorithm_of_fapi_2_signs_and_none_passes_for_another() {
    let signers: [Box<dyn Signer>; 3] = [Box::new(signer()), Box::new(ed25519()), Box::new(ps256())];
    let profile = Profile { bytes_max: 4_000, ..PROFILE };
    for (i, signer) in signers.iter().enumerate() {
        assert_eq!(signer.public_jwk().algorithm(), Algorithm::FAPI[i]);
        let token = sign(signer.as_ref(), "test+jwt", &json!({"a": 1})).unwrap();
        for (j, other) in signers.iter().enumerate() {
            let key = VerifyingKey::new(other.public_jwk().clone()).unwrap();
            let verified = Jws::parse(&token, &profile).unwrap().verify::<Claims>(&key);
            assert_eq!(verified.map(drop), if i == j { Ok(()) } else { Err(JoseError::Algorithm) }, "{i} {j}");
        }
        let narrow = Profile { algorithms: Algorithm::ES256_ONLY, ..profile };
        assert_eq!(Jws::parse(&token, &narrow).is_ok(), i == 0);
    }
}

#[test]
fn an_embedded_key_is_wanted_where_possession_is_proven() {
    let signer = signer();
    let profile = Profile { embedded_key: EmbeddedKey::Required, ..PROFILE };
    let without = sign(&signer, "test+jwt", &json!({})).unwrap();
    assert_eq!(Jws::parse(&without, &profile).err(), Some(JoseError::Header("jwk is missing")));
    let with = sign_with_embedded_key(&signer, "test+jwt", &json!({})).unwrap();
    let (_, key) = Jws::parse(&with, &profile).unwrap().verify_with_embedded_key::<Claims>().unwrap();
    assert_eq!(key.thumbprint(), signer.public_jwk().thumbprint());
    // Signed by one key, shown with another.
    let header = json!({"alg": "ES256", "typ": "test+jwt", "jwk": crate::support::signer().public_jwk().to_embedded()});
    let borrowed = forge(&signer, &header, b"{}");
    let refused = Jws::parse(&borrowed, &profile).unwrap().verify_with_embedded_key::<Claims>();
    assert_eq!(refused.err(), Some(JoseError::Signature));
}

proptest! {
    #[test]
    fn any_changed_byte_refuses(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        static TOKEN: OnceLock<(Es256Signer, String)> = OnceLock::new();
        let (signer, token) = TOKEN.get_or_init(|| {
            let signer = signer();
            let token = sign(&signer, "test+jwt", &json!({"amount": "12400.00", "to": "DE02"})).unwrap();
            (signer, token)
        });
        let mut bytes = token.clone().into_bytes();
        let at = at.index(bytes.len());
        prop_assume!(bytes[at] != byte);
        bytes[at] = byte;
        if let Ok(changed) = String::from_utf8(bytes) {
            prop_assert!(verify(&changed, signer).is_err());
        }
    }

    #[test]
    fn no_text_panics(text in "[A-Za-z0-9_.={}\":,-]{0,120}") {
        prop_assert!(Jws::parse(&text, &PROFILE).is_err());
    }
}
