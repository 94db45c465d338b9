//! Nouns as rows and rows as nouns. A row holds typed columns to find it by, the noun itself as JSON in `body`, its
//! secret sealed in `secret`, and a MAC where it grants power.
//!
//! A row becomes a noun only if everything agrees: the MAC, the sealing, the form, and every typed column with the noun.
//! What is left over is an [`Inconsistency`] that names table and key.

use crate::{
    backend::{Row, Value},
    error::{Inconsistency, ReadError},
    table::{Kind, Table},
    unit::Effect,
};
use counterfoil_core::{
    audit::chain::ChainKey,
    enrolled::Secret,
    seal::{Mac, MasterKey, NONCE_BYTES, Place, RowKey, SealError, SealingKey},
};
use serde::{Serialize, de::DeserializeOwned};
use std::sync::Arc;

/// The form of sealed values in the `secret` columns.
const SECRET_VERSION: u32 = 1;

/// The keys under which rows are written and believed, derived from the installation's master key.
#[derive(Debug)]
pub(crate) struct Keys {
    sealing: SealingKey,
    rows: RowKey,
    pub(crate) chain: ChainKey,
}

impl Keys {
    pub(crate) fn new(master: &MasterKey) -> Result<Self, SealError> {
        Ok(Self { sealing: master.sealing()?, rows: master.rows()?, chain: master.chain()? })
    }

    /// The MAC of a row, over all its columns.
    pub(crate) fn mac(&self, table: &'static Table, row: &[Value]) -> Mac {
        let columns: Vec<Vec<u8>> = row.iter().map(tagged).collect();
        let columns: Vec<&[u8]> = columns.iter().map(Vec::as_slice).collect();
        self.rows.mac(table.name, &key_text(table, row), &columns)
    }
}

/// A value's bytes, with what type it is: a text is never a number, nothing is not the empty text.
fn tagged(value: &Value) -> Vec<u8> {
    match value {
        Value::Text(text) => [b"t", text.as_bytes()].concat(),
        Value::Int(int) => [b"i".as_slice(), &int.to_be_bytes()].concat(),
        Value::Bytes(bytes) => [b"b", &**bytes].concat(),
        _ => b"n".to_vec(),
    }
}

fn key_text(table: &Table, row: &[Value]) -> String {
    let parts: Vec<String> = row
        .iter()
        .take(table.keys)
        .map(|value| match value {
            Value::Text(text) => text.to_string(),
            Value::Int(int) => int.to_string(),
            _ => String::new(),
        })
        .collect();
    parts.join("/")
}

/// Something with a row of its own.
pub(crate) trait Noun: Serialize + DeserializeOwned {
    /// Where its rows stand.
    const TABLE: &'static Table;

    /// The typed columns that stand before `body`, in the table's order.
    fn columns(&self) -> Vec<Value>;

    /// Whose it is, for the sealing of its secret.
    fn owner(&self) -> String {
        String::new()
    }

    /// What is sealed beside the body.
    fn secret(&self) -> Option<&Secret> {
        None
    }

    /// The noun with its secret.
    #[must_use]
    fn with_secret(self, _secret: Option<Secret>) -> Self {
        self
    }
}

/// A noun on its way to a row: sealing and MAC wait for the store's keys.
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    table: &'static Table,
    row: Vec<Value>,
    owner: String,
    secret: Option<Secret>,
    new: bool,
}

impl Draft {
    /// `new`: nobody has a row under this key.
    pub(crate) fn of<N: Noun>(noun: &N, new: bool) -> Result<Self, serde_json::Error> {
        let mut row = noun.columns();
        row.push(Value::Text(Arc::from(serde_json::to_string(noun)?)));
        Ok(Self { table: N::TABLE, row, owner: noun.owner(), secret: noun.secret().cloned(), new })
    }

