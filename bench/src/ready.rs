//! The demo as a server to measure: started on an engine, and what its ready file says.

use crate::jws::Key;
use crate::process::Server;
use serde_json::Value;
use std::ffi::OsString;
use std::io::{Error, Result};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where records are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Engine {
    /// A file in the data directory.
    Sqlite,
    /// A database of its own on the server with this maintenance URL.
    Postgres(String),
}

impl Engine {
    /// The name in the table.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::Postgres(_) => "PostgreSQL",
        }
    }
}

/// A running demo.
pub struct Demo {
    /// Its process.
    pub server: Server,
    /// What its ready file says.
    pub ready: Value,
    directory: PathBuf,
}

impl Demo {
    /// Starts it on free ports with an empty data directory; `policies` replaces its pack.
    pub async fn start(engine: &Engine, policies: Option<&Path>) -> Result<Self> {
        let directory = std::env::temp_dir().join(format!("counterfoil-bench-{}", crate::random::identifier()));
        std::fs::create_dir(&directory)?;
        let ready_file = directory.join("ready.json");
        let mut command = Command::new(binary()?);
        command.arg("demo").args(["--listen", &free_address()?, "--app-listen", &free_address()?]);
        command.arg("--data").arg(directory.join("data")).arg("--ready-file").arg(&ready_file);
        if let Some(policies) = policies {
            command.arg("--policies").arg(policies);
        }
        if let Engine::Postgres(url) = engine {
            command.arg("--database-url").arg(new_database(url)?);
        }
        let server = Server::start_ready(&mut command, &ready_file, &directory.join("server.log")).await?;
        let ready = serde_json::from_slice(&std::fs::read(&ready_file)?).map_err(Error::other)?;
        Ok(Self { server, ready, directory })
    }

    /// The issuer, an origin without a path.
    pub fn issuer(&self) -> &str {
        self.ready["issuer"].as_str().unwrap_or_default()
    }

    /// Where the issuer listens.
    pub fn address(&self) -> Result<SocketAddr> {
        let port = self.issuer().rsplit(':').next().and_then(|port| port.parse::<u16>().ok());
        port.map(|port| SocketAddr::from(([127, 0, 0, 1], port)))
            .ok_or_else(|| Error::other("the issuer names no port"))
    }

    /// What the `Host` header says.
    pub fn host(&self) -> &str {
        self.issuer().trim_start_matches("http://")
    }

    /// The operator's socket.
    pub fn socket(&self) -> PathBuf {
        self.directory.join("data").join("admin.sock")
    }

    /// A string of the ready file.
    pub fn text(&self, pointer: &str) -> Result<&str> {
        let found = self.ready.pointer(pointer).and_then(Value::as_str);
        found.ok_or_else(|| Error::other(format!("the ready file has no {pointer}")))
    }

    /// A private key of the ready file.
    pub fn key(&self, pointer: &str) -> Result<Key> {
        Key::from_jwk(self.ready.pointer(pointer).unwrap_or(&Value::Null))
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.directory).ok();
    }
}

/// Makes an empty database on the server with this maintenance URL; its own URL.
fn new_database(url: &str) -> Result<String> {
    let (server, _) = url.rsplit_once('/').ok_or_else(|| Error::other("the PostgreSQL URL names no database"))?;
    let name = format!("bench_{}", u64::from_be_bytes(crate::random::bytes()));
    let made = postgres_program("createdb").arg(format!("--maintenance-db={url}")).arg(&name).output()?;
    if made.status.success() {
        return Ok(format!("{server}/{name}"));
    }
    Err(Error::other(format!("createdb: {}", String::from_utf8_lossy(&made.stderr))))
}

/// One of PostgreSQL's own programs.
fn postgres_program(name: &str) -> Command {
    let programs = std::env::var_os("COUNTERFOIL_POSTGRES_BIN").map(PathBuf::from).unwrap_or_default();
    Command::new(programs.join(name))
}

/// What was set on the server with this maintenance URL when it was started, as far as it matters for speed.
pub fn settings(url: &str) -> Result<String> {
    const SET: &str = "SELECT string_agg(name || ' = ' || current_setting(name), ', ' ORDER BY name) FROM pg_settings \
                       WHERE source NOT IN ('default', 'override', 'client') AND (name ~ '^(fsync|full_page|synchronous|shared_buf|\
                       min_wal|max_wal|checkpoint|commit|.*flush_after|wal)')";
    let said = postgres_program("psql").args(["--no-psqlrc", "-At", "--dbname", url, "--command", SET]).output()?;
    if said.status.success() {
        return Ok(String::from_utf8_lossy(&said.stdout).trim().to_owned());
    }
    Err(Error::other(format!("psql: {}", String::from_utf8_lossy(&said.stderr))))
}

/// The server under measurement.
pub fn binary() -> Result<OsString> {
    let named = std::env::var_os("COUNTERFOIL_BIN");
    named.ok_or_else(|| Error::other("COUNTERFOIL_BIN names no server; `cargo xtask bench` builds one and sets it"))
}

/// A free address of loopback, for a server that is started next.
pub fn free_address() -> Result<String> {
    Ok(std::net::TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.to_string())
}
