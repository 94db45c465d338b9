//! A code becomes a token, once; or a client gets one for itself. The record is committed before anything is signed: a
//! crash may lose a token, never leave one unrecorded.

use super::{error, push::spend_credentials};
use crate::{app::App, facts::TokenSince};
use counterfoil_core::{
    audit::event::{Actor, Event, EventKind},
    id::{SubjectId, TokenId},
    limits,
    time::Time,
};
use counterfoil_oauth::{
    access_token::{self, AccessTokenClaims, Confirmation},
    client_auth::VerifiedClient,
    dpop::VerifiedDpopProof,
    error::{ErrorCode, OAuthError},
    form::Form,
    grant::{self, CheckedGrant, CodeGrant},
    id_token::{self, IdTokenClaims},
    token_request::{CodeRequest, TokenRequest, TokenResponse, TokenType},
};
use counterfoil_store::{Body, CodeRecord, CommitError, Refusal, TokenRecord, Tx};
use std::{collections::BTreeSet, sync::Arc};

/// Answers a token request of a client that authenticated, with a proof of the key that the token will be bound to.
pub async fn issue_token(
    app: &App,
    form: &Form,
    client: &VerifiedClient,
    dpop: &VerifiedDpopProof,
    now: Time,
) -> Result<TokenResponse, OAuthError> {
    match TokenRequest::parse(form, client)? {
        TokenRequest::AuthorizationCode(request) => for_code(app, client, &request, dpop, now).await,
        TokenRequest::ClientCredentials { scope, resource } => {
            for_client(app, client, scope, resource, dpop, now).await
        }
    }
}

async fn for_code(
    app: &App,
    client: &VerifiedClient,
    request: &CodeRequest,
    dpop: &VerifiedDpopProof,
    now: Time,
) -> Result<TokenResponse, OAuthError> {
    let record = app.store.code(&request.code.digest()).await.map_err(error::read)?.ok_or_else(grant::unknown_code)?;
    let granted: CodeGrant = record.body.read().map_err(error::internal)?;
    let checked = match granted.check(client, request, dpop, now) {
        Ok(checked) => checked,
        Err(refusal) => {
            // A code that its own client presents wrongly is finished; another client cannot finish it.
            if record.client_id == client.id() {
                burn(app, &record, client, now).await;
            }
            return Err(refusal);
        }
    };
    let claims = code_claims(app, &checked, now);
    let mut tx = Tx::new(now);
    spend_credentials(&mut tx, client, Some(dpop));
    tx.redeem_code(&record);
    tx.issue_token(&TokenRecord {
        id: claims.jti,
        client_id: claims.client_id.clone(),
        audience: claims.aud.clone(),
        subject: Some(checked.grant().subject),
        login: Some(checked.grant().login),
        challenge: claims.txn,
        code: Some(record.hash),
        issued_at: now,
        expires_at: Time::from_seconds(claims.exp),
        revoked_at: None,
        body: Body::of(&claims).map_err(error::internal)?,
    });
    let event = issued(app, &claims, Some((&record, checked.grant().subject)), now);
    let since = app.facts.token_since(&claims);
    if let Err(refused) = tx.commit(&app.store, event).await {
        if refused.spent().is_some_and(|key| key.starts_with("code:")) {
            revoke_all(app, &record, now).await;
            return Err(grant::unknown_code());
        }
        return Err(match &refused {
            CommitError::Refused(Refusal::Condition { table, .. }) if *table != "clients" => {
                OAuthError::new(ErrorCode::InvalidGrant, "The sign-in behind the code has ended.")
            }
            _ => error::commit(refused),
        });
    }
    let id_token = id_token(app, &checked, now)?;
    let details = claims.authorization_details.clone();
    respond(app, &claims, id_token, details, since)
}

fn code_claims(app: &App, checked: &CheckedGrant, now: Time) -> AccessTokenClaims {
    let granted = checked.grant();
    let seconds =
        if granted.transaction.is_some() { limits::TRANSACTION_TOKEN_SECONDS } else { limits::ACCESS_TOKEN_SECONDS };
    AccessTokenClaims {
        iss: app.issuer.clone(),
        aud: granted.resource.clone(),
        sub: granted.subject.to_string(),
        client_id: granted.client_id.clone(),
        iat: now.seconds(),
        exp: now.seconds() + seconds,
        jti: TokenId::new(now, app.random.id()),
        cnf: Confirmation { jkt: checked.jkt() },
        scope: scope(&granted.scope),
        acr: Some(granted.acr),
        amr: granted.amr.clone(),
        auth_time: Some(granted.auth_time.seconds()),
        lineage: Some(granted.login),
        txn: granted.transaction.as_ref().map(|transaction| transaction.txn),
        authorization_details: granted.transaction.as_ref().map(|t| t.authorization_details.clone()),
    }
}

