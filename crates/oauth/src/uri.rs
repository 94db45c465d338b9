//! URIs as OAuth compares them: issuers byte for byte, DPoP's `htu` after the normalisation of RFC 3986 §6.2.

use counterfoil_core::limits;
use serde::{Deserialize, Serialize};
use std::fmt;
use url::{Host, Url};

/// The text is not a URI of the kind asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct UriError(&'static str);

/// The syntax of RFC 3986 and no more: WHATWG parsers repair backslashes, tabs and spaces, and a repaired URI is one that two
/// parties read differently.
fn parse(text: &str) -> Result<Url, UriError> {
    const UNSAFE: &[u8] = b"\"<>\\^`{|}";
    if text.len() > limits::URI_BYTES {
        return Err(UriError("the URI is too long"));
    }
    if text.bytes().any(|byte| !byte.is_ascii_graphic() || UNSAFE.contains(&byte)) {
        return Err(UriError("the URI has characters that RFC 3986 does not allow"));
    }
    Url::parse(text).map_err(|_| UriError("not an absolute URI"))
}

fn parse_http(text: &str) -> Result<Url, UriError> {
    let url = parse(text)?;
    let scheme = url.scheme();
    if !matches!(scheme, "http" | "https") {
        return Err(UriError("the scheme is neither https nor http"));
    }
    if !text.get(scheme.len()..).is_some_and(|rest| rest.starts_with("://")) {
        return Err(UriError("the URI has no authority"));
    }
    if !url.username().is_empty()
        || url.password().is_some()
        || text.split(['/', '?', '#']).nth(2).is_some_and(|a| a.contains('@'))
    {
        return Err(UriError("the URI carries user information"));
    }
    Ok(url)
}

/// Whether the host can only be this machine: the loopback addresses and the names that RFC 6761 §6.3 reserves for it.
fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        None => false,
    }
}

/// The target of an HTTP request as DPoP compares it (RFC 9449 §4.3 check 9): normalised, without query and fragment.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HttpUri(String);

impl HttpUri {
    /// Reads and normalises (RFC 3986 §6.2.2 and §6.2.3: case, escapes, dot segments, default port).
    ///
    /// # Errors
    /// When it is not an absolute `http` or `https` URI.
    pub fn parse(text: &str) -> Result<Self, UriError> {
        let url = parse_http(text)?;
        let host = url.host_str().ok_or(UriError("the URI has no host"))?;
        let mut normal = format!("{}://{host}", url.scheme());
        // `Url` drops the scheme's default port.
        if let Some(port) = url.port() {
            normal.push_str(&format!(":{port}"));
        }
        push_normalised_escapes(&mut normal, url.path())?;
        Ok(Self(normal))
    }

    /// The normal form.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for HttpUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn push_normalised_escapes(normal: &mut String, path: &str) -> Result<(), UriError> {
    let mut rest = path;
    while let Some((before, after)) = rest.split_once('%') {
        normal.push_str(before);
        let code = after
            .get(..2)
            .filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
            .and_then(|digits| u8::from_str_radix(digits, 16).ok())
            .ok_or(UriError("the URI has an incomplete percent escape"))?;
        match code {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => normal.push(char::from(code)),
            _ => normal.push_str(&format!("%{code:02X}")),
        }
        rest = after.get(2..).unwrap_or_default();
    }
    normal.push_str(rest);
    Ok(())
}

/// Who we are: `iss`, compared byte for byte (RFC 8414 §3.3, RFC 9207 §2.4).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Issuer(String);

impl Issuer {
    /// Reads an issuer identifier.
    ///
    /// # Errors
    /// When it is not `https` (or `http` on this machine), carries user information, query or fragment, or ends in `/`:
    /// two spellings of one issuer would be two issuers.
    pub fn parse(text: &str) -> Result<Self, UriError> {
        let url = parse_http(text)?;
        if url.scheme() == "http" && !is_loopback(&url) {
            return Err(UriError("an issuer is https; http is for this machine alone"));
        }
        if text.contains(['?', '#']) {
            return Err(UriError("an issuer has no query and no fragment (RFC 8414 §2)"));
        }
        if text.ends_with('/') || HttpUri::parse(text)?.as_str().trim_end_matches('/') != text {
            return Err(UriError("the issuer is not in normal form, or ends in a slash"));
        }
        Ok(Self(text.to_owned()))
    }

