//! Configuration: one TOML file, read strictly. Policy is not here; it is the pack's.

use counterfoil_core::limits;
use serde::{Deserialize, Serialize};
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

/// Why a configuration is refused, in words that say what to do.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{path}: {source}", path = .path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Not TOML, or with unknown or missing members.
    #[error("{path}: {reason}", path = .path.display())]
    Syntax {
        /// Which file.
        path: PathBuf,
        /// Line and reason.
        reason: String,
    },
    /// Well-formed, but not something that we can run safely.
    #[error("{member}: {reason}")]
    Value {
        /// The member, as written in the file.
        member: &'static str,
        /// What is wrong and what would be right.
        reason: String,
    },
}

/// What `serve` needs to know before it starts.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Who we are: `iss`, the WebAuthn origin and the prefix of every URL. No trailing slash.
    pub issuer: String,
    /// Where to listen.
    pub listen: SocketAddr,
    /// Directory of everything we write: database, keys, high-water file, socket.
    pub data: PathBuf,
    /// `sqlite:FILE` or `postgres://…`; without it a SQLite file in `data`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database_url: Option<String>,
    /// Directory of the policy pack.
    pub policies: PathBuf,
    /// File of groups, people, clients, APIs and resources, applied at start and on SIGHUP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registry: Option<PathBuf>,
    /// Certificate and key when we terminate TLS ourselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
    /// Where mail goes out; without it notices stay in the outbox and `serve` says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub smtp: Option<Smtp>,
    /// SHA-256 (base64url) of the bearer token that reads `/metrics`; without it, only this machine does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metrics_token_sha256: Option<counterfoil_core::digest::Digest>,
    /// Addresses whose `X-Forwarded-For` we believe.
    #[serde(default)]
    pub trusted_proxies: Vec<std::net::IpAddr>,
    /// Connections at once of one address; of a trusted proxy as many as there are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connections_per_address: Option<usize>,
    /// Sessions that begin from one address within a minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sessions_per_address: Option<u32>,
}

/// Files for TLS, PEM.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// Certificate chain, leaf first.
    pub certificate: PathBuf,
    /// Private key, PKCS#8.
    pub key: PathBuf,
}

/// A mail server that takes our mail.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Smtp {
    /// `smtps://host` (TLS from the first byte), `smtp://host` (STARTTLS, which must succeed) or `smtp+plain://` on this machine.
    pub url: String,
    /// The sender's address.
    pub from: String,
    /// Who we are there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The file of the password, which nobody else may read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_file: Option<PathBuf>,
    /// Certificates (PEM) of who vouches for the server, instead of the public ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
}

/// How the way to a mail server is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SmtpSecurity {
    /// TLS from the first byte (RFC 8314 §3).
    Implicit,
    /// TLS after STARTTLS, or nothing.
    StartTls,
    /// None: it does not leave the machine.
    None,
}

/// Where a mail server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SmtpServer {
    /// Its name, for which its certificate must be.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the way there is protected.
    pub security: SmtpSecurity,
}

impl Smtp {
    /// Where the server is and how it is spoken with.
    pub fn server(&self) -> Result<SmtpServer, ConfigError> {
        let wrong = |reason: &str| ConfigError::Value { member: "smtp.url", reason: reason.to_owned() };
        let url = url::Url::parse(&self.url).map_err(|error| wrong(&format!("not a URL: {error}")))?;
        let (security, port) = match url.scheme() {
            "smtps" => (SmtpSecurity::Implicit, 465),
            "smtp" => (SmtpSecurity::StartTls, 587),
            "smtp+plain" => (SmtpSecurity::None, 25),
            _ => return Err(wrong("begins with smtps://, smtp:// (STARTTLS) or smtp+plain:// (this machine only)")),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(wrong("names nobody: the user belongs into smtp.user, the password into smtp.password_file"));
        }
        if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
            return Err(wrong("ends after host and port"));
        }
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or_else(|| wrong("names a host"))?;
        let host = host.trim_matches(['[', ']']);
        // In such URLs an address is only a name to the parser.
        let here = host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
        if security == SmtpSecurity::None && !here {
            return Err(wrong("smtp+plain:// is for this machine only; use smtps:// or smtp://"));
        }
        Ok(SmtpServer { host: host.to_owned(), port: url.port().unwrap_or(port), security })
    }

    /// User and password, where there are any.
    pub fn credentials(&self) -> Result<Option<(String, String)>, String> {
        match (&self.user, &self.password_file) {
            (None, None) => Ok(None),
            (Some(user), Some(file)) => {
                let password =
                    crate::keys::read_private(file).map_err(|error| format!("smtp.password_file: {error}"))?;
                let password = password.trim_end_matches(['\r', '\n']);
                if password.is_empty() {
                    return Err(format!("smtp.password_file: {} is empty", file.display()));
                }
                Ok(Some((user.clone(), password.to_owned())))
            }
            _ => Err("smtp.user and smtp.password_file go together".to_owned()),
        }
    }
}

