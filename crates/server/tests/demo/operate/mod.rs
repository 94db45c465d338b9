//! An installation as an operator makes it: from an empty directory, by files and commands, with the real binary.

mod application;
mod browser;
mod command_line;
mod containment;
mod installation;
mod invitation;
mod mail;
mod passkey;
mod reload;
mod second_application;
mod share;
mod tls;
