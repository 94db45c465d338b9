//! A challenge is opened once, answered once, and by its own answer only.

use crate::setting::*;
use counterfoil_core::{
    assurance::{Acr, Method},
    audit::event::VoidReason,
    authenticator::{
        Holder,
        webauthn::{RegistrationCeremony, check_registration},
    },
    challenge::{Challenge, ChallengeError, ChallengeState, Opening},
    digest::Digest,
    limits::CHALLENGE_FAILURES,
    proof::Proof,
    statement::{Nonce, Purpose, Statement},
    time::Time,
};
use serde_json::{Value, json};

#[test]
fn every_field_of_the_statement_changes_what_is_signed() {
    let before = statement();
    let nonce = before.ceremony_nonce(&[9; 32]).unwrap();
    let whole = serde_json::to_value(&before).unwrap();
    let other = Digest::of(b"other").to_string();
    let id = "019a0000-0000-7000-8000-000000000000";
    let changes = [
        ("/purpose", json!("approval")),
        ("/issuer", json!("https://other.example")),
        ("/rp_id", json!("example")),
        ("/origin", json!("https://id.example:8443")),
        ("/challenge_id", json!(id)),
        ("/decision_id", json!(id)),
        ("/subject", json!(id)),
        ("/signer", json!(id)),
        ("/role", json!("approver")),
        ("/initiator", json!({"type": "agent", "agent": "treasury"})),
        ("/client_id", json!("other")),
        ("/dpop_jkt", json!(other)),
        ("/aud", json!("https://other.example")),
        ("/resource/type", json!("beneficiary")),
        ("/resource/id", json!("8")),
        ("/action", json!("key.export")),
        ("/tier", json!("critical")),
        ("/txn_digest", json!(other)),
        ("/displayed/template", json!("other")),
        ("/displayed/template_version", json!(other)),
        ("/displayed/lang", json!("de")),
        ("/displayed/display_digest", json!(other)),
        ("/policy_version", json!(other)),
        ("/iat", json!(NOW.millis() + 1)),
        ("/exp", json!(NOW.millis() + 2)),
    ];
    for (pointer, value) in &changes {
        let mut changed = whole.clone();
        *changed.pointer_mut(pointer).unwrap_or_else(|| panic!("{pointer} is no field")) = value.clone();
        let changed: Statement = serde_json::from_value(changed).unwrap();
        assert_ne!(changed.ceremony_nonce(&[9; 32]).unwrap(), nonce, "{pointer}");
    }
    let tried = |name: &str| changes.iter().any(|(pointer, _)| pointer.split('/').nth(1) == Some(name));
    for name in whole.as_object().unwrap().keys() {
        assert!(tried(name), "{name} was not tried");
    }
    let enrolment = Statement { registration_challenge: Some(Digest::of(b"drawn")), ..before.clone() };
    assert_ne!(enrolment.ceremony_nonce(&[9; 32]).unwrap(), nonce, "registration_challenge");
    assert_ne!(before.ceremony_nonce(&[8; 32]).unwrap(), nonce, "the random part");
}

#[test]
fn a_challenge_that_contradicts_itself_is_not_opened() {
    type Change = fn(&mut Opening);
    let cases: [(&str, Opening, Change); 13] = [
        ("a transaction without digest", opening(), |o| o.statement.txn_digest = None),
        ("a sign-in with a transaction", opening(), |o| o.statement.purpose = Purpose::SignIn),
        ("another transaction than the digest's", opening(), |o| o.transaction = Some(json!({"amount": "1"}))),
        ("no transaction kept", opening(), |o| o.transaction = None),
        ("another text than was hashed", opening(), |o| o.display_text = Some("Pay 1 EUR".to_owned())),
        ("no text kept", opening(), |o| o.display_text = None),
        ("a text that nobody signs", opening(), |o| o.statement.displayed = None),
        ("a signer without subject", opening(), |o| o.statement.subject = None),
        ("somebody else's signature without approval", opening(), |o| o.statement.signer = Some(bob())),
        ("one's own approval", opening(), |o| o.statement.purpose = Purpose::Approval),
        ("over before it began", opening(), |o| o.statement.exp = o.statement.iat),
        ("a registration outside an enrolment", opening(), |o| {
            o.statement.registration_challenge = Some(Digest::of(b"drawn"));
        }),
        ("a password where nobody says who it is", sign_in(None), |o| o.asked.push(Method::Password)),
    ];
    for (what, mut opening, change) in cases {
        assert!(Challenge::open(opening.clone()).is_ok(), "{what}: before");
        change(&mut opening);
        assert!(matches!(Challenge::open(opening), Err(ChallengeError::Contradiction(_))), "{what}");
    }
}

