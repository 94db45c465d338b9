//! The closed subset of JSON Schema that describes a transaction: objects whose members are all required, strings with
//! our formats, bounded integers. Whatever else a schema says is refused when the pack loads.

use super::{Amount, ID_GRAPHEMES, NAME_GRAPHEMES, TEXT_GRAPHEMES, TransactionError, TransactionFault, iban};
use crate::{digest::Digest, json::INTEGER_MAX, text};
use serde_json::{Map, Value};

/// Members of one object.
const MEMBERS: usize = 24;
/// Objects within objects.
const NESTING: usize = 3;
/// Longest `maxLength`.
const GRAPHEMES: usize = 280;

/// A schema leaves the closed subset: `object` (closed, every member required), `string` with `format` (`id`, `name`,
/// `text`, `iban`, `date`, `digest`), `const` or `enum`, `integer` with both bounds, and objects of format
/// `currency-amount`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("schema at {pointer}: {reason}", pointer = if pointer.is_empty() { "the top" } else { pointer })]
pub struct SchemaError {
    /// Pointer to the field that is described, in terms of the transaction.
    pub pointer: String,
    /// What is wrong.
    pub reason: String,
}

impl SchemaError {
    pub(super) fn new(pointer: &str, reason: impl Into<String>) -> Self {
        Self { pointer: pointer.to_owned(), reason: reason.into() }
    }
}

/// One value of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Member names from the top, joined by dots, as templates name it.
    pub path: String,
    /// What it may hold.
    pub kind: FieldKind,
}

impl Field {
    /// JSON pointer to it within the transaction.
    pub fn pointer(&self) -> String {
        format!("/{}", self.path.replace('.', "/"))
    }
}

/// What a field may hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FieldKind {
    /// Exactly this text.
    Const(String),
    /// One of these texts.
    Enum(Vec<String>),
    /// Printable ASCII without spaces.
    Id {
        /// Longest.
        max: usize,
    },
    /// A name of somebody or something; pages mark it as not vouched for.
    Name {
        /// Longest.
        max: usize,
    },
    /// Free text.
    Text {
        /// Longest.
        max: usize,
    },
    /// ISO 13616, without spaces.
    Iban,
    /// `YYYY-MM-DD`.
    Date,
    /// SHA-256 in base64url.
    Digest,
    /// `{currency, value}`.
    Amount,
    /// A whole number within bounds.
    Integer {
        /// Smallest.
        min: i64,
        /// Largest.
        max: i64,
    },
}

#[derive(Clone, Debug)]
pub(crate) enum Node {
    Leaf(FieldKind),
    Object(Object),
}

/// A closed object.
#[derive(Clone, Debug)]
pub(crate) struct Object {
    pub(crate) members: Vec<(String, Node)>,
}

/// What a check came across.
#[derive(Default)]
pub(super) struct Found {
    pub(super) amount: Option<Amount>,
    pub(super) mixed_scripts: Vec<String>,
}

impl Object {
    pub(super) fn root(schema: &Value) -> Result<Self, SchemaError> {
        match Node::parse(schema, "", 0)? {
            Node::Object(object) => Ok(object),
            Node::Leaf(_) => Err(SchemaError::new("", "a transaction is an object")),
        }
    }

    fn parse(schema: &Map<String, Value>, pointer: &str, depth: usize) -> Result<Self, SchemaError> {
        let fail = |reason: &str| Err(SchemaError::new(pointer, reason));
        if depth > NESTING {
            return fail("nested too deeply");
        }
        only(schema, pointer, &["type", "properties", "required", "additionalProperties"])?;
        if schema.get("additionalProperties") != Some(&Value::Bool(false)) {
            return fail("say `\"additionalProperties\": false`: unknown fields are refused");
        }
        let Some(properties) = schema.get("properties").and_then(Value::as_object) else {
            return fail("`properties` is missing");
        };
        if properties.is_empty() || properties.len() > MEMBERS {
            return fail("too few or too many properties");
        }
        let required = schema.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
        if required.len() != properties.len() || !properties.keys().all(|name| required.iter().any(|r| r == name)) {
            return fail("`required` must list every property: what may be absent could not stand in the display");
        }
        let mut members = Vec::with_capacity(properties.len());
        for (name, value) in properties {
            let below = format!("{pointer}/{name}");
            let plain = name.len() <= 40
                && name.starts_with(|c: char| c.is_ascii_lowercase())
                && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
            if !plain {
                return Err(SchemaError::new(&below, "field names are lower_snake_case, at most 40 letters"));
            }
            members.push((name.clone(), Node::parse(value, &below, depth + 1)?));
        }
        Ok(Self { members })
    }

