//! `bench report` as a program, on results that it was given: what is on its page, and what it says of files that are no
//! results. Measures nothing.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where, and fails")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/report").join(name)
}

fn all() -> [PathBuf; 3] {
    ["compare.json", "micro.json", "xdp.json"].map(fixture)
}

fn report(directory: &Path, results: &[PathBuf], arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bench"));
    command.current_dir(directory).arg("report").args(results).args(arguments).output().unwrap()
}

fn page() -> String {
    let directory = tempfile::tempdir().unwrap();
    let output = report(directory.path(), &all(), &["--html", "made/page.html"]);
    assert!(output.status.success(), "{output:?}");
    fs::read_to_string(directory.path().join("made/page.html")).unwrap()
}

#[test]
fn the_page_needs_nothing_beside_it() {
    let page = page();
    for loads in ["http:", "https:", "src=", "url(", "@import", "<script", "<link"] {
        assert!(!page.contains(loads), "{loads}");
    }
    assert!(page.contains("prefers-color-scheme: dark") && page.contains("width=device-width"));
}

#[test]
fn every_result_has_its_origin_its_table_and_its_bars() {
    let page = page();
    assert_eq!(page.matches("<table>").count(), 3);
    assert!(page.contains("<td class=\"failed\">NO</td>"), "a bound that does not hold is marked");
    for path in all() {
        let json: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
        for key in ["time", "kernel", "machine"] {
            assert!(page.contains(json[key].as_str().unwrap()), "{key} of {}", json["bench"]);
        }
        let peers = json["peers"].as_array().into_iter().flatten();
        let lines = peers.flat_map(|peer| peer["figures"].as_array().unwrap());
        for line in lines.chain(json["figures"].as_array().into_iter().flatten()) {
            let what = line["figure"].as_str().or_else(|| line["what"].as_str()).unwrap();
            assert!(page.contains(&format!("<th scope=\"row\">{what}</th>")), "{what}");
        }
    }
    assert!(page.contains("<th scope=\"col\">OpenSMTPD 6.8.0p2-4+b4</th>"), "the version of a peer");
    let plots = page.matches("<svg role=\"img\" aria-label=\"").count();
    assert!(plots > 8 && page.matches("<title>").count() == plots + 1, "{plots}: each says what it is");
}

#[test]
fn what_was_not_measured_is_said_with_its_reason() {
    let page = page();
    let reason = "npm cannot be started: No such file or directory; is Node.js &#60;20&#62; installed?";
    assert!(
        page.contains(&format!("<li>Haraka took no part: {reason}</li>")),
        "and what it said is no markup"
    );
    assert!(page.contains("<li>OpenSMTPD, refused sessions, pipelined: "));
}

#[test]
fn markdown_has_the_same_tables() {
    let directory = tempfile::tempdir().unwrap();
    let output = report(directory.path(), &all(), &["--markdown"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
    assert_eq!(text.matches("\n## ").count() + usize::from(text.starts_with("## ")), 3, "{text}");
    assert!(text.contains("| refused, pipelined: CPU ") && text.contains("| parse RCPT "), "{text}");
    assert!(text.contains("- Haraka took no part: npm"), "{text}");
    assert!(!directory.path().join("target").exists(), "a page that nobody asked for");
}

#[test]
fn without_files_those_of_the_directory_are_taken() {
    let directory = tempfile::tempdir().unwrap();
    let nothing = report(directory.path(), &[], &[]);
    let said = String::from_utf8_lossy(&nothing.stderr).into_owned();
    assert!(!nothing.status.success() && said.contains("there is no result in target/bench"), "{said}");
    let results = directory.path().join("target/bench");
    fs::create_dir_all(&results).unwrap();
    fs::copy(fixture("micro.json"), results.join("micro.json")).unwrap();
    assert!(report(directory.path(), &[], &[]).status.success());
    assert!(fs::read_to_string(results.join("report.html")).unwrap().contains("parse RCPT"));
}

#[test]
fn a_file_that_is_no_result_is_named_with_what_is_wrong() {
    let directory = tempfile::tempdir().unwrap();
    let whole = fs::read_to_string(fixture("micro.json")).unwrap();
    let other_format = whole.replace("\"format\": 1", "\"format\": 99");
    let rows = [
        ("cut.json", &whole[..whole.len() / 2], "it is cut off"),
        ("empty.json", "", "it is cut off"),
        ("older.json", &*other_format, "it has format 99, and this program reads 1: take it anew"),
        ("table.json", "| what | entries |", "it is not JSON"),
        ("other.json", "{\"name\": \"x\"}", "missing field `bench`"),
        ("load.json", "{\"bench\": \"load\", \"format\": 1}", "it is of `bench load`"),
        ("null.json", &whole.replace("\"min\": ", "\"min\": null, \"was\": "), "not what `bench` prints"),
    ];
    for (name, text, expected) in rows {
        let path = directory.path().join(name);
        fs::write(&path, text).unwrap();
        let output = report(directory.path(), &[fixture("xdp.json"), path], &["--html", "page.html"]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success(), "{name}");
        assert!(said.contains(name) && said.contains(expected), "{name}: {said}");
        assert!(!directory.path().join("page.html").exists(), "half a page, for {name}");
    }
    let absent = report(directory.path(), &[PathBuf::from("absent.json")], &[]);
    assert!(String::from_utf8_lossy(&absent.stderr).contains("cannot read absent.json"), "{absent:?}");
}
