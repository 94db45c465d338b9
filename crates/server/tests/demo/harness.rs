//! Starts a demo of its own for each test, and speaks HTTP/1.1 with it.

use serde_json::Value;
use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

/// A running demo; it ends with the value.
pub struct Demo {
    child: Child,
    directory: tempfile::TempDir,
    /// What the ready file says.
    pub ready: Value,
}

/// A reply.
#[derive(Debug)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// Header fields by lower-case name; of several, the last.
    pub headers: BTreeMap<String, String>,
    /// The body.
    pub body: String,
}

impl Reply {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

impl Demo {
    /// Starts one on free ports and waits until it says that it is ready.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// The same with further arguments.
    pub fn start_with(arguments: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_counterfoil"))
            .args(["--format", "json", "demo", "--listen", "127.0.0.1:0", "--app-listen", "127.0.0.1:0", "--data"])
            .arg(directory.path().join("data"))
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ready = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        Self { child, directory, ready }
    }

    /// The issuer.
    pub fn issuer(&self) -> &str {
        self.ready["issuer"].as_str().unwrap()
    }

    /// Where it keeps everything.
    pub fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// Ends it as an operator would, and waits for it. The data stays until the value is dropped.
    pub fn stop(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        assert!(self.child.wait().unwrap().success());
    }

    /// One request.
    pub fn call(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Reply {
        let port = self.issuer().rsplit(':').next().unwrap();
        Self::call_at(&format!("127.0.0.1:{port}"), &format!("localhost:{port}"), method, path, headers, body)
    }

    /// One request to whoever listens there, under the name that it is called by.
    pub fn call_at(connect: &str, host: &str, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Reply {
        let mut stream = TcpStream::connect(connect).unwrap();
        let mut request = format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n");
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        request.push_str(&format!("content-length: {}\r\n\r\n{body}", body.len()));
        stream.write_all(request.as_bytes()).unwrap();
        let mut reply = Vec::new();
        stream.read_to_end(&mut reply).unwrap();
        parse(&String::from_utf8(reply).unwrap())
    }

    /// A question with the API's key.
    pub fn evaluate(&self, headers: &[(&str, &str)], body: &str) -> Reply {
        let key = format!("Bearer {}", self.ready["pep"]["api_key"].as_str().unwrap());
        let mut all = vec![("authorization", key.as_str())];
        all.extend_from_slice(headers);
        self.call("POST", "/access/v1/evaluation", &all, body)
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn parse(text: &str) -> Reply {
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no reply: {text}"));
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|code| code.parse().ok()).unwrap();
    let headers = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    Reply { status, headers, body: body.to_owned() }
}

/// Runs the binary with these arguments; whether it succeeded, and what it printed.
pub fn counterfoil(arguments: &[&str], data: &Path) -> (bool, String) {
    let (code, text) = ran(&[arguments, &["--data", data.to_str().unwrap()]].concat());
    (code == 0, text)
}

/// Runs the binary with these arguments alone: its exit code, and what it printed for programs.
pub fn ran(arguments: &[&str]) -> (i32, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_counterfoil")).args(arguments).output().unwrap();
    (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
}
