//! LDAP as a directory, OpenLDAP and Active Directory alike: finds the one entry that has the recipient's address. What
//! the server gives is believed only where it fits the question; all else is "cannot say".

use std::fs;
use std::path::Path;

use ldap3::{
    Ldap as Handle, LdapConnAsync, LdapConnSettings, LdapError, LdapResult, Scope, SearchEntry, SearchOptions,
};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::task::{AbortHandle, JoinSet};

use super::error::DirectoryError;
use super::ldap_filter::LdapFilter;
use super::ldap_tls;
use super::pool::Server;
use super::question::Question;
use crate::config::LdapSource;

/// More entries than one are as bad as any number of them.
const ENTRIES: i32 = 2;
/// LDAP result codes (RFC 4511 section 4.1.9).
const SUCCESS: u32 = 0;
const SIZE_LIMIT_EXCEEDED: u32 = 4;

/// An LDAP server, and what it is asked for.
#[derive(Debug)]
pub(super) struct Ldap {
    uri: String,
    base: String,
    filter: LdapFilter,
    ignore_references: bool,
    bind: Option<(String, SecretString)>,
    settings: Settings,
}

/// The library's settings have no `Debug`.
struct Settings(LdapConnSettings);

impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Settings").field("starttls", &self.0.starttls()).finish_non_exhaustive()
    }
}

/// A bound connection. The task that drives it ends with it.
#[derive(Debug)]
pub(super) struct Connection {
    handle: Handle,
    driving: AbortHandle,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driving.abort();
    }
}

impl Ldap {
    /// Reads the password and the authorities; connects to nothing.
    pub(super) fn open(source: &LdapSource) -> Result<Self, DirectoryError> {
        let bind = match (&source.bind_dn, &source.password_file) {
            (Some(dn), Some(file)) => Some((dn.clone(), password(file)?)),
            _ => None,
        };
        let settings = LdapConnSettings::new().set_starttls(source.starttls);
        let settings = match &source.authorities {
            Some(file) => settings.set_config(ldap_tls::trusting(file)?),
            None => settings,
        };
        Ok(Self {
            uri: source.uri.clone(),
            base: source.base.clone(),
            filter: LdapFilter::parse(&source.filter)?,
            ignore_references: source.ignore_references,
            bind,
            settings: Settings(settings),
        })
    }

    /// Finds out whether a wrong base, a wrong schema or missing rights would make every recipient unknown: then there is
    /// nobody at all.
    async fn check(&self, handle: &Handle) -> Result<(), DirectoryError> {
        let found = self.search(handle, 1, self.filter.about_anybody()).await?;
        match found.result.rc {
            SUCCESS | SIZE_LIMIT_EXCEEDED if !found.entries.is_empty() => Ok(()),
            SUCCESS | SIZE_LIMIT_EXCEEDED => Err(DirectoryError::CannotSay(format!(
                "below {:?} no entry has {}; check base, filter and what the bind DN may read",
                self.base,
                self.filter.attributes().collect::<Vec<_>>().join(" or ")
            ))),
            _ => Err(refused("the search for anybody", &found.result)),
        }
    }

    /// Searches, in a task of its own: where a server sends what is no LDAP, the library panics.
    async fn search(&self, handle: &Handle, size: i32, filter: String) -> Result<Found, DirectoryError> {
        let (mut handle, base) = (handle.clone(), self.base.clone());
        let attributes: Vec<String> = self.filter.attributes().map(str::to_owned).collect();
        let mut searching = JoinSet::new();
        searching.spawn(async move {
            let options = SearchOptions::new().sizelimit(size);
            let mut stream = handle
                .with_search_options(options)
                .streaming_search(&base, Scope::Subtree, &filter, attributes)
                .await?;
            let (mut entries, mut references) = (Vec::new(), false);
            while let Some(entry) = stream.next().await? {
                references |= entry.is_ref();
                if !entry.is_ref() && !entry.is_intermediate() {
                    entries.push(SearchEntry::construct(entry));
                }
                if entries.len() >= ENTRIES as usize {
                    break;
                }
            }
            Ok(Found { entries, references, result: stream.finish().await })
        });
        match searching.join_next().await {
            Some(Ok(found)) => found.map_err(failed),
            Some(Err(_)) | None => Err(DirectoryError::Garbled("what it sent is no LDAP".to_owned())),
        }
    }

