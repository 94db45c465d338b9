//! One entry of the log, and the bytes of it that become a leaf of the tree.
//!
//! A leaf is the canonical JSON (RFC 8785) of an event in which everything personal is replaced by one salted
//! commitment. The values and their salt are stored beside the leaf and can be erased; the tree still holds.

use super::canonical;
pub use super::kind::{ContainmentCause, EndReason, EventKind, NoticeAbout, Outcome, ReportedOutcome, VoidReason};
use crate::{
    digest::Digest,
    id::{EventId, SessionId, SubjectId},
    limits,
    time::Time,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The form of a leaf. A reader refuses forms that it does not know.
const LEAF_VERSION: u8 = 1;
/// Random bytes that hide what a commitment commits to.
pub const SALT_BYTES: usize = 16;

/// Who did it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Actor {
    /// A person, in a session of ours where there is one.
    Subject {
        /// The person.
        subject: SubjectId,
        /// The session.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        session: Option<SessionId>,
    },
    /// A browser that has not signed in.
    Anonymous {
        /// Its session, where it has one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        session: Option<SessionId>,
    },
    /// An OAuth client.
    Client {
        /// Its `client_id`.
        client_id: String,
    },
    /// A protected API.
    Api {
        /// Its audience.
        audience: String,
    },
    /// Whoever holds the files of the host (DESIGN §4): not subject to policy, always named.
    Host {},
    /// Counterfoil itself: the sweep, the writer, an automatic containment.
    System {},
}

/// Personal values (addresses, names, user agents) and the salt that hides them in the leaf.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Personal {
    /// base64url of [`SALT_BYTES`] random bytes, fresh for each event.
    salt: String,
    /// What is personal, by name. Names are fixed words of ours, never input.
    values: BTreeMap<String, String>,
}

impl Personal {
    /// Values under a fresh random salt.
    pub fn new(salt: [u8; SALT_BYTES], values: impl IntoIterator<Item = (&'static str, String)>) -> Self {
        use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
        let values = values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Self { salt: URL_SAFE_NO_PAD.encode(salt), values }
    }

    /// What is personal, by name.
    pub fn values(&self) -> &BTreeMap<String, String> {
        &self.values
    }

    /// What the leaf says instead. Without the salt nobody can try values against it.
    pub fn commitment(&self) -> Result<Digest, LeafError> {
        let canonical = canonical::to_vec(self).map_err(|_| LeafError::NotCanonical)?;
        Ok(Digest::of_parts(&[b"counterfoil/personal/v1\0", &canonical]))
    }
}

/// Something that happened, as the one who records it states it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its identifier.
    pub id: EventId,
    /// When it happened, by the clock of the node that recorded it.
    pub at: Time,
    /// Who did it.
    pub actor: Actor,
    /// What happened.
    pub kind: EventKind,
    /// What is personal about it, if anything.
    pub personal: Option<Personal>,
}

impl Event {
    /// The event as the tree keeps it.
    pub fn leaf(&self) -> Result<Leaf, LeafError> {
        let personal = self.personal.as_ref().map(Personal::commitment).transpose()?;
        Ok(Leaf {
            version: LEAF_VERSION,
            id: self.id,
            at: self.at,
            actor: self.actor.clone(),
            kind: self.kind.clone(),
            personal,
        })
    }

    /// The bytes of the leaf, ready to be hashed and stored.
    pub fn leaf_bytes(&self) -> Result<Vec<u8>, LeafError> {
        self.leaf()?.bytes()
    }
}

/// An event as the tree keeps it: with a commitment in place of what is personal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Leaf {
    #[serde(rename = "v")]
    version: u8,
    /// The event's identifier.
    pub id: EventId,
    /// When it happened.
    pub at: Time,
    /// Who did it.
    pub actor: Actor,
    /// What happened.
    pub kind: EventKind,
    /// The commitment to what is personal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub personal: Option<Digest>,
}

impl Leaf {
    /// The canonical bytes.
    pub fn bytes(&self) -> Result<Vec<u8>, LeafError> {
        let bytes = canonical::to_vec(self).map_err(|_| LeafError::NotCanonical)?;
        if bytes.len() > limits::LEAF_BYTES {
            return Err(LeafError::TooLong { bytes: bytes.len() });
        }
        Ok(bytes)
    }

