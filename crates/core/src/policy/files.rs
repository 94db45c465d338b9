//! Loading a pack from its files, with errors that name file, line, reason and what to do.

use super::{
    Names, Pack, builtin,
    cedar_schema::{self, Wanted},
    invariants, slice, source,
    source::PolicyInfo,
};
use crate::{
    catalogue::{Action, Catalogue, line_at},
    digest::Digest,
    json,
    limits::JSON_DEPTH,
    transaction::{TransactionType, TransactionTypeError},
};
use cedar_policy::{Entities, EntityTypeName, PolicySet, Schema, ValidationMode, ValidationWarning, Validator};
use serde::Deserialize;
use std::{collections::BTreeMap, fmt, str::FromStr};

/// Files of one pack.
const FILES: usize = 2_000;
/// Bytes of one file.
const FILE_BYTES: usize = 1024 * 1024;
/// Policies of one pack.
const POLICIES: usize = 5_000;
/// The one version of the pack format.
const FORMAT: u32 = 1;

/// Why a pack cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct PackError {
    /// File within the pack; our own part begins with `own/`.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// What is wrong.
    pub reason: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl fmt::Display for PackError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.reason)?;
        self.hint.as_ref().map_or(Ok(()), |hint| write!(f, " (hint: {hint})"))
    }
}

impl PackError {
    pub(super) fn new(file: &str, line: usize, reason: impl Into<String>) -> Self {
        Self { file: file.to_owned(), line, reason: reason.into(), hint: None }
    }

    pub(super) fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    name: String,
    format: u32,
    #[serde(default = "english")]
    languages: Vec<String>,
}

fn english() -> Vec<String> {
    vec!["en".to_owned()]
}

/// The files of a pack as text, those that belong to it.
struct Files<'a>(BTreeMap<&'a str, &'a str>);

impl<'a> Files<'a> {
    fn new(files: &'a BTreeMap<String, Vec<u8>>) -> Result<Self, PackError> {
        if files.len() > FILES {
            return Err(PackError::new("pack.toml", 1, format!("more than {FILES} files")));
        }
        let mut known = BTreeMap::new();
        for (path, bytes) in files {
            // Notes and what editors leave behind belong to no pack.
            if path.ends_with(".md") || path.split('/').any(|part| part.starts_with('.')) {
                continue;
            }
            let belongs = matches!(path.as_str(), "pack.toml" | "actions.toml" | "entities.json")
                || (path.ends_with(".cedar") && !path.contains('/'))
                || is_in(path, "transactions/", &[".json", ".txt"])
                || is_in(path, "tests/", &[".toml"]);
            if !belongs {
                let hint = "a pack holds pack.toml, actions.toml, *.cedar, entities.json, transactions/ and tests/";
                return Err(PackError::new(path, 1, "is no file of a pack").hint(hint));
            }
            if bytes.len() > FILE_BYTES {
                return Err(PackError::new(path, 1, format!("is larger than {FILE_BYTES} bytes")));
            }
            let text = std::str::from_utf8(bytes).map_err(|error| {
                let line = bytes[..error.valid_up_to()].iter().filter(|b| **b == b'\n').count() + 1;
                PackError::new(path, line, "is not UTF-8")
            })?;
            known.insert(path.as_str(), text);
        }
        Ok(Self(known))
    }

    fn required(&self, path: &str) -> Result<&'a str, PackError> {
        self.0.get(path).copied().ok_or_else(|| PackError::new(path, 1, "is missing"))
    }

    fn with_ending(&self, ending: &'static str) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.0.iter().filter(move |(path, _)| path.ends_with(ending)).map(|(path, text)| (*path, *text))
    }
}

fn is_in(path: &str, folder: &str, endings: &[&str]) -> bool {
    path.strip_prefix(folder).is_some_and(|name| !name.contains('/') && endings.iter().any(|e| name.ends_with(e)))
}

impl Pack {
    /// Compiles the pack whose files are given by their paths within its directory, parted by `/`, and holds its
    /// invariants against its tests.
    ///
    /// # Errors
    /// [`PackError`] for the first thing that is wrong; nothing of a pack is used unless all of it is right.
    pub fn load(files: &BTreeMap<String, Vec<u8>>) -> Result<Self, PackError> {
        let mut pack = Self::compile(files)?;
        check_thresholds(&pack, files)?;
        let untested = invariants::hold(&pack, files)?;
        pack.warnings.extend(untested);
        Ok(pack)
    }

    /// The same without its invariants: to decide again what an earlier version decided, whatever is demanded of packs
    /// today. Never to be activated.
    ///
    /// # Errors
    /// [`PackError`] for the first thing that is wrong.
    pub fn compile(files: &BTreeMap<String, Vec<u8>>) -> Result<Self, PackError> {
        Self::build(files, None)
    }

