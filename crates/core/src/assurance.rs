//! How sure: tiers of actions, levels of proof, methods and bindings, in the words of the standards.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// The text names no value of the closed list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("unknown name; expected one of {0}")]
pub struct UnknownName(pub &'static str);

macro_rules! names {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum $name { $($(#[$vdoc])* #[serde(rename = $text)] $variant),* }

        impl $name {
            /// Every value, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The name on the wire and in policies.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),* }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = UnknownName;
            fn from_str(text: &str) -> Result<Self, UnknownName> {
                match text {
                    $($text => Ok(Self::$variant),)*
                    _ => Err(UnknownName(concat!($($text, " "),*))),
                }
            }
        }
    };
}

names! {
    /// What an action on a resource is worth (DESIGN §4). Ordered.
    Tier {
        /// A code is enough.
        Low = "low",
        /// AAL2.
        Moderate = "moderate",
        /// Phishing-resistant and bound to the transaction.
        High = "high",
        /// As high, and hardware-bound or a second independent person.
        Critical = "critical",
    }
}

names! {
    /// Authentication context class: what a set of proofs, or one authenticator at best, amounts to. Ordered.
    /// `phr` and `phrh` after OpenID Enhanced Authentication Profile.
    Acr {
        /// One factor (SP 800-63B-4 AAL1).
        Aal1 = "aal1",
        /// Two factors (AAL2).
        Aal2 = "aal2",
        /// Phishing-resistant.
        Phr = "phr",
        /// Phishing-resistant with a hardware-protected key.
        Phrh = "phrh",
    }
}

names! {
    /// How something was proven. The order has no meaning.
    Method {
        /// A memorised secret.
        Password = "password",
        /// A code from an authenticator app (RFC 6238).
        AppCode = "app_code",
        /// A code sent by SMS. Restricted (SP 800-63B-4 §3.1.3).
        SmsCode = "sms_code",
        /// A code sent by mail. Never an authentication factor above low.
        MailCode = "mail_code",
        /// A saved look-up secret.
        RecoveryCode = "recovery_code",
        /// A WebAuthn assertion.
        Passkey = "passkey",
    }
}

impl Method {
    /// Bound to the verifier's name, so that a relay on another origin gets nothing (SP 800-63B-4 §3.2.5).
    pub const fn is_phishing_resistant(self) -> bool {
        matches!(self, Self::Passkey)
    }

    /// Something typed: whoever relays it owns it.
    pub const fn is_code(self) -> bool {
        matches!(self, Self::AppCode | Self::SmsCode | Self::MailCode | Self::RecoveryCode)
    }

    /// The channel of codes of which nobody says where they come from. An app does not tell on which handset it runs, so
    /// all apps of one person count as on the same one: what is absent counts as worst (DESIGN §4, §6). Codes that are
    /// sent name the address that they were sent to; look-up secrets come from paper.
    pub const fn unnamed_channel(self) -> Option<&'static str> {
        match self {
            Self::AppCode => Some("handset:unnamed"),
            Self::Password | Self::SmsCode | Self::MailCode | Self::RecoveryCode | Self::Passkey => None,
        }
    }
}

names! {
    /// What ties a session to a device (DESIGN §4). Ordered by worth.
    Binding {
        /// Nothing.
        None = "none",
        /// A key that was made for this session and has proven nothing else: against a live proxy it is the proxy's.
        NewKey = "new_key",
        /// This key has accompanied a phishing-resistant assertion of the subject's.
        KnownDevice = "known_device",
        /// A key that a device's hardware holds.
        Hardware = "hardware",
    }
}
