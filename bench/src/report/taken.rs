//! A result that was taken before, read from its file. What is none, or is one that this program does not know, is an error
//! that names the file and says what to do.

use std::fs;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, anyhow, bail};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use bench::provenance::{FORMAT, Provenance};
use bench::{compare, judged};

/// One result.
#[derive(Debug)]
pub(super) enum Taken {
    /// Of `bench compare`.
    Compare(compare::Report),
    /// Of those that judge figures: `bench xdp`, `bench micro` and their like.
    Judged(judged::Report),
}

/// What every result says of itself: it is read first, so that one of another format is not called broken.
#[derive(Deserialize)]
struct Head {
    bench: String,
    format: u32,
}

/// Reads one.
pub(super) fn read(path: &Path) -> anyhow::Result<Taken> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    parse(&text).with_context(|| format!("no result can be read from {}", path.display()))
}

fn parse(text: &str) -> anyhow::Result<Taken> {
    let Head { bench, format } = from_json(text)?;
    if format != FORMAT {
        bail!("it has format {format}, and this program reads {FORMAT}: take it anew");
    }
    match &*bench {
        "compare" => from_json(text).map(Taken::Compare),
        other => from_json(text).map(Taken::Judged).with_context(|| {
            format!("it is of `bench {other}`, and a report is made of compare and of what judges figures")
        }),
    }
}

fn from_json<T: DeserializeOwned>(text: &str) -> anyhow::Result<T> {
    serde_json::from_str(text).map_err(|error| match error.classify() {
        serde_json::error::Category::Eof => anyhow!("it is cut off: {error}; take it anew"),
        serde_json::error::Category::Data => anyhow!("it is JSON, but not what `bench` prints: {error}"),
        _ => anyhow!("it is not JSON: {error}; `--json` prints it, on standard output alone"),
    })
}

impl Taken {
    /// What it is of.
    pub(super) fn provenance(&self) -> &Provenance {
        match self {
            Self::Compare(report) => &report.provenance,
            Self::Judged(report) => &report.provenance,
        }
    }

    /// What it is about, as a heading.
    pub(super) fn title(&self) -> String {
        match &*self.provenance().bench {
            "ban" => "From an attempt to a ban".to_owned(),
            "compare" => "relaygate beside what people run today".to_owned(),
            "micro" => "What the hot path costs by itself".to_owned(),
            "xdp" => "What a packet costs".to_owned(),
            other => format!("bench {other}"),
        }
    }

    /// The settings that differ from what is so by itself.
    pub(super) fn settings(&self) -> String {
        match &*self.provenance().settings.join(" ") {
            "" => "as they are by themselves".to_owned(),
            given => given.to_owned(),
        }
    }

    /// The table as the subcommand prints it, below what it is of.
    pub(super) fn write_markdown(&self, out: &mut impl Write) -> anyhow::Result<()> {
        let of = self.provenance();
        writeln!(out, "## {}\n", self.title())?;
        writeln!(
            out,
            "`bench {}` of relaygate {}, {}, on {}; settings: {}.\n",
            of.bench,
            of.version,
            of.time,
            of.machine_and_kernel(),
            self.settings()
        )?;
        match self {
            Self::Compare(report) => report.write_table(out, true)?,
            Self::Judged(report) => report.write_table(out)?,
        }
        Ok(writeln!(out)?)
    }
}
