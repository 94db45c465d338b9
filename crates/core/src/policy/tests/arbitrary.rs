//! Requests for tests: two that are usual, and any that the product could be asked.

use crate::{
    assurance::{Acr, Binding, Method, Tier},
    decision::{DecisionInput, Enrollable, EnrolledAuthenticator, RegisteredResource, ResourceFacts, SubjectFacts},
    digest::Digest,
    evidence::{Evidence, ProofFact, RelayVerdict, SessionFacts},
    id::{AuthenticatorId, LoginId, SessionId, SubjectId},
    json,
    time::Time,
};
use proptest::{collection::vec, option, prelude::*, sample::select};
use serde_json::{Map, Value, json};

pub(super) const NOW: Time = Time::from_seconds(1_790_000_000);

pub(super) fn subject_id() -> SubjectId {
    SubjectId::new(NOW, [1; 10])
}

pub(super) fn authenticator(number: u8) -> AuthenticatorId {
    AuthenticatorId::new(NOW, [number; 10])
}

fn proof(method: Method, number: u8) -> ProofFact {
    ProofFact {
        method,
        at: NOW,
        authenticator: authenticator(number),
        ceiling: if method == Method::Passkey { Acr::Phr } else { Acr::Aal2 },
        user_verified: method == Method::Passkey,
        hardware_bound: false,
        txn_digest: None,
        channel: None,
    }
}

fn session(binding: Binding) -> SessionFacts {
    SessionFacts {
        id: SessionId::new(NOW, [2; 10]),
        login: LoginId::new(NOW, [3; 10]),
        born: NOW,
        binding,
        recovered_at: None,
        relay: RelayVerdict::None,
        contained: false,
    }
}

/// Somebody of the treasury, on a known device, after password and code.
pub(super) fn signed_in(action: &str) -> DecisionInput {
    let subject = SubjectFacts {
        id: subject_id(),
        username: "ada".into(),
        suspended: false,
        groups: vec!["treasury".into()],
        roles: Vec::new(),
        ever_phishing_resistant: false,
    };
    let resource = ResourceFacts { kind: "account".into(), id: "acc-1".into(), registered: None };
    let proofs = vec![proof(Method::Password, 1), proof(Method::AppCode, 2)];
    DecisionInput {
        session: Some(session(Binding::KnownDevice)),
        evidence: Evidence { proofs, approvers: Vec::new() },
        redemption_id: Some("redemption-1".into()),
        ..DecisionInput::new(NOW, Some(subject), action, resource)
    }
}

pub(super) fn payout_value() -> Value {
    json!({
        "type": "payout_change",
        "resource": { "type": "account", "id": "acc-1" },
        "creditor_name": "Acme Tools GmbH",
        "iban": "DE89370400440532013000",
        "amount": { "currency": "EUR", "value": "12400.00" },
    })
}

pub(super) fn digest_of(value: &Value) -> Digest {
    Digest::of(&json::canonical(value).unwrap())
}

/// A payout that was signed.
pub(super) fn payout() -> DecisionInput {
    let value = payout_value();
    let mut input = signed_in("payout.change");
    let signed = ProofFact { txn_digest: Some(digest_of(&value)), ..proof(Method::Passkey, 3) };
    input.evidence.proofs.push(signed);
    input.transaction = Some(value);
    input
}

fn any_age() -> impl Strategy<Value = i64> {
    select(vec![-11, -1, 0, 59, 60, 299, 300, 301, 899, 900, 901, 43_199, 43_200, 43_201, 300_000])
}

fn any_proof(txn: Option<Digest>) -> impl Strategy<Value = ProofFact> {
    let other = Digest::of(b"another transaction");
    (
        select(Method::ALL.to_vec()),
        any_age(),
        0..6_u8,
        select(Acr::ALL.to_vec()),
        any::<bool>(),
        any::<bool>(),
        select(vec![None, None, txn, Some(other)]),
        option::of(select(vec!["handset:1".to_owned(), "tel:2".to_owned()])),
    )
        .prop_map(|(method, age, number, ceiling, user_verified, hardware_bound, txn_digest, channel)| ProofFact {
            method,
            at: NOW.plus_seconds(-age),
            authenticator: authenticator(number),
            ceiling,
            user_verified,
            hardware_bound,
            txn_digest,
            channel,
        })
}

/// A passkey's proof of the transaction that is close to being enough, and often is.
fn any_signature(txn: Option<Digest>) -> impl Strategy<Value = ProofFact> {
    (select(vec![0, 59, 299, 300, 301]), select(vec![Acr::Aal2, Acr::Phr, Acr::Phr, Acr::Phrh]), any::<bool>())
        .prop_map(move |(age, ceiling, hardware_bound)| ProofFact {
            at: NOW.plus_seconds(-age),
            ceiling,
            hardware_bound,
            txn_digest: txn,
            ..proof(Method::Passkey, 3)
        })
}

fn any_session() -> impl Strategy<Value = SessionFacts> {
    let relay =
        [vec![RelayVerdict::None; 6], vec![RelayVerdict::Unknown, RelayVerdict::Suspected, RelayVerdict::Proven]];
    (select(Binding::ALL.to_vec()), option::weighted(0.2, any_age()), select(relay.concat()), prop::bool::weighted(0.1))
        .prop_map(|(binding, recovered, relay, contained)| SessionFacts {
            recovered_at: recovered.map(|age| NOW.plus_seconds(-age)),
            relay,
            contained,
            ..session(binding)
        })
}

