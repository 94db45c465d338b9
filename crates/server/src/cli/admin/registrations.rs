//! `counterfoil admin clients`, `apis`, `keys` and `resources`.

use super::{changed, table};
use crate::cli::{
    Failure, Format,
    socket::{self, Server},
};
use clap::{Args as ClapArgs, Subcommand};
use counterfoil_core::limits;
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};

/// What is asked about clients.
#[derive(Subcommand)]
pub enum Clients {
    /// Lists clients.
    List,
    /// Registers a client that proves itself with its private key (private_key_jwt).
    #[command(after_help = "\
Example:
  counterfoil admin clients add stock --name Stock --jwks stock.jwks.json --redirect-uri https://stock.example.org/callback \\
    --audience https://stock.example.org/api --scope openid --transaction stock_order")]
    Add(Client),
    /// Takes a client out; its tokens are revoked at once.
    #[command(after_help = "Example:\n  counterfoil admin clients remove stock")]
    Remove {
        /// Its `client_id`.
        client_id: String,
    },
}

/// A client.
#[derive(ClapArgs)]
pub struct Client {
    /// Its `client_id`.
    client_id: String,
    /// What pages call it.
    #[arg(long)]
    name: String,
    /// What German pages call it.
    #[arg(long, value_name = "NAME")]
    name_de: Option<String>,
    /// A JWK set with its public keys.
    #[arg(long, value_name = "FILE")]
    jwks: PathBuf,
    /// Where codes may go, exactly; may be given several times.
    #[arg(long, value_name = "URI")]
    redirect_uri: Vec<String>,
    /// authorization_code (for people, the default) or client_credentials (for itself); may be given several times.
    #[arg(long, value_name = "GRANT")]
    grant: Vec<String>,
    /// An API that its tokens may be for; may be given several times.
    #[arg(long, value_name = "URI")]
    audience: Vec<String>,
    /// A scope; may be given several times.
    #[arg(long)]
    scope: Vec<String>,
    /// A transaction type that it may carry; may be given several times.
    #[arg(long, value_name = "TYPE")]
    transaction: Vec<String>,
    /// Also if it is there.
    #[arg(long)]
    replace: bool,
}

/// What is asked about APIs.
#[derive(Subcommand)]
pub enum Apis {
    /// Lists protected APIs.
    List,
    /// Registers a protected API.
    #[command(after_help = "Example:\n  counterfoil admin apis add https://stock.example.org/api --name Stock")]
    Add {
        /// Its audience, a URI.
        audience: String,
        /// What pages call it.
        #[arg(long)]
        name: String,
        /// What German pages call it.
        #[arg(long, value_name = "NAME")]
        name_de: Option<String>,
        /// The client that it is, when it authenticates with a token of its own instead of a key.
        #[arg(long, value_name = "ID")]
        client_id: Option<String>,
        /// Also if it is there.
        #[arg(long)]
        replace: bool,
    },
}

/// What is asked about keys.
#[derive(Subcommand)]
pub enum Keys {
    /// Lists keys, without the keys.
    List,
    /// Issues a key. It is shown once: only a hash of it is kept.
    #[command(after_help = "Example:\n  counterfoil admin keys issue --api https://stock.example.org/api --days 30")]
    Issue {
        /// The API's audience.
        #[arg(long, value_name = "URI")]
        api: String,
        /// evaluate, redeem, reasons; may be given several times. Without: evaluate and redeem.
        #[arg(long)]
        scope: Vec<String>,
        /// How long it is good.
        #[arg(long, default_value_t = limits::API_KEY_DAYS)]
        days: i64,
    },
    /// Revokes a key, at once.
    Revoke {
        /// Its identifier, as the list shows it.
        id: String,
    },
}

/// What is asked about resources.
#[derive(Subcommand)]
pub enum Resources {
    /// Lists registered resources; of others, their type's defaults hold.
    List,
    /// Registers a resource.
    #[command(
        after_help = "Example:\n  counterfoil admin resources add depot north --sensitivity high --attribute frozen=true"
    )]
    Add {
        /// Its type, as actions.toml declares it.
        r#type: String,
        /// Its identifier.
        id: String,
        /// low, moderate, high or critical: what it is worth, where that is more than its type says.
        #[arg(long)]
        sensitivity: Option<String>,
        /// An attribute that the type declares, NAME=JSON; may be given several times.
        #[arg(long, value_name = "NAME=JSON")]
        attribute: Vec<String>,
        /// Also if it is there.
        #[arg(long)]
        replace: bool,
    },
}

fn names(en: String, de: Option<String>) -> Value {
    let mut names = Map::from_iter([("en".to_owned(), json!(en))]);
    if let Some(de) = de {
        names.insert("de".to_owned(), json!(de));
    }
    Value::Object(names)
}

