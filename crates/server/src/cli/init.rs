//! `counterfoil init`: an empty directory becomes an installation, with a link for its first administrator.

use super::{Failure, Format};
use crate::{
    app::App,
    config::Config,
    flows::{
        apply_registry,
        invite::{self, Link},
    },
    keys,
    registry::{Person, Registry},
    start,
};
use clap::Args as ClapArgs;
use counterfoil_core::{
    audit::event::{Actor, EventKind},
    policy::starter_pack,
};
use counterfoil_store::Tx;
use serde_json::json;
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

/// What `init` is told.
#[derive(ClapArgs)]
#[command(after_help = "\
Example, to try it on one machine:
  counterfoil init acme && counterfoil serve --config acme/counterfoil.toml
Example, behind a proxy that ends TLS:
  counterfoil init acme --issuer https://id.example.org --admin noor --admin-mail noor@example.org")]
pub struct Args {
    /// An empty directory, or one that is to be made.
    #[arg(value_name = "DIR", default_value = ".")]
    directory: PathBuf,
    /// Who the installation is: an origin, which passkeys are bound to for ever. Without it, localhost.
    #[arg(long, value_name = "URL")]
    issuer: Option<String>,
    /// Where the server will listen.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8180")]
    listen: SocketAddr,
    /// A PostgreSQL database, empty, instead of a SQLite file: `postgres://…`.
    #[arg(long, value_name = "URL")]
    database_url: Option<String>,
    /// User name of the first administrator.
    #[arg(long, value_name = "NAME", default_value = "admin")]
    admin: String,
    /// What pages call them.
    #[arg(long, value_name = "NAME", default_value = "Administrator")]
    admin_name: String,
    /// Where they are told what happens to their account.
    #[arg(long, value_name = "MAIL")]
    admin_mail: Vec<String>,
    /// Their language: en or de.
    #[arg(long, value_name = "LANG", default_value = "en")]
    lang: String,
}

const CONFIG: &str = include_str!("init/counterfoil.toml");
const REGISTRY: &str = include_str!("init/registry.toml");
const PACK_README: &str = include_str!("../../../../policies/README.md");
const CONFIG_FILE: &str = "counterfoil.toml";
const REGISTRY_FILE: &str = "registry.toml";

/// Makes it, or leaves nothing behind.
pub fn run(args: Args, format: Format) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::new)?;
    let administrator = administrator(&args)?;
    let directory = Fresh::claim(&args.directory)?;
    let link = runtime.block_on(make(&args, &directory, &administrator))?;
    directory.keep();
    report(&args, &administrator, &link, format);
    Ok(())
}

fn administrator(args: &Args) -> Result<Registry, Failure> {
    let person = Person {
        username: args.admin.clone(),
        name: args.admin_name.clone(),
        lang: args.lang.clone(),
        mail: args.admin_mail.clone(),
        groups: Vec::new(),
        roles: vec!["administrator".to_owned()],
    };
    let registry = Registry { people: vec![person], ..Registry::default() };
    registry
        .check()
        .map_err(|error| Failure::new(error.reason).hint("see --admin, --admin-name, --admin-mail, --lang"))?;
    Ok(registry)
}

/// A directory that was empty. What was put there goes again, unless all of it is there.
struct Fresh {
    path: PathBuf,
    made: bool,
    kept: std::cell::Cell<bool>,
}

impl Fresh {
    fn claim(path: &Path) -> Result<Self, Failure> {
        let wrong = |error: std::io::Error| Failure::new(format!("{}: {error}", path.display()));
        let made = match std::fs::read_dir(path) {
            Ok(mut entries) => {
                if let Some(found) = entries.next() {
                    let found = found.map_err(wrong)?.file_name();
                    return Err(Failure::new(format!(
                        "{} is not empty: it holds {}",
                        path.display(),
                        found.to_string_lossy()
                    ))
                    .hint("init never writes into what is there; name an empty or a new directory"));
                }
                false
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                std::fs::create_dir_all(path).map_err(wrong)?;
                true
            }
            Err(error) => return Err(wrong(error)),
        };
        Ok(Self { path: path.to_owned(), made, kept: std::cell::Cell::new(false) })
    }

    fn keep(&self) {
        self.kept.set(true);
    }
}

