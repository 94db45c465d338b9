//! The tower layer: what stands between a route and its handler.
//!
//! A rule is chosen per route: [`Guard::signed_in`], [`Guard::action`] or [`Guard::transaction`]. The handler then finds a
//! [`Caller`] and, by rule, a [`Permitted`] or a [`Spent`] among its arguments.

use crate::Guard;
use crate::caller::Caller;
use crate::clock;
use crate::evaluate::{Permitted, Resource};
use crate::random;
use crate::redeem::{Outcome, Report, Spent};
use crate::refusal::Refusal;
use axum::body::{Body, to_bytes};
use axum::extract::{FromRequestParts, RawPathParams, Request};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use counterfoil_core::json::parse_strict;
use counterfoil_core::limits::{BODY_BYTES, JSON_DEPTH};
use http::request::Parts;
use http::{Extensions, HeaderMap, HeaderValue, Method};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use tower::{Layer, Service, ServiceExt as _};

/// A request as a rule sees it: before the handler, and with its whole body.
#[derive(Debug)]
pub struct View<'a> {
    /// The method.
    pub method: &'a Method,
    /// The headers.
    pub headers: &'a HeaderMap,
    /// The body, at most 64 KiB.
    pub body: &'a [u8],
    path: &'a [(String, String)],
}

impl View<'_> {
    /// The path parameter of this name, as the route has it.
    ///
    /// # Errors
    /// [`Refusal::BadRequest`] when the route has none: a mistake in the route, and nothing is done.
    pub fn path(&self, name: &str) -> Result<&str, Refusal> {
        let found = self.path.iter().find(|(parameter, _)| parameter == name);
        found.map(|(_, value)| value.as_str()).ok_or_else(|| Refusal::BadRequest(format!("the path has no {name}")))
    }

    /// The body as JSON, read strictly: a member that stands there twice would be one thing to us and another to the handler.
    ///
    /// # Errors
    /// [`Refusal::BadRequest`], saying where.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Refusal> {
        let value = parse_strict(self.body, JSON_DEPTH).map_err(|error| Refusal::BadRequest(error.to_string()))?;
        serde_json::from_value(value).map_err(|error| Refusal::BadRequest(error.to_string()))
    }
}

/// What a rule leaves for the handler, and whether an outcome is to be reported after it.
struct Entry {
    insert: Box<dyn FnOnce(&mut Extensions) + Send>,
    report: Option<Report>,
}

type Checking<'a> = Pin<Box<dyn Future<Output = Result<Entry, Refusal>> + Send + 'a>>;

/// What a route demands.
trait Rule: Send + Sync {
    /// Whether what has begun goes on when the client hangs up: a spent transaction must not be dropped half-way.
    fn runs_to_its_end(&self) -> bool {
        false
    }

    fn check<'a>(&'a self, guard: &'a Guard, caller: &'a Caller, view: &'a View<'a>) -> Checking<'a>;
}

struct SignedIn;

impl Rule for SignedIn {
    fn check<'a>(&'a self, _: &'a Guard, caller: &'a Caller, _: &'a View<'a>) -> Checking<'a> {
        Box::pin(async move {
            refuse_transaction(caller)?;
            Ok(Entry { insert: Box::new(|_| {}), report: None })
        })
    }
}

struct Action<R> {
    name: String,
    resource: R,
}

impl<R> Rule for Action<R>
where
    R: Fn(&View<'_>) -> Result<Resource, Refusal> + Send + Sync,
{
    fn check<'a>(&'a self, guard: &'a Guard, caller: &'a Caller, view: &'a View<'a>) -> Checking<'a> {
        // Called before the future is made: a closure's borrow of the view need not live across an await.
        let resource = (self.resource)(view);
        Box::pin(async move {
            refuse_transaction(caller)?;
            let permitted = guard.evaluate(caller, &self.name, &resource?).await?;
            Ok(Entry { insert: Box::new(|extensions| drop(extensions.insert(permitted))), report: None })
        })
    }
}

