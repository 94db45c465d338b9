//! A directory that `counterfoil init` made, and the server that runs in it.

use crate::harness::Reply;
use serde_json::Value;
use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Mutex,
        mpsc::{Receiver, channel},
    },
    time::Duration,
};

/// How long a line of the log may take to come; it ends a test that would hang.
const PATIENCE: Duration = Duration::from_secs(60);

/// An installation; its server ends with the value.
pub struct Installation {
    directory: tempfile::TempDir,
    port: u16,
    child: Option<Child>,
    log: Option<Mutex<Receiver<String>>>,
    /// What `init` printed.
    pub made: Value,
}

impl Installation {
    /// Makes one, on a port that was free a moment ago.
    pub fn init(options: &[&str]) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let directory = tempfile::tempdir().unwrap();
        let listen = format!("127.0.0.1:{port}");
        let root = directory.path().join("acme");
        let output = Command::new(env!("CARGO_BIN_EXE_counterfoil"))
            .args(["--format", "json", "init"])
            .arg(&root)
            .args(["--listen", &listen])
            .args(options)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        let made = serde_json::from_slice(&output.stdout).unwrap();
        Self { directory, port, child: None, log: None, made }
    }

    /// Makes one and starts it.
    pub fn running() -> Self {
        let mut made = Self::init(&[]);
        made.start();
        made
    }

    /// Starts the server and waits until it says that it is ready.
    pub fn start(&mut self) {
        let mut child = Command::new(env!("CARGO_BIN_EXE_counterfoil"))
            .args(["serve", "--config"])
            .arg(self.root().join("counterfoil.toml"))
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (lines, log) = channel();
        let stderr = child.stderr.take().unwrap();
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                // Nobody may be listening any more.
                let _ = lines.send(line);
            }
        });
        (self.child, self.log) = (Some(child), Some(Mutex::new(log)));
        self.wait_for("\"ready\"");
    }

    /// The next line of the server's log that holds this.
    pub fn wait_for(&self, words: &str) -> String {
        let log = self.log.as_ref().unwrap().lock().unwrap();
        let mut seen = Vec::new();
        loop {
            match log.recv_timeout(PATIENCE) {
                Ok(line) if line.contains(words) => return line,
                Ok(line) => seen.push(line),
                Err(error) => panic!("{words:?} never came ({error}): {seen:#?}"),
            }
        }
    }

    /// The directory.
    pub fn root(&self) -> PathBuf {
        self.directory.path().join("acme")
    }

    /// The issuer.
    pub fn issuer(&self) -> String {
        format!("http://localhost:{}", self.port)
    }

    /// The port that it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The secret in a link.
    pub fn secret(link: &Value) -> String {
        link.as_str().unwrap().split_once('#').unwrap().1.to_owned()
    }

    /// Writes a file of the installation.
    pub fn write(&self, name: &str, text: &str) {
        let path = self.root().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// Tells the server to read its files again.
    pub fn hang_up(&self) {
        let pid = rustix::process::Pid::from_child(self.child.as_ref().unwrap());
        rustix::process::kill_process(pid, rustix::process::Signal::HUP).unwrap();
    }

    /// Ends it as an operator would, and waits for it.
    pub fn stop(&mut self) {
        let mut child = self.child.take().unwrap();
        rustix::process::kill_process(rustix::process::Pid::from_child(&child), rustix::process::Signal::TERM).unwrap();
        assert!(child.wait().unwrap().success());
    }

    /// A command for this installation (`--config` comes after the words): the document that it prints.
    pub fn command(&self, words: &[&str]) -> Value {
        let (done, document) = self.try_command(words);
        assert!(done, "{words:?}: {document}");
        document
    }

    /// The same, also where it is refused.
    pub fn try_command(&self, words: &[&str]) -> (bool, Value) {
        let output = Command::new(env!("CARGO_BIN_EXE_counterfoil"))
            .args(["--format", "json"])
            .args(words)
            .arg("--config")
            .arg(self.root().join("counterfoil.toml"))
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let line =
            text.lines().last().unwrap_or_else(|| panic!("{words:?}: {}", String::from_utf8_lossy(&output.stderr)));
        (output.status.success(), serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {text}")))
    }

    /// One request.
    pub fn call(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Reply {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        let port = self.port;
        let mut request = format!("{method} {path} HTTP/1.1\r\nhost: localhost:{port}\r\nconnection: close\r\n");
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        request.push_str(&format!("content-length: {}\r\n\r\n{body}", body.len()));
        stream.write_all(request.as_bytes()).unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).unwrap();
        parse(&reply)
    }

    /// A JSON call with an API key.
    pub fn ask(&self, path: &str, key: &str, body: &Value) -> Reply {
        let key = format!("Bearer {key}");
        self.call("POST", path, &[("authorization", &key), ("content-type", "application/json")], &body.to_string())
    }
}

impl Drop for Installation {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // It may have ended already.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A reply that ended with its connection.
pub fn parse(text: &str) -> Reply {
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no reply: {text}"));
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|code| code.parse().ok()).unwrap();
    let headers = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    Reply { status, headers, body: body.to_owned() }
}

/// The mode of a file, without its kind.
pub fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())).permissions().mode() & 0o777
}
