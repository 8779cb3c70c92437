//! The steps of a decision, for people. There is no second rendering of the rules: the code that decides is given an
//! observer, which on the way of real mail has no size and does nothing, and here writes down what it is shown.

use std::fmt;

use super::{Decision, DirectoryAnswer, Facts, Policy};
use crate::address::{ForwardPath, Mailbox};

/// A row of the design's table "The relay decision". The first that fits ends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Row {
    /// 1, which whoever parsed the path has passed.
    Syntax,
    /// 2, which whoever parsed the path has done.
    SourceRoute,
    /// 3
    Postmaster,
    /// 3a
    Answered,
    /// 4
    Disguised,
    /// 5
    Known,
    /// 6
    Unknown,
    /// 7
    Unavailable,
    /// 8
    NoDirectory,
    /// 9
    NeverOrNoReroute,
    /// 10
    Granted,
    /// 11
    NotGranted,
}

impl Row {
    /// Its number in the table.
    #[must_use]
    pub const fn number(self) -> &'static str {
        match self {
            Self::Syntax => "1",
            Self::SourceRoute => "2",
            Self::Postmaster => "3",
            Self::Answered => "3a",
            Self::Disguised => "4",
            Self::Known => "5",
            Self::Unknown => "6",
            Self::Unavailable => "7",
            Self::NoDirectory => "8",
            Self::NeverOrNoReroute => "9",
            Self::Granted => "10",
            Self::NotGranted => "11",
        }
    }

    /// What it asks.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Syntax => "not RFC 5321",
            Self::SourceRoute => "a source route",
            Self::Postmaster => "postmaster",
            Self::Answered => "the routing table has an answer for the domain",
            Self::Disguised => "domain is ours, address is disguised",
            Self::Known => "domain is ours, directory knows the mailbox",
            Self::Unknown => "domain is ours, directory does not know the mailbox",
            Self::Unavailable => "domain is ours, directory cannot answer now",
            Self::NoDirectory => "domain is ours, no directory configured",
            Self::NeverOrNoReroute => "not ours, peer on the never-list or reroute off",
            Self::Granted => "not ours, the session has a grant",
            Self::NotGranted => "not ours, no grant",
        }
    }
}

/// A setting that makes a step what it is, and which of its values, counted from 0 as they were given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Line {
    /// `local-domain`
    LocalDomain(usize),
    /// `route`
    Route(usize),
    /// `reroute`
    Reroute,
    /// `never-relay`
    NeverRelay(usize),
    /// `relay-authenticated`
    RelayAuthenticated,
    /// `sender-login` and what `sender-logins` names, in this order.
    SenderLogin(usize),
    /// `relay-client-certificate`
    RelayClientCertificate,
    /// `tls-client-name`
    TlsClientName(usize),
    /// `relay-internal-address`
    RelayInternalAddress(usize),
    /// `relay-network`
    RelayNetwork(usize),
}

/// Why a row fits, or does not.
#[derive(Debug)]
pub(super) struct Detail {
    text: String,
    line: Option<Line>,
}

impl From<String> for Detail {
    fn from(text: String) -> Self {
        Self { text, line: None }
    }
}

impl From<&str> for Detail {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl From<(String, Line)> for Detail {
    fn from((text, line): (String, Line)) -> Self {
        Self { text, line: Some(line) }
    }
}

impl From<(String, Option<Line>)> for Detail {
    fn from((text, line): (String, Option<Line>)) -> Self {
        Self { text, line }
    }
}

/// One row that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The row.
    pub row: Row,
    /// Whether it fits, and so ends the decision.
    pub fits: bool,
    /// Why, or why not.
    pub detail: String,
    /// The line of the configuration that makes it so, if one does.
    pub line: Option<Line>,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fits = if self.fits { "yes" } else { "no" };
        write!(f, "row {:>2}  {fits:<3}  {}: {}", self.row.number(), self.row.text(), self.detail)
    }
}

