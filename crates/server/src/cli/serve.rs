//! `counterfoil serve`: one node, by its configuration file. SIGHUP reads registry and policies again, or says why not.

use super::{Failure, Format};
use crate::{app::App, config::Config, flows::apply_registry, http, listen, registry::Registry, start};
use clap::Args as ClapArgs;
use std::{path::PathBuf, sync::Arc};
use tokio::signal::unix::{SignalKind, signal};

/// What `serve` is told.
#[derive(ClapArgs)]
pub struct Args {
    /// The configuration file.
    #[arg(long, value_name = "FILE", default_value = "counterfoil.toml")]
    config: PathBuf,
}

/// Runs until it is stopped.
pub fn run(args: Args) -> Result<(), Failure> {
    crate::telemetry::install();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Failure::new)?;
    runtime.block_on(serve(args))
}

/// `counterfoil check-config`: what `serve` would refuse is refused here.
pub fn check(args: Args, format: Format) -> Result<(), Failure> {
    let config = Config::read(&args.config).map_err(Failure::new)?;
    let pack = super::policy::read(&config.policies)?;
    let pack = counterfoil_core::policy::Pack::load(&pack).map_err(Failure::new)?;
    if let Some(file) = &config.registry {
        Registry::read(file).map_err(Failure::new)?;
    }
    match format {
        Format::Text => {
            println!("{}: good; issuer {}, policies {}", args.config.display(), config.issuer, pack.version())
        }
        Format::Json => println!("{}", serde_json::json!({"issuer": config.issuer, "policy_version": pack.version()})),
    }
    Ok(())
}

async fn serve(args: Args) -> Result<(), Failure> {
    let config = Config::read(&args.config).map_err(Failure::new)?;
    let pack = super::policy::read(&config.policies)?;
    let acceptor = match &config.tls {
        Some(tls) => Some(listen::tls(&tls.certificate, &tls.key).map_err(Failure::new)?),
        None => None,
    };
    let listener = tokio::net::TcpListener::bind(config.listen)
        .await
        .map_err(|error| Failure::new(format!("cannot listen on {}: {error}", config.listen)))?;
    if config.smtp.is_none() {
        tracing::warn!("no [smtp] is configured: notices to people stay in the outbox");
    }
    let app = start::start(config, &pack, false).await?;
    apply(&app).await?;
    tokio::spawn(reload_on_hangup(Arc::clone(&app)));
    tracing::info!(issuer = app.issuer.as_str(), engine = app.store.engine(), "ready");
    let router = http::router(Arc::clone(&app));
    listen::serve(listener, acceptor, router, super::demo::stopped()).await.map_err(Failure::new)?;
    app.store.close().await;
    Ok(())
}

/// The registry file, where there is one.
async fn apply(app: &App) -> Result<(), Failure> {
    if let Some(file) = &app.config.registry {
        let registry = Registry::read(file).map_err(Failure::new)?;
        let changed = apply_registry::apply(app, &registry, app.now()).await.map_err(Failure::new)?;
        tracing::info!(changed, file = %file.display(), "the registry is applied");
        start::reload(app).await;
    }
    Ok(())
}

async fn reload_on_hangup(app: Arc<App>) {
    let mut hangup = match signal(SignalKind::hangup()) {
        Ok(hangup) => hangup,
        Err(error) => return tracing::error!(%error, "SIGHUP cannot be heard"),
    };
    while hangup.recv().await.is_some() {
        if let Err(failure) = reload(&app).await {
            tracing::error!(%failure, "nothing was reloaded; what was in force stays in force");
        }
    }
}

async fn reload(app: &App) -> Result<(), Failure> {
    let files = super::policy::read(&app.config.policies)?;
    let pack = start::activate(&app.store, &files, app.now(), app.random).await?;
    app.pack.store(Arc::new(pack));
    apply(app).await
}
