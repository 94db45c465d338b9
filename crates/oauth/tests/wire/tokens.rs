//! Access tokens, ID tokens, introspection, revocation and userinfo.

use crate::support::{API, NOW, forge, form, issuer, jwks, signer};
use counterfoil_core::{
    assurance::Acr,
    id::{ChallengeId, LoginId, SubjectId, TokenId},
    limits,
};
use counterfoil_oauth::{
    access_token::{self, AccessTokenClaims, AccessTokenError, Confirmation},
    error::ErrorCode,
    id_token::{self, IdTokenClaims, IdTokenError},
    introspection::{self, IntrospectionResponse},
    jose::{Es256Signer, JoseError, Signer as _, sign},
    rar::AuthorizationDetails,
    revocation,
    uri::Issuer,
    userinfo::UserInfo,
};
use serde_json::{Value, json};

fn claims(holder: &Es256Signer) -> AccessTokenClaims {
    AccessTokenClaims {
        iss: issuer(),
        aud: API.into(),
        sub: SubjectId::new(NOW, [1; 10]).to_string(),
        client_id: "treasury".into(),
        iat: NOW.seconds(),
        exp: NOW.seconds() + limits::ACCESS_TOKEN_SECONDS,
        jti: TokenId::new(NOW, [2; 10]),
        cnf: Confirmation { jkt: holder.public_jwk().thumbprint() },
        scope: Some("openid profile".into()),
        acr: Some(Acr::Aal2),
        amr: vec!["pwd".into(), "otp".into()],
        auth_time: Some(NOW.seconds()),
        lineage: Some(LoginId::new(NOW, [3; 10])),
        txn: None,
        authorization_details: None,
    }
}

fn transaction(claims: AccessTokenClaims) -> AccessTokenClaims {
    let details = json!([{"type": "payout_change", "iban": "DE02120300000000202051"}]);
    AccessTokenClaims {
        exp: claims.iat + limits::TRANSACTION_TOKEN_SECONDS,
        txn: Some(ChallengeId::new(NOW, [4; 10])),
        authorization_details: Some(AuthorizationDetails::from_value(details).unwrap()),
        scope: None,
        ..claims
    }
}

#[test]
fn an_access_token_says_what_rfc_9068_and_the_design_want() {
    let (ours, holder) = (signer(), signer());
    let token = access_token::issue(&ours, &transaction(claims(&holder))).unwrap().0;
    let verified = access_token::verify(&token, &jwks(&ours), &issuer(), Some(API), NOW).unwrap();
    assert_eq!(verified.claims(), &transaction(claims(&holder)));
    assert_eq!(verified.subject(), Some(SubjectId::new(NOW, [1; 10])));
    assert_eq!(verified.bound().jkt, holder.public_jwk().thumbprint());
    assert!(!verified.has_scope("openid") && !verified.is_expired(NOW));
    let json = serde_json::to_value(verified.claims()).unwrap();
    for name in ["iss", "aud", "sub", "client_id", "iat", "exp", "jti", "acr", "amr", "auth_time", "lineage", "txn"] {
        assert!(json.get(name).is_some(), "{name}");
    }
    assert_eq!(json["authorization_details"][0]["type"], "payout_change");
    assert_eq!(json["cnf"]["jkt"], holder.public_jwk().thumbprint().to_string());
}

