//! JSON of our callers' that the store keeps and never takes apart.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::DeserializeOwned, ser::Error as _};
use serde_json::value::RawValue;

/// What a row stands for, as its caller wrote it and reads it again.
#[derive(Clone, PartialEq, Eq)]
pub struct Body(Box<str>);

impl Body {
    /// `value` as JSON.
    ///
    /// # Errors
    /// What has no form in JSON.
    pub fn of(value: &impl Serialize) -> Result<Self, serde_json::Error> {
        serde_json::to_string(value).map(|text| Self(text.into()))
    }

    /// What was kept.
    ///
    /// # Errors
    /// It was something else.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str(&self.0)
    }
}

/// The text may be personal.
impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Body({} bytes)", self.0.len())
    }
}

impl Serialize for Body {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serde_json::from_str::<&RawValue>(&self.0).map_err(S::Error::custom)?.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Body {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Box::<RawValue>::deserialize(deserializer).map(|text| Self(text.into()))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // a test that cannot go on should stop
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Row {
        id: u8,
        body: Body,
    }

    #[test]
    fn a_body_is_kept_as_it_was_written() {
        let row = Row { id: 1, body: Body::of(&vec![(1, "é\"")]).unwrap() };
        let text = serde_json::to_string(&row).unwrap();
        assert_eq!(text, "{\"id\":1,\"body\":[[1,\"é\\\"\"]]}");
        let again: Row = serde_json::from_str(&text).unwrap();
        assert_eq!(again, row);
        assert_eq!(again.body.read::<Vec<(u8, String)>>().unwrap(), [(1, "é\"".to_owned())]);
        assert!(again.body.read::<String>().is_err());
        assert!(serde_json::from_str::<Row>("{\"id\":1,\"body\":[}").is_err());
    }
}
