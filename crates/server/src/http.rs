//! Every route on one screen: method, path, who may call it, and what it is for.

pub mod access;
pub mod caller;
pub mod host;
pub mod metadata;
pub mod oauth;
pub mod openapi;
pub mod operations;
pub mod page;
pub mod v1;

use crate::{
    app::App,
    browser,
    problem::{Kind, Problem},
};
use axum::{
    Router,
    http::Method,
    middleware,
    response::IntoResponse,
    routing::{MethodRouter, get, post},
};
use std::sync::Arc;
use tower::util::{MapFutureLayer, MapResponseLayer};

/// Who may call a route. What a caller may then see or do, policy and ownership say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller {
    /// Anybody: nothing personal is there.
    Anyone,
    /// A browser with a session proof; signed in or not.
    Browser,
    /// A browser with a session proof whose session is somebody's.
    SignedIn,
    /// An OAuth client that authenticates.
    Client,
    /// A protected API by its key or its own token.
    Api,
    /// Whoever holds an access token and proves its key.
    TokenHolder,
    /// The host's operator, over the socket in the data directory; never over the network.
    Host,
    /// The operator's collector: with the configured token, or without one from this machine (decision 17).
    Collector,
}

/// One route.
pub struct Route {
    /// The method.
    pub method: Method,
    /// The path, in the router's syntax.
    pub path: &'static str,
    /// Who may call it.
    pub who: Caller,
    /// What it is for, in one line.
    pub summary: &'static str,
    handler: MethodRouter<Arc<App>>,
}

