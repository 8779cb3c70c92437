//! One run through virtual time: hosts come, are judged by the core, earn what they earn, and come again. Reads no clock.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use filter_common::{Sanction, Timestamp};
use filter_user::peers::{Admission, Register, Strike};

use super::agenda::Agenda;
use super::crowd::{Crowd, Host, milliseconds};
use super::gate::{Gate, Passage};
use super::outcome::Outcome;
use super::scenario::{Attack, Conduct, Honest, Scenario};
use super::tuning::Tuning;

const SECOND: u64 = 1_000_000_000;
const MILLISECOND: u64 = 1_000_000;
/// Virtual time from one look at what is remembered to the next.
const LOOK: u64 = 60 * SECOND;
/// A machine is up for a while when its first mail comes: times before the beginning are needed for nothing.
const BEGIN: u64 = SECOND;

/// The world of a scenario.
pub(super) struct Day<'s> {
    scenario: &'s Scenario,
    tuning: &'s Tuning,
    crowd: Crowd,
    agenda: Agenda,
    gate: Arc<Gate>,
    register: Register,
    outcome: Outcome,
    /// The delays of what was served late, added up, in milliseconds.
    delays: u64,
    next_look: u64,
}

/// What became of a try to connect.
enum Try {
    /// It is served.
    Served,
    /// It is not, and the host gives it up at that time.
    GivenUp(Timestamp),
    /// The next SYN is on the agenda.
    GoesOn,
}

impl<'s> Day<'s> {
    /// As it begins. `seed`: the same gives the same day.
    pub(super) fn new(scenario: &'s Scenario, tuning: &'s Tuning, seed: u64) -> Self {
        let crowd = Crowd::of(scenario, seed);
        let seconds = (scenario.lasts.longest().as_secs() + BEGIN / SECOND + 1) as usize;
        let mut agenda = Agenda::new(seconds);
        for (number, host) in (0..).zip(&crowd.hosts) {
            agenda.put(instant(host.due), number);
        }
        let gate = Arc::new(Gate::new(tuning, seed));
        let register = Register::new(
            tuning.ladder,
            tuning.weights,
            tuning.prefixes,
            &[],
            tuning.max_peers,
            gate.clone(),
        );
        let outcome = Outcome { hosts: crowd.hosts.len() as u64, ..Outcome::default() };
        Self { scenario, tuning, crowd, agenda, gate, register, outcome, delays: 0, next_look: 0 }
    }

    /// Goes through it to its end. `told` hears of each minute of it that is over.
    pub(super) fn go(mut self, mut told: impl FnMut(Duration)) -> Outcome {
        let end = BEGIN + u64::try_from(self.scenario.lasts.longest().as_nanos()).unwrap_or(u64::MAX);
        while let Some((now, number)) = self.agenda.next() {
            if now.0 >= end {
                break;
            }
            if now.0 >= self.next_look {
                self.look();
                self.next_look = now.0 + LOOK;
                told(Duration::from_nanos(now.0 - BEGIN.min(now.0)));
            }
            let Some(host) = self.crowd.hosts.get(number as usize).copied() else { continue };
            let host = match self.scenario.groups[usize::from(host.group)].get_ref().conduct {
                Conduct::Attack(attack) => self.attack(number, host, attack, now),
                Conduct::Honest(honest) => self.send(number, host, honest, now),
            };
            self.crowd.hosts[number as usize] = host;
        }
        self.look();
        self.finish()
    }

    /// An attacker's SYN, and all that follows from it.
    fn attack(&mut self, number: u32, mut host: Host, attack: Attack, now: Timestamp) -> Host {
        self.outcome.attack.tried += u64::from(host.unanswered == 0);
        let over = match self.connect(number, &mut host, now, true) {
            Try::GoesOn => return host,
            Try::GivenUp(at) => at,
            Try::Served => {
                let offences = attack.offences.draw(&mut self.crowd.random);
                self.offend(host.address, attack.offence.0, offences, now);
                now
            }
        };
        self.come_again(number, &mut host, over);
        host
    }

