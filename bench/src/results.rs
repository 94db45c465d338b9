//! What was measured: the table for people, `bench/results.json` for machines.

use crate::compare::{Measured, Plan};
use crate::costs::Costs;
use crate::disk::SyncTimes;
use crate::path::Share;
use crate::start::Start;
use serde::Serialize;
use std::fmt::Write as _;
use std::io::{Error, Result};
use std::path::Path;

/// Everything of one run of the benchmark.
#[derive(Debug, Serialize)]
pub struct Results {
    /// How it was run.
    pub plan: Plan,
    /// Processors that generator, server and database shared.
    pub processors: usize,
    /// What the volume's promise costs.
    pub fdatasync: SyncTimes,
    /// Gigabytes written and given back before anything was measured.
    pub volume_seasoned: usize,
    /// What is set on PostgreSQL, where it is measured.
    pub postgres: Option<String>,
    /// What cryptography costs.
    pub costs: Costs,
    /// A second start of `serve`.
    pub start: Option<Start>,
    /// One row a scenario.
    pub rows: Vec<Measured>,
    /// How much of the path's steps is cryptography.
    pub shares: Vec<Share>,
}

impl Results {
    /// The table.
    pub fn table(&self) -> String {
        let mut text = format!(
            "{} processors shared by generator, server and database; {} connections; median of {} runs of {} s\n\
             fdatasync of 4 KiB: p50 {:.0} µs, p99 {:.0} µs; ES256 sign {:.1} µs, verify {:.1} µs; SHA-256 {:.1} µs\n",
            self.processors,
            self.plan.connections,
            self.plan.rounds,
            self.plan.seconds,
            self.fdatasync.p50_microseconds,
            self.fdatasync.p99_microseconds,
            self.costs.sign_microseconds,
            self.costs.verify_microseconds,
            self.costs.hash_microseconds,
        );
        if self.volume_seasoned > 0 {
            writeln!(text, "the volume: {} GB written and given back before", self.volume_seasoned).ok();
        }
        if let Some(settings) = &self.postgres {
            writeln!(text, "PostgreSQL: {settings}").ok();
        }
        writeln!(
            text,
            "\n{:<52} {:>9} {:>9} {:>7} {:>8} {:>8} {:>8} {:>8} {:>6} {:>5}",
            "scenario", "req/s", "bare", "ratio", "cpu µs", "bare µs", "p50 ms", "p99 ms", "MiB", "bad"
        )
        .ok();
        for row in &self.rows {
            writeln!(
                text,
                "{:<52} {:>9.0} {:>9.0} {:>7.3} {:>8.1} {:>8.1} {:>8.2} {:>8.2} {:>6.0} {:>5}",
                row.name,
                row.requests_per_second,
                row.bare_requests_per_second,
                row.ratio,
                row.cpu_microseconds,
                row.bare_cpu_microseconds,
                row.p50_milliseconds,
                row.p99_milliseconds,
                row.resident_mib,
                row.bad
            )
            .ok();
        }
        if let Some(start) = self.start {
            let Start { ready_milliseconds, idle_mib } = start;
            writeln!(
                text,
                "\nserve on SQLite, second start: ready after {ready_milliseconds:.0} ms, idle {idle_mib:.0} MiB"
            )
            .ok();
        }
        if !self.shares.is_empty() {
            writeln!(text, "\n{:<44} {:>9} {:>9} {:>9} {:>7}", "step", "count", "cpu µs", "crypto µs", "share").ok();
        }
        for step in &self.shares {
            writeln!(
                text,
                "{:<44} {:>9} {:>9.1} {:>9.1} {:>7.3}",
                step.name, step.count, step.cpu_microseconds, step.cryptography_microseconds, step.share
            )
            .ok();
        }
        text
    }

    /// Writes them as JSON, and the table beside it.
    pub fn write(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self).map_err(Error::other)?;
        std::fs::write(path, text + "\n")?;
        std::fs::write(path.with_extension("txt"), self.table())
    }
}
