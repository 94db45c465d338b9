//! `counterfoil admin subjects`, `groups` and `roles`.

use super::{changed, table};
use crate::cli::{
    Failure, Format,
    socket::{self, Server},
};
use clap::{Args as ClapArgs, Subcommand};
use serde_json::{Value, json};

/// What is asked about people.
#[derive(Subcommand)]
pub enum Subjects {
    /// Lists people with their state, roles, groups and ways to sign in.
    List {
        /// Goes on after this `sub`.
        #[arg(long, value_name = "SUB")]
        after: Option<String>,
    },
    /// Adds a person.
    #[command(
        after_help = "Example:\n  counterfoil admin subjects add sam --name \"Sam Rivers\" --mail sam@example.org --invite"
    )]
    Add(Person),
    /// Makes a link, good once and for 24 hours, by which a person makes their first passkey. Earlier links end. A passkey
    /// that codes have bound and that never confirmed anything is disowned, and what came of it is cut off.
    #[command(
        after_help = "Hand the link over in person or over a channel that you trust: whoever opens it first has it.\n\
        Example:\n  counterfoil admin subjects invite sam"
    )]
    Invite {
        /// User name or `sub`.
        who: String,
    },
    /// A person may do nothing for now; their sessions and tokens end at once.
    #[command(after_help = "Example:\n  counterfoil admin subjects suspend sam")]
    Suspend {
        /// User name or `sub`.
        who: String,
    },
    /// A suspended person may act again, and signs in anew.
    Resume {
        /// User name or `sub`.
        who: String,
    },
}

/// A new person.
#[derive(ClapArgs)]
pub struct Person {
    /// User name.
    username: String,
    /// What pages call them; the user name without it.
    #[arg(long)]
    name: Option<String>,
    /// Where they are told what happens to their account; may be given several times.
    #[arg(long, value_name = "MAIL")]
    mail: Vec<String>,
    /// Their language: en or de.
    #[arg(long, default_value = "en")]
    lang: String,
    /// A group; may be given several times.
    #[arg(long, value_name = "GROUP")]
    group: Vec<String>,
    /// A role; may be given several times.
    #[arg(long, value_name = "ROLE")]
    role: Vec<String>,
    /// Make a link at once.
    #[arg(long)]
    invite: bool,
}

/// What is asked about groups.
#[derive(Subcommand)]
pub enum Groups {
    /// Lists groups.
    List,
    /// Adds a group.
    #[command(
        after_help = "Example:\n  counterfoil admin groups add warehouse --description \"Those who order stock\""
    )]
    Add {
        /// Its name, as policies write it.
        name: String,
        /// What it is for.
        #[arg(long, default_value = "")]
        description: String,
        /// Also if it is there.
        #[arg(long)]
        replace: bool,
    },
    /// Puts a person into a group.
    #[command(after_help = "Example:\n  counterfoil admin groups join warehouse sam")]
    Join {
        /// The group.
        group: String,
        /// User name or `sub`.
        who: String,
    },
    /// Takes a person out of a group.
    Leave {
        /// The group.
        group: String,
        /// User name or `sub`.
        who: String,
    },
}

/// What is asked about roles.
#[derive(Subcommand)]
pub enum Roles {
    /// Gives a person a role.
    #[command(after_help = "Example:\n  counterfoil admin roles grant analyst sam")]
    Grant {
        /// administrator, security, help_desk, analyst or auditor.
        role: String,
        /// User name or `sub`.
        who: String,
    },
    /// Takes a role away.
    Revoke {
        /// The role.
        role: String,
        /// User name or `sub`.
        who: String,
    },
}

