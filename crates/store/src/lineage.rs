//! What came from what, and cutting all of it: login → what it bound → later logins made with that.
//!
//! Containment marks the closure, reads it again, and goes on until nothing is added. Whatever comes into being touches
//! the rows of the logins that it descends from, conditionally, so nothing slips by between reading and marking.

use crate::{
    backend::Value,
    error::{CommitError, Inconsistency, ReadError},
    store::Store,
    table,
    tx::{Tx, is_stale},
    unit::Effect,
};
use counterfoil_core::{
    audit::event::{EndReason, Event},
    enrolled::{DisabledWhy, Enrolled, EnrolledState},
    id::{AddressId, AuthenticatorId, LoginId, SessionId},
    session::{Login, LoginState, Session, SessionState},
    subject::{Address, AddressState},
    time::Time,
};
use std::{collections::BTreeSet, fmt, str::FromStr};

/// Something that descends from a login, or that logins descend from. Everything else (codes, pushed requests, tokens)
/// names its login and dies with it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Artefact {
    /// A login.
    Login(LoginId),
    /// A browser session.
    Session(SessionId),
    /// An authenticator.
    Authenticator(AuthenticatorId),
    /// An address.
    Address(AddressId),
    /// An OAuth client.
    Client(String),
}

impl fmt::Display for Artefact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Login(id) => write!(f, "login:{id}"),
            Self::Session(id) => write!(f, "session:{id}"),
            Self::Authenticator(id) => write!(f, "authenticator:{id}"),
            Self::Address(id) => write!(f, "address:{id}"),
            Self::Client(id) => write!(f, "client:{id}"),
        }
    }
}

impl FromStr for Artefact {
    type Err = counterfoil_core::id::InvalidId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once(':') {
            Some(("login", id)) => id.parse().map(Self::Login),
            Some(("session", id)) => id.parse().map(Self::Session),
            Some(("authenticator", id)) => id.parse().map(Self::Authenticator),
            Some(("address", id)) => id.parse().map(Self::Address),
            Some(("client", id)) => Ok(Self::Client(id.to_owned())),
            _ => Err(counterfoil_core::id::InvalidId),
        }
    }
}

/// Everything that a containment cut, in this pass.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Closure {
    /// Logins that were not contained before.
    pub logins: Vec<LoginId>,
    /// Sessions that were not over before.
    pub sessions: Vec<SessionId>,
    /// Authenticators that were not contained before.
    pub authenticators: Vec<AuthenticatorId>,
    /// Addresses that were not removed before.
    pub addresses: Vec<AddressId>,
}

impl Closure {
    /// How much that is.
    pub fn len(&self) -> usize {
        self.logins.len() + self.sessions.len() + self.authenticators.len() + self.addresses.len()
    }

    /// Nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn add(&mut self, other: Self) {
        self.logins.extend(other.logins);
        self.sessions.extend(other.sessions);
        self.authenticators.extend(other.authenticators);
        self.addresses.extend(other.addresses);
    }
}

/// Nothing brings these back, so there is nothing to cut.
fn is_off_for_ever(state: &EnrolledState) -> bool {
    matches!(
        state,
        EnrolledState::Contained { .. }
            | EnrolledState::Removed { .. }
            | EnrolledState::Disabled { why: DisabledWhy::Disowned, .. }
    )
}

/// Passes in a row that somebody else's change beat, after which a containment gives up.
const PASSES: u32 = 64;
/// What one pass cuts at most: its event names all of it, and has to fit into a leaf.
const CUT_AT_ONCE: usize = 256;

impl Tx {
    /// `child` came from `parent`.
    pub(crate) fn edge(&mut self, parent: &Artefact, child: &Artefact) -> &mut Self {
        let row = vec![Value::id(parent), Value::id(child), Value::time(self.now)];
        self.effect(Effect::Keep { table: &table::EDGES, row })
    }
}

impl Store {
    /// Everything that descends from these, themselves included.
    pub async fn descendants(&self, roots: &[Artefact]) -> Result<BTreeSet<Artefact>, ReadError> {
        const SQL: &str = "WITH RECURSIVE closure (node) AS (SELECT CAST($1 AS TEXT) UNION \
             SELECT edges.child FROM edges JOIN closure ON edges.parent = closure.node) SELECT node FROM closure";
        let mut found = BTreeSet::new();
        for root in roots {
            // A session descends from its login, and is cut with it.
            let root = match root {
                Artefact::Session(id) => {
                    let login = self.session(*id).await?.and_then(|session| Some(session.signed_in()?.login));
                    login.map_or_else(|| root.clone(), Artefact::Login)
                }
                other => other.clone(),
            };
            for row in self.pool().fetch(SQL, &[Value::id(root)]).await? {
                let text = row.text(0)?;
                let reason = "no artefact that we know".to_owned();
                found.insert(text.parse().map_err(|_| Inconsistency { table: "edges", id: text, reason })?);
            }
        }
        Ok(found)
    }

