//! Restriction *client certificates*: who shows one that our authority has signed may relay; who shows another one, or
//! none, may send to local recipients like anybody.

use nix::sys::signal::Signal;

use super::Scene;
use super::behind_a_balancer::swaks;
use super::s_client::{Client, look};
use crate::authority::{Authority, Certified, Wanted};

/// A relaygate that asks for certificates of an authority for clients.
fn scene(flags: &str) -> (Scene, Authority) {
    let folder = tempfile::tempdir().unwrap();
    let clients = Authority::new(folder.path(), "clients");
    // Whom it refuses it shall not sanction: all of them have one address.
    let flags = format!(
        "--tls-client-ca {} --strikes-to-limit 1000 --strikes-to-block 2000 {flags}",
        clients.file.display()
    );
    let certify = |authority: &Authority| vec![authority.certify("mx", &["mx.example.test"])];
    (Scene::in_folder(folder, certify, &flags), clients)
}

/// What a client with these arguments gets for a recipient elsewhere; its local one passes in any case.
fn relays(scene: &Scene, arguments: &[&str]) -> String {
    let mut client = Client::open(scene.daemon.address, arguments);
    client.expect(&[
        ("EHLO a.example", "250"),
        ("MAIL FROM:<a@far.example>", "250"),
        ("RCPT TO:<user@example.test>", "250"),
    ]);
    client.say("RCPT TO:<someone@elsewhere.example>")[..3].to_owned()
}

fn showing(certified: &Certified) -> [&str; 4] {
    ["-cert", certified.chain.to_str().unwrap(), "-key", certified.key.to_str().unwrap()]
}

#[test]
fn only_what_our_authority_signed_and_is_valid_grants() {
    let (scene, clients) = scene("");
    let other = Authority::new(scene.folder.path(), "other");
    let good = clients.certify("good", &["client.example.org"]);
    let unnamed = clients.certify_as("unnamed", Wanted { common_name: "A Client", ..Wanted::default() });
    let expired = clients
        .certify_as("expired", Wanted { names: &["client.example.org"], expired: true, ..Wanted::default() });
    let foreign = other.certify("foreign", &["client.example.org"]);
    for (certified, reply) in [(&good, "250"), (&unnamed, "250"), (&expired, "550"), (&foreign, "550")] {
        for version in ["-tls1_3", "-tls1_2"] {
            let arguments = [&showing(certified)[..], &[version]].concat();
            assert_eq!(relays(&scene, &arguments), reply, "{certified:?} {version}");
        }
    }
    assert_eq!(relays(&scene, &[]), "550");
    scene.daemon.logged("\"grant\":\"client certificate\"");
}

#[test]
fn of_named_ones_only_these_grant() {
    let (scene, clients) = scene(
        "--tls-client-name Client.Example.org --tls-client-name boss@example.org --tls-client-name robot",
    );
    let rows = [
        (Wanted { names: &["client.example.org", "b.example.org"], ..Wanted::default() }, "250"),
        (Wanted { names: &["boss@example.org"], ..Wanted::default() }, "250"),
        (Wanted { common_name: "Robot", names: &["c.example.org"], ..Wanted::default() }, "250"),
        (Wanted { names: &["evil.client.example.org", "org"], ..Wanted::default() }, "550"),
        (Wanted { common_name: "robot2", ..Wanted::default() }, "550"),
    ];
    for (wanted, reply) in rows {
        let certified = clients.certify_as("client", wanted.clone());
        assert_eq!(relays(&scene, &showing(&certified)), reply, "{wanted:?}");
    }
}

/// A resumed session proves what the one before it proved, as long as that would prove it today.
#[test]
fn a_resumed_session_is_judged_by_the_authorities_in_force() {
    let (scene, clients) = scene("");
    let good = clients.certify("good", &["client.example.org"]);
    for version in ["-tls1_2", "-tls1_3"] {
        let kept = scene.folder.path().join(format!("session{version}"));
        let kept = kept.to_str().unwrap();
        let told = look(scene.daemon.address, &[&showing(&good)[..], &[version, "-sess_out", kept]].concat());
        assert!(told.contains("New, TLS"), "{told}");
        let resume = [version, "-sess_in", kept];
        assert!(look(scene.daemon.address, &resume).contains("Reused, TLS"));
        assert_eq!(relays(&scene, &resume), "250", "{version}");
    }
    // Another authority in the file: what the first one signed proves nothing any more.
    let other = Authority::new(scene.folder.path(), "another");
    std::fs::copy(&other.file, &clients.file).unwrap();
    scene.daemon.signal(Signal::SIGHUP);
    scene.daemon.logged("certificates reloaded");
    for version in ["-tls1_2", "-tls1_3"] {
        let kept = scene.folder.path().join(format!("session{version}"));
        let resume = [version, "-sess_in", kept.to_str().unwrap()];
        assert!(look(scene.daemon.address, &resume).contains("Reused, TLS"));
        assert_eq!(relays(&scene, &resume), "550", "{version}");
    }
}

/// A host that speaks for others by XCLIENT has shown its own certificate, not its client's.
#[test]
fn what_a_host_has_shown_grants_its_clients_nothing() {
    let (scene, clients) = scene("--xclient-from 127.0.0.1");
    let good = clients.certify("good", &["gateway.example.org"]);
    let mut client = Client::open(scene.daemon.address, &showing(&good));
    client.expect(&[
        ("EHLO a.example", "250"),
        ("MAIL FROM:<a@far.example>", "250"),
        ("RCPT TO:<someone@elsewhere.example>", "250"),
        ("RSET", "250"),
        ("XCLIENT ADDR=192.0.2.77", "220"),
        ("EHLO b.example", "250"),
        ("MAIL FROM:<a@far.example>", "250"),
        ("RCPT TO:<someone@elsewhere.example>", "550 5.7.1"),
        ("QUIT", "221"),
    ]);
}

/// Nor where it shakes hands when it has named its client already.
#[test]
fn what_a_host_shows_behind_its_clients_name_grants_nothing_either() {
    let (scene, clients) = scene("--xclient-from 127.0.0.1");
    let good = clients.certify("good", &["gateway.example.org"]);
    let (chain, key) = (good.chain.to_str().unwrap(), good.key.to_str().unwrap());
    let showing = ["--tls", "--tls-cert", chain, "--tls-key", key];
    let relay = |more: &[&str]| swaks(&scene, "someone@elsewhere.example", &[&showing, more].concat());
    let own = relay(&[]);
    assert!(own.contains("<~  250 2.1.5"), "{own}");
    let clients = relay(&["--xclient-addr", "192.0.2.77", "--xclient-before-starttls"]);
    assert!(clients.contains("<~* 550 5.7.1"), "{clients}");
    scene.daemon.logged("192.0.2.77");
}
