//! One approval's whole story, put together from what is stored, for somebody who believes nothing of ours but the log's
//! public key (DESIGN §7). The same for a page and for the command line; it needs no key of ours.

use super::decide;
use crate::{
    app::App,
    browser::Browser,
    flows::{oversee, own_action},
    page::admin::Nav,
    problem::{Kind, Problem},
};
use counterfoil_core::{
    audit::{
        bundle::{Bundle, BundleError, LoggedLeaf},
        checkpoint::Signer as _,
        event::{EventKind, Leaf, LeafError},
    },
    challenge::{Challenge, ChallengeState},
    id::{ChallengeId, DecisionId},
};
use counterfoil_oauth::uri::Issuer;
use counterfoil_store::{LogReader, LoggedEvent, ReadError};
use serde_json::Value;
use std::{collections::BTreeSet, time::Duration};

/// A page waits this long for the next checkpoint: one is signed within a second of new leaves.
const TRIES: u32 = 25;
const PAUSE: Duration = Duration::from_millis(100);
/// Challenges that are looked through at once for a number.
const PAGE: u32 = 1_000;

/// Why there is no evidence.
#[derive(Debug, thiserror::Error)]
pub enum NoEvidence {
    /// Nothing of that name.
    #[error("there is no such {0} in this database")]
    Unknown(&'static str),
    /// Nobody was asked to confirm anything for this decision.
    #[error("this decision led to no confirmation, so there is nothing that was signed")]
    Unasked,
    /// It was asked, and not confirmed.
    #[error("the person has not confirmed this: it is {0}")]
    Unproven(&'static str),
    /// It was confirmed by something typed, or it was a sign-in: nothing of it can be shown to a third party.
    #[error("no passkey signed a transaction here, so there is nothing that a third party could check")]
    Unsigned,
    /// The log's tree does not hold all of it yet, or nobody has signed it yet.
    #[error("not all of it is under a signed checkpoint yet")]
    NotYet,
    /// The database.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The log holds what is no leaf.
    #[error(transparent)]
    Leaf(#[from] LeafError),
    /// What is stored does not go together.
    #[error("what is stored does not make a bundle: {0}")]
    Bundle(BundleError),
}

impl From<NoEvidence> for Problem {
    fn from(reason: NoEvidence) -> Self {
        match reason {
            NoEvidence::Read(error) => error.into(),
            NoEvidence::Leaf(_) | NoEvidence::Bundle(_) => Problem::internal(reason),
            NoEvidence::NotYet => Problem::new(Kind::BUSY).detail(reason.to_string()),
            _ => Problem::new(Kind::NOT_FOUND).detail(reason.to_string()),
        }
    }
}

/// The challenge that a decision opened.
pub async fn challenge_of(log: &LogReader, decision: DecisionId) -> Result<ChallengeId, NoEvidence> {
    if log.decision(decision).await?.is_none() {
        return Err(NoEvidence::Unknown("decision"));
    }
    for event in log.first_events_about(&format!("decision:{decision}")).await? {
        if let EventKind::ChallengeOpened { challenge, decision: Some(of), .. } = Leaf::parse(&event.leaf)?.kind
            && of == decision
        {
            return Ok(challenge);
        }
    }
    Err(NoEvidence::Unasked)
}

/// Confirmations whose receipt bears this number: mostly one. Numbers are short, so two may share one.
pub async fn challenges_numbered(log: &LogReader, number: &str) -> Result<Vec<ChallengeId>, NoEvidence> {
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = log.proven_challenges(after, PAGE).await?;
        let Some(last) = page.last().copied() else { return Ok(found) };
        found.extend(page.into_iter().filter(|id| super::step_up::counterfoil(*id) == number));
        after = Some(last);
    }
}

/// The bundle of a challenge, as far as the last checkpoint reaches. It is not verified: whoever hands it on does that.
pub async fn gather(log: &LogReader, id: ChallengeId, with_record: bool) -> Result<Bundle, NoEvidence> {
    let challenge = log.challenge(id).await?.ok_or(NoEvidence::Unknown("challenge"))?;
    let ChallengeState::Proven { proof, assertion: Some(_), .. } = challenge.state() else {
        return Err(match challenge.state() {
            ChallengeState::Proven { .. } | ChallengeState::Registered { .. } => NoEvidence::Unsigned,
            other => NoEvidence::Unproven(other.name()),
        });
    };
    let decision = challenge.statement().decision_id.filter(|_| challenge.opening().transaction.is_some());
    let decision = decision.ok_or(NoEvidence::Unsigned)?;
    let authenticator = log.authenticator(proof.authenticator).await?.ok_or(NoEvidence::Unknown("authenticator"))?;
    let credential = decide::credential(&authenticator).ok_or(NoEvidence::Unknown("passkey"))?;
    let head = log.last_checkpoint().await?.ok_or(NoEvidence::NotYet)?;
    let stored = log.decision(decision).await?.ok_or(NoEvidence::Unknown("decision"))?;
    let mut events = log.first_events_about(&format!("authenticator:{}", proof.authenticator)).await?;
    events.extend(log.event_at(stored.run, stored.number).await?);
    events.extend(log.first_events_about(&format!("challenge:{id}")).await?);
    let (mut leaves, mut taken) = (Vec::new(), BTreeSet::new());
    for event in events {
        if belongs(&event, &challenge)? && taken.insert(event.id) {
            leaves.push(logged(log, event, head.size).await?);
        }
    }
    let mut bundle = Bundle::gather(&challenge, &credential, leaves, head.note).map_err(NoEvidence::Bundle)?;
    bundle.decision_record = with_record.then_some(stored.record.body);
    Ok(bundle)
}

/// Whether an event is one of the story's; others are about the same person or passkey.
fn belongs(event: &LoggedEvent, of: &Challenge) -> Result<bool, LeafError> {
    let ChallengeState::Proven { proof, .. } = of.state() else { return Ok(false) };
    Ok(match Leaf::parse(&event.leaf)?.kind {
        EventKind::AuthenticatorEnrolled { authenticator, .. } => authenticator == proof.authenticator,
        EventKind::DecisionMade { decision, .. } => Some(decision) == of.statement().decision_id,
        EventKind::ChallengeOpened { challenge, .. }
        | EventKind::ChallengeProven { challenge, .. }
        | EventKind::Spent { challenge, .. }
        | EventKind::OutcomeReported { challenge, .. } => challenge == of.id(),
        _ => false,
    })
}

/// The leaf with its way to the root of the signed tree.
async fn logged(log: &LogReader, event: LoggedEvent, size: u64) -> Result<LoggedLeaf, NoEvidence> {
    let index = event.leaf_index.filter(|index| *index < size).ok_or(NoEvidence::NotYet)?;
    let path = log.inclusion(index, size).await?.path;
    let leaf = String::from_utf8(event.leaf).map_err(|_| LeafError::NotALeaf)?;
    Ok(LoggedLeaf { leaf, index, path })
}

/// The same once a checkpoint holds all of it, verified with the log's own key before it is handed out.
async fn signed(app: &App, id: ChallengeId) -> Result<Value, Problem> {
    let log = app.store.log();
    for _ in 0..TRIES {
        match gather(&log, id, false).await {
            Err(NoEvidence::NotYet) => tokio::time::sleep(PAUSE).await,
            Err(other) => return Err(other.into()),
            Ok(bundle) => {
                let signer = app.keys.log_signer(log_name(&app.issuer)).map_err(Problem::internal)?;
                bundle.verify(std::slice::from_ref(signer.log_key())).map(drop).map_err(Problem::internal)?;
                return serde_json::to_value(&bundle).map_err(Problem::internal);
            }
        }
    }
    Err(NoEvidence::NotYet.into())
}

/// The log is named after the issuer, without the scheme (C2SP tlog-checkpoint wants a schema-less URL).
pub fn log_name(issuer: &Issuer) -> &str {
    issuer.as_str().split("://").last().unwrap_or_default()
}

/// Of one's own confirmation, in the session in which it was given.
pub async fn of_own<T>(app: &App, browser: &Browser<T>, id: ChallengeId) -> Result<Value, Problem> {
    let signed_in = browser.signed_in().map_err(|problem| problem.next("/sign-in?to=/me"))?;
    let subject = signed_in.subject.to_string();
    own_action::require(app, browser, "me.read", (own_action::PERSON, &subject), "/me").await?;
    let challenge = app.store.log().challenge(id).await?;
    let own = challenge.filter(|challenge| {
        challenge.statement().signer == Some(signed_in.subject) && challenge.opening().session == browser.session.id
    });
    if own.is_none() {
        return Err(Problem::new(Kind::NOT_FOUND));
    }
    signed(app, id).await
}

/// Of any decision, for those whose role lets them read decisions.
pub async fn of_decision<T>(app: &App, browser: &Browser<T>, id: DecisionId) -> Result<Value, Problem> {
    oversee::enter(app, browser, Nav::Decisions, &format!("/admin/decisions/{id}")).await?;
    let challenge = challenge_of(&app.store.log(), id).await?;
    signed(app, challenge).await
}
