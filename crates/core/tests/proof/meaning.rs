//! What a log must not say, one case for each contradiction.

use crate::log::{
    Log, START, accepted, challenge, coded, decided, enrolled, issued, login, opened, passkey, proven, reported,
    signed_in, spent, story, subject, token,
};
use counterfoil_core::{
    audit::{
        event::{ContainmentCause, EventKind, Outcome, VoidReason},
        verify::{Contradiction, Problem},
    },
    digest::Digest,
};

/// The contradictions that a verifier finds in a log of these events, in order.
fn found(events: Vec<EventKind>) -> Vec<Contradiction> {
    let mut log = Log::begin();
    events.into_iter().for_each(|event| log.add(event));
    contradictions(&log)
}

fn contradictions(log: &Log) -> Vec<Contradiction> {
    let problem = |problem: Problem| match problem {
        Problem::Contradiction(contradiction) => contradiction,
        other => panic!("not about meaning: {other}"),
    };
    log.verify().findings.into_iter().map(|finding| problem(finding.problem)).collect()
}

/// A story without one of its events.
fn without(unwanted: EventKind) -> Vec<EventKind> {
    let events = story(1);
    let length = events.len();
    let rest: Vec<_> = events.into_iter().filter(|event| *event != unwanted).collect();
    assert_eq!(rest.len(), length - 1);
    rest
}

/// A story with something after it.
fn and_then(more: impl IntoIterator<Item = EventKind>) -> Vec<EventKind> {
    story(1).into_iter().chain(more).collect()
}

fn contained() -> EventKind {
    EventKind::Contained { logins: vec![login(1)], authenticators: vec![], cause: ContainmentCause::Owner }
}

fn code_refused() -> EventKind {
    EventKind::CodeRefused { code: Digest::of(&[1, 4]), client_id: "treasury".to_owned() }
}

#[test]
fn a_whole_story_contradicts_nothing() {
    assert_eq!(found(story(1)), []);
    assert_eq!(found(story(1).into_iter().chain(story(2)).collect()), []);
}

#[test]
fn nothing_happens_without_its_cause() {
    use Contradiction as C;
    for (missing, expected) in [
        (enrolled(1), vec![C::UsedBeforeEnrolled, C::UsedBeforeEnrolled]),
        (signed_in(1), vec![C::IssuedWithoutLogin, C::IssuedWithoutLogin]),
        (decided(1, Outcome::StepUp), vec![C::UnknownDecision]),
        (opened(1), vec![C::ProvenUnopened]),
        (accepted(1, Some(challenge(1))), vec![C::ProvenWithoutProof]),
        (proven(1), vec![C::IssuedUnproven, C::IssuedUnproven, C::SpentUnproven]),
        (coded(1), vec![C::UnknownCode]),
        (issued(1), vec![C::SpentByOtherToken]),
        (spent(1), vec![C::OutcomeUnspent]),
    ] {
        let name = missing.name();
        assert_eq!(found(without(missing)), expected, "without {name}");
    }
    // A login whose authenticator has proven nothing: only the proof for the challenge comes, and that is later.
    assert_eq!(found(without(accepted(1, None))), [C::SignedInUnproven]);
}

#[test]
fn an_effect_before_its_cause_is_found() {
    let mut events = story(1);
    let enrolment = events.remove(0);
    events.push(enrolment);
    assert_eq!(found(events), [Contradiction::UsedBeforeEnrolled, Contradiction::UsedBeforeEnrolled]);
}

#[test]
fn what_may_happen_once_happens_once() {
    use Contradiction as C;
    let another = |change: fn(&mut EventKind)| {
        let mut event = spent(1);
        change(&mut event);
        event
    };
    let elsewhere = another(|event| {
        if let EventKind::Spent { redemption, .. } = event {
            *redemption = Digest::of(b"another");
        }
    });
    let of_another = |decision_of: u8, request: u8| {
        let mut event = opened(2);
        if let EventKind::ChallengeOpened { decision, request: pushed, .. } = &mut event {
            *decision = Some(crate::log::decision(decision_of));
            *pushed = Some(Digest::of(&[request, 3]));
        }
        event
    };
    for (more, expected) in [
        (vec![spent(1)], vec![C::SecondSpend]),
        (vec![elsewhere], vec![C::SecondSpend]),
        (vec![proven(1)], vec![C::ProvenAfterEnd]),
        (vec![issued(1)], vec![C::CodeTwice]),
        (vec![code_refused()], vec![C::CodeTwice]),
        (vec![of_another(1, 2)], vec![C::ConsumedTwice]),
        (vec![decided(2, Outcome::StepUp), of_another(2, 1)], vec![C::ConsumedTwice]),
        (vec![decided(2, Outcome::Deny), of_another(2, 2)], vec![C::OpenedDenied]),
    ] {
        assert_eq!(found(and_then(more)), expected);
    }
    let step = |n: u8| {
        let mut event = accepted(n, None);
        if let EventKind::ProofAccepted { totp_step, .. } = &mut event {
            *totp_step = Some(60_000_000);
        }
        event
    };
    assert_eq!(found(and_then([step(1), step(1)])), [C::StepTwice]);
    assert_eq!(found(and_then([enrolled(2), step(1), step(2)])), []);
}

