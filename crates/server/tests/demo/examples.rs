//! The examples of protected APIs, as programs that run: a stock OAuth library, the ready file's key, and `/v1/redeem`.

use crate::{
    harness::{Demo, Reply},
    journey::{Journey, payout},
    logbook::assert_holds,
};
use counterfoil_core::digest::Digest;
use serde_json::{Value, json};
use std::{
    fs,
    io::{BufRead as _, BufReader},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

/// The examples, as they stand in the repository.
const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples");

#[test]
fn the_node_example_executes_a_confirmed_payout_once() {
    if let Some(command) = node() {
        executes_a_confirmed_payout_once(command);
    }
}

#[test]
fn the_python_example_executes_a_confirmed_payout_once() {
    if let Some(command) = python() {
        executes_a_confirmed_payout_once(command);
    }
}

fn executes_a_confirmed_payout_once(command: Command) {
    let demo = Demo::start();
    let api = Api::start(&demo, command);
    let mut person = Journey::begin(&demo, 0);
    let transaction = payout(&demo, 1);
    let account = format!("/accounts/{}", transaction["resource"]["id"].as_str().unwrap());
    let place = format!("{account}/payout");

    // Nobody, and a token that is not bound to who brings it.
    for headers in [vec![], vec![("authorization", format!("Bearer {}", person.token))]] {
        let refused = api.call("PUT", &place, &headers, &body_of(&transaction));
        assert_eq!(refused.status, 401, "{refused:?}");
        assert!(refused.headers["www-authenticate"].contains("error=\"invalid_token\""), "{refused:?}");
    }

    // What was shown at the sign-in is enough to read, with a proof that counts once.
    let proven = api.credentials(&person, "GET", &account, &person.token);
    let read = api.call("GET", &account, &proven, "");
    assert_eq!((read.status, &read.json()["balance"]), (200, &json!("1200.00")), "{read:?}");
    let replayed = api.call("GET", &account, &proven, "");
    assert_eq!(replayed.status, 401, "{replayed:?}");

    // It is not enough to pay: the refusal says what to confirm, and under which decision.
    let refused = api.change(&person, &place, &person.token, &transaction);
    let challenge = &refused.headers["www-authenticate"];
    assert_eq!(refused.status, 401, "{refused:?}");
    assert!(challenge.starts_with("DPoP error=\"insufficient_user_authentication\", acr_values=\""), "{challenge}");
    let told = refused.json();
    assert_eq!(told["authorization_details"], json!([transaction]), "{told}");
    let decision = told["decision_id"].as_str().unwrap().to_owned();
    assert!(challenge.contains(&format!("decision_id=\"{decision}\"")), "{challenge}");

    let asked = person.open(&decision, told["authorization_details"][0].clone());
    let callback = person.confirm(&asked);
    let token = person.application.exchange(&callback, &asked.pushed);

    // Another payout than the confirmed one spends nothing; the confirmed one is executed; then it is spent.
    let other = api.change(&person, &place, &token, &payout(&demo, 2));
    assert_eq!((other.status, &other.json()["code"]), (422, &json!("digest_mismatch")), "{other:?}");
    let done = api.change(&person, &place, &token, &transaction);
    assert_eq!((done.status, &done.json()["paid_to"]), (200, &transaction["iban"]), "{done:?}");
    let again = api.change(&person, &place, &token, &transaction);
    assert_eq!((again.status, &again.json()["code"]), (409, &json!("spent")), "{again:?}");
    // The example has reported how it went, and the person sees it.
    let me = person.browser.post("/me", &json!({})).json();
    assert_eq!(me["confirmations"][0]["outcome"], "executed", "{me}");
    assert_holds(&demo);
}

/// What the API takes: its own paths say whose account it is.
fn body_of(transaction: &Value) -> String {
    let mut body = transaction.clone();
    let members = body.as_object_mut().unwrap();
    members.retain(|name, _| ["creditor_name", "iban", "amount"].contains(&name.as_str()));
    body.to_string()
}

/// An example that runs beside a demo; it ends with the value.
struct Api {
    child: Child,
    host: String,
    port: u16,
}

impl Api {
    /// Starts it and waits until it says that it is ready.
    fn start(demo: &Demo, mut command: Command) -> Self {
        // Free now; if somebody takes it before the example does, the example says so and the test stops.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let pep = &demo.ready["pep"];
        let child = command
            .env("COUNTERFOIL_ISSUER", demo.issuer())
            .env("COUNTERFOIL_AUDIENCE", pep["audience"].as_str().unwrap())
            .env("COUNTERFOIL_API_KEY", pep["api_key"].as_str().unwrap())
            .env("PORT", port.to_string())
            .env_remove("EXTERNAL_URL")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut api = Self { child, host: format!("localhost:{port}"), port };
        let mut line = String::new();
        BufReader::new(api.child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, format!("ready on http://{}\n", api.host), "what the example said stands above");
        api
    }

    /// A token and a fresh proof for one call.
    fn credentials(&self, person: &Journey<'_>, method: &str, path: &str, token: &str) -> Vec<(&'static str, String)> {
        let proof = person.application.proof(method, &format!("http://{}{path}", self.host), token);
        vec![("authorization", format!("DPoP {token}")), ("dpop", proof)]
    }

    /// Asks for this payout with this token.
    fn change(&self, person: &Journey<'_>, path: &str, token: &str, transaction: &Value) -> Reply {
        self.call("PUT", path, &self.credentials(person, "PUT", path, token), &body_of(transaction))
    }

    fn call(&self, method: &str, path: &str, headers: &[(&str, String)], body: &str) -> Reply {
        let mut all = vec![("content-type", "application/json")];
        all.extend(headers.iter().map(|(name, value)| (*name, value.as_str())));
        Demo::call_at(&format!("127.0.0.1:{}", self.port), &self.host, method, path, &all, body)
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The Node example with what its lock names beside it: a module is looked for where the program lies.
fn node() -> Option<Command> {
    let version = version_of("node", "Node 20")?;
    version_of("npm", "npm")?;
    let files = ["server.mjs", "package.json", "package-lock.json"];
    let directory = prepared("node", &version, &files, |directory| {
        for name in files {
            fs::copy(source("node", name), directory.join(name)).unwrap();
        }
        let mut npm = Command::new("npm");
        npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(directory);
        npm
    });
    let mut command = Command::new("node");
    command.arg(directory.join("server.mjs"));
    Some(command)
}

/// The Python example with what its lock names in a directory of its own.
fn python() -> Option<Command> {
    let version = version_of("python3", "Python 3.10")?;
    let directory = prepared("python", &version, &["requirements.txt"], |directory| {
        let mut pip = Command::new("python3");
        pip.args(["-m", "pip", "install", "--quiet", "--require-hashes", "--only-binary", ":all:"]);
        pip.arg("--requirement").arg(source("python", "requirements.txt")).arg("--target").arg(directory);
        pip
    });
    let mut command = Command::new("python3");
    command.arg(source("python", "server.py")).env("PYTHONPATH", directory);
    Some(command)
}

fn source(example: &str, name: &str) -> PathBuf {
    Path::new(EXAMPLES).join(example).join(name)
}

/// What a program says of its version. Where it is missing: fails in CI, and says elsewhere that the test was skipped.
fn version_of(program: &str, needed: &str) -> Option<String> {
    match Command::new(program).arg("--version").output() {
        Ok(output) if output.status.success() => Some(String::from_utf8(output.stdout).unwrap()),
        _ => {
            let in_ci = std::env::var("CI").is_ok_and(|value| value == "true");
            assert!(!in_ci, "the examples are tested with {needed} or newer, and `{program}` does not run here");
            println!("skipped: no {program}");
            None
        }
    }
}

/// A directory that `install` has filled, once for these files and this version; it is kept between runs.
fn prepared(example: &str, version: &str, files: &[&str], install: impl FnOnce(&Path) -> Command) -> PathBuf {
    let mut known = version.as_bytes().to_vec();
    for name in files {
        known.extend(fs::read(source(example, name)).unwrap());
    }
    let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("example-{example}-{}", Digest::of(&known)));
    if kept.is_dir() {
        return kept;
    }
    // Filled elsewhere and moved when it is whole: an installation that was cut short is not mistaken for one.
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let mut command = install(directory.path());
    let status = command.stdin(Stdio::null()).status().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(status.success(), "{command:?}: {status}; what the {example} example needs comes from its public registry");
    // Somebody else may have been faster.
    if fs::rename(directory.path(), &kept).is_err() {
        assert!(kept.is_dir(), "{}", kept.display());
    }
    kept
}
