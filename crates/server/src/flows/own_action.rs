//! Our own pages ask the policy like everybody else (DESIGN §4): the same question, the same record, the same step-up.
//!
//! What is worth much has a transaction, and goes the way of an application's: its page lodges it ([`lodge`]), the person
//! signs exactly that on the step-up page, the page comes back with the challenge's identifier, [`confirmed`] decides once
//! more with what was shown, and [`Confirmed::spend`] puts the spend into the unit that does it. So it is done once (R1),
//! with the values that were signed (R2).

use super::{
    authorize::actor,
    decide::{self, Decided},
    open_challenge::{self, Opening, open_challenge},
    step_up,
};
use crate::{
    app::App,
    browser::Browser,
    problem::{Kind, Problem},
};
use counterfoil_core::{
    audit::event::{EventKind, ReportedOutcome},
    challenge::ChallengeState,
    decision::{Asserted, Decision, DecisionInput, NetworkFacts, Posture, RiskFacts},
    digest::Digest,
    evidence::ProofFact,
    id::{ChallengeId, DecisionId, LoginId, SubjectId},
    session::SignedIn,
    statement::Purpose,
    transaction::Transaction,
};
use counterfoil_store::{ChallengeRecord, CommitError, Redemption, Tx};
use serde_json::Value;

/// What is asked of one's own account.
pub const PERSON: &str = "person";

/// A page of ours that leads on to another.
pub fn leading(page: &str, to: &str) -> String {
    if to.contains(['?', '&', '#', '%', '+']) {
        let query = url::form_urlencoded::Serializer::new(String::new()).append_pair("to", to).finish();
        return format!("{page}?{query}");
    }
    format!("{page}?to={to}")
}

/// Permits, or refuses with the page that leads on. `back` is where the person returns to after showing more.
pub async fn require<T>(
    app: &App,
    browser: &Browser<T>,
    action: &str,
    resource: (&str, &str),
    back: &str,
) -> Result<Decided, Problem> {
    let signed_in = browser.signed_in().map_err(|problem| problem.next(leading("/sign-in", back)))?;
    let input = input(app, browser, signed_in, action, resource).await?;
    let decided = decide::decide_and_record(app, input, actor(browser)).await?;
    if matches!(decided.decision, Decision::Permit(_)) {
        return Ok(decided);
    }
    Err(leads_on(app, browser, &decided, Purpose::SignIn, back).await?)
}

/// Lodges what is to be done, to be signed exactly so. Always a problem: the page that asks for the signature, or why there
/// is none. `back` is where the person returns to, with `confirmed=<txn>`.
pub async fn lodge<T>(
    app: &App,
    browser: &Browser<T>,
    action: &str,
    resource: (&str, &str),
    transaction: Value,
    back: &str,
) -> Result<Problem, Problem> {
    let signed_in = browser.signed_in().map_err(|problem| problem.next(leading("/sign-in", back)))?;
    let input = input(app, browser, signed_in, action, resource).await?;
    let input = DecisionInput { transaction: Some(transaction), ..input };
    let decided = decide::decide_and_record(app, input, actor(browser)).await?;
    if matches!(decided.decision, Decision::Permit(_)) {
        // INVARIANT: what has a transaction is of tier high, and such a permit needs a redemption.
        return Err(Problem::internal(format_args!("{action} was permitted without a signature")));
    }
    leads_on(app, browser, &decided, Purpose::Transaction, back).await
}

