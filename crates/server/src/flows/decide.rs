//! A question is decided and the answer recorded, with every input, before anybody learns it (DESIGN §4, §7).

use crate::{
    app::App,
    facts::Person,
    problem::{Kind, Problem},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use counterfoil_core::{
    assurance::{Acr, Method},
    audit::{
        event::{Actor, Event, EventKind},
        kind::decision_record_digest,
    },
    authenticator::webauthn::Credential,
    decision::{
        Decision, DecisionInput, DecisionRecord as Answer, Enrollable, EnrolledAuthenticator, RegisteredResource,
        ResourceFacts, SubjectFacts, decide,
    },
    enrolled::Enrolled,
    evidence::Evidence,
    id::{DecisionId, LoginId, SubjectId},
    policy::Pack,
    session::{Login, Session},
    time::Time,
};
use counterfoil_store::{DecisionRecord, Tx};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A decision with what it was about.
#[derive(Debug)]
pub struct Decided {
    /// Its identifier; no secret.
    pub id: DecisionId,
    /// The answer.
    pub decision: Decision,
    /// What it depended on.
    pub input: DecisionInput,
    /// The pack that spoke: what is asked because of it is stated under the same one.
    pub pack: Arc<Pack>,
}

/// The stored record: what is needed to decide again, and what was answered.
#[derive(Debug, Serialize, Deserialize)]
pub struct Record {
    /// Sixteen random bytes, base64url: what is personal in the record cannot be guessed from the log's commitment.
    pub salt: String,
    /// Every input.
    pub input: DecisionInput,
    /// The answer.
    pub answer: Answer,
}

/// Decides, keeps the record with its event, and only then answers.
pub async fn decide_and_record(app: &App, input: DecisionInput, actor: Actor) -> Result<Decided, Problem> {
    let decided = judge(app, input, app.pack.load_full());
    let mut tx = Tx::new(decided.input.now);
    let event = decided.record(app, &mut tx, actor)?;
    tx.commit(&app.store, event).await?;
    Ok(decided)
}

/// Decides by this pack. Whoever acts on it puts the record into the unit that does.
pub fn judge(app: &App, input: DecisionInput, pack: Arc<Pack>) -> Decided {
    let decision = decide(&input, &pack);
    if decision.is_alarm() {
        tracing::error!(action = input.action, reason = decision.grounds().reason_admin, "a policy failed to evaluate");
    }
    Decided { id: DecisionId::new(input.now, app.random.id()), decision, input, pack }
}

impl Decided {
    /// Adds the record to a unit that is committed with the event that this gives.
    pub fn record(&self, app: &App, tx: &mut Tx, actor: Actor) -> Result<Event, Problem> {
        let (record, event) = record(app, self, actor)?;
        tx.record_decision(&record);
        Ok(event)
    }

    /// What somebody is told whom this does not permit, in their language.
    pub fn refusal(&self, lang: &str) -> Problem {
        let problem = Problem::new(Kind::DENIED).with("decision_id", self.id.to_string());
        let reason = match &self.decision {
            Decision::Deny(denial) => denial.grounds.reason_user.get(lang),
            _ => None,
        };
        match reason {
            Some(reason) => problem.with("reason", reason.clone()),
            None => problem,
        }
    }

    /// Adds the record and its event to a unit that does what follows from it.
    pub fn also_record(&self, app: &App, tx: &mut Tx, actor: Actor) -> Result<(), Problem> {
        let (record, event) = record(app, self, actor)?;
        tx.also_decision(&record, event);
        Ok(())
    }
}

/// Room for a usual record.
const RECORD_BYTES: usize = 2_048;

/// What is kept of a decision, and the event that commits to it.
fn record(app: &App, decided: &Decided, actor: Actor) -> Result<(DecisionRecord, Event), Problem> {
    let Decided { id, decision, input, .. } = decided;
    let id = *id;
    let salt = app.random.bytes::<16>();
    let answer = decision.record();
    let (tier, outcome, txn_digest, version) =
        (answer.grounds.tier, answer.outcome, answer.txn_digest, answer.grounds.policy_version);
    let mut body = Vec::with_capacity(RECORD_BYTES);
    serde_json::to_writer(&mut body, &RecordRef { salt: &URL_SAFE_NO_PAD.encode(salt), input, answer: &answer })
        .map_err(Problem::internal)?;
    let body = String::from_utf8(body).map_err(Problem::internal)?;
    let kind = EventKind::DecisionMade {
        decision: id,
        record: decision_record_digest(&salt, body.as_bytes()),
        subject: input.subject.as_ref().map(|subject| subject.id),
        action: input.action.clone(),
        resource_type: input.resource.kind.clone(),
        resource_id: input.resource.id.clone(),
        tier,
        outcome,
        policy_version: version,
        audience: input.audience.clone(),
        txn_digest,
    };
    let record = DecisionRecord {
        id,
        at: input.now,
        subject: input.subject.as_ref().map(|subject| subject.id.to_string()).unwrap_or_default(),
        audience: input.audience.clone().unwrap_or_default(),
        action: input.action.clone(),
        resource_type: input.resource.kind.clone(),
        resource_id: input.resource.id.clone(),
        tier: tier.map(|tier| tier.as_str().to_owned()).unwrap_or_default(),
        outcome,
        login: input.session.as_ref().map(|session| session.login),
        txn_digest,
        policy_version: version,
        body,
    };
    Ok((record, app.event(input.now, actor, kind)))
}

#[derive(Serialize)]
struct RecordRef<'a> {
    salt: &'a str,
    input: &'a DecisionInput,
    answer: &'a Answer,
}

