//! Reads a whole log again and says what is wrong with it, and what nobody could see from here.
//!
//! Pure: rows come from an iterator, keys and checkpoints from the caller. The rows of the tree come first, in the
//! order of their leaves; then those that wait for the sequencer, in the order that it would give them.

pub use super::contradiction::{Contradiction, Place};
use super::{
    chain::{ChainError, ChainKey, Follow, Link},
    checkpoint::{Checkpoint, LogKey, Note, NoteError},
    event::{EventKind, Leaf, LeafError, LeafHash, Personal},
    kind::Predecessor,
    meaning::Meaning,
    tree::{Edge, TileId},
};
use crate::{
    digest::Digest,
    id::{DecisionId, EventId, RunId},
    seal::Mac,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

/// Findings that a report lists. A log with more is beyond listing.
const FINDINGS: usize = 1_000;

/// One stored event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its place in the tree; none while it waits for the sequencer.
    pub index: Option<u64>,
    /// The run that wrote it.
    pub run: RunId,
    /// Its number in the run.
    pub number: u64,
    /// The link's MAC.
    pub mac: Mac,
    /// The leaf.
    pub leaf: Vec<u8>,
    /// What is personal about it, if that was not erased.
    pub personal: Option<Personal>,
}

/// What a verifier was given.
#[derive(Clone, Debug, Default)]
pub struct Given {
    /// The key of the chains. Without it their MACs are not checked, and the report says so.
    pub chain_key: Option<ChainKey>,
    /// The keys of the log, past and present.
    pub log_keys: Vec<LogKey>,
    /// The notes of all checkpoints that the database holds.
    pub checkpoints: Vec<String>,
    /// A checkpoint that was kept outside the database: the log must contain its tree.
    pub trusted: Option<String>,
    /// Whether the report is to name all decisions.
    pub decisions: bool,
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// Bytes that are no leaf.
    #[error("{0}")]
    Leaf(#[from] LeafError),
    /// A leaf is missing, repeated or out of order.
    #[error("expected leaf {expected}, found another")]
    Index {
        /// The place that should have come.
        expected: u64,
    },
    /// A chain is broken.
    #[error("the chain of its run is broken: {0}")]
    Chain(#[from] ChainError),
    /// A run does not begin with the event that begins a run, or begins again in its middle.
    #[error("the run does not begin with its own first event")]
    RunStart,
    /// A run lacks events that its successor had seen.
    #[error("run {run} ends before number {number}, which its successor names")]
    RunCut {
        /// The run that was cut.
        run: RunId,
        /// The number that is missing, or has another MAC.
        number: u64,
    },
    /// Two events under one identifier.
    #[error("an event's identifier is used twice")]
    EventTwice,
    /// Personal values that are not what the leaf commits to.
    #[error("the personal values are not those that the leaf commits to")]
    Personal,
    /// Personal values are gone, and no event says that they were erased.
    #[error("personal values are missing without a record of their erasure")]
    PersonalMissing,
    /// A stored or trusted checkpoint is damaged, or signed wrongly.
    #[error("{which} checkpoint: {error}")]
    Note {
        /// `stored` or `trusted`.
        which: &'static str,
        /// What is wrong with it.
        error: NoteError,
    },
    /// A checkpoint signs another tree than these leaves make: two histories.
    #[error("{which} checkpoint of {size} leaves has another root than the leaves have")]
    Root {
        /// `stored` or `trusted`.
        which: &'static str,
        /// Its size.
        size: u64,
    },
    /// A checkpoint signs more leaves than there are: the log was cut.
    #[error("{which} checkpoint signs {size} leaves, but the log ends before")]
    Cut {
        /// `stored` or `trusted`.
        which: &'static str,
        /// Its size.
        size: u64,
    },
    /// The database says that a run ends before another number than it does.
    #[error("run {run} is said to end before number {said}, and ends before {found}")]
    RunLength {
        /// Which run.
        run: RunId,
        /// The number that the database says.
        said: u64,
        /// The number after its last event's.
        found: u64,
    },
    /// The database says that a run became leaves as far as another event than it did.
    #[error("run {run} is said to have become leaves as far as another event than it did")]
    Sequenced {
        /// Which run.
        run: RunId,
    },
    /// The database says another size or root than the leaves have.
    #[error("the stored size and root are not those of the leaves")]
    Head,
    /// A row that cannot be read.
    #[error("a row of {table} cannot be read")]
    Unreadable {
        /// Of which table.
        table: &'static str,
    },
    /// A stored tile is not what the leaves make: proofs out of it prove nothing.
    #[error("tile {0} is not what the leaves make")]
    Tile(TileId),
    /// The log contradicts itself.
    #[error("{0}")]
    Contradiction(#[from] Contradiction),
}

/// Something wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Where, if it is about one event.
    pub place: Option<Place>,
    /// What.
    pub problem: Problem,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place {
            Some(place) => write!(f, "{place}: {}", self.problem),
            None => self.problem.fmt(f),
        }
    }
}

/// What this verification cannot exclude, for want of a key or of a witness.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Residue {
    /// No key of the chains.
    #[error(
        "MACs were not checked (no key given): whoever can write to the database could have rewritten what no checkpoint signs"
    )]
    NoChainKey,
    /// No key of the log.
    #[error("signatures were not checked (no log key given): the checkpoints could be anybody's")]
    NoLogKey,
    /// No checkpoint from outside.
    #[error(
        "no checkpoint from outside was given: an older state of the whole database, with its own checkpoints, would look the same"
    )]
    NoTrustedCheckpoint,
    /// Events that no checkpoint signs yet.
    #[error("{0} events are under no signed checkpoint yet")]
    Unsigned(u64),
    /// Events that no checkpoint had signed, and that are gone with all that spoke of them.
    #[error("events of a run's end that no checkpoint had signed yet could have been cut off")]
    Tail,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Leaves of the tree.
    pub size: u64,
    /// The root over them.
    pub root: Digest,
    /// Events that wait for the sequencer.
    pub waiting: u64,
    /// Runs that were followed.
    pub runs: usize,
    /// Checkpoints that fit.
    pub checkpoints: usize,
    /// What is wrong, in the order of the log.
    pub findings: Vec<Finding>,
    /// There is more wrong than is listed.
    pub truncated: bool,
    /// What nobody could see from here.
    pub residue: Vec<Residue>,
    /// The decisions that the log speaks of, in order, if they were asked for.
    pub decisions: Vec<DecisionId>,
}

