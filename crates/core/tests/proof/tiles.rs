//! Tiles, plans and proofs against a naive tree that is written as RFC 6962 §2.1 defines it.

use counterfoil_core::{
    audit::{
        event::LeafHash,
        inclusion::{ConsistencyProof, InclusionProof},
        tree::{Edge, Plan, Tile, TileId, empty_root, entries_bytes, entries_path, node_hash, parse_entries},
    },
    digest::Digest,
};
use proptest::prelude::*;
use std::collections::BTreeMap;

fn leaf(n: u64) -> LeafHash {
    LeafHash::of(&n.to_be_bytes())
}

fn naive_root(leaves: &[LeafHash]) -> Digest {
    match leaves {
        [] => empty_root(),
        [one] => one.digest(),
        more => {
            let split = more.len().next_power_of_two() / 2;
            node_hash(&naive_root(&more[..split]), &naive_root(&more[split..]))
        }
    }
}

/// A tree grown in batches, with its tiles as a store keeps them.
fn grow(batches: &[usize]) -> (Edge, BTreeMap<TileId, Tile>, Vec<LeafHash>) {
    let (mut edge, mut tiles, mut leaves) = (Edge::empty(), BTreeMap::new(), Vec::new());
    for batch in batches {
        let new: Vec<_> = (0..*batch).map(|n| leaf((leaves.len() + n) as u64)).collect();
        for tile in edge.append(&new) {
            // As bytes and back, as it is stored.
            let stored = Tile::parse(tile.id, &tile.bytes()).unwrap();
            assert_eq!(stored, tile);
            tiles.insert(tile.id, stored);
        }
        leaves.extend(new);
    }
    (edge, tiles, leaves)
}

fn assemble(plan: &Plan, tiles: &BTreeMap<TileId, Tile>) -> Vec<Digest> {
    let wanted = plan.tiles();
    plan.assemble(|id| if wanted.contains(&id) { tiles.get(&id) } else { None }).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn roots_and_proofs_equal_those_of_a_naive_tree(
        batches in prop::collection::vec(0usize..400, 1..6),
        a in any::<prop::sample::Index>(),
        b in any::<prop::sample::Index>(),
    ) {
        let (edge, tiles, leaves) = grow(&batches);
        let size = leaves.len() as u64;
        let root = naive_root(&leaves);
        prop_assert_eq!(edge.root(), root);
        prop_assert_eq!(edge.size(), size);
        let loaded = Edge::load(size, |id| tiles.get(&id).cloned()).unwrap();
        prop_assert_eq!(loaded.root(), root);
        prop_assume!(size > 0);

        // Any earlier tree, out of the same tiles.
        let old = a.index(leaves.len()) as u64 + 1;
        let old_root = naive_root(&leaves[..old as usize]);
        prop_assert_eq!(assemble(&Plan::root(old), &tiles), vec![old_root]);
        let earlier = Edge::load(old, |id| tiles.get(&id).cloned()).unwrap();
        prop_assert_eq!(earlier.root(), old_root);

        let path = assemble(&Plan::consistency(old, size).unwrap(), &tiles);
        let proof = ConsistencyProof { old_size: old, new_size: size, path };
        prop_assert!(proof.verify(&old_root, &root).is_ok());
        prop_assert!(proof.verify(&root, &old_root).is_err() || old == size);

        let index = b.index(old as usize) as u64;
        let path = assemble(&Plan::inclusion(index, old).unwrap(), &tiles);
        let proof = InclusionProof { index, size: old, path };
        prop_assert!(proof.verify(&leaf(index), &old_root).is_ok());
        prop_assert!(proof.verify(&leaf(index + 1), &old_root).is_err());
    }
}

#[test]
fn an_edge_goes_on_from_stored_tiles() {
    let (_, tiles, mut leaves) = grow(&[255, 2, 300]);
    let wanted = Edge::tiles(leaves.len() as u64);
    let mut edge = Edge::load(leaves.len() as u64, |id| wanted.contains(&id).then(|| tiles[&id].clone())).unwrap();
    let more: Vec<_> = (557..1200).map(leaf).collect();
    edge.append(&more);
    leaves.extend(more);
    assert_eq!(edge.root(), naive_root(&leaves));
    assert!(Edge::load(557, |_| None).is_err());
}

#[test]
fn proofs_across_tile_levels_hold() {
    // 65,536 leaves fill one tile of level 1.
    let (edge, tiles, leaves) = grow(&[65_000, 1_000]);
    let root = edge.root();
    for index in [0, 255, 256, 65_279, 65_535, 65_536, 65_999] {
        let path = assemble(&Plan::inclusion(index, 66_000).unwrap(), &tiles);
        assert!(InclusionProof { index, size: 66_000, path }.verify(&leaf(index), &root).is_ok(), "{index}");
    }
    for old in [1, 256, 65_000, 65_536, 65_537, 65_999] {
        let path = assemble(&Plan::consistency(old, 66_000).unwrap(), &tiles);
        let proof = ConsistencyProof { old_size: old, new_size: 66_000, path };
        assert!(proof.verify(&naive_root(&leaves[..old as usize]), &root).is_ok(), "{old}");
    }
    // 258 of leaves, one full of those and the one after it, and one hash above.
    assert_eq!(tiles.len(), 258 + 2 + 1);
}

#[test]
fn paths_are_those_of_c2sp() {
    assert_eq!(TileId { level: 0, index: 1_234_067 }.path(256), "tile/0/x001/x234/067");
    assert_eq!(TileId { level: 1, index: 0 }.path(3), "tile/1/000.p/3");
    assert_eq!(entries_path(1_000, 256), "tile/entries/x001/000");
}

#[test]
fn bytes_that_are_no_tile_are_refused() {
    let id = TileId { level: 0, index: 0 };
    for length in [0, 31, 33, 257 * 32] {
        assert!(Tile::parse(id, &vec![0; length]).is_err(), "{length}");
    }
    assert!(Plan::inclusion(5, 5).is_err() && Plan::consistency(6, 5).is_err());
}

#[test]
fn entries_read_back_and_cut_ones_are_refused() {
    let leaves: Vec<Vec<u8>> = (0..256usize).map(|n| vec![n as u8; n]).collect();
    let bytes = entries_bytes(leaves.iter().map(Vec::as_slice)).unwrap();
    assert_eq!(parse_entries(&bytes).unwrap(), leaves);
    for cut in [0, 1, 3, bytes.len() - 1] {
        assert!(parse_entries(&bytes[..cut]).is_err(), "{cut}");
    }
    let long = vec![0; 65_536];
    assert!(entries_bytes([long.as_slice()]).is_err());
    assert!(entries_bytes(std::iter::repeat_n(&[0u8][..], 257)).is_err());
}
