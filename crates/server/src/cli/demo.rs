//! `counterfoil demo`: the server, the treasury and an outbox, seeded and offline, in one process.

mod seed;
mod tls;

use super::{Failure, Format};
use crate::{
    app::App, clock::Clock, config::Config, flows::apply_registry, http, listen, random::Random, share::Share, start,
};
use clap::Args as ClapArgs;
use counterfoil_core::limits;
use counterfoil_demo::{Credential, Trust};
use seed::Seed;
use serde_json::Value;
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::{
    net::TcpListener,
    signal::unix::{Signal, SignalKind, signal},
};

/// What the demo is told.
#[derive(ClapArgs)]
pub struct Args {
    /// Where Counterfoil listens.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8180")]
    listen: SocketAddr,
    /// Where the treasury, the sample application, listens.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8181")]
    app_listen: SocketAddr,
    /// Directory to keep the demo in; without it, a new one that is gone afterwards.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// A PostgreSQL database to use instead of SQLite: `postgres://…`, empty or of the same --data.
    #[arg(long, value_name = "URL")]
    database_url: Option<String>,
    /// A policy pack to use instead of the one that comes with the demo.
    #[arg(long, value_name = "DIR")]
    policies: Option<PathBuf>,
    /// Serve HTTPS with a certificate made for the occasion (browsers will ask).
    #[arg(long)]
    tls: bool,
    /// Write a JSON file with addresses and credentials once everything answers.
    #[arg(long, value_name = "FILE")]
    ready_file: Option<PathBuf>,
}

/// Runs until it is stopped.
pub fn run(args: Args, format: Format) -> Result<(), Failure> {
    crate::telemetry::install();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Failure::new)?;
    runtime.block_on(demo(args, format))
}

async fn demo(args: Args, format: Format) -> Result<(), Failure> {
    let scratch = match &args.data {
        Some(_) => None,
        None => Some(scratch_directory()?),
    };
    let data = args.data.clone().or_else(|| scratch.as_ref().map(|s| s.0.clone())).unwrap_or_default();
    let listener = bind(args.listen, "--listen").await?;
    let app_listener = bind(args.app_listen, "--app-listen").await?;
    let scheme = if args.tls { "https" } else { "http" };
    let address = listener.local_addr().map_err(Failure::new)?;
    let app_address = app_listener.local_addr().map_err(Failure::new)?;
    let issuer = format!("{scheme}://localhost:{}", address.port());
    let app_url = format!("{scheme}://treasury.localhost:{}", app_address.port());
    let tls = if args.tls { Some(tls::make(&data)?) } else { None };
    let config = Config {
        issuer: issuer.clone(),
        listen: address,
        data: data.clone(),
        database_url: args.database_url.clone(),
        policies: PathBuf::new(),
        registry: None,
        tls: tls.as_ref().map(|made| made.files.clone()),
        smtp: None,
        metrics_token_sha256: None,
        trusted_proxies: Vec::new(),
        connections_per_address: None,
        sessions_per_address: None,
    };
    config.check().map_err(Failure::new)?;
    let pack = match &args.policies {
        Some(directory) => super::policy::read(directory)?,
        None => counterfoil_core::policy::default_pack(),
    };
    let app = start::start(config, &pack, true).await?;
    let place = Place { data, issuer, app_url, listener, app_listener, tls };
    let shown = show(&app, place, args.ready_file.as_deref(), format).await;
    // Also where it never came to showing: what has begun ends before the runtime that it needs.
    app.store.close().await;
    drop(scratch);
    shown
}

/// Where the demo is.
struct Place {
    data: PathBuf,
    issuer: String,
    app_url: String,
    listener: TcpListener,
    app_listener: TcpListener,
    tls: Option<tls::Made>,
}

/// Seeds, serves, and prints what there is, until it is stopped.
async fn show(app: &Arc<App>, place: Place, ready_file: Option<&Path>, format: Format) -> Result<(), Failure> {
    let Place { data, issuer, app_url, listener, app_listener, tls } = place;
    let app_address = app_listener.local_addr().map_err(Failure::new)?;
    let seed = Seed::load_or_make(app, &data, &issuer, &app_url).await?;
    apply_registry::apply(app, &seed.registry(), app.now()).await.map_err(Failure::new)?;
    if !start::reload(app).await {
        return Err(Failure::new("what is registered could not be read back"));
    }

    // The demo does not need it: `counterfoil admin` and `contain` do.
    let offered = match super::socket::offer(app).await {
        Ok(offered) => Some(offered),
        Err(failure) => {
            tracing::warn!(%failure, "the operator's socket is not there");
            None
        }
    };
    let acceptor = match &tls {
        Some(made) => Some(listen::tls(&made.files.certificate, &made.files.key).map_err(Failure::new)?),
        None => None,
    };
    let treasury = counterfoil_demo::Config {
        issuer: issuer.clone(),
        external_url: app_url.clone(),
        client_id: seed::TREASURY_CLIENT.to_owned(),
        client_private_jwk: seed.treasury_jwk.clone(),
        audience: seed.audience.clone(),
        credential: Credential::ApiKey(seed.api_key.clone()),
        trust: tls.as_ref().map_or(Trust::PublicRoots, |made| Trust::Only(made.certificate.clone())),
        people: seed.users.iter().map(|user| (user.sub.to_string(), user.name.clone())).collect(),
    };
    let treasury = counterfoil_demo::router(treasury).map_err(Failure::new)?;
    let (router, app_acceptor) = (http::router(Arc::clone(app)), acceptor.clone());
    let share = || Share::new("connections", limits::CONNECTIONS_PER_NETWORK, &[]);
    let server = tokio::spawn(listen::serve(listener, acceptor, router, share(), stopped()));
    let application = tokio::spawn(listen::serve(app_listener, app_acceptor, treasury, share(), stopped()));
    wait_until_ready(app_address, tls.is_some()).await;

    let ready = seed.ready(&issuer, &app_url, app_address);
    if let Some(file) = ready_file {
        write_ready(file, &ready)?;
    }
    match format {
        Format::Text => print_table(&seed, &issuer, &app_url),
        Format::Json => println!("{ready}"),
    }
    for task in [server, application] {
        task.await.map_err(Failure::new)?.map_err(Failure::new)?;
    }
    drop(offered);
    Ok(())
}

