//! `cargo xtask bench`: builds everything for release and hands over to the bench program.

use crate::failure::{Failure, Outcome};
use crate::postgres::{Cluster, Durability};
use crate::{needs, shell, test};

/// What `--help` says.
pub const HELP: &str = "\
cargo xtask bench [-- ARGUMENTS…]: measure, as ratios against a bare server in the same run

Builds the release binary and the bench program, starts a private PostgreSQL cluster that survives the machine's
death (fsync on), with 10 GB for its log, and measures both engines. Arguments after `--` go to the bench program;
`cargo xtask bench -- help` lists them. Writes bench/results.json.

Nothing here is a test: a number that is too small fails nothing.
";

/// Of what docs/configuration.md advises, the larger log.
const LOG_GIGABYTES: u32 = 10;

/// Builds and runs it.
pub fn run(arguments: &[String]) -> Outcome {
    let handed_over = match arguments.split_first() {
        None => &[],
        Some((first, rest)) if first == "--" => rest,
        Some((word, _)) => return Err(Failure::usage(format!("`{word}`: arguments stand after `--`"))),
    };
    let postgres = needs::postgres()
        .ok_or_else(|| Failure::new("no PostgreSQL server here; `cargo xtask test` installs one or says how"))?;
    let binary = test::release_binary()?;
    shell::run(shell::cargo().args(["build", "--locked", "--release", "--package", "counterfoil-bench"]))?;
    let cluster = Cluster::start(&postgres, Durability::Machine)?;
    eprintln!("PostgreSQL makes its log's files: {LOG_GIGABYTES} GB, a minute or so");
    cluster.season(LOG_GIGABYTES)?;
    let mut command = shell::cargo();
    command
        .args(["run", "--locked", "--release", "--quiet", "--package", "counterfoil-bench", "--"])
        .args(handed_over)
        .env("COUNTERFOIL_BIN", binary)
        .env("COUNTERFOIL_TEST_POSTGRES", cluster.url())
        .env("COUNTERFOIL_POSTGRES_BIN", &postgres);
    shell::run(&mut command)
}
