//! What pages say is shown by tests: each test that `docs/threat-model.md` names is there, and each threat names one. A
//! part of `tidy`.

use crate::tree::TextFile;

/// The page.
const PAGE: &str = "docs/threat-model.md";

/// Begins the line under a heading that names its tests.
const SHOWN_BY: &str = "**Shown by** ";

/// Headings that are no threats.
const NO_THREATS: [&str; 2] = ["What is protected, and from whom", "What the kernel believes"];

/// What is wrong with the page.
pub(crate) fn faults(files: &[TextFile]) -> Vec<String> {
    let Some(page) = files.iter().find(|file| file.path == PAGE) else {
        return vec![format!("{PAGE}: is missing")];
    };
    let mut faults = Vec::new();
    for section in page.text.split("\n## ").skip(1) {
        let (heading, text) = section.split_once('\n').unwrap_or((section, ""));
        let names: Vec<&str> = names(text).collect();
        if names.is_empty() && !NO_THREATS.contains(&heading) {
            faults.push(format!("{PAGE}: `{heading}` names no test that shows it"));
        }
        faults.extend(names.iter().filter(|name| !is_there(files, name)).map(|name| {
            format!("{PAGE}: `{heading}` names `{name}`, which is neither a test nor a file of them")
        }));
    }
    faults
}

/// The names in backticks behind "Shown by", to the end of the paragraph.
fn names(section: &str) -> impl Iterator<Item = &str> {
    let paragraphs = section.split("\n\n").filter_map(|paragraph| paragraph.trim().strip_prefix(SHOWN_BY));
    paragraphs.flat_map(|paragraph| paragraph.split('`').skip(1).step_by(2))
}

/// Whether there is such a test, or, for a name with a dot, such a file among the tests.
fn is_there(files: &[TextFile], name: &str) -> bool {
    if name.contains('.') {
        let end = format!("/{name}");
        return files.iter().any(|file| file.path.contains("/tests/") && file.path.ends_with(&end));
    }
    let function = format!("fn {name}(");
    files.iter().filter(|file| file.path.ends_with(".rs")).any(|file| {
        let before = file.text.split(&function).next().filter(|before| before.len() < file.text.len());
        before.is_some_and(|before| before.trim_end().ends_with("#[test]"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_threat_without_a_test_and_a_test_that_is_not_there_are_named() {
        let tests = "#[test]\nfn honest_peers_are_served() {}\nfn no_test() {}\n";
        let file = |path: &str, text: &str| TextFile { path: path.to_owned(), text: text.to_owned() };
        let rows = [
            ("# T\n\n## A\n\nText.\n\n**Shown by** `honest_peers_are_served`, and `a.rows`.\n", ""),
            ("# T\n\n## What is protected, and from whom\n\nText.\n", ""),
            ("# T\n\n## A\n\nText about `honest_peers_are_served`.\n", "`A` names no test"),
            ("# T\n\n## A\n\n**Shown by** `no_test`\nand\n`gone.rows`.\n", "`no_test`, which is neither"),
            ("# T\n\n## A\n\n**Shown by** `no_test`\nand\n`gone.rows`.\n", "`gone.rows`, which is neither"),
        ];
        for (page, wanted) in rows {
            let files = [file(PAGE, page), file("x/src/a.rs", tests), file("x/tests/it/a.rows", "")];
            let faults = faults(&files).join("\n");
            assert_eq!(faults.is_empty(), wanted.is_empty(), "{faults}");
            assert!(faults.contains(wanted), "{faults}");
        }
        assert!(faults(&[])[0].contains("is missing"));
    }
}