/// A token for one transaction is for that transaction, not for whatever else its holder might like.
fn refuse_transaction(caller: &Caller) -> Result<(), Refusal> {
    if caller.carries_transaction() { Err(Refusal::InvalidToken("this token is for one transaction")) } else { Ok(()) }
}

struct Transaction<B> {
    action: String,
    build: B,
}

impl<B, T> Rule for Transaction<B>
where
    B: Fn(&View<'_>) -> Result<T, Refusal> + Send + Sync,
    T: Serialize + Send + Sync + 'static,
{
    fn runs_to_its_end(&self) -> bool {
        true
    }

    fn check<'a>(&'a self, guard: &'a Guard, caller: &'a Caller, view: &'a View<'a>) -> Checking<'a> {
        let built = (self.build)(view);
        Box::pin(async move {
            let built = built?;
            if caller.carries_transaction() {
                let (spent, report) = guard.redeem(caller, built).await?;
                let slot = Slot(Arc::new(Mutex::new(Some(spent))));
                return Ok(Entry {
                    insert: Box::new(|extensions| drop(extensions.insert(slot))),
                    report: Some(report),
                });
            }
            let object = serde_json::to_value(&built).map_err(|error| Refusal::BadRequest(error.to_string()))?;
            let resource = resource_of(&object)?;
            let permitted = guard.ask(caller, &self.action, &resource, Some(&object)).await?;
            // Policy let it pass without anybody's signature, so there is nothing to spend and no `Spent` to hand out.
            Err(Refusal::Misconfigured(format!(
                "decision {} permits {} without a confirmation; protect it with `action`",
                permitted.decision_id(),
                self.action
            )))
        })
    }
}

/// Every transaction names what it is done to (DESIGN §5).
fn resource_of(transaction: &serde_json::Value) -> Result<Resource, Refusal> {
    let text = |pointer: &str| transaction.pointer(pointer).and_then(serde_json::Value::as_str);
    match (text("/resource/type"), text("/resource/id")) {
        (Some(kind), Some(id)) => Ok(Resource::new(kind, id)),
        _ => Err(Refusal::Misconfigured("a transaction has no resource with type and id".into())),
    }
}

/// Extensions must be cloned, and what is in here must not: whoever takes it out has the only one.
struct Slot<T>(Arc<Mutex<Option<Spent<T>>>>);

impl<T> Clone for Slot<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T: Send + Sync + 'static, S: Send + Sync> FromRequestParts<S> for Spent<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        let slot = parts.extensions.get::<Slot<T>>();
        let spent = slot.and_then(|slot| slot.0.lock().unwrap_or_else(PoisonError::into_inner).take());
        spent.ok_or_else(|| {
            Refusal::Misconfigured("no transaction of this type was spent: the route lacks its rule".into())
        })
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Permitted {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        let permitted = parts.extensions.get::<Self>().cloned();
        permitted.ok_or_else(|| Refusal::Misconfigured("nothing was permitted: the route lacks its rule".into()))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        let caller = parts.extensions.get::<Self>().cloned();
        caller.ok_or_else(|| Refusal::Misconfigured("nobody was identified: the route lacks its rule".into()))
    }
}

impl Guard {
    /// A route for whoever is signed in: token, possession and standing are checked, nothing is evaluated.
    pub fn signed_in(&self) -> Protect {
        Protect { guard: self.clone(), rule: Arc::new(SignedIn) }
    }

    /// A route that does `action` to the resource that `resource` reads from the request. The handler may take a [`Permitted`].
    pub fn action<R>(&self, action: &str, resource: R) -> Protect
    where
        R: Fn(&View<'_>) -> Result<Resource, Refusal> + Send + Sync + 'static,
    {
        Protect { guard: self.clone(), rule: Arc::new(Action { name: action.to_owned(), resource }) }
    }

    /// A route that does `action` once per confirmation. `build` makes the transaction from the request, exactly as the handler
    /// will execute it; the handler takes it as [`Spent<T>`]. Without a confirmation it is lodged and the reply is the challenge
    /// of RFC 9470. After the handler the outcome is reported: executed for a 2xx, else failed.
    pub fn transaction<B, T>(&self, action: &str, build: B) -> Protect
    where
        B: Fn(&View<'_>) -> Result<T, Refusal> + Send + Sync + 'static,
        T: Serialize + Send + Sync + 'static,
    {
        Protect { guard: self.clone(), rule: Arc::new(Transaction { action: action.to_owned(), build }) }
    }
}

/// The layer of one route: `get(handler).layer(guard.action(…))`.
#[derive(Clone)]
pub struct Protect {
    guard: Guard,
    rule: Arc<dyn Rule>,
}

impl std::fmt::Debug for Protect {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Protect { .. }")
    }
}

impl<S> Layer<S> for Protect {
    type Service = Protected<S>;

