//! From a configuration to a process that can answer: keys, database, pack, directory, and the tasks beside them.

use crate::{
    app::App,
    cli::Failure,
    clock::Clock,
    config::Config,
    directory::Directory,
    keys::{self, Keys},
    page,
    random::Random,
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
    policy::Pack,
    seal::MasterKey,
    time::Time,
};
use counterfoil_oauth::uri::Issuer;
use counterfoil_store::{Edges, OpenOptions, PolicyVersion, Sequencer, Store, SystemKey, SystemKeyState, Tx};
use serde_json::json;
use std::{collections::BTreeMap, path::Path, sync::Arc, time::Duration};

/// The file of the master key in the data directory.
pub const MASTER_KEY_FILE: &str = "master.key";
/// The log's public key, for whoever verifies it without us.
pub const LOG_KEY_FILE: &str = "log.vkey";
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
        node: "node-1",
        edges: edges(clock, random),
    })
    .await
    .map_err(Failure::new)?;
    let keys = keys(&store, &master, clock.now(), random).await?;
    let pack = activate(&store, pack, clock.now(), random).await?;
    let directory = store.snapshot().await.map_err(Failure::new)?;
    let directory = Directory::new(directory).map_err(Failure::new)?;
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
    // The log is named after the issuer, without the scheme (C2SP tlog-checkpoint wants a schema-less URL).
    let name = app.issuer.as_str().split("://").last().unwrap_or_default();
    let signer = app.keys.log_signer(name).map_err(Failure::new)?;
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
    kind: &str,
    now: Time,
    random: Random,
    make: impl Fn() -> Option<(Vec<u8>, Vec<u8>)>,
) -> Result<Secret, Failure> {
    let known = store.system_keys(kind).await.map_err(Failure::new)?;
    let active = known.into_iter().rev().find(|key| matches!(key.state, SystemKeyState::Active));
    if let Some(secret) = active.and_then(|key| key.secret) {
        return Ok(secret);
    }
    let (private, public) = make().ok_or_else(|| Failure::new(format!("cannot make the {kind} key")))?;
    let secret = Secret::new(private);
    let public_key = Digest::of(&public);
    let id = format!("{kind}-{public_key}");
    let mut tx = Tx::new(now);
    tx.put_key(&SystemKey {
        id: id.clone(),
        kind: kind.to_owned(),
        state: SystemKeyState::Active,
        created_at: now,
        public: json!({"key": crate::flows::step_up::base64url(&public)}),
        secret: Some(secret.clone()),
        version: 0,
    });
    let kind = EventKind::KeyCreated { key: id, purpose: kind.to_owned(), public_key: Some(public_key) };
    tx.commit(store, event(now, random, kind)).await.map_err(Failure::new)?;
    Ok(secret)
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
    loop {
        signal.mark_unchanged();
        match app.store.feed(position, 256).await {
            Ok(entries) => {
                let mut changed = false;
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
                        _ => changed = true,
                    }
                }
                if changed {
                    reload(&app).await;
                }
                if !entries.is_empty() {
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

/// Reads what is registered, and the active pack where it is another one.
pub async fn reload(app: &App) {
    let snapshot = match app.store.snapshot().await {
        Ok(snapshot) => snapshot,
        Err(error) => return tracing::error!(%error, "what is registered could not be read; the old stays in force"),
    };
    if let Some(policy) = snapshot.policy.as_ref().filter(|policy| policy.version != app.pack.load().version()) {
        let files = policy.files.iter().map(|(path, text)| (path.clone(), text.clone().into_bytes())).collect();
        match Pack::load(&files) {
            Ok(pack) => app.pack.store(Arc::new(pack)),
            Err(error) => tracing::error!(%error, "the active pack does not load here; the old stays in force"),
        }
    }
    match Directory::new(snapshot) {
        Ok(directory) => app.directory.store(Arc::new(directory)),
        Err(error) => tracing::error!(%error, "what is registered could not be read; the old stays in force"),
    }
}
