//! Pushed authorization requests (RFC 9126): the only way a request comes in. Read, checked against the client, stored.

use crate::{
    authorize::{AuthorizationRequest, Prompt},
    client::{GrantType, is_scope_token},
    client_auth::VerifiedClient,
    dpop::VerifiedDpopProof,
    error::{ErrorCode, OAuthError},
    form::Form,
    pkce::CodeChallenge,
    rar::AuthorizationDetails,
    uri::check_resource,
};
use counterfoil_core::{assurance::Acr, digest::Digest, limits};
use serde::Serialize;
use std::{collections::BTreeSet, str::FromStr};

/// The answer, 201 (RFC 9126 §2.2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PushedResponse {
    /// The reference to take to the authorization endpoint, once.
    pub request_uri: String,
    /// How long it waits, in seconds.
    pub expires_in: i64,
}

/// Reads a pushed request of a client that authenticated, with the DPoP proof that came in its header, if any.
/// Parameters that are not known are ignored (RFC 6749 §3.1).
///
/// # Errors
/// The code that RFC 9126 §2.3 and the standard of the parameter give, with a description that names the parameter.
pub fn parse(
    form: &Form,
    client: &VerifiedClient,
    dpop: Option<&VerifiedDpopProof>,
) -> Result<AuthorizationRequest, OAuthError> {
    // RFC 9126 §2.1: a request_uri inside is refused; request objects are not supported (OpenID Connect Core §6.1).
    if form.get("request_uri").is_some() {
        return Err(OAuthError::invalid_request("request_uri is what this endpoint gives; it cannot be pushed."));
    }
    if form.get("request").is_some() {
        return Err(OAuthError::new(
            ErrorCode::RequestNotSupported,
            "Request objects are not supported; push parameters.",
        ));
    }
    if !client.may_use(GrantType::AuthorizationCode) {
        return Err(OAuthError::new(ErrorCode::UnauthorizedClient, "This client may not use authorization_code."));
    }
    if form.require("response_type")? != "code" {
        return Err(OAuthError::new(ErrorCode::UnsupportedResponseType, "response_type must be code."));
    }
    if form.get("response_mode").is_some_and(|mode| mode != "query") {
        return Err(OAuthError::invalid_request("response_mode must be query."));
    }
    // FAPI 2.0 §5.3.2.2: required here, even with one registered.
    let redirect_uri = form.require("redirect_uri")?;
    if redirect_uri.len() > limits::URI_BYTES || !client.may_redirect_to(redirect_uri) {
        return Err(OAuthError::invalid_request("redirect_uri is not registered for this client, letter by letter."));
    }
    let dpop_jkt = dpop_jkt(form, dpop)?;
    if dpop_jkt.is_none() && !client.is_confidential() {
        return Err(OAuthError::invalid_request("A public client binds its code: send a DPoP proof or dpop_jkt."));
    }
    let decision_id = optional(form, "decision_id")?;
    let authorization_details = form
        .get("authorization_details")
        .map(|text| AuthorizationDetails::parse(text, &client.metadata().authorization_details_types))
        .transpose()?;
    if authorization_details.is_some() {
        if decision_id.is_none() {
            return Err(OAuthError::new(
                ErrorCode::InvalidAuthorizationDetails,
                "authorization_details goes with the decision_id under which the API lodged it.",
            ));
        }
        if dpop_jkt.is_none() {
            return Err(OAuthError::invalid_request("A transaction is bound to a key: send a DPoP proof or dpop_jkt."));
        }
    }
    Ok(AuthorizationRequest {
        client_id: client.id().to_owned(),
        redirect_uri: redirect_uri.to_owned(),
        code_challenge: CodeChallenge::parse(form.get("code_challenge"), form.get("code_challenge_method"))?,
        scope: scope(form, client, authorization_details.is_some())?,
        resource: resource(form, client, decision_id.is_some())?,
        state: form.bounded("state", limits::CLIENT_STATE_BYTES)?.map(str::to_owned),
        nonce: form.bounded("nonce", limits::CLIENT_STATE_BYTES)?.map(str::to_owned),
        authorization_details,
        decision_id,
        acr_values: acr_values(form)?,
        max_age_seconds: max_age(form)?,
        prompt: prompt(form)?,
        login_hint: form.bounded("login_hint", limits::NAME_BYTES)?.map(str::to_owned),
        ui_locales: form.bounded("ui_locales", limits::NAME_BYTES)?.map(str::to_owned),
        dpop_jkt,
    })
}

