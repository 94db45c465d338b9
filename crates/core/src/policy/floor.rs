//! The floor under each tier, checked in Rust once more after a permit (DESIGN §4): what no policy can undercut.

use crate::{
    assurance::{Acr, Binding, Tier},
    evidence::{SessionFacts, Shown},
    limits::CHALLENGE_SECONDS,
};

/// Whether what was shown reaches the floor of `tier`.
///
/// - low has none;
/// - moderate: two factors, and on a session whose key nobody knows a phishing-resistant proof among them;
/// - high: a phishing-resistant, user-verifying proof of exactly this transaction, at most [`CHALLENGE_SECONDS`] old, in
///   a session that is bound to a key;
/// - critical: as high, and the key in hardware or an independent second person.
pub(super) fn reached(tier: Tier, shown: &Shown, session: Option<&SessionFacts>) -> bool {
    let binding = session.map_or(Binding::None, |s| s.binding);
    let moderate = binding >= Binding::NewKey
        && (shown.phishing_resistant() || (binding >= Binding::KnownDevice && shown.acr >= Some(Acr::Aal2)));
    let high = moderate
        && shown
            .bound
            .as_ref()
            .is_some_and(|b| b.phishing_resistant && b.user_verified && (0..=CHALLENGE_SECONDS).contains(&b.age));
    match tier {
        Tier::Low => true,
        Tier::Moderate => moderate,
        Tier::High => high,
        Tier::Critical => high && (shown.approvers >= 1 || shown.bound.as_ref().is_some_and(|b| b.hardware_bound)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        evidence::{BoundProof, RelayVerdict},
        id::{LoginId, SessionId},
        time::Time,
    };

    fn session(binding: Binding) -> SessionFacts {
        let now = Time::from_seconds(1);
        SessionFacts {
            id: SessionId::new(now, [0; 10]),
            login: LoginId::new(now, [0; 10]),
            born: now,
            binding,
            recovered_at: None,
            relay: RelayVerdict::None,
            contained: false,
        }
    }

    fn bound(phishing_resistant: bool, user_verified: bool, hardware_bound: bool, age: i64) -> Shown {
        let bound = Some(BoundProof { phishing_resistant, user_verified, hardware_bound, age });
        Shown { acr: Some(Acr::Aal2), bound, ..Shown::default() }
    }

    #[test]
    fn each_tier_stands_on_the_one_below() {
        let every = [
            Shown::default(),
            Shown { acr: Some(Acr::Aal2), ..Shown::default() },
            Shown { acr: Some(Acr::Phr), phishing_resistant_age: 0, ..Shown::default() },
            bound(true, true, false, 300),
            bound(true, true, true, 0),
            Shown { approvers: 1, ..bound(true, true, false, 0) },
            Shown { approvers: 1, ..bound(false, true, true, 0) },
        ];
        for shown in &every {
            for binding in Binding::ALL {
                let held: Vec<bool> =
                    Tier::ALL.iter().map(|tier| reached(*tier, shown, Some(&session(*binding)))).collect();
                assert!(held.windows(2).all(|pair| pair[0] || !pair[1]), "{shown:?} {binding}: {held:?}");
            }
        }
    }

    #[test]
    fn what_is_missing_of_high_is_enough_to_miss_it() {
        let known = session(Binding::KnownDevice);
        assert!(reached(Tier::High, &bound(true, true, false, 300), Some(&known)));
        assert!(!reached(Tier::High, &bound(true, true, false, 301), Some(&known)));
        assert!(!reached(Tier::High, &bound(false, true, false, 0), Some(&known)));
        assert!(!reached(Tier::High, &bound(true, false, false, 0), Some(&known)));
        assert!(!reached(Tier::High, &bound(true, true, false, 0), Some(&session(Binding::None))));
        assert!(!reached(Tier::High, &bound(true, true, false, 0), None));
        assert!(!reached(Tier::Critical, &bound(true, true, false, 0), Some(&known)));
        assert!(reached(Tier::Critical, &bound(true, true, true, 0), Some(&known)));
    }

    #[test]
    fn a_session_whose_key_nobody_knows_needs_a_phishing_resistant_proof_above_low() {
        let code = Shown { acr: Some(Acr::Aal2), ..Shown::default() };
        assert!(!reached(Tier::Moderate, &code, Some(&session(Binding::NewKey))));
        assert!(reached(Tier::Moderate, &code, Some(&session(Binding::KnownDevice))));
        let passkey = Shown { acr: Some(Acr::Phr), phishing_resistant_age: 10, ..Shown::default() };
        assert!(reached(Tier::Moderate, &passkey, Some(&session(Binding::NewKey))));
    }
}
