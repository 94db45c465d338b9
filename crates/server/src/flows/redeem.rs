//! An approval has its one effect: exactly one (caller, redemption_id) is ever told "spent for you" (DESIGN §6, R1).

use super::evaluate::{Possession, remembered};
use crate::{
    app::App,
    problem::{Kind, Problem},
};
use counterfoil_core::{
    audit::event::{Actor, Event, EventKind, ReportedOutcome},
    challenge::{Challenge, ChallengeState},
    digest::Digest,
    id::{ChallengeId, TokenId},
    limits,
    time::Time,
};
use counterfoil_oauth::{
    access_token::VerifiedAccessToken,
    dpop::{self, ProvenRequest},
    uri::HttpUri,
};
use counterfoil_store::{CommitError, Redemption, Tx};
use serde_json::{Value, json};

/// What a protected API asks to spend.
#[derive(Debug)]
pub struct Spend {
    /// Who asks.
    pub audience: String,
    /// The transaction's token.
    pub access_token: String,
    /// The proof that came with it; absent where the API has checked possession itself (evaluation only).
    pub dpop: Option<Possession>,
    /// SHA-256 of what the API is about to execute.
    pub txn_digest: Digest,
    /// The API's own name for this act.
    pub redemption_id: String,
}

/// Why nothing was spent now.
enum Unspent {
    /// This is said, and recorded.
    Refused(Option<ChallengeId>, Kind),
    /// The unit was not kept, for a reason that is to be found out.
    Lost(ChallengeId, TokenId, CommitError),
    /// The request is at fault, or we are.
    Said(Problem),
}

impl<E: Into<Problem>> From<E> for Unspent {
    fn from(error: E) -> Self {
        Self::Said(error.into())
    }
}

/// Spends, or gives the recorded answer of the same act.
pub async fn redeem(app: &App, spend: &Spend, now: Time) -> Result<Value, Problem> {
    let unspent = match first(app, spend, now).await {
        Ok(answer) => return Ok(answer),
        // Never yes: what can be read now may be lost with the server that has it. The caller asks again.
        Err(Unspent::Lost(_, _, error @ CommitError::Unknown)) => return Err(error.into()),
        Err(unspent) => unspent,
    };
    // A lost reply is safe: the same caller, name and digest get the same answer, whatever has ended since.
    if let Some(earlier) = app.store.redemption_by_name(&spend.audience, &spend.redemption_id).await? {
        return if earlier.is_replay_of(&spend.audience, &spend.redemption_id, &spend.txn_digest) {
            Ok(replayed(earlier.answer))
        } else {
            refuse(app, spend, Some(earlier.challenge), Kind::SPENT, now).await
        };
    }
    match unspent {
        Unspent::Refused(challenge, kind) => refuse(app, spend, challenge, kind, now).await,
        Unspent::Lost(txn, token, error) => lost(app, spend, txn, token, error, now).await,
        Unspent::Said(problem) => Err(problem),
    }
}

/// Spends what was not spent before.
async fn first(app: &App, spend: &Spend, now: Time) -> Result<Value, Unspent> {
    let Some(token) = remembered(app, &spend.access_token, now).await? else {
        return Err(Unspent::Refused(None, Kind::EXPIRED));
    };
    let claims = token.claims();
    if claims.aud != spend.audience {
        return Err(Problem::new(Kind::FORBIDDEN).detail("the token is for another API").into());
    }
    possession(&token, spend, now)?;
    let (Some(txn), Some(details)) = (claims.txn, claims.authorization_details.as_ref()) else {
        return Err(Problem::new(Kind::INVALID_REQUEST)
            .pointer("/access_token")
            .detail("the token has no transaction")
            .into());
    };
    let record = app.store.challenge(txn).await?.ok_or_else(|| Problem::new(Kind::EXPIRED))?;
    let challenge: Challenge = record.body.read().map_err(Problem::internal)?;
    let statement = challenge.statement();
    if !matches!(challenge.state(), ChallengeState::Proven { .. }) {
        return Err(Problem::internal("a token exists for a challenge that was never proven").into());
    }
    if statement.txn_digest != Some(spend.txn_digest) {
        return Err(Unspent::Refused(Some(txn), Kind::DIGEST_MISMATCH));
    }
    if statement.policy_version != app.pack.load().version() {
        return Err(Unspent::Refused(Some(txn), Kind::POLICY_CHANGED));
    }
    let (Some(subject), Some(login), Some(decision)) = (statement.subject, claims.lineage, statement.decision_id)
    else {
        return Err(Problem::internal("a transaction's statement lacks its subject, login or decision").into());
    };
    let answer = json!({
        "outcome": "spent",
        "replayed": false,
        "txn": txn,
        "counterfoil": super::step_up::counterfoil(txn),
        "decision_id": decision,
        "subject": subject,
        "client_id": claims.client_id,
        "authorization_details": [details.object()],
    });
    let redemption = Redemption {
        challenge: txn,
        audience: spend.audience.clone(),
        redemption_id: spend.redemption_id.clone(),
        digest: spend.txn_digest,
        at: now,
        login,
        subject,
        policy_version: statement.policy_version,
        answer: answer.clone(),
        outcome: None,
        version: 0,
    };
    let mut tx = Tx::new(now);
    tx.redeem(&redemption, &record).require_token(claims.jti);
    let kind = EventKind::Spent {
        challenge: txn,
        redemption: Digest::of(spend.redemption_id.as_bytes()),
        audience: spend.audience.clone(),
        txn_digest: spend.txn_digest,
        token: Some(claims.jti),
        decision,
        policy_version: statement.policy_version,
    };
    match tx.commit(&app.store, app.event(now, actor(spend), kind)).await {
        Ok(_) => Ok(answer),
        Err(error) => Err(Unspent::Lost(txn, claims.jti, error)),
    }
}

