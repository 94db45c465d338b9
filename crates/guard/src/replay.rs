//! The proofs already seen: the duty of a resource server that needs memory (RFC 9449 §11.1).
//!
//! Several processes of one API do not share this memory and need not: nonces are under a key of each process, so a proof
//! that is replayed to another one fails there.

use counterfoil_core::digest::Digest;
use counterfoil_core::time::Time;
use std::collections::{HashSet, VecDeque};

/// Proofs remembered at once. Only holders of a sound token can fill it.
const PROOFS: usize = 200_000;

/// Why a proof is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplayFault {
    /// This `jti` was used before with this key.
    #[error("the DPoP proof was used before")]
    Replayed,
    /// The memory is full of proofs that are still good; forgetting one of them would let it be replayed.
    #[error("too many requests at once")]
    Full,
}

/// The proofs that were accepted, for as long as they could be accepted again.
#[derive(Debug, Default)]
pub struct SeenProofs {
    seen: HashSet<Digest>,
    /// In the order of coming, with when each can no longer be accepted. Those times differ by at most a proof's
    /// lifetime, so what waits behind a later one is kept a little longer than it must.
    oldest_first: VecDeque<(Time, Digest)>,
}

impl SeenProofs {
    /// Takes a proof that is sound in every other way: the last check of all, so that nobody can burn another's `jti`
    /// or fill the memory without a token. `replay_key` is the hash over key, target and `jti` that `counterfoil-oauth` makes;
    /// `until` is when the proof can no longer be accepted.
    ///
    /// # Errors
    /// [`ReplayFault`].
    pub fn take(&mut self, replay_key: Digest, until: Time, now: Time) -> Result<(), ReplayFault> {
        while let Some((until, digest)) = self.oldest_first.front() {
            if now <= *until {
                break;
            }
            self.seen.remove(digest);
            self.oldest_first.pop_front();
        }
        if self.seen.contains(&replay_key) {
            return Err(ReplayFault::Replayed);
        }
        if self.seen.len() >= PROOFS {
            return Err(ReplayFault::Full);
        }
        self.seen.insert(replay_key);
        self.oldest_first.push_back((until, replay_key));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = Time::from_seconds(1_800_000_000);

    fn proof(n: usize) -> Digest {
        Digest::of(&n.to_be_bytes())
    }

    #[test]
    fn a_proof_is_taken_once() {
        let mut seen = SeenProofs::default();
        let last = NOW.plus_seconds(70);
        assert_eq!(seen.take(proof(1), last, NOW), Ok(()));
        assert_eq!(seen.take(proof(1), last, NOW), Err(ReplayFault::Replayed));
        assert_eq!(seen.take(proof(2), last, NOW), Ok(()));
        assert_eq!(seen.take(proof(1), last, last), Err(ReplayFault::Replayed));
        assert_eq!(seen.take(proof(3), last.plus_seconds(70), last.plus_seconds(1)), Ok(()));
        assert_eq!(seen.seen.len(), 1, "what can no longer be replayed is forgotten");
    }

    #[test]
    fn a_full_memory_refuses_instead_of_forgetting() {
        let mut seen = SeenProofs::default();
        for n in 0..PROOFS {
            assert_eq!(seen.take(proof(n), NOW.plus_seconds(70), NOW), Ok(()));
        }
        assert_eq!(seen.take(proof(PROOFS), NOW.plus_seconds(70), NOW), Err(ReplayFault::Full));
        assert_eq!(seen.take(proof(0), NOW.plus_seconds(70), NOW), Err(ReplayFault::Replayed));
    }
}