fn read_jwks(file: &Path) -> Result<Value, Failure> {
    let wrong = |error: &dyn std::fmt::Display| Failure::new(format!("{}: {error}", file.display()));
    let bytes = std::fs::metadata(file).map_err(|error| wrong(&error))?.len();
    if bytes > limits::BODY_BYTES as u64 {
        return Err(wrong(&"too large for a JWK set"));
    }
    let text = std::fs::read_to_string(file).map_err(|error| wrong(&error))?;
    let jwks: Value = serde_json::from_str(&text).map_err(|error| wrong(&error))?;
    let private = jwks.get("keys").and_then(Value::as_array).into_iter().flatten().any(|key| key.get("d").is_some());
    if private || jwks.get("d").is_some() {
        return Err(wrong(&"holds a private key").hint("give the public part: the members without \"d\""));
    }
    // One key alone is as good as a set of one.
    Ok(if jwks.get("keys").is_none() && jwks.get("kty").is_some() { json!({"keys": [jwks]}) } else { jwks })
}

fn add(server: &Server, path: &str, entry: &Value, replace: bool, format: Format) -> Result<(), Failure> {
    let reply = server.ask("POST", path, Some(&json!({"entry": entry, "replace": replace})))?;
    socket::print(format, &reply, |reply| changed(reply, "registered", "it was registered, as you say"));
    Ok(())
}

fn list(server: &Server, path: &str, name: &str, columns: &[(&str, &str)], format: Format) -> Result<(), Failure> {
    let reply = server.ask("GET", path, None)?;
    socket::print(format, &reply, |reply| table(reply, name, columns));
    Ok(())
}

/// Clients.
pub fn clients(server: &Server, command: Clients, format: Format) -> Result<(), Failure> {
    match command {
        Clients::List => {
            let columns = [
                ("client", "client_id"),
                ("name", "names"),
                ("grants", "grant_types"),
                ("tokens for", "audiences"),
                ("transactions", "authorization_details_types"),
                ("keys", "keys"),
            ];
            list(server, "/clients", "clients", &columns, format)
        }
        Clients::Add(client) => {
            let grants =
                if client.grant.is_empty() { vec!["authorization_code".to_owned()] } else { client.grant.clone() };
            let entry = json!({
                "client_id": client.client_id,
                "name": names(client.name, client.name_de),
                "redirect_uris": client.redirect_uri,
                "jwks": read_jwks(&client.jwks)?,
                "grant_types": grants,
                "audiences": client.audience,
                "scopes": client.scope,
                "authorization_details_types": client.transaction,
            });
            add(server, "/clients", &entry, client.replace, format)
        }
        Clients::Remove { client_id } => {
            let reply = server.ask("POST", "/clients/remove", Some(&json!({"client_id": client_id})))?;
            socket::print(format, &reply, |reply| println!("removed; tokens revoked: {}", reply["tokens_revoked"]));
            Ok(())
        }
    }
}

/// APIs.
pub fn apis(server: &Server, command: Apis, format: Format) -> Result<(), Failure> {
    match command {
        Apis::List => {
            let columns = [("api", "audience"), ("name", "names"), ("client", "client_id")];
            list(server, "/apis", "apis", &columns, format)
        }
        Apis::Add { audience, name, name_de, client_id, replace } => {
            let entry = json!({"audience": audience, "name": names(name, name_de), "client_id": client_id});
            add(server, "/apis", &entry, replace, format)
        }
    }
}

/// Keys.
pub fn keys(server: &Server, command: Keys, format: Format) -> Result<(), Failure> {
    match command {
        Keys::List => {
            let columns =
                [("key", "id"), ("api", "api"), ("scopes", "scopes"), ("state", "state"), ("until", "expires_at")];
            list(server, "/keys", "keys", &columns, format)
        }
        Keys::Issue { api, scope, days } => {
            let reply = server.ask("POST", "/keys", Some(&json!({"api": api, "scopes": scope, "days": days})))?;
            socket::print(format, &reply, |reply| {
                println!("{}", reply["key"].as_str().unwrap_or_default());
                let until = reply["expires_at"].as_i64().map(counterfoil_core::time::Time::from_millis);
                let until = until.map(crate::cli::utc).unwrap_or_default();
                eprintln!("key {}, until {until}; it is not shown again", reply["id"].as_str().unwrap_or_default());
            });
            Ok(())
        }
        Keys::Revoke { id } => {
            let reply = server.ask("POST", "/keys/revoke", Some(&json!({"id": id})))?;
            socket::print(format, &reply, |reply| changed(reply, "revoked", "it was revoked before"));
            Ok(())
        }
    }
}

/// Resources.
pub fn resources(server: &Server, command: Resources, format: Format) -> Result<(), Failure> {
    match command {
        Resources::List => {
            let columns =
                [("type", "type"), ("id", "id"), ("sensitivity", "sensitivity"), ("attributes", "attributes")];
            list(server, "/resources", "resources", &columns, format)
        }
        Resources::Add { r#type, id, sensitivity, attribute, replace } => {
            let mut attributes = Map::new();
            for pair in attribute {
                let (name, json) = pair.split_once('=').ok_or_else(|| {
                    Failure::new(format!("{pair}: an attribute reads NAME=JSON"))
                        .hint("text in JSON has quotes: name='\"North\"'")
                })?;
                let value = serde_json::from_str(json).map_err(|error| {
                    Failure::new(format!("{pair}: {error}")).hint("text in JSON has quotes: name='\"North\"'")
                })?;
                attributes.insert(name.to_owned(), value);
            }
            let entry = json!({"type": r#type, "id": id, "sensitivity": sensitivity, "attributes": attributes});
            add(server, "/resources", &entry, replace, format)
        }
    }
}
