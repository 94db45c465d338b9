//! What the volume's promise costs: a small append and fdatasync, again and again.

use crate::clock::Moment;
use crate::numbers::{microseconds, percentile};
use serde::Serialize;
use std::fs::File;
use std::io::{Result, Write as _};
use std::path::Path;

const ROUNDS: usize = 300;
const APPEND_BYTES: usize = 4096;

/// Microseconds of one append and fdatasync.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct SyncTimes {
    /// Half of them are faster.
    pub p50_microseconds: f64,
    /// One in a hundred is slower.
    pub p99_microseconds: f64,
}

/// Measures in `directory`, which should lie on the volume that the databases use.
pub fn probe(directory: &Path) -> Result<SyncTimes> {
    let path = directory.join(format!("counterfoil-fdatasync-{}", std::process::id()));
    let measured = measure(&path);
    std::fs::remove_file(&path).ok();
    measured
}

fn measure(path: &Path) -> Result<SyncTimes> {
    let mut file = File::create(path)?;
    let block = [0x5a; APPEND_BYTES];
    let mut times = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let start = Moment::now();
        file.write_all(&block)?;
        file.sync_data()?;
        times.push(start.elapsed());
    }
    times.sort_unstable();
    let at = |percent| percentile(&times, percent).map(microseconds).unwrap_or_default();
    Ok(SyncTimes { p50_microseconds: at(50.0), p99_microseconds: at(99.0) })
}

/// Writes a file of so many gigabytes in `directory` and gives it back. A volume that allots its blocks when they are first written,
/// as virtual machines have, takes longer for that; so the first database measured would pay for what the next ones use again.
pub fn season(directory: &Path, gigabytes: usize) -> Result<()> {
    let path = directory.join(format!("counterfoil-season-{}", std::process::id()));
    let written = fill(&path, gigabytes);
    std::fs::remove_file(&path).ok();
    written
}

fn fill(path: &Path, gigabytes: usize) -> Result<()> {
    let mut file = File::create(path)?;
    let block = vec![0x5a; 1 << 20];
    for _ in 0..gigabytes {
        for _ in 0..1 << 10 {
            file.write_all(&block)?;
        }
        file.sync_data()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_measures_and_cleans_up() {
        let directory = std::env::temp_dir();
        let times = probe(&directory).unwrap();
        assert!(times.p50_microseconds > 0.0 && times.p50_microseconds <= times.p99_microseconds);
        season(&directory, 0).unwrap();
        for what in ["fdatasync", "season"] {
            assert!(!directory.join(format!("counterfoil-{what}-{}", std::process::id())).exists());
        }
    }
}
