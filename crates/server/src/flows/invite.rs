//! A person is invited by a link, once: whoever brings it first makes the passkey that it vouches for.

use super::{accept_invitation::Secret, contain, notify};
use crate::{
    app::App,
    problem::{Kind, Problem},
};
use counterfoil_core::{
    assurance::Acr,
    audit::event::{Actor, ContainmentCause, EventKind, NoticeAbout},
    enrolled::Enrolled,
    id::InvitationId,
    limits,
    subject::Subject,
    time::Time,
    vouch,
};
use counterfoil_store::{Artefact, Invitation, InvitationState, Tx};

/// A link, to be handed over and never shown again.
pub struct Link {
    /// The address; its fragment is the secret.
    pub url: String,
    /// When it ends.
    pub expires_at: Time,
    /// How many passkeys, which never confirmed anything, were disowned for it.
    pub disowned: usize,
}

/// Makes a link for this person. Links that they got before are withdrawn. A passkey that codes have bound and that never
/// confirmed anything is disowned for them, with what came of it: it may be a thief's, and is in the way of a first real one.
pub async fn invite(app: &App, subject: &Subject, actor: Actor, now: Time) -> Result<Link, Problem> {
    if !subject.is_active() {
        return Err(Problem::new(Kind::CONFLICT)
            .detail("this person is suspended")
            .with("hint", "resume them first, or invite somebody else"));
    }
    // An invitation vouches for a first passkey. For somebody who had one that confirms it would be a recovery by another name.
    let had = || {
        Problem::new(Kind::CONFLICT)
            .detail(
                "this person has or had a passkey that confirms: getting a lost one back is a recovery, which is not built yet",
            )
            .with(
                "hint",
                "they add another passkey themselves in /me; for somebody locked out, add a new person and invite them",
            )
    };
    let known = app.store.authenticators(subject.id).await?;
    if subject.has_had_phishing_resistant() || vouch::ever_confirmed(&known, now) {
        return Err(had());
    }
    cut_off(app, &known, actor.clone(), now).await?;
    let mut tx = Tx::new(now);
    for earlier in app.store.invitations_of(subject.id).await? {
        if now < earlier.expires_at && !app.store.is_invitation_used(earlier.id).await? {
            tx.accept_invitation(&earlier);
            let (invitation, ceiling) = (earlier.id, earlier.ceiling);
            let kind = EventKind::InvitationChanged { invitation, subject: subject.id, ceiling, used: true };
            tx.also(app.event(now, actor.clone(), kind));
        }
    }
    let disowned = vouch::disown_for(&app.store.authenticators(subject.id).await?, now).map_err(|_| had())?;
    for passkey in &disowned {
        tx.change_authenticator(passkey);
        let kind = EventKind::AuthenticatorDisowned { authenticator: passkey.id, subject: subject.id };
        tx.also(app.event(now, actor.clone(), kind));
        for notice in notify::changed(app, &mut tx, passkey, NoticeAbout::AccountChanged, now).await?.events {
            tx.also(notice);
        }
    }
    let (link, event) = prepare(app, &mut tx, subject, actor, now);
    // Whoever binds a passkey changes the person: between reading and now, nobody has.
    tx.require_subject(subject);
    tx.commit(&app.store, event).await?;
    app.facts.forget_person(subject.id);
    Ok(Link { disowned: disowned.len(), ..link })
}

/// Contains the passkeys that are in the way, and the sign-ins that added them, with all that came of either. Before they are
/// disowned, so that whoever is interrupted here asks again and finds what is left to do.
async fn cut_off(app: &App, known: &[Enrolled], actor: Actor, now: Time) -> Result<(), Problem> {
    let mut roots = Vec::new();
    for passkey in known.iter().filter(|one| vouch::ever_had_passkey(std::slice::from_ref(one))) {
        roots.push(Artefact::Authenticator(passkey.id));
        roots.extend(passkey.bound_by.map(Artefact::Login));
    }
    if !roots.is_empty() {
        contain::cut(app, &roots, ContainmentCause::Operator, actor, now).await?;
    }
    Ok(())
}

/// Adds a link to a unit, and gives its event.
pub fn prepare(
    app: &App,
    tx: &mut Tx,
    subject: &Subject,
    actor: Actor,
    now: Time,
) -> (Link, counterfoil_core::audit::event::Event) {
    let id = InvitationId::new(now, app.random.id());
    let secret = Secret::new(app, id);
    let invitation = Invitation {
        id,
        secret_hash: secret.hash,
        subject: subject.id,
        ceiling: Acr::Phr,
        expires_at: now.plus_seconds(limits::INVITATION_SECONDS),
        state: InvitationState::Open {},
    };
    tx.invite(&invitation);
    let kind =
        EventKind::InvitationChanged { invitation: id, subject: subject.id, ceiling: invitation.ceiling, used: false };
    let url = format!("{}#{}", app.issuer.join("/init"), *secret.text);
    (Link { url, expires_at: invitation.expires_at, disowned: 0 }, app.event(now, actor, kind))
}
