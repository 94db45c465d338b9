//! Speaking to a server of this host over the UNIX socket in its data directory, and offering that socket.

use super::{Failure, Format};
use crate::{app::App, config::Config, http};
use clap::Args as ClapArgs;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{Request, StatusCode, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};
use tokio::net::{UnixListener, UnixStream};

/// The socket in the data directory.
pub const SOCKET_FILE: &str = "admin.sock";
/// A reply that is longer is none of ours.
const REPLY_BYTES: usize = 16 * 1024 * 1024;

/// Which server.
#[derive(ClapArgs)]
pub struct Server {
    /// Its configuration file.
    #[arg(long, value_name = "FILE", default_value = "counterfoil.toml", global = true)]
    config: PathBuf,
    /// Its data directory, instead of its configuration file (a demo has none).
    #[arg(long, value_name = "DIR", global = true)]
    data: Option<PathBuf>,
}

impl Server {
    fn socket(&self) -> Result<PathBuf, Failure> {
        if let Some(data) = &self.data {
            return Ok(data.join(SOCKET_FILE));
        }
        let config = Config::read(&self.config).map_err(|error| {
            Failure::new(error).hint("name the server's file with --config FILE, or its directory with --data DIR")
        })?;
        Ok(config.data.join(SOCKET_FILE))
    }

    /// Asks; the reply's document, or the refusal with what would help.
    pub fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value, Failure> {
        let socket = self.socket()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::new)?;
        let (status, reply) = runtime.block_on(exchange(&socket, method, path, body))?;
        if status.is_success() {
            return Ok(reply);
        }
        let said = |name: &str| reply.get(name).and_then(Value::as_str).map(str::to_owned);
        let reason =
            said("detail").or_else(|| said("title")).unwrap_or_else(|| format!("the server answered {status}"));
        let failure = Failure::new(reason);
        Err(match said("hint") {
            Some(hint) => failure.hint(hint),
            None => failure,
        })
    }
}

async fn exchange(
    socket: &Path,
    method: &str,
    path: &str,
    body: Option<&Value>,
) -> Result<(StatusCode, Value), Failure> {
    let stream = UnixStream::connect(socket).await.map_err(|error| {
        let hint = match error.kind() {
            std::io::ErrorKind::PermissionDenied => "run this as the user that runs the server",
            _ => "the server of this directory has to run: counterfoil serve --config FILE",
        };
        Failure::new(format!("{}: {error}", socket.display())).hint(hint)
    })?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(Failure::new)?;
    let task = tokio::spawn(connection);
    let text = body.map(Value::to_string).unwrap_or_default();
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, "localhost")
        .header(header::CONTENT_TYPE, "application/json")
        .body(Full::new(bytes::Bytes::from(text)))
        .map_err(Failure::new)?;
    let reply = sender.send_request(request).await.map_err(Failure::new)?;
    let status = reply.status();
    let bytes = Limited::new(reply.into_body(), REPLY_BYTES).collect().await.map_err(Failure::new)?.to_bytes();
    drop(sender);
    // The connection ends with its sender; what it says then is of no interest.
    let _ = task.await;
    Ok((status, serde_json::from_slice(&bytes).unwrap_or_default()))
}

/// Prints a reply as it is, for programs.
pub fn print(format: Format, reply: &Value, text: impl FnOnce(&Value)) {
    match format {
        Format::Json => println!("{reply}"),
        Format::Text => {
            text(reply);
            if let Some(note) = reply.get("note").and_then(Value::as_str) {
                println!("note: {note}");
            }
        }
    }
}

/// The socket of a running server; its file goes with the value.
pub struct Offered {
    path: PathBuf,
}

impl Drop for Offered {
    fn drop(&mut self) {
        // Somebody may have removed it already.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Another server that answers there is a reason not to start: two would write one file.
pub async fn require_alone(data: &Path) -> Result<(), Failure> {
    if UnixStream::connect(data.join(SOCKET_FILE)).await.is_ok() {
        return Err(Failure::new(format!("another server runs with {}", data.display()))
            .hint("stop it first; several nodes have a data directory each and share a PostgreSQL"));
    }
    Ok(())
}

/// Offers the socket (mode 0600).
pub async fn offer(app: &Arc<App>) -> Result<Offered, Failure> {
    use std::os::unix::fs::PermissionsExt as _;
    let path = app.config.data.join(SOCKET_FILE);
    let wrong = |error: std::io::Error| Failure::new(format!("{}: {error}", path.display()));
    require_alone(&app.config.data).await?;
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(wrong(error)),
        _ => {}
    }
    let listener = UnixListener::bind(&path).map_err(|error| {
        wrong(error).hint("the path of a socket may have 107 bytes; a shorter data directory helps")
    })?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).map_err(wrong)?;
    let service = http::host_router(Arc::clone(app)).into_make_service_with_connect_info::<http::host::Peer>();
    tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, service).await {
            tracing::error!(%error, "the operator's socket ended");
        }
    });
    Ok(Offered { path })
}
