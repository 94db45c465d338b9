//! Pushed requests: what is stored of a good one, and which code each bad one gets.

use crate::support::{API, authenticated, authenticated_as, form, issuer, named, proof_of, signer};
use counterfoil_core::{assurance::Acr, id::DecisionId};
use counterfoil_oauth::{
    authorize::{AuthorizationRequest, Code, Prompt, RequestUri, error_location, still_allowed, success_location},
    client_auth::VerifiedClient,
    error::{ErrorCode, OAuthError},
    form::Form,
    jose::Signer as _,
    par,
};
use serde_json::json;
use std::collections::BTreeMap;

const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const DECISION: &str = "018bcfe5-6800-7907-8707-070707070707";
const DETAILS: &str = r#"[{"type":"payout_change","iban":"DE02120300000000202051"}]"#;

fn good() -> BTreeMap<&'static str, &'static str> {
    BTreeMap::from([
        ("response_type", "code"),
        ("redirect_uri", "https://treasury.example/callback"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
        ("scope", "openid"),
        ("state", "s"),
        ("nonce", "n"),
    ])
}

/// The good request with these parameters instead; empty ones are left out.
fn with(changes: &[(&'static str, &'static str)]) -> Form {
    let mut parameters = good();
    parameters.extend(changes.iter().copied());
    let list: Vec<(&str, &str)> = parameters.into_iter().filter(|(_, value)| !value.is_empty()).collect();
    form(&list)
}

fn push(changes: &[(&'static str, &'static str)], client: &VerifiedClient) -> Result<AuthorizationRequest, OAuthError> {
    let proof = proof_of(&signer());
    par::parse(&with(changes), client, Some(&proof))
}

#[test]
fn a_good_request_is_stored_whole() {
    let (client, key) = (authenticated(), signer());
    let form = with(&[
        ("acr_values", "phr unknown aal2"),
        ("max_age", "300"),
        ("prompt", "login consent"),
        ("login_hint", "ada"),
        ("ui_locales", "de en"),
        ("unknown_parameter", "ignored"),
        ("response_mode", "query"),
    ]);
    let request = par::parse(&form, &client, Some(&proof_of(&key))).unwrap();
    assert_eq!(request.client_id, "treasury");
    assert_eq!(request.resource.as_deref(), Some(API), "the client's only grant");
    assert_eq!(request.acr_values, [Acr::Phr, Acr::Aal2]);
    assert_eq!((request.max_age_seconds, request.prompt), (Some(300), Prompt::Login));
    assert_eq!(request.dpop_jkt, Some(key.public_jwk().thumbprint()));
    assert!(request.wants_id_token());
    let stored = serde_json::to_string(&request).unwrap();
    assert_eq!(serde_json::from_str::<AuthorizationRequest>(&stored).unwrap(), request);
    assert!(still_allowed(&request, &client));
    let narrowed = authenticated_as(|registration| registration["scopes"] = json!([]));
    assert!(!still_allowed(&request, &narrowed), "the registration has changed since");
}

#[test]
fn each_rule_has_its_code() {
    let client = authenticated();
    let long: &'static str = "x".repeat(600).leak();
    for (changes, code) in [
        (&[("request_uri", "urn:x")][..], ErrorCode::InvalidRequest),
        (&[("request", "e30.e30.")], ErrorCode::RequestNotSupported),
        (&[("response_type", "")], ErrorCode::InvalidRequest),
        (&[("response_type", "token")], ErrorCode::UnsupportedResponseType),
        (&[("response_type", "code id_token")], ErrorCode::UnsupportedResponseType),
        (&[("response_mode", "fragment")], ErrorCode::InvalidRequest),
        (&[("redirect_uri", "")], ErrorCode::InvalidRequest),
        (&[("redirect_uri", "https://treasury.example/callback/")], ErrorCode::InvalidRequest),
        (&[("redirect_uri", "https://evil.example/callback")], ErrorCode::InvalidRequest),
        (&[("code_challenge", "")], ErrorCode::InvalidRequest),
        (&[("code_challenge_method", "")], ErrorCode::InvalidRequest),
        (&[("code_challenge_method", "plain")], ErrorCode::InvalidRequest),
        (&[("scope", "openid admin")], ErrorCode::InvalidScope),
        (&[("scope", "open\"id")], ErrorCode::InvalidScope),
        (&[("resource", "https://other.example")], ErrorCode::InvalidTarget),
        (&[("resource", "payouts")], ErrorCode::InvalidTarget),
        (&[("acr_values", "gold silver")], ErrorCode::UnmetAuthenticationRequirements),
        (&[("max_age", "-1")], ErrorCode::InvalidRequest),
        (&[("max_age", "+1")], ErrorCode::InvalidRequest),
        (&[("max_age", "1.5")], ErrorCode::InvalidRequest),
        (&[("max_age", "99999999999")], ErrorCode::InvalidRequest),
        (&[("prompt", "none login")], ErrorCode::InvalidRequest),
        (&[("prompt", "create")], ErrorCode::InvalidRequest),
        (&[("state", long)], ErrorCode::InvalidRequest),
        (&[("nonce", long)], ErrorCode::InvalidRequest),
        (&[("state", "a\nb")], ErrorCode::InvalidRequest),
        (&[("decision_id", "1")], ErrorCode::InvalidRequest),
        (&[("dpop_jkt", "x")], ErrorCode::InvalidRequest),
        (&[("dpop_jkt", CHALLENGE)], ErrorCode::InvalidDpopProof),
        (&[("authorization_details", DETAILS), ("scope", "")], ErrorCode::InvalidAuthorizationDetails),
        (&[("authorization_details", DETAILS), ("decision_id", DECISION)], ErrorCode::InvalidScope),
        (
            &[("authorization_details", r#"[{"type":"other"}]"#), ("decision_id", DECISION), ("scope", "")],
            ErrorCode::InvalidAuthorizationDetails,
        ),
    ] {
        assert_eq!(push(changes, &client).map_err(|error| error.code()), Err(code), "{changes:?}");
    }
}

#[test]
fn a_transaction_is_alone_and_bound_to_decision_and_key() {
    let client = authenticated();
    let changes = [("authorization_details", DETAILS), ("decision_id", DECISION), ("scope", "")];
    let request = push(&changes, &client).unwrap();
    assert_eq!(request.decision_id, Some(DECISION.parse::<DecisionId>().unwrap()));
    assert_eq!(request.authorization_details.as_ref().unwrap().kind(), "payout_change");
    assert_eq!(request.resource, None, "the API that lodged");
    assert!(!request.wants_id_token());
    let unbound = par::parse(&with(&changes), &client, None);
    assert_eq!(unbound.map_err(|error| error.code()), Err(ErrorCode::InvalidRequest));
    let ungranted = authenticated_as(|registration| registration["authorization_details_types"] = json!([]));
    assert_eq!(push(&changes, &ungranted).map_err(|e| e.code()), Err(ErrorCode::InvalidAuthorizationDetails));
}

#[test]
fn a_decision_alone_is_a_sign_in() {
    let request = push(&[("decision_id", DECISION)], &authenticated()).unwrap();
    assert!(request.wants_id_token() && request.authorization_details.is_none());
}

#[test]
fn both_ways_to_name_the_key_agree() {
    let (client, key) = (authenticated(), signer());
    let jkt: &'static str = key.public_jwk().thumbprint().to_string().leak();
    let form = with(&[("dpop_jkt", jkt)]);
    assert_eq!(par::parse(&form, &client, None).unwrap().dpop_jkt.unwrap().to_string(), jkt);
    assert_eq!(par::parse(&form, &client, Some(&proof_of(&key))).unwrap().dpop_jkt.unwrap().to_string(), jkt);
    assert_eq!(
        par::parse(&form, &client, Some(&proof_of(&signer()))).map_err(|error| error.code()),
        Err(ErrorCode::InvalidDpopProof)
    );
    assert_eq!(par::parse(&with(&[]), &client, None).unwrap().dpop_jkt, None);
}

#[test]
fn clients_without_proof_of_who_they_are_bind_their_code() {
    let client = named();
    let callback = [("redirect_uri", "http://127.0.0.1:49152/callback")];
    assert!(push(&callback, &client).is_ok());
    assert_eq!(par::parse(&with(&callback), &client, None).map_err(|e| e.code()), Err(ErrorCode::InvalidRequest));
}

#[test]
fn a_resource_is_named_where_several_are_granted_and_the_grant_is_needed() {
    let client = authenticated_as(|registration| registration["audiences"] = json!([API, "https://other.example"]));
    assert_eq!(push(&[], &client).map_err(|error| error.code()), Err(ErrorCode::InvalidTarget));
    assert_eq!(
        push(&[("resource", "https://other.example")], &client).unwrap().resource.as_deref(),
        Some("https://other.example")
    );
    let service = authenticated_as(|registration| {
        registration["grant_types"] = json!(["client_credentials"]);
        registration["redirect_uris"] = json!([]);
    });
    assert_eq!(push(&[], &service).map_err(|error| error.code()), Err(ErrorCode::UnauthorizedClient));
}

#[test]
fn the_reference_is_ours_and_never_printed() {
    let reference = RequestUri::new(&[7; 32]);
    let uri = reference.to_uri();
    assert!(uri.starts_with("urn:ietf:params:oauth:request_uri:"));
    assert_eq!(RequestUri::parse(&uri).unwrap().digest(), reference.digest());
    assert!(!format!("{reference:?}").contains(&uri[40..]));
    for text in [
        "",
        "urn:ietf:params:oauth:request_uri:",
        "urn:ietf:params:oauth:request_uri:x",
        "https://evil.example/request",
        &uri[..70],
    ] {
        assert!(RequestUri::parse(text).is_err(), "{text}");
    }
}

#[test]
fn naughty_strings_stay_where_they_were_put() {
    let Some(list) = crate::support::vectors("blns/blns.json") else { return };
    let client = authenticated();
    let code = Code::new(&[9; 32]);
    let (mut kept, mut refused) = (0, 0);
    for naughty in list.as_array().unwrap().iter().map(|value| value.as_str().unwrap()) {
        let state: &'static str = naughty.to_owned().leak();
        match push(&[("state", state), ("nonce", state), ("login_hint", "")], &client) {
            Ok(request) => {
                assert_eq!(request.state.as_deref().unwrap_or_default(), naughty);
                let location = url::Url::parse(&success_location(&request, &code, &issuer())).unwrap();
                assert_eq!(location.as_str().split('?').next(), Some("https://treasury.example/callback"));
                let answer: Vec<(String, String)> = location.query_pairs().into_owned().collect();
                let expected = [("code", code.as_str()), ("state", naughty), ("iss", "https://id.example")];
                let expected = expected.into_iter().filter(|(_, value)| !value.is_empty());
                assert!(answer.iter().map(|(name, value)| (name.as_str(), value.as_str())).eq(expected), "{naughty}");
                kept += 1;
            }
            Err(error) => {
                assert_eq!(error.code(), ErrorCode::InvalidRequest, "{naughty}");
                assert!(naughty.len() > 512 || naughty.chars().any(char::is_control), "{naughty}");
                refused += 1;
            }
        }
        for name in [
            "redirect_uri",
            "scope",
            "resource",
            "acr_values",
            "max_age",
            "prompt",
            "code_challenge",
            "dpop_jkt",
            "decision_id",
            "authorization_details",
        ] {
            // Absent values mean what they mean; every other one is refused or known.
            let pushed = par::parse(&form_with(name, naughty), &client, None);
            assert!(
                naughty.trim_matches(' ').is_empty()
                    || pushed.is_err()
                    || (name == "max_age" && naughty.parse::<u32>().is_ok()),
                "{name} {naughty}"
            );
        }
    }
    println!("{kept} naughty strings given back as they were, {refused} refused");
    assert!(kept > 400);
}

/// The good request with one parameter replaced.
fn form_with(name: &str, value: &str) -> Form {
    let mut parameters: Vec<(&str, &str)> = good().into_iter().filter(|(candidate, _)| *candidate != name).collect();
    parameters.push((name, value));
    form(&parameters)
}

#[test]
fn answers_carry_state_and_issuer_and_keep_the_registered_uri() {
    let mut request = push(&[], &authenticated()).unwrap();
    request.state = Some("a b&c=ü".into());
    let code = Code::new(&[9; 32]);
    assert_eq!(
        success_location(&request, &code, &issuer()),
        format!(
            "https://treasury.example/callback?code={}&state=a+b%26c%3D%C3%BC&iss=https%3A%2F%2Fid.example",
            code.as_str()
        )
    );
    request.redirect_uri = "https://treasury.example/callback?tenant=1".into();
    request.state = None;
    let error = OAuthError::new(ErrorCode::AccessDenied, "No & no.");
    assert_eq!(
        error_location(&request, &error, &issuer()),
        "https://treasury.example/callback?tenant=1&error=access_denied&error_description=No+%26+no.&iss=https%3A%2F%2Fid.example"
    );
    assert!(!format!("{code:?}").contains(code.as_str()));
}
