//! The way of one authorization: pushed request, challenge, code, token, redemption. Each can be used once, by a spend.

use crate::{
    backend::Value,
    body::Body,
    error::ReadError,
    noun::Noun,
    store::Store,
    table::{self, Table},
    tx::{FOR_EVER, SpendKey, Tx, Upkeep, versioned},
};
use counterfoil_core::{
    audit::event::ReportedOutcome,
    digest::Digest,
    id::{ChallengeId, DecisionId, LoginId, SessionId, SubjectId, TokenId},
    limits::{CODE_SECONDS, REPLAY_MEMORY_SECONDS},
    time::Time,
};
use serde::{Deserialize, Serialize};

/// `AND` this: what an older epoch left open is void.
const CURRENT: &str = "AND epoch = (SELECT number FROM meta WHERE name = 'epoch')";

/// A pushed authorization request (RFC 9126).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PushedRequest {
    /// The random part of its `request_uri`, or a hash of it: nobody can guess it.
    pub id: String,
    /// The client that pushed it.
    pub client_id: String,
    /// When it ends.
    pub expires_at: Time,
    /// What was pushed, as the caller reads it again.
    pub body: Body,
}

impl Noun for PushedRequest {
    const TABLE: &'static Table = &table::PUSHED_REQUESTS;

    fn columns(&self) -> Vec<Value> {
        vec![Value::text(&self.id), Value::text(&self.client_id), Value::time(self.expires_at), Value::Epoch]
    }
}

/// A challenge as it is kept: what it is found by, and the challenge itself in `body`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChallengeRecord {
    /// Which; `txn` in tokens.
    pub id: ChallengeId,
    /// The session that it belongs to. Any other browser reads nothing of it.
    pub session: SessionId,
    /// Whose proof it waits for, once that is known.
    pub subject: Option<SubjectId>,
    /// The decision that it answers.
    pub decision: Option<DecisionId>,
    /// Its state's name: `open`, `proven`, `refused`, `void`.
    pub state: String,
    /// When it ends.
    pub expires_at: Time,
    /// The challenge, as the caller reads it again.
    pub body: Body,
    /// Rises with every change; 0 before the first is kept.
    pub version: i64,
}

impl Noun for ChallengeRecord {
    const TABLE: &'static Table = &table::CHALLENGES;

    fn columns(&self) -> Vec<Value> {
        vec![
            Value::id(self.id),
            Value::id(self.session),
            Value::maybe(self.subject),
            Value::maybe(self.decision),
            Value::text(&self.state),
            Value::time(self.expires_at),
            Value::Epoch,
            Value::Int(self.version),
        ]
    }
}
versioned!(ChallengeRecord, "id");

/// An authorization code, by hash: the code itself is known to the client alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CodeRecord {
    /// SHA-256 of the code.
    pub hash: Digest,
    /// For which client.
    pub client_id: String,
    /// Whose.
    pub subject: SubjectId,
    /// The login it came from.
    pub login: LoginId,
    /// The challenge that was proven for it, if a transaction is.
    pub challenge: Option<ChallengeId>,
    /// When it ends.
    pub expires_at: Time,
    /// What it stands for, as the caller reads it again.
    pub body: Body,
}

impl Noun for CodeRecord {
    const TABLE: &'static Table = &table::CODES;

    fn columns(&self) -> Vec<Value> {
        vec![
            Value::id(self.hash),
            Value::text(&self.client_id),
            Value::id(self.login),
            Value::time(self.expires_at),
            Value::Epoch,
        ]
    }
}

/// A token that we issued, without the token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenRecord {
    /// `jti`.
    pub id: TokenId,
    /// For which client.
    pub client_id: String,
    /// For which API: `aud`.
    pub audience: String,
    /// Whose; none for a client's own.
    pub subject: Option<SubjectId>,
    /// The login it came from; none for a client's own.
    pub login: Option<LoginId>,
    /// The challenge that its transaction is spent by.
    pub challenge: Option<ChallengeId>,
    /// The code that it was issued for.
    pub code: Option<Digest>,
    /// When it was issued.
    pub issued_at: Time,
    /// When it ends.
    pub expires_at: Time,
    /// When it was revoked.
    pub revoked_at: Option<Time>,
    /// Its claims, as the caller reads them again.
    pub body: Body,
}

