//! A person at an application, from the sign-in to the redeemed transaction, step by step.

use crate::{
    application::{Application, Pushed, parameter},
    browser::Browser,
    harness::{Demo, Reply},
    passkey::Passkey,
};
use counterfoil_core::digest::Digest;
use serde_json::{Value, json};

/// A person with a passkey, signed in to an application.
pub struct Journey<'a> {
    demo: &'a Demo,
    /// Who.
    pub user: Value,
    /// Their browser.
    pub browser: Browser<'a>,
    /// Their passkey, worth whatever it was bound by.
    pub passkey: Passkey,
    /// The application.
    pub application: Application<'a>,
    /// Their access token there.
    pub token: String,
}

/// A transaction that waits for its answer.
pub struct Asked {
    /// What is to be confirmed.
    pub transaction: Value,
    /// The decision that asked.
    pub decision: String,
    /// The pushed request.
    pub pushed: Pushed,
    /// The challenge.
    pub challenge: String,
    /// What the browser is asked for.
    pub options: Value,
}

impl<'a> Journey<'a> {
    /// Signs in by password and code, adds a passkey, and gets a token for the treasury.
    pub fn begin(demo: &'a Demo, user: usize) -> Self {
        let user = demo.ready["users"][user].clone();
        let mut browser = Browser::new(demo);
        let done = browser.sign_in(&user);
        assert_eq!(done.status, 200, "{done:?}");
        let passkey = browser.enrol();
        let (application, token) = sign_in_to(demo, &mut browser);
        Self { demo, user, browser, passkey, application, token }
    }

    /// The evaluation that the treasury's API makes.
    pub fn question(&self, action: &str, transaction: Option<&Value>) -> Value {
        let resource = &self.demo.ready["resources"][0];
        let mut body = json!({
            "subject": {"type": "user", "id": self.user["sub"]},
            "action": {"name": action},
            "resource": {"type": resource["type"], "id": resource["id"]},
            "context": {"access_token": self.token},
        });
        if let Some(transaction) = transaction {
            body["context"]["authorization_details"] = json!([transaction]);
        }
        body
    }

    /// Asks; the answer.
    pub fn evaluate(&self, action: &str, transaction: Option<&Value>) -> Value {
        let body = self.question(action, transaction).to_string();
        let reply = self.demo.evaluate(&[("content-type", "application/json")], &body);
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.json()
    }

    /// The API lodges a transaction; the decision.
    pub fn lodge(&self, transaction: &Value) -> String {
        let answer = self.evaluate("payout.change", Some(transaction));
        assert_eq!(answer["context"]["outcome"], "step_up", "{answer}");
        answer["context"]["decision_id"].as_str().unwrap().to_owned()
    }

    /// The client pushes it.
    pub fn push(&mut self, decision: &str, transaction: &Value) -> Pushed {
        let details = json!([transaction]).to_string();
        self.application.push(&[("decision_id", decision), ("authorization_details", &details)])
    }

    /// Lodged, pushed and opened: the page waits for the passkey.
    pub fn ask(&mut self, transaction: Value) -> Asked {
        let decision = self.lodge(&transaction);
        self.open(&decision, transaction)
    }

    /// Pushed and opened, after somebody has lodged it: the page waits for the passkey.
    pub fn open(&mut self, decision: &str, transaction: Value) -> Asked {
        let pushed = self.push(decision, &transaction);
        let next = self.browser.authorize(&self.application.client_id, &pushed.request_uri);
        let challenge = next.strip_prefix("/step-up/").unwrap_or_else(|| panic!("not a step-up: {next}")).to_owned();
        let page = self.browser.post(&format!("/step-up/{challenge}"), &json!({}));
        assert_eq!(page.status, 200, "{page:?}");
        let options = page.json()["passkey_options"].clone();
        Asked { transaction, decision: decision.to_owned(), pushed, challenge, options }
    }

    /// The person confirms; where the browser goes.
    pub fn confirm(&mut self, asked: &Asked) -> String {
        let body = json!({"credential": self.passkey.assert(&asked.options)});
        let reply = self.browser.post(&format!("/step-up/{}/passkey", asked.challenge), &body);
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.json()["next"].as_str().unwrap().to_owned()
    }

    /// From nothing to the token of a confirmed transaction.
    pub fn approved(&mut self, transaction: Value) -> (Asked, String) {
        let asked = self.ask(transaction);
        let callback = self.confirm(&asked);
        let token = self.application.exchange(&callback, &asked.pushed);
        (asked, token)
    }

    /// What the API sends to spend this transaction under this name.
    pub fn redemption(&self, token: &str, transaction: &Value, name: &str) -> Value {
        let uri = format!("{}/accounts/x/payout", self.demo.ready["pep"]["audience"].as_str().unwrap());
        json!({
            "access_token": token,
            "dpop": {"proof": self.application.proof("PUT", &uri, token), "method": "PUT", "uri": uri},
            "txn_digest": digest(transaction),
            "redemption_id": name,
        })
    }

    /// Redeems, with the API's key.
    pub fn redeem(&self, body: &Value) -> Reply {
        let key = self.demo.api_key();
        let headers = [("content-type", "application/json"), ("authorization", key.as_str())];
        self.demo.call("POST", "/v1/redeem", &headers, &body.to_string())
    }
}

/// Signs the browser's session in to the treasury: no page is asked, because it has shown enough.
fn sign_in_to<'a>(demo: &'a Demo, browser: &mut Browser<'a>) -> (Application<'a>, String) {
    let mut application = Application::of(demo, 0);
    let pushed = application.push(&[("acr_values", "aal2")]);
    let callback = browser.authorize(&application.client_id, &pushed.request_uri);
    assert!(parameter(&callback, "code").is_some(), "{callback}");
    let token = application.exchange(&callback, &pushed);
    (application, token)
}

/// A change of payout account, another one for each number.
pub fn payout(demo: &Demo, number: u64) -> Value {
    let resource = &demo.ready["resources"][0];
    json!({
        "type": "payout_change",
        "resource": {"type": resource["type"], "id": resource["id"]},
        "creditor_name": "Nordwind Logistik GmbH",
        "iban": "DE89370400440532013000",
        "amount": {"currency": "EUR", "value": format!("{}.00", 100 + number)},
    })
}

/// SHA-256 of the canonical transaction (RFC 8785; our strings are ASCII and there are no numbers).
pub fn digest(transaction: &Value) -> String {
    Digest::of(sorted(transaction).to_string().as_bytes()).to_string()
}

/// The same with members in lexical order.
fn sorted(value: &Value) -> Value {
    let Value::Object(members) = value else { return value.clone() };
    let mut members: Vec<_> = members.iter().map(|(name, value)| (name.clone(), sorted(value))).collect();
    members.sort_by(|(one, _), (other, _)| one.cmp(other));
    Value::Object(members.into_iter().collect())
}
