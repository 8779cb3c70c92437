//! The relay decision as tables: settings, who asks for whom, what the directory says, and what must come of it. Each
//! row is decided, explained and put through a session, and all must agree. Paths are read by the parser of RCPT, with
//! SMTPUTF8 given, so that what cannot reach the policy cannot be a row of it: such a row says 1, and what is wrong.

#![allow(clippy::unwrap_used, reason = "clippy knows test functions, but not what only they call")]

mod properties;
pub(crate) mod rows;
mod session;
mod twin;

use std::net::{IpAddr, SocketAddr};

use filter_user::address::{ForwardPath, Mailbox, ReversePath};
use filter_user::lookup::Directories;
use filter_user::policy::explain::Row;
use filter_user::policy::{
    AnswerId, BackendId, ClientCertificate, ClientNetwork, DirectoryAnswer, Facts, InternalAddress, Login,
    Policy, PolicySettings, Route, RouteId, RoutedTo, Sender, SenderLogin, SenderPattern, SentTo,
};

#[test]
fn recipients_of_ours_are_routed_as_the_directory_says() {
    run("local.rows");
}

#[test]
fn no_known_hole_is_open() {
    run("holes.rows");
}

#[test]
fn others_are_relayed_for_who_has_a_grant_alone() {
    run("relaying.rows");
}

#[test]
fn the_whole_table_holds_for_each_grant_and_both_settings_of_reroute() {
    run("grants.rows");
}

#[test]
fn the_holes_that_have_rows_are_on_the_page_of_holes() {
    let page = include_str!("../../../../docs/holes.md");
    let (mut headings, mut rows) = (0, 0);
    for line in include_str!("holes.rows").lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            assert!(page.contains(&format!("\n## {heading}\n")), "docs/holes.md has no chapter {heading:?}");
            headings += 1;
        }
        rows += usize::from(!line.is_empty() && !line.starts_with('#') && !line.starts_with("settings:"));
    }
    assert!(headings >= 20 && rows >= 300, "{headings} holes, {rows} rows");
}

#[test]
fn each_restriction_grants_what_it_says_and_no_more() {
    run("restrictions.rows");
}

#[test]
fn the_routing_table_says_whose_a_domain_is_and_where_its_mail_goes() {
    run("routing.rows");
}

#[test]
fn a_mailbox_file_is_a_directory() {
    run("mailbox_file.rows");
}

/// What a `settings:` line makes.
struct Scene {
    policy: Policy,
    directory: Directories,
}

impl Scene {
    /// `name = word word; name = word`.
    fn read(line: &str) -> Self {
        let mut settings = PolicySettings {
            relay_authenticated: true,
            relay_client_certificate: true,
            ..PolicySettings::default()
        };
        let (mut mailboxes, mut case_sensitive) = (None, false);
        for setting in line.split(';').filter(|setting| !setting.trim().is_empty()) {
            let (name, value) = setting.split_once('=').expect("a setting has a value");
            let words = value.split_whitespace();
            match name.trim() {
                "local" => settings.local_domains = words.map(str::to_owned).collect(),
                "own" => settings.own_addresses = words.map(|word| word.parse().unwrap()).collect(),
                "reroute" => settings.reroute = value.trim().parse().unwrap(),
                "clients" => settings.relay_networks.extend(
                    words.map(|word| ClientNetwork { network: word.parse().unwrap(), senders: Vec::new() }),
                ),
                "internal" => settings.internal_addresses = words.map(internal_address).collect(),
                "authenticated" => settings.relay_authenticated = value.trim() == "on",
                "certificates" if value.trim() == "off" => settings.relay_client_certificate = false,
                "certificates" => settings.client_names = words.map(str::to_owned).collect(),
                "never" => settings.never_relay = words.map(|word| word.parse().unwrap()).collect(),
                "mailboxes" => mailboxes = Some(words.collect::<Vec<_>>().join("\n")),
                "case" => case_sensitive = value.trim() == "sensitive",
                other => match other.split_once(' ') {
                    Some(("client", network)) => settings.relay_networks.push(ClientNetwork {
                        network: network.parse().unwrap(),
                        senders: words.map(sender_pattern).collect(),
                    }),
                    Some(("login", login)) => settings.sender_logins.push(SenderLogin {
                        login: login.to_owned(),
                        senders: words.map(sender_pattern).collect(),
                    }),
                    Some(("route", sent_to)) => settings.routes.push(route(sent_to, value.trim())),
                    _ => panic!("no such setting: {other}"),
                },
            }
        }
        settings.local_part_case_sensitive = case_sensitive;
        let directory = mailboxes.map_or_else(Directories::none, |mailboxes| {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("mailboxes");
            std::fs::write(&path, mailboxes).unwrap();
            Directories::from_file(path, &settings.local_domains, case_sensitive).unwrap()
        });
        Self { policy: Policy::new(&settings), directory }
    }

