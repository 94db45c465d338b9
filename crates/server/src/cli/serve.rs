//! `counterfoil serve`: one node, by its configuration file. SIGHUP reads registry and policies again, or says why not.

use super::{Failure, socket};
use crate::{
    app::App,
    config::Config,
    delivery::{self, mail::Mail},
    flows::apply_registry,
    http, listen,
    registry::Registry,
    share::Share,
    start,
};
use clap::Args as ClapArgs;
use counterfoil_core::{limits, policy::Pack};
use std::{path::PathBuf, sync::Arc};
use tokio::{
    net::TcpListener,
    signal::unix::{Signal, SignalKind, signal},
};
use tokio_rustls::TlsAcceptor;

/// What `serve` is told.
#[derive(ClapArgs)]
pub struct Args {
    /// The configuration file.
    #[arg(long, value_name = "FILE", default_value = "counterfoil.toml")]
    pub config: PathBuf,
}

/// Runs until it is stopped.
pub fn run(args: Args) -> Result<(), Failure> {
    crate::telemetry::install();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Failure::new)?;
    runtime.block_on(serve(args))
}

async fn serve(args: Args) -> Result<(), Failure> {
    let config = Config::read(&args.config).map_err(Failure::new)?;
    let pack = super::policy::read(&config.policies)?;
    // Whatever can be refused without writing anything is refused before anything is written.
    Pack::load(&pack).map_err(|error| Failure::new(format!("the policies are refused: {error}")))?;
    let registry = config.registry.as_deref().map(Registry::read).transpose().map_err(Failure::new)?;
    let acceptor = match &config.tls {
        Some(tls) => Some(listen::tls(&tls.certificate, &tls.key).map_err(Failure::new)?),
        None => None,
    };
    let listener = TcpListener::bind(config.listen)
        .await
        .map_err(|error| Failure::new(format!("cannot listen on {}: {error}", config.listen)))?;
    let mail = match &config.smtp {
        Some(smtp) => Some(Mail::new(smtp, config.rp_id()).map_err(Failure::new)?),
        None => {
            tracing::warn!("no [smtp] is configured: notices to people stay in the outbox");
            None
        }
    };
    socket::require_alone(&config.data).await?;
    let app = start::start(config, &pack, false).await?;
    let served = serve_until_stopped(&app, registry.as_ref(), mail, listener, acceptor).await;
    if let Err(failure) = &served {
        // To close may take a while.
        tracing::error!(%failure, "closing");
    }
    // Also where it never came to serving: what has begun ends before the runtime that it needs.
    app.store.close().await;
    served
}

async fn serve_until_stopped(
    app: &Arc<App>,
    registry: Option<&Registry>,
    mail: Option<Mail>,
    listener: TcpListener,
    acceptor: Option<TlsAcceptor>,
) -> Result<(), Failure> {
    let _offered = socket::offer(app).await?;
    apply(app, registry).await?;
    if let Some(mail) = mail {
        tokio::spawn(delivery::run(Arc::clone(app), mail));
    }
    let hangup = signal(SignalKind::hangup()).map_err(Failure::new)?;
    tokio::spawn(reload_on_hangup(Arc::clone(app), hangup));
    let stopped = super::demo::stopped();
    tracing::info!(issuer = app.issuer.as_str(), engine = app.store.engine(), "ready");
    let router = http::router(Arc::clone(app));
    let most = app.config.connections_per_address.unwrap_or(limits::CONNECTIONS_PER_NETWORK);
    let share = Share::new("connections", most, &app.config.trusted_proxies);
    listen::serve(listener, acceptor, router, share, stopped).await.map_err(Failure::new)
}

/// The registry, where there is one.
async fn apply(app: &App, registry: Option<&Registry>) -> Result<(), Failure> {
    let Some(registry) = registry else { return Ok(()) };
    for strange in registry.strange_to(&app.pack.load()) {
        tracing::warn!(strange, "the registry names what the policies do not know");
    }
    let changed = apply_registry::apply(app, registry, app.now()).await.map_err(Failure::new)?;
    tracing::info!(changed, "the registry is applied");
    if !start::reload(app).await {
        return Err(Failure::new("the registry is applied, but what is registered could not be read back"));
    }
    Ok(())
}

async fn reload_on_hangup(app: Arc<App>, mut hangup: Signal) {
    while hangup.recv().await.is_some() {
        if let Err(failure) = reload(&app).await {
            tracing::error!(%failure, "nothing was reloaded; what was in force stays in force");
        }
    }
}

/// Both are read and checked before either is used: a mistake in one leaves both as they were.
async fn reload(app: &App) -> Result<(), Failure> {
    let files = super::policy::read(&app.config.policies)?;
    Pack::load(&files).map_err(|error| Failure::new(format!("the policies are refused: {error}")))?;
    let registry = app.config.registry.as_deref().map(Registry::read).transpose().map_err(Failure::new)?;
    let pack = start::activate(&app.store, &files, app.now(), app.random).await?;
    let version = pack.version();
    app.pack.store(Arc::new(pack));
    apply(app, registry.as_ref()).await?;
    tracing::info!(%version, "policies and registry are reloaded");
    Ok(())
}
