//! What we say where the policy itself gives no reason: one table, English and German.

use super::{Pack, source::Effect};
use crate::{assurance::Tier, decision::DenialCause};
use std::collections::BTreeMap;

/// One thing to say, in the languages that this product speaks.
type Text = (&'static str, &'static str);

const STEP_UP: [(Tier, Text); 4] = [
    (Tier::Low, ("Please show that it is you.", "Bitte zeigen Sie, dass Sie es sind.")),
    (
        Tier::Moderate,
        ("This needs a second proof that it is you.", "Dafür braucht es einen zweiten Nachweis, dass Sie es sind."),
    ),
    (
        Tier::High,
        (
            "This can do lasting harm, so you confirm exactly this with your passkey.",
            "Das kann bleibenden Schaden anrichten, darum bestätigen Sie genau dies mit Ihrem Passkey.",
        ),
    ),
    (
        Tier::Critical,
        (
            "This is among the most harmful things that can be done here, so it needs the strongest proof.",
            "Das gehört zum Folgenschwersten, was hier möglich ist, darum braucht es den stärksten Nachweis.",
        ),
    ),
];

const PERMIT: [(Tier, Text); 4] = [
    (Tier::Low, ("Your sign-in was enough for this.", "Ihre Anmeldung hat dafür genügt.")),
    (
        Tier::Moderate,
        ("What you showed in this sign-in was enough.", "Was Sie in dieser Anmeldung gezeigt haben, hat genügt."),
    ),
    (Tier::High, ("You confirmed exactly this.", "Sie haben genau dies bestätigt.")),
    (
        Tier::Critical,
        (
            "Exactly this was confirmed with the strongest proof.",
            "Genau dies wurde mit dem stärksten Nachweis bestätigt.",
        ),
    ),
];

const fn of_cause(cause: &DenialCause) -> Text {
    match cause {
        DenialCause::UnknownSubject => ("We do not know this person.", "Wir kennen diese Person nicht."),
        DenialCause::SubjectSuspended => ("This account is suspended.", "Dieses Konto ist gesperrt."),
        DenialCause::UnknownAction => ("There is no such action.", "Diese Aktion gibt es nicht."),
        DenialCause::WrongResourceType => ("This action does not apply to that.", "Diese Aktion gibt es dafür nicht."),
        DenialCause::WrongTransactionType
        | DenialCause::WrongTransactionResource
        | DenialCause::InvalidTransaction { .. }
        | DenialCause::InvalidFact { .. } => {
            ("The application's request is not valid.", "Die Anfrage der Anwendung ist ungültig.")
        }
        DenialCause::Contained => (
            "This sign-in was cut off for your safety. Please sign in again on your own device.",
            "Diese Anmeldung wurde zu Ihrer Sicherheit beendet. Bitte melden Sie sich auf Ihrem eigenen Gerät neu an.",
        ),
        DenialCause::Forbidden => ("This is not allowed.", "Das ist nicht erlaubt."),
        DenialCause::NothingSuffices => (
            "This needs a stronger proof than you can give now.",
            "Dafür braucht es einen stärkeren Nachweis, als Sie jetzt geben können.",
        ),
        DenialCause::EvaluationError { .. } => {
            ("Something is wrong on our side. Nothing was done.", "Bei uns ist etwas falsch. Es wurde nichts getan.")
        }
    }
}

fn both((en, de): Text) -> BTreeMap<String, String> {
    BTreeMap::from([("en".to_owned(), en.to_owned()), ("de".to_owned(), de.to_owned())])
}

/// Why somebody is asked: what the policies that would permit say, else what the tier means.
pub(super) fn of_step_up(pack: &Pack, tier: Tier, policies: &[String]) -> BTreeMap<String, String> {
    let generic = STEP_UP.iter().find(|(t, _)| *t == tier).map(|(_, text)| both(*text)).unwrap_or_default();
    with_policies(pack, Effect::Permit, policies, generic)
}

/// Why nothing was asked: what was shown was enough for the tier. A policy's own reason says what it would ask for, which is
/// not what happened.
pub(super) fn of_permit(tier: Tier) -> BTreeMap<String, String> {
    PERMIT.iter().find(|(t, _)| *t == tier).map(|(_, text)| both(*text)).unwrap_or_default()
}

/// Why something is refused: what the policies that forbid it say, else what stands against it.
pub(super) fn of_denial(pack: &Pack, cause: &DenialCause, policies: &[String]) -> BTreeMap<String, String> {
    with_policies(pack, Effect::Forbid, policies, both(of_cause(cause)))
}

/// A policy that gives a reason in one language keeps the general one in others from contradicting it.
fn with_policies(
    pack: &Pack,
    effect: Effect,
    policies: &[String],
    generic: BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    let spoken = policies.iter().filter_map(|id| pack.policy(id)).filter(|info| info.effect == effect);
    match spoken.map(|info| &info.reason_user).find(|reasons| !reasons.is_empty()) {
        Some(reasons) => reasons.clone(),
        None => generic,
    }
}