impl Config {
    /// Reads and checks a file; relative paths are meant from where the file stands.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text =
            std::fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
        let mut config: Self = toml::from_str(&text)
            .map_err(|error| ConfigError::Syntax { path: path.to_owned(), reason: error.to_string() })?;
        let base = path.parent().unwrap_or(Path::new("."));
        config.data = base.join(&config.data);
        config.policies = base.join(&config.policies);
        config.registry = config.registry.map(|file| base.join(file));
        config.tls = config.tls.map(|tls| Tls { certificate: base.join(tls.certificate), key: base.join(tls.key) });
        config.smtp = config.smtp.map(|smtp| Smtp {
            password_file: smtp.password_file.map(|file| base.join(file)),
            ca: smtp.ca.map(|file| base.join(file)),
            ..smtp
        });
        config.check()?;
        Ok(config)
    }

    /// Refuses what cannot be safe: an issuer that is not an origin, or plain HTTP on anything but loopback; and what nobody
    /// could be served under.
    pub fn check(&self) -> Result<(), ConfigError> {
        if let Some(smtp) = &self.smtp {
            smtp.server()?;
        }
        if self.connections_per_address.is_some_and(|most| most == 0 || most > limits::CONNECTIONS) {
            let reason = format!("must be between 1 and {}, which is all there are", limits::CONNECTIONS);
            return Err(ConfigError::Value { member: "connections_per_address", reason });
        }
        if self.sessions_per_address == Some(0) {
            let reason = "must be at least 1, or nobody could sign in".to_owned();
            return Err(ConfigError::Value { member: "sessions_per_address", reason });
        }
        let wrong = |reason: &str| ConfigError::Value { member: "issuer", reason: reason.to_owned() };
        let url = url::Url::parse(&self.issuer).map_err(|error| wrong(&format!("not a URL: {error}")))?;
        if self.issuer != url.origin().ascii_serialization() {
            return Err(wrong("must be an origin such as https://id.example.org, without path or trailing slash"));
        }
        match url.scheme() {
            "https" => Ok(()),
            "http" if is_loopback(&url) => Ok(()),
            "http" => Err(wrong("plain http is for localhost only; use https")),
            other => Err(wrong(&format!("scheme {other} is not http or https"))),
        }
    }

    /// The database, as the store wants it.
    pub fn database_url(&self) -> String {
        self.database_url.clone().unwrap_or_else(|| Self::sqlite_url(&self.data))
    }

    /// The SQLite file of a data directory.
    pub fn sqlite_url(data: &Path) -> String {
        format!("sqlite:{}", data.join("counterfoil.db").display())
    }

    /// The WebAuthn relying party id: the issuer's host.
    pub fn rp_id(&self) -> String {
        url::Url::parse(&self.issuer).ok().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default()
    }

    /// Whether browsers treat the issuer as a secure context and take `Secure` cookies from it.
    pub fn secure_cookies(&self) -> bool {
        self.issuer.starts_with("https://") || url::Url::parse(&self.issuer).is_ok_and(|url| is_loopback(&url))
    }
}

fn is_loopback(url: &url::Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]
    use super::*;

    fn with_issuer(issuer: &str) -> Result<(), ConfigError> {
        config(issuer).check()
    }

    fn config(issuer: &str) -> Config {
        Config {
            issuer: issuer.to_owned(),
            listen: "127.0.0.1:8180".parse().unwrap(),
            data: "data".into(),
            database_url: None,
            policies: "policies".into(),
            registry: None,
            tls: None,
            smtp: None,
            metrics_token_sha256: None,
            trusted_proxies: Vec::new(),
            connections_per_address: None,
            sessions_per_address: None,
        }
    }

    #[test]
    fn an_issuer_is_an_origin_and_plain_http_is_for_loopback() {
        for good in ["https://id.example.org", "https://id.example.org:8443", "http://localhost:8180"] {
            assert!(with_issuer(good).is_ok(), "{good}");
        }
        for bad in
            ["https://id.example.org/", "https://id.example.org/x", "http://id.example.org", "ftp://localhost", "id"]
        {
            assert!(with_issuer(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_share_of_nothing_or_of_more_than_there_is_is_refused() {
        let good = config("https://id.example.org");
        for (connections, fits) in
            [(0, false), (1, true), (limits::CONNECTIONS, true), (limits::CONNECTIONS + 1, false)]
        {
            let config = Config { connections_per_address: Some(connections), ..good.clone() };
            assert_eq!(config.check().is_ok(), fits, "{connections}");
        }
        assert!(Config { sessions_per_address: Some(0), ..good.clone() }.check().is_err());
        assert!(Config { sessions_per_address: Some(1), ..good }.check().is_ok());
    }

    #[test]
    fn mail_leaves_this_machine_over_tls_alone_and_the_url_holds_no_secret() {
        use SmtpSecurity::{Implicit, None as Plain, StartTls};
        let at = |url: &str| {
            let smtp = Smtp { url: url.to_owned(), from: String::new(), user: None, password_file: None, ca: None };
            smtp.server().map(|server| (server.host, server.port, server.security)).ok()
        };
        for (url, host, port, security) in [
            ("smtps://mail.example.org", "mail.example.org", 465, Implicit),
            ("smtp://mail.example.org", "mail.example.org", 587, StartTls),
            ("smtp://mail.example.org:2525", "mail.example.org", 2525, StartTls),
            ("smtp+plain://127.0.0.1", "127.0.0.1", 25, Plain),
            ("smtp+plain://localhost:1025", "localhost", 1025, Plain),
            ("smtp+plain://[::1]:1025", "::1", 1025, Plain),
        ] {
            assert_eq!(at(url), Some((host.to_owned(), port, security)), "{url}");
        }
        for url in [
            "smtp+plain://mail.example.org",
            "smtp+plain://192.0.2.1",
            "smtp+plain://localhost.example.org",
            "smtps://u:hunter2@mail.example.org",
            "smtps://u@mail.example.org",
            "smtps://mail.example.org/?tls=none",
            "smtp://",
            "http://mail.example.org",
            "mail.example.org",
        ] {
            assert_eq!(at(url), None, "{url}");
        }
    }
}
