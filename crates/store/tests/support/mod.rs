//! Fresh stores for tests, on both engines: SQLite in a temporary directory, PostgreSQL in a database of its own.
//!
//! `COUNTERFOIL_TEST_POSTGRES` names a cluster (the URL of its superuser's maintenance database); without it one is
//! started for the test binary and ends with it. Other crates may include this file by path.
// A test that cannot go on should stop; not every test binary uses everything.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, dead_code)]

mod cluster;
pub mod people;

use counterfoil_core::{
    audit::event::{Actor, Event, EventKind},
    digest::Digest,
    id::{EventId, RANDOM_BYTES, SubjectId},
    seal::MasterKey,
    time::Time,
};
use counterfoil_store::{Edges, OpenError, OpenOptions, Store};
use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
};

/// Two engines, one suite.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    Sqlite,
    Postgres,
}

/// When every test begins.
pub const BEGIN: Time = Time::from_seconds(1_800_000_000);

static DRAWN: AtomicU64 = AtomicU64::new(0);

/// Bytes that no other call in this process gets; nothing here is secret.
pub fn random(bytes: &mut [u8]) {
    let seed =
        [DRAWN.fetch_add(1, Ordering::Relaxed).to_be_bytes(), u64::from(std::process::id()).to_be_bytes()].concat();
    let digest = Digest::of(&seed);
    for (byte, from) in bytes.iter_mut().zip(digest.as_bytes().iter().cycle()) {
        *byte = *from;
    }
}

/// The random part of a new identifier.
pub fn drawn() -> [u8; RANDOM_BYTES] {
    let mut bytes = [0; RANDOM_BYTES];
    random(&mut bytes);
    bytes
}

/// A database that is one test's own.
pub struct House {
    pub engine: Engine,
    pub url: String,
    clock: Arc<AtomicI64>,
    directory: tempfile::TempDir,
    database: Option<String>,
}

impl House {
    /// An empty database, migrated.
    pub async fn new(engine: Engine) -> Self {
        let house = Self::empty(engine).await;
        Store::migrate(&house.url, false).await.unwrap();
        house
    }

    /// An empty database without anything of ours.
    pub async fn empty(engine: Engine) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let clock = Arc::new(AtomicI64::new(BEGIN.millis()));
        let (url, database) = match engine {
            Engine::Sqlite => (format!("sqlite:{}", directory.path().join("store.db").display()), None),
            Engine::Postgres => {
                let name = format!("test_{}_{}", std::process::id(), DRAWN.fetch_add(1, Ordering::Relaxed));
                (database(&name).await, Some(name))
            }
        };
        Self { engine, url, clock, directory, database }
    }

    /// The same house by another way to its database; who opens it there has a directory of their own.
    pub fn again(&self, url: &str) -> Self {
        Self {
            engine: self.engine,
            url: url.to_owned(),
            clock: Arc::clone(&self.clock),
            directory: tempfile::tempdir().unwrap(),
            database: None,
        }
    }

    pub fn now(&self) -> Time {
        Time::from_millis(self.clock.load(Ordering::Relaxed))
    }

    pub fn wait_seconds(&self, seconds: i64) {
        self.clock.fetch_add(seconds * 1000, Ordering::Relaxed);
    }

    /// Ends every connection of stores to PostgreSQL, and waits until they are gone.
    pub async fn end_connections(&self) {
        if self.engine != Engine::Postgres {
            return;
        }
        let others = "SELECT CAST(SUM(CASE WHEN pg_terminate_backend(pid) THEN 1 ELSE 0 END) AS BIGINT) FROM pg_stat_activity \
                      WHERE datname = current_database() AND application_name = 'counterfoil'";
        assert!(self.numbers(others).await[0] > 1);
        let alive = "SELECT COUNT(*) FROM pg_stat_activity \
                     WHERE datname = current_database() AND application_name = 'counterfoil'";
        while self.numbers(alive).await != [0] {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    }

    pub fn high_water(&self, node: &str) -> PathBuf {
        self.directory.path().join(format!("{node}.high-water"))
    }

    /// A writer of its own on this database.
    pub async fn open(&self, node: &str) -> Store {
        self.try_open(node).await.unwrap()
    }

    pub async fn try_open(&self, node: &str) -> Result<Store, OpenError> {
        self.open_with(node, [7; 32]).await
    }

    pub async fn open_with(&self, node: &str, key: [u8; 32]) -> Result<Store, OpenError> {
        let clock = Arc::clone(&self.clock);
        let edges =
            Edges { now: Arc::new(move || Time::from_millis(clock.load(Ordering::Relaxed))), random: Arc::new(random) };
        let master = MasterKey::from_bytes(key);
        Store::open(OpenOptions { url: &self.url, master: &master, high_water: self.high_water(node), node, edges })
            .await
    }

    /// Runs SQL as somebody who can write to the database would.
    pub async fn tamper(&self, sql: &str) -> u64 {
        use sqlx::Connection as _;
        match self.engine {
            Engine::Sqlite => {
                let connection = self.file();
                connection.execute_batch(sql).unwrap();
                connection.changes()
            }
            Engine::Postgres => {
                let sql = sqlx::AssertSqlSafe(sql.to_owned());
                let mut connection = sqlx::PgConnection::connect(&self.url).await.unwrap();
                sqlx::query(sql).execute(&mut connection).await.unwrap().rows_affected()
            }
        }
    }

    /// The numbers in the first column of an answer.
    pub async fn numbers(&self, sql: &str) -> Vec<i64> {
        use sqlx::Connection as _;
        match self.engine {
            Engine::Sqlite => {
                let connection = self.file();
                let mut statement = connection.prepare(sql).unwrap();
                statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
            }
            Engine::Postgres => {
                let sql = sqlx::AssertSqlSafe(sql.to_owned());
                let mut connection = sqlx::PgConnection::connect(&self.url).await.unwrap();
                sqlx::query_scalar(sql).fetch_all(&mut connection).await.unwrap()
            }
        }
    }
}