fn any_enrolled() -> impl Strategy<Value = EnrolledAuthenticator> {
    (
        0..6_u8,
        select([Method::ALL.to_vec(), vec![Method::Passkey; 6]].concat()),
        select(vec![Acr::Aal1, Acr::Aal2, Acr::Phr, Acr::Phr, Acr::Phrh]),
        prop::bool::weighted(0.8),
        any::<bool>(),
        option::of(select(vec!["handset:1".to_owned(), "tel:2".to_owned()])),
    )
        .prop_map(|(number, method, ceiling, user_verifying, hardware_bound, channel)| EnrolledAuthenticator {
            id: authenticator(number),
            method,
            ceiling,
            user_verifying,
            hardware_bound,
            channel,
        })
}

fn any_enrollable() -> impl Strategy<Value = Enrollable> {
    (select(vec![Method::Passkey, Method::AppCode]), select(Acr::ALL.to_vec()), any::<bool>())
        .prop_map(|(method, ceiling, hardware_bound)| Enrollable { method, ceiling, hardware_bound })
}

fn any_subject() -> impl Strategy<Value = SubjectFacts> {
    (
        prop::bool::weighted(0.05),
        prop::bool::weighted(0.9),
        option::of(select(vec!["administrator", "security", "help_desk", "auditor"])),
        any::<bool>(),
    )
        .prop_map(|(suspended, treasury, role, ever_phishing_resistant)| SubjectFacts {
            id: subject_id(),
            username: "ada".into(),
            suspended,
            groups: if treasury { vec!["treasury".into()] } else { Vec::new() },
            roles: role.map(str::to_owned).into_iter().collect(),
            ever_phishing_resistant,
        })
}

/// What an API may say: what the default pack declares, and what it does not.
pub(super) fn any_asserted() -> impl Strategy<Value = Map<String, Value>> {
    let members = vec![
        ("sensitivity", json!("low")),
        ("sensitivity", json!("high")),
        ("sensitivity", json!("nonsense")),
        ("role", json!("admin")),
        ("aal", json!(3)),
        ("groups", json!(["treasury"])),
    ];
    vec(select(members), 0..3)
        .prop_map(|members| members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

/// Any request to the default pack, biased towards those that come close to a permit.
pub(super) fn any_input() -> impl Strategy<Value = DecisionInput> {
    let actions = vec![
        ("balance.read", "account", None),
        ("beneficiary.add", "account", None),
        ("payout.change", "account", Some(payout_value())),
        ("payout.change", "account", Some(payout_value())),
        ("payout.change", "account", None),
        (
            "key.export",
            "account",
            Some(json!({ "type": "key_export", "resource": { "type": "account", "id": "acc-1" } })),
        ),
        ("me.read", "person", None),
        ("authenticator.enrol_first", "person", None),
        ("admin.read", "installation", None),
        ("client.create", "installation", None),
        ("subject.reset", "person", None),
    ];
    select(actions).prop_flat_map(|(action, kind, transaction)| {
        let txn = transaction.as_ref().map(digest_of);
        let resource_id = if kind == "person" { subject_id().to_string() } else { "acc-1".to_owned() };
        (
            any_subject(),
            option::weighted(0.9, any_session()),
            (vec(any_proof(txn), 0..4), option::weighted(0.6, any_signature(txn))),
            vec(any_enrolled(), 0..5),
            vec(any_enrollable(), 0..2),
            option::weighted(0.3, select(Tier::ALL.to_vec())),
            (0..2_u8, 0..2_u32, prop::bool::weighted(0.7)),
            (any_asserted(), any_asserted(), any_asserted()),
        )
            .prop_map(
                move |(
                    subject,
                    session,
                    (mut proofs, signature),
                    mut enrolled,
                    enrollable,
                    sensitivity,
                    more,
                    asserted,
                )| {
                    proofs.extend(signature);
                    enrolled.sort_by_key(|e| e.id);
                    enrolled.dedup_by_key(|e| e.id);
                    let (approvers, approvers_available, redemption) = more;
                    DecisionInput {
                        subject: Some(subject),
                        resource: ResourceFacts {
                            kind: kind.into(),
                            id: resource_id.clone(),
                            registered: sensitivity
                                .map(|tier| RegisteredResource { sensitivity: Some(tier), ..Default::default() }),
                        },
                        evidence: Evidence {
                            // Evidence comes only from a session.
                            proofs: if session.is_some() { proofs } else { Vec::new() },
                            approvers: (0..approvers).map(|n| SubjectId::new(NOW, [n + 1; 10])).collect(),
                        },
                        session,
                        transaction: transaction.clone(),
                        redemption_id: redemption.then(|| "redemption-1".into()),
                        enrolled,
                        enrollable,
                        approvers_available,
                        asserted: crate::decision::Asserted {
                            subject: asserted.0,
                            resource: asserted.1,
                            action: asserted.2,
                        },
                        ..signed_in(action)
                    }
                },
            )
    })
}
