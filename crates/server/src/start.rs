//! From a configuration to a process that can answer: keys, database, pack, directory, and the tasks beside them.

use crate::{
    app::App,
    cli::Failure,
    clock::Clock,
    config::Config,
    directory::Directory,
    flows::evidence::log_name,
    keys::{self, Keys},
    page,
    problem::{Kind, Problem},
    random::Random,
    sweep,
};
use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _},
};
use counterfoil_core::{
    audit::{
        checkpoint::Signer as _,
        event::{Actor, Event, EventKind},
    },
    digest::Digest,
    enrolled::Secret,
    id::EventId,
    limits,
    policy::Pack,
    seal::MasterKey,
    time::Time,
};
use counterfoil_oauth::uri::Issuer;
use counterfoil_store::{
    CommitError, Edges, OpenOptions, PolicyVersion, Refusal, Sequencer, Snapshot, SpendKey, Store, SystemKey,
    SystemKeyState, Tx,
};
use serde_json::json;
use std::{collections::BTreeMap, path::Path, sync::Arc, time::Duration};

/// The file of the master key in the data directory.
pub const MASTER_KEY_FILE: &str = "master.key";
/// The log's public key, for whoever verifies it without us.
pub const LOG_KEY_FILE: &str = "log.vkey";
/// Entries of the feed that are read at once.
const FEED_PAGE: u32 = 256;
/// The name of this node, for those who have several.
const NODE_FILE: &str = "node";
/// The high-water file: better on another volume, and never restored with the database.
const HIGH_WATER_FILE: &str = "high-water.json";
/// Other nodes' entries of the feed are found by asking again.
const FEED_POLL: Duration = Duration::from_millis(400);

/// Opens everything. What is made on the first start is made here and recorded.
pub async fn start(config: Config, pack: &BTreeMap<String, Vec<u8>>, demo: bool) -> Result<Arc<App>, Failure> {
    let (clock, random) = (Clock, Random);
    make_private_directory(&config.data)?;
    let master = keys::master(&config.data.join(MASTER_KEY_FILE), random).map_err(Failure::new)?;
    let url = config.database_url();
    Store::migrate(&url, false).await.map_err(Failure::new)?;
    let store = Store::open(OpenOptions {
        url: &url,
        master: &master,
        high_water: config.data.join(HIGH_WATER_FILE),
        node: &node_name(&config.data, random)?,
        edges: edges(clock, random),
    })
    .await
    .map_err(Failure::new)?;
    let keys = keys(&store, &master, clock.now(), random).await?;
    let pack = activate(&store, pack, clock.now(), random).await?;
    let directory = store.snapshot().await.map_err(Failure::new)?;
    let directory = believed(directory);
    let issuer = Issuer::parse(&config.issuer).map_err(Failure::new)?;
    let host = url::Url::parse(&config.issuer).map_err(Failure::new)?;
    let host = match (host.host_str(), host.port()) {
        (Some(name), Some(port)) => format!("{name}:{port}"),
        (Some(name), None) => name.to_owned(),
        (None, _) => String::new(),
    };
    let pages = page::Pages::render(&config.issuer, &host).map_err(Failure::new)?;
    let app = Arc::new(App::new(config, issuer, clock, random, store, keys, pack, directory, pages, demo));
    tokio::spawn(follow(Arc::clone(&app)));
    tokio::spawn(sweep::run(Arc::clone(&app)));
    let signer = app.keys.log_signer(log_name(&app.issuer)).map_err(Failure::new)?;
    let file = app.config.data.join(LOG_KEY_FILE);
    std::fs::write(&file, format!("{}\n", signer.log_key()))
        .map_err(|error| Failure::new(format!("{}: {error}", file.display())))?;
    tokio::spawn(Sequencer::new(app.store.clone()).run(signer));
    Ok(app)
}

fn edges(clock: Clock, random: Random) -> Edges {
    Edges { now: Arc::new(move || clock.now()), random: Arc::new(move |bytes| random.fill(bytes)) }
}

fn make_private_directory(path: &Path) -> Result<(), Failure> {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|error| Failure::new(format!("{}: {error}", path.display())))
}

fn event(now: Time, random: Random, kind: EventKind) -> Event {
    Event { id: EventId::new(now, random.id()), at: now, actor: Actor::Host {}, kind, personal: None }
}

