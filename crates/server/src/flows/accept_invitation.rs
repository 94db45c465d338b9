//! Somebody brings the link of an invitation. The first browser that does owns it from then on, known by its key: the link
//! alone is worth nothing any more. What it leads to is a passkey, and nothing else; signing in comes after, with that.
//!
//! No policy is asked here: whoever invited has decided, and the invitation bounds what comes of it (DESIGN §4, "Ceiling").

use super::{
    authorize::actor,
    decide,
    enrol_passkey::{Grounds, offer},
};
use crate::{
    app::App,
    browser::Browser,
    network::network,
    page::enrol::{Enrol, InitKind},
    problem::{Kind, Problem},
};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use counterfoil_core::{
    audit::event::EventKind,
    digest::Digest,
    evidence::Evidence,
    id::{InvitationId, RANDOM_BYTES},
    limits,
    subject::Subject,
    time::Time,
};
use counterfoil_store::{Invitation, InvitationState, Tx};
use zeroize::Zeroizing;

/// Random bytes of a link's secret.
const SECRET_BYTES: usize = 32;
/// The role that a first administrator has.
const ADMINISTRATOR: &str = "administrator";

/// The secret of a link: which invitation, and what nobody else knows. It stands in the fragment, which browsers do not send.
pub struct Secret {
    /// As it stands in the link.
    pub text: Zeroizing<String>,
    /// SHA-256 of it, which is all that is kept.
    pub hash: Digest,
}

impl Secret {
    /// Drawn at random, for this invitation.
    pub fn new(app: &App, id: InvitationId) -> Self {
        let random = Zeroizing::new(app.random.bytes::<SECRET_BYTES>());
        let text = Zeroizing::new(format!("{id}.{}", URL_SAFE_NO_PAD.encode(*random)));
        Self { hash: Digest::of(text.as_bytes()), text }
    }
}

const _: () = assert!(SECRET_BYTES > RANDOM_BYTES, "a secret is longer than an identifier, which is none");

/// What the page of the link shows: for whom, and what the passkey will be good for.
pub async fn accept<T>(app: &App, browser: &Browser<T>, secret: &str) -> Result<Enrol, Problem> {
    let now = browser.visit.now;
    let from = network(browser.visit.ip);
    if app.facts.wrong_links(from) >= limits::INVITATION_GUESSES {
        let problem = Problem::new(Kind::THROTTLED);
        return Err(problem.with("retry_after_seconds", limits::INVITATION_GUESS_SECONDS));
    }
    let known = named(app, secret).await?;
    let judged = judge(app, browser, known.as_ref(), secret, now).await?;
    let Ok(subject) = judged else {
        app.facts.count_wrong_link(from);
        return refuse(app, browser, known.as_ref(), judged.err().unwrap_or("unknown")).await;
    };
    let Some(invitation) = known else { return Err(Problem::new(Kind::INVITATION_SPENT)) };
    if let Some(signed_in) = browser.session.signed_in() {
        // A link must not change whose session this is, nor leave a passkey of one person in another's.
        let whose = if signed_in.subject == subject.id { "own" } else { "another" };
        return Err(Problem::new(Kind::SIGNED_IN_ALREADY).with("whose", whose));
    }
    app.facts.forget_person(subject.id);
    let person = decide::person(app, subject.id).await?.ok_or_else(|| Problem::new(Kind::INVITATION_SPENT))?;
    // Whoever has a passkey, of whatever worth, proves with it, disowns it, or recovers: a link is no way round that, and is
    // not used up by trying.
    if decide::ever_had_passkey(&person) {
        return refuse(app, browser, Some(&invitation), "had_a_passkey").await;
    }
    if matches!(invitation.state, InvitationState::Open {}) && !bring(app, browser, &invitation).await? {
        return refuse(app, browser, Some(&invitation), "other_browser").await;
    }
    let kind = Some(invited_as(app, &subject).await?);
    offer(app, browser, &person, Grounds { evidence: &Evidence::default(), decided: None, kind }).await
}

