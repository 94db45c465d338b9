//! What the standards say on the wire: one file per standard, for what Counterfoil speaks. Pure: no I/O, no async, no
//! clock, no randomness.
//!
//! Start with [`jose`]: a signature that was checked is a [`jose::Verified`] value, and nothing else makes one. [`dpop`],
//! [`session_proof`], [`client_auth`] and [`access_token`] turn it into what they prove. [`par`] reads a request,
//! [`authorize`] is the request as stored and its answer, [`grant`] is what a code stands for, [`token_request`] trades it.

pub mod access_token;
pub mod authorize;
pub mod client;
pub mod client_auth;
pub mod dpop;
pub mod error;
pub mod form;
pub mod grant;
pub mod id_token;
pub mod introspection;
pub mod jose;
pub mod metadata;
pub mod par;
pub mod pkce;
pub mod rar;
pub mod revocation;
pub mod server_nonce;
pub mod session_proof;
pub mod step_up;
pub mod token_request;
pub mod uri;
pub mod userinfo;
