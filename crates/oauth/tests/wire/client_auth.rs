//! Registrations and client authentication: RFC 7591, RFC 7523 and FAPI 2.0 §5.3.2.1, each rule broken alone.

use crate::support::{NOW, client, confidential, forge, form, issuer, public, signer};
use counterfoil_core::limits;
use counterfoil_oauth::{
    client::ClientMetadata,
    client_auth::{ASSERTION_TYPE, PresentedClient, VerifiedClient, make_assertion},
    error::{ErrorCode, OAuthError},
    jose::{Es256Signer, Signer as _, sign},
};
use serde_json::{Value, json};

fn good() -> Value {
    json!({
        "iss": "treasury", "sub": "treasury", "aud": "https://id.example", "jti": "1",
        "exp": NOW.seconds() + 60, "iat": NOW.seconds(),
    })
}

fn authenticate(registered: &Es256Signer, assertion: &str) -> Result<VerifiedClient, OAuthError> {
    let form = form(&[("client_assertion_type", ASSERTION_TYPE), ("client_assertion", assertion)]);
    PresentedClient::read(&form)?.verify(client(confidential(registered)), &issuer(), NOW)
}

#[test]
fn an_assertion_of_the_registered_key_authenticates() {
    let key = signer();
    let assertion = make_assertion(&key, "treasury", &issuer(), "1".into(), NOW).unwrap();
    let verified = authenticate(&key, &assertion).unwrap();
    assert_eq!(verified.id(), "treasury");
    let again = authenticate(&key, &assertion).unwrap();
    assert_eq!(verified.assertion_use(), again.assertion_use(), "the second use is a replay, by the same key");
    let until = verified.assertion_use().unwrap().remember_until;
    assert!(until.seconds_since(NOW) <= limits::REPLAY_MEMORY_SECONDS);
}

#[test]
fn claims_are_exactly_the_clients_for_us_and_now() {
    let key = signer();
    let now = NOW.seconds();
    for (name, value, accepted) in [
        ("iss", json!("other"), false),
        ("sub", json!("other"), false),
        ("aud", json!("https://id.example/"), false),
        ("aud", json!("https://id.example/oauth/token"), false),
        ("aud", json!(["https://id.example"]), false),
        ("aud", Value::Null, false),
        ("jti", json!(""), false),
        ("jti", json!("j".repeat(300)), false),
        ("exp", json!(now - 10), false),
        ("exp", json!(now - 9), true),
        ("exp", json!("soon"), false),
        // Stock libraries write an hour; then iat bounds the age.
        ("exp", json!(now + 3600), true),
        ("iat", json!(now + 10), true),
        ("iat", json!(now + 11), false),
        ("iat", json!(now - 69), true),
        ("iat", json!(now - 70), false),
        ("iat", json!(i64::MIN), false),
        ("nbf", json!(now + 10), true),
        ("nbf", json!(now + 11), false),
        ("unknown", json!("ignored"), true),
    ] {
        let mut claims = good();
        claims[name] = value.clone();
        let assertion = sign(&key, "JWT", &claims).unwrap();
        let result = authenticate(&key, &assertion);
        assert_eq!(result.is_ok(), accepted, "{name} {value}");
        if let Err(error) = result {
            assert_eq!((error.code(), error.status()), (ErrorCode::InvalidClient, 401), "{name} {value}");
        }
    }
    for missing in ["iss", "sub", "aud", "jti", "exp"] {
        let mut claims = good();
        claims.as_object_mut().unwrap().remove(missing);
        assert!(authenticate(&key, &sign(&key, "JWT", &claims).unwrap()).is_err(), "{missing}");
    }
    let mut eternal = good();
    eternal.as_object_mut().unwrap().remove("iat");
    assert!(authenticate(&key, &sign(&key, "JWT", &eternal).unwrap()).is_ok());
    eternal["exp"] = (now + 3600).into();
    assert!(authenticate(&key, &sign(&key, "JWT", &eternal).unwrap()).is_err(), "nothing bounds its age");
}

#[test]
fn foreign_keys_and_other_tokens_do_not_authenticate() {
    let key = signer();
    let payload = good().to_string();
    let kid = key.public_jwk().kid().unwrap().to_owned();
    assert!(authenticate(&key, &sign(&signer(), "JWT", &good()).unwrap()).is_err());
    for (header, accepted) in [
        (json!({"alg": "ES256"}), true),
        (json!({"alg": "ES256", "kid": kid}), true),
        (json!({"alg": "ES256", "typ": "jwt"}), true),
        (json!({"alg": "ES256", "kid": "other"}), false),
        (json!({"alg": "ES256", "typ": "dpop+jwt"}), false),
        (json!({"alg": "ES256", "typ": "at+jwt"}), false),
        (json!({"alg": "ES256", "jwk": key.public_jwk().to_embedded()}), false),
        (json!({"alg": "HS256"}), false),
        (json!({"alg": "none"}), false),
    ] {
        let assertion = forge(&key, &header, payload.as_bytes());
        assert_eq!(authenticate(&key, &assertion).is_ok(), accepted, "{header}");
    }
    let foreign = forge(&signer(), &json!({"alg": "ES256", "kid": kid}), payload.as_bytes());
    assert_eq!(authenticate(&key, &foreign).err().unwrap().code(), ErrorCode::InvalidClient);
}

