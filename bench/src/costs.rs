//! What one signature, verification or hash costs on this machine, in this run: the unit of the shares in the table.

use crate::clock::Moment;
use crate::numbers::microseconds;
use crate::process::own_cpu;
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, UnparsedPublicKey,
};
use serde::Serialize;
use std::hint::black_box;
use std::io::{Error, Result};
use std::time::Duration;

const AT_LEAST: Duration = Duration::from_millis(400);
/// The size of what is signed: about that of a token's or a proof's signing input.
const MESSAGE: [u8; 512] = [0x33; 512];

/// Microseconds of processor time, with every processor busy as in the runs: two of them often share what computes.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Costs {
    /// One ES256 signature.
    pub sign_microseconds: f64,
    /// One ES256 verification.
    pub verify_microseconds: f64,
    /// SHA-256 of half a kilobyte.
    pub hash_microseconds: f64,
}

/// Measures each for a while on all processors at once.
pub fn measure() -> Result<Costs> {
    let failed = || Error::other("the P-256 key pair could not be made");
    let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map_err(|_| failed())?;
    let random = SystemRandom::new();
    let signature = key.sign(&random, &MESSAGE).map_err(|_| failed())?;
    let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key.public_key().as_ref().to_vec());
    Ok(Costs {
        sign_microseconds: cost(|| black_box(key.sign(&random, &MESSAGE)).is_ok())?,
        verify_microseconds: cost(|| black_box(public.verify(&MESSAGE, signature.as_ref())).is_ok())?,
        hash_microseconds: cost(|| black_box(digest(&SHA256, &MESSAGE)).as_ref().len() == 32)?,
    })
}

impl Costs {
    /// The mean of two measurements, around something that takes a while.
    pub fn mean(self, other: Self) -> Self {
        let mean = |a: f64, b: f64| f64::midpoint(a, b);
        Self {
            sign_microseconds: mean(self.sign_microseconds, other.sign_microseconds),
            verify_microseconds: mean(self.verify_microseconds, other.verify_microseconds),
            hash_microseconds: mean(self.hash_microseconds, other.hash_microseconds),
        }
    }
}

/// Mean processor time of one call; infinite when a call fails, so that no share is built on it.
fn cost(call: impl Fn() -> bool + Sync) -> Result<f64> {
    let start = Moment::now();
    let again_and_again = || {
        let (before, mut calls) = (own_cpu()?, 0_u32);
        while start.elapsed() < AT_LEAST {
            for _ in 0..64 {
                if !call() {
                    return Ok((0, Duration::MAX));
                }
            }
            calls += 64;
        }
        Ok((calls, own_cpu()?.saturating_sub(before)))
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let each: Result<Vec<(u32, Duration)>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(again_and_again)).collect();
        let died = || Error::other("a measurement died");
        threads.into_iter().map(|thread| thread.join().map_err(|_| died())?).collect()
    });
    let (calls, used) =
        each?.into_iter().fold((0, 0.0), |(calls, used), (more, took)| (calls + more, used + microseconds(took)));
    Ok(if calls == 0 { f64::INFINITY } else { used / f64::from(calls) })
}

#[cfg(test)]
mod tests {
    use super::cost;

    #[test]
    fn what_fails_costs_everything_and_what_works_something() {
        assert!(cost(|| false).is_ok_and(f64::is_infinite));
        assert!(cost(|| std::hint::black_box(true)).is_ok_and(|cost| cost > 0.0 && cost.is_finite()));
    }
}
