//! A client pushes its authorization request (RFC 9126). It is stored and nothing else happens.

use super::decide::Record;
use crate::app::App;
use counterfoil_core::{
    audit::event::{Actor, EventKind},
    decision::Outcome,
    digest::Digest,
    id::DecisionId,
    limits,
    time::Time,
};
use counterfoil_oauth::{
    authorize::{AuthorizationRequest, RequestUri},
    client_auth::VerifiedClient,
    dpop::VerifiedDpopProof,
    error::{ErrorCode, OAuthError},
    form::Form,
    par::{self, PushedResponse},
};
use counterfoil_store::{Body, PushedRequest, SpendKey, Tx};

use super::error;

/// Reads, checks against the decision it answers, and stores.
pub async fn push(
    app: &App,
    form: &Form,
    client: &VerifiedClient,
    dpop: Option<&VerifiedDpopProof>,
    now: Time,
) -> Result<PushedResponse, OAuthError> {
    let mut request = par::parse(form, client, dpop)?;
    let mut txn_digest = None;
    if let Some(decision) = request.decision_id {
        let lodged = lodged(app, decision, client.id(), now).await?;
        let audience = lodged.input.audience.clone();
        if request.resource.is_some() && request.resource != audience {
            return Err(OAuthError::new(ErrorCode::InvalidTarget, "The decision was lodged by another resource."));
        }
        request.resource = audience;
        txn_digest = check_transaction(app, &request, &lodged)?;
    }
    let reference = RequestUri::new(&app.random.bytes());
    let digest = reference.digest();
    let mut tx = Tx::new(now);
    spend_credentials(&mut tx, client, dpop);
    tx.push_request(&PushedRequest {
        id: digest.to_string(),
        client_id: client.id().to_owned(),
        expires_at: now.plus_seconds(limits::PUSHED_REQUEST_SECONDS),
        body: Body::of(&request).map_err(error::internal)?,
    });
    let event = app.event(
        now,
        Actor::Client { client_id: client.id().to_owned() },
        EventKind::RequestPushed {
            request: digest,
            client_id: client.id().to_owned(),
            decision: request.decision_id,
            txn_digest,
        },
    );
    tx.commit(&app.store, event).await.map_err(error::commit)?;
    Ok(PushedResponse { request_uri: reference.to_uri(), expires_in: limits::PUSHED_REQUEST_SECONDS })
}

/// The decision that a client answers: a step-up of its own, still good. Anything else looks alike.
pub async fn lodged(app: &App, id: DecisionId, client_id: &str, now: Time) -> Result<Record, OAuthError> {
    let unknown = || OAuthError::invalid_request("The decision is unknown, over, or not this client's.");
    let found = app.store.decision(id).await.map_err(error::read)?.ok_or_else(unknown)?;
    let record: Record = serde_json::from_str(&found.record.body).map_err(error::internal)?;
    let fresh = now.seconds_since(found.record.at) < limits::DECISION_SECONDS;
    let own = record.input.client_id.as_deref() == Some(client_id);
    if found.current && fresh && own && record.answer.outcome == Outcome::StepUp { Ok(record) } else { Err(unknown()) }
}

/// What is pushed must be, to the byte, what the API lodged (DESIGN §5).
fn check_transaction(app: &App, request: &AuthorizationRequest, lodged: &Record) -> Result<Option<Digest>, OAuthError> {
    let invalid = |why: &'static str| OAuthError::new(ErrorCode::InvalidAuthorizationDetails, why);
    match (&request.authorization_details, lodged.answer.txn_digest) {
        (None, None) => Ok(None),
        (None, Some(_)) => Ok(None),
        (Some(_), None) => Err(invalid("The decision was lodged without a transaction.")),
        (Some(details), Some(digest)) => {
            let pack = app.pack.load();
            let kind = pack.transaction_type(details.kind()).ok_or(invalid("This type of transaction is unknown."))?;
            let transaction = kind
                .validate(details.object())
                .map_err(|error| OAuthError::composed(ErrorCode::InvalidAuthorizationDetails, &error.to_string()))?;
            if transaction.digest() == digest {
                Ok(Some(digest))
            } else {
                Err(invalid("The transaction is not the one that the resource lodged."))
            }
        }
    }
}

/// What a request of a client proved itself with is used up in the same unit.
pub fn spend_credentials(tx: &mut Tx, client: &VerifiedClient, dpop: Option<&VerifiedDpopProof>) {
    if let Some(assertion) = client.assertion_use() {
        tx.spend(SpendKey::jti("client", &assertion.replay_key.to_string()), assertion.remember_until);
    }
    if let Some(proof) = dpop {
        tx.spend(SpendKey::jti("dpop", &proof.replay_key().to_string()), proof.remember_until());
    }
}
