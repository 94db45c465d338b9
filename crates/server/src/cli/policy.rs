//! `counterfoil policy`: checks, tests and explains a pack before anybody depends on it, and says what another would change.

mod explain;
mod replay;
mod test;

use super::{Failure, Format};
use clap::{ArgGroup, Args as ClapArgs, Subcommand};
use counterfoil_core::{id::DecisionId, policy::Pack};
use serde_json::json;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// Files of a pack at most; a directory that was named by mistake should not be read whole.
const FILES: usize = 1_000;
/// Bytes of one file at most.
const FILE_BYTES: u64 = 1 << 20;

/// What is asked of a pack.
#[derive(ClapArgs)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Says whether the pack loads and its invariants hold, and where they do not.
    Check {
        /// The pack's directory; without it, the pack that comes with the product.
        directory: Option<PathBuf>,
    },
    /// Runs the pack's own tests (tests/*.toml): requests, and the decisions that must come out.
    ///
    /// Exit code 0: all pass. 1: one does not, or the pack does not load.
    #[command(after_help = "\
A test looks like this:
  [[test]]
  name = \"low: any proof is enough\"
  action = \"balance.read\"
  resource = { type = \"account\", id = \"acc-1\" }
  session = { binding = \"new_key\" }
  proofs = [{ method = \"password\", age = 30 }, { method = \"app_code\", age = 20 }]
  expect = { outcome = \"permit\", tier = \"low\" }")]
    Test {
        /// The pack's directory; without it, the pack that comes with the product.
        directory: Option<PathBuf>,
        /// Only tests whose name contains this.
        #[arg(long, value_name = "WORDS")]
        only: Option<String>,
    },
    /// Says why a decision came out as it did: which policies spoke, what each read, what was missing, what was asked.
    ///
    /// Of a stored decision, by the pack that decided it; or of a request in a file, by the pack of --policies.
    #[command(group(ArgGroup::new("what").args(["data", "database_url", "request"]).required(true).multiple(true)))]
    #[command(after_help = "\
Examples:
  counterfoil policy explain --data /var/lib/counterfoil --decision 019a9e1c-7d00-7000-8000-000000000001
  counterfoil policy explain --request request.toml --policies ./policies

A request file has the form of a pack's tests, without their `expect`; or it is JSON as the administration shows it under
\"all inputs\".")]
    Explain {
        #[command(flatten)]
        log: super::audit::Place,
        /// The stored decision.
        #[arg(long, value_name = "ID", required_unless_present = "request")]
        decision: Option<DecisionId>,
        /// A file with a request.
        #[arg(long, value_name = "FILE", conflicts_with = "decision")]
        request: Option<PathBuf>,
        /// The pack that decides; without it, the stored decision's own, or the one that comes with the product.
        #[arg(long, value_name = "DIR")]
        policies: Option<PathBuf>,
        /// Also the policies that were asked and had nothing to say.
        #[arg(long)]
        all: bool,
    },
    /// Decides every stored decision again, by another pack, and says what would come out differently.
    ///
    /// Nothing is changed. Exit code 0, whatever differs: a table says how many of which action.
    #[command(group(ArgGroup::new("what").args(["data", "database_url"]).required(true).multiple(true)))]
    #[command(after_help = "\
Example:
  counterfoil policy replay --data /var/lib/counterfoil --policies ./policies-next")]
    Replay {
        #[command(flatten)]
        log: super::audit::Place,
        /// The pack to try.
        #[arg(long, value_name = "DIR")]
        policies: PathBuf,
    },
}

/// Runs the command.
pub fn run(args: Args, format: Format) -> Result<(), Failure> {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::new);
    match args.command {
        Command::Check { directory } => check(directory.as_deref(), format),
        Command::Test { directory, only } => test::run(directory.as_deref(), only.as_deref(), format),
        Command::Explain { decision: Some(decision), log, policies, all, .. } => {
            runtime()?.block_on(explain::stored(&log, decision, policies.as_deref(), all, format))
        }
        Command::Explain { request, policies, all, .. } => {
            let request = request.ok_or_else(|| Failure::new("--decision or --request is needed"))?;
            explain::request(&request, policies.as_deref(), all, format)
        }
        Command::Replay { log, policies } => runtime()?.block_on(replay::run(&log, &policies, format)),
    }
}

/// A pack's files, or those of the default pack.
fn files(directory: Option<&Path>) -> Result<BTreeMap<String, Vec<u8>>, Failure> {
    directory.map_or_else(|| Ok(counterfoil_core::policy::default_pack()), read)
}

/// The pack of a directory, or the default pack.
fn load(directory: Option<&Path>) -> Result<Pack, Failure> {
    let place =
        directory.map_or_else(|| "the pack that comes with the product".to_owned(), |path| path.display().to_string());
    Pack::load(&files(directory)?).map_err(|error| {
        let hint = error.hint.clone();
        let failure = Failure::new(format!("{place}: {}:{}: {}", error.file, error.line, error.reason));
        hint.map_or(failure.clone(), |hint| failure.hint(hint))
    })
}

/// Reads a directory of policies, names relative to it.
pub fn read(directory: &Path) -> Result<BTreeMap<String, Vec<u8>>, Failure> {
    let mut files = BTreeMap::new();
    let mut open = vec![directory.to_owned()];
    while let Some(folder) = open.pop() {
        let wrong = |error: std::io::Error| Failure::new(format!("{}: {error}", folder.display()));
        for entry in std::fs::read_dir(&folder).map_err(wrong)? {
            let entry = entry.map_err(wrong)?;
            let (path, kind) = (entry.path(), entry.file_type().map_err(wrong)?);
            if kind.is_dir() {
                open.push(path);
                continue;
            }
            let name = path.strip_prefix(directory).unwrap_or(&path).to_string_lossy().into_owned();
            if entry.metadata().map_err(wrong)?.len() > FILE_BYTES || files.len() >= FILES {
                return Err(Failure::new(format!("{name}: too large, or too many files for a pack")));
            }
            files.insert(name, std::fs::read(&path).map_err(wrong)?);
        }
    }
    Ok(files)
}

fn check(directory: Option<&Path>, format: Format) -> Result<(), Failure> {
    let pack = load(directory)?;
    match format {
        Format::Text => {
            println!("{}: good, version {}", pack.name(), pack.version());
            let (policies, invariants) = (pack.policies().count(), pack.invariants().len());
            println!("{policies} policies, {} actions", pack.catalogue().actions().count());
            println!("{invariants} invariants, which hold in every test of the pack");
            for warning in pack.warnings() {
                println!("warning: {warning}");
            }
        }
        Format::Json => {
            println!("{}", json!({"name": pack.name(), "version": pack.version(), "warnings": pack.warnings()}));
        }
    }
    Ok(())
}