    /// The identifier.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A URL of ours: `path` starts with a slash.
    pub fn join(&self, path: &str) -> String {
        format!("{}{path}", self.0)
    }

    /// Scheme, host and port: the only origin whose pages and assertions count.
    pub fn origin(&self) -> &str {
        let authority = self.0.find("://").map_or(0, |at| at + 3);
        let end = self.0[authority..].find('/').map_or(self.0.len(), |at| authority + at);
        &self.0[..end]
    }

    /// The path of the issuer, empty or starting with a slash.
    pub fn path(&self) -> &str {
        &self.0[self.origin().len()..]
    }

    /// Where metadata of this kind stands: RFC 8414 §3.1 inserts the well-known part between host and path.
    pub fn well_known(&self, kind: &str) -> String {
        format!("{}/.well-known/{kind}{}", self.origin(), self.path())
    }
}

impl fmt::Display for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Issuer {
    type Error = UriError;
    fn try_from(text: String) -> Result<Self, UriError> {
        Self::parse(&text)
    }
}

impl From<Issuer> for String {
    fn from(issuer: Issuer) -> String {
        issuer.0
    }
}

/// A registered redirect URI.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RedirectUri(String);

impl RedirectUri {
    /// Reads a redirect URI for registration.
    ///
    /// # Errors
    /// When it is not `https` (or `http` on this machine), or carries user information or a fragment (RFC 6749 §3.1.2).
    pub fn parse(text: &str) -> Result<Self, UriError> {
        let url = parse_http(text)?;
        if text.contains('#') {
            return Err(UriError("a redirect URI has no fragment (RFC 6749 §3.1.2)"));
        }
        if url.scheme() == "http" && !is_loopback(&url) {
            return Err(UriError("a redirect URI is https; http is for this machine alone"));
        }
        Ok(Self(text.to_owned()))
    }

    /// As registered.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether `asked` is this URI: the same string, or the same but for the port where this is `http` on a loopback
    /// *address* (OAuth 2.1 §2.3.1, RFC 8252 §7.3: native applications listen on whatever port is free).
    pub fn matches(&self, asked: &str) -> bool {
        if self.0 == asked {
            return true;
        }
        let (Ok(mine), Ok(_)) = (parse_http(&self.0), parse_http(asked)) else { return false };
        let address = matches!(mine.host(), Some(Host::Ipv4(_) | Host::Ipv6(_)));
        mine.scheme() == "http" && address && is_loopback(&mine) && without_port(&self.0) == without_port(asked)
    }
}

/// The text with the digits of its port cut out. The host of a loopback address has colons only inside brackets.
fn without_port(text: &str) -> Option<(&str, &str)> {
    let authority = text.find("://")? + 3;
    let end = text[authority..].find(['/', '?', '#']).map_or(text.len(), |at| authority + at);
    let host_end = match text[authority..end].rfind(']') {
        Some(bracket) => authority + bracket + 1,
        None => text[authority..end].find(':').map_or(end, |at| authority + at),
    };
    Some((&text[..host_end], &text[end..]))
}

impl TryFrom<String> for RedirectUri {
    type Error = UriError;
    fn try_from(text: String) -> Result<Self, UriError> {
        Self::parse(&text)
    }
}

impl From<RedirectUri> for String {
    fn from(uri: RedirectUri) -> String {
        uri.0
    }
}