impl Report {
    /// Whether nothing is wrong. What it cannot exclude is another question.
    pub fn holds(&self) -> bool {
        self.findings.is_empty()
    }
}

struct Expected {
    which: &'static str,
    checkpoint: Checkpoint,
}

struct Run {
    follow: Follow,
    last: (u64, Mac),
}

/// Reads rows one after the other.
pub struct Verifier {
    key: Option<ChainKey>,
    residue: Vec<Residue>,
    /// By size; consistent with each other because each is compared with the same leaves.
    checkpoints: Vec<Expected>,
    next_checkpoint: usize,
    signed: u64,
    edge: Edge,
    next_index: u64,
    waiting: u64,
    runs: BTreeMap<RunId, Run>,
    predecessors: Vec<(Place, Predecessor)>,
    events: BTreeSet<EventId>,
    unexplained: BTreeMap<EventId, Place>,
    erased: BTreeSet<EventId>,
    meaning: Meaning,
    names_decisions: bool,
    findings: Vec<Finding>,
    truncated: bool,
}

impl Verifier {
    /// A verifier that has read nothing yet. Checkpoints that are none are findings, not errors.
    pub fn new(given: Given) -> Self {
        let mut verifier = Self {
            residue: Vec::new(),
            checkpoints: Vec::new(),
            next_checkpoint: 0,
            signed: 0,
            edge: Edge::empty(),
            next_index: 0,
            waiting: 0,
            runs: BTreeMap::new(),
            predecessors: Vec::new(),
            events: BTreeSet::new(),
            unexplained: BTreeMap::new(),
            erased: BTreeSet::new(),
            meaning: Meaning::default(),
            names_decisions: given.decisions,
            findings: Vec::new(),
            truncated: false,
            key: given.chain_key,
        };
        if verifier.key.is_none() {
            verifier.residue.push(Residue::NoChainKey);
        }
        if given.log_keys.is_empty() {
            verifier.residue.push(Residue::NoLogKey);
        }
        match &given.trusted {
            Some(note) => verifier.expect("trusted", note, &given.log_keys),
            None => verifier.residue.push(Residue::NoTrustedCheckpoint),
        }
        given.checkpoints.iter().for_each(|note| verifier.expect("stored", note, &given.log_keys));
        verifier.checkpoints.sort_by_key(|expected| expected.checkpoint.size);
        verifier.compare_checkpoints();
        verifier
    }

