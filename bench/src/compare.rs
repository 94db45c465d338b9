//! One scenario against the yardstick, in turns, so that what the machine does meanwhile hits both.

use crate::bare;
use crate::load::{Connections, Run, Scenario};
use crate::numbers::{median, microseconds, milliseconds};
use crate::process::Server;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST};
use http::{HeaderValue, Request, StatusCode};
use http_body_util::Full;
use serde::Serialize;
use std::io::{Error, Result};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// How long and how often.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Plan {
    /// Of one run.
    pub seconds: u64,
    /// Runs of each side; their median counts.
    pub rounds: usize,
    /// Keep-alive connections.
    pub connections: usize,
}

impl Plan {
    fn run(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }

    fn warm_up(&self) -> Duration {
        Duration::from_secs(self.seconds.min(3))
    }

    /// What a comparison takes: both sides are warmed up and run in turns, then ours once more.
    fn whole(&self) -> Duration {
        let runs = u32::try_from(2 * self.rounds + 1).unwrap_or(u32::MAX);
        2 * self.warm_up() + self.run().saturating_mul(runs)
    }
}

/// A server to be measured.
pub struct Subject<'a> {
    /// Its process, whose processor time is read.
    pub server: &'a Server,
    /// Where it listens.
    pub address: SocketAddr,
    /// What is asked of it.
    pub scenario: Arc<Scenario>,
}

/// What one scenario came to.
#[derive(Debug, Clone, Serialize)]
pub struct Measured {
    /// Which.
    pub name: String,
    /// Right answers per second, median of the runs.
    pub requests_per_second: f64,
    /// Of the bare server, with the same body and answer size, in turns with these.
    pub bare_requests_per_second: f64,
    /// Median of the rounds' ratios, ours to the bare server's.
    pub ratio: f64,
    /// Processor time of the server's process per request; a database server's own is not in it.
    pub cpu_microseconds: f64,
    /// The bare server's.
    pub bare_cpu_microseconds: f64,
    /// Open loop at half of our own maximum.
    pub p50_milliseconds: f64,
    /// Open loop at half of our own maximum.
    pub p99_milliseconds: f64,
    /// Resident memory of the server's process afterwards.
    pub resident_mib: f64,
    /// Answers that were not the wanted ones; anything but zero makes the row worthless.
    pub bad: u64,
}

/// Measures `subject` and a bare server that gets `body` and answers `answer_bytes`.
pub async fn compare(
    name: &str,
    subject: Subject<'_>,
    body: Bytes,
    answer_bytes: usize,
    plan: Plan,
) -> Result<Measured> {
    eprintln!("{name}: measuring for some {} s", plan.whole().as_secs());
    let program = std::env::current_exe()?;
    let (server, address) = Server::start_announced(program.as_os_str(), &["bare", &answer_bytes.to_string()])?;
    let address: SocketAddr = address.parse().map_err(Error::other)?;
    let scenario = Arc::new(Scenario::bare(address, body));
    let bare = Side::open(Subject { server: &server, address, scenario }, plan).await?;
    let ours = Side::open(subject, plan).await?;

    let (mut bare_runs, mut our_runs) = (Vec::new(), Vec::new());
    for _ in 0..plan.rounds {
        bare_runs.push(bare.closed(plan.run()).await?);
        our_runs.push(ours.closed(plan.run()).await?);
    }
    let rates = |runs: &[Timed]| runs.iter().map(|timed| timed.run.rate()).collect::<Vec<_>>();
    let cpus = |runs: &[Timed]| runs.iter().map(Timed::cpu_microseconds).collect::<Vec<_>>();
    let ratios: Vec<f64> = rates(&our_runs).iter().zip(rates(&bare_runs)).map(|(ours, bare)| ours / bare).collect();
    let middle = |values: &[f64]| median(values).unwrap_or_default();
    let rate = middle(&rates(&our_runs));
    let open = ours.connections.open_loop(&ours.subject.scenario, rate / 2.0, plan.run()).await?;
    let wrong = our_runs.iter().map(|timed| &timed.run).chain([&open]).find_map(|run| run.first_bad.as_ref());
    if let Some(text) = wrong {
        eprintln!("{name}: a wrong answer: {text}");
    }
    Ok(Measured {
        name: name.to_owned(),
        requests_per_second: rate,
        bare_requests_per_second: middle(&rates(&bare_runs)),
        ratio: middle(&ratios),
        cpu_microseconds: middle(&cpus(&our_runs)),
        bare_cpu_microseconds: middle(&cpus(&bare_runs)),
        p50_milliseconds: milliseconds(open.latency(50.0)),
        p99_milliseconds: milliseconds(open.latency(99.0)),
        resident_mib: ours.subject.server.resident_mib()?,
        bad: our_runs.iter().map(|timed| timed.run.bad).sum::<u64>() + open.bad,
    })
}

impl Scenario {
    /// A request to the bare server; any 200 is right.
    pub fn bare(address: SocketAddr, body: Bytes) -> Self {
        let host = HeaderValue::from_str(&address.to_string()).ok();
        let build = move |_| {
            let mut request = Request::new(Full::new(body.clone()));
            *request.method_mut() = http::Method::POST;
            *request.uri_mut() = http::Uri::from_static(bare::PATH);
            request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            request.headers_mut().extend(host.clone().map(|host| (HOST, host)));
            request
        };
        Self { build: Box::new(build), good: |status, _| status == StatusCode::OK }
    }
}

/// One side of the comparison, warmed up.
struct Side<'a> {
    subject: Subject<'a>,
    connections: Connections,
}

struct Timed {
    run: Run,
    cpu: Duration,
}

impl Timed {
    fn cpu_microseconds(&self) -> f64 {
        microseconds(self.cpu) / (self.run.good + self.run.bad).max(1) as f64
    }
}

impl<'a> Side<'a> {
    async fn open(subject: Subject<'a>, plan: Plan) -> Result<Self> {
        let connections = Connections::open(subject.address, plan.connections).await?;
        let warm_up = connections.closed(&subject.scenario, plan.warm_up()).await?;
        if warm_up.good == 0 {
            let text = warm_up.first_bad.unwrap_or_else(|| "no answer at all".into());
            return Err(Error::other(format!("not one right answer: {text}")));
        }
        Ok(Self { subject, connections })
    }

    async fn closed(&self, duration: Duration) -> Result<Timed> {
        let before = self.subject.server.cpu()?;
        let run = self.connections.closed(&self.subject.scenario, duration).await?;
        Ok(Timed { run, cpu: self.subject.server.cpu()?.saturating_sub(before) })
    }
}
