//! A network namespace in which every address is this host's, so that clients come from the addresses of the tables and
//! connect to them; a Postfix with a port for each destination; and a relaygate for each scene.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

use tempfile::TempDir;

use super::client::{Client, PASSWORD};
use super::directory::ConstantDirectory;
use super::expected::Expected;
use super::recorder::Recorder;
use super::scene::{ANSWERS, Scene, Target};
use crate::authority::{Authority, Certified};
use crate::daemon::{Daemon, file};
use crate::decisions::rows::Row;
use crate::netns::Namespace;

/// Destinations that a scene can name, the default backend among them.
const DESTINATIONS: usize = 8;

/// Where clients connect where a row does not say.
const SOMEWHERE: (Ipv4Addr, Ipv6Addr) =
    (Ipv4Addr::new(192, 0, 2, 250), Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x250));

pub(super) struct World {
    namespace: Namespace,
    recorder: Recorder,
    folder: TempDir,
    authority: Authority,
    server: Certified,
    /// What must reach Postfix: for each row, at which port and whom.
    awaited: BTreeMap<String, (usize, String)>,
    /// The row whose message was the last.
    last: String,
}

impl World {
    pub(super) fn new() -> Self {
        let namespace = Namespace::new();
        namespace.ip("route add local 0.0.0.0/0 dev lo");
        namespace.ip("-6 route add local ::/0 dev lo");
        namespace.run(|| {
            for family in ["ipv4", "ipv6"] {
                std::fs::write(format!("/proc/sys/net/{family}/ip_nonlocal_bind"), "1").unwrap();
            }
        });
        let recorder = namespace.run(|| Recorder::start(DESTINATIONS));
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::new(folder.path(), "authority");
        let server = authority.certify("server", &["mx.example.org"]);
        Self { namespace, recorder, folder, authority, server, awaited: BTreeMap::new(), last: String::new() }
    }

