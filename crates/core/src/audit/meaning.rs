//! What a log must not say: that something was spent twice, issued without proof, or used before it was enrolled.
//!
//! Leaves of different nodes can lie a little out of order, because each node commits on its own and clocks differ; and
//! the events of one unit, which are committed together and dated alike, have no order among themselves. So a missing
//! cause is owed until it comes: it is accepted late from the same unit, or from another run and dated within the
//! clocks' leeway.

use super::{
    contradiction::{Contradiction, Place},
    event::{EventKind, Leaf},
    kind::Outcome,
};
use crate::{
    digest::Digest,
    id::{AuthenticatorId, ChallengeId, DecisionId, LoginId, TokenId},
    limits,
    time::Time,
};
use std::collections::{BTreeMap, BTreeSet};

/// Events of one unit of work lie at most this far apart in their run.
const UNIT_EVENTS: u64 = 64;
/// Between the date of a unit and its commit lies at most so much, as far as this can tell.
const UNIT_SECONDS: i64 = 30;

/// What later events may rest on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Cause {
    Decision(DecisionId),
    Opened(ChallengeId),
    Answered(ChallengeId),
    Proven(ChallengeId),
    Spent(ChallengeId),
    Enrolled(AuthenticatorId),
    Accepted(AuthenticatorId),
    Login(LoginId),
}

struct Opened {
    txn_digest: Option<Digest>,
    expires_at: Time,
}

/// What a code was for, or what a token says that its code was for.
struct Granted {
    client_id: String,
    login: Option<LoginId>,
    challenge: Option<ChallengeId>,
}

/// What was said of a code.
enum Code {
    Issued(Box<Granted>, Time),
    Early(Box<Early>),
    Used,
}

/// A code that was used up where nobody had read yet that it was issued: by this token, or by a refusal.
struct Early {
    place: Place,
    at: Time,
    token: Option<Granted>,
}

/// A token of an approval.
struct Issued {
    place: Place,
    at: Time,
    challenge: ChallengeId,
    audience: String,
    expires_at: Time,
}

struct Spent {
    place: Place,
    at: Time,
    challenge: ChallengeId,
    audience: String,
    txn_digest: Digest,
    token: Option<TokenId>,
    /// The token had not been read yet.
    early: bool,
}

/// What was said so far. It grows with the log: by some hundred bytes for each challenge, login, token of an approval and code that
/// waits for its token, by some ten for each decision and each code that was
/// used.
#[derive(Default)]
pub(super) struct Meaning {
    causes: BTreeSet<Cause>,
    owed: BTreeMap<Cause, Vec<(Place, Time, Contradiction)>>,
    opened: BTreeMap<ChallengeId, Opened>,
    ended: BTreeSet<ChallengeId>,
    opened_for: BTreeSet<DecisionId>,
    consumed: BTreeSet<Digest>,
    denied: BTreeSet<DecisionId>,
    holders: BTreeMap<AuthenticatorId, crate::id::SubjectId>,
    unusable: BTreeMap<AuthenticatorId, (Place, Time)>,
    contained: BTreeMap<LoginId, (Place, Time)>,
    steps: BTreeSet<(AuthenticatorId, u64)>,
    token_logins: BTreeMap<ChallengeId, LoginId>,
    tokens: BTreeMap<TokenId, Issued>,
    revoked: BTreeMap<TokenId, (Place, Time)>,
    codes: BTreeMap<Digest, Code>,
    spent: Vec<Spent>,
    found: Vec<(Place, Contradiction)>,
}