#[test]
fn a_request_names_one_client_in_one_way() {
    let key = signer();
    let assertion = make_assertion(&key, "treasury", &issuer(), "1".into(), NOW).unwrap();
    for (parameters, code) in [
        (vec![], ErrorCode::InvalidClient),
        (vec![("client_id", "treasury"), ("client_secret", "x")], ErrorCode::InvalidClient),
        (vec![("client_assertion", assertion.as_str())], ErrorCode::InvalidRequest),
        (vec![("client_assertion_type", ASSERTION_TYPE)], ErrorCode::InvalidRequest),
        (
            vec![
                ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:saml2-bearer"),
                ("client_assertion", &assertion),
            ],
            ErrorCode::InvalidRequest,
        ),
        (
            vec![("client_id", "other"), ("client_assertion_type", ASSERTION_TYPE), ("client_assertion", &assertion)],
            ErrorCode::InvalidRequest,
        ),
        (vec![("client_assertion_type", ASSERTION_TYPE), ("client_assertion", "x")], ErrorCode::InvalidClient),
    ] {
        let form = form(&parameters);
        assert_eq!(PresentedClient::read(&form).err().map(|error| error.code()), Some(code), "{parameters:?}");
    }
}

#[test]
fn methods_are_the_registered_ones() {
    let key = signer();
    let named = form(&[("client_id", "treasury")]);
    let presented = PresentedClient::read(&named).unwrap();
    assert_eq!(presented.client_id(), "treasury");
    assert!(presented.verify(client(confidential(&key)), &issuer(), NOW).is_err(), "a name alone is no proof");

    let mut claims = good();
    claims["iss"] = "phone-app".into();
    claims["sub"] = "phone-app".into();
    let assertion = sign(&key, "JWT", &claims).unwrap();
    let asserted = form(&[("client_assertion_type", ASSERTION_TYPE), ("client_assertion", &assertion)]);
    assert!(PresentedClient::read(&asserted).unwrap().verify(client(public()), &issuer(), NOW).is_err());

    let other = form(&[("client_id", "someone")]);
    assert!(PresentedClient::read(&other).unwrap().verify(client(public()), &issuer(), NOW).is_err());
    let public_form = form(&[("client_id", "phone-app")]);
    let verified = PresentedClient::read(&public_form).unwrap().verify(client(public()), &issuer(), NOW).unwrap();
    assert!(!verified.is_confidential() && verified.assertion_use().is_none());
}

#[test]
fn registrations_keep_their_rules() {
    let key = signer();
    let register = |registration: Value| serde_json::from_value::<counterfoil_oauth::client::Client>(registration);
    let with = |base: &Value, name: &str, value: Value| {
        let mut registration = base.clone();
        registration[name] = value;
        registration
    };
    let (ours, theirs) = (confidential(&key), public());
    let registered = register(ours.clone()).unwrap();
    assert_eq!(serde_json::to_value(&registered).unwrap()["client_id"], "treasury");
    assert_eq!(register(serde_json::to_value(&registered).unwrap()).unwrap(), registered);
    assert_eq!((registered.name("de"), registered.name("fr")), ("Kasse", "Treasury"));
    assert!(register(theirs.clone()).is_ok());
    for refused in [
        with(&ours, "client_id", "".into()),
        with(&ours, "client_id", "a b".into()),
        with(&ours, "client_id", "ü".into()),
        with(&ours, "client_id", "https://client.example/id".into()),
        with(&ours, "client_id", "c".repeat(300).into()),
        with(&ours, "token_endpoint_auth_method", "client_secret_basic".into()),
        with(&ours, "token_endpoint_auth_method", "none".into()),
        with(&ours, "jwks", Value::Null),
        with(&ours, "jwks", json!({"keys": []})),
        with(&ours, "jwks", json!({"keys": [serde_json::from_str::<Value>(&key.private_jwk().unwrap()).unwrap()]})),
        with(&ours, "redirect_uris", json!([])),
        with(&ours, "redirect_uris", json!(["http://app.example/"])),
        with(&ours, "redirect_uris", json!(["https://app.example/#x"])),
        with(&ours, "grant_types", json!([])),
        with(&ours, "grant_types", json!(["implicit"])),
        with(&ours, "grant_types", json!(["client_credentials"])),
        with(&ours, "scopes", json!(["a b"])),
        with(&ours, "scopes", json!((0..30).map(|i| format!("{i}{}", "s".repeat(40))).collect::<Vec<_>>())),
        with(&ours, "audiences", json!(["api"])),
        with(&ours, "audiences", json!([format!("https://{}", "a".repeat(600))])),
        with(&ours, "audiences", json!((0..60).map(|i| format!("https://api{i}.example")).collect::<Vec<_>>())),
        with(&ours, "names", json!({"de": "Kasse"})),
        with(&ours, "names", json!({"en": " "})),
        with(&ours, "names", json!({"en": "a\nb"})),
        with(&ours, "unknown", json!(1)),
        with(&theirs, "grant_types", json!(["authorization_code", "client_credentials"])),
        with(&theirs, "authorization_details_types", json!(["payout_change"])),
    ] {
        assert!(register(refused.clone()).is_err(), "{refused}");
    }
    let metadata: ClientMetadata = serde_json::from_value(ours).unwrap();
    assert!(metadata.jwks.is_some());
}
