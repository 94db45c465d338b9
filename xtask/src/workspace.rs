//! Where things are: the root, the files in git, cargo's own description.

use crate::failure::Failure;
use crate::shell;
use std::path::PathBuf;
use std::process::Command;

/// The repository's root: the parent of xtask's own directory.
pub fn root() -> PathBuf {
    let manifest = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let own = manifest.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")));
    own.parent().map(PathBuf::from).unwrap_or(own)
}

/// Files that are in git or would be added to it, as paths from the root with `/`.
pub fn files() -> Result<Vec<String>, Failure> {
    // A clone that another user made is as good as ours.
    let listing = shell::output(Command::new("git").current_dir(root()).args([
        "-c",
        "safe.directory=*",
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
    ]))?;
    // A file that was deleted and not yet committed is still listed.
    let there = |path: &&str| !path.is_empty() && root().join(path).is_file();
    Ok(listing.split('\0').filter(there).map(String::from).collect())
}

/// `cargo metadata` as JSON, limited to this machine's platform.
pub fn metadata() -> Result<serde_json::Value, Failure> {
    let version = shell::output(Command::new("rustc").arg("-vV"))?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    let host = host.ok_or_else(|| Failure::new("`rustc -vV` names no host"))?;
    let text = shell::output(shell::cargo().args([
        "metadata",
        "--locked",
        "--format-version",
        "1",
        "--filter-platform",
        host,
    ]))?;
    serde_json::from_str(&text).map_err(|error| Failure::new(format!("`cargo metadata`: {error}")))
}

/// Cargo's target directory.
pub fn target_directory() -> Result<PathBuf, Failure> {
    let text = shell::output(shell::cargo().args(["metadata", "--no-deps", "--format-version", "1"]))?;
    let value: serde_json::Value =
        serde_json::from_str(&text).map_err(|error| Failure::new(format!("`cargo metadata`: {error}")))?;
    let directory =
        value["target_directory"].as_str().ok_or_else(|| Failure::new("`cargo metadata` names no target"))?;
    Ok(PathBuf::from(directory))
}