    /// One offence after the other, until the session ends or is ended.
    fn offend(&mut self, address: IpAddr, offence: Strike, offences: u32, now: Timestamp) {
        for _ in 0..offences {
            self.outcome.attack.offences += 1;
            let Some(struck) = self.register.strike(address, offence, now) else { continue };
            if let Sanction::Blocked { .. } = struck.sanction {
                self.outcome.attack.blocks += u64::from(struck.escalated);
                return;
            }
        }
    }

    /// An honest host's SYN, and all that follows from it.
    fn send(&mut self, number: u32, mut host: Host, honest: Honest, now: Timestamp) -> Host {
        self.outcome.honest.due += u64::from(host.unanswered == 0 && !host.is_put_off);
        let unanswered = host.unanswered;
        match self.connect(number, &mut host, now, false) {
            Try::GoesOn => return host,
            Try::GivenUp(at) => {
                self.outcome.honest.put_off += u64::from(!host.is_put_off);
                (host.is_put_off, host.was_put_off) = (true, true);
                let again = honest.retries.draw(&mut self.crowd.random);
                self.agenda.put(at.plus(again), number);
                return host;
            }
            Try::Served => {}
        }
        self.outcome.honest.served += 1;
        self.outcome.honest.slowed += u64::from(unanswered > 0 && !host.is_put_off);
        if host.is_put_off {
            let delay = (now.0 / MILLISECOND).saturating_sub(instant(host.due).0 / MILLISECOND);
            self.delays += delay;
            let longest = &mut self.outcome.honest.longest_delay;
            *longest = longest.max(delay as f64 / 1000.0);
            host.is_put_off = false;
        }
        if honest.authenticates {
            self.register.authenticate(host.address, now.plus(self.tuning.authenticated_for), now);
        }
        if self.crowd.random.f64() < honest.misspelt.0 {
            self.register.strike(host.address, Strike::UnknownRecipient, now);
        }
        self.come_again(number, &mut host, now);
        host
    }

    /// One SYN.
    fn connect(&mut self, number: u32, host: &mut Host, now: Timestamp, is_attack: bool) -> Try {
        let dropped = match self.gate.passage(self.register.key(host.address), now) {
            Passage::Passes => {
                host.unanswered = 0;
                self.outcome.attack.in_userspace += u64::from(is_attack);
                return match self.register.admit(host.address, now) {
                    Admission::Admitted => Try::Served,
                    Admission::Limited | Admission::Blocked => {
                        self.outcome.attack.closed_at_accept += u64::from(is_attack);
                        Try::GivenUp(now)
                    }
                };
            }
            // All that this connection would still send comes to the same.
            Passage::DroppedUntil(until) if last_syn(host, now) < until => host.syns - host.unanswered,
            Passage::DroppedUntil(_) | Passage::Dropped => 1,
        };
        self.outcome.attack.packets_dropped += u64::from(is_attack) * u64::from(dropped);
        let given_up = last_syn(host, now);
        if host.unanswered + dropped >= host.syns {
            host.unanswered = 0;
            return Try::GivenUp(given_up);
        }
        let wait = wait_after(host.unanswered);
        host.unanswered += dropped;
        self.agenda.put(now.plus(wait), number);
        Try::GoesOn
    }

    fn come_again(&mut self, number: u32, host: &mut Host, over: Timestamp) {
        let over = milliseconds(Duration::from_nanos(over.0.saturating_sub(BEGIN)));
        if let Some(due) = host.next_due(over, &mut self.crowd.random) {
            host.due = due;
            self.agenda.put(instant(due), number);
        }
    }

    fn look(&mut self) {
        let memory = &mut self.outcome.memory;
        memory.remembered = memory.remembered.max(self.register.len() as u64);
        memory.held = memory.held.max(self.gate.len() as u64);
        memory.octets = memory.octets.max((self.register.memory() + self.gate.memory()) as u64);
    }

    fn finish(mut self) -> Outcome {
        let honest = &mut self.outcome.honest;
        for host in &self.crowd.hosts {
            let group = self.scenario.groups[usize::from(host.group)].get_ref();
            if let Conduct::Honest(_) = group.conduct {
                honest.hosts += 1;
                honest.hosts_put_off += u64::from(host.was_put_off);
            }
        }
        let late = honest.put_off.saturating_sub(honest.due - honest.served.min(honest.due));
        honest.mean_delay = self.delays as f64 / 1000.0 / late.max(1) as f64;
        self.outcome.memory.forgotten = self.register.forgotten();
        self.outcome.memory.limited_networks = self.gate.peak_networks() as u64;
        self.outcome
    }
}

