//! What the running daemon answers about peers: for people, for `--json` and for the control socket, all made from this.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::peer_entry::{AllowedEntry, PeerEntry, moment};

/// The answer to a request about peers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PeersReply {
    /// A part of the roll.
    Page(PeersPage),
    /// What is allowed by hand.
    Allowed(AllowedList),
    /// How one peer stands.
    Peer(Box<PeerEntry>),
    /// What an edit came to.
    Edited(Box<Edited>),
}

/// A part of the roll.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeersPage {
    /// In the order that was asked for.
    pub peers: Vec<PeerEntry>,
    /// How many there are in all.
    pub matching: u64,
    /// What to ask for the next page with; nothing where this is the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// What is allowed by hand.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AllowedList {
    /// Each network.
    pub allowed: Vec<AllowedEntry>,
}

/// What an edit came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edited {
    /// In words.
    pub said: String,
    /// How the peer stands now; nothing for a network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<PeerEntry>,
}

const HEADINGS: [&str; 8] =
    ["PEER", "SANCTION", "UNTIL", "STRIKES", "BLOCKS", "LAST STRIKE", "DROPPED", "KERNEL"];

impl PeersPage {
    fn cells(entry: &PeerEntry) -> [String; 8] {
        let none = || "-".to_owned();
        let until = match (entry.until, entry.sanction.as_str(), entry.authenticated_until) {
            (Some(until), _, _) | (None, "none", Some(until)) => moment(until),
            (None, "none", None) => none(),
            (None, ..) => "for good".to_owned(),
        };
        let sanction = if entry.authenticated_until.is_some() { "authenticated" } else { &entry.sanction };
        let by_hand = if entry.by_hand.is_some() { " (by hand)" } else { "" };
        [
            entry.peer.clone(),
            format!("{sanction}{by_hand}"),
            until,
            entry.strikes.to_string(),
            entry.blocks.to_string(),
            entry.last_strike.as_ref().map_or_else(none, |strike| strike.kind.clone()),
            entry.dropped.packets.to_string(),
            if entry.installed { "yes" } else { "no" }.to_owned(),
        ]
    }
}

impl fmt::Display for PeersPage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows: Vec<_> = self.peers.iter().map(Self::cells).collect();
        let mut widths = HEADINGS.map(str::len);
        for row in &rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.len());
            }
        }
        let line = |cells: [&str; 8]| {
            let padded = cells.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
            padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        };
        writeln!(f, "{}", line(HEADINGS))?;
        for row in &rows {
            writeln!(f, "{}", line(row.each_ref().map(String::as_str)))?;
        }
        write!(f, "{} of {} peers", self.peers.len(), self.matching)?;
        match &self.next {
            Some(next) => write!(f, "; the next ones: --after {next}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for AllowedList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for allowed in &self.allowed {
            writeln!(f, "{allowed}")?;
        }
        write!(f, "{} networks are allowed by hand", self.allowed.len())
    }
}

impl fmt::Display for Edited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.said)?;
        match &self.peer {
            Some(peer) => write!(f, "\n{peer}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::peer_entry::{DroppedEntry, StrikeEntry};

    #[test]
    fn a_page_is_a_table_that_says_how_to_go_on() {
        let peer = |peer: &str, sanction: &str| PeerEntry {
            peer: peer.to_owned(),
            sanction: sanction.to_owned(),
            until: (sanction == "limited").then_some(1_795_564_800),
            seconds_left: None,
            strikes: 3,
            blocks: 0,
            last_strike: Some(StrikeEntry { kind: "failed_auth".to_owned(), at: 1_795_564_800 }),
            by_hand: None,
            authenticated_until: None,
            allowed: None,
            dropped: DroppedEntry::default(),
            installed: true,
            limited_network: None,
        };
        let page = PeersPage {
            peers: vec![peer("192.0.2.7", "limited"), peer("2001:db8:0:1::/64", "blocked")],
            matching: 5,
            next: Some("0@2001:db8:0:1::".to_owned()),
        };
        let shown = "PEER               SANCTION  UNTIL                 STRIKES  BLOCKS  LAST STRIKE  DROPPED  KERNEL\n\
                     192.0.2.7          limited   2026-11-25T00:00:00Z  3        0       failed_auth  0        yes\n\
                     2001:db8:0:1::/64  blocked   for good              3        0       failed_auth  0        yes\n\
                     2 of 5 peers; the next ones: --after 0@2001:db8:0:1::";
        assert_eq!(page.to_string(), shown);
    }
}
