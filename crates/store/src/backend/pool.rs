//! The database, for reading, and the way to more connections: one file or one server.

use super::{Connection, Row, Value, embedded::File, server::Server};
use futures_util::future::{AbortHandle, abortable};
use std::{future::Future, sync::Arc};

/// The database. Cheap to clone.
#[derive(Clone)]
pub(crate) enum Pool {
    Sqlite(Arc<File>),
    Postgres(Arc<Server>),
}

impl Pool {
    /// Opens the database at `url` (`sqlite:…` or `postgres://…`); makes an SQLite file that is missing if `create`.
    pub(crate) async fn open(url: &str, create: bool) -> Result<Self, sqlx::Error> {
        if url.starts_with("sqlite:") {
            File::open(url, create).await.map(Self::Sqlite)
        } else if url.starts_with("postgres:") || url.starts_with("postgresql:") {
            Server::open(url).await.map(|server| Self::Postgres(Arc::new(server)))
        } else {
            Err(sqlx::Error::Configuration("a database URL starts with sqlite: or postgres:".into()))
        }
    }

    /// Where this engine's migrations stand.
    pub(crate) const fn engine(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "sqlite",
            Self::Postgres(_) => "postgres",
        }
    }

    /// A connection of its own, for the writer.
    pub(crate) async fn connect(&self) -> Result<Connection, sqlx::Error> {
        match self {
            Self::Sqlite(file) => Ok(Connection::Sqlite(Box::new(file.writer()?))),
            Self::Postgres(server) => server.connect().await.map(Connection::Postgres),
        }
    }

    /// Runs the writer: SQLite's has a thread of its own, because its statements and its commits block.
    pub(crate) fn run_writer(&self, writer: impl Future<Output = ()> + Send + 'static) -> std::io::Result<AbortHandle> {
        let (writer, handle) = abortable(writer);
        let runtime = tokio::runtime::Handle::current();
        match self {
            Self::Sqlite(_) => {
                let thread = std::thread::Builder::new().name("writer".to_owned());
                thread.spawn(move || runtime.block_on(writer))?;
            }
            Self::Postgres(_) => drop(runtime.spawn(writer)),
        }
        Ok(handle)
    }

    /// The rows that answer `sql`.
    pub(crate) async fn fetch(&self, sql: &'static str, values: &[Value]) -> Result<Vec<Row>, sqlx::Error> {
        match self {
            Self::Sqlite(file) => file.fetch(sql, values).await,
            Self::Postgres(server) => server.fetch(Arc::from(sql), values).await,
        }
    }

    /// As [`Self::fetch`], for text that was put together from constants.
    pub(crate) async fn fetch_built(&self, sql: Arc<str>, values: &[Value]) -> Result<Vec<Row>, sqlx::Error> {
        match self {
            Self::Sqlite(file) => file.fetch(&sql, values).await,
            Self::Postgres(server) => server.fetch(sql, values).await,
        }
    }

    /// Forgets every connection that rests: where the writer lost its own, theirs may lead to a server that is no longer the one.
    pub(crate) fn forget(&self) {
        if let Self::Postgres(server) = self {
            server.forget();
        }
    }

    /// Folds what SQLite has committed into its file, without holding up who writes; PostgreSQL does so by itself. Is the log so
    /// long that the writer should fold the rest?
    pub(crate) async fn fold(&self) -> Result<bool, sqlx::Error> {
        match self {
            Self::Sqlite(file) => file.fold().await,
            Self::Postgres(_) => Ok(false),
        }
    }

    /// Is this a pool whose log is ours to fold, and still open?
    pub(crate) fn folds(&self) -> bool {
        matches!(self, Self::Sqlite(file) if file.is_open())
    }

    /// Closes every connection that reads, once what is being read is.
    pub(crate) async fn close(&self) {
        match self {
            Self::Sqlite(file) => file.close().await,
            Self::Postgres(server) => server.close().await,
        }
    }
}
