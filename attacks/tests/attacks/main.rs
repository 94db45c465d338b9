//! Journeys and attacks, each in a file of its own, in a real browser against the real binary.

// A test that cannot go on should stop.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on should stop")]

mod chromium;
mod clock;
mod code;
mod demo;
mod oversight;
mod steps;
mod tab;
mod wire;

mod kit;
mod site;
mod thief;

mod cross_site;
mod first_administrator;
mod fixation;
mod four_steps;
mod keyboard;
mod look;
mod own_account;
mod refusals;
mod relay;
mod replayed_proof;
mod stolen_cookie;
