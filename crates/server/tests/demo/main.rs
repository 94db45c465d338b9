//! The demo as others meet it: the real binary, a real database, and HTTP from outside.

// A test that cannot go on should stop.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod audit;
mod browser;
mod clock;
mod evaluation;
mod evidence;
mod harness;
mod operate;
mod own;
mod passkey;
mod routes;
mod sign_in;
mod throttle;
mod treasury;
