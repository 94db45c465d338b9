//! Inclusion and consistency proofs of transparency-dev/merkle, right and wrong ones.

use crate::support::{json, vectors};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use counterfoil_core::{
    audit::{
        event::LeafHash,
        inclusion::{ConsistencyProof, InclusionProof},
    },
    digest::Digest,
};
use std::path::{Path, PathBuf};

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|extension| extension == "json") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// A hash, or nothing where the vector has one of another length: our types cannot even say it.
fn hash(value: &serde_json::Value) -> Option<Digest> {
    let bytes = STANDARD.decode(value.as_str().unwrap_or_default()).unwrap();
    bytes.try_into().ok().map(Digest::from_bytes)
}

fn path(value: &serde_json::Value) -> Option<Vec<Digest>> {
    value.as_array().map_or(Some(Vec::new()), |hashes| hashes.iter().map(hash).collect())
}

fn check(folder: &str, holds: impl Fn(&serde_json::Value) -> Option<bool>) {
    let Some(root) = vectors("merkle") else { return };
    let (mut tried, mut unsayable) = (0, 0);
    for file in files(&root.join("testdata").join(folder)) {
        let vector = json(&file);
        let wanted = !vector["wantErr"].as_bool().unwrap();
        match holds(&vector) {
            Some(holds) => assert_eq!(holds, wanted, "{}", file.display()),
            // Two equal "don't care" roots, which are no hashes, of two trees of one leaf.
            None if wanted => unsayable += 1,
            // Refused because it cannot be said.
            None => {}
        }
        tried += 1;
    }
    assert!(tried > 90 && unsayable <= 1, "{tried} {unsayable}");
}

#[test]
fn inclusion_proofs_hold_exactly_where_the_vectors_say() {
    check("inclusion", |vector| {
        let proof = InclusionProof {
            index: vector["leafIdx"].as_u64()?,
            size: vector["treeSize"].as_u64()?,
            path: path(&vector["proof"])?,
        };
        let leaf = LeafHash::from_digest(hash(&vector["leafHash"])?);
        Some(proof.verify(&leaf, &hash(&vector["root"])?).is_ok())
    });
}

#[test]
fn consistency_proofs_hold_exactly_where_the_vectors_say() {
    check("consistency", |vector| {
        let proof = ConsistencyProof {
            old_size: vector["size1"].as_u64()?,
            new_size: vector["size2"].as_u64()?,
            path: path(&vector["proof"])?,
        };
        Some(proof.verify(&hash(&vector["root1"])?, &hash(&vector["root2"])?).is_ok())
    });
}
