//! What was proven becomes an authorization code, in the unit that records the proof.

use super::error;
use crate::app::App;
use counterfoil_core::{
    assurance::Acr,
    audit::event::{Actor, Event, EventKind},
    evidence::Evidence,
    id::{ChallengeId, LoginId, SessionId, SubjectId},
    limits,
    time::Time,
};
use counterfoil_oauth::{
    authorize::{AuthorizationRequest, Code, success_location},
    error::{ErrorCode, OAuthError},
    grant::{CodeGrant, GrantedTransaction},
};
use counterfoil_store::{Body, CodeRecord, Tx};

/// On whose behalf, and on what grounds, a code is granted.
pub struct Grounds<'a> {
    /// Who.
    pub subject: SubjectId,
    /// In which session, under its handle after the unit.
    pub session: SessionId,
    /// From which login.
    pub login: LoginId,
    /// The challenge that was proven for it, if one was.
    pub challenge: Option<ChallengeId>,
    /// What the token will say.
    pub acr: Acr,
    /// By which methods.
    pub amr: Vec<String>,
    /// Since when.
    pub auth_time: Time,
    /// The transaction, if this is the grant of one.
    pub transaction: Option<GrantedTransaction>,
    /// The request that is answered.
    pub request: &'a AuthorizationRequest,
}

/// Adds a code to a unit. Returns where the browser takes it, and the event.
pub fn grant_code(app: &App, tx: &mut Tx, grounds: Grounds<'_>, now: Time) -> Result<(String, Event), OAuthError> {
    let request = grounds.request;
    let audience = request
        .resource
        .clone()
        .or_else(|| app.directory.load().client(&request.client_id)?.only_audience().map(str::to_owned))
        .ok_or_else(|| OAuthError::new(ErrorCode::InvalidTarget, "Name the resource that the token is for."))?;
    let code = Code::new(&app.random.bytes());
    let granted = CodeGrant {
        client_id: request.client_id.clone(),
        redirect_uri: request.redirect_uri.clone(),
        code_challenge: request.code_challenge.clone(),
        dpop_jkt: request.dpop_jkt,
        scope: request.scope.clone(),
        resource: audience,
        nonce: request.nonce.clone(),
        subject: grounds.subject,
        session: grounds.session,
        login: grounds.login,
        acr: grounds.acr,
        amr: grounds.amr,
        auth_time: grounds.auth_time,
        transaction: grounds.transaction,
        issued_at: now,
    };
    let expires_at = now.plus_seconds(limits::CODE_SECONDS);
    tx.issue_code(&CodeRecord {
        hash: code.digest(),
        client_id: request.client_id.clone(),
        subject: grounds.subject,
        login: grounds.login,
        challenge: grounds.challenge,
        expires_at,
        body: Body::of(&granted).map_err(error::internal)?,
    });
    let event = app.event(
        now,
        Actor::Subject { subject: grounds.subject, session: Some(grounds.session) },
        EventKind::CodeIssued {
            code: code.digest(),
            client_id: request.client_id.clone(),
            login: grounds.login,
            challenge: grounds.challenge,
            expires_at,
        },
    );
    Ok((success_location(request, &code, &app.issuer), event))
}

/// Whether what a session has shown is what a sign-in request asks for. Gives the `acr` of the token: the first listed
/// that is met, else what was achieved (CONTRACT §5).
pub fn met(request: &AuthorizationRequest, evidence: &Evidence, now: Time) -> Option<(Acr, Time)> {
    let achieved = evidence.acr(now)?;
    let auth_time = evidence.auth_time(now)?;
    let fresh = request.max_age_seconds.is_none_or(|max| now.seconds_since(auth_time) <= i64::from(max));
    let acr = if request.acr_values.is_empty() {
        achieved
    } else {
        *request.acr_values.iter().find(|wanted| **wanted <= achieved)?
    };
    fresh.then_some((acr, auth_time))
}
