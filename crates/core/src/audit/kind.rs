//! Everything that can happen, once: the closed list of what the log can say.
//!
//! Each kind carries what a verifier needs to judge its meaning: identifiers, digests and closed words. Free text of a
//! person or an application is personal and belongs in [`crate::audit::event::Personal`]. A member is never renamed or
//! given another meaning, because old leaves must stay readable; new kinds are added at the end.

pub use crate::decision::Outcome;

use crate::{
    assurance::{Acr, Binding, Method, Tier},
    digest::Digest,
    id::{
        AddressId, ApiKeyId, AuthenticatorId, ChallengeId, DecisionId, EventId, InvitationId, LoginId, MessageId,
        RunId, SessionId, SubjectId, TokenId,
    },
    statement::Purpose,
    time::Time,
};
use serde::{Deserialize, Serialize};

/// How a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    /// The person signed out.
    SignedOut,
    /// The person ended it from another session.
    EndedByOwner,
    /// An administrator ended it.
    EndedByAdministrator,
    /// Its lifetime is over.
    Expired,
    /// Its login was contained.
    Contained,
    /// Another session took its place when assurance rose.
    Replaced,
}

/// Why an open challenge can no longer be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VoidReason {
    /// Its time is over.
    Expired,
    /// Too many wrong answers.
    Attempts,
    /// Something the statement says is no longer so.
    Changed,
    /// The login behind it was contained.
    Contained,
    /// The installation's epoch rose.
    Epoch,
    /// Its session ended.
    SessionEnded,
}

/// What an API says became of a transaction that it spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReportedOutcome {
    /// It was done.
    Executed,
    /// It was not done.
    Failed,
}

/// What made us contain a login.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ContainmentCause {
    /// A command of the host's operator.
    Operator,
    /// An administrator or analyst.
    Administrator,
    /// The person said "this was not me".
    Owner,
    /// A signal that a relay was in between.
    Relay,
    /// A secret was found where it should not be.
    Leak,
}

/// What a notice to a person tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoticeAbout {
    /// An authenticator was enrolled.
    AuthenticatorEnrolled,
    /// An authenticator was removed.
    AuthenticatorRemoved,
    /// An authenticator was disabled after failures.
    AuthenticatorDisabled,
    /// A transaction was approved: its text, over an independent channel.
    TransactionApproved,
    /// A login was contained.
    Contained,
    /// Somebody signed in from a device that nobody knew.
    NewDevice,
    /// Recovery, addresses or other account facts changed.
    AccountChanged,
}

/// What happened. `type` in the leaf.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", deny_unknown_fields)]
pub enum EventKind {
    /// The first event of each run of a writer: names the run before it, as far as it is known to be durable.
    #[serde(rename = "run.begun")]
    RunBegun {
        /// This run.
        run: RunId,
        /// The installation's epoch.
        epoch: u64,
        /// The run before, with the last number that is known to be durable.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        predecessor: Option<Predecessor>,
    },
    /// The epoch rose: the database may have gone back in time, so that everything open is void.
    #[serde(rename = "epoch.raised")]
    EpochRaised {
        /// The epoch before.
        from: u64,
        /// The epoch now.
        to: u64,
        /// Why, in one of our fixed words.
        reason: String,
    },
    /// A key of ours was made.
    #[serde(rename = "key.created")]
    KeyCreated {
        /// Its `kid` or name.
        key: String,
        /// What it is for, in one of our fixed words.
        purpose: String,
        /// SHA-256 of its public part, if it has one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        public_key: Option<Digest>,
    },

    /// A question was answered.
    #[serde(rename = "decision.made")]
    DecisionMade {
        /// Which.
        decision: DecisionId,
        /// Commitment to the record with every input: see [`decision_record_digest`].
        record: Digest,
        /// About whom, if we know them.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        subject: Option<SubjectId>,
        /// The action's name.
        action: String,
        /// The resource's type.
        resource_type: String,
        /// The resource's identifier.
        resource_id: String,
        /// Its effective tier, where the action is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tier: Option<Tier>,
        /// What we answered.
        outcome: Outcome,
        /// Under which pack.
        policy_version: Digest,
        /// The protected API that asked; absent for our own actions.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        audience: Option<String>,
        /// The transaction that it lodged.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        txn_digest: Option<Digest>,
    },

