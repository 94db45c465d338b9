//! The treasury as a browser uses it: its forms, its cookie, and the way to the issuer and back.

use crate::{
    browser::{Browser, code},
    harness::{Demo, Reply},
    passkey::Passkey,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A browser's session at the treasury.
pub struct Treasury<'a> {
    demo: &'a Demo,
    cookie: Option<String>,
}

impl<'a> Treasury<'a> {
    fn call(&mut self, method: &str, path: &str, body: &str) -> Reply {
        let url = self.demo.ready["app_url"].as_str().unwrap();
        let host = url.strip_prefix("http://").unwrap();
        let mut headers = vec![("content-type", "application/x-www-form-urlencoded"), ("origin", url)];
        let cookie = self.cookie.clone();
        headers.extend(cookie.as_deref().map(|cookie| ("cookie", cookie)));
        let connect = self.demo.ready["app_connect"].as_str().unwrap();
        let reply = Demo::call_at(connect, host, method, path, &headers, body);
        if let Some(cookie) = reply.headers.get("set-cookie") {
            self.cookie = cookie.split(';').next().map(str::to_owned);
        }
        reply
    }

    /// Signs in through the issuer with password and code.
    pub fn sign_in(demo: &'a Demo, browser: &mut Browser<'_>, user: &Value) -> Self {
        let mut treasury = Self { demo, cookie: None };
        let sent = treasury.call("POST", "/sign-in", "");
        let next = authorize(browser, &sent);
        let id = next.rsplit('=').next().unwrap();
        let begun = browser.post("/sign-in", &json!({"challenge": id})).json();
        let password =
            json!({"challenge": begun["challenge"], "username": user["username"], "password": user["password"]});
        let asked = browser.post("/sign-in/password", &password).json();
        let typed = json!({"challenge": asked["challenge"], "code": code(user)});
        let signed_in = browser.post("/sign-in/code", &typed).json();
        treasury.returned(signed_in["next"].as_str().unwrap());
        treasury
    }

    /// Follows a redirect to the treasury.
    fn returned(&mut self, url: &str) -> Reply {
        let at = url.find("/callback").unwrap_or_else(|| panic!("not to the treasury: {url}"));
        let reply = self.call("GET", &url[at..], "");
        assert!(matches!(reply.status, 200 | 303), "{reply:?}");
        reply
    }

    /// Asks for another payout account; the step-up page's address at the issuer.
    pub fn change_payout(&mut self, browser: &mut Browser<'_>, account: &str, amount: &str) -> String {
        let page = self.call("GET", &format!("/accounts/{account}/payout"), "");
        let (_, rest) = page.body.split_once("name=\"csrf\" value=\"").unwrap_or_else(|| panic!("{page:?}"));
        let csrf = rest.split('"').next().unwrap();
        let form =
            format!("csrf={csrf}&creditor_name=Acme+Tools+GmbH&iban=DE89370400440532013000&amount={amount}&cheat=none");
        let sent = self.call("POST", &format!("/accounts/{account}/payout"), &form);
        authorize(browser, &sent)
    }

    /// Confirms it with the passkey and comes back. What the page showed.
    pub fn confirm(&mut self, browser: &mut Browser<'_>, page: &str, passkey: &mut Passkey) -> Value {
        let shown = browser.post(page, &json!({})).json();
        let credential = passkey.assert(&shown["passkey_options"]);
        let answered = browser.post(&format!("{page}/passkey"), &json!({"credential": credential}));
        assert_eq!(answered.status, 200, "{answered:?}");
        self.returned(answered.json()["next"].as_str().unwrap());
        shown
    }
}

/// What the authorize page's script does with the address that it was opened at.
fn authorize(browser: &mut Browser<'_>, sent: &Reply) -> String {
    let location = sent.headers.get("location").unwrap_or_else(|| panic!("no redirect: {sent:?}"));
    let (_, query) = location.split_once("/oauth/authorize?").unwrap_or_else(|| panic!("not to authorize: {location}"));
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let pairs: BTreeMap<&str, String> = pairs.map(|(name, value)| (name, value.replace("%3A", ":"))).collect();
    let reply = browser.post("/oauth/authorize", &json!(pairs));
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.json()["next"].as_str().unwrap().to_owned()
}
