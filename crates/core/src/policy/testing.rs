//! The pack's own tests (`tests/*.toml`): requests with what was shown, and the decision that must come out.
//!
//! `counterfoil policy test` runs them; nothing here reads a file or a clock. Ages are seconds before the moment of the
//! request. The resource id `self` stands for the subject's own.

use super::{Pack, PackError, decide};
use crate::{
    assurance::{Acr, Binding, Method, Tier},
    catalogue::line_at,
    decision::{
        Asserted, Decision, DecisionInput, Enrollable, EnrolledAuthenticator, NetworkFacts, Outcome, Posture,
        RegisteredResource, ResourceFacts, RiskFacts, SubjectFacts,
    },
    digest::Digest,
    evidence::{Evidence, ProofFact, RelayVerdict, SessionFacts},
    id::{AuthenticatorId, LoginId, SessionId, SubjectId},
    json,
    requirement::Missing,
    time::Time,
    transaction::Amount,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The moment of every request in a test: a Monday in 2026.
const NOW: Time = Time::from_seconds(1_790_000_000);

/// What came of one test.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TestReport {
    /// File within the pack.
    pub file: String,
    /// Line where the test begins, from 1.
    pub line: usize,
    /// The test's name.
    pub name: String,
    /// How the decision differs from what was expected; empty for a pass.
    pub problems: Vec<String>,
}

