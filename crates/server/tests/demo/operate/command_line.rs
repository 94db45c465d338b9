//! What the operator's commands do and refuse, and who may use the socket.

use super::{
    browser::Browser,
    installation::{Installation, mode},
};
use serde_json::json;
use std::process::Command;

#[test]
fn init_makes_private_what_is_private_and_writes_into_nothing_that_is_there() {
    let mut at = Installation::init(&["--admin", "Noor", "--admin-mail", "noor@example.org"]);
    assert_eq!(at.made["administrator"], "noor");
    let data = at.root().join("data");
    assert_eq!(mode(&data), 0o700);
    assert_eq!(mode(&data.join("master.key")), 0o600);
    let secret = Installation::secret(&at.made["link"]);
    let database = std::fs::read(data.join("counterfoil.db")).unwrap();
    assert!(
        !database.windows(43).any(|window| window == &secret.as_bytes()[secret.len() - 43..]),
        "only a hash is kept"
    );

    let again = Command::new(env!("CARGO_BIN_EXE_counterfoil")).arg("init").arg(at.root()).output().unwrap();
    let said = String::from_utf8(again.stderr).unwrap();
    assert_eq!(again.status.code(), Some(1));
    assert!(said.contains("is not empty"), "{said}");

    let nowhere = at.root().join("new");
    let wrong = Command::new(env!("CARGO_BIN_EXE_counterfoil"))
        .args(["init", "--issuer", "http://id.example.org"])
        .arg(&nowhere)
        .output()
        .unwrap();
    assert!(!wrong.status.success() && !nowhere.exists(), "nothing is left of an init that was refused");

    at.start();
    assert_eq!(mode(&data.join("admin.sock")), 0o600);
    // A second server on the same directory, even on a port of its own, does not start.
    let config = std::fs::read_to_string(at.root().join("counterfoil.toml")).unwrap();
    at.write("second.toml", &config.replace(&format!("127.0.0.1:{}", at.port()), "127.0.0.1:0"));
    let second = Command::new(env!("CARGO_BIN_EXE_counterfoil"))
        .args(["serve", "--config"])
        .arg(at.root().join("second.toml"))
        .output()
        .unwrap();
    let said = String::from_utf8(second.stderr).unwrap();
    assert!(!second.status.success() && said.contains("another server runs with"), "{said}");
    for path in ["/subjects", "/keys", "/clients", "/containments"] {
        assert_eq!(at.call("GET", path, &[], "").status, 404, "{path} is not for the network");
    }
    at.stop();
    assert!(!data.join("admin.sock").exists());
    let (done, refused) = at.try_command(&["admin", "subjects", "list"]);
    assert!(!done && refused["hint"].as_str().unwrap().contains("has to run"), "{refused}");
}

#[test]
fn suspending_somebody_ends_what_they_have_open_at_once() {
    let at = Installation::running();
    let mut browser = Browser::new(&at);
    let (_, passkey) = browser.accept(&at.made["link"]);
    browser.sign_in(&passkey);
    assert_eq!(browser.post("/me", &json!({})).status, 200);
    assert_eq!(at.command(&["admin", "subjects", "suspend", "admin"])["changed"], true);
    assert_eq!(browser.post("/me", &json!({})).status, 401);
    browser.begin();
    let begun = browser.post("/sign-in", &json!({"to": "/me"})).json();
    assert_eq!(browser.answer(&begun, &passkey).status, 422);
    assert_eq!(at.command(&["admin", "subjects", "suspend", "admin"])["changed"], false);
    let listed = at.command(&["admin", "subjects", "list"]);
    assert_eq!(
        (&listed["subjects"][0]["state"], &listed["subjects"][0]["authenticators"]),
        (&json!("suspended"), &json!(["passkey"]))
    );
    at.command(&["admin", "subjects", "resume", "admin"]);
    browser.begin();
    browser.sign_in(&passkey);
}

#[test]
fn a_revoked_key_is_refused_from_then_on() {
    let at = Installation::running();
    let audience = "https://stock.example.org/api";
    at.command(&["admin", "apis", "add", audience, "--name", "Stock"]);
    let issued = at.command(&["admin", "keys", "issue", "--api", audience, "--days", "30"]);
    let key = issued["key"].as_str().unwrap();
    let question = json!({
        "subject": {"type": "user", "id": "nobody"},
        "action": {"name": "stock.read"},
        "resource": {"type": "depot", "id": "north"},
    });
    assert_eq!(at.ask("/access/v1/evaluation", key, &question).status, 200);
    let listed = at.command(&["admin", "keys", "list"]).to_string();
    assert!(listed.contains("\"active\"") && !listed.contains(key), "{listed}");
    at.command(&["admin", "keys", "revoke", issued["id"].as_str().unwrap()]);
    assert_eq!(at.ask("/access/v1/evaluation", key, &question).status, 401);
}

#[test]
fn what_a_command_refuses_it_refuses_with_a_reason_and_changes_nothing() {
    let at = Installation::running();
    let before = at.command(&["admin", "subjects", "list"]);
    for (words, reason) in [
        (&["admin", "subjects", "add", "two words"][..], "a user name is one word"),
        (&["admin", "subjects", "add", "admin"], "is called admin already"),
        (&["admin", "subjects", "add", "x", "--role", "root"], "there is no role"),
        (&["admin", "subjects", "add", "x", "--group", "none"], "there is no group none"),
        (&["admin", "subjects", "suspend", "nobody"], "nobody is called nobody"),
        (&["admin", "roles", "grant", "root", "admin"], "there is no role"),
        (&["admin", "groups", "join", "none", "admin"], "there is no group none"),
        (&["admin", "clients", "remove", "none"], "no client is registered as none"),
        (&["admin", "keys", "issue", "--api", "https://none"], "no API is registered"),
        (&["contain", "--login", "01a2010a-51fe-7e1f-9893-d6b45adab2c5"], "there is no such login"),
        (&["contain", "--client", "x"], "is not built yet: nothing was cut"),
    ] {
        let (done, refused) = at.try_command(words);
        assert!(!done && refused["error"].as_str().unwrap().contains(reason), "{words:?}: {refused}");
    }
    assert_eq!(at.command(&["admin", "subjects", "list"]), before);
}

#[test]
fn roles_and_groups_come_and_go() {
    let at = Installation::running();
    at.command(&["admin", "groups", "add", "warehouse", "--description", "Those who order"]);
    assert_eq!(at.command(&["admin", "groups", "join", "warehouse", "admin"])["changed"], true);
    assert_eq!(at.command(&["admin", "roles", "grant", "auditor", "admin"])["changed"], true);
    let admin = at.command(&["admin", "subjects", "list"])["subjects"][0].clone();
    assert_eq!((&admin["groups"], &admin["roles"]), (&json!(["warehouse"]), &json!(["administrator", "auditor"])));
    assert_eq!(at.command(&["admin", "groups", "leave", "warehouse", "admin"])["changed"], true);
    assert_eq!(at.command(&["admin", "roles", "revoke", "auditor", "admin"])["changed"], true);
    assert_eq!(at.command(&["admin", "roles", "revoke", "auditor", "admin"])["changed"], false);
}
