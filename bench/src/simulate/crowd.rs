//! The hosts of a scenario, each with what was drawn for it: address, first session, pace. Knows no sanction.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use super::scenario::{Conduct, Group, HONEST_SYNS, Scenario};

/// Sessions of a host that go on until the scenario ends.
const UNTIL_THE_END: u32 = u32::MAX;

/// One of them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Host {
    pub(super) address: IpAddr,
    /// The number of its group.
    pub(super) group: u16,
    /// SYNs of the connection that it is opening that came to nothing.
    pub(super) unanswered: u8,
    /// SYNs that it sends before it gives a connection up.
    pub(super) syns: u8,
    /// Whether what it has to deliver was put off before; and whether that has ever happened to it.
    pub(super) is_put_off: bool,
    pub(super) was_put_off: bool,
    sessions_left: u32,
    /// The mean time between its sessions, in milliseconds: a scenario lasts 31 days at most.
    every: u32,
    /// When the session that it is at was due, in milliseconds.
    pub(super) due: u32,
}

/// All of them.
#[derive(Debug)]
pub(super) struct Crowd {
    pub(super) hosts: Vec<Host>,
    pub(super) random: fastrand::Rng,
}

impl Crowd {
    /// Those of a scenario; the same for the same seed.
    pub(super) fn of(scenario: &Scenario, seed: u64) -> Self {
        let mut crowd = Self { hosts: Vec::new(), random: fastrand::Rng::with_seed(seed) };
        crowd.hosts.reserve_exact(usize::try_from(scenario.hosts()).unwrap_or(0));
        let mut begins = Vec::new();
        for (number, group) in scenario.groups.iter().enumerate() {
            let group = group.get_ref();
            let behind = group.behind.as_ref().and_then(|behind| {
                let names = scenario.groups.iter().map(|group| group.get_ref().name.as_str());
                let other = names.zip(&begins).find(|(name, _)| name == behind.get_ref());
                other.map(|(_, range): (_, &std::ops::Range<usize>)| range.clone())
            });
            let first = crowd.hosts.len();
            crowd.add(u16::try_from(number).unwrap_or(u16::MAX), group, behind);
            begins.push(first..crowd.hosts.len());
        }
        crowd
    }

    fn add(&mut self, number: u16, group: &Group, behind: Option<std::ops::Range<usize>>) {
        let (mut sharing, mut address) = (0, IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        for _ in 0..group.hosts {
            if sharing == 0 {
                sharing = group.hosts_per_address.draw(&mut self.random);
                address = match &behind {
                    Some(others) => self.hosts[self.random.usize(others.clone())].address,
                    None => self.address_in(&group.networks),
                };
            }
            sharing -= 1;
            let random = &mut self.random;
            let syns = match group.conduct {
                Conduct::Attack(attack) => attack.syns.draw(random),
                Conduct::Honest(_) => HONEST_SYNS,
            };
            self.hosts.push(Host {
                address,
                group: number,
                unanswered: 0,
                syns: u8::try_from(syns).unwrap_or(u8::MAX),
                is_put_off: false,
                was_put_off: false,
                sessions_left: group.sessions.map_or(UNTIL_THE_END, |sessions| sessions.draw(random)),
                every: milliseconds(group.every.draw(random)),
                due: milliseconds(group.begins.draw_evenly(random)),
            });
        }
    }

    /// An address of one of the networks, in proportion to nothing: who lists a small one wants it met.
    fn address_in(&mut self, networks: &[IpNet]) -> IpAddr {
        // A group has a network, or is behind another group: the scenario has been checked.
        let network = networks[self.random.usize(..networks.len())];
        match network {
            IpNet::V4(network) => {
                let host = self.random.u32(..) & u32::from(network.hostmask());
                IpAddr::V4(Ipv4Addr::from(u32::from(network.network()) | host))
            }
            IpNet::V6(network) => {
                let host = self.random.u128(..) & u128::from(network.hostmask());
                IpAddr::V6(Ipv6Addr::from(u128::from(network.network()) | host))
            }
        }
    }
}

impl Host {
    /// One session more is over; says when the next is due, in milliseconds, if there is one: after a time that is as
    /// likely to end at any moment as at another.
    pub(super) fn next_due(&mut self, now: u32, random: &mut fastrand::Rng) -> Option<u32> {
        if self.sessions_left != UNTIL_THE_END {
            self.sessions_left = self.sessions_left.saturating_sub(1);
            if self.sessions_left == 0 {
                return None;
            }
        }
        let wait = -(1.0 - random.f64()).ln() * f64::from(self.every);
        now.checked_add(wait.min(f64::from(u32::MAX)) as u32)
    }
}

/// At most 31 days, so they fit.
pub(super) fn milliseconds(time: std::time::Duration) -> u32 {
    u32::try_from(time.as_millis()).unwrap_or(u32::MAX)
}
