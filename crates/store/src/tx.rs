//! A unit of work, built by verbs. Nothing happens before [`Tx::commit`], which is the only commit and demands the event.
//!
//! The verbs stand with their nouns, one file each. A verb adds what it relies on as a condition, what can be done only
//! once as a spend, and what it changes as an effect.

use crate::{
    backend::Value,
    error::{CommitError, Refusal},
    noun::{Draft, Noun},
    store::Store,
    table::Table,
    unit::{Committed, Condition, Effect, Fed, Leaf, Spend, Unit},
    writer::Order,
};
use counterfoil_core::{
    audit::event::{Event, LeafHash},
    id::{AuthenticatorId, LoginId},
    time::Time,
};
use std::{fmt, fmt::Display, sync::Arc};
use tokio::sync::{mpsc::error::TrySendError, oneshot};

/// The name of something that can be done once.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SpendKey(Arc<str>);

impl SpendKey {
    /// `kind` is a fixed word of ours without a colon, so that no identifier can reach into another kind.
    pub fn new(kind: &'static str, id: impl Display) -> Self {
        Self(Arc::from(format!("{kind}:{id}")))
    }

    /// A server nonce.
    pub fn nonce(nonce: &str) -> Self {
        Self::new("nonce", nonce)
    }

    /// A `jti` of somebody's proof; `scope` is whose: two clients may draw the same one.
    pub fn jti(scope: &str, jti: &str) -> Self {
        Self::new("jti", format_args!("{}:{scope}:{jti}", scope.len()))
    }

    /// A step of a TOTP authenticator (RFC 6238 §5.2: once only).
    pub fn totp_step(authenticator: AuthenticatorId, step: u64) -> Self {
        Self::new("totp", format_args!("{authenticator}:{step}"))
    }

    /// A user name, taken until it is given back.
    pub fn username(username: &str) -> Self {
        Self::new("username", username)
    }
}

impl Display for SpendKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// For ever, as far as a spend is concerned.
pub(crate) const FOR_EVER: Time = Time::from_millis(i64::MAX);

/// A unit of work: all of it is kept, with its event, or nothing.
#[must_use = "nothing happens before `commit`"]
#[derive(Debug)]
pub struct Tx {
    pub(crate) now: Time,
    conditions: Vec<Condition>,
    spends: Vec<Spend>,
    effects: Vec<Act>,
    feed: Vec<Fed>,
    about: Vec<Arc<str>>,
    also: Vec<Event>,
    /// The login that this unit begins: what depends on it need not ask the database, which does not know it yet.
    pub(crate) begun: Option<LoginId>,
    broken: Option<String>,
}

#[derive(Debug)]
enum Act {
    Effect(Effect),
    Draft(Draft),
}

impl Tx {
    /// A unit that does nothing yet, at `now`.
    pub const fn new(now: Time) -> Self {
        Self {
            now,
            conditions: Vec::new(),
            spends: Vec::new(),
            effects: Vec::new(),
            feed: Vec::new(),
            about: Vec::new(),
            also: Vec::new(),
            begun: None,
            broken: None,
        }
    }

    /// Demands that nobody has spent `key`, and spends it. `until` is how long that must be remembered at least.
    pub fn spend(&mut self, key: SpendKey, until: Time) -> &mut Self {
        self.spends.push(Spend { key: key.0, until });
        self
    }

    /// Another event of the same unit, where one act is two records.
    pub fn also(&mut self, event: Event) -> &mut Self {
        self.also.push(event);
        self
    }

    /// How many events there are beside the one that this unit will be committed with, which stands before them.
    pub(crate) const fn events(&self) -> u64 {
        self.also.len() as u64
    }

    /// The log's events of this unit will be found under this name, `kind:id`. The verbs name what they touch.
    pub fn about(&mut self, kind: &'static str, id: impl Display) -> &mut Self {
        self.about.push(Arc::from(format!("{kind}:{id}")));
        self
    }

    /// Does all of it, or nothing, and returns once it is durable.
    pub async fn commit(self, store: &Store, event: Event) -> Result<Committed, CommitError> {
        let mut tx = self;
        tx.also.insert(0, event);
        tx.send(store).await
    }

    /// As [`Tx::commit`], for what the store does by itself and does not log.
    pub(crate) async fn keep(self, store: &Store) -> Result<Committed, CommitError> {
        self.send(store).await
    }