#[test]
fn what_was_spent_is_what_was_signed() {
    let mut events = without(spent(1));
    let at = events.len() - 1;
    let mut other = spent(1);
    if let EventKind::Spent { txn_digest, .. } = &mut other {
        *txn_digest = Digest::of(b"another account");
    }
    events.insert(at, other);
    assert_eq!(found(events), [Contradiction::SpentOther]);

    let mut events = without(spent(1));
    let mut other = spent(1);
    if let EventKind::Spent { token: by, .. } = &mut other {
        *by = Some(token(9));
    }
    events.insert(at, other);
    assert_eq!(found(events), [Contradiction::SpentByOtherToken]);
}

#[test]
fn a_code_gives_one_token_in_time_and_what_it_was_for() {
    use Contradiction as C;
    let mut events = story(1);
    events.insert(8, code_refused());
    assert_eq!(found(events), [C::CodeTwice]);

    let changes: [fn(&mut EventKind); 2] = [
        |event| {
            if let EventKind::CodeIssued { client_id, .. } = event {
                *client_id = "another".to_owned();
            }
        },
        |event| {
            if let EventKind::CodeIssued { challenge, .. } = event {
                *challenge = None;
            }
        },
    ];
    for change in changes {
        let mut events = story(1);
        change(&mut events[7]);
        assert_eq!(found(events), [C::IssuedOther]);
    }

    // The token of a sign-in names no challenge; that of a transaction does.
    let signed_in = |of_transaction: bool| {
        let mut events: Vec<_> = story(1).into_iter().take(9).collect();
        if let EventKind::ChallengeOpened { txn_digest, .. } = &mut events[4]
            && !of_transaction
        {
            *txn_digest = None;
        }
        if let EventKind::TokenIssued { challenge, .. } = &mut events[8] {
            *challenge = None;
        }
        found(events)
    };
    assert_eq!(signed_in(false), []);
    assert_eq!(signed_in(true), [C::IssuedOther]);

    let at = |seconds: i64| {
        let mut log = Log::begin();
        story(1).into_iter().take(8).for_each(|event| log.add(event));
        let token = EventKind::TokenIssued {
            token: token(2),
            client_id: "treasury".to_owned(),
            audience: "https://api.example.org".to_owned(),
            subject: Some(subject(1)),
            login: Some(login(1)),
            challenge: Some(challenge(1)),
            code: Some(Digest::of(&[1, 4])),
            jkt: Digest::of(b"jkt"),
            expires_at: START.plus_seconds(900),
        };
        log.add_at(token, START.plus_seconds(seconds));
        contradictions(&log)
    };
    assert_eq!(at(299), []);
    assert_eq!(at(300), [C::CodeLate]);
}

#[test]
fn a_token_spends_at_its_api_while_it_lives() {
    use Contradiction as C;
    let spending = |change: fn(&mut EventKind), at: i64| {
        let mut log = Log::begin();
        story(1).into_iter().take(9).for_each(|event| log.add(event));
        let mut event = spent(1);
        change(&mut event);
        log.add_at(event, START.plus_seconds(at));
        contradictions(&log)
    };
    let elsewhere = |event: &mut EventKind| {
        if let EventKind::Spent { audience, .. } = event {
            *audience = "https://another.example.org".to_owned();
        }
    };
    assert_eq!(spending(|_| (), 299), []);
    assert_eq!(spending(|_| (), 300), [C::SpentTooLate]);
    assert_eq!(spending(elsewhere, 299), [C::SpentElsewhere]);

    let mut events = story(1);
    events.insert(9, EventKind::TokenRevoked { token: token(1) });
    assert_eq!(found(events), [C::SpentTooLate]);
    assert_eq!(found(and_then([EventKind::TokenRevoked { token: token(1) }])), []);
}

