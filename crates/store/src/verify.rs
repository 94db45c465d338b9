//! Handing a stored log to the verifier, also while a server goes on writing it; and proofs from its tiles.
//!
//! What is read is one state of the log: the tree as it was when reading began, then what each run has beyond it. What
//! is sequenced in between still counts as waiting, so a living server is no finding.

use crate::{
    backend::Value,
    error::{Inconsistency, ReadError},
    log::{LogReader, LoggedEvent, LoggedRun},
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
use std::collections::{BTreeMap, BTreeSet};

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
        let size = head.size;
        let mut verifier = Verifier::new(given);
        let mut last: BTreeMap<RunId, Link> = BTreeMap::new();
        // The tree that the leaves make, as long as none is missing.
        let mut edge = Some(Edge::empty());
        let mut odd = BTreeSet::new();
        let mut index = 0;
        while index < size {
            let left = u32::try_from(size - index).unwrap_or(PAGE).min(PAGE);
            let leaves = self.leaves(index, left).await?;
            edge = edge.filter(|_| leaves.len() as u64 == u64::from(left));
            if let Some(edge) = &mut edge {
                self.compare_tiles(edge, &leaves, &mut odd).await?;
            }
            // Leaves that are not there are the verifier's to notice: what follows has a wrong index.
            index += u64::from(left);
            for leaf in leaves {
                last.insert(leaf.link.run, leaf.link);
                verifier.row(&row(leaf)?);
            }
            tell(index, size);
        }
        odd.into_iter().for_each(|tile| verifier.find_beside(Problem::Tile(tile)));
        if edge.is_some_and(|edge| edge.root() != head.root) {
            verifier.find_beside(Problem::Head);
        }
        let mut found = BTreeMap::new();
        let runs = self.runs().await?;
        for run in &runs {
            let mut number = last.get(&run.id).map_or(0, |last| last.number + 1);
            loop {
                let page = self.events_from(run.id, number).await?;
                let Some(last) = page.last() else { break };
                number = last.link.number + 1;
                for event in page {
                    verifier.row(&row(LoggedEvent { leaf_index: None, ..event })?);
                }
            }
            found.insert(run.id, number);
        }
        self.compare_runs(&runs, &found, &mut verifier).await?;
        let sequenced = self.sequenced().await?;
        // While it grows, what is noted of it has gone on since.
        if self.head().await? == head {
            let runs: BTreeSet<RunId> = sequenced.keys().chain(last.keys()).copied().collect();
            for run in runs {
                if sequenced.get(&run) != last.get(&run).map(|last| (last.number + 1, last.mac)).as_ref() {
                    verifier.find_beside(Problem::Sequenced { run });
                }
            }
        }
        Ok(verifier.finish())
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
                Err(ReadError::Inconsistent(_)) => false,
                Err(error) => return Err(error),
            };
            if !same {
                odd.insert(made.id);
            }
        }
        Ok(())
    }

    /// Compares how many events each run has with what its row says. `runs` was read before `found`, and what is read here after
    /// it, so that a living log's events lie between.
    async fn compare_runs(
        &self,
        runs: &[LoggedRun],
        found: &BTreeMap<RunId, u64>,
        verifier: &mut Verifier,
    ) -> Result<(), ReadError> {
        let later: BTreeMap<RunId, u64> = self.runs().await?.into_iter().map(|run| (run.id, run.head)).collect();
        for run in runs {
            let found = found.get(&run.id).copied().unwrap_or(0);
            let most = later.get(&run.id).copied().unwrap_or(0);
            if found < run.head || found > most {
                verifier.find_beside(Problem::RunLength { run: run.id, said: run.head, found });
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

    async fn events_from(&self, run: RunId, number: u64) -> Result<Vec<LoggedEvent>, ReadError> {
        let number = i64::try_from(number).unwrap_or(i64::MAX);
        let rest = "WHERE e.run = $1 AND e.number >= $2 ORDER BY e.number LIMIT $3";
        self.events_where(rest, &[Value::id(run), Value::Int(number), Value::Int(PAGE.into())]).await
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
