//! A browser as far as the pages' scripts are one: a key, a cookie, and a fresh proof with each request.

use crate::{
    application::new_key,
    harness::{Demo, Reply},
    passkey::Passkey,
};
use counterfoil_core::{authenticator::totp::TotpSecret, digest::Digest};
use counterfoil_oauth::{
    jose::{Es256Signer, sign, sign_with_embedded_key},
    session_proof::TYP,
};
use serde_json::{Value, json};

/// A browser.
pub struct Browser<'a> {
    demo: &'a Demo,
    key: Es256Signer,
    /// The session's handle.
    pub sid: Option<String>,
    /// Name and value of the session's cookie.
    pub cookie: Option<String>,
    nonce: Option<String>,
}

impl<'a> Browser<'a> {
    /// A new browser with a session.
    pub fn new(demo: &'a Demo) -> Self {
        let mut browser = Self { demo, key: new_key(), sid: None, cookie: None, nonce: None };
        let begun = browser.post("/session", &json!({}));
        assert_eq!(begun.status, 200, "{begun:?}");
        browser
    }

    /// The proof for one request, with the nonce that is at hand.
    pub fn proof(&self, path: &str, body: &str) -> String {
        let mut claims = json!({
            "htm": "POST",
            "htu": format!("{}{path}", self.demo.issuer()),
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

    /// The bytes of one request with this proof.
    pub fn request(&self, path: &str, body: &str, proof: &str) -> Vec<u8> {
        let mut headers = vec![("content-type", "application/json"), ("counterfoil-proof", proof)];
        if let Some(cookie) = &self.cookie {
            headers.push(("cookie", cookie));
        }
        self.demo.request("POST", path, &headers, body)
    }

    /// Fetches a nonce, so that the next request is not refused for want of one.
    pub fn fetch_nonce(&mut self) {
        let reply = self.demo.call("POST", "/session", &[("content-type", "application/json")], "{}");
        self.nonce = Some(reply.headers["counterfoil-nonce"].clone());
    }

    /// The bytes of one request with a fresh proof of its own: many such can be sent at once.
    pub fn ready_request(&mut self, path: &str, body: &Value) -> Vec<u8> {
        self.fetch_nonce();
        let body = body.to_string();
        self.request(path, &body, &self.proof(path, &body))
    }

    /// One request as it is, with this proof.
    pub fn send(&mut self, path: &str, body: &str, proof: &str) -> Reply {
        self.try_send(path, body, proof).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    fn try_send(&mut self, path: &str, body: &str, proof: &str) -> std::io::Result<Reply> {
        let reply = self.demo.exchange(&self.request(path, body, proof))?;
        self.nonce = reply.headers.get("counterfoil-nonce").cloned();
        if let Some(sid) = reply.headers.get("counterfoil-session") {
            self.sid = Some(sid.clone());
        }
        if let Some(cookie) = reply.headers.get("set-cookie") {
            self.cookie = cookie.split(';').next().map(str::to_owned);
        }
        Ok(reply)
    }

    /// What a page's script does: asks again once, with the nonce of the refusal.
    pub fn post(&mut self, path: &str, body: &Value) -> Reply {
        self.try_post(path, body).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// The same with a server that may not be there.
    pub fn try_post(&mut self, path: &str, body: &Value) -> std::io::Result<Reply> {
        self.try_post_text(path, &body.to_string())
    }

    /// The same with a body that may be anything.
    pub fn try_post_text(&mut self, path: &str, body: &str) -> std::io::Result<Reply> {
        for _ in 0..2 {
            let proof = self.proof(path, body);
            let reply = self.try_send(path, body, &proof)?;
            if !(reply.status == 401 && reply.body.contains("use-nonce")) {
                return Ok(reply);
            }
        }
        panic!("{path}: no nonce is good enough")
    }

    /// One request with this proof, which changes nothing here: several can be under way at once.
    pub fn send_once(&self, path: &str, body: &str, proof: &str) -> Reply {
        let cookie = self.cookie.clone().unwrap_or_default();
        let headers = [("content-type", "application/json"), ("counterfoil-proof", proof), ("cookie", &cookie)];
        self.demo.call("POST", path, &headers, body)
    }

    /// A proof with a nonce of its own, to be sent later.
    pub fn proof_for_later(&mut self, path: &str, body: &str) -> String {
        self.nonce = None;
        self.post("/sign-in", &json!({}));
        let proof = self.proof(path, body);
        self.nonce = None;
        proof
    }

    /// A new session in the same browser: the key stays.
    pub fn begin_again(&mut self) {
        (self.sid, self.cookie, self.nonce) = (None, None, None);
        let begun = self.post("/session", &json!({}));
        assert_eq!(begun.status, 200, "{begun:?}");
    }

    /// Signs a person in with password and code. The last reply.
    pub fn sign_in(&mut self, user: &Value) -> Reply {
        self.sign_in_by(user, &code(user))
    }

    /// The same with this code.
    pub fn sign_in_by(&mut self, user: &Value, code: &str) -> Reply {
        let challenge = self.shows_password(user);
        self.post("/sign-in/code", &json!({"challenge": challenge, "code": code}))
    }

    /// Shows a password; the challenge that waits for the code.
    pub fn shows_password(&mut self, user: &Value) -> Value {
        let begun = self.post("/sign-in", &json!({"to": "/me"})).json();
        let password =
            json!({"challenge": begun["challenge"], "username": user["username"], "password": user["password"]});
        let asked = self.post("/sign-in/password", &password).json();
        assert_eq!(asked["step"], "code", "{asked}");
        asked["challenge"].clone()
    }

    /// Signs a person in with their passkey.
    pub fn sign_in_with(&mut self, passkey: &Passkey) {
        let begun = self.post("/sign-in", &json!({"to": "/me"})).json();
        let credential = passkey.assert(&begun["passkey_options"]);
        let done = self.post("/sign-in/passkey", &json!({"challenge": begun["challenge"], "credential": credential}));
        assert_eq!(done.status, 200, "{done:?}");
    }

    /// Adds a first passkey to the account that is signed in.
    pub fn enrol(&mut self) -> Passkey {
        let origin = self.demo.issuer().to_owned();
        Passkey::enrol(self, &origin)
    }

    /// Brings a client's request; where it leads.
    pub fn authorize(&mut self, client_id: &str, request_uri: &str) -> String {
        let reply = self.post("/oauth/authorize", &json!({"client_id": client_id, "request_uri": request_uri}));
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.json()["next"].as_str().unwrap().to_owned()
    }
}

/// The code that the person's app shows now.
pub fn code(user: &Value) -> String {
    let secret = TotpSecret::new(&base32(user["totp_secret"].as_str().unwrap())).unwrap();
    secret.code(crate::clock::now())
}

/// The code before that one, which is good for a while longer: each is accepted once, so that two sign-ins need two.
pub fn code_before(user: &Value) -> String {
    let secret = TotpSecret::new(&base32(user["totp_secret"].as_str().unwrap())).unwrap();
    secret.code(crate::clock::now().plus_seconds(-30))
}

fn base32(text: &str) -> Vec<u8> {
    let (mut bits, mut held, mut bytes) = (0_u32, 0, Vec::new());
    for c in text.bytes() {
        let value = match c {
            b'A'..=b'Z' => c - b'A',
            b'2'..=b'7' => c - b'2' + 26,
            _ => panic!("not base32: {text}"),
        };
        bits = (bits << 5) | u32::from(value);
        held += 5;
        if held >= 8 {
            held -= 8;
            bytes.push(u8::try_from((bits >> held) & 0xff).unwrap());
        }
    }
    bytes
}