/// Possession of the token's key, as shown to the API. Nonce and `jti` are that API's duty.
fn possession(token: &VerifiedAccessToken, spend: &Spend, now: Time) -> Result<(), Problem> {
    let Some(possession) = &spend.dpop else { return Ok(()) };
    let uri = HttpUri::parse(&possession.uri)
        .map_err(|_| Problem::new(Kind::INVALID_REQUEST).pointer("/dpop/uri").detail("not an http URI"))?;
    let request = ProvenRequest { method: &possession.method, uri: &uri, now };
    dpop::verify_for_api(&possession.proof, request, token.bound())
        .map(drop)
        .map_err(|error| Problem::new(Kind::INVALID_REQUEST).pointer("/dpop/proof").detail(error.to_string()))
}

/// Somebody else was first, or something ended meanwhile: say which.
async fn lost(
    app: &App,
    spend: &Spend,
    txn: ChallengeId,
    token: TokenId,
    error: CommitError,
    now: Time,
) -> Result<Value, Problem> {
    if !matches!(error, CommitError::Refused(_)) {
        return Err(Problem::from(error));
    }
    if let Some(earlier) = app.store.redemption(txn).await? {
        return if earlier.is_replay_of(&spend.audience, &spend.redemption_id, &spend.txn_digest) {
            Ok(replayed(earlier.answer))
        } else {
            refuse(app, spend, Some(txn), Kind::SPENT, now).await
        };
    }
    app.facts.forget_token(token);
    if app.store.token(token).await?.is_none_or(|record| record.revoked_at.is_some()) {
        return refuse(app, spend, Some(txn), Kind::EXPIRED, now).await;
    }
    let version = app.store.active_policy().await?.map(|active| active.policy_version);
    let kind = if version != Some(app.pack.load().version()) { Kind::POLICY_CHANGED } else { Kind::CONTAINED };
    refuse(app, spend, Some(txn), kind, now).await
}

fn replayed(mut answer: Value) -> Value {
    if let Some(replayed) = answer.get_mut("replayed") {
        *replayed = Value::Bool(true);
    }
    answer
}

fn actor(spend: &Spend) -> Actor {
    Actor::Api { audience: spend.audience.clone() }
}

/// Records a refusal as a unit of its own, then says it.
async fn refuse(
    app: &App,
    spend: &Spend,
    challenge: Option<ChallengeId>,
    kind: Kind,
    now: Time,
) -> Result<Value, Problem> {
    let reason = EventKind::SpendRefused { challenge, audience: spend.audience.clone(), reason: kind.name.to_owned() };
    let mut tx = Tx::new(now);
    if let Some(challenge) = challenge {
        tx.about("challenge", challenge);
    }
    tx.commit(&app.store, app.event(now, actor(spend), reason)).await?;
    Err(Problem::new(kind))
}

/// The API says what became of it. Said once; the same again is no error.
pub async fn report(
    app: &App,
    audience: &str,
    redemption_id: &str,
    outcome: ReportedOutcome,
    now: Time,
) -> Result<(), Problem> {
    let found = app.store.redemption_by_name(audience, redemption_id).await?;
    let redemption = found.ok_or_else(|| Problem::new(Kind::NOT_FOUND))?;
    match redemption.outcome {
        Some(earlier) if earlier == outcome => return Ok(()),
        Some(_) => return Err(Problem::new(Kind::CONFLICT).detail("another outcome was reported before")),
        None => {}
    }
    let event: Event = app.event(
        now,
        Actor::Api { audience: audience.to_owned() },
        EventKind::OutcomeReported {
            challenge: redemption.challenge,
            redemption: Digest::of(redemption_id.as_bytes()),
            outcome,
        },
    );
    let mut tx = Tx::new(now);
    tx.report_outcome(&redemption, outcome);
    tx.commit(&app.store, event).await?;
    Ok(())
}

const _: () = assert!(limits::TRANSACTION_TOKEN_SECONDS <= limits::ACCESS_TOKEN_SECONDS);
