//! The relay decision as tables: settings, who asks for whom, what the directory says, and what must come of it. Each
//! row is decided and explained, and both must agree. Paths are read by the parser of RCPT, with SMTPUTF8 given, so that
//! what cannot reach the policy cannot be a row of it: such a row says 1, and what is wrong.

#![allow(clippy::unwrap_used, reason = "clippy knows test functions, but not what only they call")]

mod properties;

use std::net::{IpAddr, SocketAddr};

use filter_user::address::{ForwardPath, Mailbox};
use filter_user::lookup::Directories;
use filter_user::policy::explain::Row;
use filter_user::policy::{DirectoryAnswer, Facts, Policy, PolicySettings};

#[test]
fn recipients_of_ours_are_routed_as_the_directory_says() {
    run("local.rows", include_str!("local.rows"));
}

#[test]
fn disguised_addresses_pass_only_where_the_directory_holds_them() {
    run("disguised.rows", include_str!("disguised.rows"));
}

#[test]
fn others_are_relayed_for_who_has_a_grant_alone() {
    run("relaying.rows", include_str!("relaying.rows"));
}

#[test]
fn a_mailbox_file_is_a_directory() {
    run("mailbox_file.rows", include_str!("mailbox_file.rows"));
}

/// What a `settings:` line makes.
struct Scene {
    policy: Policy,
    directory: Directories,
}

impl Scene {
    /// `name = word word; name = word`.
    fn read(line: &str) -> Self {
        let mut settings = PolicySettings::default();
        let (mut mailboxes, mut case_sensitive) = (None, false);
        for setting in line.split(';').filter(|setting| !setting.trim().is_empty()) {
            let (name, value) = setting.split_once('=').expect("a setting has a value");
            let words = value.split_whitespace();
            match name.trim() {
                "local" => settings.local_domains = words.map(str::to_owned).collect(),
                "own" => settings.own_addresses = words.map(|word| word.parse().unwrap()).collect(),
                "reroute" => settings.reroute = value.trim().parse().unwrap(),
                "clients" => settings.relay_networks = words.map(|word| word.parse().unwrap()).collect(),
                "never" => settings.never_relay = words.map(|word| word.parse().unwrap()).collect(),
                "mailboxes" => mailboxes = Some(words.collect::<Vec<_>>().join("\n")),
                "case" => case_sensitive = value.trim() == "sensitive",
                unknown => panic!("no such setting: {unknown}"),
            }
        }
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
        let facts = Facts {
            peer: peer.parse::<IpAddr>().map_err(|error| error.to_string())?,
            local: match local {
                "-" => None,
                local => Some(local.parse::<SocketAddr>().map_err(|error| error.to_string())?),
            },
        };
        let path = match ForwardPath::parse(path.as_bytes(), true) {
            Ok((path, b"")) => path,
            Ok((_, rest)) => return Err(format!("{} octets behind the path", rest.len())),
            Err(error) => return Ok(format!("{}  {error}", Row::Syntax.number())),
        };
        let answer = |mailbox: &Mailbox<'_>| match directory {
            "known" => DirectoryAnswer::Known,
            "whole-domain" => DirectoryAnswer::WholeDomain,
            "unknown" => DirectoryAnswer::Unknown,
            "unavailable" => DirectoryAnswer::Unavailable,
            "none" => DirectoryAnswer::NotAsked,
            "file" => self.directory.answer(mailbox),
            other => panic!("no such directory: {other}"),
        };
        let placement = self.policy.place(&path);
        let said = match (placement.asks_directory(), directory) {
            (None, "-") => DirectoryAnswer::NotAsked,
            (None, _) => return Err("no directory has to be asked".to_owned()),
            (Some(_), "-") => return Err("a directory has to be asked".to_owned()),
            (Some(mailbox), _) => answer(&mailbox),
        };
        let decision = self.policy.decide(&facts, &placement, said);

        let (explained, steps) = self.policy.explain(&facts, &path, answer);
        if explained != decision {
            return Err(format!("decided {decision}, explained {explained}"));
        }
        let rows: Vec<u8> = steps.iter().map(|step| step.row.number()).collect();
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

/// Runs all rows of a file and shows all that fail. Columns are two or more spaces apart.
fn run(name: &str, text: &str) {
    let mut scene = Scene::read("");
    let mut failures = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        if let Some(settings) = line.strip_prefix("settings:") {
            scene = Scene::read(settings);
        } else if !line.is_empty() && !line.starts_with('#') {
            let columns: Vec<&str> =
                line.split("  ").map(str::trim).filter(|column| !column.is_empty()).collect();
            let [peer, local, path, directory, expected @ ..] = &columns[..] else {
                panic!("{name}:{number}: too few columns");
            };
            let expected = Ok(expected.join("  "));
            let outcome = scene.outcome(peer, local, path, directory);
            if outcome != expected {
                failures.push(format!(
                    "{name}:{number}: {line}\n    expected {expected:?}\n    came     {outcome:?}"
                ));
            }
        }
    }
    assert!(failures.is_empty(), "{} rows failed:\n{}", failures.len(), failures.join("\n"));
}
