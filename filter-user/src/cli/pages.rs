//! Pages made from the table of settings: the man page, shell completions and `docs/configuration.md`. Nothing in them
//! is written twice.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::ExitCode;

use anyhow::Context;
use clap::ArgMatches;
use clap_complete::Shell;

use super::command;
use crate::config::{self, TABLE};

/// Prints the man page: subcommands, and the settings once for those that take them.
pub fn man() -> anyhow::Result<ExitCode> {
    let subcommands = clap_mangen::Man::new(command());
    let settings = clap_mangen::Man::new(command().args(config::arguments()));
    let mut text = Vec::new();
    subcommands
        .render_title(&mut text)
        .and_then(|()| subcommands.render_name_section(&mut text))
        .and_then(|()| subcommands.render_synopsis_section(&mut text))
        .and_then(|()| subcommands.render_description_section(&mut text))
        .and_then(|()| subcommands.render_subcommands_section(&mut text))
        .and_then(|()| settings.render_options_section(&mut text))
        .and_then(|()| subcommands.render_version_section(&mut text))
        .context("cannot make the man page")?;
    print(&text)
}

/// Prints the completions for a shell.
pub fn completions(matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    let shell = matches.get_one::<Shell>("shell").copied().context("no shell was named")?;
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut command(), "relaygate", &mut text);
    print(&text)
}

/// Prints `docs/configuration.md`.
pub fn configuration() -> anyhow::Result<ExitCode> {
    print(configuration_page().as_bytes())
}

fn print(text: &[u8]) -> anyhow::Result<ExitCode> {
    std::io::stdout().lock().write_all(text).context("cannot print")?;
    Ok(ExitCode::SUCCESS)
}

const INTRODUCTION: &str = "# Configuration

This page is made by `cargo xtask docs` from the table of settings in `filter-user/src/config/settings.rs`. Do not edit
it: change the table.

Each setting has one name. `strike-decay` is the flag `--strike-decay`, the TOML key `strike-decay` in the file that
`--config` (or `RELAYGATE_CONFIG`) names, and the environment variable `RELAYGATE_STRIKE_DECAY`. Flags win over the
environment, the environment wins over the file, the file over the default. A list is a repeated flag, an array in the
file, and comma separated in the environment; a list from one source replaces that of another.

What is misspelt is an error, with its place and the nearest right name. `relaygate check` with the same settings says
what would run.

```toml
# relaygate.toml
listen = [\"0.0.0.0:25\", \"[::]:25\"]
backend = \"127.0.0.1:2526\"
local-domain = [\"example.org\", \"example.net\"]
mailboxes = \"/etc/relaygate/mailboxes\"
relay-network = \"10.0.0.0/8\"
interface = \"eth0\"
strike-decay = \"10m\"
limit-rate = \"6/m\"
max-message-size = \"25M\"
```

Times have a unit (`5s`, `10m`, `24h`), rates a period (`2/s`, `6/m`, `100/h`), octets may have `K`, `M` or `G`
(powers of 1024).
";

fn configuration_page() -> String {
    let mut page = INTRODUCTION.to_owned();
    let mut heading = "";
    for setting in TABLE.iter() {
        let row = setting.row();
        if row.heading != heading {
            heading = row.heading;
            // Writing to a String cannot fail.
            let _ = write!(page, "\n## {heading}\n");
        }
        let list = if row.many { " (a list)" } else { "" };
        let _ = write!(
            page,
            "\n### `{}`{list}\n\n{}\n\n- Default: {}\n- Expected: {}\n- Variable: `{}`\n",
            row.name,
            row.help,
            default(row),
            setting.expected(),
            row.variable()
        );
    }
    page
}

fn default(row: &config::setting::Row) -> String {
    match row.default {
        config::setting::DefaultValue::Is(text) => format!("`{text}`"),
        _ => row.default_shown(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_of_settings_in_the_repository_is_the_one_that_the_table_makes() {
        let committed = include_str!("../../../docs/configuration.md");
        assert!(committed == configuration_page(), "docs/configuration.md is stale: run `cargo xtask docs`");
    }

    #[test]
    fn every_bound_has_a_metric() {
        use crate::telemetry::label::{Bound, Label, SessionRefusal};
        use crate::telemetry::metric;
        const OF_THEIR_OWN: [(&str, metric::Metric); 2] =
            [("max-peers", metric::PEERS_FORGOTTEN), ("max-authenticated", metric::KERNEL_NOT_HELD)];
        for name in TABLE.iter().map(|setting| setting.row().name).filter(|name| name.starts_with("max-")) {
            let value = name.replace('-', "_");
            let counted =
                Bound::NAMES.contains(&value.as_str()) || SessionRefusal::NAMES.contains(&value.as_str());
            let own = OF_THEIR_OWN.iter().find(|(bound, _)| *bound == name);
            assert!(counted || own.is_some(), "{name}: no metric counts how often it is reached");
        }
    }

    #[test]
    fn the_example_in_the_page_is_a_configuration() {
        let page = configuration_page();
        let (_, rest) = page.split_once("```toml\n").unwrap();
        let (example, _) = rest.split_once("```").unwrap();
        let config = config::Config::from_toml(std::path::Path::new("example.toml"), example).unwrap();
        assert_eq!(config.listen.len(), 2);
        assert_eq!(config.warnings(), Vec::<String>::new());
    }
}