/// The invitation that a link names, if its form is one.
async fn named(app: &App, secret: &str) -> Result<Option<Invitation>, Problem> {
    let id = secret.split_once('.').and_then(|(id, _)| id.parse::<InvitationId>().ok());
    match id {
        Some(id) => Ok(app.store.invitation(id).await?),
        None => Ok(None),
    }
}

/// Whose invitation it is, if this browser may use it now; else why not, in a word for the log. The page says the same for all
/// of them: a link tells nobody whether it ever was one.
async fn judge<T>(
    app: &App,
    browser: &Browser<T>,
    known: Option<&Invitation>,
    secret: &str,
    now: Time,
) -> Result<Result<Subject, &'static str>, Problem> {
    let Some(invitation) = known else { return Ok(Err("unknown")) };
    let presented = Digest::of(secret.as_bytes());
    if verify_slices_are_equal(presented.as_bytes(), invitation.secret_hash.as_bytes()).is_err() {
        return Ok(Err("wrong_secret"));
    }
    if now >= invitation.expires_at {
        return Ok(Err("expired"));
    }
    match &invitation.state {
        InvitationState::Open {} => {}
        InvitationState::Brought { key, .. } if *key == browser.session.key_thumbprint => {}
        InvitationState::Brought { .. } => return Ok(Err("other_browser")),
        InvitationState::Declared {} => return Ok(Err("no_link")),
    }
    if app.store.is_invitation_used(invitation.id).await? {
        return Ok(Err("used"));
    }
    let subject = app.store.subject(invitation.subject).await?.filter(Subject::is_active);
    Ok(match subject {
        Some(subject) => Ok(subject),
        None => Err("suspended"),
    })
}

/// The invitation becomes this browser's. False: another one was faster.
async fn bring<T>(app: &App, browser: &Browser<T>, invitation: &Invitation) -> Result<bool, Problem> {
    let mut tx = Tx::new(browser.visit.now);
    tx.bring_invitation(invitation, &browser.session);
    let kind = EventKind::InvitationBrought {
        invitation: invitation.id,
        subject: invitation.subject,
        session: browser.session.id,
        key: browser.session.key_thumbprint,
    };
    let event = app.personal_event(
        browser.visit.now,
        actor(browser),
        kind,
        [("ip", browser.visit.ip.to_string()), ("user_agent", browser.visit.user_agent.clone())],
    );
    match tx.commit(&app.store, event).await {
        Ok(_) => Ok(true),
        Err(error) if error.spent().is_some() => {
            // Two tabs of one browser are one winner.
            let now = app.store.invitation(invitation.id).await?;
            Ok(now.is_some_and(|now| now.vouches_for(&browser.session.key_thumbprint, browser.visit.now)))
        }
        Err(error) => Err(Problem::from(error)),
    }
}

async fn refuse<T, U>(
    app: &App,
    browser: &Browser<T>,
    invitation: Option<&Invitation>,
    reason: &'static str,
) -> Result<U, Problem> {
    let mut tx = Tx::new(browser.visit.now);
    if let Some(invitation) = invitation {
        tx.about("subject", invitation.subject);
    }
    let kind = EventKind::InvitationRefused {
        invitation: invitation.map(|invitation| invitation.id),
        reason: reason.to_owned(),
    };
    let event = app.personal_event(
        browser.visit.now,
        actor(browser),
        kind,
        [("ip", browser.visit.ip.to_string()), ("user_agent", browser.visit.user_agent.clone())],
    );
    tx.commit(&app.store, event).await?;
    Err(Problem::new(Kind::INVITATION_SPENT))
}

/// The first person of an installation, as its administrator, is greeted as such.
async fn invited_as(app: &App, subject: &Subject) -> Result<InitKind, Problem> {
    let first = app.store.subjects(None, 1).await?.first().is_some_and(|first| first.id == subject.id);
    Ok(if first && subject.roles.contains(ADMINISTRATOR) { InitKind::Administrator } else { InitKind::Invitation })
}