fn states() -> Vec<Challenge> {
    let open = challenge();
    let passkey = Passkey::new();
    let proof = passkey.prove(&open, &holder()).proof;
    let enrolment = Challenge::open(enrolment()).unwrap();
    vec![
        open.clone(),
        open.clone().prove(proof, NOW).unwrap(),
        enrolment.register(ceremony(b"drawn"), authenticator(3), NOW).unwrap(),
        open.clone().refuse(true, NOW).unwrap(),
        open.void(VoidReason::Changed, NOW).unwrap(),
    ]
}

fn enrolment() -> Opening {
    let mut opening = sign_in(Some(ada()));
    opening.statement.purpose = Purpose::Enrolment;
    opening.statement.registration_challenge = Some(Digest::of(b"drawn"));
    opening
}

fn ceremony(challenge: &[u8]) -> RegistrationCeremony {
    let data = json!({"type": "webauthn.create", "challenge": encoded(challenge), "origin": ORIGIN}).to_string();
    check_registration(data.as_bytes(), challenge, ORIGIN).unwrap()
}

#[test]
fn only_an_open_challenge_changes() {
    type Transition = (&'static str, fn(Challenge) -> Result<Challenge, ChallengeError>, &'static str);
    let transitions: [Transition; 5] = [
        (
            "prove",
            |c| {
                let p = Passkey::new().prove(&challenge(), &holder()).proof;
                c.prove(p, NOW)
            },
            "proven",
        ),
        ("register", |c| c.register(ceremony(b"drawn"), authenticator(3), NOW), "registered"),
        ("refuse", |c| c.refuse(false, NOW), "refused"),
        ("fail", |c| c.fail(NOW), "open"),
        ("void", |c| c.void(VoidReason::Contained, NOW), "void"),
    ];
    for before in states() {
        let name = before.state().name();
        assert_eq!(before.is_open(NOW), name == "open");
        for (verb, transition, after) in transitions {
            let result = transition(before.clone()).map(|challenge| challenge.state().name());
            let want = match (name, verb) {
                ("open", "register") => Err(ChallengeError::OtherChallenge),
                ("open", _) => Ok(after),
                _ => Err(ChallengeError::NotOpen(name)),
            };
            assert_eq!(result, want, "{verb} on {name}");
        }
    }
}

#[test]
fn a_challenge_is_kept_and_read_back_as_it_was() {
    for challenge in states() {
        let text = serde_json::to_string(&challenge).unwrap();
        assert_eq!(serde_json::from_str::<Challenge>(&text).unwrap(), challenge, "{text}");
        let mut more: Value = serde_json::from_str(&text).unwrap();
        more["opening"]["skip_checks"] = json!(true);
        assert!(serde_json::from_value::<Challenge>(more).is_err(), "an unknown member");
    }
}

#[test]
fn wrong_answers_void_it_at_the_limit() {
    let mut challenge = challenge();
    for number in 1..CHALLENGE_FAILURES {
        challenge = challenge.fail(NOW).unwrap();
        assert_eq!(challenge.failures_left(), CHALLENGE_FAILURES - number);
    }
    challenge = challenge.fail(NOW).unwrap();
    assert_eq!(challenge.state(), &ChallengeState::Void { at: NOW, reason: VoidReason::Attempts });
    assert_eq!(challenge.failures_left(), 0);
}

#[test]
fn a_challenge_ends_at_its_moment() {
    let end = statement().exp;
    let before = Time::from_millis(end.millis() - 1);
    assert!(challenge().is_open(before) && !challenge().is_open(end));
    let proof = || Passkey::new().prove(&challenge(), &holder()).proof;
    assert!(challenge().prove(proof(), before).is_ok());
    assert_eq!(challenge().prove(proof(), end), Err(ChallengeError::Expired));
    assert_eq!(challenge().refuse(false, end), Err(ChallengeError::Expired));
    assert_eq!(challenge().fail(end), Err(ChallengeError::Expired));
    assert!(challenge().void(VoidReason::Expired, end).is_ok(), "what is over can be marked so");
}

