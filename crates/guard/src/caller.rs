//! Who calls: an access token of the issuer's for this API, held by whoever proved its key just now.

use crate::Guard;
use crate::clock;
use crate::refusal::Refusal;
use crate::replay::ReplayFault;
use crate::revocations::{Effect, RevocationFault, Traits};
use axum::extract::OriginalUri;
use counterfoil_core::assurance::Acr;
use counterfoil_core::time::Time;
use counterfoil_oauth::access_token::{AccessTokenClaims, AccessTokenError, VerifiedAccessToken};
use counterfoil_oauth::dpop::{self, DpopError, ProvenRequest};
use counterfoil_oauth::jose::JoseError;
use counterfoil_oauth::uri::HttpUri;
use http::{HeaderMap, header, request::Parts};
use std::sync::{Arc, PoisonError};

/// A caller whose token, possession and standing were checked for this very request. Only the guard makes one; handlers
/// find it in the request's extensions.
#[derive(Clone, Debug)]
pub struct Caller {
    pub(crate) token: Arc<VerifiedAccessToken>,
    keys_forgotten: u64,
    pub(crate) presented: Arc<Presented>,
}

/// What the request carried, kept for the issuer: it looks at the same proof when a transaction is redeemed.
#[derive(Debug)]
pub(crate) struct Presented {
    pub(crate) access_token: String,
    pub(crate) proof: String,
    pub(crate) method: String,
    pub(crate) uri: String,
}

impl Caller {
    /// The person, or the client itself with client credentials: `sub`.
    pub fn subject(&self) -> &str {
        &self.claims().sub
    }

    /// The client that acts: `client_id`.
    pub fn client_id(&self) -> &str {
        &self.claims().client_id
    }

    /// What the sign-in amounted to: `acr`.
    pub fn acr(&self) -> Option<Acr> {
        self.claims().acr
    }

    /// Whether the token is for one transaction.
    pub fn carries_transaction(&self) -> bool {
        self.claims().txn.is_some()
    }

    pub(crate) fn claims(&self) -> &AccessTokenClaims {
        self.token.claims()
    }
}

/// The two headers of a request that shows a bound token.
#[derive(Debug, PartialEq, Eq)]
struct Headers<'a> {
    token: &'a str,
    proof: &'a str,
}

impl<'a> Headers<'a> {
    /// RFC 9449 §7.1: the scheme is `DPoP`, and there is exactly one of each header.
    fn read(headers: &'a HeaderMap) -> Result<Self, Refusal> {
        let mut fields = headers.get_all(header::AUTHORIZATION).iter();
        let (Some(field), None) = (fields.next(), fields.next()) else {
            let absent = !headers.contains_key(header::AUTHORIZATION);
            return Err(if absent {
                Refusal::NoToken
            } else {
                Refusal::InvalidToken("more than one Authorization header")
            });
        };
        let field = field.to_str().unwrap_or_default();
        let (scheme, token) = field.split_once(' ').unwrap_or((field, ""));
        let token = token.trim_start_matches(' ');
        if scheme.eq_ignore_ascii_case("Bearer") {
            // RFC 9449 §7.2: a bound token that comes as Bearer has been taken from somebody.
            return Err(Refusal::InvalidToken("tokens for this API come with the scheme DPoP"));
        }
        if !scheme.eq_ignore_ascii_case("DPoP") || token.is_empty() {
            return Err(Refusal::NoToken);
        }
        let proofs = headers.get_all("dpop").iter().map(|value| value.to_str().unwrap_or_default());
        match dpop::single_header(proofs) {
            Ok(Some(proof)) => Ok(Self { token, proof }),
            Ok(None) => Err(Refusal::InvalidProof("the DPoP header is missing")),
            Err(_) => Err(Refusal::InvalidProof("more than one DPoP header")),
        }
    }
}

