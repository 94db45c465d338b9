//! What people have enrolled, and the guesses made at it.

use crate::{
    Artefact,
    backend::Value,
    error::ReadError,
    noun::Noun,
    store::Store,
    table::{self, Table},
    tx::{Tx, Upkeep, versioned},
    unit::Effect,
};
use counterfoil_core::{
    enrolled::{Enrolled, EnrolledState, Secret},
    id::{AuthenticatorId, EventId, SubjectId},
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
            self.spend(crate::SpendKey::new("handle", handle), crate::tx::FOR_EVER);
        }
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

impl Upkeep {
    /// A guess, written before it is compared. Then ask [`Store::attempts`]: as every guess of a series is counted by
    /// everybody who compares later, no more than the limit are ever compared, however many come at once.
    pub fn record_attempt(&mut self, attempt: EventId, enrolled: &Enrolled) -> &mut Self {
        let row =
            vec![Value::id(attempt), Value::id(enrolled.id), Value::Int(enrolled.series), Value::time(self.0.now)];
        self.0.effect(Effect::Insert { table: &table::ATTEMPTS, row });
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
}
