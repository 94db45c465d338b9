//! The crate from outside: vectors that others wrote, and for each standard a table of what is refused.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test that cannot go on should stop

mod client_auth;
mod dpop;
mod grants;
mod jose;
mod par;
mod session_proof;
mod support;
mod tokens;
mod vectors;