    pub(super) fn leaves(&self) -> Vec<Field> {
        let mut fields = Vec::new();
        self.collect("", &mut fields);
        fields
    }

    fn collect(&self, above: &str, fields: &mut Vec<Field>) {
        for (name, node) in &self.members {
            let path = if above.is_empty() { name.clone() } else { format!("{above}.{name}") };
            match node {
                Node::Leaf(kind) => fields.push(Field { path, kind: kind.clone() }),
                Node::Object(object) => object.collect(&path, fields),
            }
        }
    }

    pub(super) fn check(&self, value: &Value, at: &mut String, found: &mut Found) -> Result<(), TransactionError> {
        let Some(object) = value.as_object() else {
            return Err(refuse(at, TransactionFault::WrongType("an object")));
        };
        let length = at.len();
        for (name, node) in &self.members {
            at.truncate(length);
            at.push('/');
            at.push_str(name);
            let value = object.get(name).ok_or_else(|| refuse(at, TransactionFault::Missing))?;
            match node {
                Node::Object(inner) => inner.check(value, at, found)?,
                Node::Leaf(kind) => kind.check(value, at, found).map_err(|fault| refuse(at, fault))?,
            }
        }
        at.truncate(length);
        if object.len() == self.members.len() {
            return Ok(());
        }
        let unknown = object.keys().find(|name| !self.members.iter().any(|(known, _)| known == *name));
        let name = unknown.map_or("", String::as_str).replace('~', "~0").replace('/', "~1");
        Err(refuse(&format!("{at}/{name}"), TransactionFault::Unknown))
    }
}

fn refuse(at: &str, reason: TransactionFault) -> TransactionError {
    TransactionError { pointer: at.to_owned(), reason }
}

impl Node {
    fn parse(schema: &Value, pointer: &str, depth: usize) -> Result<Self, SchemaError> {
        let fail = |reason: String| Err(SchemaError::new(pointer, reason));
        let Some(schema) = schema.as_object() else { return fail("a schema is an object".into()) };
        let text = |name: &str| schema.get(name).and_then(Value::as_str);
        let leaf = |kind| Ok(Self::Leaf(kind));
        if let Some(value) = schema.get("const") {
            only(schema, pointer, &["const", "type"])?;
            return match value.as_str() {
                Some(value) if text("type").is_none_or(|t| t == "string") => leaf(FieldKind::Const(value.to_owned())),
                _ => fail("`const` must be a string".into()),
            };
        }
        match text("type") {
            Some("object") if schema.contains_key("format") => {
                only(schema, pointer, &["type", "format"])?;
                match text("format") {
                    Some("currency-amount") => leaf(FieldKind::Amount),
                    _ => fail("objects know only the format `currency-amount`".into()),
                }
            }
            Some("object") => Object::parse(schema, pointer, depth).map(Self::Object),
            Some("integer") => {
                only(schema, pointer, &["type", "minimum", "maximum"])?;
                let bound = |name: &str| schema.get(name).and_then(Value::as_i64).filter(|n| n.abs() <= INTEGER_MAX);
                match (bound("minimum"), bound("maximum")) {
                    (Some(min), Some(max)) if min <= max => leaf(FieldKind::Integer { min, max }),
                    _ => fail("an integer needs `minimum` and `maximum` within ±(2^53 − 1)".into()),
                }
            }
            Some("string") => Self::string(schema, pointer).map(Self::Leaf),
            other => fail(format!("type {other:?} is outside of the closed subset (object, string, integer)")),
        }
    }

