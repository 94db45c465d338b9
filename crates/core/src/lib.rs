//! What is enough, and was it shown? The pure heart of Counterfoil: no I/O, no async, no clock, no randomness.
//!
//! Start with [`decision`]: one function says permit, step up or deny. [`policy`] compiles the rules it asks,
//! [`evidence`] is what has been shown, [`challenge`] and [`proof`] are how more is shown, [`audit`] is how all of
//! it is proven afterwards. Time and random bytes are always arguments.

pub mod assurance;
pub mod audit;
pub mod authenticator;
pub mod catalogue;
pub mod challenge;
pub mod decision;
pub mod digest;
pub mod enrolled;
pub mod evidence;
pub mod id;
pub mod json;
pub mod limits;
pub mod policy;
pub mod proof;
pub mod requirement;
pub mod seal;
pub mod session;
pub mod statement;
pub mod subject;
pub mod text;
pub mod throttle;
pub mod time;
pub mod transaction;
pub mod vouch;
