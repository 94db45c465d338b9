//! The string profile (DESIGN §5): which text from outside may be signed, shown and logged.
//!
//! Text must already be in Unicode normalization form C: we never change what somebody will sign. Characters that
//! nobody sees, that move other characters, or that mean nothing yet are refused; mixed scripts are allowed and flagged.

use unicode_normalization::is_nfc;
use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};
use unicode_script::{Script, UnicodeScript};
use unicode_segmentation::UnicodeSegmentation;

/// Combining marks on one base character; more only paint over neighbouring lines.
const MARKS_PER_GRAPHEME: usize = 4;

/// Text that keeps the profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Profiled<'a> {
    text: &'a str,
    mixed_scripts: bool,
}

impl<'a> Profiled<'a> {
    /// The text, unchanged.
    pub fn as_str(&self) -> &'a str {
        self.text
    }

    /// Letters of scripts that do not belong together (UTS #39 §5.1, in spirit): "Асme" in Cyrillic and Latin. Pages
    /// mark such names.
    pub fn mixed_scripts(&self) -> bool {
        self.mixed_scripts
    }
}

/// Why text was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// No text at all.
    #[error("is empty")]
    Empty,
    /// More user-perceived characters than allowed.
    #[error("is longer than {0} characters")]
    TooLong(usize),
    /// Another spelling of the same text exists and is the normal one.
    #[error("is not in Unicode normalization form C")]
    NotNfc,
    /// A control, format, private-use, unassigned or line-breaking character.
    #[error("holds the forbidden character U+{0:04X}")]
    Forbidden(u32),
    /// White space at an end or twice in a row, which people cannot see.
    #[error("has white space at an end or twice in a row")]
    HiddenSpace,
    /// More combining marks on one character than any language writes.
    #[error("stacks more than {MARKS_PER_GRAPHEME} marks on one character")]
    StackedMarks,
}

/// Checks `text` against the profile, with at most `max_graphemes` user-perceived characters (UAX #29).
///
/// # Errors
/// [`TextError`] for the first rule that is broken.
pub fn check(text: &str, max_graphemes: usize) -> Result<Profiled<'_>, TextError> {
    if text.is_empty() {
        return Err(TextError::Empty);
    }
    // Four bytes a character and a bounded number of marks: whatever is longer cannot pass, so it is not looked at.
    if text.len() > max_graphemes.saturating_mul(4 * (1 + MARKS_PER_GRAPHEME)) {
        return Err(TextError::TooLong(max_graphemes));
    }
    // Printable ASCII needs none of the tables.
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return if hidden_space(text) {
            Err(TextError::HiddenSpace)
        } else if text.len() > max_graphemes {
            Err(TextError::TooLong(max_graphemes))
        } else {
            Ok(Profiled { text, mixed_scripts: false })
        };
    }
    if let Some(bad) = text.chars().find(|c| is_forbidden(*c)) {
        return Err(TextError::Forbidden(u32::from(bad)));
    }
    if !is_nfc(text) {
        return Err(TextError::NotNfc);
    }
    if hidden_space(text) {
        return Err(TextError::HiddenSpace);
    }
    let mut graphemes = 0;
    for grapheme in text.graphemes(true) {
        graphemes += 1;
        if graphemes > max_graphemes {
            return Err(TextError::TooLong(max_graphemes));
        }
        if grapheme.chars().filter(|c| is_mark(*c)).count() > MARKS_PER_GRAPHEME {
            return Err(TextError::StackedMarks);
        }
    }
    Ok(Profiled { text, mixed_scripts: has_mixed_scripts(text) })
}

fn is_forbidden(c: char) -> bool {
    use GeneralCategory as G;
    matches!(
        c.general_category(),
        G::Control
            | G::Format
            | G::PrivateUse
            | G::Unassigned
            | G::Surrogate
            | G::LineSeparator
            | G::ParagraphSeparator
    ) || is_invisible(c)
}

