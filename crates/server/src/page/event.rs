//! One entry of the log in words: what happened, and by whom.

use super::text::Texts;
use counterfoil_core::{
    audit::event::{Actor, EventKind},
    id::SubjectId,
};
use serde_json::Value;

/// Members that say something to a reader, in the order in which they are said. Identifiers and digests stand in the entry's JSON.
const TOLD: &[&str] = &[
    "outcome",
    "action",
    "resource_type",
    "resource_id",
    "tier",
    "purpose",
    "method",
    "acr",
    "binding",
    "ceiling",
    "from",
    "to",
    "client_id",
    "audience",
    "grant",
    "granted",
    "noun",
    "change",
    "about",
    "alarm",
    "signal",
    "suspended",
    "failures",
    "cause",
    "reason",
];

/// What happened, then what is worth knowing of it.
pub fn summary(texts: &Texts, kind: &EventKind) -> String {
    let mut said = vec![texts.say(&format!("event.{}", kind.name())).to_owned()];
    let value = serde_json::to_value(kind).unwrap_or_default();
    for name in TOLD {
        match value.get(*name) {
            Some(Value::String(text)) if !text.is_empty() => said.push(text.clone()),
            Some(Value::Bool(true)) => said.push((*name).to_owned()),
            Some(Value::Number(number)) => said.push(number.to_string()),
            _ => {}
        }
    }
    said.join(" · ")
}

/// Who did it; `username` knows the names of people.
pub fn actor(texts: &Texts, actor: &Actor, username: impl Fn(SubjectId) -> Option<String>) -> String {
    match actor {
        Actor::Subject { subject, .. } => username(*subject).unwrap_or_else(|| subject.to_string()),
        Actor::Client { client_id } => client_id.clone(),
        Actor::Api { audience } => audience.clone(),
        Actor::Anonymous { .. } => texts.say("actor.anonymous").to_owned(),
        Actor::Host {} => texts.say("actor.host").to_owned(),
        Actor::System {} => texts.say("actor.system").to_owned(),
    }
}

#[cfg(test)]
mod tests {
    // A test that cannot go on should stop.
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::super::text::Lang;
    use super::*;

    #[test]
    fn every_kind_of_event_has_words() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../core/src/audit/kind.rs");
        let source = std::fs::read_to_string(path).unwrap();
        let (_, source) = source.split_once("pub enum EventKind").unwrap();
        let kinds: Vec<&str> =
            source.split("#[serde(rename = \"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        assert!(kinds.len() > 30, "the search for kinds finds too few: {kinds:?}");
        for lang in Lang::ALL {
            let texts = Texts::of(*lang).unwrap();
            for kind in &kinds {
                assert!(texts.keys().any(|key| key == format!("event.{kind}")), "{lang:?}: {kind}");
            }
        }
    }

    #[test]
    fn a_refusal_says_what_it_was_about() {
        let texts = Texts::of(Lang::En).unwrap();
        let kind = EventKind::SpendRefused {
            challenge: None,
            audience: "https://api.example.org".into(),
            reason: "spent".into(),
        };
        assert_eq!(summary(&texts, &kind), "Spending was refused · https://api.example.org · spent");
        assert_eq!(actor(&texts, &Actor::Host {}, |_| None), "the host");
    }
}