fn id_token(app: &App, checked: &CheckedGrant, now: Time) -> Result<Option<String>, OAuthError> {
    let granted = checked.grant();
    if !granted.scope.contains("openid") || granted.transaction.is_some() {
        return Ok(None);
    }
    let claims = IdTokenClaims {
        iss: app.issuer.clone(),
        sub: granted.subject,
        aud: granted.client_id.clone(),
        exp: now.seconds() + limits::ACCESS_TOKEN_SECONDS,
        iat: now.seconds(),
        auth_time: granted.auth_time.seconds(),
        nonce: granted.nonce.clone(),
        acr: granted.acr,
        amr: granted.amr.clone(),
        sid: Some(granted.session),
    };
    id_token::issue(&app.keys.tokens, &claims).map(Some).map_err(error::internal)
}

async fn for_client(
    app: &App,
    client: &VerifiedClient,
    scopes: BTreeSet<String>,
    resource: String,
    dpop: &VerifiedDpopProof,
    now: Time,
) -> Result<TokenResponse, OAuthError> {
    let claims = AccessTokenClaims {
        iss: app.issuer.clone(),
        aud: resource,
        sub: client.id().to_owned(),
        client_id: client.id().to_owned(),
        iat: now.seconds(),
        exp: now.seconds() + limits::ACCESS_TOKEN_SECONDS,
        jti: TokenId::new(now, app.random.id()),
        cnf: Confirmation { jkt: dpop.jkt() },
        scope: scope(&scopes),
        acr: None,
        amr: Vec::new(),
        auth_time: None,
        lineage: None,
        txn: None,
        authorization_details: None,
    };
    let mut tx = Tx::new(now);
    spend_credentials(&mut tx, client, Some(dpop));
    tx.issue_token(&TokenRecord {
        id: claims.jti,
        client_id: claims.client_id.clone(),
        audience: claims.aud.clone(),
        subject: None,
        login: None,
        challenge: None,
        code: None,
        issued_at: now,
        expires_at: Time::from_seconds(claims.exp),
        revoked_at: None,
        body: Body::of(&claims).map_err(error::internal)?,
    });
    let event = issued(app, &claims, None, now);
    let since = app.facts.token_since(&claims);
    tx.commit(&app.store, event).await.map_err(error::commit)?;
    respond(app, &claims, None, None, since)
}

fn scope(scopes: &BTreeSet<String>) -> Option<String> {
    (!scopes.is_empty()).then(|| scopes.iter().map(String::as_str).collect::<Vec<_>>().join(" "))
}

/// `granted`: the code that it is for, and whose.
fn issued(app: &App, claims: &AccessTokenClaims, granted: Option<(&CodeRecord, SubjectId)>, now: Time) -> Event {
    let kind = EventKind::TokenIssued {
        token: claims.jti,
        client_id: claims.client_id.clone(),
        audience: claims.aud.clone(),
        subject: granted.map(|(_, subject)| subject),
        login: claims.lineage,
        challenge: claims.txn,
        code: granted.map(|(code, _)| code.hash),
        jkt: claims.cnf.jkt,
        expires_at: Time::from_seconds(claims.exp),
    };
    app.event(now, Actor::Client { client_id: claims.client_id.clone() }, kind)
}

/// `since`: taken before the token was committed.
fn respond(
    app: &App,
    claims: &AccessTokenClaims,
    id_token: Option<String>,
    authorization_details: Option<counterfoil_oauth::rar::AuthorizationDetails>,
    since: TokenSince,
) -> Result<TokenResponse, OAuthError> {
    let (access_token, verified) = access_token::issue(&app.keys.tokens, claims).map_err(error::internal)?;
    app.facts.remember_token(Arc::new(verified), since);
    Ok(TokenResponse {
        access_token,
        token_type: TokenType::DPoP,
        expires_in: claims.exp - claims.iat,
        scope: claims.scope.clone(),
        id_token,
        authorization_details,
    })
}

/// Uses a code up without a token: what was presented with it was wrong.
async fn burn(app: &App, record: &CodeRecord, client: &VerifiedClient, now: Time) {
    let mut tx = Tx::new(now);
    tx.redeem_code(record);
    let kind = EventKind::CodeRefused { code: record.hash, client_id: client.id().to_owned() };
    let event = app.event(now, Actor::Client { client_id: client.id().to_owned() }, kind);
    if let Err(error) = tx.commit(&app.store, event).await {
        tracing::info!(%error, "a code that was presented wrongly could not be used up");
    }
}

/// A code that comes twice has leaked: what was issued for it ends (RFC 9700 §2.1.1).
async fn revoke_all(app: &App, record: &CodeRecord, now: Time) {
    let tokens = match app.store.tokens_of_code(&record.hash).await {
        Ok(tokens) => tokens,
        Err(error) => return tracing::error!(%error, "the tokens of a code that came twice could not be read"),
    };
    for token in tokens {
        let mut tx = Tx::new(now);
        tx.revoke_token(&token);
        let event = app.event(now, Actor::System {}, EventKind::TokenRevoked { token: token.id });
        if let Err(error) = tx.commit(&app.store, event).await {
            tracing::error!(%error, "a token of a code that came twice could not be revoked");
        }
        app.facts.forget_token(token.id);
    }
}
