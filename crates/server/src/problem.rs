//! Problem details (RFC 9457): what our own API says when it does not do what was asked.

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;

/// One kind of refusal: a stable name that callers branch on, its status and a title for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    /// The last part of `type`; stable.
    pub name: &'static str,
    /// HTTP status.
    pub status: StatusCode,
    /// The same for every occurrence (RFC 9457 §3.1.4).
    pub title: &'static str,
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $constant:ident = $name:literal, $status:ident, $title:literal;)*) => {
        impl Kind {
            $($(#[$doc])* pub const $constant: Kind = Kind { name: $name, status: StatusCode::$status, title: $title };)*

            /// Every kind: what the document of the routes lists.
            pub const ALL: &'static [Kind] = &[$(Kind::$constant),*];
        }
    };
}

kinds! {
    /// The body or a parameter breaks a rule; `pointer` says where.
    INVALID_REQUEST = "invalid-request", BAD_REQUEST, "The request is not valid";
    /// Larger than `limits::BODY_BYTES`.
    TOO_LARGE = "too-large", PAYLOAD_TOO_LARGE, "The request is too large";
    /// It did not arrive within `limits::BODY_SECONDS`.
    TOO_SLOW = "too-slow", REQUEST_TIMEOUT, "The request took too long to arrive";
    /// No credential, or one that is not good.
    UNAUTHENTICATED = "unauthenticated", UNAUTHORIZED, "The caller could not be authenticated";
    /// The session proof wants a fresh nonce (header `Counterfoil-Nonce`).
    USE_NONCE = "use-nonce", UNAUTHORIZED, "Repeat the request with the nonce of this reply";
    /// There is no session, it has ended, or its cookie and its handle do not go together.
    SESSION_ENDED = "session-ended", UNAUTHORIZED, "Start again: this browser has no session here";
    /// The session proof is not good.
    PROOF_INVALID = "proof-invalid", BAD_REQUEST, "The session proof is not valid";
    /// The session is not signed in.
    SIGN_IN_REQUIRED = "sign-in-required", UNAUTHORIZED, "Sign in first";
    /// Policy wants more proof; `next` leads there.
    STEP_UP_REQUIRED = "step-up-required", FORBIDDEN, "More proof is needed";
    /// Policy says no, whatever is shown.
    DENIED = "denied", FORBIDDEN, "This is not allowed";
    /// Authenticated, but not for this.
    FORBIDDEN = "forbidden", FORBIDDEN, "The caller may not do this";
    /// Wrong user name or password; which of them is not told.
    NOT_ACCEPTED = "not-accepted", UNPROCESSABLE_ENTITY, "User name and password do not match";
    /// A code that is wrong, or was used before.
    CODE_REFUSED = "code-refused", UNPROCESSABLE_ENTITY, "The code was not accepted";
    /// An assertion that does not verify.
    PASSKEY_REFUSED = "passkey-refused", UNPROCESSABLE_ENTITY, "The passkey was not accepted";
    /// A registration that does not verify.
    ENROLMENT_REFUSED = "enrolment-refused", UNPROCESSABLE_ENTITY, "The passkey could not be added";
    /// A link that is wrong, used, over, or another browser's; which of them is not told.
    INVITATION_SPENT = "invitation-spent", GONE, "This invitation cannot be used";
    /// A link was opened in a session that is somebody's.
    SIGNED_IN_ALREADY = "signed-in-already", CONFLICT, "Sign out before accepting an invitation";
    /// The passkey is enrolled already.
    ALREADY_ENROLLED = "already-enrolled", CONFLICT, "This passkey is enrolled already";
    /// Too many failures: it has to be bound anew.
    AUTHENTICATOR_DISABLED = "authenticator-disabled", FORBIDDEN, "This way of signing in is disabled";
    /// Too many guesses: `retry_after_seconds` says how long to wait.
    THROTTLED = "throttled", TOO_MANY_REQUESTS, "Too many tries; wait before the next one";
    /// Too many sessions began within a minute from this network, or too many sign in at once; `retry_after_seconds` says when
    /// to come back.
    CROWDED = "crowded", TOO_MANY_REQUESTS, "Too many are starting here from this network just now";
    /// This session has as many challenges open as it may; they end by themselves.
    TOO_MANY_OPEN = "too-many-open", TOO_MANY_REQUESTS, "Too much waits for an answer in this browser";
    /// It is the last one that signs in or confirms, or none that its owner may change so; `why` says which.
    NOT_CHANGED = "not-changed", CONFLICT, "This passkey cannot be changed so";
    /// A pushed request that is unknown, used or too old.
    REQUEST_UNKNOWN = "request-unknown", BAD_REQUEST, "This request is unknown, used or too old";
    /// Nothing there, or nothing for this caller.
    NOT_FOUND = "not-found", NOT_FOUND, "There is no such thing here";
    /// The method is not served at this path.
    METHOD_NOT_ALLOWED = "method-not-allowed", METHOD_NOT_ALLOWED, "The method is not allowed here";
    /// The challenge has been answered, refused or voided.
    ANSWERED = "answered", CONFLICT, "This has been answered already";
    /// Somebody else was first, or the state moved on.
    CONFLICT = "conflict", CONFLICT, "The state has changed";
    /// The challenge belongs to another session.
    OTHER_DEVICE = "other-device", CONFLICT, "This was started on another device";
    /// Redeem: the transaction was spent already, under another redemption.
    SPENT = "spent", CONFLICT, "This approval has been used";
    /// Redeem: the digest is not the approved transaction's.
    DIGEST_MISMATCH = "digest_mismatch", UNPROCESSABLE_ENTITY, "This is not the transaction that was approved";
    /// Redeem: the policy changed since the statement was signed.
    POLICY_CHANGED = "policy_changed", CONFLICT, "The policy has changed since the approval; evaluate again";
    /// The login it came from has been contained.
    CONTAINED = "contained", FORBIDDEN, "Everything that came from this sign-in has been shut off";
    /// Too late.
    EXPIRED = "expired", GONE, "This has expired";
    /// The writer's queue is full, or the room of those who wait for a hash.
    BUSY = "busy", SERVICE_UNAVAILABLE, "Too busy; try again shortly";
    /// A fault of ours; the log has the cause under the request's id.
    INTERNAL = "internal", INTERNAL_SERVER_ERROR, "Something went wrong on our side";
}

/// A refusal, ready to be sent. Small, because every fallible function carries one.
#[derive(Debug, Clone)]
pub struct Problem {
    kind: Kind,
    said: Option<Box<Said>>,
}

/// What is said beyond the kind.
#[derive(Debug, Clone, Default)]
struct Said {
    detail: Option<String>,
    pointer: Option<String>,
    next: Option<String>,
    extra: serde_json::Map<String, serde_json::Value>,
}

#[derive(Serialize)]
struct Body<'a> {
    r#type: String,
    code: &'a str,
    title: &'a str,
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pointer: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<&'a str>,
    #[serde(flatten)]
    extra: &'a serde_json::Map<String, serde_json::Value>,
}

