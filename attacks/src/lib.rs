//! Attacks against the real binary, and the journeys of honest people beside them: start at `tests/attacks/main.rs`.
//!
//! Everything here is an outsider: it starts `counterfoil demo` (named by `COUNTERFOIL_BIN`), drives a real Chromium (named by
//! `COUNTERFOIL_CHROMIUM`) with virtual authenticators, and reads what pages, API replies and the log say. One file per journey
//! or attack; each attack says in one sentence why it must fail.