    /// `among` are invariants, by their place, that count as policies.
    pub(super) fn build(
        files: &BTreeMap<String, Vec<u8>>,
        among: Option<&dyn Fn(usize) -> bool>,
    ) -> Result<Self, PackError> {
        let files = Files::new(files)?;
        let manifest = manifest(files.required("pack.toml")?)?;
        let mut catalogue = Catalogue::default();
        for (path, text) in builtin::OWN.iter().filter(|(path, _)| *path == "actions.toml") {
            read_actions(&mut catalogue, &format!("own/{path}"), text, true)?;
        }
        read_actions(&mut catalogue, "actions.toml", files.required("actions.toml")?, false)?;

        let own: Vec<_> = builtin::OWN.iter().map(|(path, text)| (format!("own/{path}"), *text)).collect();
        let own = Files(own.iter().map(|(path, text)| (path.as_str(), *text)).collect());
        let mut transaction_types = transactions(&own, "own/transactions/", &["en".into(), "de".into()], &catalogue)?;
        for (name, kind) in transactions(&files, "transactions/", &manifest.languages, &catalogue)? {
            if transaction_types.contains_key(&name) {
                let path = format!("transactions/{name}.json");
                return Err(PackError::new(&path, 1, "is one of the product's own transaction types"));
            }
            transaction_types.insert(name, kind);
        }
        check_transaction_types(&files, &catalogue, &transaction_types)?;

        let schema_text = cedar_schema::generate(&catalogue, &transaction_types, &Wanted::All);
        let names = names(&catalogue)?;
        let (mut policies, invariants) = read_policies(&files, &manifest.languages, &parsed(&schema_text)?)?;
        if let Some(among) = among {
            let chosen = invariants.iter().enumerate().filter(|(place, _)| among(*place));
            policies.extend(chosen.map(|(_, info)| (invariants::named(&info.id), invariants::as_policy(info))));
        }
        let wanted = Wanted::by(policies.values());
        let schema = parsed(&cedar_schema::generate(&catalogue, &transaction_types, &wanted))?;
        let entities = entities(&files, &schema)?;
        let slices = slice::cut(&catalogue, &policies, &entities, &names)?;
        let warnings = warnings(&policies, &slices);
        Ok(Self {
            version: version(&files, &own),
            name: manifest.name,
            languages: manifest.languages,
            catalogue,
            transaction_types,
            policies,
            invariants,
            tests: files
                .with_ending(".toml")
                .filter(|(path, _)| path.starts_with("tests/"))
                .map(|(path, text)| (path.to_owned(), text.to_owned()))
                .collect(),
            warnings,
            schema,
            schema_text,
            wanted,
            entities,
            slices,
            names,
            checked: cfg!(debug_assertions),
        })
    }
}

fn parsed(schema: &str) -> Result<Schema, PackError> {
    let error = |error| PackError::new("actions.toml", 1, format!("makes no Cedar schema: {error}"));
    Schema::from_cedarschema_str(schema).map(|(schema, _)| schema).map_err(error)
}

fn manifest(text: &str) -> Result<Manifest, PackError> {
    let fail = |line, reason: &str| Err(PackError::new("pack.toml", line, reason));
    let manifest: Manifest = toml::from_str(text).map_err(|error| {
        PackError::new("pack.toml", error.span().map_or(1, |s| line_at(text, s.start)), error.message())
            .hint("pack.toml says name, format = 1 and languages = [\"en\", …]")
    })?;
    if manifest.format != FORMAT {
        return fail(1, &format!("format {} is not known", manifest.format));
    }
    if crate::text::check(&manifest.name, 64).is_err() {
        return fail(1, "the name is no name");
    }
    let plain =
        |lang: &String| (2..=8).contains(&lang.len()) && lang.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
    if manifest.languages.is_empty() || !manifest.languages.iter().all(plain) {
        return fail(1, "languages are lower-case language tags, at least one");
    }
    Ok(manifest)
}

fn read_actions(catalogue: &mut Catalogue, file: &str, text: &str, own: bool) -> Result<(), PackError> {
    catalogue.read(text, own).map_err(|error| {
        let hint = error.hint;
        let error = PackError::new(file, error.line, error.reason);
        hint.map_or(error.clone(), |hint| error.hint(hint))
    })
}

