//! The log as JSON lines. What it says is the leaves' own bytes, so that a reader can hash them again.

use super::{Progress, log::Log};
use crate::cli::Failure;
use counterfoil_core::audit::{
    chain::{ChainKey, Follow},
    event::LeafHash,
};
use counterfoil_store::{LogReader, LoggedEvent};
use std::{
    fs::File,
    io::{BufWriter, ErrorKind, Write},
    path::{Path, PathBuf},
};

/// Leaves that are in memory at once.
const PAGE: u32 = 1_024;

/// Writes every leaf of the tree from `from` on.
pub async fn run(
    log: &Log,
    from: u64,
    with_personal: bool,
    key: Option<PathBuf>,
    out: Option<&Path>,
) -> Result<(), Failure> {
    let reader = log.open().await?;
    if with_personal {
        let key = log.chain_key(key)?.ok_or_else(|| {
            Failure::new("--with-personal needs the installation's master key").hint("name its file with --key FILE")
        })?;
        belongs(&reader, key).await?;
    }
    match out {
        None => write(&reader, from, with_personal, BufWriter::new(std::io::stdout().lock())).await,
        Some(path) => {
            let file = private(path)?;
            write(&reader, from, with_personal, BufWriter::new(file)).await
        }
    }
}

/// A new file that only its owner reads: it may hold what is personal.
pub fn private(path: &Path) -> Result<File, Failure> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let opened = File::options().write(true).create_new(true).mode(0o600).open(path);
    opened.map_err(|error| {
        let failure = Failure::new(format!("{}: {error}", path.display()));
        if error.kind() == ErrorKind::AlreadyExists {
            failure.hint("nothing is overwritten: name another file")
        } else {
            failure
        }
    })
}

/// The key is this log's: its oldest run was begun with it.
async fn belongs(log: &LogReader, key: ChainKey) -> Result<(), Failure> {
    let Some(run) = log.runs().await.map_err(Failure::new)?.into_iter().next() else { return Ok(()) };
    let first = log.event_at(run.id, 0).await.map_err(Failure::new)?;
    let first =
        first.ok_or_else(|| Failure::new("the oldest run has lost its first event").hint("run `audit verify`"))?;
    Follow::from_start(Some(key), run.id, run.epoch)
        .check(&first.link, &LeafHash::of(&first.leaf))
        .map_err(|error| Failure::new(format!("the key is not this log's: {error}")))
}

async fn write(log: &LogReader, from: u64, with_personal: bool, mut out: impl Write) -> Result<(), Failure> {
    let size = log.head().await.map_err(Failure::new)?.size;
    let mut progress = Progress::new("exporting");
    let mut index = from;
    while index < size {
        let limit = u32::try_from(size - index).unwrap_or(PAGE).min(PAGE);
        let leaves = log.leaves(index, limit).await.map_err(Failure::new)?;
        if leaves.len() != limit as usize {
            return Err(Failure::new(format!("leaves are missing after leaf {index}")).hint("run `audit verify`"));
        }
        index += u64::from(limit);
        for leaf in &leaves {
            match writeln!(out, "{}", line(leaf, with_personal)?) {
                Ok(()) => {}
                // Whoever reads has read enough.
                Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(()),
                Err(error) => return Err(Failure::new(error)),
            }
        }
        progress.tell(index - from, size - from);
    }
    match out.flush() {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Failure::new(error)),
        _ => Ok(()),
    }
}

/// One line. The leaf stands in it byte for byte, because it is JSON already.
fn line(event: &LoggedEvent, with_personal: bool) -> Result<String, Failure> {
    let (index, hash) = (event.leaf_index.unwrap_or_default(), LeafHash::of(&event.leaf).digest());
    let not_json = |_| Failure::new(format!("leaf {index} is no JSON")).hint("run `audit verify`");
    let leaf = std::str::from_utf8(&event.leaf).map_err(|_| not_json(()))?;
    let (run, number) = (event.link.run, event.link.number);
    let mut line = format!(r#"{{"index":{index},"hash":"{hash}","run":"{run}","number":{number},"leaf":{leaf}"#);
    if let Some(personal) = event.personal.as_deref().filter(|_| with_personal) {
        line.push_str(&format!(r#","personal":{personal}"#));
    }
    line.push('}');
    serde_json::from_str::<serde::de::IgnoredAny>(&line).map_err(|_| not_json(()))?;
    Ok(line)
}
