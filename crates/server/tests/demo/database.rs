//! Databases of the tests' own on PostgreSQL, on the cluster that `cargo xtask test` names or one started here.

#[path = "../../../store/tests/support/cluster.rs"]
mod cluster;

use std::{
    path::Path,
    process::Command,
    sync::atomic::{AtomicU64, Ordering},
};

static MADE: AtomicU64 = AtomicU64::new(0);

/// Whether there is a cluster, or the programs to start one. Says so where there is not.
pub fn is_there() -> bool {
    let there =
        ["COUNTERFOIL_TEST_POSTGRES", "COUNTERFOIL_POSTGRES_BIN"].iter().any(|name| std::env::var_os(name).is_some())
            || Path::new("/usr/lib/postgresql").is_dir();
    if !there {
        println!("skipped: no PostgreSQL");
    }
    there
}

/// A new, empty database; the URL to it.
pub fn new() -> String {
    let maintenance = cluster::url();
    let name = format!("demo_{}_{}", std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
    run(maintenance, &format!("CREATE DATABASE {name}"));
    let (cluster, _) = maintenance.rsplit_once('/').unwrap();
    format!("{cluster}/{name}")
}

/// Does this to a database, as somebody who may write to it.
pub fn run(url: &str, sql: &str) {
    let packaged = cluster::binaries().join("psql");
    let psql = if packaged.is_file() { packaged } else { "psql".into() };
    let done = Command::new(psql).args(["-X", "-q", "-d", url, "-c", sql]).output().unwrap();
    assert!(done.status.success(), "{sql}: {}", String::from_utf8_lossy(&done.stderr));
}