/// What was recorded of a decision, to act upon. It never changes, so what was read and believed once is remembered for a while.
pub async fn recorded(app: &App, id: DecisionId) -> Result<Option<Arc<Record>>, Problem> {
    if let Some(record) = app.facts.decisions.get(&id) {
        return Ok(Some(record));
    }
    let Some(found) = app.store.decision(id).await? else { return Ok(None) };
    let record: Arc<Record> = Arc::new(serde_json::from_str(&found.record.body).map_err(Problem::internal)?);
    app.facts.decisions.insert(id, Arc::clone(&record));
    Ok(Some(record))
}

/// A person and what they can prove with, at most a second old.
pub async fn person(app: &App, id: SubjectId) -> Result<Option<Arc<Person>>, Problem> {
    let read = async {
        let Some(subject) = app.store.subject(id).await? else { return Ok(None) };
        Ok(Some(Person::new(subject, app.store.authenticators(id).await?)))
    };
    app.facts.person(id, read).await
}

/// The input of an earlier decision as it would be now: person, session, evidence and time are today's; who asks, for what
/// and on what is as it was lodged.
pub async fn renewed(
    app: &App,
    lodged: &DecisionInput,
    session: &Session,
    login: LoginId,
    now: Time,
) -> Result<DecisionInput, Problem> {
    let ended = || Problem::new(Kind::SESSION_ENDED);
    let signed_in = session.signed_in().ok_or_else(ended)?;
    let login = app.store.login(login).await?.filter(Login::is_open).ok_or_else(ended)?;
    app.facts.forget_person(signed_in.subject);
    let person = person(app, signed_in.subject).await?.ok_or_else(ended)?;
    Ok(DecisionInput {
        now,
        subject: Some(subject_facts(&person)),
        session: session.facts(&login, person.subject.recovered_at),
        enrolled: enrolled_facts(&person, now),
        enrollable: enrollable(&person, &signed_in.evidence, None, now),
        evidence: signed_in.evidence.clone(),
        resource: resource_facts(app, &lodged.resource.kind, &lodged.resource.id),
        moved: Vec::new(),
        approvers_available: 0,
        ..lodged.clone()
    })
}

/// What policy reads of a person.
pub fn subject_facts(person: &Person) -> SubjectFacts {
    let subject = &person.subject;
    SubjectFacts {
        id: subject.id,
        username: subject.usernames.first().cloned().unwrap_or_default(),
        suspended: !subject.is_active(),
        groups: subject.groups.iter().cloned().collect(),
        roles: subject.roles.iter().cloned().collect(),
        ever_phishing_resistant: ever_had_passkey(person),
    }
}

/// Has this person, or had, a passkey of whatever worth? Then codes alone bind no first one any more.
pub fn ever_had_passkey(person: &Person) -> bool {
    person.subject.has_had_phishing_resistant() || counterfoil_core::vouch::ever_had_passkey(&person.authenticators)
}

/// What policy reads of a person's authenticators.
pub fn enrolled_facts(person: &Person, now: Time) -> Vec<EnrolledAuthenticator> {
    let known = person.authenticators.iter().zip(&person.credentials);
    known
        .filter(|(authenticator, _)| authenticator.is_active())
        .map(|(authenticator, credential)| EnrolledAuthenticator {
            id: authenticator.id,
            method: authenticator.method,
            ceiling: authenticator.ceiling_at(now),
            user_verifying: credential.as_ref().is_some_and(|credential| credential.user_verifying),
            hardware_bound: credential.as_ref().is_some_and(|credential| credential.hardware_bound),
            channel: authenticator.method.unnamed_channel().map(str::to_owned),
        })
        .collect()
}

/// The passkey behind an authenticator, if it is one.
pub fn credential(authenticator: &Enrolled) -> Option<Credential> {
    (authenticator.method == Method::Passkey).then(|| Credential::deserialize(&authenticator.public).ok())?
}

/// What this person could enrol now, and what it would be worth: never more than what the session has shown.
pub fn enrollable(person: &Person, evidence: &Evidence, invited: Option<Acr>, now: Time) -> Vec<Enrollable> {
    let shown = evidence.acr(now).unwrap_or(Acr::Aal1);
    let ceiling = invited.unwrap_or(Acr::Aal1).max(shown.min(Acr::Phr));
    if person.subject.is_active() {
        vec![Enrollable { method: Method::Passkey, ceiling, hardware_bound: false }]
    } else {
        Vec::new()
    }
}

