//! Our own API.

pub mod redeem;
pub mod revocations;
