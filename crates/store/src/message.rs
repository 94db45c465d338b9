//! What people are told, and the links that invite them.

use crate::{
    backend::Value,
    error::ReadError,
    noun::Noun,
    store::Store,
    table::{self, Table},
    tx::{FOR_EVER, SpendKey, Tx, Upkeep},
    unit::Effect,
};
use counterfoil_core::{
    assurance::Acr,
    digest::Digest,
    id::{AddressId, AuthenticatorId, InvitationId, MessageId, SessionId, SubjectId},
    session::Session,
    time::Time,
};
use serde::{Deserialize, Serialize};

/// A message to a person. Personal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Message {
    /// Which.
    pub id: MessageId,
    /// To whom.
    pub subject: SubjectId,
    /// To which of their addresses.
    pub address: AddressId,
    /// That address, as it was then.
    pub to: String,
    /// When it was written.
    pub at: Time,
    /// Its first line.
    pub title: String,
    /// Its text.
    pub text: String,
    /// When the mail server took it over.
    pub sent_at: Option<Time>,
    /// The passkey that begins to rest once this has told its owner of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub starts_rest_of: Option<AuthenticatorId>,
}

/// A message that waits for delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Which.
    pub message: Message,
    /// How often it was tried, a try that is under way included.
    pub attempts: i64,
    /// Nobody tries before.
    due_at: Time,
    version: i64,
}

impl Delivery {
    fn row(&self) -> Vec<Value> {
        vec![Value::id(self.message.id), Value::time(self.due_at), Value::Int(self.attempts), Value::Int(self.version)]
    }
}

impl Noun for Message {
    const TABLE: &'static Table = &table::MESSAGES;

    fn columns(&self) -> Vec<Value> {
        vec![
            Value::id(self.id),
            Value::id(self.subject),
            Value::time(self.at),
            self.sent_at.map_or(Value::NoInt, Value::time),
        ]
    }
}

/// What an invitation can do now. That it was used is a spend, and needs no word here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case", deny_unknown_fields)]
pub enum InvitationState {
    /// Wait for the browser that brings its link.
    Open {},
    /// Vouch for a passkey that is made in the browser which brought the link, known by its key.
    Brought {
        /// When.
        at: Time,
        /// In which session.
        session: SessionId,
        /// RFC 7638 thumbprint of the key that the session proved.
        key: Digest,
    },
    /// Vouch for whatever passkey comes first: there is no link. It would fall to a relay, so only the demo has one.
    Declared {},
}

/// A one-time link that invites a person to enrol. The secret stands in the link alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Invitation {
    /// Which.
    pub id: InvitationId,
    /// SHA-256 of the secret.
    pub secret_hash: Digest,
    /// Whom it invites.
    pub subject: SubjectId,
    /// The ceiling that it vouches for.
    pub ceiling: Acr,
    /// When it ends.
    pub expires_at: Time,
    /// What it can do now.
    pub state: InvitationState,
}

impl Invitation {
    /// Does it vouch for a passkey that a browser with this key makes now? Whether it was used before, the spend says.
    pub fn vouches_for(&self, key: &Digest, now: Time) -> bool {
        let own = match &self.state {
            InvitationState::Open {} => false,
            InvitationState::Brought { key: brought, .. } => brought == key,
            InvitationState::Declared {} => true,
        };
        own && now < self.expires_at
    }
}

impl Noun for Invitation {
    const TABLE: &'static Table = &table::INVITATIONS;

    fn columns(&self) -> Vec<Value> {
        vec![Value::id(self.id), Value::id(self.secret_hash), Value::id(self.subject), Value::time(self.expires_at)]
    }
}

impl Tx {
    /// A message is to be sent, if it was not sent by being written.
    pub fn queue_message(&mut self, message: &Message) -> &mut Self {
        if message.sent_at.is_none() {
            let queued = Delivery { message: message.clone(), attempts: 0, due_at: message.at, version: 1 };
            self.effect(Effect::Insert { table: &table::DELIVERIES, row: queued.row() });
        }
        self.about("subject", message.subject).insert(message)
    }

    /// The mail server took this message over, which is still as it was claimed.
    pub fn deliver(&mut self, claimed: &Delivery) -> &mut Self {
        let sent = Message { sent_at: Some(self.now), ..claimed.message.clone() };
        self.end_delivery(claimed).put(&sent)
    }

    /// Nobody will try this message any more, which is still as it was claimed.
    pub fn give_up_delivery(&mut self, claimed: &Delivery) -> &mut Self {
        self.end_delivery(claimed)
    }

