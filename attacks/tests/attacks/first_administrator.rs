//! An installation from an empty directory: its first administrator has nothing but the link that `init` printed.

use crate::chromium::Chromium;
use crate::clock::until;
use crate::steps::assert_says;
use crate::tab::Tab;
use crate::wire;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

/// A server that ends with the value.
struct Serving(Child);

impl Drop for Serving {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// `counterfoil init` in that directory; what it printed.
fn init(binary: &Path, directory: &Path) -> Value {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut init = Command::new(binary);
    init.args(["--format", "json", "init", "--listen", &format!("127.0.0.1:{port}"), "--admin", "noor"]).arg(directory);
    let output = init.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

async fn serve(binary: &Path, made: &Value, issuer: &str) -> Serving {
    let config = made["config"].as_str().unwrap();
    let serving = Serving(Command::new(binary).args(["serve", "--config", config]).spawn().unwrap());
    let (address, _) = wire::address(issuer);
    let listens = async || tokio::net::TcpStream::connect(&address).await.map_err(|error| error.to_string());
    until(listens).await.unwrap();
    until(async || match wire::call(issuer, "GET", "/readyz", &[], "").await {
        reply if reply.status == 200 => Ok(()),
        reply => Err(reply.body),
    })
    .await
    .unwrap();
    serving
}

#[test]
fn the_first_administrator_comes_in_by_the_link_of_init() {
    let binary = std::env::var_os("COUNTERFOIL_BIN").map(PathBuf::from).filter(|path| path.is_file());
    let (Some(binary), Ok(chromium)) = (binary, Chromium::get()) else {
        println!("skipped: COUNTERFOIL_BIN names no binary, or COUNTERFOIL_CHROMIUM no browser");
        return;
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let directory = tempfile::tempdir().unwrap();
        let made = init(&binary, &directory.path().join("acme"));
        let link = made["link"].as_str().unwrap();
        let (issuer, secret) = link.split_once("/init#").unwrap_or_else(|| panic!("{link}"));
        let _serving = serve(&binary, &made, issuer).await;

        let noor = Tab::open(&chromium).await;
        noor.add_authenticator().await;
        noor.open_address(link).await;
        noor.says("You become the first administrator").await;
        assert_says(&noor.text().await, &["User name noor"]);
        noor.presence(true).await;
        noor.press("form button.primary").await;
        noor.says("is in your account").await;
        noor.presence(false).await;
        assert!(!noor.url().await.contains(secret), "the secret stays in the address bar");

        noor.press("#onward").await;
        noor.sees("#use-passkey").await;
        noor.presence(true).await;
        noor.sees("#authenticators").await;
        noor.presence(false).await;
        noor.open_address(&format!("{issuer}/admin")).await;
        noor.sees("#side a").await;
        let people = noor.post("/admin/people", &json!({})).await.unwrap();
        let [first] = people["people"].as_array().unwrap().as_slice() else { panic!("not one person: {people}") };
        assert_eq!((&first["username"], &first["roles"]), (&json!("noor"), &json!(["administrator"])), "{people}");

        // Whoever finds the link later finds nothing.
        let other = Tab::open(&chromium).await;
        other.open_address(link).await;
        other.says("This invitation cannot be used").await;
    });
}