    /// Reads a leaf back. Only the canonical bytes of a known form are a leaf: there is no second spelling of an event
    /// that would hash differently and read the same.
    pub fn parse(bytes: &[u8]) -> Result<Self, LeafError> {
        if bytes.len() > limits::LEAF_BYTES {
            return Err(LeafError::TooLong { bytes: bytes.len() });
        }
        let leaf: Self = serde_json::from_slice(bytes).map_err(|_| LeafError::NotALeaf)?;
        if leaf.version != LEAF_VERSION || leaf.bytes()? != bytes {
            return Err(LeafError::NotALeaf);
        }
        Ok(leaf)
    }

    /// Whether `personal` is what this leaf commits to. A leaf without a commitment has nothing personal.
    pub fn commits_to(&self, personal: Option<&Personal>) -> Result<bool, LeafError> {
        Ok(personal.map(Personal::commitment).transpose()? == self.personal)
    }
}

/// Why an event has no leaf, or bytes are none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LeafError {
    /// A number or string that canonical JSON cannot carry.
    #[error("the event has no canonical JSON")]
    NotCanonical,
    /// Tiles carry at most 65,535 bytes per entry.
    #[error("the leaf is {bytes} bytes long, more than {}", limits::LEAF_BYTES)]
    TooLong {
        /// How long it is.
        bytes: usize,
    },
    /// Not the canonical bytes of an event that this version knows.
    #[error("not a leaf of a form we know")]
    NotALeaf,
}

/// The hash of a leaf in the tree: SHA-256(0x00 ‖ leaf) (RFC 6962 §2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LeafHash(Digest);

impl LeafHash {
    /// Of the bytes of a leaf.
    pub fn of(leaf: &[u8]) -> Self {
        Self(Digest::of_parts(&[&[0], leaf]))
    }

    /// A hash that was stored.
    pub const fn from_digest(digest: Digest) -> Self {
        Self(digest)
    }

    /// The value itself.
    pub const fn digest(&self) -> Digest {
        self.0
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }
}

#[cfg(test)]
// A test that cannot go on should stop.
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;
    use crate::assurance::Method;

    fn event() -> Event {
        Event {
            id: EventId::new(Time::from_seconds(1_800_000_000), [1; 10]),
            at: Time::from_seconds(1_800_000_000),
            actor: Actor::Anonymous { session: None },
            kind: EventKind::ProofRefused {
                subject: None,
                authenticator: None,
                method: Method::Password,
                challenge: None,
                reason: "no_such_user".to_owned(),
            },
            personal: Some(Personal::new([9; SALT_BYTES], [("username", "alice".to_owned())])),
        }
    }

    #[test]
    fn a_leaf_is_read_back_from_its_own_bytes_only() {
        let leaf = event().leaf().unwrap();
        let bytes = leaf.bytes().unwrap();
        assert_eq!(Leaf::parse(&bytes), Ok(leaf));
        let text = String::from_utf8(bytes).unwrap();
        for other in [
            text.replace("\"v\":1", "\"v\":2"),
            text.replace("\"v\":1", "\"v\":1,\"x\":0"),
            text.replace(',', ", "),
            text.replace("no_such_user", "no_such\\u005fuser"),
            text.replace("proof.refused", "proof.pleased"),
            format!("{text} "),
        ] {
            assert_ne!(other, text);
            assert_eq!(Leaf::parse(other.as_bytes()), Err(LeafError::NotALeaf), "{other}");
        }
    }

    #[test]
    fn a_leaf_shows_nothing_personal_and_commits_to_it() {
        let event = event();
        let leaf = event.leaf().unwrap();
        assert!(!String::from_utf8(leaf.bytes().unwrap()).unwrap().contains("alice"));
        assert_eq!(leaf.commits_to(event.personal.as_ref()), Ok(true));
        for other in [
            None,
            Some(Personal::new([9; SALT_BYTES], [("username", "bob".to_owned())])),
            Some(Personal::new([8; SALT_BYTES], [("username", "alice".to_owned())])),
        ] {
            assert_eq!(leaf.commits_to(other.as_ref()), Ok(false));
        }
    }

    #[test]
    fn a_leaf_that_no_tile_can_carry_is_refused() {
        let mut long = event();
        long.actor = Actor::Client { client_id: "c".repeat(limits::LEAF_BYTES) };
        assert!(matches!(long.leaf_bytes(), Err(LeafError::TooLong { .. })));
    }
}
