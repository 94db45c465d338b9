//! Canonical JSON (RFC 8785) of our own records, fast: each request writes one, before its reply.
//!
//! Our records hold strings, whole numbers and truths, which `serde_json` already writes as RFC 8785 wants; what is left
//! is the order of members. So the record is written once and its members are moved into order. Where a number is a
//! fraction or too large to be exact, the general writer does the work instead.

use serde::Serialize;
use std::{cmp::Ordering, ops::Range};

/// The largest whole number that every reader takes for the same (RFC 8785 §3.2.2.3, RFC 7493 §2.2).
const EXACT: u64 = 1 << 53;

/// The value has no canonical JSON: a map whose keys are no strings, or a number that is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the value has no canonical JSON")]
pub struct NotCanonical;

/// The canonical JSON of `value`.
pub fn to_vec<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, NotCanonical> {
    let plain = serde_json::to_vec(value).map_err(|_| NotCanonical)?;
    let mut sorted = Sorted { plain: &plain, at: 0, out: Vec::with_capacity(plain.len()) };
    match sorted.value() {
        Some(()) => Ok(sorted.out),
        None => {
            let value: serde_json::Value = serde_json::from_slice(&plain).map_err(|_| NotCanonical)?;
            serde_json_canonicalizer::to_vec(&value).map_err(|_| NotCanonical)
        }
    }
}

/// Copies JSON that `serde_json` wrote, without white space, and puts members into order. `None` where that is not
/// enough.
struct Sorted<'a> {
    plain: &'a [u8],
    at: usize,
    out: Vec<u8>,
}

/// A member of an object: its name with quotes, in the input, and all of it in the output.
struct Member {
    name: Range<usize>,
    whole: Range<usize>,
}

impl Sorted<'_> {
    fn value(&mut self) -> Option<()> {
        match self.plain.get(self.at)? {
            b'{' => self.object(),
            b'[' => self.array(),
            b'"' => {
                let end = self.string_end()?;
                self.copy_to(end);
                Some(())
            }
            b'-' | b'0'..=b'9' => self.number(),
            // true, false and null, up to the next of , ] }
            _ => {
                self.copy_to(self.scalar_end());
                Some(())
            }
        }
    }

    fn object(&mut self) -> Option<()> {
        self.copy_to(self.at + 1);
        let start = self.out.len();
        let mut members: Vec<Member> = Vec::with_capacity(16);
        let mut in_order = true;
        while *self.plain.get(self.at)? != b'}' {
            if *self.plain.get(self.at)? == b',' {
                self.copy_to(self.at + 1);
            }
            let begin = self.out.len();
            let name = self.at..self.string_end()?;
            in_order = in_order && members.last().is_none_or(|last| self.order(&last.name, &name) == Ordering::Less);
            self.copy_to(name.end + 1);
            self.value()?;
            members.push(Member { name, whole: begin..self.out.len() });
        }
        if !in_order {
            members.sort_by(|a, b| self.order(&a.name, &b.name));
            let unsorted = self.out.split_off(start);
            for (nth, Member { whole, .. }) in members.iter().enumerate() {
                if nth > 0 {
                    self.out.push(b',');
                }
                self.out.extend_from_slice(unsorted.get(whole.start - start..whole.end - start)?);
            }
        }
        self.copy_to(self.at + 1);
        Some(())
    }

    fn array(&mut self) -> Option<()> {
        self.copy_to(self.at + 1);
        while *self.plain.get(self.at)? != b']' {
            if *self.plain.get(self.at)? == b',' {
                self.copy_to(self.at + 1);
            }
            self.value()?;
        }
        self.copy_to(self.at + 1);
        Some(())
    }

    fn number(&mut self) -> Option<()> {
        let end = self.scalar_end();
        let text = self.plain.get(self.at..end)?;
        let digits = text.strip_prefix(b"-").unwrap_or(text);
        let exact = digits.len() <= 16
            && digits.iter().all(u8::is_ascii_digit)
            && digits.iter().fold(0, |n, digit| n * 10 + u64::from(digit - b'0')) <= EXACT
            && text != b"-0";
        if !exact {
            return None;
        }
        self.copy_to(end);
        Some(())
    }

    /// Behind the closing quote of the string that begins here.
    fn string_end(&self) -> Option<usize> {
        let mut at = self.at + 1;
        loop {
            match self.plain.get(at)? {
                b'"' => return Some(at + 1),
                b'\\' => at += 2,
                _ => at += 1,
            }
        }
    }

    fn scalar_end(&self) -> usize {
        let rest = self.plain.get(self.at..).unwrap_or_default();
        rest.iter().position(|byte| b",]}".contains(byte)).map_or(self.plain.len(), |length| self.at + length)
    }

    fn copy_to(&mut self, end: usize) {
        self.out.extend_from_slice(self.plain.get(self.at..end).unwrap_or_default());
        self.at = end;
    }

    /// By UTF-16 code units (RFC 8785 §3.2.3), which for plain ASCII is by bytes.
    fn order(&self, a: &Range<usize>, b: &Range<usize>) -> Ordering {
        let (a, b) = (&self.plain[a.clone()], &self.plain[b.clone()]);
        let plain = |name: &[u8]| name.iter().all(|byte| byte.is_ascii() && *byte != b'\\');
        if plain(a) && plain(b) {
            // Without their quotes: a name sorts before those that it begins.
            return a[1..a.len() - 1].cmp(&b[1..b.len() - 1]);
        }
        let decoded = |name| serde_json::from_slice::<String>(name).unwrap_or_default();
        decoded(a).encode_utf16().cmp(decoded(b).encode_utf16())
    }
}

#[cfg(test)]
// A test that cannot go on should stop.
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    #[test]
    fn members_are_in_the_order_of_rfc_8785() {
        for (value, expected) in [
            (json!({"b": 1, "a": {"d": [], "c": {}}}), r#"{"a":{"c":{},"d":[]},"b":1}"#),
            (json!({"ab": 1, "a": 2, "a b": 3, "a!": 4}), r#"{"a":2,"a b":3,"a!":4,"ab":1}"#),
            (json!([{"b": "}", "a": "\","}, "\\", -1, 0, true, null]), r#"[{"a":"\",","b":"}"},"\\",-1,0,true,null]"#),
            (json!({"\u{ff61}": 1, "\u{1f600}": 2, "\n": 3, "é": 4}), "{\"\\n\":3,\"é\":4,\"😀\":2,\"｡\":1}"),
            (json!({"b": 1e21, "a": 0.5}), r#"{"a":0.5,"b":1e+21}"#),
            (json!(""), r#""""#),
        ] {
            assert_eq!(String::from_utf8(to_vec(&value).unwrap()).unwrap(), expected);
        }
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let scalar = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            (-1000i64..1000).prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".{0,8}".prop_map(Value::from),
        ];
        scalar.prop_recursive(4, 40, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::vec((prop_oneof!["[a-c]{0,3}", ".{0,3}"], inner), 0..6)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn the_fast_writer_writes_what_the_general_one_does(value in any_json()) {
            prop_assert_eq!(to_vec(&value).ok(), serde_json_canonicalizer::to_vec(&value).ok());
        }
    }
}