    fn expect(&mut self, which: &'static str, note: &str, keys: &[LogKey]) {
        let checkpoint = note.parse::<Note>().and_then(|note| match keys {
            [] => Checkpoint::parse(note.unverified_text()),
            keys => Checkpoint::verify(&note, keys),
        });
        match checkpoint {
            Ok(checkpoint) => self.checkpoints.push(Expected { which, checkpoint }),
            Err(error) => self.find(None, Problem::Note { which, error }),
        }
    }

    /// Reads the next row.
    pub fn row(&mut self, row: &Row) {
        let place = Place { index: row.index, run: row.run, number: row.number };
        let hash = LeafHash::of(&row.leaf);
        match row.index {
            Some(index) if index == self.next_index && self.waiting == 0 => {
                self.next_index += 1;
                self.edge.append_one(&hash);
            }
            Some(_) => {
                let expected = self.next_index;
                self.find(Some(place), Problem::Index { expected });
            }
            None => self.waiting += 1,
        }
        match Leaf::parse(&row.leaf) {
            Ok(leaf) => {
                self.follow(place, row, &hash, &leaf);
                self.personal(place, row, &leaf);
                self.meaning.read(place, &leaf);
            }
            Err(error) => self.find(Some(place), error.into()),
        }
        self.compare_checkpoints();
    }

    /// The report, once every row has been read.
    pub fn finish(self) -> Report {
        self.finish_with([])
    }

    /// The same, with what the reader of the rows found in what the database keeps beside them.
    pub fn finish_with(mut self, beside: impl IntoIterator<Item = Problem>) -> Report {
        for (place, predecessor) in std::mem::take(&mut self.predecessors) {
            let Predecessor { run, number, mac } = predecessor;
            let intact = self.runs.get(&run).is_some_and(|run| {
                let (last, last_mac) = run.last;
                // Further numbers are no fault: a commit of unknown outcome may have been kept after all.
                last > number || last == number && last_mac == mac
            });
            if !intact {
                self.find(Some(place), Problem::RunCut { run, number });
            }
        }
        for (event, place) in std::mem::take(&mut self.unexplained) {
            if !self.erased.contains(&event) {
                self.find(Some(place), Problem::PersonalMissing);
            }
        }
        while let Some(expected) = self.checkpoints.get(self.next_checkpoint) {
            let problem = Problem::Cut { which: expected.which, size: expected.checkpoint.size };
            self.next_checkpoint += 1;
            self.find(None, problem);
        }
        let meaning = std::mem::take(&mut self.meaning);
        let decisions = if self.names_decisions { meaning.decisions().collect() } else { Vec::new() };
        for (place, contradiction) in meaning.finish() {
            self.find(Some(place), contradiction.into());
        }
        beside.into_iter().for_each(|problem| self.find(None, problem));
        let unsigned = self.next_index - self.signed + self.waiting;
        if unsigned > 0 {
            self.residue.push(Residue::Unsigned(unsigned));
        }
        self.residue.push(Residue::Tail);
        self.findings.sort_by_key(|finding| finding.place.map(|place| (place.index.is_none(), place)));
        let bad = |finding: &&Finding| matches!(finding.problem, Problem::Root { .. } | Problem::Cut { .. });
        Report {
            size: self.next_index,
            root: self.edge.root(),
            waiting: self.waiting,
            runs: self.runs.len(),
            checkpoints: self.checkpoints.len().saturating_sub(self.findings.iter().filter(bad).count()),
            findings: self.findings,
            truncated: self.truncated,
            residue: self.residue,
            decisions,
        }
    }

