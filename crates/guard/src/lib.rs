//! What a protected API adds: a guard that lets a request through only with a token of the issuer's, held by whoever proves its
//! key, for something that policy permits or that a person has confirmed for exactly this request.
//!
//! ```text
//! request → identify (token, DPoP proof, revocations) → by rule:
//!     signed_in                     → handler(Caller)
//!     action       → evaluate       → handler(Caller, Permitted)            or 401 step-up, 403 denied
//!     transaction  → without `txn`: evaluate, which lodges the transaction  → 401 step-up with its decision_id
//!                  → with `txn`: redeem with the digest of what is about to be executed → handler(Caller, Spent<T>)
//! ```
//!
//! [`Spent`] is the point of it all: a value that only a successful redemption makes, that cannot be cloned, and whose content is
//! what the person signed. What cannot be checked is refused: a guard that has not heard the issuer for two seconds lets no
//! writes through, for sixty no reads.
//!
//! `examples/protect.rs` protects an API in about 60 lines.

mod caller;
pub mod client;
mod clock;
mod config;
mod evaluate;
pub mod http;
mod issuer;
mod listen;
mod problem;
mod protect;
mod random;
mod redeem;
mod refusal;
mod replay;
mod revocations;
mod sse;

pub use caller::Caller;
pub use config::{Config, ConfigError, Credential};
pub use evaluate::{Permitted, Resource};
pub use issuer::IssuerError;
pub use problem::Problem;
pub use protect::{Protect, Protected, View};
pub use redeem::{Outcome, Receipt, Spent, transaction_digest};
pub use refusal::{Denial, RedeemFault, Refusal, StepUp};
pub use revocations::{READS_SILENCE_MILLIS, WRITES_SILENCE_MILLIS};

use counterfoil_core::digest::Digest;
use counterfoil_oauth::access_token::VerifiedAccessToken;
use counterfoil_oauth::server_nonce::{NonceKey, NonceSpace};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Verified tokens remembered at once.
const TOKENS: u64 = 10_000;
/// How often readiness is looked at while waiting for it.
const READY_POLL: Duration = Duration::from_millis(20);

/// A guard at work. Cheap to clone; when the last clone is gone it stops listening.
#[derive(Clone)]
pub struct Guard {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) audience: String,
    pub(crate) external_url: String,
    pub(crate) link: issuer::IssuerLink,
    pub(crate) nonces: NonceKey,
    pub(crate) seen: Mutex<replay::SeenProofs>,
    /// By SHA-256 of the token; with how often the issuer's keys had been forgotten.
    pub(crate) tokens: moka::sync::Cache<Digest, (Arc<VerifiedAccessToken>, u64)>,
    pub(crate) revocations: Mutex<revocations::Revocations>,
}

impl std::fmt::Debug for Guard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Guard({})", self.inner.audience)
    }
}

impl Guard {
    /// Starts a guard on the current tokio runtime. It answers 503 until it has metadata, keys and the revocation stream,
    /// and finds them as soon as the issuer is there.
    ///
    /// # Errors
    /// [`IssuerError`] when certificates or credential cannot be used.
    pub fn start(config: &Config) -> Result<Self, IssuerError> {
        let inner = Arc::new(Inner {
            audience: config.audience.clone(),
            external_url: config.external_url.clone(),
            link: issuer::IssuerLink::new(config)?,
            // A key of this process: see `replay` for why processes need not share it.
            nonces: NonceKey::new(&random::bytes(), NonceSpace::ProtectedApi),
            seen: Mutex::default(),
            tokens: moka::sync::Cache::new(TOKENS),
            revocations: Mutex::default(),
        });
        tokio::spawn(listen::run(Arc::downgrade(&inner)));
        Ok(Self { inner })
    }

    /// Whether requests can be checked: metadata, keys and a heartbeat of the revocation stream are there.
    pub fn is_ready(&self) -> bool {
        self.inner.link.is_ready() && self.inner.revocations.lock().unwrap_or_else(PoisonError::into_inner).is_ready()
    }

    /// Waits until [`Guard::is_ready`].
    pub async fn ready(&self) {
        while !self.is_ready() {
            tokio::time::sleep(READY_POLL).await;
        }
    }
}
