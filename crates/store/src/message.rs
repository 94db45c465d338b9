//! What people are told, and the links that invite them.

use crate::{
    backend::Value,
    error::ReadError,
    noun::Noun,
    store::Store,
    table::{self, Table},
    tx::{FOR_EVER, SpendKey, Tx, Upkeep},
};
use counterfoil_core::{
    assurance::Acr,
    digest::Digest,
    id::{AddressId, InvitationId, MessageId, SessionId, SubjectId},
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
    /// When it was handed over for delivery.
    pub sent_at: Option<Time>,
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
    /// A message is to be sent.
    pub fn queue_message(&mut self, message: &Message) -> &mut Self {
        self.about("subject", message.subject).insert(message)
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
    /// A message was handed over for delivery.
    pub fn mark_sent(&mut self, message: &Message) -> &mut Self {
        let sent = Message { sent_at: Some(self.0.now), ..message.clone() };
        self.0.put(&sent);
        self
    }
}

impl Store {
    /// Messages that wait for delivery, oldest first.
    pub async fn messages_to_send(&self, limit: u32) -> Result<Vec<Message>, ReadError> {
        self.many("WHERE sent_at IS NULL ORDER BY id LIMIT $1", &[Value::Int(limit.into())]).await
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
