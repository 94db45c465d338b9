//! What an authenticator is worth when it is bound, and the few ways in which that changes (DESIGN §4 "Ceiling", R3).
//!
//! A ceiling rises by vouching and by resting, and by nothing else: the functions here are the only ones that write
//! [`Enrolled::ceiling`] and [`Enrolled::rest`] after the seed. Each takes authenticators as they were read and gives
//! one back, or says why not; who may ask for it is the policy's to say, not ours.

use crate::{
    assurance::{Acr, Method},
    enrolled::{DisabledWhy, Enrolled, EnrolledState, Rest},
    evidence::Evidence,
    id::AuthenticatorId,
    limits::CEILING_REST_SECONDS,
    time::Time,
};
use serde::{Deserialize, Serialize};

/// What a passkey bound now is worth, and what it may rise to by resting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Worth {
    /// The most it can prove at once.
    pub ceiling: Acr,
    /// What it may rise to.
    pub rest: Option<Rest>,
}

impl Worth {
    /// What somebody vouched for: an older phishing-resistant authenticator, or an invitation of that level.
    pub fn vouched(ceiling: Acr, now: Time) -> Self {
        Self { ceiling: ceiling.min(Acr::Phr), rest: rest(ceiling, now) }
    }

    /// What the session showed, where nobody vouches: at most what codes amount to, whatever it amounts to by now.
    pub fn of_session(evidence: &Evidence, now: Time) -> Self {
        let ceiling = evidence.acr(now).unwrap_or(Acr::Aal1).min(Acr::Aal2);
        Self { ceiling, rest: rest(ceiling, now) }
    }

    /// The same where nobody could be told of it: then nobody could have disowned it, and no time makes it more.
    #[must_use]
    pub fn told(self, addresses: usize) -> Self {
        Self { rest: self.rest.filter(|_| addresses > 0), ..self }
    }
}

fn rest(ceiling: Acr, now: Time) -> Option<Rest> {
    (ceiling < Acr::Phr).then(|| Rest { acr: Acr::Phr, until: now.plus_seconds(CEILING_REST_SECONDS) })
}

/// `target` after its owner was told of it at `at`: codes have bound it, nobody could be told before, and it rests from now on.
pub fn told(target: &Enrolled, at: Time) -> Result<Enrolled, Unchanged> {
    if !target.is_active() {
        return Err(Unchanged::NotThere);
    }
    if target.rest.is_some() || !is_resting_at(target, at) {
        return Err(Unchanged::NothingToVouchFor);
    }
    Ok(Enrolled { rest: rest(target.ceiling, at), ..target.clone() })
}

/// `target` after an address of its owner changed at `at`: what rests then rests anew, because it rises only by a time in
/// which nobody has changed where its owner is told.
pub fn address_changed(target: &Enrolled, at: Time) -> Option<Enrolled> {
    let resting = target.rest.filter(|rest| at < rest.until)?;
    let until = at.plus_seconds(CEILING_REST_SECONDS).max(resting.until);
    Some(Enrolled { rest: Some(Rest { until, ..resting }), ..target.clone() })
}

/// Why something is not done to an authenticator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unchanged {
    /// Not there, or not in a state in which this can be done.
    #[error("the authenticator is not there, or not in use")]
    NotThere,
    /// It counts for as much already.
    #[error("nothing is to be vouched for")]
    NothingToVouchFor,
    /// Nothing vouches for itself.
    #[error("an authenticator does not vouch for itself")]
    Itself,
    /// What vouches is not phishing-resistant, was bound later, or is another person's.
    #[error("only an older phishing-resistant authenticator of the same person vouches")]
    NotOlder,
    /// Without it nobody could sign in.
    #[error("it is the last one that signs in")]
    LastToSignIn,
    /// Without it nothing important could be confirmed, and nothing be added that could.
    #[error("it is the last one that confirms")]
    LastToConfirm,
    /// What cannot be bound anew here is not taken away here.
    #[error("only passkeys are removed by their owner")]
    NotAPasskey,
    /// It does not rest: who wants it gone removes it.
    #[error("only what still rests can be disowned")]
    NotResting,
}

