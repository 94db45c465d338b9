//! No address gets all of what there is a bounded number of: what one party may hold at once is a part of it.

use crate::network::network;
use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
};

/// How many of something each network has now.
#[derive(Debug, Clone)]
pub struct Share(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    what: &'static str,
    most: usize,
    /// They speak for many, and are ours.
    exempt: Vec<IpAddr>,
    /// INVARIANT: no more entries than seats, and of those there are no more than connections.
    held: Mutex<HashMap<IpAddr, Held>>,
}

#[derive(Debug, Default)]
struct Held {
    seats: usize,
    refused: bool,
}

/// One seat of a network's share; given back when it goes.
#[derive(Debug)]
pub struct Seat {
    share: Share,
    network: Option<IpAddr>,
}

impl Share {
    /// At most `most` of `what` for each network, and as many as there are for these proxies.
    pub fn new(what: &'static str, most: usize, proxies: &[IpAddr]) -> Self {
        Self(Arc::new(Inner { what, most, exempt: proxies.to_vec(), held: Mutex::default() }))
    }

    /// A seat for this peer, if its network has one left.
    pub fn seat(&self, peer: IpAddr) -> Option<Seat> {
        if self.0.exempt.contains(&peer) {
            return Some(Seat { share: self.clone(), network: None });
        }
        let network = network(peer);
        let mut all = self.0.held.lock().unwrap_or_else(PoisonError::into_inner);
        let held = all.entry(network).or_default();
        if held.seats < self.0.most {
            held.seats += 1;
            return Some(Seat { share: self.clone(), network: Some(network) });
        }
        if !std::mem::replace(&mut held.refused, true) {
            tracing::warn!(%network, what = self.0.what, most = self.0.most, "a network has all that it may have; more are refused");
        }
        None
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let Some(network) = self.network else { return };
        let mut all = self.share.0.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(held) = all.get_mut(&network) {
            held.seats -= 1;
            if held.seats == 0 {
                all.remove(&network);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_network_has_its_share_and_what_goes_makes_room() {
        let share = Share::new("seats", 2, &[]);
        let (first, _second) = (share.seat(ip("2001:db8::1")).unwrap(), share.seat(ip("2001:db8::2")).unwrap());
        assert!(share.seat(ip("2001:db8::3")).is_none());
        assert!(share.seat(ip("2001:db8:0:1::1")).is_some());
        drop(first);
        assert!(share.seat(ip("2001:db8::3")).is_some());
    }

    #[test]
    fn a_trusted_proxy_speaks_for_many_and_nothing_is_kept_of_who_has_gone() {
        let share = Share::new("seats", 7, &[ip("10.0.0.1")]);
        let seats: Vec<_> = (0..14).map(|_| share.seat(ip("10.0.0.1"))).collect();
        assert!(seats.iter().all(Option::is_some));
        let others: Vec<_> = (0..14).map(|_| share.seat(ip("10.0.0.2"))).collect();
        assert_eq!(others.iter().flatten().count(), 7);
        drop((seats, others));
        assert!(share.0.held.lock().unwrap().is_empty());
    }
}