#[test]
fn nothing_follows_an_end() {
    use Contradiction as C;
    let removed = EventKind::AuthenticatorRemoved { authenticator: passkey(1), subject: subject(1) };
    let disabled = EventKind::AuthenticatorDisabled { authenticator: passkey(1), subject: subject(1), failures: 10 };
    let void = EventKind::ChallengeVoid { challenge: challenge(1), reason: VoidReason::Changed };
    assert_eq!(found(and_then([removed, accepted(1, None)])), [C::UsedAfterEnd]);
    assert_eq!(found(and_then([disabled, accepted(1, None)])), [C::UsedAfterEnd]);
    let cut = EventKind::Contained { logins: vec![], authenticators: vec![passkey(1)], cause: ContainmentCause::Owner };
    assert_eq!(found(and_then([cut, accepted(1, None)])), [C::UsedAfterEnd]);
    let mut events = story(1);
    events.insert(7, contained());
    assert_eq!(found(events), [C::AfterContainment; 3]);
    let reversed = EventKind::ContainmentReversed { logins: vec![login(1)], decision: None };
    let mut events = story(1);
    events.splice(7..7, [contained(), reversed]);
    assert_eq!(found(events), []);
    assert_eq!(found(and_then([coded(1)])), [C::CodeTwice]);

    let mut events = story(1);
    events.insert(5, void);
    assert_eq!(found(events), [C::ProvenAfterEnd]);
    let mut events = story(1);
    events.insert(9, contained());
    assert_eq!(found(events), [C::AfterContainment]);

    let mut log = Log::begin();
    story(1).into_iter().take(6).for_each(|event| log.add(event));
    log.add_at(proven(1), START.plus_seconds(300));
    assert_eq!(contradictions(&log), [C::ProvenLate]);
}

#[test]
fn an_authenticator_is_its_holders() {
    let mut other = accepted(1, None);
    if let EventKind::ProofAccepted { subject: by, .. } = &mut other {
        *by = subject(2);
    }
    assert_eq!(found(and_then([other])), [Contradiction::UsedByOther]);
}

#[test]
fn two_nodes_may_lie_out_of_order_as_far_as_clocks_differ() {
    // Node 2 used what node 1 had enrolled a moment before, and its leaf was sequenced first.
    let out_of_order = |enrolled_at: i64, same_run: bool| {
        let mut log = Log::begin();
        let used_at = START.plus_seconds(100);
        if !same_run {
            log.begin_run(2);
        }
        log.add_at(accepted(1, None), used_at);
        if !same_run {
            log.begin_run(3);
        }
        log.add_at(enrolled(1), used_at.plus_seconds(enrolled_at));
        contradictions(&log)
    };
    assert_eq!(out_of_order(-1, false), []);
    assert_eq!(out_of_order(10, false), []);
    assert_eq!(out_of_order(11, false), [Contradiction::UsedBeforeEnrolled]);
    assert_eq!(out_of_order(-1, true), [Contradiction::UsedBeforeEnrolled]);
}

#[test]
fn a_code_or_token_of_another_node_may_come_late_as_far_as_clocks_differ() {
    use Contradiction as C;
    // What the second run says rests on what comes in the third, dated so much later.
    let out_of_order = |first: usize, late: usize, apart: i64| {
        let mut log = Log::begin();
        let events = story(1);
        let at = START.plus_seconds(100);
        events[..late].iter().for_each(|event| log.add(event.clone()));
        log.begin_run(2);
        log.add_at(events[first].clone(), at);
        log.begin_run(3);
        log.add_at(events[late].clone(), at.plus_seconds(apart));
        contradictions(&log)
    };
    let (code, token, spend) = (7, 8, 9);
    assert_eq!(out_of_order(token, code, 10), []);
    assert_eq!(out_of_order(token, code, 11), [C::UnknownCode]);
    assert_eq!(out_of_order(spend, token, 10), []);
    assert_eq!(out_of_order(spend, token, 11), [C::SpentByOtherToken]);

    // The same token twice, and a refusal, before the code that was used up is read.
    let twice = |again: EventKind| {
        let mut events: Vec<_> = story(1).into_iter().take(7).collect();
        events.extend([issued(1), again]);
        found(events)
    };
    assert_eq!(twice(issued(1)), [C::UnknownCode, C::CodeTwice]);
    assert_eq!(twice(code_refused()), [C::UnknownCode, C::CodeTwice]);
}

#[test]
fn what_another_node_ends_may_still_be_used_for_as_long_as_that_may_take() {
    let spent_at = |later: i64| {
        let mut log = Log::begin();
        story(1).into_iter().take(9).for_each(|event| log.add(event));
        let at = START.plus_seconds(100);
        log.begin_run(2);
        log.add_at(EventKind::TokenRevoked { token: token(1) }, at);
        log.begin_run(3);
        log.add_at(spent(1), at.plus_seconds(later));
        contradictions(&log)
    };
    assert_eq!(spent_at(40), []);
    assert_eq!(spent_at(41), [Contradiction::SpentTooLate]);
}

#[test]
fn the_events_of_one_unit_have_no_order() {
    let backwards = |apart: i64| {
        let mut log = Log::begin();
        log.add_at(enrolled(1), START.plus_seconds(1));
        log.add_at(signed_in(1), START.plus_seconds(2));
        log.add_at(accepted(1, None), START.plus_seconds(2 + apart));
        contradictions(&log)
    };
    assert_eq!(backwards(0), []);
    assert_eq!(backwards(1), [Contradiction::SignedInUnproven]);
}

#[test]
fn an_outcome_needs_its_spend() {
    assert_eq!(found(vec![reported(1)]), [Contradiction::OutcomeUnspent]);
}
