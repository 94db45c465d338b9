//! A second node of a demo that is on PostgreSQL: `serve` beside it, on the same rows, master key and issuer, with a data
//! directory of its own. Or `serve` in the place of a demo that has ended.

use crate::harness::Demo;
use std::{
    fs,
    io::{BufRead as _, BufReader},
    net::TcpListener,
    os::unix::fs::DirBuilderExt as _,
    path::Path,
    process::{Child, Command, Stdio},
};

/// The policies that come with the product, as they stand in the repository.
const POLICIES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../policies");

/// A running node; it ends with the value.
pub struct Node {
    child: Child,
    _directory: tempfile::TempDir,
    /// Where it listens.
    pub port: u16,
}

impl Node {
    /// Starts one beside this demo and waits until it answers.
    pub fn beside(demo: &Demo) -> Self {
        Self::beside_with(demo, "")
    }

    /// The same with more in its configuration.
    pub fn beside_with(demo: &Demo, more: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path().join("data");
        fs::DirBuilder::new().mode(0o700).create(&data).unwrap();
        // Copying keeps the mode: only its owner reads it.
        fs::copy(demo.data().join("master.key"), data.join("master.key")).unwrap();
        // Free now; if somebody takes it before the node does, the node says so and the test stops.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let more = format!("database_url = {:?}\n{more}", demo.database_url().unwrap());
        Self::start(demo, directory, &data, port, &more)
    }

    /// Starts one in the place of a demo that has ended: on its data, under its name, at its port. What it tells people is not
    /// delivered by being written.
    pub fn instead_of(demo: &Demo, more: &str) -> Self {
        Self::start(demo, tempfile::tempdir().unwrap(), &demo.data(), demo.port(), more)
    }

    fn start(demo: &Demo, directory: tempfile::TempDir, data: &Path, port: u16, more: &str) -> Self {
        copy(Path::new(POLICIES), &directory.path().join("policies"));
        let config = format!(
            "issuer = {:?}\nlisten = \"127.0.0.1:{port}\"\ndata = {data:?}\npolicies = \"policies\"\n{more}",
            demo.issuer(),
        );
        let file = directory.path().join("counterfoil.toml");
        fs::write(&file, config).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_counterfoil"))
            .arg("serve")
            .arg("--config")
            .arg(&file)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut node = Self { child, _directory: directory, port };
        let mut log = BufReader::new(node.child.stderr.take().unwrap());
        let (mut said, mut line) = (String::new(), String::new());
        while !line.contains("\"message\":\"ready\"") {
            line.clear();
            assert!(log.read_line(&mut line).unwrap() > 0, "the node ended: {said}");
            said.push_str(&line);
        }
        // What it says later must go somewhere, or it would wait for a reader.
        std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::stderr()));
        node
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A pack is its files; what explains it to people is not part of it.
fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else if path.extension().is_none_or(|end| end != "md") {
            fs::copy(&path, &target).map(drop).unwrap();
        }
    }
}
