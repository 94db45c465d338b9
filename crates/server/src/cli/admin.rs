//! `counterfoil admin`: what the host's operator asks of a running server, over the socket in its data directory.

mod people;
mod registrations;

use super::{Failure, Format, socket::Server};
use clap::{Args as ClapArgs, Subcommand};
use serde_json::Value;

/// What is asked.
#[derive(ClapArgs)]
#[command(after_help = "\
It speaks to the server over the socket in its data directory, so it runs on the server's host, as the server's user.
No policy is asked; every act stands in the log as the host's.

Example, a new person with a link:
  counterfoil admin --config acme/counterfoil.toml subjects add sam --name \"Sam Rivers\" --group warehouse --invite")]
pub struct Args {
    #[command(flatten)]
    server: Server,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// People: who there is, who may come, who may not for now.
    #[command(subcommand)]
    Subjects(people::Subjects),
    /// Groups that policies name, and who is in them.
    #[command(subcommand)]
    Groups(people::Groups),
    /// Roles in Counterfoil itself: administrator, security, help_desk, analyst, auditor.
    #[command(subcommand)]
    Roles(people::Roles),
    /// OAuth clients.
    #[command(subcommand)]
    Clients(registrations::Clients),
    /// Protected APIs.
    #[command(subcommand)]
    Apis(registrations::Apis),
    /// Keys of protected APIs.
    #[command(subcommand)]
    Keys(registrations::Keys),
    /// Things that actions are done to.
    #[command(subcommand)]
    Resources(registrations::Resources),
}

/// Runs the command.
pub fn run(args: Args, format: Format) -> Result<(), Failure> {
    let server = &args.server;
    match args.command {
        Command::Subjects(command) => people::subjects(server, command, format),
        Command::Groups(command) => people::groups(server, command, format),
        Command::Roles(command) => people::roles(server, command, format),
        Command::Clients(command) => registrations::clients(server, command, format),
        Command::Apis(command) => registrations::apis(server, command, format),
        Command::Keys(command) => registrations::keys(server, command, format),
        Command::Resources(command) => registrations::resources(server, command, format),
    }
}

/// A list as a table: a heading and a member for each column.
fn table(reply: &Value, list: &str, columns: &[(&str, &str)]) {
    let rows: Vec<Vec<String>> = reply
        .get(list)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .map(|row| columns.iter().map(|(_, member)| cell(&row[*member], member)).collect())
        .collect();
    if rows.is_empty() {
        println!("no {list} yet");
        return;
    }
    let width = |at: usize| {
        let cells = rows.iter().filter_map(|row| row.get(at)).map(|cell| cell.chars().count());
        cells.chain([columns[at].0.len()]).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..columns.len()).map(width).collect();
    let headings = columns.iter().map(|(heading, _)| (*heading).to_owned()).collect();
    for row in std::iter::once(&headings).chain(&rows) {
        let line: Vec<String> =
            row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}", width = *width)).collect();
        println!("{}", line.join("  ").trim_end());
    }
    if reply.get("more").and_then(Value::as_bool) == Some(true) {
        println!("… and more than can be listed here");
    }
    if let Some(next) = reply.get("next").and_then(Value::as_str) {
        println!("… and more: --after {next}");
    }
}

fn cell(value: &Value, member: &str) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(all) => all.iter().map(|one| cell(one, "")).collect::<Vec<_>>().join(","),
        Value::Object(names) => names.get("en").map(|name| cell(name, "")).unwrap_or_else(|| value.to_string()),
        Value::Number(millis) if member.ends_with("_at") => millis
            .as_i64()
            .map(|millis| super::utc(counterfoil_core::time::Time::from_millis(millis)))
            .unwrap_or_default(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// What an act that may have been done before says.
fn changed(reply: &Value, done: &str, before: &str) {
    let changed = reply.get("changed").and_then(Value::as_bool) == Some(true);
    println!("{}", if changed { done } else { before });
}