    fn string(schema: &Map<String, Value>, pointer: &str) -> Result<FieldKind, SchemaError> {
        let fail = |reason: &str| Err(SchemaError::new(pointer, reason));
        if let Some(values) = schema.get("enum") {
            only(schema, pointer, &["type", "enum"])?;
            let texts: Option<Vec<String>> =
                values.as_array().and_then(|list| list.iter().map(|v| v.as_str().map(str::to_owned)).collect());
            return match texts {
                Some(texts) if !texts.is_empty() && texts.iter().all(|t| text::check(t, NAME_GRAPHEMES).is_ok()) => {
                    Ok(FieldKind::Enum(texts))
                }
                _ => fail("`enum` must list texts that keep the string profile"),
            };
        }
        let format = schema.get("format").and_then(Value::as_str);
        let max = |default: usize| match schema.get("maxLength") {
            None => Ok(default),
            Some(value) => value
                .as_u64()
                .and_then(|n| usize::try_from(n).ok())
                .filter(|n| (1..=GRAPHEMES).contains(n))
                .ok_or_else(|| SchemaError::new(pointer, format!("`maxLength` must be 1 to {GRAPHEMES}"))),
        };
        let bounded = matches!(format, Some("id" | "name" | "text"));
        only(schema, pointer, if bounded { &["type", "format", "maxLength"] } else { &["type", "format"] })?;
        match format {
            Some("id") => Ok(FieldKind::Id { max: max(ID_GRAPHEMES)? }),
            Some("name") => Ok(FieldKind::Name { max: max(NAME_GRAPHEMES)? }),
            Some("text") => Ok(FieldKind::Text { max: max(TEXT_GRAPHEMES)? }),
            Some("iban") => Ok(FieldKind::Iban),
            Some("date") => Ok(FieldKind::Date),
            Some("digest") => Ok(FieldKind::Digest),
            _ => fail("a string needs a format: `id`, `name`, `text`, `iban`, `date`, `digest`, or `enum` or `const`"),
        }
    }
}

fn only(schema: &Map<String, Value>, pointer: &str, known: &[&str]) -> Result<(), SchemaError> {
    // Words for the reader change nothing, so they may stand anywhere.
    let comment = |name: &str| matches!(name, "title" | "description" | "$comment" | "$schema" | "$id");
    match schema.keys().find(|name| !known.contains(&name.as_str()) && !comment(name)) {
        None => Ok(()),
        Some(name) => Err(SchemaError::new(pointer, format!("`{name}` is outside of the closed subset"))),
    }
}

impl FieldKind {
    fn check(&self, value: &Value, at: &str, found: &mut Found) -> Result<(), TransactionFault> {
        match self {
            Self::Amount => {
                found.amount = Some(Amount::from_json(value)?);
                return Ok(());
            }
            Self::Integer { min, max } => {
                let number = value.as_i64().ok_or(TransactionFault::WrongType("an integer"))?;
                let inside = (*min..=*max).contains(&number);
                return if inside { Ok(()) } else { Err(TransactionFault::OutOfBounds(*min, *max)) };
            }
            _ => {}
        }
        let given = value.as_str().ok_or(TransactionFault::WrongType("a string"))?;
        match self {
            Self::Const(only) if given != only => Err(TransactionFault::NotConst(only.clone())),
            Self::Enum(list) if !list.iter().any(|one| one == given) => Err(TransactionFault::NotListed),
            Self::Id { max } => {
                text::check(given, *max)?;
                if given.bytes().all(|b| b.is_ascii_graphic()) { Ok(()) } else { Err(TransactionFault::NotAnId) }
            }
            Self::Name { max } | Self::Text { max } => {
                if text::check(given, *max)?.mixed_scripts() {
                    found.mixed_scripts.push(at.to_owned());
                }
                Ok(())
            }
            Self::Iban => Ok(iban::check(given)?),
            Self::Date if !is_date(given) => Err(TransactionFault::Date),
            Self::Digest if given.parse::<Digest>().is_err() => Err(TransactionFault::Digest),
            _ => Ok(()),
        }
    }
}

fn is_date(text: &str) -> bool {
    let bytes = text.as_bytes();
    if bytes.len() != 10 || bytes[4] != b'-' || bytes[7] != b'-' {
        return false;
    }
    let number = |range: std::ops::Range<usize>| {
        bytes[range].iter().try_fold(0_u32, |sum, b| b.is_ascii_digit().then(|| sum * 10 + u32::from(b - b'0')))
    };
    let (Some(year), Some(month), Some(day)) = (number(0..4), number(5..7), number(8..10)) else { return false };
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => return false,
    };
    (1..=days).contains(&day)
}