impl Meaning {
    /// Reads the next event.
    pub(super) fn read(&mut self, place: Place, leaf: &Leaf) {
        let at = leaf.at;
        match &leaf.kind {
            EventKind::DecisionMade { decision, outcome, .. } => {
                if *outcome == Outcome::Deny {
                    self.denied.insert(*decision);
                }
                self.provide(place, at, Cause::Decision(*decision));
            }
            EventKind::ChallengeOpened { challenge, decision, request, txn_digest, expires_at, .. } => {
                self.open(place, at, *challenge, *decision, *request);
                let opened = Opened { txn_digest: *txn_digest, expires_at: *expires_at };
                if self.opened.insert(*challenge, opened).is_some() {
                    self.found.push((place, Contradiction::OpenedTwice));
                }
            }
            EventKind::ProofAccepted { subject, authenticator, challenge, totp_step, .. } => {
                self.require(place, at, Cause::Enrolled(*authenticator), Contradiction::UsedBeforeEnrolled);
                if self.holders.get(authenticator).is_some_and(|holder| holder != subject) {
                    self.found.push((place, Contradiction::UsedByOther));
                }
                if self.unusable.get(authenticator).is_some_and(|end| is_after(place, at, *end)) {
                    self.found.push((place, Contradiction::UsedAfterEnd));
                }
                if totp_step.is_some_and(|step| !self.steps.insert((*authenticator, step))) {
                    self.found.push((place, Contradiction::StepTwice));
                }
                self.provide(place, at, Cause::Accepted(*authenticator));
                if let Some(challenge) = challenge {
                    self.provide(place, at, Cause::Answered(*challenge));
                }
            }
            EventKind::ChallengeProven { challenge, .. } => self.prove(place, at, *challenge),
            EventKind::ChallengeRefused { challenge, .. } | EventKind::ChallengeVoid { challenge, .. } => {
                self.ended.insert(*challenge);
            }
            EventKind::AuthenticatorEnrolled { authenticator, subject, .. } => {
                self.holders.insert(*authenticator, *subject);
                self.unusable.remove(authenticator);
                self.provide(place, at, Cause::Enrolled(*authenticator));
            }
            EventKind::AuthenticatorRemoved { authenticator, .. }
            | EventKind::AuthenticatorDisowned { authenticator, .. }
            | EventKind::AuthenticatorDisabled { authenticator, .. } => {
                self.unusable.insert(*authenticator, (place, at));
            }
            EventKind::SessionSignedIn { login, authenticators, .. } => {
                for authenticator in authenticators {
                    self.require(place, at, Cause::Accepted(*authenticator), Contradiction::SignedInUnproven);
                }
                self.provide(place, at, Cause::Login(*login));
            }
            EventKind::CodeIssued { code, client_id, login, challenge, expires_at } => {
                self.issue(place, at, Some(*login), *challenge);
                let granted = Granted { client_id: client_id.clone(), login: Some(*login), challenge: *challenge };
                self.issue_code((place, at), *code, granted, *expires_at);
            }
            EventKind::TokenIssued { token, client_id, audience, login, challenge, code, expires_at, .. } => {
                self.issue(place, at, *login, *challenge);
                if let Some(code) = code {
                    let granted = Granted { client_id: client_id.clone(), login: *login, challenge: *challenge };
                    self.use_code((place, at), *code, Some(granted));
                }
                if let Some(challenge) = *challenge {
                    let (audience, expires_at) = (audience.clone(), *expires_at);
                    self.tokens.entry(*token).or_insert(Issued { place, at, challenge, audience, expires_at });
                    self.token_logins.extend(login.map(|login| (challenge, login)));
                }
            }
            EventKind::CodeRefused { code, .. } => self.use_code((place, at), *code, None),
            EventKind::TokenRevoked { token } => {
                self.revoked.entry(*token).or_insert((place, at));
            }
            EventKind::Spent { challenge, audience, txn_digest, token, .. } => {
                self.require(place, at, Cause::Proven(*challenge), Contradiction::SpentUnproven);
                if !self.causes.contains(&Cause::Spent(*challenge)) {
                    self.provide(place, at, Cause::Spent(*challenge));
                } else {
                    self.found.push((place, Contradiction::SecondSpend));
                }
                if let Some(login) = self.token_logins.get(challenge).copied() {
                    self.not_contained(place, at, login);
                }
                if token.and_then(|token| self.revoked.get(&token)).is_some_and(|end| is_after(place, at, *end)) {
                    self.found.push((place, Contradiction::SpentTooLate));
                }
                self.spent.push(Spent {
                    place,
                    at,
                    challenge: *challenge,
                    audience: audience.clone(),
                    txn_digest: *txn_digest,
                    token: *token,
                    early: token.is_some_and(|token| !self.tokens.contains_key(&token)),
                });
            }
            EventKind::OutcomeReported { challenge, .. } => {
                self.require(place, at, Cause::Spent(*challenge), Contradiction::OutcomeUnspent);
            }
            EventKind::Contained { logins, authenticators, .. } => {
                // Taking a containment back names logins: what they had bound stays out of use.
                self.unusable.extend(authenticators.iter().map(|authenticator| (*authenticator, (place, at))));
                self.contained.extend(logins.iter().map(|login| (*login, (place, at))));
            }
            EventKind::ContainmentReversed { logins, .. } => {
                self.contained.retain(|login, _| !logins.contains(login));
            }
            EventKind::EpochRaised { from, to, .. } if to <= from => {
                self.found.push((place, Contradiction::EpochFell));
            }
            // Everything else rests on nothing that a log can contradict.
            EventKind::RunBegun { .. }
            | EventKind::EpochRaised { .. }
            | EventKind::KeyCreated { .. }
            | EventKind::SessionBegun { .. }
            | EventKind::SessionRaised { .. }
            | EventKind::SessionEnded { .. }
            | EventKind::DeviceKnown { .. }
            | EventKind::ProofRefused { .. }
            | EventKind::AuthenticatorCeilingChanged { .. }
            | EventKind::RequestPushed { .. }
            | EventKind::RelaySeen { .. }
            | EventKind::SpendRefused { .. }
            | EventKind::PolicyActivated { .. }
            | EventKind::SubjectCreated { .. }
            | EventKind::SubjectSuspended { .. }
            | EventKind::AddressChanged { .. }
            | EventKind::AccessGranted { .. }
            | EventKind::RegistrationChanged { .. }
            | EventKind::ApiKeyChanged { .. }
            | EventKind::InvitationChanged { .. }
            | EventKind::NoticeSent { .. }
            | EventKind::NoticeDelivered { .. }
            | EventKind::NoticeFailed { .. }
            | EventKind::RestBegun { .. }
            | EventKind::PersonalErased { .. }
            | EventKind::RequestRefused { .. }
            | EventKind::InvitationBrought { .. }
            | EventKind::InvitationRefused { .. } => {}
        }
    }

