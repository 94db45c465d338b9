//! How all of it is proven afterwards: events, their chain, the Merkle tree over them, its checkpoints, and evidence.
//!
//! The life of a leaf: an [`event::Event`] is made with the unit of work it records → its run's [`chain`] numbers and
//! authenticates it → it is committed with the unit → the sequencer appends it to the [`tree`] → a [`checkpoint`]
//! signs the tree → [`verify`] reads all of it again, and a [`bundle`] carries one story to a third party.

pub mod bundle;
pub mod canonical;
pub mod chain;
pub mod checkpoint;
mod contradiction;
pub mod event;
pub mod inclusion;
pub mod kind;
mod meaning;
pub mod tree;
pub mod verify;