/// The refusal of a decision that is no permit: it names the page that asks for what is missing, if anything would help.
async fn leads_on<T>(
    app: &App,
    browser: &Browser<T>,
    decided: &Decided,
    purpose: Purpose,
    back: &str,
) -> Result<Problem, Problem> {
    let step_up = match &decided.decision {
        Decision::StepUp(step_up) if step_up.requirement.enrolment_needed => {
            return Ok(Problem::new(Kind::STEP_UP_REQUIRED).next(leading("/me/passkey", back)));
        }
        Decision::StepUp(step_up) => step_up,
        _ => return Ok(decided.refusal(browser.visit.lang.tag())),
    };
    open_challenge::room(app, browser).await?;
    let opening = Opening {
        return_to: Some(back.to_owned()),
        ..Opening::asked(browser, purpose, Some(decided.id), decided, step_up)
    };
    let mut tx = Tx::new(browser.visit.now);
    let (challenge, event) = open_challenge(app, &mut tx, opening, None)?;
    tx.commit(&app.store, event).await?;
    let next = match purpose {
        Purpose::Transaction => format!("/step-up/{challenge}"),
        _ => format!("/sign-in?challenge={challenge}"),
    };
    Ok(Problem::new(Kind::STEP_UP_REQUIRED).next(next))
}

/// Something that was signed and may be done now, once.
///
/// INVARIANT: made by [`confirmed`] alone, out of a permit. Neither `Clone` nor read from anywhere.
#[must_use = "nothing is done before it is spent"]
pub struct Confirmed {
    decided: Decided,
    transaction: Transaction,
    record: ChallengeRecord,
    digest: Digest,
    lodged: DecisionId,
    proof: ProofFact,
    subject: SubjectId,
    login: LoginId,
}

/// What became of a confirmed transaction.
pub enum Standing {
    /// It has not been done.
    Fresh(Box<Confirmed>),
    /// It was done, with this answer.
    Done(Value),
}

/// What the person confirmed as `action` in this very session, if it may be done now: decided once more, with the signature.
pub async fn confirmed<T>(
    app: &App,
    browser: &Browser<T>,
    id: ChallengeId,
    actions: &[&str],
) -> Result<Standing, Problem> {
    let signed_in = browser.signed_in()?;
    let now = browser.visit.now;
    let stored = step_up::stored(app, browser, id).await?;
    let statement = stored.challenge.statement();
    // An application's approval is spent by its API alone.
    let action = statement.action.as_deref().filter(|action| actions.contains(action));
    let (Some(action), None, None) = (action, &stored.request, &statement.aud) else {
        return Err(Problem::new(Kind::NOT_FOUND));
    };
    if let Some(done) = app.store.redemption(id).await? {
        return Ok(Standing::Done(done.answer));
    }
    let ChallengeState::Proven { proof, .. } = stored.challenge.state() else {
        return Err(Problem::new(Kind::EXPIRED));
    };
    if now >= stored.challenge.expires_at() {
        return Err(Problem::new(Kind::EXPIRED));
    }
    let pack = app.pack.load_full();
    if statement.policy_version != pack.version() {
        return Err(Problem::new(Kind::POLICY_CHANGED));
    }
    let parts = (&stored.challenge.opening().transaction, statement.txn_digest, statement.decision_id);
    let ((Some(transaction), Some(digest), Some(lodged)), Some(resource)) = (parts, &statement.resource) else {
        return Err(Problem::internal("a transaction's statement lacks its digest, decision or resource"));
    };
    app.facts.forget_person(signed_in.subject);
    let mut input = input(app, browser, signed_in, action, (&resource.kind, &resource.id)).await?;
    input.transaction = Some(transaction.clone());
    input.redemption_id = Some(id.to_string());
    input.evidence.proofs.push(proof.clone());
    let decided = decide::judge(app, input, pack);
    let signed = match &decided.decision {
        Decision::Permit(permit) => permit.transaction().cloned(),
        _ => None,
    };
    let Some(transaction) = signed else {
        // The refusal is a record too.
        let mut tx = Tx::new(now);
        let event = decided.record(app, &mut tx, actor(browser))?;
        tx.commit(&app.store, event).await?;
        return Err(decided.refusal(browser.visit.lang.tag()));
    };
    Ok(Standing::Fresh(Box::new(Confirmed {
        decided,
        transaction,
        proof: proof.clone(),
        record: stored.record,
        digest,
        lodged,
        subject: signed_in.subject,
        login: signed_in.login,
    })))
}

impl Confirmed {
    /// The action.
    pub fn action(&self) -> &str {
        &self.decided.input.action
    }

    /// What was shown for it.
    pub fn proof(&self) -> &ProofFact {
        &self.proof
    }

