//! `bench compare` as a command: its table is whole, and who cannot take part says why. How fast anybody is, it is not for
//! this to judge: the machine of a test does other things too.

use std::process::{Command, Output};

use serde_json::Value;

mod place;

use place::Place;

const BENCH: &str = env!("CARGO_BIN_EXE_bench");

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn compare(arguments: &[&str]) -> Output {
    Command::new(BENCH).args(["compare", "--quick", "--json"]).args(arguments).output().expect("bench starts")
}

fn columns(output: &Output) -> Vec<Value> {
    let report: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}{}", text(&output.stdout), text(&output.stderr)));
    report["peers"].as_array().expect("there are peers").clone()
}

#[test]
fn a_peer_that_nobody_knows_is_named_with_those_that_are_known() {
    let output = compare(&["--only", "exchange"]);
    let said = text(&output.stderr);
    assert!(!output.status.success(), "{output:?}");
    assert!(said.contains("--only exchange") && said.contains("Postfix"), "{said}");
}

#[test]
fn a_peer_that_is_not_there_says_so_and_the_others_are_measured() {
    let columns = columns(&compare(&["--relaygate", "/no/such/relaygate", "--only", "relaygate"]));
    let [responder, relaygate] = &columns[..] else { panic!("{columns:#?}") };
    assert!(relaygate["missing"].as_str().unwrap().contains("there is no /no/such/relaygate"), "{relaygate}");
    assert_eq!(relaygate["figures"].as_array().map(Vec::len), Some(0));
    assert_eq!((&responder["missing"], &responder["faults"]), (&Value::Null, &serde_json::json!([])));
    let figures = responder["figures"].as_array().unwrap();
    let cpu = figures.iter().find(|line| line["figure"] == "refused, pipelined: CPU").unwrap();
    assert_eq!(cpu["ratio"]["median"], 1.0, "{cpu}");
    assert!(cpu["rounds"]["median"].as_f64().unwrap() > 1.0, "{cpu}");
}

mod as_root {
    use super::*;

    /// What everybody who takes mail has a value for.
    const EVERYBODY: [&str; 8] = [
        "refused, plain: CPU",
        "refused, pipelined: p99.9",
        "one of 1,000 refused recipients: CPU",
        "idle session: memory",
        "busy session: memory",
        "honest message, 1 KiB: CPU",
        "honest message, 100 KiB: CPU",
        "body taken from a spammer",
    ];

    fn has_every_figure(column: &Value) {
        assert_eq!(column["missing"], Value::Null, "{column:#}");
        assert_eq!(column["faults"], serde_json::json!([]), "{column:#}");
        for name in EVERYBODY {
            let lines = column["figures"].as_array();
            let line = lines.and_then(|lines| lines.iter().find(|line| line["figure"] == name));
            let line = line.unwrap_or_else(|| panic!("no {name} in {column:#}"));
            let median = line["rounds"]["median"].as_f64();
            assert!(median > Some(0.0) || name == "body taken from a spammer", "{line}");
        }
    }

    #[test]
    fn those_of_debian_have_every_figure_and_leave_nothing_behind() {
        let place = Place::make();
        let mut command = Command::new(BENCH);
        command.args(["compare", "--quick", "--json"]).env("TMPDIR", place.path());
        command.args(["--only", "haproxy", "--only", "postfix", "--only", "postscreen"]);
        let output = command.output().unwrap();
        let columns = columns(&output);
        assert_eq!(columns.len(), 4, "{columns:#?}");
        columns[1..].iter().for_each(has_every_figure);
        place.assert_left();
    }
}
