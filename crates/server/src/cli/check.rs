//! `counterfoil check-config`: everything that `serve` would refuse, all of it at once, without starting or changing anything.

use super::{Failure, Format};
use crate::{
    config::Config,
    delivery::mail::Mail,
    keys::{self, MASTER_KEY_VARIABLE},
    listen,
    registry::Registry,
    start::MASTER_KEY_FILE,
};
use clap::Args as ClapArgs;
use counterfoil_core::policy::Pack;
use counterfoil_store::Store;
use serde_json::json;
use std::path::PathBuf;

/// What `check-config` is told.
#[derive(ClapArgs)]
pub struct Args {
    /// The configuration file.
    #[arg(long, value_name = "FILE", default_value = "counterfoil.toml")]
    config: PathBuf,
    /// Also connect to the mail server and sign in there; nothing is sent.
    #[arg(long)]
    mail: bool,
}

/// What was found.
#[derive(Default)]
struct Found {
    refused: Vec<String>,
    strange: Vec<String>,
}

/// Checks. Exit code 1 if `serve` would not start.
pub fn run(args: &Args, format: Format) -> Result<(), Failure> {
    let config = Config::read(&args.config).map_err(Failure::new)?;
    let mut found = Found::default();
    let pack = policies(&config, &mut found);
    registry(&config, pack.as_ref(), &mut found);
    files(&config, &mut found);
    smtp(&config, args.mail, &mut found)?;
    database(&config, &mut found)?;
    let version = pack.map(|pack| pack.version());
    if format == Format::Json {
        let document = json!({
            "issuer": config.issuer,
            "policy_version": version,
            "refused": found.refused,
            "warnings": found.strange,
        });
        println!("{document}");
    } else {
        for warning in &found.strange {
            println!("warning: {warning}");
        }
        for refusal in &found.refused {
            println!("refused: {refusal}");
        }
    }
    match (found.refused.len(), version, format) {
        (0, Some(version), Format::Text) => {
            println!("{}: good; issuer {}, policies {version}", args.config.display(), config.issuer);
            Ok(())
        }
        (0, ..) => Ok(()),
        (count, ..) => Err(Failure::new(format!("serve would refuse this, for {count} reason(s)"))),
    }
}

fn policies(config: &Config, found: &mut Found) -> Option<Pack> {
    let files = match super::policy::read(&config.policies) {
        Ok(files) => files,
        Err(failure) => {
            found.refused.push(failure.to_string());
            return None;
        }
    };
    match Pack::load(&files) {
        Ok(pack) => {
            found.strange.extend(pack.warnings().iter().map(ToString::to_string));
            Some(pack)
        }
        Err(error) => {
            found.refused.push(format!("{}/{error}", config.policies.display()));
            None
        }
    }
}

fn registry(config: &Config, pack: Option<&Pack>, found: &mut Found) {
    let Some(file) = &config.registry else { return };
    match Registry::read(file) {
        Ok(registry) => {
            if let Some(pack) = pack {
                found.strange.extend(registry.strange_to(pack));
            }
        }
        Err(error) => found.refused.push(error),
    }
}

/// Certificate, key, master key and the data directory, as far as looking at them tells.
fn files(config: &Config, found: &mut Found) {
    if let Some(tls) = &config.tls
        && let Err(error) = listen::tls(&tls.certificate, &tls.key)
    {
        found.refused.push(format!("tls: {error}"));
    }
    if config.tls.is_none() && config.issuer.starts_with("https://") && !config.listen.ip().is_loopback() {
        found
            .strange
            .push("the issuer is https and no [tls] is configured: something in front has to end TLS".to_owned());
    }
    let master = config.data.join(MASTER_KEY_FILE);
    if std::env::var_os(MASTER_KEY_VARIABLE).is_none()
        && master.exists()
        && let Err(error) = keys::read_master(&master)
    {
        found.refused.push(error.to_string());
    }
    if config.data.exists() && !config.data.is_dir() {
        found.refused.push(format!("{}: is no directory", config.data.display()));
    }
}

/// Whether mail could go out; the server itself is asked only on request.
fn smtp(config: &Config, ask: bool, found: &mut Found) -> Result<(), Failure> {
    let Some(smtp) = &config.smtp else {
        if ask {
            found.refused.push("smtp: no [smtp] is configured that could be asked".to_owned());
        }
        return Ok(());
    };
    match Mail::new(smtp, config.rp_id()) {
        Ok(mail) if ask => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::new)?;
            if let Err(why) = runtime.block_on(mail.is_there()) {
                found.refused.push(format!("smtp: {why}"));
            }
        }
        Ok(_) => {}
        Err(error) => found.refused.push(error),
    }
    Ok(())
}

/// Whether the database answers and has a schema that we know. Only starting tells whether it was turned back.
fn database(config: &Config, found: &mut Found) -> Result<(), Failure> {
    let url = config.database_url();
    let not_made_yet = config.database_url.is_none() && !config.data.join("counterfoil.db").exists();
    if not_made_yet {
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::new)?;
    if let Err(error) = runtime.block_on(Store::migrate(&url, true)) {
        found.refused.push(format!("database: {error}"));
    }
    Ok(())
}
