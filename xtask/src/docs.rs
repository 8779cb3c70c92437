//! The pages that the binary makes from the table of settings: `docs/configuration.md` and the man page. Writes no text
//! of its own.

use anyhow::{Context, bail};

use crate::built::Built;
use crate::{process, tree};

/// Where each page is, and the subcommand that prints it.
const PAGES: [(&str, &str); 2] = [("docs/configuration.md", "docs"), ("docs/relaygate.1", "man")];

/// Writes the pages, or compares them with those that are there.
pub(crate) fn run(check: bool) -> anyhow::Result<()> {
    let built = Built::to_print()?;
    let mut stale = Vec::new();
    for (page, subcommand) in PAGES {
        let made = process::output(built.command("bin", "relaygate")?.arg(subcommand))?;
        let path = tree::root().join(page);
        if !check {
            std::fs::write(&path, made).with_context(|| format!("cannot write {page}"))?;
        } else if std::fs::read_to_string(&path).ok().as_ref() != Some(&made) {
            stale.push(page);
        }
    }
    if !stale.is_empty() {
        bail!("{} is stale: run `cargo xtask docs`", stale.join(" and "));
    }
    Ok(())
}
