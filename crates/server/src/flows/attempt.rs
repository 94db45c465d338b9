//! Guesses are counted before they are compared, one after the other, so that however many come at once, no more than the
//! limit ever count (SP 800-63B-4 §3.2.2: too many disable the authenticator). Between the first few and that limit each
//! waits longer. Of many at once the first few are compared: a burst of the right code is one sign-in.
//!
//! A name that nobody has is treated as one that somebody has: the same rows, the same waits, the same answers.

use super::{authorize::actor, open_challenge};
use crate::{
    app::App,
    browser::Browser,
    problem::{Kind, Problem},
};
use counterfoil_core::{
    assurance::Method,
    audit::event::{Event, EventKind},
    authenticator::{
        Holder,
        totp::{TotpError, TotpSecret},
    },
    challenge::{Challenge, ChallengeState},
    digest::Digest,
    enrolled::{DisabledWhy, Enrolled, EnrolledState},
    id::{ChallengeId, EventId, SubjectId},
    limits,
    proof::Proof,
    throttle::{self, Guess},
    time::Time,
};
use counterfoil_store::{Attempt, ChallengeRecord, CommitError, Tx, Upkeep};

/// A guess that may be compared. If it turns out right, [`Counted::right`] takes it off the count.
#[must_use = "a guess that is right has to be taken off the count"]
pub struct Counted(Attempt);

impl Counted {
    /// The guess was right: it slows nobody.
    pub fn right(self, tx: &mut Tx) {
        tx.forget_attempt(&self.0);
    }
}

/// What a guess is at, and what it slows down: the next ones at the same name, or at the same authenticator. `whose` is
/// the person, if there is one.
pub struct Target<'a> {
    /// What is guessed; none for a name that nobody has, or whose authenticator is off.
    pub enrolled: Option<&'a Enrolled>,
    /// Whose it is, if it is anybody's.
    pub whose: Option<SubjectId>,
    /// A fixed word and what it is about, as it was typed: hashed before it is kept.
    pub slows: (&'static str, &'a str),
}

/// Whether a guess would have to wait, for who needs room before they guess. It uses up nothing.
pub async fn may_guess<T>(app: &App, browser: &Browser<T>, target: &Target<'_>) -> Result<(), Problem> {
    let since = browser.visit.now.plus_seconds(-limits::GUESS_WINDOW_SECONDS);
    wait(&app.store.earlier_attempts(&slows(app, browser, target).await?, since, None).await?, app.now())
}

/// What the guesses have in common that wait for each other.
async fn slows<T>(app: &App, browser: &Browser<T>, target: &Target<'_>) -> Result<String, Problem> {
    let known = match target.whose {
        Some(subject) => knows(app, browser, subject).await?,
        None => false,
    };
    let (word, about) = target.slows;
    // Each browser that a person is known by waits for its own guesses alone.
    let place = if known { browser.session.key_thumbprint.to_string() } else { "other".to_owned() };
    Ok(format!("{word}:{place}:{}", Digest::of(about.as_bytes())))
}

/// Writes a guess down, then says whether it may be compared.
pub async fn count<T>(app: &App, browser: &Browser<T>, target: &Target<'_>) -> Result<Counted, Problem> {
    let now = browser.visit.now;
    let slows = slows(app, browser, target).await?;
    let since = now.plus_seconds(-limits::GUESS_WINDOW_SECONDS);
    let attempt = turn(app, target.enrolled, slows, since).await?;
    // A turn that a right guess gave back may have gone to somebody who had looked before others came: they count too.
    wait(&app.store.earlier_attempts(&attempt.slows, since, Some(attempt.id)).await?, attempt.when)?;
    let mut unit = Upkeep::new(now);
    unit.count_attempt(&attempt);
    unit.commit(&app.store).await?;
    match target.enrolled {
        Some(enrolled) if throttle::is_used_up(app.store.attempts(enrolled).await?) => {
            disable(app, browser, enrolled).await?;
            Err(Problem::new(Kind::AUTHENTICATOR_DISABLED))
        }
        _ => Ok(Counted(attempt)),
    }
}

/// The next turn among the guesses that slow each other down, unless it comes too early. What comes too early is not written
/// down: hammering lengthens nobody's wait, and uses up nothing.
async fn turn(app: &App, enrolled: Option<&Enrolled>, slows: String, since: Time) -> Result<Attempt, Problem> {
    for _ in 0..limits::GUESS_ROUNDS {
        let now = app.now();
        let earlier = app.store.earlier_attempts(&slows, since, None).await?;
        wait(&earlier, now)?;
        let when = earlier.next_at(now);
        let id = EventId::new(when, app.random.id());
        let at = enrolled.map(|enrolled| (enrolled.id, enrolled.series));
        let attempt = Attempt { id, at, slows: slows.clone(), when, after: earlier.newest };
        let mut unit = Upkeep::new(now);
        unit.take_turn(&attempt);
        match unit.commit(&app.store).await {
            Ok(()) => return Ok(attempt),
            // Somebody else's guess came in between.
            Err(error) if error.spent().is_some() => {}
            Err(error) => return Err(Problem::from(error)),
        }
    }
    Err(Problem::new(Kind::THROTTLED).with("retry_after_seconds", 1))
}

/// The same for a code of somebody who is known by now.
pub async fn count_code<T>(app: &App, browser: &Browser<T>, app_code: &Enrolled) -> Result<Counted, Problem> {
    let id = app_code.id.to_string();
    let target = Target { enrolled: Some(app_code), whose: Some(app_code.subject), slows: ("code", &id) };
    count(app, browser, &target).await
}

