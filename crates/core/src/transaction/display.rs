//! How a transaction reads to the person who approves it: a template that shows each field exactly once.
//!
//! A template is a title, a sentence and rows, parted by empty lines; `{path}` stands for a field:
//!
//! ```text
//! Change where payouts go
//!
//! Payouts of {resource.id} will go to a new account.
//!
//! New recipient: {creditor_name}
//! IBAN: {iban}
//! ```
//!
//! Its output has the same form. `display_digest` is the SHA-256 of that output, so it cannot be edited unseen.

use super::{Amount, Field, FieldKind, Transaction, iban};
use crate::{digest::Digest, text};
use serde::Serialize;

/// Lines longer than this do not fit a page.
const LINE_GRAPHEMES: usize = 200;

/// A transaction as a person reads it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Display {
    /// The language it is in.
    pub lang: String,
    /// Which template: `<type>.<lang>`.
    pub template: String,
    /// SHA-256 of the template's source.
    pub template_version: Digest,
    /// One verb: what is confirmed.
    pub title: String,
    /// What will happen, in words.
    pub sentence: String,
    /// Parts of the sentence that are values, in order.
    pub strong: Vec<String>,
    /// The values in rows of their own.
    pub rows: Vec<Row>,
    /// The template's output: what `digest` covers, and what goes out by message.
    pub text: String,
    /// `display_digest`: SHA-256 of `text`.
    pub digest: Digest,
}

/// One value with its label.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Row {
    /// Path of the field.
    pub field: String,
    /// What it is called.
    pub label: String,
    /// As a person reads it: amounts by language, IBANs in groups.
    pub value: String,
    /// As it was signed (amounts without their currency).
    pub canonical: String,
    /// How to show it.
    pub kind: RowKind,
    /// Scripts that do not belong together: the page warns.
    pub mixed_scripts: bool,
}

/// How a value wants to be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RowKind {
    /// As text.
    Text,
    /// A name that nobody has vouched for.
    Name,
    /// In groups of four, tabular figures.
    Iban,
    /// The thing that matters most.
    Amount,
    /// An identifier.
    Id,
    /// A date.
    Date,
}

/// What is wrong with a template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct TemplateError {
    /// Line of the template, from 1.
    pub line: usize,
    /// What is wrong.
    pub reason: String,
}

#[derive(Clone, Debug)]
pub(super) struct Template {
    id: String,
    lang: String,
    version: Digest,
    title: String,
    /// Literal text and fields in turn.
    sentence: Vec<Part>,
    rows: Vec<(String, Field)>,
}

#[derive(Clone, Debug)]
enum Part {
    Literal(String),
    Value(Field),
}

impl Template {
    pub(super) fn parse(kind: &str, lang: &str, source: &str, fields: &[Field]) -> Result<Self, TemplateError> {
        let fail = |line: usize, reason: String| TemplateError { line, reason };
        for (index, line) in source.lines().enumerate().filter(|(_, line)| !line.is_empty()) {
            text::check(line, LINE_GRAPHEMES).map_err(|error| fail(index + 1, format!("the text {error}")))?;
        }
        let lines: Vec<(usize, &str)> = source.lines().enumerate().map(|(index, line)| (index + 1, line)).collect();
        let mut blocks = lines.split(|(_, line)| line.is_empty()).filter(|block| !block.is_empty());
        let title = match blocks.next() {
            Some([(_, title)]) if !title.contains(['{', '}']) => (*title).to_owned(),
            _ => return Err(fail(1, "the first line is the title, without fields, then comes an empty line".into())),
        };
        let mut used: Vec<String> = Vec::new();
        let mut field = |line: usize, path: &str| {
            let shown = fields.iter().find(|f| f.path == path && !matches!(f.kind, FieldKind::Const(_)));
            let shown = shown.ok_or_else(|| fail(line, format!("no field `{{{path}}}` to show")))?;
            if used.iter().any(|u| u == path) {
                return Err(fail(line, format!("`{{{path}}}` stands twice")));
            }
            used.push(path.to_owned());
            Ok(shown.clone())
        };
        let mut sentence = Vec::new();
        let Some(block) = blocks.next() else { return Err(fail(1, "the sentence is missing".into())) };
        for (place, (line, text)) in block.iter().enumerate() {
            if place > 0 {
                sentence.push(Part::Literal(" ".into()));
            }
            let mut rest = *text;
            while let Some((before, after)) = rest.split_once('{') {
                let (path, after) = after.split_once('}').ok_or_else(|| fail(*line, "`{` without `}`".into()))?;
                sentence.push(Part::Literal(literal(*line, before)?));
                sentence.push(Part::Value(field(*line, path)?));
                rest = after;
            }
            sentence.push(Part::Literal(literal(*line, rest)?));
        }
        let mut rows = Vec::new();
        for (line, text) in blocks.next().unwrap_or_default() {
            let parsed = text.split_once(": {").and_then(|(label, rest)| Some((label, rest.strip_suffix('}')?)));
            let (label, path) = parsed.ok_or_else(|| fail(*line, "a row is `Label: {field}`".into()))?;
            rows.push((literal(*line, label)?, field(*line, path)?));
        }
        if let Some([(line, _), ..]) = blocks.next() {
            return Err(fail(*line, "a template has a title, a sentence and rows, and nothing else".into()));
        }
        match fields.iter().find(|f| !matches!(f.kind, FieldKind::Const(_)) && !used.contains(&f.path)) {
            Some(missing) => Err(fail(lines.len(), format!("`{{{}}}` is not shown", missing.path))),
            None => Ok(Self {
                id: format!("{kind}.{lang}"),
                lang: lang.to_owned(),
                version: Digest::of(source.as_bytes()),
                title,
                sentence,
                rows,
            }),
        }
    }

