//! Listening: plain or TLS, many connections at once but not endlessly many, an orderly end.
//!
//! Whoever sends slowly, much or nothing is cut off: a head has its time and its bytes, a handshake its time, and bodies
//! theirs (`extract::read`). So is who does not read (`patient`), and who has more connections than a share (`Share`).

mod patient;

use crate::share::Share;
use axum::{Router, body::Body, extract::ConnectInfo};
use counterfoil_core::limits;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use patient::Patient;
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use std::{io, net::SocketAddr, path::Path, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
};
use tokio_rustls::TlsAcceptor;
use tower::Service as _;

/// A handshake that takes longer holds a connection for nothing.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Out of descriptors, most likely: let some close.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// What is under way when the end comes has this long: streams of revocations would go on for ever.
const GRACE: Duration = Duration::from_secs(2);

/// The peer's address.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub SocketAddr);

/// TLS with a certificate chain and a PKCS#8 key in PEM files; TLS 1.2 and 1.3.
pub fn tls(certificate: &Path, key: &Path) -> io::Result<TlsAcceptor> {
    let wrong = |path: &Path, error: &dyn std::fmt::Display| {
        io::Error::new(io::ErrorKind::InvalidData, format!("{}: {error}", path.display()))
    };
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| wrong(certificate, &error))?;
    let private = PrivateKeyDer::from_pem_file(key).map_err(|error| wrong(key, &error))?;
    let config =
        ServerConfig::builder().with_no_client_auth().with_single_cert(chain, private).map_err(|e| wrong(key, &e))?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// Serves until `end` resolves, then finishes what is under way, within bounds.
pub async fn serve(
    listener: TcpListener,
    acceptor: Option<TlsAcceptor>,
    router: Router,
    share: Share,
    end: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let (closing, closed) = watch::channel(());
    let room = Arc::new(Semaphore::new(limits::CONNECTIONS));
    tokio::pin!(end);
    loop {
        // More than there is room for wait in the kernel's queue.
        let permit = tokio::select! {
            permit = Arc::clone(&room).acquire_owned() => permit.map_err(io::Error::other)?,
            () = &mut end => break,
        };
        let (stream, peer) = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            },
            () = &mut end => break,
        };
        // As a socket that hears both versions names an address of the old one, nobody's configuration does.
        let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
        let Some(seat) = share.seat(peer.ip()) else { continue };
        let (acceptor, router, closed) = (acceptor.clone(), router.clone(), closed.clone());
        tokio::spawn(async move {
            connection(stream, acceptor, router, Peer(peer), closed).await;
            drop((permit, seat));
        });
    }
    drop((listener, closed));
    closing.send_replace(());
    // Whoever holds a receiver is a connection that is not done.
    let _ = tokio::time::timeout(GRACE, closing.closed()).await;
    Ok(())
}

async fn connection(
    stream: TcpStream,
    acceptor: Option<TlsAcceptor>,
    router: Router,
    peer: Peer,
    closing: watch::Receiver<()>,
) {
    // Replies are small and whole: waiting to fill a packet only makes them late.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection that was gone at once");
        return;
    }
    let stream = Patient::new(stream);
    match acceptor {
        None => talk(stream, router, peer, closing).await,
        // In this connection's own task, so that one slow client does not hold up the next.
        Some(acceptor) => match tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await {
            Ok(Ok(stream)) => talk(stream, router, peer, closing).await,
            Ok(Err(error)) => tracing::debug!(%error, "a handshake failed"),
            Err(_) => tracing::debug!("a handshake took too long"),
        },
    }
}

/// Answers the requests of one connection, one after the other.
async fn talk(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    router: Router,
    peer: Peer,
    mut closing: watch::Receiver<()>,
) {
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(peer));
        router.clone().call(request)
    });
    let conversation = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(limits::HEAD_SECONDS))
        .max_headers(limits::HEADERS)
        .max_buf_size(limits::HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(conversation);
    let done = tokio::select! {
        done = conversation.as_mut() => done,
        _ = closing.changed() => {
            conversation.as_mut().graceful_shutdown();
            conversation.await
        }
    };
    if let Err(error) = done {
        tracing::debug!(%error, "a connection ended early");
    }
}