impl House {
    /// SQLite's file, for somebody who waits for who writes.
    fn file(&self) -> rusqlite::Connection {
        let connection = rusqlite::Connection::open(self.url.trim_start_matches("sqlite:")).unwrap();
        connection.busy_timeout(std::time::Duration::from_secs(5)).unwrap();
        connection
    }
}

/// A new database on the cluster; the URL to it.
async fn database(name: &str) -> String {
    use sqlx::Connection as _;
    let maintenance = cluster::url();
    let mut connection = sqlx::PgConnection::connect(maintenance).await.expect("the PostgreSQL cluster answers");
    let sql = sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"));
    sqlx::query(sql).execute(&mut connection).await.expect("a database of the test's own");
    let (cluster, _) = maintenance.rsplit_once('/').expect("a URL with a database");
    format!("{cluster}/{name}")
}

/// Something that keeps every writer of a house waiting.
pub enum Lock {
    Sqlite(rusqlite::Connection),
    Postgres(sqlx::PgConnection),
}

impl House {
    /// Takes what every commit needs.
    pub async fn lock(&self) -> Lock {
        use sqlx::{Connection as _, Executor as _};
        match self.engine {
            Engine::Sqlite => {
                let connection = self.file();
                connection.execute_batch("BEGIN IMMEDIATE").unwrap();
                Lock::Sqlite(connection)
            }
            Engine::Postgres => {
                let mut connection = sqlx::PgConnection::connect(&self.url).await.unwrap();
                connection.execute("BEGIN").await.unwrap();
                connection.execute("LOCK TABLE runs IN ACCESS EXCLUSIVE MODE").await.unwrap();
                Lock::Postgres(connection)
            }
        }
    }
}

impl Lock {
    /// Gives it back.
    pub async fn release(self) {
        use sqlx::Executor as _;
        match self {
            Self::Sqlite(connection) => connection.execute_batch("ROLLBACK").unwrap(),
            Self::Postgres(mut connection) => connection.execute("ROLLBACK").await.map(drop).unwrap(),
        }
    }
}

/// An event for units whose event does not matter to the test.
pub fn event(now: Time) -> Event {
    Event {
        id: EventId::new(now, drawn()),
        at: now,
        actor: Actor::System {},
        kind: EventKind::SubjectCreated { subject: SubjectId::new(now, drawn()) },
        personal: None,
    }
}

/// Makes of each `async fn name(house: House)` two tests, `sqlite::name` and `postgres::name`.
#[macro_export]
macro_rules! on_both_engines {
    ($($(#[$attribute:meta])* $name:ident),* $(,)?) => {
        mod sqlite {
            $($(#[$attribute])* #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() { super::$name($crate::support::House::new($crate::support::Engine::Sqlite).await).await; })*
        }
        mod postgres {
            $($(#[$attribute])* #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() { super::$name($crate::support::House::new($crate::support::Engine::Postgres).await).await; })*
        }
    };
}
