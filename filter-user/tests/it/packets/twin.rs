//! The rule in userspace: the program's parser over a slice, the common rule over a row's own table.

use std::cell::Cell;
use std::ops::ControlFlow;

use filter_common::verdict::{Hosts, judge};
use filter_common::{PeerEntry, PeerKey, Reason, Sanction, Timestamp, gcra};
use ipnet::IpNet;

use super::kernel::{LIMIT, PORTS};
use super::packet::{self, Frame};
use super::row::{Known, Outcome, Row};

struct Slice<'a>(&'a [u8]);

impl Frame for Slice<'_> {
    fn bytes<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        self.0.get(offset..)?.first_chunk().copied()
    }
}

/// A row's table. The limiter's state is one for all: no row has two limited peers.
struct Table<'a> {
    row: &'a Row,
    arrival: Cell<u64>,
}

impl Table<'_> {
    /// The last that was said of a peer holds.
    fn last<T>(&self, what: impl Fn(&Known) -> Option<T>) -> Option<T> {
        self.row.known.iter().rev().find_map(what)
    }

    fn key(&self, host: std::net::IpAddr) -> PeerKey {
        PeerKey::from_ip(host, self.row.prefixes)
    }
}

impl Hosts for Table<'_> {
    type Entry = PeerEntry;

    fn authenticated_until(&self, peer: PeerKey) -> Option<Timestamp> {
        self.last(|known| match known {
            Known::Authenticated { host, until } if self.key(*host) == peer => {
                Some(Timestamp(0).plus(*until))
            }
            _ => None,
        })
    }

    fn is_allowed(&self, source: [u8; 16]) -> bool {
        let source = PeerKey(source).address();
        self.row.known.iter().any(|known| match (known, source) {
            (Known::Allowed(IpNet::V4(network)), std::net::IpAddr::V4(source)) => network.contains(&source),
            (Known::Allowed(IpNet::V6(network)), std::net::IpAddr::V6(source)) => network.contains(&source),
            // `::/0` holds the mapped addresses too.
            (Known::Allowed(IpNet::V6(network)), std::net::IpAddr::V4(source)) => {
                network.contains(&source.to_ipv6_mapped())
            }
            _ => false,
        })
    }

    fn entry(&self, peer: PeerKey) -> Option<PeerEntry> {
        let sanction = self.last(|known| match known {
            Known::Limited { host, until } if self.key(*host) == peer => {
                Some(Sanction::Limited { until: Timestamp(0).plus(*until) })
            }
            Known::Blocked { host, until } if self.key(*host) == peer => {
                Some(Sanction::Blocked { until: Timestamp(0).plus(*until) })
            }
            Known::Lifted(host) if self.key(*host) == peer => Some(Sanction::None),
            _ => None,
        })?;
        (sanction != Sanction::None).then(|| PeerEntry::new(sanction, 0))
    }

    fn sanction(&self, entry: &PeerEntry) -> Sanction {
        entry.sanction()
    }

    fn conforms(&self, _: &PeerEntry, now: Timestamp) -> bool {
        let next = gcra::step(self.arrival.get(), now, LIMIT);
        next.inspect(|next| self.arrival.set(*next)).is_some()
    }
}

/// The last packet's outcome.
pub(super) fn run(row: &Row) -> Outcome {
    let table = Table { row, arrival: Cell::new(0) };
    let reason = (0..row.times).map(|_| reason(&table)).last().unwrap_or(Reason::NotOurs);
    Outcome { verdict: reason.verdict(), counter: reason.counter() }
}

fn reason(table: &Table<'_>) -> Reason {
    match packet::segment(&Slice(&table.row.frame), |port| PORTS.contains(&port)) {
        ControlFlow::Break(reason) => reason,
        ControlFlow::Continue(segment) => {
            let peer = PeerKey::from_ipv6(segment.source, table.row.prefixes);
            judge(table, &segment, peer, || Timestamp(0).plus(table.row.at)).0
        }
    }
}
