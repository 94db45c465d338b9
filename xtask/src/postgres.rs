//! A private PostgreSQL cluster that lives as long as its value.

use crate::clock::wait_until;
use crate::failure::{Failure, Outcome};
use crate::shell;
use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const READY_SECONDS: u64 = 60;
/// A file of the write-ahead log.
const WAL_FILE_MEGABYTES: u32 = 16;

/// What a commit must survive.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// The death of processes, not of the machine: tests, which make and drop many databases.
    Processes,
    /// Everything, as in production: measurements.
    Machine,
}

/// A running cluster in a temporary directory; dropped, it is stopped and erased.
pub struct Cluster {
    binaries: PathBuf,
    directory: PathBuf,
    port: u16,
    owner: Option<Owner>,
    server: Child,
}

/// Whom the server runs as when we are root, which PostgreSQL refuses to be.
#[derive(Clone, Copy)]
struct Owner {
    uid: u32,
    gid: u32,
}

impl Cluster {
    /// Makes a cluster with the programs in `binaries`, starts it on a free port of loopback and waits until it answers.
    pub fn start(binaries: &Path, durability: Durability) -> Result<Self, Failure> {
        let directory = std::env::temp_dir().join(format!("counterfoil-postgres-{}", std::process::id()));
        let owner = owner()?;
        prepare(&directory, owner)?;
        shell::output(
            as_owner(&mut Command::new(binaries.join("initdb")), owner, &directory).arg("-D").arg(&directory).args([
                "--username=postgres",
                "--auth=trust",
                "--encoding=UTF8",
                "--locale=C.UTF-8",
                "--no-sync",
            ]),
        )
        .inspect_err(|_| erase(&directory))?;
        let port = free_port()?;
        let mut command = Command::new(binaries.join("postgres"));
        as_owner(&mut command, owner, &directory).arg("-D").arg(&directory).args([
            "-p",
            &port.to_string(),
            "-h",
            "127.0.0.1",
        ]);
        for setting in
            ["unix_socket_directories=", "max_connections=400", "shared_buffers=256MB", "log_min_messages=fatal"]
        {
            command.args(["-c", setting]);
        }
        if durability == Durability::Processes {
            command.args(["-c", "fsync=off", "-c", "full_page_writes=off"]);
        }
        // Tests provoke errors on purpose; what the server says of them would drown theirs.
        let log =
            std::fs::File::create(directory.join("server.log")).map(Stdio::from).unwrap_or_else(|_| Stdio::null());
        let server = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn();
        let server = server.map_err(|error| Failure::new(format!("PostgreSQL could not be started: {error}")))?;
        let mut cluster = Self { binaries: binaries.to_path_buf(), directory, port, owner, server };
        cluster.wait()?;
        Ok(cluster)
    }

    /// A URL of the superuser on the maintenance database; who uses it makes databases of their own.
    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// Gives the write-ahead log room for `gigabytes`, all of whose files are there to be used again: a server that has run for a
    /// while has them, and a new one makes each, 16 MB of zeros, while commits wait.
    pub fn season(&self, gigabytes: u32) -> Outcome {
        let files = gigabytes * 1024 / WAL_FILE_MEGABYTES;
        // A checkpoint on the way would have the first ones used again instead of making more.
        self.psql(&["ALTER SYSTEM SET max_wal_size = '1TB'", "SELECT pg_reload_conf()", "SELECT pg_sleep(1)"])?;
        let fill = format!(
            "DO $$ BEGIN FOR n IN 1..{files} LOOP \
             PERFORM pg_logical_emit_message(false, 'xtask', 'a file'); PERFORM pg_switch_wal(); END LOOP; END $$"
        );
        let room = format!("ALTER SYSTEM SET max_wal_size = '{gigabytes}GB'");
        let kept = format!("ALTER SYSTEM SET min_wal_size = '{gigabytes}GB'");
        self.psql(&[&fill, &room, &kept, "SELECT pg_reload_conf()", "SELECT pg_sleep(1)", "CHECKPOINT"])?;
        let there = self.psql(&["SELECT count(*) FROM pg_ls_waldir()"])?;
        match there.trim().parse::<u32>() {
            Ok(there) if there >= files => Ok(()),
            _ => Err(Failure::new(format!("PostgreSQL's log has {} files of {files}", there.trim()))),
        }
    }

