//! What happens to an account is told at every address of its owner, independently of the session it happened in
//! (SP 800-63B-4 §4.6), with how to disown it.

use super::decide;
use crate::{app::App, problem::Problem};
use counterfoil_core::{
    audit::event::{Actor, Event, EventKind, NoticeAbout},
    enrolled::{Enrolled, EnrolledState},
    id::{AuthenticatorId, MessageId, SubjectId},
    subject::AddressState,
    time::Time,
};
use counterfoil_store::{Message, Tx};

/// Who was told.
pub struct Told {
    /// One event for each message.
    pub events: Vec<Event>,
    /// At how many addresses. What is only queued has told nobody yet.
    pub delivered: usize,
}

/// What a notice is about.
#[derive(Clone, Copy)]
pub struct About {
    kind: NoticeAbout,
    /// The passkey that rests once its owner is told.
    starts_rest_of: Option<AuthenticatorId>,
}

impl From<NoticeAbout> for About {
    fn from(kind: NoticeAbout) -> Self {
        Self { kind, starts_rest_of: None }
    }
}

/// Adds one message per address to a unit.
pub async fn notify(
    app: &App,
    tx: &mut Tx,
    subject: SubjectId,
    about: impl Into<About>,
    title: impl Fn(&str) -> String,
    text: impl Fn(&str) -> String,
    now: Time,
) -> Result<Told, Problem> {
    let about = about.into();
    let lang =
        decide::person(app, subject).await?.map_or_else(|| "en".to_owned(), |person| person.subject.lang.clone());
    let disown = match lang.as_str() {
        "de" => format!(
            "Waren Sie das nicht? Öffnen Sie {}/me selbst im Browser und wählen Sie dort „Das war ich nicht“.",
            app.issuer.as_str()
        ),
        _ => {
            format!(
                "Was this not you? Open {}/me in a browser yourself and choose \"Not me\" there.",
                app.issuer.as_str()
            )
        }
    };
    let mut told = Told { events: Vec::new(), delivered: 0 };
    for address in app.store.addresses(subject).await? {
        if !matches!(address.state, AddressState::Active { .. }) {
            continue;
        }
        let message = Message {
            id: MessageId::new(now, app.random.id()),
            subject,
            address: address.id,
            to: address.value.clone(),
            at: now,
            title: title(&lang),
            text: format!("{}\n\n{disown}", text(&lang)),
            // The outbox page of the demo is the mailbox: what stands there is delivered.
            sent_at: app.demo.then_some(now),
            starts_rest_of: about.starts_rest_of,
        };
        tx.queue_message(&message);
        told.delivered += usize::from(message.sent_at.is_some());
        let kind = EventKind::NoticeSent { message: message.id, subject, about: about.kind };
        told.events.push(app.event(now, Actor::System {}, kind));
    }
    Ok(told)
}

/// An authenticator was disabled after too many failures.
pub async fn disabled(app: &App, tx: &mut Tx, enrolled: &Enrolled, now: Time) -> Result<Told, Problem> {
    let label = enrolled.label.clone();
    notify(
        app,
        tx,
        enrolled.subject,
        NoticeAbout::AuthenticatorDisabled,
        |lang| match lang {
            "de" => "Eine Anmeldemethode wurde abgeschaltet".to_owned(),
            _ => "A way to sign in was switched off".to_owned(),
        },
        |lang| match lang {
            "de" => format!("Nach zu vielen falschen Eingaben wurde „{label}“ abgeschaltet."),
            _ => format!("After too many wrong entries, \"{label}\" was switched off."),
        },
        now,
    )
    .await
}

/// A passkey was added; does it rest once its owner is told?
pub async fn enrolled(app: &App, tx: &mut Tx, added: &Enrolled, rests: bool, now: Time) -> Result<Told, Problem> {
    let label = added.label.clone();
    let about = About { kind: NoticeAbout::AuthenticatorEnrolled, starts_rest_of: rests.then_some(added.id) };
    notify(
        app,
        tx,
        added.subject,
        about,
        |lang| match lang {
            "de" => "Ein Passkey wurde hinzugefügt".to_owned(),
            _ => "A passkey was added".to_owned(),
        },
        |lang| match lang {
            "de" => format!("Ihrem Konto wurde der Passkey „{label}“ hinzugefügt."),
            _ => format!("The passkey \"{label}\" was added to your account."),
        },
        now,
    )
    .await
}

/// A passkey was removed, vouched for, or said to be somebody else's.
pub async fn changed(
    app: &App,
    tx: &mut Tx,
    enrolled: &Enrolled,
    about: NoticeAbout,
    now: Time,
) -> Result<Told, Problem> {
    let label = enrolled.label.clone();
    let (en, de) = match (about, &enrolled.state) {
        (NoticeAbout::AuthenticatorRemoved, _) => ("was removed from your account", "wurde aus Ihrem Konto entfernt"),
        (_, EnrolledState::Active {}) => (
            "was vouched for and now confirms important changes",
            "wurde bestätigt und gilt jetzt für wichtige Änderungen",
        ),
        _ => (
            "was switched off because it was said not to be yours",
            "wurde abgeschaltet, weil er nicht Ihrer sein soll",
        ),
    };
    notify(
        app,
        tx,
        enrolled.subject,
        about,
        |lang| match lang {
            "de" => "An Ihren Passkeys hat sich etwas geändert".to_owned(),
            _ => "Your passkeys have changed".to_owned(),
        },
        |lang| match lang {
            "de" => format!("Der Passkey „{label}“ {de}."),
            _ => format!("The passkey \"{label}\" {en}."),
        },
        now,
    )
    .await
}

/// A transaction was confirmed: its text goes out over a channel that the confirming session does not control.
pub async fn confirmed(
    app: &App,
    tx: &mut Tx,
    subject: SubjectId,
    counterfoil: &str,
    display_text: &str,
    now: Time,
) -> Result<Told, Problem> {
    notify(
        app,
        tx,
        subject,
        NoticeAbout::TransactionApproved,
        |lang| match lang {
            "de" => format!("Sie haben etwas bestätigt ({counterfoil})"),
            _ => format!("You confirmed something ({counterfoil})"),
        },
        |_| display_text.to_owned(),
        now,
    )
    .await
}
