//! `counterfoil policy explain`: one decision with every policy that was asked, in words.

use super::load;
use crate::{
    cli::{Failure, Format, audit::Place},
    flows::decide_again::{Packs, read, told},
};
use counterfoil_core::{
    decision::DecisionInput,
    id::DecisionId,
    json::parse_strict,
    limits::JSON_DEPTH,
    policy::{Effect, Explained, Explanation, Pack, explain, testing},
    requirement::Requirement,
};
use serde_json::{Value, json};
use std::path::Path;

/// The largest file that is read as a request.
const REQUEST_BYTES: u64 = 1 << 20;

/// A stored decision, by the pack that decided it or by another.
pub async fn stored(
    place: &Place,
    id: DecisionId,
    policies: Option<&Path>,
    all: bool,
    format: Format,
) -> Result<(), Failure> {
    let log = place.open().await?;
    let stored = log.decision(id).await.map_err(Failure::new)?;
    let stored = stored.ok_or_else(|| {
        Failure::new("there is no such decision in this database")
            .hint("identifiers stand in the administration's list of decisions and in `audit export`")
    })?;
    let record = read(&stored).map_err(Failure::new)?;
    let mut packs = Packs::default();
    let other;
    let pack = match policies {
        Some(directory) => {
            other = load(Some(directory))?;
            &other
        }
        None => packs.of(&log, stored.record.policy_version).await.map_err(Failure::new)?.ok_or_else(|| {
            Failure::new("the pack that decided it cannot be rebuilt: it is not stored, or is another release's")
                .hint("name a pack with --policies DIR to see what that one says")
        })?,
    };
    let explanation = explain(&record.input, pack);
    let same = explanation.answer == record.answer;
    tell(&format!("decision {id}"), &record.input, pack, &explanation, all, format);
    if same || format == Format::Json {
        return Ok(());
    }
    println!("\nIt was decided otherwise, by pack {}: {}", stored.record.policy_version, told(&record.answer));
    Ok(())
}

/// Requests of a file.
pub fn request(file: &Path, policies: Option<&Path>, all: bool, format: Format) -> Result<(), Failure> {
    let wrong = |reason: String| Failure::new(format!("{}: {reason}", file.display()));
    if std::fs::metadata(file).map_err(|error| wrong(error.to_string()))?.len() > REQUEST_BYTES {
        return Err(wrong("too long for a request".to_owned()));
    }
    let text = std::fs::read_to_string(file).map_err(|error| wrong(error.to_string()))?;
    let pack = load(policies)?;
    if file.extension().is_some_and(|ending| ending == "json") {
        let value = parse_strict(text.as_bytes(), JSON_DEPTH).map_err(|error| wrong(error.to_string()))?;
        let input = value.get("input").cloned().unwrap_or(value);
        let input: DecisionInput = serde_json::from_value(input).map_err(|error| {
            wrong(error.to_string()).hint("a request as JSON is the `input` of a decision's record")
        })?;
        tell("request", &input, &pack, &explain(&input, &pack), all, format);
        return Ok(());
    }
    let name = file.display().to_string();
    let cases = testing::questions_of(&pack, &name, &text).map_err(Failure::new)?;
    if cases.is_empty() {
        return Err(wrong("no [[test]] in it".to_owned()).hint("`counterfoil policy test --help` shows one"));
    }
    for case in cases {
        tell(&case.name, &case.input, &pack, &explain(&case.input, &pack), all, format);
    }
    Ok(())
}

fn tell(title: &str, input: &DecisionInput, pack: &Pack, explanation: &Explanation, all: bool, format: Format) {
    match format {
        Format::Text => print(title, input, pack, explanation, all),
        Format::Json => println!(
            "{}",
            json!({"title": title, "policy_version": pack.version(), "answer": explanation.answer, "policies": explanation.policies})
        ),
    }
}

fn print(title: &str, input: &DecisionInput, pack: &Pack, explanation: &Explanation, all: bool) {
    let answer = &explanation.answer;
    let who = input.subject.as_ref().map_or("nobody that is known", |subject| subject.username.as_str());
    println!("{title}");
    println!("  asked     may {who} do {} on {} {}?", input.action, input.resource.kind, input.resource.id);
    println!("  answered  {}", told(answer));
    println!("  tier      {}", answer.grounds.tier.map_or("none", |tier| tier.as_str()));
    println!("  because   {}", answer.grounds.reason_admin);
    println!("  pack      {} {}", pack.name(), pack.version());
    if let Some(requirement) = &answer.requirement {
        println!("  asks for  {}", required(requirement));
        if !requirement.missing.is_empty() {
            println!("  lacking   {}", words(&requirement.missing));
        }
    }
    for requirement in &answer.would_take {
        println!("  would take {}", required(requirement));
    }
    if explanation.policies.is_empty() {
        println!("\nNo policy was asked: something stood against the request before.");
    }
    let worth = |policy: &&Explained| all || policy.spoke || policy.matched || policy.effect == Effect::Permit;
    let mut left_out = 0;
    for policy in &explanation.policies {
        if worth(&policy) { print_policy(policy) } else { left_out += 1 }
    }
    if left_out > 0 {
        println!("\n{left_out} policies that forbid were asked and had nothing against it (--all shows them)");
    }
    println!();
}

fn print_policy(policy: &Explained) {
    let effect = match policy.effect {
        Effect::Permit => "permit",
        Effect::Forbid => "forbid",
    };
    let said = match (policy.matched, policy.spoke) {
        (true, _) => "matched",
        (false, true) => "would match after the step-up",
        (false, false) => "did not match",
    };
    println!("\n{effect} {} ({}:{}): {said}", policy.id, policy.file, policy.line);
    for condition in &policy.conditions {
        let mark = match (condition.value, condition.holds()) {
            (None, _) => "failed ",
            (_, true) => "so     ",
            (_, false) => "not so ",
        };
        println!("  {mark} {}{}", if condition.unless { "not: " } else { "" }, condition.text);
    }
    for fact in &policy.facts {
        println!("  read    {} = {}", fact.name, fact.value.as_deref().unwrap_or("absent"));
    }
}

fn required(requirement: &Requirement) -> String {
    let mut text = format!("{} by {}", requirement.acr, requirement.method);
    if let Some(seconds) = requirement.max_age_seconds {
        text.push_str(&format!(", at most {seconds} s old"));
    }
    if requirement.transaction_bound {
        text.push_str(", for exactly this transaction");
    }
    if requirement.hardware_bound {
        text.push_str(", in hardware");
    }
    if requirement.approvers > 0 {
        text.push_str(&format!(", and {} more person", requirement.approvers));
    }
    if requirement.enrolment_needed {
        text.push_str("; it has to be enrolled first");
    }
    text
}

fn words(missing: &impl serde::Serialize) -> String {
    let names = serde_json::to_value(missing).unwrap_or(Value::Null);
    let names: Vec<&str> = names.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    names.join(", ")
}