/// Is `voucher` one that may vouch for `target` at `now`?
pub fn may_vouch(voucher: &Enrolled, target: &Enrolled, now: Time) -> Result<(), Unchanged> {
    if voucher.id == target.id {
        return Err(Unchanged::Itself);
    }
    let good = voucher.is_active()
        && voucher.subject == target.subject
        && voucher.method.is_phishing_resistant()
        && voucher.ceiling_at(now) >= Acr::Phr
        && voucher.bound_at < target.bound_at;
    if good { Ok(()) } else { Err(Unchanged::NotOlder) }
}

/// `target` after `voucher` has vouched for it.
pub fn vouch(voucher: &Enrolled, target: &Enrolled, now: Time) -> Result<Enrolled, Unchanged> {
    if !target.is_active() || target.method != Method::Passkey {
        return Err(Unchanged::NotThere);
    }
    if target.ceiling_at(now) >= Acr::Phr {
        return Err(Unchanged::NothingToVouchFor);
    }
    may_vouch(voucher, target, now)?;
    Ok(Enrolled { ceiling: Acr::Phr, rest: None, ..target.clone() })
}

/// `id` after its owner has disowned it: off for ever, and no time makes it more. Only what still rests, or rested when it
/// was cut off: that was bound by codes, so whoever shows codes may take it back, and nobody may so take away what is
/// worth more.
pub fn disown(all: &[Enrolled], id: AuthenticatorId, now: Time) -> Result<Enrolled, Unchanged> {
    let target = all.iter().find(|one| one.id == id).ok_or(Unchanged::NotThere)?;
    let rested = match target.state {
        EnrolledState::Active {} => is_resting_at(target, now),
        EnrolledState::Contained { at } => is_resting_at(target, at),
        EnrolledState::Disabled { .. } | EnrolledState::Removed { .. } => return Err(Unchanged::NotThere),
    };
    if !rested {
        return Err(Unchanged::NotResting);
    }
    let state = EnrolledState::Disabled { at: now, why: DisabledWhy::Disowned };
    Ok(Enrolled { state, rest: None, ..target.clone() })
}

/// Can it be disowned at `now`?
pub fn may_disown(one: &Enrolled, now: Time) -> bool {
    disown(std::slice::from_ref(one), one.id, now).is_ok()
}

/// A passkey that has not become what it may become.
fn is_resting_at(one: &Enrolled, at: Time) -> bool {
    one.method == Method::Passkey && one.ceiling_at(at) < Acr::Phr
}

/// `id` after its owner has removed it, if what is left still signs in and, where something confirms now, still confirms.
pub fn remove(all: &[Enrolled], id: AuthenticatorId, now: Time) -> Result<Enrolled, Unchanged> {
    let removable = |one: &&Enrolled| matches!(one.state, EnrolledState::Active {} | EnrolledState::Disabled { .. });
    let target = all.iter().find(|one| one.id == id).filter(removable).ok_or(Unchanged::NotThere)?;
    if target.method != Method::Passkey {
        return Err(Unchanged::NotAPasskey);
    }
    let left = || all.iter().filter(|one| one.id != id && one.is_active());
    // A code alone says nobody who it is.
    if !left().any(|one| matches!(one.method, Method::Password | Method::Passkey)) {
        return Err(Unchanged::LastToSignIn);
    }
    let confirms = |one: &Enrolled| one.method.is_phishing_resistant() && one.ceiling_at(now) >= Acr::Phr;
    if target.is_active() && confirms(target) && !left().any(confirms) {
        return Err(Unchanged::LastToConfirm);
    }
    Ok(target.clone().removed(now))
}

/// May these be cut off all at once by their owner? Not the last ones that confirm: what could take their place, and cut
/// anything else, is not there then. `all` are the person's.
pub fn may_cut(all: &[Enrolled], cut: &[AuthenticatorId], now: Time) -> Result<(), Unchanged> {
    let confirms =
        |one: &&Enrolled| one.is_active() && one.method.is_phishing_resistant() && one.ceiling_at(now) >= Acr::Phr;
    let lost = all.iter().filter(confirms).any(|one| cut.contains(&one.id));
    let kept = all.iter().filter(confirms).any(|one| !cut.contains(&one.id));
    if lost && !kept { Err(Unchanged::LastToConfirm) } else { Ok(()) }
}

/// Did one of these passkeys ever count for more than codes, while it was in use? Then a lost one is a matter of recovery.
pub fn ever_confirmed(all: &[Enrolled], now: Time) -> bool {
    all.iter().any(|one| {
        let until = match one.state {
            EnrolledState::Active {} => now,
            EnrolledState::Disabled { at, .. } | EnrolledState::Contained { at } | EnrolledState::Removed { at } => at,
        };
        one.method == Method::Passkey && one.ceiling_at(until) >= Acr::Phr
    })
}

