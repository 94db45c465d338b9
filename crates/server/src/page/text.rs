//! What pages say, one file per language; the scripts read slices of the same files.

use std::collections::BTreeMap;

/// A language that every page speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lang {
    /// English, and the language of whoever asks for one that we lack.
    En,
    /// German.
    De,
}

impl Lang {
    /// Every language, in the order of the switch.
    pub const ALL: &'static [Self] = &[Self::En, Self::De];

    /// Its tag (BCP 47).
    pub const fn tag(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::De => "de",
        }
    }

    /// The file of its texts.
    pub const fn source(self) -> &'static str {
        match self {
            Self::En => include_str!("../../assets/text/en.json"),
            Self::De => include_str!("../../assets/text/de.json"),
        }
    }

    /// The language of that tag or of its primary subtag (`de-CH` is `de`).
    pub fn of_tag(tag: &str) -> Option<Self> {
        let primary = tag.trim().split('-').next().unwrap_or_default();
        Self::ALL.iter().copied().find(|lang| lang.tag().eq_ignore_ascii_case(primary))
    }

    /// What the reader chose by the switch, else what the browser prefers (RFC 9110 §12.5.4), else English.
    pub fn choose(cookie: Option<&str>, accept_language: Option<&str>) -> Self {
        cookie.and_then(Self::of_tag).or_else(|| preferred(accept_language?)).unwrap_or(Self::En)
    }
}

fn preferred(accept_language: &str) -> Option<Lang> {
    let mut best = None;
    // A bound on the work for a header from outside; nobody prefers more than sixteen languages.
    for range in accept_language.split(',').take(16) {
        let (tag, parameters) = range.split_once(';').unwrap_or((range, ""));
        let quality = parameters.trim().strip_prefix("q=").map_or(Some(1.0), |q| q.trim().parse::<f32>().ok());
        let (Some(lang), Some(quality)) = (Lang::of_tag(tag), quality) else { continue };
        if quality > 0.0 && best.is_none_or(|(_, than)| quality > than) {
            best = Some((lang, quality));
        }
    }
    best.map(|(lang, _)| lang)
}

/// Whom a script speaks to: each loads only what it may say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Everybody who signs in or confirms.
    People,
    /// Whoever looks after their own account.
    Account,
    /// Those who look at `/admin`.
    Administration,
}

impl Part {
    /// Every part.
    pub const ALL: &'static [Self] = &[Self::People, Self::Account, Self::Administration];

    /// Whether that text belongs to it; a key's family stands before its first dot.
    pub fn says(self, key: &str) -> bool {
        let family = key.split('.').next().unwrap_or_default();
        let of_console = ["acr", "actor", "admin", "event", "nav", "noscript", "story"].contains(&family);
        match self {
            Self::People => {
                let of_account = ["binding", "enrol", "evidence", "good_for", "init", "me", "outcome"];
                !of_console && !of_account.contains(&family)
            }
            Self::Account => {
                !of_console && !["authorize", "code", "passkey_step", "receipt", "sign_in", "step_up"].contains(&family)
            }
            Self::Administration => {
                ["admin", "binding", "col", "evidence", "nav", "outcome", "refusal", "tier"].contains(&family)
                    || ["back_to", "step_up.policy", "try_again"].contains(&key)
            }
        }
    }

    /// Where its slice lies below the folder of assets.
    pub fn path(self, lang: Lang) -> String {
        match self {
            Self::People => format!("text/{}.json", lang.tag()),
            Self::Account => format!("text/{}.account.json", lang.tag()),
            Self::Administration => format!("text/{}.admin.json", lang.tag()),
        }
    }
}

/// The texts of one language, by key.
#[derive(Debug)]
pub struct Texts {
    /// The tag for `<html lang>`.
    pub lang: &'static str,
    by_key: BTreeMap<String, String>,
}

impl Texts {
    /// Reads the language's file.
    ///
    /// # Errors
    /// The file is not an object of texts; it is part of the binary, so a test sees that before anybody else does.
    pub fn of(lang: Lang) -> Result<Self, serde_json::Error> {
        Ok(Self { lang: lang.tag(), by_key: serde_json::from_str(lang.source())? })
    }

    /// The text of that key, or the key: a page with a strange word is better than none.
    pub fn say<'a>(&'a self, key: &'a str) -> &'a str {
        self.by_key.get(key).map_or(key, String::as_str)
    }

    /// The text of that key with `{name}` replaced by each value.
    pub fn fill(&self, key: &str, values: &[(&str, &str)]) -> String {
        let text = self.say(key).to_owned();
        values.iter().fold(text, |text, (name, value)| text.replace(&format!("{{{name}}}"), value))
    }

