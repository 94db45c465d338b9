//! What our own pages send and get. Their scripts are the only callers; the document has it for whoever reads along.

use super::schema::{
    anything, bytes, closed, count, digest, either, flag, id, list, named, object, says, text, time, word,
};
use counterfoil_core::assurance::{Binding, Tier};
use serde_json::Value;

/// By name.
pub fn schemas() -> Vec<(&'static str, Value)> {
    [credentials(), sign_in(), step_up(), account(), enrolment(), parts()].concat()
}

fn credentials() -> Vec<(&'static str, Value)> {
    let kind = || word(["public-key"]);
    vec![
        (
            "Assertion",
            says(
                closed([
                    ("id", bytes()),
                    ("rawId", says(bytes(), "The same.")),
                    ("type", kind()),
                    (
                        "response",
                        closed([
                            ("clientDataJSON", bytes()),
                            ("authenticatorData", bytes()),
                            ("signature", bytes()),
                            ("userHandle?", bytes()),
                        ]),
                    ),
                    ("authenticatorAttachment?", text()),
                    ("clientExtensionResults?", says(anything(), "Not looked at.")),
                ]),
                "What `navigator.credentials.get` gave, as `toJSON()` has it (WebAuthn L3 §5.1).",
            ),
        ),
        (
            "NewCredential",
            says(
                object([
                    ("id", bytes()),
                    ("rawId", says(bytes(), "The same.")),
                    ("type", kind()),
                    (
                        "response",
                        object([
                            ("clientDataJSON", bytes()),
                            ("attestationObject", bytes()),
                            ("transports?", list(text())),
                        ]),
                    ),
                ]),
                "What `navigator.credentials.create` gave, as `toJSON()` has it. What only repeats the attestation object is \
                 ignored.",
            ),
        ),
    ]
}

fn sign_in() -> Vec<(&'static str, Value)> {
    vec![
        ("Authorize", object([("client_id", text()), ("request_uri", text())])),
        ("Next", object([("next", says(text(), "A path of ours, or a registered address of the client."))])),
        ("SignInAsk", closed([("challenge?", id()), ("to?", text())])),
        ("SignInPassword", closed([("challenge", id()), ("username", text()), ("password", text())])),
        ("SignInCode", closed([("challenge", id()), ("code", text())])),
        ("SignInPasskey", closed([("challenge", id()), ("credential", named("Assertion"))])),
        ("SignInOptions", closed([("challenge", id())])),
        ("SignInStep", either(&["SignIn", "Next"])),
        (
            "SignIn",
            object([
                ("step", word(["identify", "code", "passkey"])),
                ("challenge", id()),
                ("client?", named("Client")),
                ("person?", named("Person")),
                ("methods", list(named("Method"))),
                ("passkey_options?", anything()),
                ("reason?", text()),
                ("attempts_left?", count()),
                ("now", time()),
                ("expires_at", time()),
            ]),
        ),
        ("PasskeyOptions", object([("passkey_options", anything())])),
    ]
}

fn step_up() -> Vec<(&'static str, Value)> {
    vec![
        ("StepUpPasskey", closed([("credential", named("Assertion"))])),
        ("StepUpCode", closed([("code", text())])),
        ("Refusal", closed([("alarm", says(flag(), "\"I did not ask for this.\""))])),
        (
            "StepUp",
            object([
                ("state", word(["open", "proven", "refused", "expired", "void", "announced"])),
                ("id", id()),
                ("lang", text()),
                ("client", named("Client")),
                ("title?", text()),
                ("sentence?", text()),
                ("strong?", list(text())),
                ("rows", list(named("Row"))),
                ("person", named("Person")),
                ("place?", text()),
                ("device?", text()),
                ("methods", list(named("Method"))),
                ("passkey_options?", anything()),
                ("attempts_left?", count()),
                ("enrol_url?", text()),
                ("reason", text()),
                ("policy_version", digest()),
                ("decision_id", id()),
                ("now", time()),
                ("expires_at", time()),
                ("receipt?", named("Receipt")),
                ("back?", named("Back")),
            ]),
        ),
        (
            "Row",
            object([
                ("field", text()),
                ("label", text()),
                ("value", text()),
                ("kind", word(["text", "name", "iban", "amount", "id", "date"])),
                ("main?", flag()),
                ("given_by?", text()),
                ("mixed_scripts?", flag()),
                ("changed?", word(["new", "larger", "smaller", "other"])),
                ("changed_from?", text()),
            ]),
        ),
        (
            "Receipt",
            object([("counterfoil", text()), ("at", time()), ("outcome", word(["confirmed", "refused", "alarm"]))]),
        ),
        ("Answered", object([("next?", text()), ("receipt", named("Receipt"))])),
    ]
}

