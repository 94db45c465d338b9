//! Where vectors lie.

use std::path::PathBuf;

/// A folder of vectors, or nothing and a line that says so.
pub fn vectors(folder: &str) -> Option<PathBuf> {
    let root = std::env::var_os("COUNTERFOIL_VECTORS")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/vectors")), PathBuf::from);
    let path = root.join(folder);
    if path.is_dir() {
        return Some(path);
    }
    println!("skipped: {folder} absent");
    None
}

/// A file of vectors.
pub fn json(path: impl AsRef<std::path::Path>) -> serde_json::Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}