/// The table.
pub fn routes() -> Vec<Route> {
    use Caller::{Anyone, Api, Browser, Client, Collector, SignedIn, TokenHolder};
    let get_ = |path, who, summary, handler| Route { method: Method::GET, path, who, summary, handler };
    let post_ = |path, who, summary, handler| Route { method: Method::POST, path, who, summary, handler };
    vec![
        // Discovery.
        get_(
            "/.well-known/oauth-authorization-server",
            Anyone,
            "OAuth metadata (RFC 8414)",
            get(metadata::authorization_server),
        ),
        get_(
            "/.well-known/openid-configuration",
            Anyone,
            "OpenID Connect discovery",
            get(metadata::authorization_server),
        ),
        get_("/.well-known/authzen-configuration", Anyone, "AuthZEN metadata", get(metadata::authzen)),
        get_("/oauth/jwks", Anyone, "Public keys (RFC 7517)", get(metadata::jwks)),
        // OAuth and OpenID Connect.
        post_("/oauth/par", Client, "Push an authorization request (RFC 9126)", post(oauth::par::handle)),
        post_("/oauth/token", Client, "Trade a code for a token, or get one for oneself", post(oauth::token::handle)),
        get_(
            "/oauth/userinfo",
            TokenHolder,
            "Claims about the person (OpenID Connect Core §5.3)",
            get(oauth::userinfo::handle),
        ),
        // Decisions and spending.
        post_("/access/v1/evaluation", Api, "May this be done? (AuthZEN 1.0)", post(access::evaluation::handle)),
        post_("/v1/redeem", Api, "Spend an approved transaction, once", post(v1::redeem::handle)),
        post_("/v1/redeem/{redemption_id}", Api, "Report what became of it", post(v1::redeem::report)),
        get_(
            "/v1/revocations",
            Api,
            "What must no longer be accepted (server-sent events)",
            get(v1::revocations::handle),
        ),
        // Shells: the same for everybody.
        get_("/", Anyone, "To one's own account", get(page::home)),
        get_("/sign-in", Anyone, "Page: sign in", get(page::sign_in)),
        get_("/oauth/authorize", Anyone, "Page: begin or continue for an application", get(page::authorize)),
        get_("/step-up/{id}", Anyone, "Page: confirm one thing", get(page::step_up)),
        get_("/me", Anyone, "Page: one's own account", get(page::me)),
        get_("/me/passkey", Anyone, "Page: add a passkey", get(page::passkey)),
        get_("/init", Anyone, "Page: accept an invitation", get(page::invited)),
        get_("/admin", Anyone, "Page: the console", get(page::console)),
        get_("/admin/decisions", Anyone, "Page: what was decided", get(page::console)),
        get_("/admin/decisions/{id}", Anyone, "Page: one decision as a story", get(page::console)),
        get_("/admin/people", Anyone, "Page: who there is", get(page::console)),
        get_("/admin/policies", Anyone, "Page: what the rules say", get(page::console)),
        get_("/admin/log", Anyone, "Page: what happened", get(page::console)),
        get_("/assets/{*path}", Anyone, "Scripts, style and texts of the pages", get(page::asset)),
        // What pages ask, each with a session proof.
        post_("/session", Browser, "Begin a session bound to a key", post(page::session::begin)),
        post_("/sign-in", Browser, "What is asked to sign in", post(page::sign_in::show)),
        post_("/sign-in/password", Browser, "Sign in: user name and password", post(page::sign_in::password)),
        post_("/sign-in/code", Browser, "Sign in: code", post(page::sign_in::code)),
        post_("/sign-in/passkey", Browser, "Sign in: passkey", post(page::sign_in::passkey)),
        post_("/sign-in/passkey/options", Browser, "Sign in: ask the passkey again", post(page::sign_in::options)),
        post_("/oauth/authorize", Browser, "Use a pushed request", post(page::authorize::handle)),
        post_("/step-up/{id}", SignedIn, "What is to be confirmed", post(page::step_up::show)),
        post_("/step-up/{id}/passkey", SignedIn, "Confirm with a passkey", post(page::step_up::passkey)),
        post_("/step-up/{id}/passkey/options", SignedIn, "Ask the passkey again", post(page::step_up::options)),
        post_("/step-up/{id}/code", SignedIn, "Confirm with a code", post(page::step_up::code)),
        post_("/step-up/{id}/refuse", SignedIn, "Refuse, and perhaps raise the alarm", post(page::step_up::refuse)),
        post_("/me", SignedIn, "One's own account", post(page::me::show)),
        post_("/me/passkey/options", SignedIn, "Begin to add a passkey", post(page::me::passkey_options)),
        post_("/me/passkey", SignedIn, "Add a passkey", post(page::me::passkey_add)),
        post_(
            "/me/confirmations/{id}/evidence",
            SignedIn,
            "The evidence of one's own confirmation",
            post(page::me::evidence),
        ),
        post_("/me/authenticators/{id}/remove", SignedIn, "Ask to remove a passkey", post(page::me::remove)),
        post_("/me/authenticators/{id}/vouch", SignedIn, "Ask to vouch for a passkey", post(page::me::vouch)),
        post_(
            "/me/authenticators/{id}/disown",
            SignedIn,
            "Say that a passkey is not one's own",
            post(page::me::disown),
        ),
        post_("/me/confirmed/{id}", SignedIn, "Do what was confirmed, once", post(page::me::carry_out)),
        post_("/me/sessions/{id}/end", SignedIn, "End one of one's sessions", post(page::me::end_session)),
        post_("/init", Browser, "Bring the link of an invitation", post(page::init::accept)),
        post_("/init/passkey", Browser, "Make the passkey that it vouches for", post(page::me::passkey_add)),
        post_("/admin/overview", SignedIn, "Is anything wrong?", post(page::admin::overview)),
        post_("/admin/decisions", SignedIn, "What was decided", post(page::admin::decisions)),
        post_("/admin/decisions/{id}", SignedIn, "One decision as a story", post(page::admin::decision)),
        post_(
            "/admin/decisions/{id}/evidence",
            SignedIn,
            "The evidence of what was confirmed for it",
            post(page::admin::evidence),
        ),
        post_("/admin/people", SignedIn, "Who there is", post(page::admin::people)),
        post_("/admin/policies", SignedIn, "What the rules say", post(page::admin::policies)),
        post_("/admin/log", SignedIn, "What happened", post(page::admin::log)),
        post_("/sign-out", SignedIn, "Sign out", post(page::me::sign_out)),
        // Operations.
        get_("/openapi.json", Anyone, "This table, for programs", get(openapi::handle)),
        get_("/healthz", Anyone, "The process runs", get(operations::healthz)),
        get_("/readyz", Anyone, "The process can answer", get(operations::readyz)),
        get_("/metrics", Collector, "Counters for operators (Prometheus)", get(operations::metrics)),
    ]
}