    /// A browser began a session.
    #[serde(rename = "session.begun")]
    SessionBegun {
        /// Which.
        session: SessionId,
        /// What ties it to a device.
        binding: Binding,
        /// Thumbprint of the key that it is bound to.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        key: Option<Digest>,
    },
    /// A session became somebody's: a login.
    #[serde(rename = "session.signed_in")]
    SessionSignedIn {
        /// The session, under its new identifier.
        session: SessionId,
        /// The login.
        login: LoginId,
        /// Who.
        subject: SubjectId,
        /// With what: each must have had a proof accepted before.
        authenticators: Vec<AuthenticatorId>,
        /// What that amounts to.
        acr: Acr,
        /// What the session is bound to.
        binding: Binding,
    },
    /// A session's assurance rose, so that it got a new identifier.
    #[serde(rename = "session.raised")]
    SessionRaised {
        /// The new identifier.
        session: SessionId,
        /// The one that ended.
        previous: SessionId,
        /// The login, which stays.
        login: LoginId,
        /// What it amounts to now.
        acr: Acr,
    },
    /// A session ended.
    #[serde(rename = "session.ended")]
    SessionEnded {
        /// Which.
        session: SessionId,
        /// The login it came from.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        login: Option<LoginId>,
        /// Why.
        reason: EndReason,
    },
    /// A device key accompanied a phishing-resistant proof and is known from now on.
    #[serde(rename = "device.known")]
    DeviceKnown {
        /// Whose device.
        subject: SubjectId,
        /// Thumbprint of its session key.
        key: Digest,
        /// The proof's authenticator.
        authenticator: AuthenticatorId,
    },

    /// An answer was right.
    #[serde(rename = "proof.accepted")]
    ProofAccepted {
        /// Whose.
        subject: SubjectId,
        /// By what.
        authenticator: AuthenticatorId,
        /// How.
        method: Method,
        /// For which challenge; absent at a plain sign-in.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        challenge: Option<ChallengeId>,
        /// In which session.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        session: Option<SessionId>,
        /// The TOTP step that this spent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        totp_step: Option<u64>,
        /// Digest of the WebAuthn assertion (see [`crate::authenticator::webauthn::Assertion::digest`]).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        assertion: Option<Digest>,
    },
    /// An answer was wrong or came too late.
    #[serde(rename = "proof.refused")]
    ProofRefused {
        /// Whose, if the name given is anybody's.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        subject: Option<SubjectId>,
        /// By what, if it got that far.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        authenticator: Option<AuthenticatorId>,
        /// How.
        method: Method,
        /// For which challenge.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        challenge: Option<ChallengeId>,
        /// Why, in one of our fixed words.
        reason: String,
    },

    /// Somebody enrolled an authenticator.
    #[serde(rename = "authenticator.enrolled")]
    AuthenticatorEnrolled {
        /// Which.
        authenticator: AuthenticatorId,
        /// Whose.
        subject: SubjectId,
        /// What it is.
        method: Method,
        /// The most it can prove.
        ceiling: Acr,
        /// Digest of the public credential record (see [`crate::authenticator::webauthn::Credential::digest`]).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        credential: Option<Digest>,
        /// SHA-256 of the attestation object, where one was kept.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        attestation: Option<Digest>,
        /// The login in which it was bound.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        login: Option<LoginId>,
        /// The authenticators that vouched for it.
        vouched_by: Vec<AuthenticatorId>,
    },
    /// The most that an authenticator can prove changed.
    #[serde(rename = "authenticator.ceiling_changed")]
    AuthenticatorCeilingChanged {
        /// Which.
        authenticator: AuthenticatorId,
        /// From.
        from: Acr,
        /// To.
        to: Acr,
        /// Why, in one of our fixed words.
        reason: String,
        /// The authenticators that vouched for it.
        vouched_by: Vec<AuthenticatorId>,
    },
    /// An authenticator was removed.
    #[serde(rename = "authenticator.removed")]
    AuthenticatorRemoved {
        /// Which.
        authenticator: AuthenticatorId,
        /// Whose.
        subject: SubjectId,
    },
    /// An authenticator was disabled after consecutive failures (SP 800-63B-4 §3.2.2).
    #[serde(rename = "authenticator.disabled")]
    AuthenticatorDisabled {
        /// Which.
        authenticator: AuthenticatorId,
        /// Whose.
        subject: SubjectId,
        /// How many failures came one after the other.
        failures: u32,
    },

