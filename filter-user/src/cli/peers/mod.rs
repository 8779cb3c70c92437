//! `relaygate peers`: looks at peers, and sanctions, frees and allows them by hand, by the running daemon.

pub(super) mod desk;

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

use super::control::{self, duration};
use super::with_settings;
use crate::control::{
    Freed, Listing, Named, Nothing, Ordered, PeersPage, PeersReply, PeersRequest, Reply, Request,
    SortingName, StateName, ask,
};

/// Peers that are asked for at once; more lines take several requests.
const PAGE: usize = 2000;
/// The longest time that something is ordered for; longer is for good.
const LONGEST: Duration = Duration::from_secs(10 * 31_557_600);

/// The subcommand and its own.
#[must_use]
pub fn command() -> Command {
    let peer = || {
        Arg::new("peer")
            .value_name("PEER")
            .required(true)
            .help("An address of the peer, or the network that is one, such as 2001:db8:0:1::/64")
    };
    let network = || {
        Arg::new("peer")
            .value_name("NETWORK")
            .required(true)
            .help("A network or an address, such as 192.0.2.0/24")
    };
    let time = |help: &'static str| {
        Arg::new("for")
            .long("for")
            .value_name("TIME")
            .value_parser(|text: &str| duration(text, LONGEST))
            .help(help)
    };
    let reason = || Arg::new("reason").long("reason").value_name("TEXT").help("Why; it is shown and logged");
    let ordered = "For how long, such as 10m or 7d; without it until it is taken back";
    let verb = |name: &'static str, about: &'static str, own: Vec<Arg>| {
        with_settings(Command::new(name).about(about).args(own).arg(control::json_flag()))
    };
    Command::new("peers")
        .about("Shows how peers stand and why; blocks, limits, frees and allows them by hand")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(verb(
            "list",
            "Lists peers that are remembered, sanctioned or authenticated",
            list_arguments(),
        ))
        .subcommand(verb("show", "Says how one peer stands, and why", vec![peer()]))
        .subcommand(verb("block", "Drops all that a peer sends", vec![peer(), time(ordered), reason()]))
        .subcommand(verb(
            "limit",
            "Lets in a peer's connections at limit-rate",
            vec![peer(), time(ordered), reason()],
        ))
        .subcommand(verb(
            "unblock",
            "Frees a peer, and lowers its strikes to as many as earn no sanction",
            vec![peer(), flag("forget", "Forgets its strikes and its earlier blocks too")],
        ))
        .subcommand(verb(
            "allow",
            "Never sanctions a network, whatever comes from it; frees who is in it",
            vec![
                network(),
                time(ordered),
                reason(),
                flag("end", "Takes back what was allowed by hand").conflicts_with_all(["for", "reason"]),
            ],
        ))
        .subcommand(verb(
            "authenticate",
            "Exempts a peer from sanctions, as if it had authenticated",
            vec![
                peer(),
                time("For how long; without it as long as after an AUTH (authenticated-for)"),
                reason(),
                flag("end", "It has to authenticate again").conflicts_with_all(["for", "reason"]),
            ],
        ))
}

fn flag(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).action(ArgAction::SetTrue).help(help)
}

fn list_arguments() -> Vec<Arg> {
    vec![
        Arg::new("sanction")
            .long("sanction")
            .value_name("STATE")
            .value_parser(PossibleValuesParser::new(StateName::WORDS.iter().copied()))
            .help("Only those that stand so"),
        Arg::new("network").long("network").value_name("NETWORK").help("Only those in this network"),
        Arg::new("sort")
            .long("sort")
            .value_name("BY")
            .value_parser(PossibleValuesParser::new(SortingName::WORDS.iter().copied()))
            .default_value("address")
            .help("In which order; what is most, latest or lasts longest comes first"),
        Arg::new("lines")
            .long("lines")
            .value_name("NUMBER")
            .value_parser(value_parser!(u32).range(1..=100_000))
            .default_value("50")
            .help("How many at most"),
        Arg::new("after")
            .long("after")
            .value_name("PLACE")
            .help("Those behind the last of an earlier list, as it says"),
        flag("allowed", "The networks that are allowed by hand, in place of peers")
            .conflicts_with_all(["sanction", "network", "after"]),
    ]
}

/// Asks, and prints what is said.
pub fn run(matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    let Some((verb, matches)) = matches.subcommand() else { bail!("peers does nothing by itself") };
    let text = match request(verb, matches)? {
        PeersRequest::List(listing) => control::shown(matches, &list(matches, listing)?)?,
        request => match asked(matches, request)? {
            PeersReply::Page(page) => control::shown(matches, &page)?,
            PeersReply::Allowed(list) => control::shown(matches, &list)?,
            PeersReply::Peer(entry) => control::shown(matches, &*entry)?,
            PeersReply::Edited(edited) => control::shown(matches, &*edited)?,
        },
    };
    writeln!(std::io::stdout().lock(), "{text}").context("cannot print")?;
    Ok(ExitCode::SUCCESS)
}