#[test]
fn a_proof_for_one_challenge_proves_no_other() {
    let passkey = Passkey::new();
    let mut others = vec![opening(), opening(), opening(), sign_in(Some(ada()))];
    others[0].nonce = Nonce::new([8; 32]);
    others[1].statement.exp = NOW.plus_seconds(299);
    others[2].statement.dpop_jkt = Some(Digest::of(b"another key"));
    for (number, other) in others.into_iter().enumerate() {
        let proof = passkey.prove(&challenge(), &holder()).proof;
        let other = Challenge::open(other).unwrap();
        assert_eq!(other.prove(proof, NOW), Err(ChallengeError::OtherChallenge), "{number}");
    }
    assert!(challenge().prove(passkey.prove(&challenge(), &holder()).proof, NOW).is_ok());
}

#[test]
fn a_proof_counts_only_as_it_was_asked_for() {
    let passkey = Passkey::new();
    let signed = |holder: Holder, challenge: &Challenge| passkey.prove(challenge, &holder).proof;
    let of = |opening: Opening| Challenge::open(opening).unwrap();
    let code_only = of(Opening { asked: vec![Method::AppCode], ..opening() });
    let with_password = of(Opening { asked: vec![Method::Password], allowed: vec![], ..opening() });
    let lax = of(Opening { user_verification: false, ..opening() });
    let not_verified = Passkey { flags: 1, user_handle: passkey.user_handle.clone(), ..Passkey::new() };
    let bobs = Holder { subject: bob(), ..holder() };
    let third = Holder { authenticator: authenticator(3), ..holder() };
    let early = NOW.plus_seconds(-11);

    let cases: Vec<(&str, Challenge, Proof, ChallengeError)> = vec![
        ("a method not asked for", code_only.clone(), signed(holder(), &code_only), ChallengeError::OtherMethod),
        ("another person's", with_password.clone(), password_proof(&bobs, NOW), ChallengeError::OtherSubject),
        ("not among those that may", challenge(), signed(third, &challenge()), ChallengeError::OtherAuthenticator),
        ("from before", with_password.clone(), password_proof(&holder(), early), ChallengeError::OtherTime),
        ("from later", with_password, password_proof(&holder(), NOW.plus_seconds(12)), ChallengeError::OtherTime),
    ];
    for (what, challenge, proof, want) in cases {
        assert_eq!(challenge.prove(proof, NOW), Err(want), "{what}");
    }
    // A verifier that was told that user verification does not matter; the challenge knows better.
    let unverified = || not_verified.prove(&lax, &holder()).proof;
    assert_eq!(challenge().ceremony_nonce(), lax.ceremony_nonce());
    assert_eq!(challenge().prove(unverified(), NOW), Err(ChallengeError::UserNotVerified));
    assert!(lax.clone().prove(unverified(), NOW).is_ok(), "asked for without");
}

#[test]
fn a_proof_for_a_transaction_names_it_and_one_for_a_sign_in_names_none() {
    let passkey = Passkey::new();
    let proven = |challenge: Challenge| {
        let verified = passkey.prove(&challenge, &holder());
        assert_eq!(verified.proof.fact().txn_digest, None, "before a challenge takes it");
        match challenge.prove(verified.proof, NOW).unwrap().state().clone() {
            ChallengeState::Proven { by, proof, assertion, .. } => (by, proof, assertion.unwrap()),
            other => panic!("{other:?}"),
        }
    };
    let (by, fact, assertion) = proven(challenge());
    assert_eq!((by, fact.txn_digest, fact.ceiling), (ada(), statement().txn_digest, Acr::Phr));
    let id = passkey.credential().id;
    assert_eq!(assertion.id, id, "the record keeps what was signed");
    assert_eq!(proven(Challenge::open(sign_in(Some(ada()))).unwrap()).1.txn_digest, None);
}

#[test]
fn a_discoverable_passkey_says_who_signs_in() {
    let challenge = Challenge::open(sign_in(None)).unwrap();
    let proof = Passkey::new().prove(&challenge, &holder()).proof;
    let proven = challenge.prove(proof, NOW).unwrap();
    assert!(matches!(proven.state(), ChallengeState::Proven { by, .. } if *by == ada()));
}

#[test]
fn a_registration_answers_the_challenge_that_the_library_drew() {
    let open = || Challenge::open(enrolment()).unwrap();
    assert_eq!(open().register(ceremony(b"other"), authenticator(3), NOW), Err(ChallengeError::OtherChallenge));
    assert!(open().register(ceremony(b"drawn"), authenticator(3), NOW).is_ok());
}

#[test]
fn what_is_typed_counts_for_a_session_and_what_is_signed_only_for_its_challenge() {
    assert!(password_proof(&holder(), NOW).into_session_fact().is_some());
    assert!(Passkey::new().prove(&challenge(), &holder()).proof.into_session_fact().is_none());
}
