//! The pack's own tests (`tests/*.toml`), run as a pure function. Not written yet.
