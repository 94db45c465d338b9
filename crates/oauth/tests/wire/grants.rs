//! Token requests, and the checks between a code and a token.

use crate::support::{API, NOW, authenticated, authenticated_as, form, named, proof_of, signer};
use counterfoil_core::{
    assurance::Acr,
    id::{LoginId, SessionId, SubjectId},
    limits,
    time::Time,
};
use counterfoil_oauth::{
    authorize::Code,
    error::{ErrorCode, OAuthError},
    grant::CodeGrant,
    jose::{Es256Signer, Signer as _},
    pkce::CodeChallenge,
    token_request::{CodeRequest, TokenRequest},
};
use serde_json::json;
use zeroize::Zeroizing;

const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

fn grant(key: Option<&Es256Signer>) -> CodeGrant {
    CodeGrant {
        client_id: "treasury".into(),
        redirect_uri: "https://treasury.example/callback".into(),
        code_challenge: CodeChallenge::of(VERIFIER),
        dpop_jkt: key.map(|key| key.public_jwk().thumbprint()),
        scope: ["openid".to_owned()].into(),
        resource: API.into(),
        nonce: None,
        subject: SubjectId::new(NOW, [1; 10]),
        session: SessionId::new(NOW, [2; 10]),
        login: LoginId::new(NOW, [3; 10]),
        acr: Acr::Aal2,
        amr: vec!["pwd".into(), "otp".into()],
        auth_time: NOW,
        transaction: None,
        issued_at: NOW,
    }
}

fn request() -> CodeRequest {
    CodeRequest {
        code: Code::new(&[5; 32]),
        code_verifier: Some(Zeroizing::new(VERIFIER.to_owned())),
        redirect_uri: None,
        resource: None,
    }
}

fn check(grant: CodeGrant, request: &CodeRequest, key: &Es256Signer, now: Time) -> Result<(), ErrorCode> {
    let checked = grant.check(&authenticated(), request, &proof_of(key), now).map_err(|error| error.code())?;
    assert_eq!(checked.jkt(), key.public_jwk().thumbprint());
    Ok(())
}

#[test]
fn the_code_is_its_clients_with_verifier_and_key_for_a_minute() {
    let (key, thief) = (signer(), signer());
    assert_eq!(check(grant(Some(&key)), &request(), &key, NOW), Ok(()));
    assert_eq!(check(grant(None), &request(), &key, NOW), Ok(()));
    let last = NOW.plus_seconds(limits::CODE_SECONDS);
    assert_eq!(check(grant(Some(&key)), &request(), &key, last.plus_seconds(-1)), Ok(()));
    assert_eq!(check(grant(Some(&key)), &request(), &key, last), Err(ErrorCode::InvalidGrant));
    assert_eq!(check(grant(Some(&key)), &request(), &thief, NOW), Err(ErrorCode::InvalidGrant));
    let others = CodeGrant { client_id: "other".into(), ..grant(Some(&key)) };
    assert_eq!(check(others, &request(), &key, NOW), Err(ErrorCode::InvalidGrant));
}

#[test]
fn what_is_sent_again_must_be_the_same() {
    let key = signer();
    let text = |text: &str| Some(text.to_owned());
    for (changed, result) in [
        (CodeRequest { code_verifier: None, ..request() }, Err(ErrorCode::InvalidGrant)),
        (
            CodeRequest { code_verifier: Some(Zeroizing::new("a".repeat(43))), ..request() },
            Err(ErrorCode::InvalidGrant),
        ),
        (CodeRequest { redirect_uri: text("https://treasury.example/callback"), ..request() }, Ok(())),
        (
            CodeRequest { redirect_uri: text("https://treasury.example/other"), ..request() },
            Err(ErrorCode::InvalidGrant),
        ),
        (CodeRequest { resource: text(API), ..request() }, Ok(())),
        (CodeRequest { resource: text("https://other.example"), ..request() }, Err(ErrorCode::InvalidTarget)),
    ] {
        assert_eq!(check(grant(Some(&key)), &changed, &key, NOW), result, "{changed:?}");
    }
}

fn code_of(error: Result<TokenRequest, OAuthError>) -> Option<ErrorCode> {
    error.err().map(|error| error.code())
}

#[test]
fn grants_that_are_not_built_or_not_granted_are_refused() {
    let client = authenticated();
    for (grant_type, code) in [
        ("", ErrorCode::InvalidRequest),
        ("refresh_token", ErrorCode::UnsupportedGrantType),
        ("password", ErrorCode::UnsupportedGrantType),
        ("urn:ietf:params:oauth:grant-type:token-exchange", ErrorCode::UnsupportedGrantType),
        ("AUTHORIZATION_CODE", ErrorCode::UnsupportedGrantType),
    ] {
        let form = form(&[("grant_type", grant_type), ("refresh_token", "x")]);
        assert_eq!(code_of(TokenRequest::parse(&form, &client)), Some(code), "{grant_type}");
    }
    let service = form(&[("grant_type", "client_credentials")]);
    assert_eq!(code_of(TokenRequest::parse(&service, &named())), Some(ErrorCode::UnauthorizedClient));
}

#[test]
fn a_code_request_is_read_and_never_printed() {
    let code = Code::new(&[5; 32]);
    let client = authenticated();
    let good = form(&[("grant_type", "authorization_code"), ("code", code.as_str()), ("code_verifier", VERIFIER)]);
    let TokenRequest::AuthorizationCode(request) = TokenRequest::parse(&good, &client).unwrap() else {
        panic!("not a code request")
    };
    assert_eq!(request.code.digest(), code.digest());
    let shown = format!("{request:?}");
    assert!(!shown.contains(VERIFIER) && !shown.contains(code.as_str()), "{shown}");
    for (parameters, refused) in [
        (vec![("grant_type", "authorization_code")], ErrorCode::InvalidRequest),
        (vec![("grant_type", "authorization_code"), ("code", "guess")], ErrorCode::InvalidGrant),
    ] {
        assert_eq!(code_of(TokenRequest::parse(&form(&parameters), &client)), Some(refused), "{parameters:?}");
    }
}

#[test]
fn client_credentials_are_within_the_grant() {
    let client = authenticated_as(|registration| registration["scopes"] = json!(["decide", "redeem"]));
    let parse = |parameters: &[(&str, &str)]| {
        let mut list = vec![("grant_type", "client_credentials")];
        list.extend_from_slice(parameters);
        TokenRequest::parse(&form(&list), &client)
    };
    for (parameters, scopes) in [(&[][..], 2), (&[("scope", "decide")], 1), (&[("resource", API)], 2)] {
        let Ok(TokenRequest::ClientCredentials { scope, resource }) = parse(parameters) else {
            panic!("{parameters:?}")
        };
        assert_eq!((scope.len(), resource.as_str()), (scopes, API), "{parameters:?}");
    }
    assert_eq!(code_of(parse(&[("scope", "admin")])), Some(ErrorCode::InvalidScope));
    assert_eq!(code_of(parse(&[("resource", "https://other.example")])), Some(ErrorCode::InvalidTarget));
}
