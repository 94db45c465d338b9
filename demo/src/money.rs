//! Amounts and account numbers as people type them, as they travel, and as they are shown.

use crate::text::Lang;

/// All currencies of the treasury have two decimals.
const DECIMALS: u32 = 2;
/// Twelve digits before the point are more than any account here holds.
const DIGITS: usize = 12;

/// Reads what a person typed (`12400`, `12,400.00`, `12.400,00`, `12 400,5`) as the decimal string that travels: `12400.00`.
/// The last comma or point is the decimal one if one or two digits follow it.
pub fn parse_amount(text: &str) -> Option<String> {
    let text: String = text.chars().filter(|c| !c.is_whitespace() && *c != '\'').collect();
    let (whole, cents) = match text.rfind([',', '.']) {
        Some(at) if (1..=2).contains(&(text.len() - at - 1)) => (&text[..at], &text[at + 1..]),
        _ => (text.as_str(), ""),
    };
    let mut groups = whole.split([',', '.']);
    let first = groups.next().unwrap_or_default();
    let rest: Vec<&str> = groups.collect();
    let grouped = rest.is_empty() || (first.len() <= 3 && rest.iter().all(|group| group.len() == 3));
    let digits = format!("{first}{}", rest.concat());
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !grouped || first.is_empty() || digits.len() > DIGITS || !all_digits(&digits) || !all_digits(cents) {
        return None;
    }
    let digits = digits.trim_start_matches('0');
    let digits = if digits.is_empty() { "0" } else { digits };
    let amount = format!("{digits}.{cents:0<2}");
    if amount == "0.00" { None } else { Some(amount) }
}

/// Minor units as the decimal string that travels.
pub fn from_minor(minor: i64) -> String {
    let unit = 10_i64.pow(DECIMALS);
    format!("{}.{:02}", minor / unit, (minor % unit).abs())
}

/// A decimal string as the language writes it: `€ 12,400.00`, `12.400,00 €`.
pub fn show(currency: &str, value: &str, lang: Lang) -> String {
    let (whole, cents) = value.split_once('.').unwrap_or((value, "00"));
    let mut grouped = String::new();
    for (at, digit) in whole.char_indices() {
        if at > 0 && (whole.len() - at) % 3 == 0 && whole.is_ascii() {
            grouped.push(if lang == Lang::De { '.' } else { ',' });
        }
        grouped.push(digit);
    }
    let sign = match currency {
        "EUR" => "€",
        "USD" => "$",
        "GBP" => "£",
        other => other,
    };
    match lang {
        Lang::En => format!("{sign}\u{a0}{grouped}.{cents}"),
        Lang::De => format!("{grouped},{cents}\u{a0}{sign}"),
    }
}

/// Reads an account number as typed, in any grouping, as the canonical one. Its check digits must be right (ISO 13616, mod 97).
pub fn parse_iban(text: &str) -> Option<String> {
    let iban: String = text.chars().filter(|c| !c.is_whitespace()).map(|c| c.to_ascii_uppercase()).collect();
    let shape = (15..=34).contains(&iban.len())
        && iban.bytes().all(|byte| byte.is_ascii_alphanumeric())
        && iban.bytes().take(2).all(|byte| byte.is_ascii_uppercase())
        && iban.bytes().skip(2).take(2).all(|byte| byte.is_ascii_digit());
    if !shape {
        return None;
    }
    let (head, tail) = iban.split_at(4);
    let remainder = tail.chars().chain(head.chars()).fold(0_u32, |remainder, c| {
        let value = c.to_digit(36).unwrap_or(0);
        if value < 10 { (remainder * 10 + value) % 97 } else { (remainder * 100 + value) % 97 }
    });
    if remainder == 1 { Some(iban) } else { None }
}

/// In groups of four, as on paper.
pub fn group_iban(iban: &str) -> String {
    let characters: Vec<char> = iban.chars().collect();
    let groups: Vec<String> = characters.chunks(4).map(|group| group.iter().collect()).collect();
    groups.join("\u{a0}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_as_people_write_them_or_not_at_all() {
        for (text, amount) in [
            ("12400", Some("12400.00")),
            ("12,400.00", Some("12400.00")),
            ("12.400,00", Some("12400.00")),
            ("12 400,5", Some("12400.50")),
            ("12'400.05", Some("12400.05")),
            ("1.234.567", Some("1234567.00")),
            ("0.01", Some("0.01")),
            ("007", Some("7.00")),
            ("0", None),
            ("-1", None),
            ("1e3", None),
            ("", None),
            (",5", None),
            ("12,40,00", None),
            ("1,2345", None),
            ("1234,567", None),
            ("1234567890123", None),
            ("½", None),
        ] {
            assert_eq!(parse_amount(text).as_deref(), amount, "{text:?}");
        }
    }

    #[test]
    fn amounts_are_shown_as_the_language_writes_them() {
        assert_eq!(show("EUR", "12400.00", Lang::En), "€\u{a0}12,400.00");
        assert_eq!(show("EUR", "1212400.00", Lang::De), "1.212.400,00\u{a0}€");
        assert_eq!(show("CHF", "7.50", Lang::En), "CHF\u{a0}7.50");
        assert_eq!(from_minor(1_240_005), "12400.05");
    }

    #[test]
    fn account_numbers_with_wrong_check_digits_are_refused() {
        for (text, iban) in [
            ("DE89 3704 0044 0532 0130 00", Some("DE89370400440532013000")),
            ("gb82west12345698765432", Some("GB82WEST12345698765432")),
            ("DE88370400440532013000", None),
            ("DE89", None),
            ("", None),
            ("DE89 3704 0044 0532 0130 0ö", None),
        ] {
            assert_eq!(parse_iban(text).as_deref(), iban, "{text}");
        }
        assert_eq!(group_iban("DE89370400440532013000"), "DE89\u{a0}3704\u{a0}0044\u{a0}0532\u{a0}0130\u{a0}00");
    }
}