/// Our signing keys, made where there are none.
async fn keys(store: &Store, master: &MasterKey, now: Time, random: Random) -> Result<Keys, Failure> {
    let tokens = system_key(store, "token", now, random, || {
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new()).ok()?;
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document.as_ref()).ok()?;
        Some((document.as_ref().to_vec(), pair.public_key().as_ref().to_vec()))
    })
    .await?;
    let log = system_key(store, "log", now, random, || {
        let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).ok()?;
        let pair = Ed25519KeyPair::from_pkcs8(document.as_ref()).ok()?;
        Some((document.as_ref().to_vec(), pair.public_key().as_ref().to_vec()))
    })
    .await?;
    Keys::new(tokens.expose(), log.expose(), master).map_err(Failure::new)
}

async fn system_key(
    store: &Store,
    purpose: &str,
    now: Time,
    random: Random,
    make: impl Fn() -> Option<(Vec<u8>, Vec<u8>)>,
) -> Result<Secret, Failure> {
    if let Some(secret) = active_key(store, purpose).await? {
        return Ok(secret);
    }
    let (private, public) = make().ok_or_else(|| Failure::new(format!("cannot make the {purpose} key")))?;
    let secret = Secret::new(private);
    let public_key = Digest::of(&public);
    let id = format!("{purpose}-{public_key}");
    let mut tx = Tx::new(now);
    tx.put_key(&SystemKey {
        id: id.clone(),
        kind: purpose.to_owned(),
        state: SystemKeyState::Active,
        created_at: now,
        public: json!({"key": crate::flows::step_up::base64url(&public)}),
        secret: Some(secret.clone()),
        version: 0,
    });
    let kind = EventKind::KeyCreated { key: id, purpose: purpose.to_owned(), public_key: Some(public_key) };
    // Nodes that start for the first time at once make one key: who comes second reads the first one's.
    tx.spend(SpendKey::new("first-key", purpose), Time::from_millis(i64::MAX));
    match tx.commit(store, event(now, random, kind)).await {
        Ok(_) => Ok(secret),
        Err(CommitError::Refused(Refusal::Spent(_))) => {
            let theirs = active_key(store, purpose).await?;
            theirs.ok_or_else(|| Failure::new(format!("the {purpose} key that was made first is not active")))
        }
        Err(error) => Err(Failure::new(error)),
    }
}

/// The newest key of this purpose that is in use.
async fn active_key(store: &Store, purpose: &str) -> Result<Option<Secret>, Failure> {
    let known = store.system_keys(purpose).await.map_err(Failure::new)?;
    let active = known.into_iter().rev().find(|key| matches!(key.state, SystemKeyState::Active));
    Ok(active.and_then(|key| key.secret))
}

/// This node's name, drawn once and kept beside its other files: the runs of its writer follow each other under it.
fn node_name(data: &Path, random: Random) -> Result<String, Failure> {
    let file = data.join(NODE_FILE);
    let failed = |error: std::io::Error| Failure::new(format!("{}: {error}", file.display()));
    match std::fs::read_to_string(&file) {
        Ok(name) => {
            let name = name.trim();
            let plain = |letter: char| letter.is_ascii_alphanumeric() || letter == '-';
            if name.is_empty() || name.len() > limits::NAME_BYTES || !name.chars().all(plain) {
                return Err(Failure::new(format!("{}: letters, digits and hyphens, please", file.display())));
            }
            Ok(name.to_owned())
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let name = format!("node-{:08x}", u32::from_be_bytes(random.bytes()));
            std::fs::write(&file, format!("{name}\n")).map_err(failed)?;
            Ok(name)
        }
        Err(error) => Err(failed(error)),
    }
}