/// A moment of the scenario, as the core has time.
fn instant(milliseconds: u32) -> Timestamp {
    Timestamp(BEGIN + u64::from(milliseconds) * MILLISECOND)
}

/// How long a host waits after a SYN that nobody answers, when so many were before it: 1 s, 2 s, 4 s, …
fn wait_after(unanswered: u8) -> Duration {
    Duration::from_secs(1 << unanswered.min(16))
}

/// When the last SYN of a connection leaves, if that of now is not answered either.
fn last_syn(host: &Host, now: Timestamp) -> Timestamp {
    (host.unanswered + 1..host.syns).fold(now, |at, before| at.plus(wait_after(before - 1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn go(scenario: &str, hosts: u32, seed: u64, flags: &[(&str, &str)]) -> Outcome {
        let scenario = Scenario::find(scenario).unwrap();
        let scenario = if hosts == 0 { scenario } else { scenario.of_hosts(hosts) };
        let mut tuning = Tuning::default();
        for (flag, value) in flags {
            tuning.set(flag, value).unwrap();
        }
        Day::new(&scenario, &tuning, seed).go(|_| ())
    }

    #[test]
    fn the_same_seed_gives_the_same_day_and_another_another() {
        let days = [1, 1, 2].map(|seed| go("day-of-attack", 3_000, seed, &[]));
        assert_eq!(days[0], days[1]);
        assert_ne!(days[0], days[2]);
        let [one, same] = [(); 2].map(|()| go("botnet", 3_000, 1, &[("max-peers", "64")]));
        assert_eq!(one, same, "also where peers are forgotten");
        assert!(one.memory.forgotten > 0);
        assert!(days[0].attack.blocks > 10 && days[0].honest.put_off > 0, "{:?}", days[0]);
    }

    #[test]
    fn a_session_that_is_tried_comes_to_userspace_or_costs_packets() {
        let day = go("botnet", 2_000, 1, &[]).attack;
        let lost = day.tried - day.in_userspace;
        assert!(lost > 0 && lost <= day.packets_dropped && day.packets_dropped <= 3 * day.tried, "{day:?}");
        assert!(day.offences >= day.in_userspace - day.closed_at_accept);
    }

    #[test]
    fn without_the_kernel_every_session_comes_to_userspace() {
        let day = go("botnet", 2_000, 1, &[("hook", "none")]).attack;
        assert_eq!((day.in_userspace, day.packets_dropped), (day.tried, 0));
        assert!(day.closed_at_accept > 0);
    }

    #[test]
    fn who_forgives_everything_serves_everybody_at_once() {
        let day = go(
            "monday-morning",
            2_000,
            1,
            &[("strike-weight-relay-attempt", "0"), ("strike-weight-unknown-recipient", "0")],
        );
        assert_eq!((day.attack.blocks, day.attack.packets_dropped), (0, 0));
        assert_eq!((day.honest.put_off, day.honest.slowed, day.honest.longest_delay), (0, 0, 0.0));
        assert_eq!(
            (day.honest.served, day.memory.remembered > 0),
            (day.honest.due, true),
            "logins are remembered"
        );
    }

    #[test]
    fn longer_blocks_keep_more_out_and_a_hammer_hardly_comes_in() {
        let [short, long] = ["10s", "1h"].map(|time| go("hammer", 0, 1, &[("block-for", time)]));
        assert!(short.attack.in_userspace > long.attack.in_userspace, "{short:?} {long:?}");
        assert!(long.attack.in_userspace * 1000 < long.attack.tried);
    }

    #[test]
    fn no_more_peers_are_remembered_than_may_be() {
        // Each of the 64 shards has a mean share of one and six standard deviations' room.
        let day = go("low-and-slow", 2_000, 1, &[("max-peers", "64")]).memory;
        assert!(day.remembered <= 64 * 7 && day.forgotten > 0 && day.octets < 1 << 20, "{day:?}");
    }
}
