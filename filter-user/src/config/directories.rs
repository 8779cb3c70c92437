//! The configuration of directories: who is asked about local recipients, in which order and for how long.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::error::ConfigError;
use super::given::Given;
use super::load::number;
use super::settings as s;
use super::stream_address::StreamAddress;

/// All directories, and what holds for each of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectorySettings {
    /// In the order in which they are asked; `--mailboxes` is the first. `--directory`
    pub directories: Vec<DirectoryItem>,
    /// The characters that divide a mailbox from its extension; none where there are no extensions.
    /// `--recipient-delimiter`
    pub recipient_delimiter: String,
    /// Domains of which every mailbox is taken. `--catch-all`
    pub catch_all: Vec<String>,
    /// For each question. `--directory-timeout`
    pub timeout: Duration,
    /// Answers remembered of known recipients, and as many of unknown ones. `--directory-cache-size`
    pub cache_size: usize,
    /// How long a known recipient is remembered. `--directory-cache-for`
    pub cache_for: Duration,
    /// How long an unknown recipient is remembered. `--directory-cache-unknown-for`
    pub cache_unknown_for: Duration,
}

/// One directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectoryItem {
    /// What it is.
    pub source: DirectorySource,
    /// The domains that it is asked about; every local domain where none is named.
    pub domains: Vec<String>,
}

/// What a directory is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DirectorySource {
    /// A mailbox file.
    File {
        /// Where it is.
        path: PathBuf,
        /// Something stands behind each address: what it is an alias for.
        aliases: bool,
    },
    /// A server.
    Remote(RemoteSource),
}

/// A directory that is asked over a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteSource {
    /// What it is, and where.
    pub server: RemoteServer,
    /// Connections at once.
    pub connections: usize,
    /// For each question, where that is less than for all directories.
    pub timeout: Option<Duration>,
    /// Its yes means that it holds exactly this mailbox: only such a yes vouches for an address that carries another. A
    /// mail server's does not, which would take what it reads as the address inside; nor that of a map of patterns.
    pub exact: bool,
}

/// What is at the other end of the connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RemoteServer {
    /// An LDAP server.
    Ldap(LdapSource),
    /// A server that speaks Postfix's socketmap protocol.
    Socketmap {
        /// Where it listens.
        at: StreamAddress,
        /// The map to look into.
        map: String,
        /// What is looked up; see [`Template`].
        key: Template,
    },
    /// A mail server, asked whether it would take mail for the recipient.
    Callout {
        /// Where it listens.
        at: StreamAddress,
    },
}

/// An LDAP server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LdapSource {
    /// `ldap://HOST:PORT` or `ldaps://HOST:PORT`.
    pub uri: String,
    /// TLS after all, over `ldap:`.
    pub starttls: bool,
    /// Who is trusted in place of the system's authorities.
    pub authorities: Option<PathBuf>,
    /// Below which entry is searched.
    pub base: String,
    /// What is searched for.
    pub filter: String,
    /// Who searches; anybody where it is not said.
    pub bind_dn: Option<String>,
    /// The password of that.
    pub password_file: Option<PathBuf>,
    /// What lies on other servers holds no recipients.
    pub ignore_references: bool,
}

/// A text with places for the recipient: `%s` for its address, `%u` for its local-part, `%d` for its domain, `%%` for `%`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(Vec<Piece>);

/// A piece of a [`Template`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// As it stands.
    Text(String),
    /// `%s`
    Address,
    /// `%u`
    LocalPart,
    /// `%d`
    Domain,
}

impl Template {
    /// Reads it; a fault says what is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut plain = String::new();
        let mut characters = text.chars();
        while let Some(character) = characters.next() {
            if character != '%' {
                plain.push(character);
                continue;
            }
            let piece = match characters.next() {
                Some('%') => {
                    plain.push('%');
                    continue;
                }
                Some('s') => Piece::Address,
                Some('u') => Piece::LocalPart,
                Some('d') => Piece::Domain,
                _ => return Err("behind a % stands s, u, d or another %".to_owned()),
            };
            if !plain.is_empty() {
                pieces.push(Piece::Text(std::mem::take(&mut plain)));
            }
            pieces.push(piece);
        }
        if !plain.is_empty() {
            pieces.push(Piece::Text(plain));
        }
        if !pieces.iter().any(|piece| matches!(piece, Piece::Address | Piece::LocalPart)) {
            return Err("neither %s, the recipient's address, nor %u, its local-part, is in it".to_owned());
        }
        Ok(Self(pieces))
    }

    /// The text for a recipient, each part of it put in as `written` writes it.
    #[must_use]
    pub fn fill(&self, local_part: &str, domain: &str, written: impl Fn(&str) -> String) -> String {
        let piece = |piece: &Piece| match piece {
            Piece::Text(text) => text.clone(),
            Piece::Address => written(&format!("{local_part}@{domain}")),
            Piece::LocalPart => written(local_part),
            Piece::Domain => written(domain),
        };
        self.0.iter().map(piece).collect()
    }
}

