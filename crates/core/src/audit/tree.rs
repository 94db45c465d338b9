//! The Merkle tree over the log (RFC 6962 §2.1), kept as tiles of 256 hashes (C2SP tlog-tiles).
//!
//! [`Edge`] grows a tree and says which tiles changed; [`Plan`] says which tiles a root or proof needs and puts it
//! together from them, so that whoever stores tiles reads them as it likes. Verification needs no tiles: see
//! [`crate::audit::inclusion`].

use super::event::LeafHash;
use crate::digest::Digest;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeSet, fmt};

/// Hashes in a full tile, and so leaves under one hash of the tile level above.
pub const TILE_WIDTH: usize = 256;
const TILE_HEIGHT: u8 = 8;

/// Which tile: its level (0 holds leaf hashes) and its place in the level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TileId {
    /// 0 for leaf hashes, 1 for hashes over 256 leaves, and so on.
    pub level: u8,
    /// Counted from the left.
    pub index: u64,
}

impl TileId {
    /// The path of the tile in an export, as `tile/<L>/<N>[.p/<W>]`. A full tile has no width in its path.
    pub fn path(&self, width: usize) -> String {
        tile_path(&self.level.to_string(), self.index, width)
    }
}

/// The path of a bundle of 256 entries in an export: `tile/entries/<N>[.p/<W>]`.
pub fn entries_path(index: u64, width: usize) -> String {
    tile_path("entries", index, width)
}

fn tile_path(level: &str, index: u64, width: usize) -> String {
    let mut groups = vec![format!("{:03}", index % 1000)];
    let mut rest = index / 1000;
    while rest > 0 {
        groups.push(format!("x{:03}", rest % 1000));
        rest /= 1000;
    }
    groups.reverse();
    let partial = if width == TILE_WIDTH { String::new() } else { format!(".p/{width}") };
    format!("tile/{level}/{}{partial}", groups.join("/"))
}

/// The bytes of a bundle of entries in an export (C2SP tlog-tiles): each leaf behind its length in two bytes. At most
/// [`TILE_WIDTH`] leaves, none longer than [`crate::limits::LEAF_BYTES`].
pub fn entries_bytes<'a>(leaves: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<u8>, TreeError> {
    let mut out = Vec::new();
    for (nth, leaf) in leaves.into_iter().enumerate() {
        let length = u16::try_from(leaf.len()).ok().filter(|_| nth < TILE_WIDTH).ok_or(TreeError::Entries)?;
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(leaf);
    }
    Ok(out)
}

/// Reads a bundle of entries.
pub fn parse_entries(mut bytes: &[u8]) -> Result<Vec<&[u8]>, TreeError> {
    let mut leaves = Vec::new();
    while let Some((length, rest)) = bytes.split_first_chunk::<2>() {
        let (leaf, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length))).ok_or(TreeError::Entries)?;
        leaves.push(leaf);
        bytes = rest;
    }
    if !bytes.is_empty() || leaves.is_empty() || leaves.len() > TILE_WIDTH {
        return Err(TreeError::Entries);
    }
    Ok(leaves)
}

/// The hash of two subtrees: SHA-256(0x01 ‖ left ‖ right).
pub fn node_hash(left: &Digest, right: &Digest) -> Digest {
    Digest::of_parts(&[&[1], left.as_bytes(), right.as_bytes()])
}

/// The root of the tree without leaves: SHA-256 of nothing.
pub fn empty_root() -> Digest {
    Digest::of(b"")
}

/// Subtrees that stand side by side, largest first, as the root over them.
fn fold(subtrees: &[Digest]) -> Option<Digest> {
    let (last, rest) = subtrees.split_last()?;
    Some(rest.iter().rev().fold(*last, |right, left| node_hash(left, &right)))
}

/// The root of a full subtree; `hashes` is a power of two.
fn perfect(hashes: &[Digest]) -> Option<Digest> {
    match hashes {
        [] => None,
        [one] => Some(*one),
        more => {
            let (left, right) = more.split_at(more.len() / 2);
            Some(node_hash(&perfect(left)?, &perfect(right)?))
        }
    }
}

/// A tile with what it holds; possibly not full.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tile {
    /// Which.
    pub id: TileId,
    /// One to 256 hashes.
    pub hashes: Vec<Digest>,
}

impl Tile {
    /// The bytes to store or export: the hashes one after the other.
    pub fn bytes(&self) -> Vec<u8> {
        self.hashes.iter().flat_map(|hash| *hash.as_bytes()).collect()
    }

