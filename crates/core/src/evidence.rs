//! What has been shown so far, in a session and for one transaction: the facts that policy reads (DESIGN §4).
//!
//! A [`ProofFact`] is the plain record of an accepted proof; only an authenticator's `verify` makes the proof itself.
//! Proofs for a transaction count for that transaction alone, never for the session's `acr` or `auth_time`.

use crate::{
    assurance::{Acr, Binding, Method},
    digest::Digest,
    id::{AuthenticatorId, LoginId, SessionId, SubjectId},
    limits::{CLOCK_LEEWAY_SECONDS, NEVER_SECONDS, SESSION_SECONDS},
    time::Time,
};
use serde::{Deserialize, Serialize};

/// What an accepted proof showed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProofFact {
    /// How it was proven.
    pub method: Method,
    /// When it was accepted.
    pub at: Time,
    /// By which authenticator.
    pub authenticator: AuthenticatorId,
    /// The most that this authenticator can ever prove (DESIGN §4 "Ceiling").
    pub ceiling: Acr,
    /// The authenticator verified its user (WebAuthn UV).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub user_verified: bool,
    /// The key cannot leave a device's hardware.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub hardware_bound: bool,
    /// The transaction that was signed, if the proof was for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub txn_digest: Option<Digest>,
    /// The channel, mailbox or handset that a code came through.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
}

impl ProofFact {
    /// Phishing-resistant as far as the way it was bound allows: a passkey that codes have bound is not.
    pub fn is_phishing_resistant(&self) -> bool {
        self.method.is_phishing_resistant() && self.ceiling >= Acr::Phr
    }

    /// In hardware, and bound by a ceremony that proved it.
    pub fn is_hardware_bound(&self) -> bool {
        self.hardware_bound && self.ceiling >= Acr::Phrh
    }

    /// Age in whole seconds, or `None` where the proof does not count: from the future beyond the clocks' leeway, or
    /// older than a session may be (SP 800-63B-4 §2.2.3).
    fn age_seconds(&self, now: Time) -> Option<i64> {
        let age = now.seconds_since(self.at);
        (-CLOCK_LEEWAY_SECONDS..=SESSION_SECONDS).contains(&age).then_some(age.max(0))
    }

    /// What this proof alone amounts to, given that a password was or was not shown too.
    fn reaches(&self, with_password: bool) -> Acr {
        let two_factors = match self.method {
            Method::Password => false,
            Method::Passkey => self.user_verified || with_password,
            // Mail is no authentication factor (SP 800-63B-4 §3.1.3.1).
            Method::MailCode => false,
            Method::AppCode | Method::SmsCode | Method::RecoveryCode => with_password,
        };
        let kind = match self.method {
            _ if !two_factors => Acr::Aal1,
            Method::Passkey if self.is_hardware_bound() && self.user_verified => Acr::Phrh,
            Method::Passkey => Acr::Phr,
            _ => Acr::Aal2,
        };
        kind.min(self.ceiling)
    }
}

/// Everything shown in one session, and who else has approved.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Evidence {
    /// Accepted proofs: of the session, and of the transaction that is being decided.
    pub proofs: Vec<ProofFact>,
    /// Persons who have approved this very transaction by a proof of their own.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub approvers: Vec<SubjectId>,
}

impl Evidence {
    /// One more proof of the session. It takes the place of older ones by its authenticator, so that there are never more
    /// than a person has authenticators.
    pub fn add(&mut self, proof: ProofFact) {
        self.proofs.retain(|earlier| earlier.authenticator != proof.authenticator || earlier.txn_digest.is_some());
        self.proofs.push(proof);
    }

    /// The proofs that count for the session.
    fn of_session(&self, now: Time) -> impl Iterator<Item = (&ProofFact, i64)> {
        self.proofs
            .iter()
            .filter(|proof| proof.txn_digest.is_none())
            .filter_map(move |p| Some((p, p.age_seconds(now)?)))
    }

    fn with_password(&self, now: Time) -> bool {
        self.of_session(now).any(|(proof, _)| proof.method == Method::Password)
    }

    /// What the session amounts to, `None` before any proof. Proofs for a transaction do not count.
    pub fn acr(&self, now: Time) -> Option<Acr> {
        let with_password = self.with_password(now);
        self.of_session(now).map(|(proof, _)| proof.reaches(with_password)).max()
    }