#[test]
fn each_check_of_an_access_token_refuses_alone() {
    let (ours, holder) = (signer(), signer());
    let good = claims(&holder);
    let now = NOW.seconds();
    let with_transaction = transaction(good.clone());
    let cases: Vec<(&str, AccessTokenClaims, AccessTokenError)> = vec![
        (
            "issuer",
            AccessTokenClaims { iss: Issuer::parse("https://evil.example").unwrap(), ..good.clone() },
            AccessTokenError::Issuer,
        ),
        (
            "audience",
            AccessTokenClaims { aud: "https://other.example".into(), ..good.clone() },
            AccessTokenError::Audience,
        ),
        ("over", AccessTokenClaims { iat: now - 300, exp: now, ..good.clone() }, AccessTokenError::Expired),
        ("future", AccessTokenClaims { iat: now + 11, exp: now + 100, ..good.clone() }, AccessTokenError::Times),
        (
            "too long",
            AccessTokenClaims { exp: now + limits::ACCESS_TOKEN_SECONDS + 1, ..good.clone() },
            AccessTokenError::Times,
        ),
        (
            "a transaction for too long",
            AccessTokenClaims { exp: now + limits::TRANSACTION_TOKEN_SECONDS + 1, ..with_transaction.clone() },
            AccessTokenError::Times,
        ),
        (
            "txn alone",
            AccessTokenClaims { authorization_details: None, ..with_transaction.clone() },
            AccessTokenError::Transaction,
        ),
        ("details alone", AccessTokenClaims { txn: None, ..with_transaction }, AccessTokenError::Transaction),
    ];
    for (name, claims, refused) in cases {
        let token = access_token::issue(&ours, &claims).unwrap().0;
        let result = access_token::verify(&token, &jwks(&ours), &issuer(), Some(API), NOW);
        assert_eq!(result.err(), Some(refused.clone()), "{name}");
        assert_eq!(refused.to_oauth().code(), ErrorCode::InvalidToken);
    }
    let (token, own) = access_token::issue(&ours, &good).unwrap();
    let verified = access_token::verify(&token, &jwks(&ours), &issuer(), None, NOW);
    assert_eq!(verified, Ok(own), "who signs knows what whoever verifies learns; the caller looks at aud");
    let stranger = access_token::verify(&token, &jwks(&signer()), &issuer(), Some(API), NOW);
    assert_eq!(stranger.err(), Some(AccessTokenError::Jose(JoseError::UnknownKey)));
}

#[test]
fn no_other_jwt_is_an_access_token() {
    let (ours, holder) = (signer(), signer());
    let payload = serde_json::to_vec(&claims(&holder)).unwrap();
    let kid = ours.public_jwk().kid().unwrap();
    for header in [
        json!({"alg": "ES256", "kid": kid}),
        json!({"alg": "ES256", "kid": kid, "typ": "JWT"}),
        json!({"alg": "ES256", "kid": kid, "typ": "dpop+jwt"}),
        json!({"alg": "none", "kid": kid, "typ": "at+jwt"}),
        json!({"alg": "ES256", "kid": "other", "typ": "at+jwt"}),
        json!({"alg": "ES256", "kid": kid, "typ": "at+jwt", "jwk": ours.public_jwk().to_embedded()}),
    ] {
        let token = forge(&ours, &header, &payload);
        let result = access_token::verify(&token, &jwks(&ours), &issuer(), Some(API), NOW);
        assert!(matches!(result, Err(AccessTokenError::Jose(_))), "{header}");
    }
    let mut unbound: Value = serde_json::from_slice(&payload).unwrap();
    unbound.as_object_mut().unwrap().remove("cnf");
    let token = sign(&ours, access_token::TYP, &unbound).unwrap();
    assert!(access_token::verify(&token, &jwks(&ours), &issuer(), Some(API), NOW).is_err(), "every token is bound");
    let large = AccessTokenClaims { scope: Some("s".repeat(access_token::TOKEN_BYTES)), ..claims(&holder) };
    assert!(access_token::issue(&ours, &large).is_err(), "nobody could verify it");
}

#[test]
fn the_largest_request_that_is_accepted_fits_into_its_token() {
    let (ours, holder) = (signer(), signer());
    let filled = |length: usize| json!([{"type": "payout_change", "text": "x".repeat(length)}]);
    let frame = filled(0)[0].to_string().len();
    let largest = filled(limits::AUTHORIZATION_DETAILS_BYTES - frame);
    assert!(AuthorizationDetails::from_value(filled(limits::AUTHORIZATION_DETAILS_BYTES - frame + 1)).is_err());
    let claims = AccessTokenClaims {
        aud: format!("https://{}", "a".repeat(limits::AUDIENCE_BYTES - 8)),
        client_id: "c".repeat(limits::NAME_BYTES),
        amr: ["pwd", "otp", "hwk", "user", "mfa", "pop", "swk", "sms", "pin", "mca"].map(str::to_owned).to_vec(),
        authorization_details: Some(AuthorizationDetails::from_value(largest).unwrap()),
        ..transaction(claims(&holder))
    };
    assert!(access_token::issue(&ours, &claims).is_ok());
    let scoped = AccessTokenClaims {
        authorization_details: None,
        txn: None,
        scope: Some("s".repeat(limits::SCOPES_BYTES)),
        ..claims
    };
    assert!(access_token::issue(&ours, &scoped).is_ok());
}