    /// Reads stored bytes. Empty tiles, more than 256 hashes and cut hashes are refused.
    pub fn parse(id: TileId, bytes: &[u8]) -> Result<Self, TreeError> {
        let (hashes, rest) = bytes.as_chunks::<32>();
        if hashes.is_empty() || hashes.len() > TILE_WIDTH || !rest.is_empty() {
            return Err(TreeError::Tile(id));
        }
        Ok(Self { id, hashes: hashes.iter().map(|hash| Digest::from_bytes(*hash)).collect() })
    }

    fn node(&self, node: Node) -> Option<Digest> {
        let (from, width) = node.place();
        self.hashes.get(from..from + width).and_then(perfect)
    }
}

/// What stands in the way of a root or proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TreeError {
    /// A tile is absent, too short, or not a tile.
    #[error("tile {} of level {} is missing or damaged", .0.index, .0.level)]
    Tile(TileId),
    /// Not a bundle of entries: cut, empty or too many.
    #[error("not a bundle of entries")]
    Entries,
    /// A leaf or tree that the tree does not reach.
    #[error("the tree does not have that many leaves")]
    OutOfRange,
}

/// The right edge of a growing tree: all that is needed to append and to know the root.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edge {
    size: u64,
    /// By tile level, the hashes of its last tile that is not full.
    levels: Vec<Vec<Digest>>,
}

impl Edge {
    /// The tree without leaves.
    pub fn empty() -> Self {
        Self::default()
    }

    /// The last tile of each level that is not full, for a tree of `size`: what [`Edge::load`] wants to read.
    pub fn tiles(size: u64) -> Vec<TileId> {
        partial_widths(size)
            .enumerate()
            .filter(|(_, width)| *width > 0)
            .map(|(level, _)| TileId { level: level as u8, index: size >> (8 * (level + 1)) })
            .collect()
    }

    /// The edge of a stored tree. A stored tile may hold more hashes than the tree had: only those of `size` count.
    pub fn load(size: u64, tile: impl Fn(TileId) -> Option<Tile>) -> Result<Self, TreeError> {
        let mut levels = Vec::new();
        for (level, width) in partial_widths(size).enumerate() {
            let id = TileId { level: level as u8, index: size.checked_shr(8 * (level as u32 + 1)).unwrap_or(0) };
            let hashes = match width {
                0 => Vec::new(),
                _ => tile(id).and_then(|tile| Some(tile.hashes.get(..width)?.to_vec())).ok_or(TreeError::Tile(id))?,
            };
            levels.push(hashes);
        }
        Ok(Self { size, levels })
    }

    /// How many leaves the tree has.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Appends leaves and returns every tile that is new or longer, in the order of their levels.
    pub fn append(&mut self, leaves: &[LeafHash]) -> Vec<Tile> {
        let mut full = Vec::new();
        let mut touched = BTreeSet::new();
        for leaf in leaves {
            self.push(leaf.digest(), &mut full, &mut touched);
        }
        let partial = touched.into_iter().filter_map(|level| {
            let hashes = self.levels.get(usize::from(level))?;
            let id = TileId { level, index: self.size >> (8 * (u32::from(level) + 1)) };
            (!hashes.is_empty()).then(|| Tile { id, hashes: hashes.clone() })
        });
        let mut changed: Vec<_> = partial.collect();
        changed.append(&mut full);
        changed.sort_by_key(|tile| tile.id);
        changed
    }

    /// Appends one leaf, for whoever wants the root and no tiles.
    pub fn append_one(&mut self, leaf: &LeafHash) {
        self.push(leaf.digest(), &mut Vec::new(), &mut BTreeSet::new());
    }

    fn push(&mut self, leaf: Digest, full: &mut Vec<Tile>, touched: &mut BTreeSet<u8>) {
        let mut carry = Some(leaf);
        let mut level = 0u8;
        while let Some(hash) = carry.take() {
            if self.levels.len() <= usize::from(level) {
                self.levels.push(Vec::new());
            }
            let hashes = &mut self.levels[usize::from(level)];
            hashes.push(hash);
            touched.insert(level);
            if hashes.len() == TILE_WIDTH {
                carry = perfect(hashes);
                let index = self.size >> (8 * (u32::from(level) + 1));
                full.push(Tile { id: TileId { level, index }, hashes: std::mem::take(hashes) });
            }
            level += 1;
        }
        self.size += 1;
    }

