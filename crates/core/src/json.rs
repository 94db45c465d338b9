//! Reading JSON strictly: what two readers could understand differently is refused (RFC 7493, I-JSON).
//!
//! Duplicate member names, lone surrogates, numbers that a double cannot hold, trailing data and deep nesting are
//! errors that name their place. Everything from outside comes in through here, never through a lenient reader.

mod shape;

pub use shape::read;

use serde::de::{self, DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use std::{cell::RefCell, fmt};

/// The largest integer that every reader holds exactly (RFC 7493 §2.2).
pub const INTEGER_MAX: i64 = (1 << 53) - 1;

/// Why a document was refused, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason} at {place}", place = if pointer.is_empty() { "the top" } else { pointer })]
pub struct JsonError {
    /// JSON pointer (RFC 6901) to the value that was refused; empty for the whole document.
    pub pointer: String,
    /// What is wrong with it.
    pub reason: JsonFault,
}

/// What is wrong with a document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JsonFault {
    /// Not JSON (RFC 8259), or not UTF-8; lone surrogates too.
    #[error("not valid JSON: {0}")]
    Syntax(String),
    /// A member name stands twice in one object.
    #[error("duplicate member name")]
    DuplicateName,
    /// Nested deeper than allowed.
    #[error("nested too deeply")]
    TooDeep,
    /// A number that not every reader holds exactly.
    #[error("number out of the range that is safe to exchange")]
    Number,
}

/// Parses one JSON document that nests at most `max_depth` deep (a scalar has depth 0).
///
/// # Errors
/// [`JsonError`] with a pointer to the place; nothing of the document is returned.
pub fn parse_strict(bytes: &[u8], max_depth: usize) -> Result<Value, JsonError> {
    let trace = Trace::default();
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let parsed = Strict { depth: max_depth, trace: &trace }.deserialize(&mut reader);
    parsed.and_then(|value| reader.end().map(|()| value)).map_err(|error| trace.into_error(&error))
}

/// Is this what an absent member means? Records leave such members out, so that they are as short as what they say.
pub(crate) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Canonical bytes (RFC 8785) of a value that [`parse_strict`] returned.
///
/// # Errors
/// [`JsonFault::Number`] for numbers that the canonical form cannot carry.
pub fn canonical(value: &Value) -> Result<Vec<u8>, JsonError> {
    serde_json_canonicalizer::to_vec(value).map_err(|_| JsonError { pointer: String::new(), reason: JsonFault::Number })
}

/// Filled only while an error unwinds, so that the good path pays nothing for it.
#[derive(Default)]
struct Trace {
    fault: RefCell<Option<JsonFault>>,
    /// Innermost first.
    path: RefCell<Vec<String>>,
}

impl Trace {
    fn fail<E: de::Error>(&self, fault: JsonFault) -> E {
        let error = E::custom(&fault);
        *self.fault.borrow_mut() = Some(fault);
        error
    }

    fn below(&self, step: &str) {
        self.path.borrow_mut().push(step.replace('~', "~0").replace('/', "~1"));
    }

    fn into_error(self, error: &serde_json::Error) -> JsonError {
        let pointer = self.path.into_inner().iter().rev().fold(String::new(), |path, step| path + "/" + step);
        let reason = self.fault.into_inner().unwrap_or_else(|| {
            let text = error.to_string();
            if text.starts_with("recursion limit") {
                JsonFault::TooDeep
            } else if text.starts_with("number out of range") {
                JsonFault::Number
            } else {
                JsonFault::Syntax(text)
            }
        });
        JsonError { pointer, reason }
    }
}

#[derive(Clone, Copy)]
struct Strict<'a> {
    depth: usize,
    trace: &'a Trace,
}

