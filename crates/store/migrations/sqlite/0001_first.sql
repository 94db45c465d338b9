-- The first schema. Typed key columns, the rest of a noun as JSON in `body`, a MAC where a row grants power.
-- Instants are milliseconds since the epoch, identifiers and digests are text. Where a row is little more than its key, the key
-- is the table (WITHOUT ROWID), so that it is written once.

-- Numbers of the installation itself: schema, epoch.
CREATE TABLE meta (
    name TEXT NOT NULL PRIMARY KEY,
    number BIGINT NOT NULL
);

-- The last position of the feed: taken and kept by each commit that feeds, so positions follow commits.
CREATE TABLE feed_head (
    name TEXT NOT NULL PRIMARY KEY,
    position BIGINT NOT NULL
);

-- People.
CREATE TABLE subjects (
    id TEXT NOT NULL,
    state TEXT NOT NULL,
    version BIGINT NOT NULL,
    body TEXT NOT NULL,
    mac BLOB NOT NULL,
    PRIMARY KEY (id)
);

-- Which person a user name means; claimed by a spend.
CREATE TABLE usernames (
    username TEXT NOT NULL,
    subject TEXT NOT NULL,
    PRIMARY KEY (username)
);
CREATE INDEX usernames_by_subject ON usernames (subject);

-- What people have enrolled.
CREATE TABLE authenticators (
    id TEXT NOT NULL,
    subject TEXT NOT NULL,
    method TEXT NOT NULL,
    state TEXT NOT NULL,
    handle TEXT,
    version BIGINT NOT NULL,
    body TEXT NOT NULL,
    secret BLOB,
    mac BLOB NOT NULL,
    UNIQUE (handle),
    PRIMARY KEY (id)
);
CREATE INDEX authenticators_by_subject ON authenticators (subject);

-- Where people can be told.
CREATE TABLE addresses (
    id TEXT NOT NULL,
    subject TEXT NOT NULL,
    state TEXT NOT NULL,
    version BIGINT NOT NULL,
    body TEXT NOT NULL,
    mac BLOB NOT NULL,
    PRIMARY KEY (id)
);
CREATE INDEX addresses_by_subject ON addresses (subject);

-- Browser sessions.
CREATE TABLE sessions (
    id TEXT NOT NULL,
    secret_hash TEXT NOT NULL,
    subject TEXT,
    login TEXT,
    state TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    version BIGINT NOT NULL,
    body TEXT NOT NULL,
    mac BLOB NOT NULL,
    UNIQUE (secret_hash),
    PRIMARY KEY (id)
);
CREATE INDEX sessions_by_subject ON sessions (subject);
CREATE INDEX sessions_by_expires_at ON sessions (expires_at);

-- The acts that sessions came from.
CREATE TABLE logins (
    id TEXT NOT NULL,
    subject TEXT NOT NULL,
    state TEXT NOT NULL,
    contained BIGINT NOT NULL,
    at BIGINT NOT NULL,
    body TEXT NOT NULL,
    mac BLOB NOT NULL,
    PRIMARY KEY (id)
);
CREATE INDEX logins_by_subject ON logins (subject);

-- What came from what.
CREATE TABLE edges (
    parent TEXT NOT NULL,
    child TEXT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (parent, child)
) WITHOUT ROWID;
CREATE INDEX edges_by_child ON edges (child);

-- Session keys that have accompanied a phishing-resistant proof.
CREATE TABLE known_devices (
    subject TEXT NOT NULL,
    key_thumbprint TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    body TEXT NOT NULL,
    mac BLOB NOT NULL,
    PRIMARY KEY (subject, key_thumbprint)
);
CREATE INDEX known_devices_by_expires_at ON known_devices (expires_at);

-- Our answers, each with every input.
CREATE TABLE decisions (
    id TEXT NOT NULL,
    at BIGINT NOT NULL,
    subject TEXT NOT NULL,
    audience TEXT NOT NULL,
    action TEXT NOT NULL,
    resource_type TEXT NOT NULL,
    resource_id TEXT NOT NULL,
    tier TEXT NOT NULL,
    outcome TEXT NOT NULL,
    login TEXT,
    txn_digest TEXT,
    policy_version TEXT NOT NULL,
    epoch BIGINT NOT NULL,
    run TEXT NOT NULL,
    number BIGINT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (id)
);
CREATE INDEX decisions_by_subject ON decisions (subject, id);

-- Pushed authorization requests (RFC 9126).
CREATE TABLE pushed_requests (
    id TEXT NOT NULL,
    client_id TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    epoch BIGINT NOT NULL,
    body TEXT NOT NULL,
    mac BLOB NOT NULL,
    PRIMARY KEY (id)
);
CREATE INDEX pushed_requests_by_expires_at ON pushed_requests (expires_at);

