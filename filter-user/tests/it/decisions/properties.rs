//! What must hold for every peer, path and setting, whatever the tables forgot to ask.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use filter_user::address::{Domain, ForwardPath, Mailbox, disguise};
use filter_user::policy::{
    ClientNetwork, Decision, DirectoryAnswer, Facts, Policy, PolicySettings, Prohibition,
};
use ipnet::IpNet;
use proptest::prelude::*;

const LOCAL: [&str; 3] = ["example.org", "xn--bcher-kva.example", "a.b.example.net"];

/// Addresses and networks meet often, because they differ in few bits.
fn address() -> impl Strategy<Value = IpAddr> {
    (0u8..4, 0u8..4, 0u8..3).prop_map(|(high, low, kind)| {
        let ipv4 = Ipv4Addr::new(10, high, 0, low);
        match kind {
            0 => ipv4.into(),
            1 => ipv4.to_ipv6_mapped().into(),
            _ => Ipv6Addr::new(0x2001, 0xdb8, high.into(), 0, 0, 0, 0, low.into()).into(),
        }
    })
}

fn networks() -> impl Strategy<Value = Vec<IpNet>> {
    let network = (address(), 0u8..=128).prop_map(|(address, length)| {
        let length = if address.is_ipv4() { length.min(32) } else { length };
        IpNet::new(address, length).unwrap()
    });
    prop::collection::vec(network, 0..4)
}

fn settings() -> impl Strategy<Value = PolicySettings> {
    (any::<bool>(), networks(), networks()).prop_map(|(reroute, relay_networks, never_relay)| {
        PolicySettings {
            local_domains: LOCAL.map(str::to_owned).to_vec(),
            own_addresses: vec!["192.0.2.1".parse().unwrap()],
            reroute,
            relay_networks: relay_networks.into_iter().map(ClientNetwork::from).collect(),
            never_relay,
            ..PolicySettings::default()
        }
    })
}

/// A domain and whether it is ours.
fn domain() -> impl Strategy<Value = (String, bool)> {
    prop_oneof![
        prop::sample::select(&LOCAL[..]).prop_map(|ours| (ours.to_owned(), true)),
        prop::sample::select(&LOCAL[..]).prop_map(|ours| (ours.to_ascii_uppercase(), true)),
        (prop::sample::select(&LOCAL[..]), "[a-z.]")
            .prop_map(|(ours, more)| (format!("{ours}{more}"), false)),
        (prop::sample::select(&LOCAL[..]), "[a-z.]")
            .prop_map(|(ours, more)| (format!("{more}{ours}"), false)),
        "[a-z0-9.-]{0,20}\\.far".prop_map(|foreign| (foreign, false)),
        "[\\PC&&[^@]]{0,12}\\.far".prop_map(|foreign| (foreign, false)),
    ]
}

fn local_part() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z]{1,8}",
        "(?i)\"?postmaster\"?",
        "[a-z%!@:\"\\\\.]{0,12}",
        "\"[\\PC]{0,12}\"",
        "(?i)\"?imcea[a-z]{0,4}-[a-z+0-9]{0,12}\"?",
        "[\\PC]{0,12}",
    ]
}

fn directory_answer() -> impl Strategy<Value = DirectoryAnswer> {
    use DirectoryAnswer::*;
    prop::sample::select(&[Known, WholeDomain, Unknown, Unavailable, NotAsked][..])
}