    fn follow(&mut self, place: Place, row: &Row, hash: &LeafHash, leaf: &Leaf) {
        if !self.events.insert(leaf.id) {
            self.find(Some(place), Problem::EventTwice);
        }
        let begins = match &leaf.kind {
            EventKind::RunBegun { run, epoch, predecessor } if *run == row.run && row.number == 0 => {
                self.predecessors.extend(predecessor.map(|predecessor| (place, predecessor)));
                Some(*epoch)
            }
            EventKind::RunBegun { .. } => {
                self.find(Some(place), Problem::RunStart);
                None
            }
            _ => None,
        };
        let key = self.key.clone();
        let epoch = match (begins, self.runs.get(&row.run)) {
            (Some(epoch), None) => {
                let follow = Follow::from_start(key, row.run, epoch);
                self.runs.insert(row.run, Run { follow, last: (0, row.mac) });
                epoch
            }
            (_, Some(run)) => run.follow.epoch(),
            (None, None) => {
                self.find(Some(place), Problem::RunStart);
                return;
            }
        };
        let link = Link { run: row.run, epoch, number: row.number, mac: row.mac };
        let Some(run) = self.runs.get_mut(&row.run) else { return };
        match run.follow.check(&link, hash) {
            Ok(()) => run.last = (row.number, row.mac),
            Err(error) => {
                // Go on from here, so that one fault is one finding.
                run.follow = Follow::after(self.key.clone(), &link);
                run.last = (row.number, row.mac);
                self.find(Some(place), error.into());
            }
        }
    }

    fn personal(&mut self, place: Place, row: &Row, leaf: &Leaf) {
        if let EventKind::PersonalErased { events, .. } = &leaf.kind {
            self.erased.extend(events);
        }
        match (&leaf.personal, &row.personal) {
            (Some(_), None) => {
                self.unexplained.insert(leaf.id, place);
            }
            (_, personal) => {
                if leaf.commits_to(personal.as_ref()) != Ok(true) {
                    self.find(Some(place), Problem::Personal);
                }
            }
        }
    }

    /// Compares every checkpoint of the tree as it is now.
    fn compare_checkpoints(&mut self) {
        while let Some(Expected { which, checkpoint }) = self.checkpoints.get(self.next_checkpoint) {
            if checkpoint.size != self.next_index {
                return;
            }
            let problem = Problem::Root { which, size: checkpoint.size };
            self.next_checkpoint += 1;
            self.signed = self.next_index;
            if checkpoint.root != self.edge.root() {
                self.find(None, problem);
            }
        }
    }

    fn find(&mut self, place: Option<Place>, problem: Problem) {
        if self.findings.len() < FINDINGS {
            self.findings.push(Finding { place, problem });
        } else {
            self.truncated = true;
        }
    }
}

/// Verifies a whole log.
pub fn verify<'a>(given: Given, rows: impl IntoIterator<Item = &'a Row>) -> Report {
    let mut verifier = Verifier::new(given);
    rows.into_iter().for_each(|row| verifier.row(row));
    verifier.finish()
}