-- Pending requests for proof.
CREATE TABLE challenges (
    id TEXT NOT NULL,
    session TEXT NOT NULL,
    subject TEXT,
    decision TEXT,
    state TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    epoch BIGINT NOT NULL,
    version BIGINT NOT NULL,
    body TEXT NOT NULL,
    mac BLOB NOT NULL,
    PRIMARY KEY (id)
);
CREATE INDEX challenges_by_session ON challenges (session);
-- What was proven stays, as evidence: only the rest is ever looked for by its end.
CREATE INDEX challenges_by_expires_at ON challenges (expires_at) WHERE state <> 'proven';

-- Authorization codes, by hash.
CREATE TABLE codes (
    hash TEXT NOT NULL,
    client_id TEXT NOT NULL,
    login TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    epoch BIGINT NOT NULL,
    body TEXT NOT NULL,
    mac BLOB NOT NULL,
    PRIMARY KEY (hash)
);
CREATE INDEX codes_by_expires_at ON codes (expires_at);

-- Tokens that we issued; the tokens themselves are not kept.
CREATE TABLE tokens (
    id TEXT NOT NULL,
    client_id TEXT NOT NULL,
    login TEXT,
    code TEXT,
    expires_at BIGINT NOT NULL,
    revoked_at BIGINT,
    revoked BIGINT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (id)
);
CREATE INDEX tokens_by_code ON tokens (code);
CREATE INDEX tokens_by_expires_at ON tokens (expires_at);

-- Challenges that were spent, for whom, on what.
CREATE TABLE redemptions (
    challenge TEXT NOT NULL,
    audience TEXT NOT NULL,
    redemption_id TEXT NOT NULL,
    at BIGINT NOT NULL,
    outcome TEXT,
    version BIGINT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (challenge)
);
CREATE INDEX redemptions_by_redemption_id ON redemptions (redemption_id);

-- Things that can be done once.
CREATE TABLE spends (
    spend_id TEXT NOT NULL,
    unit_id TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (spend_id)
) WITHOUT ROWID;
CREATE INDEX spends_by_expires_at ON spends (expires_at);

-- Guesses, each written before it is compared.
CREATE TABLE attempts (
    id TEXT NOT NULL,
    authenticator TEXT,
    series BIGINT NOT NULL,
    slows TEXT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (id)
);
CREATE INDEX attempts_by_authenticator ON attempts (authenticator, series);
CREATE INDEX attempts_by_slows ON attempts (slows, at);
CREATE INDEX attempts_by_at ON attempts (at);

-- Browsers in which people have been right, by the key of their sessions.
CREATE TABLE browsers (
    subject TEXT NOT NULL,
    key_thumbprint TEXT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (subject, key_thumbprint)
);
CREATE INDEX browsers_by_at ON browsers (at);

-- What people are told: the outbox.
CREATE TABLE messages (
    id TEXT NOT NULL,
    subject TEXT NOT NULL,
    at BIGINT NOT NULL,
    sent_at BIGINT,
    body TEXT NOT NULL,
    PRIMARY KEY (id)
);
CREATE INDEX messages_by_subject ON messages (subject);
CREATE INDEX messages_by_at ON messages (at);

-- Messages that wait for delivery, and until when nobody tries.
CREATE TABLE deliveries (
    message TEXT NOT NULL,
    due_at BIGINT NOT NULL,
    attempts BIGINT NOT NULL,
    version BIGINT NOT NULL,
    PRIMARY KEY (message)
);
CREATE INDEX deliveries_by_due_at ON deliveries (due_at);

-- One-time links.
CREATE TABLE invitations (
    id TEXT NOT NULL,
    secret_hash TEXT NOT NULL,
    subject TEXT,
    expires_at BIGINT NOT NULL,
    body TEXT NOT NULL,
    mac BLOB NOT NULL,
    UNIQUE (secret_hash),
    PRIMARY KEY (id)
);

-- OAuth clients.
CREATE TABLE clients (
    client_id TEXT NOT NULL,
    version BIGINT NOT NULL,
    body TEXT NOT NULL,
    mac BLOB NOT NULL,
    PRIMARY KEY (client_id)
);

-- Protected APIs.
CREATE TABLE apis (
    audience TEXT NOT NULL,
    version BIGINT NOT NULL,
    body TEXT NOT NULL,
    mac BLOB NOT NULL,
    PRIMARY KEY (audience)
);

-- Keys of protected APIs, by hash.
CREATE TABLE api_keys (
    id TEXT NOT NULL,
    hash TEXT NOT NULL,
    audience TEXT NOT NULL,
    state TEXT NOT NULL,
    version BIGINT NOT NULL,
    body TEXT NOT NULL,
    mac BLOB NOT NULL,
    UNIQUE (hash),
    PRIMARY KEY (id)
);

