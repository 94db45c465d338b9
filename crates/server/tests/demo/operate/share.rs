//! What one address may have is an operator's to say: connections at once, and sessions that begin.

use super::{browser::Browser, installation::Installation};
use crate::harness::Reply;
use serde_json::json;
use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
};

fn running(more: &str) -> Installation {
    let mut at = Installation::init(&[]);
    let config = std::fs::read_to_string(at.root().join("counterfoil.toml")).unwrap();
    at.write("counterfoil.toml", &format!("{more}\n{config}"));
    at.start();
    at
}

fn connect(at: &Installation) -> TcpStream {
    TcpStream::connect(("127.0.0.1", at.port())).unwrap()
}

/// Asks on a connection that stays open: whether there was an answer.
fn answers(stream: &mut TcpStream) -> bool {
    // What was closed may say so already here.
    let _ = stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n");
    let mut reply = Vec::new();
    let mut byte = [0];
    while !reply.ends_with(b"\r\n\r\n") {
        if stream.read_exact(&mut byte).is_err() {
            return false;
        }
        reply.push(byte[0]);
    }
    let head = String::from_utf8(reply).unwrap().to_ascii_lowercase();
    let length = head.split_once("content-length: ").unwrap().1.split_once('\r').unwrap().0;
    let mut body = vec![0; length.parse().unwrap()];
    stream.read_exact(&mut body).is_ok() && head.starts_with("http/1.1 200")
}

#[test]
fn an_address_has_its_share_of_connections_and_what_it_closes_it_may_open_again() {
    let at = running("connections_per_address = 3");
    let mut held: Vec<TcpStream> = (0..3).map(|_| connect(&at)).collect();
    assert!(held.iter_mut().all(answers));
    assert!(!answers(&mut connect(&at)), "the fourth is closed");
    at.wait_for("all that it may have");
    held.pop();
    // The server learns of the end a moment later.
    assert!((0..1_000).any(|_| answers(&mut connect(&at))));
    assert!(held.iter_mut().all(answers));
}

#[test]
fn a_proxy_that_is_trusted_may_have_all_connections() {
    let at = running("connections_per_address = 1\ntrusted_proxies = [\"127.0.0.1\"]");
    let mut held: Vec<TcpStream> = (0..4).map(|_| connect(&at)).collect();
    assert!(held.iter_mut().all(answers));
}

#[test]
fn from_one_address_only_so_many_sessions_begin_within_a_minute() {
    let at = running("sessions_per_address = 2");
    let mut first = Browser::new(&at);
    Browser::new(&at);
    let third: Reply = Browser::refused(&at);
    assert_eq!((third.status, &third.json()["code"]), (429, &json!("crowded")));
    assert_eq!(third.headers["retry-after"], "60");
    // Whoever is there is none the worse.
    assert_eq!(first.post("/sign-in", &json!({})).status, 200);
}
