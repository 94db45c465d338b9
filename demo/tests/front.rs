//! The web front alone, its issuer away: what it answers to requests that do not come from its own pages, and to answers that are
//! not its issuer's.
#![allow(clippy::unwrap_used, clippy::expect_used)] // a test that cannot go on should stop

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use axum::Router;
use axum::body::Body;
use counterfoil_demo::{Config, Credential, Trust};
use counterfoil_oauth::jose::Es256Signer;
use http::{Request, Response, StatusCode, header};
use http_body_util::BodyExt as _;
use std::collections::BTreeMap;
use tower::ServiceExt as _;

const HOME: &str = "http://treasury.localhost:8181";
const ISSUER: &str = "http://localhost:1";

fn front() -> Router {
    let pair = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new()).unwrap();
    let key = Es256Signer::from_pkcs8(pair.as_ref(), None, SystemRandom::new()).unwrap();
    let config = Config {
        issuer: ISSUER.into(),
        external_url: HOME.into(),
        client_id: "treasury".into(),
        client_private_jwk: key.private_jwk().unwrap().to_string(),
        audience: format!("{HOME}/api"),
        credential: Credential::ApiKey("key".into()),
        trust: Trust::PublicRoots,
        people: BTreeMap::new(),
    };
    counterfoil_demo::router(config).unwrap()
}

async fn get(front: &Router, path: &str, headers: &[(&str, &str)]) -> Response<Body> {
    send(front, Request::get(path), headers, "").await
}

async fn send(
    front: &Router,
    mut request: http::request::Builder,
    headers: &[(&str, &str)],
    body: &str,
) -> Response<Body> {
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    front.clone().oneshot(request.body(Body::from(body.to_owned())).unwrap()).await.unwrap()
}

async fn text(reply: Response<Body>) -> String {
    String::from_utf8(reply.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

#[tokio::test]
async fn forms_from_elsewhere_change_nothing() {
    let front = front();
    for path in
        ["/sign-in", "/sign-out", "/again", "/accounts/operations-eur/payout", "/accounts/operations-eur/key-export"]
    {
        for origin in [
            None,
            Some("null"),
            Some("http://evil.example"),
            Some(ISSUER),
            Some("http://treasury.localhost:8181.evil.example"),
        ] {
            let headers: Vec<_> = origin.map(|origin| ("origin", origin)).into_iter().collect();
            let reply = send(&front, Request::post(path), &headers, "csrf=x").await;
            assert_eq!(reply.status(), StatusCode::FORBIDDEN, "{path} from {origin:?}");
            assert!(!reply.headers().contains_key(header::SET_COOKIE));
        }
    }
    // From its own page, but of nobody who has signed in.
    let reply = send(&front, Request::post("/again"), &[("origin", HOME)], "csrf=x").await;
    assert_eq!(reply.status(), StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn without_its_issuer_the_treasury_says_so() {
    let front = front();
    assert_eq!(get(&front, "/readyz", &[]).await.status(), StatusCode::SERVICE_UNAVAILABLE);
    let reply = send(&front, Request::post("/sign-in"), &[("origin", HOME)], "").await;
    assert_eq!(
        (reply.status(), reply.headers()[header::LOCATION].to_str().unwrap()),
        (StatusCode::SEE_OTHER, "/result")
    );
    let cookie = reply.headers()[header::SET_COOKIE].to_str().unwrap().to_owned();
    assert!(cookie.ends_with("; Path=/; HttpOnly; SameSite=Lax"), "{cookie}");
    let cookie = cookie.split(';').next().unwrap().to_owned();
    let reply = get(&front, "/result", &[("cookie", &cookie)]).await;
    assert_eq!(reply.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(text(reply).await.contains(r#"data-ending="unavailable""#));
    let reply = get(&front, "/api/accounts", &[]).await;
    assert_eq!(reply.status(), StatusCode::SERVICE_UNAVAILABLE, "the API lets nothing through");
}

#[tokio::test]
async fn answers_of_another_issuer_browser_or_request_are_not_looked_at() {
    let front = front();
    let reply = send(&front, Request::post("/sign-in"), &[("origin", HOME)], "").await;
    let cookie = reply.headers()[header::SET_COOKIE].to_str().unwrap().split(';').next().unwrap().to_owned();
    for (cookie, query) in [
        (None, format!("code=c&state=s&iss={ISSUER}")),
        (Some(&cookie), format!("code=c&state=s&iss={ISSUER}")),
        (Some(&cookie), "code=c&state=s&iss=http://evil.example".to_owned()),
        (Some(&cookie), "code=c&state=s".to_owned()),
        (Some(&cookie), format!("code=c&code=d&state=s&iss={ISSUER}")),
        (Some(&cookie), String::new()),
    ] {
        let headers: Vec<_> = cookie.map(|cookie| ("cookie", cookie.as_str())).into_iter().collect();
        let reply = get(&front, &format!("/callback?{query}"), &headers).await;
        assert!(text(reply).await.contains(r#"data-ending="elsewhere""#), "{query}");
    }
}

#[tokio::test]
async fn pages_are_strict_and_speak_both_languages() {
    let front = front();
    for (headers, word) in [
        (vec![], "Sign in"),
        (vec![("accept-language", "de-CH")], "Anmelden"),
        (vec![("cookie", "lang=de")], "Anmelden"),
    ] {
        let reply = get(&front, "/", &headers).await;
        let policy = reply.headers()["content-security-policy"].to_str().unwrap();
        assert_eq!(
            policy,
            format!(
                "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self' {ISSUER}; frame-ancestors 'none'; base-uri 'none'"
            )
        );
        assert_eq!(reply.headers()["cache-control"], "no-store");
        let page = text(reply).await;
        assert!(page.contains(word) && !page.contains("<script"), "{page}");
    }
    let reply = get(&front, "/lang/de", &[("referer", &format!("{HOME}/accounts/operations-eur"))]).await;
    assert_eq!(reply.headers()[header::LOCATION], "/accounts/operations-eur");
    for from in ["http://evil.example/", &format!("{HOME}//evil.example"), &format!("{HOME}.evil.example/")] {
        assert_eq!(get(&front, "/lang/de", &[("referer", from)]).await.headers()[header::LOCATION], "/", "{from}");
    }
}