impl Guard {
    /// Checks who calls. The order matters: what costs nothing first, the signature before what only a holder may learn,
    /// and memory last, so that nobody without a sound token and proof can write to it.
    pub(crate) async fn identify(&self, parts: &Parts) -> Result<Caller, Refusal> {
        let inner = &self.inner;
        let headers = Headers::read(&parts.headers)?;
        let now = clock::now();
        let (token, keys_forgotten) = self.verified(headers.token, now).await?;
        let uri = target(&inner.external_url, parts)?;
        let request = ProvenRequest { method: parts.method.as_str(), uri: &uri, now };
        let proof = dpop::verify(headers.proof, request, Some(&inner.nonces), Some(token.bound()))
            .map_err(|error| proof_refusal(&error))?;
        self.standing(&token, Effect::of(&parts.method))?;
        let mut seen = inner.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.take(proof.replay_key(), proof.remember_until(), now).map_err(|fault| match fault {
            ReplayFault::Replayed => Refusal::InvalidProof("the DPoP proof was used before"),
            ReplayFault::Full => Refusal::Unavailable("too many requests at once"),
        })?;
        drop(seen);
        let presented = Presented {
            access_token: headers.token.to_owned(),
            proof: headers.proof.to_owned(),
            method: parts.method.as_str().to_owned(),
            uri: uri.as_str().to_owned(),
        };
        Ok(Caller { token, keys_forgotten, presented: Arc::new(presented) })
    }

    /// Whether what was good when the headers came is good now.
    pub(crate) fn still_good(&self, caller: &Caller, method: &http::Method) -> Result<(), Refusal> {
        if caller.token.is_expired(clock::now()) {
            return Err(Refusal::InvalidToken("the token has expired"));
        }
        if caller.keys_forgotten != self.inner.link.keys_forgotten() {
            return Err(Refusal::InvalidToken("a key of the issuer's was revoked since the token was verified"));
        }
        self.standing(&caller.token, Effect::of(method))
    }

    /// A verified token is remembered until it ends, or until keys are forgotten: its signature is not looked at twice (DESIGN §6).
    async fn verified(&self, token: &str, now: Time) -> Result<(Arc<VerifiedAccessToken>, u64), Refusal> {
        let key = counterfoil_core::digest::Digest::of(token.as_bytes());
        let link = &self.inner.link;
        if let Some(known) = self.inner.tokens.get(&key).filter(|(_, forgotten)| *forgotten == link.keys_forgotten()) {
            let expired = known.0.is_expired(now);
            return if expired { Err(Refusal::InvalidToken("the token has expired")) } else { Ok(known) };
        }
        let verified = link.verify(token, &self.inner.audience, now).await;
        let (verified, forgotten) = verified.map_err(|error| token_refusal(&error))?;
        let known = (Arc::new(verified), forgotten);
        self.inner.tokens.insert(key, known.clone());
        Ok(known)
    }

    /// Whether a sound token is still good. Asked again right before something is done with it.
    pub(crate) fn standing(&self, token: &VerifiedAccessToken, effect: Effect) -> Result<(), Refusal> {
        let claims = token.claims();
        let (jti, jkt) = (claims.jti.to_string(), claims.cnf.jkt.to_string());
        let lineage = claims.lineage.map(|login| login.to_string());
        let traits =
            Traits { jti: &jti, lineage: lineage.as_deref(), jkt: &jkt, issued_at: Time::from_seconds(claims.iat) };
        let revocations = self.inner.revocations.lock().unwrap_or_else(PoisonError::into_inner);
        revocations.check(&traits, effect, clock::monotonic()).map_err(|fault| match fault {
            RevocationFault::Revoked => Refusal::InvalidToken("the token has been revoked"),
            RevocationFault::Silent => Refusal::Unavailable("it cannot be known at the moment what is still good"),
        })
    }
}

/// The target as clients know it: the external URL, and the path before any router cut it.
fn target(external_url: &str, parts: &Parts) -> Result<HttpUri, Refusal> {
    let uri = parts.extensions.get::<OriginalUri>().map_or(&parts.uri, |original| &original.0);
    HttpUri::parse(&format!("{external_url}{}", uri.path()))
        .map_err(|_| Refusal::BadRequest("the path is malformed".into()))
}

