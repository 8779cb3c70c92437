//! `bench xdp` as a command: what it prints is whole and not absurd, and it says what it lacks. How fast the kernel
//! program is, it is not for this to judge: the machine of a test does other things too.

use std::process::{Command, Output};

use serde_json::Value;

const BENCH: &str = env!("CARGO_BIN_EXE_bench");

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The figures, of which each is named by what, entries, unit and beside whom.
fn figures(output: &Output) -> Vec<(String, Value)> {
    let report: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}{}", text(&output.stdout), text(&output.stderr)));
    let name = |figure: &Value| {
        let field = |name: &str| figure[name].as_str().unwrap_or_default().to_owned();
        let other = figure["compared"]["other"].as_str().unwrap_or("-").to_owned();
        format!("{} {} {} {other}", field("what"), figure["entries"], field("unit"))
    };
    let figures = report["figures"].as_array().expect("there are figures");
    figures.iter().map(|figure| (name(figure), figure.clone())).collect()
}

#[test]
fn its_help_names_every_option() {
    let output = Command::new(BENCH).args(["xdp", "--help"]).output().unwrap();
    let help = text(&output.stdout);
    for option in ["--quick", "--json", "--cpu", "--generator-cpu", "--record"] {
        assert!(help.contains(option), "{help}");
    }
}

mod as_root {
    use super::*;

    #[test]
    fn a_quick_run_gives_every_figure_and_none_is_absurd() {
        let output = Command::new(BENCH).args(["xdp", "--quick", "--json"]).output().unwrap();
        let figures = figures(&output);
        let rows = [
            ("a packet not for us 1 nanoseconds-run parse and pass", 4.0),
            ("a packet not for us 1 nanoseconds-received parse and pass", 2.0),
            ("blocked 1 nanoseconds-program one hash look-up", 8.0),
            ("blocked 1 nanoseconds-program xdp-filter", 10.0),
            ("blocked 10000 nanoseconds-program one hash look-up", 5.0),
            ("blocked 10000 nanoseconds-program xdp-filter", 6.0),
            ("blocked 10000 nanoseconds-received one hash look-up", 3.0),
            ("blocked 10000 nanoseconds-received nftables", 1.5),
            ("blocked 10000 nanoseconds-received xdp-filter", 4.0),
            ("blocked 10000 nanoseconds-received no work", 20.0),
            ("limited, within the rate 10000 nanoseconds-program one hash look-up", 6.0),
        ];
        for (name, most) in rows {
            let found = figures.iter().find(|(known, _)| known == name);
            let (_, figure) = found.unwrap_or_else(|| panic!("no {name} in {figures:#?}"));
            let ratio = figure["compared"]["ratio"]["median"].as_f64().unwrap();
            assert!(ratio > 0.0 && ratio < most, "{name}: {figure}");
        }
        let rows = [
            ("memory 100000 mebibytes one hash look-up", 1.0, 64.0),
            ("inserts 100000 millions-a-second one hash look-up", 0.01, 1000.0),
            ("block to first drop, p99 20 microseconds -", 0.5, 200_000.0),
        ];
        for (name, least, most) in rows {
            let found = figures.iter().find(|(known, _)| known == name);
            let (_, figure) = found.unwrap_or_else(|| panic!("no {name} in {figures:#?}"));
            let value = figure["relaygate"]["median"].as_f64().unwrap();
            assert!(value > least && value < most, "{name}: {figure}");
        }
    }

    #[test]
    fn without_the_privilege_it_says_which_and_touches_nothing() {
        let output =
            Command::new("setpriv").args(["--bounding-set=-all", BENCH, "xdp", "--quick"]).output().unwrap();
        let said = text(&output.stderr);
        assert!(!output.status.success() && output.stdout.is_empty(), "{output:?}");
        assert!(said.contains("CAP_SYS_ADMIN") && said.contains("run as root"), "{said}");
    }
}
