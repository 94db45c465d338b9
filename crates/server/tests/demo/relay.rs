//! A mail server (RFC 5321), as small as one can be that a sender cannot tell from a large one: STARTTLS with a certificate
//! made for the occasion, AUTH PLAIN under it, and every reply to a recipient as the test says.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use std::{
    collections::VecDeque,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    sync::{Arc, Condvar, Mutex},
    time::Duration,
};

/// How long a mail may take to come; it ends a test that would hang.
const PATIENCE: Duration = Duration::from_secs(90);
/// Who may send here.
pub const USER: &str = "counterfoil";
/// With what.
pub const PASSWORD: &str = "a secret of the relay";

/// A mail as it arrived.
#[derive(Debug, Clone)]
pub struct Mail {
    /// Of the envelope.
    pub to: String,
    /// Head and text as they were sent.
    pub text: String,
}

#[derive(Default)]
struct Seen {
    plain: bool,
    connections: usize,
    refusals: VecDeque<&'static str>,
    mails: Vec<Mail>,
}

/// A running server. It goes on until the test ends.
pub struct Relay {
    port: u16,
    certificate: String,
    seen: Arc<(Mutex<Seen>, Condvar)>,
}

impl Relay {
    /// Starts one that answers the next recipients so, and then takes everybody.
    pub fn start(refusals: &[&'static str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        Self::on(listener, refusals)
    }

    /// One that offers no TLS, as somebody in between would make a server look.
    pub fn without_tls() -> Self {
        Self::begin(TcpListener::bind("127.0.0.1:0").unwrap(), Seen { plain: true, ..Seen::default() })
    }

    /// The same as the first where a socket listens already.
    pub fn on(listener: TcpListener, refusals: &[&'static str]) -> Self {
        Self::begin(listener, Seen { refusals: refusals.iter().copied().collect(), ..Seen::default() })
    }

    fn begin(listener: TcpListener, seen: Seen) -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let chain = vec![CertificateDer::from_pem_slice(made.cert.pem().as_bytes()).unwrap()];
        let key = PrivateKeyDer::from_pem_slice(made.signing_key.serialize_pem().as_bytes()).unwrap();
        let config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).unwrap();
        let (config, port) = (Arc::new(config), listener.local_addr().unwrap().port());
        let seen = Arc::new((Mutex::new(seen), Condvar::new()));
        let relay = Self { port, certificate: made.cert.pem(), seen: Arc::clone(&seen) };
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (config, seen) = (Arc::clone(&config), Arc::clone(&seen));
                // A sender that breaks off is no fault of the test's.
                std::thread::spawn(move || serve(stream, config, &seen));
            }
        });
        relay
    }

    /// The section of the configuration that sends here, with its files in this directory.
    pub fn section(&self, directory: &Path) -> String {
        let (ca, password) = (directory.join("relay.pem"), directory.join("relay.password"));
        std::fs::write(&ca, &self.certificate).unwrap();
        std::fs::write(&password, format!("{PASSWORD}\n")).unwrap();
        std::fs::set_permissions(&password, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        format!(
            "\n[smtp]\nurl = \"smtp://localhost:{}\"\nfrom = \"Counterfoil <id@example.org>\"\nuser = {USER:?}\n\
             password_file = {password:?}\nca = {ca:?}\n",
            self.port
        )
    }

    /// Waits until so many mails have come; all of them.
    pub fn mails(&self, count: usize) -> Vec<Mail> {
        let (seen, came) = &*self.seen;
        let waiting = |seen: &mut Seen| seen.mails.len() < count;
        let (seen, late) = came.wait_timeout_while(seen.lock().unwrap(), PATIENCE, waiting).unwrap();
        assert!(!late.timed_out(), "{count} mails never came: {:?}", seen.mails);
        seen.mails.clone()
    }

    /// How often somebody connected.
    pub fn connections(&self) -> usize {
        self.seen.0.lock().unwrap().connections
    }
}

fn serve(mut stream: TcpStream, config: Arc<ServerConfig>, told: &(Mutex<Seen>, Condvar)) -> std::io::Result<()> {
    told.0.lock().unwrap().connections += 1;
    stream.write_all(b"220 relay\r\n")?;
    if talk(&mut stream, false, told)? {
        let connection = ServerConnection::new(config).map_err(std::io::Error::other)?;
        talk(&mut StreamOwned::new(connection, stream), true, told)?;
    }
    Ok(())
}

/// Answers until the end, or until TLS is to begin.
fn talk(
    stream: &mut (impl Read + Write),
    secure: bool,
    (seen, came): &(Mutex<Seen>, Condvar),
) -> std::io::Result<bool> {
    let (mut known, mut to) = (false, String::new());
    loop {
        let line = line(stream)?;
        let word = line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
        let reply = match word.as_str() {
            "EHLO" if secure => "250-relay\r\n250 AUTH PLAIN",
            "EHLO" if seen.lock().unwrap().plain => "250 relay",
            "EHLO" => "250-relay\r\n250 STARTTLS",
            "STARTTLS" => {
                stream.write_all(b"220 go\r\n")?;
                return Ok(true);
            }
            "AUTH" => {
                let right = STANDARD.encode(format!("\0{USER}\0{PASSWORD}"));
                known = secure && line == format!("AUTH PLAIN {right}");
                if known { "235 welcome" } else { "535 who are you" }
            }
            "NOOP" | "RSET" => "250 ok",
            "QUIT" => {
                stream.write_all(b"221 bye\r\n")?;
                return Ok(false);
            }
            _ if !known => "530 not like this",
            "RCPT" => {
                to = line.split(['<', '>']).nth(1).unwrap_or_default().to_owned();
                seen.lock().unwrap().refusals.pop_front().unwrap_or("250 ok")
            }
            "DATA" => {
                stream.write_all(b"354 go\r\n")?;
                let mut text = String::new();
                loop {
                    match self::line(stream)? {
                        end if end == "." => break,
                        line => text.push_str(&format!("{line}\n")),
                    }
                }
                seen.lock().unwrap().mails.push(Mail { to: std::mem::take(&mut to), text });
                came.notify_all();
                "250 ok"
            }
            _ => "250 ok",
        };
        stream.write_all(format!("{reply}\r\n").as_bytes())?;
        stream.flush()?;
    }
}

/// Byte by byte: what follows may be another protocol's.
fn line(stream: &mut impl Read) -> std::io::Result<String> {
    let (mut line, mut byte) = (Vec::new(), [0]);
    while !line.ends_with(b"\r\n") {
        stream.read_exact(&mut byte)?;
        line.push(byte[0]);
    }
    line.truncate(line.len() - 2);
    String::from_utf8(line).map_err(std::io::Error::other)
}
