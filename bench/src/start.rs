//! How soon `serve` answers on its second start, and what it holds in memory when nobody asks.

use crate::clock::Moment;
use crate::process::Server;
use crate::random;
use crate::ready::{binary, free_address};
use serde::Serialize;
use std::io::{Error, Result};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// How long a server is left alone before its memory is read.
const IDLE: Duration = Duration::from_secs(3);

/// A second start on SQLite.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Start {
    /// From the command until `/readyz` says yes.
    pub ready_milliseconds: f64,
    /// Resident memory some seconds later.
    pub idle_mib: f64,
}

/// Makes an installation in an empty directory, without people or clients, starts it, stops it, and measures the second start.
pub async fn measure() -> Result<Start> {
    let installation = Installation::make()?;
    drop(installation.start().await?);
    let start = Moment::now();
    let server = installation.start().await?;
    let ready_milliseconds = crate::numbers::milliseconds(start.elapsed());
    tokio::time::sleep(IDLE).await;
    Ok(Start { ready_milliseconds, idle_mib: server.resident_mib()? })
}

/// An installation in a temporary directory, erased at the end.
struct Installation {
    directory: PathBuf,
    address: SocketAddr,
}

impl Installation {
    fn make() -> Result<Self> {
        let directory = std::env::temp_dir().join(format!("counterfoil-start-{}", random::identifier()));
        std::fs::create_dir(&directory)?;
        let address = free_address()?.parse().map_err(Error::other)?;
        let installation = Self { directory, address };
        let policies = Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies");
        let configuration = format!(
            "issuer = \"http://localhost:{}\"\nlisten = \"{address}\"\ndata = \"data\"\npolicies = {:?}\n",
            address.port(),
            policies.display().to_string(),
        );
        std::fs::write(installation.directory.join("counterfoil.toml"), configuration)?;
        Ok(installation)
    }

    async fn start(&self) -> Result<Server> {
        let mut command = Command::new(binary()?);
        command.args(["serve", "--config", "counterfoil.toml"]).current_dir(&self.directory);
        let host = format!("localhost:{}", self.address.port());
        Server::start_answering(&mut command, &self.log(), self.address, &host).await
    }

    fn log(&self) -> PathBuf {
        Path::new(&self.directory).join("server.log")
    }
}

impl Drop for Installation {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.directory).ok();
    }
}
