//! The shells, rendered once at start: the same bytes for everybody.

use super::{
    asset::Assets,
    text::{Lang, Part, Texts},
};
use askama::Template;
use bytes::Bytes;
use counterfoil_core::digest::Digest;
use std::collections::BTreeMap;

/// A page that starts empty of anything personal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Shell {
    /// `/sign-in`
    SignIn,
    /// `/oauth/authorize`
    Authorize,
    /// `/step-up/{id}`
    StepUp,
    /// `/me`
    Me,
    /// `/me/passkey`
    Passkey,
    /// `/init`
    Init,
    /// `/admin` and everything below it
    Admin,
    /// A GET that leads nowhere.
    NotFound,
    /// A GET that we cannot read.
    InvalidRequest,
    /// More than we can do just now.
    Busy,
    /// Our own fault.
    Internal,
}

impl Shell {
    /// Every shell.
    pub const ALL: &'static [Self] = &[
        Self::SignIn,
        Self::Authorize,
        Self::StepUp,
        Self::Me,
        Self::Passkey,
        Self::Init,
        Self::Admin,
        Self::NotFound,
        Self::InvalidRequest,
        Self::Busy,
        Self::Internal,
    ];
}

/// What every shell says about this installation.
#[derive(Debug)]
pub struct Site {
    /// The issuer's URL, as the address bar should show it.
    pub issuer: String,
    /// Its host (and port, if not the scheme's own).
    pub host: String,
    assets: String,
    langs: Vec<(&'static str, String)>,
}

macro_rules! shells {
    ($($name:ident $path:literal $script:literal),* $(,)?) => {$(
        #[derive(Template)]
        #[template(path = $path)]
        struct $name<'a> { site: &'a Site, text: &'a Texts, script: &'static str, slice: &'a str }
        impl<'a> $name<'a> {
            fn html(site: &'a Site, text: &'a Texts, slice: &'a str) -> askama::Result<String> {
                Self { site, text, script: $script, slice }.render()
            }
        }
    )*};
}

shells! {
    SignIn "sign_in.html" "sign-in",
    Authorize "authorize.html" "authorize",
    StepUp "step_up.html" "step-up",
    Me "me.html" "me",
    Passkey "passkey.html" "enrol",
    Init "init.html" "enrol",
    Admin "admin.html" "admin",
}

#[derive(Template)]
#[template(path = "refusal.html")]
struct Refusal<'a> {
    site: &'a Site,
    text: &'a Texts,
    script: &'static str,
    slice: &'static str,
    title: &'a str,
    why: &'a str,
    now: &'a str,
}

impl<'a> Refusal<'a> {
    fn html(site: &'a Site, text: &'a Texts, slug: &str) -> askama::Result<String> {
        let [title, why, now] = ["title", "text", "now"].map(|part| format!("refusal.{slug}.{part}"));
        Refusal { site, text, script: "", slice: "", title: &title, why: &why, now: &now }.render()
    }
}

fn html(shell: Shell, lang: Lang, site: &Site, text: &Texts) -> askama::Result<String> {
    let part = match shell {
        Shell::Admin => Part::Administration,
        Shell::Me | Shell::Passkey | Shell::Init => Part::Account,
        _ => Part::People,
    };
    let slice = part.path(lang);
    match shell {
        Shell::SignIn => SignIn::html(site, text, &slice),
        Shell::Authorize => Authorize::html(site, text, &slice),
        Shell::StepUp => StepUp::html(site, text, &slice),
        Shell::Me => Me::html(site, text, &slice),
        Shell::Passkey => Passkey::html(site, text, &slice),
        Shell::Init => Init::html(site, text, &slice),
        Shell::Admin => Admin::html(site, text, &slice),
        Shell::NotFound => Refusal::html(site, text, "not-found"),
        Shell::InvalidRequest => Refusal::html(site, text, "invalid-request"),
        Shell::Busy => Refusal::html(site, text, "busy"),
        Shell::Internal => Refusal::html(site, text, "internal"),
    }
}

/// A rendered page.
#[derive(Debug, Clone)]
pub struct Page {
    /// UTF-8.
    pub html: Bytes,
    /// A strong entity tag with its quotes (RFC 9110 §8.8.3).
    pub etag: String,
}

