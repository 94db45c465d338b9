//! Starts a demo of its own for each test, and speaks HTTP/1.1 with it.

use crate::contract;
use serde_json::Value;
use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Mutex, PoisonError},
};

/// Where a demo keeps its rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// A file in the data directory.
    Sqlite,
    /// A database of its own on the tests' cluster.
    Postgres,
}

/// A running demo; it ends with the value.
pub struct Demo {
    child: Mutex<Child>,
    directory: tempfile::TempDir,
    database_url: Option<String>,
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
        Self::start_on(Engine::Sqlite)
    }

    /// Starts one with its rows in this engine.
    pub fn start_on(engine: Engine) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let database_url = match engine {
            Engine::Sqlite => None,
            Engine::Postgres => Some(crate::database::new()),
        };
        Self::begin(directory, database_url, &[])
    }

    /// Starts one with further arguments.
    pub fn start_with(arguments: &[&str]) -> Self {
        Self::begin(tempfile::tempdir().unwrap(), None, arguments)
    }

    fn begin(directory: tempfile::TempDir, database_url: Option<String>, arguments: &[&str]) -> Self {
        let free = "127.0.0.1:0";
        let (child, ready) = spawn(&directory.path().join("data"), database_url.as_deref(), free, free, arguments);
        Self { child: Mutex::new(child), directory, database_url, ready }
    }

    /// Starts it again on the same data and the same addresses, after [`Demo::stop`] or [`Demo::kill`].
    pub fn start_again(&self) {
        let listen = format!("127.0.0.1:{}", self.port());
        let app_listen = self.ready["app_connect"].as_str().unwrap();
        let (child, ready) = spawn(&self.data(), self.database_url(), &listen, app_listen, &[]);
        assert_eq!(ready, self.ready, "the same demo");
        *self.child() = child;
    }

    fn child(&self) -> std::sync::MutexGuard<'_, Child> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The issuer.
    pub fn issuer(&self) -> &str {
        self.ready["issuer"].as_str().unwrap()
    }

    /// The port that the issuer listens on.
    pub fn port(&self) -> u16 {
        self.issuer().rsplit(':').next().unwrap().parse().unwrap()
    }

    /// The database, where it is not a file in the data directory.
    pub fn database_url(&self) -> Option<&str> {
        self.database_url.as_deref()
    }

    /// Where it keeps everything.
    pub fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// Ends it as an operator would, and waits for it. The data stays until the value is dropped.
    pub fn stop(&mut self) {
        let mut child = self.child();
        let pid = rustix::process::Pid::from_child(&child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        assert!(child.wait().unwrap().success());
    }

    /// Ends it as `kill -9` does: nothing is finished, nothing is said.
    pub fn kill(&self) {
        let mut child = self.child();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// One request.
    pub fn call(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Reply {
        let request = self.request(method, path, headers, body);
        self.exchange(&request).unwrap_or_else(|error| panic!("{method} {path}: {error}"))
    }

    /// One request to whoever listens there, under the name that it is called by.
    pub fn call_at(connect: &str, host: &str, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Reply {
        let mut stream = TcpStream::connect(connect).unwrap();
        stream.write_all(&request(host, method, path, headers, body)).unwrap();
        read(stream).unwrap_or_else(|error| panic!("{method} {path}: {error}"))
    }

    /// The bytes of one request.
    pub fn request(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Vec<u8> {
        request(&format!("localhost:{}", self.port()), method, path, headers, body)
    }

    /// Sends these bytes and reads until the other side closes. An error: it was not there, or fell silent.
    pub fn exchange(&self, request: &[u8]) -> std::io::Result<Reply> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port()))?;
        stream.write_all(request)?;
        let reply = read(stream)?;
        contract::check(request, &reply);
        Ok(reply)
    }

    /// Sends these bytes and reads as much as there is at once: a stream of events never ends.
    pub fn head(&self, request: &[u8]) -> Reply {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port())).unwrap();
        stream.write_all(request).unwrap();
        let mut reply = Vec::new();
        let mut chunk = [0; 4096];
        loop {
            let read = stream.read(&mut chunk).unwrap();
            reply.extend_from_slice(&chunk[..read]);
            let text = String::from_utf8_lossy(&reply);
            if let Some((head, body)) = text.split_once("\r\n\r\n")
                && (read == 0 || head.contains("text/event-stream"))
            {
                let reply = parse(head, body);
                contract::check(request, &reply);
                return reply;
            }
            assert!(read > 0, "no reply: {text:?}");
        }
    }

    /// The headers of a call by the protected API with its key.
    pub fn api_key(&self) -> String {
        format!("Bearer {}", self.ready["pep"]["api_key"].as_str().unwrap())
    }

    /// A question with the API's key.
    pub fn evaluate(&self, headers: &[(&str, &str)], body: &str) -> Reply {
        let key = self.api_key();
        let mut all = vec![("authorization", key.as_str())];
        all.extend_from_slice(headers);
        self.call("POST", "/access/v1/evaluation", &all, body)
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        // It may have ended already.
        let mut child = self.child();
        let _ = child.kill();
        let _ = child.wait();
    }
}

fn spawn(
    data: &Path,
    database_url: Option<&str>,
    listen: &str,
    app_listen: &str,
    arguments: &[&str],
) -> (Child, Value) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_counterfoil"));
    command.args(["--format", "json", "demo", "--listen", listen, "--app-listen", app_listen, "--data"]).arg(data);
    if let Some(url) = database_url {
        command.args(["--database-url", url]);
    }
    let mut child = command.args(arguments).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let ready = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
    (child, ready)
}

fn request(host: &str, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Vec<u8> {
    let mut request = format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n");
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str(&format!("content-length: {}\r\n\r\n{body}", body.len()));
    request.into_bytes()
}

/// Reads a reply that ends with its connection.
pub fn read(mut stream: TcpStream) -> std::io::Result<Reply> {
    let mut reply = Vec::new();
    stream.read_to_end(&mut reply)?;
    let text = String::from_utf8(reply).map_err(std::io::Error::other)?;
    match text.split_once("\r\n\r\n") {
        Some((head, body)) => Ok(parse(head, body)),
        None => Err(std::io::Error::other(format!("no reply: {text:?}"))),
    }
}

fn parse(head: &str, body: &str) -> Reply {
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|code| code.parse().ok()).unwrap();
    let headers = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    Reply { status, headers, body: body.to_owned() }
}

/// Makes of each `fn name(engine: Engine)` two tests, `sqlite::name` and `postgres::name`.
#[macro_export]
macro_rules! on_both_engines {
    ($($name:ident),* $(,)?) => {
        mod sqlite {
            $(#[test]
            fn $name() { super::$name($crate::harness::Engine::Sqlite); })*
        }
        mod postgres {
            $(#[test]
            fn $name() {
                if $crate::database::is_there() {
                    super::$name($crate::harness::Engine::Postgres);
                }
            })*
        }
    };
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
