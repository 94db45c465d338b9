//! Our own pages ask the policy like everybody else (DESIGN §4): the same question, the same record, the same step-up.

use super::{
    authorize::actor,
    decide::{self, Decided},
    open_challenge::{Opening, open_challenge},
};
use crate::{
    app::App,
    browser::Browser,
    problem::{Kind, Problem},
};
use counterfoil_core::{
    decision::{Asserted, Decision, DecisionInput, NetworkFacts, Posture, RiskFacts},
    session::SignedIn,
    statement::Purpose,
};
use counterfoil_store::Tx;

/// What is asked of one's own account.
pub const PERSON: &str = "person";

/// Permits, or refuses with the page that leads on. `back` is where the person returns to after showing more.
pub async fn require<T>(
    app: &App,
    browser: &Browser<T>,
    action: &str,
    resource: (&str, &str),
    back: &str,
) -> Result<Decided, Problem> {
    let signed_in = browser.signed_in().map_err(|problem| problem.next(format!("/sign-in?to={back}")))?;
    let input = input(app, browser, signed_in, action, resource).await?;
    let decided = decide::decide_and_record(app, input, actor(browser)).await?;
    match &decided.decision {
        Decision::Permit(_) => Ok(decided),
        Decision::Deny(denial) => {
            let problem = Problem::new(Kind::DENIED).with("decision_id", decided.id.to_string());
            Err(match denial.grounds.reason_user.get(browser.visit.lang.tag()) {
                Some(reason) => problem.with("reason", reason.clone()),
                None => problem,
            })
        }
        Decision::StepUp(step_up) if step_up.requirement.enrolment_needed => {
            Err(Problem::new(Kind::STEP_UP_REQUIRED).next(format!("/me/passkey?to={back}")))
        }
        Decision::StepUp(step_up) => {
            let opening = Opening {
                purpose: Purpose::SignIn,
                session: &browser.session,
                subject: Some(signed_in.subject),
                decision: Some(decided.id),
                input: Some(&decided.input),
                tier: step_up.grounds.tier,
                transaction: None,
                requirement: Some(&step_up.requirement),
                asked: vec![step_up.requirement.method],
                request: None,
                registration: None,
                registration_challenge: None,
                return_to: Some(back.to_owned()),
                lang: browser.visit.lang,
                now: browser.visit.now,
            };
            let mut tx = Tx::new(browser.visit.now);
            let (challenge, event) = open_challenge(app, &mut tx, opening, None)?;
            tx.commit(&app.store, event).await?;
            Err(Problem::new(Kind::STEP_UP_REQUIRED).next(format!("/sign-in?challenge={challenge}")))
        }
    }
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
        enrolled: decide::enrolled_facts(&person.authenticators, now),
        enrollable: decide::enrollable(&person, &signed_in.evidence, None, now),
        approvers_available: 0,
    })
}