/// The table of the operator's socket. None of it is reachable over the network.
pub fn host_routes() -> Vec<Route> {
    use host::{containments, keys, registrations, subjects};
    let who = Caller::Host;
    let get_ = |path, summary, handler| Route { method: Method::GET, path, who, summary, handler };
    let post_ = |path, summary, handler| Route { method: Method::POST, path, who, summary, handler };
    vec![
        get_("/subjects", "Who there is", get(subjects::list)),
        post_("/subjects", "Add a person", post(subjects::add)),
        post_("/subjects/invite", "Make a link for a person", post(subjects::invite)),
        post_("/subjects/suspend", "Suspend a person", post(subjects::suspend)),
        post_("/subjects/resume", "Let a person act again", post(subjects::resume)),
        post_("/subjects/grant", "Give a role or a group", post(subjects::grant)),
        post_("/subjects/revoke", "Take a role or a group away", post(subjects::revoke)),
        get_("/groups", "Groups", get(registrations::groups)),
        post_("/groups", "Add a group", post(registrations::add_group)),
        get_("/clients", "Clients", get(registrations::clients)),
        post_("/clients", "Add a client", post(registrations::add_client)),
        post_("/clients/remove", "Remove a client with what it holds", post(registrations::remove_client)),
        get_("/apis", "Protected APIs", get(registrations::apis)),
        post_("/apis", "Add an API", post(registrations::add_api)),
        get_("/resources", "Resources", get(registrations::resources)),
        post_("/resources", "Add a resource", post(registrations::add_resource)),
        get_("/keys", "Keys of APIs, without the keys", get(keys::list)),
        post_("/keys", "Issue a key", post(keys::issue)),
        post_("/keys/revoke", "Revoke a key", post(keys::revoke)),
        post_("/containments", "Cut off what came out of a login", post(containments::add)),
    ]
}

/// The router of the operator's socket.
pub fn host_router(app: Arc<App>) -> Router {
    let mut router = Router::new();
    for route in host_routes() {
        router = router.route(route.path, route.handler);
    }
    router
        .method_not_allowed_fallback(|| async { Problem::new(Kind::METHOD_NOT_ALLOWED).into_response() })
        .fallback(|| async { Problem::new(Kind::NOT_FOUND).into_response() })
        .layer(middleware::from_fn(host::only_the_operator))
        .with_state(app)
}

/// The router of one process.
pub fn router(app: Arc<App>) -> Router {
    let mut router = Router::new();
    for (place, route) in routes().into_iter().enumerate() {
        let handler = match (route.who, route.method) {
            (Caller::Browser | Caller::SignedIn, _) => {
                route.handler.layer(middleware::from_fn_with_state(Arc::clone(&app), browser::with_nonce))
            }
            _ => route.handler,
        };
        let app = Arc::clone(&app);
        let measured = move |answer| operations::measure(Arc::clone(&app), place, answer);
        router = router.route(route.path, handler.layer(MapFutureLayer::new(measured)));
    }
    if app.demo {
        // Everybody's mail, for a person who tries the product alone on their own machine.
        router = router.route("/outbox", get(page::outbox));
    }
    router
        .method_not_allowed_fallback(|| async { Problem::new(Kind::METHOD_NOT_ALLOWED).into_response() })
        .fallback(page::not_found)
        .layer(MapResponseLayer::new(operations::security_headers))
        .with_state(app)
}
