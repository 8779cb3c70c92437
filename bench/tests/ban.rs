//! `bench ban` as a command: both ban, and it says what it lacks. How soon is not for this to judge: the machine of a test
//! does other things too.

use std::process::Command;

mod place;

use place::Place;

const BENCH: &str = env!("CARGO_BIN_EXE_bench");

#[test]
fn its_help_names_every_option() {
    let output = Command::new(BENCH).args(["ban", "--help"]).output().unwrap();
    let help = String::from_utf8_lossy(&output.stdout).into_owned();
    for option in ["--relaygate", "--rounds", "--quick", "--json", "--server-cpu", "--cache", "--record"] {
        assert!(help.contains(option), "{help}");
    }
}

mod as_root {
    use std::path::Path;

    use serde_json::Value;

    use super::*;

    #[test]
    fn both_ban_and_nothing_is_left_behind() {
        let relaygate = Path::new(BENCH).with_file_name("relaygate");
        assert!(relaygate.is_file(), "there is no {}: build it first", relaygate.display());
        let mut command = Command::new(BENCH);
        let place = Place::make();
        command.args(["ban", "--quick", "--json", "--relaygate"]).arg(&relaygate).env("TMPDIR", place.path());
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let report: Value =
            serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {said}"));
        let [p99, median] = report["figures"].as_array().map_or(&[][..], Vec::as_slice) else {
            panic!("{report:#} {said}")
        };
        for figure in [p99, median] {
            let took = figure["relaygate"]["median"].as_f64().unwrap();
            assert!(took > 1.0 && took < 1_000_000.0, "{figure}");
        }
        assert_eq!(median["compared"]["other"], "fail2ban", "{median} {said}");
        assert!(median["compared"]["took"]["median"].as_f64() > Some(1_000.0), "{median}");
        let rules = Command::new("nft").args(["list", "tables"]).output().unwrap();
        assert!(!String::from_utf8_lossy(&rules.stdout).contains("f2b-table"), "{rules:?}");
        place.assert_left();
    }

    #[test]
    fn a_relaygate_that_is_not_there_is_named_and_nothing_is_measured() {
        let output =
            Command::new(BENCH).args(["ban", "--quick", "--relaygate", "/no/such/relaygate"]).output();
        let output = output.unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && output.stdout.is_empty(), "{output:?}");
        assert!(said.contains("there is no /no/such/relaygate"), "{said}");
    }
}
