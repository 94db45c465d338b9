//! `serve` ends TLS itself when it is configured.

use super::installation::{Installation, parse};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, pki_types::pem::PemObject as _};
use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    sync::Arc,
};

#[test]
fn serve_speaks_tls_with_the_certificate_that_is_configured_and_nothing_else() {
    let mut at = Installation::init(&["--issuer", "https://localhost"]);
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    at.write("tls/chain.pem", &made.cert.pem());
    at.write("tls/key.pem", &made.signing_key.serialize_pem());
    let config = std::fs::read_to_string(at.root().join("counterfoil.toml")).unwrap();
    let tls = "\n[tls]\ncertificate = \"tls/chain.pem\"\nkey = \"tls/key.pem\"\n";
    at.write("counterfoil.toml", &format!("{config}{tls}"));
    at.start();

    let mut roots = RootCertStore::empty();
    let certificate = rustls::pki_types::CertificateDer::from_pem_slice(made.cert.pem().as_bytes()).unwrap();
    roots.add(certificate).unwrap();
    let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let client = ClientConnection::new(Arc::new(config), "localhost".try_into().unwrap()).unwrap();
    let mut stream = StreamOwned::new(client, TcpStream::connect(("127.0.0.1", at.port())).unwrap());
    stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").unwrap();
    let mut reply = Vec::new();
    // A server that closes without saying so is an error here, and the reply is whole all the same.
    let _ = stream.read_to_end(&mut reply);
    assert_eq!(parse(&String::from_utf8(reply).unwrap()).status, 200);

    let mut plain = TcpStream::connect(("127.0.0.1", at.port())).unwrap();
    plain.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
    let mut reply = Vec::new();
    let _ = plain.read_to_end(&mut reply);
    assert!(!reply.starts_with(b"HTTP/"), "plain HTTP gets no answer");
}