/// Why the pages could not be made; none of it can happen to a binary that passed its tests.
#[derive(Debug, thiserror::Error)]
pub enum PagesError {
    /// A file of texts is not an object of texts.
    #[error("texts of a language: {0}")]
    Texts(#[from] serde_json::Error),
    /// A template failed.
    #[error("template: {0}")]
    Template(#[from] askama::Error),
}

/// All shells and assets of this installation.
#[derive(Debug)]
pub struct Pages {
    shells: BTreeMap<(Shell, Lang), Page>,
    texts: BTreeMap<Lang, Texts>,
    /// What the shells load.
    pub assets: Assets,
}

impl Pages {
    /// Renders every shell in every language. `issuer` is the issuer's URL, `host` its host with the port that is not the scheme's own.
    ///
    /// # Errors
    /// See [`PagesError`].
    pub fn render(issuer: &str, host: &str) -> Result<Self, PagesError> {
        let texts = Lang::ALL
            .iter()
            .map(|lang| Ok((*lang, Texts::of(*lang)?)))
            .collect::<Result<BTreeMap<_, _>, PagesError>>()?;
        let assets = Assets::new(texts.iter().map(|(lang, texts)| (*lang, texts)))?;
        let langs = texts.values().map(|text| (text.lang, text.say("lang.name").to_owned())).collect();
        let site = Site { issuer: issuer.to_owned(), host: host.to_owned(), assets: assets.folder(), langs };
        let mut shells = BTreeMap::new();
        for (lang, text) in &texts {
            for shell in Shell::ALL {
                let html = Bytes::from(html(*shell, *lang, &site, text)?);
                let etag = format!("\"{}\"", Digest::of(&html));
                shells.insert((*shell, *lang), Page { html, etag });
            }
        }
        Ok(Self { shells, texts, assets })
    }

    /// The page of that name in that language. Every pair was rendered at start.
    pub fn shell(&self, shell: Shell, lang: Lang) -> Option<&Page> {
        self.shells.get(&(shell, lang))
    }

    /// The texts of that language, for what the server says in a page's language.
    pub fn texts(&self, lang: Lang) -> Option<&Texts> {
        self.texts.get(&lang)
    }
}

#[cfg(test)]
mod tests {
    // A test that cannot go on should stop.
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use std::collections::BTreeSet;

    fn pages() -> Pages {
        Pages::render("https://id.example.org", "id.example.org").unwrap()
    }

    fn html(pages: &Pages, shell: Shell, lang: Lang) -> &str {
        std::str::from_utf8(&pages.shell(shell, lang).unwrap().html).unwrap()
    }

    #[test]
    fn every_shell_says_who_speaks_in_its_language_and_loads_only_what_exists() {
        let pages = pages();
        for shell in Shell::ALL {
            for lang in Lang::ALL {
                let html = html(&pages, *shell, *lang);
                assert!(html.contains(&format!("<html lang=\"{}\"", lang.tag())), "{shell:?}");
                assert!(html.contains("<span class=\"host\">id.example.org</span>"), "{shell:?}");
                assert!(html.contains("<h1"), "{shell:?}");
                for address in html.split('"').filter(|part| part.starts_with("/assets/")) {
                    assert!(pages.assets.find(address).is_some(), "{shell:?}: {address}");
                }
            }
        }
    }

    #[test]
    fn no_shell_holds_script_or_style_of_its_own_or_loads_from_elsewhere() {
        let pages = pages();
        for shell in Shell::ALL {
            let html = html(&pages, *shell, Lang::En);
            for forbidden in
                ["style=", "<style", "onclick", "onload", "javascript:", "src=\"http", "href=\"http", "action="]
            {
                assert!(!html.contains(forbidden), "{shell:?}: {forbidden}");
            }
            for script in html.split("<script").skip(1) {
                assert!(script.contains("></script>"), "{shell:?}: a script with content");
            }
        }
    }

    /// What a page loads: what its shell names, and what the scripts among it import.
    fn loaded(pages: &Pages, html: &str) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        let mut waiting: Vec<String> =
            html.split('"').filter(|part| part.starts_with("/assets/")).map(str::to_owned).collect();
        while let Some(address) = waiting.pop() {
            let file = pages.assets.find(&address).unwrap();
            let source = if file.path.ends_with(".js") { std::str::from_utf8(&file.bytes).unwrap() } else { "" };
            let imports = source.split("from \"./").skip(1).filter_map(|rest| rest.split('"').next());
            if found.insert(address) {
                waiting.extend(imports.map(|name| format!("{}/js/{name}", pages.assets.folder())));
            }
        }
        found
    }

    /// Everything that one page loads, uncompressed, in the longer language.
    #[test]
    fn a_page_weighs_less_than_60_kb() {
        const PAGE_BYTES: usize = 60_000;
        let pages = pages();
        for shell in Shell::ALL {
            let html = html(&pages, *shell, Lang::De);
            let files = loaded(&pages, html);
            let bytes =
                html.len() + files.iter().map(|address| pages.assets.find(address).unwrap().bytes.len()).sum::<usize>();
            println!("{shell:?}: {bytes} bytes");
            assert!(bytes < PAGE_BYTES, "{shell:?} weighs {bytes} bytes");
        }
    }

    #[test]
    fn what_an_installation_is_called_cannot_become_markup() {
        let pages = Pages::render("https://x/\"><script>", "x\"><script>alert(1)</script>").unwrap();
        assert!(!html(&pages, Shell::SignIn, Lang::En).contains("<script>"));
    }
}
