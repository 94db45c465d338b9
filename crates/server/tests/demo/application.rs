//! A client application: pushes requests, trades codes, proves possession of its keys.

use crate::harness::{Demo, Reply};
use aws_lc_rs::{
    rand::{SecureRandom as _, SystemRandom},
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use counterfoil_core::digest::Digest;
use counterfoil_oauth::{
    client_auth::ASSERTION_TYPE,
    dpop,
    jose::{Es256Signer, Signer as _, sign, sign_with_embedded_key},
};
use serde_json::{Value, json};

/// A confidential client with `private_key_jwt` and one DPoP key.
pub struct Application<'a> {
    demo: &'a Demo,
    /// `client_id`.
    pub client_id: String,
    redirect_uri: Option<String>,
    key: Es256Signer,
    dpop: Es256Signer,
    nonce: Option<String>,
}

/// A pushed request: its reference, and what only this client knows of it.
#[derive(Debug, Clone)]
pub struct Pushed {
    /// The reference.
    pub request_uri: String,
    /// PKCE's.
    pub verifier: String,
}

/// The headers and the body of one request of a client.
pub struct Signed {
    /// The DPoP proof.
    pub dpop: String,
    /// The form, with the client's assertion.
    pub form: String,
}

impl<'a> Application<'a> {
    /// The client of this place in the ready file: 0 is the treasury, 1 the workbench.
    pub fn of(demo: &'a Demo, place: usize) -> Self {
        let client = &demo.ready["clients"][place];
        let redirect_uri = client["redirect_uris"][0].as_str().map(str::to_owned);
        Self::new(demo, client["client_id"].as_str().unwrap(), &client["private_jwk"], redirect_uri)
    }

    /// Any client.
    pub fn new(demo: &'a Demo, client_id: &str, jwk: &Value, redirect_uri: Option<String>) -> Self {
        let key = Es256Signer::from_private_jwk(jwk, SystemRandom::new()).unwrap();
        Self { demo, client_id: client_id.to_owned(), redirect_uri, key, dpop: new_key(), nonce: None }
    }

    /// Pushes an authorization request with these further parameters (RFC 9126); the reply, whatever it says.
    pub fn try_push(&mut self, parameters: &[(&str, &str)]) -> std::io::Result<(Reply, String)> {
        let (verifier, state, nonce) = (identifier(), identifier(), identifier());
        let challenge = Digest::of(verifier.as_bytes()).to_string();
        let jkt = self.dpop.public_jwk().thumbprint().to_string();
        let redirect_uri = self.redirect_uri.clone().unwrap();
        let mut form = vec![
            ("response_type", "code"),
            ("redirect_uri", &redirect_uri),
            ("state", &state),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
            ("dpop_jkt", &jkt),
        ];
        if !parameters.iter().any(|(name, _)| *name == "authorization_details") {
            form.extend([("scope", "openid profile"), ("nonce", &nonce)]);
        }
        form.extend(parameters);
        Ok((self.try_send("/oauth/par", &form)?, verifier))
    }

    /// Pushes, and is not refused.
    pub fn push(&mut self, parameters: &[(&str, &str)]) -> Pushed {
        let (reply, verifier) = self.try_push(parameters).unwrap();
        assert_eq!(reply.status, 201, "{reply:?}");
        Pushed { request_uri: reply.json()["request_uri"].as_str().unwrap().to_owned(), verifier }
    }

    /// The parameters that trade the code of this address.
    pub fn code_form(&self, callback: &str, pushed: &Pushed) -> Vec<(&'static str, String)> {
        vec![
            ("grant_type", "authorization_code".to_owned()),
            ("code", parameter(callback, "code").unwrap_or_else(|| panic!("no code in {callback}"))),
            ("redirect_uri", self.redirect_uri.clone().unwrap()),
            ("code_verifier", pushed.verifier.clone()),
        ]
    }

