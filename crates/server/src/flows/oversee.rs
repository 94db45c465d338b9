//! Somebody with a role looks at what was decided and why: decisions, one of them as a story, policies, people.

use super::{
    decide::{self, Record},
    own_action,
};
use crate::{
    app::App,
    browser::Browser,
    page::{
        Outcome,
        admin::{
            Consequence, DecisionStory, Decisions, Nav, People, PersonRow, Policies, PolicyInForce, PolicyVersion,
            Viewer,
        },
        event,
        story::Teller,
        text::Texts,
    },
    problem::{Kind, Problem},
};
use counterfoil_core::{
    audit::event::{EventKind, Leaf},
    enrolled::Enrolled,
    id::{DecisionId, EventId, SubjectId},
};
use counterfoil_store::{DecisionFilter, LoggedEvent, RecordedDecision};
use serde::Deserialize;
use std::collections::BTreeMap;

/// The resource type of the console.
const INSTALLATION: &str = "installation";
/// Rows of one page.
pub const PAGE: u32 = 50;
/// What every look at a page would add to the decision log; shown only when asked for by name.
const LOOKS: &[&str] = &["admin.read", "me.read"];

/// Which parts of the console a role opens. The policy says who may enter at all (`admin.read`).
const PARTS: &[(&str, &[Nav])] = &[
    ("administrator", &[Nav::Overview, Nav::Decisions, Nav::People, Nav::Policies, Nav::Log]),
    ("security", &[Nav::Overview, Nav::Decisions, Nav::People, Nav::Policies, Nav::Log]),
    ("analyst", &[Nav::Overview, Nav::Decisions, Nav::Policies, Nav::Log]),
    ("auditor", &[Nav::Overview, Nav::Decisions, Nav::Policies, Nav::Log]),
    ("help_desk", &[Nav::Overview, Nav::People]),
];

/// The policy lets this person in, and a role of theirs opens this part.
pub async fn enter<T>(app: &App, browser: &Browser<T>, part: Nav, back: &str) -> Result<Viewer, Problem> {
    own_action::require(app, browser, "admin.read", (INSTALLATION, app.issuer.as_str()), back).await?;
    let signed_in = browser.signed_in()?;
    let person = decide::person(app, signed_in.subject).await?.ok_or_else(|| Problem::new(Kind::SESSION_ENDED))?;
    let roles = &person.subject.roles;
    let opened = |nav: Nav| PARTS.iter().any(|(role, parts)| roles.contains(*role) && parts.contains(&nav));
    if !opened(part) {
        return Err(Problem::new(Kind::FORBIDDEN));
    }
    let all = [Nav::Overview, Nav::Decisions, Nav::People, Nav::Policies, Nav::Log];
    Ok(Viewer {
        name: person.subject.name.clone(),
        roles: roles.iter().cloned().collect(),
        nav: all.into_iter().filter(|nav| opened(*nav)).collect(),
    })
}

/// The words of the page's language.
pub fn texts<'a, T>(app: &'a App, browser: &Browser<T>) -> Result<&'a Texts, Problem> {
    app.pages.texts(browser.visit.lang).ok_or_else(|| Problem::internal("a language without texts"))
}

/// The stored record of a decision.
pub fn read(found: &RecordedDecision) -> Result<Record, Problem> {
    serde_json::from_str(&found.record.body).map_err(Problem::internal)
}

/// Which decisions to list: the page's address, as text.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Wanted {
    outcome: Option<Outcome>,
    tier: Option<String>,
    action: Option<String>,
    subject: Option<String>,
    before: Option<DecisionId>,
}

