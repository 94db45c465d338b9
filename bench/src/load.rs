//! The load generator: keep-alive connections, in a closed loop (as fast as answers come) or an open one (at a rate).

use crate::clock::Moment;
use crate::numbers::percentile;
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use std::io::{Error, ErrorKind, Result};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::{Mutex, Semaphore};
use tokio::task::JoinSet;

/// How much longer than planned an open loop may take to catch up, and any run to get its last answers.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often an open loop looks which requests are due.
const PACE: Duration = Duration::from_micros(200);

/// What is asked, and which answer is right. A fast wrong answer is worth nothing.
pub struct Scenario {
    /// Makes the n-th request.
    pub build: Box<dyn Fn(u64) -> Request<Full<Bytes>> + Send + Sync>,
    /// Whether that answer is the wanted one.
    pub good: Good,
}

/// Whether an answer, its status and body, is the wanted one.
pub type Good = fn(StatusCode, &[u8]) -> bool;

/// What came of a run.
#[derive(Debug, Default)]
pub struct Run {
    /// Right answers.
    pub good: u64,
    /// Wrong ones.
    pub bad: u64,
    /// The first wrong answer, to be shown.
    pub first_bad: Option<String>,
    /// From the first request to the last answer.
    pub took: Duration,
    /// From when a request was due until its answer was whole; ascending.
    pub latencies: Vec<Duration>,
}

impl Run {
    /// Right answers per second.
    pub fn rate(&self) -> f64 {
        self.good as f64 / self.took.as_secs_f64().max(f64::MIN_POSITIVE)
    }

    /// The latency that `percent` of the answers did not exceed.
    pub fn latency(&self, percent: f64) -> Duration {
        percentile(&self.latencies, percent).unwrap_or_default()
    }

    fn add(&mut self, answer: Answer) {
        match answer.wrong {
            None => {
                self.good += 1;
                self.latencies.push(answer.latency);
            }
            Some(text) => {
                self.bad += 1;
                self.first_bad.get_or_insert(text);
            }
        }
    }

    fn merge(&mut self, other: Self) {
        self.good += other.good;
        self.bad += other.bad;
        self.first_bad = self.first_bad.take().or(other.first_bad);
        self.latencies.extend(other.latencies);
    }
}

/// Open connections to one server, used again by each run.
pub struct Connections {
    senders: Vec<Arc<Mutex<SendRequest<Full<Bytes>>>>>,
    /// Requests made so far over all runs: a scenario never sees a number twice.
    next: Arc<AtomicU64>,
}

impl Connections {
    /// Opens that many.
    pub async fn open(address: SocketAddr, count: usize) -> Result<Self> {
        let mut senders = Vec::with_capacity(count);
        for _ in 0..count {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(Error::other)?;
            tokio::spawn(connection);
            senders.push(Arc::new(Mutex::new(sender)));
        }
        Ok(Self { senders, next: Arc::new(AtomicU64::new(0)) })
    }

    /// Each connection asks again as soon as it has its answer, for that long.
    pub async fn closed(&self, scenario: &Arc<Scenario>, duration: Duration) -> Result<Run> {
        let start = Moment::now();
        let mut workers = JoinSet::new();
        for sender in &self.senders {
            let (sender, scenario, next) = (Arc::clone(sender), Arc::clone(scenario), Arc::clone(&self.next));
            workers.spawn(async move {
                let mut sender = sender.lock().await;
                let mut run = Run::default();
                while start.elapsed() < duration {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    run.add(ask(&mut sender, &scenario, number, Moment::now()).await?);
                }
                Ok(run)
            });
        }
        gather(workers, start, duration).await
    }

    /// Requests fall due at `rate` per second whatever the answers do; waiting for a free connection counts as latency.
    pub async fn open_loop(&self, scenario: &Arc<Scenario>, rate: f64, duration: Duration) -> Result<Run> {
        let total = (rate * duration.as_secs_f64()) as u64;
        let start = Moment::now();
        let due = Arc::new(Semaphore::new(0));
        let taken = Arc::new(AtomicU64::new(0));
        let mut workers = JoinSet::new();
        for sender in &self.senders {
            let (sender, scenario, next) = (Arc::clone(sender), Arc::clone(scenario), Arc::clone(&self.next));
            let (due, taken) = (Arc::clone(&due), Arc::clone(&taken));
            workers.spawn(async move {
                let mut sender = sender.lock().await;
                let mut run = Run::default();
                while let Ok(permit) = due.acquire().await {
                    permit.forget();
                    let since =
                        start.plus(Duration::from_secs_f64(taken.fetch_add(1, Ordering::Relaxed) as f64 / rate));
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    run.add(ask(&mut sender, &scenario, number, since).await?);
                }
                Ok(run)
            });
        }
        let paced = Arc::clone(&due);
        tokio::task::spawn_blocking(move || pace(&paced, start, rate, total)).await.map_err(Error::other)?;
        // Those that wait for the next request see the end; those that are busy finish first. A server that hangs
        // must not make us hang.
        while due.available_permits() > 0 && start.elapsed() < 2 * duration + PATIENCE {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        due.close();
        gather(workers, start, start.elapsed()).await
    }
}

/// Makes requests due as their time comes. On a thread of its own: the runtime's timer wakes up to two milliseconds late, more when it
/// is busy, and what the generator is late would be told as the server's latency.
fn pace(due: &Semaphore, start: Moment, rate: f64, total: u64) {
    let mut released = 0;
    while released < total {
        let wanted = ((start.elapsed().as_secs_f64() * rate) as u64).min(total);
        due.add_permits(usize::try_from(wanted - released).unwrap_or(0));
        released = wanted;
        std::thread::sleep(PACE);
    }
}

/// Waits for all of them: until `end` after `start`, and then as long as one answer may take.
async fn gather(mut workers: JoinSet<Result<Run>>, start: Moment, end: Duration) -> Result<Run> {
    let mut all = Run::default();
    let left = end.saturating_sub(start.elapsed()) + PATIENCE;
    let gathered = tokio::time::timeout(left, async {
        while let Some(joined) = workers.join_next().await {
            all.merge(joined.map_err(Error::other)??);
        }
        Ok::<(), Error>(())
    });
    let late = |_| Error::new(ErrorKind::TimedOut, format!("an answer took more than {} s", PATIENCE.as_secs()));
    gathered.await.map_err(late)??;
    all.took = start.elapsed();
    all.latencies.sort_unstable();
    Ok(all)
}

struct Answer {
    wrong: Option<String>,
    latency: Duration,
}

async fn ask(sender: &mut SendRequest<Full<Bytes>>, scenario: &Scenario, number: u64, since: Moment) -> Result<Answer> {
    sender.ready().await.map_err(Error::other)?;
    let answer = sender.send_request((scenario.build)(number)).await.map_err(Error::other)?;
    let status = answer.status();
    let body = answer.into_body().collect().await.map_err(Error::other)?.to_bytes();
    let right = (scenario.good)(status, &body);
    let wrong = (!right).then(|| format!("{status}: {}", String::from_utf8_lossy(&body[..body.len().min(400)])));
    Ok(Answer { wrong, latency: since.elapsed() })
}
