//! A browser without a window: a session bound to a key, fresh proofs, and the steps of signing in and stepping up.

use crate::clock::unix_seconds;
use crate::http_client::{Http, Reply};
use crate::jws::{Key, hash};
use crate::passkey::Passkey;
use crate::ready::Demo;
use crate::totp;
use http::StatusCode;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{Error, Result};

/// A session with the issuer.
pub struct Browser {
    http: Http,
    key: Key,
    origin: String,
    cookies: BTreeMap<String, String>,
    sid: Option<String>,
    nonce: Option<String>,
}

impl Browser {
    /// Begins a session.
    pub async fn open(demo: &Demo) -> Result<Self> {
        let mut browser = Self {
            http: Http::connect(demo.address()?, demo.host()).await?,
            key: Key::generate()?,
            origin: demo.issuer().to_owned(),
            cookies: BTreeMap::new(),
            sid: None,
            nonce: None,
        };
        browser.call("/session", &json!({})).await?;
        Ok(browser)
    }

    /// Calls a page's endpoint with a proof; a stale or missing nonce is repeated once.
    pub async fn call(&mut self, path: &str, body: &Value) -> Result<Value> {
        let mut reply = self.call_once(path, body).await?;
        if reply.status == StatusCode::UNAUTHORIZED && text(&reply.json()["type"]).ends_with("use-nonce") {
            reply = self.call_once(path, body).await?;
        }
        reply.success(path)
    }

    async fn call_once(&mut self, path: &str, body: &Value) -> Result<Reply> {
        let body = body.to_string();
        let mut claims = json!({
            "htm": "POST", "htu": format!("{}{path}", self.origin), "bh": hash(body.as_bytes()), "iat": unix_seconds(),
        });
        let mut header = json!({ "typ": "counterfoil-proof+jwt" });
        match &self.sid {
            Some(sid) => claims["sid"] = json!(sid),
            None => header["jwk"] = self.key.jwk(),
        }
        if let Some(nonce) = &self.nonce {
            claims["nonce"] = json!(nonce);
        }
        let proof = self.key.sign(header, &claims);
        let cookies: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let headers = [
            ("content-type", "application/json"),
            ("accept-language", "en"),
            ("origin", &self.origin),
            ("cookie", &cookies.join("; ")),
            ("counterfoil-proof", &proof),
        ];
        let reply = self.http.post(path, &headers, body).await?;
        self.remember(&reply);
        Ok(reply)
    }

    fn remember(&mut self, reply: &Reply) {
        let kept = |name: &str| Some(reply.header(name).to_owned()).filter(|value| !value.is_empty());
        self.nonce = kept("counterfoil-nonce").or_else(|| self.nonce.take());
        self.sid = kept("counterfoil-session").or_else(|| self.sid.take());
        for cookie in reply.headers.get_all("set-cookie").iter().filter_map(|value| value.to_str().ok()) {
            if let Some((name, value)) = cookie.split(';').next().and_then(|pair| pair.split_once('=')) {
                self.cookies.insert(name.trim().to_owned(), value.trim().to_owned());
            }
        }
    }

    /// Signs in with password and code for the challenge of `next` (`/sign-in?challenge=…`); where it leads.
    pub async fn sign_in(&mut self, next: &str, user: &Value) -> Result<String> {
        let opened = match query(next, "challenge") {
            Some(challenge) => self.call("/sign-in", &json!({ "challenge": challenge })).await?,
            None => self.call("/sign-in", &json!({ "to": "/me" })).await?,
        };
        let password = json!({
            "challenge": opened["challenge"], "username": user["username"], "password": user["password"],
        });
        let step = self.call("/sign-in/password", &password).await?;
        let code = totp::code(user["totp_secret"].as_str().unwrap_or_default(), unix_seconds())?;
        let code = json!({ "challenge": step["challenge"], "code": code });
        let done = self.call("/sign-in/code", &code).await?;
        next_of(&done, "/sign-in/code")
    }

    /// Signs in with a passkey for the challenge of `next`; where it leads.
    pub async fn sign_in_with(&mut self, next: &str, passkey: &Passkey) -> Result<String> {
        let challenge = query(next, "challenge").ok_or_else(|| Error::other(format!("no challenge in {next}")))?;
        let opened = self.call("/sign-in", &json!({ "challenge": challenge })).await?;
        let credential = passkey.assert(&opened["passkey_options"])?;
        let body = json!({ "challenge": opened["challenge"], "credential": credential });
        let done = self.call("/sign-in/passkey", &body).await?;
        next_of(&done, "/sign-in/passkey")
    }

    /// Enrols a passkey in the signed-in session.
    pub async fn enrol(&mut self) -> Result<Passkey> {
        let offered = self.call("/me/passkey/options", &json!({})).await?;
        self.register(&offered, "/me/passkey").await
    }

    /// Makes the first passkey of somebody with a one-time link.
    pub async fn accept(&mut self, secret: &str) -> Result<Passkey> {
        let offered = self.call("/init", &json!({ "secret": secret })).await?;
        self.register(&offered, "/init/passkey").await
    }

    async fn register(&mut self, offered: &Value, path: &str) -> Result<Passkey> {
        if offered["creation_options"].is_null() {
            return Err(Error::other(format!("no passkey may be enrolled: {offered}")));
        }
        let (passkey, credential) = Passkey::create(&offered["creation_options"], &self.origin)?;
        let body = json!({ "challenge": offered["challenge"], "credential": credential, "name": "bench" });
        self.call(path, &body).await?;
        Ok(passkey)
    }

    /// Posts the client's request at authorize; where it leads.
    pub async fn authorize(&mut self, client_id: &str, request_uri: &str) -> Result<String> {
        let body = json!({ "client_id": client_id, "request_uri": request_uri });
        let done = self.call("/oauth/authorize", &body).await?;
        next_of(&done, "/oauth/authorize")
    }
}

/// Where a reply leads.
pub fn next_of(reply: &Value, step: &str) -> Result<String> {
    let next = reply["next"].as_str();
    next.map(String::from).ok_or_else(|| Error::other(format!("{step} leads nowhere: {reply}")))
}

/// A member of a URL's query, decoded.
pub fn query(url: &str, name: &str) -> Option<String> {
    let (_, query) = url.split_once('?')?;
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.into_iter().find(|(key, _)| *key == name).map(|(_, value)| decoded(value))
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let hex = tail
            .get(..2)
            .and_then(|two| std::str::from_utf8(two).ok())
            .and_then(|two| u8::from_str_radix(two, 16).ok());
        match (first, hex) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            _ => {
                bytes.push(first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_of_a_query() {
        let url = "http://treasury.localhost:8181/callback?code=a%2Bb&state=x&iss=http%3A%2F%2Flocalhost";
        assert_eq!(query(url, "code").as_deref(), Some("a+b"));
        assert_eq!(query(url, "iss").as_deref(), Some("http://localhost"));
        assert_eq!(query(url, "cod"), None);
        assert_eq!(query("/sign-in", "challenge"), None);
    }
}
