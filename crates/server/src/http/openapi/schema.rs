//! The few words in which the schemas of the document are said (JSON Schema 2020-12, as OpenAPI 3.1 has it).

use serde_json::{Map, Value, json};

/// An object with these members. A name that ends in `?` may be absent. What else is there is to be ignored.
pub fn object<const N: usize>(members: [(&str, Value); N]) -> Value {
    let required: Vec<&str> = members.iter().map(|(name, _)| *name).filter(|name| !name.ends_with('?')).collect();
    let properties: Map<String, Value> =
        members.iter().map(|(name, schema)| (name.trim_end_matches('?').to_owned(), schema.clone())).collect();
    let mut object = json!({"type": "object", "properties": properties});
    if !required.is_empty() {
        object["required"] = json!(required);
    }
    object
}

/// An object with these members and no others: one more is refused.
pub fn closed<const N: usize>(members: [(&str, Value); N]) -> Value {
    let mut object = object(members);
    object["additionalProperties"] = json!(false);
    object
}

/// An object of which others say what is in it.
pub fn anything() -> Value {
    json!({"type": "object", "additionalProperties": true})
}

/// The same schema with a sentence for people.
pub fn says(mut schema: Value, sentence: &str) -> Value {
    schema["description"] = json!(sentence);
    schema
}

/// A schema of the document's components.
pub fn named(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

/// Text.
pub fn text() -> Value {
    json!({"type": "string"})
}

/// Text of at most so many bytes.
pub fn at_most(bytes: usize) -> Value {
    json!({"type": "string", "maxLength": bytes})
}

/// An address.
pub fn uri() -> Value {
    json!({"type": "string", "format": "uri"})
}

/// An identifier of ours.
pub fn id() -> Value {
    json!({"type": "string", "format": "uuid"})
}

/// Bytes in base64url.
pub fn bytes() -> Value {
    json!({"type": "string", "contentEncoding": "base64url", "minLength": 2})
}

/// SHA-256 in base64url.
pub fn digest() -> Value {
    json!({"type": "string", "contentEncoding": "base64url", "minLength": 43, "maxLength": 43})
}

/// A whole number that is not negative.
pub fn count() -> Value {
    json!({"type": "integer", "minimum": 0})
}

/// Milliseconds since the epoch.
pub fn time() -> Value {
    named("Time")
}

/// Yes or no.
pub fn flag() -> Value {
    json!({"type": "boolean"})
}

/// A list of these.
pub fn list(of: Value) -> Value {
    json!({"type": "array", "items": of})
}

/// One of these words.
pub fn word<'a>(words: impl IntoIterator<Item = &'a str>) -> Value {
    json!({"type": "string", "enum": words.into_iter().collect::<Vec<_>>()})
}

/// Exactly one of these schemas.
pub fn either(names: &[&str]) -> Value {
    json!({"oneOf": names.iter().map(|name| named(name)).collect::<Vec<_>>()})
}