    /// A client pushed an authorization request (RFC 9126).
    #[serde(rename = "request.pushed")]
    RequestPushed {
        /// SHA-256 of its `request_uri`.
        request: Digest,
        /// The client.
        client_id: String,
        /// The decision that it answers.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        decision: Option<DecisionId>,
        /// The transaction that it carries.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        txn_digest: Option<Digest>,
    },
    /// A challenge was opened: from here its statement cannot change.
    #[serde(rename = "challenge.opened")]
    ChallengeOpened {
        /// Which.
        challenge: ChallengeId,
        /// For whose answer; absent where the passkey will say.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        signer: Option<SubjectId>,
        /// What the answer is for.
        purpose: Purpose,
        /// Digest of the statement.
        statement: Digest,
        /// What a WebAuthn authenticator must sign.
        ceremony_nonce: Digest,
        /// The session that it belongs to.
        session: SessionId,
        /// The decision that asked for it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        decision: Option<DecisionId>,
        /// The pushed request that it consumed, by SHA-256 of its `request_uri`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        request: Option<Digest>,
        /// The transaction.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        txn_digest: Option<Digest>,
        /// When it can no longer be answered.
        expires_at: Time,
    },
    /// A challenge got its proof.
    #[serde(rename = "challenge.proven")]
    ChallengeProven {
        /// Which.
        challenge: ChallengeId,
        /// By what.
        authenticator: AuthenticatorId,
        /// How.
        method: Method,
        /// Digest of the WebAuthn assertion.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        assertion: Option<Digest>,
    },
    /// The person said no.
    #[serde(rename = "challenge.refused")]
    ChallengeRefused {
        /// Which.
        challenge: ChallengeId,
        /// They also said that they had not asked for it.
        alarm: bool,
    },
    /// A challenge can no longer be answered.
    #[serde(rename = "challenge.void")]
    ChallengeVoid {
        /// Which.
        challenge: ChallengeId,
        /// Why.
        reason: VoidReason,
    },
    /// A sign that somebody stands between the person and us.
    #[serde(rename = "relay.seen")]
    RelaySeen {
        /// Whose, if we know.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        subject: Option<SubjectId>,
        /// In which session.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        session: Option<SessionId>,
        /// At which challenge.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        challenge: Option<ChallengeId>,
        /// Which sign, in one of our fixed words.
        signal: String,
    },

    /// An authorization code was issued.
    #[serde(rename = "code.issued")]
    CodeIssued {
        /// SHA-256 of the code.
        code: Digest,
        /// To which client.
        client_id: String,
        /// From which login.
        login: LoginId,
        /// For which challenge.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        challenge: Option<ChallengeId>,
        /// When it ends.
        expires_at: Time,
    },
    /// An access token was issued.
    #[serde(rename = "token.issued")]
    TokenIssued {
        /// `jti`.
        token: TokenId,
        /// To which client.
        client_id: String,
        /// For which API.
        audience: String,
        /// Whose; absent where a client speaks for itself.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        subject: Option<SubjectId>,
        /// From which login.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        login: Option<LoginId>,
        /// For which challenge: the token's `txn`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        challenge: Option<ChallengeId>,
        /// SHA-256 of the code that it was issued for; absent where a client got it for itself.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        code: Option<Digest>,
        /// Thumbprint of the key that it is bound to.
        jkt: Digest,
        /// When it ends.
        expires_at: Time,
    },
    /// A token was revoked.
    #[serde(rename = "token.revoked")]
    TokenRevoked {
        /// `jti`.
        token: TokenId,
    },

    /// An approval had its one effect.
    #[serde(rename = "spent")]
    Spent {
        /// The spend key, `txn`.
        challenge: ChallengeId,
        /// SHA-256 of the caller's `redemption_id`.
        redemption: Digest,
        /// The API.
        audience: String,
        /// The transaction, as built from the request that the API is about to execute.
        txn_digest: Digest,
        /// By which token; absent where an evaluation spent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        token: Option<TokenId>,
        /// The decision behind it.
        decision: DecisionId,
        /// The pack in force.
        policy_version: Digest,
    },
    /// A spend was refused.
    #[serde(rename = "spend.refused")]
    SpendRefused {
        /// The spend key, if the token was good enough to have one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        challenge: Option<ChallengeId>,
        /// The API.
        audience: String,
        /// Why, in one of our fixed words.
        reason: String,
    },
    /// An API said what became of it.
    #[serde(rename = "outcome.reported")]
    OutcomeReported {
        /// The spend key.
        challenge: ChallengeId,
        /// SHA-256 of the `redemption_id`.
        redemption: Digest,
        /// What it said.
        outcome: ReportedOutcome,
    },

    /// Everything that descends from these logins was cut.
    #[serde(rename = "contained")]
    Contained {
        /// The closure.
        logins: Vec<LoginId>,
        /// Authenticators that these logins had bound.
        authenticators: Vec<AuthenticatorId>,
        /// Why.
        cause: ContainmentCause,
    },
    /// A containment was taken back.
    #[serde(rename = "containment.reversed")]
    ContainmentReversed {
        /// Which logins.
        logins: Vec<LoginId>,
        /// The decision that allowed it; absent when the host's operator did it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        decision: Option<DecisionId>,
    },