/// Decisions, newest first.
pub async fn decisions(app: &App, browser: &Browser<Wanted>) -> Result<Decisions, Problem> {
    let viewer = enter(app, browser, Nav::Decisions, "/admin/decisions").await?;
    let wanted = &browser.body;
    let pack = app.pack.load();
    let teller = Teller { texts: texts(app, browser)?, pack: &pack };
    let subject = match &wanted.subject {
        Some(name) => Some(match app.store.subject_by_username(&name.trim().to_lowercase()).await? {
            Some(subject) => subject.id.to_string(),
            None => name.trim().to_owned(),
        }),
        None => None,
    };
    let mut filter = DecisionFilter {
        subject,
        outcome: wanted.outcome,
        action: wanted.action.clone(),
        before: wanted.before,
        limit: PAGE,
    };
    let mut rows = Vec::new();
    let mut before = None;
    // What is left out after reading makes a page short; a bound on the pages read makes the work finite.
    for _ in 0..10 {
        let found = app.store.decisions(&filter).await?;
        let full = found.len() == PAGE as usize;
        filter.before = found.last().map(|found| found.record.id);
        for found in &found {
            let look = wanted.action.is_none() && LOOKS.contains(&found.record.action.as_str());
            let other_tier = wanted.tier.as_ref().is_some_and(|tier| *tier != found.record.tier);
            if !look && !other_tier {
                let record = read(found)?;
                rows.push(teller.row(found.record.id, &found.record.subject, &record.input, &record.answer));
            }
        }
        before = filter.before.filter(|_| full).map(|id| id.to_string());
        if !full || rows.len() >= PAGE as usize {
            break;
        }
    }
    let actions = pack.catalogue().actions().map(|action| action.name.clone()).collect();
    Ok(Decisions { viewer, decisions: rows, before, actions })
}

/// One decision: request, evidence, policies, answer, what followed.
pub async fn decision<T>(app: &App, browser: &Browser<T>, id: DecisionId) -> Result<DecisionStory, Problem> {
    let viewer = enter(app, browser, Nav::Decisions, &format!("/admin/decisions/{id}")).await?;
    let found = app.store.decision(id).await?.ok_or_else(|| Problem::new(Kind::NOT_FOUND))?;
    let record = read(&found)?;
    let pack = app.pack.load();
    let teller = Teller { texts: texts(app, browser)?, pack: &pack };
    let (followed, signed) = followed(app, teller.texts, id).await?;
    Ok(DecisionStory {
        viewer,
        id,
        at: found.record.at,
        outcome: record.answer.outcome,
        tier: record.answer.grounds.tier,
        sections: teller.sections(&record.input, &record.answer),
        policies: teller.policies(&record.answer),
        policy_version: record.answer.grounds.policy_version.to_string(),
        requirement: teller.asked(&record.answer),
        reason_user: teller.reason(&record.answer),
        reason_admin: record.answer.grounds.reason_admin.clone(),
        followed,
        raw: serde_json::json!({ "input": record.input, "answer": record.answer }),
        evidence_url: signed.then(|| format!("/admin/decisions/{id}/evidence")),
    })
}

/// What the log says of a decision and of the challenge that it led to, oldest first; and whether a passkey signed a
/// transaction for it, so that there is evidence for others.
async fn followed(app: &App, texts: &Texts, id: DecisionId) -> Result<(Vec<Consequence>, bool), Problem> {
    let log = app.store.log();
    let mut events: BTreeMap<EventId, LoggedEvent> = BTreeMap::new();
    let (mut about, mut lodged, mut proven) = (vec![format!("decision:{id}")], false, false);
    while let Some(name) = about.pop() {
        for event in log.events_about(&name).await? {
            let leaf = Leaf::parse(&event.leaf).map_err(Problem::internal)?;
            if let EventKind::ChallengeOpened { challenge, txn_digest, .. } = &leaf.kind
                && !events.contains_key(&event.id)
            {
                about.push(format!("challenge:{challenge}"));
                lodged |= txn_digest.is_some();
            }
            proven |= matches!(&leaf.kind, EventKind::ChallengeProven { assertion: Some(_), .. });
            events.insert(event.id, event);
        }
    }
    let told = |event: &LoggedEvent| {
        let leaf = Leaf::parse(&event.leaf).map_err(Problem::internal)?;
        Ok(Consequence {
            at: leaf.at,
            kind: leaf.kind.name().to_owned(),
            title: event::summary(texts, &leaf.kind),
            detail: None,
            event_id: Some(event.id),
            leaf: event.leaf_index,
        })
    };
    let mut told: Vec<Consequence> = events.values().map(told).collect::<Result<_, Problem>>()?;
    told.retain(|event| event.kind != "decision.made");
    told.sort_by_key(|event| (event.at, event.leaf));
    Ok((told, lodged && proven))
}

