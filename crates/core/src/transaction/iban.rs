//! International bank account numbers (ISO 13616): canonical spelling and check digits.

/// Why text is no IBAN in its canonical spelling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IbanError {
    /// Spaces, small letters, or a wrong length.
    #[error("an IBAN has 15 to 34 capital letters and digits, without spaces")]
    Spelling,
    /// The check digits do not fit: a typing error, or worse.
    #[error("the IBAN's check digits are wrong")]
    CheckDigits,
}

/// Checks spelling and check digits (ISO 7064, MOD 97-10).
///
/// # Errors
/// [`IbanError`] says which of the two.
pub fn check(text: &str) -> Result<(), IbanError> {
    let bytes = text.as_bytes();
    let spelled = (15..=34).contains(&bytes.len())
        && bytes.iter().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
        && bytes[..2].iter().all(u8::is_ascii_uppercase)
        && bytes[2..4].iter().all(u8::is_ascii_digit);
    if !spelled {
        return Err(IbanError::Spelling);
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
        ] {
            assert_eq!(check(iban), Err(error), "{iban}");
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
