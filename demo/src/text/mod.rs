//! What the treasury says, in each language: one file per language, and the compiler sees that none lacks a sentence.

mod de;
mod en;

use http::{HeaderMap, header};

/// The languages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lang {
    /// English.
    En,
    /// German.
    De,
}

impl Lang {
    /// What `lang` attributes and cookies say.
    pub const fn code(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::De => "de",
        }
    }

    /// The texts.
    pub const fn texts(self) -> &'static Texts {
        match self {
            Self::En => &en::TEXTS,
            Self::De => &de::TEXTS,
        }
    }

    /// The language with this code.
    pub fn named(code: &str) -> Option<Self> {
        [Self::En, Self::De].into_iter().find(|lang| lang.code() == code)
    }

    /// What the person chose, else the first language of the browser's that we speak, else English.
    pub fn of(headers: &HeaderMap) -> Self {
        if let Some(chosen) = crate::session::cookie(headers, "lang").and_then(|code| Self::named(&code)) {
            return chosen;
        }
        let accepted = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let mut tags = accepted.split(',').map(|tag| tag.trim().get(..2).unwrap_or_default().to_ascii_lowercase());
        tags.find_map(|tag| Self::named(&tag)).unwrap_or(Self::En)
    }
}

/// What a result page says.
#[derive(Debug)]
pub struct Told {
    /// What happened, as a heading.
    pub title: &'static str,
    /// The same in a sentence.
    pub sentence: &'static str,
    /// What can be done now.
    pub now: &'static str,
}

/// Every sentence of the treasury.
#[derive(Debug)]
pub struct Texts {
    pub house: &'static str,
    pub tagline: &'static str,
    pub skip: &'static str,
    pub other_language: &'static str,
    pub sign_in: &'static str,
    pub sign_in_note: &'static str,
    pub sign_out: &'static str,
    pub signed_in_as: &'static str,
    pub your_sign_in: &'static str,
    pub accounts: &'static str,
    pub account: &'static str,
    pub balance: &'static str,
    pub pays_out_to: &'static str,
    pub nowhere: &'static str,
    pub up_to: &'static str,
    pub beneficiaries: &'static str,
    pub none_yet: &'static str,
    pub change_payout: &'static str,
    pub change_payout_lead: &'static str,
    pub add_beneficiary: &'static str,
    pub add_beneficiary_lead: &'static str,
    pub export_key: &'static str,
    pub export_key_lead: &'static str,
    pub creditor_name: &'static str,
    pub creditor_name_hint: &'static str,
    pub iban: &'static str,
    pub iban_hint: &'static str,
    pub amount: &'static str,
    pub amount_hint: &'static str,
    pub go_on: &'static str,
    pub cancel: &'static str,
    pub back: &'static str,
    pub name_wrong: &'static str,
    pub iban_wrong: &'static str,
    pub amount_wrong: &'static str,
    pub cheat_title: &'static str,
    pub cheat_lead: &'static str,
    pub cheat_none: &'static str,
    pub cheat_amount: &'static str,
    pub cheat_account: &'static str,
    pub again: &'static str,
    pub again_lead: &'static str,
    pub tried: &'static str,
    pub reason: &'static str,
    pub it_would_take: &'static str,
    pub counterfoil: &'static str,
    pub decision: &'static str,
    pub demo_note: &'static str,
    pub acr_phr: &'static str,
    pub acr_phrh: &'static str,
    pub acr_other: &'static str,
    pub done: Told,
    pub added: Told,
    pub exported: Told,
    pub refused: Told,
    pub expired: Told,
    pub spent: Told,
    pub altered: Told,
    pub policy_changed: Told,
    pub contained: Told,
    pub denied: Told,
    pub unmet: Told,
    pub elsewhere: Told,
    pub disagrees: Told,
    pub signed_out: Told,
    pub invalid: Told,
    pub unavailable: Told,
    pub broken: Told,
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]
mod tests {
    use super::*;

    #[test]
    fn the_language_is_chosen_then_accepted_then_english() {
        for (cookie, accepted, lang) in [
            ("lang=de", "en", Lang::De),
            ("lang=xx", "de-AT,en;q=0.5", Lang::De),
            ("", "fr, DE;q=0.8", Lang::De),
            ("", "fr", Lang::En),
            ("", "", Lang::En),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::COOKIE, cookie.parse().unwrap());
            headers.insert(header::ACCEPT_LANGUAGE, accepted.parse().unwrap());
            assert_eq!(Lang::of(&headers), lang, "{cookie:?} {accepted:?}");
        }
    }
}
