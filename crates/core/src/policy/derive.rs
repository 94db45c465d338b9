//! The step-up, derived from the policy and never configured beside it (DESIGN §4): try what the subject could show,
//! from the least demanding up, and ask for the first that would permit.

use super::{floor, rule::Answer, scene::Scene, slice::Slice};
use crate::{
    assurance::{Acr, Binding, Method, Tier},
    decision::{DecisionInput, EnrolledAuthenticator},
    digest::Digest,
    evidence::{Evidence, ProofFact, RelayVerdict, SessionFacts},
    id::{AuthenticatorId, LoginId, SessionId, SubjectId},
    limits::SESSION_SECONDS,
    requirement::{Missing, Requirement},
};

/// What would be a permit, and which policies said so.
pub(super) struct Derived {
    pub(super) requirement: Requirement,
    pub(super) policies: Vec<String>,
}

/// One thing that the subject could show.
#[derive(Clone)]
struct Candidate {
    method: Method,
    ceiling: Acr,
    user_verified: bool,
    hardware_bound: bool,
    channel: Option<String>,
    /// Of an enrolled authenticator; `None` for one that could be enrolled, or is only imagined.
    authenticator: Option<AuthenticatorId>,
    /// A password has to be shown with it, because the session has none.
    with_password: Option<AuthenticatorId>,
    approvers: u32,
}

/// Tries candidates for one request.
pub(super) struct Trial<'a> {
    pub(super) scene: &'a Scene<'a>,
    pub(super) slice: &'a Slice,
    pub(super) input: &'a DecisionInput,
    pub(super) subject: SubjectId,
    pub(super) tier: Tier,
    /// The transaction's digest; a stand-in where the action has a transaction type and the request brings none yet.
    pub(super) txn: Option<Digest>,
    pub(super) missing: Vec<Missing>,
}