async fn bind(address: SocketAddr, option: &str) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).await.map_err(|error| {
        Failure::new(format!("cannot listen on {address}: {error}"))
            .hint(format!("is another demo running? choose another port with {option} 127.0.0.1:PORT"))
    })
}

/// Until ^C or SIGTERM. They are heard from the call on, not from the first wait on: whoever is told "ready" may end it at once.
pub fn stopped() -> impl Future<Output = ()> {
    let mut terminate = signal(SignalKind::terminate()).ok();
    let mut interrupt = signal(SignalKind::interrupt()).ok();
    async fn heard(signal: &mut Option<Signal>) {
        match signal {
            Some(signal) => {
                signal.recv().await;
            }
            None => std::future::pending().await,
        }
    }
    async move {
        tokio::select! {
            () = heard(&mut interrupt) => {}
            () = heard(&mut terminate) => {}
        }
    }
}

/// A directory that is removed when the demo ends.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            eprintln!("counterfoil: {} could not be removed: {error}", self.0.display());
        }
    }
}

fn scratch_directory() -> Result<Scratch, Failure> {
    use std::os::unix::fs::DirBuilderExt as _;
    let name = format!("counterfoil-demo-{}", crate::flows::step_up::base64url(&Random.bytes::<9>()));
    let path = std::env::temp_dir().join(name);
    std::fs::DirBuilder::new()
        .mode(0o700)
        .create(&path)
        .map_err(|e| Failure::new(format!("{}: {e}", path.display())))?;
    Ok(Scratch(path))
}

/// The treasury answers once its guard has found the issuer.
async fn wait_until_ready(address: SocketAddr, tls: bool) {
    if tls {
        // The probe below speaks plain HTTP; the guard needs about as long.
        tokio::time::sleep(Duration::from_secs(2)).await;
        return;
    }
    for _ in 0..200 {
        if probe(address).await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    tracing::warn!("the treasury is not ready after ten seconds");
}

async fn probe(address: SocketAddr) -> bool {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let Ok(mut stream) = tokio::net::TcpStream::connect(address).await else { return false };
    let request = b"GET /readyz HTTP/1.1\r\nhost: treasury.localhost\r\nconnection: close\r\n\r\n";
    if stream.write_all(request).await.is_err() {
        return false;
    }
    let mut reply = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(2), stream.read_to_end(&mut reply)).await;
    matches!(read, Ok(Ok(_))) && reply.starts_with(b"HTTP/1.1 200")
}

/// All at once, so that whoever waits for the file never reads half of it.
fn write_ready(file: &Path, ready: &Value) -> Result<(), Failure> {
    let wrong = |error: std::io::Error| Failure::new(format!("{}: {error}", file.display()));
    let part = file.with_extension("part");
    let _ = std::fs::remove_file(&part);
    crate::keys::write_private(&part, ready.to_string().as_bytes()).map_err(wrong)?;
    std::fs::rename(&part, file).map_err(wrong)
}

fn print_table(seed: &Seed, issuer: &str, app_url: &str) {
    println!();
    println!("  Treasury      {app_url}");
    println!("  Your account  {issuer}/me");
    println!("  Outbox        {issuer}/outbox");
    println!();
    println!("  {:<10} {:<22} code from an app (secret, or the code now)", "user", "password");
    let now = Clock.now();
    for user in &seed.users {
        println!("  {:<10} {:<22} {}  {}", user.username, user.password, user.totp_secret, user.code(now));
    }
    println!();
    println!(
        "  Change a payout account in the treasury: it asks for a passkey. {} may add one that signs",
        seed.users[0].name
    );
    println!(
        "  payments at once (a declared invitation of the demo, which would fall to a relay); one that {}",
        seed.users[1].name
    );
    println!("  adds signs in only, until it has rested 72 hours.");
    println!();
    println!("  Stop with Ctrl-C.");
}
