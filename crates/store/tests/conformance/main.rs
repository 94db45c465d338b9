//! One suite, both engines: what the store promises, each test on a fresh database of its own.

#[path = "../support/mod.rs"]
mod support;

mod attempts;
mod belief;
mod clients;
mod deliveries;
mod lineage;
mod log;
mod nouns;
mod one_effect;
mod spends;
mod units;
mod verify;