fn asked(matches: &ArgMatches, request: PeersRequest) -> anyhow::Result<PeersReply> {
    let path = control::running(matches)?;
    let Reply::Peers(reply) = ask(&path, &Request::Peers(request))? else {
        bail!("relaygate at {} answered something else than about peers", path.display());
    };
    Ok(reply)
}

/// As many pages as it takes.
fn list(matches: &ArgMatches, mut listing: Listing) -> anyhow::Result<PeersPage> {
    let mut whole = PeersPage::default();
    let most = listing.most;
    loop {
        listing.most = PAGE.min(most - whole.peers.len());
        let PeersReply::Page(page) = asked(matches, PeersRequest::List(listing.clone()))? else {
            bail!("the answer is no list");
        };
        let came = page.peers.len();
        whole.peers.extend(page.peers);
        (whole.matching, whole.next) = (page.matching, page.next);
        if whole.next.is_none() || whole.peers.len() >= most || came == 0 {
            return Ok(whole);
        }
        listing.after.clone_from(&whole.next);
    }
}

fn request(verb: &str, matches: &ArgMatches) -> anyhow::Result<PeersRequest> {
    let text = |name: &str| matches.get_one::<String>(name).cloned();
    let peer = || text("peer").unwrap_or_default();
    let named = || Named { peer: peer() };
    let ordered = || Ordered {
        peer: peer(),
        seconds: matches.get_one::<Duration>("for").map(Duration::as_secs),
        reason: text("reason").unwrap_or_default(),
    };
    Ok(match verb {
        "list" if matches.get_flag("allowed") => PeersRequest::Allowed(Nothing {}),
        "list" => PeersRequest::List(Listing {
            state: text("sanction").as_deref().and_then(StateName::of),
            network: text("network"),
            sort: text("sort").as_deref().and_then(SortingName::of).unwrap_or_default(),
            most: matches.get_one::<u32>("lines").map_or(50, |lines| *lines as usize),
            after: text("after"),
        }),
        "show" => PeersRequest::Show(named()),
        "block" => PeersRequest::Block(ordered()),
        "limit" => PeersRequest::Limit(ordered()),
        "unblock" => PeersRequest::Unblock(Freed { peer: peer(), forget: matches.get_flag("forget") }),
        "allow" if matches.get_flag("end") => PeersRequest::Disallow(named()),
        "allow" => PeersRequest::Allow(ordered()),
        "authenticate" if matches.get_flag("end") => PeersRequest::Unauthenticate(named()),
        "authenticate" => PeersRequest::Authenticate(ordered()),
        other => bail!("peers {other} does nothing"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_verb_makes_a_request() {
        for (line, wanted) in [
            (
                "list --sanction blocked --sort dropped --lines 7",
                r#"{"do":"list","state":"blocked","sort":"dropped","most":7}"#,
            ),
            ("list --allowed", r#"{"do":"allowed"}"#),
            ("show 192.0.2.7", r#"{"do":"show","peer":"192.0.2.7"}"#),
            (
                "block 192.0.2.7 --for 10m --reason spam",
                r#"{"do":"block","peer":"192.0.2.7","seconds":600,"reason":"spam"}"#,
            ),
            ("limit 192.0.2.7", r#"{"do":"limit","peer":"192.0.2.7"}"#),
            ("unblock 192.0.2.7 --forget", r#"{"do":"unblock","peer":"192.0.2.7","forget":true}"#),
            ("allow 10.0.0.0/8 --for 7d", r#"{"do":"allow","peer":"10.0.0.0/8","seconds":604800}"#),
            ("allow 10.0.0.0/8 --end", r#"{"do":"disallow","peer":"10.0.0.0/8"}"#),
            ("authenticate 192.0.2.7", r#"{"do":"authenticate","peer":"192.0.2.7"}"#),
            ("authenticate 192.0.2.7 --end", r#"{"do":"unauthenticate","peer":"192.0.2.7"}"#),
        ] {
            let words = std::iter::once("peers").chain(line.split(' '));
            let matches = command().try_get_matches_from(words).unwrap();
            let (verb, matches) = matches.subcommand().unwrap();
            let request = request(verb, matches).unwrap();
            assert_eq!(serde_json::to_string(&request).unwrap(), wanted, "{line}");
        }
    }

    #[test]
    fn what_is_written_wrong_is_refused_before_anyone_is_asked() {
        for line in [
            "block",
            "block 192.0.2.7 --for ever",
            "block 192.0.2.7 --for 0s",
            "block 192.0.2.7 --for 11years",
            "list --sort colour",
            "list --sanction banned",
            "list --lines 0",
            "list --lines 100001",
            "allow 10.0.0.0/8 --end --for 1m",
            "forget 192.0.2.7",
        ] {
            let words = std::iter::once("peers").chain(line.split(' '));
            assert!(command().try_get_matches_from(words).is_err(), "{line}");
        }
    }
}