impl Noun for TokenRecord {
    const TABLE: &'static Table = &table::TOKENS;

    fn columns(&self) -> Vec<Value> {
        vec![
            Value::id(self.id),
            Value::text(&self.client_id),
            Value::maybe(self.login),
            Value::maybe(self.code),
            Value::time(self.expires_at),
            self.revoked_at.map_or(Value::NoInt, Value::time),
            Value::Int(self.revoked_at.is_some().into()),
        ]
    }
}

/// A challenge that was spent: for whom, on what, and what they were told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Redemption {
    /// The challenge: the key of spending.
    pub challenge: ChallengeId,
    /// The API that spent it.
    pub audience: String,
    /// The API's own name for this redemption: the same again gets the same answer.
    pub redemption_id: String,
    /// The digest of what it is about to execute.
    pub digest: Digest,
    /// When.
    pub at: Time,
    /// The login behind the token.
    pub login: LoginId,
    /// Whose transaction it is.
    pub subject: SubjectId,
    /// The pack under which the statement was made, and which must still be active.
    pub policy_version: Digest,
    /// What the API was told.
    pub answer: serde_json::Value,
    /// What the API says became of it.
    pub outcome: Option<ReportedOutcome>,
    /// Rises with every change; 0 before the first is kept.
    pub version: i64,
}

impl Redemption {
    /// Is this the same request, to be answered the same way again?
    pub fn is_replay_of(&self, audience: &str, redemption_id: &str, digest: &Digest) -> bool {
        self.audience == audience && self.redemption_id == redemption_id && self.digest == *digest
    }
}

impl Noun for Redemption {
    const TABLE: &'static Table = &table::REDEMPTIONS;

    fn columns(&self) -> Vec<Value> {
        let outcome = self.outcome.map(|outcome| match outcome {
            ReportedOutcome::Executed => "executed",
            ReportedOutcome::Failed => "failed",
        });
        vec![
            Value::id(self.challenge),
            Value::text(&self.audience),
            Value::text(&self.redemption_id),
            Value::time(self.at),
            Value::maybe(outcome),
            Value::Int(self.version),
        ]
    }
}
versioned!(Redemption, "challenge");

impl Tx {
    /// A request of a client that is registered is stored; nothing else happens (RFC 9126).
    pub fn push_request(&mut self, request: &PushedRequest) -> &mut Self {
        self.require_client(&request.client_id).insert(request)
    }

    /// A pushed request is used, once, in the epoch in which it was pushed.
    pub fn consume_pushed_request(&mut self, request: &PushedRequest) -> &mut Self {
        let until = request.expires_at.plus_seconds(REPLAY_MEMORY_SECONDS);
        self.demand(&table::PUSHED_REQUESTS, &["id", "epoch"], vec![Value::text(&request.id), Value::Epoch])
            .spend(SpendKey::new("request", &request.id), until)
    }

    /// A challenge is opened. A decision opens at most one.
    pub fn open_challenge(&mut self, challenge: &ChallengeRecord) -> &mut Self {
        self.about("challenge", challenge.id);
        if let Some(decision) = challenge.decision {
            self.about("decision", decision);
            self.demand(&table::DECISIONS, &["id", "epoch"], vec![Value::id(decision), Value::Epoch]);
            self.spend(SpendKey::new("opened", decision), FOR_EVER);
        }
        self.add(challenge)
    }

    /// A decision got its answer, which opens no challenge: it opens none any more, and is not answered again.
    pub fn close_decision(&mut self, decision: DecisionId) -> &mut Self {
        self.about("decision", decision).spend(SpendKey::new("opened", decision), FOR_EVER)
    }