/// The slow and plain twin of the compiled networks.
fn holds(networks: &[IpNet], address: IpAddr) -> bool {
    let mapped = |address: IpAddr| match address {
        IpAddr::V4(ipv4) => ipv4.to_ipv6_mapped(),
        IpAddr::V6(ipv6) => ipv6,
    };
    let is_ipv4 = |address: IpAddr| address.to_canonical().is_ipv4();
    networks.iter().any(|network| {
        let (length, own_length) = match network {
            IpNet::V4(network) => (network.prefix_len() + 96, 96),
            IpNet::V6(network) if is_ipv4(network.trunc().addr().into()) && network.prefix_len() >= 96 => {
                (network.prefix_len(), 96)
            }
            IpNet::V6(network) => (network.prefix_len(), 0),
        };
        let mask = if length == 0 { 0 } else { u128::MAX << (128 - u32::from(length)) };
        is_ipv4(address) == (own_length == 96)
            && u128::from(mapped(address)) & mask == u128::from(mapped(network.addr())) & mask
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_foreign_recipient_passes_with_a_grant_alone(
        settings in settings(), peer in address(), local_part in local_part(), (domain, ours) in domain(),
        said in directory_answer(),
    ) {
        let policy = Policy::new(&settings);
        let facts = Facts::of_connection(peer, None);
        let text = format!("{local_part}@{domain}");
        let path = ForwardPath::Mailbox(Mailbox {
            local_part: &local_part, domain: Domain::Name(&domain), text: &text,
        });
        let placement = policy.place(&path);
        let decision = policy.decide(&facts, &placement, said);
        prop_assert_eq!(policy.explain(&facts, &path, |_| said).0, decision);
        prop_assert_eq!(placement.is_outside(), !ours);

        let networks: Vec<IpNet> = settings.relay_networks.iter().map(|client| client.network).collect();
        let granted = settings.reroute
            && holds(&networks, peer)
            && !holds(&settings.never_relay, peer);
        prop_assert_eq!(policy.grant(&facts).is_some(), granted);
        match (ours, decision) {
            (false, Decision::Relay(..)) => prop_assert!(granted),
            (false, Decision::Prohibited(reason)) => {
                prop_assert!(!granted);
                prop_assert_eq!(reason == Prohibition::NeverList, holds(&settings.never_relay, peer));
            }
            (false, other) => prop_assert!(false, "{} for a foreign recipient", other),
            (true, Decision::Relay(..)) => prop_assert!(false, "a recipient of ours is not relayed"),
            (true, Decision::Route(_)) if disguise::decode(&local_part).is_some() => {
                prop_assert_eq!(said, DirectoryAnswer::Known);
            }
            (true, _) => {}
        }
    }

    #[test]
    fn who_is_on_the_never_list_relays_to_nobody_and_is_routed_as_anybody(
        mut settings in settings(), peer in address(), local_part in local_part(), (domain, _) in domain(),
        said in directory_answer(),
    ) {
        let facts = Facts::of_connection(peer, None);
        let text = format!("{local_part}@{domain}");
        let path = ForwardPath::Mailbox(Mailbox {
            local_part: &local_part, domain: Domain::Name(&domain), text: &text,
        });
        settings.never_relay.clear();
        let without = Policy::new(&settings);
        settings.never_relay.push(peer.into());
        let with = Policy::new(&settings);

        let placement = with.place(&path);
        let decision = with.decide(&facts, &placement, said);
        prop_assert!(with.grant(&facts).is_none());
        if placement.is_outside() {
            prop_assert_eq!(decision, Decision::Prohibited(Prohibition::NeverList));
        } else {
            prop_assert_eq!(decision, without.decide(&facts, &without.place(&path), said));
        }
    }

    #[test]
    fn a_literal_that_is_not_ours_passes_with_a_grant_alone(
        settings in settings(), peer in address(), local_part in local_part(), literal in address(),
    ) {
        let policy = Policy::new(&settings);
        let facts = Facts::of_connection(peer, None);
        let path = ForwardPath::Mailbox(Mailbox {
            local_part: &local_part, domain: Domain::Literal(literal), text: &local_part,
        });
        let decision = policy.decide(&facts, &policy.place(&path), DirectoryAnswer::Known);
        match policy.grant(&facts) {
            Some(grant) => prop_assert_eq!(decision, Decision::Relay(grant, None)),
            None => prop_assert!(matches!(decision, Decision::Prohibited(_))),
        }
    }
}
