//! SIGHUP: certificates anew without a session that notices, whole or not at all; and what a start does not take.

use std::fs;

use nix::sys::signal::Signal;

use super::s_client::{Client, look};
use super::{Scene, settings};
use crate::authority::{Authority, Wanted};
use crate::daemon::{Daemon, eventually, file, free_port, metric, run_to_end};

const NAME: &[&str] = &["mx.example.test"];

#[test]
fn a_new_certificate_is_shown_to_who_comes_next() {
    let page = format!("127.0.0.1:{}", free_port());
    let scene = Scene::new(&format!("--metrics-listen {page}"));
    let mut open = Client::open(scene.daemon.address, &[]);
    open.expect(&[("EHLO a.example", "250")]);
    let ends =
        || metric(&Daemon::metrics(page.parse().unwrap()), "relaygate_tls_certificate_not_after_seconds");
    assert!(ends() > 2e9, "{}", ends());

    // In place of the one that is in force: another authority's, and an expired one.
    let other = Authority::new(scene.folder.path(), "other");
    other.certify_as("mx", Wanted { names: NAME, expired: true, ..Wanted::default() });
    scene.daemon.signal(Signal::SIGHUP);
    scene.daemon.logged("certificates reloaded");
    scene.daemon.logged("mx.pem: the certificate has expired");
    let told = look(scene.daemon.address, &["-CAfile", other.file.to_str().unwrap()]);
    assert!(told.contains("verify error:num=10:certificate has expired"), "{told}");
    eventually("its end in the metrics", || (ends() == 1_609_459_200.0).then_some(()));

    // Who was there before goes on.
    open.expect(&[
        ("MAIL FROM:<a@far.example>", "250"),
        ("RCPT TO:<user@example.test>", "250"),
        ("QUIT", "221"),
    ]);
}

#[test]
fn what_cannot_be_used_leaves_what_was_in_force() {
    let page = format!("127.0.0.1:{}", free_port());
    let scene = Scene::new(&format!("--metrics-listen {page}"));
    let (chain, key) = (scene.folder.path().join("mx.pem"), scene.folder.path().join("mx.key"));
    let right = fs::read(&key).unwrap();
    let other_key = fs::read(scene.authority.certify("other", NAME).key).unwrap();
    let ca = scene.authority.file.to_str().unwrap().to_owned();
    let rows: [(&str, &dyn Fn(), &str); 6] = [
        ("another key", &|| fs::write(&key, &other_key).unwrap(), "is not that of the first certificate in"),
        ("no key", &|| fs::write(&key, "").unwrap(), "there is no private key in this file"),
        (
            "a broken key",
            &|| fs::write(&key, broken("PRIVATE KEY")).unwrap(),
            "the private key cannot be used",
        ),
        ("no file", &|| fs::remove_file(&key).unwrap(), "the private key cannot be read: No such file"),
        (
            "a broken certificate",
            &|| fs::write(&chain, broken("CERTIFICATE")).unwrap(),
            "cannot be understood",
        ),
        ("no certificate", &|| fs::write(&chain, "text").unwrap(), "there is no certificate in this file"),
    ];
    for (number, (what, spoil, why)) in rows.iter().enumerate() {
        fs::write(&key, &right).unwrap();
        spoil();
        scene.daemon.signal(Signal::SIGHUP);
        let line = scene.daemon.logged(why);
        assert!(line.contains("certificates not reloaded; those that were read before stay"), "{line}");
        let told = look(scene.daemon.address, &["-CAfile", &ca, "-verify_return_error"]);
        assert!(told.contains("Verify return code: 0 (ok)"), "{what}: {told}");
        let page = Daemon::metrics(page.parse().unwrap());
        let failed = metric(&page, "relaygate_tls_reloads_total{outcome=\"failed\"}");
        assert_eq!(failed, number as f64 + 1.0, "{what}");
    }
}

/// A PEM block whose octets mean nothing.
fn broken(label: &str) -> String {
    format!("-----BEGIN {label}-----\nAAAA\n-----END {label}-----\n")
}

#[test]
fn a_start_says_what_is_wrong_with_a_certificate_and_where() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path(), "authority");
    let good = authority.certify("good", NAME);
    let mut mixed = good.clone();
    mixed.key = authority.certify("other", NAME).key;
    let expired = authority.certify_as("expired", Wanted { names: NAME, expired: true, ..Wanted::default() });
    let check = |flags: &str| {
        let flags = format!("check {flags}");
        let output = run_to_end(&flags.split_whitespace().collect::<Vec<_>>());
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, told) = check(&settings(folder.path(), std::slice::from_ref(&good)));
    assert_eq!(code, Some(0), "{told}");
    let (code, told) = check(&settings(folder.path(), &[good.clone(), mixed]));
    assert!(code == Some(2) && told.contains("other.key: this private key is not that"), "{told}");
    let (code, told) = check(&settings(folder.path(), &[expired]));
    assert!(code == Some(0) && told.contains("expired.pem: the certificate has expired"), "{told}");
    let nobody = file(folder.path(), "nobody.pem", "no authority\n");
    let (code, told) =
        check(&format!("{} --tls-client-ca {}", settings(folder.path(), &[good]), nobody.display()));
    assert!(code == Some(2) && told.contains("nobody.pem: there is no certificate in this file"), "{told}");
}
