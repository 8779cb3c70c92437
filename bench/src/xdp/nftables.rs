//! nftables: a set of addresses in netdev ingress, before the packet is looked at by anything else of the stack.

use std::fmt::Write as _;

use super::lane::Lane;
use bench::command;

use super::frame;

/// A table of rules, gone when it is dropped.
pub(super) struct Rules {
    table: String,
}

impl Rules {
    /// Blocks these sources on the receiving end of a link.
    pub(super) fn block(lane: &Lane, sources: u32) -> anyhow::Result<Self> {
        let table = lane.receiver().to_owned();
        command::feed("nft", &["-f", "-"], &rules(&table, sources))?;
        Ok(Self { table })
    }
}

impl Drop for Rules {
    fn drop(&mut self) {
        // What cannot be taken away goes with the namespace.
        let _ = command::run("nft", &["delete", "table", "netdev", &self.table]);
    }
}

/// Elements in one command: more than some do not fit into one message to the kernel.
const AT_ONCE: u32 = 1_000;

fn rules(interface: &str, sources: u32) -> String {
    // With its size given, the kernel takes the faster of its two hash tables.
    let mut rules = format!(
        "table netdev {interface} {{\n\
         set blocked {{ type ipv4_addr; size {sources}; }}\n\
         chain ingress {{\n\
         type filter hook ingress device {interface} priority 0; policy accept;\n\
         tcp dport {} ip saddr @blocked drop;\n\
         }}\n\
         }}\n",
        frame::SMTP
    );
    for first in (0..sources).step_by(AT_ONCE as usize) {
        let elements: Vec<_> =
            (first..sources.min(first + AT_ONCE)).map(|number| frame::source(number).to_string()).collect();
        // Writing to a string does not fail.
        let _ = writeln!(rules, "add element netdev {interface} blocked {{ {} }}", elements.join(", "));
    }
    rules
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_source_is_in_the_set() {
        let rules = rules("r0", 2 * AT_ONCE + 1);
        for number in 0..=2 * AT_ONCE {
            assert!(rules.contains(&frame::source(number).to_string()), "{number}");
        }
        assert_eq!(rules.matches("add element netdev r0 blocked").count(), 3);
        assert!(
            rules.contains("device r0 priority 0") && rules.contains("tcp dport 25 ip saddr @blocked drop")
        );
    }
}
