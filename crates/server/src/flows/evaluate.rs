//! A protected API asks whether something may be done (AuthZEN 1.0, CONTRACT §4).
//!
//! Evidence comes only from the session behind an active access token that is for the asking API, is the subject's, and
//! whose possession was proven to us or to that API; else it is empty, and what is absent counts as worst.

use super::decide::{self, Decided};
use crate::{
    app::App,
    facts::SessionView,
    problem::{Kind, Problem},
};
use counterfoil_core::{
    assurance::Acr,
    audit::event::Actor,
    decision::{Asserted, DecisionInput, NetworkFacts, Posture, RiskFacts},
    digest::Digest,
    evidence::Evidence,
    id::{LoginId, SubjectId},
    limits,
    time::Time,
};
use counterfoil_oauth::{
    access_token::{self, VerifiedAccessToken},
    dpop::{self, ProvenRequest},
    uri::HttpUri,
};
use serde_json::Value;
use std::sync::Arc;

/// The question, as the API puts it.
#[derive(Debug)]
pub struct Question {
    /// Who asks: the API's audience.
    pub audience: String,
    /// `subject.id`.
    pub subject: String,
    /// `subject.type`; only `user` is known.
    pub subject_type: String,
    /// `action.name`.
    pub action: String,
    /// `resource.type`.
    pub resource_type: String,
    /// `resource.id`.
    pub resource_id: String,
    /// `properties` of the three.
    pub asserted: Asserted,
    /// `context.access_token`.
    pub access_token: Option<String>,
    /// `context.dpop`, where the API has not itself proved possession.
    pub dpop: Option<Possession>,
    /// `context.authorization_details`: one object.
    pub transaction: Option<Value>,
    /// `context.redemption_id`.
    pub redemption_id: Option<String>,
    /// Where the request that the API serves comes from.
    pub network: NetworkFacts,
}

/// A DPoP proof that the API received, with the request it was made for.
#[derive(Debug)]
pub struct Possession {
    /// The proof.
    pub proof: String,
    /// The method of the API's own request.
    pub method: String,
    /// Its URI.
    pub uri: String,
}

/// What a token brings to a decision.
pub struct Shown {
    /// The token.
    pub token: Arc<VerifiedAccessToken>,
    /// The session behind it.
    pub session: Arc<SessionView>,
    /// What was shown in that session, and for the token's transaction.
    pub evidence: Evidence,
}

/// Decides and records; spending, where the answer is a permit of tier high, is the caller's next step.
pub async fn evaluate(app: &App, question: &Question, now: Time) -> Result<Decided, Problem> {
    let shown = match &question.access_token {
        Some(token) => shown(app, question, token, now).await?,
        None => None,
    };
    let input = input(app, question, shown.as_ref(), now).await?;
    decide::decide_and_record(app, input, Actor::Api { audience: question.audience.clone() }).await
}

/// Everything the decision depends on.
async fn input(app: &App, question: &Question, shown: Option<&Shown>, now: Time) -> Result<DecisionInput, Problem> {
    let id = (question.subject_type == "user").then(|| question.subject.parse::<SubjectId>().ok()).flatten();
    let person = match id {
        Some(id) => decide::person(app, id).await?,
        None => None,
    };
    // A token of somebody else's shows nothing about this subject.
    let shown = shown.filter(|shown| Some(shown.session.login.subject) == id);
    let evidence = shown.map(|shown| shown.evidence.clone()).unwrap_or_default();
    let invited: Option<Acr> = None;
    Ok(DecisionInput {
        now,
        subject: person.as_deref().map(decide::subject_facts),
        action: question.action.clone(),
        resource: decide::resource_facts(app, &question.resource_type, &question.resource_id),
        session: shown.and_then(|shown| {
            let recovered = person.as_ref().and_then(|person| person.subject.recovered_at);
            shown.session.session.facts(&shown.session.login, recovered)
        }),
        transaction: question.transaction.clone(),
        moved: Vec::new(),
        redemption_id: question.redemption_id.clone(),
        client_id: shown.map(|shown| shown.token.claims().client_id.clone()),
        audience: Some(question.audience.clone()),
        scopes: shown
            .and_then(|shown| shown.token.claims().scope.as_deref())
            .map(|scope| scope.split(' ').map(str::to_owned).collect())
            .unwrap_or_default(),
        asserted: question.asserted.clone(),
        network: question.network.clone(),
        risk: RiskFacts::default(),
        posture: Posture::default(),
        enrolled: person.as_ref().map(|p| decide::enrolled_facts(p, now)).unwrap_or_default(),
        enrollable: person.as_ref().map(|p| decide::enrollable(p, &evidence, invited, now)).unwrap_or_default(),
        approvers_available: 0,
        evidence,
    })
}

/// What the token shows, or nothing when it is not active, not for this API, or not proven to be held.
async fn shown(app: &App, question: &Question, text: &str, now: Time) -> Result<Option<Shown>, Problem> {
    let Some(token) = remembered(app, text, now).await? else { return Ok(None) };
    let claims = token.claims();
    if claims.aud != question.audience {
        return Ok(None);
    }
    if let Some(possession) = &question.dpop {
        let uri = HttpUri::parse(&possession.uri)
            .map_err(|_| Problem::new(Kind::INVALID_REQUEST).pointer("/context/dpop/uri").detail("not an http URI"))?;
        let request = ProvenRequest { method: &possession.method, uri: &uri, now };
        if dpop::verify_for_api(&possession.proof, request, token.bound()).is_err() {
            return Ok(None);
        }
    }
    let Some(login) = claims.lineage else { return Ok(None) };
    let Some(session) = session_of(app, login).await? else { return Ok(None) };
    let Some(signed_in) = session.session.signed_in() else { return Ok(None) };
    if !session.login.is_open() || !session.session.is_live(now, limits::SESSION_IDLE_SECONDS) {
        return Ok(None);
    }
    let mut evidence = signed_in.evidence.clone();
    if let Some(txn) = claims.txn {
        let challenge = app.store.challenge(txn).await?;
        evidence.proofs.extend(challenge.as_ref().and_then(super::step_up::proof_of));
    }
    Ok(Some(Shown { token, session, evidence }))
}

/// A token of ours that is active: verified now, or before and remembered.
pub async fn remembered(app: &App, text: &str, now: Time) -> Result<Option<Arc<VerifiedAccessToken>>, Problem> {
    let digest = Digest::of(text.as_bytes());
    if let Some(token) = app.facts.token(&digest) {
        return Ok((!token.is_expired(now)).then_some(token));
    }
    let Ok(token) = access_token::verify(text, &app.keys.jwks, &app.issuer, None, now) else { return Ok(None) };
    let since = app.facts.token_since(token.claims());
    // It is recorded, and not revoked.
    if app.store.token(token.claims().jti).await?.is_none_or(|record| record.revoked_at.is_some()) {
        return Ok(None);
    }
    let token = Arc::new(token);
    app.facts.remember_token(Arc::clone(&token), since);
    Ok(Some(token))
}

/// The session that a login is in, if neither is over; at most a second old.
pub async fn session_of(app: &App, login: LoginId) -> Result<Option<Arc<SessionView>>, Problem> {
    let read = async {
        let Some(login) = app.store.login(login).await? else { return Ok(None) };
        let session = app.store.session_of_login(&login).await?;
        Ok(session.map(|session| SessionView { session, login }))
    };
    app.facts.session(login, read).await
}