    /// What a search says of a recipient: exactly one entry, which has the address, is a yes; none is a no.
    fn meaning(&self, question: &Question, found: &Found) -> Result<bool, DirectoryError> {
        let cannot_say = |why: &str| Err(DirectoryError::CannotSay(why.to_owned()));
        match (found.entries.as_slice(), found.result.rc) {
            ([_, _, ..], _) => cannot_say("more than one entry has the address"),
            ([entry], SUCCESS) if self.filter.is_met(question, &entry.attrs) => Ok(true),
            ([_], SUCCESS) => cannot_say(
                "the entry that it found does not show the address; check what the bind DN may read",
            ),
            ([], SUCCESS) if found.references && !self.ignore_references => cannot_say(
                "it refers to another server; name that one, or a base without references, or references=ignore",
            ),
            ([], SUCCESS) => Ok(false),
            _ => Err(refused("the search", &found.result)),
        }
    }
}

/// What a search found.
struct Found {
    entries: Vec<SearchEntry>,
    references: bool,
    result: LdapResult,
}

impl Server for Ldap {
    type Connection = Connection;

    async fn dial(&self) -> Result<Connection, DirectoryError> {
        let connected = LdapConnAsync::with_settings(self.settings.0.clone(), &self.uri).await;
        let (connection, mut handle) =
            connected.map_err(|error| DirectoryError::Unreachable(std::io::Error::other(error)))?;
        let driving = tokio::spawn(async move {
            // Whoever asks over it is told of its end.
            let _ = connection.drive().await;
        });
        let connection = Connection { handle: handle.clone(), driving: driving.abort_handle() };
        if let Some((dn, password)) = &self.bind {
            let bound = handle.simple_bind(dn, password.expose_secret()).await.map_err(failed)?;
            if bound.rc != SUCCESS {
                return Err(refused("the bind", &bound));
            }
        }
        self.check(&connection.handle).await?;
        Ok(connection)
    }

    async fn ask(&self, connection: &mut Connection, question: &Question) -> Result<bool, DirectoryError> {
        let found = self.search(&connection.handle, ENTRIES, self.filter.about(question)).await?;
        self.meaning(question, &found)
    }
}

/// A connection that broke may be made anew; all else is the server's doing.
fn failed(error: LdapError) -> DirectoryError {
    match error {
        LdapError::Io { .. }
        | LdapError::OpSend { .. }
        | LdapError::ResultRecv { .. }
        | LdapError::IdScrubSend { .. }
        | LdapError::EndOfStream => {
            DirectoryError::Lost { doing: "asking", source: std::io::Error::other(error) }
        }
        other => DirectoryError::Garbled(other.to_string()),
    }
}

fn refused(what: &str, result: &LdapResult) -> DirectoryError {
    let text: String = result.text.chars().take(200).flat_map(char::escape_debug).collect();
    DirectoryError::CannotSay(format!("{what} ended with LDAP result {} {text:?}", result.rc))
}

/// The first line of a file. An empty one is no password: a server would take it for an anonymous bind (RFC 4513 section
/// 5.1.2), and find nobody.
fn password(file: &Path) -> Result<SecretString, DirectoryError> {
    let unreadable = |source| DirectoryError::Password { path: file.to_owned(), source };
    let text = SecretString::from(fs::read_to_string(file).map_err(unreadable)?);
    let line = text.expose_secret().lines().next().unwrap_or_default();
    if line.is_empty() {
        return Err(unreadable(std::io::Error::other("its first line is empty")));
    }
    Ok(SecretString::from(line))
}
