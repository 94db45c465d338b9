//! Reads what `cargo test` prints: counts, and the lines with which tests say that they were skipped.

/// What one run of `cargo test` amounted to.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Tests that passed, those that skipped themselves not counted.
    pub passed: usize,
    /// Tests that failed.
    pub failed: usize,
    /// Why tests skipped themselves: what follows `skipped: ` in their output, once per line.
    pub skips: Vec<String>,
    /// Tests that the harness left out.
    pub ignored: usize,
    inside_output: bool,
}

impl Tally {
    /// Takes one line of standard output; true when a person wants to see it.
    pub fn take(&mut self, line: &str) -> bool {
        if let Some(reason) = line.trim_start().strip_prefix("skipped: ") {
            self.skips.push(reason.trim_end().to_owned());
            return true;
        }
        if let Some(counts) = line.strip_prefix("test result: ") {
            self.count(counts);
            self.inside_output = false;
            return true;
        }
        // `--show-output` repeats what passing tests printed between these two headings.
        match line {
            "successes:" => self.inside_output = true,
            "failures:" => self.inside_output = false,
            _ => {}
        }
        !self.inside_output && !line.trim().is_empty()
    }

    /// Tests that did not do what they are for.
    pub fn skipped(&self) -> usize {
        self.skips.len() + self.ignored
    }

    /// The closing line.
    pub fn summary(&self) -> String {
        let passed = self.passed.saturating_sub(self.skips.len());
        format!("tests: {passed} passed, {} failed, {} skipped", self.failed, self.skipped())
    }

    fn count(&mut self, counts: &str) {
        for part in counts.split([';', '.']) {
            let mut words = part.split_whitespace();
            let (Some(number), Some(what)) = (words.next(), words.next()) else { continue };
            let Ok(number) = number.parse::<usize>() else { continue };
            match what {
                "passed" => self.passed += number,
                "failed" => self.failed += number,
                "ignored" => self.ignored += number,
                _ => {}
            }
        }
    }
}

/// Whether a skip may pass in CI: only shared test vectors may be absent there, and only if they really are.
pub fn may_be_absent(reason: &str, vectors: &std::path::Path) -> bool {
    let Some(folder) = reason.strip_suffix(" absent") else { return false };
    let name = std::path::Path::new(folder.trim().trim_end_matches('/')).file_name();
    !vectors.exists() || name.is_some_and(|name| !vectors.join(name).exists())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(text: &str) -> (Tally, Vec<&str>) {
        let mut tally = Tally::default();
        let shown = text.lines().filter(|line| tally.take(line)).collect();
        (tally, shown)
    }

    #[test]
    fn results_of_all_binaries_are_added_up() {
        let (tally, _) = tally(
            "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.52s\n\
             test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 7 filtered out; finished in 4.00s\n",
        );
        assert_eq!((tally.passed, tally.failed, tally.ignored), (4, 2, 1));
        assert_eq!(tally.summary(), "tests: 4 passed, 2 failed, 1 skipped");
    }

    #[test]
    fn a_test_that_skipped_itself_has_not_passed() {
        let (tally, shown) = tally(
            "test a ... ok\n\nsuccesses:\n\n---- a stdout ----\nnoise\nskipped: dpop absent\n\nsuccesses:\n    a\n\n\
             test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s\n",
        );
        assert_eq!(tally.skips, ["dpop absent"]);
        assert_eq!(tally.summary(), "tests: 0 passed, 0 failed, 1 skipped");
        assert_eq!(shown[..2], ["test a ... ok", "skipped: dpop absent"]);
        assert_eq!(shown.len(), 3);
    }

    #[test]
    fn output_of_failures_is_shown() {
        let (_, shown) = tally("successes:\nnoise\nfailures:\n\n---- b stdout ----\nwhy\n");
        assert_eq!(shown, ["failures:", "---- b stdout ----", "why"]);
    }

    #[test]
    fn only_vectors_that_are_not_there_excuse_a_skip() {
        let here = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        for (reason, excused) in [
            ("../shared/vectors/dpop absent", true),
            ("dpop absent", true),
            ("src absent", false),
            ("no PostgreSQL", false),
            ("COUNTERFOIL_CHROMIUM is not set", false),
        ] {
            assert_eq!(may_be_absent(reason, here), excused, "{reason}");
        }
        assert!(may_be_absent("src absent", &here.join("nowhere")));
    }
}
