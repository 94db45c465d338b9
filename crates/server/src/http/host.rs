//! What the host's operator asks over the UNIX socket in the data directory (DESIGN §4): no policy is asked, every act is
//! logged as the host's. Whoever may open the socket holds the files, and could do more than this with them.

pub mod containments;
pub mod keys;
pub mod registrations;
pub mod subjects;

use crate::{
    app::App,
    problem::{Kind, Problem},
    registry::Registry,
};
use axum::{
    extract::{ConnectInfo, Request, connect_info::Connected},
    middleware::Next,
    response::{IntoResponse, Response},
    serve::IncomingStream,
};
use counterfoil_core::subject::Subject;
use tokio::net::UnixListener;

/// Who connected, as the kernel says it.
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    uid: Option<u32>,
}

impl Connected<IncomingStream<'_, UnixListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, UnixListener>) -> Self {
        Self { uid: stream.io().peer_cred().ok().map(|peer| peer.uid()) }
    }
}

/// The directory and the socket's mode keep others out; this is the third lock, for a directory that somebody opened.
pub async fn only_the_operator(ConnectInfo(peer): ConnectInfo<Peer>, request: Request, next: Next) -> Response {
    let own = rustix::process::geteuid();
    if peer.uid == Some(own.as_raw()) || peer.uid == Some(0) {
        next.run(request).await
    } else {
        tracing::warn!(uid = ?peer.uid, "somebody else opened the operator's socket");
        Problem::new(Kind::FORBIDDEN).into_response()
    }
}

/// The person of this user name or `sub`.
async fn who(app: &App, text: &str) -> Result<Subject, Problem> {
    let found = match text.parse() {
        Ok(id) => app.store.subject(id).await?,
        Err(_) => app.store.subject_by_username(&text.trim().to_lowercase()).await?,
    };
    found.ok_or_else(|| {
        Problem::new(Kind::NOT_FOUND)
            .detail(format!("nobody is called {text}"))
            .with("hint", "counterfoil admin subjects list shows who there is")
    })
}

/// What will not last, because the registry file says something else about this: said now, not found out later.
fn named_by_file(app: &App, names: impl Fn(&Registry) -> bool) -> Option<String> {
    let file = app.config.registry.as_ref()?;
    let registry = Registry::read(file).ok()?;
    names(&registry)
        .then(|| format!("{} names this too, and holds again when it is next read; change it there", file.display()))
}
