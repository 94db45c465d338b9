//! A WebAuthn assertion comes in: find whose passkey it is and verify it against the challenge that is open.

use super::{attempt, authorize::actor, decide};
use crate::{
    app::App,
    browser::Browser,
    problem::{Kind, Problem},
};
use counterfoil_core::{
    assurance::Method,
    audit::event::EventKind,
    authenticator::{
        Holder,
        webauthn::{self, Assertion, AssertionError, CounterSignal, Expected},
    },
    challenge::Challenge,
    enrolled::Enrolled,
    proof::Proof,
};
use counterfoil_store::{ChallengeRecord, Tx};

/// An assertion that verified.
pub struct Asserted {
    /// What it proves.
    pub proof: Proof,
    /// The passkey as it was read.
    pub enrolled: Enrolled,
    /// The passkey with its counter and flags as they are now.
    pub after: Enrolled,
}

/// Verifies. A refusal is recorded and counts against the challenge; one that shows a foreign origin under a good signature is a
/// relay signal.
pub async fn verify<T>(
    app: &App,
    browser: &Browser<T>,
    challenge: &Challenge,
    record: &ChallengeRecord,
    assertion: Assertion,
) -> Result<Asserted, Problem> {
    let now = browser.visit.now;
    let refused = || Problem::new(Kind::PASSKEY_REFUSED);
    let Some(enrolled) = app.store.authenticator_by_handle(&assertion.id).await?.filter(Enrolled::is_active) else {
        attempt::refused(app, browser, None, None, Method::Passkey, "unknown").await?;
        attempt::count_against(app, browser, challenge, record).await?;
        return Err(refused());
    };
    let credential = decide::credential(&enrolled).ok_or_else(|| Problem::internal("a passkey without credential"))?;
    let holder = Holder { subject: enrolled.subject, authenticator: enrolled.id, ceiling: enrolled.ceiling_at(now) };
    let expected = Expected::by(challenge).map_err(Problem::internal)?;
    match webauthn::verify(assertion, &credential, &holder, &expected, now) {
        // It may have been copied (WebAuthn L3 §6.1.1). It stays in use: of two answers at once the later one may arrive
        // first, and whoever holds the copy must not be able to switch the owner's off.
        Ok(verified) if matches!(verified.counter, CounterSignal::DidNotRise { .. }) => {
            tracing::warn!(authenticator = %enrolled.id, "a signature counter did not rise");
            attempt::refused(app, browser, Some(enrolled.subject), Some(&enrolled), Method::Passkey, "counter").await?;
            attempt::count_against(app, browser, challenge, record).await?;
            Err(refused())
        }
        Ok(verified) => {
            let public = serde_json::to_value(verified.credential).map_err(Problem::internal)?;
            let after = Enrolled { public, ..enrolled.clone().used(now) };
            Ok(Asserted { proof: verified.proof, enrolled, after })
        }
        Err(error) => {
            if matches!(error, AssertionError::OtherPlace { signed: true }) {
                let kind = EventKind::RelaySeen {
                    subject: Some(enrolled.subject),
                    session: Some(browser.session.id),
                    challenge: Some(challenge.id()),
                    signal: "foreign_origin".to_owned(),
                };
                Tx::new(now).commit(&app.store, app.event(now, actor(browser), kind)).await?;
            }
            tracing::info!(%error, "an assertion was refused");
            attempt::refused(app, browser, Some(enrolled.subject), Some(&enrolled), Method::Passkey, error.word())
                .await?;
            attempt::count_against(app, browser, challenge, record).await?;
            Err(refused())
        }
    }
}
