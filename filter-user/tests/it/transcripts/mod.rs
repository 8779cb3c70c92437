//! Conversations as files: `<behaviour>.smtp`, each played as it is written, octet by octet, and in one write. Pure: the
//! clock is the transcript's own, and nothing is dialled.
//!
//! A line of a transcript begins with what it is:
//!
//! | | |
//! | --- | --- |
//! | `#` | a remark |
//! | `settings:` | `name = value; …`, see `script.rs` |
//! | `C:` | what the client sends, with CR LF behind it unless the line ends with `\`; `\r \n \t \\ \xHH` are octets, `\*n` repeats what stands before it |
//! | `S:` | a line that we answer, `*` for anything; `250-*` for all of a reply of several lines |
//! | `B:` | what the backend sees, line by line; `never dialled` for nothing; unchecked if there is no such line |
//! | `D:` | a decision on a recipient (may be left out), an offence or the end of the session (may not) |
//! | `A:` | what the authenticator says, one for each AUTH and each response: `challenge <base64>`, `yes`, `no`, `away` |
//! | `T:` | the TLS handshake is done |
//! | `+` | time that passes: `10s`, `5m`, `1h` |
//!
//! The banner is expected before the first line.

mod authenticator;
mod playing;
mod policy;
mod script;
mod services;

use std::path::{Path, PathBuf};

use playing::{Played, Writes, play};
use script::Script;

fn transcripts() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/transcripts");
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .expect("the transcripts lie beside this file")
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "smtp"))
        .collect();
    files.sort();
    files
}

#[test]
fn every_transcript_holds_whole_octet_by_octet_and_in_one_write() {
    let files = transcripts();
    assert!(files.len() >= 30, "{} transcripts", files.len());
    let mut failures = Vec::new();
    for file in &files {
        let name = file.file_name().unwrap().to_string_lossy();
        let script = Script::parse(&std::fs::read_to_string(file).unwrap());
        let script = script.unwrap_or_else(|error| panic!("{name}: {error}"));
        for writes in [Writes::AsWritten, Writes::OctetByOctet, Writes::AllAtOnce] {
            let played = play(&script, writes);
            if let Err(difference) = compare(&script, &played) {
                failures.push(format!("{name}, {writes:?}: {difference}"));
            }
        }
    }
    assert!(failures.is_empty(), "\n{}\n", failures.join("\n\n"));
}

fn compare(script: &Script, played: &Played) -> Result<(), String> {
    if let Some(difference) = &played.out_of_turn {
        return Err(difference.clone());
    }
    same_lines("S:", &script.replies, &played.replies)?;
    // a decision on a recipient may be left out, the end of a session may not
    let mut decided = played.decisions.iter().peekable();
    for expected in &script.decisions {
        while decided.next_if(|said| said.may_be_left_out && !matches(expected, &said.text)).is_some() {}
        match decided.next() {
            Some(said) if matches(expected, &said.text) => {}
            said => {
                return Err(format!("expected D: {expected}\n     was D: {}", said.map_or("-", |s| &s.text)));
            }
        }
    }
    if let Some(said) = decided.find(|said| !said.may_be_left_out) {
        return Err(format!("not expected: D: {}", said.text));
    }
    match &script.backend {
        Some(expected) => same_lines("B:", expected, &played.backend),
        None => Ok(()),
    }
}

fn same_lines(kind: &str, expected: &[String], were: &[String]) -> Result<(), String> {
    let mut were_left = were.iter();
    for (at, expected) in expected.iter().enumerate() {
        let mut was = were_left.next();
        if expected.ends_with("-*") {
            while was.is_some_and(|line| line.as_bytes().get(3) == Some(&b'-')) {
                was = were_left.next();
            }
            if was.is_some_and(|line| line.starts_with(&expected[..3])) {
                continue;
            }
        }
        if !was.is_some_and(|line| matches(expected, line)) {
            return Err(format!(
                "line {}: expected {kind} {expected}\n     was {kind} {}\n     of {were:#?}",
                at + 1,
                was.map_or("-", String::as_str)
            ));
        }
    }
    match were_left.next() {
        None => Ok(()),
        Some(line) => Err(format!("not expected: {kind} {line}")),
    }
}

/// Whether `line` is what `pattern` says, with `*` for anything.
fn matches(pattern: &str, line: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == line,
        Some((begin, rest)) => line.strip_prefix(begin).is_some_and(|line| {
            (0..=line.len()).any(|at| line.is_char_boundary(at) && matches(rest, &line[at..]))
        }),
    }
}

#[test]
fn a_star_stands_for_anything() {
    for (pattern, line) in [("250 *", "250 ok"), ("*", ""), ("5*.7.*x", "550 5.7.1 yx"), ("a", "a")] {
        assert!(matches(pattern, line), "{pattern} {line}");
    }
    for (pattern, line) in [("250 *", "251 ok"), ("a", "ab"), ("*x", "xy")] {
        assert!(!matches(pattern, line), "{pattern} {line}");
    }
}

#[test]
fn a_transcript_that_is_none_says_where() {
    for (text, error) in [
        ("X: a", "line 1: begins with none of C: S: B: D: A: T: + settings:"),
        ("C: \\q", "line 1: \\q is no escape"),
        ("\nsettings: colour = red", "line 2: colour is no setting"),
        ("settings: errors = many", "line 1: many is no number"),
        ("+ 5", "line 1: 5 is no time"),
    ] {
        assert_eq!(Script::parse(text).err().as_deref(), Some(error));
    }
}

#[test]
fn each_test_that_the_holes_page_names_is_there() {
    let page = include_str!("../../../../docs/holes.md");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it");
    let mut named = 0;
    for row in page.lines().filter(|line| line.starts_with("| [")) {
        for word in row.split('`').filter(|word| !word.contains(' ')) {
            let place = match word.rsplit_once('.') {
                Some((_, "smtp")) => "transcripts",
                Some((_, "rows")) => "decisions",
                _ => continue,
            };
            named += 1;
            assert!(folder.join(place).join(word).is_file(), "{word} is named in: {row}");
        }
    }
    assert!(named > 0, "the page names no test");
}
