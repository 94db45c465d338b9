//! Runs other programs: says what it runs, and turns a bad end into a sentence.

use crate::failure::{Failure, Outcome};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The cargo that runs us, so that one toolchain does everything.
pub fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(crate::workspace::root()).stdin(Stdio::null());
    command
}

/// Prints the command and runs it with its output shown; anything but success is a failure.
pub fn run(command: &mut Command) -> Outcome {
    println!("$ {}", shown(command));
    let status = command.stdin(Stdio::null()).status().map_err(|error| cannot_start(command, &error))?;
    if status.success() { Ok(()) } else { Err(Failure::new(format!("`{}` ended with {status}", shown(command)))) }
}

/// Runs quietly and returns standard output; standard error becomes part of the failure.
pub fn output(command: &mut Command) -> Result<String, Failure> {
    let output = command.stdin(Stdio::null()).output().map_err(|error| cannot_start(command, &error))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(Failure::new(format!("`{}` ended with {}\n{}", shown(command), output.status, said.trim_end())))
}

/// The command as a person would type it, without quoting.
pub fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or(command.get_program());
    let mut text = program.to_string_lossy().into_owned();
    for argument in command.get_args() {
        text.push(' ');
        text.push_str(&argument.to_string_lossy());
    }
    text
}

/// The first of `names` that stands in a directory of `PATH` or of `more`.
pub fn find_program(names: &[&str], more: &[PathBuf]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let directories: Vec<PathBuf> = std::env::split_paths(&path).chain(more.iter().cloned()).collect();
    names.iter().find_map(|name| directories.iter().map(|dir| dir.join(name)).find(|file| file.is_file()))
}

fn cannot_start(command: &Command, error: &std::io::Error) -> Failure {
    Failure::new(format!("`{}` could not be started: {error}", shown(command)))
}
