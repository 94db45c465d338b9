//! What programs send and get: decisions, spending, OAuth, discovery, and the two forms of a refusal.

use super::schema::{
    anything, at_most, closed, count, digest, either, flag, id, list, named, object, says, text, time, uri, word,
};
use crate::problem::Kind;
use counterfoil_core::{
    assurance::{Acr, Method},
    limits,
};
use counterfoil_oauth::{client_auth::ASSERTION_TYPE, error::ErrorCode, pkce};
use serde_json::{Value, json};

fn acr() -> Value {
    word(Acr::ALL.iter().map(|acr| acr.as_str()))
}

fn name() -> Value {
    at_most(limits::NAME_BYTES)
}

fn word_of(only: &str) -> Value {
    json!({"type": "string", "const": only})
}

/// By name.
pub fn schemas() -> Vec<(&'static str, Value)> {
    [decisions(), oauth(), discovery(), refusals()].concat()
}

/// What a permit of tier high or critical may meet on the way to be spent.
const UNSPENT: [Kind; 8] = [
    Kind::SPENT,
    Kind::DIGEST_MISMATCH,
    Kind::POLICY_CHANGED,
    Kind::CONTAINED,
    Kind::EXPIRED,
    Kind::CONFLICT,
    Kind::FORBIDDEN,
    Kind::INVALID_REQUEST,
];

fn decisions() -> Vec<(&'static str, Value)> {
    let entity = |sentence| {
        let properties = says(anything(), "`context.asserted` for the policy, as far as the pack declares it.");
        says(object([("type", name()), ("id", name()), ("properties?", properties)]), sentence)
    };
    let requirement = || {
        [
            ("acr_values?", says(acr(), "What the proof must amount to.")),
            ("max_age?", says(count(), "How old it may be, in seconds.")),
            ("transaction_bound?", says(flag(), "It must be made for this very transaction.")),
            ("approvers?", says(count(), "How many other people must agree.")),
            ("enrolment_needed?", says(flag(), "The person has nothing yet that could prove this.")),
            (
                "missing?",
                says(
                    list(word(["access_token", "authorization_details", "redemption_id"])),
                    "What `context` must bring beside the proof.",
                ),
            ),
        ]
    };
    let [acr_values, max_age, transaction_bound, approvers, enrolment_needed, missing] = requirement();
    vec![
        (
            "Question",
            says(
                object([
                    ("subject", entity("Who: `user` and the `sub` of the person.")),
                    ("action", object([("name", name()), ("properties?", anything())])),
                    ("resource", entity("On what.")),
                    ("context?", named("QuestionContext")),
                ]),
                "AuthZEN 1.0 §6. Members that are not known are ignored.",
            ),
        ),
        (
            "QuestionContext",
            object([
                ("access_token?", says(text(), "The subject's. Without it there is no session and no evidence.")),
                (
                    "dpop?",
                    says(named("Possession"), "Where the API has not itself proved possession of the token's key."),
                ),
                ("ip?", name()),
                ("user_agent?", text()),
                ("ja4?", name()),
                (
                    "authorization_details?",
                    json!({"type": "array", "items": anything(), "minItems": 1, "maxItems": 1,
                        "description": "The transaction, as it will be executed."}),
                ),
                (
                    "redemption_id?",
                    says(named("RedemptionId"), "With it a permit of tier high or critical is spent, as redeem does."),
                ),
            ]),
        ),
        (
            "Answer",
            object([
                ("decision", flag()),
                (
                    "context",
                    object([
                        ("outcome", word(["permit", "step_up", "deny"])),
                        ("decision_id", says(id(), "What a client pushes to answer a step-up.")),
                        ("policy_version", digest()),
                        ("reason_user", text()),
                        ("reason_admin?", says(text(), "For callers with scope `reasons`.")),
                        acr_values,
                        max_age,
                        transaction_bound,
                        approvers,
                        enrolment_needed,
                        missing,
                        (
                            "challenge_uri?",
                            says(uri(), "A page that says what is asked and leads back; it opens nothing."),
                        ),
                        (
                            "would_take?",
                            says(object(requirement()), "Of a deny: what would change it, once it can be given."),
                        ),
                        (
                            "error?",
                            says(
                                word(UNSPENT.iter().map(|kind| kind.name)),
                                "Why a permit was not spent, and so is none.",
                            ),
                        ),
                    ]),
                ),
            ]),
        ),
        (
            "Possession",
            closed([
                ("proof", says(text(), "The DPoP proof that the API received.")),
                ("method", says(text(), "The method of the request that it came with.")),
                ("uri", says(uri(), "Its address.")),
            ]),
        ),
        (
            "RedemptionId",
            json!({"type": "string", "minLength": 16, "maxLength": limits::NAME_BYTES,
                "description": "The API's own name for one act: printable ASCII, drawn at random. A retry keeps it."}),
        ),
        (
            "Redemption",
            closed([
                ("access_token", says(text(), "The transaction's token.")),
                ("dpop", named("Possession")),
                ("txn_digest", says(digest(), "SHA-256 of the JCS of what is about to be executed.")),
                ("redemption_id", named("RedemptionId")),
            ]),
        ),
        (
            "Spent",
            object([
                ("outcome", word_of("spent")),
                ("replayed", says(flag(), "This very redemption was answered so before.")),
                ("txn", says(id(), "The challenge that was proven.")),
                ("counterfoil", says(text(), "The number on the person's receipt.")),
                ("decision_id", id()),
                ("subject", id()),
                ("client_id", text()),
                ("authorization_details", says(list(anything()), "What to execute: these values, and no others.")),
            ]),
        ),
        ("Report", closed([("outcome", word(["executed", "failed"]))])),
        (
            "Revoked",
            object([("kind", word(["login", "token", "key"])), ("id", says(text(), "`lineage`, `jti` or `kid`."))]),
        ),
        ("Heartbeat", object([("at", time())])),
        ("Time", json!({"type": "integer", "format": "int64", "description": "Milliseconds since the epoch."})),
        ("Empty", says(closed([]), "Nothing to say.")),
    ]
}

