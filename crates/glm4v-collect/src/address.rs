use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// IPv4 networks that are not public, and the length of their prefix.
const NOT_PUBLIC_V4: [(Ipv4Addr, u32); 17] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8),          // this network, unspecified
    (Ipv4Addr::new(10, 0, 0, 0), 8),         // private
    (Ipv4Addr::new(100, 64, 0, 0), 10),      // shared by carriers (CGNAT)
    (Ipv4Addr::new(127, 0, 0, 0), 8),        // loopback
    (Ipv4Addr::new(168, 63, 129, 16), 32),   // metadata of Azure
    (Ipv4Addr::new(169, 254, 0, 0), 16),     // link-local, metadata of clouds
    (Ipv4Addr::new(172, 16, 0, 0), 12),      // private
    (Ipv4Addr::new(192, 0, 0, 0), 24),       // protocol assignments
    (Ipv4Addr::new(192, 0, 2, 0), 24),       // documentation
    (Ipv4Addr::new(192, 88, 99, 0), 24),     // 6to4 relays
    (Ipv4Addr::new(192, 168, 0, 0), 16),     // private
    (Ipv4Addr::new(198, 18, 0, 0), 15),      // benchmarks
    (Ipv4Addr::new(198, 51, 100, 0), 24),    // documentation
    (Ipv4Addr::new(203, 0, 113, 0), 24),     // documentation
    (Ipv4Addr::new(224, 0, 0, 0), 4),        // multicast
    (Ipv4Addr::new(240, 0, 0, 0), 4),        // reserved
    (Ipv4Addr::new(255, 255, 255, 255), 32), // broadcast
];
/// The only IPv6 network with public addresses. Outside of it are `::1`, link-local and unique local addresses, multicast,
/// IPv4-mapped addresses and NAT64.
const PUBLIC_V6: (Ipv6Addr, u32) = (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);
/// Networks inside of [`PUBLIC_V6`] that are not public.
const NOT_PUBLIC_V6: [(Ipv6Addr, u32); 4] = [
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23), // protocol assignments: Teredo, benchmarks, ORCHID
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32), // documentation
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16), // 6to4
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20), // documentation
];

/// Whether an address belongs to the public internet.
///
/// Not public are loopback, private, shared (CGNAT), link-local, unique local, multicast, unspecified, documentation,
/// benchmarking and reserved addresses, the metadata addresses of clouds, and IPv6 addresses that stand for IPv4 ones
/// (IPv4-mapped, NAT64, 6to4, Teredo).
///
/// ```
/// use glm4v_collect::is_public;
///
/// assert!(is_public("1.1.1.1".parse()?));
/// assert!(!is_public("169.254.169.254".parse()?));
/// assert!(!is_public("::ffff:10.0.0.1".parse()?));
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[must_use]
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => !NOT_PUBLIC_V4
            .iter()
            .any(|&(network, prefix)| in_v4(address, network, prefix)),
        IpAddr::V6(address) => {
            in_v6(address, PUBLIC_V6.0, PUBLIC_V6.1)
                && !NOT_PUBLIC_V6
                    .iter()
                    .any(|&(network, prefix)| in_v6(address, network, prefix))
        }
    }
}

fn in_v4(address: Ipv4Addr, network: Ipv4Addr, prefix: u32) -> bool {
    (address.to_bits() ^ network.to_bits()) >> (32 - prefix) == 0
}

fn in_v6(address: Ipv6Addr, network: Ipv6Addr, prefix: u32) -> bool {
    (address.to_bits() ^ network.to_bits()) >> (128 - prefix) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn public(text: &str) -> bool {
        is_public(text.parse().unwrap())
    }

    #[test]
    fn public_addresses() {
        for text in [
            "1.1.1.1",
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "2000::",
            "2001:200::",
            "2606:4700:4700::1111",
            "2a00:1450:4001:81b::200e",
            "3ffe:ffff::",
        ] {
            assert!(public(text), "{text}");
        }
    }

    #[test]
    fn addresses_that_are_not_public() {
        for text in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.0",
            "100.100.100.200", // metadata of Alibaba Cloud
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.254",
            "168.63.129.16",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.192", // metadata of Oracle Cloud
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.7",
            "203.0.113.9",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:8.8.8.8",
            "::ffff:127.0.0.1",
            "::7f00:1",
            "64:ff9b::8.8.8.8",
            "64:ff9b:1::1",
            "100::1",
            "1fff:ffff::",
            "2001::1",
            "2001:0:4136:e378:8000:63bf:3fff:fdd2",
            "2001:2::1",
            "2001:10::1",
            "2001:20::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "2002:808:808::1",
            "3fff::1",
            "4000::",
            "5f00::1",
            "fc00::1",
            "fd00:ec2::254", // metadata of AWS
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!public(text), "{text}");
        }
    }

    /// A sequence of numbers that looks random, always the same.
    fn numbers() -> impl Iterator<Item = u128> {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut word = move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            u128::from(state)
        };
        std::iter::from_fn(move || Some(word() << 64 | word()))
    }

    #[test]
    fn the_standard_library_agrees() {
        for bits in numbers().take(200_000) {
            let v4 = Ipv4Addr::from_bits(bits as u32);
            if v4.is_private()
                || v4.is_loopback()
                || v4.is_link_local()
                || v4.is_multicast()
                || v4.is_broadcast()
                || v4.is_documentation()
                || v4.is_unspecified()
            {
                assert!(!is_public(v4.into()), "{v4}");
            }
            // Every address that carries an IPv4 address is refused, whatever that address is.
            for v6 in [
                v4.to_ipv6_mapped(),
                v4.to_ipv6_compatible(),
                Ipv6Addr::from_bits(0x0064_ff9b_u128 << 96 | u128::from(v4.to_bits())),
                Ipv6Addr::from_bits(0x2002_u128 << 112 | u128::from(v4.to_bits()) << 80),
                Ipv6Addr::from_bits(0x2001_0000_u128 << 96 | bits >> 32),
            ] {
                assert!(!is_public(v6.into()), "{v6}");
            }
            let v6 = Ipv6Addr::from_bits(bits);
            if v6.is_loopback()
                || v6.is_multicast()
                || v6.is_unicast_link_local()
                || v6.is_unique_local()
                || v6.is_unspecified()
            {
                assert!(!is_public(v6.into()), "{v6}");
            }
        }
    }

    #[test]
    fn networks_end_where_their_prefix_ends() {
        for (network, prefix) in NOT_PUBLIC_V4 {
            let first = network.to_bits();
            let last = first | u32::MAX.checked_shr(prefix).unwrap_or(0);
            assert_eq!(
                first & u32::MAX.checked_shr(prefix).unwrap_or(0),
                0,
                "{network}"
            );
            for bits in [first, last] {
                assert!(!is_public(Ipv4Addr::from_bits(bits).into()), "{network}");
            }
        }
        // 2000::/3 without four small networks is nearly an eighth of IPv6.
        let v6 = numbers()
            .take(80_000)
            .filter(|&bits| is_public(Ipv6Addr::from_bits(bits).into()));
        let share = v6.count() as f64 / 80_000.0;
        assert!((share - 0.125).abs() < 0.01, "{share}");
        let v4 = numbers()
            .take(80_000)
            .filter(|&bits| is_public(Ipv4Addr::from_bits(bits as u32).into()));
        let share = v4.count() as f64 / 80_000.0;
        // 256 networks of /8, less 0, 10, 127, the 32 from 224 on, and small ones.
        assert!((share - 0.862).abs() < 0.01, "{share}");
    }
}
