//! How answers are judged: challenges, proofs, and each kind of authenticator, with the vectors that others wrote.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on should stop")]

mod challenge;
mod laundering;
mod passkey;
mod password;
mod registration;
mod setting;
mod totp;
mod vectors;
