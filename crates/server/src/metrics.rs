//! Counters for operators, in the text format of Prometheus. Every label has a closed set of values, so that nothing that
//! is asked of us can make them grow, and counting is one addition without a lock.
//!
//! What happened is counted where it is committed (`Store::on_commit`), so a number says what the log says.

use counterfoil_core::{assurance::Tier, audit::event::EventKind, decision::Outcome};
use std::{
    fmt::Write as _,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// Upper bounds of the duration histogram.
const BUCKETS: [(&str, Duration); 10] = [
    ("0.001", Duration::from_millis(1)),
    ("0.0025", Duration::from_micros(2_500)),
    ("0.005", Duration::from_millis(5)),
    ("0.01", Duration::from_millis(10)),
    ("0.025", Duration::from_millis(25)),
    ("0.05", Duration::from_millis(50)),
    ("0.1", Duration::from_millis(100)),
    ("0.25", Duration::from_millis(250)),
    ("1", Duration::from_secs(1)),
    ("5", Duration::from_secs(5)),
];
const STATUSES: [&str; 4] = ["2xx", "3xx", "4xx", "5xx"];
const OUTCOMES: [Outcome; 3] = [Outcome::Permit, Outcome::StepUp, Outcome::Deny];
/// No tier: an action that nobody declared.
const TIERS: [Option<Tier>; 5] = [None, Some(Tier::Low), Some(Tier::Moderate), Some(Tier::High), Some(Tier::Critical)];
/// What can become of a challenge, as the log says it.
const CHALLENGES: [&str; 4] = ["opened", "proven", "refused", "void"];
const PROOFS: [&str; 2] = ["accepted", "refused"];
/// Why a spend is refused, in the words of redeem; anything else is `other`.
const SPENDS: [&str; 7] =
    ["spent", "already_spent", "digest_mismatch", "policy_changed", "contained", "expired", "other"];
const EVENTS: [&str; 5] = ["sign_in", "token_issued", "token_revoked", "relay_seen", "contained"];

const MAIL: [&str; 3] = ["delivered", "postponed", "failed"];

/// A counter that takes no lock.
#[derive(Debug, Default)]
struct Counter(AtomicU64);

impl Counter {
    fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Durations of one route's replies with one class of status. The last bucket has no bound.
#[derive(Debug, Default)]
struct Histogram {
    buckets: [Counter; BUCKETS.len() + 1],
    microseconds: Counter,
}

impl Histogram {
    fn add(&self, took: Duration) {
        let place = BUCKETS.iter().position(|(_, bound)| took <= *bound).unwrap_or(BUCKETS.len());
        if let Some(bucket) = self.buckets.get(place) {
            bucket.add(1);
        }
        self.microseconds.add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
    }
}

/// One route's replies.
#[derive(Debug)]
struct Answers {
    method: String,
    path: &'static str,
    by_status: [Histogram; STATUSES.len()],
}

/// Everything that this process counts.
#[derive(Debug)]
pub struct Metrics {
    answers: Vec<Answers>,
    decisions: [[Counter; TIERS.len()]; OUTCOMES.len()],
    challenges: [Counter; CHALLENGES.len()],
    proofs: [Counter; PROOFS.len()],
    spends: [Counter; SPENDS.len()],
    events: [Counter; EVENTS.len()],
    mail: [Counter; MAIL.len()],
}

/// What is measured when it is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Gauges {
    /// Units that wait for the writer.
    pub writer_queue: usize,
    /// Batches that the writer has committed.
    pub writer_batches: u64,
    /// Units in them.
    pub writer_units: u64,
    /// Committed events that are no leaves yet.
    pub log_waiting: u64,
    /// Leaves of the tree.
    pub log_size: u64,
    /// Seconds since the last checkpoint.
    pub checkpoint_age_seconds: i64,
    /// `sqlite` or `postgres`.
    pub engine: &'static str,
}

impl Metrics {
    /// For these routes, method and path; [`Metrics::answered`] names one by its place.
    pub fn new(routes: impl Iterator<Item = (String, &'static str)>) -> Self {
        let answers = routes.map(|(method, path)| Answers { method, path, by_status: Default::default() });
        Self {
            answers: answers.collect(),
            decisions: Default::default(),
            challenges: Default::default(),
            proofs: Default::default(),
            spends: Default::default(),
            events: Default::default(),
            mail: Default::default(),
        }
    }

    /// A route has answered.
    pub fn answered(&self, route: usize, status: u16, took: Duration) {
        let class = usize::from(status / 100).saturating_sub(2);
        if let Some(histogram) = self.answers.get(route).and_then(|answers| answers.by_status.get(class)) {
            histogram.add(took);
        }
    }

    /// An event was committed.
    pub fn happened(&self, kind: &EventKind) {
        let counter = match kind {
            EventKind::DecisionMade { outcome, tier, .. } => {
                let (row, column) = (place(&OUTCOMES, outcome), place(&TIERS, tier));
                self.decisions.get(row).and_then(|row| row.get(column))
            }
            EventKind::ChallengeOpened { .. } => self.challenges.first(),
            EventKind::ChallengeProven { .. } => self.challenges.get(1),
            EventKind::ChallengeRefused { .. } => self.challenges.get(2),
            EventKind::ChallengeVoid { .. } => self.challenges.get(3),
            EventKind::ProofAccepted { .. } => self.proofs.first(),
            EventKind::ProofRefused { .. } => self.proofs.get(1),
            EventKind::Spent { .. } => self.spends.first(),
            EventKind::SpendRefused { reason, .. } => {
                let word = if reason == "spent" { "already_spent" } else { reason.as_str() };
                self.spends.get(place(&SPENDS, &word).min(SPENDS.len() - 1))
            }
            EventKind::SessionSignedIn { .. } => self.events.first(),
            EventKind::TokenIssued { .. } => self.events.get(1),
            EventKind::TokenRevoked { .. } => self.events.get(2),
            EventKind::RelaySeen { .. } => self.events.get(3),
            EventKind::Contained { .. } => self.events.get(4),
            EventKind::NoticeDelivered { .. } => self.mail.first(),
            EventKind::NoticeFailed { .. } => self.mail.get(2),
            _ => None,
        };
        if let Some(counter) = counter {
            counter.add(1);
        }
    }

    /// A message could not be delivered for now.
    pub fn mail_postponed(&self) {
        if let Some(counter) = self.mail.get(1) {
            counter.add(1);
        }
    }

    /// All of it as text (Prometheus exposition format 0.0.4).
    pub fn render(&self, now: &Gauges) -> String {
        let mut page = Page(String::with_capacity(16 * 1024));
        page.family("counterfoil_build_info", "gauge", "What runs here.");
        page.line("counterfoil_build_info", &[("version", env!("CARGO_PKG_VERSION")), ("engine", now.engine)], 1);
        page.family("counterfoil_decisions_total", "counter", "Decisions, by outcome and tier.");
        for (outcome, row) in OUTCOMES.iter().zip(&self.decisions) {
            for (tier, counter) in TIERS.iter().zip(row) {
                let tier = tier.map_or("none", Tier::as_str);
                let labels = [("outcome", outcome.as_str()), ("tier", tier)];
                page.line("counterfoil_decisions_total", &labels, counter.value());
            }
        }
        page.closed(
            "counterfoil_challenges_total",
            "Challenges, by what became of them.",
            "event",
            CHALLENGES,
            &self.challenges,
        );
        page.closed("counterfoil_proofs_total", "Answers to challenges and sign-ins.", "result", PROOFS, &self.proofs);
        page.closed(
            "counterfoil_spends_total",
            "Redemptions of approved transactions.",
            "result",
            SPENDS,
            &self.spends,
        );
        page.closed("counterfoil_events_total", "Other events of the log.", "event", EVENTS, &self.events);
        page.closed("counterfoil_mail_total", "Messages to people, by how a try ended.", "result", MAIL, &self.mail);
        for (name, kind, help, value) in [
            (
                "counterfoil_writer_queue_units",
                "gauge",
                "Units of work that wait for the writer.",
                now.writer_queue as u64,
            ),
            ("counterfoil_writer_batches_total", "counter", "Batches that the writer committed.", now.writer_batches),
            ("counterfoil_writer_units_total", "counter", "Units of work in those batches.", now.writer_units),
            ("counterfoil_log_leaves", "gauge", "Leaves of the log's tree.", now.log_size),
            ("counterfoil_log_waiting_events", "gauge", "Committed events that are no leaves yet.", now.log_waiting),
            (
                "counterfoil_log_checkpoint_age_seconds",
                "gauge",
                "Age of the last signed checkpoint.",
                now.checkpoint_age_seconds.unsigned_abs(),
            ),
        ] {
            page.family(name, kind, help);
            page.line(name, &[], value);
        }
        self.durations(&mut page);
        page.0
    }

    fn durations(&self, page: &mut Page) {
        const NAME: &str = "counterfoil_request_duration_seconds";
        page.family(NAME, "histogram", "Time from a request's head to its reply's, by route and class of status.");
        for answers in &self.answers {
            for (status, histogram) in STATUSES.iter().zip(&answers.by_status) {
                let total: u64 = histogram.buckets.iter().map(Counter::value).sum();
                if total == 0 {
                    continue;
                }
                let labels = [("method", answers.method.as_str()), ("route", answers.path), ("status", status)];
                let mut below = 0;
                for ((bound, _), bucket) in BUCKETS.iter().zip(&histogram.buckets) {
                    below += bucket.value();
                    let mut labels = labels.to_vec();
                    labels.push(("le", bound));
                    page.line(&format!("{NAME}_bucket"), &labels, below);
                }
                let mut last = labels.to_vec();
                last.push(("le", "+Inf"));
                page.line(&format!("{NAME}_bucket"), &last, total);
                page.line(&format!("{NAME}_sum"), &labels, histogram.microseconds.value() as f64 / 1e6);
                page.line(&format!("{NAME}_count"), &labels, total);
            }
        }
    }
}

/// Where in a closed list; its length if it is not there.
fn place<T: PartialEq>(list: &[T], wanted: &T) -> usize {
    list.iter().position(|one| one == wanted).unwrap_or(list.len())
}

/// The text as it grows.
struct Page(String);

impl Page {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a String cannot fail.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn line(&mut self, name: &str, labels: &[(&str, &str)], value: impl std::fmt::Display) {
        self.0.push_str(name);
        for (at, (label, text)) in labels.iter().enumerate() {
            // Our own words and route templates: nothing in them needs escaping.
            let _ = write!(self.0, "{}{label}=\"{text}\"", if at == 0 { '{' } else { ',' });
        }
        if !labels.is_empty() {
            self.0.push('}');
        }
        let _ = writeln!(self.0, " {value}");
    }

    fn closed<const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        label: &str,
        words: [&str; N],
        counters: &[Counter; N],
    ) {
        self.family(name, "counter", help);
        for (word, counter) in words.iter().zip(counters) {
            self.line(name, &[(label, word)], counter.value());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Gauges = Gauges {
        writer_queue: 3,
        writer_batches: 2,
        writer_units: 7,
        log_waiting: 1,
        log_size: 40,
        checkpoint_age_seconds: 2,
        engine: "sqlite",
    };

    #[test]
    fn a_histogram_counts_cumulatively_and_routes_that_were_not_asked_are_left_out() {
        let metrics = Metrics::new([("GET".to_owned(), "/a"), ("POST".to_owned(), "/b/{id}")].into_iter());
        metrics.answered(1, 200, Duration::from_micros(1_500));
        metrics.answered(1, 200, Duration::from_secs(60));
        metrics.answered(9, 200, Duration::ZERO);
        let text = metrics.render(&NOW);
        let route = "method=\"POST\",route=\"/b/{id}\",status=\"2xx\"";
        for line in [
            format!("counterfoil_request_duration_seconds_bucket{{{route},le=\"0.001\"}} 0"),
            format!("counterfoil_request_duration_seconds_bucket{{{route},le=\"0.0025\"}} 1"),
            format!("counterfoil_request_duration_seconds_bucket{{{route},le=\"+Inf\"}} 2"),
            format!("counterfoil_request_duration_seconds_count{{{route}}} 2"),
            "counterfoil_writer_queue_units 3".to_owned(),
        ] {
            assert!(text.lines().any(|shown| shown == line), "{line}\n{text}");
        }
        assert!(!text.contains("\"/a\""));
    }

    #[test]
    fn a_reason_that_is_no_word_of_ours_makes_no_new_series() {
        let metrics = Metrics::new(std::iter::empty());
        let before = metrics.render(&NOW).lines().count();
        let reason = "anything at all".to_owned();
        metrics.happened(&EventKind::SpendRefused { challenge: None, audience: String::new(), reason });
        let text = metrics.render(&NOW);
        assert_eq!(text.lines().count(), before);
        assert!(text.contains("counterfoil_spends_total{result=\"other\"} 1"), "{text}");
    }
}
