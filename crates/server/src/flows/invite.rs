//! A person is invited by a link, once: whoever brings it first makes the passkey that it vouches for.

use super::accept_invitation::Secret;
use crate::{
    app::App,
    problem::{Kind, Problem},
};
use counterfoil_core::{
    assurance::Acr,
    audit::event::{Actor, EventKind},
    id::InvitationId,
    limits,
    subject::Subject,
    time::Time,
};
use counterfoil_store::{Invitation, InvitationState, Tx};

/// A link, to be handed over and never shown again.
pub struct Link {
    /// The address; its fragment is the secret.
    pub url: String,
    /// When it ends.
    pub expires_at: Time,
}

/// Makes a link for this person. Links that they got before are withdrawn.
pub async fn invite(app: &App, subject: &Subject, actor: Actor, now: Time) -> Result<Link, Problem> {
    if !subject.is_active() {
        return Err(Problem::new(Kind::CONFLICT)
            .detail("this person is suspended")
            .with("hint", "resume them first, or invite somebody else"));
    }
    // An invitation vouches for a first passkey. For somebody who had one it would be a recovery by another name.
    if subject.has_had_phishing_resistant() {
        return Err(Problem::new(Kind::CONFLICT)
            .detail("this person has or had a passkey: getting a lost one back is a recovery, which is not built yet")
            .with(
                "hint",
                "they add another passkey themselves in /me; for somebody locked out, add a new person and invite them",
            ));
    }
    let mut tx = Tx::new(now);
    for earlier in app.store.invitations_of(subject.id).await? {
        if now < earlier.expires_at && !app.store.is_invitation_used(earlier.id).await? {
            tx.accept_invitation(&earlier);
            let (invitation, ceiling) = (earlier.id, earlier.ceiling);
            let kind = EventKind::InvitationChanged { invitation, subject: subject.id, ceiling, used: true };
            tx.also(app.event(now, actor.clone(), kind));
        }
    }
    let (link, event) = prepare(app, &mut tx, subject, actor, now);
    tx.require_active(subject.id);
    tx.commit(&app.store, event).await?;
    Ok(link)
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
    (Link { url, expires_at: invitation.expires_at }, app.event(now, actor, kind))
}