fn transactions(
    files: &Files<'_>,
    folder: &str,
    languages: &[String],
    catalogue: &Catalogue,
) -> Result<BTreeMap<String, TransactionType>, PackError> {
    let mut kinds = BTreeMap::new();
    let named = |path: &str, ending| path.strip_prefix(folder)?.strip_suffix(ending).map(str::to_owned);
    for (path, text) in files.with_ending(".json") {
        let Some(name) = named(path, ".json") else { continue };
        let schema = json::parse_strict(text.as_bytes(), JSON_DEPTH).map_err(|error| {
            let place = error.pointer.rsplit('/').next().unwrap_or_default();
            let line = text.find(&format!("\"{place}\"")).map_or(1, |at| line_at(text, at));
            PackError::new(path, line, error.to_string())
        })?;
        let mut templates = BTreeMap::new();
        for lang in languages {
            let template = format!("{folder}{name}.{lang}.txt");
            let source =
                files.required(&template).map_err(|e| e.hint("each language of pack.toml needs a template"))?;
            templates.insert(lang.clone(), source.to_owned());
        }
        let kind = TransactionType::new(&name, &schema, &templates).map_err(|error| match error {
            TransactionTypeError::Schema(error) => {
                let place = error.pointer.rsplit('/').next().unwrap_or_default();
                let line = text.find(&format!("\"{place}\"")).map_or(1, |at| line_at(text, at));
                PackError::new(path, line, error.to_string())
            }
            TransactionTypeError::Template { lang, error } => {
                PackError::new(&format!("{folder}{name}.{lang}.txt"), error.line, error.reason)
                    .hint("a template shows each field exactly once")
            }
        })?;
        if catalogue.resource_type(kind.resource_type()).is_none() {
            return Err(PackError::new(path, 1, format!("is about `{}`, no type of resource", kind.resource_type())));
        }
        kinds.insert(name, kind);
    }
    for (path, _) in files.with_ending(".txt") {
        let Some(stem) = named(path, ".txt") else { continue };
        let known =
            stem.rsplit_once('.').is_some_and(|(n, lang)| kinds.contains_key(n) && languages.contains(&lang.into()));
        if !known {
            return Err(PackError::new(path, 1, "belongs to no transaction type in a language of the pack"));
        }
    }
    Ok(kinds)
}

/// What was moved before is not summed up yet, so a threshold over hours would count each transaction alone and let many
/// small ones pass: such a pack is refused, not half obeyed.
fn check_thresholds(pack: &Pack, files: &BTreeMap<String, Vec<u8>>) -> Result<(), PackError> {
    let over_hours = |action: &&Action| action.thresholds.iter().any(|threshold| threshold.within_hours.is_some());
    let Some(action) = pack.catalogue().actions().find(over_hours) else { return Ok(()) };
    let text = files.get("actions.toml").map(|bytes| String::from_utf8_lossy(bytes)).unwrap_or_default();
    let line = text.find(&action.name).map_or(1, |at| line_at(&text, at));
    let reason = format!("`{}` has a threshold with `within_hours`, which is not enforced yet", action.name);
    Err(PackError::new("actions.toml", line, reason)
        .hint("leave `within_hours` out: each transaction then counts alone"))
}

fn check_transaction_types(
    files: &Files<'_>,
    catalogue: &Catalogue,
    kinds: &BTreeMap<String, TransactionType>,
) -> Result<(), PackError> {
    let text = files.required("actions.toml")?;
    // What is signed is the transaction: if two actions shared a type, what was approved for the lesser could be spent
    // on the greater (R2).
    let mut signed_for = BTreeMap::new();
    for action in catalogue.actions() {
        let Some(name) = &action.transaction_type else { continue };
        let line = text.find(&action.name).map_or(1, |at| line_at(text, at));
        let fail = |reason: String| Err(PackError::new("actions.toml", line, format!("`{}` {reason}", action.name)));
        match kinds.get(name) {
            None => return fail(format!("names an unknown transaction type `{name}`")),
            Some(kind) if kind.resource_type() != action.resource_type => {
                return fail(format!("and its transaction type `{name}` are about different types of resource"));
            }
            Some(_) => {
                if let Some(other) = signed_for.insert(name, &action.name) {
                    return fail(format!("and `{other}` share the transaction type `{name}`: give each its own"));
                }
            }
        }
    }
    Ok(())
}

fn names(catalogue: &Catalogue) -> Result<Names, PackError> {
    let name = |text: &str| {
        EntityTypeName::from_str(text)
            .map_err(|_| PackError::new("actions.toml", 1, format!("`{text}` is no name for Cedar")))
    };
    Ok(Names {
        user: name("User")?,
        group: name("Group")?,
        role: name("Role")?,
        evidence: name("Evidence")?,
        session: name("Session")?,
        resources: catalogue
            .resource_types()
            .map(|kind| Ok((kind.name.clone(), name(&kind.name)?)))
            .collect::<Result<_, PackError>>()?,
    })
}