    pub(super) fn render(&self, transaction: &Transaction) -> Display {
        let (mut sentence, mut strong) = (String::new(), Vec::new());
        for part in &self.sentence {
            match part {
                Part::Literal(text) => sentence.push_str(text),
                Part::Value(field) => {
                    let (shown, _) = self.value(field, transaction);
                    sentence.push_str(&shown);
                    strong.push(shown);
                }
            }
        }
        let rows: Vec<Row> = self
            .rows
            .iter()
            .map(|(label, field)| {
                let (value, canonical) = self.value(field, transaction);
                Row {
                    field: field.path.clone(),
                    label: label.clone(),
                    value,
                    canonical,
                    kind: row_kind(&field.kind),
                    mixed_scripts: transaction.mixed_scripts().contains(&field.pointer()),
                }
            })
            .collect();
        let mut text = format!("{}\n\n{sentence}\n", self.title);
        for (place, row) in rows.iter().enumerate() {
            text.push_str(if place == 0 { "\n" } else { "" });
            text.push_str(&format!("{}: {}\n", row.label, row.value));
        }
        Display {
            lang: self.lang.clone(),
            template: self.id.clone(),
            template_version: self.version,
            title: self.title.clone(),
            sentence,
            strong,
            rows,
            digest: Digest::of(text.as_bytes()),
            text,
        }
    }

    /// As shown, and as signed.
    fn value(&self, field: &Field, transaction: &Transaction) -> (String, String) {
        let value = transaction.value().pointer(&field.pointer());
        if field.kind == FieldKind::Amount {
            return match value.map(Amount::from_json) {
                Some(Ok(amount)) => (amount.localized(&self.lang), amount.value().to_owned()),
                _ => Default::default(),
            };
        }
        let signed = match value {
            Some(serde_json::Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
            None => String::new(),
        };
        let shown = if field.kind == FieldKind::Iban { iban::grouped(&signed) } else { signed.clone() };
        (shown, signed)
    }
}

fn literal(line: usize, text: &str) -> Result<String, TemplateError> {
    if text.contains(['{', '}']) {
        return Err(TemplateError { line, reason: "a brace that belongs to no field".into() });
    }
    Ok(text.to_owned())
}

const fn row_kind(kind: &FieldKind) -> RowKind {
    match kind {
        FieldKind::Name { .. } => RowKind::Name,
        FieldKind::Iban => RowKind::Iban,
        FieldKind::Amount => RowKind::Amount,
        FieldKind::Id { .. } | FieldKind::Digest => RowKind::Id,
        FieldKind::Date => RowKind::Date,
        FieldKind::Const(_) | FieldKind::Enum(_) | FieldKind::Text { .. } | FieldKind::Integer { .. } => RowKind::Text,
    }
}