impl DirectorySettings {
    /// Reads the settings of this area.
    pub(super) fn read(given: &Given) -> Result<Self, ConfigError> {
        let file = |path| DirectorySource::File { path, aliases: false };
        let mailboxes =
            given.one(&s::MAILBOXES)?.map(|path| DirectoryItem { source: file(path), domains: Vec::new() });
        Ok(Self {
            directories: mailboxes.into_iter().chain(given.all(&s::DIRECTORY)?).collect(),
            recipient_delimiter: given.one(&s::RECIPIENT_DELIMITER)?.unwrap_or_default(),
            catch_all: given.all(&s::CATCH_ALL)?,
            timeout: given.value(&s::DIRECTORY_TIMEOUT)?,
            cache_size: number(given, &s::DIRECTORY_CACHE_SIZE)?,
            cache_for: given.value(&s::DIRECTORY_CACHE_FOR)?,
            cache_unknown_for: given.value(&s::DIRECTORY_CACHE_UNKNOWN_FOR)?,
        })
    }

    /// What is allowed but is hardly meant.
    pub(super) fn warnings(&self, local_domains: &[String]) -> Vec<String> {
        let mut warnings = Vec::new();
        let is_local = |domain: &String| local_domains.contains(domain);
        if local_domains.is_empty() && !self.directories.is_empty() {
            warnings.push("there is no local-domain: no directory is ever asked".to_owned());
            return warnings;
        }
        let unasked: Vec<&str> =
            local_domains.iter().filter(|domain| !self.is_asked_about(domain)).map(String::as_str).collect();
        if !unasked.is_empty() {
            warnings.push(format!(
                "no directory knows the recipients of {}: the backend is asked about each of them, so harvesting costs it \
                 work, and earns no strikes here; mailboxes or directory would refuse unknown ones at once",
                unasked.join(", ")
            ));
        }
        let mut before: Vec<&DirectoryItem> = Vec::new();
        for item in &self.directories {
            let covers: Vec<&String> = if item.domains.is_empty() {
                local_domains.iter().collect()
            } else {
                item.domains.iter().collect()
            };
            if covers.iter().all(|domain| before.iter().any(|earlier| earlier.is_asked_about(domain))) {
                warnings.push(format!(
                    "{} is never asked: those before it answer for all its domains; name the domains of each with domain=",
                    item.source
                ));
            }
            before.push(item);
            for domain in item.domains.iter().filter(|domain| !is_local(domain)) {
                warnings.push(format!("{} names {domain}, which is no local-domain", item.source));
            }
        }
        for domain in self.catch_all.iter().filter(|domain| !is_local(domain)) {
            warnings.push(format!("catch-all = {domain}: it is no local-domain"));
        }
        warnings
    }

    fn is_asked_about(&self, domain: &String) -> bool {
        self.catch_all.contains(domain) || self.directories.iter().any(|item| item.is_asked_about(domain))
    }
}

impl DirectoryItem {
    fn is_asked_about(&self, domain: &String) -> bool {
        self.domains.is_empty() || self.domains.contains(domain)
    }
}

impl fmt::Display for DirectorySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, .. } => write!(f, "file:{}", path.display()),
            Self::Remote(remote) => remote.fmt(f),
        }
    }
}

impl fmt::Display for RemoteSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.server {
            RemoteServer::Ldap(ldap) => write!(f, "ldap:{} base={:?}", ldap.uri, ldap.base),
            RemoteServer::Socketmap { at, map, .. } => write!(f, "socketmap:{at} name={map}"),
            RemoteServer::Callout { at } => {
                write!(f, "callout:{}", at.to_string().trim_start_matches("inet:"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn a_template_takes_the_parts_of_a_recipient() {
        let shout = |part: &str| part.to_uppercase();
        for (text, filled) in [
            ("%s", "USER@EXAMPLE.ORG"),
            ("%u", "USER"),
            ("(&(mail=smtp:%s)(x=%d%%))", "(&(mail=smtp:USER@EXAMPLE.ORG)(x=EXAMPLE.ORG%))"),
        ] {
            assert_eq!(Template::parse(text).unwrap().fill("user", "example.org", shout), filled);
        }
        for text in ["", "(mail=*)", "%d", "%x %s", "%s %"] {
            assert!(Template::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_hardly_meant_is_told() {
        let warnings = |flags: &[&str]| {
            let flags = ["--backend", "sink:", "--local-domain", "a.example", "--local-domain", "b.example"]
                .iter()
                .chain(flags)
                .copied();
            Config::from_flags(flags)
                .unwrap()
                .directories
                .warnings(&["a.example".to_owned(), "b.example".to_owned()])
        };
        let rows: [(&[&str], &[&str]); 6] = [
            (&[], &["no directory knows the recipients of a.example, b.example"]),
            (&["--mailboxes", "/m"], &[]),
            (
                &["--directory", "file:/f domain=a.example"],
                &["no directory knows the recipients of b.example"],
            ),
            (&["--directory", "file:/f domain=a.example", "--catch-all", "b.example"], &[]),
            (&["--mailboxes", "/m", "--directory", "file:/f domain=a.example"], &["file:/f is never asked"]),
            (
                &["--mailboxes", "/m", "--catch-all", "c.example"],
                &["catch-all = c.example: it is no local-domain"],
            ),
        ];
        for (flags, wanted) in rows {
            let found = warnings(flags);
            assert_eq!(found.len(), wanted.len(), "{flags:?}: {found:?}");
            assert!(found.iter().zip(wanted).all(|(found, wanted)| found.starts_with(wanted)), "{found:?}");
        }
    }
}
