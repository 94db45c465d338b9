//! All the state that handlers get: one value, no globals.

use crate::{
    clock::Clock, config::Config, directory::Directory, facts::Facts, hashing::Hashing, keys::Keys, metrics::Metrics,
    page, random::Random,
};
use arc_swap::ArcSwap;
use counterfoil_core::{
    audit::event::{Actor, Event, EventKind, Personal},
    id::EventId,
    policy::Pack,
    time::Time,
};
use counterfoil_oauth::uri::Issuer;
use counterfoil_store::Store;
use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

/// Who may call, and what was revoked, is known at most this late. A node that cannot learn it any longer answers no API:
/// it would go on to believe a key that is revoked (R4).
const UNKNOWING_SECONDS: i64 = 15;

/// What the process knows and can do.
pub struct App {
    /// As read at the start.
    pub config: Config,
    /// Who we are.
    pub issuer: Issuer,
    /// The time.
    pub clock: Clock,
    /// Randomness.
    pub random: Random,
    /// The database.
    pub store: Store,
    /// What signs.
    pub keys: Keys,
    /// The active pack; swapped whole.
    pub pack: ArcSwap<Pack>,
    /// Clients, APIs, keys and resources, in memory; swapped whole when the feed says that something changed.
    pub directory: ArcSwap<Directory>,
    /// Held while [`directory`](Self::directory) is read anew, so that what was read earlier never takes the place of what was later.
    pub reading: tokio::sync::Mutex<()>,
    /// Sessions, people and tokens, remembered for a second.
    pub facts: Facts,
    /// When the feed had last been read to its end and obeyed.
    learnt_at: AtomicI64,
    /// Shells of pages and what they load.
    pub pages: page::Pages,
    /// What operators count.
    pub metrics: Arc<Metrics>,
    /// Room for password hashing.
    pub hashing: Hashing,
    /// Shows every mail and message at `/outbox`. Demo only.
    pub demo: bool,
}

impl App {
    /// Puts the parts together.
    #[expect(clippy::too_many_arguments, reason = "the one place where the parts meet")]
    pub fn new(
        config: Config,
        issuer: Issuer,
        clock: Clock,
        random: Random,
        store: Store,
        keys: Keys,
        pack: Pack,
        directory: Directory,
        pages: page::Pages,
        demo: bool,
    ) -> Self {
        let routes = crate::http::routes();
        let metrics = Arc::new(Metrics::new(routes.iter().map(|route| (route.method.to_string(), route.path))));
        let counting = Arc::clone(&metrics);
        store.on_commit(move |kind| counting.happened(kind));
        Self {
            metrics,
            pages,
            facts: Facts::new(),
            learnt_at: AtomicI64::new(clock.now().millis()),
            config,
            issuer,
            clock,
            random,
            store,
            keys,
            pack: ArcSwap::from_pointee(pack),
            directory: ArcSwap::from_pointee(directory),
            reading: tokio::sync::Mutex::default(),
            hashing: Hashing::new(),
            demo,
        }
    }

    /// The feed has been read to its end and obeyed, as of `at`.
    pub fn has_learnt(&self, at: Time) {
        self.learnt_at.fetch_max(at.millis(), Ordering::Relaxed);
    }

    /// Does this node still learn who may call and what was revoked?
    pub fn is_current(&self, now: Time) -> bool {
        now.seconds_since(Time::from_millis(self.learnt_at.load(Ordering::Relaxed))) <= UNKNOWING_SECONDS
    }

    /// Now.
    pub fn now(&self) -> Time {
        self.clock.now()
    }

    /// An event of the log, at `now`.
    pub fn event(&self, now: Time, actor: Actor, kind: EventKind) -> Event {
        Event { id: EventId::new(now, self.random.id()), at: now, actor, kind, personal: None }
    }

    /// An event with personal fields, which the leaf only commits to.
    pub fn personal_event<const N: usize>(
        &self,
        now: Time,
        actor: Actor,
        kind: EventKind,
        personal: [(&'static str, String); N],
    ) -> Event {
        Event { personal: Some(Personal::new(self.random.bytes(), personal)), ..self.event(now, actor, kind) }
    }
}