/// Who is shown each row as it is looked at.
pub(super) trait Observer {
    /// `detail` is only called by who keeps it.
    fn look<D: Into<Detail>>(&mut self, row: Row, fits: bool, detail: impl FnOnce() -> D);
}

/// Nobody: the way of real mail.
pub(super) struct Unobserved;

impl Observer for Unobserved {
    #[inline(always)]
    fn look<D: Into<Detail>>(&mut self, _: Row, _: bool, _: impl FnOnce() -> D) {}
}

impl Observer for Vec<Step> {
    fn look<D: Into<Detail>>(&mut self, row: Row, fits: bool, detail: impl FnOnce() -> D) {
        let Detail { text, line } = detail().into();
        self.push(Step { row, fits, detail: text, line });
    }
}

impl Policy {
    /// Decides as for real mail, and says by which steps. `answer` is the directory; it is asked only where the
    /// placement needs one. The last step is the row that fits.
    pub fn explain(
        &self,
        facts: &Facts<'_>,
        path: &ForwardPath<'_>,
        answer: impl FnOnce(&Mailbox<'_>) -> DirectoryAnswer,
    ) -> (Decision, Vec<Step>) {
        let mut steps = Vec::new();
        let placement = self.place_observed(path, &mut steps);
        let said = placement.asks_directory().map_or(DirectoryAnswer::NotAsked, |mailbox| answer(&mailbox));
        let decision = self.decide_observed(facts, &placement, said, &mut steps);
        (decision, steps)
    }
}

#[cfg(test)]
mod tests {
    use ipnet::IpNet;

    use super::*;
    use crate::address::Domain;
    use crate::policy::PolicySettings;

    #[test]
    fn a_prohibited_recipient_is_explained_row_by_row() {
        let policy = Policy::new(&PolicySettings {
            local_domains: vec!["example.org".to_owned()],
            reroute: true,
            relay_networks: vec!["10.0.0.0/8".parse::<IpNet>().unwrap().into()],
            never_relay: vec!["198.51.100.0/24".parse().unwrap(), "203.0.113.0/24".parse().unwrap()],
            ..PolicySettings::default()
        });
        let facts = Facts::of_connection("192.0.2.7".parse().unwrap(), None);
        let path = ForwardPath::Mailbox(Mailbox {
            local_part: "victim",
            domain: Domain::Name("far.example"),
            text: "victim@far.example",
        });
        let (decision, steps) =
            policy.explain(&facts, &path, |_| panic!("a foreign mailbox asks no directory"));
        assert_eq!(decision, Decision::Prohibited(crate::policy::Prohibition::NoGrant));
        let text: Vec<String> = steps.iter().map(Step::to_string).collect();
        assert_eq!(
            text,
            [
                "row  3  no   postmaster: <victim@far.example> is not a postmaster of ours",
                "row 3a  no   the routing table has an answer for the domain: it has none for <victim@far.example>",
                "row  4  no   domain is ours, address is disguised: \
                 <victim@far.example> is not of a local domain, so rows 4 to 8 do not fit",
                "row  9  no   not ours, peer on the never-list or reroute off: \
                 reroute is on, and peer 192.0.2.7 is not on the never-list",
                "row 10  no   not ours, the session has a grant: not authenticated; no client certificate; \
                 the address connected to is not known; peer 192.0.2.7 is in no client network",
                "row 11  yes  not ours, no grant: no restriction lets this session relay",
            ]
        );
        let facts = Facts::of_connection("203.0.113.9".parse().unwrap(), None);
        let (_, steps) = policy.explain(&facts, &path, |_| DirectoryAnswer::NotAsked);
        assert_eq!(steps.last().and_then(|step| step.line), Some(Line::NeverRelay(1)));
    }

    #[test]
    fn the_observer_of_real_mail_has_no_size() {
        assert_eq!(size_of::<Unobserved>(), 0);
    }
}
