//! Postfix's maps as a directory.

use std::sync::Arc;

use super::postmap::{Server, Table};
use super::{Site, socket_in};
use crate::postfix::Postfix;

#[test]
fn what_postmap_holds_is_known_and_its_server_may_come_and_go() {
    let table = Arc::new(Table::of(
        "user@example.test user/\nfirst.last@example.test user/\nsales%emea@example.test x\n",
    ));
    let folder = tempfile::tempdir().unwrap();
    let path = socket_in(folder.path());
    let server = Server::start(&path, &table);
    let postfix = Postfix::proper();
    let site = Site::start(
        postfix.address,
        &format!(
            "directory = \"socketmap:unix:{} name=recipients exact=yes domain=example.test\"\nrecipient-delimiter = \"+\"",
            path.display()
        ),
    );
    site.tells(&[
        ("user@example.test", "250 2.1.5"),
        ("First.Last@EXAMPLE.test", "250 2.1.5"),
        ("\"user\"@example.test", "250 2.1.5"),
        ("user+tag@example.test", "250 2.1.5"),
        ("nobody@example.test", "550 5.1.1"),
        ("nobody+tag@example.test", "550 5.1.1"),
        // A disguised address needs exactly its entry: neither its base nor a similar one will do. With it the backend is
        // asked, and this one reads a percent sign its own way.
        ("sales%emea@example.test", "454 4.7.1"),
        ("sales%apac@example.test", "550 5.7.1"),
        ("user+victim%far.example@example.test", "550 5.7.1"),
        // No directory is for this domain: the backend's own answer decides.
        ("anyone@other.test", "454 4.7.1"),
    ]);

    let asked = server.asked();
    assert!(
        site.told("user@example.test").starts_with("250")
            && site.told("nobody@example.test").starts_with("550")
    );
    assert_eq!(server.asked(), asked, "what is remembered is not asked for again");
    assert!(site.metric("relaygate_directory_cache_hits_total") >= 2.0);
    assert_eq!(site.metric("relaygate_directory_questions_total{kind=\"socketmap\"}"), asked as f64);

    drop(server);
    site.tells(&[("newcomer@example.test", "451 4.3.0"), ("user@example.test", "250 2.1.5")]);
    site.daemon.logged("the directory does not answer");

    table.write("newcomer@example.test newcomer/\n");
    let _server = Server::start(&path, &table);
    site.comes_to_tell("newcomer@example.test", "250 2.1.5");
    site.daemon.logged("the directory answers again");
    assert_eq!(site.daemon.log().matches("the directory does not answer").count(), 1);
}

#[test]
fn sighup_forgets_what_was_remembered() {
    let table = Arc::new(Table::of("user@example.test user/\n"));
    let folder = tempfile::tempdir().unwrap();
    let path = socket_in(folder.path());
    let _server = Server::start(&path, &table);
    let postfix = Postfix::proper();
    let site = Site::start(
        postfix.address,
        &format!("directory = \"socketmap:unix:{} name=recipients\"", path.display()),
    );
    site.tells(&[("user@example.test", "250"), ("newcomer@example.test", "550 5.1.1")]);
    table.write("newcomer@example.test newcomer/\n");
    site.tells(&[("user@example.test", "250"), ("newcomer@example.test", "550 5.1.1")]);
    site.daemon.signal(nix::sys::signal::Signal::SIGHUP);
    site.daemon.logged("directories reloaded");
    site.tells(&[("user@example.test", "550 5.1.1"), ("newcomer@example.test", "250")]);
}
