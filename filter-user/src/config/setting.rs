//! One row of the table of settings: a name for flag, file and environment, a kind, a default, a help. Knows no
//! particular setting.

use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction};

use super::kind::Kind;

/// What a setting is where nobody sets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DefaultValue {
    /// This text, read like any other.
    Is(&'static str),
    /// Nothing, or an empty list.
    Nothing,
    /// Something that is found out at the start, told here in words.
    FoundOut(&'static str),
    /// It must be set.
    Required,
}

/// A setting, with the kind of its values.
#[derive(Debug)]
pub struct Setting<K> {
    /// Its row in the table.
    pub row: Row,
    /// How its values are read.
    pub kind: K,
}

/// What is the same for settings of every kind.
#[derive(Debug)]
pub struct Row {
    /// The name of the flag and the TOML key.
    pub name: &'static str,
    /// Whether it is a list.
    pub many: bool,
    /// Its default.
    pub default: DefaultValue,
    /// The heading that it stands under in `--help`.
    pub heading: &'static str,
    /// What it does; the first sentence is the short help.
    pub help: &'static str,
}

/// A setting of any kind.
pub trait AnySetting: Sync {
    /// Its row.
    fn row(&self) -> &Row;
    /// How its values are called in `--help`.
    fn placeholder(&self) -> &'static str;
    /// What its values look like, with unit and bounds.
    fn expected(&self) -> String;
    /// The values that are allowed, where these are few.
    fn choices(&self) -> &'static [&'static str];
    /// Whether it would take this text.
    fn takes(&self, text: &str) -> bool;
}

impl<K: Kind> AnySetting for Setting<K> {
    fn row(&self) -> &Row {
        &self.row
    }

    fn placeholder(&self) -> &'static str {
        self.kind.placeholder()
    }

    fn expected(&self) -> String {
        self.kind.expected()
    }

    fn choices(&self) -> &'static [&'static str] {
        self.kind.choices()
    }

    fn takes(&self, text: &str) -> bool {
        self.kind.parse(text).is_some()
    }
}

impl Row {
    /// The name of the environment variable.
    #[must_use]
    pub fn variable(&self) -> String {
        variable_of(self.name)
    }

    /// The default in words.
    #[must_use]
    pub fn default_shown(&self) -> String {
        match self.default {
            DefaultValue::Is(text) => text.to_owned(),
            DefaultValue::Nothing => "none".to_owned(),
            DefaultValue::FoundOut(words) => words.to_owned(),
            DefaultValue::Required => "must be set".to_owned(),
        }
    }
}

/// The environment variable for a name.
#[must_use]
pub fn variable_of(name: &str) -> String {
    format!("RELAYGATE_{}", name.replace('-', "_").to_ascii_uppercase())
}

impl dyn AnySetting {
    /// The flag. It has no default of clap's: the file and the environment come between.
    #[must_use]
    pub fn argument(&self) -> Arg {
        let row = self.row();
        let short = row.help.split_inclusive(". ").next().unwrap_or(row.help).trim_end_matches([' ', '.']);
        let default = row.default_shown();
        let list = if row.many {
            " May be repeated; in the environment comma separated, in the file an array."
        } else {
            ""
        };
        let arg = Arg::new(row.name)
            .long(row.name)
            .value_name(self.placeholder())
            .help(format!("{short} [default: {default}]"))
            .long_help(format!(
                "{}{list}\n\nExpected: {}\n[default: {default}] [env: {}]",
                row.help,
                self.expected(),
                row.variable()
            ))
            .help_heading(row.heading)
            .hide_possible_values(true)
            .allow_hyphen_values(true)
            .action(if row.many { ArgAction::Append } else { ArgAction::Set });
        match self.choices() {
            // A bare `--reroute` says yes.
            ["true", "false"] => arg.num_args(0..=1).default_missing_value("true").allow_hyphen_values(false),
            [] => arg,
            choices => arg.value_parser(PossibleValuesParser::new(choices.iter().copied())),
        }
    }
}
