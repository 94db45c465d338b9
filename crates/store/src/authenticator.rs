//! What people have enrolled, and the guesses made at it.

use crate::{
    Artefact,
    backend::Value,
    error::ReadError,
    noun::Noun,
    store::Store,
    table::{self, Table},
    tx::{SpendKey, Tx, Upkeep, versioned},
    unit::Effect,
};
use counterfoil_core::{
    digest::Digest,
    enrolled::{Enrolled, EnrolledState, Secret},
    id::{AuthenticatorId, EventId, SubjectId},
    limits::GUESS_WINDOW_SECONDS,
    throttle::Earlier,
    time::Time,
};

impl Noun for Enrolled {
    const TABLE: &'static Table = &table::AUTHENTICATORS;

    fn columns(&self) -> Vec<Value> {
        let state = match self.state {
            EnrolledState::Active {} => "active",
            EnrolledState::Disabled { .. } => "disabled",
            EnrolledState::Contained { .. } => "contained",
            EnrolledState::Removed { .. } => "removed",
        };
        vec![
            Value::id(self.id),
            Value::id(self.subject),
            Value::text(self.method.as_str()),
            Value::text(state),
            Value::maybe(self.handle.as_ref()),
            Value::Int(self.version),
        ]
    }

    fn owner(&self) -> String {
        self.subject.to_string()
    }

    fn secret(&self) -> Option<&Secret> {
        self.secret.as_ref()
    }

    fn with_secret(mut self, secret: Option<Secret>) -> Self {
        self.secret = secret;
        self
    }
}
versioned!(Enrolled, "id");

impl Tx {
    /// A new authenticator. The login that binds it must be open, and everything it descends from uncontained.
    pub fn enrol_authenticator(&mut self, enrolled: &Enrolled) -> &mut Self {
        if let Some(login) = enrolled.bound_by {
            self.require_login(login);
            self.edge(&Artefact::Login(login), &Artefact::Authenticator(enrolled.id));
        }
        if let Some(handle) = &enrolled.handle {
            // A credential id is one person's, for ever (WebAuthn L3 §7.1 step 26).
            self.spend(SpendKey::new("handle", handle), crate::tx::FOR_EVER);
        }
        self.require_active(enrolled.subject);
        self.about("subject", enrolled.subject).about("authenticator", enrolled.id).add(enrolled)
    }

    /// An authenticator becomes what `enrolled` says (used, disabled, removed, raised), if nobody else changed it since
    /// it was read.
    pub fn change_authenticator(&mut self, enrolled: &Enrolled) -> &mut Self {
        self.about("subject", enrolled.subject).about("authenticator", enrolled.id).change(enrolled)
    }

    /// Demands that this authenticator may prove something, whatever else changed about it.
    pub fn require_authenticator(&mut self, id: AuthenticatorId) -> &mut Self {
        self.demand(&table::AUTHENTICATORS, &["id", "state"], vec![Value::id(id), Value::text("active")])
    }
}

/// A guess, written before it is compared (SP 800-63B-4 §3.2.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Which.
    pub id: EventId,
    /// What it is a guess at, with the series that it counts in. None for a name that nobody has, and for a guess that came
    /// too early to be compared.
    pub at: Option<(AuthenticatorId, i64)>,
    /// What it makes wait: a fixed word and a digest, so that no name stands here.
    pub slows: String,
    /// When: later than whatever slows the same ones down so far ([`Earlier::next_at`]).
    pub when: Time,
    /// When the newest of those was made that were there: whose turn it is to come next, which one guess takes.
    pub after: Option<Time>,
}

impl Attempt {
    /// The turn after the newest guess. Two that found the same one newest cannot both have it.
    fn turn(&self) -> SpendKey {
        SpendKey::new("guess", format_args!("{}:{}", self.slows, self.after.map_or(0, Time::millis)))
    }

    fn row(&self) -> Vec<Value> {
        let (authenticator, series) = self.at.map_or((None, 0), |(id, series)| (Some(id), series));
        vec![
            Value::id(self.id),
            Value::maybe(authenticator),
            Value::Int(series),
            Value::text(&self.slows),
            Value::time(self.when),
        ]
    }
}

