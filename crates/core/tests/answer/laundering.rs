//! R3: from a session that showed only codes, no sequence of adding, vouching, removing and disowning makes anything that
//! confirms sooner than the rest period. Every step goes by the default pack's own decision.

use counterfoil_core::{
    assurance::{Acr, Binding, Method},
    decision::{Decision, DecisionInput, EnrolledAuthenticator, decide},
    digest::Digest,
    enrolled::{Enrolled, EnrolledState},
    evidence::{Evidence, ProofFact, RelayVerdict, SessionFacts},
    id::{AuthenticatorId, LoginId, SessionId, SubjectId},
    limits::CEILING_REST_SECONDS,
    policy::{Pack, default_pack},
    time::Time,
    vouch::{self, Worth},
};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::sync::LazyLock;

static PACK: LazyLock<Pack> = LazyLock::new(|| Pack::load(&default_pack()).unwrap());

const START: Time = Time::from_seconds(1_790_000_000);

#[derive(Clone, Copy, Debug)]
enum Step {
    Wait(i64),
    EnrolFirst,
    Enrol { signer: usize },
    Vouch { target: usize, signer: usize },
    Remove { target: usize, signer: usize },
    Disown { target: usize },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let one = 0..6_usize;
    let step = prop_oneof![
        3 => (1..CEILING_REST_SECONDS * 2 / 3).prop_map(Step::Wait),
        3 => Just(Step::EnrolFirst),
        2 => one.clone().prop_map(|signer| Step::Enrol { signer }),
        2 => (one.clone(), one.clone()).prop_map(|(target, signer)| Step::Vouch { target, signer }),
        1 => (one.clone(), one.clone()).prop_map(|(target, signer)| Step::Remove { target, signer }),
        1 => one.prop_map(|target| Step::Disown { target }),
    ];
    proptest::collection::vec(step, 1..16)
}

/// A person's account, and somebody who relays her codes. What they add, they hold.
struct Account {
    now: Time,
    subject: SubjectId,
    all: Vec<Enrolled>,
    held: Vec<AuthenticatorId>,
    drawn: u8,
    told: usize,
}

impl Account {
    fn new(owners_passkey: bool, told: usize) -> Self {
        let mut account = Self {
            now: START,
            subject: SubjectId::new(START, [1; 10]),
            all: Vec::new(),
            held: Vec::new(),
            drawn: 0,
            told,
        };
        account.add(Method::Password, Worth { ceiling: Acr::Aal2, rest: None });
        account.add(Method::AppCode, Worth { ceiling: Acr::Aal2, rest: None });
        if owners_passkey {
            account.add(Method::Passkey, Worth::vouched(Acr::Phr, START));
        }
        account
    }

    fn add(&mut self, method: Method, worth: Worth) -> AuthenticatorId {
        self.drawn += 1;
        let id = AuthenticatorId::new(self.now, [self.drawn; 10]);
        self.all.push(Enrolled {
            id,
            subject: self.subject,
            method,
            label: "Passkey".to_owned(),
            state: EnrolledState::Active {},
            ceiling: worth.ceiling,
            rest: worth.rest,
            bound_by: None,
            bound_at: self.now,
            last_used_at: None,
            series: 0,
            handle: None,
            public: Value::Null,
            secret: None,
            version: 0,
        });
        id
    }

    fn proof(&self, one: &Enrolled, txn_digest: Option<Digest>) -> ProofFact {
        ProofFact {
            method: one.method,
            at: self.now,
            authenticator: one.id,
            ceiling: one.ceiling_at(self.now),
            user_verified: one.method == Method::Passkey,
            hardware_bound: false,
            txn_digest,
            channel: None,
        }
    }

    fn holds(&self, one: &Enrolled) -> bool {
        one.is_active() && (one.method != Method::Passkey || self.held.contains(&one.id))
    }

    fn target(&self, number: usize) -> Option<&Enrolled> {
        let passkeys: Vec<&Enrolled> = self.all.iter().filter(|one| one.method == Method::Passkey).collect();
        passkeys.get(number % passkeys.len().max(1)).copied()
    }

    /// One that the relay can sign with.
    fn signer(&self, number: usize) -> Option<&Enrolled> {
        let held: Vec<&Enrolled> =
            self.all.iter().filter(|one| one.method == Method::Passkey && self.holds(one)).collect();
        held.get(number % held.len().max(1)).copied()
    }

    /// Everything they can show in a session: fresh codes, and assertions by all that they hold.
    fn input(&self, action: &str, resource: (&str, &str)) -> DecisionInput {
        let mut input: DecisionInput = serde_json::from_value(json!({
            "now": self.now,
            "subject": {
                "id": self.subject, "username": "ada", "groups": ["treasury"],
                "ever_phishing_resistant": vouch::ever_had_passkey(&self.all),
            },
            "action": action,
            "resource": {"type": resource.0, "id": resource.1},
        }))
        .unwrap();
        let proofs: Vec<ProofFact> =
            self.all.iter().filter(|one| self.holds(one)).map(|one| self.proof(one, None)).collect();
        let binding =
            if proofs.iter().any(ProofFact::is_phishing_resistant) { Binding::KnownDevice } else { Binding::NewKey };
        input.session = Some(SessionFacts {
            id: SessionId::new(START, [2; 10]),
            login: LoginId::new(START, [3; 10]),
            born: self.now,
            binding,
            recovered_at: None,
            relay: RelayVerdict::Unknown,
            contained: false,
        });
        input.evidence = Evidence { proofs, approvers: Vec::new() };
        input.enrolled = self
            .all
            .iter()
            .filter(|one| one.is_active())
            .map(|one| EnrolledAuthenticator {
                id: one.id,
                method: one.method,
                ceiling: one.ceiling_at(self.now),
                user_verifying: true,
                hardware_bound: false,
                channel: None,
            })
            .collect();
        input
    }

