//! How the store's refusals sound to an OAuth client.

use counterfoil_oauth::{
    client_auth::unknown_client,
    error::{ErrorCode, OAuthError},
};
use counterfoil_store::{CommitError, ReadError, Refusal};

/// A fault of ours: the cause goes to our log, the client learns that it was not its own.
pub fn internal(cause: impl std::fmt::Display) -> OAuthError {
    tracing::error!(%cause, "internal fault");
    OAuthError::new(ErrorCode::ServerError, "Something went wrong on our side.")
}

/// A read that gave no answer.
pub fn read(error: ReadError) -> OAuthError {
    internal(error)
}

/// A unit that was not done.
pub fn commit(error: CommitError) -> OAuthError {
    match &error {
        CommitError::Busy => OAuthError::new(ErrorCode::TemporarilyUnavailable, "Too busy; try again shortly."),
        // Removed since it authenticated: it is told what it will be told from now on.
        CommitError::Refused(Refusal::Condition { table: "clients", .. }) => unknown_client(),
        CommitError::Refused(_) => match error.spent() {
            Some(key) if key.starts_with("jti:") => {
                OAuthError::invalid_request("This client assertion or DPoP proof was used before.")
            }
            _ => OAuthError::invalid_request("The state has changed; start again."),
        },
        _ => internal(error),
    }
}