    /// A challenge becomes what `challenge` says, if it is still as it was read and its epoch is not over.
    pub fn change_challenge(&mut self, challenge: &ChallengeRecord) -> &mut Self {
        self.require_challenge(challenge).about("challenge", challenge.id).change(challenge)
    }

    /// Demands that this challenge is still as it was read and that its epoch is not over.
    pub fn require_challenge(&mut self, challenge: &ChallengeRecord) -> &mut Self {
        let values = vec![Value::id(challenge.id), Value::Epoch, Value::Int(challenge.version)];
        self.demand(&table::CHALLENGES, &["id", "epoch", "version"], values)
    }

    /// A code is issued to a client that is registered, from a login that is open.
    pub fn issue_code(&mut self, code: &CodeRecord) -> &mut Self {
        if let Some(challenge) = code.challenge {
            self.about("challenge", challenge);
        }
        self.require_client(&code.client_id).require_login(code.login).require_active(code.subject);
        self.about("login", code.login).insert(code)
    }

    /// A code is used, once, in its epoch, while its login is open. If it was used before, everything that came of it is
    /// to be revoked (RFC 9700 §2.1.1): see [`Store::tokens_of_code`].
    pub fn redeem_code(&mut self, code: &CodeRecord) -> &mut Self {
        if let Some(challenge) = code.challenge {
            self.about("challenge", challenge);
        }
        let until = code.expires_at.plus_seconds(CODE_SECONDS + REPLAY_MEMORY_SECONDS);
        self.demand(&table::CODES, &["hash", "epoch"], vec![Value::id(code.hash), Value::Epoch])
            .require_login(code.login)
            .spend(SpendKey::new("code", code.hash), until)
    }

    /// A token is issued to a client that is registered: whoever removes it and then revokes what it holds has revoked all of
    /// it. Its login, if it has one, must be open.
    pub fn issue_token(&mut self, token: &TokenRecord) -> &mut Self {
        self.require_client(&token.client_id);
        if let Some(login) = token.login {
            self.require_login(login).about("login", login);
        }
        if let Some(subject) = token.subject {
            self.require_active(subject);
        }
        self.about("token", token.id).insert(token)
    }

    /// Demands that this token is not revoked.
    pub fn require_token(&mut self, id: TokenId) -> &mut Self {
        self.demand(&table::TOKENS, &["id", "revoked"], vec![Value::id(id), Value::Int(0)])
    }

    /// A token is not to be accepted any more: guards and nodes learn it.
    pub fn revoke_token(&mut self, token: &TokenRecord) -> &mut Self {
        let revoked = TokenRecord { revoked_at: Some(token.revoked_at.unwrap_or(self.now)), ..token.clone() };
        self.about("token", token.id).feed("token", token.id).put(&revoked)
    }

    /// A challenge is spent: once, for one caller, while its login is open, its person not suspended, its epoch current
    /// and the statement's pack still the active one. The caller's name for it is taken with it: under one name there is
    /// one answer to give again, and one outcome to report.
    pub fn redeem(&mut self, redemption: &Redemption, challenge: &ChallengeRecord) -> &mut Self {
        let (audience, name) = (&redemption.audience, &redemption.redemption_id);
        let name = SpendKey::new("redemption", format_args!("{}:{audience}:{name}", audience.len()));
        self.require_challenge(challenge)
            .require_login(redemption.login)
            .require_active(redemption.subject)
            .require_policy(redemption.policy_version)
            .about("challenge", redemption.challenge)
            .spend(SpendKey::new("txn", redemption.challenge), FOR_EVER)
            .spend(name, FOR_EVER)
            .add(redemption)
    }

    /// The API says what became of it. Said once.
    pub fn report_outcome(&mut self, redemption: &Redemption, outcome: ReportedOutcome) -> &mut Self {
        let reported = Redemption { outcome: Some(outcome), ..redemption.clone() };
        self.about("challenge", redemption.challenge)
            .spend(SpendKey::new("outcome", redemption.challenge), FOR_EVER)
            .change(&reported)
    }
}

