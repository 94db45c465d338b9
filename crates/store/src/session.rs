//! Browser sessions, the logins they came from, and the devices that are known.

use crate::{
    Artefact,
    backend::Value,
    error::ReadError,
    noun::Noun,
    store::Store,
    table::{self, Table},
    tx::{Tx, Upkeep, Versioned as _, versioned},
};
use counterfoil_core::{
    audit::event::EndReason,
    digest::Digest,
    enrolled::{Enrolled, EnrolledState},
    id::{AuthenticatorId, LoginId, SessionId, SubjectId},
    session::{Login, LoginState, Session, SessionState},
    time::Time,
};
use serde::{Deserialize, Serialize};

impl Noun for Session {
    const TABLE: &'static Table = &table::SESSIONS;

    fn columns(&self) -> Vec<Value> {
        let (state, subject, login) = match &self.state {
            SessionState::Anonymous { .. } => ("anonymous", None, None),
            SessionState::SignedIn(signed_in) => ("signed_in", Some(signed_in.subject), Some(signed_in.login)),
            SessionState::Replaced { .. } => ("replaced", None, None),
            SessionState::Ended { .. } => ("ended", None, None),
        };
        vec![
            Value::id(self.id),
            Value::id(self.secret_hash),
            Value::maybe(subject),
            Value::maybe(login),
            Value::text(state),
            Value::time(self.expires_at),
            Value::Int(self.version),
        ]
    }
}
versioned!(Session, "id");

impl Noun for Login {
    const TABLE: &'static Table = &table::LOGINS;

    fn columns(&self) -> Vec<Value> {
        let (state, contained) = match self.state {
            LoginState::Open {} => ("open", 0),
            LoginState::Ended { .. } => ("ended", 0),
            LoginState::Contained { .. } => ("contained", 1),
        };
        vec![
            Value::id(self.id),
            Value::id(self.subject),
            Value::text(state),
            Value::Int(contained),
            Value::time(self.at),
        ]
    }
}

/// A session key that has accompanied a phishing-resistant proof of this person's (DESIGN §4).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KnownDevice {
    /// Whose device.
    pub subject: SubjectId,
    /// RFC 7638 thumbprint of its key.
    pub key_thumbprint: Digest,
    /// The authenticator that spoke.
    pub authenticator: AuthenticatorId,
    /// The login in which it spoke.
    pub login: LoginId,
    /// When.
    pub at: Time,
    /// Until when the device stays known.
    pub expires_at: Time,
}

impl Noun for KnownDevice {
    const TABLE: &'static Table = &table::KNOWN_DEVICES;

    fn columns(&self) -> Vec<Value> {
        vec![Value::id(self.subject), Value::id(self.key_thumbprint), Value::time(self.expires_at)]
    }
}

impl Tx {
    /// A new session.
    pub fn begin_session(&mut self, session: &Session) -> &mut Self {
        if let Some(signed_in) = session.signed_in() {
            self.require_login(signed_in.login).about("login", signed_in.login);
        }
        self.about("session", session.id).add(session)
    }

    /// A session becomes what `session` says, if nobody else changed it since it was read.
    pub fn change_session(&mut self, session: &Session) -> &mut Self {
        self.about("session", session.id).change(session)
    }

    /// Demands that this session is still as it was read: neither over nor replaced.
    pub fn require_session(&mut self, session: &Session) -> &mut Self {
        self.unchanged(session)
    }

    /// Assurance rose: `new` takes the place of `old`, under a new identifier and secret.
    pub fn raise_session(&mut self, old: &Session, new: &Session) -> &mut Self {
        let replaced = Session { state: SessionState::Replaced { by: new.id }, ..old.clone() };
        if let Some(signed_in) = new.signed_in() {
            self.about("login", signed_in.login);
            self.edge(&Artefact::Login(signed_in.login), &Artefact::Session(new.id));
        }
        self.about("session", old.id).about("session", new.id).change(&replaced).add(new)
    }

    /// A session is over, and its login with it: guards and nodes learn it. `login` is as it was read.
    pub fn end_session(&mut self, session: &Session, login: Option<&Login>, why: EndReason) -> &mut Self {
        let at = self.now;
        if let Some(login) = login
            && login.is_open()
        {
            self.end_login(login);
        }
        let ended = Session { state: SessionState::Ended { at, why }, ..session.clone() };
        self.about("session", session.id).change(&ended)
    }

    /// A new login with these authenticators. None of the logins that bound them may be contained, so that nothing slips
    /// by while a containment is under way (DESIGN §6).
    pub fn begin_login(&mut self, login: &Login, used: &[&Enrolled]) -> &mut Self {
        for enrolled in used {
            self.edge(&Artefact::Authenticator(enrolled.id), &Artefact::Login(login.id));
            self.require_authenticator(enrolled.id);
            if let Some(binder) = enrolled.bound_by {
                self.require_uncontained(binder);
            }
        }
        self.require_active(login.subject);
        self.begun = Some(login.id);
        self.about("login", login.id).about("subject", login.subject).insert(login)
    }

