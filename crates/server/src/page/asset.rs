//! Files that pages load, part of the binary, under an address that changes with their content.

use super::text::{Lang, Part, Texts};
use bytes::Bytes;
use counterfoil_core::digest::Digest;

/// One file.
#[derive(Debug, Clone)]
pub struct Asset {
    /// Where it lies below the folder of this version, for example `js/dom.js`.
    pub path: String,
    /// Its media type.
    pub content_type: &'static str,
    /// Its bytes.
    pub bytes: Bytes,
}

macro_rules! files {
    ($($path:literal $kind:ident),* $(,)?) => {
        &[$(($path, $kind, include_bytes!(concat!("../../assets/", $path)))),*]
    };
}

const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const JSON: &str = "application/json";
const SVG: &str = "image/svg+xml";

/// Every file that a page may load, but the texts.
const FILES: &[(&str, &str, &[u8])] = files![
    "favicon.svg" SVG,
    "style.css" STYLE,
    "js/admin.js" SCRIPT,
    "js/authorize.js" SCRIPT,
    "js/dom.js" SCRIPT,
    "js/enrol.js" SCRIPT,
    "js/evidence.js" SCRIPT,
    "js/me.js" SCRIPT,
    "js/passkey.js" SCRIPT,
    "js/proof.js" SCRIPT,
    "js/refusal.js" SCRIPT,
    "js/sign-in.js" SCRIPT,
    "js/step-up.js" SCRIPT,
    "js/table.js" SCRIPT,
];

/// How long a file may be kept: its address changes with its content.
pub const CACHE_CONTROL: &str = "public, max-age=31536000, immutable";

/// The files of this build under one versioned folder. One version for all, because scripts import each other by relative paths.
#[derive(Debug, Clone)]
pub struct Assets {
    version: String,
    files: Vec<Asset>,
}

impl Assets {
    /// Cuts the texts into slices and computes the version from every path and byte.
    ///
    /// # Errors
    /// None that texts once read could cause.
    pub fn new<'a>(texts: impl IntoIterator<Item = (Lang, &'a Texts)>) -> Result<Self, serde_json::Error> {
        let mut files: Vec<Asset> = FILES
            .iter()
            .map(|(path, content_type, bytes)| Asset {
                path: (*path).to_owned(),
                content_type,
                bytes: Bytes::from_static(bytes),
            })
            .collect();
        for (lang, texts) in texts {
            for part in Part::ALL {
                let bytes = Bytes::from(texts.slice(*part)?);
                files.push(Asset { path: part.path(lang), content_type: JSON, bytes });
            }
        }
        let parts: Vec<&[u8]> =
            files.iter().flat_map(|file| [file.path.as_bytes(), b"\0", &file.bytes, b"\0"]).collect();
        let mut version = Digest::of_parts(&parts).to_string();
        version.truncate(16);
        Ok(Self { version, files })
    }

    /// The address of the folder, without a slash at its end: `/assets/<version>`.
    pub fn folder(&self) -> String {
        format!("/assets/{}", self.version)
    }

    /// The file at that address (`/assets/<version>/js/dom.js`). Another version is not here: what would come back is not what
    /// the old page expects.
    pub fn find(&self, address: &str) -> Option<&Asset> {
        let path = address.strip_prefix("/assets/")?.strip_prefix(&self.version)?.strip_prefix('/')?;
        self.files.iter().find(|file| file.path == path)
    }
}

#[cfg(test)]
mod tests {
    // A test that cannot go on should stop.
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use std::path::Path;

    fn assets() -> Assets {
        Assets::new([(Lang::En, &Texts::of(Lang::En).unwrap())]).unwrap()
    }

    #[test]
    fn every_script_of_the_folder_is_served_and_only_under_this_version() {
        let assets = assets();
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets");
        for entry in std::fs::read_dir(folder.join("js")).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(&folder).unwrap().to_str().unwrap();
            let file = assets.find(&format!("{}/{name}", assets.folder())).expect(name);
            assert_eq!(file.bytes, std::fs::read(&path).unwrap(), "{name}");
            assert!(assets.find(&format!("/assets/other/{name}")).is_none());
        }
        for address in ["/assets/", "/assets", "", "/assets//js/dom.js", "/assets/../js/dom.js"] {
            assert!(assets.find(address).is_none(), "{address}");
        }
    }

    #[test]
    fn nothing_turns_text_into_markup_or_code() {
        for file in assets().files.iter().filter(|file| file.path.ends_with(".js")) {
            let source = std::str::from_utf8(&file.bytes).unwrap();
            for word in
                ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function", "import("]
            {
                assert!(!source.contains(word), "{}: {word}", file.path);
            }
        }
    }
}