    /// Another pack came into force.
    #[serde(rename = "policy.activated")]
    PolicyActivated {
        /// Which.
        version: Digest,
        /// The one before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        previous: Option<Digest>,
        /// Whether it was proven that none of its policies errs.
        proven: bool,
    },
    /// A person came to be.
    #[serde(rename = "subject.created")]
    SubjectCreated {
        /// Who.
        subject: SubjectId,
    },
    /// A person was suspended or came back.
    #[serde(rename = "subject.suspended")]
    SubjectSuspended {
        /// Who.
        subject: SubjectId,
        /// False when they came back.
        suspended: bool,
    },
    /// An address was added, confirmed or removed.
    #[serde(rename = "address.changed")]
    AddressChanged {
        /// Which.
        address: AddressId,
        /// Whose.
        subject: SubjectId,
        /// `added`, `confirmed` or `removed`.
        change: String,
    },
    /// A person got or lost a role or a group.
    #[serde(rename = "access.granted")]
    AccessGranted {
        /// Who.
        subject: SubjectId,
        /// `role:<name>` or `group:<name>`.
        grant: String,
        /// False when it was taken away.
        granted: bool,
    },
    /// A client, protected API, resource or action was registered, changed or removed.
    #[serde(rename = "registration.changed")]
    RegistrationChanged {
        /// `client`, `api` or `resource`.
        noun: String,
        /// Its `client_id`, audience, or `type/id`.
        id: String,
        /// Digest of what it says now; absent when it was removed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        record: Option<Digest>,
    },
    /// An API key was issued or revoked.
    #[serde(rename = "api_key.changed")]
    ApiKeyChanged {
        /// Which.
        key: ApiKeyId,
        /// For which API.
        audience: String,
        /// When it ends; absent when it was revoked.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expires_at: Option<Time>,
    },
    /// An invitation was issued or used.
    #[serde(rename = "invitation.changed")]
    InvitationChanged {
        /// Which.
        invitation: InvitationId,
        /// For whom.
        subject: SubjectId,
        /// The ceiling that it vouches for.
        ceiling: Acr,
        /// True once it has been used.
        used: bool,
    },
    /// A message to a person was queued, in one unit with what it tells of.
    #[serde(rename = "notice.sent")]
    NoticeSent {
        /// Which.
        message: MessageId,
        /// To whom.
        subject: SubjectId,
        /// What about.
        about: NoticeAbout,
    },
    /// The mail server took a message over.
    #[serde(rename = "notice.delivered")]
    NoticeDelivered {
        /// Which.
        message: MessageId,
        /// To whom.
        subject: SubjectId,
    },
    /// A message will not be delivered: its person has not been told so.
    #[serde(rename = "notice.failed")]
    NoticeFailed {
        /// Which.
        message: MessageId,
        /// To whom.
        subject: SubjectId,
        /// Why, in one of our fixed words, with the server's reply code where there was one.
        reason: String,
    },
    /// A passkey that codes have bound rests from now on, because its owner has been told; or anew, because an address of
    /// theirs has changed.
    #[serde(rename = "authenticator.rest_begun")]
    RestBegun {
        /// Which.
        authenticator: AuthenticatorId,
        /// Whose.
        subject: SubjectId,
        /// What it rises to
        acr: Acr,
        /// then.
        until: Time,
    },
    /// Personal values of events were erased; their commitments stay.
    #[serde(rename = "personal.erased")]
    PersonalErased {
        /// Of which events.
        events: Vec<EventId>,
        /// The two who agreed.
        by: Vec<SubjectId>,
    },
    /// A pushed request was used up without being granted.
    #[serde(rename = "request.refused")]
    RequestRefused {
        /// SHA-256 of its `request_uri`.
        request: Digest,
        /// The client.
        client_id: String,
        /// The error code that went back to it.
        error: String,
    },
    /// A code was presented wrongly by its own client, and is used up.
    #[serde(rename = "code.refused")]
    CodeRefused {
        /// SHA-256 of the code.
        code: Digest,
        /// By which client.
        client_id: String,
    },
    /// A browser brought the link of an invitation: from now on the invitation is that browser's.
    #[serde(rename = "invitation.brought")]
    InvitationBrought {
        /// Which.
        invitation: InvitationId,
        /// For whom.
        subject: SubjectId,
        /// In which session.
        session: SessionId,
        /// Thumbprint of the key that the browser proved.
        key: Digest,
    },
    /// A link that is wrong, used, over or another browser's was brought.
    #[serde(rename = "invitation.refused")]
    InvitationRefused {
        /// Which, if there is such an invitation.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        invitation: Option<InvitationId>,
        /// Why, in one of our fixed words.
        reason: String,
    },
    /// A person said that an authenticator of theirs was added by somebody else: it is off for ever.
    #[serde(rename = "authenticator.disowned")]
    AuthenticatorDisowned {
        /// Which.
        authenticator: AuthenticatorId,
        /// Whose.
        subject: SubjectId,
    },
}

