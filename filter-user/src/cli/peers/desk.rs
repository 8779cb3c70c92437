//! What the running daemon does when it is asked about peers: by the register, with a line in the log for every edit.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use filter_common::{Sanction, Timestamp};
use ipnet::IpNet;
use tokio::sync::Mutex;

use crate::config::kind::{Kind as _, Network};
use crate::control::{
    AllowedEntry, AllowedList, Asker, Clocks, Edited, Listing, Named, Ordered, PeerEntry, PeersPage,
    PeersReply, PeersRequest, read_cursor, shown_cursor,
};
use crate::judge::boot_now;
use crate::peers::{Allowance, EditError, Hand, Order, RollSettings};
use crate::proxy::Shared;
use crate::telemetry::field;

/// Octets of a reason.
const LONGEST_REASON: usize = 200;

/// Answers one request after the other: a roll of millions is read by one at a time.
pub(in crate::cli) struct PeersDesk {
    shared: Arc<Shared>,
    /// How long an authentication by hand lasts where nothing is said.
    authenticated_for: Duration,
    busy: Mutex<()>,
}

impl PeersDesk {
    /// Answers by what the daemon knows.
    pub(in crate::cli) fn new(shared: Arc<Shared>, authenticated_for: Duration) -> Self {
        Self { shared, authenticated_for, busy: Mutex::new(()) }
    }

    /// Answers, or says why not.
    pub(in crate::cli) async fn answer(
        self: Arc<Self>,
        request: PeersRequest,
        by: Asker,
    ) -> Result<PeersReply, String> {
        let desk = Arc::clone(&self);
        let _busy = self.busy.lock().await;
        // Whoever else has to be answered, and the kernel's events, do not wait for it.
        let done = tokio::task::spawn_blocking(move || {
            let now = Clocks { boot: boot_now(), wall: SystemTime::now() };
            Visit { desk: &desk, by, now }.answer(request)
        });
        done.await.map_err(|error| format!("it was not done: {error}"))?
    }

    /// An address of the one peer that a text names.
    pub(in crate::cli) fn one(&self, text: &str) -> Result<IpAddr, String> {
        let network = network(text)?;
        let register = &self.shared.judge.register;
        let peer = register.network(register.key(network.addr()));
        if network.prefix_len() == network.max_prefix_len() || network == peer {
            return Ok(network.addr());
        }
        Err(match peer.contains(&network) {
            true => format!("{network} is a part of the peer {peer}: name that, or one of its addresses"),
            false => format!(
                "{network} is a network of many peers, and this is done to one at a time (one is a /{} here): name one; \
                 who is to be kept out as a network belongs into a firewall, or network-threshold limits it by itself",
                peer.prefix_len()
            ),
        })
    }
}

/// One request.
struct Visit<'d> {
    desk: &'d PeersDesk,
    by: Asker,
    now: Clocks,
}