fn oauth() -> Vec<(&'static str, Value)> {
    let client = || {
        [
            ("client_id?", says(name(), "Required of a public client; else the assertion says it.")),
            ("client_assertion_type?", word_of(ASSERTION_TYPE)),
            ("client_assertion?", says(text(), "RFC 7523 §2.2; `aud` is the issuer, used once.")),
        ]
    };
    let [push_id, push_type, push_assertion] = client();
    let [code_id, code_type, code_assertion] = client();
    let [own_id, own_type, own_assertion] = client();
    let state = || at_most(limits::CLIENT_STATE_BYTES);
    vec![
        (
            "PushRequest",
            says(
                object([
                    push_id,
                    push_type,
                    push_assertion,
                    ("response_type", word_of("code")),
                    ("response_mode?", word_of("query")),
                    ("redirect_uri", says(uri(), "As registered, letter by letter.")),
                    ("code_challenge", digest()),
                    ("code_challenge_method", word_of(pkce::METHOD)),
                    ("scope?", text()),
                    ("resource?", says(uri(), "The API that the token is for (RFC 8707).")),
                    ("state?", state()),
                    ("nonce?", state()),
                    ("decision_id?", says(id(), "The step-up that this answers.")),
                    (
                        "authorization_details?",
                        json!({"type": "string", "contentMediaType": "application/json",
                            "description": "An array of one object: what the API lodged under the decision (RFC 9396)."}),
                    ),
                    ("acr_values?", says(text(), "Any of these is enough (RFC 9470).")),
                    ("max_age?", count()),
                    ("prompt?", text()),
                    ("login_hint?", name()),
                    ("ui_locales?", name()),
                    ("dpop_jkt?", says(digest(), "The key that the code is bound to (RFC 9449 §10).")),
                ]),
                "RFC 9126 §2.1. Parameters that are not known are ignored; one that is given twice is refused.",
            ),
        ),
        (
            "Pushed",
            object([
                ("request_uri", says(text(), "To be taken to /oauth/authorize, once.")),
                ("expires_in", says(count(), "Seconds.")),
            ]),
        ),
        ("TokenRequest", either(&["CodeForToken", "TokenForClient"])),
        (
            "CodeForToken",
            object([
                code_id,
                code_type,
                code_assertion,
                ("grant_type", word_of("authorization_code")),
                ("code", text()),
                ("code_verifier", json!({"type": "string", "minLength": 43, "maxLength": 128})),
                ("redirect_uri?", uri()),
                ("resource?", uri()),
            ]),
        ),
        (
            "TokenForClient",
            object([
                own_id,
                own_type,
                own_assertion,
                ("grant_type", word_of("client_credentials")),
                ("scope?", text()),
                ("resource?", uri()),
            ]),
        ),
        (
            "Token",
            object([
                ("access_token", text()),
                ("token_type", word_of("DPoP")),
                ("expires_in", says(count(), "Seconds.")),
                ("scope?", text()),
                ("id_token?", says(text(), "With scope `openid`.")),
                ("authorization_details?", says(list(anything()), "What was approved (RFC 9396 §7).")),
            ]),
        ),
        (
            "UserInfo",
            object([
                ("sub", id()),
                ("name?", text()),
                ("preferred_username?", text()),
                ("email?", text()),
                ("email_verified?", flag()),
            ]),
        ),
    ]
}

