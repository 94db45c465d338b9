//! What the page of one confirmation says, all of it from the stored challenge: who asks, the values in rows, the receipt.

use super::{
    decide::{self, Record},
    sign_in,
    step_up::Stored,
};
use crate::{
    app::App,
    browser::Browser,
    page::{
        Back, Client, Window,
        step_up::{Answer, Receipt, Row, RowKind, State, StepUp},
    },
    problem::{Kind, Problem},
};
use counterfoil_core::{
    audit::event::VoidReason,
    challenge::{Challenge, ChallengeState},
    digest::Digest,
    id::{ChallengeId, DecisionId},
    limits,
    transaction::RowKind as Kinds,
};
use counterfoil_oauth::{
    authorize::error_location,
    error::{ErrorCode, OAuthError},
};

/// The number on the receipt: forty bits of the challenge's own, enough to find it by and read it out.
pub fn counterfoil(id: ChallengeId) -> String {
    const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    let digest = Digest::of(id.to_string().as_bytes());
    let mut bits = digest.as_bytes().iter().take(5).fold(0_u64, |bits, byte| (bits << 8) | u64::from(*byte));
    let mut text = Vec::with_capacity(9);
    for place in 0..8 {
        if place == 4 {
            text.push('-');
        }
        text.push(char::from(ALPHABET[usize::try_from(bits & 31).unwrap_or(0)]));
        bits >>= 5;
    }
    text.into_iter().collect()
}

/// Who asks: an application, or we ourselves.
pub fn asking(app: &App, stored: &Stored, lang: &str) -> Client {
    let directory = app.directory.load();
    let client = stored.request.as_ref().and_then(|request| {
        let client = directory.client(&request.client_id)?;
        Some(Client { name: client.name(lang).to_owned(), host: sign_in::host(&request.redirect_uri) })
    });
    client.unwrap_or_else(|| Client { name: "Counterfoil".to_owned(), host: sign_in::host(app.issuer.as_str()) })
}

/// Where a refusal leads back to.
pub fn back(app: &App, stored: &Stored) -> Option<Back> {
    let Some(request) = &stored.request else {
        let url = stored.challenge.opening().return_to.clone()?;
        return Some(Back { url, name: "Counterfoil".to_owned() });
    };
    let directory = app.directory.load();
    let client = directory.client(&request.client_id)?;
    let denied = OAuthError::new(ErrorCode::AccessDenied, "It was not confirmed.");
    Some(Back { url: error_location(request, &denied, &app.issuer), name: client.name("en").to_owned() })
}

/// What the page says of the challenge.
pub fn state(challenge: &Challenge, now: counterfoil_core::time::Time) -> State {
    match challenge.state() {
        ChallengeState::Open { .. } if challenge.is_open(now) => State::Open,
        ChallengeState::Open { .. } => State::Expired,
        ChallengeState::Proven { .. } | ChallengeState::Registered { .. } => State::Proven,
        ChallengeState::Refused { .. } => State::Refused,
        ChallengeState::Void { reason: VoidReason::Expired, .. } => State::Expired,
        ChallengeState::Void { .. } => State::Void,
    }
}

/// What was answered, once it was.
pub fn receipt(challenge: &Challenge) -> Option<Receipt> {
    let (at, outcome) = match challenge.state() {
        ChallengeState::Proven { at, .. } => (*at, Answer::Confirmed),
        ChallengeState::Refused { at, alarm: true } => (*at, Answer::Alarm),
        ChallengeState::Refused { at, alarm: false } => (*at, Answer::Refused),
        _ => return None,
    };
    Some(Receipt { counterfoil: counterfoil(challenge.id()), at, outcome })
}

/// The amount, else the account, is what matters most.
pub fn rows(display: &counterfoil_core::transaction::Display, given_by: Option<&str>) -> Vec<Row> {
    let main = [Kinds::Amount, Kinds::Iban]
        .iter()
        .find_map(|kind| display.rows.iter().position(|row| row.kind == *kind))
        .unwrap_or(0);
    display
        .rows
        .iter()
        .enumerate()
        .map(|(at, row)| Row {
            field: row.field.clone(),
            label: row.label.clone(),
            value: if row.kind == Kinds::Iban { row.canonical.clone() } else { row.value.clone() },
            kind: match row.kind {
                Kinds::Name => RowKind::Name,
                Kinds::Iban => RowKind::Iban,
                Kinds::Amount => RowKind::Amount,
                Kinds::Id => RowKind::Id,
                Kinds::Date => RowKind::Date,
                _ => RowKind::Text,
            },
            main: at == main,
            // Nobody but the application says that a name and an account belong together.
            given_by: given_by.filter(|_| row.kind == Kinds::Name).map(str::to_owned),
            mixed_scripts: row.mixed_scripts,
            changed: None,
            changed_from: None,
        })
        .collect()
}

