//! `bench report`: what the other subcommands took with `--json`, as one page of HTML that needs nothing beside it, and as
//! Markdown. Measures nothing.

mod bars;
mod page;
mod section;
mod taken;

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Args;

use section::Section;
use taken::Taken;

/// Where results are looked for, and where the page is put.
const DIRECTORY: &str = "target/bench";

/// What is asked for.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// Results of compare and of those that judge figures (xdp, micro, ban), as --json prints them; without any, all in target/bench
    #[arg(value_name = "FILE.json")]
    results: Vec<PathBuf>,
    /// Where to write the page; without it, and without --markdown, target/bench/report.html
    #[arg(long, value_name = "PATH")]
    html: Option<PathBuf>,
    /// Print the tables as Markdown
    #[arg(long)]
    markdown: bool,
}

/// Reads all results before it writes anything.
pub(super) fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let paths =
        if options.results.is_empty() { found(Path::new(DIRECTORY))? } else { options.results.clone() };
    let results = paths.iter().map(|path| taken::read(path)).collect::<anyhow::Result<Vec<Taken>>>()?;
    if options.markdown {
        let mut out = io::stdout().lock();
        results.iter().try_for_each(|taken| taken.write_markdown(&mut out))?;
    }
    let by_default = (!options.markdown).then(|| Path::new(DIRECTORY).join("report.html"));
    if let Some(path) = options.html.clone().or(by_default) {
        let sections: Vec<Section<'_>> = results.iter().map(Section::of).collect();
        write_page(&path, &page::html(&sections)?)?;
        writeln!(io::stderr(), "wrote {}", path.display())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The results of a directory, in the order of their names.
fn found(directory: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    if directory.is_dir() {
        let unread = || format!("cannot read the directory {}", directory.display());
        for entry in fs::read_dir(directory).with_context(unread)? {
            let path = entry.with_context(unread)?.path();
            if path.extension().is_some_and(|extension| extension == "json") {
                paths.push(path);
            }
        }
    }
    paths.sort();
    if paths.is_empty() {
        bail!(
            "there is no result in {0}: take one first (mkdir -p {0} && bench compare --json > {0}/compare.json), or name its file",
            directory.display()
        );
    }
    Ok(paths)
}

fn write_page(path: &Path, html: &str) -> anyhow::Result<()> {
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)
            .with_context(|| format!("cannot make the directory {}", directory.display()))?;
    }
    fs::write(path, html).with_context(|| format!("cannot write {}", path.display()))
}