fn account() -> Vec<(&'static str, Value)> {
    let binding = || word(Binding::ALL.iter().map(|binding| binding.as_str()));
    vec![
        (
            "Account",
            object([
                ("person", named("Person")),
                ("now", time()),
                ("notices?", list(text())),
                ("can_admin", flag()),
                (
                    "session",
                    object([
                        ("acr", named("Acr")),
                        ("binding", binding()),
                        ("signed_in_at", time()),
                        ("ends_at", time()),
                    ]),
                ),
                ("authenticators", list(named("Authenticator"))),
                (
                    "sessions",
                    list(object([
                        ("id", id()),
                        ("current", flag()),
                        ("device", text()),
                        ("place?", text()),
                        ("ip?", text()),
                        ("signed_in_at", time()),
                        ("last_seen_at", time()),
                        ("binding", binding()),
                        ("methods", list(named("Method"))),
                    ])),
                ),
                (
                    "confirmations",
                    list(object([
                        ("counterfoil", text()),
                        ("at", time()),
                        ("title", text()),
                        ("client", text()),
                        ("text", text()),
                        ("outcome", word(["executed", "failed", "redeemed", "unused", "refused", "alarm"])),
                        ("evidence_url?", text()),
                    ])),
                ),
                (
                    "decisions",
                    list(object([
                        ("id", id()),
                        ("at", time()),
                        ("action", text()),
                        ("resource", named("Resource")),
                        ("client?", text()),
                        ("outcome", named("Outcome")),
                        ("tier", named("Tier")),
                        ("reason", text()),
                    ])),
                ),
                (
                    "addresses",
                    list(object([
                        ("id", id()),
                        ("kind", word(["mail", "phone"])),
                        ("value", text()),
                        ("verified", flag()),
                    ])),
                ),
                (
                    "enrol",
                    object([
                        ("allowed", flag()),
                        ("reason?", text()),
                        ("ceiling?", named("Acr")),
                        ("rises_at?", time()),
                    ]),
                ),
            ]),
        ),
        (
            "Authenticator",
            object([
                ("id", id()),
                ("method", named("Method")),
                ("name", text()),
                ("added_at", time()),
                ("last_used_at?", time()),
                ("ceiling", named("Acr")),
                ("rises_at?", time()),
                ("rises_to?", named("Acr")),
                ("state", word(["active", "disabled", "contained", "removed"])),
                ("synced?", flag()),
                ("why?", word(["failures", "counter", "administrator", "disowned"])),
                ("removable", flag()),
                ("vouchable", flag()),
                ("disownable", flag()),
                ("this_device?", flag()),
            ]),
        ),
        ("EndSession", closed([("not_me", flag())])),
        ("CarriedOut", object([("outcome", word(["spent"])), ("replayed", flag()), ("action", text())])),
    ]
}

fn enrolment() -> Vec<(&'static str, Value)> {
    vec![
        ("Invitation", closed([("secret", says(text(), "What stood in the fragment of the link."))])),
        ("PasskeyAsk", closed([("name?", text()), ("confirmed?", id()), ("to?", text())])),
        ("PasskeyStep", either(&["Enrol", "NameFirst"])),
        (
            "Enrol",
            object([
                ("kind?", word(["administrator", "invitation"])),
                ("person", named("Person")),
                ("creation_options", anything()),
                ("challenge", id()),
                ("ceiling", named("Acr")),
                ("rises_at?", time()),
                ("rises_to?", named("Acr")),
                ("invitation?", flag()),
                ("name?", text()),
                ("now", time()),
                ("expires_at", time()),
            ]),
        ),
        ("NameFirst", object([("name_first", flag()), ("person", named("Person")), ("now", time())])),
        ("Registration", closed([("challenge", id()), ("credential", named("NewCredential")), ("name", text())])),
        ("Enrolled", object([("authenticator", named("Authenticator")), ("told", count())])),
    ]
}

fn parts() -> Vec<(&'static str, Value)> {
    let leaf = || object([("leaf", text()), ("index", count()), ("path", list(digest()))]);
    vec![
        ("Client", object([("name", text()), ("host?", text())])),
        ("Person", object([("name", text()), ("username", text())])),
        ("Resource", object([("type", text()), ("id", text())])),
        ("Outcome", word(["permit", "step_up", "deny"])),
        ("Tier", word(Tier::ALL.iter().map(|tier| tier.as_str()))),
        (
            "Evidence",
            says(
                object([
                    ("v", count()),
                    ("statement", anything()),
                    ("nonce", text()),
                    ("transaction", anything()),
                    ("display_text", text()),
                    ("assertion", anything()),
                    ("credential", anything()),
                    ("attestation_object?", text()),
                    ("enrolled", leaf()),
                    ("decided", leaf()),
                    ("opened", leaf()),
                    ("proven", leaf()),
                    ("spent?", leaf()),
                    ("reported?", leaf()),
                    ("decision_record?", text()),
                    ("checkpoint", text()),
                ]),
                "An approval's whole story, for somebody who believes nothing of ours but the log's public key.",
            ),
        ),
    ]
}