    /// A text of what was signed: what is done, is done with these.
    pub fn signed(&self, member: &str) -> Result<&str, Problem> {
        let value = self.transaction.value().get(member).and_then(Value::as_str);
        value.ok_or_else(|| Problem::internal("a signed transaction lacks a member"))
    }

    /// The decision that a challenge opened on the strength of this is to name.
    pub fn decided(&self) -> &Decided {
        &self.decided
    }

    /// Adds the decision and the spend to the unit that does it; `answer` is what everybody is told who asks again.
    /// `executed` says that this unit is all there is to do.
    pub fn spend<T>(
        &self,
        app: &App,
        browser: &Browser<T>,
        tx: &mut Tx,
        answer: &Value,
        executed: bool,
    ) -> Result<(), Problem> {
        let now = browser.visit.now;
        self.decided.also_record(app, tx, actor(browser))?;
        let (challenge, redemption_id) = (self.record.id, self.record.id.to_string());
        let (audience, redemption) = (app.issuer.as_str().to_owned(), Digest::of(redemption_id.as_bytes()));
        // The one that permitted it: the unit demands that it still is the active one.
        let policy_version = self.decided.pack.version();
        // What signed it must still be in use: who removes a stolen passkey removes what it has signed and not yet done.
        tx.require_session(&browser.session).require_authenticator(self.proof.authenticator);
        tx.redeem(
            &Redemption {
                challenge,
                audience: audience.clone(),
                redemption_id,
                digest: self.digest,
                at: now,
                login: self.login,
                subject: self.subject,
                policy_version,
                answer: answer.clone(),
                outcome: executed.then_some(ReportedOutcome::Executed),
                version: 0,
            },
            &self.record,
        );
        let (txn_digest, decision) = (self.digest, self.lodged);
        let kind =
            EventKind::Spent { challenge, redemption, audience, txn_digest, token: None, decision, policy_version };
        tx.also(app.event(now, actor(browser), kind));
        if executed {
            let kind = EventKind::OutcomeReported { challenge, redemption, outcome: ReportedOutcome::Executed };
            tx.also(app.event(now, actor(browser), kind));
        }
        Ok(())
    }
}

/// Whether somebody else has spent it meanwhile: then what they were told is what everybody is told.
pub async fn lost(app: &App, id: ChallengeId, error: CommitError) -> Result<Value, Problem> {
    if let CommitError::Refused(_) = error
        && let Some(done) = app.store.redemption(id).await?
    {
        return Ok(done.answer);
    }
    Err(Problem::from(error))
}

/// Everything that such a decision depends on.
pub async fn input<T>(
    app: &App,
    browser: &Browser<T>,
    signed_in: &SignedIn,
    action: &str,
    resource: (&str, &str),
) -> Result<DecisionInput, Problem> {
    let now = browser.visit.now;
    let ended = || Problem::new(Kind::SESSION_ENDED);
    let login = app.store.login(signed_in.login).await?.filter(|login| login.is_open()).ok_or_else(ended)?;
    let person = decide::person(app, signed_in.subject).await?.ok_or_else(ended)?;
    Ok(DecisionInput {
        now,
        subject: Some(decide::subject_facts(&person)),
        action: action.to_owned(),
        resource: decide::resource_facts(app, resource.0, resource.1),
        session: browser.session.facts(&login, person.subject.recovered_at),
        evidence: signed_in.evidence.clone(),
        transaction: None,
        moved: Vec::new(),
        redemption_id: None,
        client_id: None,
        audience: None,
        scopes: Vec::new(),
        asserted: Asserted::default(),
        network: NetworkFacts {
            ip: Some(browser.visit.ip.to_string()),
            user_agent: Some(browser.visit.user_agent.clone()),
            ja4: None,
        },
        risk: RiskFacts::default(),
        posture: Posture::default(),
        enrolled: decide::enrolled_facts(&person, now),
        enrollable: decide::enrollable(&person, &signed_in.evidence, None, now),
        approvers_available: 0,
    })
}
