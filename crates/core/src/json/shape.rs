//! A JSON value becomes one of our types only in the shape that was declared: an object where a struct is meant.
//!
//! What serde derives for a struct also reads a list, whose elements it takes for the members in their order: a second
//! spelling that nobody has declared and no schema shows. It is refused at every depth.

use serde::{
    Deserializer,
    de::{
        DeserializeOwned, Error as _, IntoDeserializer, Unexpected, Visitor,
        value::{MapDeserializer, SeqDeserializer},
    },
    forward_to_deserialize_any,
};
use serde_json::{Error, Value};

/// Reads `T` out of a document of [`super::parse_strict`]. Lists are lists, and structs are objects.
///
/// # Errors
/// What does not fit, in serde's words.
pub fn read<T: DeserializeOwned>(value: Value) -> Result<T, Error> {
    T::deserialize(Shaped(value))
}

struct Shaped(Value);

impl<'de> IntoDeserializer<'de, Error> for Shaped {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for Shaped {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Value::Array(elements) => {
                let mut elements = SeqDeserializer::new(elements.into_iter().map(Shaped));
                let read = visitor.visit_seq(&mut elements)?;
                elements.end().map(|()| read)
            }
            Value::Object(members) => {
                let mut members = MapDeserializer::new(members.into_iter().map(|(name, value)| (name, Shaped(value))));
                let read = visitor.visit_map(&mut members)?;
                members.end().map(|()| read)
            }
            scalar => scalar.deserialize_any(visitor),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match &self.0 {
            Value::Array(_) => Err(Error::invalid_type(Unexpected::Seq, &"an object")),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.0.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _name: &'static str, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match &self.0 {
            // A variant with members would be read past this reader. Ours are words.
            Value::Object(_) => Err(Error::invalid_type(Unexpected::Map, &"a word")),
            _ => self.0.deserialize_enum(name, variants, visitor),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]
    use super::*;
    use serde::{Deserialize, Serialize};
    use serde_json::json;
    use std::collections::BTreeMap;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Word {
        Yes,
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Named(String);

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        name: Named,
        word: Option<Word>,
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Outer {
        one: Inner,
        maybe: Option<Inner>,
        many: Vec<Inner>,
        mapped: BTreeMap<String, Inner>,
        #[serde(default)]
        pair: Option<(i64, bool)>,
        #[serde(default)]
        whatever: Value,
    }

    fn document() -> Value {
        let inner = json!({"name": "a", "word": "yes"});
        json!({
            "one": inner, "maybe": inner, "many": [inner, {"name": "b", "word": null}], "mapped": {"x": inner},
            "pair": [-7, true], "whatever": [{"a": [1, 2.5]}, null],
        })
    }

    #[test]
    fn what_fits_is_read_as_serde_json_reads_it() {
        assert_eq!(read::<Outer>(document()).unwrap(), serde_json::from_value::<Outer>(document()).unwrap());
        assert_eq!(serde_json::to_value(read::<Outer>(document()).unwrap()).unwrap(), document());
    }

    #[test]
    fn a_list_is_no_struct_at_any_depth() {
        let list = json!(["a", "yes"]);
        assert!(serde_json::from_value::<Inner>(list.clone()).is_ok(), "else this reader is not needed");
        assert!(read::<Inner>(list.clone()).is_err());
        for place in ["/one", "/maybe", "/many/0", "/many/1", "/mapped/x"] {
            let mut document = document();
            *document.pointer_mut(place).unwrap() = list.clone();
            let refused = read::<Outer>(document).unwrap_err().to_string();
            assert!(refused.contains("expected an object"), "{place}: {refused}");
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        for (place, wrong) in [
            ("/one", json!({"name": "a", "word": "yes", "more": 1})),
            ("/one/word", json!({"yes": null})),
            ("/one/word", json!("no")),
            ("/one/name", json!(7)),
            ("/pair", json!([1, true, 2])),
            ("/many", json!({"name": "a", "word": "yes"})),
            ("/mapped", json!([])),
        ] {
            let mut document = document();
            *document.pointer_mut(place).unwrap() = wrong.clone();
            assert!(read::<Outer>(document).is_err(), "{place}: {wrong}");
        }
    }
}
