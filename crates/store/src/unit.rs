//! What the writer is handed: a unit of work as data. Conditions, then spends, then effects, then its events.
//!
//! Reads happen before, and all that they led to stands here as a condition: a row that must still be as it was read.
//! The writer judges the conditions of a whole batch in one statement per kind, so they are equalities and nothing else.

use crate::{
    backend::Value,
    error::{CommitError, Refusal},
    table::Table,
};
use counterfoil_core::{
    audit::event::LeafHash,
    id::{EventId, RunId},
    time::Time,
};
use std::sync::Arc;
use tokio::sync::oneshot;

/// "There is a row whose `columns` have these values." The first columns are the table's key. Judging it locks the row
/// until the commit, so that what was true for the condition is true for the effects.
#[derive(Debug, Clone)]
pub(crate) struct Condition {
    pub(crate) table: &'static Table,
    pub(crate) columns: &'static [&'static str],
    pub(crate) values: Vec<Value>,
}

impl Condition {
    /// The refusal that a false condition means.
    pub(crate) fn refusal(&self) -> Refusal {
        let id = self.key().iter().map(shown).collect::<Vec<_>>().join(" ");
        Refusal::Condition { table: self.table.name, id }
    }

    pub(crate) fn key(&self) -> &[Value] {
        self.values.get(..self.table.keys).unwrap_or(&self.values)
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::Text(text) => text.to_string(),
        Value::Int(int) => int.to_string(),
        _ => "…".to_owned(),
    }
}

/// Something that can be done once, and until when that must be remembered.
#[derive(Debug, Clone)]
pub(crate) struct Spend {
    pub(crate) key: Arc<str>,
    pub(crate) until: Time,
}

/// One change to one row.
#[derive(Debug, Clone)]
pub(crate) enum Effect {
    /// A new row under an identifier that nobody else has.
    Insert { table: &'static Table, row: Vec<Value> },
    /// A new row, or nothing if its key is there.
    Keep { table: &'static Table, row: Vec<Value> },
    /// The row of this key becomes this one.
    Put { table: &'static Table, row: Vec<Value> },
    /// The row of this key goes.
    Delete { table: &'static Table, key: Vec<Value> },
}

impl Effect {
    /// The row that this replaces or removes: two units of one batch must not both do so.
    pub(crate) fn overwrites(&self) -> Option<(&'static Table, &[Value])> {
        match self {
            Self::Insert { .. } | Self::Keep { .. } => None,
            Self::Put { table, row } => Some((table, row.get(..table.keys).unwrap_or(row))),
            Self::Delete { table, key } => Some((table, key)),
        }
    }
}

/// An entry of the feed, before it has a position.
#[derive(Debug, Clone)]
pub(crate) struct Fed {
    pub(crate) kind: &'static str,
    pub(crate) value: Arc<str>,
}

/// An event as it will be a leaf.
#[derive(Debug, Clone)]
pub(crate) struct Leaf {
    pub(crate) id: EventId,
    pub(crate) at: Time,
    pub(crate) bytes: Arc<[u8]>,
    pub(crate) hash: LeafHash,
    pub(crate) personal: Option<Arc<str>>,
}

/// A unit that waits for the writer.
pub(crate) struct Unit {
    pub(crate) id: Arc<str>,
    pub(crate) at: Time,
    pub(crate) conditions: Vec<Condition>,
    pub(crate) spends: Vec<Spend>,
    pub(crate) effects: Vec<Effect>,
    pub(crate) feed: Vec<Fed>,
    pub(crate) leaves: Vec<Leaf>,
    pub(crate) about: Vec<Arc<str>>,
    pub(crate) reply: oneshot::Sender<Result<Committed, CommitError>>,
}

/// Where a unit that is kept stands in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Committed {
    /// The chain that has its event.
    pub run: RunId,
    /// The number of its first event in that chain; for a unit without event, of the next one.
    pub number: u64,
    /// The epoch under which it was kept.
    pub epoch: u64,
}
