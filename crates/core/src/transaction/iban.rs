//! International bank account numbers (ISO 13616): canonical spelling, each country's length, check digits.

/// Why text is no IBAN in its canonical spelling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IbanError {
    /// Spaces, small letters, or a length that no country has.
    #[error("an IBAN has 15 to 34 capital letters and digits, without spaces")]
    Spelling,
    /// It begins with a code under which the registry has no entry.
    #[error("no country issues IBANs under its first two letters")]
    Country,
    /// It is not as long as its country's are.
    #[error("an IBAN of this country has {expected} characters")]
    Length {
        /// How long its country's are.
        expected: usize,
    },
    /// The check digits do not fit: a typing error, or worse.
    #[error("the IBAN's check digits are wrong")]
    CheckDigits,
}

/// Length by country, sorted: the IBAN registry that SWIFT keeps (ISO 13616-2). A country that joins is a line here; until
/// then its accounts are refused. Territories that use another country's code (the French ones, Jersey) are under that.
const LENGTHS: &[(&[u8; 2], usize)] = &[
    (b"AD", 24),
    (b"AE", 23),
    (b"AL", 28),
    (b"AT", 20),
    (b"AZ", 28),
    (b"BA", 20),
    (b"BE", 16),
    (b"BG", 22),
    (b"BH", 22),
    (b"BI", 27),
    (b"BR", 29),
    (b"BY", 28),
    (b"CH", 21),
    (b"CR", 22),
    (b"CY", 28),
    (b"CZ", 24),
    (b"DE", 22),
    (b"DJ", 27),
    (b"DK", 18),
    (b"DO", 28),
    (b"EE", 20),
    (b"EG", 29),
    (b"ES", 24),
    (b"FI", 18),
    (b"FK", 18),
    (b"FO", 18),
    (b"FR", 27),
    (b"GB", 22),
    (b"GE", 22),
    (b"GI", 23),
    (b"GL", 18),
    (b"GR", 27),
    (b"GT", 28),
    (b"HN", 28),
    (b"HR", 21),
    (b"HU", 28),
    (b"IE", 22),
    (b"IL", 23),
    (b"IQ", 23),
    (b"IS", 26),
    (b"IT", 27),
    (b"JO", 30),
    (b"KW", 30),
    (b"KZ", 20),
    (b"LB", 28),
    (b"LC", 32),
    (b"LI", 21),
    (b"LT", 20),
    (b"LU", 20),
    (b"LV", 21),
    (b"LY", 25),
    (b"MC", 27),
    (b"MD", 24),
    (b"ME", 22),
    (b"MK", 19),
    (b"MN", 20),
    (b"MR", 27),
    (b"MT", 31),
    (b"MU", 30),
    (b"NI", 28),
    (b"NL", 18),
    (b"NO", 15),
    (b"OM", 23),
    (b"PK", 24),
    (b"PL", 28),
    (b"PS", 29),
    (b"PT", 25),
    (b"QA", 29),
    (b"RO", 24),
    (b"RS", 22),
    (b"RU", 33),
    (b"SA", 24),
    (b"SC", 31),
    (b"SD", 18),
    (b"SE", 24),
    (b"SI", 19),
    (b"SK", 24),
    (b"SM", 27),
    (b"SO", 23),
    (b"ST", 25),
    (b"SV", 28),
    (b"TL", 23),
    (b"TN", 24),
    (b"TR", 26),
    (b"UA", 29),
    (b"VA", 22),
    (b"VG", 24),
    (b"XK", 20),
    (b"YE", 30),
];

/// Checks spelling, the country's length and the check digits (ISO 7064, MOD 97-10).
///
/// # Errors
/// [`IbanError`] says which of them.
pub fn check(text: &str) -> Result<(), IbanError> {
    let bytes = text.as_bytes();
    let spelled = (15..=34).contains(&bytes.len())
        && bytes.iter().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
        && bytes[..2].iter().all(u8::is_ascii_uppercase)
        && bytes[2..4].iter().all(u8::is_ascii_digit);
    if !spelled {
        return Err(IbanError::Spelling);
    }
    let place = LENGTHS.binary_search_by(|(country, _)| country.as_slice().cmp(&bytes[..2]));
    let expected = place.ok().and_then(|place| LENGTHS.get(place)).map(|(_, length)| *length);
    match expected {
        None => return Err(IbanError::Country),
        Some(expected) if expected != bytes.len() => return Err(IbanError::Length { expected }),
        Some(_) => {}
    }
    let remainder = bytes[4..].iter().chain(&bytes[..4]).fold(0_u32, |sum, byte| match byte {
        b'0'..=b'9' => (sum * 10 + u32::from(byte - b'0')) % 97,
        _ => (sum * 100 + u32::from(byte - b'A') + 10) % 97,
    });
    // 00, 01 and 99 leave the same remainders as 97, 98 and 02: a second spelling of the same account.
    let second_spelling = matches!(&bytes[2..4], b"00" | b"01" | b"99");
    if remainder == 1 && !second_spelling { Ok(()) } else { Err(IbanError::CheckDigits) }
}