impl Strict<'_> {
    fn deeper<E: de::Error>(self) -> Result<Self, E> {
        match self.depth.checked_sub(1) {
            Some(depth) => Ok(Self { depth, ..self }),
            None => Err(self.trace.fail(JsonFault::TooDeep)),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;
    fn deserialize<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Value, E> {
        if value < -INTEGER_MAX { Err(self.trace.fail(JsonFault::Number)) } else { Ok(Value::Number(value.into())) }
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Value, E> {
        if value > INTEGER_MAX.unsigned_abs() {
            Err(self.trace.fail(JsonFault::Number))
        } else {
            Ok(Value::Number(value.into()))
        }
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Value, E> {
        // An integer too large for 64 bits arrives here rounded: it is not exact either.
        let rounded_integer = value.fract() == 0.0 && value.abs() > INTEGER_MAX as f64 && value.abs() < 1e21;
        match Number::from_f64(value) {
            Some(number) if !rounded_integer => Ok(Value::Number(number)),
            _ => Err(self.trace.fail(JsonFault::Number)),
        }
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut values = Vec::new();
        loop {
            match seq.next_element_seed(inner) {
                Ok(Some(value)) => values.push(value),
                Ok(None) => return Ok(Value::Array(values)),
                Err(error) => {
                    self.trace.below(&values.len().to_string());
                    return Err(error);
                }
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut members = Map::new();
        while let Some(name) = map.next_key::<String>()? {
            if members.contains_key(&name) {
                self.trace.below(&name);
                return Err(self.trace.fail(JsonFault::DuplicateName));
            }
            match map.next_value_seed(inner) {
                Ok(value) => members.insert(name, value),
                Err(error) => {
                    self.trace.below(&name);
                    return Err(error);
                }
            };
        }
        Ok(Value::Object(members))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on should stop")]
    use super::*;

    fn refused(text: &str) -> (String, JsonFault) {
        let error = parse_strict(text.as_bytes(), 8).expect_err(text);
        (error.pointer, error.reason)
    }

    #[test]
    fn what_two_readers_could_understand_differently_is_refused_with_its_place() {
        for (text, pointer, fault) in [
            (r#"{"a":1,"a":2}"#, "/a", JsonFault::DuplicateName),
            (r#"{"a":1,"\u0061":2}"#, "/a", JsonFault::DuplicateName),
            (r#"{"x":[{"a/b~":1,"a/b~":2}]}"#, "/x/0/a~1b~0", JsonFault::DuplicateName),
            (r#"[[[[[[[[[1]]]]]]]]]"#, "/0/0/0/0/0/0/0/0", JsonFault::TooDeep),
            (r#"{"n":9007199254740992}"#, "/n", JsonFault::Number),
            (r#"{"n":-9007199254740992}"#, "/n", JsonFault::Number),
            (r#"[18446744073709551616]"#, "/0", JsonFault::Number),
            (r#"{"n":1e400}"#, "/n", JsonFault::Number),
        ] {
            assert_eq!(refused(text), (pointer.to_owned(), fault), "{text}");
        }
        for (text, pointer) in [
            (r#"{"a":"\ud800"}"#, "/a"),
            (r#"{"a":"\udc00\ud800"}"#, "/a"),
            (r#"{"a":1} x"#, ""),
            ("", ""),
            ("{\"a\":01}", "/a"),
            ("[1,]", "/1"),
            ("{\"a\":\"\u{1}\"}", "/a"),
            ("NaN", ""),
        ] {
            let (place, fault) = refused(text);
            assert!(matches!(fault, JsonFault::Syntax(_)) && place == pointer, "{text}: {place} {fault:?}");
        }
        assert!(parse_strict(b"\"\xff\"", 8).is_err());
    }

    #[test]
    fn depth_counts_containers() {
        assert!(parse_strict(b"[[1]]", 2).is_ok());
        assert!(parse_strict(b"[[1]]", 1).is_err());
        assert!(parse_strict(b"1", 0).is_ok());
        let deep = "[".repeat(10_000);
        assert_eq!(parse_strict(deep.as_bytes(), 100_000).expect_err("deep").reason, JsonFault::TooDeep);
    }

    #[test]
    fn ordinary_documents_are_read_as_they_are() {
        let text = r#"{"a":[1,-2,3.5,true,null,"ä😀"],"b":{}}"#;
        assert_eq!(parse_strict(text.as_bytes(), 8).unwrap(), serde_json::from_str::<Value>(text).unwrap());
    }

    #[test]
    fn jcs_vectors_come_out_byte_for_byte() {
        let vectors = std::env::var_os("COUNTERFOIL_VECTORS").map_or_else(
            || std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors"),
            std::path::PathBuf::from,
        );
        let folder = vectors.join("jcs/testdata");
        let Ok(inputs) = std::fs::read_dir(folder.join("input")) else {
            println!("skipped: {} absent", folder.display());
            return;
        };
        let mut seen = 0;
        for input in inputs {
            let path = input.unwrap().path();
            let text = std::fs::read(&path).unwrap();
            let want = std::fs::read(folder.join("output").join(path.file_name().unwrap())).unwrap();
            // The vectors hold numbers beyond what we accept from outside, so the lenient reader feeds them.
            let value: Value = serde_json::from_slice(&text).unwrap();
            assert_eq!(canonical(&value).unwrap(), want, "{}", path.display());
            seen += 1;
        }
        assert!(seen >= 6, "vectors present but empty");
    }
}
