//! `bench micro` as a program: what it measures, and what it says of it.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where, and fails")]

use std::process::Command;

#[test]
fn a_quick_run_gives_every_figure_and_none_is_absurd() {
    let output =
        Command::new(env!("CARGO_BIN_EXE_bench")).args(["micro", "--quick", "--json"]).output().unwrap();
    assert!(output.status.success(), "bounds that do not hold are no failure without --check: {output:?}");
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let figures = json["figures"].as_array().unwrap();
    // Not optimised here: the bounds are for release builds alone.
    for (what, other, has_bound) in [
        ("parse MAIL", Some("smtp-proto"), true),
        ("parse RCPT", Some("smtp-proto"), true),
        ("decide: relaying prohibited", None, false),
        ("strike", None, false),
        ("scan data: ordinary text", Some("memcpy"), true),
        ("scan data: empty lines alone", Some("memcpy"), true),
        ("scan data: bare newlines alone", Some("memcpy"), true),
        ("scan data: one octet a line, bare newlines", Some("memcpy"), true),
    ] {
        let figure = figures.iter().find(|figure| figure["what"] == what);
        let figure = figure.unwrap_or_else(|| panic!("no {what} in {figures:#?}"));
        let took = figure["relaygate"]["median"].as_f64().unwrap();
        assert!(took > 0.0 && took < 1e6, "{figure}");
        assert_eq!(figure["compared"]["other"].as_str(), other, "{figure}");
        assert_eq!(figure["holds"].is_boolean(), has_bound, "{figure}");
    }
    assert_eq!(figures.len(), 8);
}
