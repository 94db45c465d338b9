//! AuthZEN 1.0.

pub mod evaluation;
