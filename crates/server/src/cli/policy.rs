//! `counterfoil policy`: checks and tests a pack before anybody depends on it.

use super::{Failure, Format};
use clap::{Args as ClapArgs, Subcommand};
use counterfoil_core::policy::Pack;
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
    /// Says whether the pack loads, and where it does not.
    Check {
        /// The pack's directory; without it, the pack that comes with the product.
        directory: Option<PathBuf>,
    },
}

/// Runs the command.
pub fn run(args: Args, format: Format) -> Result<(), Failure> {
    match args.command {
        Command::Check { directory } => check(directory.as_deref(), format),
    }
}

/// A pack's files, or those of the default pack.
fn files(directory: Option<&Path>) -> Result<BTreeMap<String, Vec<u8>>, Failure> {
    directory.map_or_else(|| Ok(counterfoil_core::policy::default_pack()), read)
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
    let pack = Pack::load(&files(directory)?).map_err(Failure::new)?;
    match format {
        Format::Text => {
            println!("{}: good, version {}", pack.name(), pack.version());
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
