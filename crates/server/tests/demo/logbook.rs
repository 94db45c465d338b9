//! The log of a demo, read from its database while it runs or after it has ended.

use crate::harness::{Demo, counterfoil};
use counterfoil_store::LogReader;
use serde_json::Value;
use std::path::Path;

/// A reader of one demo's log.
pub struct Logbook {
    runtime: tokio::runtime::Runtime,
    log: LogReader,
}

impl Logbook {
    /// Opens it.
    pub fn of(demo: &Demo) -> Self {
        match demo.database_url() {
            Some(url) => Self::at(url),
            None => Self::in_directory(&demo.data()),
        }
    }

    /// Opens that of a data directory.
    pub fn in_directory(data: &Path) -> Self {
        Self::at(&format!("sqlite:{}", data.join("counterfoil.db").display()))
    }

    fn at(url: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let log = runtime.block_on(LogReader::open(url)).unwrap();
        Self { runtime, log }
    }

    /// What it says about `kind:id`, whether it is a leaf already or not, oldest first.
    pub fn about(&self, kind: &str, id: &str) -> Vec<Value> {
        let events = self.runtime.block_on(self.log.events_about(&format!("{kind}:{id}"))).unwrap();
        events.iter().map(|event| serde_json::from_slice::<Value>(&event.leaf).unwrap()).collect()
    }

    /// How many events of one type it has about `kind:id`.
    pub fn count(&self, kind: &str, id: &str, event: &str) -> usize {
        self.about(kind, id).iter().filter(|leaf| leaf["kind"]["type"] == event).count()
    }

    /// How many events were committed, leaves or not yet.
    pub fn events(&self) -> u64 {
        self.settled()
    }

    /// Everything that it says, once all of it has become leaves.
    pub fn all(&self) -> Vec<Value> {
        self.settled();
        let leaves = self.runtime.block_on(self.log.leaves(0, u32::MAX)).unwrap();
        leaves.iter().map(|event| serde_json::from_slice::<Value>(&event.leaf).unwrap()).collect()
    }

    /// Asks until nothing waits any more; how many leaves there are then. The sequencer needs half a second at most.
    fn settled(&self) -> u64 {
        loop {
            let (waiting, head) =
                self.runtime.block_on(async { (self.log.waiting().await.unwrap(), self.log.head().await.unwrap()) });
            if waiting == 0 {
                return head.size;
            }
        }
    }
}

/// `audit verify` finds nothing wrong: history is single and complete, and its events make sense together.
pub fn assert_holds(demo: &Demo) -> Value {
    let mut arguments = vec!["--format", "json", "audit", "verify"];
    arguments.extend(demo.database_url().iter().flat_map(|url| ["--database-url", url]));
    let (holds, text) = counterfoil(&arguments, &demo.data());
    let report: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    assert!(holds && report["findings"] == Value::Array(Vec::new()), "{text}");
    report
}