    async fn send(self, store: &Store) -> Result<Committed, CommitError> {
        let (reply, answer) = oneshot::channel();
        let (unit, events) = self.unit(store, reply)?;
        match store.queue().try_send(Order::Unit(Box::new(unit))) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => return Err(CommitError::Busy),
            Err(TrySendError::Closed(_)) => return Err(CommitError::Unavailable("the store is closed".to_owned())),
        }
        // A writer that ended without a word may have committed before.
        let answer = answer.await.unwrap_or(Err(CommitError::Unknown));
        if answer.is_ok() {
            store.observe(&events);
        }
        answer
    }

    fn unit(
        self,
        store: &Store,
        reply: oneshot::Sender<Result<Committed, CommitError>>,
    ) -> Result<(Unit, Vec<Event>), CommitError> {
        let internal = |reason: String| CommitError::Internal(reason);
        if let Some(reason) = self.broken {
            return Err(internal(reason));
        }
        let mut leaves = Vec::with_capacity(self.also.len());
        for event in &self.also {
            let bytes = event.leaf_bytes().map_err(|error| internal(error.to_string()))?;
            let personal = event.personal.as_ref().map(serde_json::to_string).transpose();
            leaves.push(Leaf {
                id: event.id,
                at: event.at,
                hash: LeafHash::of(&bytes),
                bytes: bytes.into(),
                personal: personal.map_err(|error| internal(error.to_string()))?.map(Arc::from),
            });
        }
        let id = match self.also.first() {
            Some(event) => Arc::from(event.id.to_string()),
            None => Arc::from(store.upkeep_id()),
        };
        let mut effects = Vec::with_capacity(self.effects.len());
        for act in self.effects {
            effects.push(match act {
                Act::Effect(effect) => effect,
                Act::Draft(draft) => {
                    draft.effect(store.keys(), &*store.edges().random).map_err(|error| internal(error.to_string()))?
                }
            });
        }
        let mut conditions = self.conditions;
        conditions.retain(|condition| !effects.iter().any(|effect| makes(effect, condition)));
        let mut about = self.about;
        about.sort();
        about.dedup();
        let unit =
            Unit { id, at: self.now, conditions, spends: self.spends, effects, feed: self.feed, leaves, about, reply };
        Ok((unit, self.also))
    }

    /// Demands a row with these values; the first are the key.
    pub(crate) fn demand(
        &mut self,
        table: &'static Table,
        columns: &'static [&'static str],
        values: Vec<Value>,
    ) -> &mut Self {
        debug_assert_eq!(columns.len(), values.len());
        self.conditions.push(Condition { table, columns, values });
        self
    }

    /// Changes a row.
    pub(crate) fn effect(&mut self, effect: Effect) -> &mut Self {
        self.effects.push(Act::Effect(effect));
        self
    }

    pub(crate) fn feed(&mut self, kind: &'static str, value: impl Display) -> &mut Self {
        self.feed.push(Fed { kind, value: Arc::from(value.to_string()) });
        self
    }

    fn draft<N: Noun>(&mut self, noun: &N, new: bool) -> &mut Self {
        match Draft::of(noun, new) {
            Ok(draft) => self.effects.push(Act::Draft(draft)),
            Err(error) => self.broken = Some(format!("{}: {error}", N::TABLE.name)),
        }
        self
    }

    /// A row under a key that nobody else has.
    pub(crate) fn insert<N: Noun>(&mut self, noun: &N) -> &mut Self {
        self.draft(noun, true)
    }

    /// The row of this key becomes this noun, whatever it was.
    pub(crate) fn put<N: Noun>(&mut self, noun: &N) -> &mut Self {
        self.draft(noun, false)
    }

    /// A first row of a versioned noun.
    pub(crate) fn add<N: Versioned>(&mut self, noun: &N) -> &mut Self {
        self.insert(&noun.clone().at_version(1))
    }

    /// Demands that the row is still as `noun` was read, and makes it what `noun` says now.
    pub(crate) fn change<N: Versioned>(&mut self, noun: &N) -> &mut Self {
        self.unchanged(noun);
        self.put(&noun.clone().at_version(noun.version() + 1))
    }

    /// Demands that the row is still as `noun` was read.
    pub(crate) fn unchanged<N: Versioned>(&mut self, noun: &N) -> &mut Self {
        let mut values: Vec<Value> = noun.columns().into_iter().take(N::TABLE.keys).collect();
        values.push(Value::Int(noun.version()));
        self.demand(N::TABLE, N::BY_VERSION, values)
    }
}

/// What a unit itself brings into being needs no condition: a login and the session in it may begin together.
fn makes(effect: &Effect, condition: &Condition) -> bool {
    match effect {
        Effect::Insert { table, row } => {
            std::ptr::eq(*table, condition.table) && row.get(..table.keys) == Some(condition.key())
        }
        _ => false,
    }
}

/// A noun whose every change is conditional on the version that was read.
pub(crate) trait Versioned: Noun + Clone {
    /// The key's columns and `version`.
    const BY_VERSION: &'static [&'static str];
    fn version(&self) -> i64;
    #[must_use]
    fn at_version(self, version: i64) -> Self;
}

/// Says that a noun has a `version` field and column.
macro_rules! versioned {
    ($noun:ty, $($key:literal),+) => {
        impl $crate::tx::Versioned for $noun {
            const BY_VERSION: &'static [&'static str] = &[$($key,)+ "version"];
            fn version(&self) -> i64 {
                self.version
            }
            fn at_version(mut self, version: i64) -> Self {
                self.version = version;
                self
            }
        }
    };
}
pub(crate) use versioned;

/// A unit without event, with few verbs: it can remember, never grant.
#[must_use = "nothing happens before `commit`"]
#[derive(Debug)]
pub struct Upkeep(pub(crate) Tx);

impl Upkeep {
    /// A unit that does nothing yet, at `now`.
    pub const fn new(now: Time) -> Self {
        Self(Tx::new(now))
    }

    /// Demands that nobody has spent `key`, and spends it.
    pub fn spend(&mut self, key: SpendKey, until: Time) -> &mut Self {
        self.0.spend(key, until);
        self
    }

    /// Does all of it, or nothing, and returns once it is durable.
    pub async fn commit(self, store: &Store) -> Result<(), CommitError> {
        self.0.send(store).await.map(drop)
    }
}

/// Was this unit refused because a row is not as it was read? Then reading again may help.
pub fn is_stale(error: &CommitError) -> bool {
    matches!(error, CommitError::Refused(Refusal::Condition { .. }))
}

#[cfg(test)]
mod tests {
    use super::SpendKey;

    #[test]
    fn no_identifier_reaches_into_another_scope() {
        assert_ne!(SpendKey::jti("a:1", "b"), SpendKey::jti("a", "1:b"));
        assert_ne!(SpendKey::jti("a", "b"), SpendKey::nonce("1:a:b"));
    }
}
