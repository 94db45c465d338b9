//! People, their user names, their addresses and their groups.

use crate::{
    backend::Value,
    error::{Inconsistency, ReadError},
    noun::Noun,
    store::Store,
    table::{self, Table},
    tx::{FOR_EVER, SpendKey, Tx, versioned},
    unit::Effect,
};
use counterfoil_core::{
    id::SubjectId,
    subject::{Address, AddressState, Group, Subject, SubjectState},
};

impl Noun for Subject {
    const TABLE: &'static Table = &table::SUBJECTS;

    fn columns(&self) -> Vec<Value> {
        let state = match self.state {
            SubjectState::Active {} => "active",
            SubjectState::Suspended { .. } => "suspended",
        };
        vec![Value::id(self.id), Value::text(state), Value::Int(self.version)]
    }
}
versioned!(Subject, "id");

impl Noun for Address {
    const TABLE: &'static Table = &table::ADDRESSES;

    fn columns(&self) -> Vec<Value> {
        let state = match self.state {
            AddressState::Active { .. } => "active",
            AddressState::Removed { .. } => "removed",
        };
        vec![Value::id(self.id), Value::id(self.subject), Value::text(state), Value::Int(self.version)]
    }
}
versioned!(Address, "id");

impl Noun for Group {
    const TABLE: &'static Table = &table::GROUPS;

    fn columns(&self) -> Vec<Value> {
        vec![Value::text(&self.name), Value::Int(self.version)]
    }
}
versioned!(Group, "name");

impl Tx {
    /// A new person. Their user names are theirs alone; one that is taken refuses the unit (`username:…` is spent).
    pub fn add_subject(&mut self, subject: &Subject) -> &mut Self {
        for username in &subject.usernames {
            self.take_username(username, subject.id);
        }
        self.about("subject", subject.id).add(subject)
    }

    /// A person becomes what `subject` says, if nobody else changed them since. `before` is as they were read.
    pub fn change_subject(&mut self, before: &Subject, subject: &Subject) -> &mut Self {
        for username in subject.usernames.iter().filter(|name| !before.usernames.contains(name)) {
            self.take_username(username, subject.id);
        }
        for username in before.usernames.iter().filter(|name| !subject.usernames.contains(name)) {
            let spend = SpendKey::username(username).to_string();
            self.effect(Effect::Delete { table: &table::SPENDS, key: vec![Value::text(spend)] });
            self.effect(Effect::Delete { table: &table::USERNAMES, key: vec![Value::text(username)] });
        }
        self.about("subject", subject.id).feed("changed", format_args!("subject:{}", subject.id)).change(subject)
    }

    fn take_username(&mut self, username: &str, subject: SubjectId) {
        self.spend(SpendKey::username(username), FOR_EVER);
        let row = vec![Value::text(username), Value::id(subject)];
        self.effect(Effect::Put { table: &table::USERNAMES, row });
    }

    /// Demands that this person is still as they were read: not suspended, not changed.
    pub fn require_subject(&mut self, subject: &Subject) -> &mut Self {
        self.unchanged(subject)
    }

    /// Demands that this person is not suspended, whatever else changed.
    pub fn require_active(&mut self, subject: SubjectId) -> &mut Self {
        self.demand(&table::SUBJECTS, &["id", "state"], vec![Value::id(subject), Value::text("active")])
    }

    /// A new address. If a login bound it, that login must be open.
    pub fn add_address(&mut self, address: &Address) -> &mut Self {
        if let Some(login) = address.bound_by {
            self.require_login(login);
            self.edge(&crate::Artefact::Login(login), &crate::Artefact::Address(address.id));
        }
        self.about("subject", address.subject).add(address)
    }

    /// An address becomes what `address` says, if nobody else changed it since it was read.
    pub fn change_address(&mut self, address: &Address) -> &mut Self {
        self.about("subject", address.subject).change(address)
    }

    /// A group comes to be, or becomes what `group` says if nobody else changed it since it was read.
    pub fn put_group(&mut self, group: &Group) -> &mut Self {
        self.feed("changed", format_args!("group:{}", group.name));
        if group.version == 0 { self.add(group) } else { self.change(group) }
    }
}

impl Store {
    /// The person of this identifier.
    pub async fn subject(&self, id: SubjectId) -> Result<Option<Subject>, ReadError> {
        self.one("WHERE id = $1", &[Value::id(id)]).await
    }

    /// The person of this user name, in the spelling that is compared.
    pub async fn subject_by_username(&self, username: &str) -> Result<Option<Subject>, ReadError> {
        let rest = "WHERE id = (SELECT subject FROM usernames WHERE username = $1)";
        let subject: Option<Subject> = self.one(rest, &[Value::text(username)]).await?;
        match &subject {
            // The names stand in the person's own row, under its MAC; the other table only finds it.
            Some(found) if !found.usernames.iter().any(|name| name == username) => {
                let reason = "the person does not have this name".to_owned();
                Err(Inconsistency { table: "usernames", id: username.to_owned(), reason }.into())
            }
            _ => Ok(subject),
        }
    }

    /// Everybody, at most `limit` after the identifier `after`.
    pub async fn subjects(&self, after: Option<SubjectId>, limit: u32) -> Result<Vec<Subject>, ReadError> {
        let after = after.map_or_else(String::new, |id| id.to_string());
        self.many("WHERE id > $1 ORDER BY id LIMIT $2", &[Value::text(after), Value::Int(limit.into())]).await
    }

    /// Where this person can be told something.
    pub async fn addresses(&self, subject: SubjectId) -> Result<Vec<Address>, ReadError> {
        self.many("WHERE subject = $1 ORDER BY id", &[Value::id(subject)]).await
    }
}