-- Registered resources.
CREATE TABLE resources (
    type TEXT NOT NULL,
    id TEXT NOT NULL,
    version BIGINT NOT NULL,
    body TEXT NOT NULL,
    mac BLOB NOT NULL,
    PRIMARY KEY (type, id)
);

-- Groups of people.
CREATE TABLE people_groups (
    name TEXT NOT NULL,
    version BIGINT NOT NULL,
    body TEXT NOT NULL,
    mac BLOB NOT NULL,
    PRIMARY KEY (name)
);

-- Policy packs, by the hash of their content.
CREATE TABLE policies (
    version TEXT NOT NULL,
    at BIGINT NOT NULL,
    body TEXT NOT NULL,
    mac BLOB NOT NULL,
    PRIMARY KEY (version)
);

-- Which policy pack is active: one row.
CREATE TABLE active (
    name TEXT NOT NULL,
    policy_version TEXT NOT NULL,
    at BIGINT NOT NULL,
    version BIGINT NOT NULL,
    body TEXT NOT NULL,
    mac BLOB NOT NULL,
    PRIMARY KEY (name)
);

-- Keys of ours, sealed.
CREATE TABLE system_keys (
    id TEXT NOT NULL,
    kind TEXT NOT NULL,
    state TEXT NOT NULL,
    version BIGINT NOT NULL,
    body TEXT NOT NULL,
    secret BLOB NOT NULL,
    mac BLOB NOT NULL,
    PRIMARY KEY (id)
);

-- What other nodes and guards must learn, in the order of commits.
CREATE TABLE feed (
    position BIGINT NOT NULL,
    at BIGINT NOT NULL,
    kind TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (position)
);
CREATE INDEX feed_by_at ON feed (at);

-- Chains of events: one per unbroken life of a writer.
CREATE TABLE runs (
    id TEXT NOT NULL,
    epoch BIGINT NOT NULL,
    node TEXT NOT NULL,
    predecessor TEXT,
    at BIGINT NOT NULL,
    head BIGINT NOT NULL,
    mac BLOB NOT NULL,
    PRIMARY KEY (id)
);
CREATE INDEX runs_by_node ON runs (node);

-- The log before it is a tree.
CREATE TABLE events (
    run TEXT NOT NULL,
    number BIGINT NOT NULL,
    id TEXT NOT NULL,
    at BIGINT NOT NULL,
    leaf BLOB NOT NULL,
    personal TEXT,
    mac BLOB NOT NULL,
    PRIMARY KEY (run, number)
);

-- Which events speak of what.
CREATE TABLE mentions (
    about TEXT NOT NULL,
    run TEXT NOT NULL,
    number BIGINT NOT NULL,
    PRIMARY KEY (about, run, number)
) WITHOUT ROWID;

-- How far each run has become leaves.
CREATE TABLE sequenced (
    run TEXT NOT NULL,
    number BIGINT NOT NULL,
    mac BLOB NOT NULL,
    PRIMARY KEY (run)
);

-- Which leaves are which events: `count` leaves from `first_leaf` on are that run's events from `first_number` on.
CREATE TABLE spans (
    first_leaf BIGINT NOT NULL,
    count BIGINT NOT NULL,
    run TEXT NOT NULL,
    first_number BIGINT NOT NULL,
    PRIMARY KEY (first_leaf)
);
CREATE INDEX spans_by_run ON spans (run, first_number);

-- Hashes of the tree, in tiles (C2SP tlog-tiles).
CREATE TABLE tiles (
    level BIGINT NOT NULL,
    tile BIGINT NOT NULL,
    hashes BLOB NOT NULL,
    PRIMARY KEY (level, tile)
);

-- The tree's size and root: one row.
CREATE TABLE log_head (
    name TEXT NOT NULL,
    size BIGINT NOT NULL,
    root BLOB NOT NULL,
    at BIGINT NOT NULL,
    version BIGINT NOT NULL,
    PRIMARY KEY (name)
);

-- Signed checkpoints.
CREATE TABLE checkpoints (
    size BIGINT NOT NULL,
    epoch BIGINT NOT NULL,
    at BIGINT NOT NULL,
    note TEXT NOT NULL,
    PRIMARY KEY (size)
);

-- Who does what only one should do at a time.
CREATE TABLE leases (
    name TEXT NOT NULL,
    holder TEXT NOT NULL,
    until BIGINT NOT NULL,
    version BIGINT NOT NULL,
    PRIMARY KEY (name)
);

INSERT INTO meta (name, number) VALUES ('schema', 1), ('epoch', 1), ('epoch_raised_at', 0);
INSERT INTO feed_head (name, position) VALUES ('feed', 0);
INSERT INTO leases (name, holder, until, version) VALUES ('sequencer', '', 0, 0);
-- The tree without leaves has the SHA-256 of nothing as its root.
INSERT INTO log_head (name, size, root, at, version)
VALUES ('log', 0, X'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855', 0, 1);
