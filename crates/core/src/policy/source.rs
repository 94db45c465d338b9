//! Reading Cedar files: one policy at a time, each with its place, an identifier and the reasons it gives.

use super::files::PackError;
use crate::catalogue::line_at;
use cedar_policy::{Policy, PolicyId};
use miette::Diagnostic;
use serde::Serialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// What a policy does when it matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Lets pass, unless something forbids.
    Permit,
    /// Stops, whatever permits.
    Forbid,
}

/// One policy of a pack.
#[derive(Clone, Debug, Serialize)]
pub struct PolicyInfo {
    /// From `@id("…")`, else the file and its place in it.
    pub id: String,
    /// What it does.
    pub effect: Effect,
    /// File within the pack.
    pub file: String,
    /// Line where it begins, from 1.
    pub line: usize,
    /// Its source, with annotations.
    pub text: String,
    /// `@reason("…")` and `@reason_<lang>("…")`: for the person, by language.
    pub reason_user: BTreeMap<String, String>,
    /// `@reason_admin("…")`.
    pub reason_admin: Option<String>,
    /// It reads what an API asserts.
    pub reads_asserted: bool,
    /// It reads network facts.
    pub reads_network: bool,
    /// Ages that it compares evidence with, in seconds.
    #[serde(skip)]
    pub(super) ages: Vec<i64>,
    /// Every name that stands in it: attributes among them.
    #[serde(skip)]
    pub(super) names: BTreeSet<String>,
    /// It uses `context` other than by naming a member.
    #[serde(skip)]
    pub(super) uses_whole_context: bool,
    #[serde(skip)]
    pub(super) policy: Policy,
}

/// Reads one file of policies. `languages` has the pack's default language first: the one of a plain `@reason`.
pub(super) fn read(file: &str, source: &str, languages: &[String]) -> Result<Vec<PolicyInfo>, PackError> {
    let stem = file.rsplit('/').next().unwrap_or(file).trim_end_matches(".cedar");
    split(source).into_iter().enumerate().map(|(n, start)| one(file, stem, n + 1, source, start, languages)).collect()
}

fn one(
    file: &str,
    stem: &str,
    number: usize,
    source: &str,
    range: std::ops::Range<usize>,
    languages: &[String],
) -> Result<PolicyInfo, PackError> {
    let text = &source[range.clone()];
    let policy = Policy::parse(Some(PolicyId::new(format!("{stem}#{number}"))), text).map_err(|errors| {
        // Cedar knows the place as an offset within what it was given.
        let first = errors.iter().next();
        let offset = first.and_then(|e| e.labels()).and_then(|mut l| l.next()).map_or(0, |label| label.offset());
        let help = first.and_then(|e| e.help()).map(|help| help.to_string());
        let error = PackError::new(file, line_at(source, range.start + offset), errors.to_string());
        if text.contains("?principal") || text.contains("?resource") {
            error.hint("templates are not supported: write the policy out")
        } else {
            match help {
                Some(help) => error.hint(help),
                None => error,
            }
        }
    })?;
    let id = policy.annotation("id").map_or_else(|| policy.id().to_string(), str::to_owned);
    let policy = policy.new_id(PolicyId::new(&id));
    let mut reason_user = BTreeMap::new();
    for (name, value) in policy.annotations() {
        let lang = match name.strip_prefix("reason") {
            Some("") => languages.first().map_or("en", String::as_str),
            Some(rest) if rest != "_admin" => rest.trim_start_matches('_'),
            _ => continue,
        };
        reason_user.insert(lang.to_owned(), value.to_owned());
    }
    let parsed =
        policy.to_json().map_err(|error| PackError::new(file, line_at(source, range.start), error.to_string()))?;
    let mut ages = Vec::new();
    compared_ages(&parsed, &mut ages);
    let mut names = BTreeSet::new();
    let uses_whole_context = collect_names(&parsed, &mut names);
    Ok(PolicyInfo {
        effect: match policy.effect() {
            cedar_policy::Effect::Permit => Effect::Permit,
            cedar_policy::Effect::Forbid => Effect::Forbid,
        },
        file: file.to_owned(),
        line: line_at(source, range.start),
        text: text.trim().to_owned(),
        reason_user,
        reason_admin: policy.annotation("reason_admin").map(str::to_owned),
        reads_asserted: uses_whole_context || names.contains("asserted"),
        reads_network: uses_whole_context || names.contains("network"),
        ages,
        names,
        uses_whole_context,
        policy,
        id,
    })
}

