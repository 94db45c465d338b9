//! A private PostgreSQL cluster for one test binary, ended when that process ends, however it ends.
//! Tests of other crates include this file by path.

use std::{
    net::TcpListener,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
};

/// Keeps the server while its standard input is open, which is while the test process lives; then stops and erases it.
const KEEP: &str = r#""$1/postgres" -D "$2" -p "$3" -h 127.0.0.1 -c unix_socket_directories= -c max_connections=200 \
    -c fsync=off -c full_page_writes=off -c log_min_messages=fatal >"$2/server.log" 2>&1 </dev/null &
server=$!
cat >/dev/null
kill -INT "$server"
wait "$server"
rm -rf "${2%/data}""#;

/// The URL of the maintenance database.
pub fn url() -> &'static str {
    static URL: OnceLock<String> = OnceLock::new();
    URL.get_or_init(|| std::env::var("COUNTERFOIL_TEST_POSTGRES").unwrap_or_else(|_| start()))
}

fn start() -> String {
    let binaries = binaries();
    let directory = tempfile::Builder::new().prefix("counterfoil-store-postgres-").tempdir().unwrap().keep();
    let owner = owner();
    if let Some((uid, gid)) = owner {
        std::os::unix::fs::chown(&directory, Some(uid), Some(gid)).unwrap();
    }
    let data = directory.join("data");
    let mut initdb = Command::new(binaries.join("initdb"));
    initdb.arg("-D").arg(&data).args([
        "--username=postgres",
        "--auth=trust",
        "--encoding=UTF8",
        "--locale=C",
        "--no-sync",
    ]);
    let made = as_owner(&mut initdb, owner, &directory).output().unwrap();
    assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
    // Free now; if somebody takes it before the server does, the server says so in its log and the test stops.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let mut keep = Command::new("sh");
    keep.args(["-c", KEEP, "keep"]).arg(&binaries).arg(&data).arg(&port).stdin(Stdio::piped());
    let keeper = as_owner(&mut keep, owner, &directory).process_group(0).spawn().unwrap();
    // Never waited for: the end of this process closes its input.
    std::mem::forget(keeper);
    let mut asked = 0;
    while !Command::new(binaries.join("pg_isready"))
        .args(["-q", "-h", "127.0.0.1", "-p", &port])
        .status()
        .unwrap()
        .success()
    {
        asked += 1;
        assert!(asked < 600, "{}", std::fs::read_to_string(data.join("server.log")).unwrap_or_default());
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    format!("postgres://postgres@127.0.0.1:{port}/postgres")
}

/// The directory of the server's programs.
pub fn binaries() -> PathBuf {
    if let Ok(directory) = std::env::var("COUNTERFOIL_POSTGRES_BIN") {
        return directory.into();
    }
    let versions =
        std::fs::read_dir("/usr/lib/postgresql").expect("PostgreSQL is installed (`cargo xtask test` says how)");
    let newest = versions.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok()).max();
    Path::new("/usr/lib/postgresql").join(newest.expect("a version of PostgreSQL").to_string()).join("bin")
}

/// PostgreSQL refuses to be root; then its own user runs it.
fn owner() -> Option<(u32, u32)> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let root = status.lines().any(|line| line.starts_with("Uid:") && line.split_whitespace().nth(2) == Some("0"));
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let user = users.lines().find(|line| line.starts_with("postgres:"))?.split(':').collect::<Vec<_>>();
    root.then(|| Some((user.get(2)?.parse().ok()?, user.get(3)?.parse().ok()?)))?
}

fn as_owner<'a>(command: &'a mut Command, owner: Option<(u32, u32)>, directory: &Path) -> &'a mut Command {
    command.current_dir(directory);
    if let Some((uid, gid)) = owner {
        command.uid(uid).gid(gid);
    }
    command
}
