//! Identifiers: UUIDv7, so that rows written together lie together (RFC 9562 §5.7), each noun with a type of its own.

use crate::time::Time;
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};
use uuid::Uuid;

/// How many random bytes an identifier takes.
pub const RANDOM_BYTES: usize = 10;

/// The text is not an identifier in lower-case hyphenated form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an identifier: expected a lower-case hyphenated UUID")]
pub struct InvalidId;

fn uuid_v7(now: Time, random: [u8; RANDOM_BYTES]) -> Uuid {
    uuid::Builder::from_unix_timestamp_millis(u64::try_from(now.millis()).unwrap_or(0), &random).into_uuid()
}

/// One spelling only: identifiers are compared as text in logs, URLs and policies.
fn parse(text: &str) -> Result<Uuid, InvalidId> {
    let uuid = Uuid::try_parse(text).map_err(|_| InvalidId)?;
    if uuid.hyphenated().to_string() == text { Ok(uuid) } else { Err(InvalidId) }
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Uuid);

        impl $name {
            /// A new identifier for something that came to be at `now`.
            pub fn new(now: Time, random: [u8; RANDOM_BYTES]) -> Self {
                Self(uuid_v7(now, random))
            }

            /// The sixteen bytes.
            pub const fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0.hyphenated())
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                parse(text).map(Self)
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;
            fn try_from(text: String) -> Result<Self, InvalidId> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.to_string()
            }
        }
    )*};
}

ids! {
    /// A person: `sub` on the wire, stable for ever.
    SubjectId,
    /// Something that a person has enrolled.
    AuthenticatorId,
    /// The act a session came from; `lineage` in tokens.
    LoginId,
    /// A browser session with us: its public handle, `sid`. The secret that proves it is another value.
    SessionId,
    /// One answer of ours to "may this be done?".
    DecisionId,
    /// Our pending request for proof; `txn` in tokens and the key of spending.
    ChallengeId,
    /// One entry of the audit log.
    EventId,
    /// One unbroken chain of events written by one process.
    RunId,
    /// An API key of a protected API; the key itself is another value.
    ApiKeyId,
    /// An access token, `jti`.
    TokenId,
    /// A message to a person.
    MessageId,
    /// An address (mail, phone) of a person.
    AddressId,
    /// A one-time link that invites a person to enrol.
    InvitationId,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_spelling_only() {
        let id = SubjectId::new(Time::from_seconds(1_700_000_000), [7; 10]);
        let text = id.to_string();
        assert_eq!(text.parse::<SubjectId>(), Ok(id));
        for other in [text.to_uppercase(), text.replace('-', ""), format!("{{{text}}}"), format!("urn:uuid:{text}")] {
            assert_eq!(other.parse::<SubjectId>(), Err(InvalidId), "{other}");
        }
    }

    #[test]
    fn later_identifiers_sort_later() {
        let early = EventId::new(Time::from_millis(1), [255; 10]);
        let late = EventId::new(Time::from_millis(2), [0; 10]);
        assert!(early < late && early.to_string() < late.to_string());
    }
}