    /// The root over everything appended so far.
    pub fn root(&self) -> Digest {
        let mut subtrees = Vec::new();
        for hashes in self.levels.iter().rev() {
            let mut rest = &hashes[..];
            while !rest.is_empty() {
                let (left, right) = rest.split_at(1 << rest.len().ilog2());
                subtrees.extend(perfect(left));
                rest = right;
            }
        }
        fold(&subtrees).unwrap_or_else(empty_root)
    }
}

/// By tile level from 0, how many hashes the tile that is not full has.
fn partial_widths(size: u64) -> impl Iterator<Item = usize> {
    let levels = (u64::BITS - size.leading_zeros()).div_ceil(u32::from(TILE_HEIGHT));
    (0..levels).map(move |level| ((size >> (8 * level)) & 0xff) as usize)
}

/// A full subtree of 2^level leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Node {
    level: u8,
    index: u64,
}

impl Node {
    fn tile(self) -> TileId {
        TileId { level: self.level / TILE_HEIGHT, index: (self.index << (self.level % TILE_HEIGHT)) >> TILE_HEIGHT }
    }

    /// Where in the tile its hashes begin, and how many there are.
    fn place(self) -> (usize, usize) {
        let height = self.level % TILE_HEIGHT;
        (((self.index << height) & 0xff) as usize, 1 << height)
    }
}

/// What a root or a proof is made of. Ask for [`Plan::tiles`], read them, and [`Plan::assemble`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan(Vec<Vec<Node>>);

impl Plan {
    /// The root of the tree as it was with `size` leaves: one hash.
    pub fn root(size: u64) -> Self {
        Self(if size == 0 { Vec::new() } else { vec![nodes(0, size)] })
    }

    /// The path that proves leaf `index` to be in the tree of `size` leaves (RFC 6962 §2.1.1).
    pub fn inclusion(index: u64, size: u64) -> Result<Self, TreeError> {
        if index >= size {
            return Err(TreeError::OutOfRange);
        }
        let mut parts = Vec::new();
        let (mut low, mut high) = (0, size);
        while high - low > 1 {
            let middle = low + split(high - low);
            if index < middle {
                parts.push(nodes(middle, high));
                high = middle;
            } else {
                parts.push(nodes(low, middle));
                low = middle;
            }
        }
        parts.reverse();
        Ok(Self(parts))
    }

    /// The hashes that prove the tree of `old` leaves to be the beginning of that of `new` (RFC 6962 §2.1.2).
    pub fn consistency(old: u64, new: u64) -> Result<Self, TreeError> {
        if old > new {
            return Err(TreeError::OutOfRange);
        }
        let mut parts = Vec::new();
        if old == 0 || old == new {
            return Ok(Self(parts));
        }
        let (mut low, mut high, mut known) = (0, new, true);
        while old < high {
            let middle = low + split(high - low);
            if old <= middle {
                parts.push(nodes(middle, high));
                high = middle;
            } else {
                parts.push(nodes(low, middle));
                low = middle;
                known = false;
            }
        }
        if !known {
            parts.push(nodes(low, high));
        }
        parts.reverse();
        Ok(Self(parts))
    }

    /// The tiles that hold what is needed, each once.
    pub fn tiles(&self) -> BTreeSet<TileId> {
        self.0.iter().flatten().map(|node| node.tile()).collect()
    }

    /// Puts the hashes together from tiles. They prove nothing until they are verified against a signed root.
    pub fn assemble<'a>(&self, tile: impl Fn(TileId) -> Option<&'a Tile>) -> Result<Vec<Digest>, TreeError> {
        let hash = |node: &Node| {
            let id = node.tile();
            tile(id).and_then(|tile| tile.node(*node)).ok_or(TreeError::Tile(id))
        };
        self.0
            .iter()
            .map(|part| {
                let subtrees = part.iter().map(hash).collect::<Result<Vec<_>, _>>()?;
                fold(&subtrees).ok_or(TreeError::OutOfRange)
            })
            .collect()
    }
}

/// The largest power of two smaller than `n`, for `n` of at least 2.
const fn split(n: u64) -> u64 {
    1 << (n - 1).ilog2()
}

/// The full subtrees that make up the leaves from `low` to `high`, left to right.
fn nodes(mut low: u64, high: u64) -> Vec<Node> {
    let mut out = Vec::new();
    while low < high {
        let fits = (high - low).ilog2();
        let level = if low == 0 { fits } else { fits.min(low.trailing_zeros()) };
        out.push(Node { level: level as u8, index: low >> level });
        low += 1 << level;
    }
    out
}

impl fmt::Display for TileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.level, self.index)
    }
}