impl Problem {
    /// A refusal of this kind without further words.
    pub const fn new(kind: Kind) -> Self {
        Self { kind, said: None }
    }

    fn say(mut self, add: impl FnOnce(&mut Said)) -> Self {
        add(self.said.get_or_insert_default());
        self
    }

    /// What happened this time, in a sentence that holds no secret and nothing about other people.
    #[must_use]
    pub fn detail(self, detail: impl Into<String>) -> Self {
        self.say(|said| said.detail = Some(detail.into()))
    }

    /// Which member of the body is meant (RFC 6901).
    #[must_use]
    pub fn pointer(self, pointer: impl Into<String>) -> Self {
        self.say(|said| said.pointer = Some(pointer.into()))
    }

    /// Where a page goes from here.
    #[must_use]
    pub fn next(self, next: impl Into<String>) -> Self {
        self.say(|said| said.next = Some(next.into()))
    }

    /// A further member that this kind has (RFC 9457 §3.2).
    #[must_use]
    pub fn with(self, name: &str, value: impl Into<serde_json::Value>) -> Self {
        self.say(|said| {
            said.extra.insert(name.to_owned(), value.into());
        })
    }

    /// What kind of refusal this is.
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// A fault of ours: the cause goes to our log, never to the caller.
    pub fn internal(cause: impl std::fmt::Display) -> Self {
        tracing::error!(%cause, "internal fault");
        Self::new(Kind::INTERNAL)
    }
}

impl Kind {
    /// `type` (RFC 9457 §3.1.1): a name, because there is nothing to look up that the document does not say.
    pub fn urn(self) -> String {
        format!("urn:counterfoil:problem:{}", self.name)
    }
}

impl From<counterfoil_store::ReadError> for Problem {
    fn from(error: counterfoil_store::ReadError) -> Self {
        Self::internal(error)
    }
}

impl From<counterfoil_store::CommitError> for Problem {
    fn from(error: counterfoil_store::CommitError) -> Self {
        use counterfoil_store::CommitError;
        match error {
            CommitError::Busy => Self::new(Kind::BUSY),
            CommitError::Refused(refusal) => {
                tracing::info!(%refusal, "a unit was refused");
                Self::new(Kind::CONFLICT)
            }
            other => Self::internal(other),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let said = self.said.unwrap_or_default();
        let body = Body {
            r#type: self.kind.urn(),
            code: self.kind.name,
            title: self.kind.title,
            status: self.kind.status.as_u16(),
            detail: said.detail.as_deref(),
            pointer: said.pointer.as_deref(),
            next: said.next.as_deref(),
            extra: &said.extra,
        };
        let mut response = (self.kind.status, Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        // RFC 9110 §10.2.3, for whoever does not read the body.
        let busy = (self.kind == Kind::BUSY).then_some(1);
        if let Some(seconds) = said.extra.get("retry_after_seconds").and_then(serde_json::Value::as_i64).or(busy) {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