/// A wrong answer counts against the challenge too; the last that is allowed voids it. What was decided about it meanwhile
/// stands.
pub async fn count_against<T>(
    app: &App,
    browser: &Browser<T>,
    challenge: &Challenge,
    record: &ChallengeRecord,
) -> Result<(), Problem> {
    let now = browser.visit.now;
    let Ok(failed) = challenge.clone().fail(now) else { return Ok(()) };
    let after = open_challenge::record(&failed, record.version)?;
    let outcome = if let ChallengeState::Void { reason, .. } = failed.state() {
        let mut tx = Tx::new(now);
        tx.change_challenge(&after);
        let kind = EventKind::ChallengeVoid { challenge: failed.id(), reason: *reason };
        tx.commit(&app.store, app.event(now, actor(browser), kind)).await.map(drop)
    } else {
        let mut unit = Upkeep::new(now);
        unit.fail_challenge(&after);
        unit.commit(&app.store).await
    };
    match outcome {
        Ok(()) | Err(CommitError::Refused(_)) => Ok(()),
        Err(error) => Err(Problem::from(error)),
    }
}

fn wait(earlier: &throttle::Earlier, now: Time) -> Result<(), Problem> {
    match throttle::judge(earlier, now) {
        Guess::Compare => Ok(()),
        Guess::Wait { seconds } => Err(Problem::new(Kind::THROTTLED).with("retry_after_seconds", seconds)),
    }
}

/// Is this a browser that the person has been right in, or has signed with a passkey in?
async fn knows<T>(app: &App, browser: &Browser<T>, subject: SubjectId) -> Result<bool, Problem> {
    let key = &browser.session.key_thumbprint;
    Ok(app.store.knows_browser(subject, key).await? || app.store.known_device(subject, key).await?.is_some())
}

async fn disable<T>(app: &App, browser: &Browser<T>, enrolled: &Enrolled) -> Result<(), Problem> {
    let now = browser.visit.now;
    let state = EnrolledState::Disabled { at: now, why: DisabledWhy::Failures };
    let mut tx = Tx::new(now);
    tx.change_authenticator(&Enrolled { state, ..enrolled.clone() });
    let kind = EventKind::AuthenticatorDisabled {
        authenticator: enrolled.id,
        subject: enrolled.subject,
        failures: limits::CONSECUTIVE_FAILURES,
    };
    let told = super::notify::disabled(app, &mut tx, enrolled, now).await?;
    for event in told.events {
        tx.also(event);
    }
    match tx.commit(&app.store, app.event(now, actor(browser), kind)).await {
        // Somebody else's guess has disabled it already.
        Ok(_) | Err(CommitError::Refused(_)) => {}
        Err(error) => return Err(Problem::from(error)),
    }
    app.facts.forget_person(enrolled.subject);
    Ok(())
}

/// Whose authenticator it is, for its verifier.
pub fn holder(enrolled: &Enrolled, now: Time) -> Holder {
    Holder { subject: enrolled.subject, authenticator: enrolled.id, ceiling: enrolled.ceiling_at(now) }
}

/// Compares a code. The outer error is a fault of ours.
pub async fn code(app: &App, enrolled: &Enrolled, typed: &str, now: Time) -> Result<Result<Proof, TotpError>, Problem> {
    let secret = enrolled.secret.as_ref().ok_or_else(|| Problem::internal("a code app without its secret"))?;
    let secret = TotpSecret::new(secret.expose()).map_err(Problem::internal)?;
    let matched = secret.verify(typed, &holder(enrolled, now), now);
    // Nobody remembers which steps had been used when the database was turned back (DESIGN §7).
    if let (Ok(matched), Some(raised)) = (&matched, app.store.epoch_raised_at().await?)
        && !is_after(matched.step, raised)
    {
        return Ok(Err(TotpError::Wrong));
    }
    Ok(matched.map(|matched| matched.proof))
}

/// Does this step begin after the one in which `at` lies?
fn is_after(step: u64, at: Time) -> bool {
    i64::try_from(step).is_ok_and(|step| step > at.millis() / 1000 / limits::TOTP_STEP_SECONDS)
}

/// Records an answer that was not right.
pub async fn refused<T>(
    app: &App,
    browser: &Browser<T>,
    subject: Option<SubjectId>,
    enrolled: Option<&Enrolled>,
    method: Method,
    reason: &'static str,
) -> Result<(), Problem> {
    let kind = EventKind::ProofRefused {
        subject,
        authenticator: enrolled.map(|enrolled| enrolled.id),
        method,
        challenge: None,
        reason: reason.to_owned(),
    };
    let event = app.personal_event(
        browser.visit.now,
        actor(browser),
        kind,
        [("ip", browser.visit.ip.to_string()), ("user_agent", browser.visit.user_agent.clone())],
    );
    Tx::new(browser.visit.now).commit(&app.store, event).await?;
    Ok(())
}

/// The event of an answer that was right.
pub fn accepted<T>(app: &App, browser: &Browser<T>, proof: &Proof, challenge: Option<ChallengeId>) -> Event {
    let kind = EventKind::ProofAccepted {
        subject: proof.subject(),
        authenticator: proof.fact().authenticator,
        method: proof.fact().method,
        challenge,
        session: Some(browser.session.id),
        totp_step: proof.totp_step(),
        assertion: proof.assertion().and_then(|assertion| assertion.digest().ok()),
    };
    app.event(browser.visit.now, actor(browser), kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_counts_only_once_the_one_of_the_turn_is_over() {
        let raised = Time::from_seconds(1_800_000_010);
        assert_eq!([59_999_999, 60_000_000, 60_000_001].map(|step| is_after(step, raised)), [false, false, true]);
    }
}