impl Upkeep {
    /// A wrong answer was counted: the challenge stays open, if it is still as it was read.
    pub fn fail_challenge(&mut self, challenge: &ChallengeRecord) -> &mut Self {
        self.0.require_challenge(challenge).change(challenge);
        self
    }
}

impl Store {
    /// The pushed request of this identifier, unless an older epoch left it. It may be used or over.
    pub async fn pushed_request(&self, id: &str) -> Result<Option<PushedRequest>, ReadError> {
        self.one(&format!("WHERE id = $1 {CURRENT}"), &[Value::text(id)]).await
    }

    /// The challenge of this identifier, unless an older epoch left it.
    pub async fn challenge(&self, id: ChallengeId) -> Result<Option<ChallengeRecord>, ReadError> {
        self.one(&format!("WHERE id = $1 {CURRENT}"), &[Value::id(id)]).await
    }

    /// The challenge that this decision opened, if it did.
    pub async fn challenge_of_decision(
        &self,
        session: SessionId,
        id: DecisionId,
    ) -> Result<Option<ChallengeRecord>, ReadError> {
        self.one(&format!("WHERE session = $1 AND decision = $2 {CURRENT}"), &[Value::id(session), Value::id(id)]).await
    }

    /// How many challenges of this session wait for an answer at `now`, and when the first of them ends.
    pub async fn open_challenges(&self, session: SessionId, now: Time) -> Result<(i64, Option<Time>), ReadError> {
        let sql = "SELECT COUNT(*), MIN(expires_at) FROM challenges WHERE session = $1 AND state = 'open' AND expires_at > $2";
        let rows = self.pool().fetch(sql, &[Value::id(session), Value::time(now)]).await?;
        let Some(row) = rows.first() else { return Ok((0, None)) };
        Ok((row.int(0)?, row.maybe_int(1)?.map(Time::from_millis)))
    }

    /// The code of this hash, unless an older epoch left it. It may be used or over.
    pub async fn code(&self, hash: &Digest) -> Result<Option<CodeRecord>, ReadError> {
        self.one(&format!("WHERE hash = $1 {CURRENT}"), &[Value::id(hash)]).await
    }

    /// The token of this `jti`.
    pub async fn token(&self, id: TokenId) -> Result<Option<TokenRecord>, ReadError> {
        self.one("WHERE id = $1", &[Value::id(id)]).await
    }

    /// Tokens of this client that somebody could still use at `now`, at most `limit`.
    pub async fn live_tokens_of_client(
        &self,
        client_id: &str,
        now: Time,
        limit: u32,
    ) -> Result<Vec<TokenRecord>, ReadError> {
        let rest = "WHERE expires_at > $1 AND client_id = $2 AND revoked_at IS NULL ORDER BY expires_at LIMIT $3";
        self.many(rest, &[Value::time(now), Value::text(client_id), Value::Int(limit.into())]).await
    }

    /// What was issued for this code.
    pub async fn tokens_of_code(&self, code: &Digest) -> Result<Vec<TokenRecord>, ReadError> {
        self.many("WHERE code = $1 ORDER BY id", &[Value::id(code)]).await
    }

    /// What this challenge was spent on, if it was.
    pub async fn redemption(&self, challenge: ChallengeId) -> Result<Option<Redemption>, ReadError> {
        self.one("WHERE challenge = $1", &[Value::id(challenge)]).await
    }

    /// The redemption that this API gave this name.
    pub async fn redemption_by_name(&self, audience: &str, name: &str) -> Result<Option<Redemption>, ReadError> {
        let rest = "WHERE audience = $1 AND redemption_id = $2 ORDER BY challenge LIMIT 1";
        self.one(rest, &[Value::text(audience), Value::text(name)]).await
    }
}
