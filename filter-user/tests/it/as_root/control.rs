//! Who may ask over the control socket: the kernel keeps strangers out.

use std::process::Command;

use crate::daemon::Daemon;

#[test]
fn a_stranger_may_not_ask_and_the_group_may_where_it_is_let_in() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    for (mode, group, may) in
        [("", 65534, false), ("", 0, false), ("mode=0660", 65534, false), ("mode=0660", 0, true)]
    {
        let path = folder.path().join("control");
        let config = folder.path().join("relaygate.toml");
        std::fs::write(&config, format!("control-socket = \"{} {mode}\"\n", path.display())).unwrap();
        let daemon = Daemon::start(&format!("--backend sink: --config {}", config.display()));
        let output = Command::new("setpriv")
            .args([
                "--reuid=65534",
                &format!("--regid={group}"),
                "--clear-groups",
                env!("CARGO_BIN_EXE_relaygate"),
            ])
            .args(["status", "--control-socket", path.to_str().unwrap()])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.success(), may, "{mode} {group}: {said}");
        assert!(may || said.contains("Permission denied"), "{mode} {group}: {said}");
        assert!(daemon.stop().0.success());
    }
}
