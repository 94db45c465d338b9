//! From an empty directory to a second protected application, by files and commands alone. `docs/getting-started.md` tells the
//! same to people.

use super::{
    application::{Application, identifier, new_key, parameter},
    browser::Browser,
    installation::Installation,
    passkey::Passkey,
};
use counterfoil_core::digest::Digest;
use counterfoil_oauth::jose::Signer as _;
use serde_json::{Value, json};

/// The API.
pub const AUDIENCE: &str = "https://stock.example.org/api";
const ACTIONS: &str = r#"
[resource_types.depot]
sensitivity = "low"

[actions."stock.read"]
tier = "low"
resource_type = "depot"
title = { en = "See stock", de = "Bestand ansehen" }

[actions."stock.order"]
tier = "high"
resource_type = "depot"
transaction_type = "stock_order"
title = { en = "Order stock", de = "Ware bestellen" }
"#;
const POLICY: &str = r#"
@id("warehouse-staff")
@reason("Only the warehouse can do this.")
@reason_de("Das kann nur das Lager.")
forbid (principal, action in [Action::"stock.read", Action::"stock.order"], resource)
unless { principal in Group::"warehouse" };
"#;
const TRANSACTION: &str = r#"{
  "type": "object",
  "additionalProperties": false,
  "required": ["type", "resource", "item", "units", "price"],
  "properties": {
    "type": { "const": "stock_order" },
    "resource": {
      "type": "object",
      "additionalProperties": false,
      "required": ["type", "id"],
      "properties": { "type": { "const": "depot" }, "id": { "type": "string", "format": "id" } }
    },
    "item": { "type": "string", "format": "name" },
    "units": { "type": "integer", "minimum": 1, "maximum": 1000 },
    "price": { "type": "object", "format": "currency-amount" }
  }
}
"#;
const ENGLISH: &str =
    "Order stock\n\nStock is ordered for depot {resource.id}.\n\nItem: {item}\nUnits: {units}\nPrice: {price}\n";
const GERMAN: &str = "Ware bestellen\n\nFür das Lager {resource.id} wird Ware bestellt.\n\nWare: {item}\nStück: {units}\nPreis: {price}\n";

/// A running installation that protects the stock, with a person in the warehouse.
pub struct Stock {
    /// The installation.
    pub at: Installation,
    /// The client's private key.
    client: Value,
    /// The API's key.
    pub key: String,
    /// The person's link.
    pub link: Value,
    /// The person's `sub`.
    pub sub: String,
}

impl Stock {
    /// Edits the files of a new installation, starts it, and does the rest by commands.
    pub fn set_up() -> Self {
        let mut at = Installation::init(&[]);
        at.write("policies/actions.toml", ACTIONS);
        at.write("policies/stock.cedar", POLICY);
        at.write("policies/transactions/stock_order.json", TRANSACTION);
        at.write("policies/transactions/stock_order.en.txt", ENGLISH);
        at.write("policies/transactions/stock_order.de.txt", GERMAN);
        let key = new_key();
        let client: Value = serde_json::from_str(key.private_jwk().unwrap().as_ref()).unwrap();
        let public: Value = key.public_jwk().clone().into();
        at.write("registry.toml", &registry(&public));
        let checked = at.command(&["check-config"]);
        assert_eq!((&checked["refused"], &checked["warnings"]), (&json!([]), &json!([])), "{checked}");
        at.start();
        let issued = at.command(&["admin", "keys", "issue", "--api", AUDIENCE]);
        let invited = at.command(&["admin", "subjects", "invite", "sam"]);
        let listed = at.command(&["admin", "subjects", "list"]);
        let sam = listed["subjects"].as_array().unwrap().iter().find(|one| one["username"] == "sam").unwrap().clone();
        Self {
            at,
            client,
            key: issued["key"].as_str().unwrap().to_owned(),
            link: invited["link"].clone(),
            sub: sam["sub"].as_str().unwrap().to_owned(),
        }
    }

