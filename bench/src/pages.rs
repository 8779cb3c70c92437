//! Whether the commands of this suite that the pages print are ones that it takes. Runs none of them.

use std::fs;
use std::path::Path;

use clap::Parser as _;

use crate::Bench;

/// How a page calls the suite.
const CALLS: [&str; 2] = ["cargo run --release -p bench -- ", "target/release/bench "];

/// The arguments of each call in the blocks of a page, `$ ` before it or not.
fn calls(page: &str) -> Vec<&str> {
    let mut in_block = false;
    page.lines()
        .filter(|line| {
            let is_fence = line.starts_with("```");
            in_block ^= is_fence;
            in_block && !is_fence
        })
        .map(|line| line.trim_start_matches("$ "))
        .filter_map(|line| CALLS.iter().find_map(|call| line.strip_prefix(call)))
        .map(|arguments| arguments.split(" #").next().unwrap_or(arguments))
        .collect()
}

/// What is wrong with the arguments, if something is. Quotes hold words together, as in a shell.
fn fault(arguments: &str) -> Option<String> {
    let mut words = vec!["bench".to_owned()];
    for (number, part) in arguments.split('\'').enumerate() {
        if number % 2 == 1 {
            words.push(part.to_owned());
        } else {
            words.extend(part.split_whitespace().map(str::to_owned));
        }
    }
    Bench::try_parse_from(words).err().filter(clap::Error::use_stderr).map(|error| error.to_string())
}

#[test]
fn the_commands_that_the_pages_print_are_taken() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let docs = fs::read_dir(top.join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let pages = docs.filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    let mut seen = 0;
    for path in pages.chain([top.join("README.md"), top.join("CONTRIBUTING.md")]) {
        let page = fs::read_to_string(&path).unwrap();
        for arguments in calls(&page) {
            seen += 1;
            assert_eq!(fault(arguments), None, "{}: bench {arguments}", path.display());
        }
    }
    assert!(seen >= 20, "only {seen} commands were found: do the pages print them in another way?");
}

#[test]
fn a_command_that_is_none_is_seen() {
    let page = "```\n$ cargo run --release -p bench -- simulate --scenari x\n```\ncargo run --release -p bench -- nothing\n";
    assert_eq!(calls(page), ["simulate --scenari x"]);
    assert!(fault("simulate --scenari x").unwrap().contains("--scenari"));
    assert_eq!(fault("sink --misbehave 'dot=452 4.3.1 full'"), None);
}
