//! The high-water file: what we once signed, kept outside the database, so that a database that was turned back is seen.
//!
//! Ahead of the database, the store does not open. Missing beside a log that is not empty, the epoch rises: what an
//! older state of the database left open is void.

use crate::{
    backend::{Pool, Value},
    error::OpenError,
    log::LogReader,
    sequencer::LEASE_SECONDS,
};
use counterfoil_core::{digest::Digest, time::Time};
use std::{io::Write as _, path::Path, sync::Arc};

const FIRST_LINE: &str = "counterfoil high-water mark v1";

/// A tree that was signed, and the epoch in which.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) epoch: u64,
    pub(crate) size: u64,
    pub(crate) root: Digest,
}

impl Mark {
    fn text(&self) -> String {
        format!("{FIRST_LINE}\nepoch {}\nsize {}\nroot {}\n", self.epoch, self.size, self.root)
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let mut after = |word: &str| lines.next()?.strip_prefix(word);
        after(FIRST_LINE).filter(|rest| rest.is_empty())?;
        let (epoch, size) = (after("epoch ")?.parse().ok()?, after("size ")?.parse().ok()?);
        let mark = Self { epoch, size, root: after("root ")?.parse().ok()? };
        (mark.text() == text).then_some(mark)
    }
}

/// Replaces the file as a whole, durably.
pub(crate) fn write(file: &Path, mark: &Mark) -> Result<(), String> {
    let replace = || -> std::io::Result<()> {
        let new = file.with_extension("new");
        let mut opened = std::fs::File::create(&new)?;
        opened.write_all(mark.text().as_bytes())?;
        opened.sync_all()?;
        std::fs::rename(&new, file)?;
        // The rename itself is durable only once its directory is.
        match file.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            Some(parent) => std::fs::File::open(parent)?.sync_all(),
            None => std::fs::File::open(".")?.sync_all(),
        }
    };
    replace().map_err(|error| error.to_string())
}

fn read(file: &Path) -> Result<Option<Mark>, String> {
    match std::fs::read_to_string(file) {
        Ok(text) => Mark::parse(&text).map(Some).ok_or_else(|| "not a high-water file".to_owned()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.to_string()),
    }
}

/// What the check led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Checked {
    /// What is known to be signed; none of a log that is empty.
    pub(crate) mark: Option<Mark>,
    /// The epoch rose, from this one.
    pub(crate) raised_from: Option<u64>,
}

/// Compares file and database.
pub(crate) async fn check(pool: &Pool, file: &Path, node: &str, now: Time) -> Result<Checked, OpenError> {
    let name = || file.display().to_string();
    let log = LogReader::new(pool.clone());
    let (head, epoch) = (log.head().await?, log.epoch().await?);
    match read(file).map_err(|reason| OpenError::HighWater { file: name(), reason })? {
        Some(mark) if mark.epoch > epoch || mark.size > head.size => Err(OpenError::RolledBack {
            file: name(),
            epoch: signed(mark.epoch),
            marked: signed(mark.size),
            found: signed(head.size),
        }),
        Some(mark) if log.root_at(mark.size).await? != mark.root => {
            Err(OpenError::Forked { file: name(), size: signed(mark.size) })
        }
        Some(mark) => Ok(Checked { mark: Some(mark), raised_from: None }),
        None if head.size == 0 => Ok(Checked { mark: None, raised_from: None }),
        // A head that its own tiles contradict is nothing to begin from.
        None if log.root_at(head.size).await? != head.root => {
            Err(OpenError::Forked { file: name(), size: signed(head.size) })
        }
        // A node that is new where others are at work: they have marks, and nothing was turned back.
        None if is_new_beside_others(pool, node, now).await? => {
            let mark = Mark { epoch, size: head.size, root: head.root };
            write(file, &mark).map_err(|reason| OpenError::HighWater { file: name(), reason })?;
            Ok(Checked { mark: Some(mark), raised_from: None })
        }
        None => {
            raise(pool, epoch, now).await?;
            let mark = Mark { epoch: epoch + 1, size: head.size, root: head.root };
            write(file, &mark).map_err(|reason| OpenError::HighWater { file: name(), reason })?;
            Ok(Checked { mark: Some(mark), raised_from: Some(epoch) })
        }
    }
}

/// Has this node never written here, and does another hold the sequencer's lease now? A database that was brought back from
/// a copy says so only if the copy is younger than a lease.
async fn is_new_beside_others(pool: &Pool, node: &str, now: Time) -> Result<bool, OpenError> {
    if !pool.fetch("SELECT id FROM runs WHERE node = $1 LIMIT 1", &[Value::text(node)]).await?.is_empty() {
        return Ok(false);
    }
    let rows = pool.fetch("SELECT until FROM leases WHERE name = 'sequencer'", &[]).await?;
    let until = rows.first().map(|row| row.int(0)).transpose()?.unwrap_or(0);
    Ok((now.millis() + 1..=now.plus_seconds(LEASE_SECONDS).millis()).contains(&until))
}

/// Begins a new epoch: open challenges, codes, pushed requests and decisions carry the old one and are void; runs of the
/// old one may not write any more.
async fn raise(pool: &Pool, from: u64, now: Time) -> Result<(), OpenError> {
    let mut connection = pool.connect().await?;
    connection.begin().await?;
    let set = "UPDATE meta SET number = $1 WHERE name = $2 AND number <= $3";
    for (name, number) in [("epoch", signed(from) + 1), ("epoch_raised_at", now.millis())] {
        connection.execute(Arc::from(set), vec![Value::Int(number), Value::text(name), Value::Int(number)]).await?;
    }
    connection.commit().await?;
    connection.close().await;
    Ok(())
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_read_back_and_nothing_else_is() {
        let mark = Mark { epoch: 3, size: 120, root: Digest::of(b"root") };
        let text = mark.text();
        assert_eq!(Mark::parse(&text), Some(mark));
        for other in [text.replace("v1", "v2"), text.replace("120", "+120"), format!("{text}\n"), String::new()] {
            assert_eq!(Mark::parse(&other), None, "{other}");
        }
    }
}
