//! The chain of one run: contiguous numbers and an HMAC over what came before, kept in memory, needing no lock.
//!
//! A run is one unbroken stretch of one process's writing. It begins with [`EventKind::RunBegun`], number 0, which
//! names the run before it; a commit whose outcome is unknown ends a run, because nobody can say what its last number
//! is. What lies between two runs is bound by the tree and its checkpoints.
//!
//! [`EventKind::RunBegun`]: crate::audit::kind::EventKind::RunBegun

use super::event::LeafHash;
use crate::{
    id::RunId,
    seal::{KEY_BYTES, Mac},
};
use aws_lc_rs::hmac;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The key that authenticates chains. It lies outside the database, so that whoever edits rows cannot mend the chain.
#[derive(Clone)]
pub struct ChainKey(hmac::Key);

impl ChainKey {
    /// Made by [`crate::seal::MasterKey::chain`].
    pub(crate) fn new(bytes: &[u8; KEY_BYTES]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, bytes))
    }

    fn mac(&self, run: RunId, epoch: u64, number: u64, previous: &Mac, leaf: &LeafHash) -> Mac {
        let mut message = Vec::with_capacity(128);
        message.extend_from_slice(b"counterfoil/chain/v1\0");
        message.extend_from_slice(run.as_bytes());
        message.extend_from_slice(&epoch.to_be_bytes());
        message.extend_from_slice(&number.to_be_bytes());
        message.extend_from_slice(previous.as_bytes());
        message.extend_from_slice(leaf.as_bytes());
        Mac::compute(&self.0, &message)
    }
}

impl fmt::Debug for ChainKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ChainKey(secret)")
    }
}

/// What stands before the first event of a run.
pub const GENESIS: Mac = Mac::from_bytes([0; 32]);

/// Where an event stands in the chain of its run; stored beside its leaf.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// The run that wrote it.
    pub run: RunId,
    /// The epoch of the installation: it rises when the database may have gone back in time.
    pub epoch: u64,
    /// 0, 1, 2 … within the run.
    pub number: u64,
    /// HMAC over run, epoch, number, the previous link's MAC and this leaf's hash.
    pub mac: Mac,
}

/// The end of a chain in the memory of the one that writes it. Not `Clone`: a chain has one end.
#[derive(Debug)]
#[must_use]
pub struct Chain {
    key: ChainKey,
    run: RunId,
    epoch: u64,
    next: u64,
    previous: Mac,
}

impl Chain {
    /// A chain without events. The first that is appended must be `RunBegun`.
    pub fn begin(key: ChainKey, run: RunId, epoch: u64) -> Self {
        Self { key, run, epoch, next: 0, previous: GENESIS }
    }

    /// The next link. Append in the order of the commit, and begin a new run after a commit that failed or whose
    /// outcome is unknown: numbers given away are never given again.
    pub fn append(&mut self, leaf: &LeafHash) -> Link {
        let number = self.next;
        let mac = self.key.mac(self.run, self.epoch, number, &self.previous, leaf);
        self.next += 1;
        self.previous = mac;
        Link { run: self.run, epoch: self.epoch, number, mac }
    }

    /// The run this chain is of.
    pub const fn run(&self) -> RunId {
        self.run
    }

    /// How many events it has.
    pub const fn length(&self) -> u64 {
        self.next
    }
}

/// Why a link does not continue its chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    /// A number is missing, repeated or out of order.
    #[error("expected number {expected} of the run, found {found}")]
    Gap {
        /// What should have come.
        expected: u64,
        /// What came.
        found: u64,
    },
    /// The link belongs to another run or epoch than the chain.
    #[error("the link is of another run or epoch")]
    Foreign,
    /// The MAC is wrong: the leaf, its place, or one before it was altered.
    #[error("wrong MAC")]
    Mac,
}

/// Follows one run from its first link. Without the key it checks the numbers only.
#[derive(Debug)]
pub struct Follow {
    key: Option<ChainKey>,
    run: RunId,
    epoch: u64,
    next: u64,
    previous: Mac,
}

impl Follow {
    /// From the beginning of a run.
    pub fn from_start(key: Option<ChainKey>, run: RunId, epoch: u64) -> Self {
        Self { key, run, epoch, next: 0, previous: GENESIS }
    }

