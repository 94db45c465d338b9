//! Counterfoil: HTTP, pages, gateway, command line and keys. The edges of everything; what is decided, is decided in
//! `counterfoil-core`.

mod app;
mod browser;
mod cli;
mod clock;
mod config;
mod delivery;
mod directory;
mod extract;
mod facts;
mod flows;
mod hashing;
mod http;
mod keys;
mod listen;
mod metrics;
mod network;
mod page;
mod problem;
mod random;
mod registry;
mod share;
mod start;
mod sweep;
mod telemetry;

/// A decision makes some hundred small values and drops them again: with the system's allocator that alone is a tenth of
/// its cost.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    cli::run()
}
