//! Everything that came out of one login is cut, in one act: its session, tokens and codes, what it bound, and every later
//! login made with that (DESIGN §6, R4). What is older stays as it is.

use crate::{
    app::App,
    problem::{Kind, Problem},
};
use counterfoil_core::{
    audit::event::{Actor, ContainmentCause, EventKind},
    id::{AuthenticatorId, LoginId, SessionId, TokenId},
    time::Time,
};
use counterfoil_store::{Artefact, Closure};

/// What somebody found that must not be trusted any more.
#[derive(Debug, Clone, Copy)]
pub enum Found {
    /// A login: `lineage` in its tokens.
    Login(LoginId),
    /// A session, also one that is over: its login is meant.
    Session(SessionId),
    /// A token: the login that it came from is meant.
    Token(TokenId),
    /// An authenticator: every login that was made with it is cut too.
    Authenticator(AuthenticatorId),
}

/// Contains it. Returns what was cut: nothing, if all of it was cut before.
pub async fn contain(
    app: &App,
    found: Found,
    cause: ContainmentCause,
    actor: Actor,
    now: Time,
) -> Result<Closure, Problem> {
    let roots = roots(app, found).await?;
    cut(app, &roots, cause, actor, now).await
}

/// Contains these and all that came out of them.
pub async fn cut(
    app: &App,
    roots: &[Artefact],
    cause: ContainmentCause,
    actor: Actor,
    now: Time,
) -> Result<Closure, Problem> {
    let closure = app
        .store
        .contain(roots, now, |cut| {
            let kind =
                EventKind::Contained { logins: cut.logins.clone(), authenticators: cut.authenticators.clone(), cause };
            app.event(now, actor.clone(), kind)
        })
        .await?;
    // This node obeys before it answers; the others and the guards learn it from the feed.
    for login in &closure.logins {
        app.facts.forget_login(*login);
        if let Some(login) = app.store.login(*login).await? {
            app.facts.forget_person(login.subject);
        }
    }
    for authenticator in &closure.authenticators {
        if let Some(enrolled) = app.store.authenticator(*authenticator).await? {
            app.facts.forget_person(enrolled.subject);
        }
    }
    Ok(closure)
}

/// Where the cut begins. What is not there is no success: a typing error must not look like a containment.
async fn roots(app: &App, found: Found) -> Result<Vec<Artefact>, Problem> {
    let unknown = |what: &str| Problem::new(Kind::NOT_FOUND).detail(format!("there is no such {what}"));
    Ok(match found {
        Found::Login(id) => {
            app.store.login(id).await?.ok_or_else(|| unknown("login"))?;
            vec![Artefact::Login(id)]
        }
        Found::Session(id) => {
            app.store.session(id).await?.ok_or_else(|| unknown("session"))?;
            let login = login_of(app, id).await?.ok_or_else(|| {
                Problem::new(Kind::NOT_FOUND).detail("nobody ever signed in with this session: nothing came out of it")
            })?;
            vec![Artefact::Login(login)]
        }
        Found::Token(id) => {
            let token = app.store.token(id).await?.ok_or_else(|| {
                unknown("token")
                    .with("hint", "tokens are remembered for a day after they end; use --login with its `lineage`")
            })?;
            let login = token.login.ok_or_else(|| {
                Problem::new(Kind::CONFLICT)
                    .detail("this is a client's own token: it came out of no login")
                    .with("hint", "counterfoil admin clients remove takes the client with everything that it holds")
            })?;
            vec![Artefact::Login(login)]
        }
        Found::Authenticator(id) => {
            app.store.authenticator(id).await?.ok_or_else(|| unknown("authenticator"))?;
            vec![Artefact::Authenticator(id)]
        }
    })
}

/// Sessions whose places others took, followed at most: assurance rises a few times, not hundreds.
const RISES: usize = 64;

/// The login of a session, also of one that is over or whose place another one took.
async fn login_of(app: &App, id: SessionId) -> Result<Option<LoginId>, Problem> {
    let mut id = id;
    for _ in 0..RISES {
        let parents = app.store.parents(&Artefact::Session(id)).await?;
        let login = parents.into_iter().find_map(|parent| match parent {
            Artefact::Login(login) => Some(login),
            _ => None,
        });
        if login.is_some() {
            return Ok(login);
        }
        match app.store.session(id).await?.map(|session| session.state) {
            Some(counterfoil_core::session::SessionState::Replaced { by }) => id = by,
            _ => return Ok(None),
        }
    }
    Ok(None)
}