/// Browser and system in two words, from a header that anybody can write: a help for memory, no evidence.
pub fn device(user_agent: &str) -> String {
    let browser = [("Firefox/", "Firefox"), ("Edg/", "Edge"), ("Chrome/", "Chrome"), ("Safari/", "Safari")]
        .iter()
        .find(|(mark, _)| user_agent.contains(mark))
        .map_or("Browser", |(_, name)| name);
    let system = [
        ("Android", "Android"),
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Windows", "Windows"),
        ("Mac OS X", "macOS"),
        ("Linux", "Linux"),
    ]
    .iter()
    .find(|(mark, _)| user_agent.contains(mark))
    .map(|(_, name)| *name);
    match system {
        Some(system) => format!("{browser}, {system}"),
        None => browser.to_owned(),
    }
}

/// The text with what the page says beside it: who says so, and which names mix scripts.
pub fn with_doubts(app: &App, stored: &Stored, text: &str) -> String {
    let pack = app.pack.load();
    let lang = stored.challenge.statement().displayed.as_ref().map_or("en", |displayed| displayed.lang.as_str());
    let display = stored.challenge.opening().transaction.as_ref().and_then(|value| {
        let kind = pack.transaction_type(value.get("type")?.as_str()?)?;
        kind.render(&kind.validate(value).ok()?, lang)
    });
    let names: Vec<_> =
        display.iter().flat_map(|display| &display.rows).filter(|row| row.kind == Kinds::Name).collect();
    let mut said = vec![text.to_owned()];
    if stored.request.is_some() && !names.is_empty() {
        let client = asking(app, stored, lang).name;
        said.push(match lang {
            "de" => format!("Namen laut {client}."),
            _ => format!("Names as given by {client}."),
        });
    }
    for row in names.iter().filter(|row| row.mixed_scripts) {
        said.push(match lang {
            "de" => format!("Achtung: {} mischt Schriften, die nicht zusammengehören.", row.label),
            _ => format!("Attention: {} mixes scripts that do not belong together.", row.label),
        });
    }
    said.join("\n\n")
}

/// Why it is asked, in this language.
pub fn reason(record: &Record, lang: &str) -> String {
    let reasons = &record.answer.grounds.reason_user;
    reasons.get(lang).or_else(|| reasons.get("en")).cloned().unwrap_or_default()
}

/// The page that an evaluation's `challenge_uri` leads to: what will be asked, and the way back. It opens nothing.
pub async fn announced<T>(app: &App, browser: &Browser<T>, id: DecisionId) -> Result<StepUp, Problem> {
    let not_found = || Problem::new(Kind::NOT_FOUND);
    let signed_in = browser.signed_in().map_err(|problem| problem.next(format!("/sign-in?to=/step-up/{id}")))?;
    let found = app.store.decision(id).await?.ok_or_else(not_found)?;
    let record: Record = serde_json::from_str(&found.record.body).map_err(Problem::internal)?;
    // For the subject in the lodging session alone (CONTRACT §4).
    if record.input.session.as_ref().map(|session| session.login) != Some(signed_in.login) {
        return Err(not_found());
    }
    let person = decide::person(app, signed_in.subject).await?.ok_or_else(not_found)?;
    let lang = browser.visit.lang.tag();
    let directory = app.directory.load();
    let client = record.input.client_id.as_deref().and_then(|id| directory.client(id));
    let client = Client {
        name: client.map(|client| client.name(lang).to_owned()).unwrap_or_default(),
        host: client.and_then(|client| sign_in::host(client.metadata().redirect_uris.first()?.as_str())),
    };
    let pack = app.pack.load();
    let display = record.input.transaction.as_ref().and_then(|value| {
        let kind = pack.transaction_type(value.get("type")?.as_str()?)?;
        kind.render(&kind.validate(value).ok()?, lang)
    });
    Ok(StepUp {
        state: State::Announced,
        id: id.to_string(),
        lang: lang.to_owned(),
        title: display.as_ref().map(|display| display.title.clone()),
        sentence: display.as_ref().map(|display| display.sentence.clone()),
        strong: display.as_ref().map(|display| display.strong.clone()).unwrap_or_default(),
        rows: display.map(|display| rows(&display, Some(&client.name))).unwrap_or_default(),
        person: sign_in::named(&person.subject),
        place: None,
        device: Some(device(&browser.visit.user_agent)),
        methods: record.answer.requirement.iter().map(|requirement| requirement.method).collect(),
        passkey_options: None,
        attempts_left: None,
        enrol_url: record
            .answer
            .requirement
            .as_ref()
            .filter(|requirement| requirement.enrolment_needed)
            .map(|_| "/me/passkey".to_owned()),
        reason: reason(&record, lang),
        policy_version: record.answer.grounds.policy_version.to_string(),
        decision_id: id,
        window: Window { now: browser.visit.now, expires_at: found.record.at.plus_seconds(limits::DECISION_SECONDS) },
        receipt: None,
        back: None,
        client,
    })
}