    /// Contains these and everything that descends from them, in as many commits as it takes. `event` says each of them.
    /// Returns what was cut; nothing, if all of it was cut before.
    pub async fn contain(
        &self,
        roots: &[Artefact],
        now: Time,
        event: impl Fn(&Closure) -> Event,
    ) -> Result<Closure, CommitError> {
        let (mut all, mut beaten) = (Closure::default(), 0);
        // What is known to be cut is read no more, so that a large closure costs each of its rows one read.
        let mut cut = BTreeSet::new();
        while beaten < PASSES {
            let (tx, closure, cutting) = self.containment(roots, now, &mut cut).await?;
            if closure.is_empty() {
                return Ok(all);
            }
            match tx.commit(self, event(&closure)).await {
                Ok(_) => {
                    all.add(closure);
                    cut.extend(cutting);
                    beaten = 0;
                }
                Err(error) if is_stale(&error) => beaten += 1,
                Err(error) => return Err(error),
            }
        }
        Err(CommitError::Busy)
    }

    /// What this came from, one step up.
    pub async fn parents(&self, child: &Artefact) -> Result<Vec<Artefact>, ReadError> {
        let rows = self.pool().fetch("SELECT parent FROM edges WHERE child = $1", &[Value::id(child)]).await?;
        let mut found = Vec::with_capacity(rows.len());
        for row in rows {
            let text = row.text(0)?;
            let reason = "no artefact that we know".to_owned();
            found.push(text.parse().map_err(|_| Inconsistency { table: "edges", id: text, reason })?);
        }
        Ok(found)
    }

    /// The unit that cuts what is not cut yet, or as much of it as fits: the roots first, then what lets further logins in,
    /// so that a closure does not grow faster than it is cut. What is cut already is added to `cut`.
    async fn containment(
        &self,
        roots: &[Artefact],
        at: Time,
        cut: &mut BTreeSet<Artefact>,
    ) -> Result<(Tx, Closure, Vec<Artefact>), ReadError> {
        let (mut tx, mut closure, mut cutting) = (Tx::new(at), Closure::default(), Vec::new());
        let mut found: Vec<Artefact> = self.descendants(roots).await?.difference(cut).cloned().collect();
        found.sort_by_key(|artefact| (!roots.contains(artefact), matches!(artefact, Artefact::Login(_))));
        for artefact in found {
            if closure.len() >= CUT_AT_ONCE {
                break;
            }
            let before = closure.len();
            let this = artefact.clone();
            match artefact {
                Artefact::Login(id) => {
                    if let Some(login) =
                        self.login(id).await?.filter(|l| !matches!(l.state, LoginState::Contained { .. }))
                    {
                        tx.contain_login(&login);
                        closure.logins.push(id);
                        if let Some(session) = self.session_of_login(&login).await? {
                            closure.sessions.push(session.id);
                            tx.contain_session(&session);
                        }
                    }
                }
                // Its login's row leads to it; a session without login has nothing that could be contained.
                Artefact::Session(_) => {}
                Artefact::Authenticator(id) => {
                    let enrolled = self.authenticator(id).await?;
                    if let Some(enrolled) = enrolled.filter(|enrolled| !is_off_for_ever(&enrolled.state)) {
                        tx.change_authenticator(&Enrolled { state: EnrolledState::Contained { at }, ..enrolled });
                        closure.authenticators.push(id);
                    }
                }
                Artefact::Address(id) => {
                    let address: Option<Address> = self.one("WHERE id = $1", &[Value::id(id)]).await?;
                    if let Some(address) = address.filter(|a| matches!(a.state, AddressState::Active { .. })) {
                        tx.change_address(&Address { state: AddressState::Removed { at }, ..address });
                        closure.addresses.push(id);
                    }
                }
                // A client's tokens name the login behind them; its own end when an administrator removes it.
                Artefact::Client(_) => {}
            }
            if closure.len() > before {
                cutting.push(this);
            } else {
                cut.insert(this);
            }
        }
        Ok((tx, closure, cutting))
    }
}

impl Tx {
    fn contain_login(&mut self, login: &Login) -> &mut Self {
        let contained = Login { state: LoginState::Contained { at: self.now }, ..login.clone() };
        self.about("login", login.id).about("subject", login.subject).feed("login", login.id).put(&contained)
    }

    fn contain_session(&mut self, session: &Session) -> &mut Self {
        let ended = SessionState::Ended { at: self.now, why: EndReason::Contained };
        self.change_session(&Session { state: ended, ..session.clone() })
    }
}