impl Drop for Fresh {
    fn drop(&mut self) {
        if self.kept.get() {
            return;
        }
        let mut left = Vec::new();
        for name in [CONFIG_FILE, REGISTRY_FILE, "policies", "data"] {
            let path = self.path.join(name);
            let gone = if path.is_dir() { std::fs::remove_dir_all(&path) } else { std::fs::remove_file(&path) };
            if gone.is_err() && path.exists() {
                left.push(path.display().to_string());
            }
        }
        if self.made && left.is_empty() {
            // Somebody else may have put something there meanwhile: then it stays.
            let _ = std::fs::remove_dir(&self.path);
        }
        if !left.is_empty() {
            eprintln!("counterfoil: could not be removed again: {}", left.join(", "));
        }
    }
}

async fn make(args: &Args, directory: &Fresh, administrator: &Registry) -> Result<Link, Failure> {
    let root = &directory.path;
    let issuer = args.issuer.clone().unwrap_or_else(|| format!("http://localhost:{}", args.listen.port()));
    let quoted = |text: &str| toml::Value::String(text.to_owned()).to_string();
    let database_url = match &args.database_url {
        Some(url) => format!("database_url = {}", quoted(url)),
        None => "# database_url = \"postgres://counterfoil@localhost/counterfoil\"".to_owned(),
    };
    let config = CONFIG
        .replace("{{issuer}}", &quoted(&issuer))
        .replace("{{listen}}", &quoted(&args.listen.to_string()))
        .replace("{{database_url}}", &database_url);
    // The address may hold the database's password.
    let file = root.join(CONFIG_FILE);
    keys::write_private(&file, config.as_bytes()).map_err(|error| at(&file, &error))?;
    write(&root.join(REGISTRY_FILE), REGISTRY.as_bytes())?;
    let pack = starter_pack();
    for (name, bytes) in &pack {
        write(&root.join("policies").join(name), bytes)?;
    }
    write(&root.join("policies/README.md"), PACK_README.as_bytes())?;

    let config = Config::read(&root.join(CONFIG_FILE)).map_err(Failure::new)?;
    let app = start::start(config, &pack, false).await?;
    let link = first_administrator(&app, administrator).await;
    app.store.close().await;
    link
}

async fn first_administrator(app: &App, registry: &Registry) -> Result<Link, Failure> {
    if !app.store.subjects(None, 1).await.map_err(Failure::new)?.is_empty() {
        return Err(Failure::new("the database is not empty: people are in it").hint("give init a database of its own"));
    }
    let Some(person) = registry.people.first() else { return Err(Failure::new("there is no administrator")) };
    let now = app.now();
    let mut tx = Tx::new(now);
    let subject = apply_registry::add(app, &mut tx, person, now);
    let (link, invited) = invite::prepare(app, &mut tx, &subject, Actor::Host {}, now);
    tx.also(invited);
    let kind = EventKind::SubjectCreated { subject: subject.id };
    tx.commit(&app.store, app.event(now, Actor::Host {}, kind)).await.map_err(Failure::new)?;
    Ok(link)
}

fn at(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(format!("{}: {error}", path.display()))
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).map_err(|error| at(parent, &error))?;
    }
    std::fs::write(path, bytes).map_err(|error| at(path, &error))
}

fn report(args: &Args, administrator: &Registry, link: &Link, format: Format) {
    let config = args.directory.join(CONFIG_FILE);
    let username = administrator.people.first().map(Person::username).unwrap_or_default();
    if format == Format::Json {
        let document = json!({
            "config": config,
            "administrator": username,
            "link": link.url,
            "expires_at": link.expires_at,
        });
        println!("{document}");
        return;
    }
    let config = config.display();
    println!("{} is ready.", args.directory.display());
    println!();
    println!("1. Start the server:  counterfoil serve --config {config}");
    println!("2. Open this link in a browser on the device that will hold the administrator's passkey.");
    println!("   It works once, until {}, for {username}:", super::utc(link.expires_at));
    println!();
    println!("   {}", link.url);
    println!();
    println!("3. Say what there is to protect: policies/actions.toml, *.cedar and registry.toml, each with examples;");
    println!("   counterfoil check-config --config {config}  says whether all of it is good.");
    println!();
    println!("Lost the link?  counterfoil admin --config {config} subjects invite {username}");
}
