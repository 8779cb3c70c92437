//! The three sources of settings: the command line, the environment, the file. Turns them into texts; what the texts
//! mean is the settings' business.

use std::ffi::OsString;
use std::ops::Range;
use std::path::Path;

use clap::{Arg, ArgMatches};
use toml::de::{DeTable, DeValue};

use super::error::ConfigError;
use super::given::{Given, Origin, nearest, nearest_variable, row};
use super::setting::variable_of;
use super::settings::TABLE;

/// The flag that names the file. It is no setting: a file cannot name another.
pub const FILE_FLAG: &str = "config";

/// What begins with `RELAYGATE_` and is no setting: the file, and the switch of our own tests that rewrites snapshots.
const OTHER_VARIABLES: [&str; 2] = ["RELAYGATE_CONFIG", "RELAYGATE_BLESS"];

/// All flags: the settings, and the file.
#[must_use]
pub fn arguments() -> Vec<Arg> {
    let file = Arg::new(FILE_FLAG)
        .long(FILE_FLAG)
        .value_name("FILE")
        .value_parser(clap::value_parser!(std::path::PathBuf))
        .help("A TOML file with settings, by the names of their flags")
        .long_help(format!(
            "A TOML file with settings, by the names of their flags. Flags win over the environment, that over the \
             file.\n\n[env: {}]",
            variable_of(FILE_FLAG)
        ))
        .help_heading("Settings");
    std::iter::once(file).chain(TABLE.iter().map(|setting| setting.argument())).collect()
}

/// Takes what the flags say.
pub(super) fn flags(given: &mut Given, matches: &ArgMatches) -> Result<(), ConfigError> {
    for row in TABLE.iter().map(|setting| setting.row()) {
        if let Ok(Some(texts)) = matches.try_get_many::<String>(row.name) {
            let origin = Origin::Flag(row.name);
            given.give(row, texts.map(|text| (text.clone(), origin.clone())).collect(), origin)?;
        }
    }
    Ok(())
}

/// Takes what the environment says.
pub(super) fn environment(
    given: &mut Given,
    variables: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<(), ConfigError> {
    for (variable, text) in variables {
        let Some(variable) = variable.to_str().filter(|variable| variable.starts_with("RELAYGATE_")) else {
            continue;
        };
        if OTHER_VARIABLES.contains(&variable) || is_service_link(variable) {
            continue;
        }
        let origin = Origin::Environment(variable.to_owned());
        let Some(row) = TABLE.iter().map(|setting| setting.row()).find(|row| row.variable() == variable)
        else {
            return Err(ConfigError::Unknown {
                origin,
                name: variable.to_owned(),
                nearest: nearest_variable(variable),
            });
        };
        let text = text.into_string().map_err(|_| ConfigError::NotUnicode(origin.clone()))?;
        let texts = if !row.many {
            vec![text]
        } else if text.trim().is_empty() {
            Vec::new()
        } else {
            text.split(',').map(|item| item.trim().to_owned()).collect()
        };
        let texts = texts.into_iter().map(|text| (text, origin.clone())).collect();
        given.give(row, texts, origin)?;
    }
    Ok(())
}

/// Kubernetes sets `RELAYGATE_SERVICE_*` and `RELAYGATE_PORT*` in every pod beside a service called relaygate.
fn is_service_link(variable: &str) -> bool {
    variable.starts_with("RELAYGATE_SERVICE_")
        || variable == "RELAYGATE_PORT"
        || variable.starts_with("RELAYGATE_PORT_")
}

/// Takes what a file says.
pub(super) fn file(given: &mut Given, path: &Path, text: &str) -> Result<(), ConfigError> {
    let line_of = |offset: usize| {
        text.as_bytes()[..offset.min(text.len())].iter().filter(|byte| **byte == b'\n').count() + 1
    };
    let table = DeTable::parse(text).map_err(|error| ConfigError::Syntax {
        path: path.to_owned(),
        line: line_of(error.span().map_or(0, |span| span.start)),
        message: error.message().to_owned(),
    })?;
    for (key, value) in table.get_ref() {
        let name = key.get_ref();
        let origin = Origin::File(path.to_owned(), line_of(key.span().start));
        let Some(row) = row(name) else {
            return Err(ConfigError::Unknown {
                origin,
                name: name.to_string(),
                nearest: nearest(name).map(str::to_owned),
            });
        };
        let wrong = |origin: Origin, span: Range<usize>| ConfigError::Value {
            origin,
            name: row.name,
            value: text.get(span).unwrap_or_default().to_owned(),
            expected: expected(row.name),
        };
        let texts = match value.get_ref() {
            DeValue::Array(items) if row.many => items
                .iter()
                .map(|item| {
                    let origin = Origin::File(path.to_owned(), line_of(item.span().start));
                    match scalar(item.get_ref()) {
                        Some(text) => Ok((text, origin)),
                        None => Err(wrong(origin, item.span())),
                    }
                })
                .collect::<Result<_, _>>()?,
            other => {
                let text = scalar(other).ok_or_else(|| wrong(origin.clone(), value.span()))?;
                vec![(text, origin.clone())]
            }
        };
        given.give(row, texts, origin)?;
    }
    Ok(())
}

fn expected(name: &str) -> String {
    TABLE
        .iter()
        .find(|setting| setting.row().name == name)
        .map(|setting| setting.expected())
        .unwrap_or_default()
}

/// The text of a TOML value that stands for itself.
fn scalar(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) => Some(number.to_string().replace('_', "")),
        DeValue::Boolean(truth) => Some(truth.to_string()),
        DeValue::Float(_) | DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => None,
    }
}