impl TestReport {
    /// The decision was as expected.
    pub fn passed(&self) -> bool {
        self.problems.is_empty()
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    test: Vec<toml::Spanned<Case>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    action: String,
    resource: Resource,
    #[serde(default)]
    subject: Option<Subject>,
    session: Option<Session>,
    #[serde(default)]
    proofs: Vec<Proof>,
    #[serde(default)]
    enrolled: Vec<Authenticator>,
    #[serde(default)]
    enrollable: Vec<Authenticator>,
    transaction: Option<Value>,
    #[serde(default)]
    moved: Vec<Amount>,
    /// Other persons who have approved; the subject's own approval counts for nothing.
    #[serde(default)]
    approvers: u8,
    #[serde(default)]
    approved_by_self: bool,
    #[serde(default)]
    approvers_available: u32,
    #[serde(default)]
    redemption: bool,
    #[serde(default)]
    asserted: Asserted,
    #[serde(default)]
    network: NetworkFacts,
    #[serde(default)]
    risk: RiskFacts,
    #[serde(default)]
    posture: Posture,
    #[serde(default)]
    scopes: Vec<String>,
    client_id: Option<String>,
    expect: Option<Expected>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Resource {
    #[serde(rename = "type")]
    kind: String,
    id: String,
    sensitivity: Option<Tier>,
    #[serde(default)]
    attributes: Map<String, Value>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Subject {
    #[serde(default)]
    unknown: bool,
    #[serde(default)]
    username: String,
    #[serde(default)]
    groups: Vec<String>,
    #[serde(default)]
    roles: Vec<String>,
    #[serde(default)]
    suspended: bool,
    #[serde(default)]
    ever_phishing_resistant: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Session {
    binding: Binding,
    #[serde(default)]
    age: i64,
    recovered_age: Option<i64>,
    #[serde(default)]
    relay: RelayVerdict,
    #[serde(default)]
    contained: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Proof {
    method: Method,
    #[serde(default)]
    age: i64,
    ceiling: Option<Acr>,
    user_verified: Option<bool>,
    #[serde(default)]
    hardware_bound: bool,
    channel: Option<String>,
    /// Of the transaction of this test, not of the session.
    #[serde(default)]
    for_transaction: bool,
    /// Of a transaction, but another one.
    #[serde(default)]
    for_another_transaction: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Authenticator {
    method: Method,
    ceiling: Option<Acr>,
    user_verifying: Option<bool>,
    #[serde(default)]
    hardware_bound: bool,
    channel: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    outcome: Outcome,
    tier: Option<Tier>,
    acr: Option<Acr>,
    /// Seconds; −1 for "no limit".
    max_age: Option<i64>,
    method: Option<Method>,
    transaction_bound: Option<bool>,
    approvers: Option<u32>,
    enrolment_needed: Option<bool>,
    missing: Option<Vec<Missing>>,
    cause: Option<String>,
    policies: Option<Vec<String>>,
    would_take: Option<Vec<Acr>>,
}

/// A test's question.
#[derive(Clone, Debug)]
pub struct TestCase {
    /// File within the pack.
    pub file: String,
    /// Line where the test begins, from 1.
    pub line: usize,
    /// The test's name.
    pub name: String,
    /// What is asked, with everything that is known.
    pub input: DecisionInput,
}

/// The questions of every test of the pack.
///
/// # Errors
/// [`PackError`] for a test file that cannot be read.
pub fn cases(pack: &Pack) -> Result<Vec<TestCase>, PackError> {
    let files = pack.tests().iter().map(|(file, source)| cases_of(pack, file, source));
    Ok(files.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
}

fn cases_of(pack: &Pack, file: &str, source: &str) -> Result<Vec<TestCase>, PackError> {
    parse(file, source)?
        .map(|(line, case)| case.expected(file, line).map(|_| question(pack, file, line, &case)))
        .collect()
}

/// The questions of a file that has the form of tests but need not say what is expected.
///
/// # Errors
/// [`PackError`] where it cannot be read.
pub fn questions_of(pack: &Pack, file: &str, source: &str) -> Result<Vec<TestCase>, PackError> {
    Ok(parse(file, source)?.map(|(line, case)| question(pack, file, line, &case)).collect())
}

fn question(pack: &Pack, file: &str, line: usize, case: &Case) -> TestCase {
    TestCase { file: file.to_owned(), line, name: case.name.clone(), input: case.input(pack) }
}

fn parse(file: &str, source: &str) -> Result<impl Iterator<Item = (usize, Case)>, PackError> {
    let parsed: File = toml::from_str(source).map_err(|error| {
        PackError::new(file, error.span().map_or(1, |span| line_at(source, span.start)), error.message())
    })?;
    Ok(parsed.test.into_iter().map(|case| (line_at(source, case.span().start), case.into_inner())))
}

/// Runs every test of the pack.
///
/// # Errors
/// [`PackError`] for a test file that cannot be read.
pub fn run(pack: &Pack) -> Result<Vec<TestReport>, PackError> {
    let mut reports = Vec::new();
    for (file, source) in pack.tests() {
        for (line, case) in parse(file, source)? {
            let decision = decide(&case.input(pack), pack);
            let problems = case.expected(file, line)?.compare(&decision);
            reports.push(TestReport { file: file.clone(), line, name: case.name, problems });
        }
    }
    Ok(reports)
}

/// What an authenticator of this kind is worth where a test does not say.
const fn usual_ceiling(method: Method) -> Acr {
    match method {
        Method::MailCode => Acr::Aal1,
        Method::Password | Method::AppCode | Method::SmsCode | Method::RecoveryCode => Acr::Aal2,
        Method::Passkey => Acr::Phr,
    }
}

impl Case {
    fn expected(&self, file: &str, line: usize) -> Result<&Expected, PackError> {
        let missing = || PackError::new(file, line, format!("the test \"{}\" expects nothing", self.name));
        self.expect.as_ref().ok_or_else(|| missing().hint("say what must come out: expect = { outcome = \"…\" }"))
    }

    fn input(&self, pack: &Pack) -> DecisionInput {
        let subject = SubjectId::new(NOW, [1; 10]);
        // One authenticator of each kind, so that a proof and an enrolment of the same kind are of the same one.
        let authenticator = |method: Method| AuthenticatorId::new(NOW, [method as u8; 10]);
        let before = |age: i64| NOW.plus_seconds(-age);
        let own = |id: &str| if id == "self" { subject.to_string() } else { id.to_owned() };
        let transaction = self.transaction.clone().map(|mut value| {
            if let Some(Value::String(id)) = value.pointer_mut("/resource/id") {
                *id = own(id);
            }
            value
        });
        let digest = transaction.as_ref().and_then(|value| json::canonical(value).ok()).map(|bytes| Digest::of(&bytes));
        let facts = self.subject.as_ref();
        DecisionInput {
            now: NOW,
            subject: facts.is_none_or(|s| !s.unknown).then(|| SubjectFacts {
                id: subject,
                username: facts.map(|s| s.username.clone()).filter(|n| !n.is_empty()).unwrap_or_else(|| "ada".into()),
                suspended: facts.is_some_and(|s| s.suspended),
                groups: facts.map(|s| s.groups.clone()).unwrap_or_default(),
                roles: facts.map(|s| s.roles.clone()).unwrap_or_default(),
                ever_phishing_resistant: facts.is_some_and(|s| s.ever_phishing_resistant),
            }),
            action: self.action.clone(),
            resource: ResourceFacts {
                kind: self.resource.kind.clone(),
                id: own(&self.resource.id),
                registered: (self.resource.sensitivity.is_some() || !self.resource.attributes.is_empty()).then(|| {
                    RegisteredResource {
                        sensitivity: self.resource.sensitivity,
                        attributes: self.resource.attributes.clone(),
                    }
                }),
            },
            session: self.session.as_ref().map(|s| SessionFacts {
                id: SessionId::new(NOW, [2; 10]),
                login: LoginId::new(NOW, [3; 10]),
                born: before(s.age),
                binding: s.binding,
                recovered_at: s.recovered_age.map(before),
                relay: s.relay,
                contained: s.contained,
            }),
            evidence: Evidence {
                proofs: self
                    .proofs
                    .iter()
                    .map(|p| ProofFact {
                        method: p.method,
                        at: before(p.age),
                        authenticator: authenticator(p.method),
                        ceiling: p.ceiling.unwrap_or_else(|| usual_ceiling(p.method)),
                        user_verified: p.user_verified.unwrap_or(p.method == Method::Passkey),
                        hardware_bound: p.hardware_bound,
                        txn_digest: if p.for_another_transaction {
                            Some(Digest::of(pack.name().as_bytes()))
                        } else {
                            digest.filter(|_| p.for_transaction)
                        },
                        channel: p.channel.clone(),
                    })
                    .collect(),
                approvers: (0..self.approvers)
                    .map(|n| SubjectId::new(NOW, [100 + n; 10]))
                    .chain(self.approved_by_self.then_some(subject))
                    .collect(),
            },
            transaction,
            moved: self.moved.clone(),
            redemption_id: self.redemption.then(|| "redemption-1".to_owned()),
            client_id: self.client_id.clone(),
            audience: None,
            scopes: self.scopes.clone(),
            asserted: self.asserted.clone(),
            network: self.network.clone(),
            risk: self.risk.clone(),
            posture: self.posture,
            enrolled: self
                .enrolled
                .iter()
                .map(|a| EnrolledAuthenticator {
                    id: authenticator(a.method),
                    method: a.method,
                    ceiling: a.ceiling.unwrap_or_else(|| usual_ceiling(a.method)),
                    user_verifying: a.user_verifying.unwrap_or(a.method == Method::Passkey),
                    hardware_bound: a.hardware_bound,
                    channel: a.channel.clone(),
                })
                .collect(),
            enrollable: self
                .enrollable
                .iter()
                .map(|a| Enrollable {
                    method: a.method,
                    ceiling: a.ceiling.unwrap_or_else(|| usual_ceiling(a.method)),
                    hardware_bound: a.hardware_bound,
                })
                .collect(),
            approvers_available: self.approvers_available,
        }
    }
}

impl Expected {
    fn compare(&self, decision: &Decision) -> Vec<String> {
        let record = decision.record();
        let mut problems = Vec::new();
        let mut differ = |what: &str, expected: String, found: String| {
            if expected != found {
                problems.push(format!("{what}: expected {expected}, found {found}"));
            }
        };
        let met = record.outcome == self.outcome;
        let why = if met { String::new() } else { format!(" ({})", record.grounds.reason_admin) };
        differ("outcome", self.outcome.as_str().to_owned(), format!("{}{why}", record.outcome.as_str()));
        if let Some(tier) = self.tier {
            differ("tier", tier.to_string(), record.grounds.tier.map_or("none".into(), |t| t.to_string()));
        }
        if let Some(policies) = &self.policies {
            differ("policies", policies.join(", "), record.grounds.policies.join(", "));
        }
        if let Some(cause) = &self.cause {
            let found = record.cause.and_then(|cause| serde_json::to_value(cause).ok());
            let found = found.as_ref().and_then(|c| c.get("kind")).and_then(Value::as_str).unwrap_or("none");
            differ("cause", cause.clone(), found.to_owned());
        }
        if let Some(acrs) = &self.would_take {
            let found = record.would_take.iter().map(|r| r.acr).collect::<Vec<_>>();
            differ("would_take", format!("{acrs:?}"), format!("{found:?}"));
        }
        let asked = record.requirement.as_ref();
        let of = |text: Option<String>| text.unwrap_or_else(|| "none".into());
        if let Some(acr) = self.acr {
            differ("acr", acr.to_string(), of(asked.map(|r| r.acr.to_string())));
        }
        if let Some(age) = self.max_age {
            differ("max_age", age.to_string(), of(asked.map(|r| r.max_age_seconds.unwrap_or(-1).to_string())));
        }
        if let Some(method) = self.method {
            differ("method", method.to_string(), of(asked.map(|r| r.method.to_string())));
        }
        if let Some(bound) = self.transaction_bound {
            differ("transaction_bound", bound.to_string(), of(asked.map(|r| r.transaction_bound.to_string())));
        }
        if let Some(approvers) = self.approvers {
            differ("approvers", approvers.to_string(), of(asked.map(|r| r.approvers.to_string())));
        }
        if let Some(needed) = self.enrolment_needed {
            differ("enrolment_needed", needed.to_string(), of(asked.map(|r| r.enrolment_needed.to_string())));
        }
        if let Some(missing) = &self.missing {
            differ("missing", format!("{missing:?}"), of(asked.map(|r| format!("{:?}", r.missing))));
        }
        problems
    }
}
