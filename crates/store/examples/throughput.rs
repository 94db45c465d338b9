//! How many decisions a second are durable, on the machine at hand: `cargo run --release -p counterfoil-store --example
//! throughput -- URL [callers] [seconds]`. The database is migrated first; use an empty one.
#![allow(clippy::disallowed_methods)] // It measures, so it asks the clock.

use counterfoil_core::{
    audit::{
        checkpoint::{LogKey, Signer},
        event::{Actor, Event, EventKind, Outcome},
    },
    digest::Digest,
    id::{DecisionId, EventId},
    seal::MasterKey,
    time::Time,
};
use counterfoil_store::{DecisionRecord, Edges, OpenOptions, Sequencer, Store, Tx};
use std::{
    error::Error,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// What an evaluation of a usual size leaves behind.
const BODY_BYTES: usize = 1_500;

fn now() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Time::from_millis(since.as_millis().try_into().unwrap_or_default())
}

fn random(bytes: &mut [u8]) {
    // If the dice fail, identifiers collide and the measurement says so.
    let _ = aws_lc_rs::rand::fill(bytes);
}

fn drawn() -> [u8; 10] {
    let mut bytes = [0; 10];
    random(&mut bytes);
    bytes
}

/// Signs nothing that anybody would believe; costs nothing.
struct NoKey(LogKey);

impl Signer for NoKey {
    fn log_key(&self) -> &LogKey {
        &self.0
    }

    fn sign(&self, _message: &[u8]) -> [u8; 64] {
        [0; 64]
    }
}

fn decision(body: &str) -> (DecisionRecord, Event) {
    let (at, policy_version) = (now(), Digest::of(b"policy"));
    let id = DecisionId::new(at, drawn());
    let record = DecisionRecord {
        id,
        at,
        subject: "0198f2c4-0000-7000-8000-000000000001".to_owned(),
        audience: "https://treasury.example".to_owned(),
        action: "balance.read".to_owned(),
        resource_type: "account".to_owned(),
        resource_id: "42".to_owned(),
        tier: "low".to_owned(),
        outcome: Outcome::Permit,
        login: None,
        txn_digest: None,
        policy_version,
        body: body.to_owned(),
    };
    let kind = EventKind::DecisionMade {
        decision: id,
        record: Digest::of(body.as_bytes()),
        subject: None,
        action: record.action.clone(),
        resource_type: record.resource_type.clone(),
        resource_id: record.resource_id.clone(),
        tier: None,
        outcome: Outcome::Permit,
        policy_version,
        audience: Some(record.audience.clone()),
        txn_digest: None,
    };
    (record, Event { id: EventId::new(at, drawn()), at, actor: Actor::System {}, kind, personal: None })
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().ok_or("which database? sqlite:FILE or postgres://…")?;
    let callers: usize = arguments.next().map_or(Ok(64), |text| text.parse())?;
    let seconds: u64 = arguments.next().map_or(Ok(5), |text| text.parse())?;
    Store::migrate(&url, false).await?;
    let high_water = std::env::temp_dir().join(format!("counterfoil-throughput-{}", std::process::id()));
    let edges = Edges { now: Arc::new(now), random: Arc::new(random) };
    let master = MasterKey::from_bytes([1; 32]);
    let options = OpenOptions { url: &url, master: &master, high_water: high_water.clone(), node: "throughput", edges };
    let store = Store::open(options).await?;
    let sequencer = tokio::spawn(Sequencer::new(store.clone()).run(NoKey(LogKey::new("throughput", [0; 32])?)));
    let body: Arc<str> = Arc::from(format!("{{\"inputs\":\"{}\"}}", "x".repeat(BODY_BYTES)));
    let (kept, began) = (Arc::new(AtomicU64::new(0)), Instant::now());
    let end = began + Duration::from_secs(seconds);
    let mut tasks = Vec::new();
    for _ in 0..callers {
        let (store, body, kept) = (store.clone(), Arc::clone(&body), Arc::clone(&kept));
        tasks.push(tokio::spawn(async move {
            while Instant::now() < end {
                let (record, event) = decision(&body);
                let mut tx = Tx::new(record.at);
                tx.record_decision(&record);
                tx.commit(&store, event).await.map_err(|error| error.to_string())?;
                kept.fetch_add(1, Ordering::Relaxed);
            }
            Ok::<(), String>(())
        }));
    }
    for task in tasks {
        task.await??;
    }
    let (kept, took) = (kept.load(Ordering::Relaxed), began.elapsed().as_secs_f64());
    println!("{} {callers} callers: {:.0} decisions/s durable", store.engine(), kept as f64 / took);
    let behind = kept.saturating_sub(store.log().head().await?.size);
    println!("leaves behind at the end: {behind}");
    sequencer.abort();
    store.close().await;
    let _ = std::fs::remove_file(high_water);
    Ok(())
}
