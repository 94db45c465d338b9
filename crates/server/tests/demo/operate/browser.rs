//! A browser at an installation, as far as the pages' scripts are one.

use super::{application::new_key, installation::Installation, passkey::Passkey};
use crate::harness::Reply;
use counterfoil_core::digest::Digest;
use counterfoil_oauth::{
    jose::{Es256Signer, sign, sign_with_embedded_key},
    session_proof::TYP,
};
use serde_json::{Value, json};

/// A browser with a key of its own, which outlives its sessions.
pub struct Browser<'a> {
    at: &'a Installation,
    key: Es256Signer,
    sid: Option<String>,
    cookie: Option<String>,
    nonce: Option<String>,
}

impl<'a> Browser<'a> {
    /// A new browser with a session.
    pub fn new(at: &'a Installation) -> Self {
        let mut browser = Self { at, key: new_key(), sid: None, cookie: None, nonce: None };
        browser.begin();
        browser
    }

    /// What a new browser is told that gets no session.
    pub fn refused(at: &'a Installation) -> Reply {
        Self { at, key: new_key(), sid: None, cookie: None, nonce: None }.post("/session", &json!({}))
    }

    /// A new session with the same key, as after the old one ended.
    pub fn begin(&mut self) {
        (self.sid, self.cookie) = (None, None);
        let begun = self.post("/session", &json!({}));
        assert_eq!(begun.status, 200, "{begun:?}");
    }

    /// The session's public handle.
    pub fn session(&self) -> String {
        self.sid.clone().unwrap()
    }

    /// What a page's script does: asks again once, with the nonce of the refusal.
    pub fn post(&mut self, path: &str, body: &Value) -> Reply {
        let body = body.to_string();
        for _ in 0..2 {
            let proof = self.proof(path, &body);
            let mut headers = vec![("content-type", "application/json"), ("counterfoil-proof", proof.as_str())];
            let cookie = self.cookie.clone();
            if let Some(cookie) = &cookie {
                headers.push(("cookie", cookie));
            }
            let reply = self.at.call("POST", path, &headers, &body);
            self.nonce = reply.headers.get("counterfoil-nonce").cloned();
            if let Some(sid) = reply.headers.get("counterfoil-session") {
                self.sid = Some(sid.clone());
            }
            if let Some(cookie) = reply.headers.get("set-cookie") {
                self.cookie = cookie.split(';').next().map(str::to_owned);
            }
            if !(reply.status == 401 && reply.body.contains("use-nonce")) {
                return reply;
            }
        }
        panic!("{path}: no nonce is good enough")
    }

    fn proof(&self, path: &str, body: &str) -> String {
        let mut claims = json!({
            "htm": "POST",
            "htu": format!("{}{path}", self.at.issuer()),
            "bh": Digest::of(body.as_bytes()),
        });
        if let Some(nonce) = &self.nonce {
            claims["nonce"] = json!(nonce);
        }
        match &self.sid {
            None => sign_with_embedded_key(&self.key, TYP, &claims).unwrap(),
            Some(sid) => {
                claims["sid"] = json!(sid);
                sign(&self.key, TYP, &claims).unwrap()
            }
        }
    }

    /// Opens a link and makes the passkey that it leads to. What the page said, and the passkey.
    pub fn accept(&mut self, link: &Value) -> (Value, Passkey) {
        let offered = self.post("/init", &json!({"secret": Installation::secret(link)}));
        assert_eq!(offered.status, 200, "{offered:?}");
        self.make_passkey("/init/passkey", offered.json())
    }

    fn make_passkey(&mut self, path: &str, offered: Value) -> (Value, Passkey) {
        let (passkey, credential) = Passkey::create(&offered["creation_options"], &self.at.issuer());
        let body = json!({"challenge": offered["challenge"], "credential": credential, "name": "Test"});
        let added = self.post(path, &body);
        assert_eq!(added.status, 200, "{added:?}");
        (offered, passkey)
    }

    /// Answers an open sign-in by passkey; where it leads.
    pub fn answer(&mut self, begun: &Value, passkey: &Passkey) -> Reply {
        let credential = passkey.assert(&begun["passkey_options"]);
        self.post("/sign-in/passkey", &json!({"challenge": begun["challenge"], "credential": credential}))
    }

    /// Signs in by passkey.
    pub fn sign_in(&mut self, passkey: &Passkey) {
        let begun = self.post("/sign-in", &json!({"to": "/me"})).json();
        let done = self.answer(&begun, passkey);
        assert_eq!(done.status, 200, "{done:?}");
    }

    /// Brings a client's request; where it leads.
    pub fn authorize(&mut self, client_id: &str, request_uri: &str) -> String {
        let reply = self.post("/oauth/authorize", &json!({"client_id": client_id, "request_uri": request_uri}));
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.json()["next"].as_str().unwrap().to_owned()
    }
}