/// People.
pub fn subjects(server: &Server, command: Subjects, format: Format) -> Result<(), Failure> {
    let act = |path: &str, who: &str, done: &str, before: &str| {
        let reply = server.ask("POST", path, Some(&json!({"who": who})))?;
        socket::print(format, &reply, |reply| changed(reply, done, before));
        Ok(())
    };
    match command {
        Subjects::List { after } => {
            let path = after.map_or_else(|| "/subjects".to_owned(), |after| format!("/subjects?after={after}"));
            let reply = server.ask("GET", &path, None)?;
            let columns = [
                ("user name", "username"),
                ("name", "name"),
                ("state", "state"),
                ("roles", "roles"),
                ("groups", "groups"),
                ("signs in by", "authenticators"),
                ("sub", "sub"),
            ];
            socket::print(format, &reply, |reply| table(reply, "subjects", &columns));
            Ok(())
        }
        Subjects::Add(person) => {
            let body = json!({
                "person": {
                    "username": person.username,
                    "name": person.name.unwrap_or_else(|| person.username.clone()),
                    "lang": person.lang,
                    "mail": person.mail,
                    "groups": person.group,
                    "roles": person.role,
                },
                "invite": person.invite,
            });
            let reply = server.ask("POST", "/subjects", Some(&body))?;
            socket::print(format, &reply, |reply| {
                println!("added {}, sub {}", text(reply, "username"), text(reply, "sub"));
                if reply.get("link").is_some_and(Value::is_string) {
                    print_link(reply);
                } else {
                    println!("they cannot sign in yet: counterfoil admin subjects invite {}", text(reply, "username"));
                }
            });
            Ok(())
        }
        Subjects::Invite { who } => {
            let reply = server.ask("POST", "/subjects/invite", Some(&json!({"who": who})))?;
            socket::print(format, &reply, print_link);
            Ok(())
        }
        Subjects::Suspend { who } => {
            act("/subjects/suspend", &who, "suspended; what they had open has ended", "they were suspended before")
        }
        Subjects::Resume { who } => {
            act("/subjects/resume", &who, "they may act again, and sign in anew", "they were not suspended")
        }
    }
}

fn text<'a>(reply: &'a Value, member: &str) -> &'a str {
    reply.get(member).and_then(Value::as_str).unwrap_or_default()
}

fn print_link(reply: &Value) {
    let until = reply.get("expires_at").and_then(Value::as_i64).map(counterfoil_core::time::Time::from_millis);
    let until = until.map(crate::cli::utc).unwrap_or_default();
    if reply.get("disowned").and_then(Value::as_u64).is_some_and(|disowned| disowned > 0) {
        println!("a passkey that codes had bound is disowned, and what came of it is cut off");
    }
    println!("for {}, once, until {until}:", text(reply, "username"));
    println!("{}", text(reply, "link"));
}

/// Groups.
pub fn groups(server: &Server, command: Groups, format: Format) -> Result<(), Failure> {
    match command {
        Groups::List => {
            let reply = server.ask("GET", "/groups", None)?;
            let columns = [("group", "name"), ("what for", "description")];
            socket::print(format, &reply, |reply| table(reply, "groups", &columns));
            Ok(())
        }
        Groups::Add { name, description, replace } => {
            let body = json!({"entry": {"name": name, "description": description}, "replace": replace});
            let reply = server.ask("POST", "/groups", Some(&body))?;
            socket::print(format, &reply, |reply| changed(reply, "added", "it was there, as you say"));
            Ok(())
        }
        Groups::Join { group, who } => {
            let body = json!({"who": who, "group": group});
            access(server, "/subjects/grant", &body, format, "joined", "they were in it before")
        }
        Groups::Leave { group, who } => {
            let body = json!({"who": who, "group": group});
            access(server, "/subjects/revoke", &body, format, "left", "they were not in it")
        }
    }
}

/// Roles.
pub fn roles(server: &Server, command: Roles, format: Format) -> Result<(), Failure> {
    match command {
        Roles::Grant { role, who } => {
            let body = json!({"who": who, "role": role});
            access(server, "/subjects/grant", &body, format, "granted", "they had it before")
        }
        Roles::Revoke { role, who } => {
            let body = json!({"who": who, "role": role});
            access(server, "/subjects/revoke", &body, format, "revoked", "they did not have it")
        }
    }
}

fn access(server: &Server, path: &str, body: &Value, format: Format, done: &str, before: &str) -> Result<(), Failure> {
    let reply = server.ask("POST", path, Some(body))?;
    socket::print(format, &reply, |reply| changed(reply, done, before));
    Ok(())
}
