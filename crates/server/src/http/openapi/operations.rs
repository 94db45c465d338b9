//! What each route takes, gives and refuses: one line for each line of the table of routes. A test compares the two tables,
//! and the tests that speak with a running server hold every reply against the document made of them.

use crate::problem::Kind;
use counterfoil_oauth::error::ErrorCode;

/// What a route takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Takes {
    /// No body.
    Nothing,
    /// JSON of this schema.
    Json(&'static str),
    /// `application/x-www-form-urlencoded` with the fields of this schema.
    Form(&'static str),
}

/// What a route gives when it does what was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gives {
    /// 200 with JSON of this schema.
    Json(&'static str),
    /// 201 with the same.
    Created(&'static str),
    /// 200 with JSON of this schema and the cookie of a session that is new, or somebody's from now on.
    Session(&'static str),
    /// Server-sent events, without an end.
    Events,
    /// The shell of a page, the same for everybody.
    Page,
    /// Plain text.
    Text,
    /// A file of the pages.
    Asset,
    /// The way to another page.
    Elsewhere,
    /// Nothing: it always ends in a problem, which names the page where the person confirms first.
    Confirmation,
}

/// One line of the table.
pub struct Operation {
    /// `operationId`: what a generated client calls it.
    pub id: &'static str,
    /// Method and path.
    pub route: &'static str,
    /// What it takes.
    pub takes: Takes,
    /// What it gives.
    pub gives: Gives,
    /// Problems beside those that the route's caller and body bring with them.
    pub problems: &'static [Kind],
    /// OAuth errors (RFC 6749 §5.2).
    pub errors: &'static [ErrorCode],
}

const fn op(id: &'static str, route: &'static str, takes: Takes, gives: Gives, problems: &'static [Kind]) -> Operation {
    Operation { id, route, takes, gives, problems, errors: &[] }
}

const fn oauth(
    id: &'static str,
    route: &'static str,
    takes: Takes,
    gives: Gives,
    errors: &'static [ErrorCode],
) -> Operation {
    Operation { id, route, takes, gives, problems: &[], errors }
}

/// What every change of one's own, and every look at it, may be answered with: the policy is asked like for everybody else.
macro_rules! decided {
    ($($kind:ident),* $(,)?) => { &[Kind::STEP_UP_REQUIRED, Kind::DENIED, Kind::TOO_MANY_OPEN $(, Kind::$kind)*] };
}

macro_rules! problems {
    ($($kind:ident),* $(,)?) => { &[$(Kind::$kind),*] };
}

macro_rules! errors {
    ($($code:ident),* $(,)?) => { &[$(ErrorCode::$code),*] };
}

use Gives::{Asset, Confirmation, Created, Elsewhere, Events, Json, Page, Session, Text};
use Takes::{Form, Json as Body, Nothing};

/// The table.
#[rustfmt::skip]
pub const OPERATIONS: &[Operation] = &[
    // Discovery.
    op("authorization_server", "GET /.well-known/oauth-authorization-server", Nothing, Json("AuthorizationServer"), &[]),
    op("openid_configuration", "GET /.well-known/openid-configuration", Nothing, Json("AuthorizationServer"), &[]),
    op("authzen_configuration", "GET /.well-known/authzen-configuration", Nothing, Json("PolicyDecisionPoint"), &[]),
    op("jwks", "GET /oauth/jwks", Nothing, Json("KeySet"), &[]),
    // OAuth and OpenID Connect.
    oauth("push", "POST /oauth/par", Form("PushRequest"), Created("Pushed"), errors![
        InvalidRequest, UnauthorizedClient, UnsupportedResponseType, InvalidScope, InvalidTarget, InvalidAuthorizationDetails,
        RequestNotSupported, UnmetAuthenticationRequirements]),
    oauth("token", "POST /oauth/token", Form("TokenRequest"), Json("Token"), errors![
        InvalidRequest, InvalidGrant, UnauthorizedClient, UnsupportedGrantType, InvalidScope, InvalidTarget]),
    op("userinfo", "GET /oauth/userinfo", Nothing, Json("UserInfo"), problems![FORBIDDEN, NOT_FOUND]),
    // Decisions and spending.
    op("evaluate", "POST /access/v1/evaluation", Body("Question"), Json("Answer"), problems![FORBIDDEN]),
    op("redeem", "POST /v1/redeem", Body("Redemption"), Json("Spent"), problems![
        FORBIDDEN, EXPIRED, SPENT, DIGEST_MISMATCH, POLICY_CHANGED, CONTAINED]),
    op("report", "POST /v1/redeem/{redemption_id}", Body("Report"), Json("Report"), problems![FORBIDDEN, NOT_FOUND]),
    op("revocations", "GET /v1/revocations", Nothing, Events, &[]),
    // Shells.
    op("home", "GET /", Nothing, Elsewhere, &[]),
    op("page_sign_in", "GET /sign-in", Nothing, Page, &[]),
    op("page_authorize", "GET /oauth/authorize", Nothing, Page, &[]),
    op("page_step_up", "GET /step-up/{id}", Nothing, Page, &[]),
    op("page_me", "GET /me", Nothing, Page, &[]),
    op("page_passkey", "GET /me/passkey", Nothing, Page, &[]),
    op("page_init", "GET /init", Nothing, Page, &[]),
    op("page_admin", "GET /admin", Nothing, Page, &[]),
    op("page_admin_decisions", "GET /admin/decisions", Nothing, Page, &[]),
    op("page_admin_decision", "GET /admin/decisions/{id}", Nothing, Page, &[]),
    op("page_admin_people", "GET /admin/people", Nothing, Page, &[]),
    op("page_admin_policies", "GET /admin/policies", Nothing, Page, &[]),
    op("page_admin_log", "GET /admin/log", Nothing, Page, &[]),
    op("asset", "GET /assets/{*path}", Nothing, Asset, problems![NOT_FOUND]),
    // What pages ask.
    op("begin_session", "POST /session", Body("Empty"), Session("Empty"), problems![CROWDED]),
    op("sign_in", "POST /sign-in", Body("SignInAsk"), Session("SignInStep"), problems![
        EXPIRED, OTHER_DEVICE, NOT_FOUND, TOO_MANY_OPEN]),
    op("sign_in_password", "POST /sign-in/password", Body("SignInPassword"), Session("SignInStep"), problems![
        EXPIRED, OTHER_DEVICE, NOT_FOUND, TOO_MANY_OPEN, NOT_ACCEPTED, THROTTLED, CROWDED, DENIED]),
    op("sign_in_code", "POST /sign-in/code", Body("SignInCode"), Session("SignInStep"), problems![
        EXPIRED, OTHER_DEVICE, NOT_FOUND, TOO_MANY_OPEN, CODE_REFUSED, AUTHENTICATOR_DISABLED, THROTTLED, DENIED]),
    op("sign_in_passkey", "POST /sign-in/passkey", Body("SignInPasskey"), Session("SignInStep"), problems![
        EXPIRED, OTHER_DEVICE, NOT_FOUND, TOO_MANY_OPEN, CODE_REFUSED, PASSKEY_REFUSED, DENIED]),
    op("sign_in_options", "POST /sign-in/passkey/options", Body("SignInOptions"), Session("SignInStep"), problems![
        EXPIRED, OTHER_DEVICE, NOT_FOUND]),
    op("authorize", "POST /oauth/authorize", Body("Authorize"), Json("Next"), problems![
        REQUEST_UNKNOWN, OTHER_DEVICE, DENIED, TOO_MANY_OPEN]),
    op("step_up", "POST /step-up/{id}", Body("Empty"), Json("StepUp"), problems![NOT_FOUND, OTHER_DEVICE, POLICY_CHANGED]),
    op("step_up_passkey", "POST /step-up/{id}/passkey", Body("StepUpPasskey"), Json("Answered"), problems![
        NOT_FOUND, OTHER_DEVICE, ANSWERED, EXPIRED, POLICY_CHANGED, PASSKEY_REFUSED, DENIED]),
    op("step_up_options", "POST /step-up/{id}/passkey/options", Body("Empty"), Json("PasskeyOptions"), problems![
        NOT_FOUND, OTHER_DEVICE]),
    op("step_up_code", "POST /step-up/{id}/code", Body("StepUpCode"), Json("Answered"), problems![
        NOT_FOUND, OTHER_DEVICE, ANSWERED, EXPIRED, POLICY_CHANGED, CODE_REFUSED, PASSKEY_REFUSED, AUTHENTICATOR_DISABLED,
        THROTTLED, DENIED]),
    op("step_up_refuse", "POST /step-up/{id}/refuse", Body("Refusal"), Json("Answered"), problems![
        NOT_FOUND, OTHER_DEVICE, ANSWERED, EXPIRED, POLICY_CHANGED]),
    op("me", "POST /me", Body("Empty"), Json("Account"), decided![]),
    op("passkey_options", "POST /me/passkey/options", Body("PasskeyAsk"), Json("PasskeyStep"), decided![
        NOT_FOUND, OTHER_DEVICE, EXPIRED, POLICY_CHANGED, ENROLMENT_REFUSED]),
    op("passkey_add", "POST /me/passkey", Body("Registration"), Json("Enrolled"), problems![
        OTHER_DEVICE, EXPIRED, ENROLMENT_REFUSED, ALREADY_ENROLLED]),
    op("own_evidence", "POST /me/confirmations/{id}/evidence", Body("Empty"), Json("Evidence"), decided![NOT_FOUND]),
    op("passkey_remove", "POST /me/authenticators/{id}/remove", Body("Empty"), Confirmation, decided![NOT_FOUND, NOT_CHANGED]),
    op("passkey_vouch", "POST /me/authenticators/{id}/vouch", Body("Empty"), Confirmation, decided![NOT_FOUND, NOT_CHANGED]),
    op("passkey_disown", "POST /me/authenticators/{id}/disown", Body("Empty"), Json("Empty"), decided![NOT_FOUND, NOT_CHANGED]),
    op("carry_out", "POST /me/confirmed/{id}", Body("Empty"), Json("CarriedOut"), problems![
        NOT_FOUND, OTHER_DEVICE, EXPIRED, POLICY_CHANGED, DENIED, NOT_CHANGED]),
    op("end_session", "POST /me/sessions/{id}/end", Body("EndSession"), Json("Empty"), decided![NOT_FOUND, NOT_CHANGED]),
    op("invitation", "POST /init", Body("Invitation"), Json("Enrol"), problems![
        INVITATION_SPENT, SIGNED_IN_ALREADY, THROTTLED, TOO_MANY_OPEN, ENROLMENT_REFUSED]),
    op("invited_passkey", "POST /init/passkey", Body("Registration"), Json("Enrolled"), problems![
        OTHER_DEVICE, EXPIRED, ENROLMENT_REFUSED, ALREADY_ENROLLED]),
    op("admin_overview", "POST /admin/overview", Body("Empty"), Json("Overview"), decided![FORBIDDEN]),
    op("admin_decisions", "POST /admin/decisions", Body("DecisionsAsk"), Json("Decisions"), decided![FORBIDDEN]),
    op("admin_decision", "POST /admin/decisions/{id}", Body("Empty"), Json("DecisionStory"), decided![FORBIDDEN, NOT_FOUND]),
    op("admin_evidence", "POST /admin/decisions/{id}/evidence", Body("Empty"), Json("Evidence"), decided![FORBIDDEN, NOT_FOUND]),
    op("admin_people", "POST /admin/people", Body("PeopleAsk"), Json("People"), decided![FORBIDDEN]),
    op("admin_policies", "POST /admin/policies", Body("Empty"), Json("Policies"), decided![FORBIDDEN]),
    op("admin_log", "POST /admin/log", Body("LogAsk"), Json("Log"), decided![FORBIDDEN]),
    op("sign_out", "POST /sign-out", Body("Empty"), Json("Next"), &[]),
    // Operations.
    op("openapi", "GET /openapi.json", Nothing, Json("OpenApi"), &[]),
    op("healthz", "GET /healthz", Nothing, Text, &[]),
    op("readyz", "GET /readyz", Nothing, Text, problems![BUSY]),
    op("metrics", "GET /metrics", Nothing, Text, problems![FORBIDDEN, UNAUTHENTICATED, INTERNAL]),
];