    /// After a link that was checked before (a sequencer goes on where it stopped).
    pub fn after(key: Option<ChainKey>, last: &Link) -> Self {
        Self { key, run: last.run, epoch: last.epoch, next: last.number + 1, previous: last.mac }
    }

    /// Checks that `link` is the next one and authenticates `leaf`.
    pub fn check(&mut self, link: &Link, leaf: &LeafHash) -> Result<(), ChainError> {
        if link.run != self.run || link.epoch != self.epoch {
            return Err(ChainError::Foreign);
        }
        if link.number != self.next {
            return Err(ChainError::Gap { expected: self.next, found: link.number });
        }
        if let Some(key) = &self.key
            && key.mac(self.run, self.epoch, link.number, &self.previous, leaf) != link.mac
        {
            return Err(ChainError::Mac);
        }
        self.next += 1;
        self.previous = link.mac;
        Ok(())
    }

    /// The number that must come next.
    pub const fn next_number(&self) -> u64 {
        self.next
    }

    /// The epoch that its links are of.
    pub const fn epoch(&self) -> u64 {
        self.epoch
    }
}

#[cfg(test)]
// A test that cannot go on should stop.
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;
    use crate::{seal::MasterKey, time::Time};

    fn run(n: u8) -> RunId {
        RunId::new(Time::from_seconds(1_800_000_000), [n; 10])
    }

    fn key() -> ChainKey {
        MasterKey::from_bytes([5; 32]).chain().unwrap()
    }

    fn chain_of(leaves: &[LeafHash]) -> Vec<Link> {
        let mut chain = Chain::begin(key(), run(1), 3);
        leaves.iter().map(|leaf| chain.append(leaf)).collect()
    }

    fn follow(links: &[Link], leaves: &[LeafHash]) -> Result<(), ChainError> {
        let mut follow = Follow::from_start(Some(key()), run(1), 3);
        links.iter().zip(leaves).try_for_each(|(link, leaf)| follow.check(link, leaf))
    }

    #[test]
    fn a_chain_follows_itself_from_any_point() {
        let leaves: Vec<_> = (0..5u8).map(|n| LeafHash::of(&[n])).collect();
        let links = chain_of(&leaves);
        assert_eq!(follow(&links, &leaves), Ok(()));
        let mut rest = Follow::after(Some(key()), &links[2]);
        assert_eq!(rest.check(&links[3], &leaves[3]), Ok(()));
        assert_eq!(rest.next_number(), 4);
    }

    #[test]
    fn edit_deletion_swap_and_insertion_break_the_chain() {
        let leaves: Vec<_> = (0..5u8).map(|n| LeafHash::of(&[n])).collect();
        let links = chain_of(&leaves);
        for at in 0..5 {
            let mut edited = leaves.clone();
            edited[at] = LeafHash::of(b"other");
            assert_eq!(follow(&links, &edited), Err(ChainError::Mac));
        }
        for at in 0..4 {
            let (mut fewer, mut fewer_leaves) = (links.clone(), leaves.clone());
            fewer.remove(at);
            fewer_leaves.remove(at);
            assert!(matches!(follow(&fewer, &fewer_leaves), Err(ChainError::Gap { .. })));

            let (mut swapped, mut swapped_leaves) = (links.clone(), leaves.clone());
            swapped.swap(at, at + 1);
            swapped_leaves.swap(at, at + 1);
            assert!(matches!(follow(&swapped, &swapped_leaves), Err(ChainError::Gap { .. })));

            let (mut more, mut more_leaves) = (links.clone(), leaves.clone());
            more.insert(at, links[at]);
            more_leaves.insert(at, leaves[at]);
            assert!(follow(&more, &more_leaves).is_err());
        }
    }

    #[test]
    fn a_link_of_another_run_epoch_or_key_is_refused() {
        let leaf = LeafHash::of(b"x");
        let link = chain_of(&[leaf])[0];
        for (run, epoch) in [(run(2), 3), (run(1), 4)] {
            assert_eq!(Follow::from_start(Some(key()), run, epoch).check(&link, &leaf), Err(ChainError::Foreign));
        }
        let other = MasterKey::from_bytes([6; 32]).chain().unwrap();
        assert_eq!(Follow::from_start(Some(other), run(1), 3).check(&link, &leaf), Err(ChainError::Mac));
    }
}
