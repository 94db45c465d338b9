//! What the console asks and is told.

use super::schema::{anything, count, digest, flag, id, list, named, object, says, text, time, word};
use serde_json::Value;

/// By name.
pub fn schemas() -> Vec<(&'static str, Value)> {
    [asks(), overview(), decisions(), rules(), history()].concat()
}

fn asks() -> Vec<(&'static str, Value)> {
    vec![
        (
            "DecisionsAsk",
            object([
                ("outcome?", named("Outcome")),
                ("tier?", text()),
                ("action?", text()),
                ("subject?", says(text(), "A user name or `sub`.")),
                ("before?", id()),
            ]),
        ),
        ("PeopleAsk", object([("q?", says(text(), "A user name.")), ("before?", id())])),
        ("LogAsk", object([("kind?", text()), ("q?", text()), ("before?", text())])),
    ]
}

fn overview() -> Vec<(&'static str, Value)> {
    let item = || object([("title", text()), ("detail?", text()), ("at?", time()), ("url?", text())]);
    let parts = word(["overview", "decisions", "people", "policies", "log"]);
    vec![
        ("Viewer", object([("name", text()), ("roles", list(text())), ("nav", list(parts))])),
        (
            "Overview",
            object([
                ("viewer", named("Viewer")),
                ("now", time()),
                ("since", time()),
                ("alarms", list(item())),
                ("todo", list(item())),
                ("totals", object([("permit", count()), ("step_up", count()), ("deny", count())])),
                (
                    "step_ups",
                    object([
                        ("asked", count()),
                        ("confirmed", count()),
                        ("refused", count()),
                        ("alarms", count()),
                        ("unanswered", count()),
                        ("median_seconds?", count()),
                    ]),
                ),
                ("hours", list(object([("at", time()), ("permit", count()), ("step_up", count()), ("deny", count())]))),
                ("chart?", says(text(), "SVG as a `data:` address.")),
                ("policy", named("PolicyInForce")),
                ("log", object([("size", count()), ("checkpoint_at", time()), ("root", text())])),
            ]),
        ),
        (
            "PolicyInForce",
            object([("version", digest()), ("name", text()), ("activated_at", time()), ("activated_by?", text())]),
        ),
    ]
}

fn decisions() -> Vec<(&'static str, Value)> {
    let facts = || list(object([("label", text()), ("value", text()), ("note?", text())]));
    vec![
        (
            "Decisions",
            object([
                ("viewer", named("Viewer")),
                (
                    "decisions",
                    list(object([
                        ("id", id()),
                        ("at", time()),
                        ("outcome", named("Outcome")),
                        ("tier?", named("Tier")),
                        ("action", text()),
                        ("resource", named("Resource")),
                        ("subject", object([("id", text()), ("username?", text())])),
                        ("client?", text()),
                        ("audience?", text()),
                        ("reason", text()),
                        ("policies", list(text())),
                    ])),
                ),
                ("before?", text()),
                ("actions", list(text())),
            ]),
        ),
        (
            "DecisionStory",
            object([
                ("viewer", named("Viewer")),
                ("id", id()),
                ("at", time()),
                ("outcome", named("Outcome")),
                ("tier?", named("Tier")),
                ("sections", object([("request", facts()), ("session", facts()), ("evidence", facts())])),
                ("policies", list(named("PolicyLine"))),
                ("policy_version", digest()),
                ("requirement?", facts()),
                ("reason_user", text()),
                ("reason_admin", text()),
                (
                    "followed",
                    list(object([
                        ("at", time()),
                        ("kind", text()),
                        ("title", text()),
                        ("detail?", text()),
                        ("event_id?", id()),
                        ("leaf?", count()),
                    ])),
                ),
                ("raw", says(anything(), "The record as it is kept.")),
                ("evidence_url?", text()),
            ]),
        ),
        (
            "PolicyLine",
            object([
                ("id", text()),
                ("effect?", word(["permit", "forbid"])),
                ("spoke", flag()),
                ("text?", says(text(), "Cedar.")),
                ("note?", text()),
            ]),
        ),
    ]
}

fn rules() -> Vec<(&'static str, Value)> {
    vec![
        (
            "Policies",
            object([
                ("viewer", named("Viewer")),
                ("active", named("PolicyInForce")),
                (
                    "actions",
                    list(object([
                        ("name", text()),
                        ("tier", named("Tier")),
                        ("resource_type?", text()),
                        ("transaction_type?", text()),
                    ])),
                ),
                ("policies", list(named("PolicyLine"))),
                (
                    "versions",
                    list(object([("version", digest()), ("activated_at", time()), ("activated_by?", text())])),
                ),
            ]),
        ),
        (
            "People",
            object([
                ("viewer", named("Viewer")),
                (
                    "people",
                    list(object([
                        ("id", id()),
                        ("username", text()),
                        ("name", text()),
                        ("roles", list(text())),
                        ("groups", list(text())),
                        ("authenticators", count()),
                        ("strongest?", named("Acr")),
                        ("last_seen_at?", time()),
                    ])),
                ),
                ("before?", text()),
            ]),
        ),
    ]
}

fn history() -> Vec<(&'static str, Value)> {
    vec![(
        "Log",
        object([
            ("viewer", named("Viewer")),
            (
                "checkpoint?",
                object([
                    ("size", count()),
                    ("root", text()),
                    ("at", time()),
                    ("note", says(text(), "The signed note (C2SP).")),
                ]),
            ),
            (
                "events",
                list(object([
                    ("id", id()),
                    ("at", time()),
                    ("kind", text()),
                    ("actor", text()),
                    ("summary", text()),
                    ("leaf?", count()),
                    ("raw", says(anything(), "The event as it is kept.")),
                ])),
            ),
            ("before?", text()),
            ("kinds", list(text())),
        ]),
    )]
}