fn discovery() -> Vec<(&'static str, Value)> {
    let words = || list(text());
    vec![
        (
            "AuthorizationServer",
            says(
                object([
                    ("issuer", uri()),
                    ("authorization_endpoint", uri()),
                    ("token_endpoint", uri()),
                    ("pushed_authorization_request_endpoint", uri()),
                    ("jwks_uri", uri()),
                    ("userinfo_endpoint", uri()),
                    ("require_pushed_authorization_requests", flag()),
                    ("response_types_supported", words()),
                    ("response_modes_supported", words()),
                    ("grant_types_supported", words()),
                    ("scopes_supported", words()),
                    ("subject_types_supported", words()),
                    ("id_token_signing_alg_values_supported", words()),
                    ("token_endpoint_auth_methods_supported", words()),
                    ("token_endpoint_auth_signing_alg_values_supported", words()),
                    ("code_challenge_methods_supported", words()),
                    ("dpop_signing_alg_values_supported", words()),
                    ("acr_values_supported", list(acr())),
                    (
                        "authorization_details_types_supported",
                        says(words(), "Transaction types of the policy in force."),
                    ),
                    ("claims_supported", words()),
                    ("ui_locales_supported", words()),
                    ("authorization_response_iss_parameter_supported", flag()),
                    ("claims_parameter_supported", flag()),
                    ("request_parameter_supported", flag()),
                    ("request_uri_parameter_supported", flag()),
                ]),
                "RFC 8414 and OpenID Connect Discovery.",
            ),
        ),
        (
            "PolicyDecisionPoint",
            says(object([("policy_decision_point", uri()), ("access_evaluation_endpoint", uri())]), "AuthZEN 1.0 §9."),
        ),
        (
            "KeySet",
            says(
                object([(
                    "keys",
                    list(object([
                        ("kty", text()),
                        ("crv", text()),
                        ("x", text()),
                        ("y", text()),
                        ("alg", text()),
                        ("use", word_of("sig")),
                        ("kid", text()),
                    ])),
                )]),
                "RFC 7517 §5.",
            ),
        ),
        ("OpenApi", says(anything(), "This document.")),
    ]
}

fn refusals() -> Vec<(&'static str, Value)> {
    let types: Vec<String> = Kind::ALL.iter().map(|kind| kind.urn()).collect();
    vec![
        (
            "Problem",
            says(
                object([
                    (
                        "type",
                        says(word(types.iter().map(String::as_str)), "The closed list. Branch on it, or on `code`."),
                    ),
                    ("code", says(word(Kind::ALL.iter().map(|kind| kind.name)), "The last part of `type`.")),
                    ("title", says(text(), "The same for every occurrence.")),
                    ("status", json!({"type": "integer"})),
                    ("detail?", says(text(), "What happened this time.")),
                    ("pointer?", says(text(), "Which member of the body is meant (RFC 6901).")),
                    ("next?", says(text(), "Where a page goes from here.")),
                    ("retry_after_seconds?", says(count(), "Of `throttled`, `crowded` and `too-many-open`.")),
                    ("reason?", says(text(), "Of `denied` and `enrolment-refused`: why, in words for the person.")),
                    ("decision_id?", says(id(), "Of `denied`.")),
                    ("back?", says(named("Back"), "Of `denied`: the client that is told `access_denied`.")),
                    ("why?", says(text(), "Of `not-changed`: a fixed word.")),
                    ("whose?", says(word(["own", "another"]), "Of `signed-in-already`.")),
                ]),
                "RFC 9457.",
            ),
        ),
        ("Back", object([("url", text()), ("name", text())])),
        (
            "OAuthError",
            says(
                object([
                    ("error", word(ErrorCode::ALL.iter().map(|code| code.as_str()))),
                    ("error_description", says(text(), "For whoever wrote the client.")),
                ]),
                "RFC 6749 §5.2.",
            ),
        ),
        ("Method", word(Method::ALL.iter().map(|method| method.as_str()))),
        ("Acr", acr()),
    ]
}
