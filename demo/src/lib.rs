//! The treasury of `counterfoil demo`: an application with accounts, as somebody else would write it.
//!
//! Two parts in one process that meet over HTTP alone. The web front signs people in at the issuer and is a client of the API
//! ([`oauth`], [`steps`], [`page`]); the API ([`api`]) stands behind `counterfoil-guard`. Neither uses anything from the inside
//! of the product: what works here works for any application.
//!
//! A payout change, step by step: the form posts → the front asks its API → the guard lodges the transaction and answers 401
//! with a `decision_id` → the front compares what was lodged with what was entered, pushes the request, and sends the browser
//! to the issuer → the person confirms there → the code is traded for a token of this one transaction → the front asks its API
//! again → the guard redeems → the handler gets a `Spent<PayoutChange>` and changes the account.

mod api;
mod assets;
mod call;
mod clock;
mod ledger;
mod money;
mod oauth;
mod operation;
mod page;
mod random;
mod session;
mod steps;
mod text;

pub use counterfoil_guard::Credential;
pub use counterfoil_guard::http::Trust;
pub use ledger::{ACCOUNTS, Account, RESOURCE_TYPE};

use axum::Router;
use axum::extract::{DefaultBodyLimit, RawQuery, State};
use axum::response::Response;
use axum::routing::{get, post};
use counterfoil_guard::Guard;
use counterfoil_guard::http::HttpClient;
use http::{HeaderMap, StatusCode};
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::Arc;
use tokio::net::TcpListener;

/// The largest form or API body.
const BODY_BYTES: usize = 64 * 1024;

/// What the treasury must be told.
#[derive(Clone)]
pub struct Config {
    /// The issuer, exactly as tokens name it.
    pub issuer: String,
    /// Where browsers find the treasury, without a final slash: `http://treasury.localhost:8181`.
    pub external_url: String,
    /// The web front's client identifier at the issuer.
    pub client_id: String,
    /// Its private key, a P-256 JWK, for `private_key_jwt`.
    pub client_private_jwk: String,
    /// The API's audience URI.
    pub audience: String,
    /// How the API proves itself to the issuer.
    pub credential: Credential,
    /// Whom TLS to the issuer trusts.
    pub trust: Trust,
    /// The treasury's own list of who is who, by `sub`: a token says no more than that.
    pub people: BTreeMap<String, String>,
}

/// Says where, never the keys.
impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("issuer", &self.issuer)
            .field("external_url", &self.external_url)
            .field("client_id", &self.client_id)
            .field("audience", &self.audience)
            .finish_non_exhaustive()
    }
}

/// Everything a handler is given.
struct App {
    config: Config,
    http: HttpClient,
    client: oauth::TreasuryClient,
    guard: Guard,
    sessions: session::Sessions,
}

type Shared = Arc<App>;

/// Serves the treasury on `listener` until the process ends. `/readyz` answers 503 until its guard has found the issuer.
///
/// # Errors
/// When the configuration cannot be used, or the listener fails.
pub async fn serve(config: Config, listener: TcpListener) -> io::Result<()> {
    axum::serve(listener, router(config)?).await
}

/// The whole application, front and API.
///
/// # Errors
/// When the configuration cannot be used.
pub fn router(config: Config) -> io::Result<Router> {
    let unusable = |error: &dyn fmt::Display| io::Error::new(io::ErrorKind::InvalidInput, error.to_string());
    let guard_config = counterfoil_guard::Config::new(
        config.issuer.as_str(),
        config.audience.as_str(),
        config.external_url.as_str(),
        config.credential.clone(),
    )
    .map_err(|error| unusable(&error))?
    .with_trust(config.trust.clone());
    let guard = Guard::start(&guard_config).map_err(|error| unusable(&error))?;
    let http = HttpClient::new(&config.trust).map_err(|error| unusable(&error))?;
    let client = oauth::TreasuryClient::new(&config, http.clone()).map_err(|error| unusable(&error))?;
    let sessions = session::Sessions::new(config.external_url.starts_with("https:"));
    let api = api::routes(&guard, Arc::default());
    let app: Shared = Arc::new(App { config, http, client, guard, sessions });
    Ok(Router::new()
        .route("/", get(page::home::show))
        .route("/sign-in", post(page::home::sign_in))
        .route("/sign-out", post(page::home::sign_out))
        .route("/callback", get(callback))
        .route("/lang/{code}", get(page::home::language))
        .route("/accounts/{id}", get(page::account::show))
        .route("/accounts/{id}/payout", get(page::form::payout).post(page::form::change_payout))
        .route("/accounts/{id}/beneficiary", get(page::form::beneficiary).post(page::form::add_beneficiary))
        .route("/accounts/{id}/key-export", post(page::account::export_key))
        .route("/result", get(page::result::show))
        .route("/again", post(page::result::again))
        .route(assets::STYLE_PATH, get(assets::style))
        .route(assets::ICON_PATH, get(assets::icon))
        .route("/readyz", get(ready))
        .with_state(app)
        .merge(api)
        .layer(DefaultBodyLimit::max(BODY_BYTES)))
}

/// `GET /callback`: where the issuer sends the browser back to.
async fn callback(State(app): State<Shared>, headers: HeaderMap, RawQuery(query): RawQuery) -> Response {
    steps::come_back(&app, &headers, query.as_deref().unwrap_or_default()).await
}

async fn ready(State(app): State<Shared>) -> StatusCode {
    if app.guard.is_ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
}
