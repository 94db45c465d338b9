//! A server as a child process: started, watched through /proc, ended.

use crate::clock::Moment;
use crate::http_client::Http;
use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader, Error, Result};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// What `/proc/<pid>/stat` counts in (`getconf CLK_TCK`); 100 on every Linux that we know.
const TICKS_PER_SECOND: u64 = 100;
const READY: Duration = Duration::from_secs(60);

/// A running server; dropped, it is killed.
pub struct Server {
    child: Child,
    started: Moment,
    /// Where its output goes, to be read when something is wrong.
    log: Option<PathBuf>,
}

impl Server {
    /// Starts a program whose first line of output is its address.
    pub fn start_announced(program: &OsStr, arguments: &[&str]) -> Result<(Self, String)> {
        let mut child = Command::new(program).args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        if let Some(stdout) = child.stdout.take() {
            BufReader::new(stdout).read_line(&mut line)?;
        }
        Ok((Self { child, started: Moment::now(), log: None }, line.trim().to_owned()))
    }

    /// Starts a program that writes `ready_file` once everything answers, and waits for it.
    pub async fn start_ready(command: &mut Command, ready_file: &Path, log: &Path) -> Result<Self> {
        let mut server = Self::start_logged(command, log)?;
        while !ready_file.exists() {
            server.still_coming().await?;
        }
        Ok(server)
    }

    /// Starts a program and waits until its `/readyz` says yes.
    pub async fn start_answering(command: &mut Command, log: &Path, address: SocketAddr, host: &str) -> Result<Self> {
        let mut server = Self::start_logged(command, log)?;
        while !is_ready(address, host).await.unwrap_or(false) {
            server.still_coming().await?;
        }
        Ok(server)
    }

    fn start_logged(command: &mut Command, log: &Path) -> Result<Self> {
        let file = std::fs::File::create(log)?;
        let child = command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file).spawn()?;
        Ok(Self { child, started: Moment::now(), log: Some(log.to_path_buf()) })
    }

    /// A moment's pause; an error when waiting has no point any more.
    async fn still_coming(&mut self) -> Result<()> {
        if self.child.try_wait()?.is_some() || self.started.elapsed() > READY {
            return Err(Error::other(format!("the server did not become ready:\n{}", self.said())));
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
        Ok(())
    }

    /// Processor time that it has used so far, its threads together.
    pub fn cpu(&self) -> Result<Duration> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        cpu_of(&stat).ok_or_else(|| Error::other("unexpected form of /proc/<pid>/stat"))
    }

    /// Resident memory in MiB.
    pub fn resident_mib(&self) -> Result<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.trim().strip_suffix("kB")).and_then(|kib| kib.trim().parse::<f64>().ok());
        kib.map(|kib| kib / 1024.0).ok_or_else(|| Error::other("no VmRSS in /proc/<pid>/status"))
    }

    /// What it printed, where that was kept.
    pub fn said(&self) -> String {
        self.log.as_ref().and_then(|log| std::fs::read_to_string(log).ok()).unwrap_or_default()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

async fn is_ready(address: SocketAddr, host: &str) -> Result<bool> {
    Ok(Http::connect(address, host).await?.get("/readyz").await?.status.is_success())
}

/// Processor time of the calling thread so far: what others do on the machine meanwhile is not in it.
pub fn own_cpu() -> Result<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanoseconds = text.split_whitespace().next().and_then(|first| first.parse().ok());
    nanoseconds.map(Duration::from_nanos).ok_or_else(|| Error::other("unexpected form of /proc/thread-self/schedstat"))
}

/// Fields 14 and 15 (utime, stime) of proc_pid_stat(5), counted after the name, which may hold anything but its end.
fn cpu_of(stat: &str) -> Option<Duration> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(Duration::from_millis((user + system) * 1000 / TICKS_PER_SECOND))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_is_read_past_any_name() {
        let stat = "7 (a ) (b) S 1 7 7 0 -1 4194560 1 0 0 0 25 17 0 0 20 0 1 0 100 1 1";
        assert_eq!(cpu_of(stat), Some(Duration::from_millis(420)));
        assert_eq!(cpu_of("nothing"), None);
    }
}
