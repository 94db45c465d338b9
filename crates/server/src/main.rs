//! Placeholder.
mod page;
fn main() {}
