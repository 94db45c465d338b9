//! The log against vectors that others wrote, against a naive tree, and against whoever edits it.

// A test that cannot go on should stop.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod bundle;
mod edits;
mod log;
mod meaning;
mod merkle;
mod note;
mod support;
mod tampering;
mod tiles;
