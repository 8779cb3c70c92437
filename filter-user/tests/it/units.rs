//! The units of systemd under `docs/systemd`: systemd itself finds nothing wrong with them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn units() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/systemd");
    let mut units: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    units.sort();
    units
}

/// What systemd says of units that stand in a folder together, changed before; nothing where it finds no fault.
fn faults(change: impl Fn(String) -> String) -> String {
    let folder = tempfile::tempdir().unwrap();
    let verified: Vec<_> = units()
        .iter()
        .map(|unit| {
            let text = fs::read_to_string(unit).unwrap();
            // It looks for the programs.
            let text = text.replace("/usr/bin/relaygate", env!("CARGO_BIN_EXE_relaygate"));
            let copy = folder.path().join(unit.file_name().unwrap());
            fs::write(&copy, change(text)).unwrap();
            copy
        })
        .collect();
    let output =
        Command::new("systemd-analyze").args(["verify", "--man=no"]).args(verified).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() || !said.is_empty(), "{output:?}");
    // It also looks at units that ours want and that this machine may have or not.
    let ours = |line: &&str| line.contains("relaygate");
    said.lines().filter(ours).map(|line| format!("{line}\n")).collect()
}

#[test]
fn systemd_finds_no_fault_in_them_and_would_if_there_were_one() {
    assert_eq!(units().len(), 3);
    assert_eq!(faults(|text| text), "");
    assert!(
        faults(|text| text.replace("RestrictRealtime=", "RestrictRealTime=")).contains("RestrictRealTime")
    );
    assert!(
        faults(|text| text.replace("ExecStart=", "ExecStart=/no/such/program ")).contains("/no/such/program")
    );
}

/// No more than what `docs/operations.md` names, and nothing at all where `relaygate load` has done it before.
#[test]
fn they_grant_what_the_page_of_operations_gives_a_reason_for() {
    let page = include_str!("../../../docs/operations.md");
    for unit in units() {
        let name = unit.file_name().unwrap().to_string_lossy().into_owned();
        assert!(page.contains(&format!("(systemd/{name})")), "the page does not name {name}");
        let text = fs::read_to_string(&unit).unwrap();
        let granted = text.lines().find_map(|line| line.strip_prefix("CapabilityBoundingSet=")).unwrap();
        assert_eq!(granted.is_empty(), name == "relaygate-unprivileged.service", "{name}");
        for capability in granted.split_whitespace() {
            assert!(
                page.contains(&format!("`{capability}`")),
                "{name}: {capability} has no line in the page"
            );
        }
        assert!(text.contains("NoNewPrivileges=yes"), "{name}");
    }
}
