//! `bench simulate` as a program: what it prints, and what it refuses.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where, and fails")]

use std::process::{Command, Output};

fn simulate(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_bench")).arg("simulate").args(arguments).output().unwrap()
}

fn text(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets).into_owned()
}

#[test]
fn the_same_seed_prints_the_same_and_json_has_the_table_s_values() {
    let arguments = ["--scenario", "botnet", "--hosts", "1100", "--seed", "7"];
    let [first, second] = [(); 2].map(|()| simulate(&arguments));
    assert!(first.status.success() && first.stderr.is_empty(), "{first:?}");
    assert_eq!(first.stdout, second.stdout);
    let json: serde_json::Value =
        serde_json::from_slice(&simulate(&[&arguments[..], &["--json"]].concat()).stdout).unwrap();
    let packets = json["runs"][0]["outcome"]["attack"]["packets_dropped"].as_u64().unwrap();
    let table = text(&first.stdout);
    assert!(
        table.lines().any(|line| line.contains("die in the kernel") && line.contains(&packets.to_string()))
    );
    assert_eq!((&json["scenario"], &json["runs"][0]["outcome"]["hosts"]), (&"botnet".into(), &1100.into()));
}

#[test]
fn a_sweep_has_a_column_for_each_value_and_two_plots() {
    let output = simulate(&["--hosts", "1100", "--sweep", "strikes-to-block=4,10,40"]);
    let said = text(&output.stdout);
    assert!(output.status.success(), "{output:?}");
    let header = said.lines().find(|line| line.contains("--strikes-to-block")).unwrap();
    assert!(["4", "10", "40"].iter().all(|value| header.contains(value)), "{header}");
    assert_eq!(said.matches(", by --strikes-to-block\n").count(), 2, "{said}");
    assert!(said.contains('*'), "{said}");
}

#[test]
fn what_is_wrong_is_told_with_what_would_be_right() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mine.toml");
    std::fs::write(&file, "about = \"x\"\nlasts = \"1h\"\n[[group]]\nname = \"a\"\nhosts = true\n").unwrap();
    let rows: [(&[&str], &str); 8] = [
        (&["--scenario", file.to_str().unwrap()], "line 5"),
        (&["--scenario", "nowhere.toml"], "day-of-attack"),
        (&["--block-for", "soon"], "--block-for takes a time"),
        (&["--strikes-to-limit", "99"], "above --strikes-to-block"),
        (&["--sweep", "strikes-to-block=2,10"], "with --strikes-to-block 2"),
        (&["--sweep", "strikes=1"], "there is no tuning flag strikes"),
        (&["--sweep", "block-for"], "expected a flag"),
        (&["--hosts", "0"], "--hosts"),
    ];
    for (arguments, expected) in rows {
        let output = simulate(arguments);
        let said = text(&output.stderr);
        assert!(!output.status.success() && output.stdout.is_empty(), "{arguments:?}: {output:?}");
        assert!(said.contains(expected), "{arguments:?}: {said}");
    }
}

#[test]
fn help_names_relaygate_s_flags_and_their_defaults() {
    let help = text(&simulate(&["--help"]).stdout);
    for part in ["--strikes-to-block", "[default: 10]", "--limit-rate", "--sweep", "--json", "--seed"] {
        assert!(help.contains(part), "{help}");
    }
}
