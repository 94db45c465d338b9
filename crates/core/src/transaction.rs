//! The exact thing to be done: one `authorization_details` object, its canonical bytes and their SHA-256 (DESIGN §5).
//!
//! A [`TransactionType`] is a closed schema with its display templates; [`TransactionType::validate`] is the only maker
//! of a [`Transaction`], so whoever holds one holds text that keeps the string profile, amounts in the currency's own
//! minor units and IBANs that add up.

mod amount;
mod display;
mod iban;
mod schema;

pub use amount::{Amount, AmountError};
pub use display::{Display, Row, RowKind, TemplateError};
pub use iban::{IbanError, check as check_iban, grouped as grouped_iban};
pub use schema::{Field, FieldKind, SchemaError};
pub(crate) use schema::{Node, Object};

use crate::{digest::Digest, json, text};
use serde_json::Value;
use std::collections::BTreeMap;

/// Longest text of a field without a `maxLength` of its own: what a SEPA credit transfer carries as a name.
const NAME_GRAPHEMES: usize = 70;
/// Longest free text.
const TEXT_GRAPHEMES: usize = 140;
/// Longest identifier.
const ID_GRAPHEMES: usize = 128;

/// A kind of transaction: which fields it has, on which type of resource, and how it reads to a person.
#[derive(Clone, Debug)]
pub struct TransactionType {
    name: String,
    resource_type: String,
    root: schema::Object,
    fields: Vec<Field>,
    templates: BTreeMap<String, display::Template>,
}

/// A transaction that keeps every rule of its type.
#[derive(Clone, Debug, PartialEq)]
pub struct Transaction {
    kind: String,
    resource_type: String,
    resource_id: String,
    value: Value,
    canonical: Vec<u8>,
    digest: Digest,
    amount: Option<Amount>,
    mixed_scripts: Vec<String>,
}

/// Why an object is no transaction of its type (RFC 9396 §5 `invalid_authorization_details`).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{pointer}: {reason}")]
pub struct TransactionError {
    /// JSON pointer to the place within the object.
    pub pointer: String,
    /// What is wrong there.
    pub reason: TransactionFault,
}

