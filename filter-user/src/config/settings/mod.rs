//! The table of settings: each one once, for flag, TOML key and `RELAYGATE_*` variable, with its default, unit,
//! bounds and help. `--help`, the man page and `docs/configuration.md` are made from it. Reads nothing.

use std::sync::LazyLock;
use std::time::Duration;

use super::kind::{Count, Time};
use super::setting::AnySetting;

/// Makes each setting of a heading a static of its own kind, and all of them `ROWS`.
macro_rules! settings {
    ($heading:literal: $($setting:ident: $kind:ty = $name:literal $($many:ident)?, $default:expr, $value:expr, $help:expr;)*) => {
        $(
            #[doc = concat!("`", $name, "`: ", $help)]
            pub static $setting: $crate::config::setting::Setting<$kind> = $crate::config::setting::Setting {
                row: $crate::config::setting::Row {
                    name: $name,
                    many: settings!(@many $($many)?),
                    default: $default,
                    heading: $heading,
                    help: $help,
                },
                kind: $value,
            };
        )*

        /// Every setting under this heading, in the order of `--help`.
        pub(super) static ROWS: &[&dyn $crate::config::setting::AnySetting] = &[$(&$setting),*];
    };
    (@many) => { false };
    (@many many) => { true };
}

mod authentication;
mod backend;
mod bounds;
mod clients;
mod control;
mod delegation;
mod directories;
mod kernel;
mod logs;
mod relaying;
mod routing;
mod sanctions;
mod timeouts;
mod tls;

pub use authentication::*;
pub use backend::*;
pub use bounds::*;
pub use clients::*;
pub use control::*;
pub use delegation::*;
pub use directories::*;
pub use kernel::*;
pub use logs::*;
pub use relaying::*;
pub use routing::*;
pub use sanctions::*;
pub use timeouts::*;
pub use tls::*;

/// Every setting, in the order of `--help`.
pub static TABLE: LazyLock<Vec<&'static dyn AnySetting>> = LazyLock::new(|| {
    [
        clients::ROWS,
        tls::ROWS,
        backend::ROWS,
        relaying::ROWS,
        routing::ROWS,
        authentication::ROWS,
        directories::ROWS,
        delegation::ROWS,
        sanctions::ROWS,
        kernel::ROWS,
        bounds::ROWS,
        timeouts::ROWS,
        control::ROWS,
        logs::ROWS,
    ]
    .concat()
});

const fn time(from: Duration, to: Duration) -> Time {
    Time { from, to }
}

const fn count(of: &'static str, from: u64, to: u64) -> Count {
    Count { of, from, to }
}

const MOMENT: Duration = Duration::from_millis(1);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);
/// As humantime counts it.
const YEAR: Duration = Duration::from_secs(31_557_600);

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::ffi::OsString;
    use std::path::Path;

    use clap::Command;

    use super::*;
    use crate::config::setting::DefaultValue;
    use crate::config::{Config, ConfigError, arguments};

    /// Texts of every kind: for each setting, one of them is not its default and fits the other defaults.
    const SAMPLES: &[&str] = &[
        "7",
        "24",
        "600",
        "70000",
        "25h",
        "20s",
        "7/m",
        "true",
        "false",
        "json",
        "refuse",
        "proxy",
        "other.example = inbound",
        "192.0.2.9:99",
        "192.0.2.0/24",
        "other.example",
        "other.example:25",
        "debug",
        "verify",
        "file:/etc/relaygate/passwords",
        "/dev/null",
        "alice alice@other.example",
        concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/configs/sender-logins.txt"),
        "+",
        "file:/etc/relaygate/more",
        "1.3",
        "unix:/run/relaygate/policy",
        "tc",
        "reset",
        "192.0.2.9",
    ];

    fn command() -> Command {
        Command::new("relaygate").no_binary_name(true).args(arguments())
    }

    fn by_flag(name: &str, text: &str) -> Result<Config, ConfigError> {
        let mut flags = vec![format!("--{name}"), text.to_owned()];
        if name != "backend" {
            flags.extend(["--backend".to_owned(), "sink:".to_owned()]);
        }
        Config::from_flags(flags)
    }

    fn sample(name: &str) -> (&'static str, Config) {
        let default = by_flag("backend", "sink:").unwrap();
        SAMPLES
            .iter()
            .filter_map(|text| Some((*text, by_flag(name, text).ok()?)))
            .find(|(_, config)| *config != default)
            .unwrap_or_else(|| panic!("no sample text changes {name}: does anything read it?"))
    }

    #[test]
    fn no_name_stands_twice() {
        let mut names = HashSet::new();
        let mut variables = HashSet::new();
        for row in TABLE.iter().map(|setting| setting.row()) {
            assert!(names.insert(row.name), "{} stands twice", row.name);
            assert!(variables.insert(row.variable()), "{} has a variable that another has", row.name);
            assert!(
                row.name
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
            );
        }
    }

    #[test]
    fn every_setting_has_a_help_that_is_a_sentence_and_says_what_it_expects() {
        for setting in TABLE.iter() {
            let row = setting.row();
            assert!(
                row.help.ends_with('.') && row.help.starts_with(char::is_uppercase),
                "{}: {}",
                row.name,
                row.help
            );
            assert!(!setting.expected().is_empty() && !setting.placeholder().is_empty(), "{}", row.name);
        }
    }

    #[test]
    fn every_default_is_within_the_bounds_and_shown_in_the_help() {
        let mut command = command();
        let help = command.render_long_help().to_string();
        for setting in TABLE.iter() {
            let row = setting.row();
            if let DefaultValue::Is(text) = row.default {
                assert!(setting.takes(text), "{}: its own default {text:?} is not taken", row.name);
            }
            let from = help
                .find(&format!("--{} ", row.name))
                .unwrap_or_else(|| panic!("no --{} in the help", row.name));
            let own = &help[from..];
            let own = &own[..own.find("[env: ").unwrap() + 80.min(own.len() - own.find("[env: ").unwrap())];
            let own = own.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(own.contains(&format!("[default: {}]", row.default_shown())), "{}: {own}", row.name);
            assert!(own.contains(&format!("[env: {}]", row.variable())), "{}: {own}", row.name);
        }
    }

    #[test]
    fn flag_variable_and_file_mean_the_same() {
        for row in TABLE.iter().map(|setting| setting.row()) {
            let (text, wanted) = sample(row.name);
            let backend = if row.name == "backend" { vec![] } else { vec!["--backend", "sink:"] };
            let matches = command().try_get_matches_from(backend).unwrap();
            let variables = [(OsString::from(row.variable()), OsString::from(text))];
            assert_eq!(Config::from_sources(&matches, variables).unwrap(), wanted, "{}", row.variable());

            let mut written = vec![format!("{text:?}")];
            if text.parse::<u64>().is_ok() || text.parse::<bool>().is_ok() {
                written.push(text.to_owned());
            }
            if row.many {
                written.push(format!("[{text:?}]"));
            }
            for value in written {
                let backend = if row.name == "backend" { "" } else { "backend = \"sink:\"\n" };
                let toml = format!("{backend}{} = {value}\n", row.name);
                assert_eq!(Config::from_toml(Path::new("relaygate.toml"), &toml).unwrap(), wanted, "{toml}");
            }
        }
    }
}