    /// Each statement by itself; what they answer.
    fn psql(&self, statements: &[&str]) -> Result<String, Failure> {
        let mut psql = Command::new(self.binaries.join("psql"));
        psql.args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--dbname", &self.url()]);
        psql.args(statements.iter().flat_map(|statement| ["--command", statement]));
        shell::output(&mut psql)
    }

    fn wait(&mut self) -> Result<(), Failure> {
        let port = self.port.to_string();
        let mut ended = false;
        let ready = wait_until(Duration::from_secs(READY_SECONDS), Duration::from_millis(50), || {
            ended = matches!(self.server.try_wait(), Ok(Some(_)));
            let asked = &mut Command::new(self.binaries.join("pg_isready"));
            ended || shell::output(asked.args(["-q", "-h", "127.0.0.1", "-p", &port])).is_ok()
        });
        if ready && !ended {
            return Ok(());
        }
        let log = std::fs::read_to_string(self.directory.join("server.log")).unwrap_or_default();
        Err(Failure::new(format!("PostgreSQL did not come up within {READY_SECONDS} s\n{log}")))
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let mut stop = Command::new(self.binaries.join("pg_ctl"));
        as_owner(&mut stop, self.owner, &self.directory)
            .args(["stop", "-s", "-m", "immediate", "-D"])
            .arg(&self.directory);
        if shell::output(&mut stop).is_err() {
            // It never came up, or is gone already: make sure, there is nothing left to tell.
            self.server.kill().ok();
        }
        self.server.wait().ok();
        erase(&self.directory);
    }
}

fn owner() -> Result<Option<Owner>, Failure> {
    let id = |arguments: &[&str]| -> Result<u32, Failure> {
        let text = shell::output(Command::new("id").args(arguments))?;
        text.trim().parse().map_err(|_| Failure::new("`id` says no number"))
    };
    if id(&["-u"])? != 0 {
        return Ok(None);
    }
    Ok(Some(Owner { uid: id(&["-u", "postgres"])?, gid: id(&["-g", "postgres"])? }))
}

fn prepare(directory: &Path, owner: Option<Owner>) -> Result<(), Failure> {
    let made = std::fs::create_dir(directory).and_then(|()| match owner {
        Some(owner) => std::os::unix::fs::chown(directory, Some(owner.uid), Some(owner.gid)),
        None => Ok(()),
    });
    made.map_err(|error| Failure::new(format!("{}: {error}", directory.display())))
}

/// Runs the command as the cluster's owner, in its directory: the caller's own may be closed to that user.
fn as_owner<'a>(command: &'a mut Command, owner: Option<Owner>, directory: &Path) -> &'a mut Command {
    if let Some(owner) = owner {
        command.uid(owner.uid).gid(owner.gid);
    }
    command.current_dir(directory)
}

fn free_port() -> Result<u16, Failure> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).and_then(|listener| listener.local_addr());
    listener.map(|address| address.port()).map_err(|error| Failure::new(format!("no free port on 127.0.0.1: {error}")))
}

fn erase(directory: &Path) {
    if let Err(error) = std::fs::remove_dir_all(directory) {
        eprintln!("warning: {} stays: {error}", directory.display());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_answers_and_leaves_nothing_behind() {
        let Some(binaries) = crate::needs::postgres() else {
            println!("skipped: no PostgreSQL server");
            return;
        };
        let cluster = Cluster::start(&binaries, Durability::Processes).unwrap();
        let directory = cluster.directory.clone();
        let port = cluster.port.to_string();
        let answers =
            || shell::output(Command::new(binaries.join("pg_isready")).args(["-h", "127.0.0.1", "-p", &port]));
        assert!(answers().is_ok());
        drop(cluster);
        assert!(answers().is_err());
        assert!(!directory.exists());
    }
}