    /// Puts rows of a scene to one relaygate whose directory always says the same; gives what went wrong.
    pub(super) fn put(&mut self, scene: &Scene, directory: &str, rows: &[Row<'_>]) -> Vec<String> {
        for own in &scene.own {
            self.namespace.ip(&format!("address add {own} dev lo {}", nodad(own)));
        }
        let config = self.configuration(scene, directory, rows);
        let daemon =
            self.namespace.run(move || Daemon::start_with_listeners(&[], &format!("--config {config}")));
        let mut failures = Vec::new();
        for row in rows {
            if let Err(failure) = self.put_row(row) {
                failures.push(format!("{}:{}: {} {}: {failure}", row.file, row.number, row.client, row.path));
            }
        }
        drop(daemon);
        for own in &scene.own {
            self.namespace.ip(&format!("address del {own} dev lo"));
        }
        failures
    }

    /// The mails that Postfix should have, and has not; or has, and should not.
    pub(super) fn compare_what_arrived(&mut self) -> Vec<String> {
        let arrived = self.recorder.arrived(&self.last);
        let awaited = std::mem::take(&mut self.awaited);
        let rows: BTreeSet<_> = arrived.keys().chain(awaited.keys()).collect();
        let differing = rows.into_iter().filter(|row| arrived.get(*row) != awaited.get(*row));
        differing
            .map(|row| format!("{row}: awaited {:?}, arrived {:?}", awaited.get(row), arrived.get(row)))
            .collect()
    }

    fn put_row(&mut self, row: &Row<'_>) -> Result<(), String> {
        let client = Client::read(row.client);
        let to = connected_to(client.peer, row.local);
        let certificate = (!client.certificate.is_empty()).then(|| {
            let names: Vec<_> = client.certificate.iter().map(String::as_str).collect();
            let certified = self.authority.certify("client", &names);
            (certified, self.authority.file.clone())
        });
        let label = format!("{}:{}", row.file, row.number);
        let (path, subject) = (row.path.to_owned(), label.clone());
        let said = self.namespace.run(move || client.converse(to, certificate.as_ref(), &path, &subject))?;
        let expected = Expected::of(row);
        expected.compare(&said)?;
        if let Some(arrival) = expected.arrival(&said) {
            self.last.clone_from(&label);
            self.awaited.insert(label, arrival);
        }
        Ok(())
    }

    /// The file of settings for a scene.
    fn configuration(&self, scene: &Scene, directory: &str, rows: &[Row<'_>]) -> String {
        let mut lists: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        let mut add = |name, value: String| lists.entry(name).or_default().push(value);
        for (name, value) in &scene.flags {
            add(*name, value.clone());
        }
        let ports: BTreeSet<u16> =
            rows.iter().map(|row| connected_to(Client::read(row.client).peer, row.local).port()).collect();
        for port in ports {
            add("listen", format!("0.0.0.0:{port}"));
            add("listen", format!("[::]:{port}"));
        }
        add("backend", self.recorder.addresses[0].to_string());
        let destination = |number: usize| self.recorder.addresses[number];
        for (sent_to, target) in &scene.routes {
            let routed_to = match target {
                Target::Inbound => "inbound".to_owned(),
                Target::Backend(number) => format!("inbound {}", destination(*number)),
                Target::Host(number) => format!("host {} client-address=xclient", destination(*number)),
                Target::Answer(number) => format!("reply {}", ANSWERS[*number]),
            };
            add("route", format!("{sent_to} = {routed_to}"));
        }
        let mailboxes = |lines: Vec<String>| {
            file(self.folder.path(), "mailboxes", &lines.join("\n")).display().to_string()
        };
        match directory {
            "file" => {
                if let Some(lines) = &scene.mailboxes {
                    add("mailboxes", mailboxes(lines.clone()));
                }
            }
            "whole-domain" => {
                add("mailboxes", mailboxes(rows.iter().filter_map(|row| whole_domain(row.path)).collect()))
            }
            "extension" => {
                add("mailboxes", mailboxes(vec!["user".to_owned()]));
                add("recipient-delimiter", "+".to_owned());
            }
            "none" => {}
            answer => {
                let answer = answer.to_owned();
                let port = self.namespace.run(move || ConstantDirectory::start(&answer));
                add("directory", format!("socketmap:inet:127.0.0.1:{port} name=rows exact=yes"));
            }
        }
        for (name, value) in [
            ("allow", "0.0.0.0/0"),
            ("allow", "::/0"),
            ("auth-without-tls", "0.0.0.0/0"),
            ("auth-without-tls", "::/0"),
        ] {
            add(name, value.to_owned());
        }
        add("auth", format!("file:{}", self.passwords(rows).display()));
        add("tls-certificate", format!("{} key={}", self.server.chain.display(), self.server.key.display()));
        add("tls-client-ca", self.authority.file.display().to_string());
        let single = |values: &[String]| values.len() == 1;
        let text: String = lists
            .iter()
            .map(|(name, values)| match single(values) {
                true => format!("{name} = {:?}\n", values[0]),
                false => format!("{name} = {values:?}\n"),
            })
            .collect();
        file(self.folder.path(), "relaygate.toml", &text).display().to_string()
    }

    fn passwords(&self, rows: &[Row<'_>]) -> std::path::PathBuf {
        let logins: BTreeSet<String> = rows.iter().filter_map(|row| Client::read(row.client).login).collect();
        let hash = hash_of_password(self.folder.path());
        let lines: Vec<_> = logins.iter().map(|login| format!("{login}:{hash}")).collect();
        file(self.folder.path(), "passwords", &lines.join("\n"))
    }
}

/// The line of a mailbox file that takes the whole domain of a path.
fn whole_domain(path: &str) -> Option<String> {
    let (_, domain) = path.trim_end_matches('>').rsplit_once('@')?;
    Some(format!("@{domain}"))
}

/// Where a client of a row connects. A mapped address is the IPv4 address that it maps; and a client of one family
/// reaches no address of the other.
fn connected_to(peer: IpAddr, local: &str) -> SocketAddr {
    let somewhere = if peer.is_ipv4() { SOMEWHERE.0.into() } else { SOMEWHERE.1.into() };
    let local = local.parse().unwrap_or(SocketAddr::new(somewhere, 25));
    let address = local.ip().to_canonical();
    SocketAddr::new(if address.is_ipv4() == peer.is_ipv4() { address } else { somewhere }, local.port())
}

/// Without duplicate address detection, an IPv6 address is usable at once.
fn nodad(address: &str) -> &'static str {
    if address.contains(':') { "nodad" } else { "" }
}

/// The password of every login as SHA-crypt, which is quick to check.
fn hash_of_password(folder: &Path) -> String {
    let known = folder.join("hash");
    if let Ok(hash) = std::fs::read_to_string(&known) {
        return hash;
    }
    let output = std::process::Command::new("openssl").args(["passwd", "-5", PASSWORD]).output().unwrap();
    let hash = String::from_utf8(output.stdout).unwrap().trim().to_owned();
    std::fs::write(known, &hash).unwrap();
    hash
}
