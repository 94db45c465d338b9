//! A demo of its own for each test: the real binary on free ports.

use crate::clock::unix_seconds;
use crate::code::code;
use crate::wire::{self, Reply};
use serde_json::Value;
use std::{
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

/// A running demo; it ends with the value.
pub struct Demo {
    child: Child,
    binary: PathBuf,
    directory: tempfile::TempDir,
    /// What the ready file says.
    pub ready: Value,
}

/// A person of the demo.
#[derive(Clone, Debug)]
pub struct Person {
    pub sub: String,
    pub username: String,
    pub password: String,
    totp_secret: String,
}

impl Person {
    /// The code that their app shows now.
    pub fn code(&self) -> String {
        code(&self.totp_secret, unix_seconds())
    }

    /// The code of the step before: still taken, unless it or a later one was used.
    pub fn code_before(&self) -> String {
        code(&self.totp_secret, unix_seconds() - 30)
    }
}

impl Demo {
    /// Starts one, or says why it cannot.
    pub fn start() -> Result<Self, String> {
        let binary = std::env::var_os("COUNTERFOIL_BIN").map(PathBuf::from);
        let binary = binary.filter(|path| path.is_file()).ok_or("COUNTERFOIL_BIN names no binary")?;
        let directory = tempfile::tempdir().unwrap();
        let mut child = Command::new(&binary)
            .args(["--format", "json", "demo", "--listen", "127.0.0.1:0", "--app-listen", "127.0.0.1:0", "--data"])
            .arg(directory.path().join("data"))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ready = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        Ok(Self { child, binary, directory, ready })
    }

    /// A text of the ready file.
    pub fn text(&self, pointer: &str) -> &str {
        self.ready.pointer(pointer).and_then(Value::as_str).unwrap_or_else(|| panic!("no {pointer}"))
    }

    /// The issuer's origin.
    pub fn issuer(&self) -> &str {
        self.text("/issuer")
    }

    /// The treasury's origin.
    pub fn treasury(&self) -> &str {
        self.text("/app_url")
    }

    /// Ada may enrol a passkey that signs payments at once.
    pub fn ada(&self) -> Person {
        self.person(0)
    }

    /// Grace may do the same in the treasury, but nothing vouches for her first passkey.
    pub fn grace(&self) -> Person {
        self.person(1)
    }

    /// Noor is administrator.
    pub fn noor(&self) -> Person {
        self.person(2)
    }

    fn person(&self, index: usize) -> Person {
        let text = |name: &str| self.text(&format!("/users/{index}/{name}")).to_owned();
        Person {
            sub: text("sub"),
            username: text("username"),
            password: text("password"),
            totp_secret: text("totp_secret"),
        }
    }

    /// One request to the issuer, without a browser.
    pub async fn call(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Reply {
        wire::call(self.issuer(), method, path, headers, body).await
    }

    /// Every message that was sent, as the outbox page shows it.
    pub async fn outbox(&self) -> String {
        self.call("GET", "/outbox", &[], "").await.body
    }

    /// Ends it as an operator would, and waits for it. The data stays until the value is dropped.
    pub fn stop(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        assert!(self.child.wait().unwrap().success());
    }

    /// Verifies the log offline; what the command printed. Panics unless it holds.
    pub fn verify_log(&self) -> Value {
        let (succeeded, text) = self.run(&["--format", "json", "audit", "verify", "--data"], &self.data());
        assert!(succeeded, "{text}");
        let report: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
        assert_eq!((&report["holds"], &report["findings"]), (&true.into(), &Value::Array(Vec::new())), "{report}");
        report
    }

    /// Verifies a bundle with the log's public key alone: whether it holds, and what the command printed.
    pub fn verify_bundle(&self, bundle: &Path) -> (bool, Value) {
        let key = std::fs::read_to_string(self.data().join("log.vkey")).unwrap();
        let words = ["--format", "json", "audit", "verify", "--log-key", key.trim(), "--bundle"];
        let (holds, text) = self.run(&words, bundle);
        let report: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
        assert_eq!(report["holds"], holds, "{report}");
        (holds, report)
    }

    /// Invites somebody, as the operator does on the host; the link to hand over.
    pub fn invite(&self, username: &str) -> String {
        let (done, text) =
            self.run(&["--format", "json", "admin", "subjects", "invite", username, "--data"], &self.data());
        assert!(done, "{text}");
        let made: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
        made["link"].as_str().unwrap_or_else(|| panic!("no link: {made}")).to_owned()
    }

    fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    fn run(&self, arguments: &[&str], last: &Path) -> (bool, String) {
        let output = Command::new(&self.binary).args(arguments).arg(last).output().unwrap();
        (output.status.success(), String::from_utf8(output.stdout).unwrap())
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