    fn end_delivery(&mut self, claimed: &Delivery) -> &mut Self {
        self.as_claimed(claimed);
        self.effect(Effect::Delete { table: &table::DELIVERIES, key: vec![Value::id(claimed.message.id)] });
        self.about("subject", claimed.message.subject)
    }

    fn as_claimed(&mut self, claimed: &Delivery) -> &mut Self {
        let values = vec![Value::id(claimed.message.id), Value::Int(claimed.version)];
        self.demand(&table::DELIVERIES, &["message", "version"], values)
    }

    /// A link is made.
    pub fn invite(&mut self, invitation: &Invitation) -> &mut Self {
        self.about("subject", invitation.subject).insert(invitation)
    }

    /// A browser brings the link: one browser, once. From now on the link alone is worth nothing.
    pub fn bring_invitation(&mut self, invitation: &Invitation, session: &Session) -> &mut Self {
        let state = InvitationState::Brought { at: self.now, session: session.id, key: session.key_thumbprint };
        self.require_session(session)
            .require_active(invitation.subject)
            .about("subject", invitation.subject)
            .spend(SpendKey::new("brought", invitation.id), FOR_EVER)
            .put(&Invitation { state, ..invitation.clone() })
    }

    /// An invitation is used, or withdrawn by whoever invited: once.
    pub fn accept_invitation(&mut self, invitation: &Invitation) -> &mut Self {
        self.about("subject", invitation.subject).spend(SpendKey::new("invitation", invitation.id), FOR_EVER)
    }
}

impl Upkeep {
    /// A node tries this message, if it is still as it was read, and nobody else does before `until`. What to go on with, once
    /// this is committed.
    pub fn claim_delivery(&mut self, delivery: &Delivery, until: Time) -> Delivery {
        self.move_delivery(Delivery { attempts: delivery.attempts + 1, due_at: until, ..delivery.clone() })
    }

    /// It did not go out, and is tried again at `due_at`.
    pub fn postpone_delivery(&mut self, claimed: &Delivery, due_at: Time) -> Delivery {
        self.move_delivery(Delivery { due_at, ..claimed.clone() })
    }

    fn move_delivery(&mut self, delivery: Delivery) -> Delivery {
        self.0.as_claimed(&delivery);
        let moved = Delivery { version: delivery.version + 1, ..delivery };
        self.0.effect(Effect::Put { table: &table::DELIVERIES, row: moved.row() });
        moved
    }
}

impl Store {
    /// Messages that somebody should try to deliver at `now`, those that wait longest first.
    pub async fn due_deliveries(&self, now: Time, limit: u32) -> Result<Vec<Delivery>, ReadError> {
        let sql =
            "SELECT message, due_at, attempts, version FROM deliveries WHERE due_at <= $1 ORDER BY due_at LIMIT $2";
        let mut due = Vec::new();
        for row in self.pool().fetch(sql, &[Value::time(now), Value::Int(limit.into())]).await? {
            let message: Option<Message> = self.one("WHERE id = $1", &[Value::text(row.text(0)?)]).await?;
            // One that was swept is over.
            if let Some(message) = message {
                let due_at = Time::from_millis(row.int(1)?);
                due.push(Delivery { message, attempts: row.int(2)?, due_at, version: row.int(3)? });
            }
        }
        Ok(due)
    }

    /// The last messages to anybody, newest first: the outbox of the demo.
    pub async fn last_messages(&self, limit: u32) -> Result<Vec<Message>, ReadError> {
        self.many("ORDER BY id DESC LIMIT $1", &[Value::Int(limit.into())]).await
    }

    /// The invitation of this identifier.
    pub async fn invitation(&self, id: InvitationId) -> Result<Option<Invitation>, ReadError> {
        self.one("WHERE id = $1", &[Value::id(id)]).await
    }

    /// The invitation whose secret has this hash. It may be used or over.
    pub async fn invitation_by_secret(&self, hash: &Digest) -> Result<Option<Invitation>, ReadError> {
        self.one("WHERE secret_hash = $1", &[Value::id(hash)]).await
    }

    /// Has this been spent? For pages that would rather say so before than after; the commit decides.
    pub async fn is_spent(&self, key: &SpendKey) -> Result<bool, ReadError> {
        let rows =
            self.pool().fetch("SELECT 1 FROM spends WHERE spend_id = $1", &[Value::text(key.to_string())]).await?;
        Ok(!rows.is_empty())
    }

    /// Has this invitation been used?
    pub async fn is_invitation_used(&self, id: InvitationId) -> Result<bool, ReadError> {
        self.is_spent(&SpendKey::new("invitation", id)).await
    }
}