    /// Authentication methods of the session after RFC 8176, sorted, each once.
    pub fn amr(&self, now: Time) -> Vec<&'static str> {
        let mut names = Vec::new();
        for (proof, _) in self.of_session(now) {
            match proof.method {
                Method::Password => names.push("pwd"),
                Method::AppCode | Method::MailCode | Method::RecoveryCode => names.push("otp"),
                Method::SmsCode => names.extend(["otp", "sms"]),
                Method::Passkey => names.push(if proof.is_hardware_bound() { "hwk" } else { "swk" }),
            }
            if proof.user_verified {
                names.push("user");
            }
        }
        if self.acr(now) >= Some(Acr::Aal2) {
            names.push("mfa");
        }
        names.sort_unstable();
        names.dedup();
        names
    }

    /// When the session last reached its `acr`: the newest proof that carries it (OpenID Connect Core §2). A fresh
    /// password does not make an old passkey fresh.
    pub fn auth_time(&self, now: Time) -> Option<Time> {
        let acr = self.acr(now)?;
        let with_password = self.with_password(now);
        self.of_session(now).filter(|(p, _)| p.reaches(with_password) == acr).map(|(p, _)| p.at).max()
    }

    /// Whether a code by `authenticator` or through `channel` adds nothing, because the session already used it.
    pub fn has_used(&self, authenticator: AuthenticatorId, channel: Option<&str>) -> bool {
        self.proofs
            .iter()
            .any(|p| p.authenticator == authenticator || (channel.is_some() && p.channel.as_deref() == channel))
    }

    /// The proofs for exactly `txn`, the best first: of those that show the same, the newest.
    pub fn bound(&self, now: Time, txn: Option<&Digest>) -> Vec<BoundProof> {
        let with_password = self.with_password(now);
        let mut bound: Vec<BoundProof> = self
            .proofs
            .iter()
            .filter(|p| txn.is_some() && p.txn_digest.as_ref() == txn)
            .filter_map(|proof| BoundProof::new(proof, proof.age_seconds(now)?, with_password))
            .collect();
        let shows = |b: &BoundProof| (b.phishing_resistant, b.user_verified, b.hardware_bound);
        bound.sort_by_key(|b| std::cmp::Reverse((shows(b), -b.age)));
        bound.dedup_by_key(|b| shows(b));
        bound
    }

    /// The summary that policies and the floors read, for `subject` and, where there is one, the transaction `txn`.
    /// Of several proofs for it, the best.
    pub fn shown(&self, now: Time, subject: SubjectId, txn: Option<&Digest>) -> Shown {
        let mut shown = Shown { acr: self.acr(now), ..Shown::default() };
        let with_password = self.with_password(now);
        for (proof, age) in self.of_session(now) {
            shown.age = shown.age.min(age);
            let of_method = match proof.method {
                Method::Password => &mut shown.password_age,
                Method::AppCode => &mut shown.app_code_age,
                Method::SmsCode => &mut shown.sms_code_age,
                Method::MailCode => &mut shown.mail_code_age,
                Method::RecoveryCode => &mut shown.recovery_code_age,
                Method::Passkey => &mut shown.passkey_age,
            };
            *of_method = (*of_method).min(age);
            if proof.reaches(with_password) >= Acr::Phr {
                shown.phishing_resistant_age = shown.phishing_resistant_age.min(age);
            }
            shown.user_verified |= proof.user_verified;
            shown.hardware_bound |= proof.is_hardware_bound();
            shown.add_names(proof);
        }
        shown.aal = match shown.acr {
            None => 0,
            Some(Acr::Aal1) => 1,
            Some(Acr::Aal2 | Acr::Phr) => 2,
            Some(Acr::Phrh) => 3,
        };
        shown.bound = self.bound(now, txn).into_iter().next();
        let mut approvers: Vec<_> = self.approvers.iter().filter(|approver| **approver != subject).collect();
        approvers.sort_unstable();
        approvers.dedup();
        shown.approvers = i64::try_from(approvers.len()).unwrap_or(i64::MAX);
        shown
    }
}