/// Compiles a pack and makes it the active one, if it is not.
pub async fn activate(
    store: &Store,
    files: &BTreeMap<String, Vec<u8>>,
    now: Time,
    random: Random,
) -> Result<Pack, Failure> {
    let pack = Pack::load(files).map_err(|error| Failure::new(format!("the policies are refused: {error}")))?;
    let active = store.active_policy().await.map_err(Failure::new)?;
    if active.as_ref().map(|active| active.policy_version) == Some(pack.version()) {
        return Ok(pack);
    }
    let mut text = BTreeMap::new();
    for (path, bytes) in files {
        let content = String::from_utf8(bytes.clone()).map_err(|_| Failure::new(format!("{path} is not UTF-8")))?;
        text.insert(path.clone(), content);
    }
    let mut tx = Tx::new(now);
    tx.put_policy(&PolicyVersion { version: pack.version(), at: now, files: text });
    tx.activate_policy(active.as_ref(), pack.version());
    let kind = EventKind::PolicyActivated {
        version: pack.version(),
        previous: active.map(|active| active.policy_version),
        proven: false,
    };
    tx.commit(store, event(now, random, kind)).await.map_err(Failure::new)?;
    Ok(pack)
}

/// Obeys the feed: what ended is forgotten, what changed is read again.
async fn follow(app: Arc<App>) {
    let mut position = app.directory.load().position;
    let mut signal = app.store.feed_signal();
    let mut changed = false;
    loop {
        signal.mark_unchanged();
        let asked = app.now();
        match app.store.feed(position, FEED_PAGE).await {
            Ok(entries) => {
                for entry in &entries {
                    position = entry.position;
                    match entry.kind.as_str() {
                        "login" => {
                            if let Ok(login) = entry.value.parse() {
                                app.facts.forget_login(login);
                            }
                        }
                        "token" => {
                            if let Ok(token) = entry.value.parse() {
                                app.facts.forget_token(token);
                            }
                        }
                        _ => match entry.value.strip_prefix("subject:") {
                            // People are not held in memory for longer than a second; this one is forgotten at once.
                            Some(id) => {
                                if let Ok(id) = id.parse::<counterfoil_core::id::SubjectId>() {
                                    app.facts.forget_person(id);
                                }
                            }
                            None => changed = true,
                        },
                    }
                }
                // A change that could not be read is read again, until it is.
                changed = changed && !reload(&app).await;
                if !changed && entries.len() < FEED_PAGE as usize {
                    app.has_learnt(asked);
                }
                if !changed && !entries.is_empty() {
                    continue;
                }
            }
            Err(error) => tracing::error!(%error, "the feed could not be read"),
        }
        if let Ok(Err(_)) = tokio::time::timeout(FEED_POLL, signal.changed()).await {
            // The writer has ended, so nobody wakes us any more; other nodes' entries are found by asking.
            tokio::time::sleep(FEED_POLL).await;
        }
    }
}

/// Reads what is registered, and the active pack where it is another one. Says whether all of it could be read; what
/// somebody tampered with is not there from then on.
#[must_use = "where it fails, this node goes by what it knew before"]
pub async fn reload(app: &App) -> bool {
    let _alone = app.reading.lock().await;
    let snapshot = match app.store.snapshot().await {
        Ok(snapshot) => snapshot,
        Err(error) => {
            tracing::error!(%error, "what is registered could not be read; it is tried again");
            return false;
        }
    };
    let in_force = match &snapshot.policy {
        Some(policy) if policy.version == app.pack.load().version() => true,
        Some(policy) => {
            let files = policy.files.iter().map(|(path, text)| (path.clone(), text.clone().into_bytes())).collect();
            match Pack::load(&files) {
                Ok(pack) => {
                    app.pack.store(Arc::new(pack));
                    true
                }
                Err(error) => {
                    tracing::error!(%error, "the active pack does not load here; this server answers nobody by another");
                    false
                }
            }
        }
        None => {
            tracing::error!("which pack is active cannot be believed; this server answers nobody by another");
            false
        }
    };
    app.directory.store(Arc::new(believed(snapshot)));
    in_force
}

/// What is said where something was changed and [`reload`] then failed: it holds, but this node does not go by it yet.
pub fn not_reloaded() -> Problem {
    Problem::new(Kind::BUSY)
        .detail("the change is kept, but this server could not read it back and goes by what it knew before")
        .with("hint", "it tries again by itself; say the same command again to be told when it has")
}

/// What is registered, without what cannot be believed or read: an alarm for each.
fn believed(snapshot: Snapshot) -> Directory {
    for refused in &snapshot.refused {
        tracing::error!(%refused, "a row that is not ours: it is as if it did not exist");
    }
    let (directory, unreadable) = Directory::new(snapshot);
    for unreadable in unreadable {
        tracing::error!(%unreadable, "a registration that cannot be read: it is as if it did not exist");
    }
    directory
}
