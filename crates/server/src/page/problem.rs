//! Refusals that pages know how to tell (RFC 9457): the last segment of `type` is the name of a text.

use super::Back;
use counterfoil_core::{assurance::Acr, id::DecisionId, time::Time};
use serde::Serialize;

/// What a page is told beside `type`, `title` and `status`. Every member may be absent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Particulars {
    /// Where to go instead: sign in, or show more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// Why, in the reader's language.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What the person can do now, where the page's own text does not fit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub what_now: Option<String>,
    /// How often one may still try.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempts_left: Option<u32>,
    /// How long to wait.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after_seconds: Option<i64>,
    /// The most that this authenticator proves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ceiling: Option<Acr>,
    /// When it proves more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rises_at: Option<Time>,
    /// The number to give to whoever is asked for help.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decision_id: Option<DecisionId>,
    /// The address to type by hand when somebody may stand between.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// Where the person came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub back: Option<Back>,
}

macro_rules! problems {
    ($($(#[$doc:meta])* $name:ident $slug:literal $status:literal),* $(,)?) => {
        /// A refusal by name. Its texts are `refusal.<slug>.*` (a page of its own) or `error.<slug>` (beside a field).
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Slug { $($(#[$doc])* $name),* }

        impl Slug {
            /// Every refusal.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The last segment of the problem's `type`.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $slug),* }
            }

            /// The HTTP status.
            pub const fn status(self) -> u16 {
                match self { $(Self::$name => $status),* }
            }
        }
    };
}

problems! {
    /// The proof lacked a fresh nonce; the reply carries one.
    UseNonce "use-nonce" 401,
    /// There is no such session, or it ended.
    SessionEnded "session-ended" 401,
    /// The proof does not fit the request.
    ProofInvalid "proof-invalid" 400,
    /// Somebody must sign in first; `next` leads there.
    SignInRequired "sign-in-required" 401,
    /// More must be shown first; `next` leads there.
    StepUpRequired "step-up-required" 401,
    /// User name and password do not go together.
    NotAccepted "not-accepted" 422,
    /// A wrong or used code.
    CodeRefused "code-refused" 422,
    /// An assertion that failed verification, or of a passkey that nobody has.
    PasskeyRefused "passkey-refused" 422,
    /// A right passkey with too low a ceiling.
    PasskeyTooWeak "passkey-too-weak" 403,
    /// Too many tries in too short a time.
    Throttled "throttled" 429,
    /// Too many tries for good.
    AuthenticatorDisabled "authenticator-disabled" 403,
    /// The time for an answer is over.
    Expired "expired" 410,
    /// Answered before.
    Answered "answered" 409,
    /// Begun in another browser.
    OtherDevice "other-device" 409,
    /// Somebody may stand between.
    RelaySuspected "relay-suspected" 403,
    /// The policy's final no.
    Denied "denied" 403,
    /// The role does not include it.
    Forbidden "forbidden" 403,
    /// The login that this came from was cut off.
    Contained "contained" 403,
    /// A `request_uri` that is unknown, used or too old.
    RequestUnknown "request-unknown" 400,
    /// An invitation that is unknown, used or too old.
    InvitationSpent "invitation-spent" 410,
    /// A registration that failed verification.
    EnrolmentRefused "enrolment-refused" 422,
    /// This passkey is there already.
    AlreadyEnrolled "already-enrolled" 409,
    /// Malformed.
    InvalidRequest "invalid-request" 400,
    /// Nothing here, or not for this reader.
    NotFound "not-found" 404,
    /// More than we can do just now.
    Busy "busy" 503,
    /// Our own fault.
    Internal "internal" 500,
}

#[cfg(test)]
mod tests {
    // A test that cannot go on should stop.
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::super::text::{Lang, Texts};
    use super::*;

    /// The scripts handle these without saying anything.
    const SILENT: &[Slug] = &[Slug::UseNonce, Slug::SignInRequired, Slug::StepUpRequired];

    #[test]
    fn every_refusal_says_what_why_and_what_now_or_stands_beside_its_field() {
        for lang in Lang::ALL {
            let texts = Texts::of(*lang).unwrap();
            let says = |key: &str| texts.keys().any(|known| known == key);
            for slug in Slug::ALL.iter().filter(|slug| !SILENT.contains(slug)) {
                let name = slug.as_str();
                let page = ["title", "text", "now"].iter().all(|part| says(&format!("refusal.{name}.{part}")));
                assert!(page || says(&format!("error.{name}")), "{lang:?}: {name} says nothing");
            }
        }
    }
}