/// The run before the one that begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Predecessor {
    /// Which.
    pub run: RunId,
    /// The last number that is known to be durable.
    pub number: u64,
    /// The MAC of that link.
    pub mac: crate::seal::Mac,
}

/// The commitment by which `decision.made` binds the record with all inputs: a salt of 16 random bytes, stored in the
/// record, keeps what is personal in it from being guessed.
pub fn decision_record_digest(salt: &[u8; 16], canonical_record: &[u8]) -> Digest {
    Digest::of_parts(&[b"counterfoil/decision/v1\0", salt, canonical_record])
}

/// The same of a stored record, which carries its salt in its member `salt`; none for bytes that have no such salt.
pub fn stored_record_digest(record: &[u8]) -> Option<Digest> {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    #[derive(Deserialize)]
    struct Salted {
        salt: String,
    }
    let Salted { salt } = serde_json::from_slice(record).ok()?;
    let salt: [u8; 16] = URL_SAFE_NO_PAD.decode(salt).ok()?.try_into().ok()?;
    Some(decision_record_digest(&salt, record))
}

impl EventKind {
    /// The name in the leaf, for filters and counters.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::RunBegun { .. } => "run.begun",
            Self::EpochRaised { .. } => "epoch.raised",
            Self::KeyCreated { .. } => "key.created",
            Self::DecisionMade { .. } => "decision.made",
            Self::SessionBegun { .. } => "session.begun",
            Self::SessionSignedIn { .. } => "session.signed_in",
            Self::SessionRaised { .. } => "session.raised",
            Self::SessionEnded { .. } => "session.ended",
            Self::DeviceKnown { .. } => "device.known",
            Self::ProofAccepted { .. } => "proof.accepted",
            Self::ProofRefused { .. } => "proof.refused",
            Self::AuthenticatorEnrolled { .. } => "authenticator.enrolled",
            Self::AuthenticatorCeilingChanged { .. } => "authenticator.ceiling_changed",
            Self::AuthenticatorRemoved { .. } => "authenticator.removed",
            Self::AuthenticatorDisabled { .. } => "authenticator.disabled",
            Self::RequestPushed { .. } => "request.pushed",
            Self::ChallengeOpened { .. } => "challenge.opened",
            Self::ChallengeProven { .. } => "challenge.proven",
            Self::ChallengeRefused { .. } => "challenge.refused",
            Self::ChallengeVoid { .. } => "challenge.void",
            Self::RelaySeen { .. } => "relay.seen",
            Self::CodeIssued { .. } => "code.issued",
            Self::TokenIssued { .. } => "token.issued",
            Self::TokenRevoked { .. } => "token.revoked",
            Self::Spent { .. } => "spent",
            Self::SpendRefused { .. } => "spend.refused",
            Self::OutcomeReported { .. } => "outcome.reported",
            Self::Contained { .. } => "contained",
            Self::ContainmentReversed { .. } => "containment.reversed",
            Self::PolicyActivated { .. } => "policy.activated",
            Self::SubjectCreated { .. } => "subject.created",
            Self::SubjectSuspended { .. } => "subject.suspended",
            Self::AddressChanged { .. } => "address.changed",
            Self::AccessGranted { .. } => "access.granted",
            Self::RegistrationChanged { .. } => "registration.changed",
            Self::ApiKeyChanged { .. } => "api_key.changed",
            Self::InvitationChanged { .. } => "invitation.changed",
            Self::NoticeSent { .. } => "notice.sent",
            Self::NoticeDelivered { .. } => "notice.delivered",
            Self::NoticeFailed { .. } => "notice.failed",
            Self::RestBegun { .. } => "authenticator.rest_begun",
            Self::PersonalErased { .. } => "personal.erased",
            Self::RequestRefused { .. } => "request.refused",
            Self::CodeRefused { .. } => "code.refused",
            Self::InvitationBrought { .. } => "invitation.brought",
            Self::InvitationRefused { .. } => "invitation.refused",
            Self::AuthenticatorDisowned { .. } => "authenticator.disowned",
        }
    }
}
