//! What one decision costs on this machine, by kind: `cargo run --release -p counterfoil-core --example decide`.
//!
//! A number to look at while working on `policy`; the product's own measurements are in `bench`.
#![allow(clippy::expect_used, reason = "an example that cannot go on should stop")]

use counterfoil_core::{
    assurance::{Acr, Binding, Method},
    decision::{DecisionInput, EnrolledAuthenticator, decide},
    evidence::{Evidence, ProofFact, RelayVerdict, SessionFacts},
    id::{AuthenticatorId, LoginId, SessionId, SubjectId},
    policy::{Pack, default_pack},
    time::Time,
};
use std::time::Duration;

const ROUNDS: u32 = 20_000;

/// Time that this thread has spent on a processor (Linux): what others do on the machine does not count.
fn on_processor() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(text.split(' ').next().and_then(|n| n.parse().ok()).unwrap_or(0))
}

fn input(action: &str, now: Time) -> DecisionInput {
    let proof = |method, ceiling| ProofFact {
        method,
        at: now,
        authenticator: AuthenticatorId::new(now, [method as u8; 10]),
        ceiling,
        user_verified: false,
        hardware_bound: false,
        txn_digest: None,
        channel: None,
    };
    let enrolled = |method, ceiling| EnrolledAuthenticator {
        id: AuthenticatorId::new(now, [method as u8; 10]),
        method,
        ceiling,
        user_verifying: true,
        hardware_bound: false,
        channel: None,
    };
    let mut input: DecisionInput = serde_json::from_value(serde_json::json!({
        "now": now,
        "subject": { "id": SubjectId::new(now, [1; 10]), "username": "ada", "groups": ["treasury"] },
        "action": action,
        "resource": { "type": "account", "id": "acc-1" },
    }))
    .expect("an input");
    input.session = Some(SessionFacts {
        id: SessionId::new(now, [2; 10]),
        login: LoginId::new(now, [3; 10]),
        born: now,
        binding: Binding::NewKey,
        recovered_at: None,
        relay: RelayVerdict::None,
        contained: false,
    });
    input.evidence = Evidence {
        proofs: vec![proof(Method::Password, Acr::Aal2), proof(Method::AppCode, Acr::Aal2)],
        approvers: Vec::new(),
    };
    input.enrolled = vec![
        enrolled(Method::Password, Acr::Aal2),
        enrolled(Method::AppCode, Acr::Aal2),
        enrolled(Method::Passkey, Acr::Phr),
    ];
    input
}

fn main() {
    let mut files = default_pack();
    // Thirty policies, a slice of about ten, as the product is measured elsewhere.
    for n in 0..20 {
        let action = if n < 6 { "balance.read" } else { "beneficiary.add" };
        let text = format!(
            "@id(\"extra-{n}\")\nforbid (principal, action in Action::\"{action}\", resource)\nwhen {{ resource.id == \"blocked-{n}\" }};\n"
        );
        files.insert(format!("extra-{n}.cedar"), text.into_bytes());
    }
    let pack = Pack::load(&files).expect("the default pack");
    let now = Time::from_seconds(1_790_000_000);
    let transaction = serde_json::json!({
        "type": "payout_change", "resource": { "type": "account", "id": "acc-1" }, "creditor_name": "Acme Tools GmbH",
        "iban": "DE89370400440532013000", "amount": { "currency": "EUR", "value": "12400.00" },
    });
    let permit = input("balance.read", now);
    let moderate = input("beneficiary.add", now);
    let high = DecisionInput { transaction: Some(transaction), ..input("payout.change", now) };
    let denied = input("key.export", now);
    let hashed = [7_u8; 64 * 1024];
    let before = on_processor();
    for _ in 0..ROUNDS / 10 {
        std::hint::black_box(counterfoil_core::digest::Digest::of(std::hint::black_box(&hashed)));
    }
    println!(
        "{:<20} {:>10.1?}  (to compare machines by)",
        "SHA-256 of 64 KiB",
        (on_processor() - before) / (ROUNDS / 10)
    );
    for (name, input) in
        [("low, permit", permit), ("moderate, step up", moderate), ("high, step up", high), ("critical, deny", denied)]
    {
        let tier = decide(&input, &pack).grounds().tier.expect("a known action");
        let before = on_processor();
        let mut outcome = None;
        for _ in 0..ROUNDS {
            outcome = Some(decide(std::hint::black_box(&input), &pack).outcome());
        }
        let each = (on_processor() - before) / ROUNDS;
        let policies = pack.asked(&input.action, tier).len();
        println!("{name:<20} {each:>10.1?}  {outcome:?}, {policies} policies in the slice");
    }
}
