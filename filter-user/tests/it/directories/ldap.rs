//! LDAP as a directory: a real slapd, in the clear, by StartTLS and by LDAPS; and servers that lie.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use smtp_load::sink::SinkBehaviour;

use super::Site;
use super::faults::{always_says, server};
use super::slapd::{BASE, READER, Slapd};
use crate::backend_faults::sink;
use crate::postfix::Postfix;

/// The setting for this server, with further options.
fn directory(uri: &str, slapd: &Slapd, options: &str) -> String {
    let password = slapd.password_file.display();
    format!("directory = 'ldap:{uri} base={BASE} bind-dn={READER} password-file={password} {options}'")
}

#[test]
fn what_slapd_holds_is_known_and_it_may_come_and_go() {
    let mut slapd = Slapd::with(&[
        ("user@example.test", "first.last@example.test"),
        ("late@example.test", ""),
        ("twice@example.test", ""),
        ("Twice@example.test", ""),
    ]);
    let postfix = Postfix::proper();
    let site = Site::start(
        postfix.address,
        &format!(
            "{}\nrecipient-delimiter = \"+\"",
            directory(&format!("ldap://{}", slapd.address), &slapd, "")
        ),
    );
    site.tells(&[
        ("user@example.test", "250 2.1.5"),
        ("FIRST.last@example.test", "250 2.1.5"),
        ("user+tag@example.test", "250 2.1.5"),
        ("nobody@example.test", "550 5.1.1"),
        // What a client writes is a value, never a part of the filter.
        ("*@example.test", "550 5.1.1"),
        ("us*@example.test", "550 5.1.1"),
        ("\"x)(mail=*\"@example.test", "550 5.1.1"),
        ("\"x)(|(mail=user@example.test\"@example.test", "550 5.7.1"),
        // Two entries with one address: whose is it?
        ("twice@example.test", "451 4.3.0"),
    ]);
    assert!(site.metric("relaygate_directory_questions_total{kind=\"ldap\"}") >= 8.0);

    slapd.stop();
    site.tells(&[("late@example.test", "451 4.3.0"), ("user@example.test", "250 2.1.5")]);
    slapd.start();
    site.comes_to_tell("late@example.test", "250 2.1.5");
}

#[test]
fn tls_is_verified_or_there_is_no_answer() {
    let slapd = Slapd::with(&[("user@example.test", "")]);
    let other = Slapd::with(&[("user@example.test", "")]);
    let (backend, _) = sink(SinkBehaviour::default());
    let told = |uri: &str, options: &str| {
        let site = Site::start(backend, &directory(uri, &slapd, options));
        site.told("user@example.test")[..9].to_owned()
    };
    let (plain, tls) = (slapd.address.port(), slapd.tls.port());
    let (authority, stranger) = (slapd.authority.display(), other.authority.display());
    for (uri, options, wanted) in [
        (format!("ldaps://localhost:{tls}"), format!("ca={authority}"), "250 2.1.5"),
        (format!("ldap://localhost:{plain}"), format!("starttls=yes ca={authority}"), "250 2.1.5"),
        (format!("ldaps://localhost:{tls}"), format!("ca={stranger}"), "451 4.3.0"),
        (format!("ldaps://localhost:{tls}"), String::new(), "451 4.3.0"),
        // The certificate names a host, not this address.
        (format!("ldaps://127.0.0.1:{tls}"), format!("ca={authority}"), "451 4.3.0"),
        (format!("ldap://localhost:{plain}"), format!("starttls=yes ca={stranger}"), "451 4.3.0"),
        // Neither speaks the other's protocol.
        (format!("ldaps://localhost:{plain}"), format!("ca={authority}"), "451 4.3.0"),
        (format!("ldap://localhost:{tls}"), String::new(), "451 4.3.0"),
    ] {
        assert_eq!(told(&uri, &options), wanted, "{uri} {options}");
    }
}