    /// A proof by these authenticators in a login that goes on: from now on it descends from them too.
    pub fn extend_login(&mut self, login: LoginId, used: &[&Enrolled]) -> &mut Self {
        for enrolled in used {
            self.require_active(enrolled.subject);
            self.edge(&Artefact::Authenticator(enrolled.id), &Artefact::Login(login));
            if let Some(binder) = enrolled.bound_by.filter(|binder| *binder != login) {
                self.require_uncontained(binder);
            }
        }
        self.require_login(login)
    }

    /// Nothing more comes from this login, which was open when it was read.
    pub fn end_login(&mut self, login: &Login) -> &mut Self {
        let ended = Login { state: LoginState::Ended { at: self.now }, ..login.clone() };
        self.require_login(login.id).about("login", login.id).feed("login", login.id).put(&ended)
    }

    /// Demands that this login is neither ended nor contained.
    pub fn require_login(&mut self, login: LoginId) -> &mut Self {
        if self.begun == Some(login) {
            return self;
        }
        self.demand(&table::LOGINS, &["id", "state"], vec![Value::id(login), Value::text("open")])
    }

    /// Demands that this login is not contained; it may have ended.
    pub fn require_uncontained(&mut self, login: LoginId) -> &mut Self {
        self.demand(&table::LOGINS, &["id", "contained"], vec![Value::id(login), Value::Int(0)])
    }

    /// `login` is worth more because its device is known. Demands that what made it known still stands (its login is
    /// uncontained, its authenticator in use), and descends from both: trust came from there, so a containment of either
    /// takes it back. That is no spill (R4), also where an older login of the same person's made the device known, and
    /// is contained. A login that shows a phishing-resistant proof itself relies on no device, and on none of that.
    pub fn rely_on_device(&mut self, device: &KnownDevice, login: LoginId) -> &mut Self {
        self.edge(&Artefact::Authenticator(device.authenticator), &Artefact::Login(login));
        // The login that made its device known relies on nobody else.
        if device.login != login {
            self.edge(&Artefact::Login(device.login), &Artefact::Login(login));
        }
        self.require_uncontained(device.login).require_authenticator(device.authenticator)
    }

    /// A device is known from now on.
    pub fn remember_device(&mut self, device: &KnownDevice) -> &mut Self {
        self.require_login(device.login).about("subject", device.subject).put(device)
    }
}

impl Upkeep {
    /// The session was used: it is not idle. Refused if somebody changed it since it was read, which does no harm.
    pub fn touch_session(&mut self, session: &Session) -> &mut Self {
        let touched = Session { seen_at: self.0.now, ..session.clone() };
        self.0.unchanged(session).put(&touched.at_version(session.version + 1));
        self
    }
}

impl Store {
    /// The session of this public handle.
    pub async fn session(&self, id: SessionId) -> Result<Option<Session>, ReadError> {
        self.one("WHERE id = $1", &[Value::id(id)]).await
    }

    /// The session whose cookie has this hash.
    pub async fn session_by_secret(&self, hash: &Digest) -> Result<Option<Session>, ReadError> {
        self.one("WHERE secret_hash = $1", &[Value::id(hash)]).await
    }

    /// The sessions that are this person's, without those that are over.
    pub async fn sessions(&self, subject: SubjectId) -> Result<Vec<Session>, ReadError> {
        self.many("WHERE subject = $1 ORDER BY id", &[Value::id(subject)]).await
    }

    /// The session that this login is in, if it is not over.
    pub async fn session_of_login(&self, login: &Login) -> Result<Option<Session>, ReadError> {
        self.one(
            "WHERE subject = $1 AND login = $2 ORDER BY id DESC LIMIT 1",
            &[Value::id(login.subject), Value::id(login.id)],
        )
        .await
    }

    /// The login of this identifier.
    pub async fn login(&self, id: LoginId) -> Result<Option<Login>, ReadError> {
        self.one("WHERE id = $1", &[Value::id(id)]).await
    }

    /// The last logins of this person, newest first.
    pub async fn logins(&self, subject: SubjectId, limit: u32) -> Result<Vec<Login>, ReadError> {
        self.many("WHERE subject = $1 ORDER BY id DESC LIMIT $2", &[Value::id(subject), Value::Int(limit.into())]).await
    }

    /// The device of this key, if it is known for this person now and what made it known still stands. Whoever relies on it
    /// says so in the unit too, with [`Tx::rely_on_device`].
    pub async fn trusted_device(
        &self,
        subject: SubjectId,
        key: &Digest,
        now: Time,
    ) -> Result<Option<KnownDevice>, ReadError> {
        let Some(device) = self.known_device(subject, key).await?.filter(|device| now < device.expires_at) else {
            return Ok(None);
        };
        let login = self.login(device.login).await?;
        let contained = login.is_none_or(|login| matches!(login.state, LoginState::Contained { .. }));
        let authenticator = self.authenticator(device.authenticator).await?;
        let active = authenticator.is_some_and(|enrolled| matches!(enrolled.state, EnrolledState::Active {}));
        Ok((!contained && active).then_some(device))
    }

    /// The row of this key for this person, whatever became of what made it known.
    pub async fn known_device(&self, subject: SubjectId, key: &Digest) -> Result<Option<KnownDevice>, ReadError> {
        self.one("WHERE subject = $1 AND key_thumbprint = $2", &[Value::id(subject), Value::id(key)]).await
    }
}
