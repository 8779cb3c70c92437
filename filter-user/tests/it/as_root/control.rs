//! Who may ask over the control socket: the kernel keeps strangers out.

use std::process::Command;

use crate::daemon::Daemon;

/// Runs a command as somebody who is nobody here, in this group.
fn as_stranger(group: u32, words: &[&str]) -> (bool, String) {
    let output = Command::new("setpriv")
        .args(["--reuid=65534", &format!("--regid={group}"), "--clear-groups"])
        .arg(env!("CARGO_BIN_EXE_relaygate"))
        .args(words)
        .output()
        .unwrap();
    (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// A daemon whose control socket is so, and its path.
fn asked(folder: &std::path::Path, options: &str) -> (Daemon, String) {
    std::fs::set_permissions(folder, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let path = folder.join("control").to_str().unwrap().to_owned();
    let config = folder.join("relaygate.toml");
    std::fs::write(&config, format!("control-socket = \"{path} {options}\"\n")).unwrap();
    (Daemon::start(&format!("--backend sink: --config {}", config.display())), path)
}

#[test]
fn the_group_may_look_at_peers_and_change_them_only_where_it_is_said() {
    let folder = tempfile::tempdir().unwrap();
    for (options, may_edit) in [("mode=0660", false), ("mode=0660 edit=group", true)] {
        let (daemon, path) = asked(folder.path(), options);
        let peers =
            |words: &[&str]| as_stranger(0, &[&["peers"], words, &["--control-socket", &path]].concat());
        for words in [&["list"][..], &["show", "192.0.2.7"], &["list", "--allowed"]] {
            let (done, said) = peers(words);
            assert!(done, "{options} {words:?}: {said}");
        }
        for words in [
            &["block", "192.0.2.7"][..],
            &["unblock", "192.0.2.7"],
            &["limit", "192.0.2.7"],
            &["unblock", "192.0.2.7"],
            &["authenticate", "192.0.2.7"],
            &["authenticate", "192.0.2.7", "--end"],
            &["allow", "192.0.2.7"],
            &["allow", "192.0.2.7", "--end"],
        ] {
            let (done, said) = peers(words);
            assert_eq!(done, may_edit, "{options} {words:?}: {said}");
            assert!(
                may_edit || said.contains("user 65534 may look at peers, and has no say in peers"),
                "{said}"
            );
        }
        assert_eq!(daemon.log().contains("\"by\":65534"), may_edit, "who did it is logged");
    }
}

#[test]
fn a_stranger_may_not_ask_and_the_group_may_where_it_is_let_in() {
    let folder = tempfile::tempdir().unwrap();
    for (mode, group, may) in
        [("", 65534, false), ("", 0, false), ("mode=0660", 65534, false), ("mode=0660", 0, true)]
    {
        let (daemon, path) = asked(folder.path(), mode);
        let (done, said) = as_stranger(group, &["status", "--control-socket", &path]);
        assert_eq!(done, may, "{mode} {group}: {said}");
        assert!(may || said.contains("Permission denied"), "{mode} {group}: {said}");
        assert!(daemon.stop().0.success());
    }
}
