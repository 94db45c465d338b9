//! What the tests need beside Rust: a browser, a database server, a font. Found, or installed when we may.

use crate::failure::Failure;
use crate::shell;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Everything that was found.
pub struct Needs {
    /// The browser's program.
    pub chromium: PathBuf,
    /// The directory with `initdb` and `postgres`.
    pub postgres: PathBuf,
}

/// Finds what the tests need. As root with `apt-get` it installs what is missing; else it says the exact command.
pub fn find_or_install() -> Result<Needs, Failure> {
    let missing = missing_packages();
    if !missing.is_empty() {
        println!("tests need what is not here: {}", missing.join(", "));
        install(&missing)?;
    }
    let still = || Failure::new(format!("still missing: {}", missing_packages().join(", ")));
    Ok(Needs { chromium: chromium().ok_or_else(still)?, postgres: postgres().ok_or_else(still)? })
}

fn missing_packages() -> Vec<&'static str> {
    let mut packages = Vec::new();
    if chromium().is_none() {
        packages.push("chromium");
    }
    if postgres().is_none() {
        packages.push("postgresql");
    }
    if !has_font(Path::new("/usr/share/fonts")) {
        packages.push("fonts-dejavu-core");
    }
    packages
}

fn install(packages: &[&str]) -> Result<(), Failure> {
    let command = format!("apt-get update && apt-get install -y --no-install-recommends {}", packages.join(" "));
    let root = shell::output(Command::new("id").arg("-u")).is_ok_and(|uid| uid.trim() == "0");
    if !root || shell::find_program(&["apt-get"], &[]).is_none() {
        return Err(Failure::new(format!("install it as root, then try again:\n  {command}")));
    }
    let apt = || {
        let mut apt = Command::new("apt-get");
        apt.env("DEBIAN_FRONTEND", "noninteractive");
        apt
    };
    shell::run(apt().arg("update"))?;
    shell::run(apt().args(["install", "-y", "--no-install-recommends"]).args(packages))
}

/// The browser: `COUNTERFOIL_CHROMIUM`, or the first known name on the path.
fn chromium() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("COUNTERFOIL_CHROMIUM") {
        return Some(PathBuf::from(named)).filter(|path| path.is_file());
    }
    shell::find_program(&["chromium", "chromium-browser", "google-chrome-stable", "google-chrome"], &[])
}

/// The directory of the newest PostgreSQL server here. Debian keeps it out of the path.
pub fn postgres() -> Option<PathBuf> {
    let mut versions: Vec<(u32, PathBuf)> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .collect();
    versions.sort_unstable();
    let packaged: Vec<PathBuf> = versions.into_iter().rev().map(|(_, directory)| directory).collect();
    let initdb = packaged.iter().map(|directory| directory.join("initdb")).find(|file| file.is_file());
    initdb.or_else(|| shell::find_program(&["initdb"], &[]))?.parent().map(PathBuf::from)
}

/// Any outline font will do: without one the browser's pictures have no letters.
fn has_font(directory: &Path) -> bool {
    std::fs::read_dir(directory).into_iter().flatten().flatten().any(|entry| {
        let path = entry.path();
        if path.is_dir() { has_font(&path) } else { path.extension().is_some_and(|end| end == "ttf" || end == "otf") }
    })
}