    /// The client application.
    pub fn application(&self) -> Application<'_> {
        Application::new(&self.at, "stock", &self.client, Some("https://stock.example.org/callback".to_owned()))
    }

    /// Signs in to the application by passkey: its access token.
    pub fn sign_in(&self, application: &mut Application<'_>, browser: &mut Browser<'_>, passkey: &Passkey) -> String {
        let pushed = application.push(&[]);
        let next = browser.authorize("stock", &pushed.request_uri);
        let next = match parameter(&next, "challenge") {
            Some(challenge) => {
                let begun = browser.post("/sign-in", &json!({"challenge": challenge})).json();
                browser.answer(&begun, passkey).json()["next"].as_str().unwrap().to_owned()
            }
            None => next,
        };
        application.exchange(&next, &pushed)
    }

    /// The API asks, with a token whose possession it has checked itself.
    pub fn evaluate(&self, token: &str, action: &str, transaction: Option<&Value>) -> Value {
        let mut context = json!({"access_token": token});
        if let Some(transaction) = transaction {
            context["authorization_details"] = json!([transaction]);
        }
        let question = json!({
            "subject": {"type": "user", "id": self.sub},
            "action": {"name": action},
            "resource": {"type": "depot", "id": "north"},
            "context": context,
        });
        let reply = self.at.ask("/access/v1/evaluation", &self.key, &question);
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.json()
    }

    /// From the lodged decision to the transaction's token.
    pub fn confirm(
        &self,
        application: &mut Application<'_>,
        browser: &mut Browser<'_>,
        passkey: &Passkey,
        token: &str,
    ) -> String {
        let transaction = order();
        let asked = self.evaluate(token, "stock.order", Some(&transaction));
        assert_eq!(asked["context"]["outcome"], "step_up", "{asked}");
        let details = json!([transaction]).to_string();
        let decision = asked["context"]["decision_id"].as_str().unwrap();
        let pushed = application.push(&[("authorization_details", &details), ("decision_id", decision)]);
        let page = browser.authorize("stock", &pushed.request_uri);
        let shown = browser.post(&page, &json!({})).json();
        assert_eq!((&shown["title"], &shown["client"]["name"]), (&json!("Order stock"), &json!("Stock")), "{shown}");
        let credential = passkey.assert(&shown["passkey_options"]);
        let answered = browser.post(&format!("{page}/passkey"), &json!({"credential": credential}));
        assert_eq!(answered.status, 200, "{answered:?}");
        application.exchange(answered.json()["next"].as_str().unwrap(), &pushed)
    }

    /// What the API sends to spend an order.
    pub fn redemption(application: &Application<'_>, token: &str) -> Value {
        let uri = format!("{AUDIENCE}/depots/north/orders");
        json!({
            "access_token": token,
            "dpop": {"proof": application.proof("POST", &uri, token), "method": "POST", "uri": uri},
            "txn_digest": Digest::of(order().to_string().as_bytes()),
            "redemption_id": identifier(),
        })
    }
}

fn registry(jwk: &Value) -> String {
    let members: Vec<String> =
        jwk.as_object().unwrap().iter().map(|(name, value)| format!("{name} = {value}")).collect();
    format!(
        r#"
[[groups]]
name = "warehouse"

[[people]]
username = "sam"
name = "Sam Rivers"
mail = ["sam@example.org"]
groups = ["warehouse"]

[[apis]]
audience = "{AUDIENCE}"
name = {{ en = "Stock", de = "Lager" }}

[[clients]]
client_id = "stock"
name = {{ en = "Stock", de = "Lager" }}
redirect_uris = ["https://stock.example.org/callback"]
grant_types = ["authorization_code"]
audiences = ["{AUDIENCE}"]
scopes = ["openid", "profile"]
authorization_details_types = ["stock_order"]
jwks = {{ keys = [{{ {} }}] }}

[[resources]]
type = "depot"
id = "north"
"#,
        members.join(", ")
    )
}

/// Its members stand in the order of canonical JSON (RFC 8785), so that its text is that form.
fn order() -> Value {
    json!({
        "item": "Rope, 20 m",
        "price": {"currency": "EUR", "value": "240.00"},
        "resource": {"id": "north", "type": "depot"},
        "type": "stock_order",
        "units": 12,
    })
}

#[test]
fn an_empty_directory_becomes_a_second_protected_application() {
    let stock = Stock::set_up();
    let (mut browser, mut application) = (Browser::new(&stock.at), stock.application());
    let (offered, passkey) = browser.accept(&stock.link);
    assert_eq!((&offered["person"]["name"], &offered["ceiling"]), (&json!("Sam Rivers"), &json!("phr")));
    let token = stock.sign_in(&mut application, &mut browser, &passkey);
    assert_eq!(stock.evaluate(&token, "stock.read", None)["decision"], true);

    let confirmed = stock.confirm(&mut application, &mut browser, &passkey, &token);
    let body = Stock::redemption(&application, &confirmed);
    let spent = stock.at.ask("/v1/redeem", &stock.key, &body);
    assert_eq!((spent.status, &spent.json()["outcome"]), (200, &json!("spent")), "{spent:?}");
    assert_eq!(spent.json()["authorization_details"], json!([order()]));
    let again = stock.at.ask("/v1/redeem", &stock.key, &Stock::redemption(&application, &confirmed));
    assert_eq!((again.status, &again.json()["code"]), (409, &json!("spent")), "{again:?}");

    // Out of the group: no order and no look, from the next question on.
    stock.at.command(&["admin", "groups", "leave", "warehouse", "sam"]);
    assert_eq!(stock.evaluate(&token, "stock.read", None)["context"]["outcome"], "deny");

    // Without its client, its token is nothing.
    stock.at.command(&["admin", "groups", "join", "warehouse", "sam"]);
    assert_eq!(stock.evaluate(&token, "stock.read", None)["decision"], true);
    let removed = stock.at.command(&["admin", "clients", "remove", "stock"]);
    assert!(removed["tokens_revoked"].as_u64().unwrap() >= 1, "{removed}");
    assert!(removed["note"].as_str().unwrap().contains("registry.toml"), "{removed}");
    assert_eq!(stock.evaluate(&token, "stock.read", None)["decision"], false);
}