    /// Trades the code of this address; the reply, whatever it says.
    pub fn try_exchange(&mut self, callback: &str, pushed: &Pushed) -> std::io::Result<Reply> {
        let form = self.code_form(callback, pushed);
        let form: Vec<(&str, &str)> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
        self.try_send("/oauth/token", &form)
    }

    /// Trades the code of this address for an access token.
    pub fn exchange(&mut self, callback: &str, pushed: &Pushed) -> String {
        token(&self.try_exchange(callback, pushed).unwrap())
    }

    /// A token of the client's own.
    pub fn client_token(&mut self) -> String {
        token(&self.send("/oauth/token", &[("grant_type", "client_credentials")]))
    }

    /// A DPoP proof for a call with that token (RFC 9449 §4.2), with the nonce that the issuer gave last if it is for it.
    pub fn proof(&self, method: &str, uri: &str, token: &str) -> String {
        self.make_proof(method, uri, Some(token))
    }

    fn make_proof(&self, method: &str, uri: &str, token: Option<&str>) -> String {
        let mut claims = json!({
            "jti": identifier(), "htm": method, "htu": uri, "iat": crate::clock::now().seconds(),
        });
        if let Some(token) = token {
            claims["ath"] = json!(dpop::ath(token));
        }
        if let Some(nonce) = self.nonce.as_ref().filter(|_| uri.starts_with(self.demo.issuer())) {
            claims["nonce"] = json!(nonce);
        }
        sign_with_embedded_key(&self.dpop, dpop::TYP, &claims).unwrap()
    }

    /// One request with fresh credentials and the nonce that is at hand.
    pub fn sign(&self, path: &str, form: &[(&str, &str)]) -> Signed {
        let now = crate::clock::now().seconds();
        let assertion = json!({
            "iss": self.client_id, "sub": self.client_id, "aud": self.demo.issuer(),
            "jti": identifier(), "iat": now, "exp": now + 60,
        });
        let assertion = sign(&self.key, "JWT", &assertion).unwrap();
        let mut body = url::form_urlencoded::Serializer::new(String::new());
        body.append_pair("client_id", &self.client_id).extend_pairs(form);
        body.append_pair("client_assertion_type", ASSERTION_TYPE).append_pair("client_assertion", &assertion);
        Signed { dpop: self.make_proof("POST", &format!("{}{path}", self.demo.issuer()), None), form: body.finish() }
    }

    /// Sends a form; once more where the issuer wants its nonce.
    pub fn send(&mut self, path: &str, form: &[(&str, &str)]) -> Reply {
        self.try_send(path, form).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// The same with a server that may not be there.
    pub fn try_send(&mut self, path: &str, form: &[(&str, &str)]) -> std::io::Result<Reply> {
        for _ in 0..2 {
            let signed = self.sign(path, form);
            let headers = [("content-type", "application/x-www-form-urlencoded"), ("dpop", &signed.dpop)];
            let reply = self.demo.exchange(&self.demo.request("POST", path, &headers, &signed.form))?;
            self.remember(&reply);
            if !reply.body.contains("use_dpop_nonce") {
                return Ok(reply);
            }
        }
        panic!("{path}: no nonce is good enough")
    }

    /// Keeps the nonce of a reply.
    pub fn remember(&mut self, reply: &Reply) {
        self.nonce = reply.headers.get("dpop-nonce").cloned().or_else(|| self.nonce.take());
    }
}

fn token(reply: &Reply) -> String {
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.json()["access_token"].as_str().unwrap().to_owned()
}

/// A parameter of an address, decoded.
pub fn parameter(address: &str, name: &str) -> Option<String> {
    let (_, query) = address.split_once('?')?;
    url::form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

/// A key pair that nobody else has.
pub fn new_key() -> Es256Signer {
    let pair = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new()).unwrap();
    Es256Signer::from_pkcs8(pair.as_ref(), None, SystemRandom::new()).unwrap()
}

/// Bytes that nobody can guess.
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).unwrap();
    bytes
}

/// A name that nobody else draws.
pub fn identifier() -> String {
    URL_SAFE_NO_PAD.encode(random::<32>())
}