/// Every passkey of somebody who is invited anew, as it is after it was disowned for them: codes have bound all of them, and
/// none ever confirmed anything. What was disowned before is not among them.
pub fn disown_for(all: &[Enrolled], now: Time) -> Result<Vec<Enrolled>, Unchanged> {
    if ever_confirmed(all, now) {
        return Err(Unchanged::NotResting);
    }
    let state = EnrolledState::Disabled { at: now, why: DisabledWhy::Disowned };
    let left = all.iter().filter(|one| ever_had_passkey(std::slice::from_ref(one)));
    Ok(left.map(|one| Enrolled { state, rest: None, ..one.clone() }).collect())
}

/// Was there ever a passkey among these, whatever it was worth and whatever became of it? Then codes alone bind no first
/// one any more: each further one would be another chance for whoever relays codes. What its owner disowned before it
/// rose does not count, or a thief's passkey would keep the owner from having a first one.
pub fn ever_had_passkey(all: &[Enrolled]) -> bool {
    let disowned = |one: &Enrolled| matches!(one.state, EnrolledState::Disabled { why: DisabledWhy::Disowned, .. });
    all.iter().any(|one| one.method == Method::Passkey && !disowned(one))
}

#[cfg(test)]
// A test that cannot go on should stop.
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::{evidence::ProofFact, id::SubjectId};

    const NOW: Time = Time::from_seconds(1_800_000_000);

    fn one(number: u8, method: Method, ceiling: Acr) -> Enrolled {
        Enrolled {
            id: AuthenticatorId::new(NOW, [number; 10]),
            subject: SubjectId::new(NOW, [0; 10]),
            method,
            label: String::new(),
            state: EnrolledState::Active {},
            ceiling,
            rest: rest(ceiling, NOW).filter(|_| method == Method::Passkey),
            bound_by: None,
            bound_at: NOW.plus_seconds(number.into()),
            last_used_at: None,
            series: 0,
            handle: None,
            public: serde_json::Value::Null,
            secret: None,
            version: 0,
        }
    }

    fn passkey(number: u8, ceiling: Acr) -> Enrolled {
        one(number, Method::Passkey, ceiling)
    }

    #[test]
    fn what_codes_have_bound_rests_from_when_its_owner_was_told_and_once() {
        let unrested = Enrolled { rest: None, ..one(1, Method::Passkey, Acr::Aal2) };
        let at = NOW.plus_seconds(60);
        let resting = told(&unrested, at).unwrap();
        assert_eq!(resting.rest, Some(Rest { acr: Acr::Phr, until: at.plus_seconds(CEILING_REST_SECONDS) }));
        // Being told twice shortens and lengthens nothing.
        assert_eq!(told(&resting, at.plus_seconds(60)), Err(Unchanged::NothingToVouchFor));
        for (never, why) in [
            (one(1, Method::Passkey, Acr::Phr), Unchanged::NothingToVouchFor),
            (one(1, Method::AppCode, Acr::Aal2), Unchanged::NothingToVouchFor),
            (disown(std::slice::from_ref(&resting), resting.id, at).unwrap(), Unchanged::NotThere),
        ] {
            assert_eq!(told(&never, at), Err(why), "{never:?}");
        }
    }

    #[test]
    fn what_rests_rests_anew_when_an_address_changes_and_what_has_risen_stays() {
        let resting = one(1, Method::Passkey, Acr::Aal2);
        let until = resting.rest.unwrap().until;
        for (at, expected) in [
            (NOW.plus_seconds(60), Some(NOW.plus_seconds(60 + CEILING_REST_SECONDS))),
            (until.plus_seconds(-1), Some(until.plus_seconds(CEILING_REST_SECONDS - 1))),
            (until, None),
        ] {
            let changed = address_changed(&resting, at);
            assert_eq!(changed.and_then(|one| one.rest).map(|rest| rest.until), expected);
        }
        assert_eq!(address_changed(&Enrolled { rest: None, ..resting }, NOW), None);
    }

    #[test]
    fn only_an_older_phishing_resistant_one_of_the_same_person_vouches() {
        let target = passkey(5, Acr::Aal2);
        let stranger = Enrolled { subject: SubjectId::new(NOW, [9; 10]), ..passkey(1, Acr::Phr) };
        let off = Enrolled {
            state: EnrolledState::Disabled { at: NOW, why: DisabledWhy::Administrator },
            ..passkey(1, Acr::Phr)
        };
        for (what, voucher, refused) in [
            ("itself", target.clone(), Unchanged::Itself),
            ("a younger one", passkey(6, Acr::Phr), Unchanged::NotOlder),
            ("one that rests", passkey(1, Acr::Aal2), Unchanged::NotOlder),
            ("a code app", one(1, Method::AppCode, Acr::Phr), Unchanged::NotOlder),
            ("somebody else's", stranger, Unchanged::NotOlder),
            ("one that is off", off, Unchanged::NotOlder),
        ] {
            assert_eq!(vouch(&voucher, &target, NOW), Err(refused), "{what}");
        }
        let raised = vouch(&passkey(1, Acr::Phr), &target, NOW).unwrap();
        assert_eq!((raised.ceiling, raised.rest), (Acr::Phr, None));
        assert_eq!(vouch(&passkey(1, Acr::Phr), &raised, NOW), Err(Unchanged::NothingToVouchFor));
    }

    #[test]
    fn what_is_disowned_is_off_and_never_rises() {
        let all = [one(1, Method::Password, Acr::Aal1), passkey(2, Acr::Aal2), passkey(3, Acr::Phr)];
        let disowned = disown(&all, all[1].id, NOW).unwrap();
        let later = NOW.plus_seconds(10 * CEILING_REST_SECONDS);
        assert_eq!((disowned.is_active(), disowned.ceiling_at(later)), (false, Acr::Aal2));
        assert_eq!(vouch(&all[2], &disowned, NOW), Err(Unchanged::NotThere));
        assert_eq!(disown(&all, all[2].id, NOW), Err(Unchanged::NotResting), "what confirms is not taken away so");
        assert_eq!(disown(&all, all[1].id, NOW.plus_seconds(CEILING_REST_SECONDS)), Err(Unchanged::NotResting));
    }

    #[test]
    fn the_last_one_that_signs_in_or_confirms_stays() {
        let (password, code) = (one(1, Method::Password, Acr::Aal1), one(2, Method::AppCode, Acr::Aal2));
        let (first, second) = (passkey(3, Acr::Phr), passkey(4, Acr::Phr));
        let resting = passkey(5, Acr::Aal2);
        let check = |all: &[&Enrolled], id| {
            let all: Vec<Enrolled> = all.iter().map(|one| (*one).clone()).collect();
            remove(&all, id, NOW).map(|removed| removed.id)
        };
        for (what, all, id, want) in [
            ("one of two", vec![&first, &second], first.id, Ok(first.id)),
            ("the only one", vec![&first, &code], first.id, Err(Unchanged::LastToSignIn)),
            ("the only one that confirms", vec![&password, &first], first.id, Err(Unchanged::LastToConfirm)),
            ("… beside one that rests", vec![&password, &first, &resting], first.id, Err(Unchanged::LastToConfirm)),
            ("one that rests", vec![&password, &first, &resting], resting.id, Ok(resting.id)),
            ("a password", vec![&password, &first], password.id, Err(Unchanged::NotAPasskey)),
            ("somebody else's", vec![&password, &first], second.id, Err(Unchanged::NotThere)),
        ] {
            assert_eq!(check(&all, id), want, "{what}");
        }
    }

    #[test]
    fn codes_bind_no_more_than_codes_and_nothing_rests_where_nobody_was_told() {
        let proof = |method, ceiling| ProofFact {
            method,
            at: NOW,
            authenticator: AuthenticatorId::new(NOW, [7; 10]),
            ceiling,
            user_verified: true,
            hardware_bound: false,
            txn_digest: None,
            channel: None,
        };
        let codes = [proof(Method::Password, Acr::Aal2), proof(Method::AppCode, Acr::Aal2)];
        let signed = [proof(Method::Passkey, Acr::Phr)];
        for proofs in [codes.to_vec(), signed.to_vec(), codes.iter().chain(&signed).cloned().collect()] {
            let worth = Worth::of_session(&Evidence { proofs, approvers: Vec::new() }, NOW);
            assert_eq!(worth.ceiling, Acr::Aal2);
            assert_eq!(worth.rest.map(|rest| rest.until), Some(NOW.plus_seconds(CEILING_REST_SECONDS)));
            assert_eq!((worth.told(0).rest, worth.told(1).rest), (None, worth.rest));
        }
        assert_eq!(Worth::of_session(&Evidence::default(), NOW).ceiling, Acr::Aal1);
        assert_eq!(Worth::vouched(Acr::Phrh, NOW), Worth { ceiling: Acr::Phr, rest: None });
    }

    #[test]
    fn any_passkey_of_before_makes_the_next_one_no_first_one_unless_it_was_disowned() {
        let resting = passkey(1, Acr::Aal2);
        let state = |state| Enrolled { state, ..resting.clone() };
        for (what, one, had) in [
            ("one in use", resting.clone(), true),
            ("one that was removed", resting.clone().removed(NOW), true),
            ("one that was cut off", state(EnrolledState::Contained { at: NOW }), true),
            ("one that was copied", state(EnrolledState::Disabled { at: NOW, why: DisabledWhy::Counter }), true),
            ("one that was disowned", disown(std::slice::from_ref(&resting), resting.id, NOW).unwrap(), false),
            ("a code app", self::one(2, Method::AppCode, Acr::Aal2), false),
        ] {
            assert_eq!(ever_had_passkey(&[one]), had, "{what}");
        }
    }

    #[test]
    fn who_is_invited_anew_has_nothing_left_that_codes_have_bound() {
        let later = NOW.plus_seconds(CEILING_REST_SECONDS);
        let resting = passkey(1, Acr::Aal2);
        let state = |state| Enrolled { state, ..resting.clone() };
        let (before, after) = (later.plus_seconds(-1), later.plus_seconds(1));
        for (what, one, at, disowned) in [
            ("one that rests", resting.clone(), NOW, Some(1)),
            ("one that has risen", resting.clone(), later, None),
            ("one that confirms", passkey(1, Acr::Phr), NOW, None),
            ("one that was cut off before it rose", state(EnrolledState::Contained { at: before }), after, Some(1)),
            ("one that was cut off after it rose", state(EnrolledState::Contained { at: later }), after, None),
            (
                "one that was copied",
                state(EnrolledState::Disabled { at: NOW, why: DisabledWhy::Counter }),
                after,
                Some(1),
            ),
            ("one that was removed", passkey(1, Acr::Phr).removed(NOW), NOW, None),
            ("one that was disowned", disown(std::slice::from_ref(&resting), resting.id, NOW).unwrap(), after, Some(0)),
            ("a code app", self::one(1, Method::AppCode, Acr::Aal2), NOW, Some(0)),
        ] {
            let all = [self::one(9, Method::Password, Acr::Aal1), one];
            let left = disown_for(&all, at);
            assert_eq!(left.as_ref().map(Vec::len).ok(), disowned, "{what}");
            assert_eq!(ever_confirmed(&all, at), disowned.is_none(), "{what}");
            for one in left.unwrap_or_default() {
                assert!(!ever_had_passkey(std::slice::from_ref(&one)) && one.ceiling_at(after) < Acr::Phr, "{what}");
            }
        }
    }

    #[test]
    fn the_last_ones_that_confirm_are_not_cut_by_their_owner() {
        let (first, second, resting) = (passkey(3, Acr::Phr), passkey(4, Acr::Phr), passkey(5, Acr::Aal2));
        let all = [one(1, Method::Password, Acr::Aal1), first.clone(), second.clone(), resting.clone()];
        for (cut, want) in [
            (vec![], Ok(())),
            (vec![first.id], Ok(())),
            (vec![first.id, resting.id], Ok(())),
            (vec![first.id, second.id], Err(Unchanged::LastToConfirm)),
        ] {
            assert_eq!(may_cut(&all, &cut, NOW), want, "{cut:?}");
        }
        assert_eq!(
            may_cut(std::slice::from_ref(&resting), &[resting.id], NOW),
            Ok(()),
            "nothing confirmed before either"
        );
    }

    #[test]
    fn what_was_cut_off_while_it_rested_can_still_be_disowned() {
        let cut = |at| Enrolled { state: EnrolledState::Contained { at }, ..passkey(0, Acr::Aal2) };
        let later = NOW.plus_seconds(2 * CEILING_REST_SECONDS);
        assert!(may_disown(&cut(NOW), later));
        assert!(!may_disown(&cut(NOW.plus_seconds(CEILING_REST_SECONDS)), later), "it had risen");
    }
}