type Policies = (BTreeMap<String, PolicyInfo>, Vec<PolicyInfo>);

fn read_policies(files: &Files<'_>, languages: &[String], schema: &Schema) -> Result<Policies, PackError> {
    let (mut policies, mut invariants) = (BTreeMap::<String, PolicyInfo>::new(), Vec::new());
    for (path, text) in files.with_ending(".cedar") {
        for info in source::read(path, text, languages)? {
            if policies.len() >= POLICIES {
                return Err(PackError::new(path, info.line, format!("more than {POLICIES} policies")));
            }
            validate(&info, schema)?;
            if path == "invariants.cedar" {
                if info.effect != source::Effect::Forbid {
                    let reason = format!("`{}` is no forbid", info.id);
                    return Err(PackError::new(path, info.line, reason)
                        .hint("an invariant says what no decision may ever permit, so it is a forbid"));
                }
                invariants.push(info);
            } else if let Some(twin) = policies.get(&info.id) {
                let reason = format!("`{}` is also the id of the policy at {}:{}", info.id, twin.file, twin.line);
                return Err(PackError::new(path, info.line, reason).hint("give each policy an @id of its own"));
            } else {
                policies.insert(info.id.clone(), info);
            }
        }
    }
    if policies.is_empty() {
        return Err(PackError::new("pack.toml", 1, "the pack has no policy, so it would permit nothing"));
    }
    Ok((policies, invariants))
}

fn validate(info: &PolicyInfo, schema: &Schema) -> Result<(), PackError> {
    let set = PolicySet::from_policies([info.policy.clone()])
        .map_err(|error| PackError::new(&info.file, info.line, error.to_string()))?;
    let result = Validator::new(schema.clone()).validate(&set, ValidationMode::Strict);
    let fail = |reason: String| PackError::new(&info.file, info.line, format!("policy `{}`: {reason}", info.id));
    if let Some(error) = result.validation_errors().next() {
        return Err(fail(error.to_string()));
    }
    match result.validation_warnings().find(|w| matches!(w, ValidationWarning::ImpossiblePolicy(_))) {
        Some(warning) => Err(fail(warning.to_string()).hint(
            "requests carry an action at its tier: write `action in Action::\"<name>\"` or \
             `action in Action::\"tier/<tier>\"`",
        )),
        None => Ok(()),
    }
}

fn entities(files: &Files<'_>, schema: &Schema) -> Result<Entities, PackError> {
    let path = "entities.json";
    let Some(text) = files.0.get(path) else { return Ok(Entities::empty()) };
    let fail = |reason: String| PackError::new(path, 1, reason);
    json::parse_strict(text.as_bytes(), JSON_DEPTH).map_err(|error| fail(error.to_string()))?;
    let entities = Entities::from_json_str(text, Some(schema)).map_err(|error| {
        let source = std::error::Error::source(&error).map(|s| format!(": {s}")).unwrap_or_default();
        fail(format!("{error}{source}"))
    })?;
    let ours = |kind: &str| matches!(kind, "User" | "Evidence" | "Session");
    let foreign = entities.iter().map(|entity| entity.uid()).find(|uid| ours(&uid.type_name().to_string()));
    match foreign {
        Some(uid) => {
            Err(fail(format!("`{uid}` is made per request")).hint("a pack may bring resources, groups and roles"))
        }
        None => Ok(entities),
    }
}

fn version(files: &Files<'_>, own: &Files<'_>) -> Digest {
    let mut content = b"counterfoil/pack/v1\0".to_vec();
    for (path, text) in files.0.iter().chain(&own.0) {
        for part in [path.as_bytes(), text.as_bytes()] {
            content.extend_from_slice(&(part.len() as u64).to_be_bytes());
            content.extend_from_slice(part);
        }
    }
    Digest::of(&content)
}

fn warnings(policies: &BTreeMap<String, PolicyInfo>, slices: &slice::Slices) -> Vec<String> {
    let mut warnings = Vec::new();
    for info in policies.values() {
        let place = format!("{}:{}: `{}`", info.file, info.line, info.id);
        let permits = info.effect == source::Effect::Permit;
        if permits && info.reads_asserted {
            warnings.push(format!("{place} permits by what an API asserts"));
        }
        if permits && info.reads_network {
            warnings.push(format!("{place} permits by network facts, which only ever should tighten"));
        }
        if !slices.values().flat_map(|tiers| tiers.values()).any(|slice| slice.holds(&info.id)) {
            warnings.push(format!("{place} applies to no action of the catalogue"));
        }
    }
    warnings
}