    /// What that part may say, as JSON.
    ///
    /// # Errors
    /// None that a map of texts could cause.
    pub fn slice(&self, part: Part) -> Result<String, serde_json::Error> {
        let said: BTreeMap<_, _> = self.by_key.iter().filter(|(key, _)| part.says(key)).collect();
        serde_json::to_string(&said)
    }

    /// The keys, in order.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.by_key.keys().map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    // A test that cannot go on should stop.
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_switch_wins_over_the_browser_and_english_is_the_last_resort() {
        for (cookie, accept, expected) in [
            (Some("de"), Some("en"), Lang::De),
            (Some("xx"), Some("de-CH, en;q=0.8"), Lang::De),
            (None, Some("fr, en;q=0.5, de;q=0.9"), Lang::De),
            (None, Some("de;q=0, en;q=0.1"), Lang::En),
            (None, Some("de;q=nan-sense, *"), Lang::En),
            (None, None, Lang::En),
        ] {
            assert_eq!(Lang::choose(cookie, accept), expected, "{cookie:?} {accept:?}");
        }
    }

    fn placeholders(text: &str) -> BTreeSet<&str> {
        text.split('{').skip(1).filter_map(|rest| rest.split_once('}')).map(|(name, _)| name).collect()
    }

    #[test]
    fn every_language_says_everything_with_the_same_values() {
        let english = Texts::of(Lang::En).unwrap();
        for lang in Lang::ALL {
            let texts = Texts::of(*lang).unwrap();
            assert_eq!(english.keys().collect::<Vec<_>>(), texts.keys().collect::<Vec<_>>(), "{lang:?}");
            for key in english.keys() {
                assert_eq!(placeholders(english.say(key)), placeholders(texts.say(key)), "{lang:?} {key}");
                assert!(!texts.say(key).trim().is_empty(), "{lang:?} {key}");
            }
        }
    }

    /// Keys are written whole or as a template literal: `t("a.b")`, `t(`a.${x}`)`, `say("a.b")`.
    fn spoken(source: &str) -> BTreeSet<(String, bool)> {
        let mut found = BTreeSet::new();
        for (quote, exact) in [('"', true), ('`', false)] {
            for piece in source.split(quote).skip(1).step_by(2) {
                let head = piece.split("${").next().unwrap_or_default();
                let known = head.contains('.') && head.chars().all(|c| c.is_ascii_lowercase() || "._-12".contains(c));
                if known && !head.starts_with('.') && ![".js", ".html"].iter().any(|end| head.ends_with(end)) {
                    found.insert((head.to_owned(), exact && head == piece));
                }
            }
        }
        found
    }

    fn sources(place: &str, extension: &str) -> Vec<(String, String)> {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(place);
        let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        paths
            .filter(|path| path.extension().is_some_and(|found| found == extension))
            .map(|path| {
                (path.file_name().unwrap().to_str().unwrap().to_owned(), std::fs::read_to_string(&path).unwrap())
            })
            .collect()
    }

    #[test]
    fn nothing_is_said_that_has_no_text_in_the_slice_its_page_loads() {
        let texts = Texts::of(Lang::En).unwrap();
        let families: BTreeSet<&str> =
            texts.keys().filter_map(|key| key.split_once('.')).map(|(family, _)| family).collect();
        let mut seen = 0;
        let mut check = |file: &str, source: &str, parts: &[Part]| {
            for (key, exact) in spoken(source) {
                // Other quoted words with dots are none of ours.
                if !key.split_once('.').is_some_and(|(family, _)| families.contains(family)) {
                    continue;
                }
                seen += 1;
                // A whole key, or the stem of a family (`refusal.internal` of `.title`, `.text`, `.now`).
                let stem = format!("{key}.");
                let fits = |known: &str| {
                    if exact { known == key || known.starts_with(&stem) } else { known.starts_with(&key) }
                };
                let said = texts.keys().any(|known| fits(known) && parts.iter().all(|part| part.says(known)));
                assert!(said, "{file}: {key} for {parts:?}");
            }
        };
        for (file, source) in sources("templates", "html") {
            check(&file, &source, &[]);
        }
        for (file, source) in sources("assets/js", "js") {
            let parts: &[Part] = match file.as_str() {
                "admin.js" => &[Part::Administration],
                // `error.…` stands beside a field, and the administration has none that a refusal could stand beside.
                "dom.js" | "proof.js" | "table.js" => Part::ALL,
                "enrol.js" | "evidence.js" | "me.js" => &[Part::Account],
                "passkey.js" | "refusal.js" => &[Part::People, Part::Account],
                _ => &[Part::People],
            };
            check(&file, &source, parts);
        }
        assert!(seen > 150, "the search for keys finds too few: {seen}");
    }
}