    /// The decisions that the log speaks of.
    pub(super) fn decisions(&self) -> impl Iterator<Item = DecisionId> {
        self.causes
            .iter()
            .filter_map(|cause| if let Cause::Decision(decision) = cause { Some(*decision) } else { None })
    }

    /// Everything that was found, once the log has been read to its end.
    pub(super) fn finish(mut self) -> Vec<(Place, Contradiction)> {
        for spent in std::mem::take(&mut self.spent) {
            self.compare_spent(&spent);
        }
        let unknown = self.codes.values().filter_map(|code| match code {
            Code::Early(early) if early.token.is_some() => Some((early.place, Contradiction::UnknownCode)),
            _ => None,
        });
        self.found.extend(unknown);
        let owed = self.owed.into_values().flatten().map(|(place, _, contradiction)| (place, contradiction));
        self.found.extend(owed);
        self.found.sort_by_key(|(place, _)| (place.index.is_none(), *place));
        self.found
    }

    /// What was spent, beside what was signed and the token that it was spent by.
    fn compare_spent(&mut self, spent: &Spent) {
        let &Spent { place, at, challenge, txn_digest, .. } = spent;
        let signed = self.opened.get(&challenge).and_then(|opened| opened.txn_digest);
        if signed.is_some_and(|signed| signed != txn_digest) {
            self.found.push((place, Contradiction::SpentOther));
        }
        let Some(token) = spent.token else { return };
        let Some(issued) = self.tokens.get(&token).filter(|issued| issued.challenge == challenge) else {
            return self.found.push((place, Contradiction::SpentByOtherToken));
        };
        if spent.early && !may_lie_before((place, at), (issued.place, issued.at)) {
            self.found.push((place, Contradiction::SpentByOtherToken));
        }
        if issued.audience != spent.audience {
            self.found.push((place, Contradiction::SpentElsewhere));
        }
        // Whoever spends compares with its own clock, as the event is dated.
        if at >= issued.expires_at {
            self.found.push((place, Contradiction::SpentTooLate));
        }
    }

    fn issue_code(&mut self, (place, at): (Place, Time), code: Digest, granted: Granted, expires_at: Time) {
        match self.codes.insert(code, Code::Used) {
            None => {
                self.codes.insert(code, Code::Issued(Box::new(granted), expires_at));
            }
            Some(Code::Early(early)) => {
                let used = (early.place, early.at);
                if !may_lie_before(used, (place, at)) {
                    self.found.push((early.place, Contradiction::UnknownCode));
                }
                if let Some(token) = &early.token {
                    self.compare_code(used, token, &granted, expires_at);
                }
            }
            Some(Code::Issued(..) | Code::Used) => self.found.push((place, Contradiction::CodeTwice)),
        }
    }

    /// Uses a code up: for this token, or by a refusal.
    fn use_code(&mut self, (place, at): (Place, Time), code: Digest, token: Option<Granted>) {
        match self.codes.insert(code, Code::Used) {
            None => {
                self.codes.insert(code, Code::Early(Box::new(Early { place, at, token })));
            }
            Some(Code::Issued(granted, expires_at)) => {
                if let Some(token) = token {
                    self.compare_code((place, at), &token, &granted, expires_at);
                }
            }
            Some(before @ (Code::Early(..) | Code::Used)) => {
                self.codes.insert(code, before);
                self.found.push((place, Contradiction::CodeTwice));
            }
        }
    }