    /// What comes of a row's first four columns, in the form of the others.
    fn outcome(&self, peer: &str, local: &str, path: &str, directory: &str) -> Result<String, String> {
        let client = Client::read(peer)?;
        let local = match local {
            "-" => None,
            local => Some(local.parse::<SocketAddr>().map_err(|error| error.to_string())?),
        };
        let facts = Facts {
            sender: client.sender.as_ref().map(Sender::of),
            login: client.login.as_ref(),
            certificate: client.certificate.as_ref(),
            ..Facts::of_connection(client.peer, local)
        };
        let outcome = self.decided(&facts, path, directory)?;
        let heard = session::heard(path, |path| {
            let placement = self.policy.place(path);
            let said = placement.asks_directory().map(|mailbox| self.said(&mailbox, directory));
            self.policy.decide(&facts, &placement, said.unwrap_or(DirectoryAnswer::NotAsked))
        });
        if session::is_reply_to(&heard, &outcome) {
            Ok(outcome)
        } else {
            Err(format!("decided {outcome}, and the client heard {heard:?}"))
        }
    }

    /// What the directory of a row says.
    fn said(&self, mailbox: &Mailbox<'_>, directory: &str) -> DirectoryAnswer {
        match directory {
            "known" => DirectoryAnswer::Known,
            "whole-domain" => DirectoryAnswer::WholeDomain,
            "extension" => DirectoryAnswer::Extension,
            "unknown" => DirectoryAnswer::Unknown,
            "unavailable" => DirectoryAnswer::Unavailable,
            "none" => DirectoryAnswer::NotAsked,
            "file" => self.directory.answer_now(mailbox).expect("a file answers at once"),
            other => panic!("no such directory: {other}"),
        }
    }

    /// What the policy decides, alone and explained.
    fn decided(&self, facts: &Facts<'_>, path: &str, directory: &str) -> Result<String, String> {
        let path = match ForwardPath::parse(path.as_bytes(), true) {
            Ok((path, b"")) => path,
            Ok((_, rest)) => return Err(format!("{} octets behind the path", rest.len())),
            Err(error) => return Ok(format!("{}  {error}", Row::Syntax.number())),
        };
        let answer = |mailbox: &Mailbox<'_>| self.said(mailbox, directory);
        let placement = self.policy.place(&path);
        let said = match (placement.asks_directory(), directory) {
            (None, "-") => DirectoryAnswer::NotAsked,
            (None, _) => return Err("no directory has to be asked".to_owned()),
            (Some(_), "-") => return Err("a directory has to be asked".to_owned()),
            (Some(mailbox), _) => answer(&mailbox),
        };
        let decision = self.policy.decide(facts, &placement, said);

        let (explained, steps) = self.policy.explain(facts, &path, answer);
        if explained != decision {
            return Err(format!("decided {decision}, explained {explained}"));
        }
        let rows: Vec<Row> = steps.iter().map(|step| step.row).collect();
        if !rows.is_sorted_by(|a, b| a < b) {
            return Err(format!("rows looked at out of order: {rows:?}"));
        }
        let (last, before) = steps.split_last().ok_or("explained by no step")?;
        if !last.fits || before.iter().any(|step| step.fits) {
            return Err(format!("not the last step alone fits: {steps:?}"));
        }
        let disguise = placement.disguise();
        let disguise = disguise.map(|inside| format!("  {}: {inside}", inside.kind())).unwrap_or_default();
        Ok(format!("{}  {decision}{disguise}", last.row.number()))
    }
}