/// Where each policy begins and ends: at `;` outside of strings and comments. What follows the last one, if it is more
/// than comments, is a policy too, so that Cedar reports what is wrong with it.
fn split(source: &str) -> Vec<std::ops::Range<usize>> {
    let (mut ranges, mut start) = (Vec::new(), None);
    let mut chars = source.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        match c {
            '/' if chars.peek().is_some_and(|(_, next)| *next == '/') => {
                while chars.next_if(|(_, c)| *c != '\n').is_some() {}
                continue;
            }
            '"' => {
                while let Some((_, c)) = chars.next() {
                    match c {
                        '\\' => drop(chars.next()),
                        '"' => break,
                        _ => {}
                    }
                }
            }
            ';' => {
                ranges.push(start.take().unwrap_or(at)..at + 1);
                continue;
            }
            c if c.is_whitespace() => continue,
            _ => {}
        }
        start.get_or_insert(at);
    }
    if let Some(start) = start {
        ranges.push(start..source.len());
    }
    ranges
}

/// Collects every text that stands in a policy, the names of attributes among them; says whether `context` is used other
/// than by naming one of its members.
fn collect_names(json: &Value, names: &mut BTreeSet<String>) -> bool {
    match json {
        Value::Object(object) => {
            let mut whole = object.get("Var").is_some_and(|var| var == "context");
            for (name, value) in object {
                names.insert(name.clone());
                let member_of_context = matches!(name.as_str(), "." | "has")
                    && value.get("left").and_then(|left| left.get("Var")).is_some_and(|var| var == "context");
                match value.get("attr").and_then(Value::as_str) {
                    Some(attr) if member_of_context => drop(names.insert(attr.to_owned())),
                    _ => whole |= collect_names(value, names),
                }
            }
            whole
        }
        Value::Array(values) => values.iter().fold(false, |whole, value| collect_names(value, names) | whole),
        Value::String(text) => {
            names.insert(text.clone());
            false
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Collects whole numbers that an age is compared with. They are the only values at which a policy's view of an age
/// changes, so trying them finds the oldest proof that is still accepted.
fn compared_ages(json: &Value, ages: &mut Vec<i64>) {
    match json {
        Value::Object(object) => {
            for (operator, operands) in object {
                if let ("<" | "<=" | ">" | ">=" | "==" | "!=", Some(left), Some(right)) =
                    (operator.as_str(), operands.get("left"), operands.get("right"))
                {
                    let age = |node: &Value| {
                        let attr = node.get(".").and_then(|get| get.get("attr")).and_then(Value::as_str);
                        attr.is_some_and(|attr| attr == "age" || attr.ends_with("_age"))
                    };
                    let number = |node: &Value| node.get("Value").and_then(Value::as_i64);
                    let bound = if age(left) {
                        number(right)
                    } else if age(right) {
                        number(left)
                    } else {
                        None
                    };
                    // On either side of the bound, whichever way it is compared.
                    ages.extend(bound.into_iter().flat_map(|bound| [bound, bound.saturating_sub(1)]));
                }
                compared_ages(operands, ages);
            }
        }
        Value::Array(values) => values.iter().for_each(|value| compared_ages(value, ages)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]
    use super::*;

    const SOURCE: &str = r#"// a ; comment
@id("one") @reason("Because; of \"this\".")
@reason_de("Darum.")
permit (principal, action, resource)
when { context.evidence.app_code_age <= 900 && 300 > context.evidence.transaction.age }; // more ;

forbid (principal, action, resource) when { context.asserted.resource has frozen };
"#;

    #[test]
    fn policies_are_found_with_their_lines_ids_and_reasons() {
        let found = read("x/tiers.cedar", SOURCE, &["en".to_owned()]).unwrap();
        let summary: Vec<_> = found.iter().map(|p| (p.id.as_str(), p.effect, p.line, p.reads_asserted)).collect();
        assert_eq!(summary, [("one", Effect::Permit, 2, false), ("tiers#2", Effect::Forbid, 7, true)]);
        assert_eq!(found[0].reason_user["en"], "Because; of \"this\".");
        assert_eq!(found[0].reason_user["de"], "Darum.");
        assert_eq!(found[0].ages, [900, 899, 300, 299]);
    }

    #[test]
    fn a_context_that_is_used_as_a_whole_is_noticed() {
        for (condition, whole) in [
            ("context.session.bound && context has transaction", false),
            ("[context] == [context]", true),
            ("context == {}", true),
            ("if context.session.bound then context == {} else false", true),
        ] {
            let found =
                read("a.cedar", &format!("permit (principal, action, resource) when {{ {condition} }};"), &[]).unwrap();
            assert_eq!(found[0].uses_whole_context, whole, "{condition}");
        }
        assert!(read("a.cedar", SOURCE, &[]).unwrap()[0].names.contains("app_code_age"));
    }

    #[test]
    fn an_error_names_its_line() {
        for (source, line) in [
            ("permit (principal, action, resource);\n\npermit (principal,\n  actoin, resource);", 4),
            ("permit (principal, action, resource)", 1),
            ("\n\npermit (principal == ?principal, action, resource);", 3),
        ] {
            let error = read("a.cedar", source, &[]).map(|_| ()).unwrap_err();
            assert_eq!((error.file.as_str(), error.line), ("a.cedar", line), "{error}");
        }
    }
}