/// What was registered of a resource.
pub fn resource_facts(app: &App, kind: &str, id: &str) -> ResourceFacts {
    let registered = app.directory.load().resource(kind, id).map(|resource| RegisteredResource {
        sensitivity: resource.sensitivity,
        attributes: resource.attributes.clone(),
    });
    ResourceFacts { kind: kind.to_owned(), id: id.to_owned(), registered }
}

#[cfg(test)]
// A test that cannot go on should stop.
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;
    use counterfoil_core::{
        assurance::Binding,
        authenticator::{Holder, totp::TotpSecret},
        enrolled::EnrolledState,
        evidence::SessionFacts,
        id::{AuthenticatorId, LoginId, SessionId},
        policy::default_pack,
        subject::Subject,
    };

    const NOW: Time = Time::from_seconds(1_800_000_000);

    fn authenticator(n: u8, method: Method, ceiling: Acr) -> Enrolled {
        Enrolled {
            id: AuthenticatorId::new(NOW, [n; 10]),
            subject: SubjectId::new(NOW, [9; 10]),
            method,
            label: method.to_string(),
            state: EnrolledState::Active {},
            ceiling,
            rest: None,
            bound_by: None,
            bound_at: NOW,
            last_used_at: None,
            series: 0,
            handle: None,
            public: serde_json::Value::Null,
            secret: None,
            version: 0,
        }
    }

    /// A session on a known device that began with a code `age` seconds ago, and what is then asked of a moderate action.
    fn asked(enrolled: &[Enrolled], used: Option<&Enrolled>, age: i64) -> Option<(Method, Vec<AuthenticatorId>)> {
        let pack = Pack::load(&default_pack()).unwrap();
        let subject = SubjectId::new(NOW, [9; 10]);
        let then = NOW.plus_seconds(-age);
        let proofs = used.map(|used| {
            let secret = TotpSecret::new(&[7; 20]).unwrap();
            let holder = Holder { subject, authenticator: used.id, ceiling: used.ceiling };
            secret.verify(&secret.code(then), &holder, then).unwrap().proof.fact().clone()
        });
        let facts = SubjectFacts {
            id: subject,
            username: "ada".to_owned(),
            suspended: false,
            groups: vec!["treasury".to_owned()],
            roles: Vec::new(),
            ever_phishing_resistant: false,
        };
        let resource = ResourceFacts { kind: "account".to_owned(), id: "1".to_owned(), registered: None };
        let person = Person::new(Subject::new(subject, "ada", "Ada", "en", then), enrolled.to_vec());
        let input = DecisionInput {
            session: Some(SessionFacts {
                id: SessionId::new(NOW, [1; 10]),
                login: LoginId::new(NOW, [1; 10]),
                born: then,
                binding: Binding::KnownDevice,
                recovered_at: None,
                relay: Default::default(),
                contained: false,
            }),
            evidence: Evidence { proofs: proofs.into_iter().collect(), approvers: Vec::new() },
            enrolled: enrolled_facts(&person, NOW),
            ..DecisionInput::new(NOW, Some(facts), "beneficiary.add", resource)
        };
        let Decision::StepUp(step_up) = decide(&input, &pack) else { return None };
        Some((step_up.requirement.method, step_up.requirement.candidates))
    }

    #[test]
    fn a_code_never_counts_by_a_handset_that_the_sign_in_used() {
        let (password, first, second) = (
            authenticator(1, Method::Password, Acr::Aal1),
            authenticator(2, Method::AppCode, Acr::Aal2),
            authenticator(3, Method::AppCode, Acr::Aal2),
        );
        let apps = [password.clone(), first.clone(), second.clone()];
        // Nothing was used: either app may answer.
        assert_eq!(asked(&apps, None, 901), Some((Method::AppCode, vec![first.id, second.id])));
        // Nobody says that the second app is on another handset than the first, so it adds nothing.
        assert_eq!(asked(&apps, Some(&first), 901), None);
        assert_eq!(asked(&apps, Some(&second), 901), None);
        // A phishing-resistant authenticator may be used again and again.
        let public = serde_json::json!({
            "id": "AQID", "cose_key": "", "algorithm": "ES256", "sign_count": 0, "backup_eligible": false,
            "backup_state": false, "user_verifying": true, "hardware_bound": false, "transports": [],
            "aaguid": "00000000-0000-0000-0000-000000000000",
        });
        let passkey = Enrolled { public, ..authenticator(4, Method::Passkey, Acr::Phr) };
        let with_passkey = [apps.as_slice(), std::slice::from_ref(&passkey)].concat();
        assert_eq!(asked(&with_passkey, Some(&first), 901), Some((Method::Passkey, vec![passkey.id])));
    }
}