/// Characters that are letters or marks by category and yet show nothing (Default_Ignorable_Code_Point, UAX #44), or
/// spaces that look like none or like several.
const fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{034F}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}' | '\u{180B}'..='\u{180F}' | '\u{2000}'..='\u{200A}'
        | '\u{202F}' | '\u{205F}' | '\u{2800}' | '\u{3164}' | '\u{FE00}'..='\u{FE0F}' | '\u{FFA0}' | '\u{FFFC}' | '\u{FFFD}'
        | '\u{E0100}'..='\u{E01EF}')
}

fn is_mark(c: char) -> bool {
    use GeneralCategory as G;
    matches!(c.general_category(), G::NonspacingMark | G::EnclosingMark | G::SpacingMark)
}

fn hidden_space(text: &str) -> bool {
    let mut before = true;
    for c in text.chars() {
        let space = c.is_whitespace();
        if space && before {
            return true;
        }
        before = space;
    }
    before
}

/// The scripts that one language writes together count as one (UTS #39 §5.1: Han with Kana, Bopomofo or Hangul).
fn has_mixed_scripts(text: &str) -> bool {
    let mut seen: Option<Script> = None;
    for c in text.chars() {
        let script = match c.script() {
            Script::Common | Script::Inherited | Script::Unknown => continue,
            Script::Hiragana | Script::Katakana | Script::Bopomofo | Script::Hangul => Script::Han,
            script => script,
        };
        if *seen.get_or_insert(script) != script {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on should stop")]
    use super::*;

    #[test]
    fn names_of_people_pass_as_they_are() {
        for name in [
            "Ada Lopez",
            "Zoë Müller-Lüdenscheidt",
            "山田 太郎",
            "Nguyễn Văn Ánh",
            "José",
            "O’Brien & Söhne GmbH",
            "ยุพา",
            "🙂",
        ] {
            assert_eq!(check(name, 70).map(|p| p.as_str()), Ok(name));
        }
    }

    #[test]
    fn what_nobody_sees_is_refused() {
        for (text, error) in [
            ("", TextError::Empty),
            ("a\nb", TextError::Forbidden(0x0A)),
            ("a\u{0}b", TextError::Forbidden(0)),
            ("Acme\u{202E}hbmG", TextError::Forbidden(0x202E)),
            ("Ac\u{200B}me", TextError::Forbidden(0x200B)),
            ("Acme\u{2028}GmbH", TextError::Forbidden(0x2028)),
            ("\u{E000}", TextError::Forbidden(0xE000)),
            ("\u{378}", TextError::Forbidden(0x378)),
            ("a\u{FEFF}", TextError::Forbidden(0xFEFF)),
            ("a\u{3164}", TextError::Forbidden(0x3164)),
            ("Jose\u{301}", TextError::NotNfc),
            (" Acme", TextError::HiddenSpace),
            ("Acme ", TextError::HiddenSpace),
            ("Acme  GmbH", TextError::HiddenSpace),
            ("Acme\u{A0} GmbH", TextError::HiddenSpace),
            ("a\u{32A}\u{32B}\u{32C}\u{32D}\u{32E}", TextError::StackedMarks),
        ] {
            assert_eq!(check(text, 70).map(|_| ()), Err(error), "{text:?}");
        }
    }

    #[test]
    fn length_counts_what_people_count() {
        assert!(check("👩🏽", 1).is_ok());
        assert_eq!(check("ééé", 2).map(|_| ()), Err(TextError::TooLong(2)));
        assert_eq!(check("abc", 2).map(|_| ()), Err(TextError::TooLong(2)));
        assert_eq!(check(&"x".repeat(100_000), 70).map(|_| ()), Err(TextError::TooLong(70)));
    }

    #[test]
    fn scripts_that_do_not_belong_together_are_flagged() {
        for (text, mixed) in
            [("Асme", true), ("Αcme", true), ("Acme", false), ("カタカナ漢字", false), ("Ромашка 7", false)]
        {
            assert_eq!(check(text, 70).unwrap().mixed_scripts(), mixed, "{text}");
        }
    }
}