/// The policy in force.
pub async fn in_force(app: &App) -> Result<PolicyInForce, Problem> {
    let pack = app.pack.load();
    let active = app.store.active_policy().await?.ok_or_else(|| Problem::internal("no policy is active"))?;
    Ok(PolicyInForce {
        version: pack.version().to_string(),
        name: pack.name().to_owned(),
        activated_at: active.at,
        activated_by: None,
    })
}

/// What the rules say.
pub async fn policies<T>(app: &App, browser: &Browser<T>) -> Result<Policies, Problem> {
    let viewer = enter(app, browser, Nav::Policies, "/admin/policies").await?;
    let pack = app.pack.load();
    let teller = Teller { texts: texts(app, browser)?, pack: &pack };
    let version = |stored: counterfoil_store::PolicyVersion| PolicyVersion {
        version: stored.version.to_string(),
        activated_at: stored.at,
        activated_by: None,
    };
    Ok(Policies {
        viewer,
        active: in_force(app).await?,
        actions: teller.actions(),
        policies: teller.policies_in_force(),
        versions: app.store.policies().await?.into_iter().map(version).collect(),
    })
}

/// Whom to list.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Whom {
    q: Option<String>,
    before: Option<SubjectId>,
}

/// Who there is.
pub async fn people(app: &App, browser: &Browser<Whom>) -> Result<People, Problem> {
    let viewer = enter(app, browser, Nav::People, "/admin/people").await?;
    let now = browser.visit.now;
    let named = browser.body.q.as_deref().map(|q| q.trim().to_lowercase()).filter(|q| !q.is_empty());
    let found = match &named {
        Some(name) => app.store.subject_by_username(name).await?.into_iter().collect(),
        None => app.store.subjects(browser.body.before, PAGE).await?,
    };
    let before = found.last().filter(|_| found.len() == PAGE as usize).map(|subject| subject.id.to_string());
    let mut people = Vec::new();
    for subject in found {
        let authenticators = app.store.authenticators(subject.id).await?;
        let active: Vec<&Enrolled> = authenticators.iter().filter(|authenticator| authenticator.is_active()).collect();
        let seen = app.store.sessions(subject.id).await?.into_iter().map(|session| session.seen_at).max();
        people.push(PersonRow {
            id: subject.id,
            username: subject.usernames.first().cloned().unwrap_or_default(),
            name: subject.name,
            roles: subject.roles.into_iter().collect(),
            groups: subject.groups.into_iter().collect(),
            authenticators: u32::try_from(active.len()).unwrap_or(u32::MAX),
            strongest: active.iter().map(|authenticator| authenticator.ceiling_at(now)).max(),
            last_seen_at: seen,
        });
    }
    Ok(People { viewer, people, before })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_without_a_role_opens_anything_and_the_help_desk_reads_no_decisions() {
        for (role, part, opens) in [
            ("administrator", Nav::Policies, true),
            ("auditor", Nav::Log, true),
            ("auditor", Nav::People, false),
            ("help_desk", Nav::People, true),
            ("help_desk", Nav::Decisions, false),
            ("", Nav::Overview, false),
        ] {
            let found = PARTS.iter().any(|(name, parts)| *name == role && parts.contains(&part));
            assert_eq!(found, opens, "{role} {part:?}");
        }
    }
}
