//! The model: the program's reader, rule and answers, compiled from the same source for userspace, over plain tables of
//! its own.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::Ipv6Addr;
use std::ops::ControlFlow;
use std::time::Duration;

use filter_common::judge::{Hosts, judge, verdict};
use filter_common::packet::{self, Frame, Packet, Protected, Version};
use filter_common::reply::{self, Answer, IPV4, IPV6, words};
use filter_common::table::{Kind, State};
use filter_common::verdict::counter;
use filter_common::{Address, PeerKey, Rate, Timestamp, Verdict, gcra};
use ipnet::{IpNet, Ipv6Net};

use super::kernel::{LIMIT, NETWORK, PORTS, SYN_LIMIT};
use super::row::{Known, Outcome, World};

struct Slice<'a>(&'a [u8]);

impl Frame for Slice<'_> {
    fn bytes<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        self.0.get(offset..)?.first_chunk().copied()
    }
}

/// Tables of what is known, as they stand after the packets that have come.
pub(super) struct Model {
    world: World,
    rates: Rates,
    now: Cell<Timestamp>,
    hosts: HashMap<PeerKey, State>,
    /// Of limited hosts, of networks, and of all others.
    arrivals: RefCell<HashMap<Limited, u64>>,
}

/// The rates of the three limiters.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rates {
    pub(super) limit: Rate,
    pub(super) network: Rate,
    pub(super) syn_limit: Rate,
}

impl Default for Rates {
    fn default() -> Self {
        Self { limit: LIMIT, network: NETWORK, syn_limit: SYN_LIMIT }
    }
}

/// Whose limiter.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Limited {
    Host(PeerKey),
    Network(IpNet),
    Peer(PeerKey),
}

/// What is put into the word that stands in the table for a host: the model knows of no tags.
fn state(kind: Kind, until: Duration, overlaps_allow: bool) -> State {
    let units = (until.as_nanos() as u64) >> 20;
    State(units << 24 | u64::from(overlaps_allow) << 2 | kind as u64)
}

impl Model {
    pub(super) fn new(world: &World, rates: Rates) -> Self {
        let mut hosts = HashMap::new();
        for known in &world.known {
            let (host, kind, until) = match *known {
                Known::Authenticated { host, until } => (host, Kind::Authenticated, until),
                Known::Limited { host, until } => (host, Kind::Limited, until),
                Known::Blocked { host, until } => (host, Kind::Blocked, until),
                Known::Lifted(host) => {
                    hosts.remove(&PeerKey::from_ip(host, world.prefixes));
                    continue;
                }
                Known::Network { .. } => continue,
            };
            let peer = PeerKey::from_ip(host, world.prefixes);
            let stands = hosts.get(&peer).and_then(|state: &State| state.kind());
            // Who has authenticated gets no sanction.
            if kind == Kind::Authenticated || stands != Some(Kind::Authenticated) {
                // To ask the allow list once too often changes nothing.
                hosts.insert(peer, state(kind, until, true));
            }
        }
        Self { world: world.clone(), rates, now: Cell::default(), hosts, arrivals: RefCell::default() }
    }

    /// What becomes of a frame that comes then.
    pub(super) fn run(&self, frame: &[u8], at: Duration) -> Outcome {
        self.now.set(Timestamp(at.as_nanos() as u64));
        let packet = match packet::read(&Slice(frame), self) {
            ControlFlow::Continue(packet) => packet,
            ControlFlow::Break(reason) => {
                return Outcome { verdict: reason.verdict(), counter: reason.counter(), answer: None };
            }
        };
        let (reason, _) = judge(self, &packet, packet.source.peer(self.world.prefixes));
        let wanted = verdict(reason, &packet, self.world.action);
        let answer = answer(frame, &packet, wanted);
        let verdict = if answer.is_none() && wanted != Verdict::Pass { Verdict::Drop } else { wanted };
        Outcome { verdict, counter: counter(reason, verdict), answer }
    }

    fn take(&self, whose: Limited, rate: Rate) -> bool {
        let mut arrivals = self.arrivals.borrow_mut();
        let arrival = arrivals.entry(whose).or_default();
        let next = gcra::step(*arrival, self.now.get(), rate);
        next.inspect(|next| *arrival = *next).is_some()
    }
}

/// The frame that goes back, if any.
fn answer(frame: &[u8], packet: &Packet, wanted: Verdict) -> Option<Vec<u8>> {
    let answer = match wanted {
        Verdict::Pass | Verdict::Drop => return None,
        Verdict::Reset => Answer::Reset,
        Verdict::Tarpit => Answer::Tarpit,
    };
    let (frame, network) = (Slice(frame), packet.network);
    let mut answered = reply::ethernet(&frame.bytes(0)?)?.to_vec();
    answered.extend(frame.0.get(answered.len()..network)?);
    match packet.plain? {
        Version::V4 => {
            let headers = reply::ipv4(&words(&frame, network)?, &words(&frame, network + 4 * IPV4)?, answer)?;
            answered.extend(headers.ip.iter().chain(&headers.tcp).flat_map(|word| word.to_ne_bytes()));
        }
        Version::V6 => {
            let headers = reply::ipv6(&words(&frame, network)?, &words(&frame, network + 4 * IPV6)?, answer)?;
            answered.extend(headers.ip.iter().chain(&headers.tcp).flat_map(|word| word.to_ne_bytes()));
        }
    }
    Some(answered)
}

impl Protected for Model {
    fn port(&self, port: u16) -> bool {
        PORTS.contains(&port)
    }

    fn lists_addresses(&self) -> bool {
        !self.world.addresses.is_empty()
    }

    fn address(&self, destination: Address) -> bool {
        let destination = PeerKey::from_octets(destination.octets()).address();
        self.world.addresses.iter().any(|address| address.to_canonical() == destination)
    }
}

impl Hosts for Model {
    type Entry = PeerKey;

    fn find(&self, peer: PeerKey) -> Option<(PeerKey, State)> {
        self.hosts.get(&peer).map(|state| (peer, *state))
    }

    fn now(&self) -> Timestamp {
        self.now.get()
    }

    fn note_use(&self, _: PeerKey) {}

    fn conforms(&self, peer: PeerKey, _: Timestamp) -> bool {
        self.take(Limited::Host(peer), self.rates.limit)
    }

    fn is_allowed(&self, source: Address) -> bool {
        self.world.allow.iter().any(|network| holds(network, source))
    }

    fn network_conforms(&self, source: Address) -> bool {
        let networks = self.world.known.iter().filter_map(|known| match known {
            Known::Network { network, until } if holds(network, source) => Some((*network, *until)),
            _ => None,
        });
        // The smallest that holds it.
        match networks.max_by_key(|(network, _)| network.prefix_len()) {
            Some((network, until)) if Timestamp(0).plus(until) > self.now.get() => {
                self.take(Limited::Network(network), self.rates.network)
            }
            _ => true,
        }
    }

    fn syn_limit_conforms(&self, peer: PeerKey) -> bool {
        !self.world.has_syn_limit || self.take(Limited::Peer(peer), self.rates.syn_limit)
    }
}

/// `::/0` holds the mapped addresses too.
fn holds(network: &IpNet, address: Address) -> bool {
    let mapped = match network {
        IpNet::V4(v4) => Ipv6Net::new(v4.network().to_ipv6_mapped(), v4.prefix_len() + 96).unwrap(),
        IpNet::V6(v6) => *v6,
    };
    mapped.contains(&Ipv6Addr::from(address.octets()))
}