impl Trial<'_> {
    /// What to ask for: enrolled authenticators first, then those that may be enrolled.
    pub(super) fn step_up(&self) -> Option<Derived> {
        let enrolled = self.enrolled();
        if let Some(derived) = self.first_of(&enrolled, false) {
            return Some(derived);
        }
        let mut may_enrol: Vec<Candidate> =
            self.input.enrollable.iter().map(|e| self.imagined(e.method, e.ceiling, e.hardware_bound)).collect();
        may_enrol.sort_by_key(Candidate::demand);
        self.first_of(&may_enrol, true)
    }

    /// What would be accepted of somebody who could show it, from the least demanding up.
    pub(super) fn would_take(&self) -> Vec<Requirement> {
        let signed = self.imagined(Method::Passkey, Acr::Phr, false);
        if let Some(derived) = self.first_of(std::slice::from_ref(&signed), false) {
            return vec![derived.requirement];
        }
        let in_hardware = self.imagined(Method::Passkey, Acr::Phrh, true);
        let with_second = Candidate { approvers: 1, ..signed };
        [in_hardware, with_second]
            .iter()
            .filter_map(|candidate| self.first_of(std::slice::from_ref(candidate), false))
            .map(|derived| derived.requirement)
            .collect()
    }

    fn imagined(&self, method: Method, ceiling: Acr, hardware_bound: bool) -> Candidate {
        Candidate {
            method,
            ceiling,
            user_verified: method == Method::Passkey,
            hardware_bound,
            channel: None,
            authenticator: None,
            with_password: self.password(method),
            approvers: 0,
        }
    }

    /// The password to be shown along with a code, where the session has not seen one.
    fn password(&self, method: Method) -> Option<AuthenticatorId> {
        let shown = self.input.evidence.proofs.iter().any(|p| p.method == Method::Password);
        let enrolled = || self.input.enrolled.iter().find(|e| e.method == Method::Password);
        if method.is_code() && !shown { enrolled().map(|e| e.id) } else { None }
    }

    fn enrolled(&self) -> Vec<Candidate> {
        let mut candidates: Vec<Candidate> = self
            .input
            .enrolled
            .iter()
            .filter(|e| !e.method.is_code() || !self.input.evidence.has_used(e.id, e.channel.as_deref()))
            .map(|e| self.of(e))
            .collect();
        if self.input.approvers_available > 0 {
            let signed = candidates.iter().filter(|c| c.method == Method::Passkey).cloned();
            let with_second: Vec<_> = signed.map(|candidate| Candidate { approvers: 1, ..candidate }).collect();
            candidates.extend(with_second);
        }
        candidates.sort_by_key(Candidate::demand);
        candidates
    }

    fn of(&self, enrolled: &EnrolledAuthenticator) -> Candidate {
        Candidate {
            method: enrolled.method,
            ceiling: enrolled.ceiling,
            user_verified: enrolled.user_verifying,
            hardware_bound: enrolled.hardware_bound,
            channel: enrolled.channel.clone(),
            authenticator: Some(enrolled.id),
            with_password: self.password(enrolled.method),
            approvers: 0,
        }
    }

    fn first_of(&self, candidates: &[Candidate], enrolment_needed: bool) -> Option<Derived> {
        for (place, candidate) in candidates.iter().enumerate() {
            // For the session first: what it brings lasts longer than one transaction.
            for txn in std::iter::once(None).chain(self.txn.map(Some)) {
                let Some((answer, max_age_seconds)) = self.oldest(candidate, txn) else { continue };
                let same = |other: &&Candidate| {
                    std::ptr::eq(*other, candidate)
                        || (other.approvers == candidate.approvers && self.permits(other, txn, 0).is_some())
                };
                let accepted = candidates[place..].iter().filter(same).filter_map(|c| c.authenticator).collect();
                return Some(Derived {
                    requirement: Requirement {
                        acr: self.acr(candidate, txn),
                        max_age_seconds,
                        method: candidate.method,
                        transaction_bound: txn.is_some(),
                        approvers: candidate.approvers,
                        enrolment_needed,
                        candidates: accepted,
                        missing: self.missing.clone(),
                        hardware_bound: candidate.hardware_bound && candidate.ceiling >= Acr::Phrh,
                    },
                    policies: answer.policies,
                });
            }
        }
        None
    }

    /// The oldest age at which the candidate is still accepted, `None` within for any age.
    ///
    /// A policy's view of an age changes only at the numbers that it compares with, so these are tried, the oldest
    /// first: mostly that one permits. Between it and the others stands the freshest: if not even that is enough, none is.
    fn oldest(&self, candidate: &Candidate, txn: Option<Digest>) -> Option<(Answer, Option<i64>)> {
        if let Some(answer) = self.permits(candidate, txn, SESSION_SECONDS) {
            return Some((answer, None));
        }
        let limit = |age: i64| Some(age).filter(|age| *age < SESSION_SECONDS);
        let mut ages = self.slice.ages.iter().copied().filter(|age| *age > 0);
        if let Some((age, answer)) = ages.next().and_then(|age| Some((age, self.permits(candidate, txn, age)?))) {
            return Some((answer, limit(age)));
        }
        let fresh = self.permits(candidate, txn, 0)?;
        let older = ages.find_map(|age| Some((self.permits(candidate, txn, age)?, limit(age))));
        Some(older.unwrap_or((fresh, Some(0))))
    }

    /// Whether the policy and the floor would permit, had this been shown `age` seconds ago.
    fn permits(&self, candidate: &Candidate, txn: Option<Digest>, age: i64) -> Option<Answer> {
        let evidence = self.with(candidate, txn, age);
        let mut shown = evidence.shown(self.input.now, self.subject, self.txn.as_ref());
        // Who would approve is not known yet, only that it is somebody else.
        shown.approvers = shown.approvers.saturating_add(i64::from(candidate.approvers));
        let session = self.session_after(candidate);
        // Cheaper than asking Cedar, and asked again after every permit anyway.
        if !floor::reached(self.tier, &shown, Some(&session)) {
            return None;
        }
        // An error never permits, not in a trial either.
        self.scene.ask(&shown, Some(&session)).ok().filter(|answer| answer.permitted)
    }

    fn with(&self, candidate: &Candidate, txn: Option<Digest>, age: i64) -> Evidence {
        let at = self.input.now.plus_seconds(-age);
        let nobody = AuthenticatorId::new(at, [0; 10]);
        let mut evidence = self.input.evidence.clone();
        if let Some(authenticator) = candidate.with_password {
            evidence.proofs.push(ProofFact {
                method: Method::Password,
                at,
                authenticator,
                ceiling: Acr::Aal2,
                user_verified: false,
                hardware_bound: false,
                txn_digest: None,
                channel: None,
            });
        }
        // A fresh proof takes the place of older ones of its method: the question is whether this one is enough.
        if txn.is_some() {
            evidence.proofs.retain(|proof| proof.txn_digest != txn);
        } else {
            evidence.proofs.retain(|proof| proof.method != candidate.method || proof.txn_digest.is_some());
        }
        evidence.proofs.push(ProofFact {
            method: candidate.method,
            at,
            authenticator: candidate.authenticator.unwrap_or(nobody),
            ceiling: candidate.ceiling,
            user_verified: candidate.user_verified,
            hardware_bound: candidate.hardware_bound,
            txn_digest: txn,
            channel: candidate.channel.clone(),
        });
        evidence
    }

    /// A phishing-resistant assertion makes the session's key a known one. Without a session, the next sign-in begins one
    /// with a key that nobody knows yet.
    fn session_after(&self, candidate: &Candidate) -> SessionFacts {
        let mut session = self.input.session.clone().unwrap_or_else(|| SessionFacts {
            id: SessionId::new(self.input.now, [0; 10]),
            login: LoginId::new(self.input.now, [0; 10]),
            born: self.input.now,
            binding: Binding::NewKey,
            recovered_at: None,
            relay: RelayVerdict::Unknown,
            contained: false,
        });
        if candidate.method.is_phishing_resistant()
            && candidate.ceiling >= Acr::Phr
            && session.binding == Binding::NewKey
        {
            session.binding = Binding::KnownDevice;
        }
        session
    }

    /// What the session amounts to afterwards; of a proof for a transaction, what that proof amounts to.
    fn acr(&self, candidate: &Candidate, txn: Option<Digest>) -> Acr {
        let mut evidence = self.with(candidate, txn, 0);
        if txn.is_some() {
            evidence.proofs.retain(|p| p.txn_digest == txn || p.method == Method::Password);
            evidence.proofs.iter_mut().for_each(|proof| proof.txn_digest = None);
        }
        evidence.acr(self.input.now).unwrap_or(Acr::Aal1)
    }
}

impl Candidate {
    /// The least demanding first: by what it amounts to, then by what it costs the person.
    fn demand(&self) -> (u32, Acr, u8) {
        let method = match self.method {
            Method::Password => 0,
            Method::Passkey => 1,
            Method::AppCode => 2,
            Method::SmsCode => 3,
            Method::MailCode => 4,
            Method::RecoveryCode => 5,
        };
        let worth = match self.method {
            Method::Password | Method::MailCode => Acr::Aal1,
            Method::AppCode | Method::SmsCode | Method::RecoveryCode => Acr::Aal2.min(self.ceiling),
            Method::Passkey => self.ceiling,
        };
        (self.approvers, worth, method)
    }
}
