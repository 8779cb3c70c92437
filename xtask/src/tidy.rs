//! Checks on the source text: first lines, lengths, names, leftovers, rows of tables that nothing uses, tests that a page
//! names. Compiles nothing.

use anyhow::bail;

use crate::rust_source;
use crate::shown;
use crate::tree::{self, TextFile};

/// A file past this is split along its states.
const LONGEST: usize = 400;

/// Files that may be longer, each with the reason.
const LONGER: [(&str, &str); 0] = [];

/// Names that say nothing: if a function has no home, a word is missing.
const SAY_NOTHING: [&str; 8] = ["common", "helper", "helpers", "manager", "misc", "util", "utils", "stuff"];

/// Marks of what is unfinished; written in two halves, so that this file has none.
const LEFTOVERS: [&str; 3] = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X:")];

/// What git writes where two changes met, at the beginnings of lines; in Markdown a line of `=` makes a title of the one before.
const CONFLICTS: [&str; 3] = ["<<<<<<< ", ">>>>>>> ", "||||||| "];

/// Folders of one machine, which no other has.
const MACHINE_PATHS: [&str; 4] =
    [concat!("/ho", "me/"), concat!("/ro", "ot/"), concat!("/wo", "rk/"), concat!("/tm", "p/w/")];

/// Tables whose rows are public constants, which the compiler lets stand unused; and how a row is named where it is used.
const TABLES: [(&str, &str); 2] =
    [("filter-user/src/telemetry/field.rs", "field::"), ("filter-user/src/smtp/reply.rs", "")];

/// Checks the whole tree.
pub(crate) fn run() -> anyhow::Result<()> {
    let files = tree::text_files("")?;
    let mut faults: Vec<String> = files.iter().flat_map(faults_of).collect();
    for (path, reason) in LONGER {
        let lines = files.iter().find(|file| file.path == path).map_or(0, |file| file.text.lines().count());
        if lines <= LONGEST {
            faults.push(format!("{path}: need not be excepted for its length any more ({reason})"));
        }
    }
    faults.extend(TABLES.iter().flat_map(|(table, prefix)| unused_rows(&files, table, prefix)));
    faults.extend(shown::faults(&files));
    if !faults.is_empty() {
        bail!("the source is not tidy:\n  {}", faults.join("\n  "));
    }
    Ok(())
}

fn faults_of(file: &TextFile) -> Vec<String> {
    let mut faults = Vec::new();
    let path = &file.path;
    if path.ends_with(".rs") {
        if !file.text.starts_with("//! ") {
            faults
                .push(format!("{path}:1: a file begins with `//!`, what it is for and what it does not do"));
        }
        let lines = file.text.lines().count();
        if lines > LONGEST && !LONGER.iter().any(|(longer, _)| longer == path) {
            faults.push(format!("{path}: {lines} lines, more than {LONGEST}: split it along its states"));
        }
        let parts = path.trim_end_matches(".rs").split('/');
        for part in parts.filter(|part| SAY_NOTHING.contains(part)) {
            faults.push(format!("{path}: the name {part:?} says nothing: find the word that is missing"));
        }
    }
    for (number, line) in file.text.lines().enumerate() {
        let mut fault = |what: String| faults.push(format!("{path}:{}: {what}", number + 1));
        if let Some(leftover) = LEFTOVERS.iter().find(|leftover| line.contains(**leftover)) {
            fault(format!("{leftover}: finish it, or write an issue"));
        }
        if let Some(place) = MACHINE_PATHS.iter().find(|place| line.contains(**place)) {
            fault(format!("{place} is a folder of one machine"));
        }
        if CONFLICTS.iter().any(|mark| line.starts_with(mark)) {
            fault("what git writes where two changes meet: choose, and take the mark out".to_owned());
        }
        // In Markdown two spaces at the end are a line break.
        if line.ends_with([' ', '\t']) && !path.ends_with(".md") && !path.ends_with(".1") {
            fault("space at the end of the line".to_owned());
        }
    }
    faults
}