/// In groups of four, as on paper.
pub fn grouped(iban: &str) -> String {
    let mut text = String::with_capacity(iban.len() * 5 / 4);
    for (place, c) in iban.chars().enumerate() {
        if place > 0 && place % 4 == 0 {
            text.push(' ');
        }
        text.push(c);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_digits_must_fit() {
        for iban in
            ["DE89370400440532013000", "GB82WEST12345698765432", "NO9386011117947", "MT84MALT011000012345MTLCAST001S"]
        {
            assert_eq!(check(iban), Ok(()), "{iban}");
        }
        for (iban, error) in [
            ("DE89370400440532013001", IbanError::CheckDigits),
            ("DE98370400440532013000", IbanError::CheckDigits),
            ("DE89 3704 0044 0532 0130 00", IbanError::Spelling),
            ("de89370400440532013000", IbanError::Spelling),
            ("DE8937040044053201300٠", IbanError::Spelling),
            ("DE893704", IbanError::Spelling),
            ("", IbanError::Spelling),
            ("1289370400440532013000", IbanError::Spelling),
            ("ZZ89370400440532013000", IbanError::Country),
            ("US64SVBKUS6S3300958879", IbanError::Country),
            ("DE8937040044053201300", IbanError::Length { expected: 22 }),
            ("NO93860111179470", IbanError::Length { expected: 15 }),
        ] {
            assert_eq!(check(iban), Err(error), "{iban}");
        }
    }

    /// With check digits that fit, so that the length alone is wrong.
    fn with_check_digits(country: &str, account: &str) -> String {
        let found = (2..=98).map(|n| format!("{country}{n:02}{account}"));
        let fits = |iban: &String| {
            let moved = iban[4..].chars().chain(iban[..4].chars());
            moved.fold(0, |sum, c| match c.to_digit(36) {
                Some(digit @ 0..=9) => (sum * 10 + digit) % 97,
                digit => (sum * 100 + digit.unwrap_or(0)) % 97,
            }) == 1
        };
        found.into_iter().find(fits).unwrap_or_default()
    }

    #[test]
    fn each_country_has_one_length() {
        assert!(LENGTHS.is_sorted_by(|(a, _), (b, _)| a < b), "found by bisection");
        for (country, expected) in LENGTHS {
            let country = std::str::from_utf8(*country).unwrap_or_default();
            for length in 15..=34 {
                let iban = with_check_digits(country, &"7".repeat(length - 4));
                let wrong = IbanError::Length { expected: *expected };
                assert_eq!(check(&iban), if length == *expected { Ok(()) } else { Err(wrong) }, "{iban}");
            }
        }
    }

    #[test]
    fn the_registrys_own_examples_are_ibans() {
        for iban in [
            "AD1200012030200359100100",
            "AE070331234567890123456",
            "AT611904300234573201",
            "BE68539007547034",
            "BR1800360305000010009795493C1",
            "CH9300762011623852957",
            "EG380019000500000000263180002",
            "FR1420041010050500013M02606",
            "GE29NB0000000101904917",
            "HN88CABF00000000000250005469",
            "LC55HEMM000100010012001200023015",
            "MU17BOMM0101101030300200000MUR",
            "NL91ABNA0417164300",
            "PL61109010140000071219812874",
            "SA0380000000608010167519",
            "SC18SSCB11010000000000001497USD",
            "SV62CENR00000000000000700025",
            "VA59001123000012345678",
            "XK051212012345678906",
        ] {
            assert_eq!(check(iban), Ok(()), "{iban}");
        }
    }

    #[test]
    fn any_single_wrong_digit_is_found() {
        let right = "DE89370400440532013000";
        for place in 2..right.len() {
            for digit in '0'..='9' {
                let mut wrong: Vec<char> = right.chars().collect();
                if wrong[place] == digit {
                    continue;
                }
                wrong[place] = digit;
                let wrong: String = wrong.into_iter().collect();
                assert_eq!(check(&wrong), Err(IbanError::CheckDigits), "{wrong}");
            }
        }
    }

    #[test]
    fn grouped_as_on_paper() {
        assert_eq!(grouped("DE89370400440532013000"), "DE89 3704 0044 0532 0130 00");
    }
}
