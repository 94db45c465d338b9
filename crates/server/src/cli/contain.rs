//! `counterfoil contain`: everything that came out of one sign-in is cut, in one act.

use super::{
    Failure, Format,
    socket::{self, Server},
};
use clap::Args as ClapArgs;
use counterfoil_core::id::{AuthenticatorId, LoginId, SessionId, TokenId};
use serde_json::{Value, json};

/// What was found.
#[derive(ClapArgs)]
#[command(after_help = "\
What is cut: the login's session, its tokens and codes, the passkeys and addresses that it bound, and every later login
made with those, and so on. What is older, and everybody else, stays as it is. Guards and nodes know within a second.

Example, with `lineage` from a token that was seen elsewhere, on the server's host:
  counterfoil contain --config acme/counterfoil.toml --login 0195f1c2-7c1e-7b52-9a4c-3a1f0c9d2e41")]
pub struct Args {
    #[command(flatten)]
    server: Server,
    #[command(flatten)]
    found: Found,
}

#[derive(ClapArgs)]
#[group(required = true, multiple = false)]
struct Found {
    /// A login: `lineage` in its tokens.
    #[arg(long, value_name = "ID")]
    login: Option<LoginId>,
    /// A session, also one that is over: the login behind it.
    #[arg(long, value_name = "ID")]
    session: Option<SessionId>,
    /// An access token's `jti`: the login that it came from.
    #[arg(long, value_name = "JTI")]
    token: Option<TokenId>,
    /// An authenticator, with every login that was made with it.
    #[arg(long, value_name = "ID")]
    authenticator: Option<AuthenticatorId>,
    /// Not built: a client is removed, with what it holds, by `counterfoil admin clients remove`.
    #[arg(long, value_name = "ID")]
    client: Option<String>,
    /// Not built yet.
    #[arg(long, value_name = "ID", hide = true)]
    address: Option<String>,
    /// Not built yet.
    #[arg(long, value_name = "VALUE", hide = true)]
    leaked: Option<String>,
}

/// Asks the server to.
pub fn run(args: Args, format: Format) -> Result<(), Failure> {
    let found = args.found;
    if found.client.is_some() {
        return Err(Failure::new("containing a client is not built yet: nothing was cut")
            .hint("counterfoil admin clients remove ID takes it out and revokes its tokens"));
    }
    if found.address.is_some() || found.leaked.is_some() {
        return Err(Failure::new("containing an address or a leaked value is not built yet: nothing was cut")
            .hint("counterfoil contain --login, --session, --token or --authenticator"));
    }
    let body = json!({
        "login": found.login,
        "session": found.session,
        "token": found.token,
        "authenticator": found.authenticator,
    });
    let cut = args.server.ask("POST", "/containments", Some(&body))?;
    socket::print(format, &cut, |cut| {
        let all = ["logins", "sessions", "authenticators", "addresses"];
        let listed = |name: &str| cut.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
        if all.iter().all(|name| listed(name).is_empty()) {
            println!("all of it was cut before");
        }
        for name in all {
            for id in listed(name) {
                println!(
                    "{:<14} {}",
                    match name {
                        "addresses" => "address",
                        other => other.trim_end_matches('s'),
                    },
                    id.as_str().unwrap_or_default()
                );
            }
        }
    });
    Ok(())
}
