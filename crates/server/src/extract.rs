//! How a request comes in: bounded, strict, and with a name for the log.

use crate::problem::{Kind, Problem};
use axum::{
    body::{Body, Bytes},
    extract::{FromRequest, FromRequestParts, Path, Request},
    http::{HeaderMap, header, request::Parts},
};
use counterfoil_core::{json, limits};
use serde::de::DeserializeOwned;
use std::{net::IpAddr, time::Duration};

/// A body that says it is JSON, is one document, has each member name once, and fits `T`.
#[derive(Debug)]
pub struct StrictJson<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for StrictJson<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        require_json(&parts.headers)?;
        let bytes = read(body).await?;
        from_slice(&bytes).map(Self)
    }
}

/// What stands in the braces of the route's path. What is no text is the name of nothing.
#[derive(Debug)]
pub struct Named(pub String);

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Path(name) = Path::from_request_parts(parts, state).await.map_err(|_| Problem::new(Kind::NOT_FOUND))?;
        Ok(Self(name))
    }
}

/// The whole body, up to the limit, as long as it comes at a walking pace.
pub async fn read(body: Body) -> Result<Bytes, Problem> {
    let read = axum::body::to_bytes(body, limits::BODY_BYTES);
    match tokio::time::timeout(Duration::from_secs(limits::BODY_SECONDS), read).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(_)) => {
            Err(Problem::new(Kind::TOO_LARGE).detail(format!("the body may have at most {} bytes", limits::BODY_BYTES)))
        }
        Err(_) => {
            Err(Problem::new(Kind::TOO_SLOW)
                .detail(format!("the body may take at most {} seconds", limits::BODY_SECONDS)))
        }
    }
}

/// `application/json`, with or without a charset of UTF-8 (AuthZEN wants 400, not 415).
pub fn require_json(headers: &HeaderMap) -> Result<(), Problem> {
    if is_media_type(headers, "application/json") {
        Ok(())
    } else {
        Err(Problem::new(Kind::INVALID_REQUEST).detail("Content-Type must be application/json"))
    }
}

/// Whether the body is declared as `media_type`, in UTF-8 where it names a charset.
pub fn is_media_type(headers: &HeaderMap, media_type: &str) -> bool {
    let Some(Ok(value)) = headers.get(header::CONTENT_TYPE).map(|value| value.to_str()) else { return false };
    let mut parts = value.split(';').map(str::trim);
    let named = parts.next().is_some_and(|name| name.eq_ignore_ascii_case(media_type));
    named
        && parts.all(|parameter| match parameter.split_once('=') {
            Some((name, value)) if name.trim().eq_ignore_ascii_case("charset") => {
                value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
            }
            _ => true,
        })
}

/// Reads one strict JSON document into `T`; the refusal says where and why.
pub fn from_slice<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let value = json::parse_strict(bytes, limits::JSON_DEPTH)
        .map_err(|error| Problem::new(Kind::INVALID_REQUEST).detail(error.to_string()))?;
    if !value.is_object() {
        return Err(Problem::new(Kind::INVALID_REQUEST).detail("an object is expected"));
    }
    json::read(value).map_err(|error| Problem::new(Kind::INVALID_REQUEST).detail(error.to_string()))
}

/// The address a request came from, looking through proxies that we were told to believe.
///
/// `X-Forwarded-For` is read from the right and only as far as trusted addresses reach: what stands further left was
/// written by whoever called the first trusted proxy.
pub fn client_ip(peer: IpAddr, headers: &HeaderMap, trusted: &[IpAddr]) -> IpAddr {
    let mut ip = peer;
    let forwarded: Vec<&str> = headers
        .get_all("x-forwarded-for")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .collect();
    for hop in forwarded.iter().rev() {
        if !trusted.contains(&ip) {
            break;
        }
        match hop.parse() {
            Ok(next) => ip = next,
            Err(_) => break,
        }
    }
    ip
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn json_is_json_with_or_without_a_charset() {
        for (value, good) in [
            ("application/json", true),
            ("application/json; charset=utf-8", true),
            ("Application/JSON;charset=\"UTF-8\"", true),
            ("application/json; charset=latin1", false),
            ("application/jsonp", false),
            ("text/plain", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(value));
            assert_eq!(is_media_type(&headers, "application/json"), good, "{value}");
        }
        assert!(!is_media_type(&HeaderMap::new(), "application/json"));
    }

    #[test]
    fn only_trusted_proxies_may_name_another_address() {
        let proxy: IpAddr = "10.0.0.1".parse().unwrap();
        let outer: IpAddr = "10.0.0.2".parse().unwrap();
        let mut headers = HeaderMap::new();
        headers.insert("x-forwarded-for", HeaderValue::from_static("6.6.6.6, 192.0.2.7, 10.0.0.2"));
        assert_eq!(client_ip(proxy, &headers, &[]), proxy);
        assert_eq!(client_ip(proxy, &headers, &[proxy]), outer);
        assert_eq!(client_ip(proxy, &headers, &[proxy, outer]), "192.0.2.7".parse::<IpAddr>().unwrap());
    }
}