/// The first column: an address, then what else is known of its session.
struct Client<'a> {
    peer: IpAddr,
    sender: Option<ReversePath<'a>>,
    login: Option<Login>,
    certificate: Option<ClientCertificate>,
}

impl<'a> Client<'a> {
    /// `address from=<path> login=name certificate=name,name`.
    fn read(column: &'a str) -> Result<Self, String> {
        let mut words = column.split(' ');
        let peer = words.next().unwrap_or_default().parse::<IpAddr>().map_err(|error| error.to_string())?;
        let mut client = Self { peer, sender: None, login: None, certificate: None };
        for word in words {
            match word.split_once('=') {
                Some(("from", path)) => match ReversePath::parse(path.as_bytes(), true) {
                    Ok((path, b"")) => client.sender = Some(path),
                    other => return Err(format!("{path} is no sender: {other:?}")),
                },
                Some(("login", name)) => client.login = Some(Login::proven(name)),
                Some(("certificate", names)) => {
                    let names = names.split(',').map(str::to_owned).collect();
                    client.certificate = Some(ClientCertificate::verified(names));
                }
                _ => return Err(format!("{word} is nothing that is known of a session")),
            }
        }
        Ok(client)
    }
}

/// `address` or `address:port`.
fn internal_address(text: &str) -> InternalAddress {
    match (text.parse::<SocketAddr>(), text.parse::<IpAddr>()) {
        (Ok(with_port), _) => InternalAddress { address: with_port.ip(), port: Some(with_port.port()) },
        (_, Ok(address)) => InternalAddress { address, port: None },
        _ => panic!("{text} is no address"),
    }
}

/// `example.net`, `#example.net` or `*`, and `inbound`, `backend 1`, `host 1` or `answer 1`.
fn route(sent_to: &str, routed_to: &str) -> Route {
    let sent_to = match sent_to.strip_prefix('#') {
        Some(domain) => SentTo::Exactly(domain.to_owned()),
        None if sent_to == "*" => SentTo::Rest,
        None => SentTo::AndBelow(sent_to.to_owned()),
    };
    let routed_to = match routed_to.split_once(' ') {
        None if routed_to == "inbound" => RoutedTo::Inbound(BackendId::default()),
        Some(("backend", number)) => RoutedTo::Inbound(BackendId(number.parse().unwrap())),
        Some(("host", number)) => RoutedTo::Host(RouteId(number.parse().unwrap())),
        Some(("answer", number)) => RoutedTo::Answer(AnswerId(number.parse().unwrap())),
        _ => panic!("{routed_to} is nowhere"),
    };
    Route { sent_to, routed_to }
}

/// `<>`, `@domain` or a mailbox.
pub(crate) fn sender_pattern(text: &str) -> SenderPattern {
    match text.rsplit_once('@') {
        None if text == "<>" => SenderPattern::Null,
        Some(("", domain)) => SenderPattern::Domain(domain.to_owned()),
        Some((local_part, domain)) => {
            SenderPattern::Mailbox { local_part: local_part.to_owned(), domain: domain.to_owned() }
        }
        None => panic!("{text} is no sender"),
    }
}

/// Runs all rows of a file and shows all that fail.
fn run(name: &str) {
    let (file, text) = rows::FILES.into_iter().find(|(file, _)| *file == name).unwrap();
    let mut scene = ("", Scene::read(""));
    let mut failures = Vec::new();
    for row in rows::of(file, text) {
        if scene.0 != row.settings {
            scene = (row.settings, Scene::read(row.settings));
        }
        let expected = Ok(row.expected().collect::<Vec<_>>().join("  "));
        let outcome = scene.1.outcome(row.client, row.local, row.path, row.directory);
        if outcome != expected {
            failures.push(format!(
                "{file}:{}: {} {}\n    expected {expected:?}\n    came     {outcome:?}",
                row.number, row.client, row.path
            ));
        }
    }
    assert!(failures.is_empty(), "{} rows failed:\n{}", failures.len(), failures.join("\n"));
}