    fn permits(&self, action: &str) -> bool {
        let subject = self.subject.to_string();
        matches!(decide(&self.input(action, ("person", &subject)), &PACK), Decision::Permit(_))
    }

    /// As the flow does it: exactly this, signed by `signer`, spent once.
    fn signed(&self, action: &str, resource: (&str, &str), transaction: &Value, signer: &Enrolled) -> bool {
        let kind = PACK.transaction_type(transaction["type"].as_str().unwrap()).unwrap();
        let digest = kind.validate(transaction).unwrap().digest();
        let mut input = self.input(action, resource);
        input.evidence.proofs.push(self.proof(signer, Some(digest)));
        input.transaction = Some(transaction.clone());
        input.redemption_id = Some("once".to_owned());
        matches!(decide(&input, &PACK), Decision::Permit(_))
    }

    fn signed_about(&self, what: &str, more: &Value, signer: &Enrolled) -> bool {
        let subject = self.subject.to_string();
        let mut transaction = more.clone();
        transaction["type"] = json!(format!("authenticator_{what}"));
        transaction["resource"] = json!({"type": "person", "id": subject});
        transaction["name"] = json!("Passkey");
        self.signed(&format!("authenticator.{what}"), ("person", &subject), &transaction, signer)
    }

    fn replace(&mut self, after: Enrolled) {
        self.all.iter_mut().filter(|one| one.id == after.id).for_each(|one| *one = after.clone());
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Wait(seconds) => self.now = self.now.plus_seconds(seconds),
            Step::EnrolFirst => {
                if self.permits("authenticator.enrol_first") {
                    let subject = self.subject.to_string();
                    let shown = self.input("authenticator.enrol_first", ("person", &subject)).evidence;
                    let worth = Worth::of_session(&shown, self.now).told(self.told);
                    let id = self.add(Method::Passkey, worth);
                    self.held.push(id);
                }
            }
            Step::Enrol { signer } => {
                let Some(signer) = self.signer(signer).cloned() else { return };
                if self.signed_about("enrol", &json!({"method": "passkey"}), &signer) {
                    let id = self.add(Method::Passkey, Worth::vouched(signer.ceiling_at(self.now), self.now));
                    self.held.push(id);
                }
            }
            Step::Vouch { target, signer } => {
                let (Some(target), Some(signer)) = (self.target(target).cloned(), self.signer(signer).cloned()) else {
                    return;
                };
                if self.signed_about("vouch", &json!({"authenticator": target.id}), &signer)
                    && let Ok(after) = vouch::vouch(&signer, &target, self.now)
                {
                    self.replace(after);
                }
            }
            Step::Remove { target, signer } => {
                let (Some(target), Some(signer)) = (self.target(target).cloned(), self.signer(signer).cloned()) else {
                    return;
                };
                if self.signed_about("remove", &json!({"authenticator": target.id}), &signer)
                    && let Ok(after) = vouch::remove(&self.all, target.id, self.now)
                {
                    self.replace(after);
                }
            }
            Step::Disown { target } => {
                let Some(id) = self.target(target).map(|one| one.id) else { return };
                if self.permits("authenticator.disown")
                    && let Ok(after) = vouch::disown(&self.all, id, self.now)
                {
                    self.replace(after);
                }
            }
        }
    }

    /// Can they move money now?
    fn confirms(&self) -> bool {
        let transaction = json!({
            "type": "payout_change", "resource": {"type": "account", "id": "acc-1"}, "creditor_name": "Acme Tools GmbH",
            "iban": "DE89370400440532013000", "amount": {"currency": "EUR", "value": "12400.00"},
        });
        self.all
            .iter()
            .filter(|one| one.method == Method::Passkey && self.holds(one))
            .any(|one| self.signed("payout.change", ("account", "acc-1"), &transaction, one))
    }

    /// Something that they hold, and that has been there for the whole rest period without being disowned.
    fn has_rested(&self) -> bool {
        let rested = |one: &Enrolled| self.now.seconds_since(one.bound_at) >= CEILING_REST_SECONDS;
        self.all.iter().any(|one| self.held.contains(&one.id) && rested(one))
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, ..ProptestConfig::default() })]

    #[test]
    fn codes_reach_nothing_that_confirms_sooner_than_the_rest_period(steps in steps(), told in 0..2_usize) {
        let mut account = Account::new(false, told);
        for step in steps {
            account.take(step);
            let strong = account.all.iter().any(|one| account.holds(one) && one.ceiling_at(account.now) >= Acr::Phr);
            prop_assert!(!strong || (account.has_rested() && told > 0), "{step:?}");
            prop_assert!(!account.confirms() || strong, "{step:?}");
        }
    }

    #[test]
    fn codes_take_no_step_at_all_on_the_account_of_somebody_who_has_what_confirms(steps in steps()) {
        let mut account = Account::new(true, 1);
        let before = account.all.clone();
        for step in steps {
            account.take(step);
            prop_assert_eq!(&account.all, &before, "{:?}", step);
            prop_assert!(!account.confirms());
        }
    }
}

/// The other side of the property: it is the rest period that the property speaks of, not that nothing ever happens.
#[test]
fn after_the_rest_period_what_nobody_disowned_confirms() {
    let mut account = Account::new(false, 1);
    account.take(Step::EnrolFirst);
    assert!(!account.confirms());
    account.take(Step::Wait(CEILING_REST_SECONDS));
    assert!(account.confirms());
    account.take(Step::Enrol { signer: 0 });
    assert_eq!(account.held.len(), 2);
}