/// Checks a resource indicator: an absolute URI without fragment (RFC 8707 §2).
///
/// # Errors
/// When it is something else, or too long to stand in tokens.
pub fn check_resource(text: &str) -> Result<(), UriError> {
    if text.len() > limits::AUDIENCE_BYTES {
        return Err(UriError("the resource is too long"));
    }
    parse(text)?;
    if text.contains('#') {
        return Err(UriError("a resource has no fragment (RFC 8707 §2)"));
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // a test that cannot go on should stop
mod tests {
    use super::*;

    #[test]
    fn htu_is_normalised_as_rfc_3986_says() {
        for (text, normal) in [
            ("https://server.example.com/token", "https://server.example.com/token"),
            ("HTTPS://Server.Example.COM:443/token", "https://server.example.com/token"),
            ("http://localhost:8180/oauth/token", "http://localhost:8180/oauth/token"),
            ("http://localhost:80/", "http://localhost/"),
            ("https://a.example", "https://a.example/"),
            ("https://a.example/t?x=1#y", "https://a.example/t"),
            ("https://a.example/a/./b/../c", "https://a.example/a/c"),
            ("https://a.example/%7euser/%41%2f%c3%bc", "https://a.example/~user/A%2F%C3%BC"),
            ("https://[::1]:8443/x", "https://[::1]:8443/x"),
        ] {
            assert_eq!(HttpUri::parse(text).unwrap().as_str(), normal, "{text}");
        }
    }

    #[test]
    fn what_two_parties_could_read_differently_is_no_htu() {
        for text in [
            "",
            "/token",
            "https:/a.example",
            "https:a.example",
            "ftp://a.example/",
            "https://",
            "https://u@a.example/",
            "https://u:p@a.example/",
            "https://@a.example/",
            "https://a.example\\x",
            "https://a.example/\tx",
            " https://a.example/",
            "https://a.example/ü",
            "https://a.example/%",
            "https://a.example/%4",
            "https://a.example/%zz",
            "https://a.example:99999/",
        ] {
            assert!(HttpUri::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn issuer_has_one_spelling() {
        let issuer = Issuer::parse("https://id.example.com/tenant").unwrap();
        assert_eq!(issuer.origin(), "https://id.example.com");
        assert_eq!(issuer.path(), "/tenant");
        assert_eq!(
            issuer.well_known("oauth-authorization-server"),
            "https://id.example.com/.well-known/oauth-authorization-server/tenant"
        );
        assert!(Issuer::parse("http://localhost:8180").is_ok());
        for text in [
            "https://id.example.com/",
            "https://ID.example.com",
            "https://id.example.com:443",
            "http://id.example.com",
            "https://id.example.com?x",
            "https://id.example.com#x",
            "https://id.example.com/a/../b",
            "id.example.com",
        ] {
            assert!(Issuer::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn redirect_uris_match_exactly_but_for_a_loopback_port() {
        for (registered, asked, matches) in [
            ("https://app.example/cb", "https://app.example/cb", true),
            ("https://app.example/cb", "https://app.example/cb/", false),
            ("https://app.example/cb", "https://app.example/cb?x=1", false),
            ("https://app.example/cb", "https://app.example:443/cb", false),
            ("https://app.example/cb", "https://APP.example/cb", false),
            ("https://app.example/cb", "https://app.example/cb#", false),
            ("http://127.0.0.1/cb", "http://127.0.0.1:49152/cb", true),
            ("http://127.0.0.1:1/cb", "http://127.0.0.1:2/cb", true),
            ("http://[::1]/cb", "http://[::1]:49152/cb", true),
            ("http://127.0.0.1/cb", "http://127.0.0.1:49152/other", false),
            ("http://127.0.0.1/cb", "http://127.0.0.2:49152/cb", false),
            ("http://127.0.0.1/cb", "http://127.0.0.1:1@evil.example/cb", false),
            ("http://127.0.0.1/cb", "http://127.0.0.1.evil.example/cb", false),
            ("http://127.0.0.1/cb", "https://127.0.0.1:1/cb", false),
            ("http://localhost/cb", "http://localhost:49152/cb", false),
            ("http://treasury.localhost:8181/cb", "http://treasury.localhost:8182/cb", false),
        ] {
            assert_eq!(RedirectUri::parse(registered).unwrap().matches(asked), matches, "{registered} {asked}");
        }
    }

    #[test]
    fn redirect_uris_that_cannot_be_registered() {
        for text in [
            "http://app.example/cb",
            "https://app.example/#x",
            "https://u@app.example/",
            "com.app:/cb",
            "/cb",
            "javascript:alert(1)",
        ] {
            assert!(RedirectUri::parse(text).is_err(), "{text}");
        }
    }
}