impl Visit<'_> {
    fn answer(&self, request: PeersRequest) -> Result<PeersReply, String> {
        Ok(match request {
            PeersRequest::List(listing) => PeersReply::Page(self.list(&listing)?),
            PeersRequest::Allowed(_) => {
                let allowances = self.desk.shared.judge.register.allowances();
                let allowed = allowances.iter().map(|allowance| AllowedEntry::by_hand(allowance, self.now));
                PeersReply::Allowed(AllowedList { allowed: allowed.collect() })
            }
            PeersRequest::Show(Named { peer }) => PeersReply::Peer(Box::new(self.entry(self.one(&peer)?))),
            PeersRequest::Block(ordered) => {
                let until = self.until(&ordered);
                self.order(&ordered, Sanction::Blocked { until })?
            }
            PeersRequest::Limit(ordered) => {
                let until = self.until(&ordered);
                self.order(&ordered, Sanction::Limited { until })?
            }
            PeersRequest::Unblock(freed) => self.unblock(&freed.peer, freed.forget)?,
            PeersRequest::Allow(ordered) => self.allow(&ordered)?,
            PeersRequest::Disallow(Named { peer }) => self.disallow(&peer)?,
            PeersRequest::Authenticate(ordered) => self.authenticate(&ordered)?,
            PeersRequest::Unauthenticate(Named { peer }) => self.unauthenticate(&peer)?,
        })
    }

    fn list(&self, listing: &Listing) -> Result<PeersPage, String> {
        let register = &self.desk.shared.judge.register;
        let after = match &listing.after {
            None => None,
            Some(text) => Some(read_cursor(text).ok_or_else(|| format!("{text:?} is no place in a list"))?),
        };
        let wanted = RollSettings {
            state: listing.state.map(|state| state.meant()),
            network: listing.network.as_deref().map(network).transpose()?,
            sorting: listing.sort.meant(),
            most: listing.most,
            after,
        };
        let page = register.roll(&wanted, self.now.boot);
        let entry = |standing| PeerEntry::new(standing, register.network(standing.peer), self.now);
        Ok(PeersPage {
            peers: page.standings.iter().map(entry).collect(),
            matching: page.matching,
            next: page.next.as_ref().map(shown_cursor),
        })
    }

    fn order(&self, ordered: &Ordered, sanction: Sanction) -> Result<PeersReply, String> {
        let address = self.one(&ordered.peer)?;
        let order = Order { sanction, hand: self.hand(&ordered.reason)? };
        let shared = &self.desk.shared;
        let peer = shared.judge.register.order(address, order, self.now.boot).map_err(text)?;
        let what = match sanction {
            Sanction::Blocked { .. } => {
                shared.end_sessions(peer);
                "blocked"
            }
            Sanction::Limited { .. } | Sanction::None => "limited",
        };
        Ok(self.edited(what, address, ordered))
    }

    fn unblock(&self, peer: &str, forget: bool) -> Result<PeersReply, String> {
        let address = self.one(peer)?;
        let before = self.desk.shared.judge.register.unblock(address, forget, self.now.boot);
        let what = match before {
            Sanction::None => "nothing was in force for it, and nothing is: freed",
            Sanction::Limited { .. } => "freed of a limit",
            Sanction::Blocked { .. } => "freed of a block",
        };
        Ok(self.edited(
            what,
            address,
            &Ordered { peer: peer.to_owned(), seconds: None, reason: String::new() },
        ))
    }

    fn allow(&self, ordered: &Ordered) -> Result<PeersReply, String> {
        let network = network(&ordered.peer)?;
        let allowance = Allowance { network, until: self.until(ordered), hand: self.hand(&ordered.reason)? };
        let freed = self.desk.shared.judge.register.allow(allowance, self.now.boot).map_err(text)?;
        self.log("allowed", &network.to_string(), ordered);
        let said = format!("{network} is allowed; {freed} sanctioned peers in it were freed");
        Ok(PeersReply::Edited(Box::new(Edited { said, peer: None })))
    }

    fn disallow(&self, peer: &str) -> Result<PeersReply, String> {
        let network = network(peer)?;
        self.desk.shared.judge.register.disallow(network).map_err(text)?;
        let ordered = Ordered { peer: peer.to_owned(), seconds: None, reason: String::new() };
        self.log("allowed no longer", &network.to_string(), &ordered);
        let said = format!("{network} is allowed no longer");
        Ok(PeersReply::Edited(Box::new(Edited { said, peer: None })))
    }

    fn authenticate(&self, ordered: &Ordered) -> Result<PeersReply, String> {
        let address = self.one(&ordered.peer)?;
        self.hand(&ordered.reason)?;
        let time = ordered.seconds.map_or(self.desk.authenticated_for, Duration::from_secs);
        let until = self.now.boot.plus(time);
        self.desk.shared.judge.register.vouch(address, until, self.now.boot).map_err(text)?;
        Ok(self.edited(
            "authenticated",
            address,
            &Ordered { seconds: Some(time.as_secs()), ..ordered.clone() },
        ))
    }

    fn unauthenticate(&self, peer: &str) -> Result<PeersReply, String> {
        let address = self.one(peer)?;
        let was = self.desk.shared.judge.register.end_authentication(address, self.now.boot);
        let what = if was { "authenticated no longer" } else { "was not authenticated, and is not" };
        Ok(self.edited(
            what,
            address,
            &Ordered { peer: peer.to_owned(), seconds: None, reason: String::new() },
        ))
    }

    fn one(&self, text: &str) -> Result<IpAddr, String> {
        self.desk.one(text)
    }

    fn until(&self, ordered: &Ordered) -> Timestamp {
        ordered.seconds.map_or(Timestamp::NEVER, |seconds| self.now.boot.plus(Duration::from_secs(seconds)))
    }

    fn hand(&self, reason: &str) -> Result<Hand, String> {
        if reason.len() > LONGEST_REASON || reason.chars().any(char::is_control) {
            return Err(format!("a reason is a line of at most {LONGEST_REASON} octets"));
        }
        Ok(Hand { by: self.by.user, since: self.now.boot, reason: reason.into() })
    }

    fn entry(&self, address: IpAddr) -> PeerEntry {
        let register = &self.desk.shared.judge.register;
        let standing = register.standing(address, self.now.boot);
        PeerEntry::new(&standing, register.network(standing.peer), self.now)
    }

    fn edited(&self, what: &str, address: IpAddr, ordered: &Ordered) -> PeersReply {
        let entry = self.entry(address);
        self.log(what, &entry.peer, ordered);
        PeersReply::Edited(Box::new(Edited { said: format!("{}: {what}", entry.peer), peer: Some(entry) }))
    }

    fn log(&self, what: &str, peer: &str, ordered: &Ordered) {
        let time = ordered.seconds.map(Duration::from_secs);
        tracing::info!(
            { field::PEER } = peer,
            { field::BY } = self.by.user,
            { field::REASON } = (!ordered.reason.is_empty()).then_some(ordered.reason.as_str()),
            { field::UNTIL } = time.map(tracing::field::debug),
            "by hand: {what}"
        );
    }
}

fn network(text: &str) -> Result<IpNet, String> {
    Network.parse(text).ok_or_else(|| format!("{text:?} is not {}", Network.expected()))
}

#[expect(clippy::needless_pass_by_value, reason = "map_err passes values")]
fn text(error: EditError) -> String {
    error.to_string()
}
