//! Many requests at one moment: each is sent but for its last byte, then all last bytes go out together.

use crate::{
    contract,
    harness::{Reply, read},
};
use std::{io::Write as _, net::TcpStream};

/// How many at once.
pub const SHOTS: usize = 64;

/// One request, and the port of the node that gets it.
pub struct Shot {
    /// The node.
    pub port: u16,
    /// The whole request.
    pub bytes: Vec<u8>,
}

/// Fires. The replies, in the order of the shots.
pub fn volley(shots: &[Shot]) -> Vec<Reply> {
    let mut streams = Vec::with_capacity(shots.len());
    for shot in shots {
        let mut stream = TcpStream::connect(("127.0.0.1", shot.port)).unwrap();
        stream.set_nodelay(true).unwrap();
        let (_, first) = shot.bytes.split_last().unwrap();
        stream.write_all(first).unwrap();
        streams.push(stream);
    }
    for (stream, shot) in streams.iter_mut().zip(shots) {
        stream.write_all(&shot.bytes[shot.bytes.len() - 1..]).unwrap();
    }
    let replies: Vec<Reply> = streams.into_iter().map(|stream| read(stream).unwrap()).collect();
    for (shot, reply) in shots.iter().zip(&replies) {
        contract::check(&shot.bytes, reply);
    }
    replies
}

/// How many replies have each status and code.
pub fn tally(replies: &[Reply]) -> std::collections::BTreeMap<String, usize> {
    let mut counts = std::collections::BTreeMap::new();
    for reply in replies {
        let body: serde_json::Value = serde_json::from_str(&reply.body).unwrap_or_default();
        let code = body["code"].as_str().or_else(|| body["error"].as_str()).unwrap_or_default();
        *counts.entry(format!("{} {code}", reply.status).trim_end().to_owned()).or_insert(0) += 1;
    }
    counts
}
