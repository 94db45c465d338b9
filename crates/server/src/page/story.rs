//! One decision told in words, from its record alone: what was asked, from which session, what had been shown, what spoke.

use super::{
    Resource,
    admin::{ActionRow, DecisionRow, Effect, Fact, PolicyLine, Sections, SubjectName},
    text::Texts,
};
use counterfoil_core::{
    assurance::Acr,
    decision::{DecisionInput, DecisionRecord},
    evidence::ProofFact,
    id::DecisionId,
    policy::{Effect as PolicyEffect, Pack, PolicyInfo},
    requirement::Requirement,
};

/// Tells decisions in one language. Policies and transactions are told from the pack only where the record is of its version.
#[derive(Debug, Clone, Copy)]
pub struct Teller<'a> {
    /// The words.
    pub texts: &'a Texts,
    /// The policy in force.
    pub pack: &'a Pack,
}

impl Teller<'_> {
    fn fact(&self, label: &str, value: impl Into<String>) -> Fact {
        Fact { label: self.texts.say(label).to_owned(), value: value.into(), note: None }
    }

    fn said(&self, label: &str, value: &str) -> Fact {
        self.fact(label, self.texts.say(value))
    }

    fn acr(&self, acr: Acr) -> &str {
        match acr {
            Acr::Aal1 => self.texts.say("acr.aal1"),
            Acr::Aal2 => self.texts.say("acr.aal2"),
            Acr::Phr => self.texts.say("acr.phr"),
            Acr::Phrh => self.texts.say("acr.phrh"),
        }
    }

    /// A duration in the largest unit that says it well; `stem` is a family of texts with one for each unit.
    fn duration(&self, stem: &str, seconds: i64) -> String {
        let (unit, n) = match seconds {
            ..=119 => ("seconds", seconds),
            120..=7_199 => ("minutes", seconds / 60),
            _ => ("hours", seconds / 3_600),
        };
        self.texts.fill(&format!("{stem}.{unit}"), &[("n", &n.to_string())])
    }

    /// What the decision was made from.
    pub fn sections(&self, input: &DecisionInput, answer: &DecisionRecord) -> Sections {
        Sections { request: self.request(input, answer), session: self.session(input), evidence: self.evidence(input) }
    }

    fn request(&self, input: &DecisionInput, answer: &DecisionRecord) -> Vec<Fact> {
        let mut facts = match &input.subject {
            Some(subject) => {
                let mut facts =
                    vec![Fact { note: Some(subject.id.to_string()), ..self.fact("story.person", &subject.username) }];
                if !subject.groups.is_empty() {
                    facts.push(self.fact("story.groups", subject.groups.join(", ")));
                }
                if !subject.roles.is_empty() {
                    facts.push(self.fact("story.roles", subject.roles.join(", ")));
                }
                facts
            }
            None => vec![self.said("story.person", "story.person.unknown")],
        };
        facts.push(self.fact("story.action", &input.action));
        let sensitivity = input.resource.registered.as_ref().and_then(|registered| registered.sensitivity);
        let note = match (&input.resource.registered, sensitivity) {
            (Some(_), Some(tier)) => {
                let name = self.texts.say(&format!("tier.{tier}")).to_owned();
                Some(self.texts.fill("story.resource.registered", &[("tier", &name)]))
            }
            (Some(_), None) => None,
            (None, _) => Some(self.texts.say("story.resource.default").to_owned()),
        };
        let resource = format!("{} {}", input.resource.kind, input.resource.id);
        facts.push(Fact { note, ..self.fact("story.resource", resource) });
        if let Some(client) = &input.client_id {
            facts.push(self.fact("story.client", client));
        }
        facts.push(match &input.audience {
            Some(audience) => self.fact("story.api", audience),
            None => self.said("story.api", "story.own"),
        });
        facts.extend(self.transaction(input, answer));
        if let Some(redemption) = &input.redemption_id {
            facts.push(self.fact("story.redemption", redemption));
        }
        if !input.scopes.is_empty() {
            facts.push(self.fact("story.scopes", input.scopes.join(" ")));
        }
        facts
    }

    fn transaction(&self, input: &DecisionInput, answer: &DecisionRecord) -> Vec<Fact> {
        let Some(value) = &input.transaction else { return Vec::new() };
        let digest =
            answer.txn_digest.map(|digest| self.texts.fill("story.digest", &[("digest", &digest.to_string())]));
        let display = (answer.grounds.policy_version == self.pack.version())
            .then(|| {
                let kind = self.pack.transaction_type(value.get("type")?.as_str()?)?;
                kind.render(&kind.validate(value).ok()?, self.texts.lang)
            })
            .flatten();
        match display {
            Some(display) => {
                let title = Fact { note: digest, ..self.fact("story.transaction", display.title) };
                let rows = display.rows.into_iter().map(|row| Fact { label: row.label, value: row.value, note: None });
                std::iter::once(title).chain(rows).collect()
            }
            // As it was sent: a type that is not in force, or an object that breaks its rules.
            None => vec![Fact { note: digest, ..self.fact("story.transaction", value.to_string()) }],
        }
    }

    fn session(&self, input: &DecisionInput) -> Vec<Fact> {
        let mut facts = Vec::new();
        match &input.session {
            None => facts.push(self.said("story.no_session", "story.no_session.value")),
            Some(session) => {
                facts.push(Fact {
                    note: Some(session.login.to_string()),
                    ..self.said("story.binding", &format!("binding.{}", session.binding))
                });
                let age = input.now.seconds_since(session.born);
                facts.push(self.fact("story.began", self.duration("story.age", age)));
                facts.push(self.said("story.relay", &format!("story.relay.{}", session.relay.as_str())));
                if let Some(at) = session.recovered_at {
                    facts.push(self.fact("story.recovered", self.duration("story.age", input.now.seconds_since(at))));
                }
                if session.contained {
                    facts.push(self.said("story.contained", "story.contained.yes"));
                }
            }
        }
        let network = [
            ("story.ip", &input.network.ip),
            ("story.user_agent", &input.network.user_agent),
            ("JA4", &input.network.ja4),
        ];
        for (label, value) in network {
            facts.extend(value.as_ref().map(|value| self.fact(label, value)));
        }
        facts
    }

    fn evidence(&self, input: &DecisionInput) -> Vec<Fact> {
        let mut facts: Vec<Fact> = input.evidence.proofs.iter().map(|proof| self.proof(input, proof)).collect();
        match input.evidence.acr(input.now) {
            Some(acr) => facts.push(self.fact("story.amounts", self.acr(acr))),
            None => facts.push(self.said("story.nothing", "story.nothing.value")),
        }
        if !input.evidence.approvers.is_empty() {
            let names: Vec<String> = input.evidence.approvers.iter().map(ToString::to_string).collect();
            facts.push(self.fact("story.approvers", names.join(", ")));
        }
        facts
    }

    fn proof(&self, input: &DecisionInput, proof: &ProofFact) -> Fact {
        let note = if proof.txn_digest.is_some() { "story.for_transaction" } else { "story.ceiling" };
        Fact {
            label: self.texts.say(&format!("method.{}", proof.method)).to_owned(),
            value: self.duration("story.age", input.now.seconds_since(proof.at)),
            note: Some(self.texts.fill(note, &[("acr", self.acr(proof.ceiling))])),
        }
    }

    /// What a step-up asks for, or what a deny would have taken.
    pub fn requirement(&self, requirement: &Requirement) -> Vec<Fact> {
        let mut facts = vec![self.fact("story.proof", self.acr(requirement.acr))];
        if let Some(seconds) = requirement.max_age_seconds {
            let unit = if seconds < 120 { ("seconds", seconds) } else { ("minutes", seconds / 60) };
            let value = self.texts.fill(&format!("story.max_age.{}", unit.0), &[("n", &unit.1.to_string())]);
            facts.push(self.fact("story.max_age", value));
        }
        facts.push(self.said("story.method", &format!("method.{}", requirement.method)));
        if requirement.transaction_bound {
            facts.push(self.said("story.bound", "story.bound.yes"));
        }
        if requirement.hardware_bound {
            facts.push(self.said("story.hardware", "story.hardware.yes"));
        }
        if requirement.approvers > 0 {
            facts.push(self.fact("story.others", requirement.approvers.to_string()));
        }
        if requirement.enrolment_needed {
            facts.push(self.said("story.enrol", "story.enrol.yes"));
        } else {
            let n = requirement.candidates.len().to_string();
            facts.push(self.fact("story.candidates", self.texts.fill("story.candidates.n", &[("n", &n)])));
        }
        if !requirement.missing.is_empty() {
            let names = serde_json::to_value(&requirement.missing).unwrap_or_default();
            let names: Vec<&str> = names.as_array().into_iter().flatten().filter_map(|name| name.as_str()).collect();
            facts.push(self.fact("story.lacking", names.join(", ")));
        }
        facts
    }

    /// What the answer asked for: of a step-up its requirement, of a deny its cause and what it would take.
    pub fn asked(&self, answer: &DecisionRecord) -> Option<Vec<Fact>> {
        if let Some(requirement) = &answer.requirement {
            return Some(self.requirement(requirement));
        }
        let cause = answer.cause.as_ref()?;
        let name = serde_json::to_value(cause).ok().and_then(|cause| Some(cause.get("kind")?.as_str()?.to_owned()));
        let mut facts = vec![self.fact("story.cause", name.unwrap_or_default())];
        for requirement in &answer.would_take {
            let said = self.requirement(requirement).into_iter().map(|fact| format!("{} {}", fact.label, fact.value));
            facts.push(self.fact("story.would_take", said.collect::<Vec<_>>().join("; ")));
        }
        Some(facts)
    }

    fn line(&self, policy: &PolicyInfo, spoke: bool) -> PolicyLine {
        PolicyLine {
            id: policy.id.clone(),
            effect: Some(match policy.effect {
                PolicyEffect::Permit => Effect::Permit,
                PolicyEffect::Forbid => Effect::Forbid,
            }),
            spoke,
            text: Some(policy.text.clone()),
            note: policy.reason_admin.clone().or_else(|| policy.reason_user.get(self.texts.lang).cloned()),
        }
    }

    /// The policies that spoke, then those in force that did not. Of another version only the names are known.
    pub fn policies(&self, answer: &DecisionRecord) -> Vec<PolicyLine> {
        let spoke = &answer.grounds.policies;
        if answer.grounds.policy_version != self.pack.version() {
            let unknown =
                |id: &String| PolicyLine { id: id.clone(), effect: None, spoke: true, text: None, note: None };
            return spoke.iter().map(unknown).collect();
        }
        let mut lines: Vec<PolicyLine> =
            self.pack.policies().map(|policy| self.line(policy, spoke.contains(&policy.id))).collect();
        lines.sort_by_key(|line| !line.spoke);
        lines
    }

    /// Every policy in force.
    pub fn policies_in_force(&self) -> Vec<PolicyLine> {
        self.pack.policies().map(|policy| self.line(policy, false)).collect()
    }

    /// Every action of the catalogue.
    pub fn actions(&self) -> Vec<ActionRow> {
        self.pack
            .catalogue()
            .actions()
            .map(|action| ActionRow {
                name: action.name.clone(),
                tier: action.tier,
                resource_type: Some(action.resource_type.clone()),
                transaction_type: action.transaction_type.clone(),
            })
            .collect()
    }

    /// One line of the decision log; `subject` is whom the question named, known or not.
    pub fn row(&self, id: DecisionId, subject: &str, input: &DecisionInput, answer: &DecisionRecord) -> DecisionRow {
        let username = input.subject.as_ref().map(|subject| subject.username.clone());
        DecisionRow {
            id,
            at: input.now,
            outcome: answer.outcome,
            tier: answer.grounds.tier,
            action: input.action.clone(),
            resource: Resource { kind: input.resource.kind.clone(), id: input.resource.id.clone() },
            subject: SubjectName { id: subject.to_owned(), username },
            client: input.client_id.clone(),
            audience: input.audience.clone(),
            reason: answer.grounds.reason_admin.clone(),
            policies: answer.grounds.policies.clone(),
        }
    }

    /// What the person was told.
    pub fn reason(&self, answer: &DecisionRecord) -> String {
        let reasons = &answer.grounds.reason_user;
        reasons.get(self.texts.lang).or_else(|| reasons.get("en")).cloned().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    // A test that cannot go on should stop.
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::super::text::Lang;
    use super::*;
    use counterfoil_core::{decision::decide, policy};
    use serde_json::json;

    fn told(lang: Lang, input: serde_json::Value) -> Vec<String> {
        let pack = Pack::load(&policy::default_pack()).unwrap();
        let texts = Texts::of(lang).unwrap();
        let teller = Teller { texts: &texts, pack: &pack };
        let input: DecisionInput = serde_json::from_value(input).unwrap();
        let answer = decide(&input, &pack).record();
        let sections = teller.sections(&input, &answer);
        let asked = teller.asked(&answer).unwrap_or_default();
        let facts = [sections.request, sections.session, sections.evidence, asked].concat();
        facts.into_iter().flat_map(|fact| [Some(fact.label), Some(fact.value), fact.note]).flatten().collect()
    }

    fn full() -> serde_json::Value {
        let id = "019a9e1c-7d00-7000-8000-000000000001";
        json!({
            "now": 1_760_000_000_000_i64,
            "subject": {"id": id, "username": "ada", "groups": ["treasury"], "roles": ["auditor"]},
            "action": "me.read", "resource": {"type": "person", "id": id},
            "session": {"id": id, "login": id, "born": 1_759_999_000_000_i64, "binding": "new_key", "relay": "suspected",
                "recovered_at": 1_759_000_000_000_i64, "contained": true},
            "evidence": {"proofs": [{"method": "password", "at": 1_759_999_990_000_i64, "authenticator": id, "ceiling": "aal1",
                "user_verified": false, "hardware_bound": false}], "approvers": [id]},
            "client_id": "treasury", "audience": "https://api.example.org", "scopes": ["openid"], "redemption_id": "r1",
            "network": {"ip": "192.0.2.7", "user_agent": "Firefox", "ja4": "t13d"},
        })
    }

    #[test]
    fn a_story_is_told_in_words_of_its_language_and_leaves_nothing_out() {
        for lang in Lang::ALL {
            let said = told(*lang, full());
            for word in &said {
                assert!(
                    !["story.", "acr.", "tier.", "method.", "binding."].iter().any(|stem| word.starts_with(stem)),
                    "{lang:?}: {word}"
                );
                assert!(!word.contains('{'), "{lang:?}: a value is missing in {word}");
            }
            for value in
                ["ada", "treasury", "auditor", "me.read", "192.0.2.7", "https://api.example.org", "r1", "openid"]
            {
                assert!(said.iter().any(|word| word == value), "{lang:?}: {value} is not told: {said:?}");
            }
        }
    }

    #[test]
    fn nobody_without_a_session_is_told_too() {
        let said = told(
            Lang::En,
            json!({"now": 0, "subject": null, "action": "no.such", "resource": {"type": "x", "id": "y"}}),
        );
        for value in ["nobody of that name", "nothing", "none: no active access token with a session behind it"] {
            assert!(said.iter().any(|word| word == value), "{value}: {said:?}");
        }
    }
}
