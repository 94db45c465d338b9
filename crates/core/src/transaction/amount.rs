//! Amounts of money: decimal strings with exactly the currency's own minor units (ISO 4217).

use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::cmp::Ordering;

/// Whole units: more than any payment, and within what a Cedar decimal holds.
const INTEGER_DIGITS: usize = 12;

/// Active codes of ISO 4217 with two minor digits.
const TWO_DIGITS: &str = "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF \
    CNY COP CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR \
    IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN \
    NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL \
    THB TJS TMT TOP TRY TTD TWD TZS UAH USD UYU UZS VED VES WST XCD XCG YER ZAR ZMW ZWG";
/// The exceptions: currencies without minor units …
const NO_DIGITS: &str = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF";
/// … with thousandths …
const THREE_DIGITS: &str = "BHD IQD JOD KWD LYD OMR TND";
/// … and with ten-thousandths.
const FOUR_DIGITS: &str = "CLF UYW";

/// An amount in one currency, in its one canonical spelling.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct Amount {
    currency: String,
    value: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    currency: String,
    value: String,
}

/// Why something is no amount.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AmountError {
    /// Not `{currency, value}` with two strings.
    #[error("an amount is an object of two strings, `currency` and `value`")]
    Shape,
    /// No active ISO 4217 code.
    #[error("no currency code of ISO 4217")]
    Currency,
    /// Another spelling than the canonical one.
    #[error("expected digits without leading zeros or sign, with {0} decimals")]
    Value(usize),
}

/// Digits after the point, `None` for codes that are not in use.
fn minor_digits(currency: &str) -> Option<usize> {
    if currency.len() != 3 || !currency.bytes().all(|b| b.is_ascii_uppercase()) {
        return None;
    }
    let lists = [(TWO_DIGITS, 2), (NO_DIGITS, 0), (THREE_DIGITS, 3), (FOUR_DIGITS, 4)];
    lists.into_iter().find(|(codes, _)| codes.split_ascii_whitespace().any(|c| c == currency)).map(|(_, n)| n)
}

impl Amount {
    /// Reads an amount in its canonical spelling.
    ///
    /// # Errors
    /// [`AmountError`] for an unknown currency or any other spelling.
    pub fn new(currency: &str, value: &str) -> Result<Self, AmountError> {
        let digits = minor_digits(currency).ok_or(AmountError::Currency)?;
        let wrong = AmountError::Value(digits);
        let (whole, minor) = value.split_once('.').unwrap_or((value, ""));
        let numeric = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
        let canonical = (1..=INTEGER_DIGITS).contains(&whole.len())
            && numeric(whole)
            && numeric(minor)
            && (whole == "0" || !whole.starts_with('0'))
            && minor.len() == digits
            && value.contains('.') == (digits > 0);
        if !canonical {
            return Err(wrong);
        }
        Ok(Self { currency: currency.to_owned(), value: value.to_owned() })
    }

    /// Reads an amount from `{"currency": …, "value": …}`.
    ///
    /// # Errors
    /// [`AmountError`] for anything else, unknown members too.
    pub fn from_json(value: &Value) -> Result<Self, AmountError> {
        let object = value.as_object().filter(|o| o.len() == 2).ok_or(AmountError::Shape)?;
        let text = |name: &str| object.get(name).and_then(Value::as_str).ok_or(AmountError::Shape);
        Self::new(text("currency")?, text("value")?)
    }

    /// ISO 4217 code.
    pub fn currency(&self) -> &str {
        &self.currency
    }

    /// Decimal string, as signed.
    pub fn value(&self) -> &str {
        &self.value
    }

    /// In the currency's smallest unit.
    pub fn minor_units(&self) -> i64 {
        // At most 16 digits by construction.
        self.value.bytes().filter(u8::is_ascii_digit).fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0'))
    }

    /// How it compares with an amount of the same currency; `None` for another currency.
    pub fn compare(&self, other: &Self) -> Option<Ordering> {
        (self.currency == other.currency).then(|| self.minor_units().cmp(&other.minor_units()))
    }

    /// As a person reads it in `lang`: `€ 12,400.00`, `12.400,00 €`.
    pub fn localized(&self, lang: &str) -> String {
        let (whole, minor) = self.value.split_once('.').unwrap_or((&self.value, ""));
        let (group, point) = if lang == "de" { ('.', ',') } else { (',', '.') };
        let mut number = String::with_capacity(self.value.len() * 2);
        for (place, digit) in whole.chars().enumerate() {
            if place > 0 && (whole.len() - place) % 3 == 0 {
                number.push(group);
            }
            number.push(digit);
        }
        if !minor.is_empty() {
            number.push(point);
            number.push_str(minor);
        }
        // Signs that stand for one currency only; "$" would not say whose.
        let sign = match self.currency.as_str() {
            "EUR" => "€",
            "GBP" => "£",
            code => code,
        };
        if lang == "de" { format!("{number} {sign}") } else { format!("{sign} {number}") }
    }
}

impl TryFrom<Written> for Amount {
    type Error = AmountError;
    fn try_from(written: Written) -> Result<Self, AmountError> {
        Self::new(&written.currency, &written.value)
    }
}

impl From<Amount> for Written {
    fn from(amount: Amount) -> Self {
        Self { currency: amount.currency, value: amount.value }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]
    use super::*;

    #[test]
    fn one_spelling_in_the_currencys_own_minor_units() {
        for (currency, value) in [
            ("EUR", "12400.00"),
            ("EUR", "0.01"),
            ("EUR", "0.00"),
            ("JPY", "12400"),
            ("KWD", "1.500"),
            ("CLF", "1.0000"),
        ] {
            assert!(Amount::new(currency, value).is_ok(), "{currency} {value}");
        }
        for value in [
            "12400",
            "12400.0",
            "12400.000",
            "012400.00",
            "+1.00",
            "-1.00",
            "1,000.00",
            " 1.00",
            "1.00 ",
            "",
            ".50",
            "1.",
            "1e3",
            "٣.٠٠",
            "0x1.00",
            "1234567890123.00",
            "NaN",
        ] {
            assert_eq!(Amount::new("EUR", value), Err(AmountError::Value(2)), "{value:?}");
        }
        assert_eq!(Amount::new("JPY", "1.00"), Err(AmountError::Value(0)));
        for currency in ["eur", "EU", "EURO", "XXX", "XTS", "€", "DEM", "E R", ""] {
            assert_eq!(Amount::new(currency, "1.00"), Err(AmountError::Currency), "{currency:?}");
        }
    }

    #[test]
    fn people_read_amounts_in_their_own_way() {
        let amount = Amount::new("EUR", "1012400.00").unwrap();
        assert_eq!(
            (amount.localized("en").as_str(), amount.localized("de").as_str()),
            ("€ 1,012,400.00", "1.012.400,00 €")
        );
        assert_eq!(Amount::new("JPY", "999").unwrap().localized("de"), "999 JPY");
        assert_eq!(Amount::new("USD", "0.05").unwrap().localized("en"), "USD 0.05");
    }

    #[test]
    fn only_like_is_compared_with_like() {
        let small = Amount::new("EUR", "9.99").unwrap();
        let large = Amount::new("EUR", "10.00").unwrap();
        assert_eq!(small.compare(&large), Some(Ordering::Less));
        assert_eq!(small.compare(&Amount::new("USD", "10.00").unwrap()), None);
    }
}
