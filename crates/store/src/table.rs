//! Every table and its columns, once: what the writer inserts and what the reads name.
//!
//! The migrations make them; the conformance suite checks on both engines that the two agree.

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Int,
    Bytes,
}

/// A table: its name, the columns of its key (the first ones), all its columns in order.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) name: &'static str,
    pub(crate) keys: usize,
    pub(crate) columns: &'static [(&'static str, Kind)],
}

impl Table {
    /// The columns as SQL lists them.
    pub(crate) fn list(&self) -> String {
        self.columns.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
    }

    /// The key's columns as SQL lists them.
    pub(crate) fn key_list(&self) -> String {
        self.columns.iter().take(self.keys).map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
    }

    /// What the column of this name holds.
    pub(crate) fn kind(&self, name: &str) -> Kind {
        let found = self.columns.iter().find(|(column, _)| *column == name);
        debug_assert!(found.is_some(), "{} has no column {name}", self.name);
        found.map_or(Kind::Text, |(_, kind)| *kind)
    }

    /// Is there a column of this name?
    pub(crate) fn has(&self, name: &str) -> bool {
        self.columns.iter().any(|(column, _)| *column == name)
    }
}

macro_rules! tables {
    ($($(#[$doc:meta])* $constant:ident = $name:literal [$keys:literal] { $($column:ident : $kind:ident),* $(,)? })*) => {
        $($(#[$doc])* pub(crate) static $constant: Table =
            Table { name: $name, keys: $keys, columns: &[$((stringify!($column), Kind::$kind)),*] };)*

        /// Every table that is described here.
        #[cfg(test)]
        pub(crate) static ALL: &[&Table] = &[$(&$constant),*];
    };
}

tables! {
    /// People.
    SUBJECTS = "subjects" [1] { id: Text, state: Text, version: Int, body: Text, mac: Bytes }
    /// Which person a user name means; claimed by a spend.
    USERNAMES = "usernames" [1] { username: Text, subject: Text }
    /// What people have enrolled.
    AUTHENTICATORS = "authenticators" [1] {
        id: Text, subject: Text, method: Text, state: Text, handle: Text, version: Int, body: Text, secret: Bytes, mac: Bytes
    }
    /// Where people can be told.
    ADDRESSES = "addresses" [1] { id: Text, subject: Text, state: Text, version: Int, body: Text, mac: Bytes }
    /// Browser sessions.
    SESSIONS = "sessions" [1] {
        id: Text, secret_hash: Text, subject: Text, login: Text, state: Text, expires_at: Int, version: Int, body: Text, mac: Bytes
    }
    /// The acts that sessions came from.
    LOGINS = "logins" [1] { id: Text, subject: Text, state: Text, contained: Int, at: Int, body: Text, mac: Bytes }
    /// What came from what.
    EDGES = "edges" [2] { parent: Text, child: Text, at: Int }
    /// Session keys that have accompanied a phishing-resistant proof.
    KNOWN_DEVICES = "known_devices" [2] { subject: Text, key_thumbprint: Text, expires_at: Int, body: Text, mac: Bytes }
    /// Our answers, each with every input.
    DECISIONS = "decisions" [1] {
        id: Text, at: Int, subject: Text, audience: Text, action: Text, resource_type: Text, resource_id: Text, tier: Text,
        outcome: Text, login: Text, txn_digest: Text, policy_version: Text, epoch: Int, run: Text, number: Int, body: Text
    }
    /// Pushed authorization requests (RFC 9126).
    PUSHED_REQUESTS = "pushed_requests" [1] {
        id: Text, client_id: Text, expires_at: Int, epoch: Int, body: Text, mac: Bytes
    }
    /// Pending requests for proof.
    CHALLENGES = "challenges" [1] {
        id: Text, session: Text, subject: Text, decision: Text, state: Text, expires_at: Int, epoch: Int, version: Int,
        body: Text, mac: Bytes
    }
    /// Authorization codes, by hash.
    CODES = "codes" [1] { hash: Text, client_id: Text, login: Text, expires_at: Int, epoch: Int, body: Text, mac: Bytes }
    /// Tokens that we issued; the tokens themselves are not kept.
    TOKENS = "tokens" [1] {
        id: Text, client_id: Text, login: Text, code: Text, expires_at: Int, revoked_at: Int, revoked: Int, body: Text
    }
    /// Challenges that were spent, for whom, on what.
    REDEMPTIONS = "redemptions" [1] {
        challenge: Text, audience: Text, redemption_id: Text, at: Int, outcome: Text, version: Int, body: Text
    }
    /// Things that can be done once.
    SPENDS = "spends" [1] { spend_id: Text, unit_id: Text, expires_at: Int }
    /// Guesses, each written before it is compared.
    ATTEMPTS = "attempts" [1] { id: Text, authenticator: Text, series: Int, slows: Text, at: Int }
    /// Browsers in which people have been right, by the key of their sessions.
    BROWSERS = "browsers" [2] { subject: Text, key_thumbprint: Text, at: Int }
    /// What people are told: the outbox.
    MESSAGES = "messages" [1] { id: Text, subject: Text, at: Int, sent_at: Int, body: Text }
    /// Messages that wait for delivery, and until when nobody tries.
    DELIVERIES = "deliveries" [1] { message: Text, due_at: Int, attempts: Int, version: Int }
    /// One-time links.
    INVITATIONS = "invitations" [1] { id: Text, secret_hash: Text, subject: Text, expires_at: Int, body: Text, mac: Bytes }
    /// OAuth clients.
    CLIENTS = "clients" [1] { client_id: Text, version: Int, body: Text, mac: Bytes }
    /// Protected APIs.
    APIS = "apis" [1] { audience: Text, version: Int, body: Text, mac: Bytes }
    /// Keys of protected APIs, by hash.
    API_KEYS = "api_keys" [1] { id: Text, hash: Text, audience: Text, state: Text, version: Int, body: Text, mac: Bytes }
    /// Registered resources.
    RESOURCES = "resources" [2] { type: Text, id: Text, version: Int, body: Text, mac: Bytes }
    /// Groups of people.
    GROUPS = "people_groups" [1] { name: Text, version: Int, body: Text, mac: Bytes }
    /// Policy packs, by the hash of their content.
    POLICIES = "policies" [1] { version: Text, at: Int, body: Text, mac: Bytes }
    /// Which policy pack is active: one row.
    ACTIVE = "active" [1] { name: Text, policy_version: Text, at: Int, version: Int, body: Text, mac: Bytes }
    /// Keys of ours, sealed.
    SYSTEM_KEYS = "system_keys" [1] { id: Text, kind: Text, state: Text, version: Int, body: Text, secret: Bytes, mac: Bytes }
    /// What other nodes and guards must learn, in the order of commits.
    FEED = "feed" [1] { position: Int, at: Int, kind: Text, value: Text }
    /// Chains of events: one per unbroken life of a writer.
    RUNS = "runs" [1] { id: Text, epoch: Int, node: Text, predecessor: Text, at: Int, head: Int, mac: Bytes }
    /// The log before it is a tree.
    EVENTS = "events" [2] { run: Text, number: Int, id: Text, at: Int, leaf: Bytes, personal: Text, mac: Bytes }
    /// Which events speak of what.
    MENTIONS = "mentions" [3] { about: Text, run: Text, number: Int }
    /// How far each run has become leaves.
    SEQUENCED = "sequenced" [1] { run: Text, number: Int, mac: Bytes }
    /// Which leaves are which events: `count` leaves from `first_leaf` on are that run's events from `first_number` on.
    SPANS = "spans" [1] { first_leaf: Int, count: Int, run: Text, first_number: Int }
    /// Hashes of the tree, in tiles (C2SP tlog-tiles).
    TILES = "tiles" [2] { level: Int, tile: Int, hashes: Bytes }
    /// The tree's size and root: one row.
    LOG_HEAD = "log_head" [1] { name: Text, size: Int, root: Bytes, at: Int, version: Int }
    /// Signed checkpoints.
    CHECKPOINTS = "checkpoints" [1] { size: Int, epoch: Int, at: Int, note: Text }
    /// Who does what only one should do at a time.
    LEASES = "leases" [1] { name: Text, holder: Text, until: Int, version: Int }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_is_named_once_and_has_a_key() {
        let mut names: Vec<_> = ALL.iter().map(|table| table.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ALL.len());
        for table in ALL {
            assert!(table.keys >= 1 && table.keys <= table.columns.len(), "{}", table.name);
            assert!(table.list().starts_with(&table.key_list()), "{}", table.name);
        }
    }
}
