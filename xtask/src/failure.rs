//! How an errand ends badly, in words for the person who ran it.

use std::fmt;

/// What every errand returns.
pub type Outcome = Result<(), Failure>;

/// Why it stopped: said once, at the end.
#[derive(Debug)]
pub struct Failure {
    text: String,
    usage: bool,
}

impl Failure {
    /// A check failed or a step could not be done: exit code 1.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), usage: false }
    }

    /// The command line makes no sense: exit code 2.
    pub fn usage(text: impl Into<String>) -> Self {
        Self { text: text.into(), usage: true }
    }

    /// The process's exit code.
    pub fn exit_code(&self) -> u8 {
        if self.usage { 2 } else { 1 }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