/// Evidence in the terms of policies: what Cedar's `context.evidence` and the tier floors see. Ages are whole seconds,
/// [`NEVER_SECONDS`] where there is no such proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// What the session amounts to.
    pub acr: Option<Acr>,
    /// The same as an authenticator assurance level: 0 nothing, 1 to 3 (SP 800-63B-4 §2).
    pub aal: i64,
    /// Age of the newest proof of the session.
    pub age: i64,
    /// Age of the newest password.
    pub password_age: i64,
    /// Age of the newest code from an app.
    pub app_code_age: i64,
    /// Age of the newest code by SMS.
    pub sms_code_age: i64,
    /// Age of the newest code by mail.
    pub mail_code_age: i64,
    /// Age of the newest recovery code.
    pub recovery_code_age: i64,
    /// Age of the newest passkey assertion, whatever its ceiling.
    pub passkey_age: i64,
    /// Age of the newest phishing-resistant proof of the session.
    pub phishing_resistant_age: i64,
    /// An authenticator has verified its user.
    pub user_verified: bool,
    /// An authenticator in hardware has spoken.
    pub hardware_bound: bool,
    /// Names of the methods used in the session, sorted.
    pub methods: Vec<String>,
    /// Channels that codes of the session came through, sorted.
    pub channels: Vec<String>,
    /// A proof for exactly this transaction: the one that is looked at.
    pub bound: Option<BoundProof>,
    /// Independent approvers: distinct, and not the subject.
    pub approvers: i64,
}

impl Default for Shown {
    fn default() -> Self {
        Self {
            acr: None,
            aal: 0,
            age: NEVER_SECONDS,
            password_age: NEVER_SECONDS,
            app_code_age: NEVER_SECONDS,
            sms_code_age: NEVER_SECONDS,
            mail_code_age: NEVER_SECONDS,
            recovery_code_age: NEVER_SECONDS,
            passkey_age: NEVER_SECONDS,
            phishing_resistant_age: NEVER_SECONDS,
            user_verified: false,
            hardware_bound: false,
            methods: Vec::new(),
            channels: Vec::new(),
            bound: None,
            approvers: 0,
        }
    }
}

impl Shown {
    /// A phishing-resistant proof is in the evidence of this request, of the session or for the transaction.
    pub fn phishing_resistant(&self) -> bool {
        self.phishing_resistant_age < NEVER_SECONDS || self.bound.as_ref().is_some_and(|b| b.phishing_resistant)
    }

    fn add_names(&mut self, proof: &ProofFact) {
        let name = proof.method.as_str();
        if let Err(place) = self.methods.binary_search_by(|have| have.as_str().cmp(name)) {
            self.methods.insert(place, name.to_owned());
        }
        let Some(channel) = &proof.channel else { return };
        if let Err(place) = self.channels.binary_search(channel) {
            self.channels.insert(place, channel.clone());
        }
    }
}

/// A proof that was given for exactly one transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoundProof {
    /// Phishing-resistant, as far as the ceiling allows.
    pub phishing_resistant: bool,
    /// The authenticator verified its user.
    pub user_verified: bool,
    /// The key sits in hardware.
    pub hardware_bound: bool,
    /// Whole seconds since it was accepted.
    pub age: i64,
}

impl BoundProof {
    fn new(proof: &ProofFact, age: i64, with_password: bool) -> Option<Self> {
        Some(Self {
            phishing_resistant: proof.reaches(with_password) >= Acr::Phr,
            user_verified: proof.user_verified,
            hardware_bound: proof.is_hardware_bound(),
            age,
        })
    }
}

/// What relay signals say about a session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RelayVerdict {
    /// Nothing has looked yet.
    #[default]
    Unknown,
    /// No signal.
    None,
    /// Signals that do not prove it.
    Suspected,
    /// A signal that cannot be forged by someone who merely knows a user name (RISK §2, S4).
    Proven,
}

impl RelayVerdict {
    /// The name in policies and records.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::None => "none",
            Self::Suspected => "suspected",
            Self::Proven => "proven",
        }
    }
}

/// The session behind an active access token, as far as policy reads it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionFacts {
    /// Its public handle.
    pub id: SessionId,
    /// The login it came from.
    pub login: LoginId,
    /// When it began.
    pub born: Time,
    /// What ties it to a device.
    pub binding: Binding,
    /// The account's last recovery.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovered_at: Option<Time>,
    /// What relay signals say.
    #[serde(default, skip_serializing_if = "crate::json::is_default")]
    pub relay: RelayVerdict,
    /// Its lineage is cut off.
    #[serde(default)]
    pub contained: bool,
}
