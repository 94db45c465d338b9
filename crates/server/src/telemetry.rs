//! What the process says of itself: one line of log per event that an operator would want, counters for the rest.

use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;

/// Log lines go to standard error: as text to a terminal, as JSON to anything else. `COUNTERFOIL_LOG` chooses the level.
pub fn install() {
    let filter = EnvFilter::try_from_env("COUNTERFOIL_LOG").unwrap_or_else(|_| EnvFilter::new("warn,counterfoil=info"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    if std::io::stderr().is_terminal() {
        builder.without_time().init();
    } else {
        builder.json().flatten_event(true).init();
    }
}