fn token_refusal(error: &AccessTokenError) -> Refusal {
    Refusal::InvalidToken(match error {
        AccessTokenError::Jose(JoseError::UnknownKey) => {
            "the token is signed with a key that the issuer does not publish"
        }
        AccessTokenError::Jose(JoseError::Signature) => "the token's signature does not verify",
        AccessTokenError::Jose(_) => "the token is malformed",
        AccessTokenError::Issuer => "the token is of another issuer",
        AccessTokenError::Audience => "the token is for another API",
        AccessTokenError::Expired => "the token has expired",
        AccessTokenError::Times => "the token's times are impossible",
        AccessTokenError::Transaction => "the token's transaction is incomplete",
    })
}

fn proof_refusal(error: &DpopError) -> Refusal {
    Refusal::InvalidProof(match error {
        DpopError::Nonce => return Refusal::UseNonce,
        // The proof is sound, but not by the key of this token (RFC 9449 §7.1).
        DpopError::Key => return Refusal::InvalidToken("the token is bound to another key"),
        DpopError::Method => "the DPoP proof is for another method",
        DpopError::Target => "the DPoP proof is for another URL",
        DpopError::Age => "the DPoP proof is too old, or from the future",
        DpopError::AccessToken => "the DPoP proof is for another token",
        DpopError::Jti => "the DPoP proof's jti is empty or too long",
        DpopError::Missing | DpopError::Several | DpopError::Jose(_) => "the DPoP proof is malformed",
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]
mod tests {
    use super::*;

    #[test]
    fn the_headers_of_a_bound_token_are_read_strictly() {
        type Fields = &'static [(&'static str, &'static str)];
        let table: &[(Fields, Option<&str>)] = &[
            (&[("authorization", "DPoP t"), ("dpop", "p")], None),
            (&[("authorization", "dpop  t"), ("dpop", "p")], None),
            (&[], Some("no access token was presented")),
            (&[("authorization", "DPoP"), ("dpop", "p")], Some("no access token was presented")),
            (&[("authorization", "Basic t"), ("dpop", "p")], Some("no access token was presented")),
            (&[("authorization", "Bearer t"), ("dpop", "p")], Some("tokens for this API come with the scheme DPoP")),
            (&[("authorization", "DPoP t")], Some("the DPoP header is missing")),
            (&[("authorization", "DPoP t"), ("dpop", "p"), ("dpop", "p")], Some("more than one DPoP header")),
            (&[("authorization", "DPoP t"), ("dpop", "p, p")], Some("more than one DPoP header")),
            (
                &[("authorization", "DPoP t"), ("authorization", "DPoP t"), ("dpop", "p")],
                Some("more than one Authorization header"),
            ),
        ];
        for (fields, refusal) in table {
            let mut headers = HeaderMap::new();
            for (name, value) in *fields {
                headers.append(http::HeaderName::from_static(name), value.parse().unwrap());
            }
            let read = Headers::read(&headers);
            assert_eq!(read.as_ref().err().map(ToString::to_string).as_deref(), *refusal, "{fields:?}");
            if refusal.is_none() {
                assert_eq!(read.unwrap(), Headers { token: "t", proof: "p" });
            }
        }
    }

    #[test]
    fn the_target_is_what_clients_call_and_not_what_a_router_left() {
        let (mut parts, ()) = http::Request::put("/accounts/1?x=y").body(()).unwrap().into_parts();
        assert_eq!(target("https://api.example/v1", &parts).unwrap().as_str(), "https://api.example/v1/accounts/1");
        parts.extensions.insert(OriginalUri("/api/accounts/1".parse().unwrap()));
        assert_eq!(target("https://api.example", &parts).unwrap().as_str(), "https://api.example/api/accounts/1");
    }
}
