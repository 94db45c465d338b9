//! What is over goes: a few rows now and then, more while there is more, never so many that somebody waits for it.
//!
//! Nodes need no lease for it. A row that two of them remove is removed; they only rarely begin at the same moment.

use crate::app::App;
use std::{sync::Arc, time::Duration};

/// Between sweeps; each node adds up to half of it by chance, so that nodes do not sweep in step.
const PAUSE: Duration = Duration::from_secs(60);
/// Between the steps of one sweep, so that the writer does its work in between.
const BREATH: Duration = Duration::from_millis(50);

/// Sweeps for ever.
pub async fn run(app: Arc<App>) {
    loop {
        let [chance] = app.random.bytes::<1>();
        tokio::time::sleep(PAUSE + PAUSE * u32::from(chance) / 512).await;
        loop {
            match app.store.sweep(app.now()).await {
                Ok(0) => break,
                Ok(rows) => tracing::debug!(rows, "what was over went"),
                Err(error) => {
                    tracing::error!(%error, "what is over could not be removed");
                    break;
                }
            }
            tokio::time::sleep(BREATH).await;
        }
    }
}