#[test]
fn a_clients_own_token_has_no_subject() {
    let (ours, holder) = (signer(), signer());
    let own = AccessTokenClaims {
        sub: "treasury".into(),
        lineage: None,
        acr: None,
        amr: vec![],
        auth_time: None,
        ..claims(&holder)
    };
    let token = access_token::issue(&ours, &own).unwrap().0;
    let verified = access_token::verify(&token, &jwks(&ours), &issuer(), Some(API), NOW).unwrap();
    assert_eq!(verified.subject(), None);
    assert!(verified.has_scope("profile") && !verified.has_scope("prof"));
}

#[test]
fn id_tokens_are_for_one_client_and_one_request() {
    let ours = signer();
    let good = IdTokenClaims {
        iss: issuer(),
        sub: SubjectId::new(NOW, [1; 10]),
        aud: "treasury".into(),
        exp: NOW.seconds() + 300,
        iat: NOW.seconds(),
        auth_time: NOW.seconds(),
        nonce: Some("n".into()),
        acr: Acr::Aal2,
        amr: vec!["pwd".into()],
        sid: None,
    };
    let token = id_token::issue(&ours, &good).unwrap();
    let verify = |client: &str, nonce: Option<&str>, seconds: i64| {
        id_token::verify(&token, &jwks(&ours), &issuer(), client, nonce, NOW.plus_seconds(seconds))
    };
    assert_eq!(verify("treasury", Some("n"), 0), Ok(good));
    for (client, nonce, seconds) in [
        ("other", Some("n"), 0),
        ("treasury", Some("m"), 0),
        ("treasury", None, 0),
        ("treasury", Some("n"), 300),
        ("treasury", Some("n"), -11),
    ] {
        assert_eq!(verify(client, nonce, seconds), Err(IdTokenError::NotOurs), "{client} {nonce:?} {seconds}");
    }
    let access = access_token::issue(&ours, &claims(&signer())).unwrap().0;
    let mistaken = id_token::verify(&access, &jwks(&ours), &issuer(), API, None, NOW);
    assert_eq!(mistaken, Err(IdTokenError::Jose(JoseError::Type)));
    let swapped = access_token::verify(&token, &jwks(&ours), &issuer(), None, NOW);
    assert_eq!(swapped.err(), Some(AccessTokenError::Jose(JoseError::Type)));
}

#[test]
fn introspection_says_all_or_nothing() {
    assert_eq!(serde_json::to_string(&IntrospectionResponse::inactive()).unwrap(), r#"{"active":false}"#);
    let active = serde_json::to_value(IntrospectionResponse::active(transaction(claims(&signer())))).unwrap();
    assert_eq!((&active["active"], &active["token_type"]), (&json!(true), &json!("DPoP")));
    assert_eq!(active["authorization_details"][0]["type"], "payout_change");
    assert!(active["cnf"]["jkt"].is_string() && active["acr"] == "aal2");
    assert_eq!(introspection::parse(&form(&[("token", "t"), ("token_type_hint", "x")])), Ok("t"));
    assert!(introspection::parse(&form(&[])).is_err());
}

#[test]
fn revocation_knows_access_tokens() {
    for (parameters, result) in [
        (vec![("token", "t")], Ok("t")),
        (vec![("token", "t"), ("token_type_hint", "access_token")], Ok("t")),
        (vec![("token", "t"), ("token_type_hint", "refresh_token")], Err(ErrorCode::UnsupportedTokenType)),
        (vec![], Err(ErrorCode::InvalidRequest)),
    ] {
        let form = form(&parameters);
        assert_eq!(revocation::parse(&form).map_err(|error| error.code()), result, "{parameters:?}");
    }
}

#[test]
fn userinfo_is_what_the_scopes_allow() {
    let all = UserInfo {
        sub: SubjectId::new(NOW, [1; 10]),
        name: Some("Ada".into()),
        preferred_username: Some("ada".into()),
        email: Some("ada@example.com".into()),
        email_verified: Some(true),
    };
    let members = |scopes: &[&str]| {
        let value = serde_json::to_value(all.clone().within(|scope| scopes.contains(&scope))).unwrap();
        // In which order they stand depends on how others have serde_json built, and means nothing.
        let names: std::collections::BTreeSet<_> = value.as_object().unwrap().keys().cloned().collect();
        names.into_iter().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(members(&[]), "sub");
    assert_eq!(members(&["profile"]), "name preferred_username sub");
    assert_eq!(members(&["email"]), "email email_verified sub");
}
