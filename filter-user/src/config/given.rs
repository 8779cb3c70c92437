//! What was written, and where: the texts of each setting, from the source that wins. Flags win over the environment,
//! that over the file, that over the default; a list of one source replaces the list of another.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;

use super::error::ConfigError;
use super::kind::Kind;
use super::setting::{DefaultValue, Row, Setting, variable_of};
use super::settings::TABLE;

/// Where a value stands. Ordered by who wins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nowhere.
    Default,
    /// In a file, at a line.
    File(PathBuf, usize),
    /// In an environment variable.
    Environment(String),
    /// On the command line.
    Flag(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("by default"),
            Self::File(path, line) => write!(f, "{}:{line}", path.display()),
            Self::Environment(variable) => write!(f, "environment variable {variable}"),
            Self::Flag(name) => write!(f, "--{name}"),
        }
    }
}

impl Origin {
    fn rank(&self) -> u8 {
        match self {
            Self::Default => 0,
            Self::File(..) => 1,
            Self::Environment(_) => 2,
            Self::Flag(_) => 3,
        }
    }
}

/// The texts of one setting from one source, each with where it stands.
#[derive(Clone, Debug)]
struct Texts {
    texts: Vec<(String, Origin)>,
    origin: Origin,
}

/// The texts of all settings.
#[derive(Clone, Debug, Default)]
pub struct Given {
    texts: HashMap<&'static str, Texts>,
}

impl Given {
    /// Takes the texts of a setting, unless a source that wins over this one has given some.
    pub(super) fn give(
        &mut self,
        row: &'static Row,
        texts: Vec<(String, Origin)>,
        origin: Origin,
    ) -> Result<(), ConfigError> {
        if !row.many && texts.len() != 1 {
            return Err(ConfigError::TooMany { origin, name: row.name, values: texts.len() });
        }
        match self.texts.get(row.name) {
            Some(earlier) if earlier.origin.rank() > origin.rank() => {}
            _ => {
                self.texts.insert(row.name, Texts { texts, origin });
            }
        }
        Ok(())
    }

    /// Where the value of a setting stands.
    pub(super) fn origin(&self, row: &Row) -> Origin {
        self.texts.get(row.name).map_or(Origin::Default, |texts| texts.origin.clone())
    }

    /// All values of a list; its default where nobody gave any.
    pub(super) fn all<K: Kind>(&self, setting: &Setting<K>) -> Result<Vec<K::Value>, ConfigError> {
        let read = |text: &str, origin: Origin| {
            setting.kind.parse(text).ok_or_else(|| ConfigError::Value {
                origin,
                name: setting.row.name,
                value: text.to_owned(),
                expected: match setting.kind.fault(text) {
                    Some(fault) => format!("{}; {fault}", setting.kind.expected()),
                    None => setting.kind.expected(),
                },
            })
        };
        match (self.texts.get(setting.row.name), setting.row.default) {
            (Some(given), _) => given.texts.iter().map(|(text, origin)| read(text, origin.clone())).collect(),
            (None, DefaultValue::Is(text)) => Ok(vec![read(text, Origin::Default)?]),
            (None, _) => Ok(Vec::new()),
        }
    }

    /// The value of a setting that may be absent.
    pub(super) fn one<K: Kind>(&self, setting: &Setting<K>) -> Result<Option<K::Value>, ConfigError> {
        Ok(self.all(setting)?.pop())
    }

    /// The value of a setting whose default is in the table.
    pub(super) fn value<K: Kind>(&self, setting: &Setting<K>) -> Result<K::Value, ConfigError> {
        Ok(self
            .one(setting)?
            .expect("a setting that is read so has its default in the table: a test reads them all"))
    }
}

/// A setting as it stands, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effective {
    /// Its name.
    pub name: &'static str,
    /// Its value, as it was written.
    pub value: String,
    /// Where it stands.
    pub origin: Origin,
    /// Where each of its values stands.
    pub origins: Vec<Origin>,
}

impl Given {
    /// Every setting as it stands, in the order of the table.
    pub(super) fn effective(&self) -> Vec<Effective> {
        let shown = |row: &'static Row| Effective {
            name: row.name,
            value: match self.texts.get(row.name) {
                Some(given) => {
                    given.texts.iter().map(|(text, _)| text.as_str()).collect::<Vec<_>>().join(", ")
                }
                None => row.default_shown(),
            },
            origin: self.origin(row),
            origins: self.texts.get(row.name).map_or_else(Vec::new, |given| {
                given.texts.iter().map(|(_, origin)| origin.clone()).collect()
            }),
        };
        TABLE.iter().map(|setting| shown(setting.row())).collect()
    }
}

/// The row of a setting, by its name.
pub(super) fn row(name: &str) -> Option<&'static Row> {
    TABLE.iter().map(|setting| setting.row()).find(|row| row.name == name)
}

/// The name that is most similar to one that does not exist.
pub(super) fn nearest(name: &str) -> Option<&'static str> {
    let name = name.replace('_', "-").to_ascii_lowercase();
    nearest_of(&name, TABLE.iter().map(|setting| setting.row().name))
}

/// The variable that is most similar to one that does not exist.
pub(super) fn nearest_variable(variable: &str) -> Option<String> {
    let name = variable.trim_start_matches("RELAYGATE_").replace('_', "-").to_ascii_lowercase();
    nearest(&name).map(variable_of)
}

fn nearest_of<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    names
        .map(|candidate| (strsim::jaro_winkler(name, candidate), candidate))
        .filter(|(similarity, _)| *similarity > 0.7)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}