    /// A token beside its code. It names the approval that the code was for, if that was of a transaction.
    fn compare_code(&mut self, (place, at): (Place, Time), token: &Granted, code: &Granted, expires_at: Time) {
        let of_transaction =
            |challenge: &ChallengeId| self.opened.get(challenge).is_some_and(|opened| opened.txn_digest.is_some());
        let challenge = match token.challenge {
            Some(_) => token.challenge == code.challenge,
            None => !code.challenge.as_ref().is_some_and(of_transaction),
        };
        if !challenge || (&token.client_id, token.login) != (&code.client_id, code.login) {
            self.found.push((place, Contradiction::IssuedOther));
        }
        if at >= expires_at {
            self.found.push((place, Contradiction::CodeLate));
        }
    }

    fn open(
        &mut self,
        place: Place,
        at: Time,
        challenge: ChallengeId,
        decision: Option<DecisionId>,
        request: Option<Digest>,
    ) {
        if let Some(decision) = decision {
            self.require(place, at, Cause::Decision(decision), Contradiction::UnknownDecision);
            if self.denied.contains(&decision) {
                self.found.push((place, Contradiction::OpenedDenied));
            }
            if !self.opened_for.insert(decision) {
                self.found.push((place, Contradiction::ConsumedTwice));
            }
        }
        if request.is_some_and(|request| !self.consumed.insert(request)) {
            self.found.push((place, Contradiction::ConsumedTwice));
        }
        self.provide(place, at, Cause::Opened(challenge));
    }

    fn prove(&mut self, place: Place, at: Time, challenge: ChallengeId) {
        self.require(place, at, Cause::Opened(challenge), Contradiction::ProvenUnopened);
        self.require(place, at, Cause::Answered(challenge), Contradiction::ProvenWithoutProof);
        if self.opened.get(&challenge).is_some_and(|opened| at >= opened.expires_at) {
            self.found.push((place, Contradiction::ProvenLate));
        }
        if !self.ended.insert(challenge) {
            self.found.push((place, Contradiction::ProvenAfterEnd));
        }
        self.provide(place, at, Cause::Proven(challenge));
    }

    fn issue(&mut self, place: Place, at: Time, login: Option<LoginId>, challenge: Option<ChallengeId>) {
        if let Some(login) = login {
            self.require(place, at, Cause::Login(login), Contradiction::IssuedWithoutLogin);
            self.not_contained(place, at, login);
        }
        if let Some(challenge) = challenge {
            self.require(place, at, Cause::Proven(challenge), Contradiction::IssuedUnproven);
        }
    }

    fn not_contained(&mut self, place: Place, at: Time, login: LoginId) {
        if self.contained.get(&login).is_some_and(|end| is_after(place, at, *end)) {
            self.found.push((place, Contradiction::AfterContainment));
        }
    }

    fn require(&mut self, place: Place, at: Time, cause: Cause, otherwise: Contradiction) {
        if !self.causes.contains(&cause) {
            self.owed.entry(cause).or_default().push((place, at, otherwise));
        }
    }

    fn provide(&mut self, place: Place, at: Time, cause: Cause) {
        self.causes.insert(cause);
        for (owing, used_at, contradiction) in self.owed.remove(&cause).unwrap_or_default() {
            if !may_lie_before((owing, used_at), (place, at)) {
                self.found.push((owing, contradiction));
            }
        }
    }
}

/// Whether an event may lie in the log before what it rests on.
fn may_lie_before((first, first_at): (Place, Time), (cause, cause_at): (Place, Time)) -> bool {
    if first.run == cause.run {
        return first_at == cause_at && cause.number.abs_diff(first.number) <= UNIT_EVENTS;
    }
    cause_at <= first_at.plus_seconds(limits::CLOCK_LEEWAY_SECONDS)
}

/// Whether an event that lies after an end in the log also came after it. Of two nodes only their events' times tell: an end is dated
/// when it was asked for, and holds when it is committed.
fn is_after(place: Place, at: Time, (end, end_at): (Place, Time)) -> bool {
    if place.run == end.run {
        return at != end_at || place.number.abs_diff(end.number) > UNIT_EVENTS;
    }
    at > end_at.plus_seconds(limits::CLOCK_LEEWAY_SECONDS + UNIT_SECONDS)
}
