//! Who is one party on the network, as far as an address tells.

use std::net::IpAddr;

/// Where things are counted that one party may do only so often: an address, and of IPv6 the network that one subscriber has
/// (RFC 6177).
pub fn network(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::from([a, b, c, d, 0, 0, 0, 0])
        }
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]
    use super::network;

    #[test]
    fn one_party_is_an_address_or_the_network_of_one_subscriber() {
        let same = |a: &str, b: &str| network(a.parse().unwrap()) == network(b.parse().unwrap());
        assert!(!same("192.0.2.1", "192.0.2.2"));
        assert!(same("2001:db8::1", "2001:db8::2:3"));
        assert!(!same("2001:db8::1", "2001:db8:0:1::1"));
        // As a socket that hears both versions names an address of the old one.
        assert!(same("192.0.2.1", "::ffff:192.0.2.1") && !same("::ffff:192.0.2.1", "::ffff:192.0.2.2"));
    }
}