impl Tx {
    /// A guess was right: it slows nobody down, and its turn is another's.
    pub fn forget_attempt(&mut self, attempt: &Attempt) -> &mut Self {
        let turn = vec![Value::text(attempt.turn().to_string())];
        self.effect(Effect::Delete { table: &table::SPENDS, key: turn });
        self.effect(Effect::Delete { table: &table::ATTEMPTS, key: vec![Value::id(attempt.id)] })
    }

    /// This person has been right in this browser: guesses from elsewhere make it wait no more.
    pub fn remember_browser(&mut self, subject: SubjectId, key: &Digest) -> &mut Self {
        let row = vec![Value::id(subject), Value::id(key), Value::time(self.now)];
        self.effect(Effect::Put { table: &table::BROWSERS, row })
    }
}

impl Upkeep {
    /// A guess, written before it is compared: it comes after the newest that its maker found, and nobody else's does. Of many
    /// that come at once, one is kept and the others ([`spent`](crate::CommitError::spent)) look again. In no series yet: what turns out to
    /// have come too early is not compared.
    pub fn take_turn(&mut self, attempt: &Attempt) -> &mut Self {
        self.spend(attempt.turn(), self.0.now.plus_seconds(GUESS_WINDOW_SECONDS));
        self.0.effect(Effect::Insert { table: &table::ATTEMPTS, row: Attempt { at: None, ..attempt.clone() }.row() });
        self
    }

    /// A guess that may be compared gets into its series. Then ask [`Store::attempts`]: as every guess of a series is counted
    /// by everybody who compares later, no more than the limit are ever compared, however many come at once.
    pub fn count_attempt(&mut self, attempt: &Attempt) -> &mut Self {
        self.0.effect(Effect::Put { table: &table::ATTEMPTS, row: attempt.row() });
        self
    }
}

impl Store {
    /// The authenticator of this identifier.
    pub async fn authenticator(&self, id: AuthenticatorId) -> Result<Option<Enrolled>, ReadError> {
        self.one("WHERE id = $1", &[Value::id(id)]).await
    }

    /// Everything that this person has enrolled, also what is disabled or removed.
    pub async fn authenticators(&self, subject: SubjectId) -> Result<Vec<Enrolled>, ReadError> {
        self.many("WHERE subject = $1 ORDER BY id", &[Value::id(subject)]).await
    }

    /// The passkey of this credential id (base64url).
    pub async fn authenticator_by_handle(&self, handle: &str) -> Result<Option<Enrolled>, ReadError> {
        self.one("WHERE handle = $1", &[Value::text(handle)]).await
    }

    /// How many guesses have been written in this authenticator's present series.
    pub async fn attempts(&self, enrolled: &Enrolled) -> Result<i64, ReadError> {
        let sql = "SELECT COUNT(*) FROM attempts WHERE authenticator = $1 AND series = $2";
        let rows = self.pool().fetch(sql, &[Value::id(enrolled.id), Value::Int(enrolled.series)]).await?;
        Ok(rows.first().map(|row| row.int(0)).transpose()?.unwrap_or(0))
    }

    /// The guesses that slow the same ones down, without `except`: how many since `since`, and the newest of all. Asked again
    /// after `except` was written, the one that was committed as the n-th sees at least n-1 others that were wrong.
    pub async fn earlier_attempts(
        &self,
        slows: &str,
        since: Time,
        except: Option<EventId>,
    ) -> Result<Earlier, ReadError> {
        let sql = "SELECT COUNT(CASE WHEN at >= $2 THEN 1 END), MAX(at) FROM attempts WHERE slows = $1 AND id <> $3";
        let except = except.map_or_else(String::new, |id| id.to_string());
        let rows = self.pool().fetch(sql, &[Value::text(slows), Value::time(since), Value::text(except)]).await?;
        let Some(row) = rows.first() else { return Ok(Earlier::default()) };
        Ok(Earlier {
            guesses: u32::try_from(row.int(0)?).unwrap_or(u32::MAX),
            newest: row.maybe_int(1)?.map(Time::from_millis),
        })
    }

    /// Has this person been right in the browser of this key?
    pub async fn knows_browser(&self, subject: SubjectId, key: &Digest) -> Result<bool, ReadError> {
        let sql = "SELECT at FROM browsers WHERE subject = $1 AND key_thumbprint = $2";
        Ok(!self.pool().fetch(sql, &[Value::id(subject), Value::id(key)]).await?.is_empty())
    }
}