/// RFC 9449 §10.1: both ways to name the key are supported, and must agree.
fn dpop_jkt(form: &Form, dpop: Option<&VerifiedDpopProof>) -> Result<Option<Digest>, OAuthError> {
    let named: Option<Digest> = optional(form, "dpop_jkt")?;
    let proven = dpop.map(VerifiedDpopProof::jkt);
    match (named, proven) {
        (Some(named), Some(proven)) if named != proven => {
            Err(OAuthError::new(ErrorCode::InvalidDpopProof, "dpop_jkt is not the key of the DPoP proof."))
        }
        _ => Ok(named.or(proven)),
    }
}

fn scope(form: &Form, client: &VerifiedClient, transaction: bool) -> Result<BTreeSet<String>, OAuthError> {
    let scope = parse_scope(form.get("scope"), &client.metadata().scopes)?;
    // CONTRACT §5: one object, no scope, no ID token. What is approved is what was shown.
    if transaction && !scope.is_empty() {
        return Err(OAuthError::new(
            ErrorCode::InvalidScope,
            "A transaction is approved alone: send no scope with it.",
        ));
    }
    Ok(scope)
}

/// A space-separated scope, each token granted (RFC 6749 §3.3).
pub(crate) fn parse_scope(text: Option<&str>, granted: &BTreeSet<String>) -> Result<BTreeSet<String>, OAuthError> {
    let tokens: BTreeSet<String> =
        text.unwrap_or_default().split(' ').filter(|token| !token.is_empty()).map(str::to_owned).collect();
    if tokens.iter().all(|token| is_scope_token(token) && granted.contains(token)) {
        Ok(tokens)
    } else {
        Err(OAuthError::new(ErrorCode::InvalidScope, "A scope is malformed or not granted to this client."))
    }
}

/// RFC 8707 §2. With a decision, the API that lodged decides when none is named.
fn resource(form: &Form, client: &VerifiedClient, decision: bool) -> Result<Option<String>, OAuthError> {
    match form.get("resource") {
        Some(resource) => check_granted(resource, client).map(Some),
        None if decision => Ok(None),
        None => match client.only_audience() {
            Some(audience) => Ok(Some(audience.to_owned())),
            None => Err(OAuthError::new(ErrorCode::InvalidTarget, "Name the resource that the token is for.")),
        },
    }
}

/// The resource, if the client's tokens may be for it.
pub(crate) fn check_granted(resource: &str, client: &VerifiedClient) -> Result<String, OAuthError> {
    if check_resource(resource).is_ok() && client.metadata().audiences.contains(resource) {
        Ok(resource.to_owned())
    } else {
        Err(OAuthError::new(ErrorCode::InvalidTarget, "The resource is unknown or not granted to this client."))
    }
}

/// RFC 9470 §5 makes `acr_values` essential: values that we do not know cannot be met, but one that we know is enough.
fn acr_values(form: &Form) -> Result<Vec<Acr>, OAuthError> {
    let Some(text) = form.bounded("acr_values", limits::NAME_BYTES)? else { return Ok(Vec::new()) };
    let known: Vec<Acr> = text.split(' ').filter_map(|value| value.parse().ok()).collect();
    if known.is_empty() {
        return Err(OAuthError::new(
            ErrorCode::UnmetAuthenticationRequirements,
            "None of the acr_values is known; we have aal1, aal2, phr and phrh.",
        ));
    }
    Ok(known)
}

fn max_age(form: &Form) -> Result<Option<u32>, OAuthError> {
    match form.get("max_age") {
        None => Ok(None),
        // `u32::from_str` takes a plus sign; JSON and HTTP numbers have none.
        Some(text) if text.bytes().all(|byte| byte.is_ascii_digit()) => {
            text.parse().map(Some).map_err(|_| OAuthError::invalid_request("max_age is too large."))
        }
        Some(_) => Err(OAuthError::invalid_request("max_age is a number of seconds.")),
    }
}

/// OpenID Connect Core §3.1.2.1. We have neither a consent page nor a choice of accounts, so those two ask for nothing more.
fn prompt(form: &Form) -> Result<Prompt, OAuthError> {
    let mut prompt = Prompt::default();
    let values: Vec<&str> =
        form.get("prompt").unwrap_or_default().split(' ').filter(|value| !value.is_empty()).collect();
    for value in &values {
        match *value {
            "none" if values.len() == 1 => prompt = Prompt::None,
            "login" => prompt = Prompt::Login,
            "consent" | "select_account" => {}
            _ => {
                return Err(OAuthError::invalid_request("prompt is none alone, or of login, consent, select_account."));
            }
        }
    }
    Ok(prompt)
}

fn optional<T: FromStr>(form: &Form, name: &'static str) -> Result<Option<T>, OAuthError> {
    form.get(name)
        .map(str::parse)
        .transpose()
        .map_err(|_| OAuthError::composed(ErrorCode::InvalidRequest, &format!("The parameter '{name}' is malformed.")))
}