/// The rows of `table` that no code of the daemon names; tests do not count.
fn unused_rows(files: &[TextFile], table: &str, prefix: &str) -> Vec<String> {
    let rows: Vec<(usize, &str)> = files
        .iter()
        .filter(|file| file.path == table)
        .flat_map(|file| (1..).zip(file.text.lines()))
        .filter_map(|(number, line)| Some((number, row_name(line)?)))
        .collect();
    if rows.is_empty() {
        return vec![format!("{table}: has no rows of the form that is looked for")];
    }
    let code: Vec<String> = files
        .iter()
        .filter(|file| file.path.starts_with("filter-user/src/") && file.path.ends_with(".rs"))
        .filter(|file| file.path != table && !file.path.ends_with("/tests.rs"))
        .map(|file| rust_source::without_tests(&rust_source::code(&file.text)))
        .collect();
    let used = |row: &str| code.iter().any(|code| has_word(code, &format!("{prefix}{row}")));
    rows.iter()
        .filter(|(_, row)| !used(row))
        .map(|(number, row)| format!("{table}:{number}: {row} is used nowhere: use it, or take it out"))
        .collect()
}

/// `NAME` of `    NAME = "…` and of `    NAME "…`.
fn row_name(line: &str) -> Option<&str> {
    let (name, rest) = line.strip_prefix("    ")?.split_once(' ')?;
    let is_name = name.starts_with(|first: char| first.is_ascii_uppercase())
        && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_');
    (is_name && rest.trim_start_matches("= ").starts_with('"')).then_some(name)
}

/// Whether `word` stands in `code`, and not as a part of a longer one.
fn has_word(code: &str, word: &str) -> bool {
    let in_word = |character: char| character.is_alphanumeric() || character == '_';
    code.match_indices(word)
        .any(|(at, _)| !code[..at].ends_with(in_word) && !code[at + word.len()..].starts_with(in_word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tree_is_tidy() {
        run().unwrap();
    }

    #[test]
    fn what_is_untidy_is_named() {
        let long = format!("//! Long.\n{}", "x\n".repeat(400));
        let leftover = format!("//! Half.\n// {}: the rest\n", LEFTOVERS[0]);
        let place = format!("see {}me\n", MACHINE_PATHS[0]);
        let rows = [
            ("a/src/b.rs", "//! Good.\n", ""),
            ("a/src/b.rs", "// Bad.\n", "begins with `//!`"),
            ("a/src/b.rs", &long, "401 lines"),
            ("a/src/utils.rs", "//! Bad.\n", "\"utils\" says nothing"),
            ("filter-common/src/b.rs", "//! Good.\n", ""),
            ("a/src/b.rs", &leftover, "finish it"),
            ("docs/b.md", &place, "folder of one machine"),
            ("a/src/b.rs", "//! Bad. \n", "space at the end"),
            ("docs/b.md", "<<<<<<< HEAD\n", "two changes meet"),
        ];
        for (path, text, wanted) in rows {
            let faults = faults_of(&TextFile { path: path.to_owned(), text: text.to_owned() }).join("\n");
            assert!(
                if wanted.is_empty() { faults.is_empty() } else { faults.contains(wanted) },
                "{path}: {faults}"
            );
        }
    }

    #[test]
    fn a_row_that_nothing_uses_is_named() {
        let file = |path: &str, text: &str| TextFile { path: path.to_owned(), text: text.to_owned() };
        let table = "filter-user/src/a/field.rs";
        let rows = "fields! {\n    PEER = \"peer\", \"a\";\n    PEERS = \"peers\", \"b\";\n}\n";
        for (code, wanted) in [
            ("f!({ field::PEER } = a, { field::PEERS } = b)", ""),
            ("f!({ field::PEER } = a)", "field.rs:3: PEERS is used nowhere"),
            ("f!({ field::PEERS } = a)", "field.rs:2: PEER is used nowhere"),
            ("f!({ field::PEERS } = a) // field::PEER", "field.rs:2: PEER is used nowhere"),
            (
                "f!({ field::PEERS } = a)\n#[cfg(test)]\nmod tests { fn f() { field::PEER } }",
                "field.rs:2: PEER is used nowhere",
            ),
        ] {
            let faults =
                unused_rows(&[file(table, rows), file("filter-user/src/b.rs", code)], table, "field::");
            assert_eq!(faults.is_empty(), wanted.is_empty(), "{code}: {faults:?}");
            assert!(faults.join("\n").contains(wanted), "{code}: {faults:?}");
        }
        assert!(!unused_rows(&[file(table, "")], table, "field::").is_empty());
    }
}