#[test]
fn a_setting_that_finds_nobody_makes_nobody_unknown() {
    let slapd = Slapd::with(&[("user@example.test", "")]);
    let (backend, _) = sink(SinkBehaviour::default());
    let uri = format!("ldap://{}", slapd.address);
    let wrong_password = slapd.password_file.with_file_name("wrong");
    std::fs::write(&wrong_password, "another password\n").unwrap();
    for (setting, said) in [
        // Without a bind nobody may read.
        (format!("directory = 'ldap:{uri} base={BASE}'"), "LDAP result"),
        (
            format!(
                "directory = 'ldap:{uri} base={BASE} bind-dn={READER} password-file={}'",
                wrong_password.display()
            ),
            "the bind ended with LDAP result 49",
        ),
        (
            directory(&uri, &slapd, "").replace(&format!("base={BASE}"), "base=dc=other,dc=test"),
            "LDAP result",
        ),
        // A schema that lacks the attribute.
        (directory(&uri, &slapd, "filter=(otherMailbox=%s)"), "no entry has otherMailbox"),
        (directory(&uri, &slapd, "filter=(noSuchAttribute=%s)"), "no entry has noSuchAttribute"),
    ] {
        let site = Site::start(backend, &setting);
        site.tells(&[("user@example.test", "451 4.3.0")]);
        let line = site.daemon.logged("the directory does not answer");
        assert!(line.contains(said), "{setting}: {line}");
    }
}

#[test]
fn what_is_no_ldap_is_no_answer() {
    let (backend, _) = sink(SinkBehaviour::default());
    for reply in [
        &b""[..],
        b"HTTP/1.0 400 Bad Request\r\n\r\n",
        b"\x30\x84\xff\xff\xff\xff",
        b"\x30\x03\x02\x01\x01",
        // A bind response, then something that is none.
        b"\x30\x05\x02\x01\x01\x7f\x00",
        b"\x30\x80\x00\x00",
        &[0x30; 4096],
    ] {
        let at = always_says(reply.to_vec());
        let site = Site::start(backend, &format!("directory = 'ldap:ldap://{at} base={BASE}'"));
        site.tells(&[("user@example.test", "451 4.3.0"), ("postmaster@example.test", "250")]);
    }
}

#[test]
fn a_server_that_finds_anyone_for_everyone_is_not_believed() {
    let (backend, _) = sink(SinkBehaviour::default());
    let site = |lies: Lies| {
        let at = liar(lies);
        Site::start(backend, &format!("directory = 'ldap:ldap://{at} base={BASE}'"))
    };
    site(Lies::AnyEntry).tells(&[("victim@example.test", "451 4.3.0"), ("someone@example.test", "250")]);
    site(Lies::ManyEntries).tells(&[("someone@example.test", "451 4.3.0")]);
    site(Lies::Referral).tells(&[("someone@example.test", "451 4.3.0")]);
    site(Lies::References).tells(&[("someone@example.test", "451 4.3.0")]);
}

/// How a server lies to every search but the first, for anybody.
#[derive(Clone, Copy)]
enum Lies {
    /// The same entry, whoever was asked for.
    AnyEntry,
    /// More entries than there can be.
    ManyEntries,
    /// Ask elsewhere.
    Referral,
    /// Parts of the tree are elsewhere.
    References,
}

/// An LDAP server in as little as it takes: it reads the number of a request and answers.
fn liar(lies: Lies) -> SocketAddr {
    server(move |mut stream: TcpStream| {
        let mut request = [0; 4096];
        while stream.read(&mut request).is_ok_and(|read| read > 5) {
            // SEQUENCE, its length in one octet or more, INTEGER, 1, the number; the client counts from 1.
            let further = if request[1] < 0x80 { 0 } else { usize::from(request[1] & 0x7f) };
            let number = request[4 + further];
            let message = |operation: &[u8]| sequence(0x30, &[&[0x02, 0x01, number], operation].concat());
            let entry = message(&entry("someone@example.test"));
            let done = |code: u8| message(&sequence(0x65, &[0x0a, 0x01, code, 0x04, 0x00, 0x04, 0x00]));
            let uri = b"ldap://elsewhere.example/";
            let reply = match lies {
                _ if number == 1 => [entry, done(0)].concat(),
                Lies::AnyEntry => [entry, done(0)].concat(),
                Lies::ManyEntries => [entry.repeat(1000), done(0)].concat(),
                Lies::Referral => done(10),
                Lies::References => [message(&sequence(0x73, &sequence(0x04, uri))), done(0)].concat(),
            };
            if stream.write_all(&reply).is_err() {
                return;
            }
        }
    })
}

/// An entry that has this address.
fn entry(mail: &str) -> Vec<u8> {
    let values = sequence(0x31, &sequence(0x04, mail.as_bytes()));
    let attribute = sequence(0x30, &[sequence(0x04, b"mail"), values].concat());
    let name = sequence(0x04, b"cn=someone,dc=example,dc=test");
    sequence(0x64, &[name, sequence(0x30, &attribute)].concat())
}

/// A tag, a length of one octet and what it holds (X.690).
fn sequence(tag: u8, content: &[u8]) -> Vec<u8> {
    [&[tag, u8::try_from(content.len()).unwrap()][..], content].concat()
}
