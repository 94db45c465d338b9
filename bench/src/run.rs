//! The whole benchmark, step by step.

use crate::compare::{Measured, Plan, Subject, compare};
use crate::load::{Good, Scenario};
use crate::pack::enlarge;
use crate::process::Server;
use crate::ready::{Demo, Engine, settings};
use crate::results::Results;
use crate::scenarios::{Journey, answer_bytes, evaluation, payout, permits, repeated, steps_up};
use crate::{costs, disk, path, people, start};
use bytes::Bytes;
use serde_json::Value;
use std::io::{Error, Result};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The pack of the standard rows, and how many of its policies speak of one action.
const POLICIES: usize = 30;
const SLICE: usize = 10;
/// The default pack as it is, whatever its size.
const DEFAULT_PACK: usize = 1;

/// What the largest database here takes, and its log.
const SEASON_GIGABYTES: usize = 12;

const NOISE: &str = "bare server against itself";

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
pub struct Options {
    seconds: u64,
    rounds: usize,
    connections: usize,
    only: String,
    out: Option<PathBuf>,
}

impl Options {
    /// From the words after the command.
    pub fn parse(words: &[&str]) -> std::result::Result<Self, String> {
        let out = Some(PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/results.json")));
        let mut options = Self { seconds: 10, rounds: 5, connections: 64, only: String::new(), out };
        for pair in words.chunks(2) {
            let [name, value] = pair else { return Err(format!("`{}` needs a value", pair.concat())) };
            let number =
                || value.parse::<usize>().ok().filter(|number| *number > 0).ok_or(format!("`{value}`: not a number"));
            match *name {
                "--seconds" => options.seconds = number()? as u64,
                "--rounds" => options.rounds = number()?,
                "--connections" => options.connections = number()?,
                "--only" => options.only = (*value).to_owned(),
                "--out" => options.out = Some(PathBuf::from(value)).filter(|_| *value != "-"),
                _ => return Err(format!("no option `{name}`; `help` lists them")),
            }
        }
        Ok(options)
    }

    fn wants(&self, name: &str) -> bool {
        self.only.split(';').any(|part| name.contains(part))
    }

    fn plan(&self) -> Plan {
        Plan { seconds: self.seconds, rounds: self.rounds, connections: self.connections }
    }
}

/// Measures, prints, writes.
pub async fn run(options: &Options) -> Result<()> {
    let mut failed = false;
    let volume_seasoned = if options.only.is_empty() { SEASON_GIGABYTES } else { 0 };
    if volume_seasoned > 0 {
        eprintln!("the volume: writing {volume_seasoned} GB and giving them back");
        disk::season(&std::env::temp_dir(), volume_seasoned)?;
    }
    let mut results = Results {
        plan: options.plan(),
        volume_seasoned,
        processors: std::thread::available_parallelism().map_or(1, usize::from),
        fdatasync: disk::probe(&std::env::temp_dir())?,
        postgres: std::env::var("COUNTERFOIL_TEST_POSTGRES").ok().map(|url| settings(&url)).transpose()?,
        costs: costs::measure()?,
        start: None,
        rows: Vec::new(),
        shares: Vec::new(),
    };
    if options.wants(NOISE) {
        results.rows.push(noise(results.plan).await?);
    }
    if options.wants("start") {
        match start::measure().await {
            Ok(start) => results.start = Some(start),
            Err(error) => {
                eprintln!("start: {error}");
                failed = true;
            }
        }
    }
    for engine in engines() {
        if let Err(error) = measure_engine(options, &engine, &mut results).await {
            // What was measured before is still worth printing.
            eprintln!("{}: {error}", engine.name());
            failed = true;
        }
    }
    println!("\n{}", results.table());
    if let Some(path) = &options.out {
        results.write(path)?;
        println!("written to {}", path.display());
    }
    if failed { Err(Error::other("not everything could be measured")) } else { Ok(()) }
}

/// SQLite always; PostgreSQL where a server is named.
fn engines() -> Vec<Engine> {
    let postgres = std::env::var("COUNTERFOIL_TEST_POSTGRES").ok().map(Engine::Postgres);
    [Engine::Sqlite].into_iter().chain(postgres).collect()
}

async fn measure_engine(options: &Options, engine: &Engine, results: &mut Results) -> Result<()> {
    for policies in [POLICIES, DEFAULT_PACK, 300] {
        measure_pack(options, engine, policies, results).await?;
    }
    for count in people::CROWDS {
        let name = format!("evaluation about anybody, {}, {count} subjects", engine.name());
        if options.wants(&name) {
            results.rows.push(measure_crowd(options, engine, &name, count).await?);
        }
    }
    Ok(())
}

/// Questions about each of so many people in turn, by the standard pack.
async fn measure_crowd(options: &Options, engine: &Engine, name: &str, count: usize) -> Result<Measured> {
    let pack = std::env::temp_dir().join(format!("counterfoil-pack-{}", crate::random::identifier()));
    enlarge(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies"), &pack, POLICIES, SLICE)?;
    let demo = Demo::start(engine, Some(&pack)).await;
    let measured = async {
        let demo = demo?;
        let people = people::settle(&demo, count).await?;
        let (scenario, body) = people::anybody(&demo, &people)?;
        let scenario = Arc::new(scenario);
        let bytes = answer_bytes(&demo, &scenario).await?;
        let subject = Subject { server: &demo.server, address: demo.address()?, scenario };
        compare(name, subject, body, bytes, options.plan()).await
    };
    let measured = measured.await;
    std::fs::remove_dir_all(&pack).ok();
    measured
}

/// All scenarios with a pack of that size; with the standard one also the path.
async fn measure_pack(options: &Options, engine: &Engine, policies: usize, results: &mut Results) -> Result<()> {
    let slice = if policies == DEFAULT_PACK { 0 } else { SLICE };
    let pack = std::env::temp_dir().join(format!("counterfoil-pack-{}", crate::random::identifier()));
    let count = enlarge(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies"), &pack, policies, slice)?;
    let demo = Demo::start(engine, Some(&pack)).await;
    std::fs::remove_dir_all(&pack).ok();
    let demo = demo?;
    let user = demo.ready["users"][0].clone();
    let passkey = Journey::begin(&demo, &user, None).await?.browser.enrol().await?;
    let transaction = payout(&demo, 0);
    let cases: [(&str, &str, Option<&Value>, Good); 2] = [
        ("evaluation that permits", "balance.read", None, permits),
        ("evaluation that steps up", "payout.change", Some(&transaction), steps_up),
    ];
    for (what, action, transaction, good) in cases {
        let name = format!("{what}, {}, {count} policies", engine.name());
        if !options.wants(&name) {
            continue;
        }
        // An access token lives five minutes: each case gets its own.
        let token = Journey::begin(&demo, &user, Some(&passkey)).await?.token;
        let body = evaluation(&demo, &user, &token, action, transaction);
        let scenario = Arc::new(repeated(&demo, &body, good)?);
        let bytes = answer_bytes(&demo, &scenario).await?;
        let subject = Subject { server: &demo.server, address: demo.address()?, scenario };
        results.rows.push(compare(&name, subject, Bytes::from(body.to_string()), bytes, options.plan()).await?);
    }
    if options.wants("path") && policies == POLICIES {
        results.shares.extend(path::measure(&demo, engine.name()).await?);
    }
    Ok(())
}

/// The bare server against itself: how far from 1 the other rows' ratios may be by chance.
async fn noise(plan: Plan) -> Result<Measured> {
    const ANSWER_BYTES: usize = 400;
    let program = std::env::current_exe()?;
    let (server, address) = Server::start_announced(program.as_os_str(), &["bare", &ANSWER_BYTES.to_string()])?;
    let address = address.parse().map_err(Error::other)?;
    let body = Bytes::from_static(EXAMPLE);
    let scenario = Arc::new(Scenario::bare(address, body.clone()));
    compare(NOISE, Subject { server: &server, address, scenario }, body, ANSWER_BYTES, plan).await
}

/// The shape of an evaluation, for when only the bare servers run.
const EXAMPLE: &[u8] = br#"{"subject":{"type":"user","id":"01920000-0000-7000-8000-000000000000"},"action":{"name":"balance.read"},"resource":{"type":"account","id":"main"},"context":{"ip":"192.0.2.7","user_agent":"bench"}}"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_read() {
        let options = Options::parse(&["--seconds", "2", "--rounds", "3", "--out", "-"]).unwrap();
        assert_eq!((options.seconds, options.rounds, options.connections, options.out), (2, 3, 64, None));
        let some = Options::parse(&["--only", "path;steps up, SQLite"]).unwrap();
        assert_eq!(
            ["path", "evaluation that steps up, SQLite, 30 policies", "start"].map(|name| some.wants(name)),
            [true, true, false]
        );
        assert!(Options::parse(&[]).unwrap().wants("start"), "without the option, everything");
        for bad in [&["--seconds"][..], &["--seconds", "0"], &["--rounds", "x"], &["--nope", "1"]] {
            assert!(Options::parse(bad).is_err(), "{bad:?}");
        }
    }
}