    fn layer(&self, inner: S) -> Protected<S> {
        Protected { protect: self.clone(), inner }
    }
}

/// A handler behind its rule.
#[derive(Clone, Debug)]
pub struct Protected<S> {
    protect: Protect,
    inner: S,
}

impl<S> Service<Request> for Protected<S>
where
    S: Service<Request, Response = Response, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        // The clone that serves the request is asked for readiness by `oneshot`.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let Self { protect, inner } = self.clone();
        Box::pin(async move {
            let runs_to_its_end = protect.rule.runs_to_its_end();
            let work = protect.serve(inner, request);
            if !runs_to_its_end {
                return Ok(work.await);
            }
            Ok(tokio::spawn(work)
                .await
                .unwrap_or_else(|error| Refusal::Misconfigured(error.to_string()).into_response()))
        })
    }
}

impl Protect {
    async fn serve<S>(self, inner: S, request: Request) -> Response
    where
        S: Service<Request, Response = Response, Error = Infallible> + Send + 'static,
        S::Future: Send,
    {
        let mut response = match self.enter(request).await {
            Ok((request, report)) => {
                let pending = report.map(|report| Pending::new(self.guard.clone(), report));
                let Ok(response) = inner.oneshot(request).await;
                if let Some(pending) = pending {
                    pending.settle(response.status().is_success());
                }
                response
            }
            Err(refusal) => refusal.into_response(),
        };
        // Every reply brings the next nonce (RFC 9449 §8.2), so that clients need not be refused to get one.
        let nonce = self.guard.inner.nonces.issue(clock::now(), random::bytes());
        if let Ok(nonce) = HeaderValue::from_str(&nonce) {
            response.headers_mut().insert("dpop-nonce", nonce);
        }
        response
    }

    async fn enter(&self, request: Request) -> Result<(Request, Option<Report>), Refusal> {
        let (mut parts, body) = request.into_parts();
        if !self.guard.is_ready() {
            return Err(Refusal::Unavailable("the service is starting"));
        }
        let caller = self.guard.identify(&parts).await?;
        let body: Bytes = to_bytes(body, BODY_BYTES).await.map_err(|_| Refusal::TooLarge)?;
        // A caller decides when the last byte comes: what was good with the headers may have ended since.
        self.guard.still_good(&caller, &parts.method)?;
        let path = match RawPathParams::from_request_parts(&mut parts, &()).await {
            Ok(params) => params.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            Err(_) => Vec::new(),
        };
        let view = View { method: &parts.method, headers: &parts.headers, body: &body, path: &path };
        let Entry { insert, report } = self.rule.check(&self.guard, &caller, &view).await?;
        insert(&mut parts.extensions);
        parts.extensions.insert(caller);
        Ok((Request::from_parts(parts, Body::from(body)), report))
    }
}

/// Reports `failed` when the handler never answers: it panicked, or the process is stopping.
struct Pending {
    guard: Guard,
    report: Option<Report>,
}

impl Pending {
    const fn new(guard: Guard, report: Report) -> Self {
        Self { guard, report: Some(report) }
    }

    fn settle(mut self, executed: bool) {
        if let Some(report) = self.report.take() {
            self.guard.report(report, if executed { Outcome::Executed } else { Outcome::Failed });
        }
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if let Some(report) = self.report.take() {
            self.guard.report(report, Outcome::Failed);
        }
    }
}
