//! Verification of Merkle proofs (RFC 9162 §2.1.3.2 and §2.1.4.2, which verify the trees of RFC 6962), from hashes alone.

use super::{event::LeafHash, tree::node_hash};
use crate::digest::Digest;
use serde::{Deserialize, Serialize};

/// The longest path of a tree whose size is a 64-bit number.
const PATH_HASHES: usize = 64;

/// The proof is wrong. It does not matter where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the Merkle proof does not hold")]
pub struct WrongProof;

/// Says that a leaf stands at `index` of the tree of `size` leaves. Nothing is proven before `verify`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InclusionProof {
    /// The leaf's place, from 0.
    pub index: u64,
    /// The tree's number of leaves.
    pub size: u64,
    /// Hashes from the leaf up.
    pub path: Vec<Digest>,
}

impl InclusionProof {
    /// Whether `leaf` is where the proof says, under `root`.
    pub fn verify(&self, leaf: &LeafHash, root: &Digest) -> Result<(), WrongProof> {
        if self.index >= self.size || self.path.len() > PATH_HASHES {
            return Err(WrongProof);
        }
        let (mut at, mut last) = (self.index, self.size - 1);
        let mut hash = leaf.digest();
        for step in &self.path {
            if last == 0 {
                return Err(WrongProof);
            }
            if at & 1 == 1 || at == last {
                hash = node_hash(step, &hash);
                while at & 1 == 0 && at != 0 {
                    at >>= 1;
                    last >>= 1;
                }
            } else {
                hash = node_hash(&hash, step);
            }
            at >>= 1;
            last >>= 1;
        }
        if last == 0 && hash == *root { Ok(()) } else { Err(WrongProof) }
    }
}

/// Says that the tree of `old_size` leaves is the beginning of that of `new_size`. Nothing is proven before `verify`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConsistencyProof {
    /// Leaves of the earlier tree.
    pub old_size: u64,
    /// Leaves of the later tree.
    pub new_size: u64,
    /// The hashes, as RFC 6962 §2.1.2 orders them.
    pub path: Vec<Digest>,
}

impl ConsistencyProof {
    /// Whether the tree under `old_root` is the beginning of the one under `new_root`. A tree without leaves begins
    /// every tree: such a proof would say nothing, and is refused.
    pub fn verify(&self, old_root: &Digest, new_root: &Digest) -> Result<(), WrongProof> {
        if self.old_size > self.new_size || self.path.len() > PATH_HASHES + 1 {
            return Err(WrongProof);
        }
        if self.old_size == self.new_size {
            return if self.path.is_empty() && old_root == new_root { Ok(()) } else { Err(WrongProof) };
        }
        if self.old_size == 0 || self.path.is_empty() {
            return Err(WrongProof);
        }
        // The earlier tree is a full subtree: its root is the first hash, which the prover leaves out.
        let implied = self.old_size.is_power_of_two().then_some(old_root);
        let mut hashes = implied.into_iter().chain(&self.path);
        let (mut at, mut last) = (self.old_size - 1, self.new_size - 1);
        while at & 1 == 1 {
            at >>= 1;
            last >>= 1;
        }
        let first = hashes.next().ok_or(WrongProof)?;
        let (mut old_hash, mut new_hash) = (*first, *first);
        for step in hashes {
            if last == 0 {
                return Err(WrongProof);
            }
            if at & 1 == 1 || at == last {
                old_hash = node_hash(step, &old_hash);
                new_hash = node_hash(step, &new_hash);
                while at & 1 == 0 && at != 0 {
                    at >>= 1;
                    last >>= 1;
                }
            } else {
                new_hash = node_hash(&new_hash, step);
            }
            at >>= 1;
            last >>= 1;
        }
        if last == 0 && old_hash == *old_root && new_hash == *new_root { Ok(()) } else { Err(WrongProof) }
    }
}