/// What is wrong with one field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TransactionFault {
    /// The type has no such field.
    #[error("unknown field")]
    Unknown,
    /// The field is required.
    #[error("missing")]
    Missing,
    /// Another JSON type is expected.
    #[error("expected {0}")]
    WrongType(&'static str),
    /// The one value that is allowed is another.
    #[error("expected \"{0}\"")]
    NotConst(String),
    /// Not one of the listed values.
    #[error("not one of the allowed values")]
    NotListed,
    /// An integer outside its bounds.
    #[error("outside {0} to {1}")]
    OutOfBounds(i64, i64),
    /// Text breaks the string profile.
    #[error("{0}")]
    Text(#[from] text::TextError),
    /// An identifier with a space or a character beyond ASCII.
    #[error("an identifier holds printable ASCII without spaces only")]
    NotAnId,
    /// Not an amount of its currency.
    #[error("{0}")]
    Amount(#[from] AmountError),
    /// Not an IBAN.
    #[error("{0}")]
    Iban(#[from] IbanError),
    /// Not a calendar date `YYYY-MM-DD`.
    #[error("not a date (YYYY-MM-DD)")]
    Date,
    /// Not a SHA-256 value in base64url.
    #[error("not a SHA-256 value in unpadded base64url")]
    Digest,
}

impl TransactionType {
    /// Compiles a type from its JSON Schema (a closed subset: see [`SchemaError`]) and its display templates by language.
    ///
    /// # Errors
    /// [`TransactionTypeError`] naming the part that does not fit.
    pub fn new(name: &str, schema: &Value, templates: &BTreeMap<String, String>) -> Result<Self, TransactionTypeError> {
        let root = schema::Object::root(schema)?;
        let fields = root.leaves();
        let constant = |pointer: &str| match fields.iter().find(|f| f.pointer() == pointer) {
            Some(Field { kind: FieldKind::Const(value), .. }) => Ok(value.clone()),
            _ => Err(SchemaError::new(pointer, "every type names its own name and resource type as a `const`")),
        };
        if constant("/type")? != name {
            return Err(SchemaError::new("/type", "the const is not the name of the file").into());
        }
        let resource_type = constant("/resource/type")?;
        match fields.iter().find(|f| f.pointer() == "/resource/id") {
            Some(Field { kind: FieldKind::Id { .. }, .. }) => {}
            _ => return Err(SchemaError::new("/resource/id", "must be a string of format `id`").into()),
        }
        if fields.iter().filter(|f| f.kind == FieldKind::Amount).count() > 1 {
            return Err(SchemaError::new("", "more than one amount: nobody would know which one counts").into());
        }
        let templates = templates
            .iter()
            .map(|(lang, source)| {
                let template = display::Template::parse(name, lang, source, &fields)
                    .map_err(|error| TransactionTypeError::Template { lang: lang.clone(), error })?;
                Ok((lang.clone(), template))
            })
            .collect::<Result<_, TransactionTypeError>>()?;
        Ok(Self { name: name.to_owned(), resource_type, root, fields, templates })
    }

    /// The type's name: `type` in `authorization_details`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The type of resource that it is about.
    pub fn resource_type(&self) -> &str {
        &self.resource_type
    }

    /// Every field, nested ones by path, in the order of the schema.
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// Languages that it can be shown in.
    pub fn languages(&self) -> impl Iterator<Item = &str> {
        self.templates.keys().map(String::as_str)
    }

    pub(crate) fn root(&self) -> &schema::Object {
        &self.root
    }

    /// Checks `value` against every rule of this type. What comes back is what was given, to the byte.
    ///
    /// # Errors
    /// [`TransactionError`] with the place of the first rule that is broken.
    pub fn validate(&self, value: &Value) -> Result<Transaction, TransactionError> {
        let mut found = schema::Found::default();
        self.root.check(value, &mut String::new(), &mut found)?;
        let text_at = |pointer: &str| value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        let canonical = json::canonical(value).map_err(|error| TransactionError {
            pointer: error.pointer,
            reason: TransactionFault::WrongType("a value with a canonical form"),
        })?;
        Ok(Transaction {
            kind: self.name.clone(),
            resource_type: self.resource_type.clone(),
            resource_id: text_at("/resource/id"),
            digest: Digest::of(&canonical),
            canonical,
            value: value.clone(),
            amount: found.amount,
            mixed_scripts: found.mixed_scripts,
        })
    }

    /// How `transaction` reads to a person in `lang`, or in the first language there is.
    ///
    /// The same transaction, language and template version always give the same text, so `Display::digest` can be
    /// computed again at display, verification and redemption.
    pub fn render(&self, transaction: &Transaction, lang: &str) -> Option<Display> {
        let template = self.templates.get(lang).or_else(|| self.templates.values().next())?;
        (transaction.kind == self.name).then(|| template.render(transaction))
    }
}

impl Transaction {
    /// The name of its type.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// Type of the resource that it is about.
    pub fn resource_type(&self) -> &str {
        &self.resource_type
    }

    /// Identifier of the resource that it is about.
    pub fn resource_id(&self) -> &str {
        &self.resource_id
    }

    /// The object as given.
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// The object's canonical bytes (RFC 8785).
    pub fn canonical(&self) -> &[u8] {
        &self.canonical
    }

    /// SHA-256 of the canonical bytes: `txn_digest`.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The amount that it moves, if its type has one.
    pub fn amount(&self) -> Option<&Amount> {
        self.amount.as_ref()
    }

    /// Pointers to texts that mix scripts which do not belong together.
    pub fn mixed_scripts(&self) -> &[String] {
        &self.mixed_scripts
    }
}

/// Why a transaction type cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TransactionTypeError {
    /// The schema leaves the closed subset.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// A display template does not show the type as it must.
    #[error("template `{lang}`: {error}")]
    Template {
        /// The template's language.
        lang: String,
        /// What is wrong.
        error: TemplateError,
    },
}

#[cfg(test)]
#[path = "transaction/tests.rs"]
mod tests;
