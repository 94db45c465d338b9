//! Handing a stored log to the verifier, also while a server goes on writing it; and proofs from its tiles.
//!
//! What is read is the tree as it was when reading began, then what all runs had beyond it at one later moment. What is sequenced
//! in between still counts as waiting, so a living server is no finding.

use crate::{
    error::{Inconsistency, ReadError},
    log::{LogHead, LogReader, LoggedEvent, LoggedRun},
};
use counterfoil_core::{
    audit::{
        chain::Link,
        event::LeafHash,
        inclusion::{ConsistencyProof, InclusionProof},
        tree::{Edge, Plan, TileId, TreeError},
        verify::{Given, Problem, Report, Row, Verifier},
    },
    id::RunId,
};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Leaves that are in memory at once.
const PAGE: u32 = 1_024;

impl LogReader {
    /// Verifies the whole log. The database's own checkpoints are added to those given.
    pub async fn verify(&self, given: Given) -> Result<Report, ReadError> {
        self.verify_telling(given, |_, _| ()).await
    }

    /// The same, telling after each page how many leaves of how many have been read.
    pub async fn verify_telling(&self, mut given: Given, mut tell: impl FnMut(u64, u64)) -> Result<Report, ReadError> {
        // Checkpoints before the size: every one of them covers leaves that are read.
        let mut after = 0;
        loop {
            let page = self.checkpoints(after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = last.size;
            given.checkpoints.extend(page.into_iter().map(|checkpoint| checkpoint.note));
        }
        let head = self.head().await?;
        let mut verifier = Verifier::new(given);
        let mut beside = Vec::new();
        let mut last: BTreeMap<RunId, Link> = BTreeMap::new();
        // The tree that the leaves make, as long as none is missing.
        let (mut edge, mut whole) = (Edge::empty(), true);
        let mut odd = BTreeSet::new();
        let mut index = 0;
        while index < head.size {
            let left = u32::try_from(head.size - index).unwrap_or(PAGE).min(PAGE);
            let leaves = self.leaves(index, left).await?;
            whole &= leaves.len() as u64 == u64::from(left);
            if leaves.is_empty() {
                break;
            }
            if whole {
                self.compare_tiles(&mut edge, &leaves, &mut odd).await?;
            }
            // Leaves that are not there are the verifier's to notice: what follows has a wrong index.
            index += u64::from(left);
            for leaf in leaves {
                last.insert(leaf.link.run, leaf.link);
                verifier.row(&row(leaf)?);
            }
            tell(index, head.size);
        }
        beside.extend(odd.into_iter().map(Problem::Tile));
        if !whole || edge.root() != head.root {
            beside.push(Problem::Head);
        }
        let runs = self.runs().await?;
        let mut waiting = Waiting::after(&last, &runs);
        while let Some(event) = waiting.next(self).await? {
            verifier.row(&row(event)?);
        }
        self.compare_runs(&runs, &mut beside).await?;
        self.compare_sequenced(&head, &last, &mut beside).await?;
        Ok(verifier.finish_with(beside))
    }

    /// Grows the tree by these leaves and compares every stored tile that they touch: `odd` are the others. One of a living log may
    /// be longer by now.
    async fn compare_tiles(
        &self,
        edge: &mut Edge,
        leaves: &[LoggedEvent],
        odd: &mut BTreeSet<TileId>,
    ) -> Result<(), ReadError> {
        let hashes: Vec<LeafHash> = leaves.iter().map(|leaf| LeafHash::of(&leaf.leaf)).collect();
        for made in edge.append(&hashes) {
            let same = match self.tile(made.id).await {
                Ok(stored) => stored.is_some_and(|stored| stored.hashes.starts_with(&made.hashes)),
                Err(error) if error.is_damage() => false,
                Err(error) => return Err(error),
            };
            if !same {
                odd.insert(made.id);
            }
        }
        Ok(())
    }

    /// Compares where each run ends with what its row says: a living one ends somewhere between what its row said before and says
    /// after.
    async fn compare_runs(&self, before: &[LoggedRun], beside: &mut Vec<Problem>) -> Result<(), ReadError> {
        let mut ends = Vec::with_capacity(before.len());
        for run in before {
            ends.push(self.end_of(run.id).await?);
        }
        let after: BTreeMap<RunId, u64> = self.runs().await?.into_iter().map(|run| (run.id, run.head)).collect();
        for (run, found) in before.iter().zip(ends) {
            let after = after.get(&run.id).copied().unwrap_or(0);
            if found < run.head {
                beside.push(Problem::RunLength { run: run.id, said: run.head, found });
            } else if found > after {
                beside.push(Problem::RunLength { run: run.id, said: after, found });
            }
        }
        Ok(())
    }

    /// Compares the last leaf of each run with what is noted of it; while the log grows, what is noted is that or a later event.
    async fn compare_sequenced(
        &self,
        head: &LogHead,
        last: &BTreeMap<RunId, Link>,
        beside: &mut Vec<Problem>,
    ) -> Result<(), ReadError> {
        let noted = match self.sequenced().await {
            Ok(noted) => noted,
            Err(error) if error.is_damage() => {
                beside.push(Problem::Unreadable { table: "sequenced" });
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let stands = self.head().await? == *head;
        let runs: BTreeSet<RunId> = noted.keys().chain(last.keys()).copied().collect();
        for run in runs {
            let leaf = last.get(&run).map(|last| (last.number + 1, last.mac));
            let same = match noted.get(&run) {
                noted if stands => noted == leaf.as_ref(),
                None => leaf.is_none(),
                Some((number, mac)) => {
                    let event = match number.checked_sub(1) {
                        Some(number) => self.event_at(run, number).await?,
                        None => None,
                    };
                    leaf.is_none_or(|(least, _)| *number >= least) && event.is_some_and(|event| event.link.mac == *mac)
                }
            };
            if !same {
                beside.push(Problem::Sequenced { run });
            }
        }
        Ok(())
    }

    /// The proof that a leaf is in the tree of `size` leaves.
    pub async fn inclusion(&self, index: u64, size: u64) -> Result<InclusionProof, ReadError> {
        let path = self.assemble(&Plan::inclusion(index, size).map_err(out_of_range)?).await?;
        Ok(InclusionProof { index, size, path })
    }

    /// The proof that the tree of `old_size` leaves is the beginning of that of `new_size`.
    pub async fn consistency(&self, old_size: u64, new_size: u64) -> Result<ConsistencyProof, ReadError> {
        let path = self.assemble(&Plan::consistency(old_size, new_size).map_err(out_of_range)?).await?;
        Ok(ConsistencyProof { old_size, new_size, path })
    }
}

/// Events that are no leaves yet, in the order that the sequencer would give them in one step. All of them were there at one
/// moment, so whatever led to one is among them or a leaf.
struct Waiting(BTreeMap<RunId, Rest>);

/// What a run has beyond its leaves.
struct Rest {
    next: u64,
    until: u64,
    read: VecDeque<LoggedEvent>,
}

impl Waiting {
    /// `runs` as they were at that moment.
    fn after(last: &BTreeMap<RunId, Link>, runs: &[LoggedRun]) -> Self {
        let rest = |run: &LoggedRun| {
            let next = last.get(&run.id).map_or(0, |last| last.number + 1);
            (next < run.head).then(|| (run.id, Rest { next, until: run.head, read: VecDeque::new() }))
        };
        Self(runs.iter().filter_map(rest).collect())
    }

    async fn next(&mut self, log: &LogReader) -> Result<Option<LoggedEvent>, ReadError> {
        for (run, rest) in &mut self.0 {
            if rest.read.is_empty() && rest.next < rest.until {
                // The next ones that are there: of what is missing between, the chain tells.
                rest.read = log.stretch_at_most(*run, rest.next, rest.until, PAGE).await?.into();
                rest.next = rest.read.back().map_or(rest.until, |last| last.link.number + 1);
            }
        }
        let first = |(run, rest): (&RunId, &Rest)| Some((rest.read.front()?.id, *run));
        let Some((_, run)) = self.0.iter().filter_map(first).min() else { return Ok(None) };
        Ok(self.0.get_mut(&run).and_then(|rest| rest.read.pop_front()))
    }
}

fn out_of_range(error: TreeError) -> ReadError {
    Inconsistency { table: "tiles", id: "log".to_owned(), reason: error.to_string() }.into()
}

fn row(event: LoggedEvent) -> Result<Row, ReadError> {
    let id = format!("{}/{}", event.link.run, event.link.number);
    let wrong = |error: serde_json::Error| Inconsistency { table: "events", id, reason: format!("personal: {error}") };
    Ok(Row {
        index: event.leaf_index,
        run: event.link.run,
        number: event.link.number,
        mac: event.link.mac,
        leaf: event.leaf,
        personal: event.personal.as_deref().map(serde_json::from_str).transpose().map_err(wrong)?,
    })
}