    /// Seals and authenticates.
    pub(crate) fn effect(self, keys: &Keys, random: &(dyn Fn(&mut [u8]) + Send + Sync)) -> Result<Effect, SealError> {
        let Self { table, mut row, owner, secret, new } = self;
        if table.has("secret") {
            row.push(match secret {
                None => Value::NoBytes,
                Some(secret) => {
                    let mut nonce = [0; NONCE_BYTES];
                    random(&mut nonce);
                    let id = key_text(table, &row);
                    Value::bytes(keys.sealing.seal(&place(table, &id, &owner), secret.expose(), nonce)?)
                }
            });
        }
        if table.has("mac") {
            let mac = keys.mac(table, &row);
            row.push(Value::bytes(mac.as_bytes()));
        }
        Ok(if new { Effect::Insert { table, row } } else { Effect::Put { table, row } })
    }
}

fn place<'a>(table: &'static Table, id: &'a str, subject: &'a str) -> Place<'a> {
    Place { table: table.name, id, subject, column: "secret", version: SECRET_VERSION }
}

/// The row's values, all columns in order.
fn values(table: &'static Table, row: &Row) -> Result<Vec<Value>, sqlx::Error> {
    table
        .columns
        .iter()
        .enumerate()
        .map(|(at, (_, kind))| {
            Ok(match kind {
                Kind::Text => row.maybe_text(at)?.map_or(Value::NoText, |text| Value::Text(text.into())),
                Kind::Int => row.maybe_int(at)?.map_or(Value::NoInt, Value::Int),
                Kind::Bytes => row.maybe_bytes(at)?.map_or(Value::NoBytes, |bytes| Value::Bytes(bytes.into())),
            })
        })
        .collect()
}

/// The row as its MAC was made: before the writer filled in what it alone knows.
fn as_drafted(mut row: Vec<Value>, drafted: &[Value]) -> Vec<Value> {
    for (stored, drafted) in row.iter_mut().zip(drafted) {
        if matches!(drafted, Value::Epoch | Value::Run | Value::Number(_)) {
            stored.clone_from(drafted);
        }
    }
    row
}

/// The noun in `row`, which has all columns of its table in order.
pub(crate) fn load<N: Noun>(keys: &Keys, row: &Row) -> Result<N, ReadError> {
    let table = N::TABLE;
    let mut values = values(table, row)?;
    let id = key_text(table, &values);
    let wrong = |reason: String| Inconsistency { table: table.name, id: id.clone(), reason };
    let stored = if table.has("mac") {
        match values.pop() {
            Some(Value::Bytes(bytes)) => <[u8; 32]>::try_from(&*bytes).ok().map(Mac::from_bytes),
            _ => None,
        }
    } else {
        None
    };
    let row = values.clone();
    let sealed = if table.has("secret") { values.pop() } else { None };
    let body = match values.pop() {
        Some(Value::Text(body)) => body,
        _ => return Err(wrong("no body".to_owned()).into()),
    };
    let noun: N = serde_json::from_str(&body).map_err(|error| wrong(format!("body: {error}")))?;
    if table.has("mac") && stored != Some(keys.mac(table, &as_drafted(row, &noun.columns()))) {
        return Err(wrong("the MAC is not ours: the row was written or changed by somebody else".to_owned()).into());
    }
    for ((stored, meant), (name, _)) in values.iter().zip(noun.columns()).zip(table.columns) {
        // What the writer filled in is not part of the noun.
        if *stored != meant && !matches!(meant, Value::Epoch | Value::Run | Value::Number(_)) {
            return Err(wrong(format!("column {name} contradicts the body")).into());
        }
    }
    let secret = match sealed {
        Some(Value::Bytes(sealed)) => {
            let owner = noun.owner();
            let opened = keys.sealing.open(&place(table, &id, &owner), &sealed);
            Some(Secret::new(opened.map_err(|error| wrong(error.to_string()))?.to_vec()))
        }
        _ => None,
    };
    Ok(noun.with_secret(secret))
}
