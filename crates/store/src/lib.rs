//! The store: SQLite or PostgreSQL, one SQL, one suite of tests, one writer per node that commits many units at once.
//!
//! Start with [`Tx`]: a unit of work is data, built by domain verbs that stand with their nouns, and [`Tx::commit`] is
//! the only commit and demands the audit event. [`Store`] opens, reads and closes. `writer` queues and commits, `batch`
//! is one transaction for many units, `backend` is the only file that knows there are two engines, and `sequencer` turns
//! committed events into leaves of a tree that is signed within a second.

mod authenticator;
mod authorization;
mod backend;
mod batch;
mod body;
mod decision;
mod error;
mod evidence;
mod feed;
mod high_water;
mod lineage;
mod log;
mod message;
mod noun;
mod recent;
mod registry;
mod schema;
mod sequencer;
mod session;
mod statement;
mod store;
mod subject;
mod sweep;
mod table;
mod tx;
mod unit;
mod verify;
mod writer;

pub use authenticator::Attempt;
pub use authorization::{ChallengeRecord, CodeRecord, PushedRequest, Redemption, TokenRecord};
#[doc(hidden)]
pub use batch::Fault;
pub use body::Body;
pub use decision::{DecisionFilter, DecisionRecord, Discord, RecordedDecision};
pub use error::{CommitError, Inconsistency, OpenError, ReadError, Refusal};
pub use feed::FeedEntry;
pub use lineage::{Artefact, Closure};
pub use log::{LogHead, LogReader, LoggedEvent, LoggedRun, StoredCheckpoint};
pub use message::{Delivery, Invitation, InvitationState, Message};
pub use registry::{
    ActivePolicy, Api, ApiKey, ApiKeyState, Client, PolicyVersion, Resource, Snapshot, SystemKey, SystemKeyState,
};
pub use schema::Migration;
pub use sequencer::{Refused, SequenceError, Sequenced, Sequencer};
pub use session::KnownDevice;
pub use store::{Edges, Load, OpenOptions, Random, Store};
pub use tx::{SpendKey, Tx, Upkeep, is_stale};
pub use unit::Committed;
