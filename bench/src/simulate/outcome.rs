//! What a simulated time came to. Counts nothing itself.

use serde::Serialize;

/// The figures, of one setting of the flags.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(super) struct Outcome {
    /// Hosts of all groups.
    pub(super) hosts: u64,
    pub(super) attack: AttackOutcome,
    pub(super) honest: HonestOutcome,
    pub(super) memory: MemoryOutcome,
}

/// What came of the attack.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(super) struct AttackOutcome {
    /// Sessions that were tried.
    pub(super) tried: u64,
    /// Those whose SYN came to userspace.
    pub(super) in_userspace: u64,
    /// Of them, those that were closed when they were accepted.
    pub(super) closed_at_accept: u64,
    /// Packets that opened connections, and died in the kernel.
    pub(super) packets_dropped: u64,
    /// Offences that were refused in userspace.
    pub(super) offences: u64,
    /// How often a peer was blocked.
    pub(super) blocks: u64,
}

/// What honest hosts met.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(super) struct HonestOutcome {
    /// Sessions that were due.
    pub(super) due: u64,
    /// Those that were not served the first time that they were tried: false positives.
    pub(super) put_off: u64,
    /// Those that were served only after a SYN or more of theirs had been dropped: late by seconds.
    pub(super) slowed: u64,
    /// Those that were served in the end.
    pub(super) served: u64,
    /// Hosts, and those that were put off at least once.
    pub(super) hosts: u64,
    pub(super) hosts_put_off: u64,
    /// How late those that were put off were served, in seconds: the mean, and the longest.
    pub(super) mean_delay: f64,
    pub(super) longest_delay: f64,
}

/// What it took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(super) struct MemoryOutcome {
    /// Peers remembered at once, at most.
    pub(super) remembered: u64,
    /// Peers that were forgotten to make room for others.
    pub(super) forgotten: u64,
    /// Sanctions and authentications in force at once, at most.
    pub(super) held: u64,
    /// Networks limited at once, at most.
    pub(super) limited_networks: u64,
    /// Octets of userspace for all of them, at most.
    pub(super) octets: u64,
}

/// A part in a hundred; of nothing, nothing.
fn percent(part: u64, whole: u64) -> String {
    format!("{:.3} %", if whole == 0 { 0.0 } else { part as f64 * 100.0 / whole as f64 })
}

/// With its thousands apart.
fn count(number: u64) -> String {
    let digits = number.to_string();
    let groups = digits.as_bytes().rchunks(3).rev();
    let groups: Vec<_> = groups.map(|group| String::from_utf8_lossy(group).into_owned()).collect();
    groups.join(",")
}

impl Outcome {
    /// Sessions of the attack that came to userspace, of a hundred.
    pub(super) fn userspace_percent(&self) -> f64 {
        self.attack.in_userspace as f64 * 100.0 / self.attack.tried.max(1) as f64
    }

    /// Honest sessions that were put off, of a hundred.
    pub(super) fn put_off_percent(&self) -> f64 {
        self.honest.put_off as f64 * 100.0 / self.honest.due.max(1) as f64
    }

    /// For people: each figure with its name.
    pub(super) fn rows(&self) -> Vec<(&'static str, String)> {
        let (attack, honest, memory) = (&self.attack, &self.honest, &self.memory);
        vec![
            ("hosts", count(self.hosts)),
            ("attack: sessions tried", count(attack.tried)),
            ("  come to userspace", count(attack.in_userspace)),
            ("  of those tried", percent(attack.in_userspace, attack.tried)),
            ("  of them closed at accept", count(attack.closed_at_accept)),
            ("  packets that die in the kernel", count(attack.packets_dropped)),
            ("  offences refused", count(attack.offences)),
            ("  blocks", count(attack.blocks)),
            ("honest: sessions due", count(honest.due)),
            ("  put off (false positives)", count(honest.put_off)),
            ("  of those due", percent(honest.put_off, honest.due)),
            ("  slowed by dropped SYNs", count(honest.slowed)),
            ("  served in the end", percent(honest.served, honest.due)),
            ("  hosts ever put off", percent(honest.hosts_put_off, honest.hosts)),
            ("  mean delay of those put off", format!("{:.0} s", honest.mean_delay)),
            ("  longest delay", format!("{:.0} s", honest.longest_delay)),
            ("peers remembered, at most", count(memory.remembered)),
            ("  forgotten for others", count(memory.forgotten)),
            ("sanctions and logins in force, at most", count(memory.held)),
            ("networks limited, at most", count(memory.limited_networks)),
            ("memory of userspace, at most", format!("{:.1} MiB", memory.octets as f64 / 1_048_576.0)),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_written_for_people() {
        assert_eq!([0, 999, 1000, 12_345_678].map(count), ["0", "999", "1,000", "12,345,678"]);
        assert_eq!((percent(1, 8), percent(3, 0)), ("12.500 %".to_owned(), "0.000 %".to_owned()));
    }
}
